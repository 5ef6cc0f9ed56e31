//! Letters: who gets which, what they say, and what they never hold.

use keyway_domain::actor::Role;
use keyway_server::app::Site;
use serde_json::json;

use crate::browser::{Browser, PASSWORD, WRONG, account_of};
use crate::harness::{DAY, Keyway, MINUTE};

const OWNER: &str = "ada@example.com";

/// An account with a person of each role.
async fn team(keyway: &Keyway) -> String {
    Browser::sign_up(keyway, OWNER).await;
    let account = account_of(keyway, OWNER).await;
    for (role, email) in [
        (Role::Admin, "admin@example.com"),
        (Role::Developer, "developer@example.com"),
        (Role::Viewer, "viewer@example.com"),
    ] {
        Browser::join(keyway, &account, role, email).await;
    }
    keyway.mail().await;
    account
}

/// Who got a letter that says this; letters are to one person each.
fn readers(letters: &[String], subject: &str) -> Vec<String> {
    let line = |letter: &String, name: &str| {
        let found = letter.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        found.trim_start_matches(name).trim().to_owned()
    };
    let mut to: Vec<String> = letters
        .iter()
        .filter(|letter| letter.contains(subject))
        .map(|letter| line(letter, "To:"))
        .collect();
    to.sort();
    to
}

#[tokio::test]
async fn r06_and_r09_a_rotation_and_its_rollback_are_mailed_to_all_who_may_view_the_keys() {
    let keyway = Keyway::start("rapyd").await;
    let account = team(&keyway).await;
    let body =
        json!({ "kind": "signing", "environment": "live", "name": "Live", "grant": "everything" });
    let made = keyway.create(&account, body).await.expect(201);
    keyway.mail().await;
    let rotated =
        keyway.act(&account, &made.id(), "rotate", json!({ "overlap": "3d" })).await.expect(200);
    let letters = keyway.mail().await;
    let all =
        ["ada@example.com", "admin@example.com", "developer@example.com", "viewer@example.com"];
    assert_eq!(readers(&letters, "was rotated"), all);
    for letter in &letters {
        assert!(letter.contains("accepted until 24 Nov 2026, 12:00 UTC"), "{letter}");
        for secret in [made.shown("secret_key"), rotated.shown("secret_key")] {
            assert!(!letter.contains(&secret[10..]), "a letter holds a secret");
        }
    }
    keyway.act(&account, &made.id(), "rollback", json!({})).await.expect(200);
    assert_eq!(readers(&keyway.mail().await, "was rolled back"), all);
    keyway.work().await;
    assert!(keyway.mail().await.is_empty(), "each is told once");
}

#[tokio::test]
async fn a12_the_seven_acts_are_mailed_to_owners_and_admins() {
    let keyway = Keyway::start("airwallex").await;
    let account = team(&keyway).await;
    let both = ["ada@example.com", "admin@example.com"];
    let expect = async |subject: &str| {
        let letters = keyway.mail().await;
        assert_eq!(readers(&letters, subject), both, "{subject}: {letters:?}");
        assert_eq!(letters.len(), 2, "{subject}: nothing else");
    };
    let body = json!({ "kind": "admin", "environment": "live", "name": "Admin" });
    let admin = keyway.create(&account, body).await.expect(201).id();
    expect("was created").await;
    keyway.act(&account, &admin, "regenerate", json!({})).await.expect(200);
    expect("was regenerated").await;
    let body = json!({ "kind": "restricted", "environment": "live", "name": "Shop",
        "grant": { "balances": "view" } });
    let restricted = keyway.create(&account, body).await.expect(201).id();
    expect("was created").await;
    keyway.act(&account, &restricted, "regenerate", json!({})).await.expect(200);
    expect("was regenerated").await;
    let copy = keyway.act(&account, &restricted, "duplicate", json!({})).await.expect(201).id();
    expect("as a copy").await;
    let path = format!("/v1/accounts/{account}/credentials/{copy}");
    let grant = json!({ "grant": { "customers": "edit" } });
    keyway.manage("PATCH", &path, &grant).await.expect(200);
    expect("has another scope").await;
    keyway.act(&account, &copy, "delete", json!({})).await.expect(200);
    expect("was deleted").await;
}

#[tokio::test]
async fn a_sign_in_from_a_new_browser_is_mailed_to_who_it_was_and_a_first_one_is_not() {
    let keyway = Keyway::start("xendit").await;
    let mut first = Browser::sign_up(&keyway, OWNER).await;
    assert!(keyway.mail().await.is_empty());
    // The same browser, once its session is gone.
    first.cookies.remove("keyway");
    first.password(OWNER, PASSWORD).await.expect(303);
    assert!(keyway.mail().await.is_empty(), "a known browser");
    Browser::sign_in(&keyway, OWNER).await;
    assert_eq!(readers(&keyway.mail().await, "New sign-in"), [OWNER]);
}

#[tokio::test]
async fn who_is_refused_at_the_door_is_in_the_log_of_the_account() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let mut stranger = Browser::new(&keyway);
    for _ in 0..3 {
        stranger.password(OWNER, WRONG).await.expect(401);
    }
    keyway.work().await;
    keyway.clock.advance_ms(11 * MINUTE);
    keyway.work().await;
    let page = keyway.get(&format!("/v1/accounts/{account}/events")).await.json();
    let refused: Vec<_> = page["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|event| event["type"] == "session.refused")
        .collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(refused[0]["after"]["more"], 2);
}

#[tokio::test]
async fn opening_the_links_of_a_letter_changes_nothing() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let body =
        json!({ "kind": "secret", "environment": "live", "name": "K", "grant": "everything" });
    keyway.create(&account, body).await.expect(201);
    let letters = keyway.mail().await;
    let before = keyway.events(&account).await;
    for letter in &letters {
        let link = letter.split_whitespace().find(|word| word.starts_with("http://"));
        let path = link.and_then(|link| link.splitn(4, '/').nth(3)).expect("a link");
        Browser::new(&keyway).get(&format!("/{path}")).await;
    }
    keyway.work().await;
    assert_eq!(keyway.events(&account).await, before);
}

#[tokio::test]
async fn a_letter_that_is_not_taken_waits_and_is_given_up_after_three_days() {
    let keyway = Keyway::start_with("xendit", Site::default()).await;
    let account = keyway.account().await;
    // The folder of letters can't be made: a file has its name.
    std::fs::write(keyway.folder.join("mailbox"), "in the way").expect("it can be written");
    crate::browser::invite(&keyway, &account, Role::Owner, OWNER).await;
    Browser::join(&keyway, &account, Role::Owner, "eva@example.com").await;
    let body =
        json!({ "kind": "secret", "environment": "live", "name": "K", "grant": "everything" });
    keyway.create(&account, body).await.expect(201);
    keyway.work().await;
    keyway_server::mail::deliver(&keyway.app).await.expect("it goes on");
    let status = async || keyway.get("/v1/status").await.expect(200).json()["mail"].clone();
    let now = status().await;
    assert!(now["waiting"].as_u64() >= Some(1), "{now}");
    assert!(now["trouble"].is_string(), "{now}");
    keyway.clock.advance_ms(3 * DAY);
    keyway_server::mail::deliver(&keyway.app).await.expect("it goes on");
    let now = status().await;
    assert_eq!(now["waiting"], 0, "{now}");
    assert!(now["given_up"].as_u64() >= Some(1), "{now}");
}
