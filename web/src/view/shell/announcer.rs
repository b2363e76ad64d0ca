use leptos::prelude::*;
use portcullis_protocol::session::transcript::{ItemBody, TurnOutcome};

use crate::state::app::App;
use crate::words::page as words;

/// What is said to those who do not see: a new request at once, the end of a turn and notes politely. The transcript
/// itself is silent, or every delta would be read.
#[component]
pub(crate) fn Announcer() -> impl IntoView {
    let app = App::here();
    let asked = Memo::new(move |_| {
        let newest = app
            .session
            .asks
            .with(|asks| asks.iter().rfind(|entry| entry.waits()).map(|entry| entry.ask.what.whole()));
        newest.map(words::waiting_for_you)
    });
    let ended = Memo::new(move |_| {
        let item = app.session.item(app.session.newest()?)?;
        item.with(|item| match &item.body {
            ItemBody::TurnEnd(end) => Some(match end.outcome {
                TurnOutcome::Completed => words::turn_done(),
                TurnOutcome::Interrupted => words::turn_stopped(),
                TurnOutcome::Failed => words::turn_failed(),
            }),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::Notice(_) => None,
        })
    });
    let dismiss = move |_| app.note.set(None);
    view! {
        <div class="unseen" role="alert">{move || asked.get()}</div>
        <div class="unseen" role="status">{move || ended.get()}</div>
        <div class="note" role="status" hidden=move || app.note.with(Option::is_none)>
            <span>{move || app.note.get()}</span>
            <button class="note-close" aria-label=words::dismiss() on:click=dismiss>"✕"</button>
        </div>
    }
}
