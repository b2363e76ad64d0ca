//! Transcripts as text a person can review.

use std::collections::HashMap;
use std::fmt::Write as _;

use portcullis_protocol::RawJson;
use portcullis_protocol::session::transcript::{Item, ItemBody, ToolCall, ToolInput, Transcript};

/// Folds a run; `keep` says which volatile events arrive.
pub(crate) fn fold(events: &[RawJson], mut keep: impl FnMut(usize) -> bool) -> Transcript {
    let mut transcript = Transcript::new();
    let mut seq = 0;
    for (index, event) in events.iter().enumerate() {
        if event.header().is_ok_and(|header| header.is_durable()) {
            seq += 1;
            transcript.apply(seq, event);
        } else if keep(index) {
            transcript.apply_live(event);
        }
    }
    transcript
}

pub(crate) fn render(transcript: &Transcript) -> String {
    let mut out = String::new();
    let mut parents: HashMap<&str, usize> = HashMap::new();
    for item in transcript.items() {
        let depth = item.parent.as_deref().map_or(0, |call| parents.get(call).map_or(1, |depth| depth + 1));
        if let ItemBody::Tool(call) = &item.body {
            parents.insert(&call.tool_use_id, depth);
        }
        let _ = writeln!(out, "{}{}", "    ".repeat(depth), line(item));
    }
    for prompt in transcript.queue() {
        let _ = writeln!(out, "queued [{}] {}", prompt.state.as_str(), clip(&prompt.text));
    }
    let facts = transcript.facts();
    for todo in &facts.todo {
        let id = todo.id.as_deref().map(|id| format!(" #{id}")).unwrap_or_default();
        let _ = writeln!(out, "todo{id} [{}] {}", todo.state.as_str(), todo.text);
    }
    for task in &facts.tasks {
        let _ = writeln!(out, "task {} {}", task.id, task.description.as_deref().unwrap_or_default());
    }
    let _ = writeln!(
        out,
        "-- {}{} {:?} {:?} ${:.5}{}",
        facts.activity.as_str(),
        mark(facts.ended, " ended"),
        facts.model.as_deref().unwrap_or("?"),
        facts.permission_mode.as_deref().unwrap_or("?"),
        facts.total_cost_usd.unwrap_or_default(),
        facts.suggestion.as_deref().map(|text| format!(" suggests {text:?}")).unwrap_or_default(),
    );
    out
}

pub(crate) fn line(item: &Item) -> String {
    match &item.body {
        ItemBody::Prompt(prompt) => format!("> [{}] {}", prompt.state.as_str(), clip(&prompt.text)),
        ItemBody::Text { text, live, aborted } => {
            format!("text{}{} {}", mark(*live, "(live)"), mark(*aborted, "(aborted)"), clip(text))
        }
        ItemBody::Thinking { text, live } => format!("thinking{} {}", mark(*live, "(live)"), clip(text)),
        ItemBody::Tool(call) => tool(call),
        ItemBody::Notice(notice) => format!("! {} {}", notice.level.as_str(), clip(&notice.text)),
        ItemBody::TurnEnd(end) => {
            let origin = end.origin.as_deref().map(|origin| format!(" (by {origin})")).unwrap_or_default();
            format!("=== {}{origin} {}", end.outcome.as_str(), clip(end.error.as_deref().unwrap_or("")))
        }
    }
}

fn tool(call: &ToolCall) -> String {
    let input = match &call.input {
        ToolInput::Partial(text) => format!("(partial) {text}"),
        ToolInput::Whole(raw) => raw.as_str().to_owned(),
    };
    let output = call.output.as_ref().map(|output| {
        let images = if output.images == 0 { String::new() } else { format!(" +{} images", output.images) };
        let result = mark(output.result.is_some(), " +result");
        format!(" = {}{images}{result}", clip(&output.text))
    });
    let task = call.task.as_ref().map(|task| {
        let place = if task.background { "background" } else { "foreground" };
        let summary = task.summary.as_deref().map(|text| format!(": {}", clip(text))).unwrap_or_default();
        format!(" {{{place} task {}{summary}}}", task.state.as_str())
    });
    let progress = call.progress.as_ref().map(|progress| format!(" {progress:?}"));
    format!(
        "{} [{}] {}{}{}{}",
        call.name,
        call.state.as_str(),
        clip(&input),
        output.unwrap_or_default(),
        task.unwrap_or_default(),
        progress.unwrap_or_default()
    )
}

fn mark(set: bool, mark: &str) -> &str {
    if set { mark } else { "" }
}

fn clip(text: &str) -> String {
    let text = text.replace('\n', "⏎");
    if text.chars().count() > 100 {
        format!("{}…", text.chars().take(100).collect::<String>())
    } else {
        text
    }
}
