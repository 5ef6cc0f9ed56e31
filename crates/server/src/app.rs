//! A running Keyway: the store, the engines over it, and the one clock.

mod following;
mod load;
mod site;
pub mod starting;
pub mod verifying;

pub use site::{SignUp, Site};

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use keyway_coherence::{Boot, NodeId, Terms};
use keyway_domain::actor::Actor;
use keyway_domain::event::Happened;
use keyway_domain::id::AccountId;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::Time;
use keyway_domain::verdict::Reason;
use keyway_secret::{Entropy, Keyring, OsEntropy, RootKey};
use keyway_store::accounts::{self, Account, OPERATOR};
use keyway_store::transfer::UNFINISHED;
use keyway_store::{
    Change, Db, DbError, Position, Rules, credentials, due, leases, requests, settings,
};
use tokio::sync::Notify;

use following::Following;
use starting::Starting;

use crate::alerts::Watch;
use crate::clock::Clock;
use crate::coherence::{Node, Start};
use crate::commands::{Moment, Order};
use crate::contexts::ContextSigner;
use crate::denied::Denied;
use crate::followers::{FOLLOWED, Followers};
use crate::outbound::{Outbound, SystemResolver, Unusable};
use crate::passwords::Passwords;
use crate::request_log::RequestLog;
use crate::roster::Rosters;
use crate::schemes;
use crate::telling::Telling;
use crate::turns::Turns;
use crate::verify::Engine;
use crate::worker::Flusher;

/// A scheme in use: its engine, and how its credentials are stored. There are two: the platform's,
/// and the operator's own tokens.
pub struct Realm {
    /// Judges requests.
    pub engine: Engine,
    /// Reads and writes credentials.
    pub rules: Rules,
}

/// A running Keyway.
pub struct App {
    /// The store.
    pub db: Db,
    /// The merchants' credentials.
    pub platform: Arc<Realm>,
    /// The operator's tokens.
    pub operator: Arc<Realm>,
    /// The keys in use.
    pub keys: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    /// This process among others over one database; empty while it is alone.
    pub coherence: OnceLock<Arc<Node>>,
    /// The name of this process in shared counters.
    pub node: String,
    /// Rows that were refused at loading because their seal or content was wrong.
    pub refused_rows: AtomicU64,
    /// Whether the last write or flush reached the database.
    pub store_well: AtomicBool,
    /// Decisions since the start: allowed, then each reason.
    pub decisions: [AtomicU64; 1 + Reason::ALL.len()],
    /// The order of events within a millisecond.
    pub order: Order,
    /// Counters on their way to the database.
    pub flusher: tokio::sync::Mutex<Flusher>,
    /// Requests on their way to their log, in batches that stay until they have arrived.
    pub requests_pending: tokio::sync::Mutex<VecDeque<requests::Batch>>,
    /// Whose turn it is to look at an audit log.
    pub audit_turn: tokio::sync::Mutex<()>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Signs what gateways pass on.
    pub contexts: ContextSigner,
    /// What pages list.
    pub rosters: Rosters,
    /// What its listeners say of themselves.
    pub described: Described,
    /// How people reach the dashboard.
    pub site: Site,
    /// How far it is with loading.
    pub starting: Arc<Starting>,
    /// Forms that are being taken.
    pub turns: Turns,
    /// Calls what merchants typed; or why nothing can be called.
    pub outbound: Result<Outbound, Unusable>,
    /// What the operator of this machine denies.
    pub denied: Denied,
    /// Who verifies after this process.
    pub followers: Arc<Followers>,
    /// What is usual, of credentials that are busy.
    pub watch: Watch,
    /// Refusals that are still to be written down. Kept here first: who signs in must not be able to
    /// tell by the time whether there was something to write.
    refused: Mutex<Vec<Refused>>,
    /// How telling went when it was last looked at: metrics must not wait for the database.
    pub telling: ArcSwap<Telling>,
    /// Wakes who sends webhooks, when there is one to send.
    pub wake: Notify,
}

/// What each listener says of itself: made when somebody first asks, and the same from then on.
#[derive(Default)]
pub struct Described {
    /// The public listener's document.
    pub public: OnceLock<Bytes>,
    /// The internal listener's.
    pub internal: OnceLock<Bytes>,
    /// The public listener's as pages.
    pub chapters: OnceLock<Vec<Chapter>>,
}

/// A page on a part of a listener's document.
pub struct Chapter {
    /// The end of its path; empty for the first.
    pub slug: String,
    /// What it is about.
    pub title: String,
    /// What it says, as HTML.
    pub html: String,
}

/// Refusals that wait to be written down.
const REFUSED_MAX: usize = 10_000;

/// Somebody was refused something.
#[derive(Clone)]
pub struct Refused {
    /// In whose account.
    pub account: AccountId,
    /// What it was about.
    pub subject: String,
    /// When, and who.
    pub moment: Moment,
    /// What was refused.
    pub happened: Happened,
}

