//! Prints a folded transcript: for a person, or as JSON lines. A recording is hostile text, so nothing of it reaches
//! a terminal that would move a cursor, change a colour or turn the reading direction.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Result, Write};

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::reveal::{code_point, is_hidden};
use portcullis_protocol::session::transcript::{
    Facts, Item, ItemBody, Prompt, Task, ToolCall, ToolInput as Input, Transcript, TurnEnd,
};
use portcullis_protocol::wire::kinds::tools::ToolInput;
use serde::Serialize;

/// Lines of a tool's output that are shown.
const OUTPUT_LINES_MAX: usize = 8;
/// Characters of one shown line of a tool's input or output.
const LINE_CHARS_MAX: usize = 160;
/// Deepest indentation of sub-agents, in levels.
const INDENT_LEVELS_MAX: usize = 8;

/// Prints the transcript for a person.
pub(super) fn text(transcript: &Transcript, out: &mut impl Write) -> Result<()> {
    let (mut levels, mut counts) = (HashMap::new(), Counts::default());
    for item in transcript.items() {
        let level = item.parent.as_deref().and_then(|parent| levels.get(parent)).map_or(0, |level| level + 1);
        if let ItemBody::Tool(call) = &item.body {
            levels.insert(call.tool_use_id.clone(), level);
        }
        counts.add(&item.body);
        let indent = "    ".repeat(level.min(INDENT_LEVELS_MAX));
        for line in lines(&item.body, counts.turns) {
            writeln!(out, "{indent}{}", harmless(&line))?;
        }
    }
    for waiting in transcript.queue() {
        for line in prompt(waiting) {
            writeln!(out, "queued {}", harmless(&line))?;
        }
    }
    for line in totals(transcript.facts(), &counts) {
        writeln!(out, "{}", harmless(&line))?;
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    turns: usize,
    prompts: usize,
    tools: usize,
}

impl Counts {
    fn add(&mut self, body: &ItemBody) {
        match body {
            ItemBody::TurnEnd(_) => self.turns += 1,
            ItemBody::Prompt(_) => self.prompts += 1,
            ItemBody::Tool(_) => self.tools += 1,
            ItemBody::Text { .. } | ItemBody::Thinking { .. } | ItemBody::Notice(_) => {}
        }
    }
}

fn lines(body: &ItemBody, turn: usize) -> Vec<String> {
    match body {
        ItemBody::Prompt(said) => prompt(said),
        ItemBody::Text { text, live, aborted } => {
            let mark = match (live, aborted) {
                (_, true) => " [cut]",
                (true, false) => " [unfinished]",
                (false, false) => "",
            };
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            match lines.last_mut() {
                Some(last) => last.push_str(mark),
                None => lines.push(mark.trim_start().to_owned()),
            }
            lines
        }
        ItemBody::Thinking { text, live } => {
            let mark = if *live { "thinking [unfinished]" } else { "thinking" };
            vec![if text.is_empty() { mark.to_owned() } else { format!("{mark}: {}", clip(text)) }]
        }
        ItemBody::Tool(call) => tool(call),
        ItemBody::Notice(notice) => {
            let said = notice.text.lines().enumerate();
            said.map(|(index, line)| {
                if index == 0 { format!("! {}: {line}", notice.level.as_str()) } else { format!("  {line}") }
            })
            .collect()
        }
        ItemBody::TurnEnd(end) => vec![turn_end(end, turn), String::new()],
    }
}

fn prompt(prompt: &Prompt) -> Vec<String> {
    let mut lines: Vec<_> = prompt.text.lines().map(|line| format!("  {line}")).collect();
    let first = lines.first().map_or("", |line| line.trim_start()).to_owned();
    let first = format!("> [{}] {first}", prompt.state.as_str());
    match lines.first_mut() {
        Some(line) => *line = first,
        None => lines.push(first),
    }
    if prompt.attachments > 0 {
        lines.push(format!("  ({} attached)", prompt.attachments));
    }
    lines
}

fn tool(call: &ToolCall) -> Vec<String> {
    let mut lines = vec![format!("* {} [{}] {}", call.name, call.state.as_str(), clip(&input(call)))];
    if let Some(task) = &call.task {
        lines.push(format!("  task {}", clip(&task_line(task))));
    }
    if let Some(output) = &call.output {
        let all = output.text.lines().count();
        let shown = output.text.lines().take(OUTPUT_LINES_MAX);
        lines.extend(shown.map(|line| format!("  | {}", clip(line))));
        if all > OUTPUT_LINES_MAX {
            lines.push(format!("  | ({} more lines)", all - OUTPUT_LINES_MAX));
        }
        if output.images > 0 {
            lines.push(format!("  | ({} images)", output.images));
        }
    }
    lines
}

fn task_line(task: &Task) -> String {
    let said = task.summary.as_deref().or(task.description.as_deref()).unwrap_or("");
    format!("{} [{}] {said}", task.id, task.state.as_str())
}

/// The part of an input that says what will happen; all of it for tools nobody knows.
fn input(call: &ToolCall) -> String {
    let raw = match &call.input {
        Input::Partial(text) => return format!("(unfinished) {text}"),
        Input::Whole(raw) => raw,
    };
    let typed = ToolInput::parse(&call.name, raw);
    match &typed {
        ToolInput::Bash(bash) => bash.command.clone(),
        ToolInput::Read(read) => read.file_path.clone(),
        ToolInput::Write(write) => write.file_path.clone(),
        ToolInput::Edit(edit) => edit.file_path.clone(),
        ToolInput::MultiEdit(edit) => edit.file_path.clone(),
        ToolInput::NotebookEdit(edit) => edit.notebook_path.clone(),
        ToolInput::Glob(glob) => glob.pattern.clone(),
        ToolInput::Grep(grep) => grep.pattern.clone(),
        ToolInput::WebFetch(fetch) => fetch.url.clone(),
        ToolInput::WebSearch(search) => search.query.clone(),
        ToolInput::Agent(agent) => agent.description.text().unwrap_or_default().to_owned(),
        ToolInput::ExitPlanMode(plan) => plan.plan.text().unwrap_or_default().to_owned(),
        ToolInput::AskUserQuestion(asked) => {
            let questions = asked.questions.iter().filter_map(|question| question.question.text());
            questions.collect::<Vec<_>>().join(" / ")
        }
        ToolInput::TodoWrite(list) => {
            let entries = list.todos.iter().map(|todo| {
                let state = todo.status.get().map_or("?", |status| status.as_str());
                format!("[{state}] {}", todo.content.text().unwrap_or(""))
            });
            entries.collect::<Vec<_>>().join(", ")
        }
        ToolInput::TaskCreate(_)
        | ToolInput::TaskUpdate(_)
        | ToolInput::TaskGet(_)
        | ToolInput::TaskList(_)
        | ToolInput::TaskOutput(_)
        | ToolInput::TaskStop(_)
        | ToolInput::EnterPlanMode(_)
        | ToolInput::Monitor(_)
        | ToolInput::CronCreate(_)
        | ToolInput::CronDelete(_)
        | ToolInput::CronList(_)
        | ToolInput::Workflow(_)
        | ToolInput::EnterWorktree(_)
        | ToolInput::ExitWorktree(_)
        | ToolInput::ReportFindings(_)
        | ToolInput::ScheduleWakeup(_)
        | ToolInput::SendMessage(_)
        | ToolInput::PushNotification(_)
        | ToolInput::ReadNotifications(_)
        | ToolInput::RemoteTrigger(_)
        | ToolInput::McpServer(_)
        | ToolInput::McpResource(_)
        | ToolInput::Mcp(_)
        | ToolInput::Open(_)
        | ToolInput::Other(_) => raw.as_str().to_owned(),
    }
}

fn turn_end(end: &TurnEnd, turn: usize) -> String {
    let time = end.duration_ms.map(|ms| format!(", {ms} ms")).unwrap_or_default();
    let origin = end.origin.as_deref().map(|origin| format!(", asked by {origin}")).unwrap_or_default();
    let error = end.error.as_deref().map(|error| format!(": {}", clip(error))).unwrap_or_default();
    format!("--- turn {turn} {}{time}{origin}{error}", end.outcome.as_str())
}

fn totals(facts: &Facts, counts: &Counts) -> Vec<String> {
    let mut lines = vec![format!(
        "{} turns, {} prompts, {} tool calls; {}",
        counts.turns,
        counts.prompts,
        counts.tools,
        facts.activity.as_str()
    )];
    let named =
        |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {}", clip(value)));
    let about = [
        named("title", &facts.title),
        named("model", &facts.model),
        named("mode", &facts.permission_mode),
        named("in", &facts.directory),
    ];
    lines.push(about.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let spent = [
        facts.total_cost_usd.map(|cost| format!("${cost:.4} in all")),
        facts.input_tokens.map(|tokens| format!("{tokens} tokens in (last turn)")),
        facts.output_tokens.map(|tokens| format!("{tokens} tokens out (last turn)")),
        facts.context_window.map(|tokens| format!("{tokens} tokens of context")),
    ];
    lines.push(spent.into_iter().flatten().collect::<Vec<_>>().join(", "));
    lines.extend(facts.todo.iter().map(|todo| format!("[{}] {}", todo.state.as_str(), todo.text)));
    lines.retain(|line| !line.is_empty());
    lines
}

/// One line of at most [`LINE_CHARS_MAX`] characters.
fn clip(text: &str) -> String {
    let line = text.trim_end().replace('\n', " ⏎ ");
    match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// The text with every character named that would be invisible, or that a terminal would obey.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let named = text.chars().map(|character| {
        if is_hidden(character) { format!("⟨{}⟩", code_point(character)) } else { character.to_string() }
    });
    Cow::Owned(named.collect())
}

