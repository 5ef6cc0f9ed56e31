//! The team on its pages: nobody reaches above themselves, somebody always answers for the account,
//! and who is taken out is out at once.

use keyway_domain::actor::Role;
use keyway_domain::id::CredentialId;
use keyway_store::owners;

use crate::acts::{self, leads_to, listed};
use crate::browser::{Browser, Form, PASSWORD, WRONG, account_of, member};
use crate::harness::{Keyway, MINUTE};

const OWNER: &str = "ada@example.com";
const ADMIN: &str = "admin@example.com";
const DEVELOPER: &str = "dev@example.com";

async fn team(scheme: &str) -> (Keyway, String, [Browser; 3]) {
    let keyway = Keyway::start(scheme).await;
    let ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let admin = Browser::join(&keyway, &account, Role::Admin, ADMIN).await;
    let developer = Browser::join(&keyway, &account, Role::Developer, DEVELOPER).await;
    (keyway, account, [ada, admin, developer])
}

async fn path(keyway: &Keyway, address: &str, act: &str) -> String {
    format!("/team/{}/{act}", member(keyway, address).await.id)
}

#[tokio::test]
async fn the_last_owner_is_neither_removed_nor_demoted() {
    let (keyway, _, [mut ada, ..]) = team("xendit").await;
    let form = ada.form(&path(&keyway, OWNER, "role").await).await.with("role", "viewer");
    let refused = ada.submit(&form.with("password", PASSWORD)).await.expect(409);
    assert!(refused.text.contains("last owner"), "{}", refused.text);
    let form = ada.form(&path(&keyway, OWNER, "remove").await).await;
    let heir = member(&keyway, ADMIN).await.id.to_string();
    let form = form.with("owner", heir).with("password", PASSWORD);
    ada.submit(&form).await.expect(409);
    assert_eq!(member(&keyway, OWNER).await.role, Role::Owner);
    // With a second one, the first may go.
    let form = ada.form(&path(&keyway, ADMIN, "role").await).await.with("role", "owner");
    leads_to(&ada.submit(&form.with("password", PASSWORD)).await);
    let form = ada.form(&path(&keyway, OWNER, "role").await).await.with("role", "viewer");
    leads_to(&ada.submit(&form.with("password", PASSWORD)).await);
    assert_eq!(member(&keyway, OWNER).await.role, Role::Viewer);
    // What they may do has changed in the session that they are in.
    ada.get("/team/invite").await.expect(403);
    ada.get("/audit").await.expect(if viewer_audits(&keyway) { 200 } else { 403 });
}

fn viewer_audits(keyway: &Keyway) -> bool {
    keyway.app.platform.rules.scheme.people.audit.contains(&Role::Viewer)
}

#[tokio::test]
async fn two_owners_who_demote_each_other_at_once_leave_one() {
    let (keyway, _, [mut ada, mut admin, _]) = team("xendit").await;
    let form = ada.form(&path(&keyway, ADMIN, "role").await).await.with("role", "owner");
    leads_to(&ada.submit(&form.with("password", PASSWORD)).await);
    let one = ada.form(&path(&keyway, ADMIN, "role").await).await.with("role", "viewer");
    let two = admin.form(&path(&keyway, OWNER, "role").await).await.with("role", "viewer");
    let (one, two) = (one.with("password", PASSWORD), two.with("password", PASSWORD));
    let (first, second) = tokio::join!(ada.submit(&one), admin.submit(&two));
    let passed = [&first, &second].iter().filter(|answer| answer.status == 303).count();
    assert_eq!(passed, 1, "{} and {}", first.status, second.status);
}

