use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody, ToolState};

use super::detail_later;
use crate::state::app::App;
use crate::state::session::SessionSignals;
use crate::state::tool::{Card, Detail};

/// Details up to this many lines are open from the start.
const OPEN_LINES_MAX: usize = 12;

/// One tool call.
#[component]
pub(crate) fn ToolView(item: ArcRwSignal<Item>) -> impl IntoView {
    let session = App::here().session;
    let card = Memo::new(move |_| {
        item.with(|item| match &item.body {
            ItemBody::Tool(call) => Some((Card::of(call), call.state)),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Notice(_)
            | ItemBody::TurnEnd(_) => None,
        })
    });
    let read = move |of: fn(&Card) -> &str| {
        card.with(|card| card.as_ref().map(|(card, _)| of(card).to_owned()).unwrap_or_default())
    };
    let chosen = RwSignal::new(None::<bool>);
    let open = Memo::new(move |_| {
        chosen.get().unwrap_or_else(|| card.with(|card| card.as_ref().is_some_and(opens)))
    });
    // What went wrong stands in the first line only while the rest is folded.
    let said_below = move || {
        card.with(|card| {
            card.as_ref().is_some_and(|(_, state)| matches!(state, ToolState::Failed | ToolState::Denied))
        })
    };
    let toggle = move |_| {
        let next = !open.get_untracked();
        if next {
            // Whoever opens a card wants to read it, not the end.
            session.following.set(false);
        }
        chosen.set(Some(next));
    };
    view! {
        <button class="line" aria-expanded=move || if open.get() { "true" } else { "false" } on:click=toggle>
            <i class="mark" aria-hidden="true"></i>
            <span class="line-verb">{move || read(|card| &card.verb)}</span>
            <code class="line-object">{move || inside(session, read(|card| &card.object))}</code>
            <span class="line-result" hidden=move || open.get() && said_below()>{move || read(|card| &card.result)}</span>
        </button>
        {move || open.get().then(|| card.with(|card| card.as_ref().map(|(card, _)| detail_later::view_or_word(card.detail.clone()))))}
    }
}

/// Paths inside the session's directory are shown from there.
fn inside(session: SessionSignals, object: String) -> String {
    let directory = session.facts.with(|facts| facts.directory.clone());
    let directory =
        directory.or_else(|| session.worker.with(|worker| worker.worker_state.as_ref()?.directory.clone()));
    let short =
        directory.and_then(|directory| Some(object.strip_prefix(&directory)?.strip_prefix('/')?.to_owned()));
    short.unwrap_or(object)
}

fn opens((card, state): &(Card, ToolState)) -> bool {
    let short = |text: &str| text.lines().count() <= OPEN_LINES_MAX;
    match &card.detail {
        Detail::Todo(_) | Detail::Plan(_) => true,
        Detail::Change(rows) => rows.len() <= OPEN_LINES_MAX && state.is_final(),
        Detail::Command { output, .. } => state.is_final() && !output.trim().is_empty() && short(output),
        Detail::Plain { .. } => false,
    }
}
