//! Results: what a turn came to, said exactly once, and what the agent answers itself.

use serde_json::{Value, json};

use super::{QueryEngine, memory::Memory, totals::Totals};
use crate::{
    turn::{Ending, EndingKind},
    wire::{incoming::Prompt, object::Object, scribe::Usage},
};

impl QueryEngine {
    /// A prompt that wants no answer has a result all the same.
    pub(super) fn skip_turn(&mut self, uuids: &[String]) {
        self.finish_locally(uuids, "", None);
    }

    pub(super) fn finish_turn(&mut self, ending: &Ending) {
        let Some(running) = self.running.take() else {
            return;
        };
        let stopped = matches!(ending.kind, EndingKind::StoppedStreaming | EndingKind::StoppedTools);
        let failed = subtype(&ending.kind) != "success" || matches!(ending.kind, EndingKind::Failed(_));
        let last_state = if failed { "cancelled" } else { "completed" };
        if !stopped {
            self.lifecycle(&running.folded, last_state);
        }
        let duration_ms = self.scribe.world.unix_ms().saturating_sub(running.started_ms);
        self.totals.api_ms += duration_ms.saturating_sub(running.paused_ms);
        let mut result = self
            .result_line(subtype(&ending.kind), failed, &running.all_prompts())
            .with("duration_ms", &duration_ms)
            .with("num_turns", &(1 + running.user_lines))
            .with("stop_reason", &ending.stop_reason)
            .with("usage", &running.used.to_json())
            .with("permission_denials", &running.denials)
            .with("terminal_reason", terminal_reason(&ending.kind))
            .with_some("structured_output", ending.structured_output.as_ref());
        result = match error_text(&ending.kind) {
            Some(text) => result.with("errors", &[text]),
            None => result
                .with("result", &result_text(ending))
                .with("api_error_status", &api_status(&ending.kind)),
        };
        if let EndingKind::Failed(failure) = &ending.kind {
            result = result.with_some("api_error_type", failure.kind.as_ref());
        }
        self.say(result.to_line());
        self.last_result_failed = failed;
        self.lifecycle(&running.prompts, last_state);
        if stopped {
            self.lifecycle(&running.folded, last_state);
        }
        self.memory.remember_totals(&self.totals.to_json());
        if self.queue.len() == 0 {
            self.tell_state("idle");
        }
        self.start_turn();
    }

    /// The fields every result has; counts the result.
    fn result_line(&mut self, subtype: &str, is_error: bool, uuids: &[String]) -> Object {
        let line = Object::of_type("result")
            .with("subtype", subtype)
            .with("is_error", &is_error)
            .with("session_id", &*self.scribe.session_id)
            .with("uuid", &self.scribe.world.uuid())
            .with("duration_api_ms", &self.totals.api_ms)
            .with("total_cost_usd", &self.totals.cost_usd())
            .with("modelUsage", &self.totals.model_usage())
            .with("queued_turn_count", &0)
            .with("result_index", &self.totals.results);
        self.totals.results += 1;
        match uuids.first() {
            Some(first) => line.with("user_message_uuid", first).with("user_message_uuids", uuids),
            None => line,
        }
    }

    /// Does what a prompt such as `/clear` asks of the agent itself; false if it asks for nothing of the kind.
    pub(super) fn run_command(&mut self, prompt: &Prompt, uuids: &[String]) -> bool {
        let text = prompt.text();
        let said = match text.trim() {
            "/clear" => {
                self.clear(uuids);
                String::new()
            }
            "/context" => self.describe_context(),
            "/cost" => self.totals.describe(),
            _ => return false,
        };
        self.announce_turn(uuids, false);
        if !said.is_empty() {
            self.say(self.scribe.synthetic(&said).to_line());
        }
        let name = text.trim();
        let wrapped = format!("<command-name>{name}</command-name>");
        self.replay(&Value::String(wrapped), prompt.uuid.as_deref(), true);
        self.finish_locally(uuids, &said, Some(name));
        true
    }

    /// Starts a new conversation, under a new id.
    fn clear(&mut self, uuids: &[String]) {
        let new_id = self.scribe.world.uuid();
        let line = Object::of_type("conversation_reset")
            .with("new_conversation_id", &new_id)
            .with("trigger", "clear")
            .with_some("user_message_uuid", uuids.first())
            .with("session_id", &*self.scribe.session_id)
            .with("uuid", &self.scribe.world.uuid());
        self.say(line.to_line());
        self.memory = Memory::open(self.data_dir.as_deref(), &new_id, &self.policy.cwd).unwrap_or_default();
        self.scribe.session_id = new_id.into();
        self.totals = Totals::after(self.totals.results);
    }

    fn finish_locally(&mut self, uuids: &[String], text: &str, command: Option<&str>) {
        let result = self
            .result_line("success", false, uuids)
            .with("num_turns", &0)
            .with("result", text)
            .with("duration_ms", &0)
            .with("stop_reason", &Value::Null)
            .with("usage", &Usage::default().to_json())
            .with("permission_denials", &json!([]))
            .with_some("local_command", command);
        self.say(result.to_line());
        self.last_result_failed = false;
        self.lifecycle(uuids, "completed");
    }
}

fn subtype(kind: &EndingKind) -> &'static str {
    match kind {
        EndingKind::Completed | EndingKind::Yielded | EndingKind::StoppedByHook | EndingKind::Failed(_) => {
            "success"
        }
        EndingKind::StoppedStreaming | EndingKind::StoppedTools => "error_during_execution",
        EndingKind::MaxTurns => "error_max_turns",
        EndingKind::MaxBudget => "error_max_budget_usd",
        EndingKind::Unstructured => "error_max_structured_output_retries",
    }
}

fn terminal_reason(kind: &EndingKind) -> &'static str {
    match kind {
        EndingKind::Completed => "completed",
        EndingKind::Yielded | EndingKind::StoppedStreaming => "aborted_streaming",
        EndingKind::StoppedTools => "aborted_tools",
        EndingKind::StoppedByHook => "hook_stopped",
        EndingKind::MaxTurns => "max_turns",
        EndingKind::MaxBudget => "budget_exhausted",
        EndingKind::Unstructured => "structured_output_retry_exhausted",
        EndingKind::Failed(failure) if failure.is_too_long() => "prompt_too_long",
        EndingKind::Failed(_) => "api_error",
    }
}

/// What went wrong, where the result has no text.
fn error_text(kind: &EndingKind) -> Option<&'static str> {
    match kind {
        EndingKind::Completed | EndingKind::Yielded | EndingKind::StoppedByHook | EndingKind::Failed(_) => {
            None
        }
        EndingKind::StoppedStreaming | EndingKind::StoppedTools => {
            Some("the turn was interrupted by the user")
        }
        EndingKind::MaxTurns => Some("the turn made as many requests to the model as it may"),
        EndingKind::MaxBudget => Some("the session has cost as much as it may"),
        EndingKind::Unstructured => Some("the model did not give its answer in the form that was asked for"),
    }
}

/// The answer's text; an answer in a form of the host's is its own text.
fn result_text(ending: &Ending) -> String {
    ending.structured_output.as_ref().map_or_else(|| ending.text.clone(), Value::to_string)
}

fn api_status(kind: &EndingKind) -> Option<u16> {
    if let EndingKind::Failed(failure) = kind { failure.status } else { None }
}