#[tokio::test]
async fn an_admin_reaches_no_owner_and_makes_none() {
    let (keyway, _, [_, mut admin, _]) = team("xendit").await;
    for act in ["role", "remove"] {
        let path = path(&keyway, OWNER, act).await;
        admin.get(&path).await.expect(403);
        let form = admin.made_up(&path).await.with("role", "viewer").with("password", PASSWORD);
        admin.submit(&form).await.expect(403);
    }
    let form = admin.form(&path(&keyway, DEVELOPER, "role").await).await.with("role", "owner");
    assert!(admin.submit(&form.with("password", PASSWORD)).await.status >= 400);
    let form = admin.form(&path(&keyway, ADMIN, "role").await).await.with("role", "owner");
    assert!(admin.submit(&form.with("password", PASSWORD)).await.status >= 400);
    let form = admin.form("/team/invite").await.with("email", "new@example.com");
    let form = form.with("role", "owner").with("password", PASSWORD);
    assert!(admin.submit(&form).await.status >= 400);
    for (address, role) in
        [(OWNER, Role::Owner), (ADMIN, Role::Admin), (DEVELOPER, Role::Developer)]
    {
        assert_eq!(member(&keyway, address).await.role, role);
    }
    assert!(keyway.letters().await.is_empty());
}

#[tokio::test]
async fn who_is_removed_is_out_at_once_and_their_credentials_live_on() {
    let (keyway, account, [mut ada, _, mut developer]) = team("xendit").await;
    let kind = acts::kinds(&keyway).remove(0);
    let scheme = keyway.app.platform.rules.scheme.clone();
    let create = keyway_domain::scheme::Act::Create;
    let form = acts::form(&mut developer, &scheme, &kind, "", create).await;
    let made = developer.submit(&form.clone().with("password", PASSWORD)).await;
    let reveal = leads_to(&made).to_owned();
    let list = listed(&keyway, &account).await;
    let made = list.as_array().expect("a list").iter().find(|one| one["name"] == "Made here");
    let id = made.expect("it is made")["id"].as_str().expect("an id").to_owned();
    let half_open = acts::form(&mut developer, &scheme, &kind, "", create).await;
    let half_open = half_open.with("name", "Left behind").with("password", PASSWORD);
    let heir = member(&keyway, OWNER).await.id;
    let form = ada.form(&path(&keyway, DEVELOPER, "remove").await).await;
    assert!(form.value("owner").is_some(), "somebody has to take over");
    let nobody = form.clone().without("owner").with("password", PASSWORD);
    ada.submit(&nobody).await.expect(422);
    let form = form.with("owner", heir.to_string());
    leads_to(&ada.submit(&form).await);
    let credential = CredentialId::parse(&id).expect("an id");
    let owner = keyway.app.db.read(move |tx| owners::of(tx, credential)).await;
    assert_eq!(owner.expect("it is read"), Some(heir));
    assert_eq!(listed(&keyway, &account).await, list, "the credential lives on");
    // The sessions are over, and what was open in them does nothing.
    for path in ["/live/keys", "/you", reveal.as_str()] {
        developer.get(path).await.expect(303);
    }
    developer.submit(&half_open).await.expect(401);
    assert_eq!(listed(&keyway, &account).await, list);
    Browser::new(&keyway).password(DEVELOPER, PASSWORD).await.expect(401);
    developer.cookies.remove("keyway");
    developer.password(DEVELOPER, PASSWORD).await.expect(401);
    // They may come again, as somebody new.
    let mut back = Browser::join(&keyway, &account, Role::Viewer, DEVELOPER).await;
    back.get("/live/keys").await.expect(200);
    back.get("/live/keys/new").await.expect(403);
}

