//! AWS Secrets Manager: a secret whose text is a JSON object, as its console makes them.
//!
//! A new version is put under a label of its own first, and becomes the current one only if the
//! version it was made from still is: `UpdateSecretVersionStage` refuses otherwise. So nothing that
//! others write in between is lost, although the service has no other check-and-set.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{Method, StatusCode};
use keyway_secret::{Entropy as _, OsEntropy, SecretText};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::entries::Entries;
use super::https::{Server, said};
use super::sigv4::{Access, Scope, authorization, stamp};
use super::{Tried, Trouble, aws_access, setting};
use crate::clock::{Clock as _, SystemClock};
use crate::commands::sessions::hex;

/// Names have at most 512 characters, and an ARN some more around it.
const NAME_BYTES_MAX: usize = 2_048;

/// The label of a version that is not the current one yet.
const LABEL: &str = "KEYWAY";
const CURRENT: &str = "AWSCURRENT";

/// A secret that was looked at.
pub(super) struct Secret {
    service: Service,
    name: String,
    names: Vec<String>,
    /// Makes the tokens of this run its own.
    run: u128,
}

struct Service {
    server: Server,
    access: Access,
    region: String,
}

/// The current version.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version_id: String,
    secret_string: Option<String>,
}

/// Why the service refused.
struct Refused {
    kind: String,
    message: String,
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        let why = format!("{}: {}", refused.kind, refused.message);
        if refused.kind.contains("Throttl") { Self::Passing(why) } else { Self::Lasting(why) }
    }
}

/// The name or the ARN of a secret.
pub(super) fn checked_name(text: &str) -> Result<String, String> {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-:".contains(&b));
    if !fits || text.len() > NAME_BYTES_MAX || (text.contains(':') && region_of(text).is_none()) {
        return Err("write aws-sm:NAME or aws-sm:ARN, such as aws-sm:payments/app".to_owned());
    }
    Ok(text.to_owned())
}

/// The region that an ARN is in: `arn:aws:secretsmanager:REGION:…`.
fn region_of(name: &str) -> Option<&str> {
    let mut parts = name.strip_prefix("arn:")?.split(':').skip(1);
    (parts.next()? == "secretsmanager").then(|| parts.next()).flatten()
}

/// Looks whether the secret is there and is one that can be added to.
pub(super) async fn open(name: &str, names: Vec<String>) -> Result<Secret, Trouble> {
    let region = match region_of(name) {
        Some(region) => region.to_owned(),
        None => aws_access::region()?,
    };
    let authorities = setting("AWS_CA_BUNDLE");
    let server = Server::at(&aws_access::address(&region), authorities.as_deref())?;
    let service = Service { server, access: aws_access::access()?, region };
    let secret = Secret { service, name: name.to_owned(), names, run: OsEntropy.u128() };
    if secret.version().await?.is_none() && region_of(name).is_some() {
        return Err(Trouble::lasting("there is no such secret, and only a name can make one"));
    }
    Ok(secret)
}

impl Secret {
    /// What is under each name now.
    pub(super) async fn held(&self) -> Result<Vec<Option<SecretText>>, Trouble> {
        let entries = self.version().await?.map(|(_, entries)| entries);
        Ok(entries.unwrap_or_default().texts(&self.names))
    }

