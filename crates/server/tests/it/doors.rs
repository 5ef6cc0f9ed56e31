//! Ways in and out: links that are good once, sessions that end, authenticators whose clocks are
//! off, and recovery codes.

use keyway_domain::actor::Role;

use crate::acts::leads_to;
use crate::browser::{Browser, Form, PASSWORD, WRONG, account_of, invite, member};
use crate::harness::{Answer, DAY, HOUR, Keyway, MINUTE};

const OWNER: &str = "ada@example.com";
const NEW: &str = "nine brass lanterns by the river";

#[track_caller]
fn says(answer: &Answer, text: &str) {
    assert!(answer.text.contains(text), "no `{text}` in {}", answer.text);
}

#[tokio::test]
async fn a_form_that_was_open_when_the_session_ended_is_back_after_signing_in() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let form = ada.form("/live/keys/new").await;
    let form = form.with("name", "Checkout <b>").with("grant.invoices", "write");
    let form = form.with("addresses", "203.0.113.0/24\n198.51.100.7").with("password", PASSWORD);
    keyway.clock.advance_ms(16 * MINUTE);
    let ended = ada.submit(&form).await.expect(401);
    says(&ended, "Your session has ended");
    assert!(!ended.text.contains(PASSWORD));
    let again = Form::find(&ended.text, "/live/keys/new", "/sign-in").expect("a form");
    let kept = again.value("kept").expect("what was typed").to_owned();
    assert!(!kept.contains("Checkout"), "it is sealed");
    assert_eq!(again.value("email"), Some(OWNER));
    // Wrong once: it is kept still.
    let wrong = ada.submit(&again.clone().with("password", WRONG)).await.expect(401);
    let again = Form::find(&wrong.text, "/sign-in", "/sign-in").expect("a form");
    assert_eq!(again.value("kept"), Some(kept.as_str()));
    let back = ada.submit(&again.with("password", PASSWORD)).await.expect(200);
    says(&back, "You are signed in again");
    assert!(!back.text.contains(PASSWORD));
    let action = "/live/keys/new";
    let filled = Form::find(&back.text, action, action).expect("the form is back");
    assert_eq!(filled.value("name"), Some("Checkout <b>"));
    assert_eq!(filled.value("grant.invoices"), Some("write"));
    assert_eq!(filled.value("addresses"), form.value("addresses"));
    assert_ne!(filled.value("csrf"), form.value("csrf"), "it is of the new session");
    assert!(leads_to(&ada.submit(&filled.with("password", PASSWORD)).await).contains("/reveal/"));
}

#[tokio::test]
async fn what_was_kept_opens_for_nobody_else() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    Browser::sign_up(&keyway, "eve@example.com").await;
    let form = ada.form("/live/keys/new").await.with("name", "Checkout");
    keyway.clock.advance_ms(16 * MINUTE);
    let ended = ada.submit(&form).await.expect(401);
    let again = Form::find(&ended.text, "/", "/sign-in").expect("a form");
    let mut eve = Browser::new(&keyway);
    let theirs = again.with("email", "eve@example.com").with("password", PASSWORD);
    assert_eq!(leads_to(&eve.submit(&theirs).await), "/live/keys");
}

#[tokio::test]
async fn what_was_kept_leads_to_no_page_that_the_member_may_not_have() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let mut viewer = Browser::join(&keyway, &account, Role::Viewer, "v@example.com").await;
    let form = viewer.made_up("/team/invite").await.with("email", "x@example.com");
    keyway.clock.advance_ms(16 * MINUTE);
    let ended = viewer.submit(&form).await.expect(401);
    let again = Form::find(&ended.text, "/", "/sign-in").expect("a form");
    let back = viewer.submit(&again.with("password", PASSWORD)).await;
    assert_ne!(back.status, 200, "a viewer has the page of invitations: {}", back.text);
}

#[tokio::test]
async fn a_session_ends_after_fifteen_idle_minutes_and_after_twelve_hours() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let mut asked = 0;
    for _ in 0..72 {
        keyway.clock.advance_ms(10 * MINUTE - 1);
        let page = ada.get("/you").await;
        asked += 1;
        if page.status != 200 {
            break;
        }
        keyway.settle().await;
    }
    assert_eq!(asked, 72, "it lived {asked} times ten minutes");
    keyway.clock.advance_ms(MINUTE);
    ada.get("/you").await.expect(303);
    let mut ada = Browser::sign_in(&keyway, OWNER).await;
    keyway.clock.advance_ms(15 * MINUTE);
    ada.get("/you").await.expect(303);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_what_it_was_shown() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let held = ada.clone();
    let form = ada.form_to("/you", "/sign-out").await;
    let out = ada.submit(&form).await;
    assert_eq!(leads_to(&out), "/sign-in");
    assert!(out.header("clear-site-data").is_some());
    assert!(!ada.cookies.contains_key("keyway"));
    held.clone().get("/you").await.expect(303);
    // A new sign-in has a new token, and the device stays known.
    leads_to(&ada.password(OWNER, PASSWORD).await);
    assert_ne!(ada.cookies["keyway"], held.cookies["keyway"]);
    assert_eq!(ada.cookies["keyway-device"], held.cookies["keyway-device"]);
}

