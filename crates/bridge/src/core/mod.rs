//! The worker of one session as a pure machine: lines of the agent and frames of the ingress go in, lines for stdin,
//! items for the two lanes and orders to the shell come out, in one order. No IO, no clock, no randomness.

mod asked;
mod deliveries;
mod downward;
pub mod earlier;
mod lane;
mod ledger;
mod life;
mod notice;
mod report;
mod requests;
mod ring;
mod streams;
mod upward;

use std::collections::VecDeque;

use portcullis_protocol::id::Incarnation;
use portcullis_protocol::limits::UUID_RING_MAX;
use portcullis_protocol::wire::control;
use portcullis_protocol::wire::framing::Line;
use portcullis_protocol::wire::worker::{
    Attach, DeliveredAck, Lane, WorkerDown, WorkerItem, WorkerPost, WorkerState, WorkerUp,
};
use portcullis_protocol::{RawJson, Tick};

use crate::policy::Policy;
use asked::{Asked, Asker, DeviceAsks};
use deliveries::Deliveries;
pub use earlier::{Earlier, Entry};
use lane::{Lanes, Refused};
use ledger::Ledger;
use report::Report;
use ring::Ring;
use streams::Streams;

/// Content that waits for the ingress above which the agent is not read any further, in bytes.
const CONTENT_BACKLOG_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Frames kept while the last words of an ended agent are still on their way.
const DEFERRED_MAX: usize = 1_000;

/// What one session is about.
#[derive(Debug)]
pub struct RelaySpec {
    /// Name of the agent.
    pub agent: String,
    /// Directory it works in.
    pub directory: String,
    /// Model that was asked for.
    pub model: Option<String>,
    /// Permission mode it starts in.
    pub permission_mode: String,
    /// What this machine allows.
    pub policy: Policy,
    /// Set when the session cannot be served here: every prompt is answered with it.
    pub refusal: Option<String>,
    /// What earlier lives of this bridge left behind.
    pub earlier: Earlier,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The socket to the ingress is open.
    LinkUp,
    /// It is gone.
    LinkDown,
    /// The ingress said something on it.
    Frame(WorkerDown),
    /// The agent wrote a line.
    Line(Line),
    /// The agent process is gone, and its last line was read.
    AgentExited(AgentExit),
    /// It could not be started.
    SpawnFailed(String),
    /// A line with a receipt reached stdin.
    Written(Receipt),
    /// A POST was answered.
    Posted(Lane, PostOutcome),
    /// The time of [`Relay::poll_timeout`] has come.
    Tick,
    /// Another session needs the place.
    MakeRoom,
    /// The bridge shuts down.
    Shutdown,
}

/// What became of a POST. The shell retries what is transient by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostOutcome {
    /// Taken.
    Accepted { next_n: u64 },
    /// The ingress expects another position.
    Position { expected_n: u64 },
    /// Refused for what it says.
    Refused { reason: String },
    /// The session, or this incarnation, is over.
    Gone,
}

/// How an agent process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentExit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// Last line it wrote to stderr.
    pub last_stderr: Option<String>,
}

/// What to tell the machine once a line was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The prompt with this uuid.
    Prompt(String),
    /// The answer to this request.
    Answer(String),
}

/// What to do, in this order.
#[derive(Debug)]
pub enum Output {
    /// Say it on the socket; dropped when there is none.
    Send(WorkerUp),
    /// POST it; [`Input::Posted`] answers.
    Post(WorkerPost),
    /// Start the agent.
    Spawn,
    /// Write a line to the agent.
    Stdin { line: String, receipt: Option<Receipt> },
    /// Make it durable before going on.
    Journal(Entry),
    /// End the agent process.
    Terminate,
    /// Nothing follows.
    Finish(End),
}

/// How a session ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All was said: give the work back.
    Done,
    /// The ingress does not take anything from here any more.
    Lost(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// No process of this incarnation yet.
    Unborn,
    /// It runs.
    Running,
    /// It is gone; its content is still on its way.
    Ending(String),
    /// The ingress was told.
    Ended,
    Finished,
}

/// What the agent told about itself once.
#[derive(Debug)]
enum Initialized {
    No,
    Asked,
    Known(RawJson),
}

