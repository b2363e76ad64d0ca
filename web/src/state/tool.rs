//! A tool call on one line: verb, object, and what came of it. Words for tools that are known, the name for the rest.

pub mod detail;
pub mod pictures;
pub mod verbs;

use portcullis_protocol::json::JsonRef;
use portcullis_protocol::session::transcript::{ToolCall, ToolInput, ToolState};

use super::exact::literal;
use crate::text::{diff, words};
use crate::words::tool as said;
pub use detail::Detail;
use verbs::Kind;

/// One call on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub kind: Kind,
    /// "Ran", "Running", "Read".
    pub verb: String,
    /// What it was done to; drawn as code.
    pub object: String,
    /// What came of it, short.
    pub result: String,
    /// Whether it is open from the start.
    pub open: bool,
}

/// Longest object on one line, in characters.
const OBJECT_CHARS_MAX: usize = 120;
/// Details up to this many lines are open from the start.
const OPEN_LINES_MAX: usize = 12;
/// A call that took less is not worth the word, in ms.
const TOOK_MIN_MS: u64 = 1_000;

impl Card {
    /// Reads `call`, which took so long, if that is known.
    #[must_use]
    pub fn of(call: &ToolCall, took_ms: Option<u64>) -> Self {
        let kind = Kind::of(&call.name);
        let input = input(call);
        let outcome = outcome(kind, call);
        let took = took_ms.filter(|ms| *ms >= TOOK_MIN_MS && call.state.is_final()).map(words::duration);
        let result =
            [edited(call), Some(outcome), took].into_iter().flatten().filter(|part| !part.is_empty());
        Self {
            kind,
            verb: verbs::verb(&call.name, call.state),
            object: literal(&words::first_line(&object(kind, call, input), OBJECT_CHARS_MAX)),
            result: result.collect::<Vec<_>>().join(" · "),
            open: opens(kind, call),
        }
    }
}

/// The whole input, or nothing while it is being written.
fn input(call: &ToolCall) -> JsonRef<'_> {
    match &call.input {
        ToolInput::Whole(raw) => raw.look(),
        ToolInput::Partial(_) => JsonRef::ABSENT,
    }
}

/// The structured result, or nothing.
fn result(call: &ToolCall) -> JsonRef<'_> {
    call.output.as_ref().and_then(|output| output.result.as_ref()).map_or(JsonRef::ABSENT, |raw| raw.look())
}

fn output(call: &ToolCall) -> &str {
    call.output.as_ref().map_or("", |output| output.text.as_str())
}

/// Who edited the input stands before everything else: the agent had asked for another one.
fn edited(call: &ToolCall) -> Option<String> {
    let editor = call.edited_by.as_ref()?;
    Some(if editor.is_empty() { said::edited().to_owned() } else { said::edited_by(literal(editor)) })
}

fn object(kind: Kind, call: &ToolCall, input: JsonRef<'_>) -> String {
    let field = |name: &str| input.get(name).string().unwrap_or_default();
    let first = |names: &[&str]| names.iter().find_map(|name| input.get(name).string()).unwrap_or_default();
    match kind {
        Kind::Bash => field("command"),
        Kind::Read | Kind::Write | Kind::Edit => first(&["file_path", "notebook_path"]),
        Kind::List | Kind::Search => first(&["pattern", "path"]),
        Kind::FindTools | Kind::Web => field("query"),
        Kind::Fetch => field("url"),
        Kind::TaskNew => field("subject"),
        Kind::TaskChange => {
            let to = input.get("status").string().map(|status| format!(" → {status}")).unwrap_or_default();
            format!("#{}{to}", field("taskId"))
        }
        Kind::Ask => {
            let mut questions = input.get("questions").items();
            let question = questions.next().and_then(|one| one.get("question").string()).unwrap_or_default();
            match questions.count() {
                0 => question,
                rest => said::more(question, rest),
            }
        }
        Kind::Agent => {
            let kind =
                input.get("subagent_type").string().map(|kind| format!("{kind}: ")).unwrap_or_default();
            kind + &field("description")
        }
        Kind::Skill => first(&["skill", "command", "name"]),
        Kind::Output | Kind::Stop => first(&["task_id", "bash_id", "shell_id"]),
        Kind::Todo | Kind::TaskList | Kind::EnterPlan | Kind::Plan => String::new(),
        // The first thing an unknown tool was told is mostly what it is about.
        Kind::Other if call.name.starts_with("mcp__") => {
            input.entries().find_map(|(_, value)| value.string()).unwrap_or_default()
        }
        Kind::Other => String::new(),
    }
}

