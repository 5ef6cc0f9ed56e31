//! The connection to a server beyond this machine: encrypted, to the server that is meant.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyway_store::{Db, Target, migrate};
use keyway_testbed::{Options, Postgres, is_on_server};

use crate::house::options;

/// For `hooks.example` and `127.0.0.2`, signed by the authority in `ca.pem`.
const CERTIFICATE: &[u8] = include_bytes!("../../../server/tests/certs/server.pem");
const EXPIRED: &[u8] = include_bytes!("../../../server/tests/certs/expired.pem");
const KEY: &[u8] = include_bytes!("../../../server/tests/certs/server.key");

fn authority(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/certs").join(name)
}

/// Connects to the server by an address; what is said against it.
fn connect(server: &Postgres, address: &str, ca: &str, mode: &str) -> Result<(), String> {
    let url = format!("postgres://keyway@{address}:{}/keyway{mode}", server.port());
    let target = Target::parse(&url, None, Some(&authority(ca))).map_err(|why| why.to_string())?;
    Db::connect(&Arc::new(target), &options()).map(drop).map_err(|why| why.to_string())
}

const CHECKED: &str = "?sslmode=verify-full";

#[test]
fn a_server_is_taken_only_with_a_certificate_of_its_name_from_an_authority_that_was_named() {
    if !is_on_server() {
        return;
    }
    let server = Postgres::start_with(Options::default());
    server.create_database("keyway");
    let plain = Arc::new(Target::parse(&server.url("keyway"), None, None).unwrap());
    migrate(&plain, None).unwrap();
    let no_tls = connect(&server, "127.0.0.1", "ca.pem", CHECKED).unwrap_err();
    assert!(no_tls.contains("does not support TLS"), "{no_tls}");

    server.encrypt(CERTIFICATE, KEY);
    connect(&server, "127.0.0.2", "ca.pem", CHECKED).unwrap();
    assert_eq!(server.psql("keyway", ENCRYPTED), "t");
    let refused = |address, ca| {
        let said = connect(&server, address, ca, CHECKED).unwrap_err();
        assert!(said.contains("--database-ca"), "it says what to do: {said}");
        said
    };
    let other_name = refused("127.0.0.1", "ca.pem");
    assert!(other_name.contains("not valid for name"), "{other_name}");
    let other_authority = refused("127.0.0.2", "self-signed.pem");
    assert!(other_authority.contains("UnknownIssuer"), "{other_authority}");
    server.encrypt(EXPIRED, KEY);
    let expired = refused("127.0.0.2", "ca.pem");
    assert!(expired.contains("expired"), "{expired}");
    // Only whoever says so goes without.
    connect(&server, "127.0.0.1", "ca.pem", "?sslmode=disable").unwrap();
}

/// What encrypts now stays with the server: the connections of before are looked at in its log.
const ENCRYPTED: &str = "SELECT current_setting('ssl') = 'on'";
