//! A second person: what gives out more that moves money waits for another member, is done once,
//! and only as it was asked for.

use keyway_domain::actor::Role;
use serde_json::{Value, json};

use crate::acts::leads_to;
use crate::browser::{Browser, PASSWORD, account_of};
use crate::harness::{DAY, Keyway};

const OWNER: &str = "ada@example.com";
const RULES: &str = "/settings/security";

/// An account with two who may do everything, and the rule.
async fn start() -> (Keyway, Browser, Browser, String) {
    start_with("enterprise").await
}

async fn start_with(scheme: &str) -> (Keyway, Browser, Browser, String) {
    let keyway = Keyway::start(scheme).await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let alone = ada.form(RULES).await.with("second_person", "1").with("password", PASSWORD);
    let said = ada.submit(&alone).await.expect(422).text;
    assert!(said.contains("Nobody else here could approve anything"), "{said}");
    let grace = Browser::join(&keyway, &account, Role::Admin, "grace@example.com").await;
    crate::rules::set(&mut ada, &[("second_person", "1")]).await;
    (keyway, ada, grace, account)
}

/// Sends the form of a new credential that can move money; where the request waits.
async fn ask(browser: &mut Browser, name: &str) -> String {
    let form = browser.form("/live/keys/new").await.with("name", name);
    let form = form.with("scope", "payouts:write").with("expires", "30");
    let to = leads_to(&browser.submit(&form).await).to_owned();
    assert!(to.starts_with("/approvals/apr_") && to.ends_with("?done=asked"), "{to}");
    to.trim_end_matches("?done=asked").to_owned()
}

async fn send(
    browser: &mut Browser,
    page: &str,
    act: &str,
    fields: &[(&str, &str)],
) -> crate::harness::Answer {
    let action = format!("{page}/{act}");
    let mut form = browser.made_up(&action).await;
    for (name, value) in fields {
        form = form.with(name, *value);
    }
    browser.submit(&form).await
}

async fn count(keyway: &Keyway, account: &str) -> usize {
    let list = keyway.get(&format!("/v1/accounts/{account}/credentials")).await.expect(200).json();
    list["data"].as_array().map_or(0, Vec::len)
}

