//! Reads many credentials at once: two scans in the order of the id, merged.

use std::sync::mpsc::sync_channel;
use std::thread;

use keyway_domain::credential::Credential;
use keyway_domain::id::{AccountId, CredentialId};

use super::division::{Division, PAGE, Part, Stretch};
use super::{HEAD, Head, Heads, Rules, SECRET, check, read_secret};
use crate::accounts::OPERATOR;
use crate::changes::Range;
use crate::db::Tx;
use crate::value::{Columns, DbError, Value};

/// Whose credentials are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// The merchants'.
    Platform,
    /// The operator's own tokens.
    Operator,
}

/// Pages that are read while the one before them is checked.
const PAGES_AHEAD: usize = 2;

/// A credential as it was found, or why it can't be trusted.
pub struct Found(Result<Head, (String, DbError)>);

impl Found {
    /// The credential; or its id, as it is written down, and what is wrong.
    pub fn credential(&self) -> Result<&Credential, (&str, &DbError)> {
        match &self.0 {
            Ok(head) => Ok(&head.credential),
            Err((id, error)) => Err((id, error)),
        }
    }

    fn into_credential(self) -> Result<Credential, (String, DbError)> {
        self.0.map(|head| head.credential)
    }
}

/// Credentials that are handed over at once.
const AT_ONCE: usize = 64;

/// Reads every credential of a realm, one at a time; of a row that can't be trusted, its id and
/// why.
pub fn each(
    tx: &mut Tx<'_>,
    rules: &Rules,
    realm: Realm,
    mut each: impl FnMut(Result<&Credential, (&str, &DbError)>) + Send,
) -> Result<(), DbError> {
    each_together(tx, rules, realm, &Division::of_one(), |some| {
        some.iter().for_each(|found| each(found.credential()));
    })
}

/// Reads every credential of a realm, some at a time, beside other connections that read their parts
/// of it.
///
/// They are checked and handed over on another thread than they are read on: each half takes as long
/// as the other.
pub fn each_together(
    tx: &mut Tx<'_>,
    rules: &Rules,
    realm: Realm,
    division: &Division,
    mut each: impl FnMut(&[Found]) + Send,
) -> Result<(), DbError> {
    let scans = Scans::of_realm(realm, division.page);
    let mut heads = Heads::of(rules);
    let mut take = move |read: Read<'_>| match read {
        Read::Page(mut page) => {
            for some in page.chunks_mut(AT_ONCE) {
                some.iter_mut().for_each(|found| check_found(rules, found));
                each(some);
            }
        }
        Read::End(part) => part.end(),
    };
    thread::scope(|scope| {
        let (taken, read) = sync_channel(PAGES_AHEAD);
        let taking = scope.spawn(move || read.iter().for_each(&mut take));
        // Whether all of a part was read: it is broken off when nobody takes it any more.
        let mut read_whole = |part: &mut Part<'_>| {
            while let Some(page) = scans.page(tx, &mut heads, &mut part.stretch)? {
                if taken.send(Read::Page(page)).is_err() || !part.share() {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        while let Some(mut part) = division.take() {
            match read_whole(&mut part) {
                // What panics there breaks the parts off that are on their way.
                Ok(true) => drop(taken.send(Read::End(part))),
                Ok(false) => drop(part),
                Err(error) => part.fail(&error),
            }
        }
        drop(taken);
        let panicked = || DbError::other("taking what was loaded panicked");
        taking.join().map_err(|_| panicked())?;
        division.ended()
    })
}

/// What is handed from the thread that reads to the one that takes.
enum Read<'d> {
    Page(Page),
    End(Part<'d>),
}

/// Reads an account's credentials that were not deleted, one at a time, the oldest first; of a row
/// that can't be trusted, its id and why.
pub fn each_of_account(
    tx: &mut Tx<'_>,
    rules: &Rules,
    account: AccountId,
    each: impl FnMut(Result<Credential, (String, DbError)>),
) -> Result<(), DbError> {
    let everything = (account, CredentialId(0), CredentialId(u128::MAX));
    of_account(tx, rules, everything, "status <> 'deleted'", each)
}

/// Reads the credentials of a range, with those that were deleted.
pub fn each_in(
    tx: &mut Tx<'_>,
    rules: &Rules,
    range: Range,
    each: impl FnMut(Result<Credential, (String, DbError)>),
) -> Result<(), DbError> {
    of_account(tx, rules, (range.account, range.first, range.last), "1 = 1", each)
}

fn of_account(
    tx: &mut Tx<'_>,
    rules: &Rules,
    (account, first, last): (AccountId, CredentialId, CredentialId),
    which: &str,
    mut each: impl FnMut(Result<Credential, (String, DbError)>),
) -> Result<(), DbError> {
    let scans = Scans {
        whose: format!("account_id = $1 AND {which}"),
        // Between the first and the last id lie the secrets of every other account.
        secrets: format!(
            "{SECRET} WHERE credential_id IN (
                 SELECT id FROM credentials
                 WHERE account_id = $3 AND id >= $1 AND id <= $2 AND {which})
             ORDER BY credential_id, number"
        ),
        account: account.to_string(),
        secrets_by_account: true,
        rows: PAGE,
    };
    let before = first.0.checked_sub(1).map_or_else(String::new, |id| CredentialId(id).to_string());
    let mut stretch = Stretch::after(before, Some(last));
    let mut heads = Heads::of(rules);
    while let Some(page) = scans.page(tx, &mut heads, &mut stretch)? {
        give(page, rules, &mut each);
    }
    Ok(())
}

