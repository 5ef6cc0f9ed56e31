//! From the file to the types: every rule checked, every complaint with its line.

use keyway_secret::{Template, TemplateError};
use toml::Spanned;

use super::dialect::Body;
use super::routes;
use super::{
    Act, ActRule, Dialect, Example, Expiry, Group, IdScope, Kept, Kind, KindGrant, Levels, Login,
    Notice, Overlap, Presented, PublicId, RateHeaders, Refused, Resource, Routes, Scheme,
    Signature, SignatureEncoding, SignatureHeaders, SignedBody, SignedPart, StepUpRule, Words,
    file,
};
use crate::actor::Role;
use crate::credential::RateLimit;
use crate::event;
use crate::grant::{Action, Grant, Need};
use crate::limits;
use crate::time::parse_duration;
use crate::verdict::Reason;

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
struct Complaint(usize, String);

type Checked<T> = Result<T, Complaint>;

fn complain<V, T>(place: &Spanned<V>, message: impl Into<String>) -> Checked<T> {
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
    check(file).map_err(|Complaint(at, message)| SchemeError { line: line(at), message })
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
        name: plain_name(file.name)?,
        title: file.title,
        summary: file.summary,
        words: Words { credential: file.words.credential, credentials: file.words.credentials },
        levels: levels(file.access)?,
        routes: declared_routes(&file.routes, &resource_names)?,
        kinds: Vec::new(),
        rates: [rate(file.rates.test)?, rate(file.rates.live)?],
        dialect: dialect(file.dialect)?,
        login: file.login.map(login).transpose()?,
        signature: file.signature.map(signature).transpose()?,
        notices: file.notices.into_iter().map(notice).collect::<Checked<_>>()?,
        environment_labels: [file.environments.test.label, file.environments.live.label],
        groups,
        resources,
        resource_names,
    };
    let place = Spanned::new(file.kinds.span(), ());
    let declared = file.kinds.into_inner();
    if declared.is_empty() || declared.len() > limits::KINDS_MAX {
        return complain(&place, format!("a scheme has 1 to {} kinds", limits::KINDS_MAX));
    }
    for kind in declared {
        let at = Spanned::new(kind.name.span(), ());
        let kind = self::kind(kind, &scheme, words)?;
        if scheme.kinds.iter().any(|known| known.name == kind.name) {
            return complain(&at, format!("there are two kinds called `{}`", kind.name));
        }
        scheme.kinds.push(kind);
    }
    Ok(scheme)
}

