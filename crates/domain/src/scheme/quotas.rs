//! The quotas that a scheme declares.

use keyway_secret::Environment;
use toml::Spanned;

use super::file;
use super::read::{Checked, complain, one_of};
use crate::limits::QUOTA_REQUESTS_MAX;
use crate::quota::{Of, Per, Quota};

/// Reads them. No request is counted twice for the same: two quotas of one period and subject are
/// of different environments.
pub(super) fn read(declared: Vec<Spanned<file::Quota>>) -> Checked<Vec<Quota>> {
    let mut quotas: Vec<Quota> = Vec::new();
    for declared in declared {
        let at = Spanned::new(declared.span(), ());
        let quota = quota(declared.into_inner())?;
        let is_twice = |known: &Quota| {
            let together = Environment::ALL
                .iter()
                .any(|environment| known.counts(*environment) && quota.counts(*environment));
            (known.of, known.per) == (quota.of, quota.per) && together
        };
        if quotas.iter().any(is_twice) {
            let (of, per) = (quota.of.as_str(), quota.per.as_str());
            return complain(&at, format!("there are two quotas for the same: {of} and {per}"));
        }
        quotas.push(quota);
    }
    Ok(quotas)
}

fn quota(declared: file::Quota) -> Checked<Quota> {
    let environments = Environment::ALL.map(|environment| (environment.as_str(), environment));
    let environment =
        declared.environment.map(|word| one_of(&word, "environment", &environments)).transpose()?;
    let per = one_of(
        &declared.per,
        "period of a quota",
        &[Per::Day, Per::Month].map(|per| (per.as_str(), per)),
    )?;
    let of = one_of(
        &declared.of,
        "subject of a quota",
        &[Of::Credential, Of::Account].map(|of| (of.as_str(), of)),
    )?;
    if !(1..=QUOTA_REQUESTS_MAX).contains(declared.requests.get_ref()) {
        let message = format!("a quota is 1 to {QUOTA_REQUESTS_MAX} requests");
        return complain(&declared.requests, message);
    }
    Ok(Quota { environment, requests: declared.requests.into_inner(), per, of })
}
