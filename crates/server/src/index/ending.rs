//! Ends that no credential's own state says: of what it has forgotten, and of what can't be trusted;
//! and what becomes of secrets that ended long ago.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use keyway_domain::credential::Credential;
use keyway_domain::time::Time;
use keyway_secret::{Digest, DigestPrefix};

use super::record::Record;
use super::{Entry, Index, Writer};
use crate::followers::Subject;

impl Index {
    /// Ends at once the secret of a digest; there must be one writer at a time.
    pub(super) fn end(&self, digest: DigestPrefix, now: Time) {
        if let Some(entry) = self.find_prefix(digest)
            && let Some(record) = self.records.at(entry.slot)
        {
            record.write(digest, &over(entry, now));
        }
    }

    /// Ends at once what a credential has forgotten, given as it was known last and as it is.
    pub fn end_forgotten(&self, before: &Credential, after: &Credential, now: Time) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = |digest: &Digest| after.secrets.iter().any(|secret| secret.digest == *digest);
        for secret in before.secrets.iter().filter(|secret| !kept(&secret.digest)) {
            self.end(secret.digest.prefix(), now);
        }
        self.changed(Subject::Credential(after.id));
    }

    /// Ends at once every secret of which that holds: what can't be vouched for is not accepted. What
    /// is applied afterwards counts again.
    pub fn end_where(&self, now: Time, which: impl Fn(&Entry) -> bool) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in 0..self.records.len() {
            let Some(record) = self.records.at(slot) else { continue };
            if let Some(entry) = record.entry(slot).filter(&which) {
                record.write(record.digest(), &over(entry, now));
            }
        }
        self.changed(Subject::Everything);
    }

    /// Forgets secrets that ended long ago, so that their places can be used again; how many.
    ///
    /// They are looked for without the lock: among millions that takes a while, and a revocation must
    /// not wait for it. What was not old then is none of it.
    ///
    /// The slots that were freed by the call before can be taken then: what is noted by them must have
    /// been written down since, for whoever had them.
    pub fn forget_ended(&self, before: Time) -> u64 {
        let old = |slot: u32| {
            let record = self.records.at(slot)?;
            let is_written_down = record.allowed.load(Ordering::Relaxed) == 0;
            record.entry(slot).filter(|entry| entry.ends_at < before && is_written_down)
        };
        let counts_itself = |entry: &Entry| entry.rate_slot == entry.slot;
        let found = (0..self.records.len()).filter_map(old);
        let mut found: Vec<_> = found.map(|entry| (counts_itself(&entry), entry.slot)).collect();
        // A slot that counts the rate of another secret is not another credential's to have: those
        // that are counted elsewhere go first.
        found.sort_unstable();
        self.release_rested();
        let mut forgotten = 0;
        for some in found.chunks(FORGOTTEN_AT_ONCE) {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in some.iter().filter_map(|(_, slot)| old(*slot)) {
                forgotten += u64::from(self.forget(&mut writer, &entry));
            }
        }
        self.count.fetch_sub(forgotten, Ordering::Relaxed);
        forgotten
    }

    /// Frees the slot of a secret that ended long ago, if no other is counted there.
    fn forget(&self, writer: &mut Writer, entry: &Entry) -> bool {
        let Some(record) = self.records.at(entry.slot) else { return false };
        if writer.counting.contains_key(&entry.slot)
            || !self.table.load().remove(record.digest(), entry.slot)
        {
            return false;
        }
        // What is free is nobody's, and never old.
        let nobody = Entry { ends_at: Time::NEVER, ended: true, rate_slot: entry.slot, ..*entry };
        record.write(DigestPrefix([0; 2]), &nobody);
        writer.counts(Some(entry), None);
        writer.resting.push(entry.slot);
        true
    }

    /// Lets the slots that were freed the last time be taken.
    fn release_rested(&self) {
        let writer = || self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = std::mem::take(&mut writer().resting);
        // Nobody's as yet, so that nobody has to wait for this.
        rested.iter().filter_map(|slot| self.records.at(*slot)).for_each(Record::forget_counts);
        writer().free.extend(rested);
    }
}

/// Slots that are freed under one lock.
const FORGOTTEN_AT_ONCE: usize = 1_000;

