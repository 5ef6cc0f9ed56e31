//! What is paid to the merchant: invoices, virtual accounts, QR codes, payment requests; and by whom.

use http::Method;
use serde_json::{Value, json};

use super::{CURRENCY, many, many_bare};
use crate::collection::{Collection, Ending, Route};
use crate::dialect::with;
use crate::fields::{Kind, optional, required};

pub(super) const INVOICES: Collection = Collection {
    resource: "invoices",
    noun: "invoice",
    prefix: "",
    routes: &[
        Route::Create("/v2/invoices"),
        Route::Create("/v2/invoices/"),
        Route::List("/v2/invoices"),
        Route::List("/v2/invoices/"),
        Route::Find("/v2/invoices/{id}"),
        Route::End(
            Method::POST,
            "/invoices/{id}/expire!",
            Ending { from: "PENDING", to: "EXPIRED" },
        ),
    ],
    fields: &[
        required("external_id", Kind::Text),
        required("amount", Kind::Amount),
        optional("currency", Kind::Currency),
        optional("description", Kind::Text),
        optional("payer_email", Kind::Email),
        optional("should_send_email", Kind::Flag),
        optional("success_redirect_url", Kind::HttpUrl),
        optional("failure_redirect_url", Kind::HttpUrl),
        optional("customer", Kind::Object),
        optional("items", Kind::List),
        optional("fees", Kind::List),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "PENDING"), ("currency", CURRENCY)],
    created: 200,
    money: None,
    refers: None,
    filters: &["external_id"],
    view: |object, caller| {
        let send_email = object.fields.get("should_send_email").is_some_and(|flag| *flag == true);
        let added = json!({
            "user_id": caller.business(),
            "merchant_name": caller.business(),
            "merchant_profile_picture_url": "",
            "expiry_date": object.expires,
            "invoice_url": format!("https://checkout.invalid/web/{}", object.id),
            // The official SDKs read these lists without asking whether they are there.
            "available_banks": [],
            "available_retail_outlets": [],
            "available_ewallets": [],
            "available_qr_codes": [],
            "available_direct_debits": [],
            "available_paylaters": [],
            "should_send_email": send_email,
            "created": object.created,
            "updated": object.updated,
        });
        with(object, added)
    },
    many: many_bare,
};

pub(super) const VIRTUAL_ACCOUNTS: Collection = Collection {
    resource: "virtual-accounts",
    noun: "virtual account",
    prefix: "",
    routes: &[
        Route::Create("/callback_virtual_accounts"),
        Route::List("/callback_virtual_accounts"),
        Route::Find("/callback_virtual_accounts/{id}"),
    ],
    fields: &[
        required("external_id", Kind::Text),
        required("bank_code", Kind::Text),
        required("name", Kind::Text),
        optional("expected_amount", Kind::Amount),
        optional("is_closed", Kind::Flag),
        optional("is_single_use", Kind::Flag),
        optional("description", Kind::Text),
    ],
    defaults: &[("status", "ACTIVE"), ("currency", CURRENCY)],
    created: 200,
    money: None,
    refers: None,
    filters: &["external_id"],
    view: |object, caller| {
        let digits: String =
            object.id.bytes().take(12).map(|byte| char::from(b'0' + byte % 10)).collect();
        let added = json!({
            "owner_id": caller.business(),
            "merchant_code": "9999",
            "account_number": format!("9999{digits}"),
            "expiration_date": object.expires,
        });
        with(object, added)
    },
    many: many_bare,
};

pub(super) const QR_CODES: Collection = Collection {
    resource: "qr-codes",
    noun: "QR code",
    prefix: "qr_",
    routes: &[Route::Create("/qr_codes"), Route::List("/qr_codes"), Route::Find("/qr_codes/{id}")],
    fields: &[
        required("reference_id", Kind::Text),
        required("type", Kind::Text),
        required("currency", Kind::Currency),
        optional("amount", Kind::Amount),
        optional("channel_code", Kind::Text),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "ACTIVE")],
    created: 201,
    money: None,
    refers: None,
    filters: &["reference_id"],
    view: |object, caller| {
        let added = json!({
            "business_id": caller.business(),
            "qr_string": format!("00020101{}", object.id),
            "expires_at": object.expires,
            "created": object.created,
            "updated": object.updated,
        });
        with(object, added)
    },
    many,
};

pub(super) const PAYMENT_REQUESTS: Collection = Collection {
    resource: "payment-requests",
    noun: "payment request",
    prefix: "pr-",
    routes: &[
        Route::Create("/payment_requests"),
        Route::List("/payment_requests"),
        Route::Find("/payment_requests/{id}"),
    ],
    fields: &[
        required("currency", Kind::Currency),
        required("amount", Kind::Amount),
        optional("reference_id", Kind::Text),
        optional("payment_method", Kind::Object),
        optional("payment_method_id", Kind::Text),
        optional("customer_id", Kind::Text),
        optional("capture_method", Kind::Text),
        optional("description", Kind::Text),
        optional("channel_properties", Kind::Object),
        optional("items", Kind::List),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("status", "PENDING")],
    created: 201,
    money: None,
    refers: None,
    filters: &["reference_id"],
    view: |object, caller| {
        let added = json!({
            "business_id": caller.business(),
            "created": object.created,
            "updated": object.updated,
        });
        let mut request = with(object, added);
        // A request without a reference is known by its own id.
        request.entry("reference_id").or_insert_with(|| object.id.clone().into());
        request
    },
    many,
};

pub(super) const CUSTOMERS: Collection = Collection {
    resource: "customers",
    noun: "customer",
    prefix: "cust-",
    routes: &[
        Route::Create("/customers"),
        Route::List("/customers"),
        Route::Find("/customers/{id}"),
    ],
    fields: &[
        required("reference_id", Kind::Text),
        optional("type", Kind::Text),
        optional("individual_detail", Kind::Object),
        optional("business_detail", Kind::Object),
        optional("email", Kind::Email),
        optional("mobile_number", Kind::Text),
        optional("phone_number", Kind::Text),
        optional("description", Kind::Text),
        optional("addresses", Kind::List),
        optional("identity_accounts", Kind::List),
        optional("kyc_documents", Kind::List),
        optional("metadata", Kind::Object),
    ],
    defaults: &[("type", "INDIVIDUAL"), ("status", "ACTIVE")],
    created: 201,
    money: None,
    refers: None,
    filters: &["reference_id"],
    view: |object, _caller| {
        let mut customer =
            with(object, json!({ "created": object.created, "updated": object.updated }));
        for list in ["addresses", "identity_accounts", "kyc_documents"] {
            // The official SDKs accept null here, but not nothing.
            customer.entry(list).or_insert(Value::Null);
        }
        customer
    },
    many,
};
