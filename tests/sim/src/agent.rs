//! A scripted agent. For each prompt it states numbered facts, streams while it does so, asks for tools and runs them
//! only after it was allowed, and puts down everything that reached its stdin.

use std::collections::VecDeque;
use std::time::Duration;

use portcullis_protocol::RawJson;
use portcullis_protocol::id::SessionId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::dice::Dice;
use crate::record::{Asked, Record};

/// Of a thousand agents that are to take up a conversation, so many do not find it.
const FORGETS_PER_MILLE: u64 = 250;
/// Lines that wait for the bridge to read them: what a pipe holds.
const STDOUT_LINES: usize = 32;

/// A running agent; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Its stdin.
    pub stdin: mpsc::UnboundedSender<String>,
    /// Its stdout.
    pub stdout: mpsc::Receiver<String>,
    process: AbortHandle,
}

impl Agent {
    /// Starts one for `session`, in the conversation `resume` if that is still there.
    #[must_use]
    pub(crate) fn spawn(session: SessionId, record: Record, mut dice: Dice, resume: Option<String>) -> Self {
        let (stdin, input) = mpsc::unbounded_channel();
        let (output, stdout) = mpsc::channel(STDOUT_LINES);
        let name = format!("agent-{}", dice.next() % 1_000);
        record.note(&name, if resume.is_some() { "starts in an earlier conversation" } else { "starts" });
        let conversation = resume.clone().unwrap_or_else(|| name.clone());
        let mut script = Script {
            session,
            record,
            dice,
            name,
            input,
            output,
            queue: VecDeque::new(),
            answers: Vec::new(),
            interrupted: false,
            asked: 0,
            conversation,
        };
        let forgot = resume.is_some() && script.dice.hits(FORGETS_PER_MILLE);
        let process =
            tokio::spawn(async move { if forgot { script.give_up().await } else { script.run().await } })
                .abort_handle();
        Self { stdin, stdout, process }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.abort();
    }
}

struct Script {
    session: SessionId,
    record: Record,
    dice: Dice,
    name: String,
    input: mpsc::UnboundedReceiver<String>,
    output: mpsc::Sender<String>,
    /// Prompts by uuid.
    queue: VecDeque<String>,
    /// Request id, whether it may run, with which input.
    answers: Vec<(String, bool, Option<RawJson>)>,
    interrupted: bool,
    asked: u64,
    /// What it calls its conversation.
    conversation: String,
}

/// Nobody reads or writes any more.
struct Gone;

type Step = Result<(), Gone>;

#[derive(Deserialize)]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    uuid: Option<String>,
    request_id: Option<String>,
    request: Option<RawJson>,
    response: Option<RawJson>,
}

#[derive(Deserialize)]
struct Answer {
    request_id: String,
    response: Decided,
}

#[derive(Deserialize)]
struct Decided {
    behavior: String,
    #[serde(rename = "updatedInput")]
    updated_input: Option<RawJson>,
}

impl Script {
    /// As an agent ends that does not find its conversation: it says so in zeros and obeys nobody.
    async fn give_up(mut self) {
        let uuid = self.dice.uuid();
        self.record.note(&self.name, "does not find its conversation");
        let zeros = json!({"type": "result", "subtype": "error_during_execution", "is_error": true, "duration_ms": 0,
            "num_turns": 0, "session_id": self.conversation, "uuid": uuid, "total_cost_usd": 0.0});
        let _ = self.say(zeros).await;
        sleep(Duration::from_millis(self.dice.within(0..=50))).await;
        while let Ok(line) = self.input.try_recv() {
            if line.contains(r#""type":"user""#) {
                self.record.truth().forged.push(format!("a prompt for an agent that cannot take it: {line}"));
            }
        }
    }

