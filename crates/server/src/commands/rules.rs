//! Security rules: what an account sets for itself, and what holds for what is done in it.

use keyway_domain::actor::Actor;
use keyway_domain::credential::Credential;
use keyway_domain::event::{Happened, Kind as Fact};
use keyway_domain::id::AccountId;
use keyway_domain::limits;
use keyway_domain::rules::{Broken, Rules, Standing};
use keyway_domain::scheme::{Act, Expiry, Kind, Overlap, Scheme};
use keyway_domain::time::say_duration;
use keyway_store::{DbError, Tx, account_settings, accounts, members};
use serde_json::json;

use super::{Error, Moment};
use crate::roster::moves_money;

/// Where an account's own rules are kept.
const SETTING: &str = "rules";

/// The rules that hold in an account. Rules that can't be read are an error: none would be laxer.
pub fn standing(tx: &mut Tx<'_>, scheme: &Scheme, account: AccountId) -> Result<Standing, DbError> {
    let found = account_settings::find(tx, account, SETTING)?;
    let own = found.map(|text| serde_json::from_str(&text)).transpose();
    let own = own.map_err(DbError::broken)?.unwrap_or_default();
    Ok(Standing { platform: scheme.rules, own })
}

fn here(tx: &mut Tx<'_>, moment: &Moment, account: AccountId) -> Result<Standing, DbError> {
    standing(tx, &moment.realm.rules.scheme, account)
}

fn broken(moment: &Moment, field: &str, broken: &Broken) -> Error {
    Error::invalid(field, broken.say(&moment.realm.rules.scheme.title))
}

/// Whether a credential as it is to be made keeps the rules.
pub(super) fn check_new(
    tx: &mut Tx<'_>,
    moment: &Moment,
    kind: &Kind,
    credential: &Credential,
) -> Result<(), Error> {
    let rules = here(tx, moment, credential.account)?;
    check_life(moment, &rules, kind, credential)?;
    check_places(moment, &rules, credential)
}

/// Whether a credential ends when the rules want it to.
pub(super) fn check_expiry(
    tx: &mut Tx<'_>,
    moment: &Moment,
    kind: &Kind,
    credential: &Credential,
) -> Result<(), Error> {
    let rules = here(tx, moment, credential.account)?;
    check_life(moment, &rules, kind, credential)
}

/// Whether a credential's access keeps the rules.
pub(super) fn check_access(
    tx: &mut Tx<'_>,
    moment: &Moment,
    credential: &Credential,
) -> Result<(), Error> {
    let rules = here(tx, moment, credential.account)?;
    check_places(moment, &rules, credential)
}

fn check_life(
    moment: &Moment,
    rules: &Standing,
    kind: &Kind,
    credential: &Credential,
) -> Result<(), Error> {
    // A kind that does not expire has no lifetime that a rule could limit.
    if matches!(kind.expiry, Expiry::Never) {
        return Ok(());
    }
    let checked = rules.check_lifetime(credential.created_at, credential.expires_at);
    checked.map_err(|why| broken(moment, "expires_at", &why))
}

fn check_places(moment: &Moment, rules: &Standing, credential: &Credential) -> Result<(), Error> {
    let moves = moves_money(credential.grant, &moment.realm.rules.scheme);
    let checked = rules.check_addresses(moves, credential.enforced_addresses().len());
    checked.map_err(|why| broken(moment, "addresses", &why))
}

/// The overlap of a rotation: the one that was asked for, if the rules let it be; else as long as
/// both the scheme and the rules say.
pub(super) fn overlap(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    rule: Option<&Overlap>,
    wanted: Option<i64>,
) -> Result<Option<i64>, Error> {
    let rules = here(tx, moment, account)?;
    let Some(rule) = rule else { return Ok(wanted) };
    let longest = rules.overlap_ms_max().map_or(i64::MAX, |(max, _)| max).max(rule.from_ms);
    let ms = wanted.unwrap_or_else(|| rule.default_ms.min(longest));
    // What the scheme fixes is no choice that a rule could forbid.
    if !rule.is_fixed() {
        rules.check_overlap(ms).map_err(|why| broken(moment, "overlap", &why))?;
    }
    Ok(Some(ms))
}

/// Whether an overlap may last until then, since the rotation.
pub(super) fn check_overlap(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    ms: i64,
) -> Result<(), Error> {
    let rules = here(tx, moment, account)?;
    rules.check_overlap(ms).map_err(|why| broken(moment, "until", &why))
}

