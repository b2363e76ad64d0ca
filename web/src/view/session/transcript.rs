use leptos::html::Div;
use leptos::prelude::*;

use super::{ItemView, Scroll};
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::session::ItemKey;
use crate::text::words;
use crate::view::shell::watch_size;

/// What happened, newest at the end. Only a window of it is in the page.
#[component]
pub fn Transcript() -> impl IntoView {
    let app = App::here();
    let session = app.session;
    let (log, column) = (NodeRef::<Div>::new(), NodeRef::<Div>::new());
    let scroll = Scroll::new(log, session);
    let shown = Memo::new(move |_| {
        let window = session.window.get();
        session.keys.with(|keys| keys[window.range(keys.len())].to_vec())
    });
    // What is in the page moves by itself; what is not loaded is asked for.
    let above = move || session.keys.with(|keys| session.window.get().range(keys.len()).start);
    let below = move || session.keys.with(|keys| keys.len() - session.window.get().range(keys.len()).end);
    let incomplete = move || {
        !session.history.with(|history| history.complete) && session.keys.with(|keys| !keys.is_empty())
    };
    let show_earlier = move || match above() {
        0 => app.send(Command::Earlier),
        _ => scroll.earlier(),
    };
    let offer = move || match (above(), session.history.with(|history| history.loading)) {
        (0, true) => "Loading earlier events".to_owned(),
        (0, false) => "Show earlier".to_owned(),
        (above, _) => format!("Show earlier ({above})"),
    };
    let scrolled = move || {
        scroll.scrolled();
        if scroll.is_near_top() && (above() > 0 || incomplete()) {
            show_earlier();
        } else if scroll.is_near_end() && below() > 0 {
            scroll.later();
        }
    };
    Effect::new(move |_| {
        if session.following.get() {
            scroll.show_the_end();
        }
    });
    Effect::new(move |before: Option<u32>| {
        let folds = session.folds.get();
        if before.is_some_and(|before| before != folds) {
            scroll.keep_from_end();
        }
        folds
    });
    Effect::new(move |_| {
        if let (Some(column), Some(log)) = (column.get(), log.get()) {
            watch_size(&column, move || scroll.resized());
            watch_size(&log, move || scroll.resized());
        }
    });
    view! {
        <section class="log">
            <div class="transcript" data-testid="transcript" role="log" aria-live="off" aria-label="Transcript" tabindex="0"
                node_ref=log on:scroll=move |_| scrolled()>
                <div class="column" node_ref=column>
                    <button class="earlier" data-testid="earlier" hidden=move || above() == 0 && !incomplete()
                        on:click=move |_| show_earlier()>{offer}</button>
                    <For each=move || shown.get() key=|key: &ItemKey| *key children=|key| view! { <ItemView key_=key/> }/>
                    <button class="earlier" data-testid="later" hidden=move || below() == 0
                        on:click=move |_| scroll.later()>{move || format!("Show later ({})", below())}</button>
                    <GapView/>
                    <Begin/>
                </div>
            </div>
            <Pill scroll/>
        </section>
    }
}

/// Events that are missing behind what is drawn. Nothing is drawn across them.
#[component]
fn GapView() -> impl IntoView {
    let session = App::here().session;
    let missing = Memo::new(move |_| {
        session.gap.get().map(|gap| gap.before_seq.saturating_sub(gap.after_seq).saturating_sub(1))
    });
    let said = move || {
        let count = missing.get().unwrap_or_default();
        words::gap(usize::try_from(count).unwrap_or(usize::MAX))
    };
    view! {
        <Show when=move || missing.get().is_some()>
            <p class="gap" data-testid="gap" role="status">{said}</p>
        </Show>
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
    Effect::new(move |before: Option<(usize, u32)>| {
        let (len, folds) = (session.keys.with(Vec::len), session.folds.get());
        if session.following.get() {
            seen.set(len);
        } else if let Some((len_before, _)) = before.filter(|(_, before)| *before != folds) {
            // What came in above is not new.
            seen.update(|seen| *seen = (*seen + len).saturating_sub(len_before));
        }
        (len, folds)
    });
    let new = move || session.keys.with(Vec::len).saturating_sub(seen.get());
    let text = move || if new() > 0 { format!("↓ {} new", new()) } else { "↓ latest".to_owned() };
    view! {
        <button class="pill" data-testid="to-end" hidden=move || session.following.get() on:click=move |_| scroll.to_end()>
            {text}
        </button>
    }
}
