//! The paths and shapes of the scheme `rapyd`: every answer is in an envelope.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::Method;
use serde_json::{Map, Value, json};

use super::Scheme;
use crate::caller::Caller;
use crate::collection::{Collection, Direction, Ending, MONEY_IN, Money, Route};
use crate::dialect::{Dialect, Idempotency, with};
use crate::fields::{Kind, optional, required};
use crate::handlers::App;
use crate::objects::Object;
use crate::page::{Listed, Paging};
use crate::refusal::Refusal;

pub(super) static SCHEME: Scheme = Scheme {
    dialect: &DIALECT,
    collections: &[PAYMENTS, CUSTOMERS, CHECKOUT, PAYOUTS, WALLETS],
    more,
};

static DIALECT: Dialect = Dialect {
    one: |object, caller| success(&object, caller),
    refuse,
    paging: Paging { limit: "limit", page: Some(("page", 1)), after: &["starting_after"] },
    idempotency: Idempotency::Header("idempotency"),
};

const PAYMENTS: Collection = Collection {
    resource: "payments",
    noun: "payment",
    prefix: "payment_",
    routes: &[
        Route::Create("/v1/payments"),
        Route::List("/v1/payments"),
        Route::Find("/v1/payments/{id}"),
        Route::End(Method::DELETE, "/v1/payments/{id}", Ending { from: "ACT", to: "CAN" }),
    ],
    fields: &[
        required("amount", Kind::AmountOrText),
        required("currency", Kind::Currency),
        optional("payment_method", Kind::Any),
        optional("customer", Kind::Text),
        optional("description", Kind::Text),
        optional("merchant_reference_id", Kind::Text),
        optional("capture", Kind::Flag),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "ACT")],
    created: 200,
    money: MONEY_IN,
    refers: None,
    filters: &["merchant_reference_id"],
    view,
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
        required("name", Kind::Text),
        optional("email", Kind::Email),
        optional("phone_number", Kind::Text),
        optional("description", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[],
    created: 200,
    money: None,
    refers: None,
    filters: &["email"],
    view,
    many,
};

const CHECKOUT: Collection = Collection {
    resource: "checkout",
    noun: "checkout page",
    prefix: "checkout_",
    routes: &[Route::Create("/v1/checkout"), Route::Find("/v1/checkout/{id}")],
    fields: &[
        required("amount", Kind::AmountOrText),
        required("currency", Kind::Currency),
        required("country", Kind::Country),
        optional("complete_checkout_url", Kind::HttpUrl),
        optional("cancel_checkout_url", Kind::HttpUrl),
        optional("merchant_reference_id", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "NEW")],
    created: 200,
    money: None,
    refers: None,
    filters: &[],
    view: |object, _caller| {
        let redirect_url = format!("https://checkout.invalid/{}", object.id);
        with(object, json!({ "redirect_url": redirect_url, "timestamp": object.created_s }))
    },
    many,
};

const PAYOUTS: Collection = Collection {
    resource: "payouts",
    noun: "payout",
    prefix: "payout_",
    routes: &[
        Route::Create("/v1/payouts"),
        Route::List("/v1/payouts"),
        Route::Find("/v1/payouts/{id}"),
    ],
    fields: &[
        required("payout_amount", Kind::AmountOrText),
        required("payout_currency", Kind::Currency),
        optional("sender_currency", Kind::Currency),
        optional("sender_country", Kind::Country),
        optional("beneficiary", Kind::Any),
        optional("beneficiary_country", Kind::Country),
        optional("beneficiary_entity_type", Kind::Text),
        optional("sender", Kind::Any),
        optional("sender_entity_type", Kind::Text),
        optional("payout_method_type", Kind::Text),
        optional("ewallet", Kind::Text),
        optional("description", Kind::Text),
        optional("merchant_reference_id", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "Created")],
    created: 200,
    money: Some(Money {
        direction: Direction::Out,
        amount: "payout_amount",
        currency: "payout_currency",
    }),
    refers: None,
    filters: &["merchant_reference_id"],
    view: |object, _caller| {
        let amount = object.fields.get("payout_amount");
        with(object, json!({ "amount": amount, "created_at": object.created_s }))
    },
    many,
};

