//! The paths and shapes of the scheme `xtopay`. Amounts are whole numbers of the smallest unit.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::Scheme;
use crate::caller::Caller;
use crate::collection::{Collection, MONEY_IN, MONEY_OUT, Reference, Route};
use crate::dialect::{Dialect, Idempotency, bare, units, with};
use crate::fields::{Kind, optional, required};
use crate::handlers::App;
use crate::objects::{self, Object};
use crate::page::{Listed, Paging};
use crate::refusal::Refusal;

pub(super) static SCHEME: Scheme =
    Scheme { dialect: &DIALECT, collections: &[PAYMENTS, REFUNDS, CUSTOMERS], more };

static DIALECT: Dialect = Dialect {
    one: bare,
    refuse,
    paging: Paging { limit: "limit", page: Some(("page", 1)), after: &["starting_after"] },
    idempotency: Idempotency::Header("idempotency-key"),
};

const PAYMENTS: Collection = Collection {
    resource: "payments",
    noun: "payment",
    prefix: "pay_",
    routes: &[
        Route::Create("/v1/payments"),
        Route::List("/v1/payments"),
        Route::Find("/v1/payments/{id}"),
    ],
    fields: &[
        required("amount", Kind::WholeAmount),
        required("currency", Kind::Currency),
        optional("customer", Kind::Any),
        optional("description", Kind::Text),
        optional("reference", Kind::Text),
        optional("payment_method", Kind::Any),
        optional("return_url", Kind::HttpUrl),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "succeeded")],
    created: 201,
    money: MONEY_IN,
    refers: None,
    filters: &["reference"],
    view: |object, caller| view(object, caller, "payment"),
    many,
};

const REFUNDS: Collection = Collection {
    resource: "refunds",
    noun: "refund",
    prefix: "re_",
    routes: &[
        Route::Create("/v1/refunds"),
        Route::List("/v1/refunds"),
        Route::Find("/v1/refunds/{id}"),
    ],
    fields: &[
        required("payment", Kind::Text),
        required("amount", Kind::WholeAmount),
        required("currency", Kind::Currency),
        optional("reason", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "succeeded")],
    created: 201,
    money: MONEY_OUT,
    refers: Some(Reference { field: "payment", resource: "payments", noun: "payment" }),
    filters: &["payment"],
    view: |object, caller| view(object, caller, "refund"),
    many,
};

const CUSTOMERS: Collection = Collection {
    resource: "customers",
    noun: "customer",
    prefix: "cus_",
    routes: &[
        Route::Create("/v1/customers"),
        Route::List("/v1/customers"),
        Route::Find("/v1/customers/{id}"),
    ],
    fields: &[
        required("email", Kind::Email),
        optional("name", Kind::Text),
        optional("phone", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[],
    created: 201,
    money: None,
    refers: None,
    filters: &["email"],
    view: |object, caller| view(object, caller, "customer"),
    many,
};

fn view(object: &Object, caller: &Caller, kind: &str) -> Map<String, Value> {
    let added =
        json!({ "object": kind, "livemode": caller.is_live(), "created_at": object.created });
    with(object, added)
}

fn many(listed: &Listed, _caller: &Caller) -> Value {
    json!({ "object": "list", "data": listed.items, "has_more": listed.has_more, "total": listed.total })
}

fn more(router: Router<App>) -> Router<App> {
    router.route("/v1/balance", get(balance))
}

async fn balance(State(app): State<App>, caller: Caller) -> Response {
    let owner = caller.owner.clone();
    let read = app.payments.run(move |tx| objects::balances(tx, &owner)).await;
    let done = read.map(|balances| {
        let available: Vec<_> = balances
            .into_iter()
            .map(|(currency, amount)| json!({ "currency": currency, "amount": units(amount) }))
            .collect();
        let live = caller.is_live();
        Json(json!({ "object": "balance", "livemode": live, "available": available }))
            .into_response()
    });
    app.finish(&caller, done)
}

fn refuse(refusal: &Refusal, request_id: &str) -> (u16, Value) {
    let (status, code) = match refusal {
        Refusal::Malformed(_) | Refusal::Invalid { .. } => (400, "invalid_request"),
        Refusal::NotFound { .. } => (404, "resource_not_found"),
        Refusal::NoRoute => (404, "route_not_found"),
        Refusal::Method => (405, "method_not_allowed"),
        Refusal::NotYours => (403, "forbidden"),
        Refusal::TooLarge(_) => (413, "body_too_large"),
        Refusal::TooSlow => (408, "request_timeout"),
        Refusal::State { .. } => (409, "invalid_state"),
        Refusal::Mismatch => (422, "idempotency_key_mismatch"),
        Refusal::Unguarded | Refusal::Broken(_) => (500, "internal_error"),
    };
    let param = match refusal {
        Refusal::Invalid { field, .. } => Some(field.as_str()),
        _ => None,
    };
    let message = refusal.to_string();
    let error = json!({ "code": code, "message": message, "param": param, "doc_url": null });
    (status, json!({ "error": error, "request_id": request_id }))
}
