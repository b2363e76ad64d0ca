//! Prompts and the turns that answer them, one by one and each with a result of its own. A turn ends when the agent says
//! so; one that was cancelled and goes on all the same is given up.

use serde_json::{Value, json};

use super::opening::{Phase, written};
use super::{AUTH_REQUIRED, AgentError, CallId, Machine, QUEUE_MAX, Waiting};
use crate::content;
use crate::host::{Priority, Prompt};
use agent_client_protocol::v1::schema::{CancelNotification, ContentBlock, PromptRequest};

/// Time an agent has to end a turn that was cancelled, in ms.
const CANCEL_MS: u64 = 10_000;

/// The turn that runs.
#[derive(Debug)]
pub(super) struct Turn {
    call: CallId,
    prompt_uuid: Option<String>,
    started_ms: u64,
    /// Lines of the user's role that were written in it.
    pub(super) user_lines: u64,
    /// The last text of the agent.
    pub(super) last_text: String,
    /// Calls that were refused, as a result lists them.
    pub(super) denials: Vec<Value>,
    stopped: Option<Stopped>,
}

/// A turn that somebody wants to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stopped {
    by: Stop,
    during_tools: bool,
    gives_up_at_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody interrupts.
    Interrupt,
    /// An urgent prompt takes its place.
    Urgent,
}

impl Turn {
    pub(super) fn gives_up_at_ms(&self) -> Option<u64> {
        self.stopped.map(|stopped| stopped.gives_up_at_ms)
    }
}

/// Running totals of the session.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) cost_usd: f64,
    /// Tokens the context holds, and can hold.
    pub(super) context: Option<(u64, u64)>,
    tokens: Tokens,
    results: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tokens {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_creation: u64,
}

impl Tokens {
    fn read(usage: &Value) -> Self {
        let count = |key: &str| usage.get(key).and_then(Value::as_u64).unwrap_or_default();
        Self {
            input: count("inputTokens"),
            output: count("outputTokens"),
            cache_read: count("cachedReadTokens"),
            cache_creation: count("cachedWriteTokens"),
        }
    }

    fn add(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_creation = self.cache_creation.saturating_add(other.cache_creation);
    }

    fn told(self) -> Value {
        json!({
            "input_tokens": self.input, "output_tokens": self.output,
            "cache_read_input_tokens": self.cache_read, "cache_creation_input_tokens": self.cache_creation,
        })
    }
}

/// How a turn ended, as its result says it.
struct Ending {
    subtype: &'static str,
    stop_reason: Option<&'static str>,
    terminal_reason: &'static str,
    /// The text of a success, or the errors of everything else.
    text: String,
    is_error: bool,
    cancelled: bool,
}

impl Machine {
    pub(super) fn handle_prompt(&mut self, prompt: Prompt) {
        let is_repeated = prompt.uuid.as_ref().is_some_and(|uuid| {
            self.turn.as_ref().is_some_and(|turn| turn.prompt_uuid.as_ref() == Some(uuid))
                || self.queue.iter().any(|queued| queued.uuid.as_ref() == Some(uuid))
        });
        if is_repeated {
            return self.replay(&prompt);
        }
        if self.queue.len() >= QUEUE_MAX {
            return self.lifecycle(prompt.uuid.as_deref(), "cancelled");
        }
        self.lifecycle(prompt.uuid.as_deref(), "queued");
        if prompt.priority == Priority::Now {
            self.queue.push_front(prompt);
            self.stop_turn(Stop::Urgent);
        } else {
            self.queue.push_back(prompt);
        }
        match self.phase {
            Phase::Ready => self.start_turn(),
            // Whoever had to log in may have done so.
            Phase::Refused(_) if self.waiting.is_empty() && !self.agent_is_unknown() => self.open(),
            Phase::Refused(_) => self.refuse_queue(),
            Phase::Greeting | Phase::Opening { .. } => {}
        }
    }

    fn agent_is_unknown(&self) -> bool {
        self.agent.name.is_empty() && self.agent.version.is_empty() && self.agent.logins.is_empty()
    }