/// The machine. Call [`Relay::handle`], then drain [`Relay::poll_output`].
pub struct Relay {
    spec: RelaySpec,
    uuids: Box<dyn FnMut() -> String + Send>,
    incarnation: Incarnation,
    phase: Phase,
    stopping: bool,
    /// `attach` frames whose `hello` has not come; only the last one counts.
    hellos_due: u32,
    /// Whether the ingress knows this incarnation.
    is_attached: bool,
    is_linked: bool,
    lanes: Lanes,
    ledger: Ledger,
    deliveries: Deliveries,
    delivered: Ring,
    posted: Ring,
    streams: Streams,
    report: Report,
    asked: Asked,
    initialized: Initialized,
    initialize_waiters: Vec<DeviceAsks>,
    deferred: VecDeque<WorkerDown>,
    /// Journalled once the content that says it was taken.
    said: Vec<Entry>,
    agent_session_id: String,
    complaints: u32,
    mode_violated: bool,
    outputs: VecDeque<Output>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("incarnation", &self.incarnation)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// A worker without a process: one starts with the first thing an agent has to hear. `uuids` mints v4 UUIDs.
    #[must_use]
    pub fn new(spec: RelaySpec, mut uuids: Box<dyn FnMut() -> String + Send>) -> Self {
        let state = WorkerState {
            agent: Some(spec.agent.clone()),
            model: spec.model.clone(),
            permission_mode: Some(spec.permission_mode.clone()),
            directory: Some(spec.directory.clone()),
            ..WorkerState::default()
        };
        let incarnation = mint_incarnation(&mut uuids);
        let earlier = spec.earlier.clone();
        let mut relay = Self {
            spec,
            uuids,
            incarnation,
            phase: Phase::Unborn,
            stopping: false,
            hellos_due: 0,
            is_attached: false,
            is_linked: false,
            lanes: Lanes::new(),
            ledger: Ledger::new(),
            deliveries: Deliveries::default(),
            delivered: Ring::new(UUID_RING_MAX),
            posted: Ring::new(UUID_RING_MAX),
            streams: Streams::default(),
            report: Report::new(state),
            asked: Asked::default(),
            initialized: Initialized::No,
            initialize_waiters: Vec::new(),
            deferred: VecDeque::new(),
            said: Vec::new(),
            agent_session_id: String::new(),
            complaints: 0,
            mode_violated: false,
            outputs: VecDeque::new(),
        };
        relay.report_earlier_life(&earlier);
        relay
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Tick, input: Input) {
        if self.phase == Phase::Finished {
            return;
        }
        match input {
            Input::LinkUp => self.handle_link_up(),
            Input::LinkDown => self.handle_link_down(),
            Input::Frame(frame) => self.handle_frame(now, frame),
            Input::Line(line) => self.handle_line(line),
            Input::AgentExited(exit) => self.handle_exit(&exit),
            Input::SpawnFailed(reason) => self.handle_spawn_failed(&reason),
            Input::Written(receipt) => self.handle_written(receipt),
            Input::Posted(lane, outcome) => self.handle_posted(lane, outcome),
            Input::Tick => self.handle_tick(now),
            Input::MakeRoom => self.make_room(),
            Input::Shutdown => self.stop(),
        }
        self.advance(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Tick`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.asked.next_deadline()
    }

    /// Whether so much waits for the ingress that the agent should not be read.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.lanes.content.bytes() + self.lanes.control.bytes() > CONTENT_BACKLOG_BYTES_MAX
    }

    fn handle_link_up(&mut self) {
        self.is_linked = true;
        self.attach();
    }

    fn handle_link_down(&mut self) {
        self.is_linked = false;
        self.hellos_due = 0;
        // What was not acknowledged is delivered again; kept here it would arrive twice.
        self.deferred.retain(|frame| !matches!(frame, WorkerDown::Deliver(_)));
    }

    fn attach(&mut self) {
        if self.is_linked {
            self.hellos_due += 1;
            self.outputs
                .push_back(Output::Send(WorkerUp::Attach(Attach { incarnation: self.incarnation.clone() })));
        }
    }

    fn handle_written(&mut self, receipt: Receipt) {
        match receipt {
            Receipt::Prompt(uuid) => {
                let moved = self.deliveries.written(&uuid);
                self.acknowledge(moved);
            }
            Receipt::Answer(request_id) => self.handle_answer_written(&request_id),
        }
    }

    fn acknowledge(&mut self, moved: Option<u64>) {
        if let Some(seq) = moved {
            self.outputs.push_back(Output::Send(WorkerUp::Ack(DeliveredAck { seq })));
        }
    }

    fn handle_posted(&mut self, lane: Lane, outcome: PostOutcome) {
        match outcome {
            PostOutcome::Accepted { next_n } => self.lanes.get_mut(lane).handle_accepted(next_n),
            PostOutcome::Position { expected_n } => self.reposition(lane, expected_n),
            PostOutcome::Refused { reason } => self.handle_refused(lane, &reason),
            PostOutcome::Gone => self.finish(End::Lost("the ingress says that the session is over".into())),
        }
    }

    fn reposition(&mut self, lane: Lane, expected_n: u64) {
        if self.lanes.get_mut(lane).handle_position(expected_n).is_err() {
            self.finish(End::Lost(format!(
                "the ingress expects item {expected_n}, which is not here any more"
            )));
        }
    }

    /// Finds the item the ingress will not take and puts a word about it in its place, so that the rest goes on.
    fn handle_refused(&mut self, lane: Lane, reason: &str) {
        let Some(Refused::Item(item)) = self.lanes.get_mut(lane).handle_refused() else { return };
        let reason = notice::quote(reason);
        match *item {
            WorkerItem::Live { .. } => {}
            WorkerItem::Event { n, .. } => {
                let event =
                    self.warning(&format!("An event of the agent was refused by the server: {reason}"));
                self.lanes.content.replace(event.byte_len(), WorkerItem::Event { n, event });
            }
            WorkerItem::Request { n, request_id, .. } => {
                self.replace_control(n);
                self.ledger.remove(&request_id);
                self.deny(&request_id, &format!("The server refused the request: {reason}"));
            }
            WorkerItem::Cancel { n, .. }
            | WorkerItem::Step { n, .. }
            | WorkerItem::Reply { n, .. }
            | WorkerItem::State { n, .. }
            | WorkerItem::Ended { n, .. } => self.replace_control(n),
        }
    }

    fn replace_control(&mut self, n: u64) {
        let state = self.report.state().clone();
        self.lanes.control.replace(0, WorkerItem::State { n, state });
    }

    fn handle_tick(&mut self, now: Tick) {
        for asker in self.asked.take_expired(now) {
            self.fail_asker(asker, "the agent did not answer in time");
        }
    }

    fn fail_asker(&mut self, asker: Asker, why: &str) {
        match asker {
            Asker::Device(device) => {
                let answer = control::error_response(&device.request_id, why, Some("unavailable"));
                self.reply(&device, answer);
            }
            Asker::Initialize => {
                if matches!(self.initialized, Initialized::Asked) {
                    self.initialized = Initialized::No;
                }
                for device in std::mem::take(&mut self.initialize_waiters) {
                    self.fail_asker(Asker::Device(device), why);
                }
            }
        }
    }

    fn reply(&mut self, device: &DeviceAsks, event: RawJson) {
        let (device_id, request_id) = (device.device_id.clone(), device.request_id.clone());
        self.lanes.control.push(event.byte_len(), |n| WorkerItem::Reply { n, device_id, request_id, event });
    }

    /// Whatever the last input made possible.
    fn advance(&mut self, now: Tick) {
        self.journal_said();
        self.report_change();
        if let Phase::Ending(reason) = &self.phase
            && self.lanes.content.is_empty()
        {
            let reason = reason.clone();
            self.lanes.control.push(reason.len(), |n| WorkerItem::Ended { n, reason });
            self.phase = Phase::Ended;
        }
        if self.phase == Phase::Ended && self.lanes.are_empty() && !self.deferred.is_empty() && !self.stopping
        {
            self.be_reborn();
            for frame in std::mem::take(&mut self.deferred) {
                self.handle_frame(now, frame);
            }
            self.report_change();
        }
        self.post(Lane::Control);
        self.post(Lane::Content);
        let at_rest = matches!(self.phase, Phase::Unborn | Phase::Ended);
        if self.stopping && at_rest && self.lanes.are_empty() {
            self.finish(End::Done);
        }
    }

    fn report_change(&mut self) {
        if matches!(self.phase, Phase::Ended | Phase::Finished) {
            return;
        }
        if let Some(state) = self.report.take_change(self.ledger.waiting()) {
            self.lanes.control.push(0, |n| WorkerItem::State { n, state });
        }
    }

    /// A new incarnation: the old one said its last word.
    fn be_reborn(&mut self) {
        self.incarnation = mint_incarnation(&mut self.uuids);
        self.phase = Phase::Unborn;
        self.lanes = Lanes::new();
        self.is_attached = false;
        self.complaints = 0;
        self.mode_violated = false;
        self.report.start_over();
        self.attach();
    }

    fn post(&mut self, lane: Lane) {
        if !self.is_attached || self.phase == Phase::Finished {
            return;
        }
        if let Some(items) = self.lanes.get_mut(lane).next_batch() {
            let incarnation = self.incarnation.clone();
            self.outputs.push_back(Output::Post(WorkerPost { incarnation, lane, items }));
        }
    }

    /// Puts a durable event into the log.
    fn push_event(&mut self, event: RawJson) {
        self.lanes.content.push(event.byte_len(), |n| WorkerItem::Event { n, event });
    }

    fn warning(&mut self, content: &str) -> RawJson {
        let uuid = (self.uuids)();
        notice::warning(content, &uuid, &self.agent_session_id)
    }

    fn say(&mut self, content: &str) {
        let event = self.warning(content);
        self.push_event(event);
    }

    fn stdin(&mut self, line: String, receipt: Option<Receipt>) {
        self.outputs.push_back(Output::Stdin { line, receipt });
    }
}

fn mint_incarnation(uuids: &mut Box<dyn FnMut() -> String + Send>) -> Incarnation {
    Incarnation::parse(format!("inc_{}", uuids())).expect("a uuid is made of id characters")
}

#[cfg(test)]
mod tests;