    async fn run(mut self) {
        while let Some(line) = self.next_line().await {
            if self.take(&line).await.is_err() {
                break;
            }
            while let Some(uuid) = self.queue.pop_front() {
                if self.turn(&uuid).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn next_line(&mut self) -> Option<String> {
        self.input.recv().await
    }

    async fn say(&self, line: Value) -> Step {
        self.output.send(line.to_string()).await.map_err(|_| Gone)
    }

    async fn say_raw(&self, line: String) -> Step {
        self.output.send(line).await.map_err(|_| Gone)
    }

    /// One line of stdin.
    async fn take(&mut self, line: &str) -> Step {
        let Ok(incoming) = serde_json::from_str::<Incoming>(line) else {
            self.record.truth().forged.push(format!("a line that no agent can read: {line}"));
            return Ok(());
        };
        match incoming.kind.as_str() {
            "user" => {
                let uuid = incoming.uuid.unwrap_or_default();
                self.record.note(&self.name, &format!("hears {uuid}"));
                self.record.truth().heard.push((self.session.clone(), uuid.clone()));
                self.queue.push_back(uuid);
                Ok(())
            }
            "control_request" => {
                let request = incoming.request.as_ref().map(RawJson::as_str).unwrap_or_default();
                self.interrupted |= request.contains("\"interrupt\"");
                let request_id = incoming.request_id.unwrap_or_default();
                let answer = json!({"subtype": "success", "request_id": request_id, "response": {}});
                self.say(json!({"type": "control_response", "response": answer})).await
            }
            "control_response" => {
                let answer = incoming.response.and_then(|response| response.read::<Answer>().ok());
                if let Some(Answer { request_id, response }) = answer {
                    let allow = response.behavior == "allow";
                    self.record.note(&self.name, &format!("is answered {request_id} {}", response.behavior));
                    self.answers.push((request_id, allow, response.updated_input));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lets time pass, and listens meanwhile.
    async fn pass(&mut self, ms: u64) -> Step {
        let until = Instant::now() + Duration::from_millis(ms);
        while let Ok(line) = timeout_at(until, self.input.recv()).await {
            let line = line.ok_or(Gone)?;
            self.take(&line).await?;
        }
        Ok(())
    }

    async fn turn(&mut self, prompt: &str) -> Step {
        self.interrupted = false;
        let uuid = self.dice.uuid();
        self.say(json!({"type": "system", "subtype": "init", "session_id": self.conversation, "uuid": uuid,
            "model": "scripted", "permissionMode": "default"}))
            .await?;
        if self.dice.hits(500) {
            let uuid = self.dice.uuid();
            self.say(json!({"type": "command_lifecycle", "command_uuid": prompt, "state": "started", "uuid": uuid, "session_id": "s"})).await?;
        } else {
            let message = json!({"role": "user", "content": [{"type": "text", "text": "again"}]});
            self.say(json!({"type": "user", "isReplay": true, "uuid": prompt, "message": message, "parent_tool_use_id": null, "session_id": "s"})).await?;
        }
        let steps = self.dice.within(1..=5);
        for _ in 0..steps {
            if self.interrupted {
                break;
            }
            let thinking = self.dice.within(5..=400);
            self.pass(thinking).await?;
            match self.dice.within(0..=9) {
                0..=3 => self.state_facts().await?,
                4..=6 => self.stream_fact().await?,
                _ => self.use_tool().await?,
            }
        }
        let subtype = if self.interrupted { "error_during_execution" } else { "success" };
        let uuid = self.dice.uuid();
        self.say(json!({"type": "result", "subtype": subtype, "is_error": self.interrupted, "duration_ms": 1, "num_turns": 1, "result": "", "session_id": "s", "uuid": uuid, "total_cost_usd": 0.5})).await
    }

    fn assistant(&mut self, id: &str, content: &Value) -> Value {
        json!({"type": "assistant", "uuid": self.dice.uuid(), "session_id": "s", "parent_tool_use_id": null,
            "message": {"id": id, "type": "message", "role": "assistant", "model": "scripted", "content": [content]}})
    }

    async fn state_facts(&mut self) -> Step {
        for _ in 0..self.dice.within(1..=4) {
            let number = self.record.state_fact(&self.session);
            let id = self.dice.uuid();
            let line = self.assistant(&id, &json!({"type": "text", "text": format!("fact #{number}.")}));
            self.say(line).await?;
        }
        Ok(())
    }

    async fn stream_fact(&mut self) -> Step {
        let number = self.record.state_fact(&self.session);
        let id = self.dice.uuid();
        let text = format!("fact #{number}: {}", "so it is ".repeat(6));
        let live = |event: Value| json!({"type": "stream_event", "event": event, "parent_tool_use_id": null, "session_id": "s"});
        self.say(live(
            json!({"type": "message_start", "message": {"id": id, "role": "assistant", "content": []}}),
        ))
        .await?;
        self.say(live(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ))
        .await?;
        for piece in text.as_bytes().chunks(9) {
            let piece = String::from_utf8_lossy(piece);
            self.say(live(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}))).await?;
            let pause = self.dice.within(0..=30);
            sleep(Duration::from_millis(pause)).await;
        }
        let line = self.assistant(&id, &json!({"type": "text", "text": text}));
        self.say(line).await?;
        self.say(live(json!({"type": "content_block_stop", "index": 0}))).await?;
        self.say(live(json!({"type": "message_stop"}))).await
    }

    /// Asks, waits, and runs what was allowed.
    async fn use_tool(&mut self) -> Step {
        self.asked += 1;
        // Every process counts from one: ids come again, and mean another request.
        let request_id = format!("req-{}", self.asked);
        let tool_use_id = format!("toolu_{}", self.dice.uuid());
        let input = self.input();
        let content = format!(r#"{{"type":"tool_use","id":"{tool_use_id}","name":"Bash","input":{input}}}"#);
        let uuid = self.dice.uuid();
        self.say_raw(format!(
            r#"{{"type":"assistant","uuid":"{uuid}","session_id":"s","parent_tool_use_id":null,"message":{{"id":"{uuid}","type":"message","role":"assistant","model":"scripted","content":[{content}]}}}}"#
        ))
        .await?;
        let request = format!(
            r#"{{"subtype":"can_use_tool","tool_name":"Bash","input":{input}, "tool_use_id":"{tool_use_id}"}}"#
        );
        let raw = RawJson::parse(&request).map_err(|_| Gone)?;
        let asked = Asked { request: raw, answers: Vec::new(), ran: 0 };
        self.record.truth().asked.insert((self.session.clone(), tool_use_id.clone()), asked);
        self.record.note(&self.name, &format!("asks {request_id} {tool_use_id}"));
        self.answers.retain(|(id, ..)| *id != request_id);
        self.say_raw(format!(
            r#"{{"type":"control_request","request_id":"{request_id}","request":{request}}}"#
        ))
        .await?;
        let patience = if self.dice.hits(150) { self.dice.within(50..=8_000) } else { u64::MAX };
        let mut waited = 0;
        loop {
            if let Some(at) = self.answers.iter().position(|(id, ..)| *id == request_id) {
                let (_, allow, input) = self.answers.remove(at);
                return self.answered(&tool_use_id, allow, input).await;
            }
            if self.interrupted || waited >= patience {
                self.say(json!({"type": "control_cancel_request", "request_id": request_id})).await?;
                // An answer may cross the withdrawal on its way: it is read, and nothing runs.
                self.pass(200).await?;
                return self.result(&tool_use_id, "withdrawn", true).await;
            }
            self.pass(50).await?;
            waited += 50;
        }
    }

    /// An input that tells whether anybody wrote it anew on its way.
    fn input(&mut self) -> String {
        let (number, nonce) = (self.dice.within(0..=999), self.dice.next());
        match self.dice.within(0..=2) {
            0 => format!(r#"{{"command":"echo {nonce:x}","n":{number}.10}}"#),
            1 => format!(r#"{{ "n" : {number}E+1, "command":"ls \u0041{nonce:x}" }}"#),
            _ => format!(r#"{{"z":{nonce},"command":"rm {number}","a":[ 1, 2.0 ]}}"#),
        }
    }

    async fn answered(&mut self, tool_use_id: &str, allow: bool, input: Option<RawJson>) -> Step {
        {
            let mut truth = self.record.truth();
            if let Some(asked) = truth.asked.get_mut(&(self.session.clone(), tool_use_id.to_owned())) {
                asked.answers.push((allow, input));
                asked.ran += u32::from(allow);
            }
        }
        let running = self.dice.within(0..=100);
        self.pass(running).await?;
        self.result(tool_use_id, if allow { "ran" } else { "denied" }, !allow).await
    }

    async fn result(&mut self, tool_use_id: &str, text: &str, is_error: bool) -> Step {
        let block =
            json!({"type": "tool_result", "tool_use_id": tool_use_id, "content": text, "is_error": is_error});
        let uuid = self.dice.uuid();
        self.say(json!({"type": "user", "uuid": uuid, "session_id": "s", "parent_tool_use_id": null, "message": {"role": "user", "content": [block]}})).await
    }
}
