//! Signing up by a mailed link, and whose address a request has behind a proxy.

use keyway_server::app::{SignUp, Site};

use crate::browser::{Browser, PASSWORD, encoded};
use crate::harness::{Answer, Keyway};

const DAY: i64 = 24 * 3_600_000;

async fn ask(keyway: &Keyway, email: &str) -> Answer {
    let mut browser = Browser::new(keyway);
    let form = browser.form("/sign-up").await;
    let form = form.with("company", "Toko Kopi").with("name", "Ada Lovelace");
    browser.submit(&form.with("email", email).with("password", PASSWORD)).await
}

/// The path that a letter leads to.
fn path(letter: &str) -> String {
    let at = letter.find("/sign-up/").expect("the letter has a link");
    letter[at..].split_whitespace().next().expect("a link").to_owned()
}

/// A page without what differs between any two: the address, and the request's own mark.
fn plain(answer: &Answer, email: &str) -> String {
    answer.text.replace(email, "somebody")
}

#[tokio::test]
async fn signing_up_by_mail_tells_nobody_who_is_there() {
    let site = Site { sign_up: SignUp::Verified, ..Site::default() };
    let keyway = Keyway::start_with("xendit", site).await;
    let first = ask(&keyway, "ada@example.com").await.expect(200);
    let link = path(&keyway.letters().await.remove(0));
    let mut browser = Browser::new(&keyway);
    let form = browser.form(&link).await;
    // Opening it did nothing: the address signs in nowhere yet.
    browser.password("ada@example.com", PASSWORD).await.expect(401);
    assert_eq!(
        browser.submit(&form).await.expect(303).header("location"),
        Some("/live/keys"),
        "the one who reads the mail is let in"
    );
    // The link again makes no second account.
    Browser::new(&keyway).submit(&form).await.expect(409);

    let again = ask(&keyway, "ada@example.com").await.expect(200);
    let other = ask(&keyway, "eve@example.com").await.expect(200);
    assert_eq!(plain(&again, "ada@example.com"), plain(&other, "eve@example.com"));
    assert_eq!(plain(&first, "ada@example.com"), plain(&again, "ada@example.com"));
    let letters = keyway.letters().await;
    assert_eq!(letters.len(), 2);
    let to_ada = letters.iter().find(|letter| letter.contains("To: ada@example.com"));
    assert!(!to_ada.expect("a letter to who is there").contains("/sign-up/"));
}

#[tokio::test]
async fn a_link_to_sign_up_is_good_for_a_day_and_only_as_it_was_made() {
    let site = Site { sign_up: SignUp::Verified, ..Site::default() };
    let keyway = Keyway::start_with("xendit", site).await;
    ask(&keyway, "ada@example.com").await.expect(200);
    let link = path(&keyway.letters().await.remove(0));
    let mut browser = Browser::new(&keyway);
    let form = browser.form(&link).await;
    let (start, end) = link.split_at(link.len() - 9);
    let other = if end.starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{start}{other}{}", &end[1..]);
    browser.get(&changed).await.expect(410);
    keyway.clock.advance_ms(DAY);
    browser.get(&link).await.expect(410);
    browser.submit(&form).await.expect(410);
}

#[tokio::test]
async fn strangers_sign_up_only_where_that_is_allowed() {
    let keyway = Keyway::start_with("xendit", Site::default()).await;
    let mut browser = Browser::new(&keyway);
    browser.get("/sign-up").await.expect(404);
    let body = "company=a&name=b&email=c%40example.com&password=d&once=1";
    browser.request("POST", "/sign-up", &[], body).await.expect(404);
}

/// A wrong password, from an address that a proxy tells of.
async fn guess(keyway: &Keyway, email: &str, forwarded: &str) -> Answer {
    let headers = [("x-forwarded-for", forwarded), ("sec-fetch-site", "same-origin")];
    let body = format!("email={}&password=wrong", encoded(email));
    Browser::new(keyway).request("POST", "/sign-in", &headers, &body).await
}

#[tokio::test]
async fn whoever_guesses_from_one_address_locks_out_neither_others_nor_known_browsers() {
    let site = Site {
        sign_up: SignUp::Open,
        trusted_proxies: vec!["127.0.0.1/32".parse().expect("a range")],
        ..Site::default()
    };
    let keyway = Keyway::start_with("xendit", site).await;
    let mut known = Browser::sign_up(&keyway, "ada@example.com").await;
    for number in 0..100 {
        // What stands further left than the proxy's own word is the guesser's.
        let forwarded = format!("198.51.100.{number}, 203.0.113.9");
        guess(&keyway, &format!("p{number}@example.com"), &forwarded).await.expect(401);
    }
    guess(&keyway, "q@example.com", "203.0.113.9").await.expect(429);
    guess(&keyway, "q@example.com", "203.0.113.10").await.expect(401);
    let headers = [("x-forwarded-for", "203.0.113.9"), ("sec-fetch-site", "same-origin")];
    let body = format!("email=ada%40example.com&password={}", encoded(PASSWORD));
    known.request("POST", "/sign-in", &headers, &body).await.expect(303);
}

#[tokio::test]
async fn of_an_address_of_ipv6_the_subscriber_counts() {
    let site =
        Site { trusted_proxies: vec!["127.0.0.1/32".parse().expect("a range")], ..Site::default() };
    let keyway = Keyway::start_with("xendit", site).await;
    for number in 0..100 {
        let forwarded = format!("2001:db8:1:2::{number:x}");
        guess(&keyway, &format!("p{number}@example.com"), &forwarded).await.expect(401);
    }
    guess(&keyway, "q@example.com", "2001:db8:1:2:3::1").await.expect(429);
    guess(&keyway, "q@example.com", "2001:db8:1:3::1").await.expect(401);
}

#[tokio::test]
async fn behind_tls_cookies_are_for_encrypted_connections_only() {
    let site = Site {
        public_url: Some("https://keys.example.com".to_owned()),
        sign_up: SignUp::Open,
        ..Site::default()
    };
    let keyway = Keyway::start_with("xendit", site).await;
    let mut browser = Browser::new(&keyway);
    let form = browser.form("/sign-up").await;
    let form = form.with("company", "Toko Kopi").with("name", "Ada Lovelace");
    let form = form.with("email", "ada@example.com").with("password", PASSWORD);
    let done = browser.submit(&form).await.expect(303);
    let cookies: Vec<&str> =
        done.head.lines().filter(|line| line.starts_with("set-cookie")).collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    for cookie in cookies {
        assert!(cookie.contains(" __Host-keyway"), "{cookie}");
        for word in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(word), "{cookie}");
        }
    }
    assert!(done.header("strict-transport-security").is_some());
    browser.get("/live/keys").await.expect(200);
}
