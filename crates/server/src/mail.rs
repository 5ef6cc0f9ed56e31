//! Mail to people: the outbox it waits in, and the server or the folder it is handed to.
//!
//! A letter is written in the transaction of what it tells, and sealed: it may hold a link that is
//! good once. It never holds a credential, and no link acts by being opened. What letters say is in
//! `mail/words.rs`.

mod smtp;
mod words;

pub use smtp::Server;
pub use words::{Letter, notice};

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_domain::id::{AccountId, MessageId};
use keyway_domain::limits::{CLAIM_MS, LETTER_TRIED_MS};
use keyway_domain::time::Time;
use keyway_secret::{OsEntropy, SecretText};
use keyway_store::messages::Waiting;
use keyway_store::{DbError, Tx, messages};
use lettre::Message;
use lettre::message::header::ContentTransferEncoding;
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};

use crate::app::App;
use crate::commands::Moment;
use smtp::NotSent;

/// Bytes of a line of mail, without its end.
const LINE_BYTES_MAX: usize = 990;
/// Letters that are claimed at once.
const BATCH: u32 = 20;
/// Waits between the tries of a letter; the last one again and again, until it is given up.
const WAITS_MS: [i64; 5] = [10_000, 60_000, 300_000, 900_000, 3_600_000];

/// How mail leaves.
#[derive(Debug, Clone, Default)]
pub struct Post {
    /// The mail server.
    pub server: Option<Server>,
    /// Where mail is put as files, while there is no mail server.
    pub folder: Option<PathBuf>,
    /// Who the letters are from.
    pub from: Option<Mailbox>,
}

impl Letter {
    /// Puts it into the outbox.
    pub fn post(
        &self,
        tx: &mut Tx<'_>,
        moment: &Moment,
        account: Option<AccountId>,
    ) -> Result<(), DbError> {
        self.post_at(tx, moment, account, moment.now)
    }

    /// Puts it into the outbox, to be sent at an instant or later.
    pub fn post_at(
        &self,
        tx: &mut Tx<'_>,
        moment: &Moment,
        account: Option<AccountId>,
        due: Time,
    ) -> Result<(), DbError> {
        let id = MessageId::new(moment.now, &mut OsEntropy);
        let text = SecretText::new(serde_json::to_string(self).map_err(DbError::broken)?);
        let sealed = moment.keys.pages.seal(&text, &place(id), &mut OsEntropy);
        messages::insert(tx, id, account, &sealed, (moment.now, due))
    }

    /// As a message (RFC 5322): the same id at every attempt, text and HTML beside each other.
    fn message(&self, id: MessageId, at: Time, from: &Mailbox) -> Result<Message, String> {
        let domain = from.email.domain();
        let date = std::time::UNIX_EPOCH
            + std::time::Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
        Message::builder()
            .message_id(Some(format!("<{id}@{domain}>")))
            .date(date)
            .from(from.clone())
            .to(self.to.parse().map_err(|_| "the address is not one".to_owned())?)
            .subject(self.subject.clone())
            .multipart(
                MultiPart::alternative()
                    .singlepart(SinglePart::plain(plain(&self.text())))
                    .singlepart(SinglePart::html(self.html())),
            )
            .map_err(|error| error.to_string())
    }
}

/// A text as the body of a mail: as it is where that is allowed (RFC 5321 §4.5.3.1.6), so that a
/// link is in one piece also for who reads the file.
fn plain(text: &str) -> Body {
    let is_plain = |byte: u8| byte == b'\n' || (32..127).contains(&byte);
    if text.bytes().all(is_plain) && text.lines().all(|line| line.len() <= LINE_BYTES_MAX) {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        return Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::SevenBit);
    }
    Body::new(text.to_owned())
}

fn place(id: MessageId) -> String {
    format!("mail/{id}")
}

/// Sends what is due, until nothing is; the rest waits.
pub async fn deliver(app: &Arc<App>) -> Result<(), DbError> {
    if app.site.post.server.is_none() && app.site.post.folder.is_none() {
        return Ok(());
    }
    loop {
        let now = app.now();
        let until = now.plus_ms(CLAIM_MS);
        // Looked at first without writing: mostly nothing is due.
        let claim = move |tx: &mut Tx<'_>| messages::claim(tx, (now, until), BATCH);
        if !app.db.read(move |tx| messages::any_due(tx, now)).await? {
            return Ok(());
        }
        let due = app.db.write(now, claim).await?;
        if due.is_empty() {
            return Ok(());
        }
        for waiting in due {
            send(app, waiting).await?;
        }
    }
}

async fn send(app: &Arc<App>, waiting: Waiting) -> Result<(), DbError> {
    let (id, attempts, created_at) = (waiting.id, waiting.attempts, waiting.created_at);
    let done = match open(app, &waiting) {
        Ok(message) => hand_over(app, id, message).await,
        // A letter that can't be opened was changed in the database: nobody gets it.
        Err(why) => Err(NotSent { why, final_: true }),
    };
    let now = app.now();
    let Err(NotSent { why, final_ }) = done else {
        return app.db.write(now, move |tx| messages::sent(tx, id, now)).await;
    };
    let gives_up = final_ || created_at.plus_ms(LETTER_TRIED_MS) <= now;
    let step = usize::try_from(attempts).unwrap_or(usize::MAX).min(WAITS_MS.len() - 1);
    let again = (!gives_up).then(|| now.plus_ms(WAITS_MS[step]));
    if gives_up {
        tracing::error!(message = %id, why, "a letter is given up");
    } else {
        tracing::warn!(message = %id, why, "a letter was not sent; it waits");
    }
    app.db.write(now, move |tx| messages::not_sent(tx, id, &why, again, now)).await
}

/// A kept letter, if it can be read.
pub fn read(app: &App, kept: &Waiting) -> Option<Letter> {
    let opened = app.keys.pages.unseal(&kept.sealed, &place(kept.id)).ok()?;
    serde_json::from_str(opened.reveal()).ok()
}

fn open(app: &App, waiting: &Waiting) -> Result<Message, String> {
    let letter = read(app, waiting).ok_or("the kept letter is not readable")?;
    let own = || Mailbox::new(Some("Keyway".to_owned()), own_address());
    let from = app.site.post.from.clone().unwrap_or_else(own);
    letter.message(waiting.id, waiting.created_at, &from)
}

/// Who letters are from where nobody said.
fn own_address() -> lettre::Address {
    lettre::Address::new("keyway", "localhost").expect("it is an address")
}

async fn hand_over(app: &App, id: MessageId, message: Message) -> Result<(), NotSent> {
    let post = &app.site.post;
    if let Some(server) = &post.server {
        return server.send(message).await;
    }
    let Some(folder) = &post.folder else { return Ok(()) };
    write(&folder.join(format!("{id}.eml")), &message.formatted())
        .map_err(|error| NotSent { why: error.to_string(), final_: false })
}

/// Writes a file for its owner only. The same letter again is the same file.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}
