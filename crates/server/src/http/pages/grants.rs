//! What a credential may do, as a form and as words: one choice per resource, or a box per scope.

use std::collections::BTreeMap;

use keyway_domain::grant::{Action, Grant, Need};
use keyway_domain::scheme::{Kind, KindGrant, Scheme};
use keyway_domain::time::Time;
use maud::{Markup, html};

use super::fields::Fields;
use super::problems::Problems;

/// The places of a kind's resources that can be granted, group by group; first the heading.
fn groups(scheme: &Scheme, widest: Grant) -> Vec<(String, &str, Vec<u8>)> {
    let places: Vec<u8> = (0_u8..).take(scheme.resources.len()).collect();
    let grantable = |place: &u8| {
        Action::ALL.iter().any(|action| widest.allows(Need { resource: *place, action: *action }))
    };
    let of = |group: Option<usize>| -> Vec<u8> {
        let in_group = |place: &&u8| scheme.resources[usize::from(**place)].group == group;
        places.iter().filter(in_group).filter(|place| grantable(place)).copied().collect()
    };
    let named = scheme.groups.iter().enumerate();
    let mut groups: Vec<_> =
        named.map(|(at, group)| (group.name.clone(), group.label.as_str(), of(Some(at)))).collect();
    let label = if groups.is_empty() { "Resources" } else { "Others" };
    groups.push(("*".to_owned(), label, of(None)));
    groups.retain(|(_, _, places)| !places.is_empty());
    groups
}

/// The grant that was chosen; `None` for kinds that have nothing to choose.
pub(crate) fn chosen(
    fields: &Fields,
    kind: &Kind,
    scheme: &Scheme,
) -> Result<Option<Grant>, Problems> {
    let KindGrant::Chosen { everything, .. } = kind.grants else { return Ok(None) };
    if everything && fields.text("everything") == "1" {
        return Ok(Some(Grant::Everything));
    }
    let mut grant = Grant::NONE;
    let unknown = || Problems::field("grant", "There is no such permission. Open the page again.");
    if scheme.levels.exclusive {
        for (name, level) in fields.typed() {
            let Some(resource) = name.strip_prefix("grant.") else { continue };
            let resource = scheme.resource(resource).ok_or_else(unknown)?;
            let actions: &[Action] = match level {
                "none" => &[],
                "read" => &[Action::Read],
                "write" => &Action::ALL,
                _ => return Err(unknown()),
            };
            for action in actions {
                grant = grant.with(Need { resource, action: *action });
            }
        }
    } else {
        for scope in fields.all("scope") {
            let (resource, action) = scope.split_once(':').ok_or_else(unknown)?;
            let resource = scheme.resource(resource).ok_or_else(unknown)?;
            let action = Action::parse(action).ok_or_else(unknown)?;
            grant = grant.with(Need { resource, action });
        }
    }
    if grant == Grant::NONE {
        let message = "Choose at least one permission: this one could do nothing.";
        return Err(Problems::field("grant", message));
    }
    Ok(Some(grant))
}

/// What the form shows as chosen: what was typed, or a grant that is there.
pub(crate) fn shown(
    fields: &Fields,
    kind: &Kind,
    scheme: &Scheme,
    present: Option<Grant>,
) -> Grant {
    let mut grant = typed(fields, scheme).or(present).unwrap_or(Grant::NONE);
    if let Some((group, level)) = fields.given("fill").and_then(|fill| fill.split_once(':')) {
        grant = filled(grant, group, level, kind, scheme);
    }
    grant
}

