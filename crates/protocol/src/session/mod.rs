//! The machine a client drives: one session seen over one socket after another.
//!
//! It has no socket, no clock and no randomness of its own. A driver feeds it [`Input`]s, drains [`Session::poll_output`]
//! after each, performs what comes out, and calls [`Session::handle`] with [`Input::Timeout`] when
//! [`Session::poll_timeout`] is due.
//!
//! ```
//! use portcullis_protocol::{Tick, session::{Input, Output, Session, SessionConfig, StartAt}};
//! let mut session = Session::new(SessionConfig { seed: 7, start: StartAt::Beginning });
//! session.handle(Tick(0), Input::Start);
//! assert!(std::iter::from_fn(|| session.poll_output()).any(|output| output == Output::Open));
//! ```

pub mod backoff;
mod clock;
mod decision;
mod history;
mod input;
mod ledger;
mod link;
mod live;
mod outbox;
mod output;
mod pages;
mod priority;
mod reading;
mod recent;
mod speaking;
pub mod transcript;
mod visit;

use std::collections::{BTreeMap, VecDeque};

pub use history::History;
pub use input::{Choice, Input, PostOutcome, SessionConfig, StartAt, Whoami};
pub use ledger::{Click, Entry, Ledger};
pub use link::{LinkView, StopReason};
pub use outbox::{Outbox, OutboxEntry, OutboxError};
pub use output::{Change, Output, PageQuery, ResetReason};
pub use priority::Moved;
pub use visit::Part;

use crate::role::Role;
use crate::tick::Tick;
use crate::wire::client::{ClientFrame, WorkerStatus};
use crate::wire::close;
use clock::Clock;
use history::Rows;
use link::Link;
use live::Live;
use pages::{Pages, Want};
use priority::Moving;
use recent::Recent;
use speaking::Post;
use transcript::{Activity, Transcript};
use visit::Visit;

/// Events that are missing in the middle, and are being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last event before it.
    pub after_seq: u64,
    /// The first event behind it.
    pub before_seq: u64,
}

/// One session as one client sees it.
#[derive(Debug)]
pub struct Session {
    start: StartAt,
    clock: Clock,
    link: Link,
    transcript: Transcript,
    ledger: Ledger,
    outbox: Outbox,
    live: Live,
    pages: Pages,
    recent: Recent,
    /// The end of the log, of a session that opens there.
    loaded: Option<Rows>,
    /// Another part of it, while somebody reads that.
    visit: Option<Visit>,
    gap: Option<Gap>,
    worker: WorkerStatus,
    role: Option<Role>,
    epoch: Option<String>,
    applied: u64,
    /// How often the log began anew.
    generation: u64,
    /// Heartbeats in a row that named a newer row than this one.
    behind: (u64, u32),
    /// Server time at a local time, to date decisions with.
    server_clock: Option<(u64, Tick)>,
    posts: BTreeMap<u64, Post>,
    next_post: u64,
    /// Prompts that are being taken back, to be said again with another priority.
    moving: Vec<Moving>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// A session nobody has started.
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self {
            start: config.start,
            clock: Clock::default(),
            link: Link::new(config.seed),
            transcript: Transcript::new(),
            ledger: Ledger::default(),
            outbox: Outbox::new(config.seed.rotate_left(17)),
            live: Live::default(),
            pages: Pages::new(config.seed.rotate_left(34)),
            recent: Recent::default(),
            loaded: None,
            visit: None,
            gap: None,
            worker: WorkerStatus::default(),
            role: None,
            epoch: None,
            applied: 0,
            generation: 0,
            behind: (0, 0),
            server_clock: None,
            posts: BTreeMap::new(),
            next_post: 0,
            moving: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. Drain [`Self::poll_output`] afterwards.
    pub fn handle(&mut self, now: Tick, input: Input) {
        let now = self.clock.read(now);
        let before = (self.link.view(), self.gap);
        let history = self.history();
        match input {
            Input::Start => self.step(now, Link::start),
            Input::Stop => self.end(StopReason::NotStarted),
            Input::Opened { token } => self.authenticate(now, token),
            Input::Renewed { token } => self.renew(token),
            Input::Closed { code } => self.step(now, |link, now| link.closed(now, code)),
            Input::Frame(text) => self.frame(now, &text),
            Input::Fetched { fetch, page } => self.fetched(now, fetch, page),
            Input::Posted { post, outcome } => self.posted(now, post, outcome),
            Input::Kept { uuid, lasting } => self.kept(uuid, lasting),
            Input::Restored(prompts) => self.restore(prompts),
            Input::Prompt { uuid, said } => self.prompt(now, uuid, said),
            Input::Discard { uuid } => self.discard(&uuid),
            Input::Decide { uuid, request_id, digest, choice } => {
                self.decide(now, uuid, &request_id, &digest, choice);
            }
            Input::SetPriority { prompt, priority, uuid, fresh } => {
                self.set_priority(now, &prompt, priority, uuid, fresh);
            }
            Input::Control { uuid, request } => self.control(now, uuid, &request),
            Input::Whoami(whoami) => self.recognised(whoami),
            Input::WantHistory => self.pages.want(Want::Above),
            Input::WantLater => self.pages.want(Want::Below),
            Input::Visit { seq } => self.visit(seq),
            Input::Return => self.go_back(),
            Input::Recall(page) => self.recall(page),
            Input::Wake => self.wake(now),
            Input::Hidden => self.link.hide(),
            Input::LoggedOut => {
                self.forget_outbox();
                self.end(StopReason::NotStarted);
            }
            Input::Timeout => self.timeout(now),
        }
        self.expire_moving(now);
        self.send_next_prompt(now);
        self.ask_history(now);
        self.publish_transcript();
        if (self.link.view(), self.gap) != before {
            self.change(Change::Link);
        }
        if self.history() != history {
            self.change(Change::History);
        }
    }

    /// The next thing to do, in order; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let posts = self.posts.values().map(Post::deadline).min();
        let outbox = self.outbox.deadline(self.link.is_online());
        let pages = self.pages.deadline().filter(|_| self.link.is_wanted());
        let moving = self.moving.iter().map(Moving::deadline).min();
        let due = [self.link.deadline(), outbox, self.ledger.deadline(), posts, pages, moving];
        due.into_iter().flatten().min().map(|due| self.clock.tell(due))
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
        match self.link.view() {
            LinkView::Waiting { until, tries } => LinkView::Waiting { until: self.clock.tell(until), tries },
            other @ (LinkView::Connecting | LinkView::Online | LinkView::Stopped(_)) => other,
        }
    }

