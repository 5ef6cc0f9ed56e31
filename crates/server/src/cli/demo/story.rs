//! What has happened in the demo's account before it is opened: people, credentials in every state,
//! a month of use. All of it by the commands that pages and API use, with earlier instants.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyway_domain::Environment;
use keyway_domain::actor::{Actor, Role, StepUp};
use keyway_domain::credential::Credential;
use keyway_domain::event::{Happened, Kind as Fact};
use keyway_domain::grant::{Action, Grant, Need};
use keyway_domain::id::AccountId;
use keyway_domain::member::{Email, Member};
use keyway_domain::scheme::{Act, Expiry, Kind, KindGrant};
use keyway_domain::time::{DAY_MS, Time};
use keyway_domain::totp::Totp;
use keyway_secret::{Entropy as _, OsEntropy, SecretText};
use keyway_store::usage::{self, Batch, Seen};
use keyway_store::{Tx, members, owners};
use serde_json::{Value, json};

use crate::app::App;
use crate::authenticator;
use crate::cli::Failure;
use crate::commands::Moment;
use crate::commands::credentials::{self as commands, Change, NewCredential};
use crate::commands::newcomers::{self, Newcomer};

const HOUR_MS: i64 = 3_600_000;
/// Days of use that are made up.
const DAYS: i64 = 30;

/// The account and its people.
pub(super) struct Story {
    pub(super) account: AccountId,
    pub(super) owner: Value,
    pub(super) members: Vec<Value>,
    people: Vec<Member>,
}

/// One credential of the story.
struct Chapter {
    name: &'static str,
    /// Days since it was made.
    days: i64,
    /// Requests in a usual hour; none for one that is not used.
    hourly: u64,
    /// Days since its last use.
    quiet: i64,
    owner: usize,
    /// Whether it can write to everything it may be granted, or to a part.
    wide: bool,
    turn: Turn,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Nothing,
    /// Its secret was replaced some hours ago.
    Rotated,
    /// It stops in some days.
    Expiring,
    Revoked,
}

/// One that is used by nobody and nothing happened to.
const PLAIN: Chapter =
    Chapter { name: "", days: 0, hourly: 0, quiet: 0, owner: 0, wide: false, turn: Turn::Nothing };

const CHAPTERS: [Chapter; 8] = [
    Chapter {
        name: "Checkout server",
        days: 82,
        hourly: 3900,
        wide: true,
        turn: Turn::Rotated,
        ..PLAIN
    },
    Chapter { name: "Billing service", days: 63, hourly: 780, owner: 1, ..PLAIN },
    Chapter { name: "Shopify plugin", days: 12, hourly: 240, owner: 2, ..PLAIN },
    Chapter {
        name: "Payouts runner",
        days: 84,
        hourly: 60,
        owner: 1,
        wide: true,
        turn: Turn::Expiring,
        ..PLAIN
    },
    Chapter { name: "ERP sync", days: 212, hourly: 150, ..PLAIN },
    Chapter { name: "Reporting export", days: 121, hourly: 90, quiet: 94, owner: 2, ..PLAIN },
    Chapter { name: "Loyalty pilot", days: 31, owner: 2, ..PLAIN },
    Chapter {
        name: "Legacy webhook relay",
        days: 301,
        hourly: 35,
        quiet: 4,
        wide: true,
        turn: Turn::Revoked,
        ..PLAIN
    },
];

/// The people, with their roles and whether they have an authenticator.
const PEOPLE: [(&str, &str, Role, bool); 4] = [
    ("Ada Lindqvist", "ada@kopi.example", Role::Owner, true),
    ("Tomás Rey", "tomas@kopi.example", Role::Admin, true),
    ("Mei Tanaka", "mei@kopi.example", Role::Developer, false),
    ("Priya Nair", "priya@kopi.example", Role::Viewer, false),
];

fn moment(app: &App, now: Time) -> Moment {
    let address = Some("203.0.113.90".to_owned());
    Moment { now, address, ..app.own_moment() }
}

/// A password that nobody could know beforehand, and that can be typed.
fn password() -> String {
    let number = OsEntropy.u128();
    format!("kopi-susu-{:05}-{:05}", (number >> 64) % 100_000, number % 100_000)
}

