//! One agent process: its lines, its stdin, its end. It leads a process group of its own and is killed as a whole.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_protocol::limits::EVENT_BYTES_MAX;
use portcullis_protocol::wire::framing::{Line, LineFramer};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::AgentCommand;
use super::shim;
use crate::core::{AgentExit, Reading, Receipt};

/// Longest line that is read whole, in bytes: one above the limit for events is still read, so that a request in it
/// can be denied.
const LINE_BYTES_MAX: usize = 2 * EVENT_BYTES_MAX;
/// Bytes of lines that were read and not yet taken, unless a single line is larger: enough to read on while the machine
/// is busy with something else, and little, because an answer of the agent waits behind them when nobody takes them.
const READ_BYTES_MAX: u32 = 256 * 1024;
/// Batches of the same: each is what one read of the pipe completed.
const BATCHES_MAX: usize = 64;
/// Bytes of one read: what a pipe holds.
const CHUNK_BYTES: usize = 64 * 1024;
/// A longer line is looked at beside the threads that move bytes, in bytes: it takes longer than a millisecond.
const LONG_LINE_BYTES: usize = 256 * 1024;
/// Lines that may wait for an agent that does not read its stdin.
const STDIN_LINES_MAX: usize = 1_024;
/// Bytes of the same: a dozen prompts with images.
const STDIN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The end of stderr that is kept for the exit notice, in bytes.
const STDERR_TAIL_BYTES: usize = 8 * 1024;
/// Output of leftover processes is awaited this long after the agent's end.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// And heard no longer than this, for they may never be silent.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);
/// A shim that was told to kill everything has this long.
const SHIM_KILL_TIME: Duration = Duration::from_secs(2);

/// What an agent process does.
#[derive(Debug)]
pub(crate) enum AgentEvent {
    Line(Reading),
    /// The process is gone and its last line was handed out.
    Exited(AgentExit),
}

/// How an agent is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kill {
    Not,
    /// SIGTERM, and everything else after this time.
    Within(Duration),
    Now,
}

/// The agent does not read what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StdinClosed;

/// Lines in their order, and the room they take.
#[derive(Debug, Default)]
struct Batch {
    lines: VecDeque<Reading>,
    room: Option<OwnedSemaphorePermit>,
}

impl Batch {
    /// The next line; with the last one the room is given back.
    fn take(&mut self) -> Option<Reading> {
        let line = self.lines.pop_front();
        if self.lines.is_empty() {
            self.room = None;
        }
        line
    }
}

/// A running agent. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct AgentProcess {
    batches: mpsc::Receiver<Batch>,
    /// What is left of the last batch.
    batch: Batch,
    stdin: mpsc::Sender<(String, Option<Receipt>)>,
    /// Bytes that wait for stdin.
    stdin_bytes: Arc<AtomicUsize>,
    exit: oneshot::Receiver<AgentExit>,
    exited: Option<Ended>,
    kill: watch::Sender<Kill>,
}

