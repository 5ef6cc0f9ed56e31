//! From events to letters and deliveries: who is told what.
//!
//! An event waits in the outbox, put there in the transaction that made it. Here it is taken out,
//! and in the same transaction becomes the letters and deliveries that follow from it: none is
//! lost, and none is made twice, however often the process dies on the way.

use std::sync::Arc;

use keyway_domain::Environment;
use keyway_domain::actor::Actor;
use keyway_domain::credential::Credential;
use keyway_domain::endpoint::{Endpoint, State};
use keyway_domain::event::{Author, Event, Kind};
use keyway_domain::id::{ApprovalId, CredentialId, DeliveryId, MemberId};
use keyway_domain::limits::LETTER_TRIED_MS;
use keyway_domain::member::Member;
use keyway_domain::scheme::{Notice, Scheme};
use keyway_domain::time::Time;
use keyway_secret::OsEntropy;
use keyway_store::accounts::{Account, OPERATOR};
use keyway_store::deliveries::{self, Delivery};
use keyway_store::events::Untold;
use keyway_store::{
    DbError, Tx, accounts, approvals, credentials, endpoints, events, members, messages,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::alerts::Settings;
use crate::app::App;
use crate::commands::Moment;
use crate::commands::approvals::Asked;
use crate::commands::notices::Choice;
use crate::commands::revoke_all::TOGETHER;
use crate::mail;

/// Events that are told at once: they share a commit.
const BATCH: u32 = 64;

/// What an event is about, as people call it.
#[derive(Debug, Clone)]
pub struct About {
    /// The account's name.
    pub account: String,
    /// The page to look at.
    pub url: String,
    /// The credential, if it is about one.
    pub credential: Option<AboutCredential>,
}

/// A credential, as people call it.
#[derive(Debug, Clone)]
pub struct AboutCredential {
    /// Its id.
    pub id: CredentialId,
    /// Its kind's label.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What may be shown of its current secret, or of its last.
    pub hint: String,
    /// What the platform calls its environment.
    pub environment_label: String,
}

impl AboutCredential {
    fn of(credential: &Credential, scheme: &Scheme) -> Self {
        let kind = scheme.kind(&credential.kind).map(|kind| kind.label.clone());
        // Among several kinds its label says which; of a single one it is a heading.
        let kind = kind.filter(|_| scheme.kinds.len() > 1);
        let shown = credential.current().or_else(|| credential.secrets.first());
        Self {
            id: credential.id,
            kind: kind.unwrap_or_else(|| scheme.words.credential.clone()),
            name: credential.name.clone(),
            hint: shown.map_or_else(String::new, |secret| secret.hint.clone()),
            environment_label: scheme.environment_label(credential.environment).to_owned(),
        }
    }
}

/// Who acts, in a few words.
pub fn who(author: &Author) -> String {
    let Author::Known(actor) = author else { return "somebody unknown".to_owned() };
    match actor {
        Actor::Operator { token } if token == Actor::LOCAL => {
            "the platform, at its machine".to_owned()
        }
        Actor::Operator { .. } => "the platform".to_owned(),
        Actor::Member { member, token: None, .. } => member.clone(),
        Actor::Member { member, token: Some(_), .. } => format!("{member}, by the platform’s API"),
        Actor::Credential { credential } => format!("the credential {credential}"),
        Actor::System => "nobody: by the clock".to_owned(),
    }
}

/// Tells everything that waits.
pub async fn tell(app: &Arc<App>) -> Result<(), DbError> {
    let mut after = String::new();
    loop {
        let from = after.clone();
        let waiting = app.db.read(move |tx| events::untold(tx, &from, BATCH)).await?;
        let Some(last) = waiting.last() else { return Ok(()) };
        after.clone_from(&last.id);
        let (mut under_way, mut held) = (JoinSet::new(), Vec::new());
        for Untold { id, event } in waiting {
            match event.map(|event| (Kind::parse(&event.kind), event)) {
                Ok((Some(kind), event)) => {
                    under_way.spawn(tell_one(Arc::clone(app), event, kind));
                }
                // One from a newer version waits for a process that knows whom it is told.
                Ok((None, Event { kind, .. })) => {
                    tracing::warn!(event = id, kind, "an event of an unknown kind is held back");
                    held.push(id);
                }
                Err(error) => {
                    tracing::error!(event = id, %error, "an event is not readable; it is held back");
                    held.push(id);
                }
            }
        }
        if !held.is_empty() {
            let hold = move |tx: &mut Tx<'_>| held.iter().try_for_each(|id| events::hold(tx, id));
            app.db.write::<_, DbError>(app.now(), hold).await?;
        }
        while let Some(done) = under_way.join_next().await {
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "an event could not be told; it waits");
                }
                Err(error) => tracing::error!(%error, "telling an event panicked; it waits"),
            }
        }
    }
}

