//! What people type: odd names, stale forms, and new secrets that are shown where they were made.

use keyway_domain::scheme::Act;

use crate::acts::{self, leads_to, listed};
use crate::browser::{Browser, Form, PASSWORD, account_of, text_of};
use crate::harness::{Keyway, MINUTE, basic};

const OWNER: &str = "ada@example.com";

/// Makes a key on its page and returns where it is shown.
async fn create(keyway: &Keyway, browser: &mut Browser, name: &str) -> String {
    let kind = acts::kinds(keyway).remove(0);
    let scheme = keyway.app.platform.rules.scheme.clone();
    let form = acts::form(browser, &scheme, &kind, "", Act::Create).await;
    let form = form.with("name", name).with("password", PASSWORD);
    leads_to(&browser.submit(&form).await).to_owned()
}

#[tokio::test]
async fn odd_names_are_taken_or_refused_and_never_become_part_of_a_page() {
    let keyway = Keyway::start("xtopay").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let kind = acts::kinds(&keyway).remove(0);
    let scheme = keyway.app.platform.rules.scheme.clone();
    let long = "é".repeat(300);
    for name in [long.as_str(), "a\u{202e}b", "a\u{2066}b", "a\u{0}b", "a\nb", "   ", ""] {
        let form = acts::form(&mut ada, &scheme, &kind, "", Act::Create).await;
        let refused = ada.submit(&form.with("name", name)).await.expect(422);
        assert!(refused.text.contains("a name") || refused.text.contains("A name"), "{name:?}");
        let again = "/test/keys/new";
        let typed = Form::find(&refused.text, again, again).expect("the form is there again");
        assert_eq!(typed.value("name"), Some(name), "what was typed is there");
    }
    assert_eq!(listed(&keyway, &account).await.as_array().map(Vec::len), Some(0));
    let html = "<img src=x onerror=alert(1)>\"'&amp;</title><script>alert(2)</script>";
    for name in [html, "مفتاح الدفع", "עִבְרִית key", "🗝️ 👩‍👩‍👧 zwj", "a'--; DROP TABLE", "{{7*7}}"]
    {
        let shown = create(&keyway, &mut ada, name).await;
        let list = listed(&keyway, &account).await;
        let made = list.as_array().expect("a list").iter().find(|one| one["name"] == name);
        let id = made.expect("it has its name")["id"].as_str().expect("an id").to_owned();
        let here = format!("/test/keys/{id}");
        let list = "/test/keys?q=%20".to_owned();
        for path in [shown, here.clone(), format!("{here}/rename"), format!("{here}/revoke"), list]
        {
            let page = ada.get(&path).await.expect(200).text;
            for bad in ["<img", "<script>alert", "</title><script", "onerror=\""] {
                assert!(!page.contains(bad), "{path}: {bad}");
            }
        }
        let rename = ada.form(&format!("{here}/rename")).await;
        assert_eq!(rename.value("name"), Some(name));
    }
}

#[tokio::test]
async fn an_account_and_its_people_may_be_called_anything_printable() {
    let keyway = Keyway::start("xendit").await;
    let mut browser = Browser::new(&keyway);
    let name = "<b>Ada</b> \"Λ\" عدا 🗝️";
    let form = browser.form("/sign-up").await.with("company", name).with("name", name);
    let form = form.with("email", OWNER).with("password", PASSWORD);
    leads_to(&browser.submit(&form).await);
    for path in ["/live/keys", "/team", "/you", "/audit", "/settings/security", "/team/invite"] {
        let page = browser.get(path).await.expect(200).text;
        assert!(!page.contains("<b>Ada"), "{path}");
    }
    let form = browser.form("/team/invite").await.with("email", "new@example.com");
    leads_to(&browser.submit(&form.with("password", PASSWORD)).await);
    let letters = keyway.letters().await;
    let subject = letters[0].lines().find(|line| line.starts_with("Subject:")).expect("a subject");
    assert!(subject.is_ascii(), "{subject}");
    for bad in ["x\r\nBcc: eve@example.com", "a\u{202e}b"] {
        let form = browser.form_to("/you", "/you/name").await.with("name", bad);
        browser.submit(&form).await.expect(422);
    }
}

#[tokio::test]
async fn a_stale_form_is_refused_and_keeps_what_was_typed() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let kind = acts::kinds(&keyway).remove(0);
    let id = acts::make(&keyway, &account, &kind).await;
    for (act, field, typed) in [
        ("rename", "name", "Mine"),
        ("edit", "addresses", "203.0.113.7"),
        ("expire", "expires", "180"),
    ] {
        let path = format!("/live/keys/{id}/{act}");
        let form = ada.form(&path).await.with(field, typed).with("password", PASSWORD);
        let theirs = format!("Theirs, before {act}");
        let rename = serde_json::json!({ "name": theirs });
        let route = format!("/v1/accounts/{account}/credentials/{id}");
        keyway.manage("PATCH", &route, &rename).await.expect(200);
        let before = listed(&keyway, &account).await;
        let stale = ada.submit(&form).await.expect(409);
        assert!(stale.text.contains("Somebody changed it"), "{}", stale.text);
        let again = Form::find(&stale.text, &path, &path).expect("the form is there again");
        assert_eq!(again.value(field), Some(typed), "{act}");
        assert_eq!(listed(&keyway, &account).await, before, "{act}");
        let fresh = ada.form(&path).await.with(field, typed).with("password", PASSWORD);
        leads_to(&ada.submit(&fresh.with("narrow", "203.0.113.7/32")).await);
    }
}