/// Signs the account up and lets the others join.
pub(super) async fn begin(app: &Arc<App>) -> Result<Story, Failure> {
    let start = app.now().plus_ms(-320 * DAY_MS);
    let mut newcomers = Vec::new();
    for (name, email, role, has_factor) in PEOPLE {
        let password = password();
        let hash = app.passwords.hash(SecretText::new(password.clone())).await?;
        let email = Email::parse(email).ok_or("the demo's addresses are right")?;
        let new = Newcomer { email, name: name.to_owned(), password: hash };
        let seed = has_factor.then(|| authenticator::new_seed(&mut OsEntropy));
        newcomers.push((new, role, password, seed));
    }
    let keys = Arc::clone(&app.keys);
    let at = moment(app, start);
    let made: Vec<(Newcomer, Role, Option<SecretText>)> =
        newcomers.iter().map(|(new, role, _, seed)| (new.clone(), *role, seed.clone())).collect();
    let (account, people) = app
        .db
        .write(start, move |tx| {
            let (account, owner) = newcomers::sign_up(tx, &at, "Kopi & Co", &made[0].0)?;
            let mut people = vec![owner];
            for (new, role, _) in &made[1..] {
                let as_owner = at.acting_as(&people[0]);
                let link = newcomers::invite(tx, &as_owner, account.id, &new.email, *role)?;
                let token = link.token.reveal();
                people.push(newcomers::join(tx, &at, token, &new.name, &new.password)?);
            }
            for (member, (_, _, seed)) in people.iter_mut().zip(&made) {
                let Some(seed) = seed else { continue };
                let place = authenticator::sealing_place(member.id);
                member.totp = Some(Totp {
                    sealed: keys.secrets.seal(seed, &place, &mut OsEntropy),
                    drift: 0,
                    last_step: 0,
                    near_miss: None,
                    added_at: at.now,
                });
                members::save(tx, &at.realm.rules.seals, member)?;
                let happened = Happened::new(Fact::FactorAdded, json!({}), json!({}));
                at.acting_as(member).record(tx, account.id, member.id.to_string(), happened)?;
            }
            Ok::<_, crate::commands::Error>((account.id, people))
        })
        .await?;
    let told: Vec<Value> = newcomers
        .iter()
        .map(|(new, role, password, seed)| {
            json!({
                "email": new.email.as_str(),
                "password": password,
                "role": role,
                "totp_secret": seed.as_ref().map(SecretText::reveal),
            })
        })
        .collect();
    let owner = told[0].clone();
    Ok(Story { account, owner, members: told[1..].to_vec(), people })
}

/// Everything but the last two resources for a wide one; a few for a narrow one.
fn grant(kind: &Kind, wide: bool) -> Option<Grant> {
    let KindGrant::Chosen { widest, .. } = kind.grants else { return None };
    let mut grant = Grant::NONE;
    for resource in 0_u8..60 {
        for action in Action::ALL {
            let need = Need { resource, action };
            let taken = if wide {
                resource % 3 != 2 || action == Action::Read
            } else {
                resource < 2 || (resource < 5 && action == Action::Read)
            };
            if taken && widest.allows(need) {
                grant = grant.with(need);
            }
        }
    }
    Some(grant)
}

fn make(
    tx: &mut Tx<'_>,
    at: &Moment,
    story: (AccountId, &Member),
    kind: &Kind,
    chapter: &Chapter,
) -> Result<Credential, crate::commands::Error> {
    let (account, owner) = story;
    let now = at.now;
    let expires = chapter.turn == Turn::Expiring && kind.expiry != Expiry::Never;
    let end = now.plus_ms((chapter.days + 6) * DAY_MS);
    let new = NewCredential {
        kind: kind.name.clone(),
        environment: Environment::Live,
        name: chapter.name.to_owned(),
        grant: grant(kind, chapter.wide),
        expires_at: expires.then_some(Time(end.0 - end.0.rem_euclid(DAY_MS))),
        ..NewCredential::default()
    };
    let at = Moment { step_up: Some(proof(kind, Act::Create)), ..at.acting_as(owner) };
    // What the scheme gives this role no permission for, the platform made.
    let allowed = kind.act(Act::Create).is_some_and(|rule| rule.by.contains(&owner.role));
    let at = if allowed { at } else { moment_of_platform(&at) };
    let (made, _) = commands::create(tx, &at, account, new)?;
    owners::set(tx, made.id, owner.id)?;
    Ok(made)
}