/// The link in the only letter that waits.
async fn link(keyway: &Keyway, path: &str) -> String {
    let letters = keyway.letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let rest = letters[0].split(path).nth(1).expect("the letter has a link");
    format!("{path}{}", rest.split_whitespace().next().expect("a token"))
}

async fn ask_reset(keyway: &Keyway, address: &str) -> String {
    let mut browser = Browser::new(keyway);
    let form = browser.form("/forgot").await.with("email", address);
    browser.submit(&form).await.expect(200);
    written(keyway).await;
    link(keyway, "/reset/").await
}

/// Waits until a letter is written, which is done beside the request.
async fn written(keyway: &Keyway) {
    for _ in 0..100_000 {
        if waiting(keyway) > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
}

fn waiting(keyway: &Keyway) -> i64 {
    keyway.database.editor().number("SELECT COUNT(*) FROM messages WHERE sent_at IS NULL")
}

async fn reset(keyway: &Keyway, path: &str, password: &str) -> Answer {
    let mut browser = Browser::new(keyway);
    let form = browser.form(path).await.with("password", password);
    browser.submit(&form).await
}

#[tokio::test]
async fn a_reset_is_good_once_for_an_hour_and_ends_every_session() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let late = ask_reset(&keyway, OWNER).await;
    Browser::new(&keyway).get(&late).await.expect(200);
    keyway.clock.advance_ms(HOUR);
    Browser::new(&keyway).get(&late).await.expect(410);
    let mut ada_again = Browser::sign_in(&keyway, OWNER).await;
    ada.get("/you").await.expect(303);
    let older = ask_reset(&keyway, OWNER).await;
    let newer = ask_reset(&keyway, OWNER).await;
    // Who asks for another makes the first useless to nobody, until one is used.
    Browser::new(&keyway).get(&older).await.expect(200);
    let mut open = Browser::new(&keyway);
    let twice = open.form(&newer).await.with("password", NEW);
    reset(&keyway, &newer, "too short").await.expect(422);
    reset(&keyway, &newer, "passwordpasswordpassword").await.expect(422);
    assert_eq!(leads_to(&reset(&keyway, &newer, NEW).await), "/sign-in");
    open.submit(&twice).await.expect(410);
    for path in [&older, &newer] {
        Browser::new(&keyway).get(path).await.expect(410);
    }
    ada_again.get("/you").await.expect(303);
    Browser::new(&keyway).password(OWNER, PASSWORD).await.expect(401);
    leads_to(&Browser::new(&keyway).password(OWNER, NEW).await);
}

#[tokio::test]
async fn a_reset_does_not_stand_in_for_the_code() {
    let keyway = Keyway::start("rapyd").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let (phone, _) = ada.enrol(&keyway, 0).await;
    keyway.clock.advance_ms(MINUTE);
    let path = ask_reset(&keyway, OWNER).await;
    leads_to(&reset(&keyway, &path, NEW).await);
    let mut browser = Browser::new(&keyway);
    let half = browser.password(OWNER, NEW).await;
    assert_eq!(leads_to(&half), "/sign-in/code");
    for path in ["/you", "/live/keys", "/you/authenticator/remove"] {
        assert!(leads_to(&browser.get(path).await).starts_with("/sign-in"), "{path}");
    }
    browser.code("000000").await.expect(401);
    leads_to(&browser.code(&phone.code(keyway.app.now())).await);
    browser.get("/you").await.expect(200);
}

#[tokio::test]
async fn links_in_letters_lead_to_us_whatever_host_was_asked() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let headers = [("host", "evil.example")];
    let mut eve = Browser::new(&keyway);
    eve.request("POST", "/forgot", &headers, "email=ada%40example.com&once=x").await.expect(200);
    written(&keyway).await;
    let letters = keyway.letters().await;
    assert_eq!(letters.len(), 1);
    assert!(!letters[0].contains("evil.example"), "{}", letters[0]);
    assert!(letters[0].contains("http://localhost"), "{}", letters[0]);
}

#[tokio::test]
async fn an_invitation_is_good_once_for_seven_days() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let account = account_of(&keyway, OWNER).await;
    let path = async |address: &str| {
        let token = invite(&keyway, &account, Role::Developer, address).await;
        format!("/join/{}", token.reveal())
    };
    let late = path("late@example.com").await;
    keyway.clock.advance_ms(7 * DAY - 1);
    let mut open = Browser::new(&keyway);
    let form = open.form(&late).await.with("name", "Late").with("password", PASSWORD);
    keyway.clock.advance_ms(1);
    open.submit(&form).await.expect(410);
    Browser::new(&keyway).get(&late).await.expect(410);
    let good = path("dev@example.com").await;
    let mut first = Browser::new(&keyway);
    let form = first.form(&good).await.with("name", "Dev").with("password", PASSWORD);
    let mut second = first.clone();
    leads_to(&first.submit(&form).await);
    first.get("/live/keys").await.expect(200);
    second.submit(&form).await.expect(410);
    assert_eq!(member(&keyway, "dev@example.com").await.role, Role::Developer);
    let mut ada = Browser::sign_in(&keyway, OWNER).await;
    let withdrawn = path("gone@example.com").await;
    let team = ada.get("/team").await.expect(200).text;
    let id = team.split("/team/invitations/").nth(1).and_then(|rest| rest.split('/').next());
    let action = format!("/team/invitations/{}/withdraw", id.expect("an invitation"));
    let form = Form::find(&team, "/team", &action).expect("a form");
    leads_to(&ada.submit(&form).await);
    Browser::new(&keyway).get(&withdrawn).await.expect(410);
    // A link is for its own purpose only.
    let token = path("other@example.com").await.replace("/join/", "");
    for other in ["reset", "set-up"] {
        Browser::new(&keyway).get(&format!("/{other}/{token}")).await.expect(410);
    }
}

