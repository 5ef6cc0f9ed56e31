//! Making a credential: from nothing, or like one there is.

use http::StatusCode;
use keyway_domain::Environment;
use keyway_domain::credential::Credential;
use keyway_domain::grant::Grant;
use keyway_domain::id::MemberId;
use keyway_domain::member::Member;
use keyway_domain::scheme::{Act, Expiry, Kind, KindGrant, Scheme};
use keyway_store::{Tx, members};
use maud::{Markup, html};

use super::key::{self, Loaded};
use super::limits::{
    Before, address_field, address_mode, addresses, expiry, expiry_fields, owner_field,
};
use super::problems::{Problems, Stop, Trouble};
use super::reply::{self, redirect};
use super::reveal::{self, Item, Shown};
use super::step_up::{Asked, Next, Wanted, again, asked};
use super::ui::{self, Field};
use super::visit::{Signed, Visit};
use super::{Answer, fields, grants, icons, layout};
use crate::commands::approvals::{self, Done, What, grant_text};

/// Everything the form shows.
pub(crate) struct Form<'f> {
    pub(crate) kind: &'f Kind,
    pub(crate) environment: Environment,
    pub(crate) title: String,
    pub(crate) lede: Markup,
    pub(crate) name: String,
    pub(crate) grant: Grant,
    pub(crate) addresses: String,
    pub(crate) people: Vec<Member>,
    pub(crate) owner: Option<MemberId>,
    pub(crate) asked: Asked,
    /// Kinds that could be made instead.
    pub(crate) others: Vec<&'f Kind>,
    /// Whether what it may do can be chosen here.
    pub(crate) choose_grant: bool,
    /// Whether an expiry can be chosen here.
    pub(crate) choose_expiry: bool,
    pub(crate) button: String,
}

/// Whether this member may do an act to credentials of a kind.
pub(crate) fn may(kind: &Kind, act: Act, signed: &Signed) -> bool {
    kind.act(act).is_some_and(|rule| rule.by.contains(&signed.member.role))
}

/// The people who can have care of a credential.
pub(crate) async fn people(visit: &Visit) -> Result<Vec<Member>, Stop> {
    let (account, seals) = (visit.signed()?.account.id, visit.app().platform.rules.seals.clone());
    Ok(visit.app().db.read(move |tx| members::list(tx, &seals, account)).await?)
}

/// The kind that is to be made: the one asked for, or the first that this member may make.
fn wanted_kind<'s>(visit: &Visit, scheme: &'s Scheme, signed: &Signed) -> Result<&'s Kind, Stop> {
    match visit.fields.given("kind") {
        Some(name) => {
            let kind = scheme.kind(name).ok_or(Stop::NotFound)?;
            if may(kind, Act::Create, signed) {
                Ok(kind)
            } else {
                Err(Stop::Forbidden(not_yours(kind, Act::Create, signed)))
            }
        }
        None => scheme
            .kinds
            .iter()
            .find(|kind| may(kind, Act::Create, signed))
            .ok_or_else(|| Stop::Forbidden("Your role may not create credentials.".to_owned())),
    }
}

/// Why this member may not.
pub(crate) fn not_yours(kind: &Kind, act: Act, signed: &Signed) -> String {
    let Some(rule) = kind.act(act) else {
        return format!(
            "{} is not something that can be done to {}.",
            ui::capital(act.gerund()),
            layout::article(&kind.label)
        );
    };
    let who: Vec<&str> = rule.by.iter().map(|role| ui::role_word(*role)).collect();
    let who = if who.is_empty() { "Only the platform".to_owned() } else { who.join(" or ") };
    format!(
        "{who} may {} {}; you are {}.",
        act.verb(),
        layout::article(&kind.label),
        ui::role_word(signed.member.role)
    )
}

/// What a proof for making one is bound to.
fn create_wanted(kind: &Kind, environment: Environment) -> Wanted {
    let rule = kind.act(Act::Create).map_or(keyway_domain::scheme::StepUpRule::None, |r| r.step_up);
    Wanted::new("create", format!("{}/{}", environment.as_str(), kind.name), rule)
}

