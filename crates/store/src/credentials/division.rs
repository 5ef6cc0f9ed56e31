//! All credentials, divided among connections that read at once: who has nothing left takes half of
//! what another has before it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

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
    /// Nothing more is given out: all is read, or a part can't be.
    is_over: bool,
    is_broken: bool,
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

    /// Whoever reads first: when it ends, or fails, nobody waits any longer.
    pub fn lead(&self) -> Lead<'_> {
        Lead(self)
    }

    /// Waits until it is known what is read, and reads the same from then on; whether there is
    /// anything to read.
    pub fn join(&self, tx: &mut Tx<'_>) -> Result<bool, DbError> {
        let begun = |state: &mut State| state.snapshot.is_none() && !state.is_over;
        let state = self.changed.wait_while(self.lock(), begun);
        let snapshot = state.unwrap_or_else(PoisonError::into_inner).snapshot.clone();
        snapshot.map_or(Ok(false), |snapshot| tx.join(&snapshot).map(|()| true))
    }

    /// The next part to read; nothing when all is read.
    pub(super) fn take(&self) -> Option<Part<'_>> {
        let mut state = self.lock();
        loop {
            if state.is_over || state.is_broken {
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

    /// Whether all that was given out was read.
    pub(super) fn ended(&self) -> Result<(), DbError> {
        let is_broken = self.lock().is_broken;
        if is_broken { Err(DbError::other("another part could not be read")) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that says what is read.
pub struct Lead<'d>(&'d Division);

impl Lead<'_> {
    /// Lets the others read what this transaction reads.
    pub fn begin(&self, tx: &mut Tx<'_>) -> Result<(), DbError> {
        let (snapshot, newest) = (tx.share()?, super::newest(tx)?);
        let mut state = self.0.lock();
        (state.snapshot, state.newest) = (Some(snapshot), newest);
        state.open.push(Stretch::everything());
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

/// What one of them reads.
pub(super) struct Part<'d> {
    division: &'d Division,
    pub(super) stretch: Stretch,
    is_read: bool,
}

impl Part<'_> {
    /// Gives half of what is left to somebody who waits for it.
    pub(super) fn share(&mut self) {
        let mut state = self.division.lock();
        if state.waiting > state.open.len()
            && let Some(newest) = state.newest
            && let Some(half) = self.stretch.halve(newest)
        {
            state.open.push(half);
            self.division.changed.notify_one();
        }
    }

    /// All of it is read.
    pub(super) fn end(mut self) {
        self.is_read = true;
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let mut state = self.division.lock();
        state.reading -= 1;
        state.is_broken |= !self.is_read;
        self.division.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use keyway_domain::id::CredentialId;

    use super::{Division, Stretch};

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
        let division = whole(1_000);
        let part = division.take().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| division.take().is_none());
            while division.lock().waiting == 0 {
                thread::yield_now();
            }
            drop(part);
            assert!(waiting.join().unwrap());
        });
        division.ended().unwrap_err();
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
