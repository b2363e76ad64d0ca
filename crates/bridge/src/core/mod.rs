//! The worker of one session as a pure machine: lines of the agent and frames of the ingress go in, lines for stdin,
//! items for the two lanes and orders to the shell come out, in one order. No IO, no clock, no randomness.

mod asked;
mod base;
mod deliveries;
mod downward;
pub(crate) mod earlier;
mod lane;
mod ledger;
pub(crate) mod legacy;
mod life;
mod notice;
mod posting;
pub(crate) mod reading;
mod report;
mod requests;
mod ring;
mod streams;
mod succession;
mod unheard;
mod upward;

use std::collections::VecDeque;

use portcullis_protocol::approval::BaseFile;
use portcullis_protocol::id::{Epoch, Incarnation};
use portcullis_protocol::limits::UUID_RING_MAX;
use portcullis_protocol::wire::control;
use portcullis_protocol::wire::framing::Line;
use portcullis_protocol::wire::worker::{
    Attach, DeliveredAck, Lane, STANDSTILL_DISK_FULL, WorkerDown, WorkerItem, WorkerPost, WorkerState,
    WorkerUp,
};
use portcullis_protocol::{RawJson, Tick};

use crate::policy::Policy;
use asked::{Asked, Asker, DeviceAsks};
use deliveries::Deliveries;
pub(crate) use earlier::{Earlier, Entry};
use lane::Lanes;
use ledger::Ledger;
use legacy::Legacy;
use posting::{Turn, WhyGivenUp};
pub use reading::Reading;
use report::Report;
use ring::Ring;
use streams::Streams;
use unheard::Unheard;

/// What waits for the ingress above which the agent is not read any further, in bytes: so much is held in memory, and
/// as much and [`posting::SPOOL_TAKEN_BYTES_MAX`] on disk.
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
    #[cfg_attr(
        not(any(test, feature = "machine")),
        expect(
            dead_code,
            reason = "the shell looks at lines beside the machine; a simulation has no such place"
        )
    )]
    Line(Line),
    /// The same, and it was looked at already.
    Read(Reading),
    /// The agent process is gone, and its last line was read.
    AgentExited(AgentExit),
    /// It could not be started.
    SpawnFailed(String),
    /// A line with a receipt reached stdin.
    Written(Receipt),
    /// What [`Output::Look`] asked for; nothing when nobody can tell.
    Looked { look: u64, found: Option<BaseFile> },
    /// A POST was answered.
    Posted(Lane, PostOutcome),
    /// The time of [`Relay::poll_timeout`] has come.
    Tick,
    /// Another session needs the place.
    MakeRoom,
    /// There is no place for this session: it is told so, and given back.
    PutOff,
    /// Whether the disk is full: no entry can be made durable, and what comes behind one waits.
    DiskFull(bool),
    /// Something a person has to know about the session.
    Notice(String),
    /// The bridge shuts down.
    Shutdown,
}

/// What became of a POST. The shell retries what is transient by itself: whatever is none of these answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostOutcome {
    /// 200: taken.
    Accepted { next_n: u64 },
    /// 409 with a position: the ingress expects another one.
    Position { expected_n: u64 },
    /// 400 or 413: refused for what it says.
    Refused { reason: String },
    /// 404 or 410: the session, or this incarnation, is over.
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
    /// Start the agent, in the conversation of this name if there is one.
    Spawn { resume: Option<String> },
    /// Write a line to the agent.
    Stdin { line: String, receipt: Option<Receipt> },
    /// Look what stands at this path, beside everything else; [`Input::Looked`] answers within a bounded time.
    Look { look: u64, path: String },
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
    /// An earlier life's incarnation: its process died with its bridge, and the ingress has not said where it stands.
    Resuming,
    /// No process of this incarnation yet.
    Unborn,
    /// It was told to take up its conversation, and has not shown that it could: it is given nothing yet.
    TakingUp,
    /// It runs.
    Running,
    /// It is gone; its content is still on its way.
    Ending(String),
    /// The ingress is being told.
    Ended,
    /// The ingress has its last word.
    Over,
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
    /// Whether the incarnation is an earlier life's.
    is_resumed: bool,
    /// Whether the journal knows of a process that has not ended.
    has_agent: bool,
    stopping: bool,
    is_put_off: bool,
    /// `attach` frames whose `hello` has not come; only the last one counts.
    hellos_due: u32,
    /// What the ingress did not say of an earlier life's incarnation.
    unheard: Unheard,
    /// Whether the ingress knows this incarnation.
    is_attached: bool,
    is_linked: bool,
    /// The life of the store on the other side.
    epoch: Option<Epoch>,
    lanes: Lanes,
    /// Bytes in the spool, taken or not.
    spooled_bytes: usize,
    /// Due once no POST is under way.
    turn: Option<Turn>,
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
    agent_session_id: String,
    /// What the next process goes on with, as the disk has it.
    legacy: Legacy,
    /// How often a file was looked at.
    looks: u64,
    /// The model somebody chose.
    chosen_model: Option<String>,
    /// What the present conversation can be taken up by.
    conversation: Option<String>,
    /// The session had a conversation, and nobody can take it up.
    forgets: bool,
    complaints: u32,
    mode_violated: bool,
    outputs: VecDeque<Output>,
}