async fn load<'s>(visit: &Visit, scheme: &'s Scheme) -> Result<Form<'s>, Stop> {
    let signed = visit.signed()?;
    let environment = visit.environment()?;
    let kind = wanted_kind(visit, scheme, signed)?;
    let fields = &visit.fields;
    let label = layout::article(&lower(&kind.label));
    let others = scheme.kinds.iter().filter(|other| may(other, Act::Create, signed)).collect();
    Ok(Form {
        kind,
        environment,
        title: format!("Create {label}"),
        lede: html! { "One for each service: then each can be rotated and revoked without touching the others." },
        name: fields.text("name").to_owned(),
        grant: grants::shown(fields, kind, scheme, None),
        addresses: fields.text("addresses").to_owned(),
        people: people(visit).await?,
        owner: MemberId::parse(fields.text("owner")).or(Some(signed.member.id)),
        asked: asked(visit, &create_wanted(kind, environment)).await?,
        others,
        choose_grant: true,
        choose_expiry: true,
        button: format!("Create {}", lower(&kind.label)),
    })
}

fn lower(label: &str) -> String {
    let second = label.chars().nth(1);
    if second.is_some_and(char::is_lowercase) { label.to_lowercase() } else { label.to_owned() }
}

pub(crate) async fn form(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let form = load(&visit, &scheme).await?;
    Ok(reply::html(StatusCode::OK, &view(&visit, &form, &Problems::none())))
}

pub(crate) async fn submit(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let form = load(&visit, &scheme).await?;
    if visit.fields.has("fill") {
        // A button that fills in a group: the form again, with what it sets.
        return Ok(reply::html(StatusCode::OK, &view(&visit, &form, &Problems::none())));
    }
    match create(&visit, &form, &scheme).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| view(&visit, &form, problems)),
    }
}

async fn create(
    visit: &Visit,
    form: &Form<'_>,
    scheme: &Scheme,
) -> Result<crate::http::Reply, Trouble> {
    let signed = visit.signed()?.clone();
    let owner = MemberId::parse(visit.fields.text("owner")).unwrap_or(signed.member.id);
    let what = What::Create {
        kind: form.kind.name.clone(),
        environment: form.environment.as_str().to_owned(),
        name: visit.fields.text("name").to_owned(),
        grant: grant_text(&visit.moment(), grants::chosen(&visit.fields, form.kind, scheme)?),
        addresses: addresses(visit)?,
        mode: address_mode(visit).as_str().to_owned(),
        expires_at: expiry(visit, form.kind)?,
        owner,
    };
    let wanted = create_wanted(form.kind, form.environment);
    visit
        .act(Some(wanted), move |tx, moment| {
            let done = approvals::go(tx, moment, signed.account.id, what.clone())?;
            Ok(Next::to(show(tx, moment, &signed, &done, "")?))
        })
        .await
        .inspect(|_| forget_roster(visit))
}

/// Owners are no part of a credential: the list reads them anew.
pub(crate) fn forget_roster(visit: &Visit) {
    if let Some(signed) = &visit.signed {
        visit.app().rosters.forget(signed.account.id);
    }
}

/// Keeps a new secret for its page; where that is, or where it is waited for.
pub(crate) fn show(
    tx: &mut Tx<'_>,
    moment: &crate::commands::Moment,
    signed: &Signed,
    done: &Done,
    note: &str,
) -> Result<String, crate::commands::Error> {
    let Done::Made(credential, secret) = done else { return Ok(done.leads_to("/")) };
    let to = format!("/{}/keys/{}", credential.environment.as_str(), credential.id);
    let items = vec![Item::new(credential, secret, moment)];
    let shown = Shown { items, to, note: note.to_owned() };
    Ok(reveal::keep(tx, moment, signed, &shown)?)
}

/// The form of a new credential.
pub(crate) fn view(visit: &Visit, form: &Form, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    let is_chosen = matches!(form.kind.grants, KindGrant::Chosen { .. });
    let body = html! {
        div.head {
            div {
                (layout::crumbs(scheme, form.environment, &html! { "New" }))
                h1 { (form.title) }
                p.lede { (form.lede) }
            }
        }
        (restored(visit))
        form.split action=(visit.call.uri.path()) method="post" data-grants data-create {
            (layout::marks(visit))
            input type="hidden" name="kind" value=(form.kind.name);
            // Enter in a text field presses the first button of a form: let that be the last one.
            button.vh tabindex="-1" aria-hidden="true" { "Create" }
            div.card {
                (problems_section(problems))
                (first_section(visit, form, problems))
                section.sect aria-labelledby="s2" {
                    div.row.between {
                        h2.lg id="s2" { "What it may do" }
                        @if scheme.levels.write_includes_read && is_chosen { span.small.muted { (scheme.levels.labels[2]) " includes " (scheme.levels.labels[1]) } }
                    }
                    @if form.choose_grant { (grants::form(form.kind, scheme, form.grant, None, problems)) }
                    @else { (grants::words(form.grant, scheme)) }
                }
                section.sect aria-labelledby="s3" {
                    h2.lg id="s3" { "Limits" }
                    @if form.choose_expiry { (expiry_fields(visit, form.kind, Before::Nothing, problems)) }
                    (address_field(visit, &form.addresses, problems))
                }
                @if form.asked.is_needed() {
                    section.sect aria-labelledby="s4" {
                        h2.lg id="s4" { "Confirm it is you" }
                        (form.asked.show(problems))
                    }
                }
            }
            (side(visit, form, scheme))
        }
    };
    layout::page(visit, &form.title, Some(layout::Nav::Keys), &body)
}

