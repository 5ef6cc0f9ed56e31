//! Roles: what each may do on a page is what the scheme says, for every kind and act, and a form
//! that somebody sends who may not changes nothing.

use keyway_domain::actor::Role;
use keyway_domain::scheme::{Act, Kind};
use keyway_server::http::pages::routes::{For, pages};

use crate::acts::{self, listed};
use crate::browser::{Browser, Form, PASSWORD, account_of};
use crate::harness::Keyway;
use crate::page_table::filled;

const OWNER: &str = "ada@example.com";

/// The people of an account: one for each role.
async fn people(keyway: &Keyway) -> (String, Vec<(Role, Browser)>) {
    let owner = Browser::sign_up(keyway, OWNER).await;
    let account = account_of(keyway, OWNER).await;
    let mut people = vec![(Role::Owner, owner)];
    for role in [Role::Admin, Role::Developer, Role::Viewer] {
        let address = format!("{}@example.com", role.as_str());
        people.push((role, Browser::join(keyway, &account, role, &address).await));
    }
    (account, people)
}

/// What a page of an act answers to a role, by the scheme alone.
fn by_the_scheme(kinds: &[Kind], kind: &Kind, act: Act, role: Role) -> u16 {
    let may = |kind: &Kind| kind.act(act).is_some_and(|rule| rule.by.contains(&role));
    match kind.act(act) {
        _ if may(kind) => 200,
        None if act != Act::Create && kinds.iter().any(may) => 404,
        _ => 403,
    }
}

/// Every act of every kind, asked for by one person. How many pages there were.
async fn asks(keyway: &Keyway, account: &str, role: Role, browser: &mut Browser) -> usize {
    let kinds = acts::kinds(keyway);
    let mut pages = 0;
    for kind in &kinds {
        let id = acts::make(keyway, account, kind).await;
        for (act, _, _) in Act::ALL {
            let expected = by_the_scheme(&kinds, kind, act, role);
            let path = acts::path(kind, &id, act);
            let what = format!("{} may {} {}", role.as_str(), act.verb(), kind.name);
            if act != Act::Reveal {
                let page = browser.get(&path).await;
                assert_eq!(page.status, expected, "{what}:\n{}", page.text);
                pages += 1;
            }
            if expected == 200 {
                continue;
            }
            let to = path.split('?').next().unwrap_or(&path);
            let form = browser.made_up(to).await;
            let form = acts::fill(&keyway.app.platform.rules.scheme, kind, act, form);
            let form = form.with("kind", kind.name.clone()).with("version", "1");
            let before = listed(keyway, account).await;
            let refused = browser.submit(&form.with("password", PASSWORD)).await;
            assert_eq!(refused.status, expected, "{what}, sent:\n{}", refused.text);
            assert_eq!(before, listed(keyway, account).await, "{what}: something changed");
        }
    }
    pages
}

async fn scheme_holds(scheme: &str) {
    let keyway = Keyway::start(scheme).await;
    let (account, people) = people(&keyway).await;
    for (role, mut browser) in people {
        let pages = asks(&keyway, &account, role, &mut browser).await;
        assert!(pages >= 12, "{pages} pages");
    }
}

#[tokio::test]
async fn xendits_pages_let_each_role_do_what_the_scheme_says_and_no_more() {
    scheme_holds("xendit").await;
}

#[tokio::test]
async fn xtopays_pages_let_each_role_do_what_the_scheme_says_and_no_more() {
    scheme_holds("xtopay").await;
}

#[tokio::test]
async fn enterprises_pages_let_each_role_do_what_the_scheme_says_and_no_more() {
    scheme_holds("enterprise").await;
}

#[tokio::test]
async fn rapyds_pages_let_each_role_do_what_the_scheme_says_and_no_more() {
    scheme_holds("rapyd").await;
}

#[tokio::test]
async fn airwallexs_pages_let_each_role_do_what_the_scheme_says_and_no_more() {
    scheme_holds("airwallex").await;
}

/// Acts on several at once, and making one that takes another's place, are the same acts.
#[tokio::test]
async fn the_roundabout_ways_to_an_act_ask_for_the_same_role() {
    let keyway = Keyway::start("enterprise").await;
    let (account, people) = people(&keyway).await;
    let kind = acts::kinds(&keyway).remove(0);
    let id = acts::make(&keyway, &account, &kind).await;
    for (role, mut browser) in people {
        let may = |act: Act| kind.act(act).is_some_and(|rule| rule.by.contains(&role));
        let status = |act: Act| if may(act) { 200 } else { 403 };
        for (path, act) in [
            (format!("/live/keys/bulk/revoke?id={id}"), Act::Revoke),
            (format!("/live/keys/bulk/expire?id={id}"), Act::Expire),
            (format!("/live/keys/{id}/replace"), Act::Create),
            (format!("/live/keys/{id}/owner"), Act::Rename),
        ] {
            let page = browser.get(&path).await;
            assert_eq!(page.status, status(act), "{} {path}", role.as_str());
            if may(act) {
                continue;
            }
            let to = path.split('?').next().unwrap_or(&path);
            let form = browser.made_up(to).await.with("id", id.clone()).with("typed", "1");
            let form = form.with("name", "New").with("expires", "30").with("password", PASSWORD);
            let before = listed(&keyway, &account).await;
            browser.submit(&form).await.expect(403);
            assert_eq!(before, listed(&keyway, &account).await);
        }
    }
}

/// Whether the table lets a role have a page at all.
pub(crate) fn has(keyway: &Keyway, whom: For, role: Role) -> bool {
    let scheme = &keyway.app.platform.rules.scheme;
    match whom {
        For::Anyone | For::Member | For::Active => true,
        For::Operator(..) => false,
        For::Managers => scheme.people.manage.contains(&role),
        For::Auditors => scheme.people.audit.contains(&role),
        For::Settlers => scheme.people.settings.contains(&role),
        For::Act(act) => scheme
            .kinds
            .iter()
            .any(|kind| kind.act(act).is_some_and(|rule| rule.by.contains(&role))),
    }
}

#[tokio::test]
async fn a_viewer_has_no_page_that_changes_anything_unless_the_scheme_says_so() {
    let mut refused = 0;
    for scheme in ["xendit", "xtopay", "enterprise", "rapyd", "airwallex"] {
        let keyway = Keyway::start(scheme).await;
        Browser::sign_up(&keyway, OWNER).await;
        let account = account_of(&keyway, OWNER).await;
        let mut viewer = Browser::join(&keyway, &account, Role::Viewer, "v@example.com").await;
        let csrf = viewer.csrf().await;
        for page in pages().iter().filter(|page| page.for_whom != For::Anyone) {
            let path = filled(page.path);
            if path == "/sign-out" {
                continue;
            }
            let form = Form { action: path.clone(), fields: Vec::new() };
            let answer = match page.method.as_str() {
                "GET" => viewer.get(&path).await,
                _ => viewer.submit(&form.with("csrf", csrf.clone()).with("once", "x")).await,
            };
            let may = has(&keyway, page.for_whom, Role::Viewer);
            // Where members' sessions are nothing, a viewer is a stranger.
            let refusal = if matches!(page.for_whom, For::Operator(..)) { 401 } else { 403 };
            assert_eq!(answer.status != refusal, may, "{scheme} {} {path}", page.method);
            assert_ne!(answer.status, 500, "{scheme} {} {path}", page.method);
            refused += usize::from(!may);
        }
    }
    assert!(refused > 150, "only {refused} pages were refused");
}
