//! The frame of every page: head, header, navigation, and where messages are read out.

use keyway_domain::Environment;
use keyway_domain::scheme::{Act, Scheme};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::icons::{self, Icon};
use super::ui;
use super::visit::{Cookie, Signed, Visit};

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nav {
    /// The credentials.
    Keys,
    /// Webhook endpoints.
    Webhooks,
    /// Alerts.
    Alerts,
    /// Everything revoked that fits.
    Incident,
    /// The log of requests.
    Requests,
    /// What waits for a second person.
    Approvals,
    /// The audit log.
    Audit,
    /// The people.
    Team,
    /// The settings.
    Settings,
}

/// Our sign: a keyhole.
pub(crate) fn mark() -> Markup {
    html! {
        svg viewBox="0 0 24 24" aria-hidden="true" focusable="false" fill="none" stroke="currentColor" stroke-width="1.9" stroke-linecap="round" {
            circle cx="12" cy="12" r="10" {}
            circle cx="12" cy="9.6" r="2.7" {}
            path d="M12 12.3v5.2M12 15h2.3" {}
        }
    }
}

pub(super) fn document(title: &str, theme: Option<&str>, class: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Keyway" }
                link rel="stylesheet" href=(assets::url("style.css"));
                link rel="icon" href=(assets::url("icon.svg")) type="image/svg+xml";
                script src=(assets::url("app.js")) defer {}
            }
            body class=[(!class.is_empty()).then_some(class)] {
                a.skip href="#main" { "Skip to content" }
                (body)
                div.vh role="status" aria-live="polite" id="live" {}
            }
        }
    }
}

pub(super) fn theme(visit: &Visit) -> Option<&str> {
    visit.cookie(Cookie::Theme).filter(|theme| matches!(*theme, "light" | "dark"))
}

/// A page for who is signed in; for others, [`bare`].
pub(crate) fn page(visit: &Visit, title: &str, nav: Option<Nav>, main: &Markup) -> Markup {
    let Some(signed) = &visit.signed else { return bare(title, main) };
    let scheme = visit.scheme();
    let environment = Environment::parse(visit.param("environment"));
    let class = if environment == Some(Environment::Test) { "test" } else { "" };
    let body = html! {
        (header(visit, signed, environment))
        div.shell {
            (navigation(visit, signed, scheme, nav, environment.unwrap_or(Environment::Live)))
            main id="main" tabindex="-1" { (main) }
        }
    };
    document(title, theme(visit), class, &body)
}

fn header(visit: &Visit, signed: &Signed, environment: Option<Environment>) -> Markup {
    let scheme = visit.scheme();
    let home = environment.unwrap_or(Environment::Live).as_str();
    let word = &scheme.words.credential;
    html! {
        header.top {
            button.btn.quiet.icon.only-s type="button" popovertarget="nav" aria-label="Menu" { (icons::MENU) }
            a.brand href={ "/" (home) "/keys" } { (mark()) span { "Keyway" } }
            span.slash.only-l aria-hidden="true" { "/" }
            span.acct.only-l { (scheme.title) " " span.slash aria-hidden="true" { "›" } " " bdi { (signed.account.name) } }
            span.spacer {}
            form.find.only-l role="search" aria-label="All credentials" action={ "/" (home) "/keys" } {
                label.vh for="q-top" { "Find by name or last four" }
                (icons::FIND)
                input id="q-top" name="q" type="search" placeholder={ "Find " (article(word)) } autocomplete="off" data-find;
                kbd aria-hidden="true" { "Ctrl K" }
            }
            nav.env aria-label="Environment" {
                @for (at, class) in [(Environment::Live, ""), (Environment::Test, "test")] {
                    a class=[Some(class).filter(|class| !class.is_empty())] href={ "/" (at.as_str()) "/keys" }
                        aria-current=[(environment == Some(at)).then_some("true")] { (scheme.environment_label(at)) }
                }
            }
            (theme_switch(visit, "only-m", &html! { button.btn.quiet.icon data-theme-toggle aria-label="Switch theme" { (icons::THEME) } }))
            button.avatar.btn.quiet.icon type="button" popovertarget="me" {
                (ui::initials(&signed.member.name)) span.vh { ", account menu" }
            }
            div.menu id="me" popover {
                a href="/you" { (icons::LOCK) "Sign-in security" }
                // Where the header has no room for it.
                (theme_switch(visit, "only-xs", &html! { button data-theme-toggle { (icons::THEME) "Switch theme" } }))
                hr;
                form action="/sign-out" method="post" {
                    input type="hidden" name="csrf" value=(visit.form_token(signed));
                    button { (icons::LEAVE) "Sign out" }
                }
            }
        }
    }
}

pub(super) fn theme_switch(visit: &Visit, class: &str, button: &Markup) -> Markup {
    html! {
        form class=(class) action="/theme" method="post" {
            input type="hidden" name="back" value=(visit.call.uri.path());
            (button)
        }
    }
}

