//! Many measurements of one thing, as a table shows them.

use std::time::Duration;

/// What was measured, in no order.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Takes one.
    pub fn take(&mut self, one: Duration) {
        self.0.push(one);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The one that `percent` of all do not pass (nearest rank); zero without any.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or_default()
    }

    /// The largest; zero without any.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.0.iter().max().copied().unwrap_or_default()
    }

    /// Median, 99th percentile and count, in ms.
    #[must_use]
    pub fn row(&self, name: &str) -> String {
        let ms = |percent| self.percentile(percent).as_secs_f64() * 1e3;
        format!("{name:<44} {:>10.2} {:>10.2} {:>6}", ms(50), ms(99), self.count())
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<T: IntoIterator<Item = Duration>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentile(50), Duration::ZERO);
        (1..=100).rev().for_each(|ms| samples.take(Duration::from_millis(ms)));
        assert_eq!(samples.percentile(50), Duration::from_millis(50));
        assert_eq!(samples.percentile(99), Duration::from_millis(99));
        assert_eq!(samples.percentile(100), Duration::from_millis(100));
    }
}
