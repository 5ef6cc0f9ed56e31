//! The people of an account over HTTP: what the platform itself may do for them.

use http::StatusCode;
use keyway_domain::actor::Role;
use keyway_domain::id::{LinkId, MemberId};
use keyway_domain::member::{Email, Member};
use keyway_domain::time::Time;
use keyway_store::members;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::accounts::Nothing;
use super::{Call, Caller, Done, Problem, Reply, said, value, view};
use crate::commands::{Error, me, newcomers, sessions, team};
use crate::http::body;
use crate::http::openapi::shapes as shape;

/// A person to invite.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "InviteMember")]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// What they will sign in with.
    #[schemars(with = "shape::EmailAddress")]
    email: String,
    /// What they are to be.
    #[schemars(with = "shape::RoleName")]
    role: String,
}

/// Who takes over what a removed person had care of.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RemoveMember")]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The member who takes over their credentials.
    #[serde(default)]
    #[schemars(with = "Option<shape::MemberId>")]
    successor: Option<String>,
}

/// Another role.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ChangeMemberRole")]
#[serde(deny_unknown_fields)]
pub struct ChangeRole {
    /// What they are to be.
    #[schemars(with = "shape::RoleName")]
    role: String,
}

fn role(text: &str) -> Result<Role, Problem> {
    Role::parse(text)
        .ok_or_else(|| Problem::invalid("role", "it is `owner`, `admin`, `developer` or `viewer`"))
}

/// A person in an account.
#[derive(Serialize, JsonSchema)]
pub struct Person {
    /// Their id.
    #[schemars(with = "shape::MemberId")]
    id: MemberId,
    /// What they sign in with.
    #[schemars(with = "shape::EmailAddress")]
    email: String,
    /// What they are called.
    #[schemars(example = &"Ada Bell")]
    name: String,
    /// What they may be.
    #[schemars(with = "shape::RoleName")]
    role: Role,
    /// Whether they sign in with an authenticator app, too.
    has_authenticator: bool,
    /// When they joined.
    #[schemars(with = "shape::Instant")]
    created_at: Time,
    /// When they were last seen, to the minute.
    #[schemars(with = "Option<shape::Instant>")]
    last_active_at: Option<Time>,
}

/// A person, with the path of a link that is in this answer only.
#[derive(Serialize, JsonSchema)]
pub struct PersonWithLink {
    /// Who.
    #[serde(flatten)]
    person: Person,
    /// The link's path, and until when it is good; `null` in the answer to a repeated call.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<ResetLink>,
    /// Whether `secret` is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_shown: Option<bool>,
}

/// A link to set a new password.
#[derive(Serialize, JsonSchema)]
struct ResetLink {
    /// The page's path on the public listener.
    #[schemars(example = &"/reset/(shown in this answer and nowhere else)")]
    path: String,
    /// The first instant at which it leads nowhere.
    #[schemars(with = "shape::Instant")]
    expires_at: Time,
}

/// An invitation.
#[derive(Serialize, JsonSchema)]
pub struct Invitation {
    /// Its id.
    #[schemars(with = "shape::LinkId")]
    id: LinkId,
    /// Whom it is for.
    #[schemars(with = "shape::EmailAddress")]
    email: String,
    /// As what they join.
    #[schemars(with = "shape::RoleName")]
    role: Role,
    /// The first instant at which it leads nowhere.
    #[schemars(with = "shape::Instant")]
    expires_at: Time,
    /// The path of the page where they join; `null` in the answer to a repeated call.
    secret: Option<JoinLink>,
    /// Whether `secret` is there.
    secret_shown: bool,
}

/// A link to join by.
#[derive(Serialize, JsonSchema)]
struct JoinLink {
    /// The page's path on the public listener.
    #[schemars(example = &"/join/(shown in this answer and nowhere else)")]
    path: String,
}

impl From<&Member> for Person {
    fn from(member: &Member) -> Self {
        Self {
            id: member.id,
            email: member.email.to_string(),
            name: member.name.clone(),
            role: member.role,
            has_authenticator: member.totp.is_some(),
            created_at: member.created_at,
            last_active_at: member.last_active_at,
        }
    }
}

fn wanted(call: &Call) -> Result<MemberId, Problem> {
    let text = call.params.get("member").map_or("", String::as_str);
    MemberId::parse(text).ok_or_else(|| Problem::not_found("member"))
}

