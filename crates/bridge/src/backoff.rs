//! How long to wait before the next try: full jitter, so that many who lost the same server do not return at once.

use std::time::{Duration, Instant};

/// First bound, in ms.
const BASE_MS: u64 = 500;
/// Largest bound, in ms.
const CAP_MS: u64 = 30_000;
/// Largest bound on a line that flaps, in ms: whoever was there a moment ago is worth asking soon.
const FLAPPING_MS: u64 = 2_000;
/// A gap between two tries longer than the longest pause and the longest try twice over means that the machine slept:
/// nothing was wrong, start anew.
const SLEPT: Duration = Duration::from_millis(4 * CAP_MS);

#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    first: Option<Instant>,
    last: Option<Instant>,
    random: fn() -> u64,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { failures: 0, first: None, last: None, random: random_u64 }
    }

    /// The delay before the next try: `rand(0, min(30 s, 0.5 s · 2ⁿ))`.
    pub(crate) fn next_delay(&mut self, now: Instant) -> Duration {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) > SLEPT) {
            self.reset();
        }
        self.last = Some(now);
        self.first.get_or_insert(now);
        let bound = self.bound_ms();
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis((self.random)() % (bound + 1))
    }

    /// It worked, for a short while: what failed before weighs little, and is not forgotten.
    pub(crate) fn relent(&mut self) {
        while self.bound_ms() > FLAPPING_MS {
            self.failures -= 1;
        }
    }

    fn bound_ms(&self) -> u64 {
        BASE_MS.saturating_mul(1 << self.failures.min(16)).min(CAP_MS)
    }

    /// Something worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
        self.first = None;
        self.last = None;
    }

    /// How long nothing worked, at the last failure.
    pub(crate) fn failing_for(&self) -> Duration {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last.saturating_duration_since(first),
            _ => Duration::ZERO,
        }
    }
}

fn random_u64() -> u64 {
    // Without entropy the delay is the shortest: worse manners, same correctness.
    getrandom::u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_cap() {
        let start = Instant::now();
        let mut backoff = Backoff { failures: 0, first: None, last: None, random: || 0 };
        let bounds = std::array::from_fn::<u64, 9, _>(|_| {
            let bound = backoff.bound_ms();
            let _ = backoff.next_delay(start);
            bound
        });
        assert_eq!(bounds, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[test]
    fn a_line_that_flaps_is_tried_within_seconds_however_often_it_failed() {
        let start = Instant::now();
        let mut backoff = Backoff { failures: 0, first: None, last: None, random: || 0 };
        for _ in 0..20 {
            let _ = backoff.next_delay(start);
            backoff.relent();
            assert!(backoff.bound_ms() <= FLAPPING_MS);
        }
        assert_eq!(backoff.bound_ms(), FLAPPING_MS, "it is not asked at once for ever either");
        for _ in 0..20 {
            let _ = backoff.next_delay(start);
        }
        assert_eq!(backoff.bound_ms(), CAP_MS);
    }

    #[test]
    fn a_delay_never_passes_its_bound_and_a_machine_that_slept_starts_anew() {
        let start = Instant::now();
        let mut backoff = Backoff { failures: 0, first: None, last: None, random: || 29_999 };
        assert!(backoff.next_delay(start) <= Duration::from_millis(500));
        for _ in 0..20 {
            assert!(backoff.next_delay(start) <= Duration::from_millis(CAP_MS));
        }
        assert!(backoff.failures > 20);
        assert!(backoff.next_delay(start + SLEPT + Duration::from_millis(1)) <= Duration::from_millis(500));
        assert_eq!(backoff.failing_for(), Duration::ZERO);
    }

    #[test]
    fn knows_how_long_nothing_worked() {
        let start = Instant::now();
        let mut backoff = Backoff::new();
        for n in 0..20 {
            let _ = backoff.next_delay(start + Duration::from_secs(30 * n));
        }
        assert_eq!(backoff.failing_for(), Duration::from_secs(570));
        backoff.reset();
        assert_eq!(backoff.failing_for(), Duration::ZERO);
    }
}
