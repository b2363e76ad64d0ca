//! What is known about a session beside its items. Newest wins everywhere: totals are running totals of the agent, and
//! are never added up here.

use super::{Change, Transcript};
use crate::limits::{TODO_ENTRIES_MAX, TODO_TEXT_BYTES_MAX};

/// Whether the agent is at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// Nothing runs.
    #[default]
    Idle,
    /// A turn, or a task in the background, runs.
    Running,
    /// Somebody has to decide before it goes on.
    Waiting,
}

impl Activity {
    /// The name used in the page and in tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Waiting => "waiting",
        }
    }
}

/// One entry of the agent's list of what it has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// Its id, of lists whose entries have one.
    pub id: Option<String>,
    /// What is to be done.
    pub text: String,
    /// The same while it is being done ("Writing the parser").
    pub active: Option<String>,
    /// Where it stands.
    pub state: TodoState,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TodoState {
    /// To be done.
    #[default]
    Pending,
    /// Being done.
    InProgress,
    /// Done.
    Completed,
}

impl TodoState {
    /// The state of that name on the wire; unknown names are taken as pending.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            _ => Self::Pending,
        }
    }

    /// The name used on the wire, in the page and in tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

/// A task that runs on while the agent does something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackgroundTask {
    /// Its id.
    pub id: String,
    /// `local_bash`, `local_agent`, …
    pub kind: Option<String>,
    /// What it does, for a person.
    pub description: Option<String>,
}

/// What is known about a session from its log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Model.
    pub model: Option<String>,
    /// Permission mode.
    pub permission_mode: Option<String>,
    /// Directory.
    pub directory: Option<String>,
    /// Title the agent chose.
    pub title: Option<String>,
    /// Running total in US dollars.
    pub total_cost_usd: Option<f64>,
    /// Tokens the last turn took in, from the main loop.
    pub input_tokens: Option<u64>,
    /// Tokens the last turn gave out.
    pub output_tokens: Option<u64>,
    /// Size of the model's context in tokens.
    pub context_window: Option<u64>,
    /// Whether the agent is at it.
    pub activity: Activity,
    /// Whether the conversation is being compacted.
    pub compacting: bool,
    /// Whether the agent said that it goes, and nothing came after that.
    pub ended: bool,
    /// The agent's own id of the conversation.
    pub conversation: Option<String>,
    /// What the agent proposes to ask next.
    pub suggestion: Option<String>,
    /// The agent's current list of what it has to do.
    pub todo: Vec<Todo>,
    /// Tasks that run in the background now.
    pub tasks: Vec<BackgroundTask>,
}

impl Todo {
    /// An entry, its texts cut at [`TODO_TEXT_BYTES_MAX`].
    pub(super) fn new(id: Option<&str>, text: &str, active: Option<&str>, state: TodoState) -> Self {
        Self { id: id.map(clip), text: clip(text), active: active.map(clip), state }
    }
}

impl Transcript {
    /// Lets `edit` change the facts; what is the same again is no change.
    pub(super) fn edit_facts(&mut self, edit: impl FnOnce(&mut Facts) -> bool) {
        if edit(&mut self.facts) && self.changes.last() != Some(&Change::Facts) {
            self.changes.push(Change::Facts);
        }
    }

    /// Replaces the list of what there is to do; entries above [`TODO_ENTRIES_MAX`] are left out.
    pub(super) fn set_todo(&mut self, mut todo: Vec<Todo>) {
        todo.truncate(TODO_ENTRIES_MAX);
        self.edit_facts(|facts| set(&mut facts.todo, todo));
    }
}

/// Puts `value` in `place`. Returns whether that made a difference.
pub(super) fn set<T: PartialEq>(place: &mut T, value: T) -> bool {
    let different = *place != value;
    if different {
        *place = value;
    }
    different
}

/// Puts a newer value in `place`, if there is one. Returns whether that made a difference.
pub(super) fn merge<T: PartialEq>(place: &mut Option<T>, newer: Option<T>) -> bool {
    newer.is_some() && set(place, newer)
}

/// The beginning of `text`, at most [`TODO_TEXT_BYTES_MAX`] bytes, cut between characters.
pub(super) fn clip(text: &str) -> String {
    let mut end = text.len().min(TODO_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
