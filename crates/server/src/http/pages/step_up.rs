//! Acting: a form is taken once, by the session it was given to, with the proof that its act asks
//! for; then one transaction does it.

use http::StatusCode;
use keyway_domain::actor::StepUp;
use keyway_domain::limits::IDEMPOTENCY_HOURS;
use keyway_domain::member::Member;
use keyway_domain::scheme::StepUpRule;
use keyway_domain::totp::Judged;
use keyway_store::idempotency::{self, Given};
use keyway_store::{DbError, Tx, accounts, members, sessions, turns};
use maud::{Markup, html};
use serde_json::json;

use super::problems::{Problems, Stop, Trouble};
use super::reply::redirect;
use super::ui::{self, Field};
use super::visit::{Signed, Visit};
use crate::authenticator;
use crate::codes::Code;
use crate::coherence::{Effect, Reach};
use crate::commands::proofs::{self, Lane, Purpose, Tried, What};
use crate::commands::sessions::{is_good, session_digest};
use crate::commands::{Error, Moment};
use crate::http::Reply;

/// What an act asks its member for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) purpose: Purpose,
    pub(crate) rule: StepUpRule,
}

impl Wanted {
    /// A proof for an act, as a rule has it.
    pub(crate) fn new(act: &str, subject: impl Into<String>, rule: StepUpRule) -> Self {
        Self { purpose: Purpose::new(act, subject), rule }
    }

    /// The password, for what the scheme says nothing of.
    pub(crate) fn password(act: &str, subject: impl Into<String>) -> Self {
        Self::new(act, subject, StepUpRule::Password)
    }

    /// The best proof that the member has, for what decides who may prove what: were it less, a
    /// password would be as good as the authenticator.
    pub(crate) fn strongest(act: &str, subject: impl Into<String>, member: &Member) -> Self {
        let has_factor = member.totp.is_some();
        let rule = if has_factor { StepUpRule::Otp } else { StepUpRule::Password };
        Self::new(act, subject, rule)
    }
}

/// What stands in a form for the proof.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    rule: StepUpRule,
    is_kept: bool,
    has_factor: bool,
}

/// Looks up what is still to be proven.
pub(crate) async fn asked(visit: &Visit, wanted: &Wanted) -> Result<Asked, Stop> {
    let signed = visit.signed()?;
    let (moment, session) = (visit.moment(), signed.session.id);
    let purpose = wanted.purpose.clone();
    let read = move |tx: &mut Tx<'_>| proofs::is_kept(tx, &moment, session, &purpose);
    let is_kept = match wanted.rule {
        StepUpRule::None => true,
        _ => visit.app().db.read(read).await?,
    };
    Ok(Asked { rule: wanted.rule, is_kept, has_factor: signed.member.totp.is_some() })
}

impl Asked {
    /// Whether there is anything to fill in.
    pub(crate) fn is_needed(&self) -> bool {
        self.rule != StepUpRule::None
    }

    /// Whether the member can give the proof at all.
    pub(crate) fn is_possible(&self) -> bool {
        self.rule != StepUpRule::Otp || self.has_factor
    }

    /// The fields.
    pub(crate) fn show(&self, problems: &Problems) -> Markup {
        let password = || {
            Field::new("password", "Your password", "")
                .kind("password", "current-password")
                .show(problems)
        };
        let code = || {
            ui::code_field(
                "Code from your authenticator app",
                "6 digits, good for this act only. A recovery code works too.",
                problems,
            )
        };
        html! {
            @if self.rule != StepUpRule::None && self.is_kept {
                p.muted { "You have confirmed this already. It is good for five minutes, for this act only." }
            } @else {
                @match self.rule {
                    StepUpRule::None => {}
                    StepUpRule::Password => { (password()) }
                    StepUpRule::Otp if self.has_factor => { (code()) }
                    StepUpRule::Either if self.has_factor => { (code()) }
                    StepUpRule::Either => { (password()) }
                    StepUpRule::Otp => {
                        (ui::note("warn", super::icons::LOCK, &html! {
                            b { "This needs an authenticator app." } " "
                            a href="/you/authenticator" { "Set one up" } ", then come back."
                        }))
                    }
                }
            }
        }
    }
}

/// What an act did: where to go on.
pub(crate) struct Next {
    pub(crate) to: String,
}

impl Next {
    pub(crate) fn to(to: impl Into<String>) -> Self {
        Self { to: to.into() }
    }
}