    /// Starts the next turn if a prompt waits.
    pub(super) fn start_turn(&mut self) {
        while self.turn.is_none() && self.phase == Phase::Ready && self.settling.is_none() {
            let Some(prompt) = self.queue.pop_front() else { return self.end_if_done() };
            self.fall_silent(false);
            self.forget_calls();
            self.lifecycle(prompt.uuid.as_deref(), "started");
            self.announce();
            self.replay(&prompt);
            if prompt.wants_answer {
                let line = self.scribe.system(&*self.outside, "status", json!({"status": "requesting"}));
                self.say(line);
                self.ask_agent(&prompt);
            } else {
                self.withheld.push(prompt.content);
                let ending = Ending::success("", "completed", None);
                let started_ms = self.outside.unix_ms();
                self.tell_result(&ending, started_ms, 0, Vec::new(), Tokens::default());
                self.lifecycle(prompt.uuid.as_deref(), "completed");
            }
        }
    }

    fn ask_agent(&mut self, prompt: &Prompt) {
        let mut blocks: Vec<ContentBlock> = Vec::new();
        for content in std::mem::take(&mut self.withheld).iter().chain([&prompt.content]) {
            let (taken, left_out) = content::blocks(content, &self.agent.takes);
            blocks.extend(taken);
            for words in left_out {
                self.inform("warning", &words);
            }
        }
        let request = PromptRequest::new(self.conversation.clone(), blocks);
        let call = self.call("session/prompt", written(&request), Waiting::Prompt);
        self.turn = Some(Turn {
            call,
            prompt_uuid: prompt.uuid.clone(),
            started_ms: self.outside.unix_ms(),
            user_lines: 0,
            last_text: String::new(),
            denials: Vec::new(),
            stopped: None,
        });
    }

    fn announce(&mut self) {
        let names: Vec<&Value> = self.commands.iter().filter_map(|command| command.get("name")).collect();
        let fields = json!({
            "cwd": self.options.directory, "tools": [], "mcp_servers": [], "model": self.scribe.model,
            "permissionMode": self.mode.as_str(), "slash_commands": names, "apiKeySource": "none",
            "claude_code_version": concat!("portcullis-", env!("CARGO_PKG_VERSION")), "output_style": "default",
            "agents": [], "skills": [], "plugins": [],
            "capabilities": ["msg_lifecycle_v1", "interrupt_receipt_v1", "interrupt_cancel_queued_v1"],
            "agent": {"name": self.agent.name, "version": self.agent.version},
            "agent_mode": self.offered.modes.current, "agent_modes": self.offered.listed_modes(),
            "resumable": self.can_be_taken_up(),
        });
        let line = self.scribe.system(&*self.outside, "init", fields);
        self.say(line);
    }

    fn replay(&mut self, prompt: &Prompt) {
        if self.options.replays {
            let line = self.scribe.replay(&*self.outside, prompt.uuid.as_deref(), &prompt.content);
            self.say(line);
        }
    }

    pub(super) fn lifecycle(&mut self, uuid: Option<&str>, state: &str) {
        if let Some(uuid) = uuid {
            let fields = json!({"command_uuid": uuid, "state": state});
            let line = self.scribe.line(&*self.outside, "command_lifecycle", fields);
            self.say(line);
        }
    }

