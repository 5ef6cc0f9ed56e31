//! A visit: a request for a page, by whom, with what they typed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use keyway_domain::Environment;
use keyway_domain::actor::Actor;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::member::Member;
use keyway_domain::rules::Standing;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_secret::{SecretText, signature_matches};
use keyway_store::accounts::Account;
use keyway_store::sessions::{self, Session, Stage};
use keyway_store::{DbError, Tx, accounts, approvals, members};

use super::SharedApp;
use super::fields::Fields;
use super::operator::{self, Operating};
use super::problems::Stop;
pub(crate) use crate::commands::sessions::new_token;
use crate::commands::sessions::{is_good, session_digest};
use crate::commands::{Moment, rules};
use crate::http::{Call, Reply};

/// A session's last use is written down at most this often.
const SEEN_EVERY_MS: i64 = 60_000;

/// Who is signed in.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) session: Session,
    pub(crate) member: Member,
    pub(crate) account: Account,
    /// The account's own security rules, and the platform's.
    pub(crate) standing: Standing,
    /// What waits for a second person, or for who asked, where a rule wants one.
    pub(crate) waiting: u64,
    /// What the browser holds: the key of what only it may see again.
    pub(crate) token: SecretText,
}

/// An account, the rules that hold in it, and how much waits for a second person.
pub(super) type Around = (Account, Standing, u64);

/// Reads what every page says of the account around it.
pub(super) fn around(
    tx: &mut Tx<'_>,
    scheme: &Scheme,
    account: AccountId,
    now: Time,
) -> Result<Option<Around>, DbError> {
    let standing = rules::standing(tx, scheme, account)?;
    let waiting = match standing.second_person() {
        Some(_) => approvals::count_open(tx, account, now)?,
        None => 0,
    };
    Ok(accounts::find(tx, account)?.map(|account| (account, standing, waiting)))
}

/// A request for a page.
pub(crate) struct Visit {
    pub(crate) call: Arc<Call>,
    pub(crate) fields: Fields,
    pub(crate) signed: Option<Signed>,
    /// A session that ended while its pages were open: whose it was.
    pub(crate) ended: Option<Member>,
    /// The session of somebody who gave a password and is yet to give a code.
    pub(crate) half: Option<Signed>,
    /// Who of the platform visits, on the operator's own pages.
    pub(crate) operator: Option<Operating>,
    pub(crate) now: Time,
}

/// What a browser's cookies are called.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cookie {
    /// The session's token.
    Session,
    /// The browser's own, by which it is known to who signed in from it.
    Device,
    /// The token of the operator's session.
    Operator,
    /// Light or dark.
    Theme,
}

impl Cookie {
    fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-keyway",
            (Self::Session, false) => "keyway",
            (Self::Device, true) => "__Host-keyway-device",
            (Self::Device, false) => "keyway-device",
            (Self::Operator, true) => "__Host-keyway-operator",
            (Self::Operator, false) => "keyway-operator",
            (Self::Theme, _) => "theme",
        }
    }

    /// The header that sets it, for so many seconds.
    pub(crate) fn set(self, value: &str, seconds: i64, secure: bool) -> String {
        let name = self.name(secure);
        let only_tls = if secure { "; Secure" } else { "" };
        let no_script = if matches!(self, Self::Theme) { "" } else { "; HttpOnly" };
        // Members come back from links in mails; the operator's pages are linked from nowhere.
        let sent = if matches!(self, Self::Operator) { "Strict" } else { "Lax" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite={sent}{no_script}{only_tls}")
    }
}

