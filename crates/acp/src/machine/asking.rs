//! What the agent may do: its own questions with its own options, and what it asks this machine for without having
//! asked a person. Each question becomes one request of this wire, and its answer is checked against the options once
//! more.

use agent_client_protocol::v1::schema::{
    RequestPermissionOutcome, RequestPermissionResponse, SelectedPermissionOutcome, ToolCallUpdate, ToolKind,
};
use portcullis_protocol::approval::{OptionKind, PermissionOption, pick};
use portcullis_protocol::role::PermissionMode;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::opening::written;
use super::turns::Stop;
use super::{AskId, Machine, Output};
use crate::call::Call;
use crate::card::{card, command, cut, details, quoted};
use crate::host::ControlAnswer;
use crate::serve::{Job, Prepared, Refusal};

/// Requests of the agent that wait for a person at once.
const PENDING_MAX: usize = 128;
/// Options of one request, and bytes of one's id and name.
const OPTIONS_MAX: usize = 32;
const OPTION_ID_BYTES_MAX: usize = 256;
const OPTION_NAME_BYTES_MAX: usize = 400;
/// Variables by which an agent only tells its commands who runs them: nobody has to see them to know what runs.
const MARKS: [&str; 1] = ["CLAUDECODE"];

/// A request that waits for a person.
#[derive(Debug)]
pub(super) struct Pending {
    request_id: String,
    ask: AskId,
    tool_use_id: String,
    tool_name: String,
    input: Value,
    options: Vec<PermissionOption>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The agent's own question, about the call of this id.
    Permission { call: String },
    /// Something this machine would do.
    Job(Job),
}

/// What the mode says about a question.
enum Rule {
    Ask,
    Allow,
    Refuse(&'static str),
}

impl Machine {
    pub(super) fn handle_permission(&mut self, ask: AskId, params: &Value) {
        let session = params.get("sessionId").and_then(Value::as_str);
        let update = params.get("toolCall").map(ToolCallUpdate::deserialize);
        let Some(Ok(update)) = update.filter(|_| session == Some(&self.conversation)) else {
            return self.answer(ask, Err(Refusal::invalid("the request names no tool call of this session")));
        };
        let id = update.tool_call_id.0.to_string();
        self.begin_call(&id);
        self.with_call(&id, |call| call.update(update));
        self.tell_call(&id, true);
        let Some(call) = self.calls.get(&id) else { return };
        let options = options(params);
        let (name, mut input) = card(call);
        if let (Some(words), Some(fields)) = (details(call), input.as_object_mut()) {
            fields.entry("details").or_insert(json!(words));
        }
        let pending = Pending {
            request_id: self.outside.uuid(),
            ask,
            tool_use_id: call.tool_use_id.clone(),
            tool_name: name,
            input,
            options,
            what: What::Permission { call: id },
        };
        let title = call.title.clone();
        let rule = self.rule_for_call(call.kind);
        self.ask_person(pending, &title, &rule);
    }

    /// What this machine does for the agent needs a person's word, unless a person gave it for the very call.
    pub(super) fn handle_job(&mut self, ask: AskId, prepared: Prepared) {
        let Prepared { session_id, mut job } = prepared;
        if let Job::Read { or_empty, .. } = &mut job {
            *or_empty = self.agent.wants_empty_files;
        }
        if session_id != self.conversation {
            return self.answer(ask, Err(Refusal::invalid("that is no session of this connection")));
        }
        let (name, input, title) = match &job {
            Job::Write { path, content } => {
                let title = format!("Write {}", path.display());
                ("Write", json!({"file_path": path, "content": content}), title)
            }
            Job::Create(line) => {
                let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
                let env: serde_json::Map<String, Value> =
                    line.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let mut input = json!({"command": quoted(&words), "cwd": line.cwd});
                if let (false, Some(input)) = (env.is_empty(), input.as_object_mut()) {
                    input.insert("env".to_owned(), Value::Object(env));
                }
                ("Bash", input, "Run a command in a terminal".to_owned())
            }
            Job::Read { .. }
            | Job::Output { .. }
            | Job::Wait { .. }
            | Job::Kill { .. }
            | Job::Release { .. } => {
                return self.out.push_back(Output::Serve { ask, job });
            }
        };
        if self.is_allowed(&job) {
            return self.out.push_back(Output::Serve { ask, job });
        }
        let rule = self.rule_for_job(&job);
        let tool_use_id = format!("toolu_front_{}", self.outside.uuid());
        self.fall_silent(false);
        let block = json!({"type": "tool_use", "id": tool_use_id, "name": name, "input": input});
        let line = self.scribe.assistant(&*self.outside, &format!("msg_{tool_use_id}"), block, false);
        self.say(line);
        let option =
            |id: &str, name: &str, kind| PermissionOption { option_id: id.into(), name: name.into(), kind };
        let pending = Pending {
            request_id: self.outside.uuid(),
            ask,
            tool_use_id,
            tool_name: name.to_owned(),
            input,
            options: vec![
                option("allow", "Allow", OptionKind::AllowOnce),
                option("reject", "Reject", OptionKind::RejectOnce),
            ],
            what: What::Job(job),
        };
        self.ask_person(pending, &title, &rule);
    }

