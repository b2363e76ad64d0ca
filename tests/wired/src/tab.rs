//! A browser tab without a browser: the real session machine, driven over real sockets and POSTs.
//!
//! One task owns the machine; [`Tab::with`] runs a look or an input inside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_protocol::session::transcript::Activity;
use portcullis_protocol::session::{
    Change, Choice, Click, Input, LinkView, Output, PageQuery, PostOutcome, Session, SessionConfig, StartAt,
    Whoami,
};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::prompt::Said;
use portcullis_protocol::wire::rest::{ErrorBody, EventsPage, PostedEvents};
use portcullis_protocol::{RawJson, Tick};
use reqwest::Method;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::device::Device;
use crate::patience::{PATIENCE, until};
use crate::tab::socket::{Heard, Socket};

mod socket;

/// Orders that may wait for the tab.
const ORDERS_MAX: usize = 64;
/// Between two tries of the hand that approves everything: a refusal may be because the server is not there.
const HAND_PAUSE: Duration = Duration::from_millis(100);

type Order = Box<dyn FnOnce(&mut Driver) + Send>;

/// A tab that runs in a task of its own. Dropped, it is gone as a crashed tab is.
#[derive(Debug)]
pub struct Tab {
    orders: mpsc::Sender<Order>,
    running: JoinHandle<()>,
}

/// What the task owns.
#[derive(Debug)]
pub struct Driver {
    session: Session,
    device: Device,
    id: String,
    began: Instant,
    socket: Option<Socket>,
    /// Number of the socket, so that what an older one still says is not heard.
    socket_number: u64,
    errands: JoinSet<Errand>,
    /// What a browser would keep in its storage.
    pub kept: Vec<(String, Said)>,
    /// Prompts the server said it has.
    pub stored: Vec<String>,
    /// Decisions the server took, by request.
    pub decided: BTreeMap<String, u32>,
    /// When each decision was posted.
    pub clicked: BTreeMap<String, Instant>,
    /// When each request was first seen delivered.
    pub delivered: BTreeMap<String, Instant>,
    /// Requests that were ever shown as waiting, and how often they came to wait anew.
    pub asked: BTreeMap<String, u32>,
    /// The last state in which each request was shown.
    pub states: BTreeMap<String, PermissionState>,
    /// Answers to requests of its own: the event, or why there is none.
    pub replies: BTreeMap<String, Result<RawJson, String>>,
    /// Who wants to know when it is back on a later socket with a position applied.
    milestone: Option<(u64, u64, oneshot::Sender<std::time::Instant>)>,
    /// Sockets that were opened.
    pub opened: u64,
    /// Approves whatever waits.
    approving: bool,
    hand_rests_until: Instant,
    /// Reads one frame, then none for this long.
    pace: Duration,
    reads_again: Instant,
    posts: BTreeMap<u64, Posting>,
}

#[derive(Debug)]
enum Posting {
    Prompt(String),
    Decision(String),
    Other,
}

/// What a task brings back.
#[derive(Debug)]
enum Errand {
    Connected { number: u64, outcome: Result<(Socket, String)> },
    Posted { post: u64, outcome: PostOutcome },
    Fetched { fetch: u64, page: Option<EventsPage> },
    Whoami(Whoami),
}

impl Tab {
    /// Opens `session` as `device`, from its first event.
    #[must_use]
    pub fn open(device: Device, session: &str, seed: u64) -> Self {
        Self::reopen(device, session, SessionConfig { seed, start: StartAt::Beginning }, Vec::new())
    }

    /// The same from its newest page, as a browser does.
    #[must_use]
    pub fn open_at_the_tail(device: Device, session: &str, seed: u64) -> Self {
        Self::reopen(device, session, SessionConfig { seed, start: StartAt::Tail }, Vec::new())
    }

    /// The same with prompts an earlier tab kept.
    #[must_use]
    pub fn reopen(device: Device, session: &str, config: SessionConfig, kept: Vec<(String, Said)>) -> Self {
        let (orders, waiting) = mpsc::channel(ORDERS_MAX);
        let now = Instant::now();
        let driver = Driver {
            session: Session::new(config),
            device,
            id: session.to_owned(),
            began: now,
            socket: None,
            socket_number: 0,
            errands: JoinSet::new(),
            kept: kept.clone(),
            stored: Vec::new(),
            decided: BTreeMap::new(),
            clicked: BTreeMap::new(),
            delivered: BTreeMap::new(),
            asked: BTreeMap::new(),
            states: BTreeMap::new(),
            replies: BTreeMap::new(),
            milestone: None,
            opened: 0,
            approving: false,
            hand_rests_until: now,
            pace: Duration::ZERO,
            reads_again: now,
            posts: BTreeMap::new(),
        };
        Self { orders, running: tokio::spawn(driver.run(waiting, kept)) }
    }

