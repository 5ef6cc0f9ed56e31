//! Follows the change log: the one thread that changes this node's index.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyway_coherence::Position;
use keyway_coherence::chain::{self, Next};
use keyway_domain::credential::Credential;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::limits::ENDED_SECRETS_KEPT;
use keyway_store::credentials::Realm;
use keyway_store::{
    Change, DbError, LOG_CHANNEL, Line, Tx, accounts, changes, credentials, leases, settings,
};

use super::health::Part;
use super::{Node, caught, lock, restore};
use crate::app::App;
use crate::clock::boot;
use crate::commands::imports::IMPORTED;

/// Without a notice the log is looked at so often.
const TICK: Duration = Duration::from_millis(200);
/// So seldom, to see what comes of it.
const SLOW: Duration = Duration::from_secs(10);
/// Entries that are read at once.
const ENTRIES: u32 = 256;
/// Who waits for this node alone is told after so long, whether it got there or not: what was
/// committed stands, and who must know more waits for all nodes.
const REACHED_WITHIN: Duration = Duration::from_secs(2);
/// A call on this line ends within this.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn run(node: &Arc<Node>) {
    let mut line = Line::new(&node.target, PATIENCE, Some(LOG_CHANNEL.to_owned()));
    let mut origins = Vec::new();
    while !node.stops() {
        let noticed = if node.control.is_slow() {
            std::thread::park_timeout(SLOW);
            Vec::new()
        } else {
            line.wait(TICK, &node.wake.follow).unwrap_or_else(|_| {
                std::thread::park_timeout(TICK / 4);
                Vec::new()
            })
        };
        let Some(app) = node.app.upgrade() else { return };
        origins.extend(noticed);
        let kept_up = caught("keyway-follow", || keep_up(node, &app, &mut line, &mut origins));
        let is_news = node.note(Part::Follow, kept_up.as_ref().copied());
        if let Some(error) = kept_up.err().filter(|_| is_news) {
            tracing::warn!(%error, "the change log can't be followed; it is tried again");
        }
        tell_reached(node);
    }
}

/// `origins` are of whose changes there was notice; they stay until it is shown that this node has
/// them.
fn keep_up(
    node: &Node,
    app: &App,
    line: &mut Line,
    origins: &mut Vec<String>,
) -> Result<(), DbError> {
    if node.is_broken.load(Ordering::SeqCst) {
        restore::begin_again(node, app, line)?;
    }
    let (mut moved, mut is_last) = (false, false);
    while !is_last {
        let from = lock(&node.state).holder.position();
        match line.read(|tx| step(node, app, tx, from))? {
            Step::Done => break,
            Step::Through(positions) => {
                is_last = positions.len() < ENTRIES as usize;
                let mut state = lock(&node.state);
                let mut position = from;
                for each in positions {
                    state.holder.applied(each);
                    position = each;
                }
                lock(&node.shown).reached(position, app.followers.place());
                node.publish(&state);
                node.applied.store(position.seq, Ordering::Release);
                node.head.fetch_max(position.seq, Ordering::AcqRel);
                moved = true;
            }
            Step::Broken => {
                node.is_broken.store(true, Ordering::SeqCst);
                restore::begin_again(node, app, line)?;
                moved = true;
            }
        }
    }
    if moved {
        tell_reached(node);
    }
    let (before, position) = {
        let mut shown = lock(&node.shown);
        (shown.at(), shown.look(app.followers.least()))
    };
    if position != before {
        acknowledge(node, line, position, origins)?;
    }
    Ok(())
}

/// Writes down how far this node is, and tells those whose changes it has read. Who was not heard
/// of looks by itself.
fn acknowledge(
    node: &Node,
    line: &mut Line,
    position: Position,
    origins: &mut Vec<String>,
) -> Result<(), DbError> {
    let (inc, has_row) = {
        let state = lock(&node.state);
        (state.inc, state.has_row)
    };
    let origins = std::mem::take(origins);
    if !has_row {
        return Ok(());
    }
    let is_origin = |said: &String| said.len() == 32 && said.bytes().all(|b| b.is_ascii_hexdigit());
    let mut channels: Vec<String> =
        origins.into_iter().filter(is_origin).map(|origin| ack_channel(&origin)).collect();
    channels.sort_unstable();
    channels.dedup();
    let (id, now) = (node.own.node, keyway_domain::time::Time(0));
    line.write_lightly(now, &channels, |tx| leases::acknowledge(tx, id, inc, position))
}

/// The channel that says to a node that its changes have reached another.
pub(super) fn ack_channel(origin: &str) -> String {
    format!("keyway_ack_{origin}")
}

enum Step {
    Done,
    /// The index has these now.
    Through(Vec<Position>),
    Broken,
}

/// Applies the next entries of the log, if there are any.
fn step(node: &Node, app: &App, tx: &mut Tx<'_>, from: Position) -> Result<Step, DbError> {
    let entries = changes::after(tx, from.seq, ENTRIES)?;
    let mut at = from;
    let mut through = Vec::with_capacity(entries.len());
    for entry in &entries {
        let position = entry.position;
        match chain::next(at, position.seq, position.nonce, entry.prev) {
            Next::Take => {
                through.push(position);
                at = position;
            }
            Next::Old => {}
            // An entry that is gone was forgotten: this node was away for longer than any is kept.
            Next::Gap | Next::Broken => return Ok(Step::Broken),
        }
    }
    if at == from {
        return Ok(Step::Done);
    }
    if let Some(entry) = entries.iter().find(|entry| !is_known(entry)) {
        // What it changed is not known, and it may have taken something away.
        let seq = entry.position.seq;
        tracing::error!(seq, "an entry of the change log is not readable; everything is read anew");
        return Ok(Step::Broken);
    }
    apply(node, app, tx, (from.seq, at.seq), &entries)?;
    Ok(Step::Through(through))
}

