//! From the file to the types: every rule checked, every complaint with its line.

use keyway_secret::{Template, TemplateError};
use toml::Spanned;

use super::{Group, Levels, People, Resource, Routes, Scheme, Words, file, read_kind, read_wire};
use super::{notices, quotas, routes};
use crate::actor::Role;
use crate::credential::RateLimit;
use crate::grant::{Action, Need};
use crate::limits;
use crate::rules::Rules;
use crate::time::parse_duration;

/// What is wrong with a scheme file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct SchemeError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A complaint about a place in the text, given as its byte offset.
pub(super) struct Complaint(usize, String);

pub(super) type Checked<T> = Result<T, Complaint>;

pub(super) fn complain<V, T>(place: &Spanned<V>, message: impl Into<String>) -> Checked<T> {
    Err(Complaint(place.span().start, message.into()))
}

pub(super) fn scheme(text: &str) -> Result<Scheme, SchemeError> {
    if text.len() > limits::SCHEME_BYTES_MAX {
        let message = format!("a scheme file has at most {} bytes", limits::SCHEME_BYTES_MAX);
        return Err(SchemeError { line: 1, message });
    }
    let line = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let file: file::File = toml::from_str(text).map_err(|error| SchemeError {
        line: error.span().map_or(1, |span| line(span.start)),
        message: error.message().to_owned(),
    })?;
    let mut scheme =
        check(file).map_err(|Complaint(at, message)| SchemeError { line: line(at), message })?;
    text.clone_into(&mut scheme.text);
    Ok(scheme)
}

fn check(file: file::File) -> Checked<Scheme> {
    let groups: Vec<Group> = file
        .groups
        .into_iter()
        .map(|group| Ok(Group { name: plain_name(group.name)?, label: group.label }))
        .collect::<Checked<_>>()?;
    let resources = resources(file.resources, &groups)?;
    let resource_names: Vec<String> =
        resources.iter().map(|resource| resource.name.clone()).collect();
    let words = [file.environments.test.word.as_str(), file.environments.live.word.as_str()];
    let mut scheme = Scheme {
        text: String::new(),
        name: plain_name(file.name)?,
        title: file.title,
        summary: file.summary,
        words: Words { credential: file.words.credential, credentials: file.words.credentials },
        levels: levels(file.access)?,
        routes: declared_routes(&file.routes, &resource_names)?,
        kinds: Vec::new(),
        rates: [rate(file.rates.test)?, rate(file.rates.live)?],
        quotas: quotas::read(file.quotas)?,
        dialect: read_wire::dialect(file.dialect)?,
        login: file.login.map(read_wire::login).transpose()?,
        oauth: None,
        signature: file.signature.map(read_wire::signature).transpose()?,
        notices: notices::with_defaults(
            file.notices.into_iter().map(read_wire::notice).collect::<Checked<_>>()?,
        ),
        idle_after_days: Some(file.idle_after_days.unwrap_or(limits::IDLE_DAYS)),
        audit_kept_days: file.audit_kept_days.map(kept_days).transpose()?,
        webhook_message: None,
        people: People {
            manage: roles(&file.people.manage)?,
            audit: roles(&file.people.audit)?,
            settings: roles(&file.people.settings)?,
        },
        rules: security_rules(file.rules)?,
        environment_labels: [file.environments.test.label, file.environments.live.label],
        groups,
        resources,
        resource_names,
    };
    scheme.webhook_message =
        file.webhooks.map(|declared| read_wire::webhooks(declared, &scheme)).transpose()?;
    let place = Spanned::new(file.kinds.span(), ());
    let declared = file.kinds.into_inner();
    if declared.is_empty() || declared.len() > limits::KINDS_MAX {
        return complain(&place, format!("a scheme has 1 to {} kinds", limits::KINDS_MAX));
    }
    for kind in declared {
        let at = Spanned::new(kind.name.span(), ());
        let kind = read_kind::kind(kind, &scheme, words)?;
        if scheme.kinds.iter().any(|known| known.name == kind.name) {
            return complain(&at, format!("there are two kinds called `{}`", kind.name));
        }
        scheme.kinds.push(kind);
    }
    scheme.oauth = file.oauth.map(|declared| read_wire::oauth(declared, &scheme)).transpose()?;
    Ok(scheme)
}

fn security_rules(declared: file::SecurityRules) -> Checked<Rules> {
    if let Some(days) = &declared.lifetime_days_max
        && !(1..=limits::LIFETIME_DAYS_MAX).contains(days.get_ref())
    {
        let max = limits::LIFETIME_DAYS_MAX;
        return complain(days, format!("a lifetime is 1 to {max} days"));
    }
    Ok(Rules {
        second_factor: declared.second_factor,
        overlap_ms_max: declared.overlap_max.as_ref().map(duration).transpose()?,
        lifetime_days_max: declared.lifetime_days_max.map(Spanned::into_inner),
        addresses_for_money: declared.addresses_for_money,
        second_person: declared.second_person,
    })
}

fn kept_days(days: Spanned<u32>) -> Checked<u32> {
    if *days.get_ref() < limits::AUDIT_KEPT_DAYS_MIN {
        let min = limits::AUDIT_KEPT_DAYS_MIN;
        return complain(&days, format!("the audit log is kept for {min} days at least"));
    }
    Ok(days.into_inner())
}

/// A name that can stand in JSON, SQL, a URL and a shell.
pub(super) fn plain_name(name: Spanned<String>) -> Checked<String> {
    let text = name.get_ref();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || text.len() > 40 || !text.bytes().all(plain) {
        return complain(&name, format!("`{text}` is no name; use a-z, 0-9 and `-`"));
    }
    Ok(name.into_inner())
}

