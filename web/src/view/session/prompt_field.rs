use leptos::html::Textarea;
use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::completion::{Completion, Fits};
use super::pictures::{self, Pictures};
use crate::state::recall::Recall;
use crate::words::composer as words;

/// Lines a field grows to before it scrolls.
const ROWS_MAX: usize = 8;

/// What helps to write a message into a session that is open.
#[derive(Clone, Copy)]
pub(crate) struct Help {
    pub(crate) completion: Completion,
    pub(crate) pictures: Pictures,
    /// What was said before, newest first.
    pub(crate) before: Callback<(), Vec<String>>,
}

/// A field for a prompt and its button. Enter sends where there is a keyboard; on phones it makes a new line.
#[component]
pub(crate) fn PromptField(
    text: RwSignal<String>,
    on_send: Callback<()>,
    label: &'static str,
    rows: usize,
    #[prop(into)] busy: Signal<bool>,
    #[prop(optional)] help: Option<Help>,
) -> impl IntoView {
    let field = NodeRef::<Textarea>::new();
    let lines = move || text.with(|text| text.split('\n').count().clamp(rows, ROWS_MAX));
    let files = move || help.is_some_and(|help| !help.pictures.is_empty());
    let blocked = move || busy.get() || text.with(|text| text.trim().is_empty()) && !files();
    let recall = StoredValue::new(Recall::default());
    let put = move |value: String, caret: Option<usize>| {
        if let Some(field) = field.get_untracked() {
            field.set_value(&value);
            let end = caret.unwrap_or_else(|| value.encode_utf16().count());
            let end = u32::try_from(end).unwrap_or(u32::MAX);
            let _ = field.set_selection_range(end, end);
        }
        text.set(value);
    };
    let caret = move || {
        let caret = field.get_untracked().and_then(|field| field.selection_end().ok().flatten());
        usize::try_from(caret.unwrap_or(0)).unwrap_or(0)
    };
    let choose = Callback::new(move |at: usize| {
        if let Some((value, caret)) = help.and_then(|help| help.completion.take(at, &text.get_untracked())) {
            put(value, Some(caret));
            field.get_untracked().into_iter().for_each(|field| drop(field.focus()));
        }
    });
    // What was said before comes back by arrows, from an empty field alone.
    let recalled = move |key: &str| {
        let Some(help) = help else { return false };
        let up = match key {
            "ArrowUp" => true,
            "ArrowDown" => false,
            _ => return false,
        };
        let typed = text.get_untracked();
        let mut state = recall.get_value();
        let found = state.step(&typed, up, || help.before.run(()));
        recall.set_value(state);
        let is_found = found.is_some();
        found.into_iter().for_each(|value| put(value, None));
        is_found
    };
    let on_key = move |event: KeyboardEvent| {
        let key = event.key();
        if event.is_composing() {
            return;
        }
        if let Some(help) = help.filter(|help| help.completion.is_open()) {
            match key.as_str() {
                "ArrowDown" | "ArrowUp" => help.completion.step(key == "ArrowDown"),
                "Enter" | "Tab" if !event.shift_key() => choose.run(help.completion.active()),
                "Escape" => help.completion.close(),
                _ => return,
            }
            event.prevent_default();
            return event.stop_propagation();
        }
        let plain = !(event.shift_key() || event.ctrl_key() || event.alt_key() || event.meta_key());
        if plain && recalled(&key) {
            return event.prevent_default();
        }
        if key == "Enter" && !event.shift_key() && !is_touch() {
            event.prevent_default();
            if !blocked() {
                on_send.run(());
            }
        }
    };
    let look = move || help.into_iter().for_each(|help| help.completion.look(&text.get_untracked(), caret()));
    let list = help.map(|help| help.completion);
    view! {
        <div class="prompt-field" on:dragover=move |event| {
            if help.is_some() {
                event.prevent_default();
            }
        } on:drop=move |event| {
            let files = help.map(|_| pictures::dropped(&event)).unwrap_or_default();
            // A text that is dropped is the field's own.
            if let Some(help) = help.filter(|_| !files.is_empty()) {
                event.prevent_default();
                help.pictures.add(files);
            }
        }>
            {help.map(|help| view! { <pictures::Thumbnails pictures=help.pictures/> })}
            {list.map(|completion| view! { <Fits completion choose/> })}
            {help.map(|help| view! { <pictures::Choose pictures=help.pictures/> })}
            <textarea class="prompt-input" data-testid="composer-input" aria-label=label placeholder=label enterkeyhint="enter"
                aria-autocomplete=list.map(|_| "list") aria-haspopup=list.map(|_| "listbox") aria-controls=list.map(|_| "fits")
                aria-activedescendant=move || list.and_then(Completion::active_id)
                node_ref=field rows=lines prop:value=text
                on:input:target=move |event| { text.set(event.target().value()); look(); }
                on:click=move |_| look() on:blur=move |_| help.into_iter().for_each(|help| help.completion.close())
                on:paste=move |event| {
                    let files = help.map(|_| pictures::pasted(&event)).unwrap_or_default();
                    if let Some(help) = help.filter(|_| !files.is_empty()) {
                        event.prevent_default();
                        help.pictures.add(files);
                    }
                }
                on:keydown=on_key></textarea>
            <button class="button send" data-testid="composer-send" disabled=blocked on:click=move |_| on_send.run(())>
                {words::send()}
            </button>
        </div>
    }
}

fn is_touch() -> bool {
    window().match_media("(pointer: coarse)").ok().flatten().is_some_and(|list| list.matches())
}
