//! The tools: what each takes, what it could touch, and what it gives back. Asking for permission is not done
//! here; whoever runs a tool has the right to.

pub(crate) mod bash;
mod edit;
mod glob;
mod grep;
mod patch;
mod path;
mod plan;
mod question;
mod read;
pub(crate) mod schema;
mod search;
pub(crate) mod structured;
pub(crate) mod suggest;
mod todo;
mod write;

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

/// The tools by name, as `init` lists them.
pub(crate) const TOOL_NAMES: [&str; 10] = [
    "Agent",
    "AskUserQuestion",
    "Bash",
    "Edit",
    "ExitPlanMode",
    "Glob",
    "Grep",
    "Read",
    "TodoWrite",
    "Write",
];

/// Whether two names mean one tool: what a model calls `Agent` was called `Task` before, and still is by many hosts.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let modern = |name: &str| if name == "Task" { "Agent".to_owned() } else { name.to_owned() };
    modern(one) == modern(other)
}

/// Text a tool gives back is cut here, in characters: what fits a screenful of scrolling and a model's patience.
pub(crate) const OUTPUT_CHARS_MAX: usize = 30_000;

/// What a call could touch, for the permission policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only the agent's own bookkeeping.
    Nothing,
    /// A person has to answer; no mode answers for them.
    Person,
    Reads(PathBuf),
    Writes(PathBuf),
    Command(String),
    /// A tool this agent does not have.
    Unknown,
}

/// A call with its input understood.
#[derive(Debug)]
pub(crate) enum Tool {
    Agent(AgentInput),
    AskUserQuestion(question::Input),
    Bash(bash::Input),
    Edit(edit::Input),
    ExitPlanMode(plan::Input),
    Glob(glob::Input),
    Grep(grep::Input),
    Read(read::Input),
    TodoWrite(todo::Input),
    Write(write::Input),
    Unknown(String),
}

/// What a sub-agent is told.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AgentInput {
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) prompt: String,
    pub(crate) subagent_type: Option<String>,
}

/// What a finished call gives back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolOutcome {
    /// A string or an array of blocks, for the model.
    pub(crate) content: Value,
    pub(crate) is_error: Option<bool>,
    /// For people's eyes: the tool's structured output, or a string when it failed.
    pub(crate) structured: Value,
}

impl ToolOutcome {
    pub(crate) fn ok(content: impl Into<String>, structured: Value) -> Self {
        Self { content: Value::String(content.into()), is_error: None, structured }
    }

    /// The tool ran, or was not let run, and this is why it has no result.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            structured: Value::String(format!("Error: {text}")),
            content: Value::String(text),
            is_error: Some(true),
        }
    }

    /// The call itself made no sense.
    pub(crate) fn misused(text: &str) -> Self {
        let content = format!("<tool_use_error>{text}</tool_use_error>");
        Self { content: Value::String(content), ..Self::failed(text) }
    }
}

/// What the tools share: where they work and the todo list.
#[derive(Debug)]
pub(crate) struct Toolbox {
    pub(crate) cwd: PathBuf,
    todos: Mutex<Vec<Value>>,
}

impl Toolbox {
    pub(crate) fn new(cwd: PathBuf) -> Self {
        Self { cwd, todos: Mutex::new(Vec::new()) }
    }
}

impl Tool {
    /// Understands a call, or says what is wrong with it.
    pub(crate) fn parse(name: &str, input: &RawValue) -> Result<Self, String> {
        fn read<T: DeserializeOwned>(input: &RawValue) -> Result<T, String> {
            serde_json::from_str(input.get()).map_err(|error| format!("InputValidationError: {error}"))
        }
        Ok(match name {
            "Agent" | "Task" => Self::Agent(read(input)?),
            "AskUserQuestion" => Self::AskUserQuestion(read::<question::Input>(input)?.checked()?),
            "Bash" => Self::Bash(read::<bash::Input>(input)?.checked()?),
            "Edit" => Self::Edit(read(input)?),
            "ExitPlanMode" => Self::ExitPlanMode(read(input)?),
            "Glob" => Self::Glob(read(input)?),
            "Grep" => Self::Grep(read(input)?),
            "Read" => Self::Read(read(input)?),
            "TodoWrite" => Self::TodoWrite(read(input)?),
            "Write" => Self::Write(read(input)?),
            unknown => Self::Unknown(unknown.to_owned()),
        })
    }

