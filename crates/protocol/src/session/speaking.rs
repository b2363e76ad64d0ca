//! What goes up: prompts out of the outbox, one at a time and until they are answered; decisions and controls once, or not
//! at all.

use super::Session;
use super::decision::{decision, is_no};
use super::input::{Choice, PostOutcome};
use super::ledger::Click;
use super::outbox::OutboxError;
use super::output::{Change, Output};
use super::priority::Moved;
use crate::json::RawJson;
use crate::limits::{POST_LOST_MS, POST_SLOW_MS};
use crate::tick::Tick;
use crate::wire::client::PermissionState;
use crate::wire::control;
use crate::wire::prompt::Said;
use crate::wire::rest::{ErrorDetail, PostEvents};

/// A POST that was not answered yet.
#[derive(Clone, Debug)]
pub(super) struct Post {
    what: What,
    sent_at: Tick,
    slow: bool,
    /// Which log it was for: a place in another one says nothing.
    generation: u64,
}

#[derive(Clone, Debug)]
enum What {
    Prompt { uuid: String },
    Decision { request_id: String, allow: bool },
    Control { request_id: String },
}

impl Post {
    pub(super) fn deadline(&self) -> Tick {
        self.sent_at.after(if self.slow { POST_LOST_MS } else { POST_SLOW_MS })
    }
}

impl Session {
    /// The log shows a prompt of ours, or a person threw it away: the outbox has done its work.
    pub(super) fn arrived(&mut self, uuid: &str) {
        if self.outbox.remove(uuid) {
            self.outputs.push_back(Output::Forget { uuid: uuid.to_owned() });
            self.change(Change::Outbox);
        }
    }

    pub(super) fn prompt(&mut self, now: Tick, uuid: String, said: Said) {
        match self.outbox.push(now, &uuid, &said) {
            Ok(true) => self.outputs.push_back(Output::Keep { uuid, said }),
            Ok(false) => {}
            Err(error) => self.change(Change::PromptRejected(error)),
        }
    }

    pub(super) fn kept(&mut self, uuid: String, lasting: bool) {
        if self.outbox.kept(&uuid, lasting) {
            self.change(Change::Outbox);
        } else {
            // It was stored after it was to be forgotten.
            self.outputs.push_back(Output::Forget { uuid });
        }
    }

    pub(super) fn restore(&mut self, prompts: Vec<(String, Said)>) {
        let mut at = self.outbox.restore_at();
        let order: Vec<String> = prompts.iter().map(|(uuid, _)| uuid.clone()).collect();
        for (uuid, said) in prompts {
            if self.transcript.knows_prompt(&uuid) {
                self.outputs.push_back(Output::Forget { uuid });
                continue;
            }
            match self.outbox.restore(at, &uuid, &said) {
                Ok(restored) => at += usize::from(restored),
                Err(OutboxError::Empty | OutboxError::TooBig) => {
                    self.outputs.push_back(Output::Forget { uuid })
                }
                // It stays in storage until there is room.
                Err(OutboxError::Full) => {}
            }
        }
        self.outbox.order_as_kept(&order);
        self.change(Change::Outbox);
    }

    pub(super) fn discard(&mut self, uuid: &str) {
        if self.outbox.may_discard(uuid) {
            self.arrived(uuid);
        }
    }

    pub(super) fn forget_outbox(&mut self) {
        for uuid in self.outbox.uuids() {
            self.arrived(&uuid);
        }
        self.posts.clear();
    }

    pub(super) fn send_next_prompt(&mut self, now: Tick) {
        if !self.link.is_online() {
            return;
        }
        if let Some((uuid, event)) = self.outbox.next(now) {
            self.post(now, What::Prompt { uuid }, event);
            self.change(Change::Outbox);
        }
    }

    pub(super) fn decide(&mut self, now: Tick, uuid: String, request_id: &str, digest: &str, choice: Choice) {
        let Some(entry) = self.ledger.get(request_id) else { return };
        let allow = !is_no(entry, &choice);
        let decided = matches!(entry.click, Click::Sending { .. } | Click::Accepted { .. });
        if entry.state != PermissionState::Pending || decided {
            return;
        }
        let decision = if entry.digest != digest {
            Err("The request changed in this moment. Nothing was sent: read it again.")
        } else if !self.link.is_online() {
            Err("Not connected, so nothing was sent. Decide again once the connection is back.")
        } else {
            decision(entry, uuid, self.server_time_ms(now), choice)
        };
        let click = match decision {
            Ok(decision) => {
                let what = What::Decision { request_id: request_id.to_owned(), allow };
                self.post(now, what, decision.to_event());
                Click::Sending { allow, slow: false }
            }
            Err(message) => Click::Failed { message: message.to_owned() },
        };
        self.ledger.click(now, request_id, click);
        self.change(Change::Ledger);
    }

