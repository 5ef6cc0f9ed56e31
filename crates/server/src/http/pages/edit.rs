//! Changing what a credential may do, its name, its end, and who has care of it. The secret stays.

use http::StatusCode;
use ipnet::IpNet;
use keyway_domain::credential::{AddressMode, Credential};
use keyway_domain::grant::Grant;
use keyway_domain::id::MemberId;
use keyway_domain::lifecycle::Edit;
use keyway_domain::member::Member;
use keyway_domain::scheme::{Act, Kind, KindGrant, Scheme};
use maud::{Markup, html};

use super::dialog::Dialog;
use super::key::{self, Loaded};
use super::limits::{
    Before, address_mode, address_mode_field, addresses, expiry, expiry_fields, owner_field,
};
use super::narrowing::{Past, Taken};
use super::new_key::{forget_roster, people, restored};
use super::problems::{Problems, Stop, Trouble};
use super::reply;
use super::step_up::{Asked, Next, again, asked};
use super::ui::{self, Field};
use super::visit::Visit;
use super::{Answer, grants, icons, layout, reported};
use crate::codes::Code;
use crate::commands::approvals::{self, Done, What, grant_text};
use crate::commands::credentials::{self as commands, Change};
use crate::commands::{Error, team};
use crate::http::Reply;

/// What a form of a change needs.
struct Case<'s> {
    visit: &'s Visit,
    scheme: &'s Scheme,
    loaded: Loaded,
    kind: &'s Kind,
    act: Act,
    asked: Asked,
    people: Vec<Member>,
    /// What it did, where its access is to change.
    past: Past,
}

impl<'s> Case<'s> {
    async fn open(visit: &'s Visit, scheme: &'s Scheme, act: Act) -> Result<Self, Stop> {
        let (loaded, kind) = key::load_for(visit, scheme, act).await?;
        let asked = asked(visit, &loaded.wanted(kind, act)).await?;
        let people = people(visit).await?;
        let past = match act {
            Act::Edit => Past::read(visit, loaded.credential.id).await?,
            _ => Past::default(),
        };
        Ok(Self { visit, scheme, loaded, kind, act, asked, people, past })
    }

    /// The credential as it was when the form was made: a change in between is told, not undone.
    fn version(&self) -> Markup {
        let typed = self.visit.fields.given("version").filter(|_| self.visit.is_post());
        let version =
            typed.map_or_else(|| self.loaded.credential.version.to_string(), str::to_owned);
        html! { input type="hidden" name="version" value=(version); }
    }

    /// Refuses a form that was made from an older state.
    fn is_fresh(&self) -> Result<(), Problems> {
        let version = self.loaded.credential.version.to_string();
        if self.visit.fields.text("version") == version {
            return Ok(());
        }
        let message = "Somebody changed it after you opened this form. Your changes are still here, beside what is true now: open the form again to take that over, or look at its history.";
        Err(Problems::one(StatusCode::CONFLICT, "", message))
    }

    async fn change(&self, change: Change, done: &str) -> Result<Reply, Trouble> {
        self.is_fresh()?;
        let signed = self.visit.signed()?;
        let (account, id) = (signed.account.id, self.loaded.credential.id);
        let version = self.loaded.credential.version;
        let to = format!("{}?done={done}", self.loaded.path());
        let wanted = self.loaded.wanted(self.kind, self.act);
        self.visit
            .act(Some(wanted), move |tx, moment| {
                let changed = commands::change(tx, moment, account, id, change.clone())?;
                check_alone(&changed, version)?;
                Ok(Next::to(to.clone()))
            })
            .await
    }

    /// Changes it, or asks for that where it needs a second person.
    async fn ask(&self, what: What, done: &str) -> Result<Reply, Trouble> {
        self.is_fresh()?;
        let (account, version) = (self.visit.signed()?.account.id, self.loaded.credential.version);
        let to = format!("{}?done={done}", self.loaded.path());
        let wanted = self.loaded.wanted(self.kind, self.act);
        self.visit
            .act(Some(wanted), move |tx, moment| {
                let done = approvals::go(tx, moment, account, what.clone())?;
                if let Done::Changed(changed) = &done {
                    check_alone(changed, version)?;
                }
                Ok(Next::to(done.leads_to(&to)))
            })
            .await
    }

    fn page(&self, title: &str, body: &Markup) -> Markup {
        let credential = &self.loaded.credential;
        let body = html! {
            div.head {
                div {
                    (layout::crumbs(self.scheme, credential.environment, &self.loaded.link()))
                    div.row { p.t-title { bdi { (credential.name) } } (ui::environment_badge(self.scheme, credential.environment)) }
                }
            }
            (restored(self.visit))
            (body)
        };
        layout::page(self.visit, title, Some(layout::Nav::Keys), &body)
    }

