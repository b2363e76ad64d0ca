//! The loop of a turn: ask the model, stream what it says, run what it calls, tell it what came of it, until it has
//! nothing more to say, somebody stops it, or a limit is reached.

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{
    Ending, EndingKind, Opening, Signal, TurnContext, TurnEvent,
    calls::{self, Fate, Outcome},
    hooking::Subject,
    listening::{Broken, RETRIES_MAX},
    streaming::{self, Cut, Streamed},
    talk::Talk,
};
use crate::{
    charter::STRUCTURED_OUTPUT,
    hooks::Moment,
    model::messages::failure::ApiFailure,
    wire::{incoming::Prompt, object::Object},
};

const INTERRUPTED: &str = "[Request interrupted by user]";
const INTERRUPTED_FOR_TOOL_USE: &str = "[Request interrupted by user for tool use]";

/// How often a model is reminded of the form its answer must have.
const REMINDERS_MAX: u64 = 5;
/// How often hooks may send a model back to work; a hook that never lets go would cost for ever.
const SENT_BACK_MAX: u64 = 8;

pub(super) async fn run(context: TurnContext, opening: Opening) {
    let ending = converse(&context, opening).await;
    context.tell(TurnEvent::Done(ending)).await;
}

async fn converse(context: &TurnContext, opening: Opening) -> Ending {
    let mut blocks = opening.prompt_blocks;
    if opening.waits_for_hooks {
        let admitted = context.admit(&opening.prompt_text, opening.session_start).await;
        context.tell(TurnEvent::Opened).await;
        match admitted {
            Ok(notes) => blocks.extend(notes.into_iter().map(|note| json!({"type": "text", "text": note}))),
            Err(reason) => return Ending { text: reason, ..Ending::of(EndingKind::StoppedByHook) },
        }
    }
    let talk = Talk::open(context.clone(), opening.history, &opening.prompt_text, blocks).await;
    let conversation =
        Conversation { talk, ending: Ending::of(EndingKind::Completed), reminders: 0, sent_back: 0 };
    conversation.run().await
}

struct Conversation {
    talk: Talk,
    ending: Ending,
    reminders: u64,
    sent_back: u64,
}

impl Conversation {
    async fn run(mut self) -> Ending {
        loop {
            if let Some(limit) = self.limit().await {
                self.talk.flush().await;
                return Ending { kind: limit, ..self.ending };
            }
            match self.talk.next().await {
                Ok(Some(streamed)) => {
                    if let Some(kind) = self.take(streamed).await {
                        return Ending { kind, ..self.ending };
                    }
                }
                Ok(None) => {
                    if let Some(kind) = self.close().await {
                        return Ending { kind, ..self.ending };
                    }
                }
                Err(Broken::Cut(cut)) => return self.wind_up(*cut).await,
                Err(Broken::Failed(failure)) => {
                    return Ending { text: failure.describe(), ..Ending::of(EndingKind::Failed(failure)) };
                }
            }
        }
    }

    /// A limit of the host that was reached before the next request.
    async fn limit(&self) -> Option<EndingKind> {
        let charter = &self.talk.context.charter;
        if self.talk.requests == 0 {
            return None;
        }
        if charter.max_turns.is_some_and(|most| self.talk.requests >= most) && self.talk.has_more() {
            return Some(EndingKind::MaxTurns);
        }
        let spent = charter.max_budget_usd.is_some() && self.talk.context.has_spent().await;
        (spent && self.talk.has_more()).then_some(EndingKind::MaxBudget)
    }

    /// Takes in a reply; gives the turn's end if this was it.
    async fn take(&mut self, streamed: Streamed) -> Option<EndingKind> {
        let Streamed { calls, text, stop_reason, .. } = streamed;
        if stop_reason.as_deref() == Some("model_context_window_exceeded") {
            let message = "prompt is too long: the model's context window is full".to_owned();
            let failure = ApiFailure { status: Some(400), ..ApiFailure::connection(message) };
            self.ending.text = failure.describe();
            return Some(EndingKind::Failed(failure));
        }
        self.ending.text = text.unwrap_or(std::mem::take(&mut self.ending.text));
        if calls.is_empty() {
            self.talk.settle(stop_reason.as_deref()).await;
            self.ending.stop_reason = stop_reason.or(self.ending.stop_reason.take());
            return None;
        }
        self.ending.stop_reason = stop_reason.or(self.ending.stop_reason.take());
        let outcomes = calls::run_all(&self.talk.context, calls).await;
        self.take_outcomes(outcomes).await
    }