impl Visit {
    /// Reads who visits and what they typed.
    pub(crate) async fn open(call: Call) -> Result<Self, Box<Reply>> {
        let text = if call.method == Method::POST {
            std::str::from_utf8(&call.body).unwrap_or("%FF")
        } else {
            call.uri.query().unwrap_or("")
        };
        let secure = call.app.site.is_secure();
        let fields = Fields::read(text)
            .map_err(|why| Box::new(super::unreadable(StatusCode::BAD_REQUEST, why, secure)))?;
        let now = call.app.now();
        let call = Arc::new(call);
        let (signed, ended, half, operator) = (None, None, None, None);
        let mut visit = Self { call, fields, signed, ended, half, operator, now };
        let recognised = if operator::is_here(visit.call.uri.path()) {
            visit.recognise_operator().await
        } else {
            visit.recognise().await
        };
        if let Err(error) = recognised {
            tracing::error!(%error, "a session could not be read");
            return Err(Box::new(super::unreadable(
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer. Nothing was changed; try again in a moment.",
                secure,
            )));
        }
        Ok(visit)
    }

    async fn recognise(&mut self) -> Result<(), DbError> {
        let Some(token) = self.cookie(Cookie::Session).filter(|token| token.len() <= 64) else {
            return Ok(());
        };
        let token = SecretText::new(token.to_owned());
        let app = Arc::clone(self.app());
        let digest = session_digest(&app.keys.browsers, token.reveal());
        let seals = app.platform.rules.seals.clone();
        let (scheme, now) = (Arc::clone(&app.platform.rules.scheme), self.now);
        let found = app
            .db
            .read(move |tx| {
                let Some(session) = sessions::find(tx, &seals, &digest)? else { return Ok(None) };
                let member = members::find(tx, &seals, session.account, session.member)?;
                let around = around(tx, &scheme, session.account, now)?;
                Ok::<_, DbError>(
                    member.zip(around).map(|(member, around)| (session, member, around)),
                )
            })
            .await?;
        let Some((session, member, (account, standing, waiting))) = found else { return Ok(()) };
        if !is_good(&session, self.now) || member.removed_at.is_some() {
            self.ended = Some(member);
            return Ok(());
        }
        let signed = Signed { session, member, account, standing, waiting, token };
        match signed.session.stage {
            Stage::Password => self.half = Some(signed),
            Stage::Whole => {
                self.note_seen(&signed);
                self.signed = Some(signed);
            }
        }
        Ok(())
    }

    /// Writes down that the session is in use, beside the request.
    fn note_seen(&self, signed: &Signed) {
        if self.now < signed.session.seen_at.plus_ms(SEEN_EVERY_MS) {
            return;
        }
        let (app, now) = (Arc::clone(self.app()), self.now);
        let (session, member) = (signed.session.id, signed.member.id);
        tokio::spawn(async move {
            let seen = app.db.write(now, move |tx| {
                sessions::seen(tx, session, now)?;
                members::set_active(tx, member, now)
            });
            if let Err(error) = seen.await {
                tracing::warn!(%error, "a session's use was not written down");
            }
        });
    }

    /// The same visit without what was typed, for the page of an error.
    pub(crate) fn spare(&self) -> Self {
        Self {
            call: Arc::clone(&self.call),
            fields: Fields::filled(
                self.fields.typed().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            ),
            signed: self.signed.clone(),
            ended: self.ended.clone(),
            half: None,
            operator: self.operator.clone(),
            now: self.now,
        }
    }

    pub(crate) fn app(&self) -> &SharedApp {
        &self.call.app
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        &self.call.app.platform.rules.scheme
    }

    /// The security rules that hold for who is signed in.
    pub(crate) fn standing(&self) -> Standing {
        let platform = self.scheme().rules;
        let own = self.signed.as_ref().map(|signed| signed.standing.own);
        Standing { platform, own: own.unwrap_or_default() }
    }

    pub(crate) fn is_post(&self) -> bool {
        self.call.method == Method::POST
    }

    /// Who is signed in; the router let nobody else through.
    pub(crate) fn signed(&self) -> Result<&Signed, Stop> {
        self.signed.as_ref().ok_or(Stop::SignIn)
    }

