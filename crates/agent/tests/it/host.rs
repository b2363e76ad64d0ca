//! A host that talks to one agent: sends lines, waits for lines, answers permission requests.

use std::{path::PathBuf, time::Duration};

use portcullis_agent::{AgentError, AgentOptions, ExitReport, Invocation, Pace, parse_args, run_stdio};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines},
    task::JoinHandle,
    time::timeout,
};

/// How long anything may take before a test gives up; nothing waits for it on the good path.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Host {
    pub(crate) project: TempDir,
    /// Every line the agent wrote, as it came.
    pub(crate) lines: Vec<String>,
    /// The same, parsed; lines that are no JSON are null.
    pub(crate) seen: Vec<Value>,
    read: usize,
    next_id: usize,
    stdin: Option<DuplexStream>,
    stdout: Lines<BufReader<DuplexStream>>,
    agent: JoinHandle<Result<ExitReport, AgentError>>,
}

impl Host {
    /// An agent with all the flags a bridge gives it, in an empty project.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut AgentOptions)) -> Self {
        Self::start_with_flags(&[], change)
    }

    pub(crate) fn start_with_flags(flags: &[String], change: impl FnOnce(&mut AgentOptions)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags, change)
    }

    pub(crate) fn start_in(
        project: TempDir,
        flags: &[String],
        change: impl FnOnce(&mut AgentOptions),
    ) -> Self {
        let Ok(Invocation::Run { mut options, .. }) = parse_args(flags) else { panic!("flags of a run") };
        options.cwd = project.path().to_owned();
        options.replay_user_messages = true;
        options.include_partial_messages = true;
        options.pace = Pace::INSTANT;
        change(&mut options);
        let (stdin, agent_stdin) = tokio::io::duplex(64 * 1024);
        let (agent_stdout, stdout) = tokio::io::duplex(64 * 1024);
        let agent = tokio::spawn(run_stdio(*options, agent_stdin, agent_stdout));
        Self {
            project,
            lines: Vec::new(),
            seen: Vec::new(),
            read: 0,
            next_id: 0,
            stdin: Some(stdin),
            stdout: BufReader::new(stdout).lines(),
            agent,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.project.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn write_file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read_file(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) async fn send_raw(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_raw(&format!("{message}\n")).await;
    }

    pub(crate) async fn prompt_as(&mut self, uuid: &str, text: &str) {
        self.send(json!({"type": "user", "uuid": uuid, "session_id": "", "parent_tool_use_id": null,
                         "message": {"role": "user", "content": text}}))
            .await;
    }

    pub(crate) async fn prompt(&mut self, text: &str) {
        self.next_id += 1;
        self.prompt_as(&format!("prompt-{}", self.next_id), text).await;
    }

    /// Sends a control request and waits for its answer's `response`.
    pub(crate) async fn request(&mut self, request: Value) -> Value {
        self.next_id += 1;
        let id = format!("host-{}", self.next_id);
        self.send(json!({"type": "control_request", "request_id": id, "request": request})).await;
        let answer =
            |line: &Value| line["type"] == "control_response" && line["response"]["request_id"] == id;
        self.until(answer).await["response"].clone()
    }

    /// Reads on to the next line that matches.
    pub(crate) async fn until(&mut self, matches: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line =
                self.next_line().await.unwrap_or_else(|| panic!("the agent ended after {:#?}", self.lines));
            if matches(&line) {
                return line;
            }
        }
    }

    async fn next_line(&mut self) -> Option<Value> {
        if self.read == self.seen.len() {
            let line = match timeout(PATIENCE, self.stdout.next_line()).await {
                Ok(line) => line.unwrap()?,
                Err(_) => panic!("nothing came after {:#?}", self.lines),
            };
            self.seen.push(serde_json::from_str(&line).unwrap_or_default());
            self.lines.push(line);
        }
        self.read += 1;
        Some(self.seen[self.read - 1].clone())
    }

    pub(crate) async fn until_permission(&mut self) -> Value {
        self.until(|line| line["type"] == "control_request").await
    }

    pub(crate) async fn until_result(&mut self) -> Value {
        self.until(|line| line["type"] == "result").await
    }

    pub(crate) async fn until_delta(&mut self) -> Value {
        self.until(|line| line["event"]["type"] == "content_block_delta").await
    }

    pub(crate) async fn until_lifecycle(&mut self, state: &str) -> Value {
        self.until(|line| line["type"] == "command_lifecycle" && line["state"] == state).await
    }

    pub(crate) async fn until_tool_result(&mut self) -> Value {
        self.until(|line| line["type"] == "user" && line["message"]["content"][0]["type"] == "tool_result")
            .await
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: Value) {
        let response = json!({"subtype": "success", "request_id": request["request_id"], "response": result});
        self.send(json!({"type": "control_response", "response": response})).await;
    }

    /// Waits for a permission request and lets it run as it is.
    pub(crate) async fn allow_next(&mut self) -> Value {
        let request = self.until_permission().await;
        self.answer(&request, json!({"behavior": "allow", "updatedInput": request["request"]["input"]}))
            .await;
        request
    }

    pub(crate) async fn deny_next(&mut self, message: &str) -> Value {
        let request = self.until_permission().await;
        self.answer(&request, json!({"behavior": "deny", "message": message})).await;
        request
    }

    pub(crate) async fn interrupt(&mut self) -> Value {
        self.request(json!({"subtype": "interrupt"})).await
    }

    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Closes the input and waits for the end.
    pub(crate) async fn finish(&mut self) -> Result<ExitReport, AgentError> {
        self.stdin = None;
        while self.next_line().await.is_some() {}
        timeout(PATIENCE, &mut self.agent).await.expect("the agent ends").unwrap()
    }

    /// All lines of a type (and subtype) so far.
    pub(crate) fn all(&self, kind: &str, subtype: Option<&str>) -> Vec<&Value> {
        let fits =
            |line: &&Value| line["type"] == kind && subtype.is_none_or(|subtype| line["subtype"] == subtype);
        self.seen.iter().filter(fits).collect()
    }

    /// What the assistant said so far, one string per text line.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let text = |line: &&Value| line["message"]["content"][0]["text"].is_string();
        let lines = self.seen.iter().filter(|line| line["type"] == "assistant").filter(text);
        lines.map(|line| line["message"]["content"][0]["text"].as_str().unwrap()).collect()
    }

    /// The kind of every line so far, see [`kind`].
    pub(crate) fn kinds(&self) -> Vec<String> {
        kinds_of(self.seen.iter().map(kind).collect())
    }

    /// Forgets everything that was said so far.
    pub(crate) fn forget(&mut self) {
        (self.read, self.seen, self.lines) = (0, Vec::new(), Vec::new());
    }

    /// Forgets the last line that was read.
    pub(crate) fn drop_last(&mut self) {
        self.seen.pop();
        self.lines.pop();
        self.read = self.seen.len();
    }
}

/// The kinds with runs of one kind of delta as one.
pub(crate) fn kinds_of(mut kinds: Vec<String>) -> Vec<String> {
    kinds.dedup_by(|next, last| next == last && next.starts_with("delta:"));
    kinds
}

/// A line's kind in one word, as the shapes of recorded sessions are written.
pub(crate) fn kind(line: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let block = |value: &Value| text(&value["message"]["content"][0]["type"]);
    match text(&line["type"]).as_str() {
        "stream_event" => match text(&line["event"]["type"]).as_str() {
            "content_block_delta" => format!("delta:{}", text(&line["event"]["delta"]["type"])),
            "content_block_start" => format!("block_start:{}", text(&line["event"]["content_block"]["type"])),
            other => other.to_owned(),
        },
        "assistant" => format!("assistant:{}{}", block(line), if line["aborted"] == true { "!" } else { "" }),
        "user" if line["isReplay"] == true => "replay".to_owned(),
        "user" => format!("user:{}", block(line)),
        "command_lifecycle" => format!("lifecycle:{}", text(&line["state"])),
        kind @ ("system" | "result") => format!("{kind}:{}", text(&line["subtype"])),
        other => other.to_owned(),
    }
}