fn problems_section(problems: &Problems) -> Markup {
    html! { @if !problems.is_empty() { section.sect { (problems.summary()) } } }
}

/// Said above a form that was filled in again after a new sign-in.
pub(crate) fn restored(visit: &Visit) -> Markup {
    html! {
        @if visit.fields.text("restored") == "1" && !visit.is_post() {
            (ui::note("info", icons::INFO, &html! {
                b { "You are signed in again." } " What you typed is here; a password or code is not kept: enter it again."
            }))
        }
    }
}

fn first_section(visit: &Visit, form: &Form, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    let environment = form.environment;
    html! {
        section.sect aria-labelledby="s1" {
            h2.lg id="s1" { "What is it for" }
            div.two {
                (Field::new("name", "Name", &form.name).hint("You will look for this name in an incident.").show(problems))
                (owner_field(&form.people, form.owner))
            }
            div.field {
                span.label { "Environment" }
                div.cards {
                    @for (at, about) in [(Environment::Live, "Real payments."), (Environment::Test, "No money moves.")] {
                        a.choice href={ "/" (at.as_str()) "/keys/new?kind=" (form.kind.name) } aria-current=[(at == environment).then_some("true")] {
                            span { b { (scheme.environment_label(at)) } small { (about) } }
                        }
                    }
                }
            }
            @if form.others.len() > 1 {
                div.field {
                    span.label { "Type" }
                    div.cards {
                        @for kind in &form.others {
                            a.choice href={ "/" (environment.as_str()) "/keys/new?kind=" (kind.name) } aria-current=[(kind.name == form.kind.name).then_some("true")] {
                                span { b { (kind.label) } small { (about_kind(kind)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A kind in a few words, from what its rules are.
fn about_kind(kind: &Kind) -> &'static str {
    match kind.grants {
        KindGrant::Everything if kind.single => "Reaches every API. One for the account.",
        KindGrant::Everything => "Reaches every API.",
        KindGrant::Fixed(_) => "May be published. Can do the same few things always.",
        KindGrant::Chosen { .. } => "For your servers. Does what you choose.",
    }
}

fn side(visit: &Visit, form: &Form, scheme: &Scheme) -> Markup {
    let link = format!(
        "/{}/keys/new?kind={}&name={}",
        form.environment.as_str(),
        form.kind.name,
        fields::encoded(&form.name)
    );
    let _ = visit;
    html! {
        aside aria-label="Summary" {
            div.card {
                header { h2 { "It will" } (ui::environment_badge(scheme, form.environment)) }
                div.body.stack {
                    div data-sum { (grants::words(effective(form), scheme)) }
                    hr;
                    dl.kv {
                        dt { "Nothing else" } dd { span data-nonecount { (grants::untouched(effective(form), scheme)) } " resources" }
                        @if form.choose_expiry && form.kind.expiry != Expiry::Never { dt { "Expires" } dd data-exp { "As chosen" } }
                        dt { "Looks like" } dd { code.key { i { (form.kind.secret.prefix(form.environment)) } "…" } }
                    }
                    div.note.warn.small data-moneynote role="status" hidden {
                        (icons::WARN)
                        div { b { "It can move money out." } " Limit it to your " a href="#addresses" { "IP addresses" } ", or a leaked copy works from anywhere." }
                    }
                    @if form.asked.is_possible() { button.btn.primary.wide { (form.button) } }
                    p.small.muted { "The secret is shown once, on the next page." }
                }
            }
            div.note { (icons::LINK) div.small { "Share this form: " a href=(link) { "a link that fills it in" } ". It never contains a secret." } }
        }
    }
}

fn effective(form: &Form) -> Grant {
    match form.kind.grants {
        KindGrant::Everything => Grant::Everything,
        KindGrant::Fixed(grant) => grant,
        KindGrant::Chosen { .. } => form.grant,
    }
}

async fn load_duplicate<'s>(visit: &Visit, scheme: &'s Scheme) -> Result<(Form<'s>, Loaded), Stop> {
    let (loaded, kind) = key::load_for(visit, scheme, Act::Duplicate).await?;
    let original = &loaded.credential;
    let fields = &visit.fields;
    let typed = fields.given("name").map(str::to_owned);
    let form = Form {
        kind,
        environment: original.environment,
        title: format!("Duplicate {}", original.name),
        lede: html! { "The same kind, limits and expiry, with a secret of its own. Change what it may do before it is made." },
        name: typed.unwrap_or_else(|| format!("{} (copy)", original.name)),
        grant: grants::shown(fields, kind, scheme, Some(original.grant)),
        addresses: String::new(),
        people: people(visit).await?,
        owner: MemberId::parse(fields.text("owner"))
            .or_else(|| loaded.owner.as_ref().map(|m| m.id)),
        asked: asked(visit, &loaded.wanted(kind, Act::Duplicate)).await?,
        others: Vec::new(),
        choose_grant: true,
        choose_expiry: false,
        button: "Duplicate".to_owned(),
    };
    Ok((form, loaded))
}

pub(crate) async fn duplicate_form(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let (form, loaded) = load_duplicate(&visit, &scheme).await?;
    Ok(reply::html(StatusCode::OK, &duplicate_view(&visit, &form, &loaded, &Problems::none())))
}

pub(crate) async fn duplicate(visit: Visit) -> Answer {
    let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
    let (form, loaded) = load_duplicate(&visit, &scheme).await?;
    if visit.fields.has("fill") {
        let page = duplicate_view(&visit, &form, &loaded, &Problems::none());
        return Ok(reply::html(StatusCode::OK, &page));
    }
    match attempt_duplicate(&visit, &form, &loaded, &scheme).await {
        Ok(reply) => Ok(reply),
        Err(trouble) => again(trouble, |problems| duplicate_view(&visit, &form, &loaded, problems)),
    }
}

async fn attempt_duplicate(
    visit: &Visit,
    form: &Form<'_>,
    loaded: &Loaded,
    scheme: &Scheme,
) -> Result<crate::http::Reply, Trouble> {
    let grant = grants::chosen(&visit.fields, form.kind, scheme)?;
    let signed = visit.signed()?.clone();
    let what = What::Duplicate {
        id: loaded.credential.id,
        name: visit.fields.text("name").to_owned(),
        grant: grant_text(&visit.moment(), grant),
        owner: MemberId::parse(visit.fields.text("owner")).unwrap_or(signed.member.id),
    };
    let wanted = loaded.wanted(form.kind, Act::Duplicate);
    visit
        .act(Some(wanted), move |tx, moment| {
            let done = approvals::go(tx, moment, signed.account.id, what.clone())?;
            Ok(Next::to(show(tx, moment, &signed, &done, "")?))
        })
        .await
        .inspect(|_| forget_roster(visit))
}

fn duplicate_view(visit: &Visit, form: &Form, loaded: &Loaded, problems: &Problems) -> Markup {
    let scheme = visit.scheme();
    let body = html! {
        div.head {
            div {
                (layout::crumbs(scheme, form.environment, &loaded.link()))
                h1 { (form.title) }
                p.lede { (form.lede) }
            }
        }
        (restored(visit))
        form.split action=(visit.call.uri.path()) method="post" data-grants data-create {
            (layout::marks(visit))
            button.vh tabindex="-1" aria-hidden="true" { "Duplicate" }
            div.card {
                (problems_section(problems))
                section.sect aria-labelledby="s1" {
                    h2.lg id="s1" { "What is it for" }
                    div.two {
                        (Field::new("name", "Name", &form.name).hint("You will look for this name in an incident.").show(problems))
                        (owner_field(&form.people, form.owner))
                    }
                }
                section.sect aria-labelledby="s2" {
                    h2.lg id="s2" { "What it may do" }
                    (grants::form(form.kind, scheme, form.grant, None, problems))
                }
                @if form.asked.is_needed() {
                    section.sect aria-labelledby="s4" { h2.lg id="s4" { "Confirm it is you" } (form.asked.show(problems)) }
                }
            }
            (side(visit, form, scheme))
        }
    };
    layout::page(visit, &form.title, Some(layout::Nav::Keys), &body)
}

/// Leads to a credential's page.
pub(crate) fn to_key(credential: &Credential) -> crate::http::Reply {
    redirect(&format!("/{}/keys/{}", credential.environment.as_str(), credential.id))
}
