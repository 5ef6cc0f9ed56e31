//! Where randomness comes from: the operating system, or a seed in tests.

use sha2::{Digest as _, Sha256};

/// A source of randomness, passed to whatever makes a secret.
pub trait Entropy: Send {
    /// Fills the bytes with randomness.
    fn fill(&mut self, bytes: &mut [u8]);

    /// A random 128-bit number.
    fn u128(&mut self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_be_bytes(bytes)
    }
}

/// The operating system's random number generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn fill(&mut self, bytes: &mut [u8]) {
        // Without randomness no secret may be made: stopping is the only safe answer.
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}

/// A repeatable stream for tests and vectors. Never for a secret that guards anything.
#[derive(Debug, Clone)]
pub struct SeededEntropy {
    seed: u64,
    counter: u64,
}

impl SeededEntropy {
    /// The stream that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let mut block = Sha256::new();
            block.update(self.seed.to_be_bytes());
            block.update(self.counter.to_be_bytes());
            self.counter += 1;
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
        }
    }
}
