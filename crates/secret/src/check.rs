//! Base62 and the six check characters that end every credential string.

use sha2::{Digest as _, Sha256};

use crate::entropy::Entropy;

/// How many characters at the end of the random part are the check.
pub const CHECK_CHARS: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECK_SPACE: u64 = 62_u64.pow(6);

/// The check over everything before it: SHA-256 as a big-endian number, mod 62⁶, in base62 with
/// leading zeros. It catches typing errors and lets scanners recognise a key; it defends nothing.
pub fn check_characters(before: &[u8]) -> [u8; CHECK_CHARS] {
    let digest = Sha256::digest(before);
    let mut rest =
        digest.iter().fold(0_u64, |rest, byte| ((rest << 8) | u64::from(*byte)) % CHECK_SPACE);
    let mut check = [0; CHECK_CHARS];
    for place in check.iter_mut().rev() {
        *place = ALPHABET[usize::try_from(rest % 62).expect("a digit fits")];
        rest /= 62;
    }
    check
}

/// Draws uniformly distributed base62 characters.
pub(crate) fn random_characters(count: usize, entropy: &mut dyn Entropy) -> Vec<u8> {
    // 248 is the largest multiple of 62 in a byte: larger bytes are drawn again, so that no
    // character is likelier than another.
    const FAIR: u8 = 248;
    let mut characters = Vec::with_capacity(count);
    let mut drawn = zeroize::Zeroizing::new([0; 64]);
    while characters.len() < count {
        entropy.fill(&mut *drawn);
        let fair = drawn.iter().filter(|byte| **byte < FAIR);
        characters.extend(
            fair.map(|byte| ALPHABET[usize::from(byte % 62)]).take(count - characters.len()),
        );
    }
    characters
}