/// Why Keyway does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error("the database can't be opened: {0}")]
    Db(#[from] DbError),
    /// Another root key.
    #[error(
        "this database belongs to another root key; start with the key file that lay beside it \
         when it was made (nothing was changed)"
    )]
    WrongRootKey,
    /// A move that was not finished.
    #[error("a deployment is being moved to this database; finish it with `keyway import --from`")]
    Unfinished,
    /// Other terms than those of the nodes there are.
    #[error(
        "the node `{node}` runs with --lease-ms {lease_ms} and --grace-ms {grace_ms}: nodes wait for \
         each other by them, so they are the same on all; start this one with those, or stop the \
         others first"
    )]
    OtherTerms {
        /// What people call the other node.
        node: String,
        /// How long its lease lasts.
        lease_ms: i64,
        /// How long it answers beyond that.
        grace_ms: i64,
    },
    /// Another scheme.
    #[error(
        "this database serves the scheme `{found}`, not `{wanted}`; use `--scheme {found}` or \
         another data folder"
    )]
    WrongScheme {
        /// The scheme it serves.
        found: String,
        /// The scheme that was asked for.
        wanted: String,
    },
}

/// The setting that says to which root key a database belongs.
pub(crate) const FINGERPRINT: &str = "root_key_fingerprint";
const SCHEME: &str = "scheme";

/// What a Keyway is opened with.
pub struct Opening {
    /// The platform's rules.
    pub scheme: Scheme,
    /// The root of all keys.
    pub root: RootKey,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What all nodes over one database agree on; nothing to a file.
    pub terms: Terms,
    /// What people call this node.
    pub node_name: String,
    /// How people reach the dashboard.
    pub site: Site,
    /// Where it is told how far the start is.
    pub starting: Arc<Starting>,
}

impl App {
    /// Sees that the database is the right one and loads every credential; ready when it returns.
    pub async fn open(db: Db, opening: Opening) -> Result<Arc<Self>, OpenError> {
        let Opening { scheme, root, clock, terms, node_name, site, starting } = opening;
        let keys = Arc::new(Keyring::derive(&root));
        let scheme = Arc::new(scheme);
        if db.read(|tx| settings::find(tx, UNFINISHED)).await?.is_some() {
            return Err(OpenError::Unfinished);
        }
        belongs(&db, &keys, &scheme, clock.now()).await?;
        let node = u16::try_from(OsEntropy.u128() >> 112).unwrap_or(0);
        let realm = |scheme: Arc<Scheme>, room| {
            let rules = Rules { scheme: Arc::clone(&scheme), seals: keys.rows.clone() };
            let engine = Engine::new(scheme, Arc::clone(&keys), Arc::clone(&clock), node, room);
            Arc::new(Realm { engine, rules })
        };
        let known = db.read(credentials::about_secrets).await?;
        let outbound = Outbound::new(site.webhook_allow.clone(), Arc::new(SystemResolver::new()));
        let outbound = outbound.map(|out| if site.webhook_http { out.allow_http() } else { out });
        if let Err(why) = &outbound {
            tracing::warn!(%why, "webhooks can't be sent");
        }
        let app = Arc::new(Self {
            outbound,
            followers: Arc::default(),
            watch: Watch::default(),
            denied: Denied::in_file(site.denied_file.clone()),
            refused: Mutex::default(),
            telling: ArcSwap::default(),
            wake: Notify::new(),
            platform: realm(scheme, known),
            operator: realm(Arc::new(schemes::operator()), 64),
            db,
            passwords: Passwords::new(&keys.passwords),
            contexts: ContextSigner::new(&keys),
            rosters: Rosters::default(),
            described: Described::default(),
            site,
            starting,
            turns: Turns::default(),
            keys,
            node: format!("{:032x}", OsEntropy.u128()),
            clock,
            coherence: OnceLock::new(),
            refused_rows: AtomicU64::new(0),
            store_well: AtomicBool::new(true),
            decisions: std::array::from_fn(|_| AtomicU64::new(0)),
            order: Order::default(),
            flusher: tokio::sync::Mutex::default(),
            requests_pending: tokio::sync::Mutex::default(),
            audit_turn: tokio::sync::Mutex::default(),
        });
        if app.site.request_log.days > 0 {
            app.platform.engine.set_log(RequestLog::new());
        }
        app.platform.engine.index.tell(Arc::clone(&app.followers));
        app.denied.look(&app.keys.rows);
        app.db.follow(Arc::new(Following(Arc::downgrade(&app))));
        if app.db.read(|tx| settings::find(tx, FOLLOWED)).await?.is_some() {
            app.followers.set_expected();
            app.followers.expect_strangers();
        }
        let applied = app.load(known).await?;
        app.join(terms, node_name, applied).await?;
        app.platform.engine.set_ready();
        app.operator.engine.set_ready();
        catch_up(&app).await?;
        Ok(app)
    }

    /// The present instant.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// A moment of Keyway's own, for what nobody asked for.
    pub fn own_moment(&self) -> Moment {
        Moment {
            now: self.now(),
            actor: Actor::System,
            step_up: None,
            request_id: String::new(),
            address: None,
            client: None,
            reason: None,
            second: None,
            keys: Arc::clone(&self.keys),
            realm: Arc::clone(&self.platform),
            order: self.order.clone(),
        }
    }

