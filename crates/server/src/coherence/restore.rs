//! When the database's history is another one: after a restore, or a fail-over that lost commits.
//!
//! The node answers nothing, puts back what it has seen taken away, and loads everything anew.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use keyway_domain::credential::{Credential, EndedBecause, SecretState, Status};
use keyway_domain::event::{Happened, Kind};
use keyway_domain::time::Time;
use keyway_store::{DbError, Line, Tx, accounts, credentials, tokens};
use serde_json::json;

use super::{Node, follow, lock};
use crate::app::App;

/// Puts back what was lost and starts from the new history's head.
pub(super) fn begin_again(node: &Node, app: &App, line: &mut Line) -> Result<(), DbError> {
    {
        let mut state = lock(&node.state);
        state.holder.lost();
        node.publish(&state);
    }
    node.is_distrusted.store(true, Ordering::SeqCst);
    node.figures.histories.fetch_add(1, Ordering::Relaxed);
    let (credentials, accounts) = {
        let recent = lock(&node.recent);
        (recent.credentials(), recent.accounts())
    };
    tracing::error!(
        credentials = credentials.len(),
        "the database has another history than this node: it was restored, or lost its newest \
         part. Nothing is answered until what was taken away is put back"
    );
    let mut put_back = 0_u64;
    for account in accounts.into_iter().filter(|account| account.suspended) {
        put_back += u64::from(line.write_logged(app.now(), |tx| {
            let found = accounts::lock(tx, account.id)?;
            let Some(mut found) = found.filter(|found| !found.suspended) else { return Ok(false) };
            found.suspended = true;
            accounts::save(tx, &found).map(|()| true)
        })?);
    }
    put_back += put_back_tokens(app, line)?;
    let mut skipped = Vec::new();
    for ours in &credentials {
        match put_back_or_skip(app, line, ours)? {
            Some(did) => put_back += u64::from(did),
            None => skipped.push(ours.id),
        }
    }
    let position = reload(app, line)?;
    for id in skipped {
        follow::refuse(app, &id.to_string(), &"what was lost of it can't be put back");
    }
    let mut state = lock(&node.state);
    state.holder.reloaded(position);
    state.has_row = false;
    lock(&node.shown).reloaded(position, app.followers.place());
    node.publish(&state);
    node.applied.store(position.seq, Ordering::Release);
    node.head.store(position.seq, Ordering::Release);
    node.is_broken.store(false, Ordering::SeqCst);
    drop(state);
    node.lease.hurry();
    tracing::warn!(put_back, "what was lost is put back");
    Ok(())
}

/// Puts back the tokens that were revoked, all that are lost in one transaction; how many.
fn put_back_tokens(app: &App, line: &mut Line) -> Result<u64, DbError> {
    let (ours, now) = (app.platform.engine.ended_tokens(), app.now());
    line.write_logged(now, |tx| {
        let mut known = HashSet::new();
        tokens::each(tx, |found| known.extend(found.ok()))?;
        let mut count = 0;
        for token in ours.iter().filter(|token| token.until > now && !known.contains(token)) {
            count += u64::from(tokens::end(tx, *token)?);
        }
        Ok(count)
    })
}

/// Puts back what one credential has lost; `None` if its row is such that nothing can be. Any other
/// trouble ends the whole attempt, which begins anew: nothing is answered until then.
fn put_back_or_skip(
    app: &App,
    line: &mut Line,
    ours: &Credential,
) -> Result<Option<bool>, DbError> {
    const TRIES: u32 = 3;
    for tried in 1.. {
        match line.write_logged(app.now(), |tx| put_back_one(app, tx, ours)) {
            Ok(did) => return Ok(Some(did)),
            Err(error) if error.is_about_a_row() => {
                tracing::error!(credential = %ours.id, %error, "a lost change is not put back");
                return Ok(None);
            }
            // Another node was quicker, or another credential has its place in this history.
            Err(error) if error.is_duplicate() && tried == TRIES => return Ok(None),
            Err(error) if error.is_duplicate() => {
                tracing::debug!(credential = %ours.id, %error, "it is tried again");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Loads everything as it is now; what is not there any more is refused.
fn reload(app: &App, line: &mut Line) -> Result<keyway_coherence::Position, DbError> {
    line.read(|tx| app.load_anew(tx))
}

/// Puts back what one credential has lost; whether it had lost something.
fn put_back_one(app: &App, tx: &mut Tx<'_>, ours: &Credential) -> Result<bool, DbError> {
    let rules = &app.realm(ours.account).rules;
    let found = credentials::lock(tx, rules, ours.account, ours.id)?;
    let (before, after) = match found {
        None if accounts::find(tx, ours.account)?.is_none() => return Ok(false),
        None => {
            credentials::insert(tx, rules, ours)?;
            (json!({}), ours.clone())
        }
        Some(theirs) => {
            let Some(merged) = merged(&theirs, ours, app.now()) else { return Ok(false) };
            credentials::save(tx, rules, &merged)?;
            (json!({ "version": theirs.version }), merged)
        }
    };
    let happened =
        Happened::new(Kind::HistoryRestored, before, json!({ "version": after.version }));
    let moment = app.own_moment();
    moment.record(tx, ours.account, ours.id.to_string(), happened)?;
    Ok(true)
}

/// What a credential must be, of what the database has and what this node has seen; `None` if the
/// database lost nothing. The newer of the two counts, and every end that either has.
fn merged(theirs: &Credential, ours: &Credential, now: Time) -> Option<Credential> {
    let mut merged = if ours.version > theirs.version { ours.clone() } else { theirs.clone() };
    let other = if ours.version > theirs.version { theirs } else { ours };
    if merged.status == Status::Live && other.status != Status::Live {
        merged.status = other.status;
    }
    for secret in &mut merged.secrets {
        let ended = other
            .secrets
            .iter()
            .find(|known| known.digest == secret.digest)
            .map(|known| known.state)
            .filter(|state| matches!(state, SecretState::Ended { .. }));
        if let Some(state) = ended.filter(|_| !matches!(secret.state, SecretState::Ended { .. })) {
            secret.state = state;
        }
    }
    let has_current = merged.secrets.iter().any(|secret| secret.state == SecretState::Current);
    if merged.status == Status::Live && !has_current {
        // What was current in one history was ended in the other: nothing of it may be accepted.
        merged.status = Status::Revoked { at: now };
    }
    if merged.status != Status::Live {
        for secret in &mut merged.secrets {
            if !matches!(secret.state, SecretState::Ended { .. }) {
                secret.state = SecretState::Ended { at: now, why: EndedBecause::Revoked };
            }
        }
    }
    if merged == *theirs {
        return None;
    }
    merged.version = ours.version.max(theirs.version) + 1;
    Some(merged)
}