impl Initialized {
    /// Whoever was asked is gone.
    fn forget_asking(&mut self) {
        if matches!(self, Self::Asked) {
            *self = Self::No;
        }
    }
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
    /// A worker without a process: one starts with the first thing an agent has to hear. What an earlier life left is
    /// said first, under its own name. `uuids` mints v4 UUIDs. There may be outputs at once.
    #[must_use]
    pub fn new(mut spec: RelaySpec, mut uuids: Box<dyn FnMut() -> String + Send>) -> Self {
        let legacy = std::mem::take(&mut spec.earlier.legacy);
        let mode = legacy.permission_mode.clone().filter(|mode| spec.policy.mode(mode).is_ok());
        let state = WorkerState {
            agent: Some(spec.agent.clone()),
            model: legacy.model.clone().or_else(|| spec.model.clone()),
            permission_mode: mode.or_else(|| Some(spec.permission_mode.clone())),
            directory: Some(spec.directory.clone()),
            ..WorkerState::default()
        };
        let speaker = spec.earlier.speaker().cloned();
        let is_resumed = speaker.is_some();
        let incarnation = speaker.unwrap_or_else(|| mint_incarnation(&mut uuids));
        let rest = spec.earlier.rest.take();
        let mut relay = Self {
            has_agent: spec.earlier.agent.is_some(),
            spec,
            uuids,
            incarnation,
            phase: if is_resumed { Phase::Resuming } else { Phase::Unborn },
            is_resumed,
            stopping: false,
            is_put_off: false,
            hellos_due: 0,
            unheard: Unheard::default(),
            is_attached: false,
            is_linked: false,
            epoch: None,
            lanes: Lanes::new(),
            spooled_bytes: 0,
            turn: None,
            ledger: Ledger::new(),
            deliveries: Deliveries::default(),
            delivered: Ring::new(UUID_RING_MAX),
            posted: Ring::new(UUID_RING_MAX),
            streams: Streams::default(),
            report: Report::new(state, legacy.spent),
            asked: Asked::default(),
            initialized: Initialized::No,
            initialize_waiters: Vec::new(),
            deferred: VecDeque::new(),
            agent_session_id: String::new(),
            looks: 0,
            chosen_model: legacy.model.clone(),
            conversation: legacy.conversation.clone().filter(|name| legacy::is_conversation(name)),
            forgets: legacy.forgets,
            legacy,
            complaints: 0,
            mode_violated: false,
            outputs: VecDeque::new(),
        };
        relay.take_up(rest);
        relay
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Tick, input: Input) {
        if self.phase == Phase::Finished {
            return;
        }
        match input {
            Input::LinkUp => self.handle_link_up(now),
            Input::LinkDown => self.handle_link_down(),
            Input::Frame(frame) => self.handle_frame(now, frame),
            Input::Line(line) => self.handle_reading(line.into()),
            Input::Read(reading) => self.handle_reading(reading),
            Input::AgentExited(exit) => self.handle_exit(now, &exit),
            Input::SpawnFailed(reason) => self.handle_spawn_failed(&reason),
            Input::Written(receipt) => self.handle_written(receipt),
            Input::Looked { look, found } => self.handle_looked(look, found),
            Input::Posted(lane, outcome) => self.handle_posted(lane, outcome),
            Input::Tick => self.handle_tick(now),
            Input::MakeRoom => self.make_room(),
            Input::PutOff => self.put_off(),
            Input::DiskFull(is_full) => {
                self.report.set_standstill(is_full.then_some(STANDSTILL_DISK_FULL));
            }
            Input::Notice(content) => self.say(&content),
            Input::Shutdown => {
                self.say_farewell();
                self.stop();
            }
        }
        self.advance(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next thing to say while no entry can be made durable: the control lane relies on none. What an agent asks
    /// and what became of it, and how the worker is, is nothing that a later life would have to say again.
    pub fn poll_ahead(&mut self) -> Option<WorkerPost> {
        let is_control = |output: &Output| matches!(output, Output::Post(post) if post.lane == Lane::Control);
        let at = self.outputs.iter().position(is_control)?;
        match self.outputs.remove(at) {
            Some(Output::Post(post)) => Some(post),
            _ => None,
        }
    }

    /// When to send [`Input::Tick`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let unheard = self.unheard.deadline().filter(|_| self.is_unheard());
        self.asked.next_deadline().into_iter().chain(unheard).min()
    }

    /// Whether so much waits for the ingress that the agent should not be read.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.lanes.content.weight() + self.lanes.control.weight() > CONTENT_BACKLOG_BYTES_MAX
    }

