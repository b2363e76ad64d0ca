//! Both sides played by hand: what the host reads, and what the agent is told, for each thing either of them does.

mod hostile;
mod opening;
mod permission;
mod speaking;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{AgentError, AskId, Asked, CallId, Machine, Output};
use crate::args::FrontOptions;
use crate::outside::{Outside, TerminalExit, TerminalSeen};
use crate::serve::{CommandLine, Job, Prepared};

/// The agent's id of the session in these tests.
pub(super) const SESSION: &str = "sess-1";

#[derive(Debug)]
struct Played {
    now_ms: Arc<AtomicU64>,
    ids: AtomicU64,
}

impl Outside for Played {
    fn unix_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn uuid(&self) -> String {
        format!("id{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn terminal(&self, id: &str) -> Option<TerminalSeen> {
        let exit = Some(TerminalExit { code: Some(2), signal: None });
        (id == "term").then(|| TerminalSeen { output: "out\n".into(), truncated: true, exit })
    }
}

/// A machine, what it said, and the time.
pub(super) struct Stage {
    pub(super) machine: Machine,
    now_ms: Arc<AtomicU64>,
    asks: u64,
    /// Lines for the host.
    pub(super) lines: Vec<Value>,
    /// Calls and notifications for the agent.
    pub(super) calls: Vec<(Option<CallId>, &'static str, Value)>,
    /// Answers to the agent.
    pub(super) answers: Vec<(AskId, Result<Value, String>)>,
    pub(super) served: Vec<Job>,
    pub(super) end: Option<(u8, Option<String>)>,
}

pub(super) fn options() -> FrontOptions {
    FrontOptions {
        program: vec!["agent".into()],
        directory: PathBuf::from("/p"),
        add_dirs: Vec::new(),
        model: None,
        permission_mode: Some("default".into()),
        resume: None,
        replays: true,
        streams: true,
    }
}

impl Stage {
    pub(super) fn new(options: FrontOptions) -> Self {
        let now_ms = Arc::new(AtomicU64::new(1_000_000));
        let outside = Played { now_ms: Arc::clone(&now_ms), ids: AtomicU64::new(0) };
        let machine = Machine::new(options, Box::new(outside));
        let mut stage = Self {
            machine,
            now_ms,
            asks: 0,
            lines: Vec::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            served: Vec::new(),
            end: None,
        };
        stage.drain();
        stage
    }

    /// One whose agent opened a session.
    pub(super) fn open() -> Self {
        Self::open_with(options(), json!({}), json!({}))
    }

    pub(super) fn open_with(options: FrontOptions, can: Value, session: Value) -> Self {
        let mut stage = Self::new(options);
        stage.greeted(can);
        let mut answer = json!({"sessionId": SESSION});
        for (key, value) in session.as_object().into_iter().flatten() {
            answer[key] = value.clone();
        }
        stage.reply("session/new", Ok(answer));
        stage.lines.clear();
        stage
    }

    pub(super) fn greeted(&mut self, can: Value) {
        self.greeted_by("test", can);
    }

    pub(super) fn greeted_by(&mut self, name: &str, can: Value) {
        let info = json!({"name": name, "version": "1"});
        let ways = json!([{"id": "l", "name": "Login", "description": "by browser"}]);
        let answer =
            json!({"protocolVersion": 1, "agentCapabilities": can, "agentInfo": info, "authMethods": ways});
        self.reply("initialize", Ok(answer));
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Line(line) => self.lines.push(serde_json::from_str(&line).unwrap()),
                Output::Call { call, method, params } => self.calls.push((Some(call), method, params)),
                Output::Notify { method, params } => self.calls.push((None, method, params)),
                Output::Answer { ask, result } => {
                    self.answers.push((ask, result.map_err(|refusal| refusal.message)));
                }
                Output::Serve { job, .. } => self.served.push(job),
                Output::End { code, message } => self.end = Some((code, message)),
            }
        }
    }

    pub(super) fn host(&mut self, line: Value) {
        self.machine.handle_line(&line.to_string()).unwrap();
        self.drain();
    }

