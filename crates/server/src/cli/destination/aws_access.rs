//! Who we are to AWS, and where: from the environment, or from the files of AWS's own tools.
//!
//! Instance roles, web identity and single sign-on are not asked; `aws configure export-credentials
//! --format env` turns those into the environment variables that are.

use std::collections::HashMap;
use std::path::PathBuf;

use keyway_secret::SecretText;
use zeroize::Zeroizing;

use super::sigv4::Access;
use super::{Trouble, in_home, setting};

/// A larger file is not one of those.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The access key, from the environment or from a profile of the credentials file.
pub(super) fn access() -> Result<Access, Trouble> {
    if let Some(id) = setting("AWS_ACCESS_KEY_ID") {
        let secret = setting("AWS_SECRET_ACCESS_KEY").map(SecretText::new);
        let secret = secret.ok_or_else(|| Trouble::lasting("AWS_SECRET_ACCESS_KEY is not set"))?;
        let session = setting("AWS_SESSION_TOKEN").map(SecretText::new);
        return Ok(Access { id, secret, session });
    }
    let file = file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    let name = profile();
    let mut found = section(file, &[&name])?;
    let mut take = |key| found.remove(key).map(|text| SecretText::new(text.to_string()));
    match (take("aws_access_key_id"), take("aws_secret_access_key")) {
        (Some(id), Some(secret)) => {
            Ok(Access { id: id.reveal().to_owned(), secret, session: take("aws_session_token") })
        }
        _ => Err(Trouble::lasting(format!(
            "there is no access key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them \
             into the credentials file, for the profile {name}"
        ))),
    }
}

/// The region, from the environment or from the profile.
pub(super) fn region() -> Result<String, Trouble> {
    let named = setting("AWS_REGION").or_else(|| setting("AWS_DEFAULT_REGION"));
    let region = if let Some(region) = named {
        region
    } else {
        let (name, file) = (profile(), file("AWS_CONFIG_FILE", ".aws/config"));
        let mut found = section(file, &[&format!("profile {name}"), &name])?;
        let region = found.remove("region").map(|region| region.to_string());
        region.ok_or_else(|| Trouble::lasting("there is no region: set AWS_REGION"))?
    };
    // It becomes a part of a host's name.
    let is_region =
        region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_region {
        return Err(Trouble::lasting(format!("`{region}` is no region")));
    }
    Ok(region)
}

/// Where Secrets Manager is in a region.
pub(super) fn address(region: &str) -> String {
    let named = setting("AWS_ENDPOINT_URL_SECRETS_MANAGER").or_else(|| setting("AWS_ENDPOINT_URL"));
    named.unwrap_or_else(|| {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        format!("https://secretsmanager.{region}.amazonaws.com{china}")
    })
}

fn profile() -> String {
    setting("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())
}

fn file(named: &str, in_home_at: &str) -> Option<PathBuf> {
    setting(named).map(PathBuf::from).or_else(|| in_home(in_home_at))
}

/// The settings of the first of these sections that the file has.
fn section(
    path: Option<PathBuf>,
    names: &[&str],
) -> Result<HashMap<String, Zeroizing<String>>, Trouble> {
    let Some(path) = path.filter(|path| path.exists()) else { return Ok(HashMap::new()) };
    let named =
        |why: &dyn std::fmt::Display| Trouble::lasting(format!("{}: {why}", path.display()));
    let about = std::fs::metadata(&path).map_err(|why| named(&why))?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        return Err(named(&"it is not a file of settings"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|why| named(&why))?);
    Ok(names.iter().find_map(|name| settings_of(&text, name)).unwrap_or_default())
}

fn settings_of(text: &str, name: &str) -> Option<HashMap<String, Zeroizing<String>>> {
    let heading = |line: &str| {
        let inside = line.trim().strip_prefix('[')?.split(']').next()?;
        Some(inside.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let mut lines = text.lines();
    lines.find(|line| heading(line).as_deref() == Some(name))?;
    let mut found = HashMap::new();
    for line in lines.take_while(|line| heading(line).is_none()) {
        // An indented line belongs to the setting above it, of which there is none for us.
        let is_ours = !line.starts_with([' ', '\t', '#', ';']);
        if let Some((key, value)) = line.split_once('=').filter(|_| is_ours) {
            found.insert(key.trim().to_ascii_lowercase(), Zeroizing::new(value.trim().to_owned()));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_its_section() {
        let text = "# mine\n[default]\naws_access_key_id = A\n\n[ profile  work ]\nregion=eu-west-1\n\
            s3 =\n  region = no\n; region = no\n[other]\nregion = us-east-1\n";
        let work = settings_of(text, "profile work").unwrap();
        assert_eq!(work.get("region").map(|text| text.as_str()), Some("eu-west-1"));
        assert!(!work.contains_key("aws_access_key_id"));
        assert_eq!(settings_of(text, "default").unwrap().len(), 1);
        assert!(settings_of(text, "nobody").is_none());
    }
}