    pub(super) fn control(&mut self, now: Tick, uuid: String, request: &RawJson) {
        let event = control::client_request(&uuid, &uuid, request);
        self.post(now, What::Control { request_id: uuid }, event);
    }

    fn post(&mut self, now: Tick, what: What, event: RawJson) {
        let number = self.next_post;
        self.next_post += 1;
        self.posts.insert(number, Post { what, sent_at: now, slow: false, generation: self.generation });
        let body = RawJson::from_value(&PostEvents { events: vec![event] }).as_str().to_owned();
        self.outputs.push_back(Output::Post { post: number, body });
    }

    /// Shows POSTs that take long as slow, and takes those that take too long as lost.
    pub(super) fn expire_posts(&mut self, now: Tick) {
        let due: Vec<u64> =
            self.posts.iter().filter(|(_, post)| post.deadline() <= now).map(|(number, _)| *number).collect();
        for number in due {
            let Some(post) = self.posts.get_mut(&number) else { continue };
            post.slow = true;
            // A timer may come late enough for both.
            if post.deadline() <= now {
                self.posted(now, number, PostOutcome::Failed);
                continue;
            }
            match &post.what {
                What::Prompt { uuid } => {
                    self.outbox.slow(uuid);
                    self.change(Change::Outbox);
                }
                What::Decision { request_id, .. } => {
                    self.ledger.slow(request_id);
                    self.change(Change::Ledger);
                }
                What::Control { .. } => {}
            }
        }
    }

    pub(super) fn posted(&mut self, now: Tick, number: u64, outcome: PostOutcome) {
        let Some(post) = self.posts.remove(&number) else { return };
        match post.what {
            What::Prompt { uuid } => {
                match outcome {
                    PostOutcome::Accepted { seq } if post.generation == self.generation => {
                        self.outbox.stored(now, &uuid);
                        // It stands above what is loaded, or was folded already.
                        if seq.is_some_and(|seq| seq <= self.applied) {
                            self.arrived(&uuid);
                        }
                    }
                    // Taken by a log that is gone: this one is asked too.
                    PostOutcome::Accepted { .. } => self.outbox.again(&uuid),
                    PostOutcome::Refused(error) => self.outbox.refused(&uuid, words(error)),
                    PostOutcome::Failed => self.outbox.failed(now, &uuid),
                }
                self.change(Change::Outbox);
            }
            What::Decision { request_id, allow } => {
                let click = match outcome {
                    PostOutcome::Accepted { .. } => Click::Accepted { allow },
                    PostOutcome::Refused(error) => Click::Failed { message: words(error) },
                    PostOutcome::Failed => Click::Failed {
                        message: "The server did not answer. If the request still waits, decide again."
                            .into(),
                    },
                };
                self.ledger.click(now, &request_id, click);
                self.change(Change::Ledger);
            }
            What::Control { request_id } => {
                let (error, moved) = match outcome {
                    PostOutcome::Accepted { .. } => return,
                    PostOutcome::Refused(error) => {
                        let error = words(error);
                        (error.clone(), Moved::Refused(error))
                    }
                    PostOutcome::Failed => ("The server did not answer.".into(), Moved::Unanswered),
                };
                if self.moved(now, &request_id, Err(moved)) {
                    return;
                }
                self.change(Change::Reply { request_id, event: None, error: Some(error) });
            }
        }
    }

    fn server_time_ms(&self, now: Tick) -> Option<u64> {
        self.server_clock.map(|(server_ms, at)| server_ms.saturating_add(now.since(at)))
    }
}

/// The server's words, or what it said in fields.
fn words(error: ErrorDetail) -> String {
    match (error.message.is_empty(), error.behavior.as_deref(), error.decided_by) {
        (false, _, _) => error.message,
        (true, Some(behavior), Some(by)) => {
            let verdict = match behavior {
                "allow" => "Allowed",
                "accept" | "completed" => "Answered",
                "decline" | "cancel" | "cancelled" => "Declined",
                _ => "Denied",
            };
            format!("{verdict} already by {by}.")
        }
        (true, _, _) => "The server refused it.".into(),
    }
}
