//! From the server to a destination, in an order in which no secret gets lost.
//!
//! The destination is looked at first. A new credential whose strings can't be written is revoked. A
//! rotation keeps the previous secret accepted until the new one is written, and is rolled back if
//! it can't be. What a killed run leaves behind is found and settled by the next (`unfinished`).

mod unfinished;

use clap::Args;
use keyway_domain::time::parse_duration;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Client, Once};
use super::credentials::print_made;
use super::data::Data;
use super::destination::{Destination, Patience};
use super::output::Output;
use unfinished::{Asked, Unfinished};

/// Where the strings of a new secret go.
#[derive(Args)]
pub(crate) struct To {
    /// Put them there instead of showing them: env:FILE, vault:MOUNT/PATH or aws-sm:NAME; the last
    /// two take the names of fields behind a #.
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) to: Option<Destination>,
    /// With --to: show them as well.
    #[arg(long, requires = "to")]
    pub(crate) print: bool,
}

/// A handover under way.
pub(crate) struct Handover<'a> {
    client: Client,
    data: &'a Data,
    output: &'a Output,
    to: &'a Destination,
    print: bool,
}

/// The overlap in which a secret is written when there shall be none afterwards.
const WRITING_SECONDS: i64 = 15 * 60;

impl<'a> Handover<'a> {
    pub(crate) async fn begin(
        data: &'a Data,
        output: &'a Output,
        to: &'a Destination,
        print: bool,
    ) -> Result<Self, Failure> {
        Ok(Self { client: Client::connect(data).await?, data, output, to, print })
    }

    /// Makes a credential of a kind by a call that answers with it.
    pub(crate) async fn make(self, kind: &str, path: &str, body: Value) -> Result<(), Failure> {
        let kind = self.kind(kind).await?;
        let opened = self.to.open(&kind["strings"]).await?;
        let what = [path, &body.to_string(), &self.to.to_string()];
        let mut unfinished = Unfinished::open(&self.data.data, &what)?;
        let mut asked = match unfinished.earlier() {
            Some(asked) => asked,
            None => unfinished.begin(body.clone(), false)?,
        };
        let made = loop {
            let left = match self.ask(path, &asked).await? {
                Once::Refused(why) => return Err(refused(unfinished, why)),
                Once::Done { value, is_repeated: false } => break value,
                Once::Done { value, is_repeated: true } => self.left_behind(&value).await,
            };
            if let Some(left) = left {
                if opened.holds(&left).await? {
                    unfinished.end()?;
                    self.report(left);
                    return Ok(());
                }
                self.end_lost(&kind, &left).await?;
            }
            asked = unfinished.begin(body.clone(), false)?;
        };
        if let Err(Failure(why)) = opened.write(&made["secret"], Patience::Short).await {
            let id = made["id"].as_str().unwrap_or_default();
            self.end(&kind, &made).await.map_err(|Failure(not)| {
                Failure(format!(
                    "{}: {why}; the credential {id} was made, nobody holds its secret, and it \
                     could not be ended: {not}. End it: keyway credentials revoke {id} --account {}",
                    self.to,
                    made["account"].as_str().unwrap_or_default()
                ))
            })?;
            unfinished.end()?;
            return Err(Failure(format!("{}: {why}; the credential was ended again", self.to)));
        }
        unfinished.end()?;
        self.report(made);
        Ok(())
    }

    /// Gives a credential a new secret; the previous one ends when the new one is written, or later.
    pub(crate) async fn rotate(self, path: &str, overlap: Option<&str>) -> Result<(), Failure> {
        let before = self.client.get(path).await?;
        let kind = self.kind(before["kind"].as_str().unwrap_or_default()).await?;
        let (body, finishes) = plan(&kind, overlap)?;
        let opened = self.to.open(&kind["strings"]).await?;
        let rotate = format!("{path}/rotate");
        let mut unfinished = Unfinished::open(&self.data.data, &[&rotate, &self.to.to_string()])?;
        let mut asked = match unfinished.earlier() {
            Some(asked) => asked,
            None => unfinished.begin(body.clone(), finishes)?,
        };
        let made = loop {
            match self.ask(&rotate, &asked).await? {
                Once::Refused(why) => return Err(refused(unfinished, why)),
                Once::Done { value, is_repeated: false } => break value,
                Once::Done { .. } => {}
            }
            let left = self.client.get(path).await?;
            if opened.holds(&left).await? {
                let left = self.finish(path, left, asked.finishes).await?;
                unfinished.end()?;
                self.report(left);
                return Ok(());
            }
            if retiring(&left).is_some() {
                self.roll_back(path, &kind, &left).await?;
                self.output.progress(
                    "An earlier run was cut off before it wrote its secret; it was rolled back.",
                );
            }
            asked = unfinished.begin(body.clone(), finishes)?;
        };
        let patience = if has(&kind, "rollback") { Patience::Short } else { Patience::Long };
        if let Err(Failure(why)) = opened.write(&made["secret"], patience).await {
            if self.print && !has(&kind, "rollback") {
                unfinished.end()?;
                return Err(self.shown_only(&made, &why));
            }
            self.roll_back(path, &kind, &made)
                .await
                .map_err(|Failure(not)| Failure(format!("{}: {why}; {not}", self.to)))?;
            unfinished.end()?;
            return Err(Failure(format!(
                "{}: {why}; the rotation was rolled back, and the previous secret stays",
                self.to
            )));
        }
        let finished = self.finish(path, made, asked.finishes).await?;
        unfinished.end()?;
        self.report(finished);
        Ok(())
    }

