//! Child processes that end with us, together with everything they started.
//!
//! Each child leads a process group, so that one signal reaches its children too; and it starts through a leash, a
//! re-executed copy of this program that asks the kernel for a signal when its parent dies, because then nobody is
//! left who could clean up.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How long a group may take to end by itself: the bridge ends its agents first.
const GRACE: Duration = Duration::from_secs(15);
/// How often a child and the interrupt are looked at: below what a person notices.
const POLL: Duration = Duration::from_millis(40);

/// Whether a person, or a process above us, asked us to end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Takes over Ctrl-C and SIGTERM.
    pub(crate) fn listen() -> Result<Self> {
        let count = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            let count = Arc::clone(&count);
            let mut signals =
                signal_hook::iterator::Signals::new([signal]).context("listening for signals")?;
            std::thread::spawn(move || {
                signals.forever().for_each(|_| {
                    count.fetch_add(1, Ordering::SeqCst);
                })
            });
        }
        Ok(Self(count))
    }

    pub(crate) fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    fn impatient(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }
}

/// How waiting for a child ended.
#[derive(Debug)]
pub(crate) enum Waited {
    Exited(ExitStatus),
    Interrupted,
}

/// A child process that leads a group of its own. Dropping it ends the whole group.
#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    child: Child,
    leader: Pid,
    interrupt: Interrupt,
}

impl Group {
    /// Starts `command` on a leash, in a process group of its own.
    pub(crate) fn spawn(name: &str, command: Command, interrupt: &Interrupt) -> Result<Self> {
        Self::start(name, leashed(&command)?, interrupt)
    }

    /// The same, and what it prints comes here.
    pub(crate) fn piped(name: &str, command: Command, interrupt: &Interrupt) -> Result<(Self, ChildStdout)> {
        let mut command = leashed(&command)?;
        command.stdout(Stdio::piped());
        let mut group = Self::start(name, command, interrupt)?;
        let stdout = group.child.stdout.take().expect("its stdout is a pipe that nobody took");
        Ok((group, stdout))
    }

    fn start(name: &str, mut command: Command, interrupt: &Interrupt) -> Result<Self> {
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let leader = Pid::from_child(&child);
        Ok(Self { name: name.to_owned(), child, leader, interrupt: interrupt.clone() })
    }

    /// Fails when the child is gone, which nobody expected.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait().with_context(|| format!("waiting for {}", self.name))? {
            None => Ok(()),
            Some(status) => bail!("{} ended unexpectedly: {status}", self.name),
        }
    }

    /// Waits until the child exits by itself, or until we are asked to end.
    pub(crate) fn wait(&mut self) -> Result<Waited> {
        loop {
            if let Some(status) =
                self.child.try_wait().with_context(|| format!("waiting for {}", self.name))?
            {
                return Ok(Waited::Exited(status));
            }
            if self.interrupt.requested() {
                return Ok(Waited::Interrupted);
            }
            sleep(POLL);
        }
    }

    fn anybody_left(&mut self) -> bool {
        // Reaps the leader, which would keep its group alive as a zombie.
        let _reaped = self.child.try_wait();
        test_kill_process_group(self.leader).is_ok()
    }

    /// Ends the group: first asks, then forces. Returns when no process of it is left.
    fn end(&mut self) {
        if !self.anybody_left() {
            return;
        }
        let _gone = kill_process_group(self.leader, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while self.anybody_left() && Instant::now() < deadline && !self.interrupt.impatient() {
            sleep(POLL);
        }
        if self.anybody_left() {
            eprintln!("{} does not end by itself, forcing it", self.name);
            let _gone = kill_process_group(self.leader, Signal::KILL);
            let _status = self.child.wait();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs `command` to its end and fails when it fails.
pub(crate) fn run(name: &str, command: Command, interrupt: &Interrupt) -> Result<()> {
    match Group::spawn(name, command, interrupt)?.wait()? {
        Waited::Exited(status) if status.success() => Ok(()),
        Waited::Exited(status) => bail!("{name} failed: {status}"),
        Waited::Interrupted => bail!("{name} was interrupted"),
    }
}

/// Sleeps one polling interval, and fails when we are asked to end.
pub(crate) fn pause(interrupt: &Interrupt) -> Result<()> {
    if interrupt.requested() {
        bail!("interrupted");
    }
    sleep(POLL);
    Ok(())
}

fn leashed(command: &Command) -> Result<Command> {
    let mut leash = Command::new(std::env::current_exe().context("finding this program")?);
    leash.args(["leash", "--"]).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => leash.env(key, value),
            None => leash.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        leash.current_dir(folder);
    }
    leash.stdin(Stdio::null());
    Ok(leash)
}

/// Becomes `command`, after asking the kernel to end it when the process that started us is gone.
pub(crate) fn become_leashed(command: &[OsString]) -> anyhow::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        return anyhow::Error::new(error).context("asking for a signal at the parent's death");
    }
    let Some((program, arguments)) = command.split_first() else {
        return anyhow::anyhow!("no command given");
    };
    let error = Command::new(program).args(arguments).exec();
    anyhow::Error::new(error).context(format!("starting {}", program.display()))
}
