use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody, ToolCall, ToolState};

use super::{InsideView, detail_later};
use crate::state::app::App;
use crate::state::session::{ItemKey, SessionSignals};
use crate::state::tool::Card;
use crate::state::tool::detail::details;
use crate::state::tool::verbs::Kind;
use crate::view::session::passing;

/// One tool call.
#[component]
pub(crate) fn ToolView(item: ArcRwSignal<Item>, key_: ItemKey) -> impl IntoView {
    let session = App::here().session;
    let (line, opened, said_below, seq) = (item.clone(), item.clone(), item.clone(), item);
    let card = Memo::new(move |_| line.with(|item| call(item).map(|call| Card::of(call, item.took_ms))));
    let read = move |of: fn(&Card) -> &str| {
        card.with(|card| card.as_ref().map(|card| of(card).to_owned()).unwrap_or_default())
    };
    let inside = session.group(key_, false);
    let (steps, of_target) = (inside.clone(), inside);
    let chosen = RwSignal::new(None::<bool>);
    let wanted = passing(move || {
        let at = seq.with_untracked(|item| item.seq);
        session.target.with(|target| target.is_some_and(|(seq, _)| seq == at))
            || of_target.with(|keys| session.is_target(keys))
    });
    let open = Memo::new(move |_| {
        chosen
            .get()
            .unwrap_or_else(|| wanted.get() || card.with(|card| card.as_ref().is_some_and(|card| card.open)))
    });
    let toggle = move |_| {
        let next = !open.get_untracked();
        if next {
            // Whoever opens a card wants to read it, not the end.
            session.following.set(false);
        }
        chosen.set(Some(next));
    };
    // What went wrong stands in the first line only while the rest is folded.
    let said_below = {
        let item = said_below;
        Memo::new(move |_| {
            let failed = |call: &ToolCall| matches!(call.state, ToolState::Failed | ToolState::Denied);
            item.with(|item| call(item).is_some_and(failed))
        })
    };
    let object = passing(move || inside_of(session, read(|card| &card.object)));
    let agent = move || card.with(|card| card.as_ref().is_some_and(|card| card.kind == Kind::Agent));
    let steps = Memo::new(move |_| steps.with(Vec::len));
    let last = move || {
        let last = session.group(key_, false).with(|keys| keys.last().copied())?;
        session.item(last)?.with(|item| call(item).map(|call| Card::of(call, None)))
    };
    let last = move || {
        (!open.get() && agent()).then(last).flatten().map(|card| format!("{} {}", card.verb, card.object))
    };
    view! {
        <button class="line" aria-expanded=move || open.get().to_string() on:click=toggle>
            <i class="mark" aria-hidden="true"></i>
            <span class="line-verb">{move || read(|card| &card.verb)}</span>
            <code class="line-object" dir="ltr">{move || object.get()}</code>
            <span class="line-result" hidden=move || open.get() && said_below.get()>{move || read(|card| &card.result)}</span>
        </button>
        <p class="line-last" hidden=move || last().is_none()>{last}</p>
        {move || open.get().then(|| opened.with(|item| call(item).map(|call| detail_later::view_or_word(details(call)))))}
        <Show when=move || open.get() && steps.get() != 0><InsideView of=key_/></Show>
    }
}

fn call(item: &Item) -> Option<&ToolCall> {
    match &item.body {
        ItemBody::Tool(call) => Some(call),
        ItemBody::Prompt(_)
        | ItemBody::Text { .. }
        | ItemBody::Thinking { .. }
        | ItemBody::Notice(_)
        | ItemBody::TurnEnd(_) => None,
    }
}

/// Paths inside the session's directory are shown from there.
fn inside_of(session: SessionSignals, object: String) -> String {
    let directory = session.facts.with(|facts| facts.directory.clone());
    let directory =
        directory.or_else(|| session.worker.with(|worker| worker.worker_state.as_ref()?.directory.clone()));
    let short =
        directory.and_then(|directory| Some(object.strip_prefix(&directory)?.strip_prefix('/')?.to_owned()));
    short.unwrap_or(object)
}
