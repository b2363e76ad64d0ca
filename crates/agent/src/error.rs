//! How a run of the agent ends.

/// How a run that was not cut short ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitReport {
    /// Whether the last turn's result was an error; the process then exits with 1.
    pub last_result_failed: bool,
}

impl ExitReport {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        u8::from(self.last_result_failed)
    }
}

/// Why a run was cut short; the process prints it on stderr and exits with 1.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The host said something that is not the protocol.
    #[error("{0}")]
    BadInput(String),
    /// The working directory cannot be used.
    #[error("working directory {path:?} cannot be used: {source}")]
    Directory {
        /// What was asked for.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The session to go on with is not known here.
    #[error("no conversation found with session id {0}")]
    NoConversation(String),
    /// The conversation to go on with cannot be read.
    #[error("the conversation cannot be read: {0}")]
    Memory(#[source] std::io::Error),
    /// No connection to the model's API can be set up at all.
    #[error("the model's API cannot be asked: {0}")]
    Client(String),
    /// stdin or stdout failed.
    #[error("stdio failed: {0}")]
    Io(#[from] std::io::Error),
}
