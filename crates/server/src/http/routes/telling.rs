//! The part of the table on who is told: endpoints and their deliveries, alerts, the audit log.

use super::{Route, get, patch, post};
use crate::http::api::{audit, nodes, usage, watch, webhooks};

macro_rules! endpoint {
    ($rest:literal) => {
        concat!("/v1/accounts/{account}/webhooks/{endpoint}", $rest)
    };
}

pub(super) fn webhook_routes() -> Vec<Route> {
    use webhooks::{Act, Create, Replay, Rotate, Update};
    const WEBHOOKS: &str = "/v1/accounts/{account}/webhooks";
    let read =
        |path, operation, summary, handler| get(path, operation, "webhooks", summary, handler);
    let act = |path, operation, summary, handler| {
        post::<Act>(path, operation, "webhooks", summary, handler)
    };
    vec![
        read(WEBHOOKS, "listEndpoints", "An account's endpoints.", handler!(webhooks::list)),
        post::<Create>(
            WEBHOOKS,
            "createEndpoint",
            "webhooks",
            "Adds an endpoint. Its signing secret is in this answer and nowhere else.",
            handler!(webhooks::create),
        )
        .created(),
        read(endpoint!(""), "getEndpoint", "One endpoint.", handler!(webhooks::get)),
        patch::<Update>(
            endpoint!(""),
            "updateEndpoint",
            "webhooks",
            "Changes where an endpoint is, what it hears, or whether.",
            handler!(webhooks::update),
        ),
        post::<Rotate>(
            endpoint!("/rotate"),
            "rotateEndpointSecret",
            "webhooks",
            "Gives an endpoint a new signing secret; the one before signs along for the overlap.",
            handler!(webhooks::rotate),
        ),
        act(
            endpoint!("/test"),
            "testEndpoint",
            "Sends a message to try an endpoint with.",
            handler!(webhooks::test),
        ),
        act(
            endpoint!("/delete"),
            "deleteEndpoint",
            "Removes an endpoint; what waits for it is given up.",
            handler!(webhooks::delete),
        ),
        post::<Replay>(
            endpoint!("/replay"),
            "replayDeliveries",
            "webhooks",
            "Sends the newest 500 messages of a time again, under the ids they had; `more_before` says \
             where to go on.",
            handler!(webhooks::replay),
        ),
        read(
            endpoint!("/deliveries"),
            "listDeliveries",
            "What went to an endpoint, newest first.",
            handler!(webhooks::deliveries),
        )
        .query(&["limit", "cursor", "state", "since", "until"]),
        read(
            endpoint!("/deliveries/{delivery}"),
            "getDelivery",
            "One delivery, with each request and its answer.",
            handler!(webhooks::delivery),
        ),
        act(
            endpoint!("/deliveries/{delivery}/replay"),
            "replayDelivery",
            "Sends one message again, under the id it had.",
            handler!(webhooks::replay_one),
        ),
    ]
}

pub(super) fn watch_routes() -> Vec<Route> {
    let read = |path, operation, summary, handler| get(path, operation, "events", summary, handler);
    vec![
        read(
            "/v1/accounts/{account}/alerts",
            "listAlerts",
            "What is or was unusual about an account's credentials, newest first.",
            handler!(watch::alerts),
        ),
        get(
            "/v1/accounts/{account}/usage",
            "getAccountUsage",
            "credentials",
            "Requests of an account's credentials by day, as JSON or CSV.",
            handler!(usage::of_account),
        )
        .query(&["days", "format"]),
        read(
            "/v1/accounts/{account}/audit/verify",
            "verifyAudit",
            "Whether an account's audit log is as it was written.",
            handler!(audit::verify),
        ),
        read(
            "/v1/audit/verify",
            "verifyAllAudits",
            "Whether every audit log is as it was written.",
            handler!(audit::verify_all),
        ),
        read(
            "/v1/nodes",
            "listNodes",
            "The nodes over the database: how far each has read the change log, and its lease.",
            handler!(nodes::list),
        ),
        read(
            "/v1/status",
            "getStatus",
            "How the work beside requests goes: what waits, and why.",
            handler!(watch::status),
        ),
    ]
}
