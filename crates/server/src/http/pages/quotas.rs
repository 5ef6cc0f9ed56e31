//! How much of its quotas a credential has left, on its page.

use keyway_domain::credential::Credential;
use keyway_domain::quota::{Of, Per, Quota};
use maud::{Markup, html};

use super::problems::Stop;
use super::ui;
use super::visit::Visit;
use crate::quotas::{Standing, Subject};

/// What was used of each quota that counts a credential's requests; nothing where there is none.
pub(super) async fn card(visit: &Visit, credential: &Credential) -> Result<Markup, Stop> {
    let Some(quotas) = visit.app().platform.engine.quotas().cloned() else { return Ok(html! {}) };
    let (account, environment) = (credential.account, credential.environment);
    let subject = Subject { credential: credential.id, account, environment };
    let now = visit.now;
    let standings = visit.app().db.read(move |tx| quotas.standings(tx, subject, now)).await?;
    Ok(html! {
        @if !standings.is_empty() {
            section.card aria-labelledby="quota" {
                header { h2 id="quota" { "Quota" } span.muted.small { "used so far" } }
                ul.uses.small { @for standing in &standings { (line(visit, standing)) } }
            }
        }
    })
}

fn line(visit: &Visit, standing: &Standing) -> Markup {
    let Standing { quota, period, used } = *standing;
    html! {
        li {
            span {
                b { (number(used)) " of " (number(quota.requests)) } " " (this(quota.per)) " "
                span.muted { (whose(visit, &quota)) }
            }
            span.muted { "renewed on " (ui::day(period.ends_at)) }
        }
    }
}

fn number(requests: u64) -> String {
    ui::number(i64::try_from(requests).unwrap_or(i64::MAX))
}

fn this(per: Per) -> &'static str {
    match per {
        Per::Day => "today",
        Per::Month => "this month",
    }
}

fn whose(visit: &Visit, quota: &Quota) -> String {
    match (quota.of, quota.environment) {
        (Of::Credential, _) => String::new(),
        (Of::Account, None) => "by the whole account".to_owned(),
        (Of::Account, Some(environment)) => {
            format!("by the whole account in {}", visit.scheme().environment_label(environment))
        }
    }
}