async fn events(keyway: &Keyway, account: &str, kind: &str) -> Vec<Value> {
    let log = keyway.get(&format!("/v1/accounts/{account}/events?type={kind}")).await.expect(200);
    log.json()["data"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_new_secret_that_moves_money_waits_and_is_for_who_asked() {
    let (keyway, mut ada, mut grace, account) = start().await;
    // What moves no money, and what only tests, waits for nobody.
    for (at, scope) in [("live", "payouts:read"), ("test", "payouts:write")] {
        let form = ada.form(&format!("/{at}/keys/new")).await.with("name", "Free");
        let form = form.with("scope", scope).with("expires", "30");
        let to = leads_to(&ada.submit(&form).await).to_owned();
        assert!(to.starts_with("/reveal/"), "{to}");
    }
    let page = ask(&mut ada, "Pays out").await;
    assert_eq!(count(&keyway, &account).await, 2, "nothing was made");
    let letters = keyway.mail().await;
    let asked = |letter: &&String| letter.contains("your approval is asked for");
    let asked: Vec<&String> = letters.iter().filter(asked).collect();
    assert_eq!(asked.len(), 1, "one may approve, and it is not who asked: {letters:?}");
    assert!(asked[0].contains("grace@example.com") && asked[0].contains(&page), "{}", asked[0]);
    // Nobody approves their own, and nobody takes what was not approved.
    send(&mut ada, &page, "approve", &[("password", PASSWORD)]).await.expect(409);
    send(&mut ada, &page, "take", &[("password", PASSWORD)]).await.expect(409);
    let inbox = grace.get("/approvals").await.expect(200).text;
    assert!(inbox.contains("Create “Pays out”"), "{inbox}");
    // The second person proves who they are.
    send(&mut grace, &page, "approve", &[]).await.expect(401);
    let done = send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await;
    assert_eq!(leads_to(&done), format!("{page}?done=approved"));
    assert_eq!(count(&keyway, &account).await, 2, "it waits for who asked");
    send(&mut grace, &page, "take", &[("password", PASSWORD)]).await.expect(409);
    let to = leads_to(&send(&mut ada, &page, "take", &[("password", PASSWORD)]).await).to_owned();
    let shown = ada.get(&to).await.expect(200).text;
    assert!(to.starts_with("/reveal/") && shown.contains("id=\"secret\""), "{shown}");
    assert_eq!(count(&keyway, &account).await, 3);
    // Once; the same form again leads to the same page.
    let again = [("password", PASSWORD), ("once", "another form")];
    send(&mut ada, &page, "take", &again).await.expect(409);
    assert_eq!(count(&keyway, &account).await, 3);
    let made = &events(&keyway, &account, "api_key.created").await[0];
    assert_eq!(made["after"]["approved_by"], "grace@example.com");
    assert_eq!(made["actor"]["member"], OWNER);
    let given = &events(&keyway, &account, "approval.approved").await[0];
    assert_eq!(given["step_up"], "password");
    let path = format!("/v1/accounts/{account}/approvals");
    let listed = keyway.get(&path).await.expect(200).json();
    assert_eq!(listed["data"][0]["state"], "done");
    assert_eq!(listed["data"][0]["asked"], "Create “Pays out”");
}

#[tokio::test]
async fn what_is_declined_taken_back_or_too_old_is_not_done() {
    let (keyway, mut ada, mut grace, account) = start().await;
    let page = ask(&mut ada, "One").await;
    send(&mut grace, &page, "decline", &[]).await.expect(422);
    send(&mut grace, &page, "decline", &[("why", "Use the one we have")]).await.expect(303);
    let told = ada.get(&page).await.expect(200).text;
    assert!(told.contains("Use the one we have") && told.contains("Declined"), "{told}");
    send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(409);
    // Also after it was approved.
    let page = ask(&mut ada, "Two").await;
    send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(303);
    send(&mut grace, &page, "decline", &[("why", "On second thought")]).await.expect(303);
    send(&mut ada, &page, "take", &[("password", PASSWORD)]).await.expect(409);
    let page = ask(&mut ada, "Three").await;
    send(&mut grace, &page, "withdraw", &[]).await.expect(409);
    send(&mut ada, &page, "withdraw", &[]).await.expect(303);
    send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(409);
    let page = ask(&mut ada, "Four").await;
    keyway.clock.advance_ms(7 * DAY + 1);
    let mut grace = Browser::sign_in(&keyway, "grace@example.com").await;
    let said = send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(409).text;
    assert!(said.contains("expired already"), "{said}");
    assert_eq!(count(&keyway, &account).await, 0);
    for (kind, times) in
        [("approval.asked", 4), ("approval.declined", 2), ("approval.withdrawn", 1)]
    {
        assert_eq!(events(&keyway, &account, kind).await.len(), times, "{kind}");
    }
}

#[tokio::test]
async fn an_edit_is_done_as_it_is_approved_unless_something_has_changed() {
    let (keyway, mut ada, mut grace, account) = start().await;
    let body = json!({ "kind": "key", "environment": "live", "name": "K",
        "grant": ["payouts:write"], "expires_at": null, "addresses": ["203.0.113.0/24"] });
    let id = keyway.create(&account, body).await.expect(201).id();
    let edit = format!("/live/keys/{id}/edit");
    let form = ada.form(&edit).await.with("addresses", "203.0.113.0/24\n198.51.100.7");
    let page = leads_to(&ada.submit(&form).await).trim_end_matches("?done=asked").to_owned();
    assert!(page.starts_with("/approvals/apr_"), "{page}");
    // Somebody renames it meanwhile: what is approved must be what was looked at.
    let path = format!("/v1/accounts/{account}/credentials/{id}");
    keyway.manage("PATCH", &path, &json!({ "name": "Another" })).await.expect(200);
    let said = send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(409).text;
    assert!(said.contains("The credential has changed since this was asked for"), "{said}");
    let form = ada.form(&edit).await.with("addresses", "203.0.113.0/24\n198.51.100.7");
    let page = leads_to(&ada.submit(&form).await).trim_end_matches("?done=asked").to_owned();
    let done = send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await;
    assert_eq!(leads_to(&done), format!("{page}?done=did"));
    let now = keyway.get(&path).await.expect(200);
    assert!(now.text.contains("198.51.100.7"), "{}", now.text);
    let told = &events(&keyway, &account, "api_key.updated").await[0];
    assert_eq!(told["after"]["asked_by"], OWNER);
    assert_eq!(told["actor"]["member"], "grace@example.com");
    // Its next secret waits as well; its end does not.
    let form = ada.form(&format!("/live/keys/{id}/revoke")).await;
    let form = form.with("reason", "unused").with("typed", "x").with("confirm", "1");
    let to = leads_to(&ada.submit(&form.with("password", PASSWORD)).await).to_owned();
    assert!(to.contains("done=revoked"), "{to}");
}

#[tokio::test]
async fn the_rule_does_not_go_without_a_second_person() {
    let (_keyway, mut ada, mut grace, _) = start().await;
    let form = ada.form(RULES).await.without("second_person").with("password", PASSWORD);
    let page = leads_to(&ada.submit(&form).await).trim_end_matches("?done=asked").to_owned();
    assert!(page.starts_with("/approvals/apr_"), "{page}");
    ask(&mut ada, "Still waits").await;
    send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(303);
    let form = ada.form("/live/keys/new").await.with("name", "Alone again");
    let form = form.with("scope", "payouts:write").with("expires", "30");
    let to = leads_to(&ada.submit(&form).await).to_owned();
    assert!(to.starts_with("/reveal/"), "{to}");
}

#[tokio::test]
async fn a_rotation_waits_and_what_the_api_does_for_a_member_is_refused() {
    let (keyway, mut ada, mut grace, account) = start_with("xtopay").await;
    let body = json!({ "kind": "client", "environment": "live", "name": "Shop",
        "grant": ["refunds:write"] });
    let id = keyway.create(&account, body).await.expect(201).id();
    let speaks = json!({ "on_behalf_of": { "member": OWNER, "role": "owner" } });
    let refused = keyway.act(&account, &id, "rotate", speaks).await.expect(409).json();
    assert_eq!(refused["code"], "second_person_needed", "{refused}");
    let form = ada.form(&format!("/live/keys/{id}/rotate")).await.with("confirm", "1");
    let page = leads_to(&ada.submit(&form).await).trim_end_matches("?done=asked").to_owned();
    assert!(page.starts_with("/approvals/apr_"), "{page}");
    send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(303);
    assert!(
        events(&keyway, &account, "api_key.rotated").await.is_empty(),
        "no secret ends while nobody has the next"
    );
    // Who was removed approves nothing any more.
    let grace = crate::browser::member(&keyway, "grace@example.com").await.id;
    let path = format!("/v1/accounts/{account}/members/{grace}/role");
    keyway.post(&path, json!({ "role": "viewer" })).await.expect(200);
    let said = send(&mut ada, &page, "take", &[("password", PASSWORD)]).await.expect(409).text;
    assert!(said.contains("What one of the two may do has changed"), "{said}");
    keyway.post(&path, json!({ "role": "admin" })).await.expect(200);
    let again = [("password", PASSWORD), ("once", "another form")];
    let to = leads_to(&send(&mut ada, &page, "take", &again).await).to_owned();
    let shown = ada.get(&to).await.expect(200).text;
    assert!(shown.contains("works until"), "{shown}");
    assert_eq!(events(&keyway, &account, "api_key.rotated").await.len(), 1);
}

#[tokio::test]
async fn whatever_makes_a_secret_waits() {
    let (keyway, mut ada, mut grace, account) = start().await;
    let body = json!({ "kind": "key", "environment": "live", "name": "Pays",
        "grant": ["payouts:write"], "expires_at": null });
    let id = keyway.create(&account, body).await.expect(201).id();
    let open = async |browser: &mut Browser| browser.get("/live/keys").await.expect(200).text;
    assert!(!open(&mut ada).await.contains("<span class=\"vh\"> open</span>"));
    for (act, button) in [("duplicate", "Copy"), ("replace", "Pays 2")] {
        let before = count(&keyway, &account).await;
        let form = ada.form(&format!("/live/keys/{id}/{act}")).await;
        let form = form.with("name", button).with("expires", "30").with("confirm", "1");
        let page = leads_to(&ada.submit(&form).await).trim_end_matches("?done=asked").to_owned();
        assert!(page.starts_with("/approvals/apr_"), "{act}: {page}");
        assert_eq!(count(&keyway, &account).await, before, "{act}");
        assert!(open(&mut grace).await.contains("1<span class=\"vh\"> open</span>"));
        send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(303);
        let fields = [("password", PASSWORD), ("once", act)];
        let to = leads_to(&send(&mut ada, &page, "take", &fields).await).to_owned();
        assert!(to.starts_with("/reveal/"), "{act}: {to}");
        assert_eq!(count(&keyway, &account).await, before + 1, "{act}");
    }
    let (keyway, mut ada, mut grace, account) = start_with("airwallex").await;
    let body = json!({ "kind": "restricted", "environment": "live", "name": "Pays",
        "grant": ["transfers:write"] });
    let id = keyway.create(&account, body).await.expect(201).id();
    let form = ada.form(&format!("/live/keys/{id}/regenerate")).await.with("confirm", "1");
    let sent = ada.submit(&form.with("password", PASSWORD)).await;
    let page = leads_to(&sent).trim_end_matches("?done=asked").to_owned();
    assert!(page.starts_with("/approvals/apr_"), "{page}");
    assert!(events(&keyway, &account, "api_key.regenerated").await.is_empty());
    send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(303);
    let to = leads_to(&send(&mut ada, &page, "take", &[("password", PASSWORD)]).await).to_owned();
    assert!(to.starts_with("/reveal/"), "{to}");
}

#[tokio::test]
async fn another_accounts_requests_are_not_there() {
    let (keyway, mut ada, _, account) = start().await;
    let page = ask(&mut ada, "Ours").await;
    let mut eve = Browser::sign_up(&keyway, "eve@example.com").await;
    eve.get(&page).await.expect(404);
    for act in ["approve", "decline", "withdraw", "take"] {
        let fields = [("password", PASSWORD), ("why", "x")];
        send(&mut eve, &page, act, &fields).await.expect(404);
    }
    assert!(!eve.get("/approvals").await.expect(200).text.contains("Ours"));
    let path = format!("/v1/accounts/{account}/approvals");
    let listed = keyway.get(&path).await.expect(200).json();
    assert_eq!(listed["data"][0]["state"], "waiting");
}

#[tokio::test]
async fn rules_that_cannot_be_read_let_nothing_through() {
    let (keyway, mut ada, _, account) = start().await;
    let id = keyway_domain::id::AccountId::parse(&account).expect("an id");
    let broken = move |tx: &mut keyway_store::Tx<'_>| {
        keyway_store::account_settings::save(tx, id, "rules", "{\"second_person\":")
    };
    keyway.app.db.write(keyway.app.now(), broken).await.expect("it is written");
    ada.get("/live/keys").await.expect(503);
    let speaks = json!({ "kind": "key", "environment": "live", "name": "K",
        "grant": ["payouts:write"], "on_behalf_of": { "member": OWNER, "role": "owner" } });
    keyway.create(&account, speaks).await.expect(503);
}

#[tokio::test]
async fn a_suspended_account_decides_and_takes_nothing() {
    let (keyway, mut ada, mut grace, account) = start().await;
    let (waits, approved) = (ask(&mut ada, "One").await, ask(&mut ada, "Two").await);
    send(&mut grace, &approved, "approve", &[("password", PASSWORD)]).await.expect(303);
    keyway.post(&format!("/v1/accounts/{account}/suspend"), json!({})).await.expect(200);
    send(&mut grace, &waits, "approve", &[("password", PASSWORD)]).await.expect(403);
    send(&mut ada, &approved, "take", &[("password", PASSWORD)]).await.expect(403);
    assert_eq!(count(&keyway, &account).await, 0);
    keyway.post(&format!("/v1/accounts/{account}/resume"), json!({})).await.expect(200);
    let again = [("password", PASSWORD), ("once", "again")];
    send(&mut ada, &approved, "take", &again).await.expect(303);
}

#[tokio::test]
async fn a_longer_life_waits_and_a_shorter_one_does_not() {
    let (keyway, mut ada, mut grace, account) = start().await;
    let ends = "2027-02-01T00:00:00Z";
    let body = json!({ "kind": "key", "environment": "live", "name": "Pays",
        "grant": ["payouts:write"], "expires_at": ends });
    let id = keyway.create(&account, body).await.expect(201).id();
    let form = ada.form(&format!("/live/keys/{id}/expire")).await;
    let shorter = form.clone().with("expires", "30").with("password", PASSWORD);
    let to = leads_to(&ada.submit(&shorter).await).to_owned();
    assert!(to.contains("done=expiry"), "{to}");
    let form = ada.form(&format!("/live/keys/{id}/expire")).await;
    let longer = form.with("expires", "180").with("password", PASSWORD);
    let page = leads_to(&ada.submit(&longer).await).trim_end_matches("?done=asked").to_owned();
    assert!(page.starts_with("/approvals/apr_"), "{page}");
    let shown = grace.get(&page).await.expect(200).text;
    assert!(shown.contains("<del>") && shown.contains("<ins>"), "{shown}");
    send(&mut grace, &page, "approve", &[("password", PASSWORD)]).await.expect(303);
    let now = keyway.show(&account, &id).await["expires_at"].as_str().map(str::to_owned);
    assert!(now.as_deref() > Some(ends), "{now:?}");
}

#[tokio::test]
async fn who_approves_sees_all_of_what_is_asked_for() {
    let (keyway, mut ada, mut grace, account) = start().await;
    let form = ada.form("/live/keys/new").await.with("name", "Reports");
    let form = form.with("scope", "payouts:write").with("expires", "30");
    let form = form.with("addresses", "203.0.113.7").with("address_mode", "report");
    let page = leads_to(&ada.submit(&form).await).trim_end_matches("?done=asked").to_owned();
    let shown = grace.get(&page).await.expect(200).text;
    assert!(shown.contains("only reports, and refuses nothing"), "{shown}");
    // A change of rules says each of them, as it was and as it will be.
    let form = ada.form(RULES).await.without("second_person").with("lifetime_days_max", "60");
    let page = leads_to(&ada.submit(&form.with("password", PASSWORD)).await).to_owned();
    let page = page.trim_end_matches("?done=asked");
    let shown = grace.get(page).await.expect(200).text;
    assert!(shown.contains("second person <del>true</del> <ins>false</ins>"), "{shown}");
    assert!(shown.contains("lifetime days max <ins>60</ins>"), "{shown}");
    for why in ["a\0b", "a\u{1b}b"] {
        send(&mut grace, page, "decline", &[("why", why)]).await.expect(422);
    }
    // What the platform's backend takes over for a member waits, too.
    let key = json!({ "kind": "key", "environment": "live", "name": "Old",
        "grant": ["payouts:write"], "algorithm": "sha256", "hash": "ab".repeat(32) });
    let on_behalf_of = json!({ "member": OWNER, "role": "owner" });
    let speaks = json!({ "keys": [key], "on_behalf_of": on_behalf_of });
    let path = format!("/v1/accounts/{account}/credentials/import");
    let refused = keyway.post(&path, speaks).await.expect(409).json();
    assert_eq!(refused["code"], "second_person_needed");
}
