//! Ends that no credential's own state says: of what it has forgotten, and of what can't be trusted.

use std::sync::PoisonError;

use keyway_domain::credential::Credential;
use keyway_domain::time::Time;
use keyway_secret::{Digest, DigestPrefix};

use super::{Entry, Index};
use crate::followers::Subject;

impl Index {
    /// Ends at once the secret of a digest; there must be one writer at a time.
    pub(super) fn end(&self, digest: DigestPrefix) {
        if let Some(entry) = self.find_prefix(digest)
            && let Some(record) = self.records.at(entry.slot)
        {
            record.write(digest, &Entry { ends_at: Time(0), ends_by_expiry: false, ..entry });
        }
    }

    /// Ends at once what a credential has forgotten, given as it was known last.
    pub fn end_forgotten(&self, before: &Credential, now: &Credential) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = |digest: &Digest| now.secrets.iter().any(|secret| secret.digest == *digest);
        for secret in before.secrets.iter().filter(|secret| !kept(&secret.digest)) {
            self.end(secret.digest.prefix());
        }
        self.changed(Subject::Credential(now.id));
    }

    /// Ends at once, for ever, every secret of which that holds: what can't be vouched for is not
    /// accepted. What is applied afterwards counts again.
    pub fn end_where(&self, which: impl Fn(&Entry) -> bool) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in 0..self.records.len() {
            let Some(record) = self.records.at(slot) else { continue };
            if let Some(entry) = record.entry(slot).filter(&which) {
                let ended = Entry { ends_at: Time(0), ends_by_expiry: false, ..entry };
                record.write(record.digest(), &ended);
            }
        }
        self.changed(Subject::Everything);
    }
}
