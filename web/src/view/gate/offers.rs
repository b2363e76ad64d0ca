use leptos::prelude::*;

use super::arming::ArmingSignal;
use super::{CHORD_HINT, Reading, ToldView, only_by_chord};
use crate::state::arming::Allow;
use crate::state::ask::Suggestion;
use crate::words::gate as words;

/// The agent's offers, each the literal rule and granted alone, once its rule was seen to the end.
#[component]
pub(crate) fn Offers(
    offers: Vec<Suggestion>,
    arming: ArmingSignal,
    on_grant: Callback<usize>,
) -> impl IntoView {
    let empty = offers.is_empty();
    let rows = offers.into_iter().enumerate().map(|(index, offer)| {
        let grant = Callback::new(move |()| on_grant.run(index));
        view! { <Offer offer arming grant/> }
    });
    view! { <div class="offers" hidden=empty>{rows.collect_view()}</div> }
}

#[component]
fn Offer(offer: Suggestion, arming: ArmingSignal, grant: Callback<()>) -> impl IntoView {
    let reading = Reading::new(arming, false);
    let too_long = offer.literal.is_too_long();
    let open = move || !too_long && reading.seen.get().is_whole() && arming.allow() == Allow::Armed;
    let click = move |_| {
        if arming.is_armed() && untrack(open) {
            grant.run(());
        }
    };
    view! {
        <div class="offer" data-testid="gate-offer-row">
            <div class="offer-rule" tabindex="0" node_ref=reading.outer on:scroll=move |_| reading.look()>
                <div node_ref=reading.inner><code><ToldView told=offer.literal arming/></code></div>
            </div>
            <button class="button" data-testid="gate-offer" aria-describedby=CHORD_HINT
                on:keydown=move |event| only_by_chord(&event) on:keyup=move |event| only_by_chord(&event)
                disabled=move || !open() on:click=click>{words::allow_and_this()}</button>
        </div>
    }
}
