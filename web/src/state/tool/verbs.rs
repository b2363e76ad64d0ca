//! What a tool does, as a word: one for while it runs, one for when it ran, one for when it is only wanted.

use portcullis_protocol::session::transcript::ToolState;

use crate::state::exact::literal;
use crate::words::tool as words;

/// What kind of tool a name stands for. Old and new names of agents both work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bash,
    Read,
    Write,
    Edit,
    List,
    Search,
    FindTools,
    Fetch,
    Web,
    Todo,
    TaskNew,
    TaskChange,
    TaskList,
    Ask,
    EnterPlan,
    Plan,
    Agent,
    Skill,
    Output,
    Stop,
    Other,
}

impl Kind {
    /// The kind of the tool of that name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "Bash" | "bash_code_execution" => Self::Bash,
            "Read" | "NotebookRead" => Self::Read,
            "Write" => Self::Write,
            "Edit" | "MultiEdit" | "NotebookEdit" => Self::Edit,
            "Glob" | "LS" => Self::List,
            "Grep" => Self::Search,
            "ToolSearch" => Self::FindTools,
            "WebFetch" | "web_fetch" => Self::Fetch,
            "WebSearch" | "web_search" => Self::Web,
            "TodoWrite" => Self::Todo,
            "TaskCreate" => Self::TaskNew,
            "TaskUpdate" | "TaskGet" => Self::TaskChange,
            "TaskList" => Self::TaskList,
            "AskUserQuestion" => Self::Ask,
            "EnterPlanMode" => Self::EnterPlan,
            "ExitPlanMode" => Self::Plan,
            "Agent" | "Task" => Self::Agent,
            "Skill" => Self::Skill,
            "TaskOutput" | "BashOutput" => Self::Output,
            "TaskStop" | "KillShell" => Self::Stop,
            _ => Self::Other,
        }
    }

    /// Whether several in a row are one line: they look and change nothing.
    #[must_use]
    pub fn looks(self) -> bool {
        matches!(self, Self::Read | Self::List | Self::Search)
    }

    /// Whether it is about the list of what there is to do.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self, Self::Todo | Self::TaskNew | Self::TaskChange | Self::TaskList)
    }

    /// While it runs, when it ran, when it is wanted.
    fn words(self, name: &str) -> [String; 3] {
        let of = |words: [&'static str; 3]| words.map(str::to_owned);
        let one = |word: &'static str| of([word; 3]);
        match self {
            Self::Bash => of([words::bash_doing(), words::bash_done(), words::bash_want()]),
            Self::Read => of([words::read_doing(), words::read_done(), words::read_want()]),
            Self::Write => of([words::write_doing(), words::write_done(), words::write_want()]),
            Self::Edit => of([words::edit_doing(), words::edit_done(), words::edit_want()]),
            Self::List => of([words::list_doing(), words::list_done(), words::list_want()]),
            Self::Search => of([words::search_doing(), words::search_done(), words::search_want()]),
            Self::FindTools => one(words::find_tools()),
            Self::Fetch => of([words::fetch_doing(), words::fetch_done(), words::fetch_want()]),
            Self::Web => of([words::web_doing(), words::web_done(), words::web_want()]),
            Self::Todo => of([words::todo_doing(), words::todo_done(), words::todo_done()]),
            Self::TaskNew => one(words::task_new()),
            Self::TaskChange => one(words::task_change()),
            Self::TaskList => one(words::task_list()),
            Self::Ask => of([words::ask_doing(), words::ask_done(), words::ask_want()]),
            Self::EnterPlan => one(words::plan_enter()),
            Self::Plan => of([words::plan_doing(), words::plan_done(), words::plan_want()]),
            Self::Agent => one(words::agent()),
            Self::Skill => of([words::skill_doing(), words::skill_done(), words::skill_done()]),
            Self::Output => one(words::output_done()),
            Self::Stop => one(words::stop_done()),
            Self::Other => {
                let name = mcp_name(name);
                [name.clone(), name.clone(), name]
            }
        }
    }
}

/// The verb of a call.
#[must_use]
pub fn verb(name: &str, state: ToolState) -> String {
    let kind = Kind::of(name);
    let [doing, done, want] = kind.words(name);
    match state {
        ToolState::Done => done,
        ToolState::Writing | ToolState::Running => doing,
        ToolState::Waiting => words::waits(want),
        ToolState::Failed => words::failed(done),
        ToolState::Denied => words::denied(want),
        ToolState::Interrupted => words::stopped(want),
    }
}

/// `mcp__server__tool` as "server: tool".
fn mcp_name(tool: &str) -> String {
    match tool.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
        Some((server, tool)) => format!("{}: {}", literal(server), literal(tool)),
        None => literal(tool),
    }
}
