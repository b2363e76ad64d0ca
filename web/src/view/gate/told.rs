use leptos::prelude::*;

use super::arming::ArmingSignal;
use crate::state::told::Told;
use crate::view::shell::told as outside;
use crate::words::gate as words;

/// Words of the agent on the card. What is long folds in its middle until all of the request is shown.
#[component]
pub(crate) fn ToldView(told: Told, arming: ArmingSignal) -> impl IntoView {
    let Told { head, middle, tail } = told;
    let folded = middle.chars().count();
    let gap = words::characters_folded(folded);
    let middle = move || match (folded, arming.is_unfolded()) {
        (0, _) => ().into_any(),
        (_, true) => outside(&middle).into_any(),
        (_, false) => view! { <span class="told-gap">" … " {gap.clone()} " … "</span> }.into_any(),
    };
    view! { {outside(&head)}{middle}{outside(&tail)} }
}