async fn tell_one(app: Arc<App>, event: Event, kind: Kind) -> Result<(), DbError> {
    let moment = app.own_moment();
    let base = app.site.base_url();
    let work = move |tx: &mut Tx<'_>| {
        if !events::take_untold(tx, event.id)? || event.account == OPERATOR {
            return Ok(0);
        }
        let Some(errand) = Errand::read(tx, &moment, &event, kind, &base)? else { return Ok(0) };
        errand.letters(tx)?;
        errand.deliveries(tx)
    };
    if app.db.write::<_, DbError>(app.now(), work).await? > 0 {
        app.wake.notify_waiters();
    }
    Ok(())
}

/// One event, with everything that is needed to tell it.
struct Errand<'t> {
    moment: &'t Moment,
    event: &'t Event,
    kind: Kind,
    account: Account,
    credential: Option<Credential>,
    about: About,
    settings: Settings,
}

impl<'t> Errand<'t> {
    fn read(
        tx: &mut Tx<'_>,
        moment: &'t Moment,
        event: &'t Event,
        kind: Kind,
        base: &str,
    ) -> Result<Option<Self>, DbError> {
        let Some(account) = accounts::find(tx, event.account)? else { return Ok(None) };
        let rules = &moment.realm.rules;
        let credential = match CredentialId::parse(&event.subject) {
            // One whose row was edited by hand is not read; that it happened is told all the same.
            Some(id) => credentials::find(tx, rules, event.account, id).unwrap_or_else(|error| {
                tracing::error!(credential = %id, %error, "an event's credential is not readable");
                None
            }),
            None => None,
        };
        let url = match &credential {
            Some(of) => format!("{base}/{}/keys/{}", of.environment.as_str(), of.id),
            None if is_personal(kind) => format!("{base}/you"),
            None if is_approval(kind) => format!("{base}/approvals/{}", event.subject),
            None => format!("{base}/audit"),
        };
        let about = About {
            account: account.name.clone(),
            url,
            credential: credential.as_ref().map(|of| AboutCredential::of(of, &rules.scheme)),
        };
        let settings = Settings::of(tx, event.account)?;
        Ok(Some(Self { moment, event, kind, account, credential, about, settings }))
    }

    fn scheme(&self) -> &Scheme {
        &self.moment.realm.rules.scheme
    }

    fn letters(&self, tx: &mut Tx<'_>) -> Result<(), DbError> {
        let is_alert = Settings::is_alert(self.kind);
        if (is_alert && !self.settings.mail) || self.is_by_registration() || self.is_one_of_many() {
            return Ok(());
        }
        let due =
            if is_alert { self.settings.after_quiet(self.moment.now) } else { self.moment.now };
        for member in self.readers(tx)? {
            let letter = mail::notice(&member.email, self.event, &self.about, self.scheme());
            if let Some(letter) = letter {
                letter.post_at(tx, self.moment, Some(self.account.id), due)?;
            }
        }
        Ok(())
    }

    /// Whether it tells of what registration itself makes: who has just signed up knows.
    fn is_by_registration(&self) -> bool {
        let kind = self.credential.as_ref().and_then(|of| self.scheme().kind(&of.kind));
        self.kind == Kind::Created && kind.is_some_and(|kind| kind.at_registration)
    }

    /// Whether one letter tells of many like it.
    fn is_one_of_many(&self) -> bool {
        self.event.after.get(TOGETHER).is_some()
    }

