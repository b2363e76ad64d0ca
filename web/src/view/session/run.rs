use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody, ToolState};

use super::ItemView;
use crate::state::app::App;
use crate::state::session::{ItemKey, SessionSignals};
use crate::state::tool::verbs::Kind;
use crate::words::tool as words;

/// Several looks at files in a row: one line, each of them on demand.
#[component]
pub(crate) fn RunView(first: ItemKey) -> impl IntoView {
    let session = App::here().session;
    let members = session.group(first, true);
    let (of_line, of_state, of_target, of_body) =
        (members.clone(), members.clone(), members.clone(), members);
    let seq = session.item(first).map_or(0, |item| item.with_untracked(|item| item.seq));
    let chosen = RwSignal::new(None::<bool>);
    let open = Memo::new(move |_| {
        let asked = chosen.get().unwrap_or(false);
        asked || of_target.with(|keys| session.is_target(keys))
    });
    let line = Memo::new(move |_| of_line.with(|keys| line(session, keys)));
    let state = Memo::new(move |_| of_state.with(|keys| state(session, keys)));
    let toggle = move |_| {
        if !open.get_untracked() {
            session.following.set(false);
        }
        chosen.set(Some(!open.get_untracked()));
    };
    view! {
        <div class="run item" data-testid="run" data-seq=seq.to_string() data-kind="tool" data-state=move || state.get().as_str()>
            <button class="line" aria-expanded=move || open.get().to_string() on:click=toggle>
                <i class="mark" aria-hidden="true"></i>
                <span class="line-verb">{line}</span>
            </button>
            <Show when=move || open.get()>
                <div class="inside">
                    <For each={let keys = of_body.clone(); move || keys.get()} key=|key| *key children=|key| view! { <ItemView key_=key/> }/>
                </div>
            </Show>
        </div>
    }
}

fn line(session: SessionSignals, keys: &[ItemKey]) -> String {
    let kind = |key: &ItemKey| tool(session, *key, |name, _| Kind::of(name));
    let reads = keys.iter().filter(|key| kind(key) == Some(Kind::Read)).count();
    match (reads, keys.len() - reads) {
        (reads, 0) => words::reads(reads),
        (0, searches) => words::searches_alone(searches),
        (reads, searches) => format!("{}, {}", words::reads(reads), words::searches(searches)),
    }
}

/// The state that matters most among them.
fn state(session: SessionSignals, keys: &[ItemKey]) -> ToolState {
    let states: Vec<ToolState> =
        keys.iter().filter_map(|key| tool(session, *key, |_, state| state)).collect();
    let order = [
        ToolState::Waiting,
        ToolState::Running,
        ToolState::Writing,
        ToolState::Failed,
        ToolState::Denied,
        ToolState::Interrupted,
    ];
    order.into_iter().find(|state| states.contains(state)).unwrap_or(ToolState::Done)
}

fn tool<T>(session: SessionSignals, key: ItemKey, read: impl Fn(&str, ToolState) -> T) -> Option<T> {
    session.item(key)?.with(|item: &Item| match &item.body {
        ItemBody::Tool(call) => Some(read(&call.name, call.state)),
        ItemBody::Prompt(_)
        | ItemBody::Text { .. }
        | ItemBody::Thinking { .. }
        | ItemBody::Notice(_)
        | ItemBody::TurnEnd(_) => None,
    })
}
