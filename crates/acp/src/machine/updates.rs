//! What the agent tells without being asked: its words, its tool calls, its plan, and what changed about the session. An
//! update that is not known, or that cannot be read, is kept in the log as it came.

use agent_client_protocol::schema::MaybeUndefined;
use agent_client_protocol::v1::schema::{
    AvailableCommand, AvailableCommandInput, ContentBlock, ContentChunk, Plan, PlanEntryStatus,
    SessionNotification, SessionUpdate,
};
use portcullis_protocol::role::PermissionMode;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::opening::Phase;
use super::{CALLS_MAX, Machine};
use crate::call::Call;
use crate::card::{Outcome, card, outcome, picture, words};
use crate::scribe::Voice;

/// Commands of an agent that are listed.
const COMMANDS_MAX: usize = 512;
/// Times one call is written again because it changed.
const TIMES_SAID_MAX: u32 = 32;
/// Bytes of a call's id that can stand as it is.
const CALL_ID_BYTES_MAX: usize = 64;

impl Machine {
    pub(super) fn handle_update(&mut self, params: &Value) {
        let Ok(note) = SessionNotification::deserialize(params) else {
            return self.pass_on("acp_update", params);
        };
        // Before the session's id is known its first words can already be under way.
        let is_ours = self.conversation.is_empty() || *note.session_id.0 == *self.conversation;
        if !is_ours {
            return self.pass_on("acp_update", params);
        }
        let repeats = matches!(self.phase, Phase::Opening { resumes: true }) || self.settling.is_some();
        match note.update {
            SessionUpdate::AvailableCommandsUpdate(update) => self.take_commands(update.available_commands),
            SessionUpdate::CurrentModeUpdate(update) => self.take_mode(&update.current_mode_id.0),
            SessionUpdate::ConfigOptionUpdate(update) => {
                self.take_options(&serde_json::to_value(update.config_options).unwrap_or_default());
            }
            SessionUpdate::SessionInfoUpdate(update) => {
                if let MaybeUndefined::Value(title) = update.title {
                    let line =
                        self.scribe.system(&*self.outside, "session_title_changed", json!({"title": title}));
                    self.say(line);
                }
            }
            SessionUpdate::UsageUpdate(usage) => {
                self.totals.context = Some((usage.used, usage.size));
                if let Some(cost) =
                    usage.cost.filter(|cost| cost.currency == "USD" && cost.amount.is_finite())
                {
                    self.totals.cost_usd = cost.amount.max(0.0);
                }
            }
            // What was said in an earlier life stands in the host's log.
            _ if repeats => self.go_on_settling(),
            SessionUpdate::AgentMessageChunk(chunk) => self.take_words(Voice::Text, &chunk),
            SessionUpdate::AgentThoughtChunk(chunk) => self.take_words(Voice::Thought, &chunk),
            // The host knows what it said.
            SessionUpdate::UserMessageChunk(_) => {}
            SessionUpdate::ToolCall(call) => {
                let id = call.tool_call_id.0.to_string();
                self.begin_call(&id);
                self.with_call(&id, |known| known.begin(call));
                self.tell_call(&id, false);
            }
            SessionUpdate::ToolCallUpdate(update) => {
                let id = update.tool_call_id.0.to_string();
                self.begin_call(&id);
                self.with_call(&id, |known| known.update(update));
                self.tell_call(&id, false);
            }
            SessionUpdate::Plan(plan) => self.take_plan(&plan),
            SessionUpdate::Notice(_)
            | SessionUpdate::CompactionUpdate(_)
            | SessionUpdate::CompactionSummaryChunk(_) => self.pass_on("acp_update", params),
            _ => self.pass_on("acp_update", params),
        }
    }

