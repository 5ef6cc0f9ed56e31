//! How messages are signed: the standard way with the endpoint's secrets, and in the platform's own
//! form, where its scheme has one, with a credential's.

use std::sync::Arc;

use keyway_domain::credential::Credential;
use keyway_domain::endpoint::Endpoint;
use keyway_domain::id::{CredentialId, EndpointId, EventId};
use keyway_domain::scheme::{Presented, Scheme, SignedValues};
use keyway_domain::time::Time;
use keyway_secret::{Entropy as _, OsEntropy, hmac_sha256_hex, sign_webhook};
use keyway_store::credentials::{self, Filter};
use keyway_store::deliveries::Delivery;
use keyway_store::{DbError, Tx, events};

use crate::app::App;
use crate::verify::{encode_signature, sealing_place};

/// Credentials among which one that signs is looked for.
const LOOKED_AT: u32 = 200;

/// What an endpoint's secret is sealed to.
pub fn secret_place(endpoint: EndpointId, number: u32) -> String {
    format!("endpoint/{endpoint}/{number}")
}

/// The headers of Standard Webhooks: every secret that is live signs.
pub(super) fn standard(
    app: &App,
    endpoint: &Endpoint,
    delivery: &Delivery,
    now: Time,
) -> Vec<(String, String)> {
    let timestamp = now.0.div_euclid(1_000);
    let body = delivery.payload.as_bytes();
    let signatures: Vec<String> = endpoint
        .signing(now)
        .filter_map(|secret| {
            let place = secret_place(endpoint.id, secret.number);
            let opened = app.keys.secrets.unseal(&secret.sealed, &place);
            let opened = opened.inspect_err(|error| {
                tracing::error!(endpoint = %endpoint.id, %error, "a signing secret is not readable");
            });
            sign_webhook(&opened.ok()?, &delivery.event, timestamp, body)
        })
        .collect();
    vec![
        ("webhook-id".to_owned(), delivery.event.clone()),
        ("webhook-timestamp".to_owned(), timestamp.to_string()),
        ("webhook-signature".to_owned(), signatures.join(" ")),
    ]
}

/// The headers of the platform's own form, once for each live secret of the credential that signs,
/// the newest first; empty if the scheme has no form, or no credential can sign.
pub(super) async fn platform_forms(
    app: &Arc<App>,
    endpoint: &Endpoint,
    delivery: &Delivery,
) -> Result<Vec<Vec<(String, String)>>, DbError> {
    let scheme = Arc::clone(&app.platform.rules.scheme);
    if scheme.webhook_message.is_none() {
        return Ok(Vec::new());
    }
    let (rules, now) = (app.platform.rules.clone(), app.now());
    let (owner, event) = (endpoint.clone(), EventId::parse(&delivery.event));
    let signer = app
        .db
        .read(move |tx| {
            let about = event.map(|id| events::find(tx, owner.account, id)).transpose()?.flatten();
            let about = about.and_then(|event| CredentialId::parse(&event.subject));
            signer(tx, &rules, &owner, about, now)
        })
        .await?;
    Ok(signer.map_or_else(Vec::new, |signer| forms(app, &scheme, &signer, endpoint, delivery, now)))
}

/// The credential that a message is about, if it can sign; else the oldest that can.
fn signer(
    tx: &mut Tx<'_>,
    rules: &credentials::Rules,
    endpoint: &Endpoint,
    about: Option<CredentialId>,
    now: Time,
) -> Result<Option<Credential>, DbError> {
    let signs = |credential: &Credential| {
        let kind = rules.scheme.kind(&credential.kind);
        kind.is_some_and(|kind| kind.is_presented(Presented::Signature))
            && credential.environment == endpoint.environment
            && !credential.has_expired(now)
            && credential.secrets.iter().any(|secret| secret.is_live(now))
    };
    if let Some(id) = about {
        let found = credentials::find(tx, rules, endpoint.account, id)?.filter(|of| signs(of));
        if found.is_some() {
            return Ok(found);
        }
    }
    let filter = Filter { environment: Some(endpoint.environment), ..Filter::default() };
    let page = credentials::page(tx, rules, endpoint.account, &filter, LOOKED_AT)?;
    Ok(page.into_iter().rev().find(signs))
}

fn forms(
    app: &App,
    scheme: &Scheme,
    signer: &Credential,
    endpoint: &Endpoint,
    delivery: &Delivery,
    now: Time,
) -> Vec<Vec<(String, String)>> {
    let (Some(rules), Some(message)) = (&scheme.signature, &scheme.webhook_message) else {
        return Vec::new();
    };
    let live = signer.secrets.iter().filter(|secret| secret.is_live(now));
    live.filter_map(|live| {
        let place = sealing_place(&signer.id.to_string(), live.number);
        let secret = app.keys.secrets.unseal(live.sealed.as_deref()?, &place).ok()?;
        let id = live.public_id.as_deref().unwrap_or("");
        let salt = format!("{:016x}", OsEntropy.u128() >> 64);
        let timestamp = now.0.div_euclid(1_000).to_string();
        let values = SignedValues {
            url: &endpoint.url,
            salt: &salt,
            timestamp: &timestamp,
            id,
            body: delivery.payload.as_bytes(),
            ..SignedValues::default()
        };
        let parts: Vec<&[u8]> = message.iter().map(|part| part.of(&values, &secret)).collect();
        let signature = encode_signature(rules.encoding, &hmac_sha256_hex(&secret, &parts));
        let names = &rules.headers;
        Some(vec![
            (names.id.clone(), id.to_owned()),
            (names.salt.clone(), salt.clone()),
            (names.timestamp.clone(), timestamp.clone()),
            (names.signature.clone(), signature),
        ])
    })
    .collect()
}
