//! Whom an account tells what by mail: what the scheme says, unless the account says otherwise.

use std::collections::BTreeMap;

use keyway_domain::actor::Role;
use keyway_domain::event::{Happened, Kind as Fact};
use keyway_domain::id::AccountId;
use keyway_domain::scheme::{Notice, Scheme};
use keyway_store::{DbError, Tx, account_settings, accounts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Moment};

/// Where an account's choice is kept.
const SETTING: &str = "notices";

/// What an account chose otherwise than the scheme, by the event's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice(BTreeMap<String, Vec<Role>>);

/// Whether those whom the scheme tells an event are told it whatever an account says: that a
/// credential has ended must not be hidden by whoever ended it.
pub fn is_fixed(event: &str) -> bool {
    [Fact::Revoked, Fact::Deleted].iter().any(|fixed| event == fixed.as_str())
}

impl Choice {
    /// An account's choice.
    pub fn of(tx: &mut Tx<'_>, account: AccountId) -> Result<Self, DbError> {
        let found = account_settings::find(tx, account, SETTING)?;
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// What was ticked: events with roles. What is as the scheme says is no choice.
    pub fn ticked(scheme: &Scheme, ticked: &[(String, Role)]) -> Result<Self, Error> {
        let is_known = |event: &String| scheme.notices.iter().any(|known| known.event == *event);
        if let Some((event, _)) = ticked.iter().find(|(event, _)| !is_known(event)) {
            return Err(Error::invalid("event", format!("nothing is told of `{event}`")));
        }
        let mut own = BTreeMap::new();
        for notice in &scheme.notices {
            let is_ticked = |role: &Role| {
                let fixed = is_fixed(&notice.event) && notice.mail.contains(role);
                fixed || ticked.contains(&(notice.event.clone(), *role))
            };
            let roles: Vec<Role> = Role::ALL.into_iter().filter(is_ticked).collect();
            if roles.iter().any(|role| !notice.mail.contains(role))
                || notice.mail.iter().any(|role| !roles.contains(role))
            {
                own.insert(notice.event.clone(), roles);
            }
        }
        Ok(Self(own))
    }

    /// Who is told of an event.
    pub fn roles(&self, notice: &Notice) -> Vec<Role> {
        let Some(own) = self.0.get(&notice.event) else { return notice.mail.clone() };
        let fixed = |role: &Role| is_fixed(&notice.event) && notice.mail.contains(role);
        Role::ALL.into_iter().filter(|role| own.contains(role) || fixed(role)).collect()
    }
}

/// Sets whom an account tells what; nothing is recorded where it is so already.
pub fn set(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    choice: &Choice,
) -> Result<(), Error> {
    accounts::lock(tx, account)?.ok_or(Error::NotFound("account"))?;
    let before = Choice::of(tx, account)?;
    if before == *choice {
        return Ok(());
    }
    account_settings::save(tx, account, SETTING, &json!(choice).to_string())?;
    let notices = &moment.realm.rules.scheme.notices;
    let changed = || notices.iter().filter(|n| before.roles(n) != choice.roles(n));
    let said = |choice: &Choice| -> Value {
        changed()
            .map(|n| (n.event.clone(), json!(choice.roles(n))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let happened = Happened::new(Fact::SettingsChanged, said(&before), said(choice));
    Ok(moment.record(tx, account, account.to_string(), happened)?)
}
