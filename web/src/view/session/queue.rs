use leptos::prelude::*;
use portcullis_protocol::session::transcript::PromptState;
use portcullis_protocol::wire::client::Presence;

use crate::state::app::App;
use crate::state::command::Command;
use crate::state::session::Queued;

/// Prompts that no agent has started, each with where it is.
#[component]
pub(crate) fn Queue() -> impl IntoView {
    let app = App::here();
    let queue = app.session.queue;
    view! {
        <ul class="queue" aria-label="Not started yet" hidden=move || queue.with(Vec::is_empty)>
            <For each=move || queue.get() key=|queued| (queued.prompt.uuid.clone(), queued.prompt.state.as_str()) children=|queued| {
                view! { <QueuedRow queued/> }
            }/>
        </ul>
    }
}

#[component]
fn QueuedRow(queued: Queued) -> impl IntoView {
    let app = App::here();
    let Queued { prompt, error } = queued;
    let (state, uuid) = (prompt.state, prompt.uuid);
    let where_it_is =
        move || error.clone().unwrap_or_else(|| words(state, app.session.worker.with(|worker| worker.state)));
    let text = prompt.text.clone();
    let command = match state {
        PromptState::Refused => Some(("Discard", Command::Discard(uuid))),
        PromptState::Delivered => Some(("Take back", Command::TakeBack(uuid))),
        PromptState::Waiting
        | PromptState::Sent
        | PromptState::Stored
        | PromptState::Running
        | PromptState::Answered
        | PromptState::Cancelled
        | PromptState::Unknown => None,
    };
    view! {
        <li class="queued" data-testid="queued" data-state=state.as_str()>
            <span class="queued-text">{text}</span>
            <span class="queued-state">{where_it_is}</span>
            {command.map(|(label, command)| {
                view! { <button class="link" on:click=move |_| app.send(command.clone())>{label}</button> }
            })}
        </li>
    }
}

fn words(state: PromptState, worker: Presence) -> String {
    match (state, worker) {
        (PromptState::Waiting, _) => "Kept here until the connection is back.",
        (PromptState::Sent, _) => "Sending.",
        (PromptState::Stored, Presence::Online) => "With the server, on its way to the agent.",
        (PromptState::Stored, Presence::Offline | Presence::Draining) => {
            "With the server, not delivered yet: the machine is offline."
        }
        (PromptState::Delivered, _) => "Next, after what runs now.",
        (PromptState::Refused, _) => "The server refused it.",
        (PromptState::Running | PromptState::Answered | PromptState::Cancelled | PromptState::Unknown, _) => {
            ""
        }
    }
    .to_owned()
}