    fn dialog(&self, title: &str, body: &Markup, problems: &Problems) -> Markup {
        let dialog = Dialog {
            title: title.to_owned(),
            about: html! { (ui::hint(self.loaded.hint())) },
            back: self.loaded.path(),
            body: html! { (self.version()) (body) (self.asked.show(problems)) },
            keep: "Cancel",
            button: html! { "Save" },
            class: "primary",
        };
        self.page(title, &dialog.show(self.visit, problems))
    }
}

/// Refuses a change on top of another that the form did not know of.
fn check_alone(changed: &Credential, version: i64) -> Result<(), Error> {
    if changed.version > version + 1 {
        let message = "somebody changed it at the same moment; open the form again".to_owned();
        return Err(Error::Conflict { code: Code::Outdated, message });
    }
    Ok(())
}

macro_rules! form_pages {
    ($($form:ident, $submit:ident, $act:expr, $view:path, $attempt:path;)*) => {$(
        pub(crate) async fn $form(visit: Visit) -> Answer {
            let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
            let case = Case::open(&visit, &scheme, $act).await?;
            Ok(reply::html(StatusCode::OK, &$view(&case, &Problems::none())))
        }

        pub(crate) async fn $submit(visit: Visit) -> Answer {
            let scheme = std::sync::Arc::clone(&visit.app().platform.rules.scheme);
            let case = Case::open(&visit, &scheme, $act).await?;
            if visit.fields.has("fill") {
                return Ok(reply::html(StatusCode::OK, &$view(&case, &Problems::none())));
            }
            match $attempt(&case).await {
                Ok(reply) => Ok(reply),
                Err(trouble) => again(trouble, |problems| $view(&case, problems)),
            }
        }
    )*};
}

form_pages! {
    form, submit, Act::Edit, view, edit;
    rename_form, rename, Act::Rename, rename_view, renaming;
    expire_form, expire, Act::Expire, expire_view, expiring;
    owner_form, owner, Act::Rename, owner_view, owning;
}

impl Case<'_> {
    fn taken(&self, grant: Grant, addresses: &[IpNet], mode: AddressMode) -> Taken {
        let enforced = if mode == AddressMode::Enforce { addresses } else { &[] };
        Taken::new(self.scheme, &self.loaded, &self.past, (grant, enforced), self.visit.now)
    }
}

/// The addresses as they were typed; `None` if they can't be read.
fn typed_addresses(case: &Case) -> Option<Vec<IpNet>> {
    if case.visit.fields.has("addresses") { addresses(case.visit).ok() } else { None }
}

fn typed_grant(case: &Case) -> Grant {
    let present = case.loaded.credential.grant;
    grants::shown(&case.visit.fields, case.kind, case.scheme, Some(present))
}

fn view(case: &Case, problems: &Problems) -> Markup {
    let credential = &case.loaded.credential;
    let grant = typed_grant(case);
    let present: Vec<String> = credential.addresses.iter().map(ToString::to_string).collect();
    let typed = case.visit.fields.has("addresses");
    let listed =
        if typed { case.visit.fields.text("addresses").to_owned() } else { present.join("\n") };
    let problem = problems.of("addresses");
    let mode = if typed { address_mode(case.visit) } else { credential.address_mode };
    let taken = typed_addresses(case).map(|addresses| case.taken(grant, &addresses, mode));
    let body = html! {
        form.split action=(case.visit.call.uri.path()) method="post" data-grants {
            (layout::marks(case.visit))
            (case.version())
            button.vh tabindex="-1" aria-hidden="true" { "Save" }
            div.card {
                section.sect aria-labelledby="s0" {
                    h1.lg id="s0" { "Edit access" }
                    (problems.summary())
                    p.muted { "The secret stays as it is. What you take away is refused from the answer on." }
                    @if let Some(taken) = taken.filter(|_| case.visit.is_post()) {
                        (taken.show(case.scheme, case.visit, problems))
                    }
                }
                @if matches!(case.kind.grants, KindGrant::Chosen { .. }) {
                    section.sect aria-labelledby="s2" {
                        h2.lg id="s2" { "What it may do" }
                        (grants::form(case.kind, case.scheme, grant, Some(&case.past.uses(&case.loaded, case.scheme, case.visit.now)), problems))
                    }
                }
                section.sect aria-labelledby="s3" {
                    h2.lg id="s3" { "Limits" }
                    div.field {
                        label for="addresses" { "Allowed IP addresses " span.opt { "(optional)" } }
                        textarea.mono id="addresses" name="addresses" rows="3" aria-invalid=[problem.map(|_| "true")]
                            aria-describedby={ @if problem.is_some() { "addresses-e " } "addresses-h" } { (listed) }
                        @if let Some(problem) = problem { span.err id="addresses-e" { (icons::WARN) (problem) } }
                        span.hint id="addresses-h" { "One address or CIDR range in a line; from anywhere if you leave it empty." }
                        (address_mode_field(mode))
                        @if !case.loaded.reports.is_empty() {
                            p.small { "From outside of the list as it is now:" }
                            (reported::list(&case.loaded.reports, case.visit.now))
                        }
                    }
                }
                @if case.asked.is_needed() {
                    section.sect aria-labelledby="s4" { h2.lg id="s4" { "Confirm it is you" } (case.asked.show(problems)) }
                }
            }
            aside aria-label="Summary" {
                div.card {
                    header { h2 { "It will" } (ui::environment_badge(case.scheme, credential.environment)) }
                    div.body.stack {
                        div data-sum { (grants::words(grant, case.scheme)) }
                        @if grant != credential.grant {
                            hr;
                            h3 { "What changes" }
                            (grants::diff(credential.grant, grant, case.scheme))
                        }
                        p.small.muted { (ui::count(case.past.allowed(), "request", "requests")) " passed in the last 30 days. If you take something away, you see how many of them would have been refused before it is saved." }
                        @if case.asked.is_possible() { button.btn.primary.wide { "Save access" } }
                        a.btn.wide href=(case.loaded.path()) { "Cancel" }
                    }
                }
            }
        }
    };
    case.page("Edit access", &body)
}

