//! Brings prompts up: one tab at a time has the turn of a session, and whoever has it sends the oldest that is kept,
//! whichever tab wrote it. What became of each is written beside it before the turn ends, so the next tab sends nothing
//! twice, skips nothing and reorders nothing. A tab that dies loses its turn with its life; a tab that freezes gives it
//! up.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use gloo_net::http::Method;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::session::PostOutcome;
use portcullis_protocol::wire::prompt::{self, Said};
use portcullis_protocol::wire::rest::{ErrorDetail, PostEvents, PostedEvents};

use super::api::{self, Failure};
use super::channel::{Channel, Word};
use super::locks::{self, Hold};
use super::tokens::Tokens;
use super::vault::{Fate, Kept, Place, Vault};

/// The courier of one session.
pub struct Courier {
    pub(super) place: Place,
    tokens: Rc<Tokens>,
    vault: Rc<Vault>,
    channel: Rc<Channel>,
    /// The turn this tab has.
    turn: RefCell<Option<Hold>>,
    /// Prompts that are written down, so that another tab may send them or throw them away.
    lasting: RefCell<HashSet<String>>,
    /// Prompts that a person threw away in another tab.
    discarded: RefCell<HashSet<String>>,
    /// The log the server's answers are about.
    epoch: RefCell<Option<String>>,
}

impl Courier {
    pub fn new(place: Place, tokens: Rc<Tokens>, vault: Rc<Vault>, channel: Rc<Channel>) -> Self {
        Self {
            place,
            tokens,
            vault,
            channel,
            turn: RefCell::default(),
            lasting: RefCell::default(),
            discarded: RefCell::default(),
            epoch: RefCell::default(),
        }
    }

    /// Writes a prompt down and tells the other tabs. `false`: it lives as long as this page.
    pub async fn keep(&self, uuid: &str, said: impl Into<Said>) -> bool {
        let kept = self.vault.keep(&self.place, uuid, said).await.is_ok();
        if kept {
            self.lasting.borrow_mut().insert(uuid.to_owned());
            self.channel.say(&Word::Outbox(self.place.session.clone()));
        }
        kept
    }

    /// The log shows it, or a person threw it away.
    pub async fn release(&self, uuid: &str) {
        self.lasting.borrow_mut().remove(uuid);
        self.vault.release(uuid).await;
    }

    /// What is kept, oldest first; what this tab shows already is harmless to hear again.
    pub async fn kept(&self) -> Vec<Kept> {
        let kept = self.vault.kept(&self.place).await.unwrap_or_default();
        self.lasting.borrow_mut().extend(kept.iter().map(|kept| kept.uuid.clone()));
        kept
    }

    /// A person threw it away in another tab.
    pub fn discarded(&self, uuid: &str) {
        self.discarded.borrow_mut().insert(uuid.to_owned());
    }

    /// The log that is read now.
    pub fn in_epoch(&self, epoch: Option<&str>) {
        if self.epoch.borrow().as_deref() != epoch {
            self.epoch.replace(epoch.map(str::to_owned));
        }
    }

    /// Sends what must go before the prompt `uuid`, then that one. `event` is the prompt, for where nothing is kept.
    pub async fn deliver(&self, uuid: &str, event: RawJson) -> PostOutcome {
        let turn = locks::turn(&format!("portcullis-outbox-{}", self.place.session)).await;
        self.turn.replace(turn);
        let outcome = self.deliver_in_turn(uuid, event).await;
        self.let_go();
        outcome
    }

    /// Gives the turn up; an answer that is still under way is heard all the same.
    pub fn let_go(&self) {
        self.turn.replace(None);
    }

    /// Sends everything that is kept, for a session that nobody looks at. Stops at the first that is not answered.
    pub async fn sweep(&self) {
        let turn = locks::turn(&format!("portcullis-outbox-{}", self.place.session)).await;
        self.turn.replace(turn);
        for kept in self.kept().await {
            match self.settled(&kept).await {
                // The log has it; there is no page here that would show it.
                PostOutcome::Accepted { .. } => self.vault.release(&kept.uuid).await,
                PostOutcome::Refused(_) => {}
                PostOutcome::Failed => break,
            }
        }
        self.let_go();
    }

