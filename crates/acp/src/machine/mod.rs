//! The machine between host and agent: lines of one and messages of the other in, lines, calls and answers out, in order.
//! It knows neither pipes nor processes, so a test plays both sides.

mod asking;
mod control;
mod opening;
mod turns;
mod updates;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use agent_client_protocol::v1::schema::PromptCapabilities;
use portcullis_protocol::role::PermissionMode;
use serde_json::{Value, json};

use crate::args::FrontOptions;
use crate::call::Call;
use crate::choices::Offered;
use crate::host::{BadLine, HostLine, Prompt, parse_line};
use crate::outside::Outside;
use crate::scribe::Scribe;
use crate::serve::{Job, Prepared, Refusal};
use asking::Pending;
use opening::{Phase, Settling};
use turns::{Totals, Turn};

/// Prompts that may wait at once.
const QUEUE_MAX: usize = 256;
/// Tool calls that are remembered: of one turn, as the next forgets those that are over.
const CALLS_MAX: usize = 4_096;

/// A request of ours to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

/// A request of the agent to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AskId(pub(crate) u64);

/// An error of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentError {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// The code of an agent that wants a login first.
const AUTH_REQUIRED: i32 = -32000;

impl AgentError {
    /// The agent's words, with what it adds.
    fn text(&self) -> String {
        let detail = self.data.as_ref().and_then(|data| match data {
            Value::String(text) => Some(text.clone()),
            Value::Object(fields) => ["details", "message", "error"]
                .iter()
                .find_map(|key| Some(fields.get(*key)?.as_str()?.to_owned())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        });
        match detail {
            Some(detail) if detail != self.message => format!("{}: {detail}", self.message),
            _ => self.message.clone(),
        }
    }
}

/// What a request of the agent is, once it was read.
#[derive(Debug)]
pub(crate) enum Asked {
    /// `session/request_permission`.
    Permission(Value),
    /// Something for the desk.
    Job(Prepared),
    /// What nobody here offers, or what is no proper request.
    Refused(Refusal),
}

/// What is to be done, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    /// A line for the host.
    Line(String),
    Call {
        call: CallId,
        method: &'static str,
        params: Value,
    },
    Notify {
        method: &'static str,
        params: Value,
    },
    Answer {
        ask: AskId,
        result: Result<Value, Refusal>,
    },
    /// Carry this out, and say how it went.
    Serve {
        ask: AskId,
        job: Job,
    },
    /// It is over.
    End {
        code: u8,
        message: Option<String>,
    },
}

/// What a request of ours was for.
#[derive(Debug)]
enum Waiting {
    Initialize,
    Open { resumes: bool },
    Prompt,
    SetMode { request_id: Option<Option<String>>, mode: PermissionMode },
    SetModel { request_id: Option<Option<String>>, model: String },
}

#[derive(Debug)]
pub(crate) struct Machine {
    outside: Box<dyn Outside>,
    options: FrontOptions,
    scribe: Scribe,
    phase: Phase,
    /// A conversation that was loaded comes to rest before the first turn.
    settling: Option<Settling>,
    agent: Agent,
    offered: Offered,
    /// The mode this front itself works under.
    mode: PermissionMode,
    /// It is one the agent does not have: only this front holds it.
    mode_is_ours: bool,
    commands: Vec<Value>,
    /// The agent's id of the conversation.
    conversation: String,
    calls: BTreeMap<String, Call>,
    /// Ids of calls in the order they were begun.
    call_order: VecDeque<String>,
    pending: Vec<Pending>,
    /// The agent remembers that edits are allowed.
    edits_allowed: bool,
    waiting: BTreeMap<CallId, Waiting>,
    queue: VecDeque<Prompt>,
    turn: Option<Turn>,
    /// What was said without asking for an answer.
    withheld: Vec<Value>,
    totals: Totals,
    todos: Value,
    /// Requests of the host to know the agent, and until when they wait for all there is to know.
    introductions: Vec<Option<String>>,
    introduce_at_ms: Option<u64>,
    host_closed: bool,
    last_result_failed: bool,
    calls_made: u64,
    out: VecDeque<Output>,
}

/// What the agent said of itself.
#[derive(Debug, Default)]
struct Agent {
    name: String,
    version: String,
    takes: PromptCapabilities,
    can_load: bool,
    can_resume: bool,
    can_add_dirs: bool,
    /// It cannot make a file that it was told is not there.
    wants_empty_files: bool,
    /// Its ways to log in, in words.
    logins: Vec<String>,
}

impl Machine {
    pub(crate) fn new(options: FrontOptions, outside: Box<dyn Outside>) -> Self {
        let mode = options.permission_mode.as_deref().and_then(PermissionMode::parse);
        let scribe = Scribe::new(options.streams);
        let mut machine = Self {
            outside,
            scribe,
            phase: Phase::Greeting,
            settling: None,
            agent: Agent::default(),
            offered: Offered::default(),
            mode: mode.unwrap_or(PermissionMode::Default),
            mode_is_ours: true,
            commands: Vec::new(),
            conversation: String::new(),
            calls: BTreeMap::new(),
            call_order: VecDeque::new(),
            pending: Vec::new(),
            edits_allowed: false,
            waiting: BTreeMap::new(),
            queue: VecDeque::new(),
            turn: None,
            withheld: Vec::new(),
            totals: Totals::default(),
            todos: json!([]),
            introductions: Vec::new(),
            introduce_at_ms: None,
            host_closed: false,
            last_result_failed: false,
            calls_made: 0,
            out: VecDeque::new(),
            options,
        };
        machine.greet();
        machine
    }

