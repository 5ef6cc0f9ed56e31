//! The data folder: database, root key, lock and socket.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use keyway_domain::scheme::Scheme;
use keyway_secret::RootKey;
use keyway_store::{Db, DbError, settings};

use super::Failure;
use super::database::{Database, clock};
use crate::app::starting::Starting;
use crate::app::{App, FINGERPRINT, OpenError, Opening, Site};
use crate::{root_key, schemes};

/// Where a deployment's data is, and which scheme it serves.
#[derive(Args, Clone)]
pub(crate) struct Data {
    /// The data folder: database, root key and socket.
    #[arg(long, env = "KEYWAY_DATA", default_value = "keyway-data", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// A built-in scheme (see `keyway scheme list`) or a scheme file.
    #[arg(long, env = "KEYWAY_SCHEME", value_name = "NAME|FILE")]
    pub(crate) scheme: Option<String>,
    /// The root key's file; by default `root.key` in the data folder, made on the first run.
    #[arg(long, env = "KEYWAY_ROOT_KEY_FILE", value_name = "FILE")]
    pub(crate) root_key_file: Option<PathBuf>,
    /// The root key itself, in place of a file. Only from the environment: arguments are visible to
    /// every user of a machine.
    #[arg(skip)]
    pub(crate) root_key: Option<String>,
    #[command(flatten)]
    pub(crate) server: Database,
}