    fn take_words(&mut self, voice: Voice, chunk: &ContentChunk) {
        self.tell_open_calls();
        if let ContentBlock::Image(image) = &chunk.content {
            self.fall_silent(false);
            let id = format!("msg_acp_{}", self.outside.uuid());
            let block = picture(&image.mime_type, &image.data);
            let line = self.scribe.assistant(&*self.outside, &id, block, false);
            return self.say(line);
        }
        let theirs = chunk.message_id.as_ref().map(|id| id.0.to_string());
        let mut lines = Vec::new();
        self.scribe.say(&*self.outside, voice, theirs.as_deref(), &words(&chunk.content), &mut lines);
        self.say_all(lines);
        // Outside of a turn nothing would end it.
        if self.turn.is_none() {
            self.fall_silent(false);
        }
    }

    pub(super) fn begin_call(&mut self, id: &str) {
        if self.calls.contains_key(id) {
            return;
        }
        self.fall_silent(false);
        if self.calls.len() >= CALLS_MAX
            && let Some(oldest) = self.call_order.pop_front()
        {
            self.calls.remove(&oldest);
        }
        let is_plain = (1..=CALL_ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let tool_use_id = if is_plain { id.to_owned() } else { format!("toolu_acp_{}", self.outside.uuid()) };
        self.calls.insert(id.to_owned(), Call::new(tool_use_id));
        self.call_order.push_back(id.to_owned());
    }

    pub(super) fn with_call(&mut self, id: &str, change: impl FnOnce(&mut Call)) {
        // What is over stays as it was told.
        if let Some(call) = self.calls.get_mut(id).filter(|call| !call.is_over()) {
            change(call);
        }
    }

    /// Writes a call whose input is new, and its result when it is over. A call that says nothing of itself yet waits,
    /// unless it is `due`.
    pub(super) fn tell_call(&mut self, id: &str, due: bool) {
        let Some(call) = self.calls.get(id) else { return };
        if call.said.as_ref().is_some_and(|(name, _)| name.is_empty()) || !(due || call.has_substance()) {
            return;
        }
        let (name, input) = card(call);
        let (is_new, is_over) = match &call.said {
            None => (true, call.is_over()),
            Some((_, said)) => (*said != input && call.times_said < TIMES_SAID_MAX, call.is_over()),
        };
        if is_new {
            self.fall_silent(false);
            let Some(call) = self.calls.get_mut(id) else { return };
            // A card keeps the name it was first drawn with.
            let name = call.said.take().map_or(name, |(name, _)| name);
            call.said = Some((name.clone(), input.clone()));
            call.times_said += 1;
            let block = json!({"type": "tool_use", "id": call.tool_use_id, "name": name, "input": input});
            let message_id = format!("msg_{}", call.tool_use_id);
            let line = self.scribe.assistant(&*self.outside, &message_id, block, false);
            self.say(line);
        }
        if is_over {
            self.tell_outcome(id);
        }
    }

    fn tell_outcome(&mut self, id: &str) {
        let Some(call) = self.calls.get(id) else { return };
        let Outcome { content, result, is_error } = outcome(call, &*self.outside);
        let (tool_use_id, rejected) = (call.tool_use_id.clone(), call.rejected);
        self.tell_tool_result(&tool_use_id, &content, &result, is_error, rejected);
        // Nothing more is said of it.
        if let Some(call) = self.calls.get_mut(id) {
            call.said = Some((String::new(), Value::Null));
            call.content = Vec::new();
            call.raw_output = None;
        }
    }

    pub(super) fn tell_tool_result(
        &mut self,
        tool_use_id: &str,
        content: &Value,
        result: &Value,
        is_error: bool,
        rejected: bool,
    ) {
        let block = json!([{
            "type": "tool_result", "tool_use_id": tool_use_id, "content": content, "is_error": is_error,
        }]);
        let mut more = json!({"tool_use_result": result});
        if let (true, Some(more)) = (rejected, more.as_object_mut()) {
            let decision = json!({"decision": "reject", "source": "user_reject"});
            more.insert(
                "tool_result_meta".to_owned(),
                json!([{"id": tool_use_id, "non_execution_kind": "user-rejected", "permission_decision": decision}]),
            );
        }
        let line = self.scribe.user(&*self.outside, block, more);
        self.say(line);
        if let Some(turn) = &mut self.turn {
            turn.user_lines += 1;
        }
    }

    /// Calls that were only named are written before what comes after them.
    fn tell_open_calls(&mut self) {
        let due: Vec<String> =
            self.calls.iter().filter(|(_, call)| call.said.is_none()).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.tell_call(&id, true);
        }
    }

