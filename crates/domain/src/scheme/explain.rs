//! What a scheme means, in sentences.

use std::fmt::Write as _;

use keyway_secret::Environment;

use super::{Act, ActRule, Expiry, IdScope, Kept, Kind, KindGrant, Presented, Scheme, StepUpRule};
use crate::quota::Quota;
use crate::rules::Rules;
use crate::time::say_duration;

/// Says in plain sentences what a scheme declares, one line each.
pub fn explain(scheme: &Scheme) -> String {
    let mut text = String::new();
    let mut line = |sentence: String| writeln!(text, "{sentence}").expect("a String takes all");
    line(format!("{} — {}", scheme.title, scheme.summary));
    for environment in Environment::ALL {
        let rate = match scheme.rates[environment as usize] {
            Some(rate) => {
                let window = say_duration(i64::from(rate.window_ms));
                format!("at most {} requests per {window} and credential", rate.requests)
            }
            None => "no rate limit unless a credential has its own".to_owned(),
        };
        let label = scheme.environment_label(environment);
        line(format!("The {} environment is called {label}; {rate}.", environment.as_str()));
    }
    scheme.quotas.iter().for_each(|quota| line(say_quota(quota, scheme)));
    let [none, read, write] = &scheme.levels.labels;
    line(if scheme.levels.exclusive {
        format!(
            "For each resource a credential has {none}, {read} or {write}; {write} includes {read}."
        )
    } else {
        format!(
            "{read} and {write} are separate scopes of each resource; neither includes the other."
        )
    });
    let resources: Vec<_> =
        scheme.resources.iter().map(|resource| resource.name.as_str()).collect();
    line(format!("Resources: {}.", resources.join(", ")));
    for (place, group) in scheme.groups.iter().enumerate() {
        let members: Vec<_> = scheme
            .resources
            .iter()
            .filter(|resource| resource.group == Some(place))
            .map(|resource| resource.name.as_str())
            .collect();
        line(format!("The group {} is {}.", group.name, members.join(", ")));
    }
    line(format!(
        "{} routes are known; any other needs a grant of everything.",
        scheme.routes.iter().count()
    ));
    explain_rules(&scheme.rules, &mut line);
    for kind in &scheme.kinds {
        line(String::new());
        explain_kind(kind, scheme, &mut line);
    }
    text
}

fn say_quota(quota: &Quota, scheme: &Scheme) -> String {
    let (of, per) = (quota.of.as_str(), quota.per.as_str());
    let whose = match quota.environment {
        Some(environment) => format!(" of {}", scheme.environment_label(environment)),
        None => String::new(),
    };
    let requests = quota.requests;
    format!("Each {of} has {requests} requests{whose} a calendar {per} (UTC), over all nodes.")
}

fn explain_rules(rules: &Rules, line: &mut dyn FnMut(String)) {
    if rules.second_factor {
        line("Every member needs an authenticator app.".to_owned());
    }
    if let Some(ms) = rules.overlap_ms_max {
        line(format!(
            "Two secrets of one credential are accepted for at most {}.",
            say_duration(ms)
        ));
    }
    if let Some(days) = rules.lifetime_days_max {
        line(format!("Every credential ends within {days} days."));
    }
    if rules.addresses_for_money {
        line("What can move money needs allowed addresses.".to_owned());
    }
    if rules.second_person {
        line("A second person approves what gives out more that moves money.".to_owned());
    }
}

fn explain_kind(kind: &Kind, scheme: &Scheme, line: &mut dyn FnMut(String)) {
    line(format!("{} (`{}`): {}", kind.label, kind.name, kind.secret.pattern()));
    if let Some(id) = &kind.public_id {
        let shared = match id.scope {
            IdScope::Secret => "each secret has its own",
            IdScope::Credential => "it stays when the secret changes",
            IdScope::Account => "all credentials of an account share it, per environment",
        };
        line(format!("  Its {} is {}; {shared}.", id.field, id.template.pattern()));
    }
    let ways: Vec<_> = kind.presented.iter().map(|how| say_presented(*how)).collect();
    line(format!("  Clients send it as {}.", ways.join(", or ")));
    if let Some(oauth) = &scheme.oauth
        && kind.is_presented(Presented::BasicPair)
    {
        let minutes = oauth.lifetime_ms / 60_000;
        line(format!("  Or they trade it at /oauth/token for a token of {minutes} minutes."));
    }
    line(match kind.kept {
        Kept::Digest => "  It is shown once; only a keyed digest is kept.".to_owned(),
        Kept::Sealed => {
            "  It is shown once; it is kept sealed, because verification needs it.".to_owned()
        }
        Kept::Readable => {
            "  It is public: it is kept sealed and may be shown at any time.".to_owned()
        }
    });
    if kind.single {
        line("  An account has at most one in each environment.".to_owned());
    }
    if kind.at_registration {
        line("  Registration makes one in each environment.".to_owned());
    }
    line(match kind.grants {
        KindGrant::Everything => "  It may do everything.".to_owned(),
        KindGrant::Fixed(grant) => {
            format!("  It may do exactly: {}.", grant.to_column(scheme.resource_names()))
        }
        KindGrant::Chosen { widest, everything } => format!(
            "  It may do what is chosen among: {}{}.",
            widest.to_column(scheme.resource_names()),
            if everything { "; or everything at once" } else { "" }
        ),
    });
    if let Expiry::Optional { by_date, days_max } = kind.expiry {
        let how = if by_date {
            "at 00:00:00Z at the start of a chosen date"
        } else {
            "at a chosen instant"
        };
        line(format!("  It may expire {how}, at most {days_max} days away."));
    }
    for (act, rule) in kind.acts() {
        line(format!("  {}", say_act(act, rule)));
    }
}

fn say_presented(how: Presented) -> &'static str {
    match how {
        Presented::Bearer => "`Authorization: Bearer <secret>`",
        Presented::BasicUser => "HTTP Basic with the secret as user and no password",
        Presented::BasicPair => "HTTP Basic with id and secret",
        Presented::BearerPair => "`Authorization: Bearer base64(id:secret)`",
        Presented::Login => "id and secret at the login, then the login's token",
        Presented::Signature => "an HMAC signature over each request",
    }
}

fn say_act(act: Act, rule: &ActRule) -> String {
    let who: Vec<_> = rule.by.iter().map(|role| role.as_str()).collect();
    let who = if who.is_empty() { "only the platform".to_owned() } else { who.join(", ") };
    let proof = match rule.step_up {
        StepUpRule::None => "",
        StepUpRule::Password => ", with the password",
        StepUpRule::Otp => ", with a code of the authenticator",
        StepUpRule::Either => ", with the password or a code",
    };
    let mut sentence = format!("{}: {who}{proof}", act.verb());
    if let Some(overlap) = &rule.overlap {
        let range = if overlap.is_fixed() {
            say_duration(overlap.from_ms)
        } else {
            format!("{} to {}", say_duration(overlap.from_ms), say_duration(overlap.to_ms))
        };
        write!(sentence, "; the previous secret stays for {range}").expect("a String takes all");
    }
    if let Some(up_to) = rule.up_to_ms {
        write!(sentence, "; up to {} after the rotation", say_duration(up_to))
            .expect("a String takes all");
    }
    sentence + "."
}