fn moment_of_platform(at: &Moment) -> Moment {
    let actor = Actor::Operator { token: Actor::LOCAL.to_owned() };
    Moment { actor, step_up: None, ..at.clone() }
}

/// The proof that a member would give for it.
fn proof(kind: &Kind, act: Act) -> StepUp {
    use keyway_domain::scheme::StepUpRule;
    match kind.act(act).map(|rule| rule.step_up) {
        Some(StepUpRule::Otp | StepUpRule::Either) => StepUp::Otp,
        _ => StepUp::Password,
    }
}

/// Tells the story of the account's credentials, of the first kind that there may be several of.
pub(super) async fn tell(app: &Arc<App>, story: &Story) -> Result<(), Failure> {
    let scheme = Arc::clone(&app.platform.rules.scheme);
    let kind = scheme.kinds.iter().find(|kind| !kind.single && kind.act(Act::Reveal).is_none());
    let Some(kind) = kind.cloned() else { return Ok(()) };
    let now = app.now();
    let mut use_of: Vec<Used> = Vec::new();
    for chapter in &CHAPTERS {
        let made_at = now.plus_ms(-chapter.days * DAY_MS - 5 * HOUR_MS);
        let (at, account, kind) = (moment(app, made_at), story.account, kind.clone());
        let owner = story.people[chapter.owner].clone();
        let boss = story.people[0].clone();
        let (made, ended) = app
            .db
            .write(made_at, move |tx| {
                let made = make(tx, &at, (account, &owner), &kind, chapter)?;
                let ended = turn(tx, &at, &boss, (account, &made), &kind, (chapter.turn, now))?;
                Ok::<_, crate::commands::Error>((made, ended))
            })
            .await?;
        use_of.push(Used { id: made.id, chapter, turned_at: ended });
    }
    let mut number = 0;
    for used in &use_of {
        let mut batch = used.counted(now);
        "story".clone_into(&mut batch.node);
        number += 1;
        batch.number = number;
        app.db.write(now, move |tx| usage::add(tx, &batch)).await?;
        for seen in used.seen(now) {
            number += 1;
            let seen = Batch { node: "story".to_owned(), number, seen, ..Batch::default() };
            app.db.write(now, move |tx| usage::add(tx, &seen)).await?;
        }
    }
    Ok(())
}

/// What became of a credential; when its secret was replaced.
fn turn(
    tx: &mut Tx<'_>,
    at: &Moment,
    boss: &Member,
    (account, made): (AccountId, &Credential),
    kind: &Kind,
    (turn, now): (Turn, Time),
) -> Result<Option<Time>, crate::commands::Error> {
    let by_boss =
        |act: Act, now: Time| Moment { now, step_up: Some(proof(kind, act)), ..at.acting_as(boss) };
    match turn {
        Turn::Revoked if kind.act(Act::Revoke).is_some() => {
            let at = by_boss(Act::Revoke, now.plus_ms(-4 * DAY_MS));
            commands::change(tx, &at, account, made.id, Change::Revoke)?;
            Ok(None)
        }
        Turn::Rotated if kind.act(Act::Rotate).is_some() => {
            let overlap = kind.act(Act::Rotate).and_then(|rule| rule.overlap.as_ref());
            let fixed = overlap.is_some_and(keyway_domain::scheme::Overlap::is_fixed);
            // A fixed window of minutes must still be open when the demo opens.
            let ago = if fixed { 3 * 60_000 } else { 5 * HOUR_MS };
            let at = by_boss(Act::Rotate, now.plus_ms(-ago));
            let overlap_ms = if fixed { None } else { Some(DAY_MS) };
            commands::rotate(tx, &at, account, made.id, overlap_ms)?;
            Ok(Some(at.now))
        }
        _ => Ok(None),
    }
}