    /// The turn is over, and with it every call: one without a result gets one.
    pub(super) fn close_calls(&mut self, interrupted: bool) {
        self.tell_open_calls();
        let is_open = |call: &Call| !call.is_over();
        let open: Vec<String> =
            self.calls.iter().filter(|(_, call)| is_open(call)).map(|(id, _)| id.clone()).collect();
        for id in open {
            let Some(call) = self.calls.get_mut(&id) else { continue };
            let rejected = call.rejected;
            call.status = agent_client_protocol::v1::schema::ToolCallStatus::Completed;
            if interrupted || rejected {
                let tool_use_id = call.tool_use_id.clone();
                let words = if rejected { "The call was refused." } else { "The turn was interrupted." };
                self.tell_tool_result(
                    &tool_use_id,
                    &json!(words),
                    &json!(format!("Error: {words}")),
                    true,
                    rejected,
                );
            } else {
                self.tell_outcome(&id);
            }
        }
    }

    /// A new turn begins: what is over is not needed any more.
    pub(super) fn forget_calls(&mut self) {
        self.calls.retain(|_, call| !call.is_over());
        let calls = &self.calls;
        self.call_order.retain(|id| calls.contains_key(id));
    }

    /// A plan is a list of things to do, whole each time.
    fn take_plan(&mut self, plan: &Plan) {
        self.tell_open_calls();
        self.fall_silent(false);
        let todo = |entry: &agent_client_protocol::v1::schema::PlanEntry| {
            let status = match entry.status {
                PlanEntryStatus::InProgress => "in_progress",
                PlanEntryStatus::Completed => "completed",
                PlanEntryStatus::Pending => "pending",
                _ => "pending",
            };
            json!({"content": entry.content, "status": status, "activeForm": entry.content, "priority": entry.priority})
        };
        let todos = json!(plan.entries.iter().map(todo).collect::<Vec<_>>());
        if todos == self.todos {
            return;
        }
        let id = format!("toolu_plan_{}", self.outside.uuid());
        let block = json!({"type": "tool_use", "id": id, "name": "TodoWrite", "input": {"todos": todos}});
        let line = self.scribe.assistant(&*self.outside, &format!("msg_{id}"), block, false);
        self.say(line);
        let before = std::mem::replace(&mut self.todos, todos.clone());
        let result = json!({"oldTodos": before, "newTodos": todos});
        self.tell_tool_result(&id, &json!("The plan was updated."), &result, false, false);
    }

    fn take_commands(&mut self, commands: Vec<AvailableCommand>) {
        let command = |command: AvailableCommand| {
            let hint = match command.input {
                Some(AvailableCommandInput::Unstructured(input)) => input.hint,
                _ => String::new(),
            };
            json!({"name": command.name, "description": command.description, "argumentHint": hint})
        };
        self.commands = commands.into_iter().take(COMMANDS_MAX).map(command).collect();
        if !self.introductions.is_empty() && self.phase == Phase::Ready {
            return self.introduce();
        }
        let line = self.scribe.system(&*self.outside, "commands_changed", json!({"commands": self.commands}));
        self.say(line);
    }

    fn take_mode(&mut self, id: &str) {
        self.offered.modes.current = Some(id.to_owned());
        match self.offered.meaning(id) {
            // An agent that knows nothing of a stricter mode here does not end it.
            Some(_)
                if self.mode_is_ours
                    && matches!(self.mode, PermissionMode::Plan | PermissionMode::DontAsk) => {}
            Some(mode) => self.change_mode(mode),
            None => self.tell_own_mode(),
        }
    }

    pub(super) fn take_options(&mut self, options: &Value) {
        let before = self.offered.modes.current.clone();
        self.offered.read_options(options);
        self.tell_model();
        if let Some(id) = self.offered.modes.current.clone().filter(|id| Some(id) != before.as_ref()) {
            self.take_mode(&id);
        }
    }
}
