//! The authenticator app: its seed, the codes of it, and the picture it is set up from.

use fast_qr::QRBuilder;
use keyway_domain::id::MemberId;
use keyway_domain::time::Time;
use keyway_domain::totp::{LOOK_AROUND, STEP_SECONDS};
use keyway_secret::{Entropy, SecretText};
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// Bytes of a seed: as long as the HMAC's output (RFC 4226 §4).
const SEED_BYTES: usize = 20;
const DIGITS: u8 = 6;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Draws a seed, in base32 (RFC 4648) as authenticator apps take it.
pub fn new_seed(entropy: &mut dyn Entropy) -> SecretText {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    entropy.fill(&mut *seed);
    // Twenty bytes are thirty-two digits of five bits, without a remainder.
    let mut text = String::with_capacity(32);
    for chunk in seed.chunks(5) {
        let number = chunk.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        for place in (0..8).rev() {
            let digit = usize::try_from((number >> (place * 5)) & 31).expect("five bits fit");
            text.push(char::from(BASE32[digit]));
        }
    }
    SecretText::new(text)
}

fn bytes(seed: &SecretText) -> Option<Zeroizing<[u8; SEED_BYTES]>> {
    let mut bytes = Zeroizing::new([0; SEED_BYTES]);
    let letters = seed.reveal().as_bytes();
    if letters.len() != SEED_BYTES * 8 / 5 {
        return None;
    }
    for (place, chunk) in bytes.chunks_mut(5).zip(letters.chunks(8)) {
        let mut number = 0_u64;
        for letter in chunk {
            let digit = BASE32.iter().position(|known| known == letter)?;
            number = (number << 5) | u64::try_from(digit).ok()?;
        }
        place.copy_from_slice(&number.to_be_bytes()[3..]);
    }
    Some(bytes)
}

fn totp(seed: &SecretText) -> Option<Totp> {
    let secret = bytes(seed)?;
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_step_duration(u64::try_from(STEP_SECONDS).ok()?)
        .with_skew(u16::try_from(LOOK_AROUND).ok()?)
        .with_secret(*secret)
        .build()
        .ok()
}

/// The code at an instant, for the demo's people, who have no phone.
pub fn code(seed: &SecretText, now: Time) -> Option<String> {
    Some(totp(seed)?.generate(u64::try_from(now.0 / 1000).ok()?).to_string())
}

/// The step whose code this is, of those around `now`; white space in the code is ignored.
pub fn matched_step(seed: &SecretText, code: &str, now: Time) -> Option<i64> {
    let code = plain_code(code)?;
    let totp = totp(seed)?;
    let step = totp.check(&code, u64::try_from(now.0 / 1000).ok()?)?;
    i64::try_from(step).ok()
}

/// Six digits, as people type them: `123 456` too. `None` if it is something else, such as a
/// recovery code.
pub fn plain_code(code: &str) -> Option<String> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let is_code = code.len() == usize::from(DIGITS) && code.bytes().all(|b| b.is_ascii_digit());
    is_code.then_some(code)
}

/// Where a member's seed is sealed for.
pub fn sealing_place(member: MemberId) -> String {
    format!("totp/{member}")
}

/// What the picture says (the key URI that authenticator apps read).
pub fn uri(seed: &SecretText, issuer: &str, email: &str) -> Zeroizing<String> {
    let escape = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        text.bytes()
            .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    let (issuer, email) = (escape(issuer), escape(email));
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{email}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
        seed.reveal()
    ))
}

/// A QR code as an SVG path with its side, in modules.
pub fn qr_path(text: &str) -> Option<(String, usize)> {
    use std::fmt::Write as _;
    let code = QRBuilder::new(text).build().ok()?;
    let mut path = String::new();
    for y in 0..code.size {
        for x in (0..code.size).filter(|x| code[y][*x].value()) {
            write!(path, "M{x} {y}h1v1h-1z").expect("a String takes everything");
        }
    }
    Some((path, code.size))
}
