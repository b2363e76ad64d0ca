//! Ways through a session by one press: to the last answer, to the turn before and the next one, to what waits. They go
//! by the rows and not by what happens to be in the page, and the focus goes along, so that reading goes on there.

use leptos::prelude::*;
use portcullis_protocol::session::transcript::ItemBody;
use wasm_bindgen::JsCast as _;
use web_sys::HtmlElement;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::desk::AskEntry;
use crate::state::route::Route;
use crate::state::session::ItemKey;
use crate::view::shell::focus;
use crate::words::session as words;

const GATE: &str = "[data-testid=gate]";
const CARD: &str = "[data-testid=gate] .card";
const UNFOLD: &str = "[data-testid=gate][data-folded=yes] .strip-fold";

/// The ways, beside the title where there is room. Phones have them in the session's menu.
#[component]
pub(crate) fn Jumps() -> impl IntoView {
    let app = App::here();
    view! {
        <span class="jumps">
            <button class="jump" data-testid="last-answer" title="." hidden=move || !has_answer(app)
                on:click=move |_| last_answer(app)>{words::answer_last()}</button>
            <button class="jump" data-testid="next-request" title="n" hidden=move || !waits(app)
                on:click=move |_| next_request(app)>{words::request_next()}</button>
        </span>
    }
    .into_any()
}

/// Whether there is an answer to go to.
pub(crate) fn has_answer(app: App) -> bool {
    app.session.rows.with(|rows| !rows.is_empty())
}

/// Whether something waits for a person, here or in another session.
pub(crate) fn waits(app: App) -> bool {
    waits_here(app) || app.sessions().iter().any(|session| session.pending_count > 0)
}

fn waits_here(app: App) -> bool {
    app.session.asks.with(|asks| asks.iter().any(AskEntry::waits))
}

/// To the beginning of what the agent said last; while it is being said, or elsewhere is read, to the end.
pub(crate) fn last_answer(app: App) {
    let session = app.session;
    let answer = last(app, |body| matches!(body, ItemBody::Text { .. }));
    match answer.filter(|seq| *seq > 0 && !session.part.get_untracked().away) {
        Some(seq) => show(app, seq),
        None => {
            session.following.set(true);
            app.send(Command::Latest);
            focus_drawn("[data-testid=transcript]".to_owned());
        }
    }
}

/// To the request that is shown, or to the inbox where only other sessions ask.
pub(crate) fn next_request(app: App) {
    if !untrack(|| waits_here(app)) {
        if untrack(|| waits(app)) {
            app.send(Command::Go(Route::Inbox));
        }
        return;
    }
    click(UNFOLD);
    let inside =
        document().active_element().is_some_and(|active| active.closest(GATE).ok().flatten().is_some());
    if inside {
        click("[data-testid=gate-next]");
    }
    request_animation_frame(|| focus(CARD));
}

/// To the prompt that begins the next turn, or the one before. One stands where the focus is, or else where one reads.
pub(crate) fn turn(app: App, next: bool) {
    let session = app.session;
    let at = focused().unwrap_or_else(|| match session.following.get_untracked() {
        true => u64::MAX,
        false => session.view.get_untracked().0,
    });
    let prompts = session.rows.with_untracked(|rows| {
        let prompt = |key: ItemKey| is(app, key, |body| matches!(body, ItemBody::Prompt(_)));
        rows.iter().filter(|row| row.seq > 0 && prompt(row.key)).map(|row| row.seq).collect::<Vec<_>>()
    });
    let to = match next {
        true => prompts.iter().find(|seq| **seq > at),
        false => prompts.iter().rev().find(|seq| **seq < at),
    };
    match to {
        Some(seq) => show(app, *seq),
        // What is not loaded has turns too.
        None if next && session.part.get_untracked().away => app.send(Command::Later),
        None if !next && !session.history.get_untracked().complete => app.send(Command::Earlier),
        None => {}
    }
}

fn last(app: App, what: fn(&ItemBody) -> bool) -> Option<u64> {
    let rows = app.session.rows.get_untracked();
    let key = rows.iter().rev().map(|row| row.key).find(|key| is(app, *key, what))?;
    app.session.item(key).map(|item| item.with_untracked(|item| item.seq))
}

fn is(app: App, key: ItemKey, what: impl Fn(&ItemBody) -> bool) -> bool {
    app.session.item(key).is_some_and(|item| item.with_untracked(|item| what(&item.body)))
}

/// The event that has the focus, if one has.
fn focused() -> Option<u64> {
    let active = document().active_element()?;
    let item = active.closest("[data-testid=transcript] [data-seq]").ok().flatten()?;
    item.get_attribute("data-seq")?.parse().ok().filter(|seq| *seq > 0)
}

/// Brings that event into view, and the focus to it.
fn show(app: App, seq: u64) {
    app.send(Command::Visit(seq));
    focus_drawn(format!("[data-testid=item][data-seq=\"{seq}\"]"));
}

/// The focus goes there once it is drawn and in its place, so that the browser has nothing left to scroll.
fn focus_drawn(selector: String) {
    let then = move || {
        let Ok(Some(item)) = document().query_selector(&selector) else { return };
        if let Ok(item) = item.dyn_into::<HtmlElement>() {
            if !item.has_attribute("tabindex") {
                let _ = item.set_attribute("tabindex", "-1");
            }
            let _ = item.focus();
        }
    };
    request_animation_frame(|| request_animation_frame(|| request_animation_frame(then)));
}

fn click(selector: &str) {
    let found = document().query_selector(selector).ok().flatten();
    let found = found.and_then(|found| found.dyn_into::<HtmlElement>().ok());
    found.into_iter().for_each(|found| found.click());
}
