//! The front as a whole over real pipes, with agents that are shell scripts: files, terminals, and programs that break
//! every rule there is.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::Duration;

use portcullis_acp::{FrontError, FrontReport, parse_args, run_stdio};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;

/// Longest wait for a real process in these tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every script begins with: an answer to the newest request, the opening of a session, a request of its own.
const OPENING: &str = r#"
id() { printf '%s' "$1" | sed 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/'; }
answer() { read -r line; printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$(id "$line")" "$1"; }
ask() { printf '{"jsonrpc":"2.0","id":"a1","method":"%s","params":%s}\n' "$1" "$2"; read -r answered; }
say() { printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"%s"}}}}\n' "$1"; }
echo 'a banner that is no message'
answer '{"protocolVersion":1,"agentCapabilities":{}}'
answer '{"sessionId":"s"}'
read -r prompt
over() { printf '{"jsonrpc":"2.0","id":%s,"result":{"stopReason":"end_turn"}}\n' "$(id "$prompt")"; }
"#;

struct Host {
    stdin: WriteHalf<DuplexStream>,
    stdout: Lines<BufReader<ReadHalf<DuplexStream>>>,
    front: JoinHandle<Result<FrontReport, FrontError>>,
    lines: Vec<Value>,
}

impl Host {
    fn start(directory: &Path, mode: &str, script: &str) -> Self {
        let words = ["--", "sh", "-c", script, "--", "--replay-user-messages", mode];
        let words: Vec<_> = words.iter().map(Into::into).collect();
        let (options, _) = parse_args(&words, directory.to_owned()).unwrap();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (front_in, front_out) = tokio::io::split(theirs);
        let (stdout, stdin) = tokio::io::split(ours);
        let front = tokio::spawn(run_stdio(options, front_in, front_out));
        Self { stdin, stdout: BufReader::new(stdout).lines(), front, lines: Vec::new() }
    }

    async fn tell(&mut self, line: Value) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn prompt(&mut self) {
        let message = json!({"role": "user", "content": "go"});
        self.tell(json!({"type": "user", "uuid": "u", "message": message})).await;
    }

    /// Reads on to a line of this kind.
    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await;
            let line = line.expect("a line in time").unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended without {kind}: {:#?}", self.lines));
            let line: Value = serde_json::from_str(&line).unwrap();
            self.lines.push(line.clone());
            if line["type"] == kind {
                return line;
            }
        }
    }

    async fn allow(&mut self) -> Value {
        let asked = self.until("control_request").await;
        let payload = json!({"behavior": "allow", "updatedInput": asked["request"]["input"]});
        let response = json!({"subtype": "success", "request_id": asked["request_id"], "response": payload});
        self.tell(json!({"type": "control_response", "response": response})).await;
        asked["request"].clone()
    }

    async fn end(mut self) -> FrontReport {
        self.stdin.shutdown().await.unwrap();
        let report = tokio::time::timeout(PATIENCE, self.front).await.expect("it ends in time");
        report.unwrap().unwrap()
    }
}

#[tokio::test]
async fn files_and_commands_of_the_agent_are_served_in_the_sessions_directory() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().canonicalize().unwrap().join("in");
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink("/etc", directory.join("link")).unwrap();
    let at = directory.display();
    let script = format!(
        r#"{OPENING}
ask fs/write_text_file '{{"sessionId":"s","path":"{at}/new","content":"written\n"}}'
ask terminal/create '{{"sessionId":"s","command":"cat","args":["new"],"env":[{{"name":"A","value":"b"}}]}}'
case "$answered" in *terminal-1*) say created;; esac
ask terminal/wait_for_exit '{{"sessionId":"s","terminalId":"terminal-1"}}'
ask terminal/output '{{"sessionId":"s","terminalId":"terminal-1"}}'
case "$answered" in *written*) say printed;; esac
ask terminal/release '{{"sessionId":"s","terminalId":"terminal-1"}}'
ask fs/read_text_file '{{"sessionId":"s","path":"{at}/new"}}'
case "$answered" in *written*) say read;; esac
for path in "{at}/link/passwd" "{at}/../in/new" "/etc/passwd" "new"; do
  ask fs/read_text_file '{{"sessionId":"s","path":"'"$path"'"}}'
  case "$answered" in *error*) say refused;; esac
done
ask terminal/create '{{"sessionId":"s","command":"true","env":[{{"name":"LD_PRELOAD","value":"x"}}]}}'
case "$answered" in *error*) say refused;; esac
ask fs/read_text_file '{{"sessionId":"other","path":"{at}/new"}}'
case "$answered" in *error*) say refused;; esac
ask teleport/now '{{}}'
case "$answered" in *32601*) say unknown;; esac
over
read -r gone
"#
    );
    let mut host = Host::start(&directory, "--permission-mode=default", &script);
    host.prompt().await;
    let asked = host.allow().await;
    assert_eq!((&asked["tool_name"], &asked["input"]["content"]), (&json!("Write"), &json!("written\n")));
    let asked = host.allow().await;
    assert_eq!((&asked["input"]["command"], &asked["input"]["env"]["A"]), (&json!("cat new"), &json!("b")));
    let result = host.until("result").await;
    assert_eq!(
        result["result"], "createdprintedreadrefusedrefusedrefusedrefusedrefusedrefusedunknown",
        "{:#?}",
        host.lines
    );
    assert_eq!(std::fs::read_to_string(directory.join("new")).unwrap(), "written\n");
    assert_eq!(host.end().await, FrontReport { code: 0, message: None });
}

#[tokio::test]
async fn an_agent_that_dies_takes_the_front_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{OPENING}\nsay half; echo 'Error: no more' >&2; exit 7");
    let mut host = Host::start(folder.path(), "--permission-mode=default", &script);
    host.prompt().await;
    let result = host.until("result").await;
    assert_eq!(result["subtype"], "error_during_execution");
    let report = host.end().await;
    assert_eq!(report.code, 1);
    assert_eq!(report.message.as_deref(), Some("the ACP agent is gone (exit code 7): Error: no more"));
}

#[tokio::test]
async fn a_message_without_end_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{OPENING}\nprintf '{{'; yes | tr -d '\\n' | head -c 40000000; echo; read -r gone");
    let mut host = Host::start(folder.path(), "--permission-mode=default", &script);
    host.prompt().await;
    let result = host.until("result").await;
    assert!(result["errors"][0].as_str().unwrap().contains("a message of 40000001 bytes"), "{result}");
}

#[tokio::test]
async fn a_flood_of_an_agent_that_does_not_listen_ends_with_the_front() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"{OPENING}
yes '{{"jsonrpc":"2.0","id":"x","method":"teleport/now","params":{{}}}}'"#
    );
    let mut host = Host::start(folder.path(), "--permission-mode=default", &script);
    host.prompt().await;
    host.until("system").await;
    // It is neither read nor waited for: whoever ends the front ends it.
    host.front.abort();
    assert!(host.front.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let words: Vec<_> = ["--", "/nowhere/agent", "--"].iter().map(Into::into).collect();
    let (options, _) = parse_args(&words, "/".into()).unwrap();
    let error = run_stdio(options, tokio::io::empty(), tokio::io::sink()).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/agent"), "{error}");
}
