//! What a tool call of the agent looks like on this wire: a tool's name and input that clients have a card for, and a
//! result. The agent's own input is never lost: where it names a field otherwise, or says more, it stands beside the
//! fields of the card.

use agent_client_protocol::v1::schema::{
    ContentBlock, Diff, EmbeddedResourceResource, ToolCallContent, ToolCallStatus, ToolKind,
};
use portcullis_protocol::approval::diff::{Row, Sign, between};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::outside::{Outside, TerminalSeen};

/// Bytes of a result's text; agents of this wire cut theirs at 30,000 characters, a diff of a whole file needs more.
const RESULT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of both sides of a diff that is worked out line by line.
const PATCH_BYTES_MAX: usize = 1024 * 1024;
/// Unchanged lines around a change.
const CONTEXT_LINES: usize = 3;

/// A tool's name and input.
pub(crate) fn card(call: &Call) -> (String, Value) {
    let (name, fields) = shape(call);
    (name, merged(call, fields))
}

fn shape(call: &Call) -> (String, Vec<(&'static str, Value)>) {
    let generic = |fallback: &str| (call.name.clone().unwrap_or_else(|| fallback.to_owned()), titled(call));
    let named = |name: &str, fields| (name.to_owned(), fields);
    if let Some(diff) = only_diff(call) {
        let path = json!(diff.path);
        return match &diff.old_text {
            None => named("Write", vec![("file_path", path), ("content", json!(diff.new_text))]),
            Some(old) => named(
                "Edit",
                vec![("file_path", path), ("old_string", json!(old)), ("new_string", json!(diff.new_text))],
            ),
        };
    }
    let path = || call.paths().into_iter().next();
    match call.kind {
        ToolKind::Execute => match command(call) {
            Some(command) => {
                let mut fields = vec![("command", json!(command))];
                if !call.title.is_empty() && call.title != command {
                    fields.push(("description", json!(call.title)));
                }
                named("Bash", fields)
            }
            None => generic("Execute"),
        },
        ToolKind::Read => match path() {
            Some(path) => named("Read", vec![("file_path", json!(path))]),
            None => generic("Read"),
        },
        ToolKind::Search => match call.input_text(&["pattern"]) {
            Some(pattern) => named("Grep", vec![("pattern", json!(pattern))]),
            None => generic("Search"),
        },
        ToolKind::Fetch => match call.input_text(&["url"]) {
            Some(url) => named("WebFetch", vec![("url", json!(url))]),
            None => generic("Fetch"),
        },
        ToolKind::Edit => generic("EditFiles"),
        ToolKind::Delete => generic("Delete"),
        ToolKind::Move => generic("Move"),
        ToolKind::Think => generic("Think"),
        ToolKind::SwitchMode => generic("SwitchMode"),
        ToolKind::Other => generic("Tool"),
        _ => generic("Tool"),
    }
}

fn titled(call: &Call) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("title", json!(call.title))];
    let diffs: Vec<Value> = diffs(call)
        .map(|diff| json!({"path": diff.path, "old_text": diff.old_text, "new_text": diff.new_text}))
        .collect();
    if !diffs.is_empty() {
        fields.push(("changes", json!(diffs)));
    }
    fields
}

