use leptos::html::Input;
use leptos::prelude::*;

use crate::state::app::App;
use crate::state::command::Command;
use crate::view::shell::focus;
use crate::words::session as words;

/// Between the last letter and the search, in ms.
const PAUSE_MS: u64 = 250;

/// Looks for words in all of the session, loaded or not.
#[component]
pub(crate) fn FindBar() -> impl IntoView {
    let app = App::here();
    let session = app.session;
    let open = RwSignal::new(false);
    let field = NodeRef::<Input>::new();
    let typed = StoredValue::new(None::<TimeoutHandle>);
    let later = move |event: web_sys::Event| {
        let text = event_target_value(&event);
        let search = move || app.send(Command::Find(text));
        typed.update_value(|timer| {
            timer.take().into_iter().for_each(|timer| timer.clear());
            *timer = set_timeout_with_handle(search, std::time::Duration::from_millis(PAUSE_MS)).ok();
        });
    };
    let step = move |forwards| app.send(Command::FindStep { forwards });
    let close = move || {
        open.set(false);
        app.send(Command::Find(String::new()));
        focus("[data-testid=transcript]");
    };
    let keys = move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        "Enter" => {
            event.prevent_default();
            step(!event.shift_key());
        }
        "Escape" => {
            event.stop_propagation();
            close();
        }
        _ => {}
    };
    // The browser's own search sees only the window that is in the page.
    let taken = window_event_listener(leptos::ev::keydown, move |event| {
        let wanted = (event.ctrl_key() || event.meta_key()) && !event.shift_key() && event.key() == "f";
        let again = open.get_untracked()
            && field.get_untracked().is_some_and(|field| {
                document().active_element().is_some_and(|active| active.is_same_node(Some(&field)))
            });
        // Pressed once more, it is the browser's.
        if wanted && !again && !event.default_prevented() {
            event.prevent_default();
            open.set(true);
        }
    });
    on_cleanup(move || taken.remove());
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            let _ = field.focus();
            field.select();
        }
    });
    let said = move || {
        session.find.with(|find| {
            let Some(find) = find else { return String::new() };
            let place = match (find.at, find.hits.len()) {
                (Some(at), all) => words::find_at(at + 1, all),
                (None, _) if find.is_over() => words::find_none().to_owned(),
                (None, _) => String::new(),
            };
            let going = match find {
                find if find.full => words::find_stopped().to_owned(),
                find if find.failed => words::find_failed().to_owned(),
                find if find.left > 0 => words::find_going(find.left),
                _ => String::new(),
            };
            [place, going].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
        })
    };
    let none = move || session.find.with(|find| find.as_ref().is_none_or(|find| find.hits.is_empty()));
    super::marks::mark_matches(session);
    view! {
        <button class="unseen-until" data-testid="search-open" hidden=move || open.get() on:click=move |_| open.set(true)>{words::find()}</button>
        <Show when=move || open.get()>
            <div class="find" role="search">
                <input class="field" data-testid="find" type="search" aria-label=words::find() placeholder=words::find_placeholder()
                    autocomplete="off" enterkeyhint="search" node_ref=field on:input=later on:keydown=keys/>
                <span class="find-said" data-testid="find-said" role="status">{said}</span>
                <button class="find-step" data-testid="find-before" aria-label=words::find_before() disabled=none on:click=move |_| step(false)>"↑"</button>
                <button class="find-step" data-testid="find-next" aria-label=words::find_next() disabled=none on:click=move |_| step(true)>"↓"</button>
                <button class="find-step" aria-label=words::find_close() on:click=move |_| close()>"✕"</button>
            </div>
        </Show>
    }
}
