//! The requests an agent waits for, by the exact bytes it asked with. Each is answered once; an id that was used is
//! never used again.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{BaseFile, Kind};
use portcullis_protocol::limits::{PENDING_REQUESTS_MAX, UUID_RING_MAX};

use super::base::FileEdit;
use super::requests::Bound;
use super::ring::Ring;

/// Bytes of requests that may wait: each may be large, and nobody may come for hours.
const PENDING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One request of the agent.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) request_id: String,
    /// The `request` object as it was read: what a decision is bound to.
    pub(crate) request: RawJson,
    /// The whole `control_request`, and beside it what the bridge found in the place of its file.
    pub(crate) event: RawJson,
    pub(crate) digest: String,
    /// Which answers it takes.
    pub(crate) kind: Kind,
    pub(crate) tool_use_id: Option<String>,
    /// Whether the end of the main turn does not end it: a sub-agent asks, or a server of the agent.
    pub(crate) outlives_turn: bool,
    pub(crate) progress: Progress,
    /// The file it would change.
    pub(crate) edit: Option<FileEdit>,
    /// What stood there when it was asked, as far as that is known.
    pub(crate) base_file: Option<BaseFile>,
    /// The look at that file that is under way.
    pub(crate) look: u64,
    /// What the agent is told if the file is still the one.
    pub(crate) bound: Option<Bound>,
}

/// How far the answer of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The file it would change is being looked at: nobody was asked yet.
    Looking,
    /// Nobody decided.
    Waiting,
    /// It was allowed, and its file is being looked at again.
    Weighing,
    /// The answer is on its way to the agent's stdin.
    Answered,
    /// The agent has it.
    Delivered,
}

impl Progress {
    /// Whether the agent was told something, or is being told.
    pub(crate) fn is_answered(self) -> bool {
        match self {
            Self::Looking | Self::Waiting | Self::Weighing => false,
            Self::Answered | Self::Delivered => true,
        }
    }
}

/// What became of a request that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It waits for a person.
    New,
    /// The same one again.
    Repeated,
    /// Its id stands for other bytes already.
    OtherBytes,
    /// Too many wait.
    Full,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    held: Vec<Held>,
    used: Ring,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { held: Vec::new(), used: Ring::new(UUID_RING_MAX) }
    }

    /// Takes a request that was read from the agent.
    pub(crate) fn admit(&mut self, held: Held) -> Admission {
        if let Some(known) = self.get(&held.request_id) {
            return if known.digest == held.digest { Admission::Repeated } else { Admission::OtherBytes };
        }
        if self.used.contains(&held.request_id) {
            return Admission::OtherBytes;
        }
        let bytes: usize = self.held.iter().map(|held| held.event.byte_len()).sum();
        let open = self.held.iter().filter(|held| !held.progress.is_answered()).count();
        if open >= PENDING_REQUESTS_MAX || bytes + held.event.byte_len() > PENDING_BYTES_MAX {
            return Admission::Full;
        }
        self.used.insert(held.request_id.clone());
        self.held.push(held);
        Admission::New
    }

    pub(crate) fn get(&self, request_id: &str) -> Option<&Held> {
        self.held.iter().find(|held| held.request_id == request_id)
    }

    /// The request that waits for this look.
    pub(crate) fn looked_for(&mut self, look: u64) -> Option<&mut Held> {
        let is_looked_for = |held: &&mut Held| {
            held.look == look && matches!(held.progress, Progress::Looking | Progress::Weighing)
        };
        self.held.iter_mut().find(is_looked_for)
    }

    pub(crate) fn get_mut(&mut self, request_id: &str) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.request_id == request_id)
    }

    pub(crate) fn set_progress(&mut self, request_id: &str, progress: Progress) {
        if let Some(held) = self.get_mut(request_id) {
            held.progress = progress;
        }
    }

    pub(crate) fn remove(&mut self, request_id: &str) -> Option<Held> {
        let at = self.held.iter().position(|held| held.request_id == request_id)?;
        Some(self.held.remove(at))
    }

    /// Ids of the requests `which` picks, oldest first.
    pub(crate) fn ids(&self, which: impl Fn(&Held) -> bool) -> Vec<String> {
        self.held.iter().filter(|held| which(held)).map(|held| held.request_id.clone()).collect()
    }

    /// How many wait for a person.
    pub(crate) fn waiting(&self) -> usize {
        self.held.iter().filter(|held| held.progress == Progress::Waiting).count()
    }

    /// Whether no answer is due or on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The `control_request`s of `kind` that wait for a person, oldest first.
    pub(crate) fn waiting_events(&self, kind: Kind) -> impl Iterator<Item = &RawJson> {
        self.waiting_requests().filter(move |held| held.kind == kind).map(|held| &held.event)
    }

    /// The requests that wait for a person, oldest first.
    pub(crate) fn waiting_requests(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(|held| held.progress == Progress::Waiting)
    }

    /// Forgets everything: the process is gone.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }
}
