//! Signed requests with any body: an honest one passes once; its signature fits no other meaning.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_domain::time::Time;
use keyway_domain::verdict::Reason;
use keyway_fuzz::Platform;
use keyway_secret::{SecretText, hmac_sha256_hex};
use keyway_server::clock::Clock as _;
use keyway_server::verify::{Asked, HeaderPairs};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static PLATFORM: LazyLock<Platform> = LazyLock::new(|| Platform::new("rapyd"));

const TARGET: &str = "/v1/payments";

fuzz_target!(|input: (&[u8], &[u8], &str, u32)| {
    let (signed, sent, salt, seconds) = input;
    let platform = &*PLATFORM;
    let issued = &platform.issued[0];
    // Far enough that no salt of the last run is remembered.
    platform.clock.advance_ms(2 * 360_000);
    let timestamp = timestamp(platform.clock.now(), seconds);
    let secret = SecretText::new(issued.secret.clone());
    // An empty object is signed as nothing, as the real clients do.
    let signed_body = if is_empty_object(signed) { &b""[..] } else { signed };
    let parts: [&[u8]; 7] = [
        b"post",
        TARGET.as_bytes(),
        salt.as_bytes(),
        timestamp.as_bytes(),
        issued.id.as_bytes(),
        issued.secret.as_bytes(),
        signed_body,
    ];
    let signature = STANDARD.encode(hmac_sha256_hex(&secret, &parts));
    let headers = [
        ("access_key", issued.id.as_str()),
        ("salt", salt),
        ("timestamp", timestamp.as_str()),
        ("signature", signature.as_str()),
    ];
    let ask = |body: &[u8]| {
        let asked = Asked { method: "POST", target: TARGET, body: Some(body), ..Asked::default() };
        platform.engine.verify(&HeaderPairs(&headers), &asked).verdict
    };
    if ask(sent).is_ok() {
        assert!(means_the_same(signed, sent), "another body passed");
    } else {
        let plain = salt.bytes().all(|byte| (32..127).contains(&byte));
        let honest = plain && !salt.is_empty() && salt.len() <= 128;
        let expected = if honest { Ok(()) } else { ask(signed) };
        assert_eq!(ask(signed), expected, "an honest request was refused");
    }
    assert_ne!(ask(signed), Ok(()), "a request passed twice");
    assert!(!matches!(ask(sent), Err(Reason::Unavailable)));
});

/// Within the window that the scheme accepts.
fn timestamp(now: Time, seconds: u32) -> String {
    (now.0 / 1000 - i64::from(seconds % 299)).to_string()
}

fn is_empty_object(body: &[u8]) -> bool {
    let visible: Vec<u8> =
        body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    visible == b"{}"
}

/// Equal as bytes, as JSON with numbers as JavaScript has them, or both as good as empty.
fn means_the_same(one: &[u8], other: &[u8]) -> bool {
    let nothing = |body: &[u8]| body.trim_ascii().is_empty() || is_empty_object(body);
    let read = |body: &[u8]| serde_json::from_slice(body).ok().map(in_floats);
    one == other
        || nothing(one) && nothing(other)
        || read(one).is_some_and(|one| Some(one) == read(other))
}

fn in_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            number.as_f64().map_or(Value::Null, |float| Value::from(float + 0.0))
        }
        Value::Array(values) => values.into_iter().map(in_floats).collect(),
        Value::Object(entries) => Value::Object(
            entries.into_iter().map(|(name, value)| (name, in_floats(value))).collect(),
        ),
        other => other,
    }
}
