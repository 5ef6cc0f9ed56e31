//! The paths and shapes of the scheme `airwallex`. Its login path is answered by the guard.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::Scheme;
use crate::caller::Caller;
use crate::collection::{Collection, Direction, Money, Reference, Route};
use crate::dialect::{Dialect, Idempotency, bare, units, with};
use crate::fields::{Kind, optional, required};
use crate::handlers::App;
use crate::objects::{self, Object};
use crate::page::{Listed, Paging};
use crate::refusal::Refusal;

pub(super) static SCHEME: Scheme = Scheme {
    dialect: &DIALECT,
    collections: &[PAYMENT_INTENTS, CUSTOMERS, TRANSFERS, BENEFICIARIES, CARDS],
    more,
};

static DIALECT: Dialect = Dialect {
    one: bare,
    refuse,
    paging: Paging { limit: "page_size", page: Some(("page_num", 0)), after: &[] },
    idempotency: Idempotency::Field("request_id"),
};

const PAYMENT_INTENTS: Collection = Collection {
    resource: "payment-intents",
    noun: "payment intent",
    prefix: "int_",
    routes: &[
        Route::Create("/api/v1/pa/payment_intents/create"),
        Route::List("/api/v1/pa/payment_intents"),
        Route::Find("/api/v1/pa/payment_intents/{id}"),
    ],
    fields: &[
        required("request_id", Kind::Text),
        required("amount", Kind::Amount),
        required("currency", Kind::Currency),
        required("merchant_order_id", Kind::Text),
        optional("customer_id", Kind::Text),
        optional("descriptor", Kind::Text),
        optional("order", Kind::Object),
        optional("return_url", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "REQUIRES_PAYMENT_METHOD")],
    created: 201,
    money: None,
    refers: Some(Reference { field: "customer_id", resource: "customers", noun: "customer" }),
    filters: &["merchant_order_id", "status"],
    view: |object, _caller| {
        let added = json!({
            "captured_amount": 0,
            "created_at": object.created,
            "updated_at": object.updated,
        });
        with(object, added)
    },
    many,
};

const CUSTOMERS: Collection = Collection {
    resource: "customers",
    noun: "customer",
    prefix: "cus_",
    routes: &[
        Route::Create("/api/v1/pa/customers/create"),
        Route::List("/api/v1/pa/customers"),
        Route::Find("/api/v1/pa/customers/{id}"),
    ],
    fields: &[
        required("request_id", Kind::Text),
        required("merchant_customer_id", Kind::Text),
        optional("email", Kind::Email),
        optional("first_name", Kind::Text),
        optional("last_name", Kind::Text),
        optional("phone_number", Kind::Text),
        optional("address", Kind::Object),
        optional("metadata", Kind::Object),
    ],
    defaults: &[],
    created: 201,
    money: None,
    refers: None,
    filters: &["merchant_customer_id"],
    view,
    many,
};

const TRANSFERS: Collection = Collection {
    resource: "transfers",
    noun: "transfer",
    prefix: "tfr_",
    routes: &[
        Route::Create("/api/v1/transfers/create"),
        Route::List("/api/v1/transfers"),
        Route::Find("/api/v1/transfers/{id}"),
    ],
    fields: &[
        required("request_id", Kind::Text),
        required("transfer_amount", Kind::AmountOrText),
        required("transfer_currency", Kind::Currency),
        optional("source_currency", Kind::Currency),
        optional("transfer_method", Kind::Text),
        optional("beneficiary_id", Kind::Text),
        optional("beneficiary", Kind::Object),
        optional("reason", Kind::Text),
        optional("reference", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "INITIATED")],
    created: 201,
    money: Some(Money {
        direction: Direction::Out,
        amount: "transfer_amount",
        currency: "transfer_currency",
    }),
    refers: Some(Reference {
        field: "beneficiary_id",
        resource: "beneficiaries",
        noun: "beneficiary",
    }),
    filters: &["request_id", "status"],
    view,
    many,
};

