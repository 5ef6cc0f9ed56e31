//! All credentials, divided among connections that read at once: who has nothing left takes half of
//! what another has before it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use keyway_domain::id::CredentialId;

use crate::db::{Snapshot, Tx};
use crate::value::DbError;

/// Credentials of one page: enough to make its two queries cheap.
pub(super) const PAGE: u32 = 10_000;

/// A load that several connections do together, all of one snapshot.
pub struct Division {
    pub(super) page: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What all of them read, once it is known.
    snapshot: Option<Snapshot>,
    /// Beyond this there is next to nothing to divide.
    newest: Option<CredentialId>,
    /// What nobody reads yet.
    open: Vec<Stretch>,
    reading: usize,
    waiting: usize,
    /// Nothing more is given out: whoever read first has ended.
    is_over: bool,
    /// Why a part can't be read.
    broken: Option<DbError>,
}

impl State {
    fn goes_on(&self) -> bool {
        !self.is_over && self.broken.is_none()
    }
}

/// The credentials whose ids come after one, up to another.
pub(super) struct Stretch {
    /// As it is written down: a row whose id is none has its place, too.
    pub(super) after: String,
    /// The last; without one, all there are.
    pub(super) last: Option<CredentialId>,
    pub(super) is_done: bool,
}

impl Stretch {
    pub(super) fn after(after: String, last: Option<CredentialId>) -> Self {
        Self { after, last, is_done: false }
    }

    fn everything() -> Self {
        Self::after(String::new(), None)
    }

    /// Leaves the second half, by the number of its id, to somebody else.
    fn halve(&mut self, newest: CredentialId) -> Option<Self> {
        let at = CredentialId::parse(&self.after)?;
        let last = self.last.unwrap_or(newest);
        let middle = CredentialId(at.0 + last.0.checked_sub(at.0)? / 2);
        let is_worth_it = !self.is_done && middle > at;
        is_worth_it.then(|| Self::after(middle.to_string(), self.last.replace(middle)))
    }
}

impl Default for Division {
    fn default() -> Self {
        Self::of_pages(PAGE)
    }
}

impl Division {
    /// One in which so many are read, by each, between two looks at who has nothing to read.
    pub fn of_pages(page: u32) -> Self {
        Self { page, state: Mutex::default(), changed: Condvar::new() }
    }

    /// One that has everything before it at once, for a connection that reads alone.
    pub fn of_one() -> Self {
        let division = Self::default();
        division.lock().open.push(Stretch::everything());
        division
    }

    /// Whoever reads first: when it ends, or fails, or never begins, nobody waits any longer.
    pub fn lead(self: &Arc<Self>) -> Lead {
        Lead(Arc::clone(self))
    }

    /// Waits until it is known what is read, and reads the same from then on; whether there is
    /// anything to read.
    pub fn join(&self, tx: &mut Tx<'_>) -> Result<bool, DbError> {
        let begun = |state: &mut State| state.snapshot.is_none() && !state.is_over;
        let state = self.changed.wait_while(self.lock(), begun);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let snapshot = state.snapshot.clone().filter(|_| state.goes_on());
        drop(state);
        let Some(snapshot) = snapshot else { return Ok(false) };
        match tx.join(&snapshot) {
            // With who named it, it is gone.
            Err(_) if !self.lock().goes_on() => Ok(false),
            joined => joined.map(|()| true),
        }
    }