#[tokio::test]
async fn ending_a_session_ends_that_one_and_changing_the_password_ends_all_others() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let mut other = Browser::sign_in(&keyway, OWNER).await;
    let mut third = Browser::sign_in(&keyway, OWNER).await;
    let you = ada.get("/you").await.expect(200).text;
    let ends: Vec<String> = you
        .split("action=\"/you/sessions/sess_")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|rest| format!("/you/sessions/sess_{rest}"))
        .collect();
    assert_eq!(ends.len(), 2, "its own has no button");
    let form = Form::find(&you, "/you", &ends[0]).expect("a form");
    leads_to(&ada.submit(&form).await);
    let left = [other.get("/you").await.status, third.get("/you").await.status];
    assert_eq!(left.iter().filter(|status| **status == 200).count(), 1);
    let new = "nine brass lanterns by the river";
    let form = ada.form("/you/password").await.with("password", new);
    ada.submit(&form.clone().with("current", WRONG)).await.expect(401);
    leads_to(&ada.submit(&form.with("current", PASSWORD)).await);
    for browser in [&mut other, &mut third] {
        browser.get("/you").await.expect(303);
    }
    ada.get("/you").await.expect(200);
    // A browser that is not the one is known no longer: its tries are everybody's.
    Browser::new(&keyway).password(OWNER, PASSWORD).await.expect(401);
    leads_to(&Browser::new(&keyway).password(OWNER, new).await);
}

#[tokio::test]
async fn setting_up_an_authenticator_ends_other_sessions_and_asks_for_what_is_there() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let mut other = Browser::sign_in(&keyway, OWNER).await;
    let page = ada.get("/you/authenticator").await.expect(200).text;
    let seed = crate::browser::text_of(&page, "seed-text").expect("a seed").replace(' ', "");
    let phone = crate::browser::Phone { seed: keyway_secret::SecretText::new(seed), ahead_ms: 0 };
    let at = "/you/authenticator";
    let form = Form::find(&page, at, at).expect("a form");
    let code = phone.code(keyway.app.now());
    for wrong in [
        form.clone().with("code", code.clone()),
        form.clone().with("code", code.clone()).with("password", WRONG),
        form.clone().with("code", "000000").with("password", PASSWORD),
        form.clone().with("seed", "forged").with("code", code.clone()).with("password", PASSWORD),
    ] {
        ada.submit(&wrong).await.expect(401);
        assert!(member(&keyway, OWNER).await.totp.is_none());
    }
    leads_to(&ada.submit(&form.with("code", code).with("password", PASSWORD)).await);
    other.get("/you").await.expect(303);
    // To take it away, a password alone is too little.
    let form = ada.form("/you/authenticator/remove").await;
    ada.submit(&form.clone().with("password", PASSWORD)).await.expect(401);
    keyway.clock.advance_ms(MINUTE);
    leads_to(&ada.submit(&form.with("code", phone.code(keyway.app.now()))).await);
    assert!(member(&keyway, OWNER).await.totp.is_none());
}

/// Forms of people, sent a second time: what is wrong.
#[tokio::test]
async fn forms_about_people_sent_twice_lead_to_the_same_place() {
    let (keyway, _, [mut ada, ..]) = team("xendit").await;
    let role = ada.form(&path(&keyway, ADMIN, "role").await).await.with("role", "viewer");
    let remove = ada.form(&path(&keyway, DEVELOPER, "remove").await).await;
    let invite = ada.form("/team/invite").await.with("email", "new@example.com");
    let name = ada.form_to("/you", "/you/name").await.with("name", "Ada King");
    let mut wrong = Vec::new();
    for form in [role, remove, invite, name] {
        let form = form.with("password", PASSWORD);
        let to = leads_to(&ada.submit(&form).await).to_owned();
        let again = ada.submit(&form).await;
        if again.status != 303 || again.header("location") != Some(&to) {
            wrong.push(format!("{} led to {to}, then to {}", form.action, again.status));
        }
    }
    let form = ada.form("/you/password").await.with("current", PASSWORD);
    let form = form.with("password", "nine brass lanterns by the river");
    leads_to(&ada.submit(&form).await);
    let again = ada.submit(&form).await;
    if again.status != 303 {
        wrong.push(format!("{} led on, then to {}", form.action, again.status));
    }
    assert_eq!(keyway.letters().await.len(), 1, "one invitation");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
