//! What the tests of the store share: a database of their own, and things to keep in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use keyway_domain::Environment;
use keyway_domain::credential::{
    AddressMode, Credential, EndedBecause, RateLimit, Secret, SecretState, Status,
};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_secret::{Digest, Keyring, RootKey, RowSealer, SeededEntropy};
use keyway_store::accounts::{self, Account};
use keyway_store::{Db, DbError, Options, Rules, Tx, credentials};
use keyway_testbed::{Database, Editor};
use tokio::runtime::{Builder, Runtime};

pub(crate) const NOW: Time = Time(1_780_000_000_000);

/// A database in a folder of its own, removed at the end.
pub(crate) struct House {
    pub(crate) runtime: Runtime,
    pub(crate) db: Db,
    pub(crate) rules: Rules,
    pub(crate) folder: PathBuf,
    pub(crate) database: Database,
}

impl Drop for House {
    fn drop(&mut self) {
        self.database.remove();
        // A folder that stays behind is no reason to fail a test that passed.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An empty folder that no other test has, in this process or beside it.
pub(crate) fn folder(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(format!("keyway-store-{name}-{process}-{number}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn options() -> Options {
    Options { readers: 1, writers: 1, durable: false }
}

/// A scheme with a single kind (the first) and one of which there may be many (the second).
pub(crate) fn rules() -> Rules {
    let path = format!("{}/../../schemes/airwallex.toml", env!("CARGO_MANIFEST_DIR"));
    let scheme = Scheme::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    Rules { scheme: Arc::new(scheme), seals: keyring().rows }
}

fn keyring() -> Keyring {
    Keyring::derive(&RootKey::generate(&mut SeededEntropy::new(1)))
}

/// The key of the audit log's links.
pub(crate) fn audit_key() -> RowSealer {
    keyring().audit
}

impl House {
    pub(crate) fn new(name: &str) -> Self {
        let folder = folder(name);
        let database = Database::of(&folder);
        Self::of(folder, database, &options())
    }

    /// A house in which several write at once, where the engine can.
    pub(crate) fn busy(name: &str) -> Self {
        let folder = folder(name);
        let database = Database::of(&folder);
        Self::of(folder, database, &Options { writers: 4, ..options() })
    }

    /// A house in a file, for what only a file can do.
    pub(crate) fn in_a_file(name: &str) -> Self {
        let folder = folder(name);
        let database = Database::in_a_file(&folder);
        Self::of(folder, database, &options())
    }

    fn of(folder: PathBuf, database: Database, options: &Options) -> Self {
        let db = database.open(options).unwrap();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        Self { runtime, db, rules: rules(), folder, database }
    }

    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        self.runtime.block_on(self.db.write(NOW, work))
    }

    /// The same for what must go through.
    pub(crate) fn done<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> T {
        self.write(work).unwrap()
    }

    pub(crate) fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        self.runtime.block_on(self.db.read(work))
    }

    /// The connection of someone who edits the database behind Keyway's back.
    pub(crate) fn editor(&self) -> Editor {
        self.database.editor()
    }

    /// Runs an edit that a constraint must refuse.
    pub(crate) fn refuses(&self, attack: &str) {
        let why = self.editor().run(attack).expect_err(attack);
        let is_file = !self.database.is_on_server();
        let is_rule = why.contains("constraint") || why.contains("cannot store");
        assert!(!is_file || is_rule, "{attack}: {why}");
    }

    pub(crate) fn keep(&self, credential: &Credential) -> Result<(), DbError> {
        let (rules, credential) = (self.rules.clone(), credential.clone());
        self.write(move |tx| credentials::insert(tx, &rules, &credential))
    }
}

pub(crate) fn account(number: u128, external_id: Option<&str>) -> Account {
    Account {
        id: AccountId(number),
        external_id: external_id.map(str::to_owned),
        name: format!("Account {number}"),
        suspended: false,
        created_at: NOW,
    }
}

pub(crate) fn add_account(tx: &mut Tx<'_>, number: u128) -> Result<(), DbError> {
    accounts::insert(tx, &audit_key(), &account(number, None))
}

/// A credential with two live secrets, one ended, and a value in every column.
pub(crate) fn credential(number: u8, kind: &str) -> Credential {
    let secret = |nth: u8, state| Secret {
        number: u32::from(nth),
        digest: Digest([number * 10 + nth; 32]),
        public_id: Some(format!("id{number}x{nth}")),
        sealed: Some(vec![nth; 40]),
        hint: "hint".to_owned(),
        created_at: NOW,
        state,
    };
    let ended = SecretState::Ended { at: NOW, why: EndedBecause::Replaced };
    Credential {
        id: CredentialId(u128::from(number)),
        account: AccountId(1),
        environment: Environment::Test,
        kind: kind.to_owned(),
        name: "First".to_owned(),
        grant: Grant::Chosen(0b0110),
        addresses: vec!["10.0.0.0/8".parse().unwrap()],
        address_mode: AddressMode::Enforce,
        rate: Some(RateLimit { requests: 10, window_ms: 1_000 }),
        client_id: Some("client".to_owned()),
        expires_at: Some(NOW.plus_ms(1_000_000)),
        status: Status::Live,
        created_at: NOW,
        version: 3,
        secrets: vec![
            secret(3, SecretState::Current),
            secret(2, SecretState::Retiring { until: NOW.plus_ms(1_000) }),
            secret(1, ended),
        ],
    }
}
