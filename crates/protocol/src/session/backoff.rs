//! How long to wait before trying again: full jitter, `rand(0, min(30 s, 0.5 s · 2ⁿ))`, forgotten after 30 s of calm.

use crate::tick::Tick;

/// First ceiling, in ms.
const BASE_MS: u64 = 500;
/// Highest ceiling, in ms.
const CEILING_MS: u64 = 30_000;
/// After this long without a failure the next one counts as the first, in ms.
pub(super) const CALM_MS: u64 = 30_000;

/// Delays between tries. Randomness is a seed, so that a test can replay it.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    succeeded_at: Option<Tick>,
    random: u64,
}

impl Backoff {
    /// A backoff that draws its jitter from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, succeeded_at: None, random: seed | 1 }
    }

    /// Notes that a try succeeded. The count is forgotten only after calm, so that a flapping peer is not hammered.
    pub fn succeeded(&mut self, now: Tick) {
        self.succeeded_at = Some(now);
    }

    /// Notes a failure and returns how long to wait, in ms.
    pub fn next_delay_ms(&mut self, now: Tick) -> u64 {
        if self.succeeded_at.take().is_some_and(|at| now.since(at) >= CALM_MS) {
            self.failures = 0;
        }
        let ceiling = BASE_MS.saturating_mul(1 << self.failures.min(16)).min(CEILING_MS);
        self.failures = self.failures.saturating_add(1);
        self.draw() % (ceiling + 1)
    }

    /// Failures since the last calm.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// One step of xorshift64*.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn never_waits_longer_than_the_ceiling_of_its_try() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for ceiling in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
                assert!(backoff.next_delay_ms(Tick(0)) <= ceiling);
            }
        }
    }

    #[test]
    fn forgets_failures_only_after_calm() {
        let mut backoff = Backoff::new(7);
        backoff.next_delay_ms(Tick(0));
        backoff.next_delay_ms(Tick(0));
        backoff.succeeded(Tick(1_000));
        backoff.next_delay_ms(Tick(2_000));
        assert_eq!(backoff.failures(), 3);
        backoff.succeeded(Tick(3_000));
        backoff.next_delay_ms(Tick(33_000));
        assert_eq!(backoff.failures(), 1);
    }

    #[test]
    fn uses_the_whole_range() {
        let mut delays: Vec<u64> =
            (1..=100).map(|seed| Backoff::new(seed * 7919).next_delay_ms(Tick(0))).collect();
        delays.sort_unstable();
        assert!(delays[10] < 150 && delays[90] > 350, "{delays:?}");
    }
}
