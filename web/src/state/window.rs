//! Which part of a long transcript is in the page: about as much as somebody reads in one go, wherever they are. Both
//! ends give way, but only where nobody looks; the end of the transcript is followed only while it is in view, so
//! nothing that arrives moves what is being read.

use std::ops::Range;

/// Items that are in the page when a transcript opens, and left there when an end gives way.
pub const PAGE: usize = 120;
/// Items that come in at an end that is reached.
pub const SHIFT: usize = PAGE / 2;
/// Items that arrive in the page at most: above it the start follows the end again, or what arrives stays out.
const SLACK: usize = PAGE * 2;

/// The items in the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    first: usize,
    /// Behind the last; `None` for all that come.
    end: Option<usize>,
}

impl Window {
    /// Indices of the items in the page when there are `len`.
    #[must_use]
    pub fn range(self, len: usize) -> Range<usize> {
        let end = self.end.unwrap_or(len).min(len);
        self.first.min(end)..end
    }

    /// Whether the newest item is in the page.
    #[must_use]
    pub fn has_the_end(self) -> bool {
        self.end.is_none()
    }

    /// A list of `len` items is shown at its end.
    pub fn open(&mut self, len: usize) {
        *self = Self { first: len.saturating_sub(PAGE), end: None };
    }

    /// The list has `len` items now; `following` says whether its end is in view.
    pub fn grow(&mut self, len: usize, following: bool) {
        if self.first > len || self.end.is_some_and(|end| following || end > len) {
            self.open(len);
        } else if self.end.is_none() && len - self.first > SLACK {
            if following {
                self.open(len);
            } else {
                self.end = Some(self.first + SLACK);
            }
        }
    }

    /// Another part of the log is shown, and what was in the page is `start..end` of its `len` items now: it stays, with
    /// some of what is above.
    pub fn moved(&mut self, start: usize, end: usize, len: usize) {
        *self = Self { first: start.min(len), end: Some(end).filter(|end| *end < len) };
        self.earlier();
    }

    /// The item at `index` is to be seen, of `len`.
    pub fn show(&mut self, index: usize, len: usize) {
        if !self.range(len).contains(&index) {
            let first = index.saturating_sub(SHIFT).min(len.saturating_sub(PAGE));
            *self = Self { first, end: Some(first + PAGE).filter(|end| *end < len) };
        }
    }

    /// Somebody wants to see earlier items.
    pub fn earlier(&mut self) {
        self.first = self.first.saturating_sub(SHIFT);
    }

    /// Somebody wants to see later items, of `len`.
    pub fn later(&mut self, len: usize) {
        self.end = self.end.map(|end| end + SHIFT).filter(|end| *end < len);
    }

    /// What is too much leaves at the end, at most `spare` items: those that nobody is about to see.
    pub fn trim_end(&mut self, len: usize, spare: usize) {
        let Range { start, end } = self.range(len);
        let excess = (end - start).saturating_sub(PAGE).min(spare);
        if excess > 0 {
            self.end = Some(end - excess);
        }
    }

    /// The same at the start.
    pub fn trim_start(&mut self, len: usize, spare: usize) {
        let Range { start, end } = self.range(len);
        self.first = start + (end - start).saturating_sub(PAGE).min(spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(len: usize) -> Window {
        let mut window = Window::default();
        window.open(len);
        window
    }

    #[test]
    fn goes_to_the_start_and_back_to_the_end_and_never_holds_more_than_a_page_and_a_step() {
        let len = 2_000;
        let spare = PAGE * 2 / 3;
        let mut window = opened(len);
        assert_eq!(window.range(len), len - PAGE..len);
        let mut steps = 0;
        while window.range(len).start > 0 {
            let read = window.range(len).start;
            window.earlier();
            assert!(window.range(len).len() <= PAGE + SHIFT);
            window.trim_end(len, spare);
            assert!(window.range(len).contains(&read) && window.range(len).len() <= PAGE);
            steps += 1;
        }
        let all = (len - PAGE).div_ceil(SHIFT);
        assert_eq!((steps, window.range(len), window.has_the_end()), (all, 0..PAGE, false));
        while !window.has_the_end() {
            let read = window.range(len).end - 1;
            window.later(len);
            window.trim_start(len, spare);
            assert!(window.range(len).contains(&read) && window.range(len).len() <= PAGE);
        }
        assert_eq!(window.range(len), len - PAGE..len);
    }

    #[test]
    fn what_somebody_sees_stays_however_much_that_is() {
        let mut window = opened(1_000);
        window.earlier();
        window.trim_end(1_000, 20);
        let first = 1_000 - PAGE - SHIFT;
        assert_eq!(window.range(1_000), first..980);
        window.trim_start(1_000, 10);
        assert_eq!(window.range(1_000), first + 10..980);
    }

    #[test]
    fn the_start_moves_only_while_the_end_is_in_view() {
        let mut window = Window::default();
        window.grow(SLACK - 10, false);
        assert_eq!(window.range(SLACK - 10), 0..SLACK - 10);
        window.grow(5_000, true);
        assert_eq!(window.range(5_000), 5_000 - PAGE..5_000);
        window.grow(5_100, true);
        assert_eq!(window.range(5_100), 5_000 - PAGE..5_100);
    }

    #[test]
    fn what_arrives_while_somebody_reads_stays_out_when_it_is_too_much() {
        let first = 1_000 - PAGE;
        let mut window = opened(1_000);
        window.grow(5_000, false);
        assert_eq!((window.range(5_000), window.has_the_end()), (first..first + SLACK, false));
        window.grow(5_001, false);
        assert_eq!(window.range(5_001), first..first + SLACK);
        window.grow(5_002, true);
        assert_eq!(window.range(5_002), 5_002 - PAGE..5_002, "somebody went to the end");
    }

    #[test]
    fn what_comes_in_above_leaves_in_the_page_what_was_in_it() {
        let mut window = opened(500);
        window.moved(2_200, 2_500, 2_500);
        assert_eq!((window.range(2_500), window.has_the_end()), (2_200 - SHIFT..2_500, true));
        window.moved(10, 400, 2_510);
        assert_eq!((window.range(2_510), window.has_the_end()), (0..400, false), "fewer came than a step");
    }

    #[test]
    fn what_is_looked_for_is_shown_in_the_middle_of_a_page_unless_it_is_there_already() {
        let mut window = opened(2_000);
        window.show(1_950, 2_000);
        assert_eq!(window.range(2_000), 2_000 - PAGE..2_000);
        window.show(1_000, 2_000);
        assert_eq!(window.range(2_000), 1_000 - SHIFT..1_000 - SHIFT + PAGE);
        window.show(3, 2_000);
        assert_eq!(window.range(2_000), 0..PAGE);
        window.show(1_999, 2_000);
        assert_eq!((window.range(2_000), window.has_the_end()), (2_000 - PAGE..2_000, true));
    }

    #[test]
    fn a_list_that_begins_anew_is_shown_to_its_end() {
        let mut window = opened(1_000);
        window.grow(10, true);
        assert_eq!(window.range(10), 0..10);
        let mut window = opened(1_000);
        window.earlier();
        window.trim_end(1_000, PAGE);
        window.grow(10, false);
        assert_eq!(window.range(10), 0..10);
    }
}