    fn ask_person(&mut self, pending: Pending, title: &str, rule: &Rule) {
        match rule {
            Rule::Allow => return self.settle(pending, true, None, ""),
            Rule::Refuse(why) => {
                let fields = json!({
                    "tool_name": pending.tool_name, "tool_use_id": pending.tool_use_id,
                    "decision_reason_type": "mode", "message": why,
                });
                let line = self.scribe.system(&*self.outside, "permission_denied", fields);
                self.say(line);
                return self.settle(pending, false, None, why);
            }
            Rule::Ask => {}
        }
        let is_stopped = self.turn.as_ref().is_some_and(|turn| turn.gives_up_at_ms().is_some());
        if self.pending.len() >= PENDING_MAX || self.host_closed || is_stopped {
            return self.withdraw(pending);
        }
        let request = json!({
            "subtype": "can_use_tool", "tool_name": pending.tool_name, "display_name": pending.tool_name,
            "input": pending.input, "description": cut(title, OPTION_NAME_BYTES_MAX),
            "tool_use_id": pending.tool_use_id, "permission_options": pending.options,
        });
        let line = json!({"type": "control_request", "request_id": pending.request_id, "request": request});
        self.say(line.to_string());
        self.pending.push(pending);
    }

    /// A person's answer. It says yes or no by its `behavior`, and the option by its id.
    pub(super) fn handle_answer(&mut self, answer: ControlAnswer) {
        let Some(at) = self.pending.iter().position(|pending| pending.request_id == answer.request_id) else {
            return;
        };
        let pending = self.pending.remove(at);
        if self.options.replays && answer.payload.is_some() {
            self.say(answer.line);
        }
        let payload = answer.payload.unwrap_or_default();
        let text = |key: &str| payload.get(key).and_then(Value::as_str);
        let allow = text("behavior") == Some("allow");
        let interrupt = payload.get("interrupt").and_then(Value::as_bool) == Some(true);
        let option_id = text("option_id").map(str::to_owned);
        let message = text("message").unwrap_or("The person who was asked said no.").to_owned();
        let fits = pick(Some(&pending.options), allow, option_id.as_deref()).is_ok();
        if allow && fits {
            self.settle(pending, true, option_id.as_deref(), "");
        } else {
            self.settle(pending, false, option_id.as_deref().filter(|_| !allow && fits), &message);
        }
        if !allow && interrupt {
            self.stop_turn(Stop::Interrupt);
        }
    }