#[tokio::test]
async fn the_set_up_link_makes_the_first_account_once() {
    let keyway = Keyway::start("xendit").await;
    let moment = keyway.app.own_moment();
    let made = keyway
        .app
        .db
        .write(moment.now, move |tx| keyway_server::commands::newcomers::set_up_link(tx, &moment));
    let token = made.await.expect("a link").expect("nobody is there yet").token;
    let path = format!("/set-up/{}", token.reveal());
    let mut first = Browser::new(&keyway);
    let form = first.form(&path).await.with("company", "Toko").with("name", "Ada");
    let form = form.with("email", OWNER).with("password", PASSWORD);
    let mut second = first.clone();
    leads_to(&first.submit(&form).await);
    second.submit(&form.with("email", "eve@example.com")).await.expect(410);
    Browser::new(&keyway).get(&path).await.expect(410);
    let moment = keyway.app.own_moment();
    let again = keyway
        .app
        .db
        .write(moment.now, move |tx| keyway_server::commands::newcomers::set_up_link(tx, &moment));
    assert!(again.await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_recovery_code_passes_once_in_any_spelling() {
    let keyway = Keyway::start("rapyd").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let (_, codes) = ada.enrol(&keyway, 0).await;
    assert_eq!(codes.len(), 8);
    let half = async || {
        let mut browser = Browser::new(&keyway);
        browser.password(OWNER, PASSWORD).await.expect(303);
        browser
    };
    let spelled = format!(" {} ", codes[0].to_uppercase().replace('-', " "));
    leads_to(&half().await.code(&spelled).await);
    half().await.code(&codes[0]).await.expect(401);
    leads_to(&half().await.code(&codes[1]).await);
    // At an act too; and new ones end the old.
    let form = ada.form("/live/keys/new").await.with("name", "A").with("grant.payments", "read");
    ada.submit(&form.clone().with("code", codes[1].clone())).await.expect(401);
    assert!(leads_to(&ada.submit(&form.with("code", codes[2].clone())).await).contains("reveal"));
    says(&ada.get("/you").await, "5 of 8 recovery codes are left");
    let form = ada.form("/you/codes").await;
    ada.submit(&form.clone().with("password", PASSWORD)).await.expect(401);
    leads_to(&ada.submit(&form.with("code", codes[4].clone())).await);
    half().await.code(&codes[3]).await.expect(401);
}

#[tokio::test]
async fn a_phone_a_minute_ahead_enrols_and_signs_in_later() {
    let keyway = Keyway::start("rapyd").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let (phone, _) = ada.enrol(&keyway, MINUTE).await;
    for wait in [MINUTE, HOUR, 30 * DAY] {
        keyway.clock.advance_ms(wait);
        let mut browser = Browser::new(&keyway);
        browser.password(OWNER, PASSWORD).await.expect(303);
        leads_to(&browser.code(&phone.code(keyway.app.now())).await);
    }
}

#[tokio::test]
async fn a_phone_whose_clock_drifts_is_told_so_and_passes_with_the_next_code() {
    for ahead_ms in [90_000, -90_000] {
        let keyway = Keyway::start("rapyd").await;
        let mut ada = Browser::sign_up(&keyway, OWNER).await;
        let (mut phone, _) = ada.enrol(&keyway, 0).await;
        keyway.clock.advance_ms(HOUR);
        phone.ahead_ms = ahead_ms;
        let mut browser = Browser::new(&keyway);
        browser.password(OWNER, PASSWORD).await.expect(303);
        let told = browser.code(&phone.code(keyway.app.now())).await.expect(401);
        says(&told, "clock seems to be about 90 seconds");
        says(&told, if ahead_ms > 0 { "fast" } else { "slow" });
        // The same code again shows nothing new.
        browser.code(&phone.code(keyway.app.now())).await.expect(401);
        keyway.clock.advance_ms(30_000);
        leads_to(&browser.code(&phone.code(keyway.app.now())).await);
        keyway.clock.advance_ms(HOUR);
        let mut later = Browser::new(&keyway);
        later.password(OWNER, PASSWORD).await.expect(303);
        leads_to(&later.code(&phone.code(keyway.app.now())).await);
    }
}
