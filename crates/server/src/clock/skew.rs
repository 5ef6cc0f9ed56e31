//! A machine's clocks made wrong, to see that nothing rests on them but what may. Only in a binary
//! that is built for that: without the feature the clocks are what the machine says.

use keyway_coherence::Boot;
use keyway_domain::time::Time;

#[cfg(not(feature = "unsafe-coherence"))]
pub(super) fn boot(real: Boot) -> Boot {
    real
}

#[cfg(not(feature = "unsafe-coherence"))]
pub(super) fn wall(real: Time) -> Time {
    real
}

#[cfg(feature = "unsafe-coherence")]
pub(super) fn boot(real: Boot) -> Boot {
    wrong::SKEW.boot(real)
}

#[cfg(feature = "unsafe-coherence")]
pub(super) fn wall(real: Time) -> Time {
    real.plus_ms(wrong::SKEW.offset_ms)
}

#[cfg(feature = "unsafe-coherence")]
mod wrong {
    use std::sync::{LazyLock, OnceLock};

    use keyway_coherence::Boot;

    /// By how much the clocks are wrong: `KEYWAY_UNSAFE_CLOCK=3600000,50000` has the wall clock an
    /// hour ahead, and every clock five hundredths too fast.
    pub(super) static SKEW: LazyLock<Skew> = LazyLock::new(Skew::chosen);

    pub(super) struct Skew {
        pub(super) offset_ms: i64,
        rate_ppm: i64,
        first: OnceLock<Boot>,
    }

    impl Skew {
        #[expect(clippy::disallowed_methods, reason = "no setting of the product")]
        fn chosen() -> Self {
            let chosen = std::env::var("KEYWAY_UNSAFE_CLOCK").unwrap_or_default();
            let mut numbers = chosen.split(',').map(|number| number.parse().unwrap_or(0));
            let offset_ms = numbers.next().unwrap_or(0);
            let rate_ppm = numbers.next().unwrap_or(0);
            if (offset_ms, rate_ppm) != (0, 0) {
                tracing::error!(offset_ms, rate_ppm, "THIS NODE'S CLOCKS ARE WRONG ON PURPOSE");
            }
            Self { offset_ms, rate_ppm, first: OnceLock::new() }
        }

        pub(super) fn boot(&self, real: Boot) -> Boot {
            let first = *self.first.get_or_init(|| real);
            let gone = i128::from(real.0) - i128::from(first.0);
            let shown = i128::from(first.0) + gone + gone * i128::from(self.rate_ppm) / 1_000_000;
            Boot(u64::try_from(shown).unwrap_or(real.0))
        }
    }
}
