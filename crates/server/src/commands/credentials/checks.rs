//! What a kind of credential may be: its grant, its expiry, its overlap.

use keyway_domain::grant::Grant;
use keyway_domain::scheme::{Expiry, Kind, KindGrant, Overlap};
use keyway_domain::time::{DAY_MS, Time, say_duration};
use keyway_store::DbError;

use crate::codes::Code;
use crate::commands::Error;

/// A grant that the kind may have.
pub(in crate::commands) fn checked_grant(
    kind: &Kind,
    wanted: Option<Grant>,
    resources: &[String],
) -> Result<Grant, Error> {
    match (kind.grants, wanted) {
        (KindGrant::Everything, None | Some(Grant::Everything)) => Ok(Grant::Everything),
        (KindGrant::Everything, Some(_)) => {
            Err(Error::invalid("grant", format!("a {} may always do everything", kind.label)))
        }
        (KindGrant::Fixed(fixed), None) => Ok(fixed),
        (KindGrant::Fixed(fixed), Some(wanted)) if wanted == fixed => Ok(fixed),
        (KindGrant::Fixed(fixed), Some(_)) => {
            let always = fixed.to_column(resources);
            Err(Error::invalid("grant", format!("a {} always has: {always}", kind.label)))
        }
        (KindGrant::Chosen { .. }, None) => {
            Err(Error::invalid("grant", "say what the credential may do"))
        }
        (KindGrant::Chosen { everything, .. }, Some(Grant::Everything)) => {
            if everything {
                Ok(Grant::Everything)
            } else {
                let message = format!("a {} can't have everything; choose resources", kind.label);
                Err(Error::invalid("grant", message))
            }
        }
        (KindGrant::Chosen { widest, .. }, Some(wanted)) => {
            if widest.covers(wanted) {
                return Ok(wanted);
            }
            let may: Vec<String> = widest.to_names(resources).into_keys().collect();
            let wide = wanted.to_names(resources).into_keys().find(|name| !may.contains(name));
            let field = format!("grant.{}", wide.unwrap_or_default());
            Err(Error::invalid(&field, format!("a {} can't be granted this", kind.label)))
        }
    }
}

/// An expiry that the kind may have, and that lies ahead.
pub(in crate::commands) fn checked_expiry(
    kind: &Kind,
    wanted: Option<Time>,
    now: Time,
) -> Result<Option<Time>, Error> {
    let Some(at) = wanted else { return Ok(None) };
    match kind.expiry {
        Expiry::Never => {
            Err(Error::invalid("expires_at", format!("a {} does not expire", kind.label)))
        }
        Expiry::Optional { .. } if at <= now => {
            Err(Error::invalid("expires_at", format!("{at} is not in the future")))
        }
        Expiry::Optional { days_max, .. } if at > now.plus_ms(days_max * DAY_MS) => {
            let message =
                format!("an expiry lies at most {days_max} days ahead; leave it out for none");
            Err(Error::invalid("expires_at", message))
        }
        Expiry::Optional { by_date: true, .. } if at.0 % DAY_MS != 0 => {
            let message = "an expiry is a date; it ends at 00:00:00Z at its start";
            Err(Error::invalid("expires_at", message))
        }
        Expiry::Optional { .. } => Ok(Some(at)),
    }
}

pub(super) fn checked_overlap(rule: Option<&Overlap>, wanted: Option<i64>) -> Result<i64, Error> {
    let Some(rule) = rule else { return Ok(0) };
    let ms = wanted.unwrap_or(rule.default_ms);
    if (rule.from_ms..=rule.to_ms).contains(&ms) {
        return Ok(ms);
    }
    let message = if rule.is_fixed() {
        format!("the previous secret always stays for {}", say_duration(rule.from_ms))
    } else {
        let (from, to) = (say_duration(rule.from_ms), say_duration(rule.to_ms));
        format!("choose an overlap from {from} to {to}")
    };
    Err(Error::invalid("overlap", message))
}

pub(super) fn single_taken(error: DbError, kind: &Kind) -> Error {
    if error.is_duplicate() && kind.single {
        Error::Conflict {
            code: Code::AlreadyExists,
            message: format!("the account has a {} in this environment already", kind.label),
        }
    } else {
        error.into()
    }
}
