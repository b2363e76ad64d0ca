//! What one run of the agent is told before it starts: where it works, in which permission mode, under which
//! session id, and how chatty its output is.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use crate::{
    charter::Charter,
    model::messages::Endpoint,
    permission::rule::Rule,
    world::{SystemWorld, World},
};

/// The model that answers when nothing else was asked for.
pub const DEFAULT_MODEL: &str = "scripted";

/// How much the agent may do without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermissionMode {
    /// Everything that changes something asks.
    Default,
    /// File edits inside the workspace run without asking.
    AcceptEdits,
    /// Everything that changes something asks, whatever rule was granted, until a plan was approved.
    Plan,
    /// What would ask is refused instead.
    DontAsk,
    /// Nothing asks, except questions to the person.
    BypassPermissions,
}

impl PermissionMode {
    /// Every mode, in the order in which they are listed to people.
    pub const ALL: [Self; 5] =
        [Self::AcceptEdits, Self::BypassPermissions, Self::Default, Self::DontAsk, Self::Plan];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
            Self::DontAsk => "dontAsk",
            Self::BypassPermissions => "bypassPermissions",
        }
    }
}

impl fmt::Display for PermissionMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A permission mode this agent does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of acceptEdits, bypassPermissions, default, dontAsk, plan")]
pub struct UnknownMode;

impl FromStr for PermissionMode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name).ok_or(UnknownMode)
    }
}

/// How fast the scripted model talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Pause before each small delta of spoken text.
    pub delta_ms: u64,
    /// Wait between a failed API call and its retry.
    pub retry_ms: u64,
}

impl Pace {
    /// Never waits, for tests.
    pub const INSTANT: Self = Self { delta_ms: 0, retry_ms: 0 };
}

impl Default for Pace {
    fn default() -> Self {
        Self { delta_ms: 15, retry_ms: 600 }
    }
}

/// A session to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// The one of this id; without it, the agent does not start.
    Session(String),
    /// The one that worked in this directory last, if any.
    Latest,
}

/// Everything one run of the agent needs to know.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The directory tools work in and may read without asking.
    pub cwd: PathBuf,
    /// The model's label, see [`DEFAULT_MODEL`].
    pub model: String,
    /// The mode the session starts in.
    pub permission_mode: PermissionMode,
    /// The session's id; a fresh UUID when absent.
    pub session_id: Option<String>,
    /// Whether prompts and matched answers are echoed on stdout.
    pub replay_user_messages: bool,
    /// Whether `stream_event` lines are written.
    pub include_partial_messages: bool,
    /// Whether a host may switch the session to [`PermissionMode::BypassPermissions`].
    pub bypass_allowed: bool,
    /// Directories that count as workspace beside `cwd`.
    pub additional_directories: Vec<PathBuf>,
    /// Where the model's API is; without it, only the scripted model answers.
    pub endpoint: Option<Endpoint>,
    /// Where conversations are kept; without it, none can be resumed.
    pub data_dir: Option<PathBuf>,
    /// Whether this one is to be kept, as far as there is a place for it.
    pub keeps_session: bool,
    /// The session to go on with.
    pub resume: Option<Resume>,
    /// Whether what is resumed goes on under a new id.
    pub fork_session: bool,
    /// Whether `session_state_changed` lines are written.
    pub tell_session_state: bool,
    pub(crate) allow_rules: Vec<Rule>,
    pub(crate) deny_rules: Vec<Rule>,
    pub(crate) charter: Charter,
    /// How fast the scripted model talks, and how long a failed request waits at first.
    pub pace: Pace,
    /// Where ids and times come from.
    pub world: Arc<dyn World>,
}

impl AgentOptions {
    /// Options of an agent that works in `cwd`, asks before it changes anything, and streams nothing extra.
    pub fn new(cwd: impl Into<PathBuf>) -> Self {
        Self {
            cwd: cwd.into(),
            model: DEFAULT_MODEL.to_owned(),
            permission_mode: PermissionMode::Default,
            session_id: None,
            replay_user_messages: false,
            include_partial_messages: false,
            bypass_allowed: false,
            additional_directories: Vec::new(),
            endpoint: None,
            data_dir: None,
            keeps_session: true,
            resume: None,
            fork_session: false,
            tell_session_state: false,
            allow_rules: Vec::new(),
            deny_rules: Vec::new(),
            charter: Charter::default(),
            pace: Pace::default(),
            world: Arc::new(SystemWorld),
        }
    }
}
