//! The requirements of the scheme `rapyd` (R01, R02, R07, R08, R10).

use serde_json::{Value, json};

use crate::harness::{Answer, DAY, HOUR, Keyway, MINUTE, Signer, send};

async fn signing(keyway: &Keyway, account: &str, environment: &str) -> Answer {
    let body = json!({
        "kind": "signing", "environment": environment, "name": "API keys", "grant": "everything",
    });
    keyway.create(account, body).await.expect(201)
}

fn member(role: &str, more: Value) -> Value {
    let mut body = more;
    body["on_behalf_of"] = json!({ "member": "ana@toko.test", "role": role, "step_up": "otp" });
    body
}

async fn works(keyway: &Keyway, signer: &Signer) -> bool {
    let answer = signer.call(keyway, "GET", "/v1/data/countries", "").await;
    match answer.status {
        200 => true,
        401 => false,
        other => panic!("{other}: {}", answer.text),
    }
}

#[tokio::test]
async fn r01_owners_rotate_the_keys_of_either_environment_and_nobody_else_does() {
    let keyway = Keyway::start("rapyd").await;
    let account = keyway.account().await;
    for environment in ["test", "live"] {
        let made = signing(&keyway, &account, environment).await;
        for role in ["admin", "developer", "viewer"] {
            let refused = keyway
                .act(&account, &made.id(), "rotate", member(role, json!({})))
                .await
                .expect(403);
            assert_eq!(refused.json()["code"], "role_not_allowed");
        }
        let no_code = json!({ "on_behalf_of": { "member": "ana", "role": "owner" } });
        let refused = keyway.act(&account, &made.id(), "rotate", no_code).await.expect(403);
        assert_eq!(refused.json()["code"], "step_up_required");
        assert!(works(&keyway, &Signer::of(&made)).await, "what was refused changed nothing");
        let owner = member("owner", json!({}));
        let rotated = keyway.act(&account, &made.id(), "rotate", owner).await.expect(200);
        assert!(works(&keyway, &Signer::of(&rotated)).await);
    }
}

#[tokio::test]
async fn r02_the_end_of_the_existing_key_is_chosen_from_now_to_seven_days() {
    let keyway = Keyway::start("rapyd").await;
    let account = keyway.account().await;
    for (overlap, ms) in [("1h", HOUR), ("3d", 3 * DAY), ("7d", 7 * DAY)] {
        let made = signing(&keyway, &account, "live").await;
        let old = Signer::of(&made);
        let body = member("owner", json!({ "overlap": overlap }));
        keyway.act(&account, &made.id(), "rotate", body).await.expect(200);
        keyway.clock.advance_ms(ms - 1);
        assert!(works(&keyway, &old).await, "{overlap}");
        keyway.clock.advance_ms(1);
        assert!(!works(&keyway, &old).await, "{overlap}");
    }
    let made = signing(&keyway, &account, "live").await;
    let old = Signer::of(&made);
    for overlap in ["8d", "169h", "-1h", "soon"] {
        let body = member("owner", json!({ "overlap": overlap }));
        let refused = keyway.act(&account, &made.id(), "rotate", body).await.expect(422);
        assert_eq!(refused.json()["field"], "overlap");
    }
    let now = member("owner", json!({ "overlap": "0s" }));
    keyway.act(&account, &made.id(), "rotate", now).await.expect(200);
    assert!(!works(&keyway, &old).await, "Now means from the answer on");
}

