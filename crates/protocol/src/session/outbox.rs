//! Prompts on their way up: written to storage before they are shown, kept until the log shows them, sent in order, one
//! POST at a time, the same uuid and the same bytes each time.

use std::collections::{HashMap, VecDeque};

use super::backoff::Backoff;
use super::transcript::{Prompt, PromptState};
use crate::json::RawJson;
use crate::limits::{EVENT_BYTES_MAX, KEEP_LOST_MS, OUTBOX_BYTES_MAX, OUTBOX_EVENTS_MAX};
use crate::tick::Tick;
use crate::wire::prompt::{self, Said};

/// Why a prompt was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// Above [`OUTBOX_EVENTS_MAX`] or [`OUTBOX_BYTES_MAX`].
    #[error("too much is waiting to be sent; wait until the connection is back")]
    Full,
    /// Above [`EVENT_BYTES_MAX`].
    #[error("what goes with it is too big")]
    TooBig,
    /// Nothing but white space.
    #[error("there is nothing to send")]
    Empty,
}

/// One prompt on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// As shown.
    pub prompt: Prompt,
    /// As it is kept.
    pub said: Said,
    /// As sent, every time the same bytes.
    pub event: RawJson,
    /// Why the server refused it.
    pub error: Option<String>,
    /// Whether a reload keeps it.
    pub lasting: bool,
    /// Whether its POST is unanswered for [`crate::limits::POST_SLOW_MS`].
    pub slow: bool,
}

/// A prompt that is being written to storage.
#[derive(Debug)]
struct Keeping {
    entry: OutboxEntry,
    /// Storage gave its answer, or will not give one.
    settled: bool,
    lost_at: Tick,
}

/// The prompts of one client for one session that the log has not shown yet.
#[derive(Debug)]
pub struct Outbox {
    /// In the order they were said. They are shown in that order too, however storage answers.
    keeping: VecDeque<Keeping>,
    entries: Vec<OutboxEntry>,
    backoff: Backoff,
    not_before: Option<Tick>,
    /// The prompt whose POST is not answered yet.
    in_flight: Option<String>,
}

