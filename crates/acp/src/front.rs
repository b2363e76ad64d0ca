//! The shell around the machine: the host's lines on stdin and stdout, the agent as a child process, its files and
//! terminals at the desk. All of it is one future; when it ends, everything it started ends too.

use std::collections::{HashMap, VecDeque};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent_client_protocol::v1::Responder;
use portcullis_protocol::limits::EVENT_BYTES_MAX;
use portcullis_protocol::wire::framing::{Line, LineFramer};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::args::FrontOptions;
use crate::host::BadLine;
use crate::link::{Link, LinkEvent};
use crate::machine::{AskId, Asked, Machine, Output};
use crate::outside::{Outside, TerminalSeen};
use crate::serve::{Desk, Refusal};

/// Longest line of the host, in bytes: a POST of the largest size in one line.
const LINE_BYTES_MAX: usize = 3 * EVENT_BYTES_MAX;
/// Requests of the agent that are not answered yet.
const ASKS_MAX: usize = 512;
/// The end of the agent's stderr that is kept, in bytes.
const STDERR_TAIL_BYTES: usize = 8 * 1024;
/// The agent's last words are awaited this long after its end.
const LAST_WORDS_TIME: Duration = Duration::from_secs(2);
/// Time the agent has to end by itself once nobody speaks to it.
const GOODBYE_TIME: Duration = Duration::from_secs(3);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontReport {
    /// The exit code of the process.
    pub code: u8,
    /// What to say on stderr, if anything.
    pub message: Option<String>,
}

/// Why the front cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The agent's program could not be started.
    #[error("the agent {program} cannot be started: {error}")]
    Spawn { program: String, error: std::io::Error },
    /// A line of the host's that nobody goes on after.
    #[error("{0}")]
    BadLine(String),
    /// The host cannot be read or written.
    #[error("the host is gone: {0}")]
    Host(#[from] std::io::Error),
}

impl From<BadLine> for FrontError {
    fn from(error: BadLine) -> Self {
        Self::BadLine(error.to_string())
    }
}

/// Speaks stream-json with the host and the Agent Client Protocol with the program of `options`, until one of them
/// ends. Dropping the future ends the program and what it started.
///
/// # Errors
/// [`FrontError`] when the program does not start, or the host says what cannot be understood.
pub async fn run_stdio<R, W>(options: FrontOptions, stdin: R, stdout: W) -> Result<FrontReport, FrontError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut agent = AgentChild::spawn(&options)?;
    let desk = Desk::new(options.directory.clone(), &options.add_dirs);
    let pipes = agent.child.stdin.take().zip(agent.child.stdout.take());
    let gone = || std::io::Error::other("the agent has no pipes");
    let (stdin_of_agent, stdout_of_agent) = pipes.ok_or_else(gone)?;
    let opened = Link::open(stdin_of_agent, stdout_of_agent).await;
    let (link, events) = opened.ok_or_else(|| std::io::Error::other("the agent cannot be spoken to"))?;
    let machine = Machine::new(options, Box::new(Here { desk: desk.clone() }));
    let mut front = Front {
        machine,
        link,
        desk: desk.clone(),
        asks: HashMap::new(),
        asks_made: 0,
        done: mpsc::channel(ASKS_MAX),
        host: HostLines {
            stdin,
            framer: LineFramer::new(LINE_BYTES_MAX),
            ready: VecDeque::new(),
            is_over: false,
        },
        stdout: BufWriter::new(stdout),
    };
    let report = front.run(&mut agent, events).await;
    desk.end();
    drop(front);
    agent.end().await;
    report
}

struct Front<R, W: AsyncWrite> {
    machine: Machine,
    link: Link,
    desk: Desk,
    asks: HashMap<AskId, Responder>,
    asks_made: u64,
    done: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    host: HostLines<R>,
    stdout: BufWriter<W>,
}

