//! Chance from a seed, so that a run can be asked to choose the same again.

/// A stream of choices.
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream of one part of a run.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut chance = Self(seed ^ part.wrapping_mul(0x2545_f491_4f6c_dd1d));
        chance.draw();
        chance
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `end`, without it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.draw() % end).unwrap_or(0)
    }

    /// Whether something that happens this often in a hundred happens now.
    pub(crate) fn percent(&mut self, hundredths: usize) -> bool {
        self.below(100) < hundredths
    }

    /// A time between two, in milliseconds.
    pub(crate) fn between_ms(&mut self, from: usize, to: usize) -> std::time::Duration {
        let ms = from + self.below(to - from + 1);
        std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}