    /// A cookie's value; the first, should there be two.
    pub(crate) fn cookie(&self, cookie: Cookie) -> Option<&str> {
        let name = cookie.name(self.app().site.is_secure());
        let headers = self.call.headers.get_all("cookie");
        let pairs = headers.into_iter().filter_map(|value| value.to_str().ok());
        pairs.flat_map(|value| value.split(';')).find_map(|pair| {
            let (known, value) = pair.trim().split_once('=')?;
            (known == name).then_some(value)
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.call.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether a form comes from our own page, as far as the browser says (W3C Fetch Metadata;
    /// else the Origin). A program that says nothing has no cookies to abuse.
    pub(crate) fn is_same_origin(&self) -> bool {
        if let Some(site) = self.header("sec-fetch-site") {
            return site == "same-origin";
        }
        let Some(origin) = self.header("origin") else { return true };
        let host = origin.split_once("://").map(|(_, host)| host);
        let ours = self.app().site.public_url.as_deref();
        ours.is_some_and(|url| url.trim_end_matches('/') == origin)
            || host.is_some() && host == self.header("host")
    }

    /// What every form of a session carries, and no other site can know.
    pub(crate) fn form_token(&self, signed: &Signed) -> String {
        self.mark(&signed.session.id.to_string())
    }

    pub(crate) fn has_form_token(&self, signed: &Signed) -> bool {
        self.has_mark(&signed.session.id.to_string())
    }

    /// What the forms of whoever visits carry.
    pub(crate) fn own_mark(&self) -> Option<String> {
        let operator = self.operator.as_ref().map(|who| who.session.id.to_string());
        let own = self.signed.as_ref().map(|signed| signed.session.id.to_string()).or(operator);
        own.map(|id| self.mark(&id))
    }

    fn mark(&self, id: &str) -> String {
        let digest = self.app().keys.browsers.digest_parts(&[b"form/", id.as_bytes()]);
        URL_SAFE_NO_PAD.encode(&digest.0[..16])
    }

    /// Whether the form carries what the forms of a session, of this id, carry.
    pub(crate) fn has_mark(&self, id: &str) -> bool {
        let expected = self.mark(id);
        signature_matches(self.fields.text("csrf").as_bytes(), expected.as_bytes())
    }

    /// Where it comes from, as text.
    pub(crate) fn address(&self) -> Option<String> {
        self.call.address.map(|address| address.to_canonical().to_string())
    }

    /// What sends it, as it calls itself, cut short and plain.
    pub(crate) fn client(&self) -> Option<String> {
        crate::usage::client(&self.call.headers)
    }

    /// What a command needs to know.
    pub(crate) fn moment(&self) -> Moment {
        let app = self.app();
        let actor = match (&self.signed, &self.operator) {
            (_, Some(who)) => Actor::Operator { token: who.session.token.clone() },
            (Some(signed), None) => Actor::Member {
                member: signed.member.email.to_string(),
                id: Some(signed.member.id),
                role: signed.member.role,
                token: None,
            },
            (None, None) => Actor::System,
        };
        // A merchant's log says that it was the platform, not where its people sit.
        let is_members = self.operator.is_none();
        Moment {
            now: self.now,
            actor,
            step_up: None,
            request_id: self.call.request_id.clone(),
            address: self.address().filter(|_| is_members),
            client: self.client().filter(|_| is_members),
            reason: None,
            second: None,
            keys: Arc::clone(&app.keys),
            realm: Arc::clone(&app.platform),
            order: app.order.clone(),
        }
    }

    /// What the path's placeholder matched.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.call.params.get(name).map_or("", String::as_str)
    }

    /// The environment that the path names.
    pub(crate) fn environment(&self) -> Result<Environment, Stop> {
        Environment::parse(self.param("environment")).ok_or(Stop::NotFound)
    }

    /// The credential that the path names.
    pub(crate) fn credential(&self) -> Result<CredentialId, Stop> {
        CredentialId::parse(self.param("credential")).ok_or(Stop::NotFound)
    }

    /// Where browsers find this Keyway. Never what the request names as its host: a link in a mail
    /// would lead wherever somebody else wants.
    pub(crate) fn public_url(&self) -> String {
        self.app().site.base_url()
    }
}