    /// The next part to read; nothing when all is read.
    pub(super) fn take(&self) -> Option<Part<'_>> {
        let mut state = self.lock();
        loop {
            if !state.goes_on() {
                return None;
            }
            if let Some(stretch) = state.open.pop() {
                state.reading += 1;
                return Some(Part { division: self, stretch, is_read: false });
            }
            if state.reading == 0 {
                return None;
            }
            state.waiting += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// Whether all that was given out was read; else why a part was not.
    pub(super) fn ended(&self) -> Result<(), DbError> {
        self.lock().broken.clone().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that says what is read.
pub struct Lead(Arc<Division>);

impl Lead {
    /// Lets the others read what this transaction reads.
    pub fn begin(&self, tx: &mut Tx<'_>) -> Result<(), DbError> {
        let (snapshot, newest) = (tx.share()?, super::load::newest(tx)?);
        let mut state = self.0.lock();
        (state.snapshot, state.newest) = (Some(snapshot), newest);
        state.open.push(Stretch::everything());
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

/// What one of them reads. One that is dropped before its end fails the whole.
pub(super) struct Part<'d> {
    division: &'d Division,
    pub(super) stretch: Stretch,
    is_read: bool,
}

impl Part<'_> {
    /// Gives half of what is left to somebody who waits for it; whether to go on.
    pub(super) fn share(&mut self) -> bool {
        let mut state = self.division.lock();
        if state.waiting > state.open.len()
            && let Some(newest) = state.newest
            && let Some(half) = self.stretch.halve(newest)
        {
            state.open.push(half);
            self.division.changed.notify_one();
        }
        state.goes_on()
    }

    /// All of it was read, and taken.
    pub(super) fn end(mut self) {
        self.is_read = true;
    }

    /// It can't be read.
    pub(super) fn fail(self, error: &DbError) {
        self.division.lock().broken.get_or_insert_with(|| error.clone());
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let mut state = self.division.lock();
        state.reading -= 1;
        if !self.is_read {
            state.broken.get_or_insert_with(|| DbError::other("a part broke off"));
        }
        self.division.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use keyway_domain::id::CredentialId;

    use super::{Division, Part, Stretch};
    use crate::value::{DbError, Trouble};

    fn whole(newest: u128) -> Division {
        let division = Division::of_one();
        division.lock().newest = Some(CredentialId(newest));
        division
    }

    impl Division {
        fn readers(&self) -> usize {
            let state = self.lock();
            state.waiting + state.reading
        }
    }

    #[test]
    fn who_waits_gets_half_of_what_is_left_and_everything_is_read_once() {
        const NEWEST: u128 = 1_000;
        let (division, read) = (whole(NEWEST), AtomicUsize::new(0));
        let each: Vec<AtomicUsize> =
            std::iter::repeat_with(AtomicUsize::default).take(1_001).collect();
        let reader = || {
            let mut parts = 0;
            while let Some(mut part) = division.take() {
                parts += 1;
                while !part.stretch.is_done {
                    let at = CredentialId::parse(&part.stretch.after).map_or(0, |id| id.0) + 1;
                    let last = part.stretch.last.map_or(NEWEST, |id| id.0);
                    if at <= last {
                        each[usize::try_from(at).unwrap()].fetch_add(1, Ordering::Relaxed);
                        read.fetch_add(1, Ordering::Relaxed);
                        part.stretch.after = CredentialId(at).to_string();
                        // Nobody gets through it alone.
                        while at == 10 && division.readers() < 3 {
                            thread::yield_now();
                        }
                    }
                    part.stretch.is_done = at >= last;
                    part.share();
                }
                part.end();
            }
            parts
        };
        let parts: Vec<usize> = thread::scope(|scope| {
            let readers: Vec<_> = (0..3).map(|_| scope.spawn(reader)).collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        assert_eq!(read.load(Ordering::Relaxed), 1_000);
        assert!(each[1..].iter().all(|times| times.load(Ordering::Relaxed) == 1));
        assert!(parts.iter().sum::<usize>() > 2, "{parts:?}");
        division.ended().unwrap();
    }

    #[test]
    fn a_part_that_breaks_off_ends_it_for_all() {
        let error = DbError::new(Trouble::Away, "gone");
        let ways: [fn(Part<'_>, &DbError); 2] =
            [|part, _| drop(part), |part, error| part.fail(error)];
        for (way, trouble) in ways.into_iter().zip([Trouble::Other, Trouble::Away]) {
            let division = whole(1_000);
            let part = division.take().unwrap();
            thread::scope(|scope| {
                let waiting = scope.spawn(|| division.take().is_none());
                while division.lock().waiting == 0 {
                    thread::yield_now();
                }
                way(part, &error);
                assert!(waiting.join().unwrap());
            });
            assert_eq!(division.ended().unwrap_err().trouble, trouble);
        }
    }

    #[test]
    fn who_reads_on_after_a_failure_is_told_to_stop() {
        let division = whole(1_000);
        let mut one = division.take().unwrap();
        assert!(one.share());
        division.lock().open.push(Stretch::after(CredentialId(500).to_string(), None));
        drop(division.take());
        assert!(!one.share());
    }

    #[test]
    fn next_to_nothing_is_not_halved_and_what_has_no_number_neither() {
        let halves = |after: &str, last| {
            let mut stretch = Stretch::after(after.to_owned(), last);
            stretch.halve(CredentialId(1_000)).map(|half| (half.after, half.last))
        };
        let id = |number: u128| CredentialId(number).to_string();
        assert_eq!(halves(&id(900), None), Some((id(950), None)));
        assert_eq!(
            halves(&id(900), Some(CredentialId(910))),
            Some((id(905), Some(CredentialId(910))))
        );
        assert_eq!(halves(&id(900), Some(CredentialId(901))), None);
        assert_eq!(halves(&id(1_000), None), None);
        assert_eq!(halves(&id(2_000), None), None, "made since it began");
        assert_eq!(halves("edited by hand", None), None);
        assert_eq!(halves("", None), None);
    }
}
