//! What an edit takes away: shown with what it would have refused, before it is saved.

use std::net::IpAddr;

use ipnet::IpNet;
use keyway_domain::grant::{Action, Grant, Need};
use keyway_domain::id::CredentialId;
use keyway_domain::limits::SCOPE_UNUSED_DAYS;
use keyway_domain::scheme::Scheme;
use keyway_domain::time::{DAY_MS, Time};
use keyway_store::usage::{self, Place, UNLISTED};
use keyway_store::{DbError, Tx};
use maud::{Markup, html};

use super::key::Loaded;
use super::problems::{Problems, Stop};
use super::visit::Visit;
use super::{icons, ui};

/// Days that are looked back on, today among them.
const DAYS: i64 = 30;
/// Addresses that are named.
const PLACES: usize = 8;

/// What a credential did in the last days.
#[derive(Default)]
pub(super) struct Past {
    by_need: std::collections::BTreeMap<String, i64>,
    allowed: i64,
}

impl Past {
    pub(super) async fn read(visit: &Visit, id: CredentialId) -> Result<Self, Stop> {
        let since = Time((visit.now.0.div_euclid(DAY_MS) - DAYS + 1) * DAY_MS);
        let read = move |tx: &mut Tx<'_>| {
            let days = usage::days_of(tx, id, since)?;
            let allowed = days.iter().map(|day| day.allowed).sum();
            Ok::<_, DbError>(Self { by_need: usage::allowed_by_need(tx, id, since)?, allowed })
        };
        Ok(visit.app().db.read(read).await?)
    }

    /// Requests that passed.
    pub(super) fn allowed(&self) -> i64 {
        self.allowed
    }

    fn of(&self, need: &str) -> i64 {
        self.by_need.get(need).copied().unwrap_or(0)
    }

    /// Requests of which it is not known what they needed: those that only asked who they are, and
    /// those from before it was counted.
    fn unknown(&self) -> i64 {
        (self.allowed - self.by_need.values().sum::<i64>()).max(0)
    }

    /// What is known of the use of each scope that a credential has, or had.
    pub(super) fn uses<'p>(
        &'p self,
        loaded: &'p Loaded,
        scheme: &'p Scheme,
        now: Time,
    ) -> impl Fn(Need) -> Option<String> + 'p {
        let long_ago = now.plus_ms(-SCOPE_UNUSED_DAYS * DAY_MS);
        move |need| {
            let name = scheme.say_need(need);
            let requests = self.of(&name);
            if requests > 0 {
                return Some(format!("{} in {DAYS} days", ui::number(requests)));
            }
            match loaded.needs.get(&name) {
                Some(day) if *day > long_ago => Some(format!("last used {}", day.to_day_text())),
                _ if !loaded.credential.grant.allows(need) => None,
                _ if loaded.credential.created_at > long_ago => Some("not used yet".to_owned()),
                _ => Some(format!("not used in {SCOPE_UNUSED_DAYS} days")),
            }
        }
    }
}

/// What an edit takes away.
pub(super) struct Taken {
    needs: Vec<(Need, i64)>,
    /// Requests for what no list names, where that is taken away.
    unlisted: Option<i64>,
    /// The list that is shorter now; and where it was used from that is not in it.
    addresses: Option<(Vec<IpNet>, Vec<Place>)>,
    unknown: i64,
    mark: String,
}

impl Taken {
    /// What is taken from a credential that is to have this grant, and these addresses that others
    /// than requests from them are refused by.
    pub(super) fn new(
        scheme: &Scheme,
        loaded: &Loaded,
        past: &Past,
        (grant, addresses): (Grant, &[IpNet]),
        now: Time,
    ) -> Self {
        let before = &loaded.credential;
        let all = (0_u8..).take(scheme.resources.len()).flat_map(|resource| {
            Action::ALL.into_iter().map(move |action| Need { resource, action })
        });
        let is_taken = |need: &Need| before.grant.allows(*need) && !grant.allows(*need);
        let needs: Vec<(Need, i64)> =
            all.filter(is_taken).map(|need| (need, past.of(&scheme.say_need(need)))).collect();
        let loses_all = before.grant == Grant::Everything && grant != Grant::Everything;
        let unlisted = loses_all.then(|| past.of(UNLISTED));
        let addresses = narrows(before.enforced_addresses(), addresses).then(|| {
            let since = now.plus_ms(-DAYS * DAY_MS);
            let is_outside = |place: &&Place| {
                let address = place.address.parse::<IpAddr>();
                place.last_at > since
                    && address.is_ok_and(|address| !addresses.iter().any(|a| a.contains(&address)))
            };
            let outside = loaded.places.iter().filter(is_outside).cloned().collect();
            (addresses.to_vec(), outside)
        });
        let mut parts: Vec<String> = needs.iter().map(|(need, _)| scheme.say_need(*need)).collect();
        parts.extend(unlisted.map(|_| UNLISTED.to_owned()));
        let list = addresses.iter().flat_map(|(list, _)| list).map(ToString::to_string);
        parts.extend(list);
        let unknown = if needs.is_empty() { 0 } else { past.unknown() };
        Self { needs, unlisted, addresses, unknown, mark: parts.join(" ") }
    }

