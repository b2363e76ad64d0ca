//! What a tool call opens to: a list of parts, each drawn in its own way. An input or a result of another shape than
//! expected is shown as it is: nothing an agent sends is left out because a card did not expect it.

use portcullis_protocol::json::JsonRef;
use portcullis_protocol::session::transcript::{ToolCall, ToolInput, ToolState};
use serde::Deserialize;

use super::pictures::{Picture, pictures};
use super::verbs::Kind;
use super::{input, output, result};
use crate::state::exact::literal;
use crate::text::diff::{self, Hunk, Row};
use crate::text::{pretty, words};
use crate::words::tool as said;

/// One part of what a card opens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What was run or asked for, as the machine reads it.
    Source(String),
    /// What a terminal printed, with its colours.
    Output(String),
    /// Lines of a file from this number on.
    Lines { first: u64, text: String },
    /// A change of a file.
    Change(Vec<Row>),
    /// A list of things to do.
    Todo(Vec<Todo>),
    /// Markdown.
    Prose(String),
    /// Questions, each with its answer.
    Answers(Vec<(String, String)>),
    /// Pages that were found: title and address.
    Links(Vec<(String, String)>),
    /// Names with values.
    Fields(Vec<(String, String)>),
    /// Something about it, in our words.
    Remark(String),
    /// A heading over the next part, in our words.
    Label(&'static str),
    /// An image.
    Picture(Picture),
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    pub content: String,
    pub status: String,
}

/// Links of one search.
const LINKS_MAX: usize = 50;
/// Fields of an unknown tool that are drawn one by one; with more, all is shown as it is.
const FIELDS_MAX: usize = 40;

/// What `call` opens to.
#[must_use]
pub fn details(call: &ToolCall) -> Vec<Detail> {
    let kind = Kind::of(&call.name);
    if let ToolInput::Partial(text) = &call.input {
        return parts([Some(Detail::Source(text.clone()))]);
    }
    let failed = matches!(call.state, ToolState::Failed | ToolState::Denied);
    let mut details = match kind {
        Kind::Bash => bash(call),
        Kind::Read if !failed => read(call),
        Kind::Edit | Kind::Write => edited(call),
        Kind::Todo => match todos(call) {
            todos if todos.is_empty() => generic(call),
            todos => vec![Detail::Todo(todos)],
        },
        Kind::Plan => plan(call),
        Kind::Ask => asked(call),
        Kind::Agent => agent(call),
        Kind::Fetch if !failed => fetched(call),
        Kind::Web if !failed => searched(call),
        Kind::Search | Kind::List | Kind::TaskNew | Kind::TaskChange | Kind::TaskList => looked(call),
        Kind::Read
        | Kind::Fetch
        | Kind::Web
        | Kind::FindTools
        | Kind::EnterPlan
        | Kind::Skill
        | Kind::Output
        | Kind::Stop
        | Kind::Other => generic(call),
    };
    let blocks = call.output.as_ref().and_then(|output| output.blocks.as_ref());
    if let Some(blocks) = blocks {
        details.extend(pictures(blocks.look()).into_iter().map(Detail::Picture));
        details.extend(beside(blocks.look()));
    }
    details
}

fn parts(parts: impl IntoIterator<Item = Option<Detail>>) -> Vec<Detail> {
    let says = |detail: &Detail| match detail {
        Detail::Source(text) | Detail::Output(text) | Detail::Prose(text) | Detail::Lines { text, .. } => {
            !text.trim().is_empty()
        }
        Detail::Fields(fields) => !fields.is_empty(),
        Detail::Change(_)
        | Detail::Todo(_)
        | Detail::Answers(_)
        | Detail::Links(_)
        | Detail::Remark(_)
        | Detail::Label(_)
        | Detail::Picture(_) => true,
    };
    parts.into_iter().flatten().filter(says).collect()
}

fn text(value: JsonRef<'_>, name: &str) -> Option<String> {
    value.get(name).string().filter(|text| !text.is_empty())
}

/// An error without the tags it is wrapped in.
#[must_use]
pub fn unwrapped(text: &str) -> &str {
    let trimmed = text.trim();
    trimmed
        .strip_prefix("<tool_use_error>")
        .and_then(|text| text.strip_suffix("</tool_use_error>"))
        .map_or(text, str::trim)
}

