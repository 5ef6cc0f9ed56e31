//! How much credentials are used, over HTTP: as JSON, or as CSV.

use std::collections::BTreeMap;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::limits::USAGE_DAYS_KEPT;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::{Tx, accounts, credentials, usage};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Call, Caller, Problem, Reply, json_reply, said};
use crate::commands::Error;
use crate::csv;
use crate::http::openapi::shapes as shape;

/// The longest stretch of hours that is answered at once: 90 days.
pub(in crate::http) const HOURS_MAX: i64 = 90 * 24;

/// The use of a credential.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CredentialUsage")]
pub struct OfCredential {
    /// Whose.
    #[schemars(with = "shape::CredentialId")]
    credential: CredentialId,
    /// Since when.
    #[schemars(with = "shape::Instant")]
    since: Time,
    /// Requests by outcome.
    total: BTreeMap<String, i64>,
    /// When each scope was last used.
    #[schemars(with = "BTreeMap<String, shape::Day>")]
    scopes_last_used: BTreeMap<String, String>,
    /// Allowed requests of the last 30 days by the scope that they needed.
    allowed_by_scope_30_days: BTreeMap<String, i64>,
    /// By secret, hour and outcome, oldest first.
    data: Vec<Hour>,
}

/// The use of a secret in an hour.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageHour")]
struct Hour {
    /// The hour's start.
    #[schemars(with = "shape::Instant")]
    hour: Time,
    /// Which secret.
    #[schemars(example = 1)]
    secret: u32,
    /// What was decided.
    #[schemars(with = "shape::Outcome")]
    outcome: String,
    /// How many requests.
    #[schemars(example = 98)]
    requests: i64,
}

/// The use of an account's credentials.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AccountUsage")]
pub struct OfAccount {
    /// Whose.
    #[schemars(with = "shape::AccountId")]
    account: AccountId,
    /// Since when.
    #[schemars(with = "shape::Instant")]
    since: Time,
    /// By credential.
    data: Vec<Days>,
}

/// The use of a credential by day.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CredentialDays")]
struct Days {
    /// Whose.
    #[schemars(with = "shape::CredentialId")]
    credential: CredentialId,
    /// Its days with use, oldest first.
    days: Vec<Day>,
}

/// The use of a credential on a day.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageDay")]
struct Day {
    /// Which day, in UTC.
    #[schemars(with = "shape::Day")]
    day: String,
    /// Requests that were allowed.
    #[schemars(example = 98)]
    allowed: i64,
    /// Requests that were refused.
    #[schemars(example = 2)]
    refused: i64,
}

impl From<usage::Hour> for Hour {
    fn from(row: usage::Hour) -> Self {
        let usage::Hour { secret, hour, outcome, requests } = row;
        Self { hour, secret, outcome, requests }
    }
}

impl From<&usage::Day> for Day {
    fn from(day: &usage::Day) -> Self {
        Self { day: day.day.to_date(), allowed: day.allowed, refused: day.refused }
    }
}

/// A whole number of the query, within bounds.
fn number(call: &Call, name: &str, (default, max): (i64, i64)) -> Result<i64, Problem> {
    let within = |text: &str| text.parse().ok().filter(|number| (1..=max).contains(number));
    Ok(call.parameter(name, &format!("it is 1 to {max}"), within)?.unwrap_or(default))
}

/// Whether a query asks for CSV in place of JSON.
fn wants_csv(call: &Call) -> Result<bool, Problem> {
    let known = |text: &str| match text {
        "json" => Some(false),
        "csv" => Some(true),
        _ => None,
    };
    Ok(call.parameter("format", "it is `json` or `csv`", known)?.unwrap_or(false))
}

fn csv_reply(columns: &str, lines: impl Iterator<Item = String>) -> Reply {
    let mut text = format!("{columns}\r\n");
    for line in lines {
        text.push_str(&line);
        text.push_str("\r\n");
    }
    let mut reply = json_reply(StatusCode::OK, text);
    let csv = HeaderValue::from_static("text/csv; charset=utf-8");
    reply.headers_mut().insert(CONTENT_TYPE, csv);
    reply
}

/// `GET …/credentials/{credential}/usage`
pub async fn of_credential(call: Call, _: Caller) -> Result<Reply, Problem> {
    let (account, id) = (call.account()?, call.credential()?);
    let hours = number(&call, "hours", (24, HOURS_MAX))?;
    let is_csv = wants_csv(&call)?;
    let since = call.now().plus_ms(-hours * 3_600_000);
    let month = Time((call.now().0.div_euclid(DAY_MS) - 29) * DAY_MS);
    let rules = call.app.platform.rules.clone();
    let read = move |tx: &mut Tx<'_>| {
        let found = credentials::find(tx, &rules, account, id)?;
        found.ok_or(Error::NotFound("credential"))?;
        let by_scope = usage::allowed_by_need(tx, id, month)?;
        Ok::<_, Error>((usage::hours(tx, id, since)?, usage::needs(tx, id)?, by_scope))
    };
    let (rows, needs, by_scope) = call.app.db.read(read).await?;
    if is_csv {
        let lines = rows.iter().map(|row| {
            let (hour, secret) = (row.hour.to_string(), row.secret.to_string());
            csv::line([&*hour, &secret, &row.outcome, &row.requests.to_string()])
        });
        return Ok(csv_reply("hour,secret,outcome,requests", lines));
    }
    let mut by_outcome: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        *by_outcome.entry(row.outcome.clone()).or_insert(0) += row.requests;
    }
    Ok(said(&OfCredential {
        credential: id,
        since,
        total: by_outcome,
        scopes_last_used: needs.into_iter().map(|(need, day)| (need, day.to_date())).collect(),
        allowed_by_scope_30_days: by_scope.into_iter().collect(),
        data: rows.into_iter().map(Hour::from).collect(),
    }))
}

/// `GET /v1/accounts/{account}/usage`
pub async fn of_account(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let days = number(&call, "days", (30, USAGE_DAYS_KEPT))?;
    let is_csv = wants_csv(&call)?;
    let today = call.now().0.div_euclid(DAY_MS);
    let since = Time((today - days + 1) * DAY_MS);
    let read = move |tx: &mut Tx<'_>| {
        accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
        Ok::<_, Error>(usage::days(tx, account, since)?)
    };
    let mut all: Vec<_> = call.app.db.read(read).await?.into_iter().collect();
    all.sort_by_key(|(id, _)| *id);
    if is_csv {
        let rows = all.iter().flat_map(|(id, days)| days.iter().map(move |day| (id, day)));
        let lines = rows.map(|(id, day)| {
            let (id, at) = (id.to_string(), day.day.to_date());
            csv::line([&*id, &at, &day.allowed.to_string(), &day.refused.to_string()])
        });
        return Ok(csv_reply("credential,day,allowed,refused", lines));
    }
    let days = |days: &[usage::Day]| days.iter().map(Day::from).collect();
    let data = all.iter().map(|(id, of)| Days { credential: *id, days: days(of) }).collect();
    Ok(said(&OfAccount { account, since, data }))
}
