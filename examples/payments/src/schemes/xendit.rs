//! The paths and shapes of the scheme `xendit`: its dialect, its lists and its balance.

mod cards;
mod money_in;
mod money_out;

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::Uri;
use serde_json::{Value, json};

use super::Scheme;
use crate::caller::Caller;
use crate::dialect::{Dialect, Idempotency, bare, units};
use crate::handlers::App;
use crate::objects;
use crate::page::{Listed, Paging};
use crate::refusal::Refusal;

/// What the platform assumes when a client names no currency.
const CURRENCY: &str = "IDR";

pub(super) static SCHEME: Scheme = Scheme {
    dialect: &DIALECT,
    collections: &[
        money_in::INVOICES,
        cards::TOKENS,
        cards::AUTHENTICATIONS,
        cards::CHARGES,
        money_in::VIRTUAL_ACCOUNTS,
        money_in::QR_CODES,
        money_in::PAYMENT_REQUESTS,
        money_in::CUSTOMERS,
        money_out::DISBURSEMENTS,
        money_out::PAYOUTS,
    ],
    more,
};

static DIALECT: Dialect = Dialect {
    one: bare,
    refuse,
    paging: Paging { limit: "limit", page: None, after: &["after_id", "last_invoice"] },
    idempotency: Idempotency::Header("idempotency-key"),
};

/// A list in an object.
fn many(listed: &Listed, _caller: &Caller) -> Value {
    json!({ "data": listed.items, "has_more": listed.has_more })
}

/// A list alone, as the platform's older products have it.
fn many_bare(listed: &Listed, _caller: &Caller) -> Value {
    listed.items.clone().into()
}

fn more(router: Router<App>) -> Router<App> {
    router.route("/balance", get(balance))
}

async fn balance(State(app): State<App>, caller: Caller, uri: Uri) -> Response {
    let query = Query::<HashMap<String, String>>::try_from_uri(&uri).unwrap_or_default();
    let currency = query.get("currency").map_or(CURRENCY, String::as_str);
    let owner = caller.owner.clone();
    let read = app.payments.run(move |tx| objects::balances(tx, &owner)).await;
    let done = read.map(|balances| {
        let balance =
            balances.iter().find(|(of, _)| of == currency).map_or(0, |(_, amount)| *amount);
        Json(json!({ "balance": units(balance) })).into_response()
    });
    app.finish(&caller, done)
}

fn refuse(refusal: &Refusal, _request_id: &str) -> (u16, Value) {
    let (status, code) = match refusal {
        Refusal::Malformed(_) => (400, "INVALID_JSON_FORMAT"),
        Refusal::Invalid { .. } => (400, "API_VALIDATION_ERROR"),
        Refusal::NotFound { .. } => (404, "DATA_NOT_FOUND"),
        Refusal::NoRoute => (404, "NOT_FOUND"),
        Refusal::Method => (405, "METHOD_NOT_ALLOWED"),
        Refusal::NotYours => (403, "REQUEST_FORBIDDEN_ERROR"),
        Refusal::TooLarge(_) => (413, "REQUEST_TOO_LARGE"),
        Refusal::TooSlow => (408, "REQUEST_TIMEOUT"),
        Refusal::State { .. } => (400, "INVALID_STATUS"),
        Refusal::Mismatch => (409, "IDEMPOTENCY_ERROR"),
        Refusal::Unguarded | Refusal::Broken(_) => (500, "SERVER_ERROR"),
    };
    // No member named `error`: the official SDKs would take it for the code.
    (status, json!({ "error_code": code, "message": refusal.to_string() }))
}