/// What became of something the desk did.
type Done = (AskId, Result<Value, Refusal>);

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Front<R, W> {
    async fn run(
        &mut self,
        agent: &mut AgentChild,
        mut events: mpsc::Receiver<LinkEvent>,
    ) -> Result<FrontReport, FrontError> {
        let mut is_closed = false;
        loop {
            if let Some(report) = self.carry_out().await? {
                return Ok(report);
            }
            let deadline = async {
                match self.machine.next_deadline_ms() {
                    Some(at) => sleep(Duration::from_millis(at.saturating_sub(now_ms()))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                line = self.host.next() => match line? {
                    Some(line) => self.machine.handle_line(&line)?,
                    None => self.machine.handle_host_closed(),
                },
                Some((ask, result)) = self.done.1.recv() => self.answer(ask, result),
                Some(event) = events.recv(), if !is_closed => match event {
                    LinkEvent::Closed { why } => {
                        is_closed = true;
                        let how = agent.how_it_ended(&why).await;
                        self.machine.handle_gone(&how);
                    }
                    event => self.handle(event),
                },
                // Its pipes may be held open by what it left behind.
                () = agent.outlived(), if !is_closed => {
                    is_closed = true;
                    while let Ok(Some(event)) = timeout(LAST_WORDS_TIME, events.recv()).await {
                        if matches!(event, LinkEvent::Closed { .. }) {
                            break;
                        }
                        self.handle(event);
                    }
                    let how = agent.how_it_ended("").await;
                    self.machine.handle_gone(&how);
                }
                () = deadline => self.machine.handle_time(),
            }
        }
    }

    fn handle(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Notice { method, params } => self.machine.handle_notice(&method, &params),
            LinkEvent::Reply { call, reply } => self.machine.handle_reply(call, reply),
            LinkEvent::Asked { method, params, responder } => {
                if self.asks.len() >= ASKS_MAX {
                    let words = "too many requests wait for an answer already";
                    return self.link.answer(responder, Err(Refusal::failed(words)));
                }
                self.asks_made += 1;
                let ask = AskId(self.asks_made);
                self.asks.insert(ask, responder);
                self.machine.handle_asked(ask, self.read(&method, params));
            }
            LinkEvent::Closed { .. } => {}
        }
    }

    fn read(&self, method: &str, params: Value) -> Asked {
        if method == "session/request_permission" {
            return Asked::Permission(params);
        }
        match self.desk.prepare(method, &params) {
            Some(Ok(prepared)) => Asked::Job(prepared),
            Some(Err(refusal)) => Asked::Refused(refusal),
            None => Asked::Refused(Refusal::unknown_method(method)),
        }
    }

    fn answer(&mut self, ask: AskId, result: Result<Value, Refusal>) {
        if let Some(responder) = self.asks.remove(&ask) {
            self.link.answer(responder, result);
        }
    }

    /// Does what the machine wants done. Returns how it ended, if it did.
    async fn carry_out(&mut self) -> Result<Option<FrontReport>, FrontError> {
        let mut report = None;
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Line(line) => {
                    self.stdout.write_all(line.as_bytes()).await?;
                    self.stdout.write_all(b"\n").await?;
                }
                Output::Call { call, method, params } => self.link.call(call, method, params),
                Output::Notify { method, params } => self.link.notify(method, params),
                Output::Answer { ask, result } => self.answer(ask, result),
                Output::Serve { ask, job } => {
                    let (desk, done) = (self.desk.clone(), self.done.0.clone());
                    tokio::spawn(async move {
                        let result = desk.run(job).await;
                        let _ = done.send((ask, result)).await;
                    });
                }
                Output::End { code, message } => report = Some(FrontReport { code, message }),
            }
        }
        self.stdout.flush().await?;
        Ok(report)
    }
}

/// Lines of the host. Cancel safe.
struct HostLines<R> {
    stdin: R,
    framer: LineFramer,
    ready: VecDeque<Line>,
    is_over: bool,
}

