//! What the operator of a machine denies on it.

use keyway_domain::id::CredentialId;
use keyway_server::app::Site;
use keyway_server::denied::sealed_line;
use keyway_server::worker;
use serde_json::json;

use crate::harness::{Keyway, bearer};

#[tokio::test]
async fn a_denied_credential_is_refused_until_it_is_taken_back_and_nobody_else_can_deny() {
    let file = std::env::temp_dir().join(format!("keyway-denied-{}", std::process::id()));
    let site = Site { denied_file: Some(file.clone()), ..Site::default() };
    let keyway = Keyway::start_with("enterprise", site).await;
    let account = keyway.account().await;
    let body = json!({ "kind": "key", "environment": "live", "name": "K", "grant": "everything" });
    let made = keyway.create(&account, body.clone()).await.expect(201);
    let other = keyway.create(&account, body).await.expect(201);
    let look = async || worker::look_at_denied(&keyway.app).await.expect("it is looked at");
    let status = async |key: &str, status| {
        bearer(keyway.api, "GET", "/mfi/invoices", key).await.expect(status);
    };
    let id = CredentialId::parse(&made.id()).expect("an id");
    let line = sealed_line(&keyway.app.keys.rows, id, keyway.app.now());
    // A line that names another credential has another's seal.
    let forged = line.replace(&made.id(), &other.id());
    std::fs::write(&file, format!("# by hand\n{forged}\nnonsense\n\n{line}\n")).expect("a file");
    look().await;
    status(&made.shown("key"), 401).await;
    status(&other.shown("key"), 200).await;
    // A change of it does not let it in again.
    let path = format!("/v1/accounts/{account}/credentials/{}", made.id());
    keyway.manage("PATCH", &path, &json!({ "name": "Renamed" })).await.expect(200);
    status(&made.shown("key"), 401).await;
    std::fs::remove_file(&file).expect("it is there");
    look().await;
    status(&made.shown("key"), 200).await;
}