    /// Takes one line of the host. An error ends the process.
    pub(crate) fn handle_line(&mut self, line: &str) -> Result<(), BadLine> {
        match parse_line(line)? {
            HostLine::Prompt(prompt) => self.handle_prompt(prompt),
            HostLine::Request(request) => self.handle_request(&request),
            HostLine::Answer(answer) => self.handle_answer(answer),
            HostLine::Ignored => {}
        }
        Ok(())
    }

    /// The host will say nothing more: what runs goes on to its end, and what waits for a person is refused.
    pub(crate) fn handle_host_closed(&mut self) {
        self.host_closed = true;
        self.cancel_pending(false);
        if matches!(self.phase, Phase::Refused(_)) {
            self.refuse_queue();
        }
        self.end_if_done();
    }

    /// A notification of the agent.
    pub(crate) fn handle_notice(&mut self, method: &str, params: &Value) {
        match method {
            "session/update" => self.handle_update(params),
            _ => self.pass_on("acp_notification", &json!({"method": method, "params": params})),
        }
    }

    /// A request of the agent.
    pub(crate) fn handle_asked(&mut self, ask: AskId, asked: Asked) {
        match asked {
            Asked::Permission(params) => self.handle_permission(ask, &params),
            Asked::Job(prepared) => self.handle_job(ask, prepared),
            Asked::Refused(refusal) => self.answer(ask, Err(refusal)),
        }
    }

    /// The agent's answer to a call of ours.
    pub(crate) fn handle_reply(&mut self, call: CallId, reply: Result<Value, AgentError>) {
        match self.waiting.remove(&call) {
            Some(Waiting::Initialize) => self.handle_greeted(reply),
            Some(Waiting::Open { resumes }) => self.handle_opened(reply, resumes),
            Some(Waiting::Prompt) => self.handle_turn_over(call, reply),
            Some(Waiting::SetMode { request_id, mode }) => self.handle_mode_set(request_id, mode, reply),
            Some(Waiting::SetModel { request_id, model }) => self.handle_model_set(request_id, &model, reply),
            None => tracing::debug!(?call, "an answer to nothing that waits"),
        }
    }

    /// The agent is gone; `how` says so to a person.
    pub(crate) fn handle_gone(&mut self, how: &str) {
        if self.host_closed && self.turn.is_none() {
            return self.end(0, None);
        }
        self.pending.clear();
        self.waiting.clear();
        self.fail_turn(how);
        self.end(1, Some(how.to_owned()));
    }

    /// When [`Machine::handle_time`] wants to be called, ms since the Unix epoch.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let cancel = self.turn.as_ref().and_then(Turn::gives_up_at_ms);
        let settled = self.settling.as_ref().map(Settling::ends_at_ms);
        [cancel, self.introduce_at_ms, settled].into_iter().flatten().min()
    }

    pub(crate) fn handle_time(&mut self) {
        let now = self.outside.unix_ms();
        if self.introduce_at_ms.is_some_and(|at| at <= now) {
            self.introduce();
        }
        if self.turn.as_ref().and_then(Turn::gives_up_at_ms).is_some_and(|at| at <= now) {
            self.give_turn_up();
        }
        if self.settling.as_ref().is_some_and(|settling| settling.ends_at_ms() <= now) {
            self.settling = None;
            self.start_turn();
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn say(&mut self, line: String) {
        self.out.push_back(Output::Line(line));
    }

    fn say_all(&mut self, lines: Vec<String>) {
        self.out.extend(lines.into_iter().map(Output::Line));
    }

    fn inform(&mut self, level: &str, content: &str) {
        let line = self.scribe.informational(&*self.outside, level, content);
        self.say(line);
    }

    /// Something of the agent's that has no place on this wire: kept in the log as it is.
    fn pass_on(&mut self, subtype: &str, fields: &Value) {
        const BYTES_MAX: usize = 64 * 1024;
        let text = fields.to_string();
        let fields = if text.len() > BYTES_MAX { json!({"bytes": text.len()}) } else { fields.clone() };
        let line = self.scribe.system(&*self.outside, subtype, fields);
        self.say(line);
    }

    fn call(&mut self, method: &'static str, params: Value, waiting: Waiting) -> CallId {
        self.calls_made += 1;
        let call = CallId(self.calls_made);
        self.waiting.insert(call, waiting);
        self.out.push_back(Output::Call { call, method, params });
        call
    }

    fn answer(&mut self, ask: AskId, result: Result<Value, Refusal>) {
        self.out.push_back(Output::Answer { ask, result });
    }

    /// Ends what is being said; the next thing stands below it.
    fn fall_silent(&mut self, aborted: bool) {
        let mut lines = Vec::new();
        let said = self.scribe.fall_silent(&*self.outside, aborted, &mut lines);
        self.say_all(lines);
        if let (Some(said), Some(turn)) = (said, &mut self.turn) {
            turn.last_text = said;
        }
    }

    fn end_if_done(&mut self) {
        if self.host_closed && self.turn.is_none() && self.queue.is_empty() {
            self.end(u8::from(self.last_result_failed), None);
        }
    }

    fn end(&mut self, code: u8, message: Option<String>) {
        self.out.push_back(Output::End { code, message });
    }
}
