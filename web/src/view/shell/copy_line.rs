use leptos::prelude::*;

use crate::words::side as words;

/// A command to type elsewhere, and a button that copies it where the browser lets a page do so.
#[component]
pub(crate) fn CopyLine(text: &'static str) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let _ = window().navigator().clipboard().write_text(text);
        copied.set(true);
    };
    let label = move || if copied.get() { words::copied() } else { words::copy() };
    view! {
        <p class="copy-line">
            <code>{text}</code>
            <button class="link" type="button" hidden=!window().is_secure_context() on:click=copy>{label}</button>
        </p>
    }
    .into_any()
}
