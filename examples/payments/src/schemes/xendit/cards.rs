//! Cards: tokens and their authentication, which a public key may do, and charges.
//!
//! A card's number is masked before it is kept, and its verification code is kept nowhere.

use serde_json::json;

use super::{CURRENCY, many};
use crate::collection::{Collection, MONEY_IN, Reference, Route};
use crate::dialect::with;
use crate::fields::{Kind, optional, required};

pub(super) const TOKENS: Collection = Collection {
    resource: "cards-tokens",
    noun: "credit card token",
    prefix: "",
    routes: &[Route::Create("/credit_card_tokens")],
    fields: &[
        required("card_data", Kind::Card),
        optional("amount", Kind::Amount),
        optional("currency", Kind::Currency),
        optional("is_multiple_use", Kind::Flag),
        optional("should_authenticate", Kind::Flag),
        optional("external_id", Kind::Text),
    ],
    defaults: &[("status", "VERIFIED")],
    created: 200,
    money: None,
    refers: None,
    filters: &[],
    view: |object, _caller| {
        let mut token = with(object, json!({ "created": object.created }));
        if let Some(masked) = token.remove("card_data") {
            token.insert("masked_card_number".to_owned(), masked);
        }
        token
    },
    many,
};

const OF_TOKEN: Reference = Reference {
    field: "credit_card_token_id",
    resource: "cards-tokens",
    noun: "credit card token",
};

pub(super) const AUTHENTICATIONS: Collection = Collection {
    resource: "cards-authentication",
    noun: "authentication",
    prefix: "",
    routes: &[Route::CreateUnder(
        "/credit_card_tokens/{id}/authentications",
        "credit_card_token_id",
    )],
    fields: &[
        required("credit_card_token_id", Kind::Text),
        required("amount", Kind::Amount),
        optional("currency", Kind::Currency),
        optional("external_id", Kind::Text),
    ],
    defaults: &[("status", "VERIFIED"), ("currency", CURRENCY)],
    created: 200,
    money: None,
    refers: Some(OF_TOKEN),
    filters: &[],
    view: |object, _caller| with(object, json!({ "created": object.created })),
    many,
};

pub(super) const CHARGES: Collection = Collection {
    resource: "cards",
    noun: "charge",
    prefix: "",
    routes: &[Route::Create("/credit_card_charges"), Route::Find("/credit_card_charges/{id}")],
    fields: &[
        required("token_id", Kind::Text),
        required("external_id", Kind::Text),
        required("amount", Kind::Amount),
        optional("authentication_id", Kind::Text),
        optional("currency", Kind::Currency),
        optional("capture", Kind::Flag),
        optional("descriptor", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "CAPTURED"), ("currency", CURRENCY)],
    created: 200,
    money: MONEY_IN,
    refers: Some(Reference { field: "token_id", ..OF_TOKEN }),
    filters: &[],
    view: |object, caller| {
        let added = json!({
            "created": object.created,
            "business_id": caller.business(),
            "authorized_amount": object.fields.get("amount"),
            "capture_amount": object.fields.get("amount"),
        });
        with(object, added)
    },
    many,
};
