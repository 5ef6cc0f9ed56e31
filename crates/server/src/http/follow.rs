//! `POST /v1/follow`: a process that verifies after this one says how far it is and what it let
//! through, and is told what changed and for how long it may answer.
//!
//! It is a question with a long answer time, not a stream: each answer is an acknowledgement of the
//! one before, and one that is lost costs the follower what it knew, and nobody a wrong answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use keyway_coherence::FollowerId;
use keyway_domain::grant::{Action, Need};
use keyway_domain::id::CredentialId;
use keyway_domain::time::Time;
use keyway_domain::verdict::{Access, Reason};
use keyway_guard::follow::{Asked, Changed, Needed, Told, Used};
use keyway_store::settings;

use super::body::Object;
use super::problem::Problem;
use super::{Reply, json};
use crate::app::App;
use crate::codes::Code;
use crate::followers::{self, FOLLOWED, FOLLOWERS_MAX, Subject};
use crate::usage::Use;
use crate::verify::HeaderPairs;

/// Counters of a question.
pub(super) const USED_MAX: usize = 4_096;
/// Bytes of a question: a counter with the longest names that a follower tells has under half of
/// its share. One that is refused for its size loses all its counters.
pub(super) const QUESTION_BYTES_MAX: usize = USED_MAX * 1024;
/// What was counted longer ago is counted as of now.
const LATE_MAX: i64 = 3_600_000;

/// Answers a follower.
pub(super) async fn serve(app: &Arc<App>, body: &[u8]) -> Result<Reply, Problem> {
    let Object(asked): Object<Asked> = serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Problem::new(Code::NotAQuestion, format!("not one at {place}"))
    })?;
    if asked.used.len() > USED_MAX {
        return Err(Problem::invalid("used", format!("at most {USED_MAX} counters")));
    }
    let Some(name) = asked.follower else { return join(app).await };
    let stranger = || {
        let detail = "this process does not know this follower, or not as one that is so far: \
            forget everything, and join without an id";
        Problem::new(Code::UnknownFollower, detail)
    };
    let id = u128::from_str_radix(&name, 16).map(FollowerId).map_err(|_| stranger())?;
    if app.followers.is_new(id, asked.turn) {
        asked.used.iter().for_each(|used| count(app, used));
    }
    if asked.leaves {
        // However far it is: it answers nothing any more.
        app.followers.leave(id);
        hears(app);
        return Ok(json(StatusCode::OK, "{}"));
    }
    if !app.followers.hear(id, asked.applied) {
        return Err(stranger());
    }
    hears(app);
    app.followers.news_after(asked.applied).await;
    let told = app.followers.news(id, asked.applied, left(app));
    Ok(say(app, name, &told))
}

async fn join(app: &App) -> Result<Reply, Problem> {
    // Before the first is let answer: a process that starts after this one was killed must know.
    if !app.followers.is_expected() {
        app.db.write(app.now(), |tx| settings::save(tx, FOLLOWED, b"1")).await?;
        app.followers.set_expected();
    }
    let Some((id, told)) = app.followers.join(left(app)) else {
        let detail = format!("{FOLLOWERS_MAX} processes follow this one, and it takes no more");
        return Err(Problem::new(Code::TooManyFollowers, detail));
    };
    Ok(say(app, format!("{:032x}", id.0), &told))
}

/// For how long this process may answer itself.
fn left(app: &App) -> Duration {
    if !app.platform.engine.is_ready() {
        return Duration::ZERO;
    }
    app.coherence.get().map_or(Duration::MAX, |node| node.lease.left())
}

/// What waited for a follower may be true by now.
fn hears(app: &App) {
    if let Some(node) = app.coherence.get() {
        node.hears_follower();
    }
}

fn say(app: &App, follower: String, told: &followers::Told) -> Reply {
    let changed = told.changes.iter().map(|change| match change {
        Subject::Credential(id) => Changed::Credential(id.to_string()),
        Subject::Account(id) => Changed::Account(id.to_string()),
        Subject::Token(id) => Changed::Token(id.to_string()),
        Subject::Everything => Changed::Everything,
    });
    let body = Told {
        follower,
        changed: changed.collect(),
        place: told.place,
        loan_ms: u64::try_from(told.loan.as_millis()).unwrap_or(u64::MAX),
        now: app.now().0,
    };
    let body = serde_json::to_vec(&body).expect("it has no keys but names");
    json(StatusCode::OK, body)
}

/// Counts what a follower decided, as if it had been decided here.
fn count(app: &App, used: &Used) {
    let engine = &app.platform.engine;
    let Some(entry) = engine.index.entry(used.slot) else { return };
    // A slot whose secret was forgotten meanwhile is another's: its counters are not for this.
    if CredentialId::parse(&used.credential) != Some(entry.credential)
        || used.secret != entry.secret
    {
        return;
    }
    let access = match &used.needed {
        Needed::Identity => Access::Identity,
        Needed::Unlisted => Access::Unlisted,
        Needed::Scope(resource, action) => {
            let resource = engine.scheme.resource(resource);
            let (Some(resource), Some(action)) = (resource, Action::parse(action)) else { return };
            Access::Needs(Need { resource, action })
        }
    };
    let now = app.now();
    let at = if (now.0 - LATE_MAX..=now.0).contains(&used.at) { Time(used.at) } else { now };
    let agent: Vec<(&str, &str)> =
        used.client.iter().map(|client| ("user-agent", client.as_str())).collect();
    let headers = HeaderPairs(&agent);
    let address = used.address.as_deref().and_then(|text| text.parse::<IpAddr>().ok());
    let use_ = Use { requests: used.requests, now: at, address, headers: &headers, access };
    if used.is_limited {
        engine.usage.refused(&entry, Reason::RateLimited, &use_);
    } else {
        engine.usage.allowed(&engine.index, &entry, &use_);
    }
}