/// One item as a program reads it; what its kind does not have is left out. Inputs and results stay the text they
/// were: nothing on the way may touch a number or an order.
#[derive(Default, Serialize)]
struct Folded<'a> {
    id: Option<u32>,
    seq: u64,
    parent: Option<&'a str>,
    kind: &'a str,
    #[serde(flatten)]
    words: BTreeMap<&'a str, Option<&'a str>>,
    #[serde(flatten)]
    flags: BTreeMap<&'a str, bool>,
    #[serde(flatten)]
    numbers: BTreeMap<&'a str, Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Output<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskState<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    text: &'a str,
    images: usize,
    result: Option<&'a RawJson>,
}

#[derive(Serialize)]
struct TaskState<'a> {
    id: &'a str,
    state: &'a str,
    background: bool,
    summary: Option<&'a str>,
}

/// Prints the items, one JSON object a line; prompts that no agent took up stand last, without an id.
pub(super) fn json(transcript: &Transcript, out: &mut impl Write) -> Result<()> {
    let queued = transcript.queue().iter().map(said);
    for item in transcript.items().map(folded).chain(queued) {
        writeln!(out, "{}", escaped(RawJson::from_value(&item).as_str()))?;
    }
    Ok(())
}

fn folded(item: &Item) -> Folded<'_> {
    let body = match &item.body {
        ItemBody::Prompt(prompt) => said(prompt),
        ItemBody::Text { text, live, aborted } => Folded {
            kind: "text",
            words: [("text", Some(text.as_str()))].into(),
            flags: [("live", *live), ("aborted", *aborted)].into(),
            ..Folded::default()
        },
        ItemBody::Thinking { text, live } => Folded {
            kind: "thinking",
            words: [("text", Some(text.as_str()))].into(),
            flags: [("live", *live)].into(),
            ..Folded::default()
        },
        ItemBody::Tool(call) => called(call),
        ItemBody::Notice(notice) => Folded {
            kind: "notice",
            words: [("level", Some(notice.level.as_str())), ("text", Some(&notice.text))].into(),
            ..Folded::default()
        },
        ItemBody::TurnEnd(end) => Folded {
            kind: "turn_end",
            words: [
                ("outcome", Some(end.outcome.as_str())),
                ("error", end.error.as_deref()),
                ("origin", end.origin.as_deref()),
            ]
            .into(),
            numbers: [("duration_ms", end.duration_ms)].into(),
            ..Folded::default()
        },
    };
    Folded { id: Some(item.id.0), seq: item.seq, parent: item.parent.as_deref(), ..body }
}