/// Whether a member may do this alone: what gives out more that moves money waits for a second
/// person, where a rule wants one. `before` is what an edit starts from; without it there is a new
/// secret. What the platform itself does, its own people have decided.
pub(super) fn check_second(
    tx: &mut Tx<'_>,
    moment: &Moment,
    before: Option<&Credential>,
    after: &Credential,
) -> Result<(), Error> {
    let scheme = &moment.realm.rules.scheme;
    let is_live = after.environment == keyway_domain::Environment::Live;
    let gives_more = before.is_none_or(|before| widens(before, after));
    if is_live && gives_more && moves_money(after.grant, scheme) {
        return second_person(tx, moment, after.account);
    }
    Ok(())
}

fn second_person(tx: &mut Tx<'_>, moment: &Moment, account: AccountId) -> Result<(), Error> {
    let is_alone = matches!(moment.actor, Actor::Member { .. }) && moment.second.is_none();
    match here(tx, moment, account)?.second_person().filter(|_| is_alone) {
        Some(set_by) => {
            let wanted = Standing::wants_second_person(set_by);
            Err(Error::SecondPerson(wanted.say(&moment.realm.rules.scheme.title)))
        }
        None => Ok(()),
    }
}

/// Whether a change lets something pass that was refused before, or would be some day.
fn widens(before: &Credential, after: &Credential) -> bool {
    let ends_later = match (before.expires_at, after.expires_at) {
        (Some(was), Some(is)) => is > was,
        (was, None) => was.is_some(),
        (None, Some(_)) => false,
    };
    let (was, is) = (before.enforced_addresses(), after.enforced_addresses());
    let is_in = |range: &ipnet::IpNet| was.iter().any(|wider| wider.contains(range));
    let from_more = !was.is_empty() && (is.is_empty() || !is.iter().all(is_in));
    !before.grant.covers(after.grant) || from_more || ends_later
}

/// A rule that nobody could ever switch off again would lock its account.
fn check_others(tx: &mut Tx<'_>, moment: &Moment, account: AccountId) -> Result<(), Error> {
    let rules = &moment.realm.rules;
    let people = members::list(tx, &rules.seals, account)?;
    let settlers = people.iter().filter(|m| rules.scheme.people.settings.contains(&m.role));
    if settlers.count() < 2 {
        let message =
            "nobody else here could approve anything; invite another owner or admin first";
        return Err(Error::invalid("second_person", message));
    }
    Ok(())
}

/// Sets an account's own rules; nothing is recorded where they are so already.
pub fn set(tx: &mut Tx<'_>, moment: &Moment, account: AccountId, own: Rules) -> Result<(), Error> {
    accounts::lock(tx, account)?.ok_or(Error::NotFound("account"))?;
    let before = here(tx, moment, account)?;
    if before.own == own {
        return Ok(());
    }
    checked(&moment.realm.rules.scheme, own)?;
    if own.second_person && !before.own.second_person {
        check_others(tx, moment, account)?;
    }
    // Else whoever may change the rules would need no second person for anything.
    if before.own.second_person && !own.second_person {
        second_person(tx, moment, account)?;
    }
    account_settings::save(tx, account, SETTING, &json!(own).to_string())?;
    let happened = Happened::new(Fact::SettingsChanged, said(&before.own), said(&own));
    Ok(moment.record(tx, account, account.to_string(), happened)?)
}

fn checked(scheme: &Scheme, own: Rules) -> Result<(), Error> {
    let days_max = limits::LIFETIME_DAYS_MAX;
    if own.lifetime_days_max.is_some_and(|days| !(1..=days_max).contains(&days)) {
        return Err(Error::invalid("lifetime_days_max", format!("it is 1 to {days_max} days")));
    }
    if let Some(rule) = (Standing { platform: scheme.rules, own }).looser() {
        let field = match rule {
            keyway_domain::rules::Rule::Lifetime => "lifetime_days_max",
            _ => "overlap_max",
        };
        let message = format!("{} has set a stricter one; yours can only be shorter", scheme.title);
        return Err(Error::invalid(field, message));
    }
    // A window that no rotation of a kind can have would forbid its rotation.
    let shortest = scheme.kinds.iter().filter_map(|kind| {
        let overlap = kind.act(Act::Rotate)?.overlap.as_ref()?;
        (!overlap.is_fixed()).then_some((kind, overlap.from_ms))
    });
    for (kind, from_ms) in shortest {
        if own.overlap_ms_max.is_some_and(|max| max < from_ms) {
            let from = say_duration(from_ms);
            let message = format!("a {} is always rotated over {from} at least", kind.label);
            return Err(Error::invalid("overlap_max", message));
        }
    }
    Ok(())
}

/// Rules as the audit log tells them.
pub fn said(rules: &Rules) -> serde_json::Value {
    json!({
        "second_factor": rules.second_factor,
        "overlap_max": rules.overlap_ms_max.map(say_duration),
        "lifetime_days_max": rules.lifetime_days_max,
        "addresses_for_money": rules.addresses_for_money,
        "second_person": rules.second_person,
    })
}
