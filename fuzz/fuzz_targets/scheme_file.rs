//! Any text as a scheme file: no panic, complaints that name a line of it, and rules that hold.

#![no_main]

use keyway_domain::Environment;
use keyway_domain::limits;
use keyway_domain::scheme::{Placeholders, Scheme, explain};
use keyway_domain::verdict::Reason;
use keyway_secret::SeededEntropy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Scheme::parse(text) {
        Ok(scheme) => holds_together(&scheme),
        Err(error) => {
            assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1, "{error}");
            assert!(!error.message.is_empty());
        }
    }
});

fn holds_together(scheme: &Scheme) {
    assert!(!explain(scheme).is_empty());
    assert!((1..=limits::KINDS_MAX).contains(&scheme.kinds.len()));
    assert!((1..=limits::RESOURCES_MAX).contains(&scheme.resource_names().len()));
    for kind in &scheme.kinds {
        let mut templates = vec![&kind.secret];
        templates.extend(kind.public_id.as_ref().map(|id| &id.template));
        for template in templates {
            for environment in Environment::ALL {
                let made = template.generate(environment, &mut SeededEntropy::new(1));
                template.parse(made.reveal()).expect("a template reads its own strings");
            }
        }
        for (_, rule) in kind.acts() {
            if let Some(overlap) = &rule.overlap {
                assert!(
                    overlap.from_ms <= overlap.default_ms && overlap.default_ms <= overlap.to_ms
                );
            }
        }
    }
    for (method, pattern, need) in scheme.routes.iter() {
        assert!(usize::from(need.resource) < scheme.resource_names().len());
        // A pattern without a placeholder is a path, and leads to its own need.
        if !pattern.contains(['{', '}', '*']) {
            let found = scheme.routes.find(method, pattern).expect("a route finds itself");
            assert_eq!(found.need, need);
        }
    }
    for reason in Reason::ALL {
        let rendered = scheme.dialect.render(*reason, &Placeholders::default());
        assert!((400..=599).contains(&rendered.status));
    }
}