async fn edit(case: &Case<'_>) -> Result<Reply, Trouble> {
    let grant = grants::chosen(&case.visit.fields, case.kind, case.scheme)?;
    let addresses = addresses(case.visit)?;
    let credential = &case.loaded.credential;
    let mode = if addresses.is_empty() { AddressMode::Enforce } else { address_mode(case.visit) };
    let edit = Edit {
        grant: grant.filter(|grant| *grant != credential.grant),
        addresses: (addresses != credential.addresses).then_some(addresses),
        address_mode: (mode != credential.address_mode).then_some(mode),
        rate: None,
    };
    if !edit.is_something() {
        return Err(Problems::field("", "Nothing is changed yet.").into());
    }
    let taken = case.taken(
        edit.grant.unwrap_or(credential.grant),
        edit.addresses.as_deref().unwrap_or(&credential.addresses),
        mode,
    );
    case.is_fresh()?;
    // Nothing narrows in silence: what it would have refused is seen first.
    taken.is_agreed(case.visit)?;
    let what = What::Edit {
        id: credential.id,
        grant: grant_text(&case.visit.moment(), edit.grant),
        addresses: edit.addresses,
        mode: edit.address_mode.map(|mode| mode.as_str().to_owned()),
    };
    case.ask(what, "edited").await
}

fn rename_view(case: &Case, problems: &Problems) -> Markup {
    let typed = case.visit.fields.given("name");
    let name = typed.unwrap_or(&case.loaded.credential.name);
    let field =
        Field::new("name", "Name", name).hint("You will look for this name in an incident.");
    case.dialog("Rename", &field.show(problems), problems)
}

async fn renaming(case: &Case<'_>) -> Result<Reply, Trouble> {
    case.change(Change::Rename(case.visit.fields.text("name").to_owned()), "renamed").await
}

fn expire_view(case: &Case, problems: &Problems) -> Markup {
    let present = Before::Ends(case.loaded.credential.expires_at);
    let body = expiry_fields(case.visit, case.kind, present, problems);
    case.dialog("Change expiry", &body, problems)
}

async fn expiring(case: &Case<'_>) -> Result<Reply, Trouble> {
    let at = expiry(case.visit, case.kind)?;
    case.ask(What::Expire { id: case.loaded.credential.id, at }, "expiry").await
}

fn owner_view(case: &Case, problems: &Problems) -> Markup {
    let owner = case.loaded.owner.as_ref().map(|owner| owner.id);
    case.dialog("Change owner", &owner_field(&case.people, owner), problems)
}

async fn owning(case: &Case<'_>) -> Result<Reply, Trouble> {
    let to = MemberId::parse(case.visit.fields.text("owner"));
    let to = to.ok_or_else(|| Problems::field("owner", "Choose a person."))?;
    let signed = case.visit.signed()?;
    let (account, id) = (signed.account.id, case.loaded.credential.id);
    let next = format!("{}?done=owner", case.loaded.path());
    let wanted = case.loaded.wanted(case.kind, Act::Rename);
    case.visit
        .act(Some(wanted), move |tx, moment| {
            team::give_care(tx, moment, account, id, to)?;
            Ok(Next::to(next.clone()))
        })
        .await
        .inspect(|_| forget_roster(case.visit))
}
