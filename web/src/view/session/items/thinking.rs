use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody};

use crate::text::words;

/// One folded line; the thought itself on demand.
#[component]
pub(crate) fn ThinkingView(item: ArcRwSignal<Item>) -> impl IntoView {
    let thought = Memo::new(move |_| {
        item.with(|item| match &item.body {
            ItemBody::Thinking { text, live } => (text.clone(), *live),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Tool(_)
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => (String::new(), false),
        })
    });
    let live = move || thought.with(|(_, live)| *live);
    let empty = move || thought.with(|(text, _)| text.trim().is_empty());
    let open = RwSignal::new(false);
    view! {
        <button class="line" disabled=empty aria-expanded=move || if open.get() { "true" } else { "false" } on:click=move |_| open.update(|open| *open = !*open)>
            <i class="mark" aria-hidden="true"></i>
            <span class="line-verb">{move || if live() { "Thinking" } else { "Thought" }}</span>
            <span class="line-hint">{move || thought.with(|(text, live)| if *live { String::new() } else { words::first_line(text, 90) })}</span>
        </button>
        <Show when=move || open.get() && !empty()>
            <p class="thought">{move || thought.with(|(text, _)| text.clone())}</p>
        </Show>
    }
}