    /// What the call could touch, with paths resolved through symbolic links.
    pub(crate) fn reach(&self, cwd: &Path) -> Result<Reach, String> {
        let reads = |path: Option<&str>| path::resolve(cwd, path.unwrap_or(".")).map(Reach::Reads);
        let writes = |path: &str| path::resolve(cwd, path).map(Reach::Writes);
        match self {
            Self::Agent(_) | Self::TodoWrite(_) => Ok(Reach::Nothing),
            Self::AskUserQuestion(_) | Self::ExitPlanMode(_) => Ok(Reach::Person),
            Self::Bash(input) => Ok(Reach::Command(input.command.clone())),
            Self::Edit(input) => writes(&input.file_path),
            Self::Write(input) => writes(&input.file_path),
            Self::Read(input) => reads(Some(&input.file_path)),
            Self::Glob(input) => reads(input.path.as_deref()),
            Self::Grep(input) => reads(input.path.as_deref()),
            Self::Unknown(_) => Ok(Reach::Unknown),
        }
    }

    /// One short line for people about this call.
    pub(crate) fn summary(&self, cwd: &Path) -> Option<String> {
        let relative = |path: &str| path::relative(cwd, path);
        match self {
            Self::Bash(input) => input.description.clone(),
            Self::Edit(input) => Some(relative(&input.file_path)),
            Self::Write(input) => Some(relative(&input.file_path)),
            Self::Read(input) => Some(relative(&input.file_path)),
            Self::Glob(input) => Some(input.pattern.clone()),
            Self::Grep(input) => Some(input.pattern.clone()),
            Self::Agent(input) => Some(input.description.clone()),
            Self::AskUserQuestion(_) | Self::ExitPlanMode(_) | Self::TodoWrite(_) | Self::Unknown(_) => None,
        }
    }

    /// Whether calls like this may wait and run side by side; what changes state runs alone.
    pub(crate) fn is_concurrent(&self) -> bool {
        match self {
            Self::Agent(_) | Self::AskUserQuestion(_) | Self::Glob(_) | Self::Grep(_) | Self::Read(_) => true,
            Self::Unknown(_) => true,
            Self::Bash(_) | Self::Edit(_) | Self::ExitPlanMode(_) | Self::TodoWrite(_) | Self::Write(_) => {
                false
            }
        }
    }

    /// Runs the call. Dropping the future stops a command with everything it started.
    /// `Agent` calls never get here: they need a model, not a tool.
    pub(crate) async fn run(self, toolbox: &Toolbox, original: &RawValue) -> ToolOutcome {
        let cwd = &toolbox.cwd;
        match self {
            Self::AskUserQuestion(input) => question::run(input),
            Self::Bash(input) => bash::run(&input, cwd).await,
            Self::Edit(input) => edit::run(&input, cwd).await,
            Self::ExitPlanMode(input) => plan::run(input, original),
            Self::Glob(input) => glob::run(input, cwd).await,
            Self::Grep(input) => grep::run(input, cwd).await,
            Self::Read(input) => read::run(&input, cwd).await,
            Self::TodoWrite(input) => todo::run(input, &toolbox.todos),
            Self::Write(input) => write::run(&input, cwd).await,
            Self::Unknown(name) => unavailable(&name),
            Self::Agent(_) => unavailable("Agent"),
        }
    }
}

fn unavailable(name: &str) -> ToolOutcome {
    ToolOutcome::misused(&format!("Error: No such tool available: {name}"))
}

/// Cuts text for the model and says how much is missing.
pub(crate) fn cut_output(text: &str, kind: &str) -> String {
    match text.char_indices().nth(OUTPUT_CHARS_MAX) {
        None => text.to_owned(),
        Some((at, _)) => {
            let missing = text[at..].chars().count();
            format!("{}\n… [{missing} more characters of {kind} cut]", &text[..at])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, input: &str) -> Result<Tool, String> {
        Tool::parse(name, &RawValue::from_string(input.to_owned()).unwrap())
    }

    #[test]
    fn says_what_is_wrong_with_an_input() {
        for (name, input) in [
            ("Bash", r#"{"command":5}"#),
            ("Bash", "{}"),
            ("Bash", r#"{"command":"sleep 1","run_in_background":true}"#),
            ("Edit", r#"{"file_path":"a"}"#),
            ("AskUserQuestion", r#"{"questions":[]}"#),
            ("Grep", r#"{"pattern":"a","multiline":true}"#),
        ] {
            assert!(parse(name, input).unwrap_err().starts_with("InputValidationError"), "{name} {input}");
        }
        assert!(matches!(parse("Odd", "[1]"), Ok(Tool::Unknown(name)) if name == "Odd"));
    }

    #[test]
    fn cuts_at_characters_not_bytes() {
        let text = "ü".repeat(OUTPUT_CHARS_MAX + 7);
        let cut = cut_output(&text, "output");
        assert!(cut.starts_with(&"ü".repeat(OUTPUT_CHARS_MAX)));
        assert!(cut.ends_with("[7 more characters of output cut]"), "{}", &cut[cut.len() - 60..]);
        assert_eq!(cut_output("short", "output"), "short");
    }
}
