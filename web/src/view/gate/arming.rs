//! The arming of one card as signals, and the boxes that have to be seen to their end before it arms.

use leptos::prelude::*;
use portcullis_protocol::Tick;
use portcullis_protocol::role::Role;

use crate::state::app::App;
use crate::state::arming::{Allow, Arming, Seen};
use crate::state::ask::Ask;
use crate::state::desk::Desk;
use crate::words::gate as words;

/// The arming of one card as signals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmingSignal {
    state: RwSignal<Arming>,
    boxes: RwSignal<Vec<RwSignal<Seen>>>,
    beat: RwSignal<u32>,
}

impl ArmingSignal {
    /// Whether "allow" may be pressed, for drawing the button.
    pub(crate) fn allow(self) -> Allow {
        self.beat.track();
        let seen = self.boxes.with(|boxes| boxes.iter().all(|seen| seen.get().is_whole()));
        self.state.get().allow(now(), seen)
    }

    /// The same at the very click.
    pub(crate) fn is_armed(self) -> bool {
        untrack(|| self.allow()) == Allow::Armed
    }

    pub(crate) fn is_unfolded(self) -> bool {
        self.state.get().is_unfolded()
    }

    pub(crate) fn moved(self) {
        self.state.update(|state| state.moved(now()));
        self.settle();
    }

    /// Opens what is folded: all of it has to be seen from here on.
    pub(crate) fn unfold(self) {
        self.boxes.with_untracked(|boxes| boxes.iter().for_each(|seen| seen.set(Seen::Part)));
        self.state.update(|state| state.unfold(now()));
        self.settle();
    }

    /// A box that has to be seen to its end, until the component that calls this is gone.
    pub(super) fn require(self, seen: RwSignal<Seen>) {
        self.boxes.update(|boxes| boxes.push(seen));
        on_cleanup(move || {
            self.boxes.try_update(|boxes| boxes.retain(|other| *other != seen));
        });
    }

    /// Looks again once the panel has stood still long enough.
    fn settle(self) {
        let wait = self.state.get_untracked().settles_at().since(now()) + 1;
        set_timeout(
            move || {
                self.beat.try_update(|beat| *beat = beat.wrapping_add(1));
            },
            std::time::Duration::from_millis(wait),
        );
    }
}

/// The arming of `ask`, from now on.
pub(super) fn use_arming(ask: &Ask, desk: Desk) -> ArmingSignal {
    let permitted = desk
        .role
        .get_untracked()
        .or(App::here().role.get_untracked())
        .is_some_and(|role| role.covers(Role::Approver));
    let too_long = ask.exact.too_long || ask.denial_only.is_some();
    let state = Arming::new(now(), ask.needs_reading, too_long).with_place(is_framed(), permitted);
    let arming = ArmingSignal {
        state: RwSignal::new(state),
        boxes: RwSignal::new(Vec::new()),
        beat: RwSignal::new(0),
    };
    arming.settle();
    arming
}

/// What a person reads beside the button, empty when it may be pressed.
pub(super) fn why_not(allow: Allow) -> &'static str {
    match allow {
        Allow::Armed | Allow::Settling => "",
        Allow::Unread => words::unread(),
        Allow::TooLong => words::too_long(),
        Allow::Framed => words::framed(),
        Allow::NotPermitted => words::not_permitted(),
    }
}

/// Whether the page is inside another one, where nobody can know what a click was meant for.
fn is_framed() -> bool {
    let top = window().top().ok().flatten();
    top.is_none_or(|top| !js_sys::Object::is(&top, &window()))
}

fn now() -> Tick {
    let ms = window().performance().map_or(0.0, |performance| performance.now());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a browser's clock is positive and far below 2^53"
    )]
    let whole = ms.max(0.0) as u64;
    Tick(whole)
}