    fn handle_link_up(&mut self, now: Tick) {
        self.is_linked = true;
        if self.is_unheard() {
            self.unheard.ask(now);
        }
        if !self.stop_listening(now) {
            self.attach();
        }
    }

    /// Whether an earlier life has words left, and the ingress has not said where it stands.
    fn is_unheard(&self) -> bool {
        self.phase == Phase::Resuming && self.turn.is_none()
    }

    /// Goes on without what the ingress does not say, if it had its time.
    fn stop_listening(&mut self, now: Tick) -> bool {
        let is_over = self.is_unheard() && self.unheard.is_over(now);
        if is_over {
            tracing::warn!("the ingress does not say where the session stands");
            self.hellos_due = 0;
            self.turn = Some(Turn::GiveUp(WhyGivenUp::Unheard));
        }
        is_over
    }

    fn handle_link_down(&mut self) {
        self.is_linked = false;
        self.unheard.unlink();
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

    fn handle_tick(&mut self, now: Tick) {
        self.stop_listening(now);
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
                self.initialized.forget_asking();
                self.be_taken_up();
                for device in std::mem::take(&mut self.initialize_waiters) {
                    self.fail_asker(Asker::Device(device), why);
                }
            }
            Asker::Choice(subtype) => tracing::debug!(subtype, why, "the agent did not take a choice over"),
        }
    }

    fn reply(&mut self, device: &DeviceAsks, event: RawJson) {
        let (device_id, request_id) = (device.device_id.clone(), device.request_id.clone());
        self.lanes.control.push(event.byte_len(), |n| WorkerItem::Reply { n, device_id, request_id, event });
    }

    /// Whatever the last input made possible.
    fn advance(&mut self, now: Tick) {
        self.take_turn();
        self.report_change();
        self.keep_legacy();
        if let Phase::Ending(reason) = &self.phase
            && self.lanes.content.is_empty()
        {
            let reason = reason.clone();
            self.lanes.control.push(reason.len(), |n| WorkerItem::Ended { n, reason });
            self.phase = Phase::Ended;
        }
        self.journal_taken();
        if self.phase == Phase::Ended && self.lanes.are_empty() {
            self.be_over();
        }
        if self.phase == Phase::Over && self.lanes.are_empty() && !self.deferred.is_empty() && !self.stopping
        {
            self.be_reborn();
        }
        if matches!(self.phase, Phase::Unborn | Phase::Running) && !self.deferred.is_empty() {
            for frame in std::mem::take(&mut self.deferred) {
                self.handle_frame(now, frame);
            }
            self.report_change();
        }
        self.post(Lane::Control);
        self.post(Lane::Content);
        let at_rest = matches!(self.phase, Phase::Unborn | Phase::Over);
        if self.stopping && at_rest && self.lanes.are_empty() && self.turn.is_none() {
            self.finish(End::Done);
        }
    }

    fn report_change(&mut self) {
        if matches!(self.phase, Phase::Resuming | Phase::Ended | Phase::Over | Phase::Finished) {
            return;
        }
        if let Some(state) = self.report.take_change(self.ledger.waiting()) {
            self.lanes.control.push_state(state);
        }
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
