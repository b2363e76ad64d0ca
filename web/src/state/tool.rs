//! A tool call on one line: verb, object, and what came of it. Words for tools that are known, the name for the rest.

use portcullis_protocol::session::transcript::{ToolCall, ToolInput, ToolState};
use serde::Deserialize;
use serde_json::Value;

use super::exact::literal;
use crate::text::diff::{self, Hunk, Row};
use crate::text::words;

/// One call, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// "Ran", "Running", "Read".
    pub verb: String,
    /// What it was done to; drawn as code.
    pub object: String,
    /// What came of it, short.
    pub result: String,
    /// What it opens to.
    pub detail: Detail,
}

/// What a card opens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A command and its output.
    Command { command: String, output: String },
    /// A change of a file.
    Change(Vec<Row>),
    /// A list of things to do.
    Todo(Vec<Todo>),
    /// A plan, as markdown.
    Plan(String),
    /// Input and output as they are.
    Plain { input: String, output: String },
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Todo {
    pub content: String,
    #[serde(default)]
    pub status: String,
}

/// Longest object on one line, in characters.
const OBJECT_CHARS_MAX: usize = 120;

impl Card {
    /// Reads `call`.
    #[must_use]
    pub fn of(call: &ToolCall) -> Self {
        let input = match &call.input {
            ToolInput::Whole(raw) => raw.read::<Value>().unwrap_or(Value::Null),
            ToolInput::Partial(_) => Value::Null,
        };
        let output = call.output.as_ref().map_or("", |output| output.text.as_str());
        let detail = detail(call, &input, output);
        Self {
            verb: verb(&call.name, call.state),
            object: object(&call.name, &input),
            result: with_editor(call, result(call, &detail, output)),
            detail,
        }
    }
}

/// Who edited the input stands before everything else: the agent had asked for another one.
fn with_editor(call: &ToolCall, result: String) -> String {
    let Some(editor) = &call.edited_by else { return result };
    let edited =
        if editor.is_empty() { "edited".to_owned() } else { format!("edited by {}", literal(editor)) };
    if result.is_empty() { edited } else { format!("{edited} · {result}") }
}

fn verb(tool: &str, state: ToolState) -> String {
    let (doing, done) = match tool {
        "Bash" => ("Running", "Ran"),
        "Read" => ("Reading", "Read"),
        "Write" => ("Writing", "Wrote"),
        "Edit" | "MultiEdit" | "NotebookEdit" => ("Editing", "Edited"),
        "Glob" => ("Listing", "Listed"),
        "Grep" => ("Searching", "Searched"),
        "WebFetch" => ("Fetching", "Fetched"),
        "WebSearch" => ("Searching the web for", "Searched the web for"),
        "TodoWrite" => ("Planning", "To do"),
        "AskUserQuestion" => ("Asking", "Asked"),
        "ExitPlanMode" => ("Proposing a plan", "Proposed a plan"),
        "Agent" | "Task" => ("Sub-agent", "Sub-agent"),
        other => return mcp_name(other),
    };
    match state {
        ToolState::Done => done.into(),
        ToolState::Writing | ToolState::Running => doing.into(),
        ToolState::Waiting => format!("{} (waits for you)", want(tool)),
        ToolState::Failed => format!("{done}, failed:"),
        ToolState::Denied => format!("{} (denied)", want(tool)),
        ToolState::Interrupted => format!("{} (stopped)", want(tool)),
    }
}

fn want(tool: &str) -> &'static str {
    match tool {
        "Bash" => "Run",
        "Read" => "Read",
        "Write" => "Write",
        "Edit" | "MultiEdit" | "NotebookEdit" => "Edit",
        "Glob" => "List",
        "Grep" => "Search",
        "WebFetch" => "Fetch",
        "WebSearch" => "Search the web for",
        "AskUserQuestion" => "Question",
        "ExitPlanMode" => "Plan",
        "TodoWrite" => "To do",
        _ => "Sub-agent",
    }
}

/// `mcp__server__tool` as "server: tool".
fn mcp_name(tool: &str) -> String {
    match tool.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
        Some((server, tool)) => format!("{}: {}", literal(server), literal(tool)),
        None => literal(tool),
    }
}

fn object(tool: &str, input: &Value) -> String {
    let field = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = match tool {
        "Bash" => field("command"),
        "Read" | "Write" | "Edit" | "MultiEdit" => field("file_path"),
        "NotebookEdit" => field("notebook_path"),
        "Glob" | "Grep" => field("pattern"),
        "WebFetch" => field("url"),
        "WebSearch" => field("query"),
        "Agent" | "Task" => field("description"),
        "AskUserQuestion" => {
            input.pointer("/questions/0/question").and_then(Value::as_str).unwrap_or_default()
        }
        _ => "",
    };
    literal(&words::first_line(text, OBJECT_CHARS_MAX))
}

fn detail(call: &ToolCall, input: &Value, output: &str) -> Detail {
    let field = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match call.name.as_str() {
        "Bash" => Detail::Command { command: field("command"), output: output.to_owned() },
        "Edit" | "Write" | "MultiEdit" => match change(call, input) {
            rows if rows.is_empty() => plain(call, output),
            rows => Detail::Change(rows),
        },
        "TodoWrite" => match input.get("todos").cloned().map(serde_json::from_value::<Vec<Todo>>) {
            Some(Ok(todos)) => Detail::Todo(todos),
            Some(Err(_)) | None => plain(call, output),
        },
        "ExitPlanMode" if input.get("plan").is_some() => Detail::Plan(field("plan")),
        _ => plain(call, output),
    }
}

