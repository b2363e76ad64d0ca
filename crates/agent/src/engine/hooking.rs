//! Callbacks the host has not answered. Each ends exactly once: by an answer, by its time limit, by an interrupt, or by
//! the end of the input.

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::QueryEngine;
use crate::{
    turn::HookCall,
    wire::{
        incoming::ControlAnswer,
        object::{Object, raw},
    },
};

/// Callbacks that may wait at once.
const WAITING_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct WaitingHook {
    pub(super) request_id: String,
    pub(super) reply: oneshot::Sender<Result<Box<RawValue>, String>>,
}

impl QueryEngine {
    pub(super) fn handle_hook(&mut self, call: HookCall) {
        let refusal = if self.input_closed {
            Some("the host's input has ended")
        } else if self.waiting_hooks.len() >= WAITING_MAX {
            Some("too many callbacks wait already")
        } else {
            None
        };
        if let Some(refusal) = refusal {
            drop(call.reply.send(Err(refusal.to_owned())));
            return;
        }
        let prompt_id = self.running.as_ref().and_then(|running| running.prompts.last().cloned());
        let input = Object::new()
            .with("session_id", &*self.scribe.session_id)
            .with("transcript_path", &self.transcript_path())
            .with("cwd", &self.policy.cwd)
            .with_some("prompt_id", prompt_id)
            .with("permission_mode", self.policy.mode.as_str());
        let body = Object::new()
            .with("subtype", "hook_callback")
            .with("callback_id", &call.callback_id)
            .with("input", &joined(&input, &call.fields))
            .with("tool_use_id", &call.tool_use_id);
        let line =
            Object::of_type("control_request").with("request_id", &call.request_id).with("request", &body);
        self.say(line.to_line());
        self.waiting_hooks.push(WaitingHook { request_id: call.request_id, reply: call.reply });
    }

    /// Passes on the answer to a callback; false if it answers none.
    pub(super) fn take_hook_answer(&mut self, answer: &ControlAnswer) -> bool {
        let Some(place) = self.waiting_hooks.iter().position(|hook| hook.request_id == answer.request_id)
        else {
            return false;
        };
        let hook = self.waiting_hooks.remove(place);
        if let Some(echo) = answer.echo.clone().filter(|_| self.replay) {
            self.say(echo);
        }
        let said = answer.outcome.clone();
        drop(hook.reply.send(said.map(|response| response.unwrap_or_else(|| raw(&Object::new())))));
        true
    }

    /// Where the conversation is written down, for whoever wants to look.
    fn transcript_path(&self) -> String {
        let path = self
            .data_dir
            .as_ref()
            .map(|directory| directory.join(format!("{}.jsonl", self.scribe.session_id)));
        path.map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// Nobody waits for this callback any more.
    pub(super) fn forget_hook(&mut self, request_id: &str) {
        let before = self.waiting_hooks.len();
        self.waiting_hooks.retain(|hook| hook.request_id != request_id);
        if self.waiting_hooks.len() < before {
            self.withdraw(request_id);
        }
    }

    /// Withdraws all callbacks: the turn is stopped.
    pub(super) fn withdraw_hooks(&mut self) {
        for hook in std::mem::take(&mut self.waiting_hooks) {
            self.withdraw(&hook.request_id);
            drop(hook.reply.send(Err("the turn was stopped".to_owned())));
        }
    }

    /// Nobody is left to answer.
    pub(super) fn fail_hooks(&mut self) {
        for hook in std::mem::take(&mut self.waiting_hooks) {
            drop(hook.reply.send(Err("the host's input has ended".to_owned())));
        }
    }

    pub(super) fn withdraw(&mut self, request_id: &str) {
        self.say(Object::of_type("control_cancel_request").with("request_id", request_id).to_line());
    }
}

/// Two objects as one, without a look at what the second holds: a tool's input is in it.
fn joined(first: &Object, second: &RawValue) -> Box<RawValue> {
    let first = first.to_line();
    let head = first.strip_suffix('}').unwrap_or(&first);
    let tail = second.get().trim_start().strip_prefix('{').unwrap_or("}");
    RawValue::from_string(format!("{head},{tail}")).unwrap_or_else(|_| raw(&Object::new()))
}
