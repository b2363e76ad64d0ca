//! Terminals for the agent: commands that run beside the conversation, each in a process group of its own that is killed
//! as a whole. Output is bounded and cut at its beginning, as the protocol wants; what a released terminal showed is
//! kept, because the host still draws it.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::watch;

use super::{CommandLine, Refusal, environment};
use crate::outside::{TerminalExit, TerminalSeen};

/// Terminals that are not released, running or not.
const TERMINALS_MAX: usize = 16;
/// Released ones whose output is kept.
const RELEASED_MAX: usize = 32;
/// Bytes of one terminal's output, whatever the agent would like.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Output of a process that left the group is awaited this long after the command's end.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Every terminal of one session.
#[derive(Debug, Default)]
pub(super) struct Terminals {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    made: u64,
    open: Vec<Terminal>,
    released: VecDeque<(String, Arc<Mutex<Tape>>)>,
}

#[derive(Clone, Debug)]
struct Terminal {
    id: String,
    group: Pid,
    tape: Arc<Mutex<Tape>>,
    exit: watch::Receiver<Option<TerminalExit>>,
}

/// The end of what was printed.
#[derive(Debug)]
struct Tape {
    bytes: VecDeque<u8>,
    bytes_max: usize,
    truncated: bool,
    exit: Option<TerminalExit>,
}

impl Tape {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let excess = self.bytes.len().saturating_sub(self.bytes_max);
        if excess > 0 {
            self.truncated = true;
            self.bytes.drain(..excess);
            // Not in the middle of a character.
            while self.bytes.front().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
                self.bytes.pop_front();
            }
        }
    }

    fn seen(&self) -> TerminalSeen {
        let (front, back) = self.bytes.as_slices();
        let output = String::from_utf8_lossy(&[front, back].concat()).into_owned();
        TerminalSeen { output, truncated: self.truncated, exit: self.exit.clone() }
    }
}

