//! The signed form of an identity: a JWT (RFC 7519) that an API checks without asking anybody, so
//! that it need not trust whatever stands between it and the gateway.
//!
//! Signed with Ed25519 (RFC 8037) by a key of the deployment; the public half is at
//! `/.well-known/jwks.json` of the internal listener. It holds for one method and target, for a
//! minute.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyway_domain::time::Time;
use keyway_guard::Identity;
use keyway_secret::Keyring;
use serde_json::json;

/// So long may a request take from the gateway to the API.
const LIFETIME_SECONDS: i64 = 60;

/// Signs contexts.
pub struct ContextSigner {
    key: Ed25519KeyPair,
    /// The JWT's header, encoded.
    head: String,
    /// The JWK set.
    jwks: String,
}

impl ContextSigner {
    /// The signer of a deployment: the same on every node.
    pub fn new(keys: &Keyring) -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&*keys.contexts)
            .expect("any 32 bytes are a seed (RFC 8032 section 5.1.5)");
        let x = base64url(key.public_key());
        // RFC 7638 §3: the members in their order, without spaces.
        let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = base64url(digest(&SHA256, thumbprint.as_bytes()));
        let head = json!({ "alg": "EdDSA", "typ": "keyway-context+jwt", "kid": kid });
        let jwks = json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA",
        }] });
        Self { key, head: base64url(head.to_string()), jwks: jwks.to_string() }
    }

    /// The public key, for those who check contexts.
    pub fn jwks(&self) -> String {
        self.jwks.clone()
    }

    /// The context of an allowed request, good for this method and target.
    pub fn sign(&self, who: &Identity, method: &str, target: &str, now: Time) -> String {
        let now = now.0.div_euclid(1_000);
        let claims = json!({
            "iss": "keyway",
            "sub": who.account,
            "client_id": who.credential,
            "scope": who.scope(),
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": who.request_id,
            "kind": who.kind,
            "environment": who.environment,
            "secret": who.secret,
            "external_account": who.external_id,
            "method": method,
            // A digest, because a target can be eight times as long as a header should be.
            "target_sha256": base64url(digest(&SHA256, target.as_bytes())),
        });
        let mut token = format!("{}.{}", self.head, base64url(claims.to_string()));
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        token.push_str(&base64url(signature));
        token
    }
}

/// Bytes as they go into a token (RFC 7515 §2: without padding).
fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