fn typed(fields: &Fields, scheme: &Scheme) -> Option<Grant> {
    if fields.text("everything") == "1" {
        return Some(Grant::Everything);
    }
    let mut grant = None;
    for (name, level) in fields.typed() {
        let (resource, actions): (&str, &[Action]) = match (name, level) {
            ("scope", scope) => match scope.split_once(':') {
                Some((resource, "read")) => (resource, &[Action::Read]),
                Some((resource, "write")) => (resource, &[Action::Write]),
                _ => continue,
            },
            (name, level) => match (name.strip_prefix("grant."), level) {
                (Some(resource), "read") => (resource, &[Action::Read]),
                (Some(resource), "write") => (resource, &Action::ALL),
                (Some(resource), _) => (resource, &[]),
                (None, _) => continue,
            },
        };
        let Some(resource) = scheme.resource(resource) else { continue };
        let so_far = grant.unwrap_or(Grant::NONE);
        grant =
            Some(actions.iter().fold(so_far, |grant: Grant, action| {
                grant.with(Need { resource, action: *action })
            }));
    }
    grant
}

/// A grant with every resource of a group at one level.
fn filled(grant: Grant, group: &str, level: &str, kind: &Kind, scheme: &Scheme) -> Grant {
    let KindGrant::Chosen { widest, .. } = kind.grants else { return grant };
    let members: Vec<u8> = groups(scheme, widest)
        .into_iter()
        .filter(|(name, _, _)| group == "*" || name == group)
        .flat_map(|(_, _, places)| places)
        .collect();
    let mut made = Grant::NONE;
    for resource in (0_u8..).take(scheme.resources.len()) {
        for action in Action::ALL {
            let need = Need { resource, action };
            let is_member = members.contains(&resource);
            let wanted = if is_member {
                widest.allows(need)
                    && (level == "write" || (level == "read" && action == Action::Read))
            } else {
                grant != Grant::Everything && grant.allows(need)
            };
            if wanted {
                made = made.with(need);
            }
        }
    }
    made
}

/// What is known of the use of a scope, for its row.
pub(crate) type Uses<'u> = dyn Fn(Need) -> Option<String> + 'u;

/// The choices of a kind; with what each was used for, where there is something to know.
pub(crate) fn form(
    kind: &Kind,
    scheme: &Scheme,
    grant: Grant,
    uses: Option<&Uses<'_>>,
    problems: &Problems,
) -> Markup {
    let (widest, everything) = match kind.grants {
        KindGrant::Chosen { widest, everything } => (widest, everything),
        KindGrant::Everything => {
            return html! { p.muted { "It reaches everything: every API, also those that come later." } };
        }
        KindGrant::Fixed(grant) => {
            return html! { p.muted { "Always the same, whoever has it:" } (words(grant, scheme)) };
        }
    };
    let problem = problems.of("grant");
    html! {
        @if everything {
            label.choice {
                input type="checkbox" name="everything" value="1" checked[grant == Grant::Everything];
                span { b { "Full access" } small { "Every permission there is, also those that come later. What is chosen below does not matter then." } }
            }
        }
        @if let Some(problem) = problem { p.bad id="grant" tabindex="-1" { (problem) } }
        div.row.fills {
            span.small.muted { "All at once:" }
            @for (level, label) in ["none", "read", "write"].into_iter().zip(&scheme.levels.labels) {
                button.chip name="fill" value={ "*:" (level) } formnovalidate aria-label={ (label) " for all resources" } { (label) }
            }
        }
        div.grid {
            @for (name, label, places) in groups(scheme, widest) {
                (group((&name, label), &places, scheme, (widest, grant), uses))
            }
        }
    }
}

fn group(
    (name, label): (&str, &str),
    places: &[u8],
    scheme: &Scheme,
    (widest, grant): (Grant, Grant),
    uses: Option<&Uses<'_>>,
) -> Markup {
    let can = |place: &&u8| {
        grant != Grant::NONE
            && Action::ALL.iter().any(|a| grant.allows(Need { resource: **place, action: *a }))
    };
    let chosen = places.iter().filter(can).count();
    html! {
        details.pg open {
            summary { (label) span.count { span data-gcount { (chosen) } " of " (places.len()) } }
            @if name != "*" {
                div.prow.all {
                    span.small.muted { "All of " (label) }
                    span.row {
                        @for (level, word) in ["none", "read", "write"].into_iter().zip(&scheme.levels.labels) {
                            button.chip name="fill" value={ (name) ":" (level) } formnovalidate aria-label={ (word) " for all of " (label) } { (word) }
                        }
                    }
                }
            }
            @for place in places {
                @if scheme.levels.exclusive {
                    (level_row(name, *place, scheme, grant, uses))
                } @else {
                    (scope_row(name, *place, scheme, (widest, grant), uses))
                }
            }
        }
    }
}

