//! What the machine asks of its driver, and what it says is different.

use super::outbox::OutboxError;
use super::priority::Moved;
use super::transcript;
use crate::json::RawJson;
use crate::wire::prompt::Said;

/// What the machine asks of its driver, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Get a fresh access token, open a socket, then say [`super::Input::Opened`] or [`super::Input::Closed`].
    Open,
    /// Send this text frame.
    Send(String),
    /// Close the socket, or give up the try to open one; nothing of it is to be reported any more.
    Close { code: u16 },
    /// POST this body to the session's events, then say [`super::Input::Posted`].
    Post { post: u64, body: String },
    /// GET this page of the session's events, then say [`super::Input::Fetched`]. The page without a position is part of
    /// connecting: where the server refuses it for good, [`super::Input::Closed`] with 4003 or 4001 may be said instead.
    Fetch { fetch: u64, query: PageQuery },
    /// Ask the server whether it knows this device, then say [`super::Input::Whoami`].
    AskWhoami,
    /// The page is older than the server: load it anew, unless that was done in the last
    /// [`crate::limits::RELOAD_PAUSE_MS`].
    Reload,
    /// Write this prompt to storage, then say [`super::Input::Kept`]: only then it is shown and sent.
    Keep { uuid: String, said: Said },
    /// Forget this prompt.
    Forget { uuid: String },
    /// Something a page shows is different.
    Change(Change),
}

/// A page of the log: the newest events, or those behind or before a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// The first event is the one behind this.
    pub after_seq: Option<u64>,
    /// The last event is the one before this.
    pub before_seq: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The transcript.
    Transcript(transcript::Change),
    /// [`super::Session::history`].
    History,
    /// [`super::Session::ledger`].
    Ledger,
    /// [`super::Session::link`] or [`super::Session::gap`].
    Link,
    /// [`super::Session::worker`].
    Worker,
    /// [`super::Session::outbox`].
    Outbox,
    /// The transcript begins anew, and why.
    LogReset(ResetReason),
    /// The answer to one of this client's control requests, or why there is none.
    Reply { request_id: String, event: Option<RawJson>, error: Option<String> },
    /// A prompt was not taken.
    PromptRejected(OutboxError),
    /// What became of a prompt that was to get another priority.
    Moved(Moved),
}

/// Why a transcript begins anew. A person is told, except after [`ResetReason::Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// The server's log is another one: it was restored from a copy, and may lack the newest events.
    Epoch,
    /// The server's log ends before what was shown here.
    BeyondHead,
    /// Too much was missed to read it all: the newest page is shown instead.
    Gap,
    /// The server said something else about an event that was shown. Never happens to an honest log.
    Contradiction,
}

impl ResetReason {
    /// What a person is told, if anything.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::Epoch => Some(
                "The server's log was restored from a copy. What is shown now is what it has; the newest events may be missing.",
            ),
            Self::BeyondHead => {
                Some("The server's log ends before what was shown here. This is what it has.")
            }
            Self::Gap => None,
            Self::Contradiction => Some(
                "The server sent something else for an event that was shown already. Everything was loaded again: compare before you decide.",
            ),
        }
    }
}
