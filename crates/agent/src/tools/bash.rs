//! Runs one shell command in its own process group, stdout and stderr interleaved through one pipe. Whatever the
//! end (exit, time limit, interrupt, the agent's own end), the whole group is killed: a command leaves nothing behind.

use std::{
    io::{self, ErrorKind},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command},
    time::{Instant, timeout, timeout_at},
};

use super::{OUTPUT_CHARS_MAX, ToolOutcome, cut_output};

/// Time limit when the call names none.
const TIMEOUT_DEFAULT_MS: u64 = 120_000;
/// Longest time limit a call may name.
const TIMEOUT_MAX_MS: u64 = 600_000;
/// Output kept in memory; four bytes are the longest UTF-8 character. The rest is read and counted only.
const OUTPUT_BYTES_KEPT: usize = OUTPUT_CHARS_MAX * 4;
/// What opens the model's API is no business of the commands the model runs.
const SECRETS: [&str; 2] = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"];
/// How long output of processes that outlive their shell is still waited for.
const STRAGGLERS_MS: u64 = 200;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    pub(crate) command: String,
    pub(crate) description: Option<String>,
    timeout: Option<u64>,
    #[serde(default)]
    run_in_background: bool,
}

impl Input {
    pub(super) fn checked(self) -> Result<Self, String> {
        if self.run_in_background {
            return Err("InputValidationError: run_in_background is not supported by this agent".to_owned());
        }
        Ok(self)
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(self.timeout.unwrap_or(TIMEOUT_DEFAULT_MS).min(TIMEOUT_MAX_MS))
    }
}

pub(super) async fn run(input: &Input, cwd: &Path) -> ToolOutcome {
    match execute(input, cwd).await {
        Ok((output, Some(status))) if status.success() => success(&output.text()),
        Ok((output, Some(status))) => failure(&format!("Exit code {}", exit_code(status)), &output.text()),
        Ok((output, None)) => {
            failure(&format!("Command timed out after {} ms", input.limit().as_millis()), &output.text())
        }
        Err(error) => ToolOutcome::failed(format!("The command could not be started: {error}")),
    }
}

fn success(text: &str) -> ToolOutcome {
    let shown = cut_output(text, "output");
    let stdout: String = text.chars().take(OUTPUT_CHARS_MAX).collect();
    let structured = json!({
        "stdout": stdout, "stderr": "", "interrupted": false, "isImage": false, "noOutputExpected": text.is_empty(),
    });
    let content = if text.is_empty() { "(Bash completed with no output)".to_owned() } else { shown };
    ToolOutcome { is_error: Some(false), ..ToolOutcome::ok(content, structured) }
}

fn failure(what: &str, text: &str) -> ToolOutcome {
    ToolOutcome::failed(cut_output(format!("{what}\n{text}").trim_end(), "output"))
}

/// The shell's convention: 128 and the signal's number for a process that a signal ended.
fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Runs to the end (`Some`) or to the time limit (`None`).
async fn execute(input: &Input, cwd: &Path) -> io::Result<(Output, Option<ExitStatus>)> {
    let deadline = Instant::now() + input.limit();
    let (mut child, mut pipe) = spawn(&input.command, cwd)?;
    let group = Group::of(&child);
    let mut output = Output::default();
    let finished = timeout_at(deadline, async {
        let status = tokio::select! {
            status = child.wait() => status?,
            () = output.fill_from(&mut pipe) => child.wait().await?,
        };
        drop(timeout(Duration::from_millis(STRAGGLERS_MS), output.fill_from(&mut pipe)).await);
        io::Result::Ok(status)
    })
    .await;
    drop(group);
    Ok((output, finished.ok().transpose()?))
}

fn spawn(command: &str, cwd: &Path) -> io::Result<(Child, pipe::Receiver)> {
    let start = |shell: &str| -> io::Result<(Child, pipe::Receiver)> {
        let (reader, writer) = io::pipe()?;
        let child = without_secrets(shell)
            .arg("-c")
            .arg(command)
            .current_dir(cwd)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        Ok((child, pipe::Receiver::from_owned_fd(reader.into())?))
    };
    match start("bash") {
        Err(error) if error.kind() == ErrorKind::NotFound => start("sh"),
        other => other,
    }
}

fn without_secrets(program: &str) -> Command {
    let mut command = Command::new(program);
    for secret in SECRETS {
        command.env_remove(secret);
    }
    command
}

