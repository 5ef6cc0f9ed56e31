//! How much credentials are used, over HTTP: as JSON, or as CSV.

use std::collections::{BTreeMap, HashMap};

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use keyway_domain::limits::USAGE_DAYS_KEPT;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::{Tx, accounts, credentials, usage};
use serde_json::{Value, json};

use super::{Call, Caller, Problem, Reply, json_reply};
use crate::commands::Error;
use crate::csv;

/// The longest stretch of hours that is answered at once: 90 days.
const HOURS_MAX: i64 = 90 * 24;

/// A whole number of the query, within bounds.
fn number(
    query: &HashMap<String, String>,
    name: &str,
    (default, max): (i64, i64),
) -> Result<i64, Problem> {
    let given = query.get(name).map_or(Some(default), |text| text.parse().ok());
    let given = given.filter(|number| (1..=max).contains(number));
    given.ok_or_else(|| Problem::invalid(name, format!("it is 1 to {max}")))
}

/// Whether a query asks for CSV in place of JSON.
fn wants_csv(query: &HashMap<String, String>) -> Result<bool, Problem> {
    match query.get("format").map_or("json", String::as_str) {
        "json" => Ok(false),
        "csv" => Ok(true),
        _ => Err(Problem::invalid("format", "it is `json` or `csv`")),
    }
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
    let query = call.query(&["hours", "format"])?;
    let hours = number(&query, "hours", (24, HOURS_MAX))?;
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
    if wants_csv(&query)? {
        let lines = rows.iter().map(|row| {
            let (hour, secret) = (row.hour.to_string(), row.secret.to_string());
            csv::line([&*hour, &secret, &row.outcome, &row.requests.to_string()])
        });
        return Ok(csv_reply("hour,secret,outcome,requests", lines));
    }
    let mut by_outcome: BTreeMap<&str, i64> = BTreeMap::new();
    for row in &rows {
        *by_outcome.entry(&row.outcome).or_insert(0) += row.requests;
    }
    let entries: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "hour": row.hour,
                "secret": row.secret,
                "outcome": row.outcome,
                "requests": row.requests,
            })
        })
        .collect();
    let scopes: BTreeMap<&String, String> =
        needs.iter().map(|(need, day)| (need, day.to_date())).collect();
    let body = json!({
        "credential": id,
        "since": since,
        "total": by_outcome,
        "scopes_last_used": scopes,
        "allowed_by_scope_30_days": by_scope,
        "data": entries,
    });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}

/// `GET /v1/accounts/{account}/usage`
pub async fn of_account(call: Call, _: Caller) -> Result<Reply, Problem> {
    let account = call.account()?;
    let query = call.query(&["days", "format"])?;
    let days = number(&query, "days", (30, USAGE_DAYS_KEPT))?;
    let today = call.now().0.div_euclid(DAY_MS);
    let since = Time((today - days + 1) * DAY_MS);
    let read = move |tx: &mut Tx<'_>| {
        accounts::find(tx, account)?.ok_or(Error::NotFound("account"))?;
        Ok::<_, Error>(usage::days(tx, account, since)?)
    };
    let mut all: Vec<_> = call.app.db.read(read).await?.into_iter().collect();
    all.sort_by_key(|(id, _)| *id);
    if wants_csv(&query)? {
        let rows = all.iter().flat_map(|(id, days)| days.iter().map(move |day| (id, day)));
        let lines = rows.map(|(id, day)| {
            let (id, at) = (id.to_string(), day.day.to_date());
            csv::line([&*id, &at, &day.allowed.to_string(), &day.refused.to_string()])
        });
        return Ok(csv_reply("credential,day,allowed,refused", lines));
    }
    let data: Vec<Value> = all
        .iter()
        .map(|(id, days)| {
            let days = days.iter().map(|day| {
                json!({ "day": day.day.to_date(), "allowed": day.allowed, "refused": day.refused })
            });
            json!({ "credential": id, "days": days.collect::<Vec<_>>() })
        })
        .collect();
    let body = json!({ "account": account, "since": since, "data": data });
    Ok(json_reply(StatusCode::OK, body.to_string()))
}
