//! When a request may be allowed: a click counts only after the panel stood still for a moment, showed everything,
//! and is not inside somebody else's page. Denying is always possible.

use crate::limits::ARM_DELAY_MS;
use crate::tick::Tick;

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

/// What a box that can scroll shows at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The box is not in the page, or folded away.
    Nothing,
    /// All of its text.
    All,
    /// Text that goes on above, and ends here.
    End,
    /// Text that goes on below.
    Part,
}

impl View {
    /// This close to the end counts as scrolled through, in px.
    const END_PX: i32 = 4;

    /// Reads the measures of a box, in px.
    #[must_use]
    pub fn of(scroll_height: i32, client_height: i32, scroll_top: i32) -> Self {
        let below = scroll_height - scroll_top - client_height;
        match () {
            () if client_height <= 0 => Self::Nothing,
            () if scroll_height <= client_height => Self::All,
            () if below <= Self::END_PX => Self::End,
            () => Self::Part,
        }
    }
}

/// How much of a box was seen. What fits is seen as long as it fits; what was scrolled through stays seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// Not its end.
    #[default]
    Part,
    /// It fits into its box.
    Fits,
    /// It was scrolled through.
    Through,
}

impl Seen {
    /// After a look at the box.
    #[must_use]
    pub fn after(self, view: View) -> Self {
        match (self, view) {
            (Self::Through, _) | (_, View::End) => Self::Through,
            (Self::Part | Self::Fits, View::All) => Self::Fits,
            (Self::Part | Self::Fits, View::Part | View::Nothing) => Self::Part,
        }
    }

    /// Whether its end was seen.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self != Self::Part
    }
}

/// What decides about one shown request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arming {
    still_since: Tick,
    needs_reading: bool,
    unfolded: bool,
    too_long: bool,
    framed: bool,
    permitted: bool,
}

impl Arming {
    /// A request that appeared at `now`.
    #[must_use]
    pub fn new(now: Tick, needs_reading: bool, too_long: bool) -> Self {
        Self { still_since: now, needs_reading, unfolded: false, too_long, framed: false, permitted: true }
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

    /// Whether the folded middle was opened.
    #[must_use]
    pub fn is_unfolded(self) -> bool {
        self.unfolded
    }

    /// Whether "allow" may be pressed at `now`; `seen` says whether every box was seen to its end.
    #[must_use]
    pub fn allow(self, now: Tick, seen: bool) -> Allow {
        match () {
            () if self.framed => Allow::Framed,
            () if !self.permitted => Allow::NotPermitted,
            () if self.too_long => Allow::TooLong,
            () if !seen || self.needs_reading && !self.unfolded => Allow::Unread,
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
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn arms_only_after_it_stood_still() {
        let mut arming = Arming::new(Tick(1_000), false, false);
        assert_eq!(arming.allow(Tick(1_399), true), Allow::Settling);
        assert_eq!(arming.allow(Tick(1_400), true), Allow::Armed);
        arming.moved(Tick(1_500));
        assert_eq!(arming.allow(Tick(1_500), true), Allow::Settling);
        assert_eq!(arming.allow(arming.settles_at(), true), Allow::Armed);
    }

    #[test]
    fn a_folded_text_must_be_opened_and_scrolled_through() {
        let mut arming = Arming::new(Tick(0), true, false);
        assert_eq!(
            arming.allow(Tick(9_000), true),
            Allow::Unread,
            "the end of a folded text is not all of it"
        );
        arming.unfold(Tick(9_000));
        assert_eq!(arming.allow(Tick(10_000), false), Allow::Unread);
        assert_eq!(arming.allow(Tick(10_000), true), Allow::Armed);
    }

    #[test]
    fn a_short_text_below_the_edge_of_its_box_must_be_scrolled_through_too() {
        let arming = Arming::new(Tick(0), false, false);
        assert_eq!(arming.allow(Tick(10_000), false), Allow::Unread);
        let seen = Seen::default().after(View::of(700, 200, 0));
        assert!(!seen.is_whole());
        let seen = seen.after(View::of(700, 200, 497));
        assert!(seen.is_whole() && seen.after(View::of(700, 100, 0)).is_whole(), "read once is read");
    }

    #[test]
    fn what_fits_is_unread_again_once_the_box_gets_too_small_or_goes_away() {
        let fits = Seen::default().after(View::of(200, 200, 0));
        assert!(fits.is_whole());
        assert!(!fits.after(View::of(200, 120, 0)).is_whole());
        assert!(!fits.after(View::of(0, 0, 0)).is_whole());
    }

    #[test]
    fn never_arms_in_a_frame_without_the_role_or_above_the_bound() {
        let at = Tick(100_000);
        let arming = Arming::new(Tick(0), false, false);
        assert_eq!(arming.with_place(true, true).allow(at, true), Allow::Framed);
        assert_eq!(arming.with_place(false, false).allow(at, true), Allow::NotPermitted);
        assert_eq!(Arming::new(Tick(0), false, true).allow(at, true), Allow::TooLong);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_arm() {
        assert_eq!(Arming::new(Tick(5_000), false, false).allow(Tick(10), true), Allow::Settling);
    }
}