    async fn take_outcomes(&mut self, mut outcomes: Vec<Outcome>) -> Option<EndingKind> {
        let stopped = outcomes.iter().any(|outcome| matches!(outcome.fate, Fate::Stopped));
        let halt = outcomes.iter_mut().find_map(|outcome| outcome.halt.take());
        let structured = outcomes.iter_mut().find_map(|outcome| outcome.structured_output.take());
        self.talk.observe(outcomes).await;
        if stopped {
            self.talk.context.say_interrupted(INTERRUPTED_FOR_TOOL_USE).await;
            self.talk.note(INTERRUPTED_FOR_TOOL_USE).await;
            return Some(EndingKind::StoppedTools);
        }
        if let Some(reason) = halt {
            self.talk.flush().await;
            self.ending.text = reason;
            return Some(EndingKind::StoppedByHook);
        }
        if structured.is_some() {
            self.talk.flush().await;
            self.ending.structured_output = structured;
            return Some(EndingKind::Completed);
        }
        for prompt in self.talk.context.fold().await {
            self.talk.fold(&prompt);
            self.talk.context.prompt_uuids.extend(prompt.uuid);
        }
        None
    }

    /// All is said: is it in the right form, and does every hook let the turn end?
    async fn close(&mut self) -> Option<EndingKind> {
        let lacks_form = self.talk.context.charter.json_schema.is_some() && self.talk.is_asked();
        if lacks_form {
            if self.reminders == REMINDERS_MAX {
                return Some(EndingKind::Unstructured);
            }
            self.reminders += 1;
            self.talk.prod(&format!("Give your final answer now, by calling {STRUCTURED_OUTPUT}.")).await;
            return None;
        }
        let fields = Object::new()
            .with("stop_hook_active", &(self.sent_back > 0))
            .with("last_assistant_message", &self.ending.text);
        let outcome = self.talk.context.call_hooks(Moment::Stop, &Subject::nothing(), fields).await;
        let sent_back =
            outcome.blocked().filter(|_| outcome.stop.is_none() && self.sent_back < SENT_BACK_MAX);
        let Some(reason) = sent_back else {
            return Some(EndingKind::Completed);
        };
        self.sent_back += 1;
        self.talk.prod(&reason).await;
        None
    }

    /// Closes a reply that was cut short, in the wire's order: refused calls, the marker, the stream's end.
    async fn wind_up(mut self, cut: Cut) -> Ending {
        let stopped = self.talk.context.is(Signal::Stop);
        self.talk.remember_cut(cut.said.clone()).await;
        let mut rejected = Vec::new();
        for call in &cut.calls {
            self.talk.context.report(calls::rejection(&self.talk.context.scribe, &call.id)).await;
            rejected.push(Outcome::stopped(&call.id));
        }
        self.talk.observe(rejected).await;
        if stopped {
            self.talk.context.say_interrupted(INTERRUPTED).await;
            self.talk.note(INTERRUPTED).await;
        }
        self.talk.flush().await;
        streaming::close(&self.talk.context, &cut).await;
        let kind = if stopped { EndingKind::StoppedStreaming } else { EndingKind::Yielded };
        Ending { text: cut.text.unwrap_or(self.ending.text), ..Ending::of(kind) }
    }
}

impl TurnContext {
    pub(super) async fn announce_request(&self) {
        let mut line = self.scribe.system("status").with("status", "requesting");
        if !self.prompt_uuids.is_empty() {
            line = line.with("user_message_uuids", &self.prompt_uuids);
        }
        self.line(line.to_line()).await;
    }

    pub(super) async fn report_retry(&self, attempt: u64, delay_ms: u64, status: Option<u16>, name: &str) {
        let line = self
            .scribe
            .system("api_retry")
            .with("attempt", &attempt)
            .with("max_retries", &RETRIES_MAX)
            .with("retry_delay_ms", &delay_ms)
            .with("error_status", &status)
            .with("error", name);
        self.line(line.to_line()).await;
    }

    /// Says that the model's API gave no answer, and takes back what an earlier attempt had said.
    pub(super) async fn say_failure(&self, failure: &ApiFailure, taken_back: &[String], binds_prompts: bool) {
        if self.scribe.delegate.is_some() {
            return;
        }
        let mut line = self
            .scribe
            .synthetic(&failure.describe())
            .with("error", failure.name())
            .with_some("request_id", failure.request_id.as_ref())
            .with("is_api_error_message", &true)
            .with_some("api_error_status", failure.status)
            .with_some("api_error_type", failure.kind.as_ref());
        if !taken_back.is_empty() {
            line = line.with("supersedes", taken_back);
        }
        if let Some(last) = self.prompt_uuids.last().filter(|_| binds_prompts) {
            line = line.with("user_message_uuid", last).with("user_message_uuids", &self.prompt_uuids);
        }
        self.line(line.to_line()).await;
    }

    /// Asks whether prompts came in while tools ran.
    async fn fold(&self) -> Vec<Prompt> {
        let (reply, answer) = oneshot::channel();
        self.tell(TurnEvent::Fold(reply)).await;
        answer.await.unwrap_or_default()
    }

    async fn has_spent(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        self.tell(TurnEvent::Spent(reply)).await;
        answer.await.unwrap_or_default()
    }

    async fn say_interrupted(&self, marker: &str) {
        let content: Value = json!([{"type": "text", "text": marker}]);
        self.tell(TurnEvent::UserLine(self.scribe.user(&content).to_line())).await;
    }
}
