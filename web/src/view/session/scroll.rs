//! Keeps the end in view while it is in view, and leaves the page alone as soon as somebody scrolls up: what is read
//! stays where it is, whatever comes in above or below it.

use leptos::html::Div;
use leptos::prelude::*;
use web_sys::Element;

use crate::state::session::SessionSignals;
use crate::state::window::Window;

/// This close to the end counts as the end, in px.
const END_PX: i32 = 48;
/// This close to the first or last item in the page, more are wanted, in px: about a screen before somebody gets there.
const NEAR_PX: i32 = 600;
/// Items farther out of view than this may leave the page, in px: more than [`NEAR_PX`], or they would come right back.
const SPARE_PX: f64 = 1_200.0;

/// The scrolling part of a transcript.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scroll {
    log: NodeRef<Div>,
    /// Holds the rows and nothing else.
    rows: NodeRef<Div>,
    session: SessionSignals,
    last_top: StoredValue<i32>,
    /// Which way somebody scrolled last: down, or not.
    downwards: StoredValue<bool>,
    /// The first row in view, and how far its top is from that of the view.
    anchor: StoredValue<Option<(Element, f64)>, LocalStorage>,
    /// What is above is being changed: the anchor stands.
    keep: StoredValue<bool>,
    /// Counts how often that was over.
    settled: RwSignal<u32>,
}

impl Scroll {
    pub(crate) fn new(log: NodeRef<Div>, rows: NodeRef<Div>, session: SessionSignals) -> Self {
        Self {
            log,
            rows,
            session,
            last_top: StoredValue::new(0),
            downwards: StoredValue::new(false),
            anchor: StoredValue::new_local(None),
            keep: StoredValue::new(false),
            settled: RwSignal::new(0),
        }
    }

    /// The content grew or shrank.
    pub(crate) fn resized(self) {
        if self.session.following.get_untracked() {
            return self.to_end();
        }
        let Some(Some(log)) = self.log.try_get_untracked() else { return };
        if self.keep.get_value() {
            self.restore(&log);
        } else {
            self.note_place(&log);
        }
    }

    /// Another part of the log is drawn: what is being read stays where it is.
    pub(crate) fn keep_place(self) {
        if self.session.following.get_untracked() {
            return;
        }
        self.keep.set_value(true);
        request_animation_frame(move || {
            self.resized();
            request_animation_frame(move || {
                self.resized();
                self.trim_end();
                self.settle();
            });
        });
    }

    /// What was changed above stands. Who scrolled to an end of the page meanwhile was not heard, and a page that
    /// cannot be scrolled any farther will not say it again: ends are looked at anew with each call of this.
    fn settle(self) {
        self.keep.try_set_value(false);
        self.settled.try_update(|times| *times = times.wrapping_add(1));
    }

    /// Moves with each [`Self::settle`].
    pub(crate) fn settled(self) -> u32 {
        self.settled.get()
    }

    /// Whether somebody is about to see the first item in the page.
    pub(crate) fn is_near_top(self) -> bool {
        let following = self.session.following.get_untracked();
        !following && !self.keep.get_value() && self.last_top.get_value() < NEAR_PX
    }

    /// Whether somebody is about to see the last item in the page.
    pub(crate) fn is_near_end(self) -> bool {
        let Some(log) = self.log.get_untracked() else { return false };
        let below = log.scroll_height() - log.scroll_top() - log.client_height();
        self.downwards.get_value() && !self.keep.get_value() && below < NEAR_PX
    }

    /// Notes what is in view: the anchor, the events for the rail, and whether that is all there is.
    fn note_place(self, log: &Element) {
        let Some(rows) = self.rows.try_get_untracked().flatten().map(|rows| rows.children()) else { return };
        let fits = log.scroll_height() <= log.client_height();
        if self.session.fits.get_untracked() != fits {
            self.session.fits.set(fits);
        }
        let view = log.get_bounding_client_rect();
        let place = |at: u32| rows.item(at).map(|row| row.get_bounding_client_rect());
        // The first row whose end is below a line: rows stand one below the other.
        let first_below = |line: f64| {
            let (mut low, mut high) = (0, rows.length());
            while low < high {
                let middle = low.midpoint(high);
                let above = place(middle).is_some_and(|place| place.bottom() <= line);
                (low, high) = if above { (middle + 1, high) } else { (low, middle) };
            }
            low.min(rows.length().saturating_sub(1))
        };
        let (top, end) = (first_below(view.top() + 1.0), first_below(view.bottom() - 1.0));
        let Some(first) = rows.item(top) else { return };
        let offset = first.get_bounding_client_rect().top() - view.top();
        let in_view = (seq_of(&first), rows.item(end).map_or(0, |row| seq_of(&row)));
        self.anchor.set_value(Some((first, offset)));
        if self.session.view.get_untracked() != in_view {
            self.session.view.set(in_view);
        }
    }

