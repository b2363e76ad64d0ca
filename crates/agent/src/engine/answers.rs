//! Permission: a call is decided by the policy or put to the host, and every question ends exactly once, by an
//! answer, an interrupt, or the end of the input.

use serde_json::{Value, json};

use super::QueryEngine;
use crate::{
    options::PermissionMode,
    permission::policy::{Decision, Question},
    turn::{PermissionRequest, Signal, Verdict},
    wire::{
        incoming::{ControlAnswer, PermissionAnswer, decision},
        object::Object,
    },
};

/// Questions that may wait at once; more are refused with a reason.
const PENDING_MAX: usize = 256;

const STREAM_CLOSED: &str =
    "Tool permission request failed: AbortError: Tool permission stream closed before response received";
const MALFORMED: &str = "The permission answer was invalid. Expected {behavior: 'allow', updatedInput?: object} or \
                         {behavior: 'deny', message: string}. The tool was not run.";

/// A question the host has not answered.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) request_id: String,
    /// The whole `control_request`, for a host that joins later.
    pub(super) envelope: Object,
    request: PermissionRequest,
}

impl QueryEngine {
    pub(super) fn handle_permission(&mut self, request: PermissionRequest) {
        if self.running.as_ref().is_none_or(|running| running.is_stopped()) {
            self.settle(request, Verdict::Interrupted);
            return;
        }
        match self.policy.decide_hooked(&request.tool, &request.reach, request.hook.as_ref()) {
            Decision::Run { reason_type } => {
                let decision = json!({"decision": "accept", "source": "config", "reason_type": reason_type});
                let input = request.input.clone();
                self.settle(request, Verdict::Run { input, decision });
            }
            Decision::Refuse { message, reason_type } => {
                self.report_denied(&request, &message, reason_type);
                self.refuse(request, message, by_config(reason_type));
            }
            Decision::Ask(_) if self.input_closed => {
                self.refuse(request, STREAM_CLOSED.to_owned(), by_config("other"));
            }
            Decision::Ask(_) if self.pending.len() >= PENDING_MAX => {
                let reason = format!("More than {PENDING_MAX} permission requests are waiting already.");
                self.refuse(request, reason, by_config("other"));
            }
            Decision::Ask(question) => self.ask(request, *question),
        }
    }

    /// Applies the host's answer to the question it names; answers to anything else are ignored.
    pub(super) fn handle_answer(&mut self, answer: ControlAnswer) {
        if self.take_hook_answer(&answer) {
            return;
        }
        let Some(place) = self.pending.iter().position(|pending| pending.request_id == answer.request_id)
        else {
            return;
        };
        let request = self.pending.remove(place).request;
        self.go_on();
        if let Some(echo) = answer.echo.filter(|_| self.replay) {
            self.say(echo);
        }
        match answer.outcome.map(|response| decision(response.as_deref())) {
            Ok(PermissionAnswer::Allow { updated_input, updates, classification }) => {
                let mode_was_set = self.apply(&updates);
                self.leave_plan(&request.tool, mode_was_set);
                let source = classification.filter(|name| name == "user_permanent");
                let source = source.as_deref().unwrap_or("user_temporary");
                let decision = json!({"decision": "accept", "source": source});
                let input = updated_input.unwrap_or_else(|| request.input.clone());
                self.settle(request, Verdict::Run { input, decision });
            }
            Ok(PermissionAnswer::Deny { message, interrupt: false }) => {
                self.refuse(request, message, json!({"decision": "reject", "source": "user_reject"}));
            }
            Ok(PermissionAnswer::Deny { interrupt: true, .. }) => {
                self.settle(request, Verdict::Interrupted);
                self.stop_turn();
            }
            Ok(PermissionAnswer::Malformed) => self.refuse(request, MALFORMED.to_owned(), by_config("other")),
            Err(error) => {
                let reason = format!("Tool permission request failed: Error: {error}");
                self.refuse(request, reason, by_config("other"));
            }
        }
    }