impl AgentProcess {
    /// Starts `command`. Receipts of lines that reached stdin go to `written`.
    pub(crate) fn spawn(command: &AgentCommand, written: mpsc::Sender<Receipt>) -> std::io::Result<Self> {
        let mut child = start(command)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let group = group.ok_or_else(|| std::io::Error::other("the agent has no process id"))?;
        let (batch_in, batches) = mpsc::channel(BATCHES_MAX);
        let (stdin, lines_out) = mpsc::channel(STDIN_LINES_MAX);
        let (exit_in, exit) = oneshot::channel();
        let (kill, kills) = watch::channel(Kill::Not);
        let tail = Arc::new(Mutex::new(Vec::new()));
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read_lines(stdout, batch_in));
        }
        let stderr = child.stderr.take().map(|stderr| tokio::spawn(read_tail(stderr, Arc::clone(&tail))));
        let stdin_bytes = Arc::new(AtomicUsize::new(0));
        if let Some(pipe) = child.stdin.take() {
            tokio::spawn(write_lines(pipe, lines_out, Arc::clone(&stdin_bytes), written));
        }
        let supervised = Supervised { child, group, has_shim: !command.shim.is_empty() };
        tokio::spawn(async move {
            let status = supervised.run(kills).await;
            if let Some(stderr) = stderr {
                let _ = timeout(DRAIN_TIME, stderr).await;
            }
            let _ = exit_in.send(exit_of(status, &tail));
        });
        Ok(Self { batches, batch: Batch::default(), stdin, stdin_bytes, exit, exited: None, kill })
    }

    /// A line that is there already.
    pub(crate) fn ready_line(&mut self) -> Option<Reading> {
        self.batch.take()
    }

    /// What happens next. Cancel safe. Call no more after [`AgentEvent::Exited`].
    pub(crate) async fn next(&mut self) -> AgentEvent {
        loop {
            if let Some(line) = self.batch.take() {
                return AgentEvent::Line(line);
            }
            if let Some(ended) = &mut self.exited {
                let until = ended.silent_at.min(ended.heard_until);
                match tokio::time::timeout_at(until, self.batches.recv()).await {
                    Ok(Some(batch)) if Instant::now() < ended.heard_until => {
                        ended.silent_at = Instant::now() + DRAIN_TIME;
                        self.batch = batch;
                        continue;
                    }
                    Ok(_) | Err(_) => return AgentEvent::Exited(ended.exit.clone()),
                }
            }
            tokio::select! {
                biased;
                Some(batch) = self.batches.recv() => self.batch = batch,
                exit = &mut self.exit => self.exited = Some(Ended::new(exit.ok())),
            }
        }
    }

    /// Waits for the end of the process, whatever it still has to say. Cancel safe.
    pub(crate) async fn exit(&mut self) {
        if self.exited.is_none() {
            self.exited = Some(Ended::new((&mut self.exit).await.ok()));
        }
    }

    /// Queues a line for stdin.
    pub(crate) fn write(&self, line: String, receipt: Option<Receipt>) -> Result<(), StdinClosed> {
        let bytes = line.len();
        let waiting = self.stdin_bytes.fetch_add(bytes, Ordering::Relaxed);
        // A single line may be as long as it is.
        if waiting > 0 && waiting + bytes > STDIN_BYTES_MAX {
            return Err(StdinClosed);
        }
        self.stdin.try_send((line, receipt)).map_err(|_| StdinClosed)
    }

    /// Ends the process and everything it started.
    pub(crate) fn kill(&self, how: Kill) {
        self.kill.send_if_modified(|current| {
            let harder = how > *current;
            if harder {
                *current = how;
            }
            harder
        });
    }
}

/// A process that ended, whose last lines are still read.
#[derive(Debug)]
struct Ended {
    exit: AgentExit,
    /// Silence up to then means that nothing follows.
    silent_at: Instant,
    /// Whatever follows then is of somebody else.
    heard_until: Instant,
}

impl Ended {
    fn new(exit: Option<AgentExit>) -> Self {
        let exit = exit.unwrap_or(AgentExit { code: None, signal: None, last_stderr: None });
        let now = Instant::now();
        Self { exit, silent_at: now + DRAIN_TIME, heard_until: now + DRAIN_TIME_MAX }
    }
}

fn start(command: &AgentCommand) -> std::io::Result<Child> {
    let mut words = command.shim.clone();
    if !words.is_empty() {
        words.extend(shim::arguments(std::process::id()));
    }
    words.extend(command.argv.iter().cloned());
    let (program, arguments) =
        words.split_first().ok_or_else(|| std::io::Error::other("the agent has no command"))?;
    Command::new(program)
        .args(arguments)
        .current_dir(&command.directory)
        .env_clear()
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        // A shim outlives us for a moment, to end the agent; killed, it could not.
        .kill_on_drop(command.shim.is_empty())
        .spawn()
}

struct Supervised {
    child: Child,
    group: Pid,
    has_shim: bool,
}

impl Supervised {
    async fn run(mut self, mut kills: watch::Receiver<Kill>) -> Option<ExitStatus> {
        loop {
            let order = *kills.borrow_and_update();
            let status = match order {
                Kill::Not => tokio::select! {
                    status = self.child.wait() => status.ok(),
                    changed = kills.changed() => {
                        if changed.is_err() {
                            return self.kill_now().await;
                        }
                        continue;
                    }
                },
                Kill::Within(grace) => {
                    self.ask_to_end();
                    tokio::select! {
                        status = self.child.wait() => status.ok(),
                        () = tokio::time::sleep(grace) => return self.kill_now().await,
                        // A harder order, or nobody left who could give one.
                        _ = kills.changed() => return self.kill_now().await,
                    }
                }
                Kill::Now => return self.kill_now().await,
            };
            // What the agent left behind in its group goes with it.
            let _ = kill_process_group(self.group, Signal::KILL);
            return status;
        }
    }

    /// The shim passes it on, so that the agent hears it once.
    fn ask_to_end(&self) {
        let asked = if self.has_shim { kill_process } else { kill_process_group };
        let _ = asked(self.group, Signal::TERM);
    }

