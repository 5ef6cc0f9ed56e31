//! Credentials in bulk: made as the product makes them, put into an index or a database at once.

use std::path::Path;
use std::sync::Arc;

use keyway_coherence::Terms;
use keyway_domain::Environment;
use keyway_domain::credential::{AddressMode, Credential, RateLimit, Secret, SecretState, Status};
use keyway_domain::grant::Grant;
use keyway_domain::id::{AccountId, CredentialId};
use keyway_domain::scheme::{IdScope, Kept, Kind, KindGrant, Scheme};
use keyway_domain::time::Time;
use keyway_secret::{Keyring, RootKey, SeededEntropy};
use keyway_server::app::{App, Opening, Site};
use keyway_server::clock::{Clock as _, SystemClock};
use keyway_store::accounts::{self, Account};
use keyway_store::{Db, DbError, Options, Rules, credentials};

use crate::Failure;

/// Credentials of an account; as many as a middling platform's merchants have.
const PER_ACCOUNT: usize = 100;
/// Credentials in one transaction.
const BULK: usize = 10_000;

/// A credential, and the strings its holder has.
pub(crate) struct Made {
    pub(crate) credential: Credential,
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The strings of a credential: public id (empty if the kind has none) and secret.
#[derive(Clone)]
pub(crate) struct Strings {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Where the management API has it.
    pub(crate) account: AccountId,
    pub(crate) credential: CredentialId,
}

/// Makes credentials of a scheme's first kind that an account may have several of.
pub(crate) struct Maker {
    pub(crate) scheme: Arc<Scheme>,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) root: RootKey,
    entropy: SeededEntropy,
    now: Time,
    accounts: Vec<(AccountId, Option<String>)>,
}

impl Maker {
    pub(crate) fn new(scheme: &str) -> Result<Self, Failure> {
        let mut entropy = SeededEntropy::new(7);
        let root = RootKey::generate(&mut entropy);
        Ok(Self {
            scheme: Arc::new(keyway_server::schemes::load(scheme)?),
            keys: Arc::new(Keyring::derive(&root)),
            root,
            entropy,
            now: SystemClock.now(),
            accounts: Vec::new(),
        })
    }

    pub(crate) fn kind(&self) -> &Kind {
        let several = self.scheme.kinds.iter().find(|kind| !kind.single);
        several.unwrap_or(&self.scheme.kinds[0])
    }

    /// The account that the credential of that place belongs to; the caller stores it when new.
    pub(crate) fn account_of(&mut self, place: usize) -> (Account, bool) {
        let wanted = place / PER_ACCOUNT;
        let is_new = wanted == self.accounts.len();
        if is_new {
            let created = self.now.plus_ms(-400 * 86_400_000);
            let shared = self.kind().public_id.as_ref().map(|public_id| {
                let mut entropy = SeededEntropy::new(wanted as u64 | 1 << 40);
                public_id.template.generate(Environment::Live, &mut entropy).reveal().to_owned()
            });
            self.accounts.push((AccountId::new(created, &mut self.entropy), shared));
        }
        let id = self.accounts[wanted].0;
        let account = Account {
            id,
            external_id: Some(format!("merchant-{wanted}")),
            name: format!("Merchant {wanted}"),
            suspended: false,
            created_at: self.now,
        };
        (account, is_new)
    }