/// A credential that was used.
struct Used {
    id: keyway_domain::id::CredentialId,
    chapter: &'static Chapter,
    turned_at: Option<Time>,
}

impl Used {
    /// How busy an hour is, in thousandths: nights and weekends are quieter, and no two days or
    /// credentials are quite alike.
    fn busy(&self, hour: i64) -> u64 {
        const DAY: [u64; 24] = [
            380, 320, 280, 270, 300, 380, 520, 700, 880, 980, 1040, 1080, 1100, 1080, 1120, 1150,
            1120, 1060, 980, 900, 800, 700, 580, 460,
        ];
        let of_day = usize::try_from(hour.rem_euclid(24)).unwrap_or(0);
        let day = hour.div_euclid(24);
        let weekend = matches!((day + 4).rem_euclid(7), 0 | 6);
        let part = |number: i64, of: i64| u64::try_from(number.rem_euclid(of)).unwrap_or(0);
        let uneven = 900 + part(hour * 7_919, 211);
        let of_week = if weekend { 610 } else { 1_000 };
        let drift = 740 + part((day * 131 + self.chapter.days * 37) * 17, 97) * 5;
        DAY[of_day] * uneven / 1_000 * of_week / 1_000 * drift / 1_000
    }

    /// Requests of each hour of the month, by secret and outcome.
    fn counted(&self, now: Time) -> Batch {
        let mut counts = BTreeMap::new();
        if self.chapter.hourly == 0 {
            return Batch::default();
        }
        let this_hour = now.0.div_euclid(HOUR_MS);
        let last = this_hour - self.chapter.quiet * 24;
        let first = (this_hour - DAYS * 24).max(this_hour - self.chapter.days * 24);
        for hour in first..=last {
            let requests = self.chapter.hourly * self.busy(hour) / 1_000;
            let start = hour * HOUR_MS;
            let mut add = |secret: u32, outcome: &'static str, requests: u64| {
                if requests > 0 {
                    counts.insert((self.id, secret, start, outcome), requests);
                }
            };
            let moved = self.turned_at.map_or(0, |turned| {
                let since = (hour * HOUR_MS - turned.0).div_euclid(HOUR_MS) + 1;
                u64::try_from(since.clamp(0, 5)).unwrap_or(0)
            });
            let to_new =
                requests * [0, 15, 60, 82, 91, 95][usize::try_from(moved).unwrap_or(0)] / 100;
            add(2, "allowed", to_new);
            add(1, "allowed", requests - to_new);
            if hour % 11 == 0 {
                add(1, "insufficient_scope", requests / 90);
            }
            if hour % 37 == 0 {
                add(1, "rate_limited", requests / 40);
            }
        }
        Batch { counts, ..Batch::default() }
    }

    /// Where it was used from lately.
    fn seen(&self, now: Time) -> Vec<BTreeMap<(keyway_domain::id::CredentialId, u32), Seen>> {
        if self.chapter.hourly == 0 {
            return Vec::new();
        }
        let minute = |ago: i64| {
            let at = now.0 - self.chapter.quiet * DAY_MS - ago * 60_000;
            Time(at - at.rem_euclid(60_000))
        };
        let client = format!("{}/3.2", self.chapter.name.to_lowercase().replace(' ', "-"));
        let newest = if self.turned_at.is_some() { 2 } else { 1 };
        let entry = |secret: u32, at: Time, address: &str, client: &str| {
            let seen =
                Seen { at, address: Some(address.to_owned()), client: Some(client.to_owned()) };
            BTreeMap::from([((self.id, secret), seen)])
        };
        let mut places = vec![
            entry(1, minute(29 * 24 * 60), "203.0.113.7", &client),
            entry(1, minute(26 * 24 * 60), "203.0.113.12", "cron/1.0"),
            entry(1, minute(41), "203.0.113.12", "cron/1.0"),
            entry(newest, minute(6), "203.0.113.9", &client),
            entry(newest, minute(1), "203.0.113.7", &client),
        ];
        if self.chapter.wide && self.chapter.quiet == 0 {
            places.insert(3, entry(1, minute(33), "192.0.2.44", "curl/8.9"));
        }
        places
    }
}