    /// Asks the agent to end the turn, once. What waits for a person is withdrawn.
    pub(super) fn stop_turn(&mut self, by: Stop) {
        let during_tools = self.calls.values().any(|call| !call.is_over() && call.said.is_some());
        let now = self.outside.unix_ms();
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.stopped.is_none()) else { return };
        turn.stopped = Some(Stopped { by, during_tools, gives_up_at_ms: now + CANCEL_MS });
        self.cancel_pending(true);
        let params = written(&CancelNotification::new(self.conversation.clone()));
        self.out.push_back(super::Output::Notify { method: "session/cancel", params });
    }

    /// Drops what waits in the queue and says so. Returns the ids.
    pub(super) fn cancel_queue(&mut self) -> Vec<String> {
        let uuids: Vec<String> = self.queue.drain(..).filter_map(|prompt| prompt.uuid).collect();
        for uuid in &uuids {
            self.lifecycle(Some(uuid), "cancelled");
        }
        uuids
    }

    pub(super) fn handle_turn_over(&mut self, call: CallId, reply: Result<Value, AgentError>) {
        let Some(stopped) = self.turn.as_ref().filter(|turn| turn.call == call).map(|turn| turn.stopped)
        else {
            return;
        };
        let usage =
            reply.as_ref().ok().and_then(|answer| answer.get("usage")).map(Tokens::read).unwrap_or_default();
        let ending = match reply {
            Ok(answer) => {
                let reason = answer.get("stopReason").and_then(Value::as_str).unwrap_or_default();
                self.ending(reason, stopped)
            }
            Err(_) if stopped.is_some() => self.ending("cancelled", stopped),
            Err(error) => self.failed(&error),
        };
        self.finish_turn(ending, usage);
        self.start_turn();
    }

    /// A turn that was cancelled and goes on all the same is over for the host.
    pub(super) fn give_turn_up(&mut self) {
        let Some(turn) = &self.turn else { return };
        self.waiting.remove(&turn.call);
        let stopped = turn.stopped;
        self.inform(
            "warning",
            "The agent did not end its turn when it was told to: what it still says may belong to it.",
        );
        let ending = self.ending("cancelled", stopped);
        self.finish_turn(ending, Tokens::default());
        self.start_turn();
    }

    /// The turn failed with its agent.
    pub(super) fn fail_turn(&mut self, why: &str) {
        if self.turn.is_some() {
            let ending = Ending::error("error_during_execution", "model_error", why);
            self.finish_turn(ending, Tokens::default());
        }
    }

    /// Everybody who waits for a session learns that there is none.
    pub(super) fn refuse_queue(&mut self) {
        let Phase::Refused(why) = &self.phase else { return };
        let why = why.clone();
        while let Some(prompt) = self.queue.pop_front() {
            self.lifecycle(prompt.uuid.as_deref(), "started");
            self.replay(&prompt);
            let started_ms = self.outside.unix_ms();
            let kind = if why.is_login { "authentication_failed" } else { "unknown" };
            let ending = self.api_error(&why.text, kind);
            self.tell_result(&ending, started_ms, 0, Vec::new(), Tokens::default());
            self.lifecycle(prompt.uuid.as_deref(), "completed");
        }
    }

    fn ending(&mut self, reason: &str, stopped: Option<Stopped>) -> Ending {
        self.fall_silent(stopped.is_some());
        let text = self.turn.as_ref().map(|turn| turn.last_text.clone()).unwrap_or_default();
        match (stopped, reason) {
            (Some(Stopped { by: Stop::Urgent, .. }), _) => Ending::success(&text, "aborted_streaming", None),
            (Some(Stopped { by: Stop::Interrupt, during_tools, .. }), _) => {
                let terminal = if during_tools { "aborted_tools" } else { "aborted_streaming" };
                let ending = Ending::error("error_during_execution", terminal, "The turn was interrupted.");
                Ending { cancelled: true, ..ending }
            }
            (None, "end_turn") => Ending::success(&text, "completed", Some("end_turn")),
            (None, "max_tokens") => Ending::success(&text, "completed", Some("max_tokens")),
            (None, "refusal") => Ending::success(&text, "completed", Some("refusal")),
            (None, "max_turn_requests") => {
                Ending::error("error_max_turns", "max_turns", "The agent asked its model as often as it may.")
            }
            (None, "cancelled") => {
                Ending::error("error_during_execution", "aborted_streaming", "The agent cancelled its turn.")
            }
            (None, other) => {
                let words = format!("The agent ended its turn with “{}”.", crate::card::cut(other, 100));
                Ending::error("error_during_execution", "completed", &words)
            }
        }
    }

    fn failed(&mut self, error: &AgentError) -> Ending {
        self.fall_silent(false);
        if error.code == AUTH_REQUIRED {
            let text = self.login_text(error);
            return self.api_error(&text, "authentication_failed");
        }
        self.api_error(&format!("The agent failed: {}", error.text()), "unknown")
    }

    /// An error of the agent or its model, as this wire has it: a line of its own, and a success that is an error.
    fn api_error(&mut self, text: &str, kind: &str) -> Ending {
        let message = json!({
            "id": self.outside.uuid(), "type": "message", "role": "assistant", "model": "<synthetic>",
            "content": [{"type": "text", "text": text}], "stop_reason": "stop_sequence", "stop_sequence": "",
            "usage": {"input_tokens": 0, "output_tokens": 0},
        });
        let fields = json!({
            "message": message, "parent_tool_use_id": null, "error": kind, "is_api_error_message": true,
        });
        let line = self.scribe.line(&*self.outside, "assistant", fields);
        self.say(line);
        Ending { is_error: true, ..Ending::success(text, "api_error", None) }
    }

    fn finish_turn(&mut self, ending: Ending, used: Tokens) {
        self.fall_silent(ending.cancelled);
        self.cancel_pending(true);
        self.close_calls(ending.cancelled);
        let Some(mut turn) = self.turn.take() else { return };
        if ending.cancelled {
            let words = if ending.terminal_reason == "aborted_tools" {
                "[Request interrupted by user for tool use]"
            } else {
                "[Request interrupted by user]"
            };
            let line = self.scribe.user(&*self.outside, json!([{"type": "text", "text": words}]), json!({}));
            self.say(line);
            turn.user_lines += 1;
        }
        let turns = 1 + turn.user_lines;
        self.tell_result(&ending, turn.started_ms, turns, turn.denials, used);
        let state = if ending.cancelled { "cancelled" } else { "completed" };
        self.lifecycle(turn.prompt_uuid.as_deref(), state);
    }

    fn tell_result(
        &mut self,
        ending: &Ending,
        started_ms: u64,
        turns: u64,
        denials: Vec<Value>,
        used: Tokens,
    ) {
        self.totals.tokens.add(used);
        let all = self.totals.tokens;
        let model = json!({
            "inputTokens": all.input, "outputTokens": all.output, "cacheReadInputTokens": all.cache_read,
            "cacheCreationInputTokens": all.cache_creation, "webSearchRequests": 0, "costUSD": self.totals.cost_usd,
            "contextWindow": self.totals.context.map_or(0, |(_, size)| size), "maxOutputTokens": 0,
        });
        let mut fields = json!({
            "subtype": ending.subtype, "is_error": ending.is_error,
            "duration_ms": self.outside.unix_ms().saturating_sub(started_ms), "duration_api_ms": 0,
            "num_turns": turns, "stop_reason": ending.stop_reason, "total_cost_usd": self.totals.cost_usd,
            "usage": used.told(), "modelUsage": {self.scribe.model.clone(): model}, "permission_denials": denials,
            "terminal_reason": ending.terminal_reason, "queued_turn_count": self.queue.len(),
            "result_index": self.totals.results,
        });
        if let Some(fields) = fields.as_object_mut() {
            if ending.subtype == "success" {
                fields.insert("result".to_owned(), json!(ending.text));
            } else {
                fields.insert("errors".to_owned(), json!([ending.text]));
            }
        }
        self.totals.results += 1;
        self.last_result_failed = ending.is_error;
        let line = self.scribe.line(&*self.outside, "result", fields);
        self.say(line);
    }
}

impl Ending {
    fn success(text: &str, terminal_reason: &'static str, stop_reason: Option<&'static str>) -> Self {
        let (subtype, text) = ("success", text.to_owned());
        Self { subtype, stop_reason, terminal_reason, text, is_error: false, cancelled: false }
    }

    fn error(subtype: &'static str, terminal_reason: &'static str, text: &str) -> Self {
        let text = text.to_owned();
        Self { subtype, stop_reason: None, terminal_reason, text, is_error: true, cancelled: false }
    }
}
