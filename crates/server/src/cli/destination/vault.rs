//! HashiCorp Vault and OpenBao: an entry of a key/value store, version 2.
//!
//! Address, token, namespace and authorities come from where Vault's own command line has them:
//! `VAULT_ADDR`, `VAULT_TOKEN` or `~/.vault-token`, `VAULT_NAMESPACE`, `VAULT_CACERT`. An entry is
//! written with check-and-set, so that nothing that others write in between is lost.

use bytes::Bytes;
use http::{Method, StatusCode};
use keyway_secret::SecretText;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entries::Entries;
use super::https::{Answer, Server, said};
use super::{Tried, Trouble, in_home, setting};
use crate::cli::secret_file;

/// Longer than any path that somebody would type.
const PATH_BYTES_MAX: usize = 512;

/// What Vault says when somebody else wrote in between (with status 400).
const OVERTAKEN: &str = "check-and-set parameter did not match the current version";

/// An entry that was looked at.
pub(super) struct Entry {
    vault: Vault,
    /// Its place in the API, from `/v1/` on.
    api_path: String,
    names: Vec<String>,
}

struct Vault {
    server: Server,
    token: SecretText,
    namespace: Option<String>,
}

/// A version of an entry: `data.data` and `data.metadata` of the answer.
#[derive(Default, Deserialize)]
struct Version {
    /// Nothing if this version was deleted.
    data: Option<Entries>,
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    version: u64,
}

/// What every answer is wrapped in.
#[derive(Deserialize)]
struct Wrapped<T> {
    data: T,
}

#[derive(Serialize)]
struct Put<'a> {
    options: Options,
    data: &'a Entries,
}

#[derive(Serialize)]
struct Options {
    /// The version that must be the current one; 0 for none.
    cas: u64,
}

#[derive(Deserialize)]
struct Mount {
    path: String,
    options: Option<MountOptions>,
}

#[derive(Deserialize)]
struct MountOptions {
    version: Option<String>,
}

/// A mount and a path in it, such as `secret/payments/app`.
pub(super) fn checked_path(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..") && part.bytes().all(|byte| (0x21..0x7f).contains(&byte))
    };
    if path.len() > PATH_BYTES_MAX || !path.contains('/') || !path.split('/').all(is_part) {
        return Err("write vault:MOUNT/PATH, such as vault:secret/payments/app".to_owned());
    }
    Ok(path.to_owned())
}

/// Looks where the entry is, and whether it may be written.
pub(super) async fn open(path: &str, names: Vec<String>) -> Result<Entry, Trouble> {
    let vault = Vault::of_settings()?;
    let mount = vault.mount_of(path).await?;
    let below = path.strip_prefix(&mount).filter(|below| !below.is_empty());
    let below = below.ok_or_else(|| Trouble::lasting(format!("{mount} is a whole store")))?;
    let entry = Entry { vault, api_path: format!("{mount}data/{below}"), names };
    let version = entry.version().await?;
    entry.check_rights(version.metadata.version > 0).await?;
    Ok(entry)
}

impl Entry {
    /// What is under each name now.
    pub(super) async fn held(&self) -> Result<Vec<Option<SecretText>>, Trouble> {
        Ok(self.version().await?.data.unwrap_or_default().texts(&self.names))
    }

    /// Puts each text under its name, if the entry is still as it is read here.
    pub(super) async fn write(&self, texts: &[SecretText]) -> Result<Tried, Trouble> {
        let version = self.version().await?;
        let mut entries = version.data.unwrap_or_default();
        if entries.hold(&self.names, texts) {
            return Ok(Tried::Written);
        }
        entries.put(&self.names, texts)?;
        let put = Put { options: Options { cas: version.metadata.version }, data: &entries };
        let body = serde_json::to_vec(&put).map_err(Trouble::lasting)?;
        let answer = self.vault.call(Method::POST, &self.api_path, body.into()).await?;
        match answer.status {
            status if status.is_success() => Ok(Tried::Written),
            StatusCode::BAD_REQUEST if said(&answer.body).contains(OVERTAKEN) => {
                Ok(Tried::Overtaken)
            }
            _ => Err(refused(&answer, "it can't be written")),
        }
    }

