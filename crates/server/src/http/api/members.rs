//! The people of an account over HTTP: what the platform itself may do for them.

use http::StatusCode;
use keyway_domain::actor::Role;
use keyway_domain::id::MemberId;
use keyway_domain::member::{Email, Member};
use keyway_store::members;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::Nothing;
use super::{Call, Caller, Done, Problem, Reply, json_reply};
use crate::commands::{Error, me, newcomers, sessions, team};
use crate::http::body;

/// A person to invite.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// What they will sign in with.
    email: String,
    /// `owner`, `admin`, `developer` or `viewer`.
    role: String,
}

/// Another role, or who takes over what a removed person had care of.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// The member who takes over their credentials.
    #[serde(default)]
    successor: Option<String>,
}

/// Another role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRole {
    /// `owner`, `admin`, `developer` or `viewer`.
    role: String,
}

fn role(text: &str) -> Result<Role, Problem> {
    Role::parse(text)
        .ok_or_else(|| Problem::invalid("role", "it is `owner`, `admin`, `developer` or `viewer`"))
}

fn shown(member: &Member) -> Value {
    json!({
        "id": member.id,
        "email": member.email.as_str(),
        "name": member.name,
        "role": member.role,
        "has_authenticator": member.totp.is_some(),
        "created_at": member.created_at,
        "last_active_at": member.last_active_at,
    })
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
    let data: Vec<Value> = read.await?.iter().map(shown).collect();
    Ok(json_reply(StatusCode::OK, json!({ "data": data, "next_cursor": null }).to_string()))
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
        let body = json!({
            "id": new.link.id,
            "email": email.as_str(),
            "role": role,
            "expires_at": new.link.expires_at,
            "secret": null,
            "secret_shown": false,
        });
        let path = format!("/join/{}", new.token.reveal());
        Ok(Done { body, shown: Some(json!({ "path": path })) })
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
        Ok(Done { body: shown(&now), shown: secret })
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
        Ok(Some(json!({ "path": path, "expires_at": new.link.expires_at })))
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