fn said(prompt: &Prompt) -> Folded<'_> {
    Folded {
        kind: "prompt",
        words: [
            ("uuid", Some(prompt.uuid.as_str())),
            ("state", Some(prompt.state.as_str())),
            ("text", Some(&prompt.text)),
        ]
        .into(),
        numbers: [("attachments", u64::try_from(prompt.attachments).ok())].into(),
        ..Folded::default()
    }
}

fn called(call: &ToolCall) -> Folded<'_> {
    let (partial, input) = match &call.input {
        Input::Partial(text) => (Some(text.as_str()), None),
        Input::Whole(raw) => (None, Some(raw)),
    };
    let mut words: BTreeMap<_, _> = [
        ("tool_use_id", Some(call.tool_use_id.as_str())),
        ("name", Some(&call.name)),
        ("state", Some(call.state.as_str())),
    ]
    .into();
    words.extend(partial.map(|text| ("partial_input", Some(text))));
    let output = call.output.as_ref().map(|output| Output {
        text: &output.text,
        images: output.images,
        result: output.result.as_ref(),
    });
    let task = call.task.as_deref().map(|task| TaskState {
        id: &task.id,
        state: task.state.as_str(),
        background: task.background,
        summary: task.summary.as_deref(),
    });
    Folded { kind: "tool", words, input, output, task, ..Folded::default() }
}

/// JSON that says the same with every hidden character escaped. Such characters stand in strings only.
pub(super) fn escaped(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, '\r' | '\n') {
            // Inside a string it would be an error, so this one stands between values.
            text.push(' ');
        } else if is_hidden(character) {
            let units = character
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>();
            text.push_str(&units);
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_it() {
        let hostile = "a\u{1b}[31mred\u{9b}2J\u{202e}x\u{200b}\r\u{7}b";
        assert_eq!(harmless(hostile), "a⟨U+001B⟩[31mred⟨U+009B⟩2J⟨U+202E⟩x⟨U+200B⟩⟨U+000D⟩⟨U+0007⟩b");
        assert!(matches!(harmless("plain\ttext, é and 😀"), Cow::Borrowed(_)));
    }

    #[test]
    fn escaped_json_says_the_same() {
        let text = serde_json::to_string("a\u{9b}\u{202e}\u{e0041}\u{7f}é").unwrap();
        let safe = escaped(&text);
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert_eq!(escaped("{\r\"a\":1}"), "{ \"a\":1}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), "a\u{9b}\u{202e}\u{e0041}\u{7f}é");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = clip(&"é".repeat(500));
        assert_eq!(line.chars().count(), LINE_CHARS_MAX + 1);
    }
}
