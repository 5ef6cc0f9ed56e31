//! The typed client of the management API, against the server.

use std::collections::BTreeMap;

use http::Uri;
use keyway_client::Management;
use keyway_client::management::{Edit, Grant, ManagementError, NewAccount, NewCredential};

use crate::harness::{Keyway, basic};

fn client(keyway: &Keyway) -> Management {
    let origin: Uri = format!("http://{}", keyway.public).parse().expect("a URL");
    Management::new(&origin, &keyway.token).expect("a client")
}

fn pair(name: &str) -> NewCredential {
    NewCredential {
        kind: "client".to_owned(),
        environment: "live".to_owned(),
        name: name.to_owned(),
        grant: Some(Grant::Levels(BTreeMap::from([("balance".to_owned(), "read".to_owned())]))),
        ..NewCredential::default()
    }
}

#[tokio::test]
async fn it_does_what_the_api_does() {
    let keyway = Keyway::start("xtopay").await;
    let client = client(&keyway);
    let new = NewAccount { name: "Toko".to_owned(), external_id: Some("m/1&2=3".to_owned()) };
    let account = client.create_account(&new).await.expect("it is registered");
    assert_eq!(client.account(&account.id).await.expect("it is there").name, "Toko");
    let found = client.account_called("m/1&2=3").await.expect("a page");
    assert_eq!(found.map(|found| found.id), Some(account.id.clone()));
    let credentials = client.credentials(&account.id);
    let made = credentials.create(&pair("Shop")).await.expect("it is made");
    let secret = made.secret.expect("it is shown once");
    let (id, first) = (secret.get("client_id").expect("an id"), secret.get("client_secret"));
    let first = first.expect("a secret").to_owned();
    assert!(!format!("{secret:?}").contains(&first), "it is not printed");
    let asked =
        async |secret: &str| basic(keyway.api, "GET", "/v1/balance", (id, secret), "").await.status;
    assert_eq!(asked(&first).await, 200);
    let key = &made.credential.id;
    let rotated = credentials.rotate(key, None).await.expect("it is rotated");
    let second = rotated.secret.expect("it is shown once");
    let second = second.get("client_secret").expect("a secret").to_owned();
    assert_eq!((asked(&first).await, asked(&second).await), (200, 200));
    let finished = credentials.finish(key).await.expect("the overlap is ended");
    assert!(finished.reach.is_everywhere(), "{:?}", finished.reach);
    assert_eq!((asked(&first).await, asked(&second).await), (401, 200));
    let edit = Edit { name: Some("Till".to_owned()), ..Edit::default() };
    assert_eq!(credentials.edit(key, &edit).await.expect("it is renamed").name, "Till");
    keyway.flush().await;
    let usage = credentials.usage(key).await.expect("it was used");
    assert!(usage.total["allowed"] >= 3, "{usage:?}");
    let listed = credentials.list(None).await.expect("a page");
    assert!(listed.data.iter().any(|one| one.id == *key));
    let revoked = credentials.revoke(key).await.expect("it is revoked");
    assert_eq!((revoked.status.as_str(), revoked.reach.is_everywhere()), ("revoked", true));
    let suspended = client.suspend(&account.id).await.expect("it is suspended");
    assert_eq!((suspended.status.as_str(), suspended.reach.is_everywhere()), ("suspended", true));
    assert_eq!(client.resume(&account.id).await.expect("it is back").status, "active");
}

#[tokio::test]
async fn a_rotation_is_rolled_back_where_the_scheme_has_that() {
    let keyway = Keyway::start("rapyd").await;
    let client = client(&keyway);
    let account = keyway.account().await;
    let credentials = client.credentials(&account);
    let new = NewCredential {
        kind: "signing".to_owned(),
        environment: "live".to_owned(),
        name: "Server".to_owned(),
        grant: Some(Grant::Everything),
        ..NewCredential::default()
    };
    let made = credentials.create(&new).await.expect("it is made").credential;
    let rotated = credentials.rotate(&made.id, Some("24h")).await.expect("it is rotated");
    assert_eq!(rotated.credential.secrets[0].number, 2);
    let back = credentials.roll_back(&made.id).await.expect("it is rolled back");
    let current: Vec<_> = back.secrets.iter().filter(|one| one.state == "current").collect();
    assert_eq!((current.len(), current[0].number), (1, 1));
    let again = credentials.rotate(&made.id, Some("24h")).await.expect("it is rotated");
    let until = again.credential.secrets.iter().find_map(|one| one.accepted_until.clone());
    let later = until.expect("there is an overlap").replace("T12:", "T18:");
    let extended = credentials.extend(&made.id, &later).await.expect("it is extended");
    assert!(extended.secrets.iter().any(|one| one.accepted_until.as_deref() == Some(&later)));
}

#[tokio::test]
async fn pages_follow_each_other_and_keys_make_a_call_one_call() {
    let keyway = Keyway::start("xtopay").await;
    let client = client(&keyway);
    let account = keyway.account().await;
    let credentials = client.credentials(&account);
    for number in 0..60 {
        credentials.create(&pair(&format!("Shop {number}"))).await.expect("it is made");
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = credentials.list(cursor.as_deref()).await.expect("a page");
        seen.extend(page.data.into_iter().map(|one| one.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut expected: Vec<String> = (0..60).map(|number| format!("Shop {number}")).collect();
    expected.retain(|name| !seen.contains(name));
    assert!(expected.is_empty(), "not listed: {expected:?}");
    let same = client.clone().idempotency_key("one-key");
    let same = same.credentials(&account);
    let first = same.create(&pair("Once")).await.expect("it is made");
    let again = same.create(&pair("Once")).await.expect("the same answer");
    assert_eq!(first.credential.id, again.credential.id);
    assert!(first.secret.is_some() && again.secret.is_none(), "a secret is shown once");
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let keyway = Keyway::start("xtopay").await;
    let client = client(&keyway);
    let account = keyway.account().await;
    let credentials = client.credentials(&account);
    let problem = |error: ManagementError| match error {
        ManagementError::Refused(problem) => *problem,
        other => panic!("another error: {other}"),
    };
    let odd = NewCredential { kind: "nothing".to_owned(), ..pair("Odd") };
    let wrong = problem(credentials.create(&odd).await.expect_err("no such kind"));
    assert_eq!((wrong.status, wrong.code.as_str()), (422, "invalid_field"));
    assert_eq!(wrong.field.as_deref(), Some("kind"));
    assert!(wrong.to_string().contains("field `kind`"), "{wrong}");
    let missing = "cred_00000000000000000000000000";
    let wrong = problem(credentials.get(missing).await.expect_err("it is not there"));
    assert_eq!(wrong.status, 404);
    for id in ["", "..", "a/b", "a?b", "a%2fb"] {
        assert!(matches!(credentials.get(id).await, Err(ManagementError::NoId)), "{id}");
    }
    let origin: Uri = format!("http://{}", keyway.public).parse().expect("a URL");
    let stranger = Management::new(&origin, "not-a-token").expect("a client");
    assert_eq!(problem(stranger.accounts(None).await.expect_err("no token")).status, 401);
    let nobody: Uri = "http://127.0.0.1:9".parse().expect("a URL");
    let nobody = Management::new(&nobody, "not-a-token").expect("a client").retries(1);
    let error = nobody.accounts(None).await.expect_err("nobody is there");
    assert!(matches!(error, ManagementError::Unknown(_)), "{error}");
}
