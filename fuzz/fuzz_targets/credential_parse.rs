//! Any pattern and any string: no panic, and what was generated is read again as what it is.

#![no_main]

use keyway_domain::Environment;
use keyway_secret::{CHECK_CHARS, SeededEntropy, Template, check_characters};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, &str, u64)| {
    let (pattern, test, live, text, seed) = input;
    for compile in [Template::secret, Template::public_id] {
        let Ok(template) = compile(pattern, [test, live]) else { continue };
        reads_what_it_makes(&template, seed);
        reads_only_its_own(&template, text);
    }
});

fn reads_what_it_makes(template: &Template, seed: u64) {
    for environment in Environment::ALL {
        let made = template.generate(environment, &mut SeededEntropy::new(seed));
        let text = made.reveal();
        assert_eq!(text.len(), template.length(environment));
        let read = template.parse(text).expect("a template reads its own strings");
        assert!(read == environment || !template.names_environment());
        assert!(made.hint().chars().count() <= 8 + 1 + 4);
    }
}

fn reads_only_its_own(template: &Template, text: &str) {
    let (recognised, read) = (template.recognises(text), template.parse(text));
    let Ok(environment) = read else { return };
    assert_eq!(recognised, read);
    assert_eq!(text.len(), template.length(environment));
    let random = text.strip_prefix(template.prefix(environment)).expect("it starts so");
    assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let (before, check) = text.split_at(text.len() - CHECK_CHARS);
    assert_eq!(check.as_bytes(), check_characters(before.as_bytes()));
}
