use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody, TurnEnd, TurnOutcome};

use crate::text::words;

/// The end of a turn: a hairline, with its duration.
#[component]
pub(crate) fn TurnView(item: ArcRwSignal<Item>) -> impl IntoView {
    let text = move || {
        item.with(|item| match &item.body {
            ItemBody::TurnEnd(end) => line(end),
            ItemBody::Prompt(_)
            | ItemBody::Text { .. }
            | ItemBody::Thinking { .. }
            | ItemBody::Tool(_)
            | ItemBody::Notice(_) => String::new(),
        })
    };
    view! { <p class="turn">{text}</p> }
}

fn line(end: &TurnEnd) -> String {
    let took = end.duration_ms.map(words::duration);
    match (end.outcome, took, &end.error) {
        (TurnOutcome::Completed, Some(took), _) => format!("Done in {took}"),
        (TurnOutcome::Completed, None, _) => "Done".into(),
        (TurnOutcome::Interrupted, Some(took), _) => format!("Stopped after {took}"),
        (TurnOutcome::Interrupted, None, _) => "Stopped".into(),
        (TurnOutcome::Failed, _, Some(error)) => format!("Failed: {error}"),
        (TurnOutcome::Failed, _, None) => "Failed".into(),
    }
}
