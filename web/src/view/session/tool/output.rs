use leptos::prelude::*;

use crate::text::ansi;
use crate::text::words;
use crate::words::tool as said;

/// Bytes of an output that are drawn at first; the rest waits for a click.
const SHOWN_BYTES: usize = 16 * 1024;

/// What a tool printed or was given, with its colours and nothing else of its control characters.
#[component]
pub(crate) fn OutputView(text: String, #[prop(optional)] class: &'static str) -> impl IntoView {
    let text = StoredValue::new(text);
    let all = RwSignal::new(text.with_value(|text| text.len() <= SHOWN_BYTES));
    let hidden = text.with_value(String::len).saturating_sub(SHOWN_BYTES);
    let runs = move || {
        text.with_value(|text| {
            let end = if all.get() { text.len() } else { text.floor_char_boundary(SHOWN_BYTES) };
            ansi::runs(text[..end].trim_end_matches('\n'))
        })
    };
    let drawn = move || {
        runs()
            .into_iter()
            .map(|run| match run.style.classes() {
                plain if plain.is_empty() => run.text.into_any(),
                styled => view! { <span class=styled>{run.text}</span> }.into_any(),
            })
            .collect_view()
    };
    let class = if class.is_empty() { "output" } else { class };
    view! {
        <pre class=class tabindex="0" dir="ltr" hidden=text.with_value(|text| text.trim().is_empty())><samp>{drawn}</samp></pre>
        <Show when=move || !all.get()>
            <button class="link" on:click=move |_| all.set(true)>{said::show_other(words::bytes(hidden))}</button>
        </Show>
    }
}
