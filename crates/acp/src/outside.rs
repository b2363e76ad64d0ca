//! What the front's machine asks the world: the time, fresh ids, and what a terminal has printed. Behind a trait, so
//! that a test says it.

use std::fmt::Debug;

/// What a terminal shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TerminalSeen {
    pub(crate) output: String,
    pub(crate) truncated: bool,
    /// `None` while it runs.
    pub(crate) exit: Option<TerminalExit>,
}

/// How a terminal's command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TerminalExit {
    pub(crate) code: Option<u32>,
    pub(crate) signal: Option<String>,
}

/// The front's only sources of time, randomness and other processes' words.
pub(crate) trait Outside: Debug + Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn unix_ms(&self) -> u64;

    /// A fresh UUID in its hyphenated text form.
    fn uuid(&self) -> String;

    /// What the terminal of that id printed, also after its release.
    fn terminal(&self, id: &str) -> Option<TerminalSeen>;
}