fn resources(declared: Spanned<Vec<file::Resource>>, groups: &[Group]) -> Checked<Vec<Resource>> {
    let count = declared.get_ref().len();
    if count == 0 || count > limits::RESOURCES_MAX {
        return complain(
            &declared,
            format!("a scheme has 1 to {} resources", limits::RESOURCES_MAX),
        );
    }
    let mut resources: Vec<Resource> = Vec::with_capacity(count);
    for resource in declared.into_inner() {
        let at = Spanned::new(resource.name.span(), ());
        let name = plain_name(resource.name)?;
        let taken = resources.iter().any(|known| known.name == name)
            || groups.iter().any(|group| group.name == name);
        if taken {
            return complain(&at, format!("`{name}` names two things"));
        }
        let group = match resource.group {
            None => None,
            Some(wanted) => {
                let found = groups.iter().position(|group| group.name == *wanted.get_ref());
                let Some(found) = found else {
                    let known: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
                    let known = known.join(", ");
                    let message =
                        format!("there is no group `{}`; there are: {known}", wanted.get_ref());
                    return complain(&wanted, message);
                };
                Some(found)
            }
        };
        let (label, about) = (resource.label, resource.about);
        resources.push(Resource { name, label, about, moves_money: resource.moves_money, group });
    }
    Ok(resources)
}

fn levels(access: Spanned<file::Access>) -> Checked<Levels> {
    let at = Spanned::new(access.span(), ());
    let access = access.into_inner();
    let (write_includes_read, exclusive, labels) = match access.style.get_ref().as_str() {
        "levels" => (true, true, ["None", "Read", "Write"]),
        "view-edit" => (true, true, ["None", "View", "Edit"]),
        "scopes" => (false, false, ["None", "Read", "Write"]),
        other => {
            let message = format!("`{other}` is no style; use `levels`, `view-edit` or `scopes`");
            return complain(&access.style, message);
        }
    };
    let labels = match access.labels {
        None => labels.map(str::to_owned),
        Some(labels) => match <[String; 3]>::try_from(labels) {
            Ok(labels) => labels,
            Err(_) => return complain(&at, "labels are three: for nothing, reading, writing"),
        },
    };
    Ok(Levels { write_includes_read, exclusive, labels })
}

fn declared_routes(declared: &Spanned<Vec<Spanned<String>>>, names: &[String]) -> Checked<Routes> {
    let mut routes = Routes::default();
    if declared.get_ref().len() > limits::ROUTES_MAX {
        return complain(declared, format!("a scheme has at most {} routes", limits::ROUTES_MAX));
    }
    for route in declared.get_ref() {
        let Some((method, path, resource, action)) = routes::parse(route.get_ref()) else {
            let text = route.get_ref();
            let message =
                format!("`{text}` is no route; write `GET /v2/invoices/{{id}} = invoices:read`");
            return complain(route, message);
        };
        let need = need(resource, action, names).or_else(|message| complain(route, message))?;
        routes.add(method, path, need).or_else(|message| complain(route, message))?;
    }
    Ok(routes)
}

pub(super) fn need(resource: &str, action: Action, names: &[String]) -> Result<Need, String> {
    let place = names.iter().position(|name| name == resource);
    let place = place.and_then(|place| u8::try_from(place).ok());
    let resource = place.ok_or_else(|| format!("there is no resource `{resource}`"))?;
    Ok(Need { resource, action })
}

pub(super) fn rate(declared: Option<Spanned<file::Rate>>) -> Checked<Option<RateLimit>> {
    let Some(declared) = declared else { return Ok(None) };
    let at = Spanned::new(declared.span(), ());
    let rate = declared.into_inner();
    let window_ms = u32::try_from(duration(&rate.window)?).unwrap_or(u32::MAX);
    if rate.requests == 0 || rate.requests > limits::RATE_REQUESTS_MAX || window_ms == 0 {
        return complain(&at, "a rate is at least one request in at least one second");
    }
    Ok(Some(RateLimit { requests: rate.requests, window_ms }))
}

pub(super) fn duration(text: &Spanned<String>) -> Checked<i64> {
    match parse_duration(text.get_ref()) {
        Some(ms) => Ok(ms),
        None => complain(
            text,
            format!("`{}` is no duration; write `0s`, `15m`, `24h` or `7d`", text.get_ref()),
        ),
    }
}

/// Takes the value that belongs to a word; the complaint lists the words there are.
pub(super) fn one_of<T: Copy>(
    word: &Spanned<String>,
    what: &str,
    known: &[(&str, T)],
) -> Checked<T> {
    let found = known.iter().find(|(name, _)| name == word.get_ref());
    if let Some((_, value)) = found {
        return Ok(*value);
    }
    let names: Vec<String> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
    complain(word, format!("`{}` is no {what}; use {}", word.get_ref(), names.join(", ")))
}

pub(super) fn template(
    text: &Spanned<String>,
    words: [&str; 2],
    compile: fn(&str, [&str; 2]) -> Result<Template, TemplateError>,
) -> Checked<Template> {
    compile(text.get_ref(), words).or_else(|error| complain(text, error.to_string()))
}

pub(super) fn role(word: &Spanned<String>) -> Checked<Role> {
    one_of(word, "role", &Role::ALL.map(|role| (role.as_str(), role)))
}

fn roles(words: &[Spanned<String>]) -> Checked<Vec<Role>> {
    words.iter().map(role).collect()
}
