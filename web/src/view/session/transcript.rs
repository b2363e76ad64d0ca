use leptos::html::Div;
use leptos::prelude::*;

use super::{ItemView, Scroll};
use crate::state::app::App;
use crate::state::session::ItemKey;
use crate::view::shell::watch_size;

/// What happened, newest at the end. Only a window of it is in the page.
#[component]
pub fn Transcript() -> impl IntoView {
    let session = App::here().session;
    let (log, column) = (NodeRef::<Div>::new(), NodeRef::<Div>::new());
    let scroll = Scroll::new(log, session);
    let shown = Memo::new(move |_| {
        let window = session.window.get();
        session.keys.with(|keys| keys[window.first(keys.len())..].to_vec())
    });
    let earlier = move || session.keys.with(|keys| session.window.get().first(keys.len()));
    let show_earlier =
        move |_| scroll.keeping_place(|| session.window.update(crate::state::window::Window::earlier));
    Effect::new(move |_| {
        if let (Some(column), Some(log)) = (column.get(), log.get()) {
            watch_size(&column, move || scroll.resized());
            watch_size(&log, move || scroll.resized());
        }
    });
    view! {
        <section class="log">
            <div class="transcript" data-testid="transcript" role="log" aria-live="off" aria-label="Transcript" tabindex="0"
                node_ref=log on:scroll=move |_| scroll.scrolled()>
                <div class="column" node_ref=column>
                    <button class="earlier" hidden=move || earlier() == 0 on:click=show_earlier>
                        "Show earlier (" {earlier} ")"
                    </button>
                    <For each=move || shown.get() key=|key: &ItemKey| *key children=|key| view! { <ItemView key_=key/> }/>
                    <Begin/>
                </div>
            </div>
            <Pill scroll/>
        </section>
    }
}

/// What a transcript without items says.
#[component]
fn Begin() -> impl IntoView {
    let session = App::here().session;
    let empty = move || session.keys.with(Vec::is_empty) && session.queue.with(Vec::is_empty);
    view! { <p class="begin" hidden=move || !empty()>"Nothing has been said yet."</p> }
}

/// How much came while the end was out of view, and the way there.
#[component]
fn Pill(scroll: Scroll) -> impl IntoView {
    let session = App::here().session;
    let seen = RwSignal::new(0_usize);
    Effect::new(move |_| {
        let len = session.keys.with(Vec::len);
        if session.following.get() {
            seen.set(len);
        }
    });
    let new = move || session.keys.with(Vec::len).saturating_sub(seen.get());
    let text = move || if new() > 0 { format!("↓ {} new", new()) } else { "↓ latest".to_owned() };
    view! {
        <button class="pill" data-testid="to-end" hidden=move || session.following.get() on:click=move |_| scroll.to_end()>
            {text}
        </button>
    }
}
