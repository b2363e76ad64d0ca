//! The machine's own time. A driver's clock may jump back (a suspended machine, a page restored from a cache); deadlines
//! must then neither pass at once nor be hours away.

use crate::tick::Tick;

/// Makes one time that never goes back out of one that may.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    told: Tick,
    offset: u64,
}

impl Clock {
    /// The machine's time at the driver's `told`.
    pub(super) fn read(&mut self, told: Tick) -> Tick {
        self.offset = self.offset.saturating_add(self.told.since(told));
        self.told = told;
        told.after(self.offset)
    }

    /// A time of the machine as the driver would tell it.
    pub(super) fn tell(self, at: Tick) -> Tick {
        Tick(at.0.saturating_sub(self.offset))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn stands_still_where_the_told_time_goes_back_and_goes_on_from_there() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(Tick(10_000)), Tick(10_000));
        assert_eq!(clock.read(Tick(4_000)), Tick(10_000));
        assert_eq!(clock.read(Tick(4_500)), Tick(10_500));
        assert_eq!(clock.tell(Tick(11_000)), Tick(5_000));
    }

    #[test]
    fn the_ends_of_time_overflow_nothing() {
        let mut clock = Clock::default();
        for told in [u64::MAX, 0, u64::MAX, 7] {
            assert_eq!(clock.read(Tick(told)), Tick(u64::MAX));
        }
        assert_eq!(clock.tell(Tick(u64::MAX)), Tick(0));
    }
}