const WALLETS: Collection = Collection {
    resource: "wallets",
    noun: "wallet",
    prefix: "ewallet_",
    routes: &[
        Route::Create("/v1/user"),
        Route::List("/v1/user"),
        Route::List("/v1/user/wallets"),
        Route::Find("/v1/user/{id}"),
    ],
    fields: &[
        required("first_name", Kind::Text),
        optional("last_name", Kind::Text),
        optional("email", Kind::Email),
        optional("phone_number", Kind::Text),
        optional("ewallet_reference_id", Kind::Text),
        optional("type", Kind::Text),
        optional("contact", Kind::Object),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "ACT")],
    created: 200,
    money: None,
    refers: None,
    filters: &["ewallet_reference_id"],
    view: |object, _caller| with(object, json!({ "accounts": [] })),
    many,
};

/// The countries and currencies that the example serves: ISO 3166 code, name, ISO 4217 code, name.
const COUNTRIES: [(&str, &str, &str, &str); 5] = [
    ("GB", "United Kingdom", "GBP", "British Pound"),
    ("GH", "Ghana", "GHS", "Ghanaian Cedi"),
    ("ID", "Indonesia", "IDR", "Indonesian Rupiah"),
    ("IS", "Iceland", "ISK", "Icelandic Krona"),
    ("US", "United States", "USD", "US Dollar"),
];

fn view(object: &Object, _caller: &Caller) -> Map<String, Value> {
    with(object, json!({ "created_at": object.created_s }))
}

fn many(listed: &Listed, caller: &Caller) -> Value {
    success(&json!(listed.items), caller)
}

fn more(router: Router<App>) -> Router<App> {
    router.route("/v1/data/countries", get(countries)).route("/v1/data/currencies", get(currencies))
}

async fn countries(State(app): State<App>, caller: Caller) -> Response {
    let countries: Vec<_> = COUNTRIES
        .iter()
        .map(|(code, name, currency, _)| {
            json!({ "iso_alpha2": code, "name": name, "currency_code": currency })
        })
        .collect();
    app.finish(&caller, Ok(Json(success(&json!(countries), &caller)).into_response()))
}

async fn currencies(State(app): State<App>, caller: Caller) -> Response {
    let currencies: Vec<_> = COUNTRIES
        .iter()
        .map(|(_, _, code, name)| json!({ "code": code, "name": name, "digits_after_decimal_separator": 2 }))
        .collect();
    app.finish(&caller, Ok(Json(success(&json!(currencies), &caller)).into_response()))
}

fn success(data: &Value, caller: &Caller) -> Value {
    json!({ "status": status("SUCCESS", "", "", &caller.request_id), "data": data })
}

/// The envelope's head. The operation is known by the id of the decision that let it through, so that
/// one id finds it everywhere.
fn status(status: &str, code: &str, message: &str, request_id: &str) -> Value {
    json!({
        "error_code": code,
        "status": status,
        "message": message,
        "response_code": code,
        "operation_id": request_id,
    })
}

fn refuse(refusal: &Refusal, request_id: &str) -> (u16, Value) {
    let (http_status, code) = match refusal {
        Refusal::Malformed(_) => (400, "INVALID_BODY"),
        Refusal::Invalid { .. } => (400, "INVALID_PARAMETER"),
        Refusal::NotFound { .. } => (404, "RESOURCE_NOT_FOUND"),
        Refusal::NoRoute => (404, "UNKNOWN_PATH"),
        Refusal::Method => (405, "METHOD_NOT_ALLOWED"),
        Refusal::NotYours => (403, "UNAUTHORIZED_API_CALL"),
        Refusal::TooLarge(_) => (413, "BODY_TOO_LARGE"),
        Refusal::TooSlow => (408, "REQUEST_TIMEOUT"),
        Refusal::State { .. } => (400, "INVALID_STATE"),
        Refusal::Mismatch => (400, "IDEMPOTENCY_MISMATCH"),
        Refusal::Unguarded | Refusal::Broken(_) => (500, "INTERNAL_ERROR"),
    };
    (http_status, json!({ "status": status("ERROR", code, &refusal.to_string(), request_id) }))
}
