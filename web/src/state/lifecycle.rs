//! What the life of a tab means for its session. Browsers hide, freeze, cache and wake tabs, and not each of them says
//! so: a tab that rests has given up its socket and its locks, and any sign of life ends the rest.

/// The machine's clock and the wall clock may drift apart by this much between two beats, in ms. More means that the
/// computer slept or that its clock was set: in both cases the socket is looked at.
const DRIFT_MS_MAX: u64 = 5_000;

/// What the browser said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The tab is seen.
    Shown,
    /// Nobody sees the tab.
    Hidden,
    /// The tab is about to be frozen.
    Frozen,
    /// The tab thawed, or came out of the back/forward cache.
    Back,
    /// The page is left; it may be kept in the back/forward cache.
    Left,
    /// The network is back.
    Network,
    /// A timer ran, with both clocks in ms.
    Beat { machine_ms: u64, wall_ms: u64 },
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Look at the connection now.
    Wake,
    /// Paint what is due and write down what is not written yet.
    Hide,
    /// Close the socket, give up every lock, write everything down.
    Rest,
    /// Connect again and read what other tabs did.
    Rise,
}

/// The life of one tab.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lifecycle {
    resting: bool,
    clocks: Option<(u64, u64)>,
}

impl Lifecycle {
    /// Takes a sign. `None` when there is nothing to do.
    pub fn hear(&mut self, sign: Sign) -> Option<Act> {
        match (sign, self.resting) {
            (Sign::Frozen | Sign::Left, false) => {
                self.resting = true;
                self.clocks = None;
                Some(Act::Rest)
            }
            (Sign::Frozen | Sign::Left | Sign::Hidden, true) => None,
            (Sign::Hidden, false) => Some(Act::Hide),
            (Sign::Shown | Sign::Back | Sign::Network | Sign::Beat { .. }, true) => {
                self.resting = false;
                Some(Act::Rise)
            }
            (Sign::Shown | Sign::Back | Sign::Network, false) => Some(Act::Wake),
            (Sign::Beat { machine_ms, wall_ms }, false) => self.beat(machine_ms, wall_ms),
        }
    }

    fn beat(&mut self, machine_ms: u64, wall_ms: u64) -> Option<Act> {
        let (machine_before, wall_before) = self.clocks.replace((machine_ms, wall_ms))?;
        let by_machine = machine_ms.saturating_sub(machine_before);
        let expected = wall_before.saturating_add(by_machine);
        (wall_ms.abs_diff(expected) > DRIFT_MS_MAX).then_some(Act::Wake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(signs: &[Sign]) -> Vec<Option<Act>> {
        let mut life = Lifecycle::default();
        signs.iter().map(|sign| life.hear(*sign)).collect()
    }

    #[test]
    fn a_tab_that_is_shown_again_looks_at_its_connection() {
        assert_eq!(
            acts(&[Sign::Hidden, Sign::Shown, Sign::Network]),
            [Some(Act::Hide), Some(Act::Wake), Some(Act::Wake)]
        );
    }

    #[test]
    fn a_frozen_tab_rests_once_and_rises_at_any_sign_of_life() {
        let beat = Sign::Beat { machine_ms: 1, wall_ms: 1 };
        for alive in [Sign::Back, Sign::Shown, Sign::Network, beat] {
            assert_eq!(
                acts(&[Sign::Hidden, Sign::Frozen, Sign::Left, Sign::Hidden, alive]),
                [Some(Act::Hide), Some(Act::Rest), None, None, Some(Act::Rise)]
            );
        }
    }

    #[test]
    fn a_page_that_comes_back_rises_once_and_then_only_wakes() {
        assert_eq!(
            acts(&[Sign::Left, Sign::Back, Sign::Shown]),
            [Some(Act::Rest), Some(Act::Rise), Some(Act::Wake)]
        );
    }

    #[test]
    fn a_computer_that_slept_or_a_clock_that_was_set_wakes_and_throttled_timers_do_not() {
        let beat = |machine_ms, wall_ms| Sign::Beat { machine_ms, wall_ms };
        assert_eq!(
            acts(&[
                beat(1_000, 10_000),
                // Throttled to once a minute: both clocks agree.
                beat(61_000, 70_100),
                // Slept for an hour.
                beat(62_000, 3_670_100),
                // Set back by an hour.
                beat(63_000, 71_100),
                beat(64_000, 72_100),
            ]),
            [None, None, Some(Act::Wake), Some(Act::Wake), None]
        );
    }
}
