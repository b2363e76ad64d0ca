//! Prompts on their way up: kept until the log shows them, sent in order, one POST at a time, the same uuid each time.

use super::backoff::Backoff;
use super::transcript::{Prompt, PromptState};
use crate::json::RawJson;
use crate::limits::{OUTBOX_BYTES_MAX, OUTBOX_EVENTS_MAX};
use crate::tick::Tick;
use crate::wire::prompt::text_prompt;

/// Why a prompt was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// Above [`OUTBOX_EVENTS_MAX`] or [`OUTBOX_BYTES_MAX`].
    #[error("too much is waiting to be sent; wait until the connection is back")]
    Full,
    /// Nothing but white space.
    #[error("there is nothing to send")]
    Empty,
}

/// One prompt on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// As shown.
    pub prompt: Prompt,
    /// As sent, every time the same bytes.
    pub event: RawJson,
    /// Why the server refused it.
    pub error: Option<String>,
}

/// The prompts of one client for one session that the log has not shown yet.
#[derive(Debug)]
pub struct Outbox {
    entries: Vec<OutboxEntry>,
    backoff: Backoff,
    not_before: Option<Tick>,
    in_flight: bool,
}

impl Outbox {
    pub(super) fn new(seed: u64) -> Self {
        Self { entries: Vec::new(), backoff: Backoff::new(seed), not_before: None, in_flight: false }
    }

    /// Everything that waits, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[OutboxEntry] {
        &self.entries
    }

    pub(super) fn push(&mut self, uuid: &str, text: &str) -> Result<(), OutboxError> {
        if text.trim().is_empty() {
            return Err(OutboxError::Empty);
        }
        let event = text_prompt(uuid, text);
        let bytes: usize = self.entries.iter().map(|entry| entry.event.byte_len()).sum();
        if self.entries.len() >= OUTBOX_EVENTS_MAX || bytes + event.byte_len() > OUTBOX_BYTES_MAX {
            return Err(OutboxError::Full);
        }
        if !self.entries.iter().any(|entry| entry.prompt.uuid == uuid) {
            let prompt =
                Prompt { uuid: uuid.into(), text: text.into(), attachments: 0, state: PromptState::Waiting };
            self.entries.push(OutboxEntry { prompt, event, error: None });
        }
        Ok(())
    }

    /// The next event to send, if one may be sent now.
    pub(super) fn next(&mut self, now: Tick) -> Option<RawJson> {
        if self.in_flight || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| matches!(entry.prompt.state, PromptState::Waiting | PromptState::Sent))?;
        entry.prompt.state = PromptState::Sent;
        self.in_flight = true;
        self.not_before = None;
        Some(entry.event.clone())
    }

    /// The log has it, or will: it stays in view until the log shows it.
    pub(super) fn stored(&mut self, now: Tick, uuid: &str) {
        self.in_flight = false;
        self.backoff.succeeded(now);
        self.set_state(uuid, PromptState::Stored);
    }

    pub(super) fn refused(&mut self, uuid: &str, message: String) {
        self.in_flight = false;
        self.set_state(uuid, PromptState::Refused);
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.prompt.uuid == uuid) {
            entry.error = Some(message);
        }
    }

    pub(super) fn failed(&mut self, now: Tick, uuid: &str) {
        self.in_flight = false;
        self.set_state(uuid, PromptState::Waiting);
        self.not_before = Some(now.after(self.backoff.next_delay_ms(now)));
    }

    /// The network came back: no reason to wait.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// The log shows it, or a person threw it away. Returns whether it was here.
    pub(super) fn remove(&mut self, uuid: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.prompt.uuid != uuid);
        before != self.entries.len()
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let waits = self.entries.iter().any(|entry| entry.prompt.state == PromptState::Waiting);
        self.not_before.filter(|_| waits && !self.in_flight)
    }

    fn set_state(&mut self, uuid: &str, state: PromptState) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.prompt.uuid == uuid) {
            entry.prompt.state = state;
        }
    }
}
