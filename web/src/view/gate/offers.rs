use leptos::prelude::*;

use super::card::ArmingSignal;
use crate::state::arming::Allow;
use crate::state::ask::Suggestion;

/// The agent's offers, each the literal rule and granted alone.
#[component]
pub(crate) fn Offers(
    offers: Vec<Suggestion>,
    arming: ArmingSignal,
    on_grant: Callback<usize>,
) -> impl IntoView {
    let allow = Memo::new(move |_| arming.allow());
    let empty = offers.is_empty();
    let buttons = offers.into_iter().enumerate().map(|(index, offer)| {
        let grant = move |_| {
            if arming.is_armed() {
                on_grant.run(index);
            }
        };
        view! {
            <button class="button offer" data-testid="gate-offer" disabled=move || allow.get() != Allow::Armed on:click=grant>
                "Allow, and " <code>{offer.literal}</code>
            </button>
        }
    });
    view! { <div class="offers" hidden=empty>{buttons.collect_view()}</div> }
}