    /// Puts the anchor back where it was.
    fn restore(self, log: &Element) {
        let anchor = self.anchor.get_value().filter(|(row, _)| row.is_connected());
        if let Some((row, offset)) = anchor {
            let now = row.get_bounding_client_rect().top() - log.get_bounding_client_rect().top();
            let moved = now - offset;
            if moved.abs() >= 1.0 {
                log.set_scroll_top(log.scroll_top() + whole(moved));
            }
        }
        self.last_top.set_value(log.scroll_top());
    }

    /// Somebody, or this, scrolled. Only a move upwards is somebody who wants to read.
    pub(crate) fn scrolled(self) {
        let Some(log) = self.log.get_untracked() else { return };
        let top = log.scroll_top();
        let has_the_end =
            self.session.window.get_untracked().has_the_end() && !self.session.part.get_untracked().away;
        let at_end = has_the_end && log.scroll_height() - top - log.client_height() < END_PX;
        let upwards = top < self.last_top.get_value() - 2;
        self.downwards.set_value(top > self.last_top.get_value());
        self.last_top.set_value(top);
        if !self.keep.get_value() {
            self.note_place(&log);
        }
        let following = self.session.following.get_untracked();
        if at_end != following && (at_end || upwards) {
            self.session.following.set(at_end);
        }
    }

    /// Goes to the end and stays there.
    pub(crate) fn to_end(self) {
        if let Some(log) = self.log.get_untracked() {
            log.set_scroll_top(log.scroll_height());
            self.last_top.set_value(log.scroll_top());
            self.note_place(&log);
        }
        if !self.session.following.get_untracked() {
            self.session.following.set(true);
        }
    }

    /// The end of the transcript is in the page and in view.
    pub(crate) fn show_the_end(self) {
        if !self.session.window.get_untracked().has_the_end() {
            let len = self.len();
            self.session.window.update(|window| window.open(len));
            request_animation_frame(move || self.resized());
        }
    }

    /// Brings that event into the middle of the view, once it is drawn.
    pub(crate) fn show(self, seq: u64) {
        self.keep.set_value(true);
        // What it stands in may have to open first.
        request_animation_frame(move || {
            request_animation_frame(move || {
                self.keep.try_set_value(false);
                let Some(log) = self.log.try_get_untracked().flatten() else { return };
                let exact = log.query_selector(&format!("[data-testid=item][data-seq=\"{seq}\"]"));
                let near = || log.query_selector("[data-target]").ok().flatten();
                if let Some(item) = exact.ok().flatten().or_else(near) {
                    // Not by `scrollIntoView`, which moves the page around the log too; and not right under the edge,
                    // where the line of the turn stands.
                    let top = item.get_bounding_client_rect().top() - log.get_bounding_client_rect().top();
                    log.set_scroll_top(log.scroll_top() + whole(top) - log.client_height() / 4);
                    self.last_top.set_value(log.scroll_top());
                }
                self.note_place(&log);
            });
        });
    }

    /// Brings earlier items into the page; then late ones that nobody sees leave it.
    pub(crate) fn earlier(self) {
        self.keeping_place(move || self.session.window.update(Window::earlier), move || self.trim_end());
    }

    /// Brings later items into the page; then early ones that nobody sees leave it.
    pub(crate) fn later(self) {
        let len = self.len();
        self.session.window.update(|window| window.later(len));
        request_animation_frame(move || {
            let Some(spare) = self.spare(|top, _, height| top < -SPARE_PX - height) else { return };
            let trim = move || self.session.window.update(|window| window.trim_start(len, spare));
            self.keeping_place(trim, || ());
        });
    }

    fn trim_end(self) {
        let Some(spare) = self.spare(|top, view, _| top > view + SPARE_PX) else { return };
        let len = self.len();
        self.session.window.try_update(|window| window.trim_end(len, spare));
    }

    /// How many rows are where `is_away` says: given their top, from that of the view, its height, and theirs.
    fn spare(self, is_away: impl Fn(f64, f64, f64) -> bool) -> Option<usize> {
        let log = self.log.try_get_untracked().flatten()?;
        let view = log.get_bounding_client_rect();
        let rows = self.rows.try_get_untracked().flatten()?.children();
        let places = (0..rows.length()).filter_map(|at| Some(rows.item(at)?.get_bounding_client_rect()));
        Some(places.filter(|place| is_away(place.top() - view.top(), view.height(), place.height())).count())
    }

    fn len(self) -> usize {
        self.session.rows.with_untracked(Vec::len)
    }

    /// Runs `change`, which changes what is above, keeps what is being read where it is, and then runs `then`.
    fn keeping_place(self, change: impl FnOnce(), then: impl FnOnce() + 'static) {
        let Some(log) = self.log.get_untracked() else { return change() };
        self.note_place(&log);
        self.keep.set_value(true);
        change();
        request_animation_frame(move || {
            if let Some(log) = self.log.try_get_untracked().flatten() {
                self.restore(&log);
                then();
                self.settle();
            }
        });
    }
}

fn seq_of(row: &Element) -> u64 {
    row.get_attribute("data-seq").and_then(|seq| seq.parse().ok()).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "a distance on the page is far below 2^31 px")]
fn whole(px: f64) -> i32 {
    px.round() as i32
}
