use leptos::html::Div;
use leptos::prelude::*;
use portcullis_protocol::session::transcript::{ItemBody, TodoState};

use super::{FindBar, ItemView, Rail, RunView, Scroll, TurnBar};
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::rows::Row;
use crate::state::session::ItemKey;
use crate::state::voice::Voice;
use crate::view::shell::watch_size;
use crate::words::session as words;
use crate::words::tool;

/// What happened, newest at the end. Only a window of it is in the page.
#[component]
pub fn Transcript() -> impl IntoView {
    let app = App::here();
    let session = app.session;
    let (log, column, rows) = (NodeRef::<Div>::new(), NodeRef::<Div>::new(), NodeRef::<Div>::new());
    let scroll = Scroll::new(log, rows, session);
    let shown = Memo::new(move |_| {
        let window = session.window.get();
        session.rows.with(|rows| rows[window.range(rows.len())].to_vec())
    });
    // What is in the page moves by itself; what is not loaded is asked for.
    let above = move || session.rows.with(|rows| session.window.get().range(rows.len()).start);
    let below = move || session.rows.with(|rows| rows.len() - session.window.get().range(rows.len()).end);
    let some = move || session.rows.with(|rows| !rows.is_empty());
    let incomplete = move || !session.history.with(|history| history.complete) && some();
    let away = move || session.part.with(|part| part.away && !part.kept);
    let show_earlier = move || match above() {
        0 => app.send(Command::Earlier),
        _ => scroll.earlier(),
    };
    let show_later = move || match below() {
        0 => app.send(Command::Later),
        _ => scroll.later(),
    };
    let offer = move || match (above(), session.history.with(|history| history.loading)) {
        (0, true) => words::loading_earlier(),
        _ => words::show_earlier(),
    };
    let look_at_ends = move || {
        if scroll.is_near_top() && (above() > 0 || incomplete()) {
            show_earlier();
        } else if scroll.is_near_end() && (below() > 0 || away()) {
            show_later();
        }
    };
    let scrolled = move || {
        scroll.scrolled();
        look_at_ends();
    };
    Effect::new(move |_| {
        scroll.settled();
        untrack(look_at_ends);
    });
    Effect::new(move |_| {
        if session.following.get() {
            scroll.show_the_end();
        }
    });
    Effect::new(move |before: Option<u32>| {
        let folds = session.folds.get();
        if before.is_some_and(|before| before != folds) {
            scroll.keep_place();
        }
        folds
    });
    Effect::new(move |_| {
        if let Some((seq, _)) = session.target.get() {
            scroll.show(seq);
        }
    });
    Effect::new(move |_| {
        if let (Some(column), Some(log)) = (column.get(), log.get()) {
            watch_size(&column, move || scroll.resized());
            watch_size(&log, move || scroll.resized());
        }
    });
    view! {
        <section class="log" data-testid="log">
            <FindBar/>
            <TurnBar/>
            <div class="transcript" data-testid="transcript" role="log" aria-live="off" aria-label=words::transcript() tabindex="0"
                node_ref=log on:scroll=move |_| scrolled()>
                <div class="column" node_ref=column>
                    <KeptCopy/>
                    <button class="earlier" data-testid="earlier" hidden=move || above() == 0 && !incomplete()
                        on:click=move |_| show_earlier()>{offer}</button>
                    <div class="rows" node_ref=rows>
                        <For each=move || shown.get() key=row_key children=row_view/>
                    </div>
                    <button class="earlier" data-testid="later" hidden=move || below() == 0 && !away()
                        on:click=move |_| show_later()>{words::show_later()}</button>
                    <GapView/>
                    <TodoNow/>
                    <Begin/>
                </div>
            </div>
            <Rail/>
            <Pill scroll/>
            <Spoken/>
        </section>
    }
}

fn row_key(row: &Row<ItemKey>) -> (ItemKey, bool) {
    (row.key, row.run)
}

fn row_view(row: Row<ItemKey>) -> AnyView {
    if row.run {
        view! { <RunView first=row.key/> }.into_any()
    } else {
        view! { <ItemView key_=row.key/> }.into_any()
    }
}

/// Events that are missing behind what is drawn. Nothing is drawn across them.
#[component]
fn GapView() -> impl IntoView {
    let session = App::here().session;
    let missing = Memo::new(move |_| {
        session.gap.get().map(|gap| gap.before_seq.saturating_sub(gap.after_seq).saturating_sub(1))
    });
    let said =
        move || words::missing(usize::try_from(missing.get().unwrap_or_default()).unwrap_or(usize::MAX));
    view! {
        <Show when=move || missing.get().is_some()>
            <p class="gap" data-testid="gap" role="status">{said}</p>
        </Show>
    }
}