impl<R: AsyncRead + Unpin> HostLines<R> {
    /// The next line; `None` once at its end, and never again after that.
    async fn next(&mut self) -> Result<Option<String>, FrontError> {
        loop {
            match self.ready.pop_front() {
                Some(Line::Text(text)) => return Ok(Some(text)),
                Some(Line::TooLong { bytes, .. }) => {
                    return Err(FrontError::BadLine(format!("a line of {bytes} bytes is too long")));
                }
                Some(Line::NotUtf8 { .. }) => {
                    return Err(FrontError::BadLine("a line is no text".to_owned()));
                }
                None if self.is_over => std::future::pending().await,
                None => {}
            }
            let mut chunk = vec![0; 64 * 1024];
            let count = self.stdin.read(&mut chunk).await?;
            let ready = &mut self.ready;
            if count == 0 {
                self.is_over = true;
                ready.extend(self.framer.finish());
                if ready.is_empty() {
                    return Ok(None);
                }
                // Half a line at the end was never finished by whoever wrote it.
                ready.clear();
                return Ok(None);
            }
            self.framer.push(&chunk[..count], |line| ready.push_back(line));
        }
    }
}

/// The agent's process, which leads a group of its own.
struct AgentChild {
    child: Child,
    group: Option<Pid>,
    status: Option<ExitStatus>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl AgentChild {
    fn spawn(options: &FrontOptions) -> Result<Self, FrontError> {
        let failed = |error| {
            let program = options.program.first().map(|word| word.to_string_lossy().into_owned());
            FrontError::Spawn { program: program.unwrap_or_default(), error }
        };
        let no_command = || failed(std::io::Error::other("there is no command"));
        let (program, arguments) = options.program.split_first().ok_or_else(no_command)?;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&options.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let stderr = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stderr.take() {
            tokio::spawn(keep_tail(pipe, Arc::clone(&stderr)));
        }
        Ok(Self { child, group, status: None, stderr })
    }

    /// Resolves when the process has ended and its pipes were not closed for a while.
    async fn outlived(&mut self) {
        if let Ok(status) = self.child.wait().await {
            self.status = Some(status);
        }
        sleep(LAST_WORDS_TIME).await;
    }

    /// Its end in words, with the last thing it said.
    async fn how_it_ended(&mut self, why: &str) -> String {
        use std::os::unix::process::ExitStatusExt as _;
        if self.status.is_none() {
            self.status = timeout(LAST_WORDS_TIME, self.child.wait()).await.ok().and_then(Result::ok);
        }
        let how = match self.status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => format!("exit code {code}"),
            Some((None, Some(signal))) => format!("ended by signal {signal}"),
            _ => "it closed its output".to_owned(),
        };
        let how = if why.is_empty() { how } else { format!("{why}; {how}") };
        let tail = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tail = String::from_utf8_lossy(&tail).into_owned();
        // Interpreters say what happened and then who they are.
        let said = || tail.lines().rev().map(str::trim).filter(|line| !line.is_empty());
        let last = said().find(|line| line.contains("rror")).or_else(|| said().next());
        let last = last.map(|line| format!(": {}", crate::card::cut(line, 500))).unwrap_or_default();
        format!("the ACP agent is gone ({how}){last}")
    }

    /// Waits a moment for it to end with its stdin, then ends the whole group.
    async fn end(mut self) {
        let _ = timeout(GOODBYE_TIME, self.child.wait()).await;
        self.kill();
        let _ = self.child.wait().await;
    }

    fn kill(&self) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for AgentChild {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn keep_tail(mut pipe: impl AsyncRead + Unpin, tail: Arc<Mutex<Vec<u8>>>) {
    let mut chunk = vec![0; 4096];
    while let Ok(count) = pipe.read(&mut chunk).await
        && count > 0
    {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&chunk[..count]);
        let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
        tail.drain(..excess);
    }
}

/// This machine.
#[derive(Debug)]
struct Here {
    desk: Desk,
}

impl Outside for Here {
    fn unix_ms(&self) -> u64 {
        now_ms()
    }

    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn terminal(&self, id: &str) -> Option<TerminalSeen> {
        self.desk.seen(id)
    }
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
