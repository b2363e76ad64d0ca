//! What the keys are, and everything by name. Both are dialogs of the browser's own, which hold the focus and give it
//! back, and are opened by buttons that stand in no one's way.

use leptos::html::{Dialog, Input};
use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::told;
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::palette;
use crate::state::route::Route;
use crate::text::words as numbers;
use crate::view::later::later;
use crate::words::keys as words;

/// What opens the list of keys.
pub(super) const OPEN_KEYS: &str = "[data-testid=open-keys]";
/// What opens everything by name.
pub(super) const OPEN_PALETTE: &str = "[data-testid=open-palette]";

later! {
    /// Both dialogs.
    rest: fn overlays_later() { view! { <Overlays/> }.into_any() }
}

/// Both dialogs.
#[component]
pub fn Overlays() -> impl IntoView {
    view! { <Keys/><Palette/> }
}

#[component]
fn Keys() -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    let open = move |_| dialog.get_untracked().into_iter().for_each(|dialog| drop(dialog.show_modal()));
    let rows: [(&str, &str); 17] = [
        ("a", words::allow()),
        ("d", words::deny()),
        ("D", words::deny_because()),
        ("e", words::edit()),
        ("n", words::next()),
        ("g i", words::inbox()),
        ("g s", words::sessions()),
        ("c", words::new_session()),
        ("i", words::composer()),
        ("j k", words::turns()),
        ("o", words::fold()),
        (".", words::latest()),
        ("/", words::search()),
        ("Esc", words::out()),
        ("Esc Esc", words::stop()),
        ("Ctrl K", words::by_name()),
        ("?", words::title()),
    ];
    let rows = rows.map(|(key, does)| {
        let keys = key.split(' ').map(|key| view! { <kbd>{key}</kbd>" " }).collect_view();
        view! { <div class="key"><dt>{keys}</dt><dd>{does}</dd></div> }
    });
    view! {
        <button hidden data-testid="open-keys" on:click=open>{words::title()}</button>
        <dialog class="keys" data-testid="keys" aria-labelledby="keys-title" node_ref=dialog>
            <form method="dialog">
                <h2 id="keys-title">{words::title()}</h2>
                <dl>{rows.into_iter().collect_view()}</dl>
                <button class="button">{words::close()}</button>
            </form>
        </dialog>
    }
}

/// Something that is reached by name.
#[derive(Clone, PartialEq)]
enum Entry {
    Go(Route, String),
    /// Press this.
    Press(&'static str, &'static str),
    Interrupt,
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Go(_, name) => name,
            Self::Press(_, name) => name,
            Self::Interrupt => words::stop(),
        }
    }

    fn act(self, app: App) {
        match self {
            Self::Go(route, _) => app.send(Command::Go(route)),
            // The dialog gives the focus back first.
            Self::Press(selector, _) => request_animation_frame(move || press(selector)),
            Self::Interrupt => app.send(Command::Interrupt),
        }
    }
}

fn press(selector: &str) {
    use wasm_bindgen::JsCast as _;
    let element = document().query_selector(selector).ok().flatten();
    if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = element.focus();
        if element.tag_name() == "BUTTON" {
            element.click();
        }
    }
}

fn entries(app: App) -> Vec<Entry> {
    let go = |route, name: &str| Entry::Go(route, name.to_owned());
    let mut all = vec![
        go(Route::Inbox, words::inbox()),
        go(Route::New, words::new_session()),
        go(Route::Home, words::sessions()),
    ];
    if app.route.with(|route| route.session().is_some()) {
        all.push(Entry::Press("[data-testid=composer-input]", words::composer()));
        all.push(Entry::Press("[data-testid=to-end]", words::latest()));
        all.push(Entry::Press("[data-testid=search-open]", words::search()));
        all.push(Entry::Interrupt);
    }
    all.push(go(Route::Settings, words::settings()));
    all.push(Entry::Press(OPEN_KEYS, words::title()));
    let there = |entry: &Entry| match entry {
        Entry::Press(selector, _) => document().query_selector(selector).ok().flatten().is_some(),
        Entry::Go(..) | Entry::Interrupt => true,
    };
    all.retain(there);
    let sessions = app.lists.sessions.get();
    all.extend(sessions.into_iter().map(|info| {
        let name = format!("{} · {}", info.title, numbers::short_path(&info.directory));
        Entry::Go(Route::Session(info.id), name)
    }));
    all
}

#[component]
fn Palette() -> impl IntoView {
    let app = App::here();
    let (dialog, input) = (NodeRef::<Dialog>::new(), NodeRef::<Input>::new());
    let (typed, active, opened) =
        (RwSignal::new(String::new()), RwSignal::new(0_usize), RwSignal::new(false));
    let fitting = Memo::new(move |_| {
        if !opened.get() {
            return Vec::new();
        }
        let all = entries(app);
        let found = typed.with(|typed| palette::fitting(all.iter().map(Entry::name), typed));
        found.into_iter().filter_map(|at| all.get(at).cloned()).collect::<Vec<Entry>>()
    });
    let write = move |text: String| {
        active.set(0);
        typed.set(text);
    };
    let open = move |_| {
        write(String::new());
        opened.set(true);
        dialog.get_untracked().into_iter().for_each(|dialog| drop(dialog.show_modal()));
        input.get_untracked().into_iter().for_each(|input| drop(input.focus()));
    };
    let choose = move |at: usize| {
        let entry = fitting.with_untracked(|all| all.get(at).cloned());
        dialog.get_untracked().into_iter().for_each(|dialog| dialog.close());
        entry.into_iter().for_each(|entry| entry.act(app));
    };
    let on_key = move |event: KeyboardEvent| {
        let count = fitting.with_untracked(Vec::len).max(1);
        match event.key().as_str() {
            "ArrowDown" => active.update(|at| *at = (*at + 1) % count),
            "ArrowUp" => active.update(|at| *at = (*at + count - 1) % count),
            "Enter" if !event.is_composing() => choose(active.get_untracked()),
            _ => return,
        }
        event.prevent_default();
    };
    let rows = move || {
        fitting.get().into_iter().enumerate().map(|(at, entry)| {
            let selected = move || (active.get() == at).to_string();
            view! {
                <li id=format!("entry-{at}") class="fit" role="option" data-testid="palette-entry" aria-selected=selected
                    on:click=move |_| choose(at)>{told(entry.name())}</li>
            }
        }).collect_view()
    };
    view! {
        <button hidden data-testid="open-palette" on:click=open>{words::by_name()}</button>
        <dialog class="palette" data-testid="palette" aria-label=words::by_name() node_ref=dialog on:close=move |_| opened.set(false)>
            <input class="field" data-testid="palette-input" node_ref=input role="combobox" aria-controls="entries" aria-expanded="true"
                aria-autocomplete="list" aria-activedescendant=move || format!("entry-{}", active.get()) autocomplete="off"
                aria-label=words::palette_hint() placeholder=words::palette_hint() prop:value=typed
                on:input:target=move |event| write(event.target().value()) on:keydown=on_key/>
            <ul id="entries" role="listbox" aria-label=words::by_name()>{rows}</ul>
            <p class="palette-none" hidden=move || !fitting.with(Vec::is_empty)>{words::nothing_fits()}</p>
        </dialog>
    }
}
