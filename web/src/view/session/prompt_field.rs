use leptos::prelude::*;
use web_sys::KeyboardEvent;

/// Lines a field grows to before it scrolls.
const ROWS_MAX: usize = 8;

/// A field for a prompt and its button. Enter sends where there is a keyboard; on phones it makes a new line.
#[component]
pub(crate) fn PromptField(
    text: RwSignal<String>,
    on_send: Callback<()>,
    label: &'static str,
    rows: usize,
    #[prop(into)] busy: Signal<bool>,
) -> impl IntoView {
    let lines = move || text.with(|text| text.split('\n').count().clamp(rows, ROWS_MAX));
    let blocked = move || busy.get() || text.with(|text| text.trim().is_empty());
    let on_key = move |event: KeyboardEvent| {
        let sends = event.key() == "Enter" && !event.shift_key() && !event.is_composing() && !is_touch();
        if sends {
            event.prevent_default();
            if !blocked() {
                on_send.run(());
            }
        }
    };
    view! {
        <div class="prompt-field">
            <textarea class="prompt-input" data-testid="composer-input" aria-label=label placeholder=label enterkeyhint="enter"
                rows=lines prop:value=text on:input:target=move |event| text.set(event.target().value()) on:keydown=on_key></textarea>
            <button class="button send" data-testid="composer-send" disabled=blocked on:click=move |_| on_send.run(())>
                "Send"
            </button>
        </div>
    }
}

fn is_touch() -> bool {
    window().match_media("(pointer: coarse)").ok().flatten().is_some_and(|list| list.matches())
}
