//! The machine a client drives: one session seen over one socket after another.
//!
//! It has no socket, no clock and no randomness of its own. A driver feeds it [`Input`]s, drains [`Session::poll_output`]
//! after each, performs what comes out, and calls [`Session::handle`] with [`Input::Timeout`] when
//! [`Session::poll_timeout`] is due.
//!
//! ```
//! use portcullis_protocol::{Tick, session::{Input, Output, Session, SessionConfig}};
//! let mut session = Session::new(SessionConfig { seed: 7 });
//! session.handle(Tick(0), Input::Start);
//! assert!(std::iter::from_fn(|| session.poll_output()).any(|output| output == Output::Open));
//! ```

pub mod backoff;
mod history;
mod ledger;
mod link;
mod live;
mod outbox;
pub mod transcript;

use std::collections::{HashMap, VecDeque};

pub use ledger::{Click, Entry, Ledger};
pub use link::{LinkView, StopReason};
pub use outbox::{Outbox, OutboxEntry, OutboxError};

use crate::approval::{Decision, Verdict, digest};
use crate::json::RawJson;
use crate::role::Role;
use crate::tick::Tick;
use crate::wire::client::{
    Ack, Auth, ClientFrame, Credential, Events, PermissionState, Resume, ServerFrame, Welcome, WorkerStatus,
};
use crate::wire::rest::{ErrorDetail, EventsPage, PostEvents};
use crate::wire::{close, control};
use history::{Added, Tail};
use link::{Link, Step};
use live::Live;
use transcript::{Activity, Transcript};

/// What a session machine is given once.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// Randomness for the jitter of retries.
    pub seed: u64,
}

/// What a driver tells the machine.
#[derive(Clone, Debug)]
pub enum Input {
    /// A person wants the session.
    Start,
    /// Nobody wants it any more.
    Stop,
    /// The socket is open; this is a fresh access token for it.
    Opened { token: String },
    /// A fresh access token for the socket that is open.
    Renewed { token: String },
    /// The socket, or the try to open one, ended with this code (1006 when there was none).
    Closed { code: u16 },
    /// A text frame.
    Frame(String),
    /// A page of the log, read by REST. The first one, given before [`Input::Start`], makes the session begin at that
    /// tail instead of at the first event; later ones are the history above, see [`Session::history_before`].
    Page(EventsPage),
    /// A POST was answered, or was not.
    Posted { post: u64, outcome: PostOutcome },
    /// Prompts that were kept from before, oldest first.
    Restored(Vec<(String, String)>),
    /// A person said something. `uuid` is fresh and random.
    Prompt { uuid: String, text: String },
    /// A person threw a refused prompt away.
    Discard { uuid: String },
    /// A person decided. `uuid` is fresh and random.
    Decide { uuid: String, request_id: String, choice: Choice },
    /// A control request of this client's; `uuid` serves as its `request_id` too.
    Control { uuid: String, request: RawJson },
    /// The tab was shown, the network came back, or a person said "now".
    Wake,
    /// The tab was hidden.
    Hidden,
    /// The time of [`Session::poll_timeout`] has come.
    Timeout,
}

/// What a person decided about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Run exactly this, once.
    Allow,
    /// Run exactly this, and grant the suggestion at this index.
    AllowWith { suggestion: usize },
    /// Run this instead. The text is what the shown difference was made from.
    AllowEdited { input: RawJson },
    /// Answer a question: the input with `answers` put in.
    Answer { input: RawJson },
    /// Do not run it. The message becomes the tool's result.
    Deny { message: String, interrupt: bool },
}

/// How a POST ended.
#[derive(Clone, Debug)]
pub enum PostOutcome {
    /// Taken, now or before.
    Accepted,
    /// Refused for good, with the server's words.
    Refused(ErrorDetail),
    /// No answer, or one that says "later".
    Failed,
}