/// What is shown was kept on this device, and how old it is.
#[component]
fn KeptCopy() -> impl IntoView {
    let session = App::here().session;
    let kept = move || session.part.with(|part| part.kept);
    let when = move || session.kept_at_ms.get().map(super::clock::date).unwrap_or_default();
    view! {
        <Show when=kept>
            <p class="gap" data-testid="kept-copy" role="status">{move || words::kept_copy(when())}</p>
        </Show>
    }
}

/// What a transcript without items says.
#[component]
fn Begin() -> impl IntoView {
    let session = App::here().session;
    let empty = move || session.rows.with(Vec::is_empty) && session.queue.with(Vec::is_empty);
    let said = move || {
        if session.history.with(|history| history.loading) { words::loading() } else { words::nothing_yet() }
    };
    view! { <p class="begin" hidden=move || !empty()>{said}</p> }
}

/// The agent's list of what there is to do, as it is now: once, where the end is.
#[component]
fn TodoNow() -> impl IntoView {
    let session = App::here().session;
    let list = Memo::new(move |_| session.facts.with(|facts| facts.todo.clone()));
    let is_done = |state: TodoState| state == TodoState::Completed;
    let open = move || list.with(|list| list.iter().any(|todo| !is_done(todo.state)));
    let at_end = move || !session.part.with(|part| part.away);
    let count = move || {
        list.with(|list| words::todo_now(list.iter().filter(|todo| is_done(todo.state)).count(), list.len()))
    };
    let rows = move || {
        list.get()
            .into_iter()
            .map(|todo| {
                let (state, said) = match todo.state {
                    TodoState::Completed => ("completed", tool::status_done()),
                    TodoState::InProgress => ("in_progress", tool::status_doing()),
                    TodoState::Pending => ("", tool::status_open()),
                };
                let text = todo.active.filter(|_| todo.state == TodoState::InProgress).unwrap_or(todo.text);
                view! {
                    <li class="todo" data-state=state>
                        <i class="mark" aria-hidden="true"></i><span class="unseen">{said}</span><bdi>{text}</bdi>
                    </li>
                }
            })
            .collect_view()
    };
    view! {
        <Show when=move || open() && at_end()>
            <details class="todo-now" data-testid="todo-now" open=true>
                <summary>{words::todo()} " · " {count}</summary>
                <ul class="todos">{rows}</ul>
            </details>
        </Show>
    }
}

/// How much came while the end was out of view, and the way there.
#[component]
fn Pill(scroll: Scroll) -> impl IntoView {
    let app = App::here();
    let session = app.session;
    let seen = RwSignal::new(0_usize);
    Effect::new(move |before: Option<(usize, u32)>| {
        let (len, folds) = (session.rows.with(Vec::len), session.folds.get());
        if session.following.get() {
            seen.set(len);
        } else if let Some((len_before, _)) = before.filter(|(_, before)| *before != folds) {
            // What came in above is not new.
            seen.update(|seen| *seen = (*seen + len).saturating_sub(len_before));
        }
        (len, folds)
    });
    let new = move || match session.part.with(|part| part.away) {
        true => 0,
        false => session.rows.with(Vec::len).saturating_sub(seen.get()),
    };
    let text = move || if new() > 0 { words::new(new()) } else { words::latest().to_owned() };
    let go = move |_| {
        if session.part.with_untracked(|part| part.away) {
            session.following.set(true);
            app.send(Command::Latest);
        }
        scroll.to_end();
    };
    view! {
        <button class="pill" data-testid="to-end" hidden=move || session.following.get() on:click=go>{text}</button>
    }
}

/// Reads answers aloud, a paragraph at a time.
#[component]
fn Spoken() -> impl IntoView {
    let session = App::here().session;
    let voice = StoredValue::new(Voice::<ItemKey>::default());
    let spoken = RwSignal::new(String::new());
    Effect::new(move |_| {
        if !session.following.get() {
            return;
        }
        let Some(key) = session.newest() else { return };
        let Some(item) = session.item(key) else { return };
        let heard = item.with(|item| match &item.body {
            ItemBody::Text { text, live, .. } => {
                voice.try_update_value(|voice| voice.hear(key, text, *live)).flatten()
            }
            ItemBody::Prompt(_)
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => None,
        });
        if let Some(heard) = heard {
            spoken.set(heard);
        }
    });
    view! { <div class="unseen" data-testid="spoken" aria-live="polite">{spoken}</div> }
}