    /// Whom a letter goes to.
    fn readers(&self, tx: &mut Tx<'_>) -> Result<Vec<Member>, DbError> {
        let seals = &self.moment.realm.rules.seals;
        let account = self.account.id;
        if is_personal(self.kind) {
            // A first sign-in tells nobody anything new.
            if self.kind == Kind::SignedIn && self.event.after["new_browser"] != true {
                return Ok(Vec::new());
            }
            let acting = match &self.event.actor {
                Author::Known(Actor::Member { id, .. }) => *id,
                _ => None,
            };
            let Some(id) = MemberId::parse(&self.event.subject).or(acting) else {
                return Ok(Vec::new());
            };
            let found = members::find(tx, seals, account, id)?;
            return Ok(found.filter(|member| member.removed_at.is_none()).into_iter().collect());
        }
        if is_approval(self.kind) {
            return self.deciders(tx);
        }
        let choice = Choice::of(tx, account)?;
        let roles = self.notice().map(|notice| choice.roles(notice)).unwrap_or_default();
        let all = members::list(tx, seals, account)?;
        let wanted = |member: &Member| match self.kind {
            // A test comes back to who asked for it.
            Kind::AlertTested => matches!(&self.event.actor,
                Author::Known(Actor::Member { id, .. }) if *id == Some(member.id)),
            _ => roles.contains(&member.role),
        };
        Ok(all.into_iter().filter(wanted).collect())
    }

    /// Who may decide on what was asked for; or who asked, once somebody has.
    fn deciders(&self, tx: &mut Tx<'_>) -> Result<Vec<Member>, DbError> {
        let (seals, scheme) = (&self.moment.realm.rules.seals, self.scheme());
        let Some(id) = ApprovalId::parse(&self.event.subject) else { return Ok(Vec::new()) };
        let found = approvals::find(tx, seals, self.account.id, id)?;
        let asked = found.and_then(|approval| Some((Asked::of(&approval)?, approval.asked_by)));
        let Some((asked, by)) = asked else { return Ok(Vec::new()) };
        let wanted = |member: &Member| match self.kind {
            Kind::ApprovalAsked => member.id != by && asked.may(scheme, member.role),
            Kind::ApprovalGiven | Kind::ApprovalDeclined => member.id == by,
            _ => false,
        };
        Ok(members::list(tx, seals, self.account.id)?.into_iter().filter(wanted).collect())
    }

    fn notice(&self) -> Option<&Notice> {
        let kind = match self.kind {
            // Whoever hears of one hears of many.
            Kind::RevokedTogether => Kind::Revoked.as_str(),
            _ => &self.event.kind,
        };
        self.scheme().notice(kind)
    }

    /// Makes a delivery for each endpoint that hears of it; how many.
    fn deliveries(&self, tx: &mut Tx<'_>) -> Result<usize, DbError> {
        let is_alert = Settings::is_alert(self.kind);
        if !self.kind.is_for_programs() || (is_alert && !self.settings.webhook) {
            return Ok(0);
        }
        let seals = &self.moment.realm.rules.seals;
        let all = endpoints::list(tx, seals, self.account.id)?;
        let hearing: Vec<_> = all.iter().filter(|endpoint| self.is_heard_by(endpoint)).collect();
        if hearing.is_empty() {
            return Ok(0);
        }
        let payload = self.payload(self.environment());
        for endpoint in &hearing {
            let now = self.moment.now;
            let delivery = Delivery {
                id: DeliveryId::new(now, &mut OsEntropy),
                endpoint: endpoint.id,
                event: self.event.id.to_string(),
                kind: self.event.kind.clone(),
                payload: payload.clone(),
                state: deliveries::State::Waiting,
                attempts: 0,
                step: 0,
                due_at: now,
                created_at: now,
                done_at: None,
            };
            deliveries::insert(tx, &delivery)?;
        }
        Ok(hearing.len())
    }

    fn environment(&self) -> Option<Environment> {
        self.credential.as_ref().map(|credential| credential.environment)
    }

    fn is_heard_by(&self, endpoint: &Endpoint) -> bool {
        // What happened before it was there is not its news.
        if endpoint.state != State::On || self.event.at < endpoint.created_at {
            return false;
        }
        if self.kind == Kind::EndpointTested {
            return self.event.subject == endpoint.id.to_string();
        }
        let here = self.environment().is_none_or(|environment| environment == endpoint.environment);
        here && hears(&endpoint.events, self.kind, self.scheme())
    }