/// What the machine asks of its driver, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Get a fresh access token, open a socket, then say [`Input::Opened`] or [`Input::Closed`].
    Open,
    /// Send this text frame.
    Send(String),
    /// Close the socket; nothing of it is to be reported any more.
    Close { code: u16 },
    /// POST this body to the session's events, then say [`Input::Posted`].
    Post { post: u64, body: String },
    /// Keep this prompt until it is forgotten.
    Keep { uuid: String, text: String },
    /// Forget this prompt.
    Forget { uuid: String },
    /// Something a page shows is different.
    Change(Change),
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The transcript.
    Transcript(transcript::Change),
    /// [`Session::ledger`].
    Ledger,
    /// [`Session::link`].
    Link,
    /// [`Session::worker`].
    Worker,
    /// [`Session::outbox`].
    Outbox,
    /// The answer to one of this client's control requests, or why there is none.
    Reply { request_id: String, event: Option<RawJson>, error: Option<String> },
    /// A prompt was not taken.
    PromptRejected(OutboxError),
}

#[derive(Clone, Debug)]
enum Post {
    Prompt { uuid: String },
    Decision { request_id: String, allow: bool },
    Control { request_id: String },
}

/// One session as one client sees it.
#[derive(Debug)]
pub struct Session {
    link: Link,
    transcript: Transcript,
    ledger: Ledger,
    outbox: Outbox,
    live: Live,
    /// Set while the beginning of the log was not loaded.
    tail: Option<Tail>,
    worker: WorkerStatus,
    role: Option<Role>,
    epoch: Option<String>,
    applied: u64,
    /// Server time at a local time, to date decisions with.
    server_clock: Option<(u64, Tick)>,
    posts: HashMap<u64, Post>,
    next_post: u64,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session nobody has started.
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self {
            link: Link::new(config.seed),
            transcript: Transcript::new(),
            ledger: Ledger::default(),
            outbox: Outbox::new(config.seed.rotate_left(17)),
            live: Live::default(),
            tail: None,
            worker: WorkerStatus::default(),
            role: None,
            epoch: None,
            applied: 0,
            server_clock: None,
            posts: HashMap::new(),
            next_post: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, now: Tick, input: Input) {
        let link_before = self.link.view();
        match input {
            Input::Start => self.step(now, Link::start),
            Input::Stop => self.end(StopReason::NotStarted),
            Input::Opened { token } => self.authenticate(now, token),
            Input::Renewed { token } => self.renew(token),
            Input::Closed { code } => self.link.closed(now, code),
            Input::Frame(text) => self.frame(now, &text),
            Input::Page(page) => self.page(page),
            Input::Posted { post, outcome } => self.posted(now, post, outcome),
            Input::Restored(prompts) => self.restore(prompts),
            Input::Prompt { uuid, text } => self.prompt(&uuid, &text),
            Input::Discard { uuid } => self.forget(&uuid),
            Input::Decide { uuid, request_id, choice } => self.decide(now, uuid, &request_id, choice),
            Input::Control { uuid, request } => self.control(&uuid, &request),
            Input::Wake => {
                self.outbox.hurry();
                self.step(now, Link::wake);
            }
            Input::Hidden => self.link.hide(),
            Input::Timeout => self.timeout(now),
        }
        self.send_next_prompt(now);
        self.publish_transcript();
        if self.link.view() != link_before {
            self.change(Change::Link);
        }
    }

