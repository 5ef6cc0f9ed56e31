//! The test vectors in `vectors/vectors.json`: what any other implementation must compute too.
//!
//! `UPDATE_VECTORS=1 cargo test -p keyway-secret --test vectors` writes the file anew.

use std::fmt::Write as _;

use keyway_secret::{
    CHECK_CHARS, Environment, Keyring, RootKey, SecretText, SeededEntropy, Template,
    check_characters, hmac_sha256_hex, imported_sha256, imported_sha512,
};
use serde_json::{Value, json};

/// Patterns, the words of both environments, and whether they are of public ids.
const TEMPLATES: [(&str, [&str; 2], bool); 6] = [
    ("vector_{environment}_{random:28}", ["one", "two"], false),
    ("vector_{environment}_{random:32}", ["one", "two"], false),
    ("vector{random:128}", ["one", "two"], false),
    ("{environment}{random:64}", ["ab", "cd"], false),
    ("{random:40}", ["one", "two"], false),
    ("id_{environment}_{random:16}", ["one", "two"], true),
];
const SEEDS: [u64; 4] = [0, 1, 2026, u64::MAX];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn generated() -> Vec<Value> {
    let mut vectors = Vec::new();
    for (pattern, words, is_id) in TEMPLATES {
        let compile = if is_id { Template::public_id } else { Template::secret };
        let template = compile(pattern, words).expect("a good pattern");
        for (seed, environment) in SEEDS
            .into_iter()
            .flat_map(|seed| Environment::ALL.map(|environment| (seed, environment)))
        {
            let made = template.generate(environment, &mut SeededEntropy::new(seed));
            let prefix = template.prefix(environment);
            let random = made.reveal().strip_prefix(prefix).expect("it starts so");
            vectors.push(json!({
                "pattern": pattern, "words": words, "environment": environment.as_str(),
                "seed": seed.to_string(), "prefix": prefix, "random": random, "hint": made.hint(),
            }));
        }
    }
    vectors
}

fn checks() -> Vec<Value> {
    let all = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    let prefixes = (0..=all.len()).step_by(7).map(|end| &all[..end]);
    prefixes
        .map(|before| {
            let check = check_characters(before.as_bytes());
            let check = std::str::from_utf8(&check).expect("the check is ASCII");
            json!({ "before": before, "check": check })
        })
        .collect()
}

/// Root keys that nobody would take for real: all zeros, all ones, and counting up.
fn roots() -> [[u8; 32]; 3] {
    [[0; 32], [0xff; 32], std::array::from_fn(|place| u8::try_from(place).expect("a byte"))]
}

fn keyed(root: [u8; 32]) -> Value {
    let root_key = RootKey::parse(&format!("kwroot_{}", hex(&root))).expect("a root key");
    let keys = Keyring::derive(&root_key);
    let texts = ["", "a", "vector_one_0123456789", "sp ace", "é"];
    let digests: Vec<Value> = texts
        .iter()
        .map(|text| json!({ "text": text, "digest": hex(&keys.pepper.digest(text).0) }))
        .collect();
    let pairs: Vec<Value> = [("id", "secret"), ("", ""), ("id_one_x", "vector_one_y")]
        .iter()
        .map(|(id, secret)| {
            let digest = keys.pepper.digest_pair(id, secret);
            json!({ "id": id, "secret": secret, "digest": hex(&digest.0) })
        })
        .collect();
    let rows: Vec<Value> = [&b""[..], b"\x00", b"one row", &[0xff; 100]]
        .iter()
        .map(|row| json!({ "row": hex(row), "seal": hex(&keys.rows.seal(row).0) }))
        .collect();
    json!({
        "root": hex(&root), "fingerprint": hex(&keys.fingerprint),
        "digests": digests, "pairs": pairs, "rows": rows,
    })
}

fn hmacs() -> Vec<Value> {
    let long = "k".repeat(100);
    let cases: [(&str, &[&str]); 4] = [
        ("key", &["The quick brown fox jumps over the lazy dog"]),
        ("key", &["The quick brown fox ", "jumps over", "", " the lazy dog"]),
        ("", &[]),
        (&long, &["get", "/v1/data", "salt", "1700000000"]),
    ];
    cases
        .iter()
        .map(|(secret, parts)| {
            let bytes: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            let mac = hmac_sha256_hex(&SecretText::new((*secret).to_owned()), &bytes);
            json!({ "secret": secret, "parts": parts, "hex": mac })
        })
        .collect()
}

fn imported() -> Vec<Value> {
    ["", "old key", "vector_one_0123456789", "é"]
        .iter()
        .map(|key| {
            let (short, long) = (imported_sha256(key.as_bytes()), imported_sha512(key.as_bytes()));
            json!({ "key": key, "sha256": short, "sha512": long })
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "the switch belongs to this test alone")]
fn is_update() -> bool {
    std::env::var("UPDATE_VECTORS").is_ok()
}

#[test]
fn the_vectors_are_what_this_crate_computes() {
    let vectors = json!({
        "check_characters": CHECK_CHARS,
        "generated": generated(),
        "checks": checks(),
        "keyed": roots().map(keyed),
        "hmacs": hmacs(),
        "imported": imported(),
    });
    let text = serde_json::to_string_pretty(&vectors).expect("JSON") + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/vectors.json");
    if is_update() {
        std::fs::write(path, &text).expect("the vectors can be written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    // Not assert_eq!: the difference would be a wall of text; the file's own diff says it better.
    assert!(kept == text, "vectors.json differs: run with UPDATE_VECTORS=1 and look at its diff");
}