    /// The body of a message: the same for every endpoint and at every attempt.
    fn payload(&self, environment: Option<Environment>) -> String {
        let credential = self.credential.as_ref().map(|credential| {
            json!({
                "id": credential.id,
                "kind": credential.kind,
                "name": credential.name,
                "environment": credential.environment.as_str(),
            })
        });
        let actor = match &self.event.actor {
            Author::Known(actor) => said_of(actor),
            Author::Unknown => json!({ "type": "unknown" }),
        };
        let subject: Value = match &credential {
            Some(credential) => json!({ "credential": credential }),
            None => json!({ "subject": self.event.subject }),
        };
        let mut data = subject;
        if let Some(fields) = data.as_object_mut() {
            fields.insert("before".to_owned(), self.event.before.clone());
            fields.insert("after".to_owned(), self.event.after.clone());
            fields.insert("actor".to_owned(), actor);
            fields.insert("request_id".to_owned(), json!(self.event.request_id));
        }
        json!({
            "id": self.event.id,
            "type": self.event.kind,
            "timestamp": self.event.at,
            "account": self.account.id,
            "external_account": self.account.external_id,
            "environment": environment.map(Environment::as_str),
            "data": data,
        })
        .to_string()
    }
}

/// What a message says of who acts: what concerns the platform alone is left out.
fn said_of(actor: &Actor) -> Value {
    match actor {
        Actor::Operator { .. } => json!({ "type": "operator" }),
        Actor::Member { id, role, .. } => json!({ "type": "member", "id": id, "role": role }),
        Actor::Credential { credential } => json!({ "type": "credential", "id": credential }),
        Actor::System => json!({ "type": "system" }),
    }
}

/// How telling goes.
#[derive(Debug, Clone, Default)]
pub struct Telling {
    /// Events that are still to be told.
    pub events_waiting: u64,
    /// Webhooks that wait.
    pub webhooks_waiting: u64,
    /// Since when the longest due of them is due.
    pub webhooks_due_since: Option<Time>,
    /// Endpoints that were switched off because nothing arrived there.
    pub endpoints_off: u64,
    /// How mail goes.
    pub mail: messages::State,
}

impl Telling {
    /// Looks.
    pub fn look(tx: &mut Tx<'_>, now: Time) -> Result<Self, DbError> {
        let (webhooks_waiting, due) = deliveries::waiting(tx, now)?;
        Ok(Self {
            events_waiting: events::count_untold(tx)?,
            webhooks_waiting,
            webhooks_due_since: due.filter(|due| *due <= now),
            endpoints_off: endpoints::count_failing(tx)?,
            mail: messages::state(tx, now, LETTER_TRIED_MS)?,
        })
    }
}

/// Whether an endpoint with this choice hears an event. A choice is names, or the start of some
/// (`api_key.*`), or `*`; without one it hears what the scheme's notices say.
pub fn hears(choice: &[String], kind: Kind, scheme: &Scheme) -> bool {
    let name = kind.as_str();
    if kind == Kind::AlertTested {
        return true;
    }
    if choice.is_empty() {
        return scheme.notice(name).is_some_and(|notice| notice.webhook);
    }
    choice.iter().any(|chosen| match chosen.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => chosen == name,
    })
}

/// What concerns one person's own way in.
fn is_personal(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::SignedIn
            | Kind::PasswordChanged
            | Kind::PasswordReset
            | Kind::FactorAdded
            | Kind::FactorRemoved
            | Kind::RecoveryCodesMade
            | Kind::RecoveryCodeUsed
            | Kind::ProofsExhausted
            | Kind::MemberRoleChanged
    )
}

/// What concerns those who decide on an approval, and who asked for it.
fn is_approval(kind: Kind) -> bool {
    kind.as_str().starts_with("approval.")
}

/// Looks how telling goes, for the metrics.
pub async fn look(app: &Arc<App>) -> Result<(), DbError> {
    let now = app.now();
    let seen = app.db.read(move |tx| Telling::look(tx, now)).await?;
    app.telling.store(Arc::new(seen));
    Ok(())
}
