//! The scheme file as TOML has it, before it is checked.

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) words: Words,
    pub(super) environments: Environments,
    pub(super) access: Spanned<Access>,
    #[serde(default)]
    pub(super) groups: Vec<Group>,
    pub(super) resources: Spanned<Vec<Resource>>,
    pub(super) routes: Spanned<Vec<Spanned<String>>>,
    pub(super) kinds: Spanned<Vec<Kind>>,
    #[serde(default)]
    pub(super) rates: Rates,
    #[serde(default)]
    pub(super) quotas: Vec<Spanned<Quota>>,
    pub(super) dialect: Dialect,
    pub(super) login: Option<Spanned<Login>>,
    pub(super) oauth: Option<Spanned<OAuth>>,
    pub(super) signature: Option<Spanned<Signature>>,
    #[serde(default)]
    pub(super) notices: Vec<Notice>,
    #[serde(default)]
    pub(super) people: People,
    #[serde(default)]
    pub(super) rules: SecurityRules,
    pub(super) idle_after_days: Option<u32>,
    pub(super) audit_kept_days: Option<Spanned<u32>>,
    pub(super) webhooks: Option<Spanned<Webhooks>>,
}

/// Pairs that may be traded for access tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OAuth {
    pub(super) lifetime: Spanned<String>,
}

/// Security rules of every account.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SecurityRules {
    pub(super) second_factor: bool,
    pub(super) overlap_max: Option<Spanned<String>>,
    pub(super) lifetime_days_max: Option<Spanned<i64>>,
    pub(super) addresses_for_money: bool,
    pub(super) second_person: bool,
}

/// How messages to endpoints are signed beside the standard way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhooks {
    pub(super) message: Vec<Spanned<String>>,
}

/// Who may do what beside credentials.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct People {
    pub(super) manage: Vec<Spanned<String>>,
    pub(super) audit: Vec<Spanned<String>>,
    pub(super) settings: Vec<Spanned<String>>,
}

impl Default for People {
    fn default() -> Self {
        let roles = |words: &[&str]| {
            words.iter().map(|word| Spanned::new(0..0, (*word).to_owned())).collect()
        };
        Self {
            manage: roles(&["owner", "admin"]),
            audit: roles(&["owner", "admin", "viewer"]),
            settings: roles(&["owner", "admin"]),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) credential: String,
    pub(super) credentials: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Environments {
    pub(super) test: EnvironmentWords,
    pub(super) live: EnvironmentWords,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvironmentWords {
    pub(super) label: String,
    pub(super) word: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Access {
    pub(super) style: Spanned<String>,
    pub(super) labels: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: Spanned<String>,
    pub(super) label: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) name: Spanned<String>,
    pub(super) label: String,
    #[serde(default)]
    pub(super) about: String,
    #[serde(default)]
    pub(super) moves_money: bool,
    pub(super) group: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    pub(super) name: Spanned<String>,
    pub(super) label: String,
    pub(super) format: Spanned<String>,
    #[serde(default = "default_secret_field")]
    pub(super) field: String,
    pub(super) variable: String,
    pub(super) id: Option<Spanned<Id>>,
    pub(super) presented: Spanned<Vec<Spanned<String>>>,
    pub(super) kept: Spanned<String>,
    #[serde(default)]
    pub(super) single: bool,
    #[serde(default)]
    pub(super) at_registration: bool,
    pub(super) grant: Spanned<KindGrant>,
    #[serde(default)]
    pub(super) except: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) everything: bool,
    pub(super) expiry: Spanned<String>,
    pub(super) lifetime_days_max: Option<Spanned<i64>>,
    pub(super) old_after_days: Option<u32>,
    pub(super) example: Spanned<Example>,
    pub(super) acts: std::collections::BTreeMap<Spanned<String>, Act>,
}

fn default_secret_field() -> String {
    "key".to_owned()
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum KindGrant {
    Word(String),
    Fixed(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    pub(super) format: Spanned<String>,
    pub(super) field: String,
    pub(super) variable: String,
    pub(super) per: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    pub(super) by: Vec<Spanned<String>>,
    pub(super) step_up: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) confirm: bool,
    pub(super) overlap: Option<Spanned<Overlap>>,
    pub(super) up_to: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overlap {
    pub(super) fixed: Option<Spanned<String>>,
    pub(super) from: Option<Spanned<String>>,
    pub(super) to: Option<Spanned<String>>,
    pub(super) default: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) offered: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Rates {
    pub(super) test: Option<Spanned<Rate>>,
    pub(super) live: Option<Spanned<Rate>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rate {
    pub(super) requests: u32,
    pub(super) window: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    pub(super) environment: Option<Spanned<String>>,
    pub(super) requests: Spanned<u64>,
    pub(super) per: Spanned<String>,
    pub(super) of: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dialect {
    pub(super) challenge: Spanned<String>,
    pub(super) body: Spanned<String>,
    #[serde(default)]
    pub(super) codes: std::collections::BTreeMap<Spanned<String>, String>,
    #[serde(default)]
    pub(super) refusals: std::collections::BTreeMap<Spanned<String>, Refusal>,
    pub(super) rate_headers: Spanned<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    pub(super) status: Option<Spanned<u16>>,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    pub(super) path: Spanned<String>,
    pub(super) id_header: String,
    pub(super) secret_header: String,
    pub(super) status: u16,
    pub(super) body: Spanned<String>,
    pub(super) lifetime: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signature {
    pub(super) id_header: String,
    pub(super) signature_header: String,
    pub(super) salt_header: String,
    pub(super) timestamp_header: String,
    pub(super) message: Vec<Spanned<String>>,
    pub(super) encoding: Spanned<String>,
    pub(super) bodies: Vec<Spanned<String>>,
    pub(super) path_from: Option<String>,
    pub(super) past: Spanned<String>,
    pub(super) future: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notice {
    pub(super) event: Spanned<String>,
    #[serde(default)]
    pub(super) mail: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) webhook: bool,
}