    async fn deliver_in_turn(&self, uuid: &str, event: RawJson) -> PostOutcome {
        let Ok(kept) = self.vault.kept(&self.place).await else { return self.post(event).await };
        if !kept.iter().any(|kept| kept.uuid == uuid) {
            return self.gone(uuid, event).await;
        }
        for kept in kept {
            let outcome = self.settled(&kept).await;
            if kept.uuid == uuid || matches!(outcome, PostOutcome::Failed) {
                return outcome;
            }
        }
        PostOutcome::Failed
    }

    /// What became of a prompt that is not kept, or not any more.
    async fn gone(&self, uuid: &str, event: RawJson) -> PostOutcome {
        if self.discarded.borrow().contains(uuid) {
            let message = "It was thrown away in another tab.".to_owned();
            return PostOutcome::Refused(ErrorDetail { message, ..ErrorDetail::default() });
        }
        if self.lasting.borrow().contains(uuid) {
            // Another tab saw it in the log.
            return PostOutcome::Accepted { seq: None };
        }
        self.post(event).await
    }

    /// What became of `kept`; sent now where nobody knows.
    async fn settled(&self, kept: &Kept) -> PostOutcome {
        match &kept.fate {
            Fate::Refused { message } => {
                return PostOutcome::Refused(ErrorDetail {
                    message: message.clone(),
                    ..ErrorDetail::default()
                });
            }
            // A log that lost what it had taken has another epoch.
            Fate::Stored { epoch, seq } if epoch.is_some() && *epoch == *self.epoch.borrow() => {
                return PostOutcome::Accepted { seq: *seq };
            }
            Fate::Stored { .. } | Fate::Waiting => {}
        }
        let outcome = self.post(prompt::prompt(&kept.uuid, &kept.said)).await;
        match &outcome {
            PostOutcome::Accepted { seq } => {
                let epoch = self.epoch.borrow().clone();
                self.vault.settle(&kept.uuid, Fate::Stored { epoch, seq: *seq }).await;
            }
            PostOutcome::Refused(detail) => {
                let message = detail.message.clone();
                self.vault.settle(&kept.uuid, Fate::Refused { message }).await;
                self.channel.say(&Word::Outbox(self.place.session.clone()));
            }
            PostOutcome::Failed => {}
        }
        outcome
    }

    async fn post(&self, event: RawJson) -> PostOutcome {
        let body = RawJson::from_value(&PostEvents { events: vec![event] });
        post(&self.tokens, &self.place.session, body.as_str().to_owned()).await
    }
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Courier").field("place", &self.place).finish_non_exhaustive()
    }
}

/// POSTs `body` to the session's events, once more with a fresh token when the first was not taken.
pub(super) async fn post(tokens: &Tokens, session: &SessionId, body: String) -> PostOutcome {
    let path = format!("/v1/sessions/{session}/events");
    let answer = async {
        let token = tokens.get().await?;
        match api::send(Method::POST, &path, &token.text, Some(body.clone())).await {
            Err(failure) if failure.is_unauthorized() => {
                let token = tokens.fresh().await?;
                api::send(Method::POST, &path, &token.text, Some(body)).await
            }
            other => other,
        }
    };
    match answer.await {
        Ok(answer) => PostOutcome::Accepted { seq: place_of(&answer) },
        Err(Failure::Refused { detail, status }) if is_final(status) => PostOutcome::Refused(detail),
        Err(_) => PostOutcome::Failed,
    }
}

/// Whether asking again brings the same answer. A token that ended on its way is no fault of the prompt.
fn is_final(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 401 | 408 | 429)
}

fn place_of(answer: &api::Answer) -> Option<u64> {
    answer.read::<PostedEvents>().ok()?.data.first()?.seq
}
