//! What the merchant pays: disbursements and payouts.

use http::Method;
use serde_json::json;

use super::{CURRENCY, many};
use crate::collection::{Collection, Ending, MONEY_OUT, Route};
use crate::dialect::with;
use crate::fields::{Kind, optional, required};

pub(super) const DISBURSEMENTS: Collection = Collection {
    resource: "disbursements",
    noun: "disbursement",
    prefix: "",
    routes: &[Route::Create("/disbursements"), Route::Find("/disbursements/{id}")],
    fields: &[
        required("external_id", Kind::Text),
        required("amount", Kind::Amount),
        required("bank_code", Kind::Text),
        required("account_holder_name", Kind::Text),
        required("account_number", Kind::Text),
        optional("description", Kind::Text),
        optional("email_to", Kind::List),
    ],
    defaults: &[("status", "PENDING"), ("currency", CURRENCY)],
    created: 200,
    money: MONEY_OUT,
    refers: None,
    filters: &["external_id"],
    view: |object, caller| {
        let description = object.fields.get("description");
        let added = json!({
            "user_id": caller.business(),
            "disbursement_description": description,
            "created": object.created,
        });
        with(object, added)
    },
    many,
};

pub(super) const PAYOUTS: Collection = Collection {
    resource: "payouts",
    noun: "payout",
    prefix: "disb-",
    routes: &[
        Route::Create("/v2/payouts"),
        Route::List("/v2/payouts"),
        Route::Find("/v2/payouts/{id}"),
        Route::End(
            Method::POST,
            "/v2/payouts/{id}/cancel",
            Ending { from: "ACCEPTED", to: "CANCELLED" },
        ),
    ],
    fields: &[
        required("reference_id", Kind::Text),
        required("channel_code", Kind::Text),
        required("channel_properties", Kind::Object),
        required("amount", Kind::Amount),
        required("currency", Kind::Currency),
        optional("description", Kind::Text),
        optional("receipt_notification", Kind::Object),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "ACCEPTED")],
    created: 200,
    money: MONEY_OUT,
    refers: None,
    filters: &["reference_id"],
    view: |object, caller| {
        let added = json!({
            "business_id": caller.business(),
            "created": object.created,
            "updated": object.updated,
            "estimated_arrival_time": object.expires,
        });
        with(object, added)
    },
    many,
};