/// The card's fields over the agent's input. Where both name a field otherwise, the agent's input stands apart.
fn merged(call: &Call, fields: Vec<(&'static str, Value)>) -> Value {
    let raw = call.raw_input.as_ref().filter(|raw| !raw.is_null());
    let agrees = |raw: &Map<String, Value>| {
        fields.iter().all(|(key, value)| raw.get(*key).is_none_or(|theirs| theirs == value))
    };
    let mut input = match raw {
        Some(Value::Object(raw)) if agrees(raw) => {
            let mut input = raw.clone();
            for (key, value) in fields {
                input.entry(key).or_insert(value);
            }
            input
        }
        other => {
            let mut input: Map<String, Value> =
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            if let Some(raw) = other {
                input.insert("raw_input".to_owned(), raw.clone());
            }
            input
        }
    };
    let places = call.locations.iter().filter(|place| place.line.is_some() || call.locations.len() > 1);
    let places: Vec<Value> = places.map(|place| json!({"path": place.path, "line": place.line})).collect();
    if !places.is_empty() && !input.contains_key("locations") {
        input.insert("locations".to_owned(), json!(places));
    }
    Value::Object(input)
}

/// What an agent that tells no input says about a call in words, for whoever has to decide about it.
pub(crate) fn details(call: &Call) -> Option<String> {
    let has_input = call.raw_input.as_ref().is_some_and(|raw| !raw.is_null());
    let texts = call.content.iter().filter_map(|content| {
        let ToolCallContent::Content(content) = content else { return None };
        Some(words(&content.content))
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    (!has_input && !text.is_empty()).then(|| cut(&text, RESULT_BYTES_MAX))
}

/// The command, where the agent says one: a text or words.
pub(crate) fn command(call: &Call) -> Option<String> {
    match call.raw_input.as_ref()?.get("command").or_else(|| call.raw_input.as_ref()?.get("cmd"))? {
        Value::String(command) => Some(command.clone()),
        Value::Array(words) => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            words.filter(|words| !words.is_empty()).map(|words| quoted(&words))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Words as one would type them: a word that a shell would take apart stands in quotes.
pub(crate) fn quoted(words: &[&str]) -> String {
    let quote = |word: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            (*word).to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// A result: its content, and beside it what the tool gave back.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) content: Value,
    pub(crate) result: Value,
    pub(crate) is_error: bool,
}

/// The result of a call that is over.
pub(crate) fn outcome(call: &Call, outside: &dyn Outside) -> Outcome {
    let is_error = call.status == ToolCallStatus::Failed || call.rejected;
    let (text, mut blocks, terminal) = told(call, outside);
    let shown = if text.is_empty() { raw_text(call.raw_output.as_ref()) } else { text };
    let shown = cut(&shown, RESULT_BYTES_MAX);
    let result =
        if is_error { json!(format!("Error: {shown}")) } else { result(call, &shown, terminal.as_ref()) };
    let content = if blocks.is_empty() {
        json!(shown)
    } else {
        blocks.insert(0, json!({"type": "text", "text": shown}));
        json!(blocks)
    };
    Outcome { content, result, is_error }
}

fn result(call: &Call, shown: &str, terminal: Option<&TerminalSeen>) -> Value {
    let mut result = match (only_diff(call), call.said.as_ref().map(|(name, _)| name.as_str())) {
        (Some(diff), Some("Write")) => json!({
            "type": "create", "filePath": diff.path, "content": diff.new_text, "structuredPatch": [],
            "originalFile": null,
        }),
        (Some(diff), _) => {
            let old = diff.old_text.as_deref().unwrap_or_default();
            json!({
                "filePath": diff.path, "oldString": old, "newString": diff.new_text, "originalFile": null,
                "structuredPatch": patch(old, &diff.new_text), "userModified": false, "replaceAll": false,
            })
        }
        (None, Some("Bash")) => json!({
            "stdout": shown, "stderr": "",
            "interrupted": terminal.is_some_and(|seen| seen.exit.as_ref().is_some_and(|exit| exit.signal.is_some())),
        }),
        (None, _) => json!({}),
    };
    if let (Some(fields), Some(raw)) = (result.as_object_mut(), call.raw_output.as_ref()) {
        fields.insert("raw_output".to_owned(), raw.clone());
    }
    result
}

/// What the call's content says: its text, what is no text, and its terminal.
fn told(call: &Call, outside: &dyn Outside) -> (String, Vec<Value>, Option<TerminalSeen>) {
    let (mut text, mut blocks, mut terminal) = (String::new(), Vec::new(), None);
    for content in &call.content {
        let said = match content {
            ToolCallContent::Content(content) => {
                if let ContentBlock::Image(image) = &content.content {
                    blocks.push(picture(&image.mime_type, &image.data));
                    continue;
                }
                words(&content.content)
            }
            ToolCallContent::Diff(diff) => format!("{} was changed.", diff.path.display()),
            ToolCallContent::Terminal(place) => {
                let seen = outside.terminal(&place.terminal_id.0).unwrap_or_default();
                let said = with_exit(&seen);
                terminal = Some(seen);
                said
            }
            _ => continue,
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&said);
    }
    (text, blocks, terminal)
}

fn with_exit(seen: &TerminalSeen) -> String {
    let code = seen.exit.as_ref().and_then(|exit| exit.code).filter(|code| *code != 0);
    let head = if seen.truncated { "[The beginning was left out.]\n" } else { "" };
    match code {
        Some(code) => format!("Exit code {code}\n{head}{}", seen.output),
        None => format!("{head}{}", seen.output),
    }
}

/// A content block in words, for where only text can stand.
pub(crate) fn words(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => format!("[An image, {}]", image.mime_type),
        ContentBlock::Audio(audio) => {
            format!("[A recording, {}, {} bytes]", audio.mime_type, audio.data.len())
        }
        ContentBlock::ResourceLink(link) => {
            format!("[{}] {}", link.title.as_deref().unwrap_or(&link.name), link.uri)
        }
        ContentBlock::Resource(resource) => match &resource.resource {
            EmbeddedResourceResource::TextResourceContents(text) => format!("{}\n{}", text.uri, text.text),
            EmbeddedResourceResource::BlobResourceContents(blob) => {
                format!("[{}, {} bytes]", blob.uri, blob.blob.len())
            }
            _ => "[A resource of an unknown kind]".to_owned(),
        },
        _ => "[Something of an unknown kind]".to_owned(),
    }
}

/// An image as this wire has it.
pub(crate) fn picture(media_type: &str, data: &str) -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
}

fn raw_text(raw: Option<&Value>) -> String {
    match raw {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(fields)) if fields.get("output").is_some_and(Value::is_string) => {
            fields.get("output").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Some(other) => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// `text`, or its beginning and how much is missing.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}\n[{} bytes were left out]", &text[..end], text.len() - end)
}

fn diffs(call: &Call) -> impl Iterator<Item = &Diff> {
    call.content.iter().filter_map(|content| {
        let ToolCallContent::Diff(diff) = content else { return None };
        Some(diff)
    })
}

/// The diff of a call that changes one place of one file.
fn only_diff(call: &Call) -> Option<&Diff> {
    let mut diffs = diffs(call);
    let first = diffs.next()?;
    diffs.next().is_none().then_some(first)
}

/// The hunks between two texts, as edits report them.
fn patch(old: &str, new: &str) -> Value {
    if old.len() + new.len() > PATCH_BYTES_MAX {
        return json!([]);
    }
    let rows = between(old, new);
    let mut hunks: Vec<Value> = Vec::new();
    let mut at = 0;
    while let Some(change) = next_change(&rows, at) {
        let start = change.saturating_sub(CONTEXT_LINES).max(at);
        let mut end = change + 1;
        while let Some(next) = next_change(&rows, end).filter(|next| *next <= end + 2 * CONTEXT_LINES) {
            end = next + 1;
        }
        let end = (end + CONTEXT_LINES).min(rows.len());
        hunks.push(hunk(&rows, start, end));
        at = end;
    }
    json!(hunks)
}

fn next_change(rows: &[Row], from: usize) -> Option<usize> {
    (from..rows.len()).find(|at| rows[*at].sign != Sign::Same)
}

fn hunk(rows: &[Row], start: usize, end: usize) -> Value {
    let count = |rows: &[Row], skip: Sign| rows.iter().filter(|row| row.sign != skip).count();
    let (before, within) = (&rows[..start], &rows[start..end]);
    let line = |row: &Row| {
        let sign = match row.sign {
            Sign::Same => ' ',
            Sign::Added => '+',
            Sign::Removed => '-',
        };
        format!("{sign}{}", row.text)
    };
    json!({
        "oldStart": count(before, Sign::Added) + 1, "oldLines": count(within, Sign::Added),
        "newStart": count(before, Sign::Removed) + 1, "newLines": count(within, Sign::Removed),
        "lines": within.iter().map(line).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: Value) -> Call {
        let mut call = Call::new("t1".into());
        call.begin(serde_json::from_value(text).unwrap());
        call
    }

    #[test]
    fn an_edit_with_a_diff_is_an_edit_and_keeps_the_agents_own_input() {
        let (name, input) = card(&call(json!({
            "toolCallId": "1", "title": "Edit a.rs", "kind": "edit", "rawInput": {"target": "a.rs"},
            "content": [{"type": "diff", "path": "/p/a.rs", "oldText": "a", "newText": "b"}],
            "locations": [{"path": "/p/a.rs", "line": 7}],
        })));
        assert_eq!(name, "Edit");
        assert_eq!(
            input,
            json!({"target": "a.rs", "file_path": "/p/a.rs", "old_string": "a", "new_string": "b",
                   "locations": [{"path": "/p/a.rs", "line": 7}]})
        );
    }

    #[test]
    fn what_the_agent_names_otherwise_stands_apart_and_is_not_painted_over() {
        let (name, input) = card(&call(json!({
            "toolCallId": "1", "title": "run", "kind": "execute", "rawInput": {"command": ["sh", "-c", "rm 'x y'"]},
        })));
        assert_eq!(name, "Bash");
        assert_eq!(
            input,
            json!({"command": r"sh -c 'rm '\''x y'\'''", "description": "run",
                   "raw_input": {"command": ["sh", "-c", "rm 'x y'"]}})
        );
    }

    #[test]
    fn a_title_is_never_taken_for_a_command() {
        let (name, input) = card(&call(
            json!({"toolCallId": "1", "title": "rm -rf /", "kind": "execute", "rawInput": {"x": 1}}),
        ));
        assert_eq!((name.as_str(), input), ("Execute", json!({"x": 1, "title": "rm -rf /"})));
    }

    #[test]
    fn several_changes_and_unknown_kinds_are_shown_whole() {
        let change = |path: &str| json!({"type": "diff", "path": path, "oldText": "a", "newText": "b"});
        let (name, input) = card(&call(json!({
            "toolCallId": "1", "title": "Patch", "kind": "edit", "content": [change("/a"), change("/b")],
        })));
        assert_eq!(name, "EditFiles");
        assert_eq!(input["changes"][1], json!({"path": "/b", "old_text": "a", "new_text": "b"}));
        let (name, _) =
            card(&call(json!({"toolCallId": "1", "title": "x", "kind": "teleport", "name": "mcp__a__b"})));
        assert_eq!(name, "mcp__a__b");
    }

    #[test]
    fn a_patch_has_the_lines_around_its_changes() {
        let old = (1..=30).map(|n| format!("{n}\n")).collect::<String>();
        let new = old.replace("10\n", "ten\n").replace("28\n", "");
        let patch = patch(&old, &new);
        assert_eq!(patch.as_array().unwrap().len(), 2);
        assert_eq!(
            patch[0],
            json!({"oldStart": 7, "oldLines": 7, "newStart": 7, "newLines": 7,
                   "lines": [" 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13"]})
        );
        assert_eq!(patch[1]["oldStart"], 25);
        assert_eq!(patch[1]["newLines"], 5);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        assert_eq!(cut("äöü", 3), "ä\n[4 bytes were left out]");
        assert_eq!(cut("abc", 3), "abc");
    }
}