    /// Notes that somebody was refused something in an account; it is written down within a second.
    pub fn refuse(&self, account: AccountId, subject: String, moment: &Moment, happened: Happened) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < REFUSED_MAX {
            refused.push(Refused { account, subject, moment: moment.clone(), happened });
        }
    }

    /// Takes out what was refused.
    pub fn take_refused(&self) -> Vec<Refused> {
        std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be written down, before what came since.
    pub fn put_back(&self, mut taken: Vec<Refused>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        taken.append(&mut refused);
        taken.truncate(REFUSED_MAX);
        *refused = taken;
    }

    /// Counts a decision for the metrics.
    pub fn count(&self, verdict: Result<(), Reason>) {
        let place = verdict.map_or_else(|reason| 1 + reason as usize, |()| 0);
        self.decisions[place].fetch_add(1, Ordering::Relaxed);
    }

    /// The realm that an account's credentials belong to.
    pub fn realm(&self, account: AccountId) -> &Arc<Realm> {
        if account == OPERATOR { &self.operator } else { &self.platform }
    }

    /// Becomes a node, where there may be others.
    async fn join(
        self: &Arc<Self>,
        terms: Terms,
        name: String,
        applied: Position,
    ) -> Result<(), OpenError> {
        let Some(target) = self.db.target().cloned() else { return Ok(()) };
        if let Some(other) = self.db.read(move |tx| leases::other_terms(tx, terms)).await? {
            let (lease_ms, grace_ms) = (other.lease.ttl_ms, other.lease.grace_ms);
            return Err(OpenError::OtherTerms { node: other.name, lease_ms, grace_ms });
        }
        let node = u128::from_str_radix(&self.node, 16).unwrap_or(0);
        let start = Start { target, node: NodeId(node), name, terms, applied };
        let node = Node::start(self, start)?;
        for realm in [&self.platform, &self.operator] {
            realm.engine.set_lease(Arc::clone(&node.lease));
        }
        // An app opens once.
        let _ = self.coherence.set(node);
        Ok(())
    }

    /// Takes in what the database's clock said.
    pub(crate) fn learn_time(&self, said: Time, asked: Boot, answered: Boot) {
        self.clock.learn(said, asked, answered);
    }
}

impl App {
    /// Takes a change over into everything that is kept in memory.
    pub(crate) fn apply(&self, change: &Change) {
        match change {
            Change::Credential(credential) => {
                let index = &self.realm(credential.account).engine.index;
                index.apply(credential, self.now());
                // Looked at afterwards: what is denied meanwhile must not be let in by this.
                if self.denied.holds(credential.id) {
                    index.end_where(self.now(), |entry| entry.credential == credential.id);
                }
                self.rosters.apply(credential);
            }
            Change::Account(account) => self.platform.engine.index.apply_account(account),
            Change::Token(token) => self.platform.engine.end_token(*token),
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(node) = self.coherence.get() {
            node.let_go();
        }
    }
}

/// Does once for older data what is done with every change now: plans what the clock will do.
async fn catch_up(app: &Arc<App>) -> Result<(), DbError> {
    const PLANNED: &str = "due_planned";
    let rules = app.platform.rules.clone();
    app.db
        .write(app.now(), move |tx| {
            if settings::find(tx, PLANNED)?.is_some() {
                return Ok(());
            }
            let mut all = Vec::new();
            credentials::each(tx, &rules, credentials::Realm::Platform, |found| {
                all.extend(found.ok().cloned());
            })?;
            all.iter().try_for_each(|credential| due::adopt(tx, &rules.scheme, credential))?;
            settings::save(tx, PLANNED, b"1")
        })
        .await
}

/// Checks that the database belongs to this root key and scheme; a new one does from now on.
async fn belongs(db: &Db, keys: &Keyring, scheme: &Scheme, now: Time) -> Result<(), OpenError> {
    let (fingerprint, audit_keys) = (keys.fingerprint.to_vec(), keys.audit.clone());
    let name = scheme.name.clone();
    let wanted = name.clone();
    let (key_fits, found) = db
        .write(now, move |tx| {
            let found = settings::find(tx, FINGERPRINT)?;
            if found.is_none() {
                settings::save(tx, FINGERPRINT, &fingerprint)?;
                settings::save(tx, SCHEME, name.as_bytes())?;
                accounts::insert(tx, &audit_keys, &operator_account(now))?;
            }
            let key_fits = found.is_none_or(|found| found == fingerprint);
            let scheme = settings::find(tx, SCHEME)?.unwrap_or_default();
            Ok::<_, DbError>((key_fits, String::from_utf8_lossy(&scheme).into_owned()))
        })
        .await?;
    if !key_fits {
        return Err(OpenError::WrongRootKey);
    }
    if found == wanted { Ok(()) } else { Err(OpenError::WrongScheme { found, wanted }) }
}

fn operator_account(now: Time) -> Account {
    Account {
        id: OPERATOR,
        external_id: None,
        name: "The platform itself".to_owned(),
        suspended: false,
        created_at: now,
    }
}
