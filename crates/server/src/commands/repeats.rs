//! What matters and may come a thousand times a minute: sign-ins and acts that were refused. The
//! first is told at once; those that follow within a while are counted and told together.

use keyway_domain::actor::Actor;
use keyway_domain::event::{Event, Happened, Kind};
use keyway_domain::id::{AccountId, EventId};
use keyway_domain::limits::REPEATS_WINDOW_MS;
use keyway_secret::OsEntropy;
use keyway_store::repeats::{self, Repeated};
use keyway_store::{DbError, Tx, events};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Moment;

/// Windows that are closed in one go.
const BATCH: u32 = 100;

/// The newest of what was counted.
#[derive(Serialize, Deserialize)]
struct Last {
    actor: Actor,
    request_id: String,
    address: Option<String>,
    client: Option<String>,
    after: Value,
}

/// Records something that may come again and again.
pub fn record(
    tx: &mut Tx<'_>,
    moment: &Moment,
    account: AccountId,
    subject: String,
    happened: Happened,
) -> Result<(), DbError> {
    let last = Last {
        actor: moment.actor.clone(),
        request_id: moment.request_id.clone(),
        address: moment.address.clone(),
        client: moment.client.clone(),
        after: happened.after.clone(),
    };
    let last = serde_json::to_string(&last).map_err(DbError::broken)?;
    let kind = happened.kind.as_str();
    if repeats::note(tx, account, (kind, &subject), &last, moment.now)? {
        return moment.record(tx, account, subject, happened);
    }
    Ok(())
}

/// Tells what was counted in windows that are over; how many windows there were.
pub fn close(tx: &mut Tx<'_>, moment: &Moment) -> Result<usize, DbError> {
    let over = repeats::take(tx, moment.now.plus_ms(-REPEATS_WINDOW_MS), BATCH)?;
    for repeated in over.iter().filter(|repeated| repeated.more > 0) {
        // Where one account's rows are damaged, the others' counts are told all the same.
        if let Err(error) = tx.apart(|tx| tell(tx, moment, repeated))? {
            let (account, more) = (repeated.account, repeated.more);
            tracing::error!(%account, more, %error, "what came again could not be recorded");
        }
    }
    Ok(over.len())
}

fn tell(tx: &mut Tx<'_>, moment: &Moment, repeated: &Repeated) -> Result<(), DbError> {
    let last: Last = serde_json::from_str(&repeated.last).map_err(DbError::broken)?;
    let mut after = last.after;
    if let Some(fields) = after.as_object_mut() {
        fields.insert("more".to_owned(), json!(repeated.more));
        fields.insert("since".to_owned(), json!(repeated.since));
    }
    let event = Event {
        id: EventId::ordered(moment.now, moment.order.next(), &mut OsEntropy),
        at: moment.now,
        account: repeated.account,
        kind: repeated.kind.clone(),
        subject: repeated.subject.clone(),
        actor: last.actor.into(),
        step_up: None,
        request_id: Some(last.request_id),
        address: last.address,
        client: last.client,
        before: json!({}),
        after,
    };
    events::append(tx, &moment.keys.audit, &event)
}

/// What is refused to somebody who is signed in, or whom the platform speaks for.
pub fn act_refused(act: &str, why: &str) -> Happened {
    Happened::new(Kind::ActRefused, json!({}), json!({ "act": act, "why": why }))
}