    /// Makes the credential of that place. Rate limits are as wide as they can be.
    pub(crate) fn make(&mut self, place: usize, account: AccountId, status: Status) -> Made {
        let scheme = Arc::clone(&self.scheme);
        let several = scheme.kinds.iter().find(|kind| !kind.single);
        let kind = several.unwrap_or(&scheme.kinds[0]);
        let age = i64::try_from(place).unwrap_or(0);
        let created_at = self.now.plus_ms(age - 300 * 86_400_000);
        let id = CredentialId::new(created_at, &mut self.entropy);
        let secret = kind.secret.generate(Environment::Live, &mut self.entropy);
        let mut draw = |kind: &Kind| {
            let template = kind.public_id.as_ref().map(|public_id| &public_id.template);
            template.map(|template| {
                template.generate(Environment::Live, &mut self.entropy).reveal().to_owned()
            })
        };
        let scope = kind.public_id.as_ref().map(|public_id| public_id.scope);
        let public_id = match scope {
            Some(IdScope::Account) => self.accounts[place / PER_ACCOUNT].1.clone(),
            Some(_) => draw(kind),
            None => None,
        };
        let digest = match (&public_id, scope) {
            (Some(own), Some(IdScope::Secret)) => self.keys.pepper.digest(own),
            (Some(shared), _) => self.keys.pepper.digest_pair(shared, secret.reveal()),
            (None, _) => self.keys.pepper.digest(secret.reveal()),
        };
        let sealed = (kind.kept != Kept::Digest)
            .then(|| self.keys.secrets.seal(&secret, &format!("{id}/1"), &mut self.entropy));
        let own_id = public_id.clone().filter(|_| scope == Some(IdScope::Secret));
        let client_id = public_id.clone().filter(|_| scope != Some(IdScope::Secret));
        let credential = Credential {
            id,
            account,
            environment: Environment::Live,
            kind: kind.name.clone(),
            name: format!("Server key {place}"),
            grant: match kind.grants {
                KindGrant::Everything => Grant::Everything,
                KindGrant::Fixed(grant) => grant,
                KindGrant::Chosen { widest, .. } => widest,
            },
            addresses: Vec::new(),
            address_mode: AddressMode::Enforce,
            rate: Some(RateLimit { requests: 1_000_000, window_ms: 1_000 }),
            client_id,
            expires_at: None,
            status,
            created_at,
            version: 1,
            secrets: vec![Secret {
                number: 1,
                digest,
                public_id: own_id,
                sealed,
                hint: secret.hint(),
                created_at,
                state: SecretState::Current,
            }],
        };
        let secret = secret.reveal().to_owned();
        Made { credential, id: public_id.unwrap_or_default(), secret }
    }
}

/// Makes a data folder with so many credentials, as fast as the disk takes them.
/// Gives the strings of `kept` of them back, spread evenly.
pub(crate) fn data_folder(
    folder: &Path,
    maker: &mut Maker,
    count: usize,
    kept: usize,
) -> Result<Vec<Strings>, Failure> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    let key_file = folder.join("root.key");
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(key_file)?;
    std::io::Write::write_all(&mut file, maker.root.to_text().as_bytes())?;
    let database = folder.join("keyway.db");
    let options = Options { readers: 1, durable: false, ..Options::default() };
    let runtime = crate::runtime()?;
    let opening = Opening {
        scheme: (*maker.scheme).clone(),
        root: maker.root.clone(),
        clock: Arc::new(SystemClock),
        terms: Terms::default(),
        node_name: String::new(),
        site: Site::default(),
        starting: Arc::default(),
    };
    // Opening it once writes down which key and scheme it belongs to; no follower stays.
    drop(runtime.block_on(App::open(Db::open(&database, &options)?, opening))?);
    let db = Db::open(&database, &options)?;
    let rules = Rules { scheme: Arc::clone(&maker.scheme), seals: maker.keys.rows.clone() };
    let mut strings = Vec::new();
    for first in (0..count).step_by(BULK) {
        let mut new_accounts = Vec::new();
        let mut made = Vec::with_capacity(BULK);
        for place in first..count.min(first + BULK) {
            let (account, is_new) = maker.account_of(place);
            let id = account.id;
            new_accounts.extend(is_new.then_some(account));
            let one = maker.make(place, id, Status::Live);
            if (place + 1) * kept / count > place * kept / count {
                strings.push(Strings {
                    id: one.id,
                    secret: one.secret,
                    account: id,
                    credential: one.credential.id,
                });
            }
            made.push(one.credential);
        }
        let (rules, audit) = (rules.clone(), maker.keys.audit.clone());
        runtime.block_on(db.write(maker.now, move |tx| {
            for account in &new_accounts {
                accounts::insert(tx, &audit, account)?;
            }
            made.iter().try_for_each(|credential| credentials::insert(tx, &rules, credential))?;
            Ok::<_, DbError>(())
        }))?;
    }
    Ok(strings)
}

/// A folder that goes away again.
pub(crate) struct Temporary(pub(crate) std::path::PathBuf);

impl Temporary {
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("keyway-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays behind is in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
