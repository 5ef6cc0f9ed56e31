//! Mail to people: what it says, the outbox it waits in, and the folder it is put into.
//!
//! A letter is written in the transaction of what it tells, and sealed: it may hold a link that is
//! good once. It never holds a credential, and no link acts by being opened.

use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use keyway_domain::id::{AccountId, MessageId};
use keyway_domain::member::Email;
use keyway_domain::time::Time;
use keyway_secret::{OsEntropy, SecretText};
use keyway_store::{DbError, Tx, messages};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::commands::Moment;

/// Letters that are taken out of the box at once.
const BATCH: u32 = 20;

/// An email.
#[derive(Serialize, Deserialize)]
pub struct Letter {
    to: String,
    subject: String,
    text: String,
}

impl Letter {
    /// Asks somebody into an account.
    pub fn invitation(to: &Email, account: &str, by: &str, url: &str) -> Self {
        Self {
            to: to.to_string(),
            subject: format!("{by} invites you to {account}"),
            text: format!(
                "{by} invites you to manage API credentials of {account}.\n\n\
                 Open this page within 7 days, and choose a name and a password there:\n{url}\n\n\
                 If you expected no invitation, ignore this mail; nothing happens.\n"
            ),
        }
    }

    /// Leads to a new password.
    pub fn reset(to: &Email, url: &str) -> Self {
        Self {
            to: to.to_string(),
            subject: "A new password".to_owned(),
            text: format!(
                "Somebody, probably you, asked for a new password for {to}.\n\n\
                 Open this page within an hour, and choose one there:\n{url}\n\n\
                 Your authenticator app is still asked for. If it was not you, ignore this mail; \
                 nothing has changed.\n"
            ),
        }
    }

    /// Leads to a new account.
    pub fn sign_up(to: &Email, company: &str, url: &str) -> Self {
        Self {
            to: to.to_string(),
            subject: "Your new account".to_owned(),
            text: format!(
                "Somebody, probably you, signed up {company} with {to}.\n\n\
                 Open this page within a day, and confirm it there:\n{url}\n\n\
                 If it was not you, ignore this mail; there is no account then.\n"
            ),
        }
    }

    /// Tells somebody who signs up again that they are there.
    pub fn known_already(to: &Email, url: &str) -> Self {
        Self {
            to: to.to_string(),
            subject: "You have an account already".to_owned(),
            text: format!(
                "Somebody, probably you, signed up with {to}, which signs in to an account already.\n\n\
                 Sign in, or choose a new password, here:\n{url}/sign-in\n\n\
                 If it was not you, ignore this mail; nothing has changed.\n"
            ),
        }
    }

    /// Puts it into the outbox.
    pub fn post(
        &self,
        tx: &mut Tx<'_>,
        moment: &Moment,
        account: Option<AccountId>,
    ) -> Result<(), DbError> {
        let id = MessageId::new(moment.now, &mut OsEntropy);
        let text = SecretText::new(serde_json::to_string(self).map_err(DbError::broken)?);
        let sealed = moment.keys.pages.seal(&text, &place(id), &mut OsEntropy);
        messages::insert(tx, id, account, &sealed, moment.now)
    }

    /// As a message file (RFC 5322). A subject may hold names: what is no plain ASCII in it, and
    /// every line break, is encoded (RFC 2047).
    fn file(&self, id: MessageId, at: Time) -> String {
        use base64::Engine as _;
        let subject = base64::engine::general_purpose::STANDARD.encode(&self.subject);
        format!(
            "Message-ID: <{id}@keyway>\r\nDate: {}\r\nTo: <{}>\r\nSubject: =?UTF-8?B?{subject}?=\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n{}",
            at.to_offset_text(),
            self.to,
            self.text.replace('\n', "\r\n"),
        )
    }
}

fn place(id: MessageId) -> String {
    format!("mail/{id}")
}

/// Puts waiting letters into the mailbox folder, if there is one; otherwise they wait.
pub async fn deliver(app: &Arc<App>) -> Result<(), DbError> {
    let Some(folder) = &app.site.mailbox else { return Ok(()) };
    let waiting = app.db.read(|tx| messages::waiting(tx, BATCH)).await?;
    for (id, sealed, at) in waiting {
        let opened = app.keys.pages.unseal(&sealed, &place(id)).map_err(DbError::broken)?;
        let letter: Letter = serde_json::from_str(opened.reveal()).map_err(DbError::broken)?;
        if let Err(error) = write(&folder.join(format!("{id}.eml")), &letter.file(id, at)) {
            tracing::warn!(%error, "a letter could not be put into the mailbox folder");
            return Ok(());
        }
        let now = app.now();
        app.db.write(now, move |tx| messages::sent(tx, id, now)).await?;
    }
    Ok(())
}

/// Writes a file for its owner only. The same letter again is the same file.
fn write(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}