    /// Replaces a secret whose scheme knows no overlap. Between the server's answer and the write
    /// nobody who reads the destination has a secret that is accepted.
    pub(crate) async fn regenerate(self, path: &str) -> Result<(), Failure> {
        let before = self.client.get(path).await?;
        let kind = self.kind(before["kind"].as_str().unwrap_or_default()).await?;
        let opened = self.to.open(&kind["strings"]).await?;
        let regenerate = format!("{path}/regenerate");
        let mut unfinished =
            Unfinished::open(&self.data.data, &[&regenerate, &self.to.to_string()])?;
        let mut asked = match unfinished.earlier() {
            Some(asked) => asked,
            None => unfinished.begin(json!({}), false)?,
        };
        let made = loop {
            match self.ask(&regenerate, &asked).await? {
                Once::Refused(why) => return Err(refused(unfinished, why)),
                Once::Done { value, is_repeated: false } => break value,
                Once::Done { .. } => {}
            }
            let left = self.client.get(path).await?;
            if opened.holds(&left).await? {
                unfinished.end()?;
                self.report(left);
                return Ok(());
            }
            asked = unfinished.begin(json!({}), false)?;
        };
        if let Err(Failure(why)) = opened.write(&made["secret"], Patience::Long).await {
            if self.print {
                unfinished.end()?;
                return Err(self.shown_only(&made, &why));
            }
            return Err(Failure(format!(
                "{}: {why}; the previous secret has ended and nobody holds the new one: run the \
                 same command again once that is put right",
                self.to
            )));
        }
        unfinished.end()?;
        self.report(made);
        Ok(())
    }

    async fn ask(&self, path: &str, asked: &Asked) -> Result<Once, Failure> {
        self.client.post_once(path, &asked.body, &asked.key).await.map_err(|Failure(why)| {
            Failure(format!("{why}; run the same command again: it finds out what was done"))
        })
    }