#[tokio::test]
async fn a_new_secret_is_shown_for_ten_minutes_in_its_own_session_only() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let mut again = Browser::sign_in(&keyway, OWNER).await;
    let shown = create(&keyway, &mut ada, "Server").await;
    let key = text_of(&ada.get(&shown).await.expect(200).text, "secret").expect("a secret");
    assert!(key.starts_with("xnd_development_"), "{key}");
    basic(keyway.api, "GET", "/v2/invoices", (&key, ""), "").await.expect(200);
    for path in [shown.clone(), format!("{shown}/used")] {
        let refused = again.get(&path).await;
        assert!(matches!(refused.status, 404 | 410), "{path}: {}", refused.status);
        assert!(!refused.text.contains(&key));
    }
    again.get(&shown).await.expect(410);
    for act in ["env", "finish"] {
        let form = again.made_up(&format!("{shown}/{act}")).await.with("saved", "1");
        let refused = again.submit(&form).await.expect(410);
        assert!(!refused.text.contains(&key));
    }
    keyway.clock.advance_ms(5 * MINUTE);
    assert_eq!(text_of(&ada.get(&shown).await.expect(200).text, "secret"), Some(key.clone()));
    keyway.clock.advance_ms(5 * MINUTE - 1);
    ada.get(&shown).await.expect(200);
    keyway.clock.advance_ms(1);
    ada.get(&shown).await.expect(410);
    let shown = create(&keyway, &mut ada, "Second").await;
    let finish = format!("{shown}/finish");
    let form = ada.form_to(&shown, &finish).await;
    ada.submit(&form).await.expect(422);
    ada.get(&shown).await.expect(200);
    assert!(leads_to(&ada.submit(&form.with("saved", "1")).await).contains("/test/keys/"));
    ada.get(&shown).await.expect(410);
    // Gone with the session, whatever the browser kept of it.
    let shown = create(&keyway, &mut ada, "Third").await;
    let form = ada.form_to("/you", "/sign-out").await;
    ada.submit(&form).await.expect(303);
    assert_eq!(reveals(&keyway), 0, "nothing of it is kept");
    leads_to(&ada.password(OWNER, PASSWORD).await);
    ada.get(&shown).await.expect(410);
}

fn reveals(keyway: &Keyway) -> i64 {
    let now = keyway.app.now().0;
    let count = format!("SELECT COUNT(*) FROM reveals WHERE expires_at > {now}");
    keyway.database.editor().number(&count)
}

#[tokio::test]
async fn x15_the_new_key_is_downloaded_as_an_environment_file() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let name = "Server \"1\"; rm -rf / مفتاح";
    let shown = create(&keyway, &mut ada, name).await;
    let page = ada.get(&shown).await.expect(200).text;
    let key = text_of(&page, "secret").expect("a secret");
    let env = format!("{shown}/env");
    let form = Form::find(&page, &shown, &env).expect("a form");
    let file = ada.submit(&form).await.expect(200);
    let lines: Vec<&str> = file.text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, [format!("XENDIT_SECRET_KEY={key}")]);
    let named = file.header("content-disposition").expect("a file's name");
    assert!(named.starts_with("attachment; filename=\"Server--1---rm--rf"), "{named}");
    assert!(named.is_ascii() && named.matches('"').count() == 2, "{named}");
    assert_eq!(file.header("cache-control"), Some("no-store"));
    // Twice is the same file; the key works as it stands in it.
    assert_eq!(ada.submit(&form).await.expect(200).text, file.text);
    basic(keyway.api, "GET", "/v2/invoices", (&key, ""), "").await.expect(200);
}

#[tokio::test]
async fn why_a_credential_was_ended_is_in_its_history() {
    let keyway = Keyway::start("enterprise").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let kind = acts::kinds(&keyway).remove(0);
    let id = acts::make(&keyway, &account, &kind).await;
    let form = ada.form(&format!("/live/keys/{id}/revoke")).await;
    let form = form.with("confirm", "1").with("reason", "leak");
    ada.submit(&form).await.expect(303);
    let events = keyway.get(&format!("/v1/accounts/{account}/events")).await.expect(200).json();
    assert_eq!(events["data"][0]["type"], "api_key.revoked");
    assert_eq!(events["data"][0]["after"]["reason"], "It leaked");
    assert!(ada.get(&format!("/live/keys/{id}")).await.expect(200).text.contains("It leaked"));
}