    async fn kill_now(mut self) -> Option<ExitStatus> {
        if self.has_shim
            && kill_process(self.group, shim::KILL_ALL).is_ok()
            && let Ok(status) = timeout(SHIM_KILL_TIME, self.child.wait()).await
        {
            return status.ok();
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        self.child.wait().await.ok()
    }
}

async fn read_lines(mut stdout: impl AsyncRead + Unpin, batches: mpsc::Sender<Batch>) {
    let room = Arc::new(Semaphore::new(READ_BYTES_MAX as usize));
    let mut framer = LineFramer::new(LINE_BYTES_MAX);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut ready = Vec::new();
    loop {
        let count = stdout.read(&mut chunk).await.unwrap_or(0);
        if count == 0 {
            ready.extend(framer.finish());
        } else {
            framer.push(&chunk[..count], |line| ready.push(line));
        }
        if !ready.is_empty() {
            let lines = look_at(std::mem::take(&mut ready)).await;
            let bytes: usize = lines.iter().map(Reading::bytes).sum();
            let bytes = u32::try_from(bytes).unwrap_or(READ_BYTES_MAX).min(READ_BYTES_MAX);
            let room = Arc::clone(&room).acquire_many_owned(bytes).await.ok();
            if batches.send(Batch { lines, room }).await.is_err() {
                return;
            }
        }
        if count == 0 {
            return;
        }
    }
}

/// Short lines at once, long ones where they hold nobody up.
async fn look_at(lines: Vec<Line>) -> VecDeque<Reading> {
    let look = |lines: Vec<Line>| lines.into_iter().map(Reading::from).collect();
    let is_long = |line: &Line| matches!(line, Line::Text(text) if text.len() > LONG_LINE_BYTES);
    if lines.iter().any(is_long) {
        tokio::task::spawn_blocking(move || look(lines)).await.unwrap_or_default()
    } else {
        look(lines)
    }
}

async fn write_lines(
    mut pipe: ChildStdin,
    mut lines: mpsc::Receiver<(String, Option<Receipt>)>,
    waiting_bytes: Arc<AtomicUsize>,
    written: mpsc::Sender<Receipt>,
) {
    while let Some((mut line, receipt)) = lines.recv().await {
        let bytes = line.len();
        line.push('\n');
        let written_all = async {
            pipe.write_all(line.as_bytes()).await?;
            pipe.flush().await
        };
        if let Err(error) = written_all.await {
            tracing::debug!(%error, "the agent closed its stdin");
            return;
        }
        waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(receipt) = receipt {
            let _ = written.send(receipt).await;
        }
    }
}

async fn read_tail(mut stderr: impl AsyncRead + Unpin, tail: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count) = stderr.read(&mut chunk).await
        && count > 0
    {
        let Ok(mut tail) = tail.lock() else { return };
        tail.extend_from_slice(&chunk[count.saturating_sub(STDERR_TAIL_BYTES)..count]);
        let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
        tail.drain(..excess);
    }
}