/// As of now it has ended, if it had not before.
fn over(entry: Entry, now: Time) -> Entry {
    Entry { ends_at: entry.ends_at.min(now), ends_by_expiry: false, ended: true, ..entry }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_domain::Environment;
    use keyway_domain::credential::{
        AddressMode, Credential, EndedBecause, Secret, SecretState, Status,
    };
    use keyway_domain::grant::Grant;
    use keyway_domain::id::{AccountId, CredentialId};
    use keyway_domain::time::{DAY_MS, Time};
    use keyway_secret::Digest;

    use crate::index::Index;

    const NOW: Time = Time(1_780_000_000_000);
    const LONG_AGO: Time = Time(NOW.0 - 400 * DAY_MS);

    fn digest(number: u32) -> Digest {
        let mut bytes = [7; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Digest(bytes)
    }

    fn secret(number: u32, state: SecretState) -> Secret {
        let (hint, created_at) = (String::new(), LONG_AGO);
        Secret {
            number,
            digest: digest(number),
            public_id: None,
            sealed: None,
            hint,
            created_at,
            state,
        }
    }

    fn credential(kind: &str, id: u128, secrets: Vec<Secret>) -> Credential {
        Credential {
            id: CredentialId(id),
            account: AccountId(1),
            environment: Environment::Live,
            kind: kind.to_owned(),
            name: "One".to_owned(),
            grant: Grant::Everything,
            addresses: Vec::new(),
            address_mode: AddressMode::Enforce,
            rate: None,
            client_id: None,
            expires_at: None,
            status: Status::Live,
            created_at: LONG_AGO,
            version: 1,
            secrets,
        }
    }

    #[test]
    fn a_forgotten_secret_is_not_found_and_what_counts_for_another_is_not_forgotten() {
        let scheme = Arc::new(crate::schemes::load("enterprise").unwrap());
        let kind = scheme.kinds[0].name.clone();
        let index = Index::new(scheme, 0);
        let ended = |why| SecretState::Ended { at: LONG_AGO, why };
        let retiring = SecretState::Retiring { until: NOW };
        let apply = |id, secrets| index.apply(&credential(&kind, id, secrets), LONG_AGO);
        let slot = |number| index.find(&digest(number)).map(|entry| entry.slot);

        // One that was rotated, and one that was rotated and rolled back.
        apply(1, vec![secret(1, SecretState::Current)]);
        apply(1, vec![secret(2, SecretState::Current), secret(1, retiring)]);
        apply(1, vec![secret(2, SecretState::Current), secret(1, ended(EndedBecause::Replaced))]);
        apply(2, vec![secret(3, SecretState::Current)]);
        apply(2, vec![secret(4, SecretState::Current), secret(3, retiring)]);
        apply(2, vec![secret(3, SecretState::Current), secret(4, ended(EndedBecause::RolledBack))]);
        let (first, counting) = (slot(1), slot(4));
        assert_eq!(index.find(&digest(3)).map(|entry| entry.rate_slot), counting);

        assert_eq!(index.forget_ended(LONG_AGO), 0, "they had ended at that instant");
        assert_eq!(index.forget_ended(NOW), 1);
        assert_eq!((slot(1), slot(4), index.len()), (None, counting, 3));
        // What was noted by its place is its own until the next time; then the place is taken, once.
        let whose = |slot: Option<u32>| index.entry(slot.unwrap()).unwrap().credential;
        apply(3, vec![secret(5, SecretState::Current)]);
        assert_ne!(slot(5), first);
        assert_eq!(whose(first), CredentialId(1));
        assert_eq!(index.forget_ended(NOW), 0, "once");
        apply(4, vec![secret(6, SecretState::Current)]);
        apply(5, vec![secret(8, SecretState::Current)]);
        assert_eq!((slot(6), whose(first)), (first, CredentialId(4)));
        assert_ne!(slot(8), first);
        assert!((2..=6).all(|number| slot(number).is_some()));
        // Once nobody counts there, it goes too.
        apply(2, vec![secret(7, SecretState::Current), secret(3, ended(EndedBecause::Replaced))]);
        assert_eq!(index.forget_ended(NOW), 2);
        assert_eq!((slot(3), slot(4), index.len()), (None, None, 5));
    }

    #[test]
    fn all_that_are_old_are_forgotten_at_once_and_not_looked_at_again() {
        let scheme = Arc::new(crate::schemes::load("enterprise").unwrap());
        let kind = scheme.kinds[0].name.clone();
        let index = Index::new(scheme, 0);
        let many = u32::try_from(2 * super::FORGOTTEN_AT_ONCE + 1).unwrap();
        for number in 1..=many {
            let ended = SecretState::Ended { at: LONG_AGO, why: EndedBecause::Revoked };
            index.apply(&credential(&kind, number.into(), vec![secret(number, ended)]), LONG_AGO);
        }
        assert_eq!(index.forget_ended(NOW), u64::from(many));
        assert!(index.is_empty());
        let is_old = |slot| index.entry(slot).is_none_or(|entry| entry.ends_at < NOW);
        assert!(!(0..many).any(is_old), "a free slot is no old secret");
    }

    #[test]
    fn what_was_ended_as_of_now_keeps_its_slot_for_as_long_as_any_other() {
        let scheme = Arc::new(crate::schemes::load("enterprise").unwrap());
        let kind = scheme.kinds[0].name.clone();
        let index = Index::new(scheme, 0);
        let made = credential(&kind, 1, vec![secret(1, SecretState::Current)]);
        index.apply(&made, LONG_AGO);
        let before = index.find(&digest(1)).map(|entry| entry.slot);
        index.end_where(NOW, |_| true);
        assert!(index.find(&digest(1)).is_some_and(|entry| entry.ended));
        assert_eq!(index.forget_ended(NOW), 0);
        index.apply(&made, LONG_AGO);
        let entry = index.find(&digest(1)).unwrap();
        assert_eq!((Some(entry.slot), entry.ended), (before, false));
        // It forgets the one for the other.
        let after = credential(&kind, 1, vec![secret(2, SecretState::Current)]);
        index.apply(&after, NOW);
        index.end_forgotten(&made, &after, NOW);
        assert_eq!(index.forget_ended(NOW), 0);
        assert_eq!(index.forget_ended(NOW.plus_ms(1)), 1);
        assert!(index.find(&digest(1)).is_none() && index.find(&digest(2)).is_some());
    }
}
