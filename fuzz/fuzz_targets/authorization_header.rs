//! Any headers to any scheme: no panic, no answer that repeats a secret, and a yes only to a
//! credential that was issued, presented as its kind is.
//!
//! In the input, byte 1 stands for the id, byte 2 for the secret; byte 3 puts what follows it in
//! its line into base64. Lines are headers, `name:value`.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_domain::scheme::Presented;
use keyway_fuzz::{Issued, Platform};
use keyway_server::verify::{Answered, Asked, HeaderPairs};
use libfuzzer_sys::fuzz_target;

const SCHEMES: [&str; 5] = ["xendit", "xtopay", "enterprise", "airwallex", "rapyd"];

static PLATFORMS: LazyLock<Vec<Platform>> =
    LazyLock::new(|| SCHEMES.iter().map(|name| Platform::new(name)).collect());

fuzz_target!(|input: (u8, &str, &str, &str)| {
    let (choice, method, target, lines) = input;
    let platforms = &*PLATFORMS;
    let platform = &platforms[usize::from(choice) % platforms.len()];
    let kind = usize::from(choice) / platforms.len() % platform.issued.len();
    let issued = &platform.issued[kind];
    let headers: Vec<(String, String)> = lines.lines().map(|line| header(line, issued)).collect();
    let headers = HeaderPairs(&headers);
    let asked = Asked { method, target, ..Asked::default() };
    let judged = platform.engine.verify(&headers, &asked);
    if judged.verdict.is_ok() {
        let ways = &platform.engine.scheme.kinds[kind].presented;
        let genuine = headers.0.iter().any(|(name, value)| is_genuine(name, value, issued, ways));
        let is_login = judged.login.is_some();
        assert!(genuine || is_login, "accepted: {:?}", headers.0);
        assert!(headers.0.iter().any(|(_, value)| holds(value, issued)), "accepted out of nothing");
    }
    match platform.engine.answer(&judged, &headers) {
        Answered::Passed(_) => {}
        Answered::Refused(_, answer) | Answered::LoggedIn(answer) => {
            assert!(!answer.body.contains(&issued.secret));
            // What the client calls its own request is repeated to it, and nothing else.
            let repeats = |(name, value): &(String, String)| {
                name != "x-request-id" && value.contains(&issued.secret)
            };
            assert!(!answer.headers.iter().any(repeats));
        }
    }
});

fn header(line: &str, issued: &Issued) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or(("authorization", line));
    let filled = value.replace('\u{1}', &issued.id).replace('\u{2}', &issued.secret);
    let value = match filled.split_once('\u{3}') {
        Some((before, encoded)) => format!("{before}{}", STANDARD.encode(encoded)),
        None => filled,
    };
    (name.to_owned(), value)
}

/// Whether a header carries exactly the credential, in one of the ways its kind is presented.
fn is_genuine(name: &str, value: &str, issued: &Issued, ways: &[Presented]) -> bool {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let rest = rest.trim_matches(' ');
    let decoded = || {
        let bytes = STANDARD
            .decode(rest)
            .or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(rest));
        bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    };
    let bearer = scheme.eq_ignore_ascii_case("bearer");
    let basic = scheme.eq_ignore_ascii_case("basic");
    name.eq_ignore_ascii_case("authorization")
        && ways.iter().any(|way| match way {
            Presented::Bearer => bearer && rest == issued.secret,
            Presented::BasicUser => basic && decoded() == format!("{}:", issued.secret),
            Presented::BasicPair => {
                basic && decoded() == format!("{}:{}", issued.id, issued.secret)
            }
            Presented::BearerPair => {
                bearer && decoded() == format!("{}:{}", issued.id, issued.secret)
            }
            Presented::Login | Presented::Signature => false,
        })
}

fn holds(value: &str, issued: &Issued) -> bool {
    let encoded = value.split(' ').filter_map(|word| {
        let bytes = STANDARD
            .decode(word)
            .or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(word));
        String::from_utf8(bytes.ok()?).ok()
    });
    value.contains(&issued.secret) || encoded.into_iter().any(|text| text.contains(&issued.secret))
}
