//! Credential strings under attack: what is made is read again, and what was altered is not.

use std::collections::HashSet;

use keyway_secret::{
    CHECK_CHARS, Entropy as _, Environment, Keyring, OsEntropy, ParseError, RootKey, SecretText,
    SeededEntropy, Template, UnsealError, signature_matches,
};
use proptest::prelude::*;

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn template() -> Template {
    Template::secret("sk_{environment}_{random:32}", ["test", "live"]).expect("a good pattern")
}

fn any_environment() -> impl Strategy<Value = Environment> {
    prop_oneof![Just(Environment::Test), Just(Environment::Live)]
}

/// Templates as schemes write them: words that differ, and a character between word and randomness.
fn any_template() -> impl Strategy<Value = Template> {
    ("[a-z_]{0,8}", "[a-z]{1,8}", "[a-z]{1,8}", 28..=128_usize).prop_map(
        |(prefix, test, live, random)| {
            let pattern = format!("{prefix}{{environment}}_{{random:{random}}}");
            Template::secret(&pattern, [&test, &live]).expect("a good pattern")
        },
    )
}

fn keys(seed: u64) -> Keyring {
    Keyring::derive(&RootKey::generate(&mut SeededEntropy::new(seed)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_string_is_read_as_what_it_was_made_for(
        template in any_template(), environment in any_environment(), seed in any::<u64>(),
    ) {
        let made = template.generate(environment, &mut SeededEntropy::new(seed));
        prop_assert_eq!(made.reveal().len(), template.length(environment));
        let read = template.parse(made.reveal());
        prop_assert!(read == Ok(environment) || !template.names_environment());
        prop_assert!(read.is_ok());
    }

    #[test]
    fn one_wrong_character_is_always_noticed(
        seed in any::<u64>(), place in 0..40_usize, wrong in any::<char>(),
    ) {
        let made = template().generate(Environment::Live, &mut SeededEntropy::new(seed));
        let mut text: Vec<char> = made.reveal().chars().collect();
        prop_assume!(text[place] != wrong);
        text[place] = wrong;
        let text: String = text.into_iter().collect();
        prop_assert!(template().parse(&text).is_err(), "{} at {}", wrong, place);
    }

    #[test]
    fn what_was_cut_or_has_something_attached_has_the_wrong_length(
        seed in any::<u64>(), cut in 1..32_usize, attached in "[0-9A-Za-z]{1,20}",
    ) {
        let made = template().generate(Environment::Live, &mut SeededEntropy::new(seed));
        let text = made.reveal();
        prop_assert_eq!(template().parse(&text[..text.len() - cut]), Err(ParseError::Length));
        prop_assert_eq!(template().parse(&format!("{text}{attached}")), Err(ParseError::Length));
        prop_assert_eq!(template().parse(&format!("{attached}{text}")), Err(ParseError::Prefix));
    }

    #[test]
    fn a_string_in_another_case_is_not_the_string(seed in any::<u64>()) {
        let made = template().generate(Environment::Live, &mut SeededEntropy::new(seed));
        let (prefix, random) = made.reveal().split_at("sk_live_".len());
        for other in [random.to_ascii_uppercase(), random.to_ascii_lowercase()] {
            prop_assume!(other != random);
            prop_assert_eq!(template().parse(&format!("{prefix}{other}")), Err(ParseError::Check));
        }
        prop_assert_eq!(template().parse(&made.reveal().to_uppercase()), Err(ParseError::Prefix));
    }

    #[test]
    fn a_string_moved_to_the_other_environment_fails_its_check(seed in any::<u64>()) {
        let made = template().generate(Environment::Live, &mut SeededEntropy::new(seed));
        let moved = made.reveal().replacen("_live_", "_test_", 1);
        prop_assert_eq!(template().parse(&moved), Err(ParseError::Check));
    }

    #[test]
    fn whatever_is_read_is_answered_without_a_panic(
        pattern in "\\PC{0,40}", words in ("\\PC{0,5}", "\\PC{0,5}"), text in "\\PC{0,200}",
    ) {
        if let Ok(template) = Template::secret(&pattern, [&words.0, &words.1]) {
            let _ = template.parse(&text);
        }
        let _ = template().parse(&text);
        let _ = RootKey::parse(&text);
        let _ = Environment::parse(&text);
    }

    #[test]
    fn a_sealed_secret_opens_at_its_own_place_only(
        text in "[ -~]{0,100}", place in "[a-z/0-9]{0,40}", elsewhere in "[a-z/0-9]{0,40}",
        seed in any::<u64>(),
    ) {
        let (ours, theirs) = (keys(1), keys(2));
        let secret = SecretText::new(text);
        let sealed = ours.secrets.seal(&secret, &place, &mut SeededEntropy::new(seed));
        let opened = ours.secrets.unseal(&sealed, &place);
        prop_assert!(opened.is_ok_and(|opened| opened == secret));
        prop_assert_eq!(ours.tokens.unseal(&sealed, &place).err(), Some(UnsealError));
        prop_assert_eq!(theirs.secrets.unseal(&sealed, &place).err(), Some(UnsealError));
        prop_assume!(place != elsewhere);
        prop_assert_eq!(ours.secrets.unseal(&sealed, &elsewhere).err(), Some(UnsealError));
    }

    #[test]
    fn every_flipped_bit_of_a_sealed_value_is_refused_with_the_one_error(
        text in "[ -~]{0,64}", seed in any::<u64>(), bit in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let keys = keys(1);
        let sealed =
            keys.secrets.seal(&SecretText::new(text.clone()), "place", &mut SeededEntropy::new(seed));
        let flipped = with_flipped(&sealed, bit.index(sealed.len() * 8));
        prop_assert_eq!(keys.secrets.unseal(&flipped, "place").err(), Some(UnsealError));
        let shorter = &sealed[..cut.index(sealed.len())];
        prop_assert_eq!(keys.secrets.unseal(shorter, "place").err(), Some(UnsealError));
        let sealed = keys.requests.seal_unique(text.as_bytes());
        prop_assert_eq!(keys.requests.unseal_unique(&sealed).ok(), Some(text.into_bytes()));
        let flipped = with_flipped(&sealed, bit.index(sealed.len() * 8));
        prop_assert_eq!(keys.requests.unseal_unique(&flipped).err(), Some(UnsealError));
    }

    #[test]
    fn a_row_seal_fits_its_own_row_only(
        row in prop::collection::vec(any::<u8>(), 1..200), bit in any::<prop::sample::Index>(),
    ) {
        let keys = keys(1);
        let seal = keys.rows.seal(&row);
        prop_assert!(keys.rows.holds(&row, &seal));
        prop_assert!(!keys.rows.holds(&with_flipped(&row, bit.index(row.len() * 8)), &seal));
        prop_assert!(!keys.rows.holds(&row[1..], &seal));
    }

    #[test]
    fn a_hint_shows_eight_characters_and_four_at_most(
        template in any_template(), environment in any_environment(), seed in any::<u64>(),
    ) {
        let made = template.generate(environment, &mut SeededEntropy::new(seed));
        let hint = made.hint();
        let (head, tail) = hint.split_once('…').expect("an ellipsis between");
        prop_assert!(head.len() <= 8 && tail.len() == 4, "{}", hint);
        prop_assert!(made.reveal().starts_with(head) && made.reveal().ends_with(tail));
        // What is hidden stays unguessable: at least sixteen random characters.
        prop_assert!(made.reveal().len() - head.len() - tail.len() >= 16);
    }
}

fn with_flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

#[test]
fn every_other_character_of_the_alphabet_is_noticed_at_every_place() {
    let template = template();
    for seed in 0..20 {
        let made = template.generate(Environment::Live, &mut SeededEntropy::new(seed));
        for (place, right) in made.reveal().char_indices() {
            for wrong in ALPHABET.chars().filter(|wrong| *wrong != right) {
                let mut text = made.reveal().to_owned();
                text.replace_range(place..=place, wrong.encode_utf8(&mut [0; 4]));
                assert!(template.parse(&text).is_err(), "{wrong} for {right} at {place}");
            }
        }
    }
}

#[test]
fn every_template_reads_its_own_strings_even_if_one_word_begins_like_the_other() {
    for words in [["t", "test"], ["test", "t"], ["same", "same"], ["", "x"]] {
        let template = Template::secret("k{environment}{random:28}", words).expect("a pattern");
        for environment in Environment::ALL {
            let made = template.generate(environment, &mut SeededEntropy::new(1));
            let read = template.parse(made.reveal());
            let told = format!("{words:?} {}: {read:?}", environment.as_str());
            assert!(read == Ok(environment) || words[0] == words[1] && read.is_ok(), "{told}");
        }
    }
}

#[test]
fn every_random_character_is_as_likely_as_every_other_at_every_place() {
    const STRINGS: usize = 20_000;
    /// The chi-square of 61 degrees of freedom that fair characters exceed once in a thousand
    /// times; divided among the places, once in a thousand runs (Wilson–Hilferty, z = 4.0).
    const CHI_SQUARE_MAX: f64 = 115.0;
    let template = template();
    let places = 32;
    let mut counts = vec![[0_u32; 62]; places];
    for _ in 0..STRINGS {
        let made = template.generate(Environment::Live, &mut OsEntropy);
        for (count, character) in counts.iter_mut().zip(made.reveal()["sk_live_".len()..].chars()) {
            count[ALPHABET.find(character).expect("of the alphabet")] += 1;
        }
    }
    let expected = 20_000.0 / 62.0;
    for (place, count) in counts.iter().enumerate() {
        let chi_square: f64 =
            count.iter().map(|seen| (f64::from(*seen) - expected).powi(2) / expected).sum();
        let what = if place < places - CHECK_CHARS { "random" } else { "check" };
        assert!(chi_square < CHI_SQUARE_MAX, "{what} place {place}: chi-square {chi_square:.1}");
    }
}

#[test]
fn no_two_strings_are_equal() {
    let template = template();
    let strings: HashSet<String> = (0..20_000)
        .map(|_| template.generate(Environment::Test, &mut OsEntropy).reveal().to_owned())
        .collect();
    assert_eq!(strings.len(), 20_000);
    assert_ne!(OsEntropy.u128(), OsEntropy.u128());
}

/// Does not compile for a type that implements the trait: then `answer` would be ambiguous.
macro_rules! assert_not_implemented {
    ($type:ty: $($bound:path),+) => {$({
        trait Ambiguous<A> { fn answer() {} }
        impl<T: ?Sized> Ambiguous<()> for T {}
        struct Has;
        impl<T: ?Sized + $bound> Ambiguous<Has> for T {}
        <$type as Ambiguous<_>>::answer();
    })+};
}

#[test]
fn secrets_and_keys_cannot_be_printed() {
    assert_not_implemented!(SecretText: std::fmt::Debug, std::fmt::Display, ToString);
    assert_not_implemented!(RootKey: std::fmt::Debug, std::fmt::Display, PartialEq);
    assert_not_implemented!(Keyring: std::fmt::Debug);
    assert_not_implemented!(SecretText: Copy, AsRef<str>, std::hash::Hash);
}

#[test]
fn signatures_are_equal_only_as_a_whole() {
    assert!(signature_matches(b"abc", b"abc"));
    for other in [&b"abd"[..], b"ab", b"abcd", b"", b"ABC"] {
        assert!(!signature_matches(other, b"abc"));
    }
}

#[test]
fn a_root_key_is_read_as_it_was_written_and_in_no_other_form() {
    let root = RootKey::generate(&mut SeededEntropy::new(3));
    let text = root.to_text();
    let again =
        RootKey::parse(&format!("  {}\n", *text)).expect("white space around it is ignored");
    assert_eq!(*again.to_text(), *text);
    for bad in
        [&text[1..], &text[..text.len() - 1], &format!("{}0", *text), &text.replace('_', "-")]
    {
        assert!(RootKey::parse(bad).is_err());
    }
    let fingerprint = Keyring::derive(&root).fingerprint;
    assert_ne!(fingerprint, keys(4).fingerprint);
}