    /// Withdraws every question and stops the running turn.
    pub(super) fn stop_turn(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            self.withdraw(&pending.request_id);
            self.settle(pending.request, Verdict::Interrupted);
        }
        self.withdraw_hooks();
        self.go_on();
        if let Some(running) = &self.running {
            running.signal.send_replace(Signal::Stop);
        }
    }

    /// Nobody is left to answer.
    pub(super) fn refuse_pending(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            self.refuse(pending.request, STREAM_CLOSED.to_owned(), by_config("other"));
        }
        self.go_on();
    }

    /// Starts the clock of waiting: from here on the turn may be able to do nothing but wait for a person.
    fn pause(&mut self) {
        let now_ms = self.scribe.world.unix_ms();
        let was_waiting = self.running.as_ref().is_some_and(|running| running.paused_since_ms.is_some());
        if !was_waiting {
            self.with_running(|running| running.paused_since_ms = Some(now_ms));
            self.tell_state("requires_action");
        }
    }

    /// Stops the clock of waiting once nothing waits.
    fn go_on(&mut self) {
        if !self.pending.is_empty() {
            return;
        }
        let now_ms = self.scribe.world.unix_ms();
        let mut waited = false;
        self.with_running(|running| {
            if let Some(since_ms) = running.paused_since_ms.take() {
                running.paused_ms += now_ms.saturating_sub(since_ms);
                waited = true;
            }
        });
        if waited {
            self.tell_state("running");
        }
    }

    /// Switches the mode and says so if it changed.
    pub(super) fn enter_mode(&mut self, mode: PermissionMode) {
        if self.policy.mode != mode {
            self.policy.enter(mode);
            self.report_mode();
        }
    }

    fn report_mode(&mut self) {
        let line = self.scribe.system("status").with("status", &Value::Null);
        self.say(line.with("permissionMode", self.policy.mode.as_str()).to_line());
    }

    fn apply(&mut self, updates: &[Value]) -> bool {
        let mut mode_was_set = false;
        for update in updates {
            mode_was_set |= update.get("type").is_some_and(|kind| kind == "setMode");
            if self.policy.apply(update).is_some() {
                self.report_mode();
            }
        }
        mode_was_set
    }

    /// An approved plan ends plan mode, unless the approver chose a mode.
    fn leave_plan(&mut self, tool: &str, mode_was_set: bool) {
        if tool == "ExitPlanMode" && !mode_was_set && self.policy.mode == PermissionMode::Plan {
            self.enter_mode(self.policy.before_plan);
        }
    }

    fn ask(&mut self, request: PermissionRequest, question: Question) {
        self.pause();
        let request_id = self.scribe.world.uuid();
        let (reason_type, reason) = question.reason.unzip();
        let by_hook = (reason_type == Some("hook")).then_some("PreToolUse");
        let body = Object::new()
            .with("subtype", "can_use_tool")
            .with("tool_name", &request.tool)
            .with("display_name", &request.tool)
            .with("input", &request.input)
            .with_some("description", request.summary.as_ref())
            .with_some("permission_suggestions", question.suggestions)
            .with_some("blocked_path", question.blocked_path)
            .with_some("decision_reason", reason)
            .with_some("decision_reason_type", reason_type)
            .with_some("decision_reason_hook_event", by_hook)
            .with("tool_use_id", &request.tool_use_id)
            .with_some("agent_id", request.agent_id.as_ref())
            .with_some("requires_user_interaction", question.needs_person.then_some(true));
        let envelope =
            Object::of_type("control_request").with("request_id", &request_id).with("request", &body);
        self.say(envelope.to_line());
        self.pending.push(Pending { request_id, envelope, request });
    }

    fn refuse(&mut self, request: PermissionRequest, reason: String, decision: Value) {
        self.settle(request, Verdict::Refused { reason, decision });
    }

    /// Ends a question. Every call that was kept from running by a decision is listed in the result.
    fn settle(&mut self, request: PermissionRequest, verdict: Verdict) {
        let denied = matches!(verdict, Verdict::Refused { .. } | Verdict::Interrupted);
        if let Some(running) = self.running.as_mut().filter(|_| denied) {
            let denial = Object::new()
                .with("tool_name", &request.tool)
                .with("tool_use_id", &request.tool_use_id)
                .with("tool_input", &request.input);
            running.denials.push(denial);
        }
        drop(request.reply.send(verdict));
    }

    fn report_denied(&mut self, request: &PermissionRequest, message: &str, reason_type: &str) {
        let line = self
            .scribe
            .system("permission_denied")
            .with("tool_name", &request.tool)
            .with("tool_use_id", &request.tool_use_id)
            .with_some("agent_id", request.agent_id.as_ref())
            .with("decision_reason_type", reason_type)
            .with("message", message);
        self.say(line.to_line());
    }
}

fn by_config(reason_type: &str) -> Value {
    json!({"decision": "reject", "source": "config", "reason_type": reason_type})
}