impl Terminals {
    /// Starts a command and returns its terminal's id.
    pub(super) fn create(&self, command: CommandLine) -> Result<String, Refusal> {
        let mut inner = locked(&self.inner);
        if inner.open.len() >= TERMINALS_MAX {
            return Err(Refusal::failed(format!("{TERMINALS_MAX} terminals are open: release one first")));
        }
        let (program, arguments) =
            command.words.split_first().ok_or_else(|| Refusal::invalid("the command is empty"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&command.cwd)
            .env_clear()
            .envs(environment::passed(std::env::vars_os()))
            .envs(command.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Refusal::failed(format!("{program}: {error}")))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = group.ok_or_else(|| Refusal::failed("the command has no process id"))?;
        let wanted = command.output_bytes_max.and_then(|bytes| usize::try_from(bytes).ok());
        let bytes_max = wanted.unwrap_or(OUTPUT_BYTES_MAX).min(OUTPUT_BYTES_MAX);
        let tape = Tape { bytes: VecDeque::new(), bytes_max, truncated: false, exit: None };
        let tape = Arc::new(Mutex::new(tape));
        let readers = [
            child.stdout.take().map(|pipe| tokio::spawn(record(pipe, Arc::clone(&tape)))),
            child.stderr.take().map(|pipe| tokio::spawn(record(pipe, Arc::clone(&tape)))),
        ];
        let (exit_in, exit) = watch::channel(None);
        let kept = Arc::clone(&tape);
        tokio::spawn(async move {
            let status = child.wait().await.ok();
            // What the command left running in its group holds the pipes, and goes with it.
            let _ = kill_process_group(group, Signal::KILL);
            for reader in readers.into_iter().flatten() {
                let _ = tokio::time::timeout(DRAIN_TIME, reader).await;
            }
            let exit = exit_of(status);
            locked(&kept).exit = Some(exit.clone());
            let _ = exit_in.send(Some(exit));
        });
        inner.made += 1;
        let id = format!("terminal-{}", inner.made);
        inner.open.push(Terminal { id: id.clone(), group, tape, exit });
        Ok(id)
    }

    pub(super) fn output(&self, id: &str) -> Result<Value, Refusal> {
        let seen = locked(&self.open(id)?.tape).seen();
        let mut answer = json!({"output": seen.output, "truncated": seen.truncated});
        if let (Some(fields), Some(exit)) = (answer.as_object_mut(), &seen.exit) {
            fields.insert("exitStatus".to_owned(), told(exit));
        }
        Ok(answer)
    }

    pub(super) async fn wait(&self, id: &str) -> Result<Value, Refusal> {
        let mut exit = self.open(id)?.exit;
        let ended = exit.wait_for(Option::is_some).await;
        let exit = ended.ok().and_then(|exit| exit.clone()).unwrap_or_default();
        Ok(told(&exit))
    }

    /// Ends the command; its terminal stays.
    pub(super) fn kill(&self, id: &str) -> Result<(), Refusal> {
        self.open(id)?.kill();
        Ok(())
    }

    pub(super) fn release(&self, id: &str) -> Result<(), Refusal> {
        let terminal = self.open(id)?;
        terminal.kill();
        let mut inner = locked(&self.inner);
        inner.open.retain(|open| open.id != id);
        inner.released.push_back((terminal.id, terminal.tape));
        if inner.released.len() > RELEASED_MAX {
            inner.released.pop_front();
        }
        Ok(())
    }

    pub(super) fn seen(&self, id: &str) -> Option<TerminalSeen> {
        let inner = locked(&self.inner);
        let open = inner.open.iter().find(|terminal| terminal.id == id).map(|terminal| &terminal.tape);
        let released = || inner.released.iter().find(|(released, _)| released == id).map(|(_, tape)| tape);
        open.or_else(released).map(|tape| locked(tape).seen())
    }

    pub(super) fn end(&self) {
        for terminal in locked(&self.inner).open.drain(..) {
            terminal.kill();
        }
    }

    fn open(&self, id: &str) -> Result<Terminal, Refusal> {
        let inner = locked(&self.inner);
        let found = inner.open.iter().find(|terminal| terminal.id == id).cloned();
        found.ok_or_else(|| Refusal::not_found(format!("there is no terminal {id}")))
    }
}

impl Drop for Terminals {
    fn drop(&mut self) {
        self.end();
    }
}

impl Terminal {
    /// The group outlives its leader only until that was waited for, so its number is nobody else's.
    fn kill(&self) {
        if self.exit.borrow().is_none() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn record(mut pipe: impl AsyncRead + Unpin, tape: Arc<Mutex<Tape>>) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(count) = pipe.read(&mut chunk).await
        && count > 0
    {
        locked(&tape).push(&chunk[..count]);
    }
}

fn exit_of(status: Option<ExitStatus>) -> TerminalExit {
    use std::os::unix::process::ExitStatusExt as _;
    TerminalExit {
        code: status.and_then(|status| status.code()).and_then(|code| u32::try_from(code).ok()),
        signal: status.and_then(|status| status.signal()).map(|signal| match signal {
            9 => "SIGKILL".to_owned(),
            15 => "SIGTERM".to_owned(),
            other => format!("signal {other}"),
        }),
    }
}

fn told(exit: &TerminalExit) -> Value {
    json!({"exitCode": exit.code, "signal": exit.signal})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longest wait for a real process in these tests.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn sh(script: &str, output_bytes_max: Option<u64>) -> CommandLine {
        CommandLine {
            words: ["sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec![("GREETING".into(), "hi".into())],
            cwd: "/".into(),
            output_bytes_max,
        }
    }

    async fn ended(terminals: &Terminals, id: &str) -> Value {
        tokio::time::timeout(PATIENCE, terminals.wait(id)).await.expect("it ends in time").unwrap()
    }

    #[tokio::test]
    async fn a_command_prints_and_ends_and_is_seen_after_its_release() {
        let terminals = Terminals::default();
        let id = terminals.create(sh("echo $GREETING; echo err >&2; exit 3", None)).unwrap();
        assert_eq!(ended(&terminals, &id).await, json!({"exitCode": 3, "signal": null}));
        let output = terminals.output(&id).unwrap();
        assert!(output["output"].as_str().unwrap().contains("hi\n"), "{output}");
        assert!(output["output"].as_str().unwrap().contains("err\n"), "{output}");
        terminals.release(&id).unwrap();
        assert!(terminals.output(&id).is_err());
        assert!(terminals.seen(&id).unwrap().output.contains("hi"));
    }

    #[tokio::test]
    async fn a_kill_takes_the_whole_group_and_keeps_the_terminal() {
        let terminals = Terminals::default();
        let id = terminals.create(sh("sleep 600 & sleep 600; wait", None)).unwrap();
        terminals.kill(&id).unwrap();
        // The pipes close only when nobody of the group is left.
        assert_eq!(ended(&terminals, &id).await["signal"], "SIGKILL");
        assert!(terminals.output(&id).is_ok());
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_goes_with_it() {
        let terminals = Terminals::default();
        let id = terminals.create(sh("sleep 600 & echo done", None)).unwrap();
        assert_eq!(ended(&terminals, &id).await["exitCode"], 0);
    }

    #[tokio::test]
    async fn a_flood_keeps_its_end() {
        let terminals = Terminals::default();
        let id = terminals.create(sh("yes ä | head -c 3000000; echo end", Some(7))).unwrap();
        ended(&terminals, &id).await;
        let seen = terminals.seen(&id).unwrap();
        assert!(seen.truncated && seen.output.len() <= 7 && seen.output.ends_with("end\n"), "{seen:?}");
        assert!(!seen.output.contains('\u{fffd}'), "{seen:?}");
    }

    #[tokio::test]
    async fn terminals_are_few_and_ids_are_checked() {
        let terminals = Terminals::default();
        for _ in 0..TERMINALS_MAX {
            terminals.create(sh("exit 0", None)).unwrap();
        }
        assert!(terminals.create(sh("exit 0", None)).is_err());
        for id in ["", "terminal-0", "terminal-99"] {
            assert!(terminals.output(id).is_err() && terminals.kill(id).is_err());
        }
    }
}
