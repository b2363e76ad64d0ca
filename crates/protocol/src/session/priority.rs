//! A prompt that waits with the agent gets another priority. Agents take one back, but none changes one: so it is taken
//! back, and only once the agent said that it was, said again under another uuid. Who hears nothing says nothing, and a
//! prompt is never with the agent twice.

use serde::Deserialize;

use super::Session;
use super::output::Change;
use super::transcript::PromptState;
use crate::json::RawJson;
use crate::limits::POST_LOST_MS;
use crate::tick::Tick;
use crate::wire::control;
use crate::wire::prompt::{self, Priority, Said};

/// What became of the wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It was taken back and is on its way again.
    Again,
    /// The agent did not give it back: it had begun with it.
    Begun,
    /// It is where it was: who was asked said why.
    Refused(String),
    /// It is where it was: there is no connection to ask by.
    Offline,
    /// It is where it was: it holds something that this client cannot say just so.
    Unrepeatable,
    /// Nobody answered: it is where it was, or was taken back. It was not said again.
    Unanswered,
}

/// A prompt that is being taken back.
#[derive(Clone, Debug)]
pub(super) struct Moving {
    /// Of the control request.
    request_id: String,
    prompt: String,
    /// The uuid it gets.
    fresh: String,
    said: Said,
    lost_at: Tick,
}

impl Moving {
    pub(super) fn deadline(&self) -> Tick {
        self.lost_at
    }
}

impl Session {
    /// Whether that prompt is being taken back, to be said again.
    #[must_use]
    pub fn is_moving(&self, prompt: &str) -> bool {
        self.moving.iter().any(|moving| moving.prompt == prompt)
    }

    /// Begins: `request_id` and `fresh` are fresh and random.
    pub(super) fn set_priority(
        &mut self,
        now: Tick,
        prompt: &str,
        priority: Priority,
        request_id: String,
        fresh: String,
    ) {
        if self.is_moving(prompt) {
            return;
        }
        let waits = |queued: &&super::transcript::Prompt| {
            queued.uuid == prompt && queued.state == PromptState::Delivered
        };
        let Some(queued) = self.transcript.queue().iter().find(waits) else {
            return self.change(Change::Moved(Moved::Begun));
        };
        let said = prompt::said(&queued.text, queued.blocks.as_ref(), Some(priority));
        let Some(said) = said else {
            return self
                .change(Change::Moved(Moved::Refused("it cannot be said again just as it is".into())));
        };
        if !self.link.is_online() {
            return self.change(Change::Moved(Moved::Offline));
        }
        self.control(now, request_id.clone(), &control::cancel_async_message(prompt));
        let (prompt, lost_at) = (prompt.to_owned(), now.after(POST_LOST_MS));
        self.moving.push(Moving { request_id, prompt, fresh, said, lost_at });
        self.change(Change::Outbox);
    }

    /// The agent, or who stands before it, answered a control request. Returns whether it was one of these.
    pub(super) fn moved(&mut self, now: Tick, request_id: &str, answer: Result<&RawJson, Moved>) -> bool {
        let Some(at) = self.moving.iter().position(|moving| moving.request_id == request_id) else {
            return false;
        };
        let Moving { fresh, said, .. } = self.moving.remove(at);
        let moved = answer.map_or_else(|moved| moved, verdict);
        if moved == Moved::Again {
            self.prompt(now, fresh, said);
        }
        self.change(Change::Outbox);
        self.change(Change::Moved(moved));
        true
    }

    /// Gives up on answers that take too long, and on all where there is no connection by which one could come.
    pub(super) fn expire_moving(&mut self, now: Tick) {
        let online = self.link.is_online();
        let before = self.moving.len();
        self.moving.retain(|moving| online && now < moving.lost_at);
        if self.moving.len() != before {
            self.change(Change::Outbox);
            self.change(Change::Moved(Moved::Unanswered));
        }
    }
}

/// What the agent says.
fn verdict(event: &RawJson) -> Moved {
    #[derive(Deserialize)]
    struct Event {
        response: Response,
    }
    #[derive(Deserialize)]
    struct Response {
        error: Option<String>,
        response: Option<Cancelled>,
    }
    #[derive(Deserialize)]
    struct Cancelled {
        cancelled: bool,
    }
    match event.read::<Event>().map(|event| event.response) {
        Ok(Response { error: Some(error), .. }) => Moved::Refused(error),
        Ok(Response { response: Some(Cancelled { cancelled: true }), .. }) => Moved::Again,
        Ok(Response { response: Some(Cancelled { cancelled: false }), .. }) => Moved::Begun,
        Ok(Response { response: None, .. }) | Err(_) => Moved::Unanswered,
    }
}
