//! What happened: a trace by which two runs are compared, the truth the checker holds the system against, and counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{Decision, Verdict};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::rest::PostEvents;

use crate::faults::Fault;
use crate::time::VirtualClock;

/// Lines of the trace that a failure shows.
const SHOWN_MAX: usize = 4_000;

/// The record of one run, shared by all its parts.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    clock: VirtualClock,
    inner: Arc<Mutex<Truth>>,
}

/// What really happened, as no part of the system knows it.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// Hash over every line of the trace (FNV-1a).
    pub hash: u64,
    /// The trace.
    pub lines: Vec<String>,
    /// Prompts that persons sent and saw in their outbox, in order.
    pub prompts: Vec<Said>,
    /// Prompts that reached an agent's stdin: session and uuid, in order.
    pub heard: Vec<(SessionId, String)>,
    /// Requests agents asked, by session and id of the tool call, which is never used again.
    pub asked: BTreeMap<(SessionId, String), Asked>,
    /// Facts that agents stated, by session, in the order they were stated.
    pub facts: BTreeMap<SessionId, Vec<Fact>>,
    /// Decisions that went out.
    pub posted: Vec<Posted>,
    /// Decisions that were made to be refused and were taken all the same.
    pub forged: Vec<String>,
    /// When the store was put back to an earlier state.
    pub restores: u64,
    /// Counted by kind.
    pub counts: BTreeMap<Fault, u64>,
    /// Live events that reached a client.
    pub live: u64,
}

impl Truth {
    fn mix(&mut self, text: &str) {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// One prompt.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Where.
    pub session: SessionId,
    /// Its idempotency key.
    pub uuid: String,
}

/// One request of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The `request` object it asked with.
    pub request: RawJson,
    /// The answers that reached its stdin: allow or deny, and the input to run with.
    pub answers: Vec<(bool, Option<RawJson>)>,
    /// How often the tool ran.
    pub ran: u32,
}

/// One fact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    /// Its number: dense over all lives of a session's agent.
    pub number: u64,
    /// Whether the bridge read it and made it durable: from then on it must not be lost.
    pub read: bool,
    /// Whether the ingress said that it has it, before the store was last put back.
    pub restored_away: bool,
}

/// A decision that went out.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// Over the bytes that were shown.
    pub digest: String,
    /// Whether it allows.
    pub allow: bool,
    /// The input it names, if it was edited.
    pub edited: Option<RawJson>,
    /// The server said that it took it.
    pub accepted: bool,
}

impl Posted {
    /// Reads the decision in the body of a POST, if there is one.
    #[must_use]
    pub(crate) fn read(body: &str) -> Option<Self> {
        let body: PostEvents = serde_json::from_str(body).ok()?;
        let decision = Decision::parse(body.events.first()?).ok()?;
        let (allow, input) = match decision.verdict {
            Verdict::Allow { updated_input, .. } => (true, Some(updated_input)),
            Verdict::Deny { .. } | Verdict::Answer(_) => (false, None),
        };
        let edited = input.filter(|_| decision.edited);
        Some(Self { digest: decision.digest, allow, edited, accepted: false })
    }
}

impl Record {
    /// An empty record.
    #[must_use]
    pub(crate) fn new(clock: VirtualClock) -> Self {
        let truth = Truth { hash: 0xcbf2_9ce4_8422_2325, ..Truth::default() };
        Self { clock, inner: Arc::new(Mutex::new(truth)) }
    }

    /// The truth, for a moment.
    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one line.
    pub(crate) fn note(&self, who: &str, what: &str) {
        let mut line = String::new();
        let _ = write!(line, "{:>8} {who:<10} {what}", self.clock.ms());
        let mut truth = self.truth();
        truth.mix(&line);
        truth.lines.push(line);
    }

    /// Makes `text` part of what two runs are compared by, without showing it.
    pub(crate) fn mix(&self, text: &str) {
        self.truth().mix(text);
    }

    /// A decision goes out; returns its place.
    #[must_use]
    pub(crate) fn posted(&self, posted: Posted) -> usize {
        let mut truth = self.truth();
        truth.posted.push(posted);
        truth.posted.len() - 1
    }

    /// What the server said about it.
    pub(crate) fn answered(&self, at: usize, accepted: bool) {
        if let Some(posted) = self.truth().posted.get_mut(at) {
            posted.accepted |= accepted;
        }
    }

    /// Counts a fault.
    pub(crate) fn count(&self, fault: Fault) {
        *self.truth().counts.entry(fault).or_default() += 1;
    }

    /// The end of the trace.
    #[must_use]
    pub(crate) fn tail(&self) -> String {
        let truth = self.truth();
        let from = truth.lines.len().saturating_sub(SHOWN_MAX);
        truth.lines[from..].join("\n")
    }

    /// States the next fact of a session and returns its number.
    #[must_use]
    pub(crate) fn state_fact(&self, session: &SessionId) -> u64 {
        let mut truth = self.truth();
        let facts = truth.facts.entry(session.clone()).or_default();
        let number = u64::try_from(facts.len()).unwrap_or(u64::MAX);
        facts.push(Fact { number, read: false, restored_away: false });
        number
    }

    /// The bridge has made this line of the agent durable.
    pub(crate) fn fact_read(&self, session: &SessionId, line: &str) {
        let Some(number) = fact_in(line) else { return };
        let mut truth = self.truth();
        let facts = truth.facts.entry(session.clone()).or_default();
        if let Some(fact) = usize::try_from(number).ok().and_then(|at| facts.get_mut(at)) {
            fact.read = true;
        }
    }
}

/// The number of the fact a line states, if it states one.
#[must_use]
pub(crate) fn fact_in(line: &str) -> Option<u64> {
    // What is streamed before it is whole counts for nothing.
    let line = line.strip_prefix(r#"{"type":"assistant""#)?;
    let (_, rest) = line.split_once("fact #")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
