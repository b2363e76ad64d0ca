//! The worker's machine, driven by scripts: what goes in, and what it orders.

use portcullis_protocol::approval::digest;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::limits::PENDING_REQUESTS_MAX;
use portcullis_protocol::wire::worker::{ControlDown, DecisionDown, Deliver, Hello, RequestStep, StopDown};
use serde_json::{Value, json};

use super::asked::ANSWER_TIMEOUT_MS;
use super::*;

mod base;
mod control;
mod cuts;
mod hostile;
mod life;
mod requests;
mod spool;
mod succession;

struct Machine {
    relay: Relay,
    now: Tick,
}

impl Machine {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut RelaySpec)) -> Self {
        let mut spec = RelaySpec {
            agent: "builtin".into(),
            directory: "/p".into(),
            model: None,
            permission_mode: "default".into(),
            policy: Policy::for_directory("/p".into()),
            refusal: None,
            earlier: Earlier::default(),
        };
        change(&mut spec);
        let mut minted = 0;
        let uuids = Box::new(move || {
            minted += 1;
            format!("u{minted}")
        });
        Self { relay: Relay::new(spec, uuids), now: Tick(0) }
    }

    /// Linked and attached, with its first words taken.
    fn attached() -> Self {
        let mut machine = Self::new();
        machine.attach();
        machine
    }

    /// As [`Machine::attached`], and with a process that read a prompt and said who it is.
    fn running() -> Self {
        let mut machine = Self::attached();
        machine.deliver(1, "p1", "hi");
        machine.handle(Input::Written(Receipt::Prompt("p1".into())));
        machine.line(json!({"type": "control_response", "response": {"subtype": "success", "request_id": "pc-1", "response": {"commands": []}}}));
        machine.settle();
        machine
    }

    fn attach(&mut self) {
        self.handle(Input::LinkUp);
        self.frame(WorkerDown::Hello(hello(0, 0)));
        self.settle();
    }

    /// Feeds one input and returns what it ordered, one line each.
    fn handle(&mut self, input: Input) -> Vec<String> {
        self.relay.handle(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(output) = self.relay.poll_output() {
            show(&output, &mut shown);
        }
        shown
    }

    fn frame(&mut self, frame: WorkerDown) -> Vec<String> {
        self.handle(Input::Frame(frame))
    }

    fn line(&mut self, line: Value) -> Vec<String> {
        self.text(&line.to_string())
    }

    fn text(&mut self, line: &str) -> Vec<String> {
        self.handle(Input::Line(Line::Text(line.into())))
    }

    fn deliver(&mut self, seq: u64, uuid: &str, text: &str) -> Vec<String> {
        let event = portcullis_protocol::wire::prompt::text_prompt(uuid, text);
        self.frame(WorkerDown::Deliver(Deliver { seq, event }))
    }

    /// Takes every POST until nothing is under way.
    fn settle(&mut self) -> Vec<String> {
        let mut shown = Vec::new();
        for lane in [Lane::Content, Lane::Control, Lane::Content, Lane::Control] {
            if self.relay.lanes.get_mut(lane).is_posting() {
                shown.extend(self.handle(Input::Posted(lane, PostOutcome::Accepted { next_n: u64::MAX })));
            }
        }
        shown
    }

    /// The agent starts the first prompt and ends its turn.
    fn rest(&mut self) {
        self.line(json!({"type": "command_lifecycle", "command_uuid": "p1", "state": "started"}));
        self.line(json!({"type": "result", "subtype": "success", "uuid": "r1"}));
        self.settle();
        self.settle();
    }

    /// The agent asks to run a command.
    fn ask(&mut self, request_id: &str, command: &str) -> Vec<String> {
        self.line(tool_request(request_id, command))
    }

    fn decide(&mut self, request_id: &str, event: &Value) -> Vec<String> {
        let event = RawJson::from_value(event);
        self.frame(WorkerDown::Decision(DecisionDown {
            request_id: request_id.into(),
            decided_by: "me".into(),
            event,
        }))
    }

    fn control(&mut self, request: Value) -> Vec<String> {
        let event = RawJson::from_value(
            &json!({"type": "control_request", "uuid": "x", "request_id": "R9", "request": request}),
        );
        let device_id = DeviceId::parse("d1").unwrap();
        self.frame(WorkerDown::Control(ControlDown {
            device_id,
            request_id: "R9".into(),
            needs_policy: false,
            event,
        }))
    }

    fn exit(&mut self, code: i32) -> Vec<String> {
        self.handle(Input::AgentExited(AgentExit {
            code: Some(code),
            signal: None,
            last_stderr: Some("boom".into()),
        }))
    }
}

