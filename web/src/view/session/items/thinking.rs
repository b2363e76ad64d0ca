use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody};

use crate::text::words;
use crate::words::session as said;

/// One folded line; the thought itself on demand.
#[component]
pub(crate) fn ThinkingView(item: ArcRwSignal<Item>) -> impl IntoView {
    let took = item.clone();
    let took = Memo::new(move |_| took.with(|item| item.took_ms));
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
    let verb = move || match (live(), took.get()) {
        (true, _) => said::thinking().to_owned(),
        (false, Some(ms)) if ms > 0 => said::thought_for(words::duration(ms)),
        (false, _) => said::thought().to_owned(),
    };
    view! {
        <button class="line" disabled=empty aria-expanded=move || open.get().to_string() on:click=move |_| open.update(|open| *open = !*open)>
            <i class="mark" aria-hidden="true"></i>
            <span class="line-verb">{verb}</span>
            <span class="line-hint">{move || thought.with(|(text, live)| if *live { String::new() } else { words::first_line(text, 90) })}</span>
        </button>
        <Show when=move || open.get() && !empty()>
            <p class="thought" dir="auto">{move || thought.with(|(text, _)| text.clone())}</p>
        </Show>
    }
}
