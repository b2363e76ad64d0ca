use leptos::prelude::*;

use crate::text::highlight::{self, Shade};
use crate::text::words;
use crate::words::tool as said;

/// Bytes that are drawn at first; the rest waits for a click.
const SHOWN_BYTES: usize = 32 * 1024;

/// Code with its colours, its line numbers if it is a part of a file, and a way to copy just what is shown.
#[component]
pub(crate) fn Code(
    text: String,
    #[prop(optional)] language: String,
    #[prop(optional)] first: Option<u64>,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let all = RwSignal::new(text.len() <= SHOWN_BYTES);
    let hidden = text.len().saturating_sub(SHOWN_BYTES);
    let numbers = first.map(|first| {
        let last = first + text.lines().count().max(1) as u64;
        (first..last).map(|number| format!("{number}\n")).collect::<String>()
    });
    let name = language.clone();
    let text = StoredValue::new(text);
    let end = move |text: &String| if all.get() { text.len() } else { text.floor_char_boundary(SHOWN_BYTES) };
    let shown = move || text.with_value(|text| text[..end(text)].to_owned());
    // Colours come with the next frame: text is there at once, whatever it costs to read it.
    let coloured = RwSignal::new(false);
    request_animation_frame(move || {
        let _ = coloured.try_set(true);
    });
    let drawn = move || {
        let shown = shown();
        if !coloured.get() {
            return shown.into_any();
        }
        let piece = |(shade, text): (Shade, &str)| {
            if shade == Shade::Plain {
                return text.to_owned().into_any();
            }
            view! { <span class=shade.class()>{text.to_owned()}</span> }.into_any()
        };
        highlight::shades(&language, &shown).into_iter().map(piece).collect_view().into_any()
    };
    let copy = move |_| {
        if window().is_secure_context() {
            let _ = window().navigator().clipboard().write_text(&untrack(shown));
            copied.set(true);
        }
    };
    view! {
        <figure class="code" dir="ltr">
            <figcaption>
                <span>{name}</span>
                <button class="link" on:click=copy>{move || if copied.get() { said::copied() } else { said::copy() }}</button>
            </figcaption>
            <div class="code-body" tabindex="0">
                {numbers.map(|numbers| view! { <pre class="code-numbers" aria-hidden="true">{numbers}</pre> })}
                <pre><code>{drawn}</code></pre>
            </div>
            <Show when=move || !all.get()>
                <button class="link" on:click=move |_| all.set(true)>{said::show_other(words::bytes(hidden))}</button>
            </Show>
        </figure>
    }
}