impl Visit {
    /// Takes the form: once, with its proof, in one transaction. The same form again leads to where
    /// the first one led, and does nothing.
    pub(crate) async fn act(
        &self,
        wanted: Option<Wanted>,
        work: impl Fn(&mut Tx<'_>, &Moment) -> Result<Next, Error> + Send + 'static,
    ) -> Result<Reply, Trouble> {
        let nothing = std::future::ready(Ok(()));
        self.act_after(wanted, nothing, move |tx, moment, ()| work(tx, moment)).await
    }

    /// The same, with something to prepare that costs much: after the proof, so that nobody
    /// without one makes us work.
    pub(crate) async fn act_after<T: Send + 'static>(
        &self,
        wanted: Option<Wanted>,
        prepare: impl Future<Output = Result<T, Trouble>>,
        work: impl Fn(&mut Tx<'_>, &Moment, &T) -> Result<Next, Error> + Send + 'static,
    ) -> Result<Reply, Trouble> {
        let signed = self.signed().map_err(Trouble::Stop)?.clone();
        let caller = signed.member.id.to_string();
        let key = self.form_key().ok_or(Trouble::Stop(Stop::Forged))?;
        if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.rule != StepUpRule::None) {
            self.prove(&signed, wanted).await?;
        }
        let prepared = prepare.await?;
        // Not the instant at which the form came: it may have waited for its turn.
        let moment = Moment { now: self.app().now(), ..self.moment() };
        let since = moment.now.plus_ms(-IDEMPOTENCY_HOURS * 3_600_000);
        let written = self.app().db.write_placed(moment.now, move |tx| {
            // The same form on another node at the same moment has one effect, too.
            turns::take(tx, key.as_bytes())?;
            if let Some(given) = idempotency::find(tx, &caller, &key, since)? {
                return Ok(where_to(&given));
            }
            still_there(tx, &moment, &signed)?;
            let mut moment = moment.clone();
            if let Some(wanted) = &wanted {
                moment.step_up = proofs::take(tx, &moment, signed.session.id, &wanted.purpose)?;
                let needs = wanted.rule != StepUpRule::None;
                if needs && moment.step_up.is_none() {
                    return Err(proof_is_gone());
                }
            }
            let next = work(tx, &moment, &prepared)?;
            let body = json!({ "to": next.to }).to_string();
            let given = Given { fingerprint: Vec::new(), status: 303, body };
            idempotency::save(tx, &caller, &key, &given, moment.now)?;
            Ok(next.to)
        });
        let written = written.await;
        if matches!(&written, Err(Error::Refused(_) | Error::Conflict { .. })) {
            // Whoever is told that it has ended already is told so when it has, everywhere.
            self.app().reach(None, Reach::Everywhere).await?;
        }
        let (to, position) = written?;
        if position.is_none() {
            return Ok(redirect(&to));
        }
        let reached = self.app().reach(position, Reach::Everywhere).await?;
        if reached.effect == Effect::Lost {
            return Err(lost());
        }
        Ok(redirect(&self.with_reach(to, &reached)))
    }

    /// The name of this form as it was filled in. The mark alone would be too little: who goes back
    /// and changes what they typed means something else.
    pub(super) fn form_key(&self) -> Option<String> {
        let once = self.fields.text("once");
        if once.is_empty() || once.len() > 64 {
            return None;
        }
        let mut parts: Vec<&[u8]> = vec![once.as_bytes(), b"\0", self.call.uri.path().as_bytes()];
        for (name, value) in self.fields.typed() {
            parts.extend([b"\0".as_slice(), name.as_bytes(), b"=", value.as_bytes()]);
        }
        let digest = self.app().keys.browsers.digest_parts(&parts);
        Some(crate::commands::sessions::hex(&digest.0))
    }

    /// Where this very form led when it was taken before. Asked before anything else is looked at:
    /// what the form was about may be gone by its own doing.
    pub(super) async fn taken_before(
        &self,
        signed: &Signed,
        key: &str,
    ) -> Result<Option<Reply>, Stop> {
        let since = self.now.plus_ms(-IDEMPOTENCY_HOURS * 3_600_000);
        let (by, name) = (signed.member.id.to_string(), key.to_owned());
        let read = move |tx: &mut Tx<'_>| idempotency::find(tx, &by, &name, since);
        let found = self.app().db.read(read).await?;
        let Some(given) = found else { return Ok(None) };
        // Whoever sends it again is told so when it is true everywhere, as the first one was.
        self.app().reach(None, Reach::Everywhere).await?;
        Ok(Some(redirect(&where_to(&given))))
    }