/// What the agent reports as changed, else what the input says is to be.
fn change(call: &ToolCall, input: &Value) -> Vec<Row> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reported {
        #[serde(default)]
        structured_patch: Vec<Hunk>,
    }
    let reported = call.output.as_ref().and_then(|output| output.result.as_ref()?.read::<Reported>().ok());
    if let Some(hunks) = reported.map(|reported| reported.structured_patch).filter(|hunks| !hunks.is_empty())
    {
        return diff::from_hunks(&hunks);
    }
    let field =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let edit = |edit: &Value| diff::between(&field(edit, "old_string"), &field(edit, "new_string"));
    match call.name.as_str() {
        "Write" => diff::between("", &field(input, "content")),
        "MultiEdit" => {
            let edits = input.get("edits").and_then(Value::as_array);
            edits.into_iter().flatten().flat_map(edit).collect()
        }
        _ => edit(input),
    }
}

fn plain(call: &ToolCall, output: &str) -> Detail {
    let input = match &call.input {
        ToolInput::Partial(text) => text.clone(),
        ToolInput::Whole(raw) => raw
            .read::<Value>()
            .ok()
            .and_then(|value| serde_json::to_string_pretty(&value).ok())
            .unwrap_or_default(),
    };
    Detail::Plain { input: if input == "{}" { String::new() } else { input }, output: output.to_owned() }
}

fn result(call: &ToolCall, detail: &Detail, output: &str) -> String {
    if matches!(call.state, ToolState::Failed | ToolState::Denied) {
        return literal(&words::first_line(output, OBJECT_CHARS_MAX));
    }
    match detail {
        Detail::Change(rows) => {
            let (added, removed) = diff::counts(rows);
            format!("+{added} \u{2212}{removed}")
        }
        Detail::Todo(todos) => {
            let done = todos.iter().filter(|todo| todo.status == "completed").count();
            format!("{done} of {}", todos.len())
        }
        Detail::Command { .. } | Detail::Plan(_) | Detail::Plain { .. } => {
            let lines = output.trim_end().lines().count();
            let counted =
                matches!(call.name.as_str(), "Read" | "Glob" | "Grep") && call.state == ToolState::Done;
            if counted { words::count(lines, "line", "lines") } else { String::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::RawJson;
    use portcullis_protocol::session::transcript::ToolOutput;

    fn call(name: &str, input: &str, state: ToolState, output: Option<(&str, Option<&str>)>) -> ToolCall {
        ToolCall {
            tool_use_id: "t".into(),
            name: name.into(),
            input: ToolInput::Whole(RawJson::parse(input).unwrap()),
            edited_by: None,
            state,
            output: output.map(|(text, result)| ToolOutput {
                text: text.into(),
                images: 0,
                blocks: None,
                result: result.map(|text| RawJson::parse(text).unwrap()),
            }),
            task: None,
            progress: None,
        }
    }

    fn line(call: &ToolCall) -> String {
        let card = Card::of(call);
        format!("{} {} {}", card.verb, card.object, card.result).trim_end().to_owned()
    }

    #[test]
    fn a_call_is_a_sentence() {
        let bash = |state| {
            call("Bash", r#"{"command":"cargo test\necho done"}"#, state, Some(("Exit code 1", None)))
        };
        assert_eq!(line(&bash(ToolState::Running)), "Running cargo test");
        assert_eq!(line(&bash(ToolState::Done)), "Ran cargo test");
        assert_eq!(line(&bash(ToolState::Failed)), "Ran, failed: cargo test Exit code 1");
        assert_eq!(line(&bash(ToolState::Waiting)), "Run (waits for you) cargo test");
        let read = call("Read", r#"{"file_path":"a.rs"}"#, ToolState::Done, Some(("1\tx\n2\ty\n", None)));
        assert_eq!(line(&read), "Read a.rs 2 lines");
        let mcp = call("mcp__linear__create", "{}", ToolState::Done, None);
        assert_eq!(line(&mcp), "linear: create");
    }

    #[test]
    fn an_edit_shows_the_reported_patch_before_the_requested_one() {
        let input = r#"{"file_path":"a","old_string":"x","new_string":"y"}"#;
        assert_eq!(line(&call("Edit", input, ToolState::Running, None)), "Editing a +1 \u{2212}1");
        let patch = r#"{"structuredPatch":[{"oldStart":1,"newStart":1,"lines":["-x","+y","+z"]}]}"#;
        assert_eq!(
            line(&call("Edit", input, ToolState::Done, Some(("ok", Some(patch))))),
            "Edited a +2 \u{2212}1"
        );
    }

    #[test]
    fn an_input_of_another_shape_is_shown_as_it_is() {
        let odd = Card::of(&call("TodoWrite", r#"{"todos":7}"#, ToolState::Done, None));
        assert!(matches!(odd.detail, Detail::Plain { .. }));
        let todo = call(
            "TodoWrite",
            r#"{"todos":[{"content":"a","status":"completed"},{"content":"b"}]}"#,
            ToolState::Done,
            None,
        );
        assert_eq!(Card::of(&todo).result, "1 of 2");
    }
}
