use leptos::prelude::*;
use portcullis_protocol::session::transcript::{Item, ItemBody, TurnEnd, TurnOutcome};

use crate::text::words;
use crate::words::notices::notice;
use crate::words::session as said;

/// The end of a turn: a hairline, with what it took and what it cost.
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
    let outcome = match (end.outcome, took, &end.error) {
        (TurnOutcome::Completed, Some(took), _) => said::done_in(took),
        (TurnOutcome::Completed, None, _) => said::done().into(),
        (TurnOutcome::Interrupted, Some(took), _) => said::stopped_after(took),
        (TurnOutcome::Interrupted, None, _) => said::stopped().into(),
        (TurnOutcome::Failed, _, Some(error)) => said::failed_with(notice(error)),
        (TurnOutcome::Failed, _, None) => said::failed().into(),
    };
    let tokens = end.input_tokens.zip(end.output_tokens).filter(|(_, output)| *output > 0);
    let tokens = tokens
        .map(|(input, output)| said::tokens_in_out(words::short_number(input), words::short_number(output)));
    #[expect(clippy::cast_precision_loss, reason = "a sum for a person")]
    let cost = end.cost_micros.map(|micros| words::money(micros as f64 / 1e6));
    [Some(outcome), tokens, cost].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