    async fn version(&self) -> Result<Version, Trouble> {
        let answer = self.vault.call(Method::GET, &self.api_path, Bytes::new()).await?;
        match answer.status {
            StatusCode::OK => Ok(read::<Version>(&answer)?),
            // With the number of the version that was deleted, which check-and-set wants to see.
            StatusCode::NOT_FOUND => Ok(read(&answer).unwrap_or_default()),
            _ => Err(refused(&answer, "it can't be read")),
        }
    }

    /// Asks what the token may do, where it may ask that.
    async fn check_rights(&self, exists: bool) -> Result<(), Trouble> {
        let body = json!({ "paths": [self.api_path] }).to_string();
        let answer = self.vault.call(Method::POST, "sys/capabilities-self", body.into()).await?;
        if answer.status != StatusCode::OK {
            return Ok(());
        }
        let said: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(Trouble::lasting)?;
        let rights = said[&self.api_path].as_array().map_or(&[][..], Vec::as_slice);
        let wanted = if exists { "update" } else { "create" };
        if rights.is_empty() || rights.iter().any(|one| *one == wanted || *one == "root") {
            return Ok(());
        }
        Err(Trouble::lasting(format!("the token may not {wanted} {}", self.api_path)))
    }
}

impl Vault {
    fn of_settings() -> Result<Self, Trouble> {
        let address = setting("VAULT_ADDR").unwrap_or_else(|| "https://127.0.0.1:8200".to_owned());
        let server = Server::at(&address, setting("VAULT_CACERT").as_deref())?;
        let token = match setting("VAULT_TOKEN").map(SecretText::new) {
            Some(token) => token,
            None => token_in_home()?,
        };
        Ok(Self { server, token, namespace: setting("VAULT_NAMESPACE") })
    }

    /// The store that a path is in, with a slash at its end.
    async fn mount_of(&self, path: &str) -> Result<String, Trouble> {
        // It is what Vault's own command line asks: a store's name may have slashes.
        let asked = format!("sys/internal/ui/mounts/{path}");
        let answer = self.call(Method::GET, &asked, Bytes::new()).await?;
        if answer.status != StatusCode::OK {
            let (first, _) = path.split_once('/').unwrap_or((path, ""));
            return Ok(format!("{first}/"));
        }
        let mount: Mount = read(&answer)?;
        let version = mount.options.and_then(|options| options.version);
        if version.as_deref() != Some("2") {
            return Err(Trouble::lasting(format!(
                "{} is no key/value store of version 2",
                mount.path
            )));
        }
        Ok(mount.path)
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, Trouble> {
        let path: String = path.split('/').map(|part| format!("/{}", encoded(part))).collect();
        let mut request = self.server.request(method, &format!("/v1{path}"));
        request = request.header("x-vault-request", "true");
        request = request.header("x-vault-token", self.token.reveal());
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.server.send(request, body).await
    }
}

fn token_in_home() -> Result<SecretText, Trouble> {
    let file = in_home(".vault-token").filter(|file| file.exists());
    let file = file.ok_or_else(|| {
        Trouble::lasting("there is no token: set VAULT_TOKEN, or run `vault login`")
    })?;
    secret_file(&file).map_err(|failure| Trouble::Lasting(failure.0))
}

fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Trouble> {
    let wrapped: Wrapped<T> = serde_json::from_slice(&answer.body)
        .map_err(|_| Trouble::lasting("the server does not answer as Vault does"))?;
    Ok(wrapped.data)
}

fn refused(answer: &Answer, what: &str) -> Trouble {
    Trouble::Lasting(format!("{what} ({}): {}", answer.status.as_u16(), said(&answer.body)))
}

/// One part of a path, with what means something in a URL encoded.
fn encoded(part: &str) -> String {
    part.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_mount_and_no_tricks() {
        assert_eq!(checked_path("secret/app").unwrap(), "secret/app");
        assert_eq!(checked_path("/team/kv/app/").unwrap(), "team/kv/app");
        for wrong in ["secret", "a//b", "a/../b", "a/./b", "a/b\n", "a/é", "", "/"] {
            assert!(checked_path(wrong).is_err(), "{wrong}");
        }
        assert_eq!(encoded("a b?c#d%e"), "a%20b%3Fc%23d%25e");
    }
}
