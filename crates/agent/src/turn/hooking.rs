//! Puts the moments of a turn to the host's callbacks, and waits for what they say.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json, value::RawValue};
use tokio::{sync::oneshot, time::timeout};

use super::{HookCall, TurnContext, TurnEvent};
use crate::{
    hooks::{Callback, HookOutcome, Moment},
    wire::object::{Object, raw},
};

/// What a moment is about.
#[derive(Debug, Default)]
pub(super) struct Subject<'a> {
    /// What matchers look at.
    pub(super) name: &'a str,
    /// The call in question; a moment without one gets an id of its own.
    pub(super) tool_use_id: Option<&'a str>,
}

impl Subject<'_> {
    pub(super) fn nothing() -> Self {
        Self::default()
    }
}

impl TurnContext {
    /// Asks the callbacks whether these prompts may be answered: gives what the model is to know beside, or why not.
    pub(super) async fn admit(
        &self,
        prompt: &str,
        session_start: Option<&str>,
    ) -> Result<Vec<String>, String> {
        let mut notes = Vec::new();
        if let Some(source) = session_start {
            let subject = Subject { name: source, tool_use_id: None };
            let started =
                self.call_hooks(Moment::SessionStart, &subject, Object::new().with("source", source)).await;
            notes.extend(started.context);
        }
        let fields = Object::new().with("prompt", prompt);
        let outcome = self.call_hooks(Moment::UserPromptSubmit, &Subject::nothing(), fields).await;
        if let Some(reason) = outcome.blocked().or(outcome.stop) {
            return Err(reason);
        }
        notes.extend(outcome.context);
        Ok(notes)
    }

    /// Makes all callbacks of a moment at once and puts their answers together, in the order of their registration.
    pub(super) async fn call_hooks(
        &self,
        moment: Moment,
        subject: &Subject<'_>,
        fields: Object,
    ) -> HookOutcome {
        let mut outcome = HookOutcome::default();
        let callbacks = self.charter.hooks.callbacks(moment, subject.name);
        if callbacks.is_empty() {
            return outcome;
        }
        let mut all = Object::new().with("hook_event_name", moment.as_str());
        if let Some(delegate) = &self.scribe.delegate {
            all = all.with("agent_id", &delegate.agent_id).with("agent_type", &delegate.subagent_type);
        }
        let fields = raw(&all.and(fields));
        let answers =
            join_all(callbacks.iter().map(|callback| self.call_hook(callback, subject, &fields))).await;
        for (callback, answer) in callbacks.iter().zip(answers) {
            outcome.take(callback, answer);
        }
        for message in &outcome.messages {
            let line = self.scribe.system("informational").with("content", message).with("level", "info");
            self.line(line.with_some("tool_use_id", subject.tool_use_id).to_line()).await;
        }
        outcome
    }

    async fn call_hook(
        &self,
        callback: &Callback,
        subject: &Subject<'_>,
        fields: &RawValue,
    ) -> Result<Box<RawValue>, String> {
        let request_id = self.scribe.world.uuid();
        let (reply, answer) = oneshot::channel();
        let call = HookCall {
            request_id: request_id.clone(),
            callback_id: callback.id.clone(),
            tool_use_id: subject.tool_use_id.map_or_else(|| self.scribe.world.uuid(), str::to_owned),
            fields: fields.to_owned(),
            reply,
        };
        self.tell(TurnEvent::Hook(call)).await;
        match timeout(Duration::from_millis(callback.timeout_ms), answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err("the turn was stopped".to_owned())),
            Err(_) => {
                self.tell(TurnEvent::HookGone { request_id }).await;
                Err(format!("it did not answer within {} ms", callback.timeout_ms))
            }
        }
    }

    /// Tells the callbacks what came of a call; gives what the model is to know beside, and whether the turn is to end.
    pub(super) async fn after_call(
        &self,
        name: &str,
        tool_use_id: &str,
        input: &RawValue,
        response: &Value,
        failed: bool,
    ) -> (Vec<String>, Option<String>) {
        let moment = if failed { Moment::PostToolUseFailure } else { Moment::PostToolUse };
        let key = if failed { "error" } else { "tool_response" };
        let fields = Object::new()
            .with("tool_name", name)
            .with("tool_input", input)
            .with(key, response)
            .with("tool_use_id", tool_use_id);
        let subject = Subject { name, tool_use_id: Some(tool_use_id) };
        let outcome = self.call_hooks(moment, &subject, fields).await;
        let mut notes = outcome.context.clone();
        notes.extend(outcome.blocked());
        (notes, outcome.stop)
    }

    /// Tells the callbacks that a sub-agent starts or stops; gives what it is to know, or why it must go on.
    pub(super) async fn about_delegate(&self, moment: Moment, said: Option<&str>) -> HookOutcome {
        let name =
            self.scribe.delegate.as_ref().map(|delegate| delegate.subagent_type.clone()).unwrap_or_default();
        let fields = match said {
            Some(said) => {
                Object::new().with("stop_hook_active", &json!(false)).with("last_assistant_message", said)
            }
            None => Object::new(),
        };
        self.call_hooks(moment, &Subject { name: &name, tool_use_id: None }, fields).await
    }
}