fn bash(call: &ToolCall) -> Vec<Detail> {
    let (input, result) = (input(call), result(call));
    let command = text(input, "command").unwrap_or_default();
    let (described, long) = (text(input, "description"), command.contains('\n') || command.len() > 80);
    // Where the result was kept in a file, the text is a sentence about that and the result is the output.
    let kept = text(result, "persistedOutputPath");
    let printed = match &kept {
        Some(_) => [text(result, "stdout"), text(result, "stderr")].into_iter().flatten().collect(),
        None => unwrapped(output(call)).to_owned(),
    };
    let size = result.get("persistedOutputSize").whole().and_then(|size| usize::try_from(size).ok());
    let timed_out = result.get("timedOutAfterMs").whole().map(words::duration);
    let silent = call.state == ToolState::Done && printed.trim().is_empty();
    parts([
        described.map(|text| Detail::Remark(literal(&text))),
        long.then_some(Detail::Source(command)),
        Some(Detail::Output(printed)),
        silent.then(|| Detail::Remark(said::no_output().to_owned())),
        kept.map(|path| Detail::Remark(said::persisted(literal(&path), words::bytes(size.unwrap_or(0))))),
        text(result, "backgroundTaskId").map(|id| Detail::Remark(said::background_task(literal(&id)))),
        timed_out.map(|took| Detail::Remark(said::timed_out(took))),
    ])
}

fn read(call: &ToolCall) -> Vec<Detail> {
    let file = result(call).get("file");
    let Some(content) = file.get("content").string() else {
        let cells = file.get("cells").items().map(cell).collect::<Vec<_>>();
        let prose = if cells.is_empty() { numbered(output(call)) } else { cells };
        // An image's text says only that it is one.
        let drawn = call.output.as_ref().is_some_and(|output| output.images > 0);
        return if drawn { Vec::new() } else { prose };
    };
    let first = file.get("startLine").whole().unwrap_or(1);
    let cut = file.get("truncatedByTokenCap").is_true();
    parts([Some(Detail::Lines { first, text: content }), cut.then(|| Detail::Remark(said::cut().to_owned()))])
}

/// A cell of a notebook.
fn cell(cell: JsonRef<'_>) -> Detail {
    let source = cell.get("source").string().unwrap_or_default();
    match cell.get("cellType").text().as_deref() {
        Some("markdown") => Detail::Prose(source),
        _ => Detail::Source(source),
    }
}

/// A file as it is told to a model: numbers stand before the lines.
fn numbered(output: &str) -> Vec<Detail> {
    let line = |line: &str| {
        let (number, text) = line.split_once(['\t', '→'])?;
        Some((number.trim().parse::<u64>().ok()?, text.to_owned()))
    };
    let lines: Option<Vec<(u64, String)>> = output.lines().map(line).collect();
    match lines.as_deref() {
        Some(lines @ [(first, _), ..]) => {
            let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
            vec![Detail::Lines { first: *first, text: texts.join("\n") }]
        }
        _ => parts([Some(Detail::Output(output.to_owned()))]),
    }
}

fn edited(call: &ToolCall) -> Vec<Detail> {
    let rows = change(call);
    if rows.is_empty() {
        return generic(call);
    }
    let failed = matches!(call.state, ToolState::Failed | ToolState::Denied);
    let modified = result(call).get("userModified").is_true();
    parts([
        Some(Detail::Change(rows)),
        modified.then(|| Detail::Remark(said::user_modified().to_owned())),
        failed.then(|| Detail::Output(unwrapped(output(call)).to_owned())),
    ])
}

/// What the agent reports as changed, else what the input says is to be.
#[must_use]
pub fn change(call: &ToolCall) -> Vec<Row> {
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
    let input = input(call);
    let field = |value: JsonRef<'_>, name: &str| value.get(name).string().unwrap_or_default();
    let edit = |edit: JsonRef<'_>| diff::between(&field(edit, "old_string"), &field(edit, "new_string"));
    match call.name.as_str() {
        "Write" => diff::between("", &field(input, "content")),
        "MultiEdit" => input.get("edits").items().flat_map(edit).collect(),
        "NotebookEdit" => {
            let old = field(result(call), "old_source");
            diff::between(&old, &field(input, "new_source"))
        }
        _ => edit(input),
    }
}

/// The list a `TodoWrite` wrote.
#[must_use]
pub fn todos(call: &ToolCall) -> Vec<Todo> {
    let entry = |entry: JsonRef<'_>| {
        let content = entry.get("content").string()?;
        Some(Todo { content, status: entry.get("status").string().unwrap_or_default() })
    };
    input(call).get("todos").items().filter_map(entry).collect()
}

fn plan(call: &ToolCall) -> Vec<Detail> {
    let plan = text(result(call), "plan").or_else(|| text(input(call), "plan"));
    match plan {
        Some(plan) => vec![Detail::Prose(plan)],
        None => generic(call),
    }
}

fn asked(call: &ToolCall) -> Vec<Detail> {
    let given = result(call);
    let given = if given.get("answers").is_object() { given } else { input(call) }.get("answers");
    let answer = |question: &str| {
        let answer = given.get(question);
        let several = || answer.items().filter_map(|one| one.string()).collect::<Vec<_>>().join(", ");
        answer.string().unwrap_or_else(several)
    };
    let pairs: Vec<(String, String)> = input(call)
        .get("questions")
        .items()
        .filter_map(|one| one.get("question").string())
        .map(|question| (question.clone(), answer(&question)))
        .collect();
    if pairs.is_empty() { generic(call) } else { vec![Detail::Answers(pairs)] }
}