    /// Runs `look` inside the tab.
    ///
    /// # Errors
    /// When the tab is gone.
    pub async fn with<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Driver) -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let order: Order = Box::new(move |driver| {
            let _ = answer.send(look(driver));
        });
        self.orders.send(order).await.ok().context("the tab is gone")?;
        answered.await.context("the tab is gone")
    }

    /// Waits until `look` finds something in the tab.
    ///
    /// # Errors
    /// When it does not in time, or the tab is gone.
    pub async fn until<T: Send + 'static>(
        &self,
        what: &str,
        look: impl Fn(&mut Driver) -> Option<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let look = Arc::new(look);
        until(what, PATIENCE, async || {
            let look = Arc::clone(&look);
            self.with(move |driver| look(driver)).await
        })
        .await
    }

    /// Says something; returns its uuid.
    ///
    /// # Errors
    /// When the tab is gone.
    pub async fn prompt(&self, text: impl Into<String>) -> Result<String> {
        let (uuid, text) = (fresh_uuid(), text.into());
        let said = uuid.clone();
        self.with(move |driver| driver.feed(Input::Prompt { uuid: said, said: text.into() })).await?;
        Ok(uuid)
    }

    /// Clicks.
    ///
    /// # Errors
    /// When the tab is gone.
    pub async fn decide(&self, request: &str, choice: Choice) -> Result<()> {
        let request_id = request.to_owned();
        self.with(move |driver| driver.decide(request_id, choice)).await
    }

    /// Sends a control request and waits for its answer.
    ///
    /// # Errors
    /// When none comes, or none can come.
    pub async fn ask(&self, request: &serde_json::Value) -> Result<serde_json::Value> {
        let (uuid, request) = (fresh_uuid(), RawJson::from_value(request));
        let asked = uuid.clone();
        self.with(move |driver| driver.feed(Input::Control { uuid: asked, request })).await?;
        let reply = self.until("an answer", move |driver| driver.replies.remove(&uuid)).await?;
        let event = reply.map_err(|why| anyhow::anyhow!("no answer: {why}"))?;
        event.read().context("an answer")
    }

    /// Approves whatever waits from now on, or no longer.
    ///
    /// # Errors
    /// When the tab is gone.
    pub async fn approve_all(&self, approving: bool) -> Result<()> {
        self.with(move |driver| driver.approving = approving).await
    }

    /// Reads one frame, then none for `pace`.
    ///
    /// # Errors
    /// When the tab is gone.
    pub async fn read_slowly(&self, pace: Duration) -> Result<()> {
        self.with(move |driver| driver.pace = pace).await
    }

    /// Waits until it is connected.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn online(&self) -> Result<()> {
        self.until("a tab that is online", |driver| {
            (driver.session().link() == LinkView::Online).then_some(())
        })
        .await
    }

    /// Waits until it is online on a socket after the `opened`th and has applied `seq`; returns when that was.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn back(&self, opened: u64, seq: u64) -> Result<std::time::Instant> {
        let (reached, waiting) = oneshot::channel();
        self.with(move |driver| {
            driver.milestone = Some((opened, seq, reached));
            driver.watch();
        })
        .await?;
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .context("the log did not come in time")?
            .context("the tab is gone")
    }

    /// The position up to which it has applied, if the agent has nothing to do there.
    ///
    /// # Errors
    /// When the tab is gone.
    pub async fn idle_at(&self) -> Result<Option<u64>> {
        self.with(|driver| {
            let session = driver.session();
            let idle = session.activity() == Activity::Idle
                && session.outbox().entries().is_empty()
                && session.transcript().queue().is_empty();
            idle.then(|| session.applied_seq())
        })
        .await
    }

    /// Waits until a request waits for a person, and returns its id.
    ///
    /// # Errors
    /// When none does in time.
    pub async fn asked(&self) -> Result<String> {
        self.until("a request that waits", |driver| {
            let entries = driver.session().ledger().entries();
            let waiting = entries.iter().find(|entry| entry.state == PermissionState::Pending);
            waiting.map(|entry| entry.request_id.clone())
        })
        .await
    }

    /// Waits until `request` is in `state`.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn state(&self, request: &str, state: PermissionState) -> Result<()> {
        let request = request.to_owned();
        self.until(&format!("a request that is {}", state.as_str()), move |driver| {
            let entry = driver.session().ledger().get(&request)?;
            (entry.state == state).then_some(())
        })
        .await
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Driver {
    /// The machine.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Tells the machine something and performs what comes of it.
    pub fn feed(&mut self, input: Input) {
        let now = self.now();
        self.session.handle(now, input);
        while let Some(output) = self.session.poll_output() {
            self.perform(output);
        }
        self.watch();
    }

    /// Clicks.
    pub fn decide(&mut self, request_id: String, choice: Choice) {
        let Some(entry) = self.session.ledger().get(&request_id) else { return };
        let digest = entry.digest.clone();
        self.feed(Input::Decide { uuid: fresh_uuid(), request_id, digest, choice });
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>, kept: Vec<(String, Said)>) {
        self.feed(Input::Start);
        if !kept.is_empty() {
            self.feed(Input::Restored(kept));
        }
        loop {
            self.approve();
            let due =
                self.session.poll_timeout().map(|Tick(due_ms)| self.began + Duration::from_millis(due_ms));
            let wakes =
                [due, self.approving.then_some(self.hand_rests_until).filter(|at| *at > Instant::now())];
            let next_wake = wakes.into_iter().flatten().min();
            let reads_again = self.reads_again;
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => order(&mut self),
                    None => return,
                },
                Some(Ok(errand)) = self.errands.join_next() => self.back(errand),
                heard = hear(&mut self.socket, reads_again) => {
                    self.reads_again = Instant::now() + self.pace;
                    self.heard(heard);
                }
                () = tokio::time::sleep_until(next_wake.unwrap_or_else(Instant::now)), if next_wake.is_some() => {
                    if due.is_some_and(|due| due <= Instant::now()) {
                        self.feed(Input::Timeout);
                    }
                }
            }
        }
    }

    fn now(&self) -> Tick {
        // Timers fire at or after their time, ticks round down: one more makes a due timer due.
        Tick(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1))
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Frame(text) => self.feed(Input::Frame(text)),
            Heard::Closed(code) => {
                self.socket = None;
                self.feed(Input::Closed { code });
            }
        }
    }

    fn back(&mut self, errand: Errand) {
        match errand {
            Errand::Connected { number, .. } if number != self.socket_number => {}
            Errand::Connected { outcome: Ok((socket, token)), .. } => {
                self.socket = Some(socket);
                self.opened += 1;
                self.feed(Input::Opened { token });
            }
            Errand::Connected { outcome: Err(_), .. } => self.feed(Input::Closed { code: socket::ABNORMAL }),
            Errand::Posted { post, outcome } => {
                if let (Some(posting), PostOutcome::Accepted { .. }) = (self.posts.remove(&post), &outcome) {
                    match posting {
                        Posting::Prompt(uuid) => self.stored.push(uuid),
                        Posting::Decision(request) => *self.decided.entry(request).or_default() += 1,
                        Posting::Other => {}
                    }
                }
                self.feed(Input::Posted { post, outcome });
            }
            Errand::Fetched { fetch, page } => self.feed(Input::Fetched { fetch, page }),
            Errand::Whoami(whoami) => self.feed(Input::Whoami(whoami)),
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Open => self.connect(),
            Output::Send(text) => {
                if let Some(socket) = &self.socket {
                    socket.send(text);
                }
            }
            Output::Close { .. } => {
                self.socket_number += 1;
                self.socket = None;
            }
            Output::Post { post, body } => self.post(post, body),
            Output::Fetch { fetch, query } => self.fetch(fetch, query),
            Output::AskWhoami => self.ask_whoami(),
            Output::Keep { uuid, said } => {
                self.kept.push((uuid.clone(), said));
                self.feed(Input::Kept { uuid, lasting: true });
            }
            Output::Forget { uuid } => self.kept.retain(|(kept, _)| *kept != uuid),
            Output::Change(Change::Reply { request_id, event, error }) => {
                self.replies.insert(request_id, event.ok_or_else(|| error.unwrap_or_default()));
            }
            Output::Reload | Output::Change(_) => {}
        }
    }

    fn connect(&mut self) {
        self.socket_number += 1;
        self.socket = None;
        let (number, device, id) = (self.socket_number, self.device.clone(), self.id.clone());
        self.errands.spawn(async move {
            let outcome = async {
                let token = device.token().await?;
                Ok((Socket::open(device.url(), &id).await?, token))
            };
            Errand::Connected { number, outcome: outcome.await }
        });
    }

    fn post(&mut self, post: u64, body: String) {
        let posting = self.posting(&body);
        self.posts.insert(post, posting);
        let (device, path) = (self.device.clone(), format!("/v1/sessions/{}/events", self.id));
        self.errands.spawn(async move {
            let outcome = match device.call(Method::POST, &path, Some(body)).await {
                Ok((status, answer)) if status.is_success() => {
                    let posted: Option<PostedEvents> = serde_json::from_value(answer).ok();
                    PostOutcome::Accepted { seq: posted.and_then(|posted| posted.data.first()?.seq) }
                }
                Ok((status, answer))
                    if status.is_client_error() && ![401, 408, 429].contains(&status.as_u16()) =>
                {
                    let body: Option<ErrorBody> = serde_json::from_value(answer).ok();
                    PostOutcome::Refused(body.map(|body| body.error).unwrap_or_default())
                }
                Ok(_) | Err(_) => PostOutcome::Failed,
            };
            Errand::Posted { post, outcome }
        });
    }

    fn fetch(&mut self, fetch: u64, query: PageQuery) {
        let (device, id) = (self.device.clone(), self.id.clone());
        self.errands.spawn(async move {
            let page = device.page(&id, query.after_seq, query.before_seq, query.limit).await;
            Errand::Fetched { fetch, page: page.ok() }
        });
    }

    fn ask_whoami(&mut self) {
        let device = self.device.clone();
        self.errands.spawn(async move {
            Errand::Whoami(match device.call(Method::GET, "/v1/auth/whoami", None).await {
                Ok((status, _)) if status.is_success() => Whoami::Known,
                Ok((status, _)) if [401, 403].contains(&status.as_u16()) => Whoami::Refused,
                Ok(_) | Err(_) => Whoami::NoAnswer,
            })
        });
    }

    fn posting(&mut self, body: &str) -> Posting {
        let event = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default()["events"][0].take();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        match event["type"].as_str() {
            Some("user") => Posting::Prompt(text(&event["uuid"])),
            Some("control_response") => {
                let request = text(&event["response"]["request_id"]);
                self.clicked.insert(request.clone(), Instant::now());
                Posting::Decision(request)
            }
            _ => Posting::Other,
        }
    }

    /// Notes what a person would see happen to each request.
    fn watch(&mut self) {
        let (applied, online) = (self.session.applied_seq(), self.session.link() == LinkView::Online);
        let now_opened = self.opened;
        let is_back = |opened: u64, seq: u64| online && now_opened > opened && seq <= applied;
        if let Some((_, _, reached)) = self.milestone.take_if(|(opened, seq, _)| is_back(*opened, *seq)) {
            let _ = reached.send(std::time::Instant::now());
        }
        for entry in self.session.ledger().entries() {
            let before = self.states.insert(entry.request_id.clone(), entry.state);
            if entry.state == PermissionState::Pending && before != Some(PermissionState::Pending) {
                *self.asked.entry(entry.request_id.clone()).or_default() += 1;
            }
            if matches!(entry.state, PermissionState::Delivered | PermissionState::Settled) {
                self.delivered.entry(entry.request_id.clone()).or_insert_with(Instant::now);
            }
        }
    }

    fn approve(&mut self) {
        if !self.approving || Instant::now() < self.hand_rests_until {
            return;
        }
        let waiting: Vec<String> = (self.session.ledger().entries().iter())
            .filter(|entry| entry.state == PermissionState::Pending)
            .filter(|entry| matches!(entry.click, Click::None | Click::Failed { .. }))
            .map(|entry| entry.request_id.clone())
            .collect();
        self.hand_rests_until = Instant::now() + HAND_PAUSE;
        for request in waiting {
            self.decide(request, Choice::Allow);
        }
    }
}

/// What the socket says next, if there is one and it is time to read.
async fn hear(socket: &mut Option<Socket>, from: Instant) -> Heard {
    tokio::time::sleep_until(from).await;
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

fn fresh_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}
