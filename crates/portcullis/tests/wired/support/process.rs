//! One process of the program under test, with its log.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tokio::time::Instant;

use super::{PATIENCE, PROGRAM};

/// A running `portcullis …`. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    /// Kept, so that it can go on writing.
    stdout: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts it in `folder`, where its log goes too.
    pub(crate) fn start<W: AsRef<OsStr>>(words: &[W], folder: &Path, name: &str) -> Self {
        Self::start_with(words, folder, name, &[])
    }

    /// The same with these variables.
    pub(crate) fn start_with<W: AsRef<OsStr>>(
        words: &[W],
        folder: &Path,
        name: &str,
        variables: &[(&str, String)],
    ) -> Self {
        Self::spawn(PROGRAM, words, folder, name, variables)
    }

    /// Another program, which becomes the one under test.
    pub(crate) fn start_program<W: AsRef<OsStr>>(
        program: &str,
        words: &[W],
        folder: &Path,
        name: &str,
    ) -> Self {
        Self::spawn(program, words, folder, name, &[])
    }

    fn spawn<W: AsRef<OsStr>>(
        program: &str,
        words: &[W],
        folder: &Path,
        name: &str,
        variables: &[(&str, String)],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let temporary = folder.join("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        let mut command = Command::new(program);
        command
            .args(words)
            .env("TMPDIR", temporary)
            .envs(variables.iter().cloned())
            .current_dir(folder)
            .process_group(0);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdout, log }
    }

    /// The next fact on stdout that is called `name`, and those before it.
    pub(crate) async fn fact(&mut self, name: &str) -> Value {
        loop {
            let line = self.first_line().await;
            assert!(!line.is_empty(), "no `{name}` was told\n{}", self.log());
            let fact: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            if fact["event"] == name {
                return fact;
            }
        }
    }

    /// Ctrl-C without waiting.
    pub(crate) fn tell_to_end(&self) {
        kill_process(self.pid(), Signal::INT).unwrap();
    }

    /// The next line on stdout.
    pub(crate) async fn first_line(&mut self) -> String {
        let mut stdout = self.stdout.take().unwrap();
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| (line, stdout))
        });
        let (line, stdout) =
            tokio::time::timeout(PATIENCE, reading).await.expect("a line in time").unwrap().unwrap();
        self.stdout = Some(stdout);
        line
    }

    /// Ctrl-C, as a terminal would send it, and the exit code.
    pub(crate) async fn interrupt(&mut self) -> Option<i32> {
        kill_process(self.pid(), Signal::INT).unwrap();
        self.exit().await
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As the kernel would when memory runs out.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stands still until [`Process::go_on`]: whoever speaks to it waits.
    pub(crate) fn freeze(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// The file system as it sees it.
    pub(crate) fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.child.id()))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind either.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Names of the processes that work in `folder`, wherever they came from.
pub(crate) fn processes_in(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Waits until `condition` holds.
pub(crate) async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
