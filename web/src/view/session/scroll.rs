//! Keeps the end in view while it is in view, and leaves the page alone as soon as somebody scrolls up.

use leptos::html::Div;
use leptos::prelude::*;

use crate::state::session::SessionSignals;

/// This close to the end counts as the end, in px.
const END_PX: i32 = 48;

/// The scrolling part of a transcript.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scroll {
    log: NodeRef<Div>,
    session: SessionSignals,
    last_top: StoredValue<i32>,
}

impl Scroll {
    pub(crate) fn new(log: NodeRef<Div>, session: SessionSignals) -> Self {
        Self { log, session, last_top: StoredValue::new(0) }
    }

    /// The content grew or shrank.
    pub(crate) fn resized(self) {
        if self.session.following.get_untracked() {
            self.to_end();
        }
    }

    /// Somebody, or this, scrolled. Only a move upwards is somebody who wants to read.
    pub(crate) fn scrolled(self) {
        let Some(log) = self.log.get_untracked() else { return };
        let top = log.scroll_top();
        let at_end = log.scroll_height() - top - log.client_height() < END_PX;
        let upwards = top < self.last_top.get_value() - 2;
        self.last_top.set_value(top);
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