    pub(super) fn prompt(&mut self, uuid: &str, text: &str) {
        self.host(json!({"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}));
    }

    pub(super) fn control(&mut self, request: Value) -> Value {
        let before = self.lines.len();
        self.host(json!({"type": "control_request", "request_id": "c", "request": request}));
        let answer = self.lines[before..].iter().find(|line| line["type"] == "control_response");
        answer.cloned().unwrap_or_default()["response"].clone()
    }

    /// The agent answers the newest call of `method`.
    pub(super) fn reply(&mut self, method: &str, reply: Result<Value, AgentError>) {
        let call =
            self.calls.iter().rev().find(|(_, called, _)| *called == method).and_then(|(call, ..)| *call);
        self.machine.handle_reply(call.expect("it was called"), reply);
        self.drain();
    }

    pub(super) fn fails(&mut self, method: &str, code: i32, message: &str) {
        self.reply(method, Err(AgentError { code, message: message.into(), data: None }));
    }

    pub(super) fn update(&mut self, update: Value) {
        self.notice("session/update", json!({"sessionId": SESSION, "update": update}));
    }

    pub(super) fn notice(&mut self, method: &str, params: Value) {
        self.machine.handle_notice(method, &params);
        self.drain();
    }

    pub(super) fn says(&mut self, text: &str) {
        self.update(
            json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}),
        );
    }

    pub(super) fn asks(&mut self, asked: Asked) -> AskId {
        self.asks += 1;
        let ask = AskId(self.asks);
        self.machine.handle_asked(ask, asked);
        self.drain();
        ask
    }

    pub(super) fn wants(&mut self, job: Job) -> AskId {
        self.asks(Asked::Job(Prepared { session_id: SESSION.into(), job }))
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
        self.machine.handle_time();
        self.drain();
    }

    pub(super) fn host_leaves(&mut self) {
        self.machine.handle_host_closed();
        self.drain();
    }

    pub(super) fn agent_dies(&mut self, how: &str) {
        self.machine.handle_gone(how);
        self.drain();
    }

    /// The lines so far in short, without what only streams; they are taken.
    pub(super) fn story(&mut self) -> String {
        let lines = std::mem::take(&mut self.lines);
        let short = lines.iter().filter(|line| line["type"] != "stream_event").map(short);
        short.collect::<Vec<_>>().join("\n")
    }

    /// The last line of a kind.
    pub(super) fn last(&self, kind: &str) -> &Value {
        self.lines.iter().rev().find(|line| line["type"] == kind).unwrap_or(&Value::Null)
    }
}

fn short(line: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let block = &line["message"]["content"][0];
    match line["type"].as_str().unwrap_or_default() {
        "assistant" if block["type"] == "tool_use" => format!("{} {}", word(&block["name"]), block["input"]),
        "assistant" => {
            let text = block.get("text").or_else(|| block.get("thinking")).cloned().unwrap_or_default();
            let aborted = if line["aborted"] == true { " (aborted)" } else { "" };
            format!("{}: {}{aborted}", word(&block["type"]), word(&text))
        }
        "user" if line["isReplay"] == true => format!("replay {}", word(&line["uuid"])),
        "user" if block["type"] == "tool_result" => {
            let error = if block["is_error"] == true { " error" } else { "" };
            format!("result{error} {}", word(&block["content"]))
        }
        "user" => word(&block["text"]),
        "command_lifecycle" => format!("{} {}", word(&line["command_uuid"]), word(&line["state"])),
        "result" => format!("{} {}", word(&line["subtype"]), word(&line["terminal_reason"])),
        "control_request" => format!("asks {}", word(&line["request"]["tool_name"])),
        "control_cancel_request" => "withdrawn".to_owned(),
        "system" => match line["subtype"].as_str().unwrap_or_default() {
            "informational" => format!("! {}", word(&line["content"])),
            other => other.to_owned(),
        },
        other => other.to_owned(),
    }
}

pub(super) fn command(script: &str) -> Job {
    Job::Create(CommandLine {
        words: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: Vec::new(),
        cwd: PathBuf::from("/p"),
        output_bytes_max: None,
    })
}