#[tokio::test]
async fn r07_until_then_both_keys_work() {
    let keyway = Keyway::start("rapyd").await;
    let account = keyway.account().await;
    let made = signing(&keyway, &account, "live").await;
    let old = Signer::of(&made);
    let rotated = keyway.act(&account, &made.id(), "rotate", json!({})).await.expect(200);
    let new = Signer::of(&rotated);
    assert_ne!(old.access_key, new.access_key);
    assert!(works(&keyway, &old).await && works(&keyway, &new).await);
    // A signature is by one pair, not by a mixture of two.
    let mixed = Signer { access_key: old.access_key.clone(), secret_key: new.secret_key.clone() };
    assert!(!works(&keyway, &mixed).await);
    keyway.flush().await;
    // Which of them is still in use is seen before the old one ends.
    let shown = keyway.show(&account, &made.id()).await;
    assert!(
        shown["secrets"].as_array().expect("two").iter().all(|s| s["last_used_at"].is_string())
    );
    keyway.clock.advance_ms(DAY);
    assert!(!works(&keyway, &old).await && works(&keyway, &new).await);
}

#[tokio::test]
async fn r08_a_rollback_deletes_the_new_keys_while_the_previous_ones_still_live() {
    let keyway = Keyway::start("rapyd").await;
    let account = keyway.account().await;
    let made = signing(&keyway, &account, "live").await;
    let (id, old) = (made.id(), Signer::of(&made));
    let roll_back =
        async |role: &str| keyway.act(&account, &id, "rollback", member(role, json!({}))).await;
    assert_eq!(roll_back("owner").await.expect(409).json()["code"], "no_overlap");
    let rotated = keyway.act(&account, &id, "rotate", json!({ "overlap": "1d" })).await.expect(200);
    let new = Signer::of(&rotated);
    roll_back("admin").await.expect(403);
    roll_back("owner").await.expect(200);
    assert!(works(&keyway, &old).await && !works(&keyway, &new).await);
    // The previous keys stay for good: their overlap is forgotten.
    keyway.clock.advance_ms(2 * DAY);
    assert!(works(&keyway, &old).await);
    assert_eq!(roll_back("owner").await.expect(409).json()["code"], "no_overlap");
    // Too late: what has ended does not come back.
    keyway.act(&account, &id, "rotate", json!({ "overlap": "1h" })).await.expect(200);
    keyway.clock.advance_ms(HOUR);
    assert_eq!(roll_back("owner").await.expect(409).json()["code"], "no_overlap");
    assert!(!works(&keyway, &old).await);
}

#[tokio::test]
async fn r10_the_platforms_support_grants_more_time_before_the_previous_keys_end() {
    let keyway = Keyway::start("rapyd").await;
    let account = keyway.account().await;
    let made = signing(&keyway, &account, "live").await;
    let (id, old) = (made.id(), Signer::of(&made));
    keyway.act(&account, &id, "rotate", json!({ "overlap": "1d" })).await.expect(200);
    let until = |text: &str| json!({ "until": text });
    let by_owner = member("owner", until("2026-11-25T12:00:00Z"));
    keyway.act(&account, &id, "extend", by_owner).await.expect(403);
    let sooner = keyway.act(&account, &id, "extend", until("2026-11-22T11:00:00Z")).await;
    assert_eq!(sooner.expect(409).json()["code"], "not_later");
    let late = keyway.act(&account, &id, "extend", until("2027-03-01T00:00:00Z")).await;
    assert_eq!(late.expect(409).json()["code"], "too_late");
    keyway.act(&account, &id, "extend", until("2026-11-25T12:00:00Z")).await.expect(200);
    keyway.clock.advance_ms(4 * DAY - 1);
    assert!(works(&keyway, &old).await);
    keyway.clock.advance_ms(1);
    assert!(!works(&keyway, &old).await);
    let over = keyway.act(&account, &id, "extend", until("2026-11-26T12:00:00Z")).await;
    assert_eq!(over.expect(409).json()["code"], "no_overlap");
}

/// A signed call with everything in the test's hand.
async fn signed(
    keyway: &Keyway,
    signer: &Signer,
    (salt, time): (&str, i64),
    (signed_body, sent_body): (&str, &str),
) -> Answer {
    let path = "/v1/payments";
    let signature = signer.sign("POST", path, salt, time, signed_body);
    let time = time.to_string();
    let headers = [
        ("access_key", signer.access_key.as_str()),
        ("salt", salt),
        ("timestamp", &time),
        ("signature", &signature),
    ];
    send(keyway.api, "POST", path, &headers, sent_body).await
}