    /// Events that are missing in the middle, while they are.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        self.gap
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

    /// Epoch of the log that is read, once it is known.
    #[must_use]
    pub fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// Newest `seq` that was applied.
    #[must_use]
    pub fn applied_seq(&self) -> u64 {
        self.applied
    }

    /// What is loaded of the log's beginning.
    #[must_use]
    pub fn history(&self) -> History {
        let known = self.start != StartAt::Tail || self.epoch.is_some();
        let rows = self.visit.as_ref().map(|visit| &visit.rows).or(self.loaded.as_ref());
        let loading = self.pages.wanted().is_some();
        match rows {
            Some(rows) if rows.first_seq() > 1 => {
                History { first_seq: rows.first_seq(), complete: false, loading }
            }
            Some(_) | None => History { first_seq: self.applied.min(1), complete: known, loading: !known },
        }
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

    fn end(&mut self, reason: StopReason) {
        if self.link.has_socket() {
            self.outputs.push_back(Output::Close { code: close::NORMAL });
        }
        self.pages.forget();
        self.link.stop(reason);
    }

    fn wake(&mut self, now: Tick) {
        if self.link.hears_wake(now) {
            self.outbox.hurry();
            self.pages.hurry();
        }
        self.step(now, Link::wake);
    }

    fn recognised(&mut self, whoami: Whoami) {
        if whoami == Whoami::Refused && self.link.disown() {
            self.outputs.push_back(Output::Close { code: close::NORMAL });
        }
    }

    fn timeout(&mut self, now: Tick) {
        self.step(now, Link::timeout);
        self.expire_posts(now);
        self.pages.expire(now);
        if self.ledger.expire(now) {
            self.change(Change::Ledger);
        }
        if self.outbox.expire(now) {
            self.change(Change::Outbox);
        }
    }

    fn send(&mut self, frame: ClientFrame) {
        self.outputs.push_back(Output::Send(frame.to_text()));
    }

    fn publish_transcript(&mut self) {
        for change in self.transcript.take_changes() {
            // Somebody who reads elsewhere sees none of the items.
            if self.visit.is_none() || matches!(change, transcript::Change::Queue | transcript::Change::Facts)
            {
                self.change(Change::Transcript(change));
            }
        }
    }

    fn change(&mut self, change: Change) {
        let output = Output::Change(change);
        if self.outputs.back() != Some(&output) {
            self.outputs.push_back(output);
        }
    }
}
