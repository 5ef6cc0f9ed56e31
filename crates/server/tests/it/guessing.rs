//! Guessing: a code passes once however it is sent, tries are counted whatever surrounds them, and
//! nobody learns who is there.

use std::time::{Duration, Instant};

use keyway_domain::scheme::Act;
use tokio::io::AsyncWriteExt as _;

use crate::acts::{self, leads_to};
use crate::browser::{Browser, Form, PASSWORD, Phone, WRONG, account_of};
use crate::harness::{Answer, Keyway, MINUTE};

const OWNER: &str = "ada@example.com";

/// Two answers of which one passes, whichever it is.
#[track_caller]
fn one_passes(answers: [&Answer; 2]) {
    let mut statuses = answers.map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 401], "{}\n{}", answers[0].text, answers[1].text);
}

async fn at_once(one: (Browser, Form), two: (Browser, Form)) -> [Answer; 2] {
    let send = |(mut browser, form): (Browser, Form)| {
        tokio::spawn(async move { browser.submit(&form).await })
    };
    let (one, two) = (send(one), send(two));
    [one.await.expect("an answer"), two.await.expect("an answer")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_two_browsers_send_at_once_signs_in_one_of_them() {
    let keyway = Keyway::start("rapyd").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let (phone, _) = ada.enrol(&keyway, 0).await;
    for _ in 0..3 {
        keyway.clock.advance_ms(30_000);
        let code = phone.code(keyway.app.now());
        let mut halves = Vec::new();
        for _ in 0..2 {
            let mut browser = Browser::new(&keyway);
            browser.password(OWNER, PASSWORD).await.expect(303);
            let form = browser.form("/sign-in/code").await.with("code", code.clone());
            halves.push((browser, form));
        }
        let two = halves.pop().expect("two");
        let answers = at_once(halves.pop().expect("one"), two).await;
        one_passes([&answers[0], &answers[1]]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_two_sessions_send_at_once_confirms_one_act() {
    let keyway = Keyway::start("rapyd").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let (phone, _) = ada.enrol(&keyway, 0).await;
    keyway.clock.advance_ms(30_000);
    let mut again = Browser::new(&keyway);
    again.password(OWNER, PASSWORD).await.expect(303);
    again.code(&phone.code(keyway.app.now())).await.expect(303);
    let kind = acts::kinds(&keyway).remove(0);
    let scheme = keyway.app.platform.rules.scheme.clone();
    let account = account_of(&keyway, OWNER).await;
    for round in 1..=3 {
        keyway.clock.advance_ms(30_000);
        let code = phone.code(keyway.app.now());
        let one = acts::form(&mut ada, &scheme, &kind, "", Act::Create).await;
        let two = acts::form(&mut again, &scheme, &kind, "", Act::Create).await;
        let one = (ada.clone(), one.with("code", code.clone()));
        let answers = at_once(one, (again.clone(), two.with("code", code))).await;
        one_passes([&answers[0], &answers[1]]);
        let list = acts::listed(&keyway, &account).await;
        assert_eq!(list.as_array().map(Vec::len), Some(round));
    }
}

/// Spellings of one address.
fn alias(number: usize) -> String {
    match number % 4 {
        0 => OWNER.to_owned(),
        1 => OWNER.to_ascii_uppercase(),
        2 => format!("  {OWNER}"),
        _ => "Ada@Example.com  ".to_owned(),
    }
}

/// Sends a form and goes away without waiting for the answer; returns once it was taken up.
async fn abandoned(keyway: &Keyway, browser: &Browser, form: &Form) {
    let before = tries(keyway);
    let mut stream = tokio::net::TcpStream::connect(keyway.public).await.expect("it accepts");
    stream.write_all(&browser.submission(form)).await.expect("it is sent");
    for _ in 0..100_000 {
        if tries(keyway) > before {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(stream);
}

fn tries(keyway: &Keyway) -> i64 {
    keyway.database.editor().number("SELECT COUNT(*) FROM tries")
}

#[tokio::test]
async fn ten_wrong_passwords_are_looked_at_whatever_surrounds_them() {
    let mut keyway = Keyway::start("xendit").await;
    let mut known = Browser::sign_up(&keyway, OWNER).await;
    keyway.clock.advance_ms(31 * MINUTE);
    let mut looked_at = 0;
    for number in 0..40 {
        let mut stranger = Browser::new(&keyway);
        let form = stranger.form("/sign-in").await;
        let form = form.with("email", alias(number)).with("password", WRONG);
        if number == 3 || number == 6 {
            abandoned(&keyway, &stranger, &form).await;
            looked_at += 1;
            continue;
        }
        let refused = stranger.submit(&form).await;
        assert!(matches!(refused.status, 401 | 429), "{}", refused.text);
        looked_at += usize::from(refused.status == 401);
        if number == 5 {
            keyway = keyway.restart("xendit").await;
        }
        if number == 20 {
            // Time alone brings none back before the first is half an hour old.
            keyway.clock.advance_ms(29 * MINUTE);
        }
    }
    assert_eq!(looked_at, 10);
    let refused = Browser::new(&keyway).password(OWNER, PASSWORD).await.expect(429);
    assert!(refused.text.contains("Too many wrong tries"), "{}", refused.text);
    known.to = keyway.public;
    known.cookies.remove("keyway");
    leads_to(&known.password(OWNER, PASSWORD).await);
    keyway.clock.advance_ms(2 * MINUTE);
    leads_to(&Browser::new(&keyway).password(OWNER, PASSWORD).await);
}

#[tokio::test]
async fn ten_wrong_codes_are_looked_at_by_whichever_session_they_are_sent() {
    let mut keyway = Keyway::start("rapyd").await;
    let mut known = Browser::sign_up(&keyway, OWNER).await;
    let (phone, _) = known.enrol(&keyway, 0).await;
    keyway.clock.advance_ms(31 * MINUTE);
    let wrong = wrong_code(&phone, &keyway);
    let mut half = Browser::new(&keyway);
    half.password(OWNER, PASSWORD).await.expect(303);
    let mut looked_at = 0;
    for number in 0..40 {
        if number % 5 == 4 {
            // The password again gives no codes back.
            let mut other = Browser::new(&keyway);
            if other.password(OWNER, PASSWORD).await.status == 303 {
                half = other;
            }
        }
        let form = half.form("/sign-in/code").await;
        let typed = if number % 2 == 0 { wrong.clone() } else { format!(" {wrong} ") };
        if number == 2 {
            abandoned(&keyway, &half, &form.with("code", typed)).await;
            looked_at += 1;
            continue;
        }
        let refused = half.submit(&form.with("code", typed)).await;
        assert!(matches!(refused.status, 401 | 429), "{}", refused.text);
        looked_at += usize::from(refused.status == 401);
        if number == 3 {
            keyway = keyway.restart("rapyd").await;
            half.to = keyway.public;
        }
    }
    assert!(looked_at <= 10, "{looked_at} codes were looked at");
    half.code(&phone.code(keyway.app.now())).await.expect(429);
    known.to = keyway.public;
    known.cookies.remove("keyway");
    known.password(OWNER, PASSWORD).await.expect(303);
    leads_to(&known.code(&phone.code(keyway.app.now())).await);
    keyway.clock.advance_ms(30 * MINUTE + 1);
    let mut half = Browser::new(&keyway);
    half.password(OWNER, PASSWORD).await.expect(303);
    leads_to(&half.code(&phone.code(keyway.app.now())).await);
}

/// Six digits that the phone shows at no time near this one.
fn wrong_code(phone: &Phone, keyway: &Keyway) -> String {
    let now = keyway.app.now();
    let near: Vec<String> =
        (-120..120).map(|step| phone.code(now.plus_ms(step * 30_000))).collect();
    let mut codes = (0..).map(|number| format!("{number:06}"));
    codes.find(|code| !near.contains(code)).expect("there is one")
}

#[tokio::test]
async fn in_a_session_ten_wrong_proofs_are_looked_at() {
    let keyway = Keyway::start("xendit").await;
    let mut ada = Browser::sign_up(&keyway, OWNER).await;
    let kind = acts::kinds(&keyway).remove(0);
    let scheme = keyway.app.platform.rules.scheme.clone();
    let form = acts::form(&mut ada, &scheme, &kind, "", Act::Create).await;
    for _ in 0..10 {
        ada.submit(&form.clone().with("password", WRONG)).await.expect(401);
    }
    ada.submit(&form.clone().with("password", PASSWORD)).await.expect(429);
    let invite = ada.form("/team/invite").await.with("email", "x@example.com");
    ada.submit(&invite.with("password", PASSWORD)).await.expect(429);
    // The owner reads of it in the audit log.
    let told = ada.get("/audit").await.expect(200).text;
    assert!(told.contains("Too many wrong passwords or codes"), "{told}");
}

#[tokio::test]
async fn whether_somebody_is_there_no_answer_tells() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let said = |answer: &Answer, address: &str| {
        let lines = answer.head.lines().filter(|line| {
            let name = line.split(':').next().unwrap_or("").to_ascii_lowercase();
            !["request-id", "x-request-id", "date", "content-length", "set-cookie"]
                .contains(&name.as_str())
        });
        let head: Vec<&str> = lines.collect();
        (head.join("\n"), without_once(&answer.text.replace(address, "SOMEBODY")))
    };
    for round in 0..12 {
        let mut answers = Vec::new();
        for address in [OWNER, "nobody@example.com"] {
            let refused = Browser::new(&keyway).password(address, WRONG).await;
            assert_eq!(refused.status, if round < 10 { 401 } else { 429 }, "{round}");
            answers.push(said(&refused, address));
        }
        assert_eq!(answers[0], answers[1], "round {round}");
    }
    let mut answers = Vec::new();
    for address in [OWNER, "nobody@example.com"] {
        let mut browser = Browser::new(&keyway);
        let form = browser.form("/forgot").await.with("email", address);
        answers.push(said(&browser.submit(&form).await.expect(200), address));
    }
    assert_eq!(answers[0], answers[1], "forgotten");
}

fn without_once(text: &str) -> String {
    let parts = text.split("name=\"once\" value=\"");
    let rest = |(place, part): (usize, &str)| {
        let part = if place == 0 { part } else { part.split_once('"').map_or("", |(_, r)| r) };
        part.to_owned()
    };
    parts.enumerate().map(rest).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn whether_somebody_is_there_the_time_does_not_tell() {
    let keyway = Keyway::start("xendit").await;
    Browser::sign_up(&keyway, OWNER).await;
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..60 {
        if round % 5 == 0 {
            keyway.clock.advance_ms(31 * MINUTE);
        }
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for who in order {
            let address = [OWNER, "eve@example.com"][who];
            let mut browser = Browser::new(&keyway);
            let form = browser.form("/sign-in").await;
            let form = form.with("email", address).with("password", WRONG);
            let began = Instant::now();
            browser.submit(&form).await.expect(401);
            times[who].push(began.elapsed());
        }
    }
    let [known, unknown] = times.map(median);
    let (longer, shorter) = (known.max(unknown), known.min(unknown));
    let apart = longer.as_secs_f64() / shorter.as_secs_f64() - 1.0;
    eprintln!("known {known:?}, unknown {unknown:?}: {:.2} % apart", apart * 100.0);
    assert!(apart < 0.25, "known {known:?}, unknown {unknown:?}");
}
