//! Repeatable chance: SplitMix64, and counts drawn from it.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Between 0 and 1, neither of them.
    pub(crate) fn unit(&mut self) -> f64 {
        (f64::from((self.next() >> 32) as u32) + 0.5) / 4_294_967_296.0
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.next() >> 1).unwrap() % end
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A count of independent events of which `mean` are expected.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 25.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        if mean <= 0.0 {
            return 0.0;
        }
        let (mut chance, mut count, mut sum) = ((-mean).exp(), 0.0, 0.0);
        let at = self.unit();
        loop {
            sum += chance;
            if at < sum || count > 200.0 {
                return count;
            }
            count += 1.0;
            chance *= mean / count;
        }
    }

    /// Around 1, with a variance of `1 / shape` (Marsaglia and Tsang).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        let lift = if shape < 1.0 { self.unit().powf(1.0 / shape) } else { 1.0 };
        let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let v = (1.0 + x / (3.0 * d.sqrt())).powi(3);
            if v > 0.0 && self.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return lift * d * v / shape;
            }
        }
    }
}