    /// Looks at the proof that came with the form and keeps it for the act, unless one is kept.
    async fn prove(&self, signed: &Signed, wanted: &Wanted) -> Result<(), Trouble> {
        let takes = |method| match wanted.rule {
            StepUpRule::Password => method == StepUp::Password,
            StepUpRule::Otp => method == StepUp::Otp,
            StepUpRule::Either | StepUpRule::None => true,
        };
        let code = self.fields.secret("code").filter(|_| takes(StepUp::Otp));
        let password = self.fields.secret("password").filter(|_| takes(StepUp::Password));
        if let Some(code) = code {
            return self.prove_by_code(signed, &wanted.purpose, code.reveal()).await;
        }
        if let Some(password) = password {
            let lane = self.own_lane(signed, What::Password);
            self.check_password(signed, "password", password.clone(), &lane).await?;
            return self.keep(signed, &wanted.purpose, StepUp::Password, &lane).await;
        }
        if asked(self, wanted).await?.is_kept {
            return Ok(());
        }
        let (field, message) = match wanted.rule {
            StepUpRule::Otp if signed.member.totp.is_none() => {
                ("", "This needs an authenticator app. Set one up under Sign-in security.")
            }
            StepUpRule::Otp => ("code", "Enter the code that your authenticator app shows."),
            _ => ("password", "Enter your password."),
        };
        Err(Problems::one(StatusCode::UNAUTHORIZED, field, message).into())
    }

    /// The counters of tries in this session.
    pub(crate) fn own_lane(&self, signed: &Signed, what: What) -> Lane {
        let keys = &self.app().keys.browsers;
        let email = signed.member.email.as_str();
        Lane::new(keys, what, email, Some(&signed.session.device), self.call.address)
    }

    /// Whether this is the member's password. The try counts, whatever comes of it.
    pub(crate) async fn check_password(
        &self,
        signed: &Signed,
        field: &str,
        password: keyway_secret::SecretText,
        lane: &Lane,
    ) -> Result<(), Trouble> {
        let (counted, now) = (lane.clone(), self.now);
        let slot = self.app().passwords.slot().await?;
        let write = move |tx: &mut Tx<'_>| proofs::note(tx, &counted, now);
        let left = match self.app().db.write(now, write).await? {
            Tried::Go { left } => left,
            Tried::Locked { until } => return Err(locked(field, until).into()),
        };
        let hash = Some(signed.member.password.clone());
        if slot.holds(password, hash).await? {
            return Ok(());
        }
        if left == 0 {
            self.tell_exhausted(signed).await?;
        }
        let message = format!("That is not your password. {}", tries_left(left));
        Err(Problems::one(StatusCode::UNAUTHORIZED, field, message).into())
    }

    async fn tell_exhausted(&self, signed: &Signed) -> Result<(), Trouble> {
        let (moment, member) = (self.moment(), signed.member.clone());
        let write = move |tx: &mut Tx<'_>| proofs::record_exhausted(tx, &moment, &member);
        Ok(self.app().db.write(self.now, write).await?)
    }

    async fn keep(
        &self,
        signed: &Signed,
        purpose: &Purpose,
        method: StepUp,
        lane: &Lane,
    ) -> Result<(), Trouble> {
        let (moment, session, lane) = (self.moment(), signed.session.id, lane.clone());
        let purpose = purpose.clone();
        let write = move |tx: &mut Tx<'_>| {
            proofs::forget_tries(tx, &lane)?;
            proofs::keep(tx, &moment, session, &purpose, method)
        };
        Ok(self.app().db.write(self.now, write).await?)
    }

    async fn prove_by_code(
        &self,
        signed: &Signed,
        purpose: &Purpose,
        code: &str,
    ) -> Result<(), Trouble> {
        if signed.member.totp.is_none() {
            let message = "There is no authenticator app yet. Set one up under Sign-in security.";
            return Err(Problems::one(StatusCode::UNAUTHORIZED, "code", message).into());
        }
        let lane = self.own_lane(signed, What::Code);
        self.check_code(signed, code, &lane).await?;
        self.keep(signed, purpose, StepUp::Otp, &lane).await
    }

    /// Whether this is a code of the member's authenticator, or one of their recovery codes. Either
    /// passes once. The try counts, whatever comes of it.
    pub(crate) async fn check_code(
        &self,
        signed: &Signed,
        code: &str,
        lane: &Lane,
    ) -> Result<(), Trouble> {
        if authenticator::plain_code(code).is_none() {
            return self.check_recovery_code(signed, code, lane).await;
        }
        let (moment, member) = (self.moment(), signed.member.clone());
        let (lane, typed, now) =
            (lane.clone(), keyway_secret::SecretText::new(code.to_owned()), self.now);
        let judged = self.app().db.write(now, move |tx| {
            let left = match proofs::note(tx, &lane, now)? {
                Tried::Go { left } => left,
                Tried::Locked { until } => return Ok::<_, Error>(Err(until)),
            };
            let judged = proofs::judge_code(tx, &moment, &member, typed.reveal())?;
            if left == 0 && judged != Judged::Accepted {
                proofs::record_exhausted(tx, &moment, &member)?;
            }
            Ok(Ok((judged, left)))
        });
        let message = match judged.await? {
            Err(until) => return Err(locked("code", until).into()),
            Ok((Judged::Accepted, _)) => return Ok(()),
            Ok((Judged::Reused, _)) => {
                "This code was used already. Wait for the next one; each is good once.".to_owned()
            }
            Ok((Judged::ClockOff(seconds), _)) => clock_off(seconds),
            Ok((Judged::Wrong, left)) => format!("That code is not right. {}", tries_left(left)),
        };
        Err(Problems::one(StatusCode::UNAUTHORIZED, "code", message).into())
    }

    async fn check_recovery_code(
        &self,
        signed: &Signed,
        code: &str,
        lane: &Lane,
    ) -> Result<(), Trouble> {
        let (counted, now, id) = (lane.clone(), self.now, signed.member.id);
        let slot = self.app().passwords.slot().await?;
        let noted = self.app().db.write(now, move |tx| {
            Ok::<_, DbError>((proofs::note(tx, &counted, now)?, members::codes(tx, id)?))
        });
        let (tried, hashes) = noted.await?;
        let left = match tried {
            Tried::Go { left } => left,
            Tried::Locked { until } => return Err(locked("code", until).into()),
        };
        let typed = super::codes::recovery_input(id, code);
        if let Some(hash) = slot.find(typed, hashes).await? {
            let (moment, member) = (self.moment(), signed.member.clone());
            let write =
                move |tx: &mut Tx<'_>| proofs::use_recovery_code(tx, &moment, &member, &hash);
            if self.app().db.write(now, write).await? {
                return Ok(());
            }
        }
        if left == 0 {
            self.tell_exhausted(signed).await?;
        }
        let message = format!("That code is not right. {}", tries_left(left));
        Err(Problems::one(StatusCode::UNAUTHORIZED, "code", message).into())
    }
}