    /// Tells the agent what was decided, or does what was allowed.
    fn settle(&mut self, pending: Pending, allow: bool, option_id: Option<&str>, message: &str) {
        let option = pick(Some(&pending.options), allow, option_id).ok().flatten().cloned();
        let allow = allow && option.is_some();
        if !allow && let Some(turn) = &mut self.turn {
            turn.denials.push(json!({
                "tool_name": pending.tool_name, "tool_use_id": pending.tool_use_id, "tool_input": pending.input,
            }));
        }
        match pending.what {
            What::Permission { call } => {
                if let Some(call) = self.calls.get_mut(&call) {
                    (call.allowed, call.rejected) = (allow, !allow);
                    let is_edit = matches!(call.kind, ToolKind::Edit);
                    let lasts = option.as_ref().is_some_and(|option| option.kind == OptionKind::AllowAlways);
                    self.edits_allowed |= allow && is_edit && lasts;
                }
                let outcome = match option {
                    Some(option) => {
                        RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id))
                    }
                    None => RequestPermissionOutcome::Cancelled,
                };
                self.answer(pending.ask, Ok(written(&RequestPermissionResponse::new(outcome))));
            }
            What::Job(job) if allow => {
                self.tell_tool_result(
                    &pending.tool_use_id,
                    &json!(done_words(&job)),
                    &json!({}),
                    false,
                    false,
                );
                self.out.push_back(Output::Serve { ask: pending.ask, job });
            }
            What::Job(_) => {
                let words = if message.is_empty() { "It was refused." } else { message };
                let result = json!(format!("Error: {words}"));
                self.tell_tool_result(&pending.tool_use_id, &json!(words), &result, true, true);
                self.answer(pending.ask, Err(Refusal::failed(words)));
            }
        }
    }

    /// Nobody will answer: the agent is told that it was cancelled.
    fn withdraw(&mut self, pending: Pending) {
        match pending.what {
            What::Permission { call } => {
                if let Some(call) = self.calls.get_mut(&call) {
                    call.rejected = true;
                }
                let outcome = RequestPermissionResponse::new(RequestPermissionOutcome::Cancelled);
                self.answer(pending.ask, Ok(written(&outcome)));
            }
            What::Job(_) => {
                let words = "Nobody answered.";
                self.tell_tool_result(&pending.tool_use_id, &json!(words), &json!(words), true, true);
                self.answer(pending.ask, Err(Refusal::failed(words)));
            }
        }
    }

    /// Withdraws every open question; with `tell`, the host learns it.
    pub(super) fn cancel_pending(&mut self, tell: bool) {
        let pending = std::mem::take(&mut self.pending);
        if tell {
            for pending in &pending {
                let line = json!({"type": "control_cancel_request", "request_id": pending.request_id});
                self.out.push_back(Output::Line(line.to_string()));
            }
        }
        for pending in pending {
            self.withdraw(pending);
        }
    }

    /// Whether a person allowed a call of the agent that says exactly this.
    fn is_allowed(&self, job: &Job) -> bool {
        let open = || self.calls.values().filter(|call| call.allowed && !call.is_over());
        match job {
            Job::Write { path, .. } => {
                let path = path.display().to_string();
                let names = |call: &Call| call.paths().contains(&path);
                self.edits_allowed
                    || open().any(|call| !matches!(call.kind, ToolKind::Execute) && names(call))
            }
            Job::Create(line) => {
                let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
                let typed = quoted(&words);
                // A shell's own words stand around what the person saw.
                let script = match words.as_slice() {
                    ["sh" | "bash" | "/bin/sh" | "/bin/bash", "-c" | "-lc", script] => Some(*script),
                    [whole] => Some(*whole),
                    _ => None,
                };
                let says = |shown: &str| shown == typed || Some(shown) == script || shown == words.join(" ");
                let is_mark =
                    |(name, value): &(String, String)| MARKS.contains(&name.as_str()) && value == "1";
                line.env.iter().all(is_mark) && open().filter_map(command).any(|shown| says(&shown))
            }
            Job::Read { .. }
            | Job::Output { .. }
            | Job::Wait { .. }
            | Job::Kill { .. }
            | Job::Release { .. } => true,
        }
    }

    fn rule_for_job(&self, job: &Job) -> Rule {
        match self.mode {
            PermissionMode::Plan => Rule::Refuse("Nothing is changed while a plan is made."),
            PermissionMode::DontAsk => Rule::Refuse("In this mode nobody is asked, so it was refused."),
            PermissionMode::BypassPermissions => Rule::Allow,
            PermissionMode::AcceptEdits if matches!(job, Job::Write { .. }) => Rule::Allow,
            PermissionMode::AcceptEdits | PermissionMode::Default | PermissionMode::Auto => Rule::Ask,
        }
    }

    /// The agent asks by its own rules; the mode can only refuse what it asks.
    fn rule_for_call(&self, kind: ToolKind) -> Rule {
        let changes = matches!(kind, ToolKind::Edit | ToolKind::Delete | ToolKind::Move | ToolKind::Execute);
        let has_plan_mode = self.offered.mode_for(PermissionMode::Plan).is_some();
        match self.mode {
            PermissionMode::DontAsk => Rule::Refuse("In this mode nobody is asked, so it was refused."),
            PermissionMode::Plan if changes && !has_plan_mode => {
                Rule::Refuse("Nothing is changed while a plan is made.")
            }
            PermissionMode::Plan
            | PermissionMode::Default
            | PermissionMode::AcceptEdits
            | PermissionMode::Auto
            | PermissionMode::BypassPermissions => Rule::Ask,
        }
    }
}

fn done_words(job: &Job) -> &'static str {
    if matches!(job, Job::Write { .. }) {
        "Allowed: the file is written."
    } else {
        "Allowed: the command is started."
    }
}

/// The options of a request. One that cannot be read is none; a name that is too long is cut and says so.
fn options(params: &Value) -> Vec<PermissionOption> {
    let all = params.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let option = |option: &Value| {
        let text = |key: &str| option.get(key).and_then(Value::as_str);
        let id = text("optionId").filter(|id| (1..=OPTION_ID_BYTES_MAX).contains(&id.len()))?;
        let kind = OptionKind::from(text("kind").unwrap_or_default().to_owned());
        Some(PermissionOption {
            option_id: id.to_owned(),
            name: cut(text("name").unwrap_or(id), OPTION_NAME_BYTES_MAX),
            kind,
        })
    };
    all.iter().filter_map(option).take(OPTIONS_MAX).collect()
}