fn exit_of(status: Option<ExitStatus>, tail: &Mutex<Vec<u8>>) -> AgentExit {
    use std::os::unix::process::ExitStatusExt as _;
    let tail = tail.lock().map(|tail| String::from_utf8_lossy(&tail).into_owned()).unwrap_or_default();
    let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty());
    AgentExit {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        last_stderr: last.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A reader that took nothing for this long takes nothing any more.
    const STILL: Duration = Duration::from_millis(500);
    /// Longest wait for a real process in these tests.
    const PATIENCE: Duration = Duration::from_secs(20);

    struct Running {
        agent: AgentProcess,
        receipts: mpsc::Receiver<Receipt>,
    }

    fn run(script: &str) -> Running {
        let command = AgentCommand {
            argv: ["sh", "-c", script].map(Into::into).to_vec(),
            directory: PathBuf::from("/"),
            environment: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
            shim: Vec::new(),
        };
        let (written, receipts) = mpsc::channel(8);
        Running { agent: AgentProcess::spawn(&command, written).unwrap(), receipts }
    }

    impl Running {
        async fn next(&mut self) -> AgentEvent {
            timeout(PATIENCE, self.agent.next()).await.expect("the agent does something in time")
        }

        async fn line(&mut self) -> String {
            let event = self.next().await;
            let AgentEvent::Line(reading) = event else { panic!("no line: {event:?}") };
            reading.text().to_owned()
        }

        async fn exit(&mut self) -> AgentExit {
            loop {
                if let AgentEvent::Exited(exit) = self.next().await {
                    return exit;
                }
            }
        }
    }

    fn pid(text: &str) -> Pid {
        Pid::from_raw(text.parse().unwrap()).unwrap()
    }

    /// Waits until the process is gone, or a zombie nobody has collected yet.
    async fn gone(pid: Pid) {
        let deadline = Instant::now() + PATIENCE;
        let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
        while let Ok(stat) = std::fs::read_to_string(&path)
            && !stat.contains(") Z ")
        {
            assert!(Instant::now() < deadline, "{pid:?} still runs");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn hands_out_the_last_half_line_and_then_the_exit() {
        let mut running = run("printf 'one\\nhalf'; echo first >&2; echo '  broken  ' >&2; exit 3");
        assert_eq!(running.line().await, "one");
        assert_eq!(running.line().await, "half");
        let expected = AgentExit { code: Some(3), signal: None, last_stderr: Some("broken".into()) };
        assert_eq!(running.exit().await, expected);
    }

    #[tokio::test]
    async fn says_when_a_line_reached_stdin() {
        let mut running = run("read line; echo \"got $line\"");
        running.agent.write("hello".into(), Some(Receipt::Prompt("p7".into()))).unwrap();
        assert_eq!(running.line().await, "got hello");
        assert_eq!(running.receipts.recv().await, Some(Receipt::Prompt("p7".into())));
    }

    #[tokio::test]
    async fn kills_the_whole_group_even_when_it_ignores_the_request() {
        let mut running =
            run("trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait; wait");
        let child = pid(&running.line().await);
        running.agent.kill(Kill::Within(Duration::ZERO));
        assert_eq!(running.exit().await.signal, Some(Signal::KILL.as_raw()));
        gone(child).await;
    }

    #[tokio::test]
    async fn a_harder_order_does_not_wait_for_the_gentle_one() {
        let mut running = run("trap '' TERM; echo ready; while :; do sleep 1; done");
        assert_eq!(running.line().await, "ready");
        running.agent.kill(Kill::Within(Duration::from_secs(3600)));
        running.agent.kill(Kill::Now);
        assert_eq!(running.exit().await.signal, Some(Signal::KILL.as_raw()));
    }

    #[tokio::test]
    async fn what_the_agent_left_behind_dies_with_it() {
        let mut running = run("sleep 1000 & echo $!; exit 0");
        let child = pid(&running.line().await);
        assert_eq!(running.exit().await.code, Some(0));
        gone(child).await;
    }

    #[tokio::test]
    async fn a_dropped_agent_is_killed() {
        let mut running = run("echo $$; sleep 1000");
        let agent = pid(&running.line().await);
        drop(running);
        gone(agent).await;
    }

    #[tokio::test]
    async fn an_agent_that_closed_its_stdout_lives_on_and_its_end_is_heard() {
        let mut running = run("echo there; exec >&-; read line; exit 7");
        assert_eq!(running.line().await, "there");
        running.agent.write("go".into(), None).unwrap();
        assert_eq!(running.exit().await.code, Some(7));
    }

    #[tokio::test]
    async fn a_leftover_that_never_stops_talking_does_not_hide_the_end() {
        // It leaves the group and the session, and keeps the pipe.
        let mut running = run("setsid sh -c 'echo $$; while echo x; do sleep 0.01; done' & sleep 1; exit 5");
        let leftover = pid(&running.line().await);
        assert_eq!(running.exit().await.code, Some(5));
        kill_process(leftover, Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn an_agent_that_never_reads_is_found_out_by_the_bytes_that_wait() {
        let running = run("sleep 1000");
        let line = "x".repeat(STDIN_BYTES_MAX / 4);
        let taken = (0..16).take_while(|_| running.agent.write(line.clone(), None).is_ok()).count();
        assert!((4..=5).contains(&taken), "{taken}");
    }

    #[tokio::test]
    async fn lines_that_nobody_takes_are_not_read_beyond_their_bound() {
        let (sender, mut batches) = mpsc::channel(BATCHES_MAX);
        let line = vec![b'7'; 1_000];
        let (mut pipe, stdout) = tokio::io::duplex(CHUNK_BYTES);
        tokio::spawn(read_lines(stdout, sender));
        let mut written = 0;
        let mut text = line.clone();
        text.push(b'\n');
        while timeout(STILL, pipe.write_all(&text)).await.is_ok() {
            written += text.len();
            assert!(written < 4 * READ_BYTES_MAX as usize, "it reads on and on");
        }
        assert!(written >= READ_BYTES_MAX as usize, "{written}");
        let first = batches.recv().await.unwrap();
        assert_eq!(first.lines[0].bytes(), line.len());
    }

    #[tokio::test]
    async fn an_agent_sees_no_variable_that_was_not_given() {
        let mut running = run("env | grep -cv '^\\(PATH\\|PWD\\|SHLVL\\|_\\|OLDPWD\\)='");
        assert_eq!(running.line().await, "0");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let command = AgentCommand {
            argv: vec!["/nonexistent/agent".into()],
            directory: "/".into(),
            environment: Vec::new(),
            shim: Vec::new(),
        };
        assert!(AgentProcess::spawn(&command, mpsc::channel(1).0).is_err());
    }
}