fn agent(call: &ToolCall) -> Vec<Detail> {
    let content = result(call).get("content");
    let answer: Vec<String> = content.items().filter_map(|block| text(block, "text")).collect();
    let answer = if answer.is_empty() { unwrapped(output(call)).to_owned() } else { answer.join("\n\n") };
    let answered = (!answer.trim().is_empty()).then_some(Detail::Label(said::answer()));
    let task = text(input(call), "prompt");
    parts([
        task.is_some().then_some(Detail::Label(said::prompt())),
        task.map(Detail::Prose),
        answered,
        Some(Detail::Prose(answer)),
    ])
}

fn fetched(call: &ToolCall) -> Vec<Detail> {
    let answer = text(result(call), "result").unwrap_or_else(|| output(call).to_owned());
    parts([
        text(input(call), "prompt").map(|asked| Detail::Remark(literal(&asked))),
        Some(Detail::Prose(answer)),
    ])
}

fn searched(call: &ToolCall) -> Vec<Detail> {
    let found = result(call).get("results");
    let link = |page: JsonRef<'_>| Some((text(page, "title")?, text(page, "url")?));
    let links: Vec<(String, String)> =
        found.items().flat_map(|one| one.get("content").items()).filter_map(link).take(LINKS_MAX).collect();
    if links.is_empty() {
        return parts([Some(Detail::Prose(output(call).to_owned()))]);
    }
    let words = found.items().filter_map(JsonRef::string).map(|text| Some(Detail::Prose(text)));
    parts(std::iter::once(Some(Detail::Links(links))).chain(words))
}

/// Where and how was looked, then what was found.
fn looked(call: &ToolCall) -> Vec<Detail> {
    let fields = fields(input(call)).unwrap_or_default();
    let more = fields.len() > 1;
    let names: Vec<String> = result(call).get("filenames").items().filter_map(JsonRef::string).collect();
    let content = text(result(call), "content");
    let found = match (content, names.is_empty()) {
        (Some(content), _) => content,
        (None, false) => names.join("\n"),
        (None, true) => unwrapped(output(call)).to_owned(),
    };
    parts([more.then_some(Detail::Fields(fields)), Some(Detail::Output(found))])
}

/// Any tool: what it was given, by name, and what it gave back.
fn generic(call: &ToolCall) -> Vec<Detail> {
    let given = match fields(input(call)) {
        Some(fields) => Some(Detail::Fields(fields)),
        None => Some(Detail::Source(pretty::json(input(call).as_str()))),
    };
    let structured = result(call).get("structuredContent");
    let printed = unwrapped(output(call)).to_owned();
    let json = matches!(printed.trim_start().as_bytes().first(), Some(b'{' | b'['));
    let printed = match json {
        true => Detail::Source(pretty::json(&printed)),
        false => Detail::Output(printed),
    };
    let shown = structured.is_object().then(|| pretty::json(structured.as_str()));
    parts([
        given,
        Some(printed),
        shown.is_some().then_some(Detail::Label(said::structured())),
        shown.map(Detail::Source),
    ])
}

/// The fields of an object, each on its own, unless it has too many to read.
fn fields(value: JsonRef<'_>) -> Option<Vec<(String, String)>> {
    if !value.is_object() {
        return value.is_none().then(Vec::new);
    }
    let mut fields = Vec::new();
    for (name, value) in value.entries() {
        let shown = value.string().unwrap_or_else(|| pretty::json(value.as_str()));
        fields.push((literal(&name), shown));
        if fields.len() > FIELDS_MAX {
            return None;
        }
    }
    Some(fields)
}

/// Blocks that are neither text nor images: links to resources, resources, and what nobody knows.
fn beside(blocks: JsonRef<'_>) -> Vec<Detail> {
    let mut details = Vec::new();
    for block in blocks.items() {
        let kind = block.get("type").text().unwrap_or_default();
        match kind.as_ref() {
            "text" | "image" => {}
            "resource_link" => {
                let uri = block.get("uri").string().unwrap_or_default();
                let name =
                    text(block, "title").or_else(|| text(block, "name")).unwrap_or_else(|| uri.clone());
                details.push(Detail::Links(vec![(name, uri)]));
            }
            "resource" => {
                let resource = block.get("resource");
                let uri = resource.get("uri").string().unwrap_or_default();
                details.push(Detail::Remark(literal(&uri)));
                details.extend(text(resource, "text").map(Detail::Output));
            }
            _ => details.push(Detail::Source(pretty::json(block.as_str()))),
        }
    }
    details
}