impl Outbox {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            keeping: VecDeque::new(),
            entries: Vec::new(),
            backoff: Backoff::new(seed),
            not_before: None,
            in_flight: None,
        }
    }

    /// Everything that waits, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[OutboxEntry] {
        &self.entries
    }

    /// Takes a prompt that storage has to keep before it is shown. Returns whether it is new.
    pub(super) fn push(&mut self, now: Tick, uuid: &str, said: &Said) -> Result<bool, OutboxError> {
        let entry = entry(uuid, said)?;
        if self.knows(uuid) {
            return Ok(false);
        }
        self.admit(&entry)?;
        let lost_at = now.after(KEEP_LOST_MS);
        self.keeping.push_back(Keeping { entry, settled: false, lost_at });
        Ok(true)
    }

    /// Takes a prompt that storage kept from before: it is older than all that was not sent yet.
    pub(super) fn restore(&mut self, at: usize, uuid: &str, said: &Said) -> Result<bool, OutboxError> {
        let entry = OutboxEntry { lasting: true, ..entry(uuid, said)? };
        if self.knows(uuid) {
            return Ok(false);
        }
        self.admit(&entry)?;
        self.entries.insert(at.min(self.entries.len()), entry);
        Ok(true)
    }

    /// Where restored prompts go: before the first that was never sent.
    pub(super) fn restore_at(&self) -> usize {
        let unsent = |entry: &OutboxEntry| entry.prompt.state == PromptState::Waiting;
        self.entries.iter().position(unsent).unwrap_or(self.entries.len())
    }

    /// Brings what storage keeps into the order in which it was written, by whichever tab; everything else stays where
    /// it is. What is found there and was waited for is kept: its answer is late.
    pub(super) fn order_as_kept(&mut self, order: &[String]) {
        let ranks: HashMap<&str, usize> =
            order.iter().enumerate().map(|(rank, uuid)| (uuid.as_str(), rank)).collect();
        for keeping in &mut self.keeping {
            if ranks.contains_key(keeping.entry.prompt.uuid.as_str()) {
                (keeping.settled, keeping.entry.lasting) = (true, true);
            }
        }
        self.show_kept();
        let rank = |entry: &OutboxEntry| ranks.get(entry.prompt.uuid.as_str()).copied();
        let (places, mut kept): (Vec<usize>, Vec<OutboxEntry>) = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| rank(entry).is_some())
            .map(|(at, entry)| (at, entry.clone()))
            .unzip();
        kept.sort_by_key(rank);
        for (at, entry) in places.into_iter().zip(kept) {
            self.entries[at] = entry;
        }
    }

    /// Storage answered. Returns whether the prompt is known.
    pub(super) fn kept(&mut self, uuid: &str, lasting: bool) -> bool {
        if let Some(keeping) = self.keeping.iter_mut().find(|keeping| keeping.entry.prompt.uuid == uuid) {
            keeping.entry.lasting = lasting;
            keeping.settled = true;
            self.show_kept();
            return true;
        }
        let entry = self.entries.iter_mut().find(|entry| entry.prompt.uuid == uuid);
        entry.map(|entry| entry.lasting = lasting).is_some()
    }

    /// Gives up waiting for storage where it took too long. Returns whether anything is shown now that was not.
    pub(super) fn expire(&mut self, now: Tick) -> bool {
        let lost = self.keeping.iter_mut().filter(|keeping| keeping.lost_at <= now);
        lost.for_each(|keeping| keeping.settled = true);
        self.show_kept()
    }

    fn show_kept(&mut self) -> bool {
        let before = self.entries.len();
        while let Some(keeping) = self.keeping.pop_front_if(|keeping| keeping.settled) {
            self.entries.push(keeping.entry);
        }
        before != self.entries.len()
    }

    fn admit(&self, entry: &OutboxEntry) -> Result<(), OutboxError> {
        let all = self.entries.iter().chain(self.keeping.iter().map(|keeping| &keeping.entry));
        let bytes: usize = all.map(|entry| entry.event.byte_len()).sum();
        let count = self.entries.len() + self.keeping.len();
        let full = count >= OUTBOX_EVENTS_MAX || bytes + entry.event.byte_len() > OUTBOX_BYTES_MAX;
        if full { Err(OutboxError::Full) } else { Ok(()) }
    }

    fn knows(&self, uuid: &str) -> bool {
        self.entries.iter().any(|entry| entry.prompt.uuid == uuid)
            || self.keeping.iter().any(|keeping| keeping.entry.prompt.uuid == uuid)
    }

    /// The next event to send, if one may be sent now.
    pub(super) fn next(&mut self, now: Tick) -> Option<(String, RawJson)> {
        if self.in_flight.is_some() || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let entry = self.entries.iter_mut().find(|entry| entry.prompt.state == PromptState::Waiting)?;
        entry.prompt.state = PromptState::Sent;
        self.in_flight = Some(entry.prompt.uuid.clone());
        self.not_before = None;
        Some((entry.prompt.uuid.clone(), entry.event.clone()))
    }

    /// The log has it: it stays in view until the log shows it.
    pub(super) fn stored(&mut self, now: Tick, uuid: &str) {
        self.landed(uuid);
        self.backoff.succeeded(now);
        self.set_state(uuid, PromptState::Stored);
    }

    pub(super) fn refused(&mut self, uuid: &str, message: String) {
        self.landed(uuid);
        if let Some(entry) = self.set_state(uuid, PromptState::Refused) {
            entry.error = Some(message);
        }
    }

    pub(super) fn failed(&mut self, now: Tick, uuid: &str) {
        self.landed(uuid);
        if self.set_state(uuid, PromptState::Waiting).is_some() {
            self.not_before = Some(now.after(self.backoff.next_delay_ms(now)));
        }
    }

    /// To be sent again, without blame.
    pub(super) fn again(&mut self, uuid: &str) {
        self.landed(uuid);
        self.set_state(uuid, PromptState::Waiting);
    }

    fn landed(&mut self, uuid: &str) {
        self.in_flight.take_if(|in_flight| in_flight == uuid);
    }

    pub(super) fn slow(&mut self, uuid: &str) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.prompt.uuid == uuid) {
            entry.slow = true;
        }
    }

    /// The network came back: no reason to wait.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// The log is another one: what the one before had, this one may not have.
    pub(super) fn send_again(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.prompt.state == PromptState::Stored) {
            entry.prompt.state = PromptState::Waiting;
        }
    }

    /// Whether a person may still throw it away: not what is on its way or in the log.
    pub(super) fn may_discard(&self, uuid: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.prompt.uuid == uuid);
        entry.is_some_and(|entry| matches!(entry.prompt.state, PromptState::Waiting | PromptState::Refused))
    }

    /// The log shows it, or a person threw it away. Returns whether it was here.
    pub(super) fn remove(&mut self, uuid: &str) -> bool {
        self.landed(uuid);
        let before = self.entries.len() + self.keeping.len();
        self.entries.retain(|entry| entry.prompt.uuid != uuid);
        self.keeping.retain(|keeping| keeping.entry.prompt.uuid != uuid);
        before != self.entries.len() + self.keeping.len()
    }

    /// The uuids of everything, shown or not.
    pub(super) fn uuids(&self) -> Vec<String> {
        let keeping = self.keeping.iter().map(|keeping| &keeping.entry);
        self.entries.iter().chain(keeping).map(|entry| entry.prompt.uuid.clone()).collect()
    }

    pub(super) fn deadline(&self, online: bool) -> Option<Tick> {
        let waits = self.entries.iter().any(|entry| entry.prompt.state == PromptState::Waiting);
        let may_send = online && waits && self.in_flight.is_none();
        let lost = self.keeping.iter().filter(|keeping| !keeping.settled).map(|keeping| keeping.lost_at);
        self.not_before.filter(|_| may_send).into_iter().chain(lost).min()
    }

    fn set_state(&mut self, uuid: &str, state: PromptState) -> Option<&mut OutboxEntry> {
        let entry = self.entries.iter_mut().find(|entry| entry.prompt.uuid == uuid)?;
        entry.prompt.state = state;
        entry.slow = false;
        Some(entry)
    }
}

fn entry(uuid: &str, said: &Said) -> Result<OutboxEntry, OutboxError> {
    if said.is_blank() {
        return Err(OutboxError::Empty);
    }
    let event = prompt::prompt(uuid, said);
    if event.as_str().len() > EVENT_BYTES_MAX {
        return Err(OutboxError::TooBig);
    }
    let (text, attachments) = (said.text.clone(), said.files.len());
    let (blocks, priority, state) = (None, said.priority, PromptState::Waiting);
    let prompt = Prompt { uuid: uuid.into(), text, attachments, blocks, priority, state };
    Ok(OutboxEntry { prompt, said: said.clone(), event, error: None, lasting: false, slow: false })
}