/// Ids that are read with one statement.
const NAMED: usize = 16;

/// Reads credentials by their ids, of a realm; of a row that can't be trusted, its id and why.
pub fn named(
    tx: &mut Tx<'_>,
    rules: &Rules,
    realm: Realm,
    ids: &[CredentialId],
    mut each: impl FnMut(Result<Credential, (String, DbError)>),
) -> Result<(), DbError> {
    let whose = match realm {
        Realm::Platform => "account_id <> $17",
        Realm::Operator => "account_id = $17",
    };
    let mut heads = Heads::of(rules);
    // By single ids whatever the planner thinks of it: the table may have ten million rows.
    let places = (1..=NAMED).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
    for some in ids.chunks(NAMED) {
        let mut values: Vec<Value> = some.iter().map(|id| id.to_string().into()).collect();
        values.resize(NAMED, "".into());
        let mut page = Page::new();
        let with_account: Vec<Value> =
            values.iter().cloned().chain([OPERATOR.to_string().into()]).collect();
        let sql = format!("{HEAD} WHERE id IN ({places}) AND {whose} ORDER BY id");
        tx.each(&sql, &with_account, |row| add_head(&mut page, &mut heads, row))?;
        if page.is_empty() {
            continue;
        }
        let sql =
            format!("{SECRET} WHERE credential_id IN ({places}) ORDER BY credential_id, number");
        let mut place = 0;
        tx.each(&sql, &values, |row| add_secret(&mut page, &mut place, row))?;
        give(page, rules, &mut each);
    }
    Ok(())
}

/// The greatest id of a credential that there is. If what is written there is none, it may be any.
pub(super) fn newest(tx: &mut Tx<'_>) -> Result<Option<CredentialId>, DbError> {
    let sql = "SELECT id FROM credentials ORDER BY id DESC LIMIT 1";
    let unknown = CredentialId(u128::MAX);
    tx.first(sql, &[], |row| Ok(CredentialId::parse(row.text(0)?).unwrap_or(unknown)))
}

/// The two scans of a load: credentials after an id, and the secrets between two ids.
struct Scans {
    /// Which of them; `$1` is the account.
    whose: String,
    /// `$1` and `$2` are the first and the last id; `$3` is the account, if it is asked for.
    secrets: String,
    account: String,
    secrets_by_account: bool,
    /// Credentials of one page.
    rows: u32,
}

/// Credentials in the order of their ids.
type Page = Vec<Found>;