fn row_head(place: u8, scheme: &Scheme, uses: Option<&Uses<'_>>) -> Markup {
    let resource = &scheme.resources[usize::from(place)];
    let used = |uses: &Uses<'_>| -> Vec<String> {
        let of = |action| uses(Need { resource: place, action });
        let labels = &scheme.levels.labels[1..];
        let each = Action::ALL.into_iter().zip(labels);
        each.filter_map(|(action, label)| Some(format!("{label} {}", of(action)?))).collect()
    };
    let used = uses.map(used).unwrap_or_default();
    html! {
        div {
            b id={ "p-" (resource.name) } { (resource.label) }
            @if resource.moves_money { " " span.tag.money { "moves money" } }
            small id={ "d-" (resource.name) } { (resource.about) }
            @if !used.is_empty() { small.used { (used.join(" · ")) } }
        }
    }
}

fn level_row(
    group: &str,
    place: u8,
    scheme: &Scheme,
    grant: Grant,
    uses: Option<&Uses<'_>>,
) -> Markup {
    let resource = &scheme.resources[usize::from(place)];
    let can = |action| grant != Grant::Everything && grant.allows(Need { resource: place, action });
    let now = if can(Action::Write) {
        "write"
    } else if can(Action::Read) {
        "read"
    } else {
        "none"
    };
    let choices = [("none", "", "lv"), ("read", "r", "lv r"), ("write", "w", "lv w")];
    html! {
        div.prow data-perm=(resource.label) data-group=(group) {
            (row_head(place, scheme, uses))
            div.seg role="radiogroup" aria-labelledby={ "p-" (resource.name) } aria-describedby={ "d-" (resource.name) } {
                @for ((level, class, mark), label) in choices.into_iter().zip(&scheme.levels.labels) {
                    label class=[Some(class).filter(|class| !class.is_empty())] {
                        input type="radio" name={ "grant." (resource.name) } value=(level) checked[level == now]
                            data-money[level == "write" && resource.moves_money];
                        span class=(mark) aria-hidden="true" {}
                        (label)
                    }
                }
            }
        }
    }
}

fn scope_row(
    group: &str,
    place: u8,
    scheme: &Scheme,
    (widest, grant): (Grant, Grant),
    uses: Option<&Uses<'_>>,
) -> Markup {
    let resource = &scheme.resources[usize::from(place)];
    let choices = [(Action::Read, "r"), (Action::Write, "w")];
    html! {
        div.prow data-perm=(resource.label) data-group=(group) {
            (row_head(place, scheme, uses))
            div.seg role="group" aria-labelledby={ "p-" (resource.name) } aria-describedby={ "d-" (resource.name) } {
                @for ((action, class), label) in choices.into_iter().zip(&scheme.levels.labels[1..]) {
                    @let need = Need { resource: place, action };
                    @if widest.allows(need) {
                        label class=(class) {
                            input type="checkbox" name="scope" value={ (resource.name) ":" (action.as_str()) }
                                checked[grant != Grant::Everything && grant.allows(need)]
                                data-money[action == Action::Write && resource.moves_money];
                            span class={ "lv " (class) } aria-hidden="true" {}
                            (label)
                        }
                    }
                }
            }
        }
    }
}

