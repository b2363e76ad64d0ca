//! Watches a box that can scroll: whether its end was seen, looked at again whenever it or its text changes its size.

use leptos::html::Div;
use leptos::prelude::*;

use super::arming::ArmingSignal;
use crate::state::arming::{Seen, View};
use crate::view::shell::watch_size;

/// A box and how much of it was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The box that scrolls.
    pub(crate) outer: NodeRef<Div>,
    /// Its text.
    pub(crate) inner: NodeRef<Div>,
    pub(crate) seen: RwSignal<Seen>,
}

impl Reading {
    /// `required` boxes hold back every "allow" of the card.
    pub(crate) fn new(arming: ArmingSignal, required: bool) -> Self {
        let reading =
            Self { outer: NodeRef::new(), inner: NodeRef::new(), seen: RwSignal::new(Seen::default()) };
        if required {
            arming.require(reading.seen);
        }
        Effect::new(move |_| {
            if let (Some(outer), Some(inner)) = (reading.outer.get(), reading.inner.get()) {
                watch_size(&outer, move || reading.look());
                watch_size(&inner, move || reading.look());
            }
        });
        // What fits anyway does not change its size when it is unfolded.
        Effect::new(move |_| {
            arming.is_unfolded();
            request_animation_frame(move || reading.look());
        });
        reading
    }

    /// Looks at what the box shows now.
    pub(crate) fn look(self) {
        let Some(outer) = self.outer.try_get_untracked().flatten() else { return };
        let view = View::of(outer.scroll_height(), outer.client_height(), outer.scroll_top());
        let before = self.seen.get_untracked();
        if before.after(view) != before {
            self.seen.set(before.after(view));
        }
    }

    /// The text is another one.
    pub(crate) fn forget(self) {
        self.seen.set(Seen::default());
        request_animation_frame(move || self.look());
    }
}
