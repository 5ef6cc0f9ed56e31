//! The paths and shapes of the scheme `enterprise`.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::Uri;
use serde_json::{Map, Value, json};

use super::Scheme;
use crate::caller::Caller;
use crate::collection::{Collection, MONEY_OUT, Route};
use crate::dialect::{Dialect, Idempotency, with};
use crate::fields::{Kind, optional, required};
use crate::handlers::{self, App};
use crate::objects::Object;
use crate::page::{Listed, Paging};
use crate::refusal::Refusal;

pub(super) static SCHEME: Scheme = Scheme { dialect: &DIALECT, collections: &COLLECTIONS, more };

static COLLECTIONS: [Collection; 6] =
    [INVOICES, PAYMENT_LINKS, CLIENTS, PAYOUTS, DISBURSEMENTS, WEBHOOKS];

static DIALECT: Dialect = Dialect {
    one: |object, _caller| json!({ "data": object }),
    refuse,
    paging: Paging { limit: "limit", page: Some(("page", 1)), after: &[] },
    idempotency: Idempotency::Header("idempotency-key"),
};

const INVOICES: Collection = Collection {
    resource: "invoices",
    noun: "invoice",
    prefix: "inv_",
    routes: &[
        Route::Create("/mfi/invoices"),
        Route::List("/mfi/invoices"),
        Route::Find("/mfi/invoices/{id}"),
        Route::Change("/mfi/invoices/{id}"),
    ],
    fields: &[
        required("amount", Kind::WholeAmount),
        required("currency", Kind::Currency),
        optional("clientId", Kind::Text),
        optional("description", Kind::Text),
        optional("dueDate", Kind::Text),
        optional("reference", Kind::Text),
        optional("items", Kind::List),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "pending")],
    created: 201,
    money: None,
    refers: None,
    filters: &["status", "reference"],
    view,
    many,
};

const PAYMENT_LINKS: Collection = Collection {
    resource: "payment-links",
    noun: "payment link",
    prefix: "plink_",
    routes: &[
        Route::Create("/mfi/payment-links"),
        Route::List("/mfi/payment-links"),
        Route::Find("/mfi/payment-links/{id}"),
    ],
    fields: &[
        required("amount", Kind::WholeAmount),
        required("currency", Kind::Currency),
        optional("description", Kind::Text),
        optional("redirectUrl", Kind::HttpUrl),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "active")],
    created: 201,
    money: None,
    refers: None,
    filters: &["status"],
    view: |object, _caller| {
        let url = format!("https://pay.invalid/{}", object.id);
        let added = json!({ "url": url, "createdAt": object.created, "updatedAt": object.updated });
        with(object, added)
    },
    many,
};

const CLIENTS: Collection = Collection {
    resource: "clients",
    noun: "client",
    prefix: "cli_",
    routes: &[
        Route::Create("/mfi/clients"),
        Route::List("/mfi/clients"),
        Route::Find("/mfi/clients/{id}"),
        Route::Change("/mfi/clients/{id}"),
    ],
    fields: &[
        required("name", Kind::Text),
        optional("email", Kind::Email),
        optional("phone", Kind::Text),
        optional("address", Kind::Any),
        optional("metadata", Kind::Object),
    ],
    defaults: &[],
    created: 201,
    money: None,
    refers: None,
    filters: &["email"],
    view,
    many,
};

const PAYOUTS: Collection = Collection {
    resource: "payouts",
    noun: "payout",
    prefix: "po_",
    routes: &[
        Route::Create("/mfi/payouts"),
        Route::List("/mfi/payouts"),
        Route::Find("/mfi/payouts/{id}"),
    ],
    fields: &[
        required("amount", Kind::WholeAmount),
        required("currency", Kind::Currency),
        optional("destination", Kind::Any),
        optional("description", Kind::Text),
        optional("reference", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "pending")],
    created: 201,
    money: MONEY_OUT,
    refers: None,
    filters: &["status", "reference"],
    view,
    many,
};

const DISBURSEMENTS: Collection = Collection {
    resource: "disbursements",
    noun: "disbursement",
    prefix: "dsb_",
    routes: &[
        Route::Create("/mfi/disbursements"),
        Route::List("/mfi/disbursements"),
        Route::Find("/mfi/disbursements/{id}"),
    ],
    fields: &[
        required("amount", Kind::WholeAmount),
        required("currency", Kind::Currency),
        optional("clientId", Kind::Text),
        optional("recipient", Kind::Any),
        optional("description", Kind::Text),
        optional("reference", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "pending")],
    created: 201,
    money: MONEY_OUT,
    refers: None,
    filters: &["status", "reference"],
    view,
    many,
};

const WEBHOOKS: Collection = Collection {
    resource: "webhook-endpoints",
    noun: "webhook endpoint",
    prefix: "we_",
    routes: &[
        Route::Create("/mfi/webhook-endpoints"),
        Route::List("/mfi/webhook-endpoints"),
        Route::Find("/mfi/webhook-endpoints/{id}"),
        Route::Change("/mfi/webhook-endpoints/{id}"),
        Route::Remove("/mfi/webhook-endpoints/{id}"),
    ],
    fields: &[
        required("url", Kind::HttpsUrl),
        optional("events", Kind::List),
        optional("description", Kind::Text),
        optional("enabled", Kind::Flag),
    ],
    defaults: &[],
    created: 201,
    money: None,
    refers: None,
    filters: &[],
    view,
    many,
};

fn view(object: &Object, _caller: &Caller) -> Map<String, Value> {
    with(object, json!({ "createdAt": object.created, "updatedAt": object.updated }))
}

fn many(listed: &Listed, _caller: &Caller) -> Value {
    let limit = u64::from(listed.page.limit);
    let pagination = json!({
        "total": listed.total,
        "page": listed.page.number,
        "limit": limit,
        "totalPages": listed.total.div_ceil(limit),
    });
    json!({ "data": listed.items, "pagination": pagination })
}

fn more(router: Router<App>) -> Router<App> {
    router.route("/mfi/accounts/{account}/invoices", get(invoices_of))
}

/// The invoices of a named account: the caller's own, or none.
async fn invoices_of(
    State(app): State<App>,
    caller: Caller,
    Path(account): Path<String>,
    uri: Uri,
) -> Response {
    if !caller.is(&account) {
        return app.finish(&caller, Err(Refusal::NotYours));
    }
    let done = handlers::list(&app, &caller, &COLLECTIONS[0], &uri).await;
    app.finish(&caller, done)
}

fn refuse(refusal: &Refusal, _request_id: &str) -> (u16, Value) {
    let (status, error) = match refusal {
        Refusal::Malformed(_) | Refusal::Invalid { .. } => (400, "Bad Request"),
        Refusal::NotFound { .. } | Refusal::NoRoute => (404, "Not Found"),
        Refusal::Method => (405, "Method Not Allowed"),
        Refusal::NotYours => (403, "Forbidden"),
        Refusal::TooLarge(_) => (413, "Payload Too Large"),
        Refusal::TooSlow => (408, "Request Timeout"),
        Refusal::State { .. } | Refusal::Mismatch => (409, "Conflict"),
        Refusal::Unguarded | Refusal::Broken(_) => (500, "Internal Server Error"),
    };
    let message = match refusal {
        // The words of the platform's own troubleshooting table.
        Refusal::NotYours => "Resource not accessible".to_owned(),
        other => other.to_string(),
    };
    (status, json!({ "statusCode": status, "message": message, "error": error }))
}
