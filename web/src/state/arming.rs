//! When a request may be allowed: a click counts only after the panel stood still for a moment, showed everything,
//! and is not inside somebody else's page. Denying is always possible.

use portcullis_protocol::Tick;
use portcullis_protocol::limits::ARM_DELAY_MS;

/// Whether "allow" may be pressed, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allow {
    /// It may.
    Armed,
    /// Not yet: the panel moved a moment ago.
    Settling,
    /// A part was not shown yet.
    Unread,
    /// Too long to be judged.
    TooLong,
    /// The page is inside a frame.
    Framed,
    /// The device's role does not reach.
    NotPermitted,
}

impl Allow {
    /// What a person reads beside the button, empty when it may be pressed.
    #[must_use]
    pub fn why_not(self) -> &'static str {
        match self {
            Self::Armed | Self::Settling => "",
            Self::Unread => "Show all of it and scroll to its end first.",
            Self::TooLong => "Too long to be judged here: it can only be denied.",
            Self::Framed => "This page is inside another one. Open it on its own to allow anything.",
            Self::NotPermitted => "This device may watch, not approve. An owner can change that.",
        }
    }
}

/// What decides about one shown request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arming {
    still_since: Tick,
    needs_reading: bool,
    unfolded: bool,
    end_seen: bool,
    too_long: bool,
    framed: bool,
    permitted: bool,
}

impl Arming {
    /// A request that appeared at `now`.
    #[must_use]
    pub fn new(now: Tick, needs_reading: bool, too_long: bool) -> Self {
        Self {
            still_since: now,
            needs_reading,
            unfolded: false,
            end_seen: false,
            too_long,
            framed: false,
            permitted: true,
        }
    }

    /// Notes where the page is and what the device may do.
    #[must_use]
    pub fn with_place(self, framed: bool, permitted: bool) -> Self {
        Self { framed, permitted, ..self }
    }

    /// The panel moved, or what it shows changed.
    pub fn moved(&mut self, now: Tick) {
        self.still_since = now;
    }

    /// The folded middle was opened.
    pub fn unfold(&mut self, now: Tick) {
        self.unfolded = true;
        self.moved(now);
    }

    /// The end of the text came into view. Counts only once nothing is folded.
    pub fn reach_end(&mut self) {
        self.end_seen |= self.unfolded || !self.needs_reading;
    }

    /// Whether the folded middle was opened.
    #[must_use]
    pub fn is_unfolded(self) -> bool {
        self.unfolded
    }

    /// Whether "allow" may be pressed at `now`.
    #[must_use]
    pub fn allow(self, now: Tick) -> Allow {
        match () {
            () if self.framed => Allow::Framed,
            () if !self.permitted => Allow::NotPermitted,
            () if self.too_long => Allow::TooLong,
            () if self.needs_reading && !self.end_seen => Allow::Unread,
            () if now.since(self.still_since) < ARM_DELAY_MS => Allow::Settling,
            () => Allow::Armed,
        }
    }

    /// When [`Allow::Settling`] ends.
    #[must_use]
    pub fn settles_at(self) -> Tick {
        self.still_since.after(ARM_DELAY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_only_after_it_stood_still() {
        let mut arming = Arming::new(Tick(1_000), false, false);
        assert_eq!(arming.allow(Tick(1_399)), Allow::Settling);
        assert_eq!(arming.allow(Tick(1_400)), Allow::Armed);
        arming.moved(Tick(1_500));
        assert_eq!(arming.allow(Tick(1_500)), Allow::Settling);
        assert_eq!(arming.allow(arming.settles_at()), Allow::Armed);
    }

    #[test]
    fn a_folded_text_must_be_opened_and_scrolled_through() {
        let mut arming = Arming::new(Tick(0), true, false);
        arming.reach_end();
        assert_eq!(arming.allow(Tick(9_000)), Allow::Unread, "the end of a folded text is not all of it");
        arming.unfold(Tick(9_000));
        assert_eq!(arming.allow(Tick(10_000)), Allow::Unread);
        arming.reach_end();
        assert_eq!(arming.allow(Tick(10_000)), Allow::Armed);
    }

    #[test]
    fn never_arms_in_a_frame_without_the_role_or_above_the_bound() {
        let at = Tick(100_000);
        let arming = Arming::new(Tick(0), false, false);
        assert_eq!(arming.with_place(true, true).allow(at), Allow::Framed);
        assert_eq!(arming.with_place(false, false).allow(at), Allow::NotPermitted);
        assert_eq!(Arming::new(Tick(0), false, true).allow(at), Allow::TooLong);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_arm() {
        assert_eq!(Arming::new(Tick(5_000), false, false).allow(Tick(10)), Allow::Settling);
    }
}