    /// The next thing to do, in order; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        [self.link.deadline(), self.outbox.deadline(), self.ledger.deadline()].into_iter().flatten().min()
    }

    /// What happened so far.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What waits for a person.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What is on its way up.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The connection.
    #[must_use]
    pub fn link(&self) -> LinkView {
        self.link.view()
    }

    /// The worker, as last heard.
    #[must_use]
    pub fn worker(&self) -> &WorkerStatus {
        &self.worker
    }

    /// Role of this device, once the server said it.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// Newest `seq` that was applied.
    #[must_use]
    pub fn applied_seq(&self) -> u64 {
        self.applied
    }

    /// The `before_seq` of the page of history to load next; `None` when the log is whole. Pages are drawn once they
    /// are as long together as what was drawn before, so ask for more until the transcript changes.
    #[must_use]
    pub fn history_before(&self) -> Option<u64> {
        self.tail.as_ref().map(Tail::first_seq)
    }

    /// Whether the agent is at it. What waits for a person is what the panel shows; the rest is from the log.
    #[must_use]
    pub fn activity(&self) -> Activity {
        match self.transcript.facts().activity {
            _ if self.ledger.waiting() > 0 => Activity::Waiting,
            Activity::Idle => Activity::Idle,
            Activity::Running | Activity::Waiting => Activity::Running,
        }
    }

    fn step(&mut self, now: Tick, advance: impl FnOnce(&mut Link, Tick) -> Step) {
        match advance(&mut self.link, now) {
            Step::None => {}
            Step::Open => self.outputs.push_back(Output::Open),
            Step::Reopen => {
                self.outputs.push_back(Output::Close { code: close::NORMAL });
                if self.link.has_socket() {
                    self.outputs.push_back(Output::Open);
                }
            }
        }
    }

    fn end(&mut self, reason: StopReason) {
        if self.link.has_socket() {
            self.outputs.push_back(Output::Close { code: close::NORMAL });
        }
        self.link.stop(reason);
    }

    fn timeout(&mut self, now: Tick) {
        self.step(now, Link::timeout);
        if self.ledger.expire(now) {
            self.change(Change::Ledger);
        }
    }

    fn authenticate(&mut self, now: Tick, token: String) {
        self.link.opened(now);
        let resume = self.epoch.clone().map(|epoch| Resume { epoch, after_seq: self.applied, max_gap: None });
        self.send(ClientFrame::Auth(Auth { credential: oauth(token), resume }));
    }

    fn renew(&mut self, token: String) {
        if self.link.is_online() {
            self.send(ClientFrame::Auth(Auth { credential: oauth(token), resume: None }));
        }
    }

    fn frame(&mut self, now: Tick, text: &str) {
        self.link.heard(now);
        match ServerFrame::parse(text) {
            Ok(ServerFrame::Welcome(welcome)) => self.welcome(now, *welcome),
            // What comes before `welcome` belongs to nothing that was asked for.
            Ok(_) if !self.link.is_online() => {}
            Ok(ServerFrame::Events(events)) => self.events(now, events),
            Ok(ServerFrame::Live(live)) => {
                for event in live.events {
                    self.live.push(event);
                }
                self.draw_live();
            }
            Ok(ServerFrame::Permission(permission)) => {
                if let Some((call, waits)) = self.ledger.step(now, *permission) {
                    self.transcript.set_waiting(&call, waits);
                }
                self.change(Change::Ledger);
            }
            Ok(ServerFrame::Reply(reply)) => {
                self.change(Change::Reply {
                    request_id: reply.request_id,
                    event: Some(reply.event),
                    error: None,
                });
            }
            Ok(ServerFrame::Worker(worker)) => {
                self.worker = worker;
                self.change(Change::Worker);
            }
            Ok(ServerFrame::Heartbeat(beat)) => self.server_clock = Some((beat.server_time_ms, now)),
            Ok(ServerFrame::Goaway(goaway)) => {
                self.outputs.push_back(Output::Close { code: close::NORMAL });
                self.link.wait_for(now, goaway.retry_after_ms);
            }
            Ok(ServerFrame::Other(_)) => {}
            // A frame that cannot be read may have held events: the log has them, so ask again.
            Err(_) => self.step(now, Link::reopen),
        }
    }

    fn welcome(&mut self, now: Tick, welcome: Welcome) {
        self.link.welcomed(now);
        self.live.reset();
        if !welcome.resumed {
            self.applied = 0;
            self.tail = None;
            if self.epoch.is_some() {
                self.transcript.reset();
            }
        }
        self.epoch = Some(welcome.epoch.as_str().to_owned());
        self.role = Some(welcome.role);
        self.server_clock = Some((welcome.server_time_ms, now));
        self.worker = welcome.worker;
        self.ledger.replace(now, welcome.pending);
        self.mark_waiting();
        self.outbox.hurry();
        self.change(Change::Ledger);
        self.change(Change::Worker);
    }

    fn events(&mut self, now: Tick, frame: Events) {
        let before = self.applied;
        for row in frame.events {
            if row.seq <= self.applied {
                continue;
            }
            if Some(row.seq) != self.applied.checked_add(1) {
                // A hole: never draw across it, ask for it.
                self.step(now, Link::reopen);
                break;
            }
            self.applied = row.seq;
            self.transcript.apply(row.seq, &row.event);
            if let Ok(header) = row.event.header()
                && let Some(uuid) = header.uuid.filter(|_| header.kind == "user")
            {
                self.arrived(&uuid);
            }
            if let Some(tail) = &mut self.tail {
                tail.append(row);
            }
            self.draw_live();
        }
        self.mark_waiting();
        if self.applied > before && self.link.is_online() {
            self.send(ClientFrame::Ack(Ack { seq: self.applied }));
        }
    }

    fn page(&mut self, page: EventsPage) {
        let epoch = page.epoch.as_str();
        match (&mut self.tail, &self.epoch) {
            (Some(tail), Some(known)) if known == epoch => {
                let added = tail.prepend(page);
                self.refold_after(added);
            }
            (None, None) => {
                let epoch = epoch.to_owned();
                let Some(tail) = Tail::new(page) else { return };
                self.epoch = Some(epoch);
                self.applied = tail.rows().last().map_or(0, |row| row.seq);
                self.tail = Some(tail);
                self.refold();
            }
            // Of another log, or not asked for.
            _ => {}
        }
    }

    fn refold_after(&mut self, added: Added) {
        match added {
            Added::Nothing | Added::Kept => {}
            Added::Refold => self.refold(),
        }
    }

    /// Folds the loaded part of the log anew. Previews stay; prompts it shows leave the outbox.
    fn refold(&mut self) {
        let Some(tail) = self.tail.take() else { return };
        let previews = self.transcript.carry_previews();
        self.transcript.reset();
        for row in tail.rows() {
            self.transcript.apply(row.seq, &row.event);
        }
        self.transcript.restore_previews(previews);
        self.mark_waiting();
        let shown: Vec<String> = self
            .outbox
            .entries()
            .iter()
            .map(|entry| entry.prompt.uuid.clone())
            .filter(|uuid| self.transcript.knows_prompt(uuid))
            .collect();
        for uuid in shown {
            self.arrived(&uuid);
        }
        self.tail = Some(tail).filter(|tail| tail.first_seq() > 1);
    }

    fn draw_live(&mut self) {
        while let Some(event) = self.live.pop(self.applied) {
            if event.after_seq >= self.transcript.live_floor() {
                self.transcript.apply_live(&event.event);
            }
        }
    }

    /// A request can overtake the call it belongs to: whenever either arrives, both are brought together.
    fn mark_waiting(&mut self) {
        for entry in self.ledger.entries() {
            let call = entry.tool.as_ref().and_then(|tool| tool.tool_use_id.as_deref());
            if let Some(call) = call {
                self.transcript.set_waiting(call, entry.state == PermissionState::Pending);
            }
        }
    }

    /// The log shows a prompt of ours: the outbox has done its work.
    fn arrived(&mut self, uuid: &str) {
        if self.outbox.remove(uuid) {
            self.outputs.push_back(Output::Forget { uuid: uuid.to_owned() });
            self.change(Change::Outbox);
        }
    }

    fn prompt(&mut self, uuid: &str, text: &str) {
        match self.outbox.push(uuid, text) {
            Ok(()) => {
                self.outputs.push_back(Output::Keep { uuid: uuid.to_owned(), text: text.to_owned() });
                self.change(Change::Outbox);
            }
            Err(error) => self.change(Change::PromptRejected(error)),
        }
    }

    fn restore(&mut self, prompts: Vec<(String, String)>) {
        for (uuid, text) in prompts {
            if self.transcript.knows_prompt(&uuid) || self.outbox.push(&uuid, &text).is_err() {
                self.outputs.push_back(Output::Forget { uuid });
            }
        }
        self.change(Change::Outbox);
    }

    fn forget(&mut self, uuid: &str) {
        self.arrived(uuid);
    }

    fn send_next_prompt(&mut self, now: Tick) {
        if !self.link.is_online() {
            return;
        }
        let Some(event) = self.outbox.next(now) else { return };
        let uuid = event.header().ok().and_then(|header| header.uuid).unwrap_or_default();
        self.post(Post::Prompt { uuid }, event);
        self.change(Change::Outbox);
    }

    fn decide(&mut self, now: Tick, uuid: String, request_id: &str, choice: Choice) {
        let allow = !matches!(choice, Choice::Deny { .. });
        let Some(entry) = self.ledger.get(request_id) else { return };
        if entry.state != PermissionState::Pending || matches!(entry.click, Click::Sending { .. }) {
            return;
        }
        let decision = decision(entry, uuid, self.server_time_ms(now), choice);
        let click = match decision {
            Ok(decision) => {
                self.post(Post::Decision { request_id: request_id.to_owned(), allow }, decision.to_event());
                Click::Sending { allow }
            }
            Err(message) => Click::Failed { message: message.to_owned() },
        };
        self.ledger.click(request_id, click);
        self.change(Change::Ledger);
    }

    fn control(&mut self, uuid: &str, request: &RawJson) {
        let event = control::client_request(uuid, uuid, request);
        self.post(Post::Control { request_id: uuid.to_owned() }, event);
    }

    fn post(&mut self, post: Post, event: RawJson) {
        let number = self.next_post;
        self.next_post += 1;
        self.posts.insert(number, post);
        let body = RawJson::from_value(&PostEvents { events: vec![event] }).as_str().to_owned();
        self.outputs.push_back(Output::Post { post: number, body });
    }

    fn posted(&mut self, now: Tick, post: u64, outcome: PostOutcome) {
        match self.posts.remove(&post) {
            Some(Post::Prompt { uuid }) => {
                match outcome {
                    PostOutcome::Accepted => self.outbox.stored(now, &uuid),
                    PostOutcome::Refused(error) => self.outbox.refused(&uuid, error.message),
                    PostOutcome::Failed => self.outbox.failed(now, &uuid),
                }
                self.change(Change::Outbox);
            }
            Some(Post::Decision { request_id, allow }) => {
                let click = match outcome {
                    PostOutcome::Accepted => Click::Accepted { allow },
                    PostOutcome::Refused(error) => Click::Failed { message: error.message },
                    PostOutcome::Failed => Click::Failed {
                        message: "The server did not answer. If the request still waits, decide again."
                            .into(),
                    },
                };
                self.ledger.click(&request_id, click);
                self.change(Change::Ledger);
            }
            Some(Post::Control { request_id }) => {
                let error = match outcome {
                    PostOutcome::Accepted => return,
                    PostOutcome::Refused(error) => error.message,
                    PostOutcome::Failed => "The server did not answer.".into(),
                };
                self.change(Change::Reply { request_id, event: None, error: Some(error) });
            }
            None => {}
        }
    }

    fn server_time_ms(&self, now: Tick) -> Option<u64> {
        self.server_clock.map(|(server_ms, at)| server_ms.saturating_add(now.since(at)))
    }

    fn send(&mut self, frame: ClientFrame) {
        self.outputs.push_back(Output::Send(frame.to_text()));
    }

    fn publish_transcript(&mut self) {
        for change in self.transcript.take_changes() {
            self.change(Change::Transcript(change));
        }
    }

    fn change(&mut self, change: Change) {
        let output = Output::Change(change);
        if self.outputs.back() != Some(&output) {
            self.outputs.push_back(output);
        }
    }
}

