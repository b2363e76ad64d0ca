use leptos::prelude::*;
use portcullis_protocol::id::SessionId;

use super::row::{OpenSession, announcement};
use super::{Answered, Asked, Board, Row, use_board};
use crate::state::app::App;
use crate::state::command::Command;
use crate::state::route::Route;
use crate::view::gate::Card;
use crate::view::later::later;
use crate::words::{gate, inbox as words};

later! {
    /// What waits over all sessions.
    gate: fn inbox_later() { view! { <Inbox/> }.into_any() }
}

/// The gate for all sessions at once. The focus goes nowhere by itself; after an answer the next request is offered.
#[component]
pub fn Inbox() -> impl IntoView {
    let app = App::here();
    let board = use_board(app);
    let count = Memo::new(move |_| board.waiting.with(Vec::len));
    let sessions = Memo::new(move |_| {
        board.waiting.with(|waiting| {
            let mut ids: Vec<&str> = waiting.iter().map(|asked| asked.key.session.as_str()).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.len()
        })
    });
    let said = move || match (count.get(), app.lists.loaded.get()) {
        (0, false) => words::listening().to_owned(),
        (0, true) if app.lists.sessions.with(|all| all.iter().any(|one| one.pending_count > 0)) => {
            words::listening().to_owned()
        }
        (0, true) => words::nothing_waits().to_owned(),
        (count, _) => format!("{} {}", words::requests_wait(count), words::in_sessions(sessions.get())),
    };
    let newest = Memo::new(move |_| {
        board.waiting.with(|waiting| {
            let newest = waiting.iter().max_by_key(|asked| asked.entry.ask.asked_at_ms);
            newest.map(|asked| announcement(&asked.entry.ask.what.whole()))
        })
    });
    let back = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        app.send(Command::Go(Route::Home));
    };
    view! {
        <main class="page inbox" data-testid="inbox">
            <div class="inbox-column">
                <header class="inbox-head">
                    <a class="head-back page-back" href="/" aria-label=words::all_sessions() on:click=back>"‹"</a>
                    <h1>{words::title()}</h1>
                    <p class="inbox-said" role="status">{said}</p>
                </header>
                <div class="unseen" role="alert">{newest}</div>
                {move || board.shown.get().map(|_| view! { <Offered board/> })}
                <Others board/>
            </div>
        </main>
    }
}

/// The request that is offered now, as the gate of its session shows it.
#[component]
fn Offered(board: Board) -> impl IntoView {
    let app = App::here();
    let now = move |board: Board| {
        board.waiting.with(|waiting| {
            let shown = board.shown.get();
            waiting.iter().position(|asked| Some(&asked.key) == shown.as_ref()).map(|at| (at, waiting.len()))
        })
    };
    let heading = move || match now(board) {
        Some((_, 1)) | None => gate::waits().to_owned(),
        Some((at, many)) => gate::waits_among(at + 1, many),
    };
    let several = move || board.waiting.with(|waiting| waiting.len() > 1);
    let later = move |_| {
        if let Some(key) = board.shown.get_untracked() {
            board.not_now(&key);
        }
    };
    // The digest is part of the identity: a request with other bytes is another card, which has to arm again.
    let identity = Memo::new(move |_| {
        let key = board.shown.get()?;
        board.waiting.with(|waiting| {
            let asked = waiting.iter().find(|asked| asked.key == key)?;
            Some((key.clone(), asked.entry.ask.digest.clone()))
        })
    });
    let card = move || {
        let (key, _) = identity.get()?;
        let asked: Asked =
            board.waiting.with_untracked(|waiting| waiting.iter().find(|asked| asked.key == key).cloned())?;
        let desk = asked.desk(app)?;
        Some(view! { <OpenSession id=asked.key.session.clone()/><Card desk ask=asked.entry.ask/> }.into_any())
    };
    view! {
        <section class="gate inbox-gate" data-testid="gate" role="region" aria-label=gate::waits() data-waits="yes" data-folded="no">
            <header class="strip">
                <h2 class="strip-title">{heading}</h2>
                <div class="strip-steps">
                    <button class="button" data-testid="inbox-later" hidden=move || !several() on:click=later>{words::not_now()}</button>
                    <button class="icon" data-testid="gate-next" aria-label=gate::next_request() hidden=move || !several()
                        on:click=move |_| board.next()>"›"</button>
                </div>
            </header>
            {card}
        </section>
    }
}

/// Everything else: what waits behind it, what was answered, and sessions that are not listened to.
#[component]
fn Others(board: Board) -> impl IntoView {
    let others = move || {
        let shown = board.shown.get();
        let mut others = board.waiting.get();
        others.retain(|asked| Some(&asked.key) != shown.as_ref());
        others
    };
    let key = |asked: &Asked| (asked.key.clone(), asked.entry.ask.digest.clone());
    let app = App::here();
    let pending =
        move |id: &SessionId| app.info(id).map_or(0, |info| usize::try_from(info.pending_count).unwrap_or(0));
    view! {
        <section class="inbox-list" aria-label=words::also_waiting() hidden=move || others().is_empty()>
            <h2>{words::also_waiting()}</h2>
            <ol>
                <For each=others key=key children=move |asked| {
                    let to = asked.key.clone();
                    let chosen = Callback::new(move |()| board.chosen.set(Some(to.clone())));
                    view! { <Row asked chosen/> }
                }/>
            </ol>
        </section>
        <section class="inbox-list" aria-label=words::answered_here() hidden=move || board.answered.with(Vec::is_empty)>
            <h2>{words::answered_here()}</h2>
            <ul><For each=move || board.answered.get() key=key children=|asked| view! { <Answered asked/> }/></ul>
        </section>
        <section class="inbox-list" aria-label=words::more_sessions() hidden=move || board.rest.with(Vec::is_empty)>
            <h2>{words::more_sessions()}</h2>
            <ul>
                <For each=move || board.rest.get() key=Clone::clone children=move |id| {
                    let waiting = words::sessions_wait(pending(&id));
                    view! { <li class="inbox-more"><OpenSession id/> <span class="inbox-where">{waiting}</span></li> }
                }/>
            </ul>
        </section>
    }
}
