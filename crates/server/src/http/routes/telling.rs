//! The part of the table on who is told: endpoints and their deliveries, alerts, the audit log.

use super::{Route, get, patch, post};
use crate::codes::Code;
use crate::http::api::view::Page;
use crate::http::api::{Changed, audit, deliveries, nodes, usage, watch, webhooks};
use crate::http::openapi::shapes as shape;

macro_rules! endpoint {
    ($rest:literal) => {
        concat!("/v1/accounts/{account}/webhooks/{endpoint}", $rest)
    };
}

pub(super) fn webhook_routes() -> Vec<Route> {
    use webhooks::{Act, Create, Replay, Rotate, Update};
    const WEBHOOKS: &str = "/v1/accounts/{account}/webhooks";
    vec![
        get::<Page<webhooks::Shown>>(WEBHOOKS, "listEndpoints", "webhooks", "An account's endpoints.", handler!(webhooks::list)),
        post::<Create, Changed<webhooks::Shown>>(
            WEBHOOKS,
            "createEndpoint",
            "webhooks",
            "Adds an endpoint. Its signing secret is in this answer and nowhere else.",
            handler!(webhooks::create),
        ).shows_secret()
        .created_under(WEBHOOKS).refuses(&[Code::RoleNotAllowed, Code::TooManyEndpoints, Code::WebhooksUnavailable]),
        get::<webhooks::Shown>(endpoint!(""), "getEndpoint", "webhooks", "One endpoint.", handler!(webhooks::get)),
        patch::<Update, Changed<webhooks::Shown>>(
            endpoint!(""),
            "updateEndpoint",
            "webhooks",
            "Changes where an endpoint is, what it hears, or whether.",
            handler!(webhooks::update),
        ).refuses(&[Code::RoleNotAllowed, Code::WebhooksUnavailable]),
        post::<Rotate, Changed<webhooks::Shown>>(
            endpoint!("/rotate"),
            "rotateEndpointSecret",
            "webhooks",
            "Gives an endpoint a new signing secret; the one before signs along for the overlap.",
            handler!(webhooks::rotate),
        ).shows_secret().refuses(&[Code::RoleNotAllowed, Code::OverlapRunning]),
        post::<Act, Changed<webhooks::Shown>>(
            endpoint!("/test"),
            "testEndpoint", "webhooks",
            "Sends a message to try an endpoint with.",
            handler!(webhooks::test),
        ).refuses(&[Code::RoleNotAllowed, Code::EndpointOff]),
        post::<Act, Changed<webhooks::Became<shape::EndpointId>>>(
            endpoint!("/delete"),
            "deleteEndpoint", "webhooks",
            "Removes an endpoint; what waits for it is given up.",
            handler!(webhooks::delete),
        ).refuses(&[Code::RoleNotAllowed]),
        post::<Replay, Changed<webhooks::Again>>(
            endpoint!("/replay"),
            "replayDeliveries",
            "webhooks",
            "Sends the newest 500 messages of a time again, under the ids they had; `more_before` says \
             where to go on.",
            handler!(webhooks::replay),
        ).refuses(&[Code::RoleNotAllowed]),
        get::<Page<deliveries::Shown>>(
            endpoint!("/deliveries"),
            "listDeliveries", "webhooks",
            "What went to an endpoint, newest first.",
            handler!(deliveries::list),
        )
        .query(&["limit", "cursor", "state", "since", "until"]),
        get::<deliveries::WithLog>(
            endpoint!("/deliveries/{delivery}"),
            "getDelivery", "webhooks",
            "One delivery, with each request and its answer.",
            handler!(deliveries::get),
        ),
        post::<Act, Changed<webhooks::Became<shape::DeliveryId>>>(
            endpoint!("/deliveries/{delivery}/replay"),
            "replayDelivery", "webhooks",
            "Sends one message again, under the id it had.",
            handler!(deliveries::replay),
        ).refuses(&[Code::RoleNotAllowed]),
    ]
}

pub(super) fn watch_routes() -> Vec<Route> {
    vec![
        get::<Page<watch::Shown>>(
            "/v1/accounts/{account}/alerts",
            "listAlerts",
            "events",
            "What is or was unusual about an account's credentials, newest first.",
            handler!(watch::alerts),
        ),
        get::<usage::OfAccount>(
            "/v1/accounts/{account}/usage",
            "getAccountUsage",
            "credentials",
            "Requests of an account's credentials by day, as JSON or CSV.",
            handler!(usage::of_account),
        )
        .query(&["days", "format"]),
        get::<audit::Shown>(
            "/v1/accounts/{account}/audit/verify",
            "verifyAudit",
            "events",
            "Whether an account's audit log is as it was written.",
            handler!(audit::verify),
        ),
        get::<audit::All>(
            "/v1/audit/verify",
            "verifyAllAudits",
            "events",
            "Whether every audit log is as it was written.",
            handler!(audit::verify_all),
        ),
        get::<nodes::Nodes>(
            "/v1/nodes",
            "listNodes",
            "events",
            "The nodes over the database: how far each has read the change log, and its lease.",
            handler!(nodes::list),
        ),
        get::<watch::Status>(
            "/v1/status",
            "getStatus",
            "events",
            "How the work beside requests goes: what waits, and why.",
            handler!(watch::status),
        ),
    ]
}
