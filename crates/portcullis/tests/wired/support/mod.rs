//! A running system, and a device that is paired with it.

mod machines;
mod process;
mod session;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use portcullis_bridge::DeviceKey;
use serde_json::{Value, json};

pub(crate) use machines::{Machines, serve};
pub(crate) use process::{Process, processes_in, wait_until};
pub(crate) use session::{Client, Decision, Session};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
/// Longest wait for anything a real process does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `portcullis demo`, with everything it writes below a folder of its own.
pub(crate) struct Demo {
    process: Process,
    folder: tempfile::TempDir,
    pub(crate) ready: Value,
    client: Option<Client>,
}

impl Demo {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = data_dir_of(folder.path());
        let words = ["demo", "--json", "--no-open", "--listen=127.0.0.1:0", &data_dir];
        let mut process = Process::start(&words, folder.path(), "demo");
        let ready = ready(&mut process).await;
        Self { process, folder, ready, client: None }
    }

    /// A new session with a socket on it.
    pub(crate) async fn session(&mut self) -> Session {
        if self.client.is_none() {
            self.client = Some(pair(&self.ready).await);
        }
        self.client.as_ref().unwrap().new_session().await
    }

    pub(crate) fn project(&self) -> PathBuf {
        PathBuf::from(self.ready["project"].as_str().unwrap())
    }

    pub(crate) fn processes(&self) -> Vec<String> {
        processes_in(&self.project())
    }

    pub(crate) async fn interrupt(&mut self) -> Option<i32> {
        self.process.interrupt().await
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it, unless it ended, and fails if anything is left.
    pub(crate) async fn end(&mut self) {
        if self.process.is_running() {
            assert_eq!(self.interrupt().await, Some(0), "{}", self.process.log());
        }
        assert_eq!(self.processes(), Vec::<String>::new(), "{}", self.process.log());
    }

    /// Runs another command against the same data directory.
    pub(crate) fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        run(words, self.folder.path())
    }
}

/// Runs a command to its end against the data directory in `folder`.
pub(crate) fn run(words: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(PROGRAM).args(words).arg(data_dir_of(folder)).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

pub(crate) fn data_dir_of(folder: &Path) -> String {
    format!("--data-dir={}", folder.join("data").display())
}

/// The ready line of a process.
pub(crate) async fn ready(process: &mut Process) -> Value {
    let line = process.first_line().await;
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}\n{}", process.log()));
    assert_eq!(ready["event"], "ready");
    ready
}

/// Pairs the first device: the owner's.
pub(crate) async fn pair(ready: &Value) -> Client {
    let key = DeviceKey::generate().unwrap();
    let body = json!({"code": ready["pair_code"], "device_name": "test", "public_key": key.public_key()});
    let nobody = Client::new(ready["url"].as_str().unwrap(), "");
    let granted = nobody.post("/v1/auth/pair", &body).await;
    assert_eq!(granted["role"], "owner");
    Client::new(ready["url"].as_str().unwrap(), granted["access_token"].as_str().unwrap())
}
