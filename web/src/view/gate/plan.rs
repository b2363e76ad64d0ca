use leptos::prelude::*;

use super::Reading;
use super::arming::ArmingSignal;
use crate::view::markdown::{as_said, said_later};

/// The plan as a page; the exact text stands below it.
#[component]
pub(crate) fn PlanForm(plan: String, arming: ArmingSignal) -> impl IntoView {
    let said = Memo::new(move |_| (plan.clone(), false));
    let reading = Reading::new(arming, true);
    view! {
        <div class="plan" role="group" aria-label=crate::words::gate::the_plan() tabindex="0"
            node_ref=reading.outer on:scroll=move |_| reading.look()>
            <div node_ref=reading.inner>{said_later::view(said, move |_| as_said(said))}</div>
        </div>
    }
}
