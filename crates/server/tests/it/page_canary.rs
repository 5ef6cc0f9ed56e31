//! After driving the dashboard at trace level, what only a person's browser, phone, mailbox or head
//! holds is nowhere else: not in the database, its log, or what was logged.

use keyway_domain::actor::Role;
use keyway_domain::scheme::Act;
use keyway_server::http::pages::routes::pages;

use crate::acts::{self, leads_to};
use crate::browser::{Browser, Form, PASSWORD, WRONG, account_of, invite, text_of};
use crate::canary::{forms, log, searchable};
use crate::harness::Keyway;
use crate::page_table::filled;

const OWNER: &str = "ada@example.com";

/// Goes through what has a secret in it; every secret, by what it is.
async fn drive(keyway: &Keyway) -> Vec<(&'static str, String)> {
    let mut ada = Browser::sign_up(keyway, OWNER).await;
    let account = account_of(keyway, OWNER).await;
    let mut secrets = vec![("the password", PASSWORD.to_owned()), ("a typo", WRONG.to_owned())];
    secrets.push(("a session", ada.cookies["keyway"].clone()));
    secrets.push(("a device", ada.cookies["keyway-device"].clone()));
    let (phone, codes) = ada.enrol(keyway, 0).await;
    secrets.push(("a seed", phone.seed.reveal().to_owned()));
    secrets.extend(codes.iter().map(|code| ("a recovery code", code.clone())));
    keyway.clock.advance_ms(30_000);
    let mut again = Browser::new(keyway);
    again.password(OWNER, WRONG).await.expect(401);
    again.password(OWNER, PASSWORD).await.expect(303);
    secrets.push(("half a session", again.cookies["keyway"].clone()));
    again.code("not-acode7").await.expect(401);
    again.code(&codes[0]).await.expect(303);
    secrets.push(("a session", again.cookies["keyway"].clone()));
    let token = invite(keyway, &account, Role::Admin, "admin@example.com").await;
    secrets.push(("an invitation", token.reveal().to_owned()));
    let mut admin = Browser::new(keyway);
    let form = admin.form(&format!("/join/{}", token.reveal())).await;
    let typed = "eleven silver spoons in a drawer";
    admin.submit(&form.with("name", "Grace").with("password", typed)).await.expect(303);
    secrets.push(("a password", typed.to_owned()));
    let kind = acts::kinds(keyway).remove(0);
    let scheme = keyway.app.platform.rules.scheme.clone();
    let form = acts::form(&mut ada, &scheme, &kind, "", Act::Create).await;
    let form = form.with("code", codes[1].clone()).with("password", PASSWORD);
    let shown = leads_to(&ada.submit(&form).await).to_owned();
    let page = ada.get(&shown).await.expect(200).text;
    secrets.push(("a secret", text_of(&page, "secret").expect("a secret is shown")));
    let env = Form::find(&page, &shown, &format!("{shown}/env")).expect("a form");
    ada.submit(&env).await.expect(200);
    secrets.push(("a form's mark", ada.csrf().await));
    everywhere(keyway, &mut ada, &secrets).await;
    secrets
}

/// Puts each secret where somebody could by mistake: into every path and every form.
async fn everywhere(keyway: &Keyway, browser: &mut Browser, secrets: &[(&'static str, String)]) {
    let mut stranger = Browser::new(keyway);
    for (_, secret) in secrets {
        let secret = crate::browser::encoded(secret);
        for page in pages() {
            let path = filled(page.path).replace("nowhere", &secret);
            if path == "/sign-out" {
                continue;
            }
            let body = format!("csrf=x&once=y&password={secret}&code={secret}&seed={secret}");
            let method = page.method.as_str();
            let path = if method == "GET" { format!("{path}?next={secret}") } else { path };
            stranger.request(method, &path, &[("x-request-id", &secret)], &body).await;
        }
        browser.get(&format!("/reveal/{secret}")).await;
        browser.get(&format!("/sign-in?next=/{secret}")).await;
    }
}

#[tokio::test]
async fn what_people_keep_to_themselves_is_nowhere_but_with_them() {
    let log = log();
    let keyway = Keyway::start("xendit").await;
    let secrets = drive(&keyway).await;
    keyway.flush().await;
    let mut places = vec![("the log".to_owned(), searchable(&log.0.lock().expect("the log")))];
    for (name, bytes) in keyway.database.contents() {
        places.push((name, searchable(&bytes)));
    }
    assert!(places.iter().filter(|(_, text)| !text.is_empty()).count() > 1);
    assert!(secrets.len() > 15, "{} secrets", secrets.len());
    for (what, secret) in &secrets {
        // Of short ones a half is found by chance.
        let mut hidden = if secret.len() < 20 { vec![secret.clone()] } else { forms(secret) };
        hidden.extend([crate::browser::encoded(secret), secret.replace(' ', "+")]);
        for form in &hidden {
            for (name, text) in &places {
                assert!(!text.contains(form), "{what} is in {name}, as {form}");
            }
        }
    }
}