/// A name that can stand in JSON, SQL, a URL and a shell.
fn plain_name(name: Spanned<String>) -> Checked<String> {
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
        resources.push(Resource { name, label: resource.label, group });
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

fn need(resource: &str, action: Action, names: &[String]) -> Result<Need, String> {
    let place = names.iter().position(|name| name == resource);
    let place = place.and_then(|place| u8::try_from(place).ok());
    let resource = place.ok_or_else(|| format!("there is no resource `{resource}`"))?;
    Ok(Need { resource, action })
}

fn scopes(
    words: &[(&str, Option<&Spanned<String>>)],
    names: &[String],
    at: &Spanned<()>,
) -> Checked<Grant> {
    let mut grant = Grant::NONE;
    for (word, place) in words {
        let parsed = word
            .split_once(':')
            .and_then(|(resource, action)| Some((resource, Action::parse(action)?)));
        let added = match parsed {
            Some((resource, action)) => need(resource, action, names),
            None => Err(format!("`{word}` is no scope; write `invoices:read`")),
        };
        match (added, place) {
            (Ok(need), _) => grant = grant.with(need),
            (Err(message), Some(place)) => return complain(place, message),
            (Err(message), None) => return complain(at, message),
        }
    }
    Ok(grant)
}

fn rate(declared: Option<Spanned<file::Rate>>) -> Checked<Option<RateLimit>> {
    let Some(declared) = declared else { return Ok(None) };
    let at = Spanned::new(declared.span(), ());
    let rate = declared.into_inner();
    let window_ms = u32::try_from(duration(&rate.window)?).unwrap_or(u32::MAX);
    if rate.requests == 0 || rate.requests > limits::RATE_REQUESTS_MAX || window_ms == 0 {
        return complain(&at, "a rate is at least one request in at least one second");
    }
    Ok(Some(RateLimit { requests: rate.requests, window_ms }))
}

fn duration(text: &Spanned<String>) -> Checked<i64> {
    match parse_duration(text.get_ref()) {
        Some(ms) => Ok(ms),
        None => complain(
            text,
            format!("`{}` is no duration; write `0s`, `15m`, `24h` or `7d`", text.get_ref()),
        ),
    }
}

/// Takes the value that belongs to a word; the complaint lists the words there are.
fn one_of<T: Copy>(word: &Spanned<String>, what: &str, known: &[(&str, T)]) -> Checked<T> {
    let found = known.iter().find(|(name, _)| name == word.get_ref());
    if let Some((_, value)) = found {
        return Ok(*value);
    }
    let names: Vec<String> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
    complain(word, format!("`{}` is no {what}; use {}", word.get_ref(), names.join(", ")))
}

fn template(
    text: &Spanned<String>,
    words: [&str; 2],
    compile: fn(&str, [&str; 2]) -> Result<Template, TemplateError>,
) -> Checked<Template> {
    compile(text.get_ref(), words).or_else(|error| complain(text, error.to_string()))
}

fn kind(declared: file::Kind, scheme: &Scheme, words: [&str; 2]) -> Checked<Kind> {
    let at = Spanned::new(declared.name.span(), ());
    let presented: Vec<Presented> = declared
        .presented
        .get_ref()
        .iter()
        .map(|word| one_of(word, "way to present a credential", &PRESENTED))
        .collect::<Checked<_>>()?;
    let kept = one_of(&declared.kept, "way to keep a secret", &KEPT)?;
    let public_id = declared.id.map(|id| public_id(id, words)).transpose()?;
    consistent(&presented, kept, public_id.as_ref(), scheme, &declared.presented)?;
    let grants = kind_grant(&declared.grant, &declared.except, declared.everything, scheme)?;
    let expiry = expiry(&declared.expiry, declared.lifetime_days_max.as_ref())?;
    let acts = declared
        .acts
        .into_iter()
        .map(|(name, rule)| {
            let known = Act::ALL.map(|(act, verb, _)| (verb, act));
            let act = one_of(&name, "act", &known)?;
            Ok((act, act_rule(act, rule, &name)?))
        })
        .collect::<Checked<Vec<_>>>()?;
    if declared.at_registration && kept != Kept::Readable {
        return complain(
            &at,
            "registration shows no secret: only a `readable` kind can be made then",
        );
    }
    Ok(Kind {
        name: plain_name(declared.name)?,
        label: declared.label,
        secret: template(&declared.format, words, Template::secret)?,
        secret_field: declared.field,
        secret_variable: declared.variable,
        public_id,
        presented,
        kept,
        single: declared.single,
        at_registration: declared.at_registration,
        grants,
        expiry,
        old_after_days: declared.old_after_days,
        example: example(declared.example, scheme)?,
        acts,
    })
}

const PRESENTED: [(&str, Presented); 6] = [
    ("bearer", Presented::Bearer),
    ("basic-user", Presented::BasicUser),
    ("basic-pair", Presented::BasicPair),
    ("bearer-pair", Presented::BearerPair),
    ("login", Presented::Login),
    ("signature", Presented::Signature),
];

const KEPT: [(&str, Kept); 3] =
    [("digest", Kept::Digest), ("sealed", Kept::Sealed), ("readable", Kept::Readable)];

/// What can't go together.
fn consistent(
    presented: &[Presented],
    kept: Kept,
    public_id: Option<&PublicId>,
    scheme: &Scheme,
    at: &Spanned<Vec<Spanned<String>>>,
) -> Checked<()> {
    let signs = presented.contains(&Presented::Signature);
    let pairs = [Presented::BasicPair, Presented::BearerPair, Presented::Login];
    let is_pair = presented.iter().any(|how| pairs.contains(how));
    let wrong = if presented.is_empty() {
        "a credential is presented in at least one way"
    } else if signs && presented.len() > 1 {
        "a signing pair is presented by its signature alone"
    } else if is_pair && presented.iter().any(|how| !pairs.contains(how)) {
        "a pair is presented as a pair in every way, or the secret alone would do"
    } else if signs && kept != Kept::Sealed {
        "to check a signature the secret must be `sealed`, not only its digest"
    } else if signs && public_id.is_none_or(|id| id.scope != IdScope::Secret) {
        "a signing pair needs an id per `secret`, so that a signature names the secret that made it"
    } else if signs && scheme.signature.is_none() {
        "a signing pair needs the `[signature]` table"
    } else if is_pair && public_id.is_none() {
        "a pair needs an id"
    } else if presented.contains(&Presented::Login) && scheme.login.is_none() {
        "a login needs the `[login]` table"
    } else if !is_pair && !signs && public_id.is_some() {
        "an id is for pairs; a secret that is presented alone has none"
    } else {
        return Ok(());
    };
    complain(at, wrong)
}

fn example(declared: Spanned<file::Example>, scheme: &Scheme) -> Checked<Example> {
    let at = Spanned::new(declared.span(), ());
    let file::Example { method, path, body } = declared.into_inner();
    let is_login = scheme.login.as_ref().is_some_and(|login| login.path == path);
    if !is_login && scheme.routes.find(&method, &path).is_none() {
        return complain(&at, format!("`{method} {path}` is none of the routes"));
    }
    Ok(Example { method, path, body })
}

fn public_id(declared: Spanned<file::Id>, words: [&str; 2]) -> Checked<PublicId> {
    let id = declared.into_inner();
    let scopes = [
        ("secret", IdScope::Secret),
        ("credential", IdScope::Credential),
        ("account", IdScope::Account),
    ];
    Ok(PublicId {
        template: template(&id.format, words, Template::public_id)?,
        field: id.field,
        variable: id.variable,
        scope: one_of(&id.per, "holder of an id", &scopes)?,
    })
}

fn kind_grant(
    declared: &Spanned<file::KindGrant>,
    except: &[Spanned<String>],
    everything: bool,
    scheme: &Scheme,
) -> Checked<KindGrant> {
    let at = Spanned::new(declared.span(), ());
    let names = scheme.resource_names();
    match declared.get_ref() {
        file::KindGrant::Word(word) if word == "everything" => Ok(KindGrant::Everything),
        file::KindGrant::Word(word) if word == "chosen" => {
            let mut widest = Grant::NONE;
            for (resource, name) in (0_u8..).zip(names) {
                if !except.iter().any(|excepted| excepted.get_ref() == name) {
                    for action in Action::ALL {
                        widest = widest.with(Need { resource, action });
                    }
                }
            }
            if let Some(unknown) = except.iter().find(|name| !names.contains(name.get_ref())) {
                return complain(unknown, format!("there is no resource `{}`", unknown.get_ref()));
            }
            Ok(KindGrant::Chosen { widest, everything })
        }
        file::KindGrant::Word(word) => complain(
            declared,
            format!("`{word}` is no grant; use `everything`, `chosen` or a list of scopes"),
        ),
        file::KindGrant::Fixed(words) => {
            let words: Vec<_> = words.iter().map(|word| (word.as_str(), None)).collect();
            scopes(&words, names, &at).map(KindGrant::Fixed)
        }
    }
}

fn expiry(word: &Spanned<String>, days_max: Option<&Spanned<i64>>) -> Checked<Expiry> {
    let days = days_max.map_or(limits::LIFETIME_DAYS_MAX, |days| *days.get_ref());
    if let Some(place) = days_max
        && !(1..=limits::LIFETIME_DAYS_MAX).contains(&days)
    {
        let message = format!("a lifetime is 1 to {} days", limits::LIFETIME_DAYS_MAX);
        return complain(place, message);
    }
    let known = [
        ("never", Expiry::Never),
        ("optional-date", Expiry::Optional { by_date: true, days_max: days }),
        ("optional", Expiry::Optional { by_date: false, days_max: days }),
    ];
    one_of(word, "expiry rule", &known)
}

fn role(word: &Spanned<String>) -> Checked<Role> {
    one_of(word, "role", &Role::ALL.map(|role| (role.as_str(), role)))
}

fn act_rule(act: Act, declared: file::Act, at: &Spanned<String>) -> Checked<ActRule> {
    let step_ups = [
        ("none", StepUpRule::None),
        ("password", StepUpRule::Password),
        ("otp", StepUpRule::Otp),
        ("either", StepUpRule::Either),
    ];
    let step_up = match &declared.step_up {
        None => StepUpRule::None,
        Some(word) => one_of(word, "proof", &step_ups)?,
    };
    let overlap = declared.overlap.map(overlap).transpose()?;
    let up_to_ms = declared.up_to.as_ref().map(duration).transpose()?;
    match act {
        Act::Rotate if overlap.is_none() => {
            return complain(at, "`rotate` needs an `overlap`, such as `{ fixed = \"15m\" }`");
        }
        Act::Extend if up_to_ms.is_none() => {
            return complain(at, "`extend` needs `up_to`, such as `\"30d\"` after the rotation");
        }
        Act::Rotate | Act::Extend => {}
        _ if overlap.is_some() || up_to_ms.is_some() => {
            return complain(at, "only `rotate` has an `overlap`, only `extend` has `up_to`");
        }
        _ => {}
    }
    let by = declared.by.iter().map(role).collect::<Checked<_>>()?;
    Ok(ActRule { by, step_up, confirm: declared.confirm, overlap, up_to_ms })
}

fn overlap(declared: Spanned<file::Overlap>) -> Checked<Overlap> {
    let at = Spanned::new(declared.span(), ());
    let overlap = declared.into_inner();
    match (overlap.fixed, overlap.from, overlap.to) {
        (Some(fixed), None, None) => {
            let ms = duration(&fixed)?;
            Ok(Overlap { from_ms: ms, to_ms: ms, default_ms: ms, offered_ms: vec![ms] })
        }
        (None, Some(from), Some(to)) => {
            let (from_ms, to_ms) = (duration(&from)?, duration(&to)?);
            let default_ms = overlap.default.as_ref().map_or(Ok(to_ms), duration)?;
            let mut offered_ms = Vec::new();
            for choice in &overlap.offered {
                let ms = duration(choice)?;
                if !(from_ms..=to_ms).contains(&ms) {
                    return complain(choice, "this choice lies outside `from` and `to`");
                }
                offered_ms.push(ms);
            }
            if from_ms >= to_ms || !(from_ms..=to_ms).contains(&default_ms) {
                return complain(&at, "`from` comes before `to`, and `default` lies between them");
            }
            Ok(Overlap { from_ms, to_ms, default_ms, offered_ms })
        }
        _ => complain(&at, "an overlap has `fixed`, or `from` and `to`"),
    }
}

fn dialect(declared: file::Dialect) -> Checked<Dialect> {
    let body = Body::parse(declared.body.get_ref())
        .or_else(|message| complain(&declared.body, message))?;
    let challenge = declared.challenge.get_ref();
    if !challenge.contains(' ') || challenge.bytes().any(|byte| !(32..127).contains(&byte)) {
        return complain(
            &declared.challenge,
            "a challenge is a scheme and its realm, such as `Bearer realm=\"API\"`",
        );
    }
    let rate_headers = [
        ("none", RateHeaders::None),
        ("dashed", RateHeaders::Dashed),
        ("draft", RateHeaders::Draft),
    ];
    let rate_headers = one_of(&declared.rate_headers, "set of rate headers", &rate_headers)?;
    let mut refusals: Vec<Refused> = Reason::ALL
        .iter()
        .map(|reason| Refused {
            reason: *reason,
            status: reason.status(),
            code: reason.as_str().to_owned(),
            message: reason.message().to_owned(),
        })
        .collect();
    for (name, own) in &declared.refusals {
        let known: Vec<_> = Reason::ALL.iter().map(|reason| (reason.as_str(), *reason)).collect();
        let reason = one_of(name, "reason", &known)?;
        if let Some(status) = &own.status {
            if !(400..=599).contains(status.get_ref()) {
                return complain(status, "a refusal has a status from 400 to 599");
            }
            refusals[reason as usize].status = *status.get_ref();
        }
    }
    for (status, code) in &declared.codes {
        let Ok(number) = status.get_ref().parse::<u16>() else {
            return complain(status, format!("`{}` is no status", status.get_ref()));
        };
        let of_status = refusals.iter_mut().filter(|refused| refused.status == number);
        of_status.for_each(|refused| refused.code.clone_from(code));
    }
    for (name, own) in declared.refusals {
        let reason = Reason::parse(name.get_ref()).expect("checked above");
        let refused = &mut refusals[reason as usize];
        own.code.into_iter().for_each(|code| refused.code = code);
        own.message.into_iter().for_each(|message| refused.message = message);
    }
    Ok(Dialect { challenge: declared.challenge.into_inner(), body, refusals, rate_headers })
}

fn login(declared: Spanned<file::Login>) -> Checked<Login> {
    let login = declared.into_inner();
    let body = login.body.get_ref();
    if serde_json::from_str::<serde_json::Value>(body).is_err() || !body.contains("{token}") {
        return complain(&login.body, "a login's body is JSON with `{token}` in it");
    }
    if !login.path.get_ref().starts_with('/') {
        return complain(&login.path, "a path starts with `/`");
    }
    Ok(Login {
        lifetime_ms: duration(&login.lifetime)?,
        path: login.path.into_inner(),
        id_header: login.id_header.to_ascii_lowercase(),
        secret_header: login.secret_header.to_ascii_lowercase(),
        status: login.status,
        body: login.body.into_inner(),
    })
}

fn signature(declared: Spanned<file::Signature>) -> Checked<Signature> {
    let at = Spanned::new(declared.span(), ());
    let signature = declared.into_inner();
    let parts = [
        ("method", SignedPart::MethodLower),
        ("path", SignedPart::Path),
        ("salt", SignedPart::Salt),
        ("timestamp", SignedPart::Timestamp),
        ("id", SignedPart::Id),
        ("secret", SignedPart::Secret),
        ("body", SignedPart::Body),
    ];
    let encodings =
        [("hex", SignatureEncoding::Hex), ("base64-of-hex", SignatureEncoding::Base64OfHex)];
    let forms = [
        ("raw", SignedBody::Raw),
        ("compact", SignedBody::Compact),
        ("compact-ascii", SignedBody::CompactAscii),
        ("compact-js", SignedBody::CompactJs),
    ];
    let message = signature
        .message
        .iter()
        .map(|part| one_of(part, "part of a signed message", &parts))
        .collect::<Checked<Vec<_>>>()?;
    // Without these a signature could be moved to another request.
    let must = [
        SignedPart::MethodLower,
        SignedPart::Path,
        SignedPart::Salt,
        SignedPart::Timestamp,
        SignedPart::Body,
    ];
    if must.iter().any(|part| !message.contains(part)) {
        return complain(&at, "a signature covers method, path, salt, timestamp and body at least");
    }
    Ok(Signature {
        headers: SignatureHeaders {
            id: signature.id_header.to_ascii_lowercase(),
            signature: signature.signature_header.to_ascii_lowercase(),
            salt: signature.salt_header.to_ascii_lowercase(),
            timestamp: signature.timestamp_header.to_ascii_lowercase(),
        },
        message,
        encoding: one_of(&signature.encoding, "encoding", &encodings)?,
        bodies: signature
            .bodies
            .iter()
            .map(|form| one_of(form, "form of a body", &forms))
            .collect::<Checked<_>>()?,
        path_from: signature.path_from,
        past_ms: duration(&signature.past)?,
        future_ms: duration(&signature.future)?,
    })
}

fn notice(declared: file::Notice) -> Checked<Notice> {
    let event = declared.event.get_ref();
    let planned = ["api_key.expiring", "api_key.expired", "api_key.usage_spike"];
    let known = event::Kind::ALL.iter().any(|kind| kind.as_str() == event);
    if !known && !planned.contains(&event.as_str()) {
        return complain(&declared.event, format!("there is no event `{event}`"));
    }
    let mail = declared.mail.iter().map(role).collect::<Checked<_>>()?;
    Ok(Notice { event: declared.event.into_inner(), mail, webhook: declared.webhook })
}