/// A command's process group, killed when this is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    /// The child leads its group, so the group has the child's id.
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0
            && let Err(error) = kill_process_group(leader, Signal::KILL)
        {
            tracing::trace!(%error, "no process left in the command's group");
        }
    }
}

/// What a command printed, up to the bound.
#[derive(Debug, Default)]
struct Output {
    kept: Vec<u8>,
    dropped_bytes: usize,
}

impl Output {
    /// Reads to the end of the pipe. May be dropped and called again: nothing read is lost.
    async fn fill_from(&mut self, pipe: &mut pipe::Receiver) {
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(read) = pipe.read(&mut chunk).await {
            if read == 0 {
                return;
            }
            let room = OUTPUT_BYTES_KEPT.saturating_sub(self.kept.len()).min(read);
            self.kept.extend_from_slice(&chunk[..room]);
            self.dropped_bytes += read - room;
        }
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let text = text.trim_end_matches('\n');
        if self.dropped_bytes == 0 {
            return text.to_owned();
        }
        format!("{text}\n… [{} bytes of output dropped]", self.dropped_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant as Clock};

    use super::*;

    fn input(command: &str, timeout_ms: u64) -> Input {
        Input {
            command: command.to_owned(),
            description: None,
            timeout: Some(timeout_ms),
            run_in_background: false,
        }
    }

    async fn outcome(command: &str) -> ToolOutcome {
        run(&input(command, 20_000), Path::new("/")).await
    }

    #[tokio::test]
    async fn interleaves_stdout_and_stderr_in_the_order_of_writing() {
        let outcome = outcome("echo one; echo two >&2; echo three").await;
        assert_eq!(outcome.content, "one\ntwo\nthree");
        assert_eq!(outcome.is_error, Some(false));
        assert_eq!(outcome.structured["stdout"], "one\ntwo\nthree");
    }

    #[test]
    fn a_command_does_not_see_what_opens_the_models_api() {
        let command = without_secrets("sh");
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed, [("ANTHROPIC_API_KEY".as_ref(), None), ("ANTHROPIC_AUTH_TOKEN".as_ref(), None)]);
    }

    #[tokio::test]
    async fn says_so_when_a_command_prints_nothing_or_fails() {
        assert_eq!(outcome("true").await.content, "(Bash completed with no output)");
        let failed = outcome("echo why; exit 3").await;
        assert_eq!(failed.content, "Exit code 3\nwhy");
        assert_eq!(failed.structured, "Error: Exit code 3\nwhy");
        assert_eq!(outcome("kill -TERM $$").await.content, "Exit code 143");
    }

    #[tokio::test]
    async fn reads_no_input_and_cuts_long_output() {
        assert_eq!(outcome("cat").await.content, "(Bash completed with no output)");
        let long = outcome("head -c 200000 /dev/zero | tr '\\0' x").await;
        let text = long.content.as_str().unwrap();
        assert!(text.len() < OUTPUT_CHARS_MAX + 100 && text.contains("cut]"), "{}", text.len());
        assert_eq!(long.structured["stdout"].as_str().unwrap().len(), OUTPUT_CHARS_MAX);
    }

    #[tokio::test]
    async fn kills_the_whole_group_at_the_time_limit() {
        let home = tempfile::tempdir().unwrap();
        let started = Clock::now();
        let outcome = run(&input("sleep 300 & echo $! > pid; trap '' TERM; wait", 400), home.path()).await;
        assert!(started.elapsed() < Duration::from_secs(20));
        assert_eq!(outcome.is_error, Some(true));
        assert!(outcome.content.as_str().unwrap().starts_with("Command timed out after 400 ms"));
        assert_gone(&fs::read_to_string(home.path().join("pid")).unwrap());
    }

    #[tokio::test]
    async fn leaves_no_background_process_behind_a_finished_command() {
        let home = tempfile::tempdir().unwrap();
        run(&input("sleep 300 & echo $! > pid", 20_000), home.path()).await;
        assert_gone(&fs::read_to_string(home.path().join("pid")).unwrap());
    }

    /// Waits until the process is gone or only waits to be reaped by whoever adopted it.
    fn assert_gone(pid: &str) {
        let status = format!("/proc/{}/stat", pid.trim());
        let deadline = Clock::now() + Duration::from_secs(10);
        while fs::read_to_string(&status).is_ok_and(|text| !text.contains(") Z ")) {
            assert!(Clock::now() < deadline, "process {} is still there", pid.trim());
            std::thread::yield_now();
        }
    }
}