    /// What the scheme says of a kind.
    async fn kind(&self, name: &str) -> Result<Value, Failure> {
        let mut scheme = self.client.get("/v1/scheme").await?;
        let kinds = scheme["kinds"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let found = kinds.into_iter().find(|kind| kind["name"] == name);
        found.ok_or_else(|| Failure(format!("`{name}` is no kind of this scheme")))
    }

    /// The credential that an earlier run made and did not hand over, if it still lives.
    async fn left_behind(&self, made: &Value) -> Option<Value> {
        // One that was deleted is not found.
        let left = self.client.get(&path_of(made)).await.ok();
        left.filter(|left| left["status"] == "active")
    }

    /// Ends a credential that nobody can hold.
    async fn end_lost(&self, kind: &Value, left: &Value) -> Result<(), Failure> {
        let id = left["id"].as_str().unwrap_or_default();
        if !left["last_used_at"].is_null() {
            return Err(Failure(format!(
                "an earlier run of this command made {id}, whose secret is not in {} and yet is \
                 used: look where it is. Name the new credential otherwise to make another",
                self.to
            )));
        }
        self.end(kind, left).await?;
        self.output.progress(&format!(
            "An earlier run was cut off before it wrote the secret of {id}; that was ended."
        ));
        Ok(())
    }

    async fn end(&self, kind: &Value, made: &Value) -> Result<(), Failure> {
        let act = if has(kind, "revoke") { "revoke" } else { "delete" };
        self.client.post(&format!("{}/{act}", path_of(made)), &json!({})).await.map(drop)
    }

    /// Ends the new secret, so that the previous one is current again.
    async fn roll_back(&self, path: &str, kind: &Value, now: &Value) -> Result<(), Failure> {
        let until = retiring(now).unwrap_or_default();
        if !has(kind, "rollback") {
            return Err(Failure(format!(
                "this scheme can't roll back, and nobody holds the new secret. The previous one is \
                 accepted until {until}: before then, make another credential (keyway credentials \
                 create --to), move to it, and revoke this one"
            )));
        }
        let rolled = self.client.post(&format!("{path}/rollback"), &json!({})).await;
        rolled.map(drop).map_err(|Failure(why)| {
            Failure(format!(
                "nobody holds the new secret, and it could not be rolled back: {why}. The previous \
                 one is accepted until {until}: run the same command again before then"
            ))
        })
    }

    /// Ends the previous secret, if it was to have no overlap.
    async fn finish(&self, path: &str, made: Value, finishes: bool) -> Result<Value, Failure> {
        let Some(until) = retiring(&made).filter(|_| finishes) else { return Ok(made) };
        let finished = self.client.post(&format!("{path}/finish"), &json!({})).await;
        let mut finished = finished.map_err(|Failure(why)| {
            Failure(format!(
                "the new secret is in {}, but the previous one could not be ended: {why}. It is \
                 accepted until {until}; run the same command again to end it now",
                self.to
            ))
        })?;
        finished["secret"] = made["secret"].clone();
        Ok(finished)
    }

    /// Shows what could not be written, where that was wanted and it would be lost otherwise.
    fn shown_only(&self, made: &Value, why: &str) -> Failure {
        print_made(made, self.output);
        Failure(format!("{}: {why}; the new strings are shown above and nowhere else", self.to))
    }

    fn report(&self, mut made: Value) {
        made["written_to"] = json!(self.to.to_string());
        if self.print && !made["secret"].is_null() {
            print_made(&made, self.output);
        } else {
            made["secret"] = Value::Null;
            made["secret_shown"] = json!(false);
            self.output.object(&made);
        }
        self.output.line(format!("Its strings are in {}.", self.to));
    }
}

/// What is asked of the server, and whether the previous secret is ended when the new one is
/// written.
fn plan(kind: &Value, overlap: Option<&str>) -> Result<(Value, bool), Failure> {
    if !has(kind, "rotate") {
        let what = if has(kind, "regenerate") {
            "it can only be regenerated, which ends the old secret before the new one is written: \
             keyway credentials regenerate --to … --accept-gap"
        } else {
            "make a second one (keyway credentials create --to …), move to it, and revoke this one"
        };
        return Err(Failure(format!("this scheme does not rotate such a credential; {what}")));
    }
    let bounds = &kind["overlap_seconds"];
    let bound = |name: &str| bounds[name].as_i64().unwrap_or(0);
    let seconds = match overlap {
        None => bound("default"),
        Some(text) => parse_duration(text).map_or(-1, |ms| ms / 1_000),
    };
    // What is wrong with it the server says best.
    if seconds != 0 || bound("from") > 0 {
        return Ok((json!({ "overlap": overlap }), false));
    }
    let writing = WRITING_SECONDS.min(bound("to"));
    if writing == 0 {
        return Err(Failure(
            "this scheme ends the previous secret before the new one could be written; make a \
             second credential (keyway credentials create --to …), move to it, and revoke this one"
                .to_owned(),
        ));
    }
    if !has(kind, "finish") {
        return Err(Failure(
            "the new secret must be written before the previous one ends, and this scheme ends it \
             by time only: choose an --overlap"
                .to_owned(),
        ));
    }
    Ok((json!({ "overlap": format!("{writing}s") }), true))
}

fn has(kind: &Value, act: &str) -> bool {
    kind["acts"].as_array().is_some_and(|acts| acts.iter().any(|one| one == act))
}

/// Until when the previous secret is accepted.
fn retiring(credential: &Value) -> Option<&str> {
    let secrets = credential["secrets"].as_array()?;
    secrets.iter().find(|one| one["state"] == "retiring")?["accepted_until"].as_str()
}

fn path_of(credential: &Value) -> String {
    let text = |name: &str| credential[name].as_str().unwrap_or_default();
    format!("/v1/accounts/{}/credentials/{}", text("account"), text("id"))
}

/// The server refused: there is nothing to settle.
fn refused(unfinished: Unfinished, why: Failure) -> Failure {
    match unfinished.end() {
        Ok(()) => why,
        Err(failure) => failure,
    }
}
