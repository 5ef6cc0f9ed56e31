//! Accounts as the platform's operator looks for them: found by a word, with what stands out.

use keyway_domain::id::AccountId;

use crate::accounts::{self, Account, OPERATOR};
use crate::db::Tx;
use crate::value::{DbError, Value, literally};

/// Which accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// All of them.
    All,
    /// Those whose credentials are refused for now.
    Suspended,
    /// Those with an alert that is not over.
    Alerting,
    /// Those with an endpoint to which nothing has arrived for days.
    Failing,
}

impl Show {
    /// Every choice, with its word in a query.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::All, "all"),
        (Self::Suspended, "suspended"),
        (Self::Alerting, "alerts"),
        (Self::Failing, "webhooks"),
    ];

    fn condition(self) -> &'static str {
        match self {
            Self::All => "1 = 1",
            Self::Suspended => "a.suspended = 1",
            Self::Alerting => {
                "EXISTS (SELECT 1 FROM alerts x WHERE x.account_id = a.id AND x.ended_at IS NULL)"
            }
            Self::Failing => {
                "EXISTS (SELECT 1 FROM endpoints x
                     WHERE x.account_id = a.id AND x.state IN ('failing', 'gone'))"
            }
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Search {
    /// Which.
    pub show: Show,
    /// With this in the name, or at the start of an id; empty for all.
    pub text: String,
    /// Whether it is looked for at the start of people's addresses, too.
    pub in_addresses: bool,
    /// Older than this one.
    pub before: Option<AccountId>,
}

/// An account, and what an operator wants to know of each at a glance.
#[derive(Debug, Clone)]
pub struct Found {
    /// The account.
    pub account: Account,
    /// Its credentials that live, of both environments.
    pub live: i64,
    /// People who can sign in.
    pub people: i64,
    /// Alerts that are not over.
    pub alerts: i64,
    /// Endpoints to which nothing has arrived for days.
    pub failing: i64,
}

/// A page of accounts, newest first.
pub fn page(tx: &mut Tx<'_>, search: &Search, limit: u32) -> Result<Vec<Found>, DbError> {
    let before = search.before.unwrap_or(AccountId(u128::MAX)).to_string();
    let mut values: Vec<Value> = vec![before.into(), OPERATOR.to_string().into()];
    let mut sql = format!(
        "SELECT a.id, a.external_id, a.name, a.suspended, a.created_at,
             (SELECT COUNT(*) FROM credentials c WHERE c.account_id = a.id AND c.status = 'live'),
             (SELECT COUNT(*) FROM members m WHERE m.account_id = a.id AND m.removed_at IS NULL),
             (SELECT COUNT(*) FROM alerts x WHERE x.account_id = a.id AND x.ended_at IS NULL),
             (SELECT COUNT(*) FROM endpoints e
                  WHERE e.account_id = a.id AND e.state IN ('failing', 'gone'))
         FROM accounts a WHERE a.id < $1 AND a.id <> $2 AND {}",
        search.show.condition()
    );
    if !search.text.is_empty() {
        let text = literally(&search.text.to_ascii_lowercase());
        sql.push_str(
            " AND (lower(a.name) LIKE $3 ESCAPE '\\' OR lower(a.external_id) LIKE $4 ESCAPE '\\'
                 OR a.id LIKE $4 ESCAPE '\\'",
        );
        if search.in_addresses {
            sql.push_str(
                " OR EXISTS (SELECT 1 FROM members m WHERE m.account_id = a.id
                     AND m.removed_at IS NULL AND m.email LIKE $4 ESCAPE '\\')",
            );
        }
        sql.push(')');
        values.extend([format!("%{text}%").into(), format!("{text}%").into()]);
    }
    values.push(i64::from(limit).into());
    sql.push_str(&format!(" ORDER BY a.id DESC LIMIT ${}", values.len()));
    tx.all(&sql, &values, |row| {
        Ok(Found {
            account: accounts::read(row)?,
            live: row.integer(5)?,
            people: row.integer(6)?,
            alerts: row.integer(7)?,
            failing: row.integer(8)?,
        })
    })
}

/// How many there are of each choice of [`Show::ALL`].
pub fn counts(tx: &mut Tx<'_>) -> Result<[i64; Show::ALL.len()], DbError> {
    let mut counts = [0; Show::ALL.len()];
    for (count, (show, _)) in counts.iter_mut().zip(Show::ALL) {
        let condition = show.condition();
        let sql = format!("SELECT COUNT(*) FROM accounts a WHERE a.id <> $1 AND {condition}");
        let found = tx.first(&sql, &[OPERATOR.to_string().into()], |row| row.integer(0))?;
        *count = found.unwrap_or(0);
    }
    Ok(counts)
}