/// What these lines of a disk leave for the next life.
fn earlier(lines: &[&str]) -> Earlier {
    Earlier::from_entries(lines.iter().map(|line| serde_json::from_str(line).unwrap()))
}

fn hello(content_next_n: u64, control_next_n: u64) -> Hello {
    Hello { head_seq: 0, epoch: None, content_next_n, control_next_n }
}

fn tool_request(request_id: &str, command: &str) -> Value {
    json!({"type": "control_request", "request_id": request_id, "request": {
        "subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}, "tool_use_id": format!("t-{request_id}"),
        "permission_suggestions": [{"type": "setMode", "mode": "acceptEdits", "destination": "session"},
            {"type": "setMode", "mode": "bypassPermissions", "destination": "session"}],
    }})
}

/// The agent asks to put `content` in the place of a file.
fn write_request(request_id: &str, path: &str, content: &str) -> Value {
    json!({"type": "control_request", "request_id": request_id, "request": {
        "subtype": "can_use_tool", "tool_name": "Write", "input": {"file_path": path, "content": content},
        "tool_use_id": format!("t-{request_id}"),
    }})
}

/// What a person sends who allows `request` as it stands, with `change` made to the whole event.
fn allow(request: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let shown = RawJson::from_value(&request["request"]);
    let mut event = json!({
        "type": "control_response", "uuid": "d-uuid", "digest": digest(&shown),
        "response": {"subtype": "success", "request_id": request["request_id"],
            "response": {"behavior": "allow", "updatedInput": request["request"]["input"]}},
    });
    change(&mut event);
    event
}

fn show(output: &Output, shown: &mut Vec<String>) {
    shown.push(match output {
        Output::Send(frame) => format!("send {}", frame.to_text()),
        Output::Look { look, path } => format!("look {look} {path}"),
        Output::Spawn { resume: None } => "spawn".into(),
        Output::Spawn { resume: Some(name) } => format!("spawn {name}"),
        Output::Terminate => "terminate".into(),
        Output::Journal(entry @ (Entry::Said { .. } | Entry::Taken { .. })) => {
            format!("spool {}", serde_json::to_string(entry).unwrap())
        }
        Output::Journal(entry) => format!("journal {}", serde_json::to_string(entry).unwrap()),
        Output::Finish(end) => format!("finish {end:?}"),
        Output::Stdin { line, receipt } => {
            let receipt = receipt.as_ref().map(|receipt| format!(" [{receipt:?}]")).unwrap_or_default();
            format!("stdin {line}{receipt}")
        }
        Output::Post(post) => {
            for item in &post.items {
                shown.push(format!("post {}", serde_json::to_string(item).unwrap()));
            }
            return;
        }
    });
}

/// Those of `shown` that start with `prefix`, without it.
fn only<'a>(shown: &'a [String], prefix: &str) -> Vec<&'a str> {
    shown.iter().filter_map(|line| line.strip_prefix(prefix)).collect()
}

/// The posted items as JSON.
fn posted(shown: &[String]) -> Vec<Value> {
    only(shown, "post ").into_iter().map(|item| serde_json::from_str(item).unwrap()).collect()
}

/// The posted events.
fn events(shown: &[String]) -> Vec<Value> {
    posted(shown).iter().filter_map(|item| item.get("event")?.get("event").cloned()).collect()
}

/// The steps of requests: `(request, step)`.
fn steps(shown: &[String]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    posted(shown)
        .iter()
        .filter_map(|item| {
            if let Some(step) = item.get("step") {
                return Some((text(&step["request_id"]), text(&step["step"])));
            }
            item.get("cancel").map(|cancel| (text(&cancel["request_id"]), "cancel".into()))
        })
        .collect()
}

fn stdin(shown: &[String]) -> Vec<Value> {
    only(shown, "stdin ")
        .into_iter()
        .map(|line| serde_json::Deserializer::from_str(line).into_iter().next().unwrap().unwrap())
        .collect()
}
