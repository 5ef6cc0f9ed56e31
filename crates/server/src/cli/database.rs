//! Which database: a file in the data folder, or a PostgreSQL server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use keyway_coherence::Terms;
use keyway_store::{Db, DbError, Options, Target, leases};

use super::{Failure, secret_file};
use crate::clock::{Clock, DatabaseClock, SystemClock, boot};

/// Which database, and how this process is a node over it.
#[derive(Args, Clone)]
pub(crate) struct Database {
    /// A PostgreSQL database, such as `postgres://keyway@db.example.com/keyway`; without it, a file
    /// in the data folder. Beyond this machine the connection is encrypted and the server is
    /// checked, unless the URL says `sslmode=disable`.
    #[arg(long, env = "KEYWAY_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// A file with the password of the database's role.
    #[arg(long, env = "KEYWAY_DATABASE_PASSWORD_FILE", value_name = "FILE", requires = "database")]
    database_password_file: Option<PathBuf>,
    /// The certificates that the database is checked against, as PEM; by default the machine's.
    #[arg(long, env = "KEYWAY_DATABASE_CA", value_name = "FILE", requires = "database")]
    database_ca: Option<PathBuf>,
    /// How long a node answers without the database, in milliseconds; a revocation waits so long
    /// for a node that is silent. The same on all nodes.
    #[arg(long, env = "KEYWAY_LEASE_MS", value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1_000..=60_000))]
    lease_ms: u64,
    /// How long a node goes on answering after that, in milliseconds. Every revocation waits so
    /// much longer for a silent node.
    #[arg(long, env = "KEYWAY_GRACE_MS", value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    grace_ms: u64,
    /// What this node is called in `keyway status`; by default the machine's name.
    #[arg(long, env = "KEYWAY_NODE_NAME", value_name = "NAME")]
    node_name: Option<String>,
    /// Connections that change things; as many again, and three more, read and follow.
    #[arg(long, env = "KEYWAY_DATABASE_WRITERS", value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    database_writers: u16,
}

impl Database {
    /// Where the server is; `None` for a file.
    pub(crate) fn target(&self) -> Result<Option<Arc<Target>>, Failure> {
        let Some(url) = &self.database else { return Ok(None) };
        let password = self.database_password_file.as_deref().map(secret_file).transpose()?;
        let target = Target::parse(url, password.as_ref(), self.database_ca.as_deref())
            .map_err(|error| Failure(format!("--database: {error}")))?;
        Ok(Some(Arc::new(target)))
    }

    /// How the database is opened.
    pub(crate) fn options(&self) -> Options {
        let writers = usize::from(self.database_writers);
        Options { readers: writers.min(4), writers, ..Options::default() }
    }

    /// What all nodes agree on.
    pub(crate) fn terms(&self) -> Terms {
        let ttl = Duration::from_millis(self.lease_ms);
        Terms {
            ttl,
            renew_every: ttl / 4,
            grace: Duration::from_millis(self.grace_ms),
            ..Terms::default()
        }
    }

    /// What people call this node.
    pub(crate) fn node_name(&self) -> String {
        let machine = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        self.node_name.clone().unwrap_or_else(machine)
    }
}

/// The clock to judge by: the database's, where there are nodes whose own may differ.
pub(crate) async fn clock(db: &Db) -> Result<Arc<dyn Clock>, DbError> {
    if db.target().is_none() {
        return Ok(Arc::new(SystemClock));
    }
    let asked = boot();
    let said = db.read(leases::database_time).await?;
    Ok(Arc::new(DatabaseClock::new(said, asked, boot())))
}
