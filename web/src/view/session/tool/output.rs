use leptos::prelude::*;

use crate::text::ansi;
use crate::text::words;

/// Bytes of an output that are drawn at first; the rest waits for a click.
const SHOWN_BYTES: usize = 16 * 1024;

/// What a tool printed, with its colours and nothing else of its control characters.
#[component]
pub(crate) fn OutputView(text: String) -> impl IntoView {
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
            .map(|run| view! { <span class=run.style.classes()>{run.text}</span> })
            .collect_view()
    };
    view! {
        <pre class="output" tabindex="0" hidden=text.with_value(|text| text.trim().is_empty())><samp>{drawn}</samp></pre>
        <button class="link" hidden=move || all.get() on:click=move |_| all.set(true)>
            "Show the other " {words::bytes(hidden)}
        </button>
    }
}
