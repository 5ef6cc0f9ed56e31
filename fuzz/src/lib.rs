//! What the fuzz targets share: an engine with one credential of each kind, and a clock to move.

use std::sync::Arc;

use keyway_domain::Environment;
use keyway_domain::credential::{Credential, Secret, SecretState, Status};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::scheme::{IdScope, Kind, Scheme};
use keyway_domain::time::Time;
use keyway_secret::{Keyring, RootKey, SeededEntropy};
use keyway_server::clock::ManualClock;
use keyway_server::schemes;
use keyway_server::verify::Engine;

/// A platform with one live credential of each kind.
pub struct Platform {
    /// Judges requests.
    pub engine: Engine,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// The credentials, in the order of the scheme's kinds.
    pub issued: Vec<Issued>,
}

/// The strings of a credential that the engine knows.
pub struct Issued {
    /// Its public id, or nothing.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// The instant at which every target begins.
pub const START: Time = Time(1_780_000_000_000);

impl Platform {
    /// A platform with one of the built-in schemes.
    pub fn new(scheme: &str) -> Self {
        let scheme = Arc::new(schemes::load(scheme).expect("a built-in scheme is right"));
        let mut entropy = SeededEntropy::new(7);
        let keys = Arc::new(Keyring::derive(&RootKey::generate(&mut entropy)));
        let clock = Arc::new(ManualClock::new(START));
        let engine = Engine::new(Arc::clone(&scheme), keys, clock.clone(), 1, 64);
        let kinds = (1..).zip(&scheme.kinds);
        let issued =
            kinds.map(|(number, kind)| issue(&engine, kind, number, &mut entropy)).collect();
        engine.set_ready();
        Self { engine, clock, issued }
    }
}

fn issue(engine: &Engine, kind: &Kind, number: u128, entropy: &mut SeededEntropy) -> Issued {
    let keys = &engine.keys;
    let secret = kind.secret.generate(Environment::Test, entropy);
    let id = kind.public_id.as_ref().map(|id| {
        let drawn = id.template.generate(Environment::Test, entropy);
        (drawn.reveal().to_owned(), id.scope)
    });
    let credential = CredentialId(number);
    let place = format!("{credential}/1");
    let (digest, public_id) = match &id {
        Some((id, IdScope::Secret)) => (keys.pepper.digest(id), Some(id.clone())),
        Some((id, _)) => (keys.pepper.digest_pair(id, secret.reveal()), None),
        None => (keys.pepper.digest(secret.reveal()), None),
    };
    let credential = Credential {
        id: credential,
        account: AccountId(1),
        environment: Environment::Test,
        kind: kind.name.clone(),
        name: "Fuzzed".to_owned(),
        grant: Grant::Everything,
        addresses: Vec::new(),
        rate: Some(keyway_domain::credential::RateLimit { requests: 1_000_000, window_ms: 1 }),
        client_id: None,
        expires_at: None,
        status: Status::Live,
        created_at: START,
        version: 1,
        secrets: vec![Secret {
            number: 1,
            digest,
            public_id,
            sealed: Some(keys.secrets.seal(&secret, &place, entropy)),
            hint: secret.hint(),
            created_at: START,
            state: SecretState::Current,
        }],
    };
    engine.index.apply(&credential, START);
    let id = id.map_or_else(String::new, |(id, _)| id);
    Issued { id, secret: secret.reveal().to_owned() }
}

/// Reads one of the built-in schemes.
pub fn scheme(name: &str) -> Scheme {
    schemes::load(name).expect("a built-in scheme is right")
}