/// Keeps a second process off the data folder.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Data {
    fn file(&self) -> PathBuf {
        self.data.join("keyway.db")
    }

    /// Whether there is something already: a file, or a server that was named.
    pub(crate) fn is_there(&self) -> bool {
        self.server.database.is_some() || self.file().exists()
    }

    /// The file of what is denied on this machine.
    pub(crate) fn denied(&self) -> PathBuf {
        self.data.join("denied")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join("keyway.sock")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.root_key_file.clone().unwrap_or_else(|| self.data.join("root.key"))
    }

    /// The scheme to run. Without one, what the folder was made with.
    pub(crate) fn scheme_name(&self) -> Result<String, Failure> {
        if let Some(name) = &self.scheme {
            return Ok(name.clone());
        }
        let remembered = std::fs::read_to_string(self.data.join("scheme"));
        remembered.map(|name| name.trim().to_owned()).map_err(|_| {
            Failure("say which scheme to run: --scheme NAME (see `keyway scheme list`)".to_owned())
        })
    }

    /// Makes the folder, for its owner only, if it is not there.
    pub(crate) fn make_folder(&self) -> Result<(), Failure> {
        if self.data.is_dir() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.data)
            .and_then(|()| {
                std::fs::set_permissions(&self.data, std::fs::Permissions::from_mode(0o700))
            })
            .map_err(|error| Failure(format!("{}: {error}", self.data.display())))
    }

    /// Takes the folder's lock; refused while another process has it.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        lock(&self.data)
    }

    /// The root key. A new one is made only if the database belongs to none yet.
    pub(crate) fn root_key(&self, has_owner: bool) -> Result<RootKey, Failure> {
        #[expect(clippy::disallowed_methods, reason = "a key must not be an argument")]
        let from_environment = std::env::var("KEYWAY_ROOT_KEY").ok();
        if let Some(text) = self.root_key.as_ref().or(from_environment.as_ref()) {
            return Ok(root_key::from_environment(text)?);
        }
        Ok(root_key::from_file(&self.key_file(), has_owner)?)
    }

    /// Looks at all that needs no database, and takes the folder's lock.
    pub(crate) fn prepare(&self) -> Result<Prepared, Failure> {
        let name = self.scheme_name()?;
        let scheme = schemes::load(&name)?;
        self.make_folder()?;
        Ok(Prepared { name, scheme, lock: self.lock()? })
    }

    /// Opens everything, and remembers the scheme for commands that don't name it.
    pub(crate) async fn open(&self, site: Site) -> Result<(Arc<App>, Lock), Failure> {
        let prepared = self.prepare()?;
        let app = self.open_prepared(&prepared, &site, &Arc::default()).await?;
        Ok((app, prepared.lock))
    }

    /// The same again and again, as long as it is a server's trouble that may pass.
    pub(crate) async fn open_patiently(
        &self,
        prepared: &Prepared,
        site: &Site,
        starting: &Arc<Starting>,
    ) -> Result<Arc<App>, Failure> {
        loop {
            let why = match self.open_prepared(prepared, site, starting).await {
                Err(Unopened::Waits(why)) if self.server.database.is_some() => why,
                opened => return Ok(opened?),
            };
            if starting.waits(&why) {
                tracing::warn!(%why, "the database can't be used yet; it is tried until it can");
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }

    async fn open_prepared(
        &self,
        prepared: &Prepared,
        site: &Site,
        starting: &Arc<Starting>,
    ) -> Result<Arc<App>, Unopened> {
        let (db, has_owner) = self.open_database().await?;
        starting.goes_on();
        let opening = Opening {
            scheme: prepared.scheme.clone(),
            root: self.root_key(has_owner)?,
            clock: clock(&db).await?,
            terms: self.server.terms(),
            node_name: self.server.node_name(),
            site: site.clone(),
            starting: Arc::clone(starting),
        };
        let app = App::open(db, opening).await?;
        let name = &prepared.name;
        let remembered = if Path::new(name).exists() {
            std::fs::canonicalize(name).map_err(Failure::from)?.display().to_string()
        } else {
            name.clone()
        };
        std::fs::write(self.data.join("scheme"), remembered).map_err(Failure::from)?;
        Ok(app)
    }

    /// Opens the database; whether it belongs to a root key already.
    async fn open_database(&self) -> Result<(Db, bool), Unopened> {
        let options = self.server.options();
        let Some(target) = self.server.target()? else {
            // Before the file is made: an empty one that is left behind belongs to no key.
            let has_owner = self.file().exists();
            return Ok((Db::open(&self.file(), &options)?, has_owner));
        };
        let named = target.named().to_owned();
        // Connecting waits, which must keep nobody from stopping the process.
        let connected = tokio::task::spawn_blocking(move || Db::connect(&target, &options)).await;
        let connected = connected.map_err(Failure::from)?;
        let db = connected.map_err(|error| Unopened::of(&error, format!("{named}: {error}")))?;
        let owner = db.read(|tx| settings::find(tx, FINGERPRINT)).await?;
        Ok((db, owner.is_some()))
    }
}

/// A database that can't be used yet is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// What an opening needs beside the database.
pub(crate) struct Prepared {
    name: String,
    scheme: Scheme,
    pub(crate) lock: Lock,
}

/// Why nothing is open.
enum Unopened {
    /// It may pass, or be over once somebody has seen to the server.
    Waits(String),
    /// It stays so until somebody changes something here.
    Refused(Failure),
}

impl Unopened {
    fn of(error: &DbError, said: String) -> Self {
        if error.may_pass() { Self::Waits(said) } else { Self::Refused(Failure(said)) }
    }
}

impl From<Failure> for Unopened {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<DbError> for Unopened {
    fn from(error: DbError) -> Self {
        Self::of(&error, error.to_string())
    }
}

impl From<OpenError> for Unopened {
    fn from(error: OpenError) -> Self {
        match &error {
            OpenError::Db(why) => Self::of(why, error.to_string()),
            _ => Self::Refused(error.into()),
        }
    }
}

impl From<Unopened> for Failure {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Waits(why) => Self(why),
            Unopened::Refused(failure) => failure,
        }
    }
}

/// Takes the folder's lock; refused while another process has it.
pub(crate) fn lock(folder: &Path) -> Result<Lock, Failure> {
    let path = folder.join("lock");
    let named = |error: &dyn std::fmt::Display| Failure(format!("{}: {error}", path.display()));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| named(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Failure(format!(
            "another keyway process runs on {}; stop it first",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(named(&error)),
    }
}