/// The form again, with what is wrong.
pub(crate) fn again(
    trouble: Trouble,
    form: impl FnOnce(&Problems) -> Markup,
) -> Result<Reply, Stop> {
    match trouble {
        Trouble::Stop(stop) => Err(stop),
        Trouble::Form(problems) => Ok(super::reply::html(problems.status, &form(&problems))),
    }
}

/// Whoever acts may have been removed, or become something less, since the page was asked for.
fn still_there(tx: &mut Tx<'_>, moment: &Moment, signed: &Signed) -> Result<(), Error> {
    let seals = &moment.realm.rules.seals;
    let found = members::find(tx, seals, signed.member.account, signed.member.id)?;
    let same = found.is_some_and(|found| {
        let (is, was) = (&found, &signed.member);
        is.removed_at.is_none()
            && is.role == was.role
            && is.password == was.password
            && is.totp.is_some() == was.totp.is_some()
    });
    let digest = session_digest(&moment.keys.browsers, signed.token.reveal());
    let session = sessions::find(tx, seals, &digest)?;
    let good = session.is_some_and(|session| is_good(&session, moment.now));
    let account = accounts::find(tx, signed.account.id)?;
    let let_in = account.is_some_and(|account| account.suspended == signed.account.suspended);
    if same && good && let_in {
        return Ok(());
    }
    let message = "something about your sign-in has changed; open the page again".to_owned();
    Err(Error::Conflict { code: Code::Outdated, message })
}

/// The database lost the act after it was kept.
pub(super) fn lost() -> Trouble {
    let message = "The database lost this after it was kept. Nothing stands of it; do it again.";
    Problems::one(StatusCode::SERVICE_UNAVAILABLE, "", message).into()
}

fn proof_is_gone() -> Error {
    let message = "the confirmation is used up or too old; confirm again".to_owned();
    Error::Conflict { code: Code::Outdated, message }
}

fn where_to(given: &Given) -> String {
    let body: serde_json::Value = serde_json::from_str(&given.body).unwrap_or_default();
    body["to"].as_str().unwrap_or("/").to_owned()
}

/// No try is looked at until then.
pub(crate) fn locked(field: &str, until: keyway_domain::time::Time) -> Problems {
    let message = format!(
        "Too many wrong tries. The next one is looked at from {} on.",
        until.plus_ms(59_999).to_minute_text()
    );
    Problems::one(StatusCode::TOO_MANY_REQUESTS, field, message)
}

/// So many tries are left.
pub(crate) fn tries_left(left: u32) -> String {
    match left {
        0 => "No tries are left for the next 30 minutes.".to_owned(),
        1 => "1 try left.".to_owned(),
        left => format!("{left} tries left."),
    }
}

fn clock_off(seconds: i64) -> String {
    let (by, way) = (seconds.abs(), if seconds > 0 { "fast" } else { "slow" });
    format!(
        "This code is right for another time: your phone's clock seems to be about {by} seconds {way}. Set it automatically; or enter the next code, and its clock is taken as it is."
    )
}
