//! What a bridge tells whoever started it: one fact at a time, for a status line or for a script.

use portcullis_protocol::id::{EnvironmentId, SessionId};
use serde::Serialize;
use tokio::sync::mpsc;

/// Facts that wait for a reader; a reader further behind than this misses some and is told in the log.
pub const EVENTS_MAX: usize = 1_024;

/// One fact. As JSON it is one object with the name in `event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum BridgeEvent {
    /// The ingress knows this bridge, for the first time or again.
    Registered { environment_id: EnvironmentId, url: String, directory: String },
    /// The ingress cannot be reached; it is tried again.
    LinkLost { reason: String },
    /// It is there again.
    LinkBack,
    /// A session is served here now.
    SessionStarted { session_id: SessionId, directory: String, agent: String },
    /// It is not any more. It goes on elsewhere or later, unless it was archived.
    SessionEnded { session_id: SessionId, reason: String },
    /// So many requests of a session wait for a person now; none when all are decided.
    WaitingForApproval { session_id: SessionId, waiting: usize },
    /// A session got a working tree of its own.
    WorktreeMade { session_id: SessionId, path: String, branch: String },
    /// Its working tree is gone, with nothing in it that is not elsewhere.
    WorktreeRemoved { session_id: SessionId, path: String },
    /// Its working tree stays, for this reason.
    WorktreeKept { session_id: SessionId, path: String, branch: String, reason: String },
    /// The disk is full: the session's agent stands still until there is room.
    DiskFull { session_id: SessionId, reason: String },
    /// There is room again.
    DiskFree { session_id: SessionId },
    /// The bridge was told to end, in order or at once.
    Ending { at_once: bool },
    /// Nothing runs any more. The last one.
    Ended,
}

/// Where the facts go. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Teller(Option<mpsc::Sender<BridgeEvent>>);

impl Teller {
    /// Tells `sender`.
    #[must_use]
    pub fn new(sender: mpsc::Sender<BridgeEvent>) -> Self {
        Self(Some(sender))
    }

    /// Never waits: what runs here must not hang on who reads about it.
    pub(crate) fn tell(&self, event: BridgeEvent) {
        if let Some(sender) = &self.0
            && let Err(mpsc::error::TrySendError::Full(event)) = sender.try_send(event)
        {
            tracing::warn!(?event, "nobody reads what the bridge tells; this was not told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fact_is_one_object_with_its_name_and_a_reader_that_stands_still_holds_nothing_up() {
        let (sender, mut facts) = mpsc::channel(1);
        let teller = Teller::new(sender);
        let session_id = SessionId::parse("s1").unwrap();
        teller.tell(BridgeEvent::WaitingForApproval { session_id, waiting: 2 });
        teller.tell(BridgeEvent::LinkBack);
        let fact = facts.recv().await.unwrap();
        let text = r#"{"event":"waiting_for_approval","session_id":"s1","waiting":2}"#;
        assert_eq!(serde_json::to_string(&fact).unwrap(), text);
        drop(facts);
        teller.tell(BridgeEvent::Ended);
    }
}