    fn is_nothing(&self) -> bool {
        self.mark.is_empty()
    }

    /// Whether the form says that its sender has seen all this.
    pub(super) fn is_agreed(&self, visit: &Visit) -> Result<(), Problems> {
        if self.is_nothing() || visit.fields.text("narrow") == self.mark {
            return Ok(());
        }
        let message = "This takes something away. See what it would have refused, tick the box, and save again.";
        Err(Problems::field("narrow", message))
    }

    /// What it would have refused, and the box that says that this was seen.
    pub(super) fn show(&self, scheme: &Scheme, visit: &Visit, problems: &Problems) -> Markup {
        if self.is_nothing() {
            return html! {};
        }
        let listed: i64 = self.needs.iter().map(|(_, requests)| requests).sum();
        let refused = listed + self.unlisted.unwrap_or(0);
        html! {
            section.note.warn.narrowing aria-labelledby="h-nw" {
                (icons::WARN)
                div.stack.tight {
                    h2 id="h-nw" { (headline(refused, self.needs.is_empty())) }
                    @if !self.needs.is_empty() || self.unlisted.is_some() { (self.table(scheme)) }
                    @if self.unknown > 0 {
                        p.small { (ui::count(self.unknown, "more request", "more requests")) " passed of which it is not known what they needed." }
                    }
                    @if let Some((_, outside)) = &self.addresses { (outside_of(outside, visit.now)) }
                    label.check {
                        input type="checkbox" name="narrow" id="narrow" value=(self.mark)
                            checked[visit.fields.text("narrow") == self.mark] aria-invalid=[problems.of("narrow").map(|_| "true")];
                        " " span { "I have seen this. From now on such requests are refused." }
                    }
                }
            }
        }
    }

    fn table(&self, scheme: &Scheme) -> Markup {
        let [_, read, write] = &scheme.levels.labels;
        html! {
            table aria-labelledby="h-nw" {
                thead { tr { th scope="col" { "Resource" } th scope="col" { "Action" } th.r scope="col" { "Requests in " (DAYS) " days" } } }
                tbody {
                    @for (need, requests) in &self.needs {
                        @let resource = &scheme.resources[usize::from(need.resource)];
                        tr {
                            td { (resource.label) @if resource.moves_money { " " span.tag.money { "moves money" } } }
                            td { (if need.action == Action::Write { write } else { read }) }
                            td.num.r { @if *requests > 0 { b { (ui::number(*requests)) } } @else { "0" } }
                        }
                    }
                    @if let Some(requests) = self.unlisted {
                        tr {
                            td { "What no permission names" }
                            td { "Any" }
                            td.num.r { @if requests > 0 { b { (ui::number(requests)) } } @else { "0" } }
                        }
                    }
                }
            }
        }
    }
}

fn headline(refused: i64, only_addresses: bool) -> String {
    match refused {
        _ if only_addresses => "The list of addresses is shorter now".to_owned(),
        0 => format!("None of the requests of the last {DAYS} days would have been refused"),
        1 => format!("1 request of the last {DAYS} days would have been refused"),
        many => {
            format!("{} requests of the last {DAYS} days would have been refused", ui::number(many))
        }
    }
}

fn outside_of(outside: &[Place], now: Time) -> Markup {
    html! {
        @if outside.is_empty() {
            p { "It was used from no address outside of the list in the last " (DAYS) " days." }
        } @else {
            p { b { "It was used from outside of the list" } ", where it will be refused:" }
            ul.uses.small {
                @for place in outside.iter().take(PLACES) {
                    li { span { b.mono { (place.address) } " " span.muted { (place.client) } } span.muted { "last seen " (ui::ago_text(place.last_at, now)) } }
                }
            }
            @if outside.len() > PLACES { p.small { "And from " (outside.len() - PLACES) " more." } }
        }
    }
}

/// Whether a list lets less in than the one before; an empty one lets everything in.
fn narrows(before: &[IpNet], after: &[IpNet]) -> bool {
    let is_in = |range: &IpNet| after.iter().any(|wider| wider.contains(range));
    !after.is_empty() && (before.is_empty() || !before.iter().all(is_in))
}
