use leptos::prelude::*;

use crate::view::markdown::Prose;

/// The plan as a page; the exact text stands below it.
#[component]
pub(crate) fn PlanForm(plan: String) -> impl IntoView {
    let said = Memo::new(move |_| (plan.clone(), false));
    view! { <div class="plan" role="group" aria-label="The plan" tabindex="0"><Prose said/></div> }
}