/// `GET /v1/accounts/{account}/members`
pub async fn list(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let seals = call.app.platform.rules.seals.clone();
    let read = call.app.db.read(move |tx| {
        if keyway_store::accounts::find(tx, account)?.is_none() {
            return Err(Error::NotFound("account"));
        }
        Ok(members::list(tx, &seals, account)?)
    });
    let data = read.await?.iter().map(Person::from).collect();
    Ok(said(&view::Page { data, next_cursor: None }))
}

/// `POST /v1/accounts/{account}/members`
pub async fn invite(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let body: Invite = body::read(&call.body)?;
    let email = Email::parse(&body.email);
    let email = email.ok_or_else(|| Problem::invalid("email", "it is no email address"))?;
    let role = role(&body.role)?;
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, None, StatusCode::CREATED, move |tx, moment| {
        let new = newcomers::invite(tx, moment, account, &email, role)?;
        let invitation = Invitation {
            id: new.link.id,
            email: email.to_string(),
            role,
            expires_at: new.link.expires_at,
            secret: None,
            secret_shown: false,
        };
        let link = JoinLink { path: format!("/join/{}", new.token.reveal()) };
        Ok(Done { body: value(&invitation), shown: Some(value(&link)) })
    })
    .await
}

/// Does something to a member who is there, and answers with them.
async fn change(
    call: Call,
    caller: Caller,
    work: impl Fn(
        &mut keyway_store::Tx<'_>,
        &crate::commands::Moment,
        &Member,
    ) -> Result<Option<Value>, Error>
    + Send
    + 'static,
) -> Result<Reply, Problem> {
    let (account, id) = (call.account()?, wanted(&call)?);
    let realm = call.app.platform.clone();
    call.mutate(&caller, &realm, None, StatusCode::OK, move |tx, moment| {
        let member = team::present(tx, moment, account, id)?;
        let secret = work(tx, moment, &member)?;
        let seals = &moment.realm.rules.seals;
        let now = members::find(tx, seals, account, id)?.unwrap_or(member);
        Ok(Done { body: value(&Person::from(&now)), shown: secret })
    })
    .await
}

/// `POST /v1/accounts/{account}/members/{member}/role`
pub async fn change_role(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let body: ChangeRole = body::read(&call.body)?;
    let role = role(&body.role)?;
    change(call, caller, move |tx, moment, member| {
        team::change_role(tx, moment, member.account, member.id, role, Role::Owner)?;
        Ok(None)
    })
    .await
}

/// `POST /v1/accounts/{account}/members/{member}/remove`
pub async fn remove(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let body: Remove = body::read(&call.body)?;
    let bad = || Problem::invalid("successor", "it is no id of a member");
    let heir = body.successor.as_deref();
    let heir = heir.map(|text| MemberId::parse(text).ok_or_else(bad)).transpose()?;
    let account = call.account()?;
    let app = std::sync::Arc::clone(&call.app);
    let reply = change(call, caller, move |tx, moment, member| {
        team::remove(tx, moment, member.account, member.id, heir, Role::Owner)?;
        Ok(None)
    })
    .await;
    app.rosters.forget(account);
    reply
}

/// `POST /v1/accounts/{account}/members/{member}/reset-factor`
pub async fn reset_factor(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let Nothing {} = body::read(&call.body)?;
    change(call, caller, |tx, moment, member| {
        me::remove_factor(tx, moment, member)?;
        sessions::end_others(tx, moment, member, None)?;
        Ok(None)
    })
    .await
}

/// `POST /v1/accounts/{account}/members/{member}/reset-password`
pub async fn reset_password(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let Nothing {} = body::read(&call.body)?;
    change(call, caller, |tx, moment, member| {
        let new = newcomers::ask_reset(tx, moment, member)?;
        let path = format!("/reset/{}", new.token.reveal());
        Ok(Some(value(&ResetLink { path, expires_at: new.link.expires_at })))
    })
    .await
}

/// `POST /v1/accounts/{account}/members/{member}/end-sessions`
pub async fn end_sessions(call: Call, caller: Caller) -> Result<Reply, Problem> {
    let Nothing {} = body::read(&call.body)?;
    change(call, caller, |tx, moment, member| {
        sessions::end_others(tx, moment, member, None)?;
        Ok(None)
    })
    .await
}