impl Scans {
    fn of_realm(realm: Realm, rows: u32) -> Self {
        let whose = match realm {
            Realm::Platform => "account_id <> $1",
            Realm::Operator => "account_id = $1",
        };
        Self {
            whose: whose.to_owned(),
            secrets: format!(
                "{SECRET} WHERE credential_id >= $1 AND credential_id <= $2
                 ORDER BY credential_id, number"
            ),
            account: OPERATOR.to_string(),
            secrets_by_account: false,
            rows,
        }
    }

    /// Reads the next page of a stretch, and takes it off; nothing when none is left.
    ///
    /// Both tables are kept in the order of the id, so that a page of one meets the other's.
    fn page(
        &self,
        tx: &mut Tx<'_>,
        heads: &mut Heads<'_>,
        stretch: &mut Stretch,
    ) -> Result<Option<Page>, DbError> {
        if stretch.is_done {
            return Ok(None);
        }
        let mut values = vec![
            self.account.as_str().into(),
            stretch.after.as_str().into(),
            Value::Integer(self.rows.into()),
        ];
        values.extend(stretch.last.map(|last| Value::from(last.to_string())));
        let up_to = if stretch.last.is_some() { "AND id <= $4" } else { "" };
        let whose = &self.whose;
        let sql = format!("{HEAD} WHERE {whose} AND id > $2 {up_to} ORDER BY id LIMIT $3");
        let (mut page, mut first) = (Page::new(), String::new());
        tx.each(&sql, &values, |row| {
            let id = row.text(0)?;
            if page.is_empty() {
                id.clone_into(&mut first);
            }
            id.clone_into(&mut stretch.after);
            add_head(&mut page, heads, row)
        })?;
        stretch.is_done = u32::try_from(page.len()).is_ok_and(|rows| rows < self.rows);
        if page.is_empty() {
            return Ok(None);
        }
        let mut bounds = vec![first.as_str().into(), stretch.after.as_str().into()];
        if self.secrets_by_account {
            bounds.push(self.account.as_str().into());
        }
        let mut place = 0;
        tx.each(&self.secrets, &bounds, |row| add_secret(&mut page, &mut place, row))?;
        Ok(Some(page))
    }
}

/// Hands over the credentials of a page, each as it is found to be.
fn give(page: Page, rules: &Rules, mut each: impl FnMut(Result<Credential, (String, DbError)>)) {
    for mut found in page {
        check_found(rules, &mut found);
        each(found.into_credential());
    }
}

fn check_found(rules: &Rules, found: &mut Found) {
    if let Ok(head) = &mut found.0 {
        // Newest first, as they are sealed.
        head.credential.secrets.reverse();
        if let Err(error) = check(rules, head) {
            *found = Found(Err((head.credential.id.to_string(), error)));
        }
    }
}

fn add_head(page: &mut Page, heads: &mut Heads<'_>, row: &dyn Columns) -> Result<(), DbError> {
    let id = row.text(0)?;
    page.push(Found(heads.read(row).map_err(|error| (id.to_owned(), error))));
    Ok(())
}

/// Gives a secret to its credential, which is at `place` in the page or after it.
fn add_secret(page: &mut Page, place: &mut usize, row: &dyn Columns) -> Result<(), DbError> {
    let written = row.text(8)?;
    // What is no id is of a credential that can't be read.
    let Some(id) = CredentialId::parse(written) else { return Ok(()) };
    let is_from_here =
        |found: &Found| found.credential().is_ok_and(|credential| credential.id >= id);
    while page.get(*place).is_some_and(|found| !is_from_here(found)) {
        *place += 1;
    }
    let Some(found) = page.get_mut(*place) else { return Ok(()) };
    // Else of a credential that is not asked for, between those that are.
    if let Some(head) = found.0.as_mut().ok().filter(|head| head.credential.id == id) {
        match read_secret(row) {
            Ok(secret) => head.credential.secrets.push(secret),
            Err(error) => *found = Found(Err((written.to_owned(), error))),
        }
    }
    Ok(())
}
