//! How fast the line to the ingress takes what is sent: a body gets the time it needs there, and a line that died is
//! still noticed soon.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Assumed of a line nobody has measured, and of every faster one, in bytes a second.
const FAST: usize = 128 * 1024;
/// Slowest line that gets a body through, in bytes a second: the ingress waits no longer either.
const SLOW: usize = 16 * 1024;
/// Smaller bodies fit into the buffers on the way and measure nothing, in bytes.
const MEASURED_BYTES_MIN: usize = 256 * 1024;

/// What a line was seen to take.
#[derive(Debug)]
pub(crate) struct Pace(AtomicUsize);

impl Default for Pace {
    fn default() -> Self {
        Self(AtomicUsize::new(FAST))
    }
}

impl Pace {
    /// How long `bytes` may be on their way.
    pub(crate) fn time_for(&self, bytes: usize) -> Duration {
        let per_s = self.0.load(Ordering::Relaxed);
        Duration::from_secs(u64::try_from(bytes / per_s).unwrap_or(u64::MAX))
    }

    /// A body came through. The next one may take twice as long.
    pub(crate) fn took(&self, bytes: usize, time: Duration) {
        if bytes >= MEASURED_BYTES_MIN {
            let per_s = u64::try_from(bytes).unwrap_or(u64::MAX) * 1_000 / millis(time) / 2;
            self.0.store(usize::try_from(per_s).unwrap_or(FAST).clamp(SLOW, FAST), Ordering::Relaxed);
        }
    }

    /// A body did not get through in its time: the next one gets twice that.
    pub(crate) fn too_slow(&self, bytes: usize) {
        if bytes >= MEASURED_BYTES_MIN {
            let _ = self
                .0
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |per_s| Some((per_s / 2).max(SLOW)));
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: usize = 8 * 1024 * 1024;

    #[test]
    fn a_slow_line_gets_more_time_each_time_up_to_what_the_ingress_waits() {
        let pace = Pace::default();
        let times: Vec<u64> = std::iter::repeat_with(|| {
            let time = pace.time_for(BODY).as_secs();
            pace.too_slow(BODY);
            time
        })
        .take(5)
        .collect();
        assert_eq!(times, [64, 128, 256, 512, 512]);
        assert_eq!(pace.time_for(1_000), Duration::ZERO, "what is small is noticed soon all the same");
    }

    #[test]
    fn a_line_that_was_measured_is_given_twice_its_time_and_a_fast_one_no_less_than_before() {
        let pace = Pace::default();
        pace.took(BODY, Duration::from_secs(100));
        let time = pace.time_for(BODY).as_secs();
        assert!((199..=201).contains(&time), "{time}");
        pace.took(BODY, Duration::from_millis(10));
        assert_eq!(pace.time_for(BODY).as_secs(), 64);
        pace.took(1_000, Duration::from_secs(100));
        pace.too_slow(1_000);
        assert_eq!(pace.time_for(BODY).as_secs(), 64, "a small body measures nothing");
    }
}