    /// Puts each text under its name, if the secret is still as it is read here.
    pub(super) async fn write(&self, texts: &[SecretText]) -> Result<Tried, Trouble> {
        let Some((current, mut entries)) = self.version().await? else {
            return self.create(texts).await;
        };
        if entries.hold(&self.names, texts) {
            return Ok(Tried::Written);
        }
        entries.put(&self.names, texts)?;
        let token = self.token(&current);
        let put = self.body(&token, &entries, Some(LABEL))?;
        self.service.call("PutSecretValue", put).await??;
        let moved = json!({
            "SecretId": self.name, "VersionStage": CURRENT,
            "MoveToVersionId": token, "RemoveFromVersionId": current,
        });
        match self.service.call("UpdateSecretVersionStage", moved.to_string().into()).await? {
            Ok(_) => Ok(Tried::Written),
            Err(refused) if refused.kind == "InvalidParameterException" => Ok(Tried::Overtaken),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn create(&self, texts: &[SecretText]) -> Result<Tried, Trouble> {
        let mut entries = Entries::default();
        entries.put(&self.names, texts)?;
        let token = self.token("");
        let text = text_of(&entries)?;
        let new = json!({
            "Name": self.name, "ClientRequestToken": token, "SecretString": &*text,
            "Description": "Written by keyway",
        });
        match self.service.call("CreateSecret", new.to_string().into()).await? {
            Ok(_) => return Ok(Tried::Written),
            Err(refused) if refused.kind == "ResourceExistsException" => {}
            Err(refused) => return Err(refused.into()),
        }
        if self.version().await?.is_some() {
            return Ok(Tried::Overtaken);
        }
        // It was made without a value; the first one becomes the current one by itself.
        let put = self.body(&token, &entries, None)?;
        self.service.call("PutSecretValue", put).await??;
        Ok(Tried::Written)
    }

    fn body(&self, token: &str, entries: &Entries, label: Option<&str>) -> Result<Bytes, Trouble> {
        let text = text_of(entries)?;
        let mut put = json!({
            "SecretId": self.name, "ClientRequestToken": token, "SecretString": &*text,
        });
        if let Some(label) = label {
            put["VersionStages"] = json!([label]);
        }
        Ok(put.to_string().into())
    }

    /// The id of the version that this run makes from another one: a call that is repeated because
    /// nobody heard its answer makes no second version.
    fn token(&self, from: &str) -> String {
        let parts = [&self.run.to_be_bytes(), from.as_bytes()].concat();
        hex(digest(&SHA256, &parts).as_ref())
    }

    /// The current version, its id and what is in it; nothing if there is none.
    async fn version(&self) -> Result<Option<(String, Entries)>, Trouble> {
        let asked = json!({ "SecretId": self.name, "VersionStage": CURRENT }).to_string();
        let body = match self.service.call("GetSecretValue", asked.into()).await? {
            Ok(body) => body,
            Err(refused) if refused.kind == "ResourceNotFoundException" => return Ok(None),
            Err(refused) => return Err(refused.into()),
        };
        let odd = || Trouble::lasting("the server does not answer as Secrets Manager does");
        let version: Version = serde_json::from_slice(&body).map_err(|_| odd())?;
        let text = version.secret_string.map(Zeroizing::new);
        let entries = text.and_then(|text| serde_json::from_str::<Entries>(&text).ok());
        let entries = entries.ok_or_else(|| {
            Trouble::lasting("what it holds is no JSON object, and would be lost; name another")
        })?;
        Ok(Some((version.version_id, entries)))
    }
}

fn text_of(entries: &Entries) -> Result<Zeroizing<String>, Trouble> {
    serde_json::to_string(entries).map(Zeroizing::new).map_err(Trouble::lasting)
}

type Body = Zeroizing<Vec<u8>>;

impl Service {
    /// Calls an action of the JSON protocol, version 1.1.
    async fn call(&self, action: &str, body: Bytes) -> Result<Result<Body, Refused>, Trouble> {
        let stamp = stamp(SystemClock.now());
        let authority = self.server.authority();
        let target = format!("secretsmanager.{action}");
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("host", authority.as_str()),
            ("x-amz-date", stamp.as_str()),
        ];
        if let Some(session) = &self.access.session {
            headers.push(("x-amz-security-token", session.reveal()));
        }
        headers.push(("x-amz-target", target.as_str()));
        let scope = Scope { region: &self.region, service: "secretsmanager" };
        let signed = authorization(&self.access, &scope, &stamp, &headers, &body);
        let mut request = self.server.request(Method::POST, "/").header("authorization", signed);
        for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        let answer = self.server.send(request, body).await?;
        if answer.status == StatusCode::OK {
            return Ok(Ok(answer.body));
        }
        let refusal: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        // Some answer with a name in front: `com.amazonaws.secretsmanager#…`.
        let kind = refusal["__type"].as_str().and_then(|kind| kind.rsplit('#').next());
        let kind = kind.map_or_else(|| answer.status.to_string(), str::to_owned);
        let message = refusal["message"].as_str().or_else(|| refusal["Message"].as_str());
        let message = message.map_or_else(|| said(&answer.body), |text| said(text.as_bytes()));
        Ok(Err(Refused { kind, message }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_or_has_an_arn_with_its_region() {
        let arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:app-AbCdEf";
        assert_eq!(checked_name(arn).unwrap(), arn);
        assert_eq!(region_of(arn), Some("cn-north-1"));
        assert_eq!(region_of(&checked_name("prod/app_1.x@y=z+").unwrap()), None);
        for wrong in ["a b", "é", "a:b", "arn:aws:s3:eu-west-1:1:x", "a\n"] {
            assert!(checked_name(wrong).is_err(), "{wrong}");
        }
    }
}
