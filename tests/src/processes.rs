//! Child processes that are gone when their owner is, and the proof that nothing of theirs is left.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// Lines of a child that may wait to be read.
const LINES_WAITING_MAX: usize = 256;

/// One process, told apart from a later one with the same number by when it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pid: u32,
    parent: u32,
    started: u64,
    command: String,
}

impl Trace {
    /// The name of its program, as the kernel keeps it: the first 15 characters.
    pub fn command(&self) -> &str {
        &self.command
    }
}

/// A child process and everything it starts.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    child: Child,
    leader: Pid,
}

impl Family {
    /// Starts `command` as the leader of a process group.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command.process_group(0).spawn().with_context(|| format!("starting {name}"))?;
        let leader = Pid::from_child(&child);
        Ok(Self { name, child, leader })
    }

    /// What the child prints, line by line. It is read to its end even when nobody listens any more, so that the child
    /// never blocks on a full pipe.
    pub fn lines(&mut self) -> Result<Receiver<String>> {
        let stdout =
            self.child.stdout.take().with_context(|| format!("{} has no piped stdout", self.name))?;
        let (sender, lines) = mpsc::sync_channel(LINES_WAITING_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                let _nobody_listens = sender.try_send(line);
            }
        });
        Ok(lines)
    }

    /// Everything that descends from the child right now, in whatever process group.
    pub fn descendants(&self) -> Vec<Trace> {
        let everybody = everybody();
        let mut family = vec![self.child.id()];
        let mut found = Vec::new();
        // Parents have lower places in the list only by chance, so look until nobody is added.
        loop {
            let new: Vec<_> = everybody
                .iter()
                .filter(|trace| family.contains(&trace.parent) && !family.contains(&trace.pid))
                .cloned()
                .collect();
            if new.is_empty() {
                return found;
            }
            family.extend(new.iter().map(|trace| trace.pid));
            found.extend(new);
        }
    }

    /// Holds the child still; what it started goes on.
    pub fn pause(&self) -> Result<()> {
        kill_process(self.leader, Signal::STOP).with_context(|| format!("pausing {}", self.name))
    }

    /// Lets a paused child go on.
    pub fn resume(&self) -> Result<()> {
        kill_process(self.leader, Signal::CONT).with_context(|| format!("resuming {}", self.name))
    }

    /// Kills the child without a word, and fails if what descended from it outlives it for long.
    pub fn kill(mut self) -> Result<()> {
        self.end_within(Signal::KILL, GRACE)
    }

    /// Asks the child to end, and fails if it or anything that descended from it stays.
    pub fn end(&mut self) -> Result<()> {
        self.end_within(Signal::TERM, GRACE)
    }

    /// The same, asked as Ctrl-C asks.
    pub fn interrupt(&mut self) -> Result<()> {
        self.end_within(Signal::INT, GRACE)
    }

    fn end_within(&mut self, signal: Signal, grace: Duration) -> Result<()> {
        let descendants = self.descendants();
        let _gone = kill_process(self.leader, signal);
        // A paused one would hear nothing.
        let _gone = kill_process(self.leader, Signal::CONT);
        let deadline = Instant::now() + grace;
        let mut ended = false;
        while Instant::now() < deadline {
            ended = ended || self.child.try_wait()?.is_some();
            if ended && left_of(&descendants).is_empty() {
                return Ok(());
            }
            sleep(POLL);
        }
        let left = left_of(&descendants);
        self.force();
        for trace in &left {
            if let Some(pid) = i32::try_from(trace.pid).ok().and_then(Pid::from_raw) {
                let _gone = kill_process(pid, Signal::KILL);
            }
        }
        while !left_of(&left).is_empty() {
            // Nobody survives this signal, the kernel only needs a moment.
            sleep(POLL);
        }
        if ended {
            bail!("{} ended, but left behind: {left:#?}", self.name);
        }
        bail!("{} did not end within {} s after being asked", self.name, grace.as_secs());
    }

    fn force(&mut self) {
        let _gone = kill_process_group(self.leader, Signal::KILL);
        let _status = self.child.wait();
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        let _reaped = self.child.try_wait();
        if test_kill_process_group(self.leader).is_err() {
            return;
        }
        let _gone = kill_process_group(self.leader, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            let _reaped = self.child.try_wait();
            if test_kill_process_group(self.leader).is_err() {
                return;
            }
            sleep(POLL);
        }
        self.force();
    }
}

fn left_of(traces: &[Trace]) -> Vec<Trace> {
    let everybody = everybody();
    let same = |trace: &Trace| {
        everybody.iter().any(|other| other.pid == trace.pid && other.started == trace.started)
    };
    traces.iter().filter(|trace| same(trace)).cloned().collect()
}

/// Every process that runs; zombies are gone already, only nobody asked for their status yet.
fn everybody() -> Vec<Trace> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// Reads `pid (command) state parent …`, where the command may hold spaces and brackets.
fn parse_stat(pid: u32, stat: &str) -> Option<Trace> {
    let (head, tail) = stat.rsplit_once(") ")?;
    let command = head.split_once('(')?.1.to_owned();
    let fields: Vec<_> = tail.split(' ').collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    // Fields 4 and 22 of proc(5); the state, which is field 3, is the first here.
    Some(Trace { pid, parent: fields.get(1)?.parse().ok()?, started: fields.get(19)?.parse().ok()?, command })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_of_a_child_is_found_and_its_survival_is_a_failure() {
        let mut command = Command::new("sh");
        // The grandchild leaves the group and ignores the signal, as a badly behaved agent would.
        command.args(["-c", "setsid sh -c 'trap \"\" TERM; sleep 60' & wait"]);
        let mut family = Family::start("a shell", &mut command).unwrap();
        let deadline = Instant::now() + GRACE;
        while family.descendants().len() < 2 && Instant::now() < deadline {
            sleep(POLL);
        }
        assert!(family.descendants().len() >= 2, "{:?}", family.descendants());
        let survivors = family.descendants();
        let error = family.end_within(Signal::TERM, Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("left behind"), "{error}");
        assert_eq!(left_of(&survivors), []);
    }

    #[test]
    fn a_command_with_brackets_and_spaces_is_read() {
        let fields = (5..=22).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let trace = parse_stat(7, &format!("7 (a (b) c) S 3 {fields} 0 0")).unwrap();
        assert_eq!((trace.parent, trace.command.as_str(), trace.started), (3, "a (b) c", 22));
        assert_eq!(parse_stat(7, &format!("7 (x) Z 3 {fields} 0 0")), None);
    }
}