/// What came of it, short.
fn outcome(kind: Kind, call: &ToolCall) -> String {
    match call.state {
        ToolState::Failed | ToolState::Denied => return first_useful_line(output(call)),
        ToolState::Writing | ToolState::Running | ToolState::Waiting
            if kind != Kind::Edit && kind != Kind::Write =>
        {
            return progress(call);
        }
        ToolState::Interrupted => return String::new(),
        ToolState::Writing | ToolState::Running | ToolState::Waiting | ToolState::Done => {}
    }
    let (result, text) = (result(call), output(call));
    let number = |name: &str| result.get(name).whole();
    let count = |name: &str| number(name).and_then(|number| usize::try_from(number).ok());
    let lines = || said::lines(text.trim_end().lines().count());
    match kind {
        Kind::Bash => {
            let background = result.get("backgroundTaskId").text().is_some();
            let stopped = result.get("interrupted").is_true();
            let meant = result.get("returnCodeInterpretation").string();
            match (background, stopped) {
                (true, _) => said::in_background().to_owned(),
                (_, true) => said::interrupted().to_owned(),
                (false, false) => meant.map(|text| literal(&text)).unwrap_or_default(),
            }
        }
        Kind::Read => read(result).unwrap_or_else(lines),
        Kind::Edit | Kind::Write => match detail::change(call) {
            rows if rows.is_empty() => String::new(),
            rows => {
                let (added, removed) = diff::counts(&rows);
                format!("+{added} \u{2212}{removed}")
            }
        },
        Kind::List => count("numFiles").map_or_else(lines, said::files),
        Kind::Search => count("numMatches")
            .map(said::hits)
            .or_else(|| count("numLines").map(said::hits))
            .or_else(|| count("numFiles").map(said::files))
            .unwrap_or_else(lines),
        Kind::Fetch => {
            let code = number("code").map(|code| code.to_string());
            let bytes = count("bytes").map(words::bytes);
            [code, bytes].into_iter().flatten().collect::<Vec<_>>().join(" · ")
        }
        Kind::Web => {
            let found: usize =
                result.get("results").items().map(|one| one.get("content").items().count()).sum();
            if found > 0 { said::results(found) } else { String::new() }
        }
        Kind::Todo => {
            let todos = detail::todos(call);
            let done = todos.iter().filter(|todo| todo.status == "completed").count();
            if todos.is_empty() { String::new() } else { said::done_of(done, todos.len()) }
        }
        Kind::Agent => agent(call),
        Kind::FindTools
        | Kind::TaskNew
        | Kind::TaskChange
        | Kind::TaskList
        | Kind::Ask
        | Kind::EnterPlan
        | Kind::Plan
        | Kind::Skill
        | Kind::Output
        | Kind::Stop
        | Kind::Other => pictures_in(call),
    }
}

fn pictures_in(call: &ToolCall) -> String {
    match call.output.as_ref().map_or(0, |output| output.images) {
        0 => String::new(),
        count => said::images(count),
    }
}

fn read(result: JsonRef<'_>) -> Option<String> {
    let file = result.get("file");
    let size =
        || words::bytes(file.get("originalSize").whole().and_then(|size| size.try_into().ok()).unwrap_or(0));
    let lines = |name: &str| file.get(name).whole().and_then(|count| usize::try_from(count).ok());
    match result.get("type").text()?.as_ref() {
        "image" => Some(said::an_image(file.get("type").string().unwrap_or_default(), size())),
        "pdf" => Some(said::a_pdf(size())),
        "notebook" => Some(said::cells(file.get("cells").items().count())),
        _ => match (lines("numLines")?, lines("totalLines")) {
            (shown, Some(total)) if shown < total => Some(said::lines_of(shown, total)),
            (shown, _) => Some(said::lines(shown)),
        },
    }
}

/// How far a call is that runs.
fn progress(call: &ToolCall) -> String {
    let Some(progress) = &call.progress else { return String::new() };
    let step = progress.last_tool.as_deref().or(progress.description.as_deref());
    let elapsed = progress.elapsed_s.map(|s| words::duration(s.saturating_mul(1_000)));
    let used = progress.usage.as_ref().and_then(usage);
    let parts = [used, elapsed.map(said::runs_for), step.map(|step| said::last_step(literal(step)))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Steps and tokens of a sub-agent.
fn agent(call: &ToolCall) -> String {
    let result = result(call);
    let own = [
        result.get("totalToolUseCount").whole().and_then(|count| count.try_into().ok()).map(said::steps),
        result.get("totalTokens").whole().map(|count| said::tokens(words::short_number(count))),
    ];
    let told = own.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    if !told.is_empty() {
        return told;
    }
    let task = call.task.as_ref();
    if task.is_some_and(|task| task.background && !task.state.is_final()) {
        return said::goes_on().to_owned();
    }
    task.and_then(|task| task.usage.as_ref().and_then(usage)).unwrap_or_default()
}

fn usage(usage: &portcullis_protocol::wire::agent::TaskUsage) -> Option<String> {
    let steps = usage.tool_uses.and_then(|count| usize::try_from(count).ok()).map(said::steps);
    let tokens = usage.total_tokens.map(|count| said::tokens(words::short_number(count)));
    let told = [steps, tokens].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    (!told.is_empty()).then_some(told)
}

/// What says most in an error: not its wrapping, and not the exit code where more is said.
fn first_useful_line(text: &str) -> String {
    let text = detail::unwrapped(text);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let more = first.strip_prefix("Exit code ").and_then(|code| Some((code, lines.next()?)));
    let line = match more {
        Some((code, line)) => format!("{}: {line}", said::exit(code)),
        None => first.to_owned(),
    };
    literal(&words::first_line(&plain(&line), OBJECT_CHARS_MAX))
}

/// A line without the colours a terminal would draw it in.
fn plain(line: &str) -> String {
    crate::text::ansi::runs(line).into_iter().map(|run| run.text).collect()
}

/// Short things that are worth a look are open from the start.
fn opens(kind: Kind, call: &ToolCall) -> bool {
    let short = |text: &str| text.lines().take(OPEN_LINES_MAX + 1).count() <= OPEN_LINES_MAX;
    let done = call.state.is_final();
    match kind {
        Kind::Plan | Kind::Ask => true,
        Kind::Edit | Kind::Write => done && detail::change(call).len() <= OPEN_LINES_MAX,
        Kind::Bash => done && !output(call).trim().is_empty() && short(output(call)),
        Kind::Read
        | Kind::List
        | Kind::Search
        | Kind::FindTools
        | Kind::Fetch
        | Kind::Web
        | Kind::Todo
        | Kind::TaskNew
        | Kind::TaskChange
        | Kind::TaskList
        | Kind::EnterPlan
        | Kind::Agent
        | Kind::Skill
        | Kind::Output
        | Kind::Stop
        | Kind::Other => done && !pictures_in(call).is_empty(),
    }
}

#[cfg(test)]
mod tests;
