//! Which part of a long transcript is in the page. The start stays where it is while somebody reads, and follows
//! only while the end is in view, so nothing that arrives moves what is being read.

/// Items in the page when a transcript opens, and what "show earlier" adds.
pub const STEP: usize = 300;
/// Items in the page at which the start follows the end again.
const SLACK: usize = STEP * 2;

/// The first item in the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    first: usize,
}

impl Window {
    /// Index of the first item in the page when there are `len`.
    #[must_use]
    pub fn first(self, len: usize) -> usize {
        self.first.min(len)
    }

    /// The list has `len` items now; `following` says whether its end is in view.
    pub fn grow(&mut self, len: usize, following: bool) {
        if self.first > len {
            self.first = len.saturating_sub(STEP);
        } else if following && len - self.first > SLACK {
            self.first = len - STEP;
        }
    }

    /// A list of `len` items is opened at its end.
    pub fn open(&mut self, len: usize) {
        self.first = len.saturating_sub(STEP);
    }

    /// Items came in above: a list of `before` has `len` items now, and what was in the page stays in it, with a step
    /// of what is new.
    pub fn grow_above(&mut self, before: usize, len: usize) {
        let from_end = before.saturating_sub(self.first(before));
        self.first = len.saturating_sub(from_end).saturating_sub(STEP);
    }

    /// Somebody wants to see earlier items.
    pub fn earlier(&mut self) {
        self.first = self.first.saturating_sub(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_at_the_end_and_goes_back_in_steps() {
        let mut window = Window::default();
        window.open(1_000);
        assert_eq!(window.first(1_000), 700);
        window.earlier();
        assert_eq!(window.first(1_000), 400);
        (0..9).for_each(|_| window.earlier());
        assert_eq!(window.first(1_000), 0);
    }

    #[test]
    fn the_start_moves_only_while_the_end_is_in_view() {
        let mut window = Window::default();
        window.grow(5_000, false);
        assert_eq!(window.first(5_000), 0);
        window.grow(5_000, true);
        assert_eq!(window.first(5_000), 4_700);
        window.grow(5_100, true);
        assert_eq!(window.first(5_100), 4_700);
    }

    #[test]
    fn what_comes_in_above_leaves_in_the_page_what_was_in_it() {
        let mut window = Window::default();
        window.open(500);
        window.grow_above(500, 2_500);
        assert_eq!(window.first(2_500), 2_200 - STEP);
        window.grow_above(2_500, 2_500 + 10);
        let mut whole = Window::default();
        whole.grow_above(200, 350);
        assert_eq!(whole.first(350), 0, "fewer came than a step");
    }

    #[test]
    fn a_list_that_begins_anew_is_shown_from_its_start() {
        let mut window = Window::default();
        window.open(1_000);
        window.grow(10, true);
        assert_eq!(window.first(10), 0);
    }
}
