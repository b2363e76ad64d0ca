//! Keeps the end in view while it is in view, and leaves the page alone as soon as somebody scrolls up.

use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
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
    session: SessionSignals,
    last_top: StoredValue<i32>,
    /// Which way somebody scrolled last: down, or not.
    downwards: StoredValue<bool>,
    /// Distance from the top of the view to the end of the content, as last seen.
    from_end: StoredValue<i32>,
    /// Everything was drawn anew: the next size is of the same content with more above it.
    keep: StoredValue<bool>,
}

impl Scroll {
    pub(crate) fn new(log: NodeRef<Div>, session: SessionSignals) -> Self {
        Self {
            log,
            session,
            last_top: StoredValue::new(0),
            downwards: StoredValue::new(false),
            from_end: StoredValue::new(0),
            keep: StoredValue::new(false),
        }
    }

    /// The content grew or shrank.
    pub(crate) fn resized(self) {
        if self.session.following.get_untracked() {
            return self.to_end();
        }
        let Some(Some(log)) = self.log.try_get_untracked() else { return };
        if self.keep.get_value() {
            self.keep.set_value(false);
            log.set_scroll_top(log.scroll_height() - self.from_end.get_value());
            self.last_top.set_value(log.scroll_top());
            self.trim_end();
        }
        self.note_place(&log);
    }

    /// Items came in above and all are drawn anew: what is being read stays where it is.
    pub(crate) fn keep_from_end(self) {
        self.keep.set_value(!self.session.following.get_untracked());
        // Where nothing came, no size changes.
        request_animation_frame(move || request_animation_frame(move || self.resized()));
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

    fn note_place(self, log: &web_sys::HtmlDivElement) {
        self.from_end.set_value(log.scroll_height() - log.scroll_top());
    }

    /// Somebody, or this, scrolled. Only a move upwards is somebody who wants to read.
    pub(crate) fn scrolled(self) {
        let Some(log) = self.log.get_untracked() else { return };
        let top = log.scroll_top();
        let has_the_end = self.session.window.get_untracked().has_the_end();
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

    /// How many items are where `is_away` says: given their top, from that of the view, its height, and theirs.
    fn spare(self, is_away: impl Fn(f64, f64, f64) -> bool) -> Option<usize> {
        let log = self.log.try_get_untracked().flatten()?;
        let view = log.get_bounding_client_rect();
        let items = log.query_selector_all("[data-testid=item]").ok()?;
        let places = (0..items.length()).filter_map(|at| items.get(at)?.dyn_into::<Element>().ok());
        let places = places.map(|item| item.get_bounding_client_rect());
        Some(places.filter(|place| is_away(place.top() - view.top(), view.height(), place.height())).count())
    }

    fn len(self) -> usize {
        self.session.keys.with_untracked(Vec::len)
    }

    /// Runs `change`, which changes what is above, keeps what is being read where it is, and then runs `then`.
    fn keeping_place(self, change: impl FnOnce(), then: impl FnOnce() + 'static) {
        let Some(log) = self.log.get_untracked() else { return change() };
        let from_end = log.scroll_height() - log.scroll_top();
        change();
        request_animation_frame(move || {
            if let Some(log) = self.log.try_get_untracked().flatten() {
                log.set_scroll_top(log.scroll_height() - from_end);
                self.last_top.set_value(log.scroll_top());
                self.note_place(&log);
                then();
            }
        });
    }
}