fn is_known(entry: &changes::Entry) -> bool {
    CredentialId::parse(&entry.subject).is_some()
        || AccountId::parse(&entry.subject).is_some()
        || entry.range().is_some()
        || entry.token().is_some()
}

fn apply(
    node: &Node,
    app: &App,
    tx: &mut Tx<'_>,
    range: (i64, i64),
    entries: &[changes::Entry],
) -> Result<(), DbError> {
    let mut missing: HashSet<CredentialId> =
        entries.iter().filter_map(|entry| CredentialId::parse(&entry.subject)).collect();
    if entries.iter().any(|entry| AccountId::parse(&entry.subject).is_some()) {
        for found in accounts::logged(tx, range)? {
            match found {
                Ok(account) => take(node, app, Change::Account(account)),
                Err((id, error)) => app.refuse_account(&id, &error),
            }
        }
    }
    for token in entries.iter().filter_map(changes::Entry::token) {
        take(node, app, Change::Token(token));
    }
    let mut has_new = false;
    for (realm, rules) in
        [(Realm::Platform, &app.platform.rules), (Realm::Operator, &app.operator.rules)]
    {
        if missing.is_empty() {
            break;
        }
        let ids: Vec<CredentialId> = missing.iter().copied().collect();
        credentials::named(tx, rules, realm, &ids, |found| {
            has_new |= found.as_ref().is_ok_and(|found| found.version == 1);
            take_credential(node, app, found, &mut missing);
        })?;
    }
    let ranges: HashSet<changes::Range> =
        entries.iter().filter_map(changes::Entry::range).collect();
    for range in ranges.iter().copied() {
        credentials::each_in(tx, &app.realm(range.account).rules, range, |found| {
            take_credential(node, app, found, &mut missing);
        })?;
    }
    has_new |= !ranges.is_empty();
    // Keys that were imported are looked up in another way, once there are any.
    if has_new && !app.platform.engine.has_imported() && settings::find(tx, IMPORTED)?.is_some() {
        app.platform.engine.set_imported();
    }
    for id in missing {
        refuse(app, &id.to_string(), &"its row is gone");
    }
    Ok(())
}

fn take_credential(
    node: &Node,
    app: &App,
    found: Result<Credential, (String, DbError)>,
    missing: &mut HashSet<CredentialId>,
) {
    match found {
        Ok(credential) => {
            missing.remove(&credential.id);
            take(node, app, Change::Credential(Box::new(credential)));
        }
        Err((id, error)) => {
            if let Some(id) = CredentialId::parse(&id) {
                missing.remove(&id);
            }
            refuse(app, &id, &error);
        }
    }
}

fn take(node: &Node, app: &App, change: Change) {
    app.apply(&change);
    if let Change::Credential(credential) = &change {
        end_forgotten(node, app, credential);
    }
    lock(&node.recent).note(change, boot());
}

/// A credential forgets its oldest secrets. A node that was away while it did never reads that they
/// have ended.
fn end_forgotten(node: &Node, app: &App, credential: &Credential) {
    let index = &app.realm(credential.account).engine.index;
    if let Some(before) = lock(&node.recent).credential(credential.id) {
        index.end_forgotten(&before, credential, app.now());
    } else if credential.version > 1 && credential.secrets.len() >= ENDED_SECRETS_KEPT {
        let numbers: Vec<u32> = credential.secrets.iter().map(|secret| secret.number).collect();
        let id = credential.id;
        index.end_where(app.now(), |entry| {
            entry.credential == id && !numbers.contains(&entry.secret)
        });
    }
}

/// A row that can't be trusted makes its own credential fail, and nothing else.
pub(super) fn refuse(app: &App, id: &str, why: &dyn std::fmt::Display) {
    app.refused_rows.fetch_add(1, Ordering::Relaxed);
    tracing::error!(credential = %id, error = %why, "a stored credential is refused");
    if let Some(id) = CredentialId::parse(id) {
        for realm in [&app.platform, &app.operator] {
            realm.engine.index.end_where(app.now(), |entry| entry.credential == id);
        }
    }
}

/// Tells who waits for this node alone.
fn tell_reached(node: &Node) {
    let applied = node.applied.load(Ordering::Acquire);
    let now = boot();
    let ready: Vec<_> = {
        let mut waiting = lock(&node.reached);
        let later = waiting.split_off(&(applied + 1));
        let mut ready: Vec<_> = std::mem::replace(&mut *waiting, later).into_values().collect();
        let overdue: Vec<i64> = waiting
            .iter()
            .filter(|(_, who)| who.iter().any(|one| now.since(one.since) > REACHED_WITHIN))
            .map(|(seq, _)| *seq)
            .collect();
        ready.extend(overdue.into_iter().filter_map(|seq| waiting.remove(&seq)));
        ready
    };
    for one in ready.into_iter().flatten() {
        (one.then)();
    }
}
