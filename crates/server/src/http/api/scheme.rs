//! The scheme over HTTP: what a program needs to know before it makes a credential.

use keyway_domain::scheme::{self, Act, KindGrant};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Call, Caller, Problem, Reply, said};

/// The rules that this Keyway runs.
#[derive(Serialize, JsonSchema)]
pub struct Scheme {
    /// Its name.
    #[schemars(example = &"platform")]
    name: String,
    /// The platform's name.
    #[schemars(example = &"A payments platform")]
    title: String,
    /// What it has, in a sentence.
    #[schemars(example = &"secret keys with a grant.")]
    summary: String,
    /// What it calls no access, reading and writing.
    #[schemars(example = ["None", "Read", "Write"])]
    access_labels: [String; 3],
    /// Its kinds of credentials.
    kinds: Vec<Kind>,
    /// What credentials can be granted.
    resources: Vec<Resource>,
}

/// A kind of credentials.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SchemeKind")]
struct Kind {
    /// Its name, as credentials have it.
    #[schemars(example = &"key")]
    name: String,
    /// What people call it.
    #[schemars(example = &"API key")]
    label: String,
    /// How its secrets look, as a regular expression.
    #[schemars(example = &"key_live_[0-9A-Za-z]{32}")]
    format: String,
    /// Whether its grant is chosen when one is made.
    grant_chosen: bool,
    /// Whether an account has one at most in each environment.
    single: bool,
    /// What can be done to it.
    #[schemars(example = ["create", "revoke"])]
    acts: Vec<&'static str>,
    /// What a secret is made of, in the order in which it is shown: an id, if there is one, and the
    /// secret.
    strings: Vec<Part>,
    /// How long a rotation's previous secret may stay, in seconds.
    overlap_seconds: Option<Overlap>,
}

/// A string of a secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecretString")]
struct Part {
    /// What it is called where it is shown.
    #[schemars(example = &"key")]
    field: String,
    /// The environment variable that it belongs into.
    #[schemars(example = &"PLATFORM_API_KEY")]
    variable: String,
}

/// The bounds of an overlap, in seconds.
#[derive(Serialize, JsonSchema)]
struct Overlap {
    /// At least.
    from: i64,
    /// At most.
    #[schemars(example = 604_800)]
    to: i64,
    /// If nothing else is said.
    #[schemars(example = 86_400)]
    default: i64,
}

/// Something that credentials can be granted.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SchemeResource")]
struct Resource {
    /// Its name, as grants have it.
    #[schemars(example = &"invoices")]
    name: String,
    /// What people call it.
    #[schemars(example = &"Invoices")]
    label: String,
    /// The group it belongs to.
    group: Option<String>,
}

fn kind(kind: &scheme::Kind) -> Kind {
    Kind {
        name: kind.name.clone(),
        label: kind.label.clone(),
        format: kind.secret.pattern().to_owned(),
        grant_chosen: matches!(kind.grants, KindGrant::Chosen { .. }),
        single: kind.single,
        acts: kind.acts().map(|(act, _)| act.verb()).collect(),
        strings: strings(kind),
        overlap_seconds: overlap(kind),
    }
}

/// `GET /v1/scheme`
pub async fn get(call: Call, _: Caller) -> Result<Reply, Problem> {
    let scheme = &call.app.platform.rules.scheme;
    let resources = scheme.resources.iter().map(|resource| {
        let group = resource.group.and_then(|group| scheme.groups.get(group));
        Resource {
            name: resource.name.clone(),
            label: resource.label.clone(),
            group: group.map(|group| group.name.clone()),
        }
    });
    Ok(said(&Scheme {
        name: scheme.name.clone(),
        title: scheme.title.clone(),
        summary: scheme.summary.clone(),
        access_labels: scheme.levels.labels.clone(),
        kinds: scheme.kinds.iter().map(kind).collect(),
        resources: resources.collect(),
    }))
}

/// What a secret of the kind is made of.
fn strings(kind: &scheme::Kind) -> Vec<Part> {
    let id = kind.public_id.as_ref().map(|id| (&id.field, &id.variable));
    let names = id.into_iter().chain([(&kind.secret_field, &kind.secret_variable)]);
    let part = |(field, variable): (&String, &String)| Part {
        field: field.clone(),
        variable: variable.clone(),
    };
    names.map(part).collect()
}

fn overlap(kind: &scheme::Kind) -> Option<Overlap> {
    let overlap = kind.act(Act::Rotate)?.overlap.as_ref()?;
    let seconds = |ms: i64| ms / 1000;
    Some(Overlap {
        from: seconds(overlap.from_ms),
        to: seconds(overlap.to_ms),
        default: seconds(overlap.default_ms),
    })
}