const BENEFICIARIES: Collection = Collection {
    resource: "beneficiaries",
    noun: "beneficiary",
    prefix: "bnf_",
    routes: &[
        Route::Create("/api/v1/beneficiaries/create"),
        Route::List("/api/v1/beneficiaries"),
        Route::Find("/api/v1/beneficiaries/{id}"),
    ],
    fields: &[
        required("beneficiary", Kind::Object),
        optional("request_id", Kind::Text),
        optional("nickname", Kind::Text),
        optional("transfer_methods", Kind::List),
        optional("payer_entity_type", Kind::Text),
    ],
    defaults: &[],
    created: 201,
    money: None,
    refers: None,
    filters: &["nickname"],
    view,
    many,
};

const CARDS: Collection = Collection {
    resource: "cards",
    noun: "card",
    prefix: "card_",
    routes: &[
        Route::Create("/api/v1/issuing/cards/create"),
        Route::List("/api/v1/issuing/cards"),
        Route::Find("/api/v1/issuing/cards/{id}"),
    ],
    fields: &[
        required("request_id", Kind::Text),
        required("created_by", Kind::Text),
        optional("cardholder_id", Kind::Text),
        optional("form_factor", Kind::Text),
        optional("is_personalized", Kind::Flag),
        optional("nick_name", Kind::Text),
        optional("note", Kind::Text),
        optional("program", Kind::Object),
        optional("authorization_controls", Kind::Object),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("card_status", "ACTIVE")],
    created: 201,
    money: None,
    refers: None,
    filters: &["card_status", "cardholder_id"],
    view: |object, caller| {
        let mut card = view(object, caller);
        // The card's own id, under the name that the platform uses.
        card.insert("card_id".to_owned(), object.id.clone().into());
        card
    },
    many,
};

fn view(object: &Object, _caller: &Caller) -> Map<String, Value> {
    with(object, json!({ "created_at": object.created, "updated_at": object.updated }))
}

fn many(listed: &Listed, _caller: &Caller) -> Value {
    json!({ "has_more": listed.has_more, "items": listed.items })
}

fn more(router: Router<App>) -> Router<App> {
    router.route("/api/v1/account", get(account)).route("/api/v1/balances/current", get(balances))
}

async fn account(State(app): State<App>, caller: Caller) -> Response {
    let account = json!({
        "id": caller.owner.account,
        "identifier": caller.business(),
        "status": "ACTIVE",
        "environment": caller.owner.environment,
    });
    app.finish(&caller, Ok(Json(account).into_response()))
}

async fn balances(State(app): State<App>, caller: Caller) -> Response {
    let owner = caller.owner.clone();
    let read = app.payments.run(move |tx| objects::balances(tx, &owner)).await;
    let done = read.map(|mut balances| {
        if balances.is_empty() {
            balances.push(("USD".to_owned(), 0));
        }
        let balances: Vec<_> = balances
            .into_iter()
            .map(|(currency, amount)| {
                json!({
                    "currency": currency,
                    "available_amount": units(amount),
                    "pending_amount": 0,
                    "reserved_amount": 0,
                    "total_amount": units(amount),
                })
            })
            .collect();
        Json(balances).into_response()
    });
    app.finish(&caller, done)
}

fn refuse(refusal: &Refusal, _request_id: &str) -> (u16, Value) {
    let (status, code) = match refusal {
        Refusal::Malformed(_) | Refusal::Invalid { .. } => (400, "validation_error"),
        Refusal::NotFound { .. } => (404, "resource_not_found"),
        Refusal::NoRoute => (404, "not_found"),
        Refusal::Method => (405, "method_not_allowed"),
        Refusal::NotYours => (403, "unauthorized"),
        Refusal::TooLarge(_) => (413, "request_too_large"),
        Refusal::TooSlow => (408, "request_timeout"),
        Refusal::State { .. } => (400, "invalid_status_for_operation"),
        Refusal::Mismatch => (400, "duplicate_request"),
        Refusal::Unguarded | Refusal::Broken(_) => (500, "internal_error"),
    };
    let source = match refusal {
        Refusal::Invalid { field, .. } => field.as_str(),
        _ => "",
    };
    (status, json!({ "code": code, "message": refusal.to_string(), "source": source }))
}