fn oauth(token: String) -> Credential {
    Credential { kind: "oauth".into(), token }
}

/// The decision that says `choice` about exactly what `entry` shows.
fn decision(
    entry: &Entry,
    uuid: String,
    decided_at_ms: Option<u64>,
    choice: Choice,
) -> Result<Decision, &'static str> {
    const UNREADABLE: &str = "This request cannot be read as a tool's, so it can only be denied.";
    if entry.mismatch && !matches!(choice, Choice::Deny { .. }) {
        return Err("What is shown is not what the server holds, so it can only be denied.");
    }
    let mut updated_input_digest = None;
    let verdict = match choice {
        Choice::Deny { message, interrupt } => Verdict::Deny { message, interrupt },
        Choice::Allow => {
            let tool = entry.tool.as_ref().ok_or(UNREADABLE)?;
            Verdict::Allow { updated_input: tool.input.clone(), updated_permissions: vec![] }
        }
        Choice::AllowWith { suggestion } => {
            let tool = entry.tool.as_ref().ok_or(UNREADABLE)?;
            let suggested = tool.permission_suggestions.as_deref().unwrap_or_default().get(suggestion);
            let granted = suggested.ok_or("The agent did not suggest that.")?.clone();
            Verdict::Allow { updated_input: tool.input.clone(), updated_permissions: vec![granted] }
        }
        Choice::AllowEdited { input } => {
            updated_input_digest = Some(digest(&input));
            Verdict::Allow { updated_input: input, updated_permissions: vec![] }
        }
        Choice::Answer { input } => Verdict::Allow { updated_input: input, updated_permissions: vec![] },
    };
    Ok(Decision {
        uuid,
        request_id: entry.request_id.clone(),
        digest: entry.digest.clone(),
        decided_at_ms,
        edited: updated_input_digest.is_some(),
        updated_input_digest,
        verdict,
    })
}
