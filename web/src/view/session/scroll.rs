//! Keeps the end in view while it is in view, and leaves the page alone as soon as somebody scrolls up.

use leptos::html::Div;
use leptos::prelude::*;

use crate::state::session::SessionSignals;

/// This close to the end counts as the end, in px.
const END_PX: i32 = 48;
/// This close to the top, earlier items are wanted, in px: about a screen before somebody gets there.
const TOP_PX: i32 = 600;

/// The scrolling part of a transcript.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scroll {
    log: NodeRef<Div>,
    session: SessionSignals,
    last_top: StoredValue<i32>,
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
        !following && !self.keep.get_value() && self.last_top.get_value() < TOP_PX
    }

    fn note_place(self, log: &web_sys::HtmlDivElement) {
        self.from_end.set_value(log.scroll_height() - log.scroll_top());
    }

    /// Somebody, or this, scrolled. Only a move upwards is somebody who wants to read.
    pub(crate) fn scrolled(self) {
        let Some(log) = self.log.get_untracked() else { return };
        let top = log.scroll_top();
        let at_end = log.scroll_height() - top - log.client_height() < END_PX;
        let upwards = top < self.last_top.get_value() - 2;
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

    /// Runs `change`, which adds content above, and keeps what is being read where it is.
    pub(crate) fn keeping_place(self, change: impl FnOnce()) {
        let Some(log) = self.log.get_untracked() else { return change() };
        let from_end = log.scroll_height() - log.scroll_top();
        change();
        request_animation_frame(move || {
            if let Some(log) = self.log.get_untracked() {
                log.set_scroll_top(log.scroll_height() - from_end);
                self.last_top.set_value(log.scroll_top());
            }
        });
    }
}