fn navigation(
    visit: &Visit,
    signed: &Signed,
    scheme: &Scheme,
    here: Option<Nav>,
    environment: Environment,
) -> Markup {
    let role = signed.member.role;
    let live = visit.app().rosters.live(signed.account.id, environment, visit.now);
    let waiting = usize::try_from(signed.waiting).ok().filter(|waiting| *waiting > 0);
    let waiting = waiting.map(|waiting| (waiting, "open"));
    let entry = |nav: Nav, icon: Icon, to: String, label: &str, count: Option<(usize, &str)>| {
        html! {
            li {
                a href=(to) aria-current=[(here == Some(nav)).then_some("page")] {
                    (icon) (label)
                    @if let Some((count, of)) = count { span.count { (count) span.vh { " " (of) } } }
                }
            }
        }
    };
    let may = |roles: &[keyway_domain::actor::Role]| roles.contains(&role);
    html! {
        nav id="nav" popover aria-label="Main" {
            div {
                h2 { "Credentials" }
                ul {
                    (entry(Nav::Keys, icons::KEY, format!("/{}/keys", environment.as_str()), &scheme.words.credentials, live.map(|live| (live, "live"))))
                    (entry(Nav::Webhooks, icons::HOOK, "/settings/webhooks".to_owned(), "Webhooks", None))
                }
            }
            div {
                h2 { "Observe" }
                ul {
                    (entry(Nav::Alerts, icons::BELL, "/settings/alerts".to_owned(), "Alerts", None))
                    (entry(Nav::Requests, icons::PULSE, "/requests".to_owned(), "Requests", None))
                    @if visit.standing().second_person().is_some() {
                        (entry(Nav::Approvals, icons::CHECK, "/approvals".to_owned(), "Approvals", waiting))
                    }
                    @if may(&scheme.people.audit) {
                        (entry(Nav::Audit, icons::LIST, "/audit".to_owned(), "Audit log", None))
                    }
                    @if super::leak::may_revoke_many(visit) {
                        (entry(Nav::Incident, icons::SHIELD, "/incident".to_owned(), "Incident", None))
                    }
                }
            }
            div {
                h2 { "Organisation" }
                ul {
                    (entry(Nav::Team, icons::TEAM, "/team".to_owned(), "Team and roles", None))
                    (entry(Nav::Settings, icons::GEAR, "/settings/security".to_owned(), "Settings", None))
                }
            }
            div.foot {
                a href="/docs/api" { "API reference" }
                span { "Keyway " (env!("CARGO_PKG_VERSION")) " · self-hosted" }
            }
        }
    }
}

/// A page for nobody in particular.
pub(crate) fn bare(title: &str, main: &Markup) -> Markup {
    let body = html! {
        header.top { a.brand href="/" { (mark()) span { "Keyway" } } }
        main id="main" tabindex="-1" { (main) }
    };
    document(title, None, "", &body)
}

/// A page of those that let people in.
pub(crate) fn door(visit: &Visit, title: &str, main: &Markup) -> Markup {
    let platform = &visit.scheme().title;
    let body = html! {
        div.auth {
            aside aria-label="About" {
                a.brand href="/" { (mark()) span { "Keyway" } }
                blockquote { "Every key has an owner, an end date and a history." }
                small { "Self-hosted by " (platform) }
            }
            main id="main" tabindex="-1" { (main) }
        }
    };
    document(title, theme(visit), "", &body)
}

/// The marks of a form: whose it is, and which one, so that it is taken once.
pub(crate) fn marks(visit: &Visit) -> Markup {
    let once = visit.fields.given("once").filter(|_| visit.is_post());
    let once = once.map_or_else(|| super::visit::new_token().reveal().to_owned(), str::to_owned);
    html! {
        @if let Some(mark) = visit.own_mark() { input type="hidden" name="csrf" value=(mark); }
        input type="hidden" name="once" value=(once);
    }
}

/// `an API key`, `a secret key`.
pub(crate) fn article(word: &str) -> String {
    if word.ends_with('s') {
        // Some platforms call one of them by the plural: a pair of strings.
        return word.to_owned();
    }
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {word}", if vowel { "an" } else { "a" })
}

/// Where something stands: the list, and what comes below it.
pub(crate) fn crumbs(scheme: &Scheme, environment: Environment, here: &Markup) -> Markup {
    html! {
        p.crumbs {
            a href={ "/" (environment.as_str()) "/keys" } { (scheme.words.credentials) }
            " " span aria-hidden="true" { "/" } " " (here)
        }
    }
}

/// What an act is called on a button.
pub(crate) fn act_label(act: Act) -> &'static str {
    match act {
        Act::Create => "Create",
        Act::Reveal => "Show",
        Act::Rotate => "Rotate secret",
        Act::Finish => "End window now",
        Act::Extend => "Extend",
        Act::Rollback => "Roll back",
        Act::Regenerate => "Regenerate",
        Act::Duplicate => "Duplicate",
        Act::Edit => "Edit access",
        Act::Rename => "Rename",
        Act::Expire => "Change expiry",
        Act::Revoke => "Revoke",
        Act::Delete => "Delete",
    }
}

/// The picture beside it.
pub(crate) fn act_icon(act: Act) -> Icon {
    match act {
        Act::Create => icons::PLUS,
        Act::Reveal => icons::EYE,
        Act::Rotate | Act::Regenerate => icons::ROTATE,
        Act::Finish => icons::CHECK,
        Act::Extend | Act::Expire => icons::CLOCK,
        Act::Rollback => icons::BACK,
        Act::Duplicate => icons::TWICE,
        Act::Edit | Act::Rename => icons::EDIT,
        Act::Revoke | Act::Delete => icons::BIN,
    }
}