#[tokio::test]
async fn every_canonical_form_that_clients_sign_is_accepted_and_no_other() {
    let keyway = Keyway::start("rapyd").await;
    let account = keyway.account().await;
    let signer = Signer::of(&signing(&keyway, &account, "live").await);
    let now = keyway.app.now().0 / 1000;
    let sent = "{ \"amount\": 10.50, \"currency\": \"USD\",\n \"description\": \"Café ☕\" }";
    let forms = [
        sent.to_owned(),
        r#"{"amount":10.50,"currency":"USD","description":"Café ☕"}"#.to_owned(),
        r#"{"amount":10.50,"currency":"USD","description":"Caf\u00e9 \u2615"}"#.to_owned(),
        r#"{"amount":10.5,"currency":"USD","description":"Café ☕"}"#.to_owned(),
    ];
    for (place, form) in forms.iter().enumerate() {
        let salt = format!("salt-form-{place}");
        let answer = signed(&keyway, &signer, (&salt, now), (form, sent)).await;
        assert_ne!(answer.status, 401, "{form}: {}", answer.text);
    }
    let other = r#"{"amount":1050,"currency":"USD","description":"Café ☕"}"#;
    let refused = signed(&keyway, &signer, ("salt-other", now), (other, sent)).await.expect(401);
    assert_eq!(refused.json()["status"]["error_code"], "UNAUTHENTICATED_API_CALL");
}

#[tokio::test]
async fn the_clock_window_and_the_salt_are_checked_and_a_bad_signature_burns_no_salt() {
    let keyway = Keyway::start("rapyd").await;
    let account = keyway.account().await;
    let signer = Signer::of(&signing(&keyway, &account, "live").await);
    let now = keyway.app.now().0 / 1000;
    let body = r#"{"amount":10,"currency":"USD"}"#;
    for (age, accepted) in [(-300, true), (-301, false), (60, true), (61, false)] {
        let salt = format!("salt-age-{age}");
        let answer = signed(&keyway, &signer, (&salt, now + age), (body, body)).await;
        assert_eq!(answer.status != 401, accepted, "{age}: {}", answer.text);
        if !accepted {
            let said = answer.json()["status"]["message"].clone();
            assert_eq!(said, "timestamp header is out of allowed range");
        }
    }
    // Somebody else's wrong signature does not use the salt up.
    let forged = signed(&keyway, &signer, ("salt-one", now), ("{}x", body)).await;
    forged.expect(401);
    let first = signed(&keyway, &signer, ("salt-one", now), (body, body)).await;
    assert_ne!(first.status, 401);
    let replay = signed(&keyway, &signer, ("salt-one", now), (body, body)).await.expect(401);
    let said = replay.json()["status"]["message"].clone();
    assert_eq!(said, "salt header value is not valid, same value used not long ago");
    // A salt may come back once its timestamp could not be accepted any more.
    keyway.clock.advance_ms(20 * MINUTE);
    let later = signed(&keyway, &signer, ("salt-one", now + 1200), (body, body)).await;
    assert_ne!(later.status, 401);
}

#[tokio::test]
async fn a_request_without_all_four_headers_is_told_so() {
    let keyway = Keyway::start("rapyd").await;
    let nothing = send(keyway.api, "GET", "/v1/payments", &[], "").await.expect(400);
    assert_eq!(nothing.json()["status"]["error_code"], "MISSING_AUTHENTICATION_HEADERS");
    let headers = [("access_key", "rak_live_x"), ("salt", "abc"), ("timestamp", "1")];
    let some = send(keyway.api, "GET", "/v1/payments", &headers, "").await.expect(400);
    assert_eq!(some.json()["status"]["status"], "ERROR");
}
