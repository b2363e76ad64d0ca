//! Ties an agent's life to its bridge. The shim stands between the two as a small process: it asks the kernel to be
//! told when the bridge is gone, collects whatever the agent's descendants leave behind, and goes last, so that a
//! bridge that was killed leaves no agent and no command of an agent running.

use std::ffi::OsString;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, getpid, getppid, kill_process, wait};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// Told to the shim: kill the agent and all its descendants at once.
pub(crate) const KILL_ALL: Signal = Signal::USR1;
/// What the kernel sends when the thread that started the shim is gone; mostly, but not always, with its process.
const PARENT_GONE: Signal = Signal::HUP;
/// Time an agent has to end after its bridge disappeared.
const ORPHAN_GRACE: Duration = Duration::from_secs(3);
/// Rounds of killing descendants: each can only be outrun by a new fork, and a fork bomb must not hold us forever.
const KILL_ROUNDS_MAX: usize = 1_000;

/// Exit code when the agent could not be started, as shells have it.
const EXIT_NO_PROGRAM: i32 = 127;
const EXIT_USAGE: i32 = 2;
/// Added to a signal's number, as shells do.
const EXIT_SIGNAL_BASE: i32 = 128;

/// The arguments that come between the shim and the agent's command.
pub(crate) fn arguments(parent: u32) -> [OsString; 2] {
    [format!("--parent={parent}").into(), "--".into()]
}

/// Runs the command behind `--parent=PID --` and returns the exit code for the whole process.
#[must_use]
pub fn run(arguments: &[OsString]) -> i32 {
    let Some((parent, command)) = parse(arguments) else { return EXIT_USAGE };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return EXIT_NO_PROGRAM;
    };
    runtime.block_on(supervise(parent, command))
}

fn parse(arguments: &[OsString]) -> Option<(Pid, &[OsString])> {
    let [parent, separator, command @ ..] = arguments else { return None };
    let parent = parent.to_str()?.strip_prefix("--parent=")?.parse().ok().and_then(Pid::from_raw)?;
    (separator == "--" && !command.is_empty()).then_some((parent, command))
}

struct Signals {
    terminate: SignalStream,
    interrupt: SignalStream,
    kill_all: SignalStream,
    parent_gone: SignalStream,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            kill_all: signal(SignalKind::user_defined1())?,
            parent_gone: signal(SignalKind::hangup())?,
        })
    }
}

async fn supervise(parent: Pid, command: &[OsString]) -> i32 {
    let Ok(mut signals) = Signals::listen() else { return EXIT_NO_PROGRAM };
    ask_the_kernel();
    // It may have gone before the kernel was asked.
    if getppid() != Some(parent) {
        return EXIT_NO_PROGRAM;
    }
    let Some((program, arguments)) = command.split_first() else { return EXIT_USAGE };
    let mut child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "{}: {error}", program.to_string_lossy());
            return EXIT_NO_PROGRAM;
        }
    };
    let status = watch(parent, &mut child, &mut signals).await;
    kill_descendants();
    code_of(status)
}

#[cfg(target_os = "linux")]
fn ask_the_kernel() {
    // Without either the agent still ends with its stdin; the bridge says nothing different to it.
    let _ = rustix::process::set_parent_process_death_signal(Some(PARENT_GONE));
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

#[cfg(not(target_os = "linux"))]
fn ask_the_kernel() {}

/// Waits for the agent's end, and hastens it when told to or when the bridge is gone.
async fn watch(parent: Pid, child: &mut Child, signals: &mut Signals) -> Option<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status.ok(),
            _ = signals.terminate.recv() => tell(child, Signal::TERM),
            _ = signals.interrupt.recv() => {}
            _ = signals.kill_all.recv() => return None,
            _ = signals.parent_gone.recv() => {
                if getppid() == Some(parent) {
                    continue;
                }
                tell(child, Signal::TERM);
                return tokio::time::timeout(ORPHAN_GRACE, child.wait()).await.ok().and_then(Result::ok);
            }
        }
    }
}

fn tell(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Kills every child until none is left; orphans of a killed child become children of this process.
fn kill_descendants() {
    for _ in 0..KILL_ROUNDS_MAX {
        let children = children();
        if children.is_empty() {
            return;
        }
        for child in children {
            let _ = kill_process(child, Signal::KILL);
        }
        // A killed child ends at once or waits for the disk; waiting here is right either way.
        if wait(WaitOptions::empty()).is_err() {
            return;
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

fn children() -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
        .filter_map(Pid::from_raw)
        .collect()
}

fn code_of(status: Option<ExitStatus>) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    let Some(status) = status else { return EXIT_SIGNAL_BASE + Signal::KILL.as_raw() };
    status.code().unwrap_or_else(|| EXIT_SIGNAL_BASE + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_bridge_writes_and_nothing_else() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let mut given = arguments(42).to_vec();
        given.extend(words(&["agent", "--flag=x"]));
        let (parent, command) = parse(&given).unwrap();
        assert_eq!((parent.as_raw_nonzero().get(), command), (42, words(&["agent", "--flag=x"]).as_slice()));
        for bad in
            [&["--parent=42", "--"][..], &["--parent=x", "--", "a"], &["--parent=0", "--", "a"], &["a", "b"]]
        {
            assert!(parse(&words(bad)).is_none(), "{bad:?}");
        }
    }
}
