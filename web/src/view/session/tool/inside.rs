use leptos::prelude::*;

use crate::state::app::App;
use crate::state::session::ItemKey;
use crate::view::session::ItemView;
use crate::words::tool as words;

/// Steps that are drawn at first: what a sub-agent does last is what one looks for.
const STEPS_SHOWN: usize = 30;

/// What a sub-agent did, step by step.
#[component]
pub(crate) fn InsideView(of: ItemKey) -> AnyView {
    let members = App::here().session.group(of, false);
    let shown = RwSignal::new(STEPS_SHOWN);
    let hidden = {
        let members = members.clone();
        Memo::new(move |_| members.with(Vec::len).saturating_sub(shown.get()))
    };
    let steps = move || members.with(|members| members[members.len().saturating_sub(shown.get())..].to_vec());
    view! {
        <div class="inside" data-testid="inside">
            <Show when=move || hidden.get() != 0>
                <button class="link" on:click=move |_| shown.update(|shown| *shown += STEPS_SHOWN * 4)>{move || words::show_steps(hidden.get())}</button>
            </Show>
            <For each=steps key=|key| *key children=|key| view! { <ItemView key_=key/> }/>
        </div>
    }
    .into_any()
}
