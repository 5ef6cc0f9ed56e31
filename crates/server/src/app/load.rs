//! Everything that is stored, into memory: at the start, and when the database's history is another.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyway_domain::credential::Credential;
use keyway_domain::id::AccountId;
use keyway_store::credentials::Division;
use keyway_store::{
    Change, DbError, Position, Tx, accounts, changes, credentials, settings, tokens,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{App, Realm};
use crate::commands::imports::IMPORTED;

/// Secrets from one word on it in the log to the next.
const REPORT_EVERY: u64 = 500_000;
/// So long those are waited for who helped with a load that failed.
const HELPERS_END_WITHIN: Duration = Duration::from_secs(2);

impl App {
    /// Loads everything for the first time; as of which place in the change log.
    pub(super) async fn load(self: &Arc<Self>, secrets: u64) -> Result<Position, DbError> {
        let started = self.now();
        self.starting.begins(secrets);
        let division = Arc::new(Division::default());
        let (app, whole, lead) = (Arc::clone(self), Arc::clone(&division), division.lead());
        let leading = self.db.read(move |tx| {
            let applied = changes::head(tx)?;
            lead.begin(tx)?;
            app.load_all(tx, &whole).map(|()| applied)
        });
        let mut helping = JoinSet::new();
        for _ in 1..self.loaders() {
            helping.spawn(Arc::clone(self).help(Arc::clone(&division)));
        }
        let applied = match leading.await {
            Ok(applied) => {
                helping.detach_all();
                applied
            }
            Err(error) => {
                // Who begins anew should find nobody still at it; one that hangs is left behind.
                if timeout(HELPERS_END_WITHIN, helping.join_all()).await.is_err() {
                    tracing::warn!("a connection that helped with a load that failed hangs");
                }
                return Err(error);
            }
        };
        tracing::info!(
            secrets = self.platform.engine.index.len(),
            milliseconds = self.now().0 - started.0,
            "every credential is loaded"
        );
        Ok(applied)
    }

    /// Reads a part of what another loads. Nobody waits for this: the other ends when all parts have,
    /// and fails if one does; and what nobody could begin here, the others read.
    async fn help(self: Arc<Self>, division: Arc<Division>) {
        let app = Arc::clone(&self);
        let helped = self.db.read(move |tx| {
            if division.join(tx)? { app.load_platform(tx, &division) } else { Ok(()) }
        });
        if let Err(error) = helped.await {
            tracing::warn!(%error, "a connection does not help to load");
        }
    }

    /// How many connections load: more than there are processors bring nothing.
    fn loaders(&self) -> usize {
        std::thread::available_parallelism().map_or(1, NonZero::get).min(self.db.readers())
    }

    /// Loads everything anew, in place of what is in memory.
    pub(crate) fn load_anew(&self, tx: &mut Tx<'_>) -> Result<Position, DbError> {
        let realms = [&self.platform, &self.operator];
        self.starting.begins(realms.iter().map(|realm| realm.engine.index.len()).sum());
        // Before the server is asked for anything: among millions it takes a while.
        for realm in realms {
            realm.engine.index.end_where(self.now(), |_| true);
        }
        tx.takes_long();
        let position = changes::head(tx)?;
        self.load_all(tx, &Division::of_one())?;
        Ok(position)
    }

    /// Loads everything into the indexes, as one snapshot has it.
    fn load_all(&self, tx: &mut Tx<'_>, division: &Division) -> Result<(), DbError> {
        accounts::each(tx, |found| self.take_account(found))?;
        let operator = credentials::Realm::Operator;
        self.load_realm(tx, &self.operator, operator, &Division::of_one())?;
        self.load_platform(tx, division)?;
        tokens::each(tx, |found| match found {
            Ok(token) => self.platform.engine.end_token(token),
            Err(error) => {
                self.refused_rows.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "a revoked token can't be read");
            }
        })?;
        if settings::find(tx, IMPORTED)?.is_some() {
            self.platform.engine.set_imported();
        }
        Ok(())
    }

    /// Loads what this connection gets of the merchants' credentials.
    fn load_platform(&self, tx: &mut Tx<'_>, division: &Division) -> Result<(), DbError> {
        self.load_realm(tx, &self.platform, credentials::Realm::Platform, division)
    }

    fn load_realm(
        &self,
        tx: &mut Tx<'_>,
        realm: &Realm,
        whose: credentials::Realm,
        division: &Division,
    ) -> Result<(), DbError> {
        let now = self.now();
        credentials::each_together(tx, &realm.rules, whose, division, |some| {
            some.iter().filter_map(|found| found.credential().err()).for_each(|(id, error)| {
                self.refused_rows.fetch_add(1, Ordering::Relaxed);
                tracing::error!(credential = id, %error, "a stored credential is refused");
            });
            let loaded = some.iter().filter_map(|found| found.credential().ok());
            self.report(loaded.clone().map(|credential| credential.secrets.len()).sum());
            let is_denied = |credential: &&Credential| self.denied.holds(credential.id);
            loaded.clone().filter(is_denied).for_each(|credential| {
                tracing::warn!(credential = %credential.id, "it is denied on this machine");
            });
            realm.engine.index.apply_some(loaded.filter(|one| !is_denied(one)), now);
        })
    }

    /// Says now and then how far it is.
    fn report(&self, secrets: usize) {
        let loaded = self.starting.adds(secrets);
        let before = loaded.saturating_sub(u64::try_from(secrets).unwrap_or(0));
        if loaded / REPORT_EVERY > before / REPORT_EVERY {
            tracing::info!(loaded, of = self.starting.loaded().1, "loading secrets");
        }
    }

    fn take_account(&self, found: accounts::Found) {
        match found {
            Ok(account) => self.apply(&Change::Account(account)),
            Err((id, error)) => self.refuse_account(&id, &error),
        }
    }

    /// Of an account that can't be read nobody knows whether it is suspended: it counts as if it
    /// were.
    pub(crate) fn refuse_account(&self, id: &str, why: &DbError) {
        self.refused_rows.fetch_add(1, Ordering::Relaxed);
        tracing::error!(account = %id, error = %why, "a stored account is refused");
        if let Some(id) = AccountId::parse(id) {
            self.platform.engine.index.suspend(id);
        }
    }
}
