//! What a transcript is made of.

use crate::json::RawJson;
use crate::wire::agent::TaskUsage;
use crate::wire::prompt::Priority;

/// Identity of an item for as long as its transcript lives. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub u32);

/// One thing a transcript shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its identity.
    pub id: ItemId,
    /// The `seq` it was made at, 0 for a preview.
    pub seq: u64,
    /// When its line was written, by the agent's clock, in ms since the Unix epoch.
    pub at_ms: Option<u64>,
    /// How long it took, in ms: a thought, or a tool call with its result.
    pub took_ms: Option<u64>,
    /// The tool call of the sub-agent it belongs to.
    pub parent: Option<String>,
    /// What it is.
    pub body: ItemBody,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemBody {
    /// What a person said.
    Prompt(Prompt),
    /// What the agent said, as markdown.
    Text { text: String, live: bool, aborted: bool },
    /// What it thought; the text may be empty.
    Thinking { text: String, live: bool },
    /// What it did.
    Tool(ToolCall),
    /// Something around it.
    Notice(Notice),
    /// A turn ended.
    TurnEnd(TurnEnd),
}

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its idempotency key.
    pub uuid: String,
    /// Its text.
    pub text: String,
    /// Images and documents in it.
    pub attachments: usize,
    /// Its content blocks, where they are more than text.
    pub blocks: Option<RawJson>,
    /// When the agent should hear of it, if that was said.
    pub priority: Option<Priority>,
    /// Where it stands.
    pub state: PromptState,
}

/// Where a prompt stands, from the composer to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptState {
    /// In the outbox: not sent yet.
    Waiting,
    /// In the outbox: sent, no answer yet.
    Sent,
    /// In the log.
    Stored,
    /// With the agent, which works on something else.
    Delivered,
    /// Being worked on.
    Running,
    /// Its turn ended.
    Answered,
    /// Taken back, or its turn was interrupted.
    Cancelled,
    /// The bridge went down while handing it over: it may or may not have run.
    Unknown,
    /// The server refused it.
    Refused,
}

impl PromptState {
    /// The name used in the page and in tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Running => "running",
            Self::Answered => "answered",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

/// A tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id.
    pub tool_use_id: String,
    /// Name of the tool.
    pub name: String,
    /// Its input.
    pub input: ToolInput,
    /// Who put another input in the place of the agent's, if somebody did: `input` is what ran.
    pub edited_by: Option<String>,
    /// Where it stands.
    pub state: ToolState,
    /// What came of it.
    pub output: Option<ToolOutput>,
    /// The task that runs it, of sub-agents and commands that take a while.
    pub task: Option<Box<Task>>,
    /// How far it is. Made from volatile events alone, and gone once anything final is known.
    pub progress: Option<Box<Progress>>,
}

impl ToolCall {
    /// A call of `name` with `input` that has no result yet.
    #[must_use]
    pub fn new(tool_use_id: String, name: String, input: ToolInput) -> Self {
        let state = match input {
            ToolInput::Partial(_) => ToolState::Writing,
            ToolInput::Whole(_) => ToolState::Running,
        };
        Self { tool_use_id, name, input, edited_by: None, state, output: None, task: None, progress: None }
    }
}

/// The task behind a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its id; a sub-agent's requests carry it as `agent_id`.
    pub id: String,
    /// `local_bash`, `local_agent`, …
    pub kind: Option<String>,
    /// What it does, for a person.
    pub description: Option<String>,
    /// Where it stands.
    pub state: TaskState,
    /// Whether it runs on while the agent does something else.
    pub background: bool,
    /// What came of it, for a person.
    pub summary: Option<String>,
    /// What it took, once it ended.
    pub usage: Option<TaskUsage>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Not begun, or at it.
    Running,
    /// Held.
    Paused,
    /// Came to its end.
    Completed,
    /// Ended with an error.
    Failed,
    /// Was stopped.
    Stopped,
}

impl TaskState {
    /// The state of that name on the wire; unknown names are taken as running.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "killed" | "stopped" => Self::Stopped,
            "paused" => Self::Paused,
            _ => Self::Running,
        }
    }

    /// The name used in the page and in tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether nothing more is to come.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }
}

/// How far a running tool is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Running for so long, in s.
    pub elapsed_s: Option<u64>,
    /// What it is at, for a person.
    pub description: Option<String>,
    /// The tool a sub-agent used last.
    pub last_tool: Option<String>,
    /// What it took so far.
    pub usage: Option<TaskUsage>,
}

/// The input of a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolInput {
    /// Still being written: the fragments so far, joined. Not yet JSON.
    Partial(String),
    /// Whole.
    Whole(RawJson),
}

/// Where a tool call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolState {
    /// Its input is being written.
    Writing,
    /// It runs.
    Running,
    /// It waits for a person.
    Waiting,
    /// It ran.
    Done,
    /// It ran and failed.
    Failed,
    /// It was not allowed to run.
    Denied,
    /// It was stopped, or its process ended.
    Interrupted,
}

impl ToolState {
    /// The name used in the page and in tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether nothing more is to come.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Denied | Self::Interrupted)
    }
}

/// What came of a tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// The text the model was given.
    pub text: String,
    /// Images among it.
    pub images: usize,
    /// Its content blocks, where they are more than text.
    pub blocks: Option<RawJson>,
    /// The structured result, if the agent gave one.
    pub result: Option<RawJson>,
}

/// Something around the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: NoticeLevel,
    /// For a person.
    pub text: String,
}

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeLevel {
    /// Worth a grey line.
    Info,
    /// Unusual.
    Warning,
    /// Something failed.
    Error,
}

impl NoticeLevel {
    /// The name used in the page and in tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The end of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnEnd {
    /// How it ended.
    pub outcome: TurnOutcome,
    /// How long it took, in ms.
    pub duration_ms: Option<u64>,
    /// Tokens that went in, from anywhere.
    pub input_tokens: Option<u64>,
    /// Tokens that came out.
    pub output_tokens: Option<u64>,
    /// What it cost, in millionths of a US dollar, where the total before it is known.
    pub cost_micros: Option<u64>,
    /// What went wrong, for a person.
    pub error: Option<String>,
    /// What began the turn, when it was no prompt: `task-notification`, ….
    pub origin: Option<String>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnOutcome {
    /// By itself.
    Completed,
    /// Somebody stopped it.
    Interrupted,
    /// With an error or at a limit.
    Failed,
}

impl TurnOutcome {
    /// The name used in the page and in tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}