/// A grant as sentences: "Write Invoices, Cards".
pub(crate) fn words(grant: Grant, scheme: &Scheme) -> Markup {
    let [_, read, write] = &scheme.levels.labels;
    if grant == Grant::Everything {
        return html! { ul.sum { li { span.lv.w aria-hidden="true" {} span { b { "Full access" } " to everything" } } } };
    }
    let named = |fits: &dyn Fn(u8) -> bool| -> Vec<&str> {
        let places = (0_u8..).zip(&scheme.resources).filter(|(place, _)| fits(*place));
        places.map(|(_, resource)| resource.label.as_str()).collect()
    };
    let allows = |resource, action| grant.allows(Need { resource, action });
    let includes = scheme.levels.write_includes_read;
    let writes = named(&|place| allows(place, Action::Write));
    let reads =
        named(&|place| allows(place, Action::Read) && !(includes && allows(place, Action::Write)));
    html! {
        ul.sum {
            @if !writes.is_empty() { li { span.lv.w aria-hidden="true" {} span { b { (write) } " " (writes.join(", ")) } } }
            @if !reads.is_empty() { li { span.lv.r aria-hidden="true" {} span { b { (read) } " " (reads.join(", ")) } } }
            @if writes.is_empty() && reads.is_empty() { li { span.lv aria-hidden="true" {} span { "Nothing" } } }
        }
    }
}

/// What a grant allows and nobody used since an instant, in words; `used` is the day of each
/// scope's last use.
pub(crate) fn unused(
    grant: Grant,
    scheme: &Scheme,
    used: &BTreeMap<String, Time>,
    since: Time,
) -> Vec<String> {
    let [_, read, write] = &scheme.levels.labels;
    let is_used = |resource, action| {
        let name = scheme.say_need(Need { resource, action });
        used.get(&name).is_some_and(|day| *day > since)
    };
    let includes = scheme.levels.write_includes_read;
    let mut unused = Vec::new();
    for (resource, declared) in (0_u8..).zip(&scheme.resources) {
        let can = |action| grant.allows(Need { resource, action });
        let (reads, writes) = (is_used(resource, Action::Read), is_used(resource, Action::Write));
        if can(Action::Write) && !writes {
            unused.push(format!("{write} {}", declared.label));
        }
        // Where writing includes reading, who writes needs no reading of its own.
        if can(Action::Read) && !reads && !(includes && can(Action::Write)) {
            unused.push(format!("{read} {}", declared.label));
        }
    }
    unused
}

/// How many resources a grant says nothing of.
pub(crate) fn untouched(grant: Grant, scheme: &Scheme) -> usize {
    let none = |place: &u8| {
        !Action::ALL.iter().any(|action| grant.allows(Need { resource: *place, action: *action }))
    };
    (0_u8..).take(scheme.resources.len()).filter(none).count()
}

/// What changes from one grant to another, a line for each resource.
pub(crate) fn diff(before: Grant, after: Grant, scheme: &Scheme) -> Markup {
    let [none, read, write] = &scheme.levels.labels;
    let level = |grant: Grant, resource| {
        let can = |action| grant.allows(Need { resource, action });
        match (can(Action::Read), can(Action::Write)) {
            (false, false) => none.clone(),
            (true, false) => read.clone(),
            (true, true) if scheme.levels.write_includes_read => write.clone(),
            (false, true) => write.clone(),
            (true, true) => format!("{read} and {write}"),
        }
    };
    let whole =
        |grant| if grant == Grant::Everything { "Full access" } else { "Chosen permissions" };
    html! {
        ul.diff {
            @if (before == Grant::Everything) != (after == Grant::Everything) {
                li { del { (whole(before)) } " " ins { (whole(after)) } }
            }
            @for (place, resource) in (0_u8..).zip(&scheme.resources) {
                @let (was, is) = (level(before, place), level(after, place));
                @if was != is { li { (resource.label) " " del { (was) } " " ins { (is) } } }
            }
        }
    }
}
