//! Kinds: what they are, how they go together, what may be done to them.

use keyway_secret::Template;
use toml::Spanned;

use super::read::{Checked, complain, duration, need, one_of, plain_name, role, template};
use super::{
    Act, ActRule, Example, Expiry, IdScope, Kept, Kind, KindGrant, Overlap, Presented, PublicId,
    Scheme, StepUpRule, file,
};
use crate::grant::{Action, Grant, Need};
use crate::limits;

pub(super) fn kind(declared: file::Kind, scheme: &Scheme, words: [&str; 2]) -> Checked<Kind> {
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
