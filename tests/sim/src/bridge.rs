//! A bridge: the real machine of a session in a shell that moves bytes over the simulated network, keeps its journal
//! on a simulated disk, and can be killed between any two things it does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::SinkExt as _;
use portcullis_bridge::Policy;
use portcullis_bridge::machine::{
    AgentExit, Earlier, End, Entry, Input, Output, PostOutcome, Receipt, Relay, RelaySpec,
};
use portcullis_protocol::id::{EnvironmentId, SessionId, WorkId};
use portcullis_protocol::limits::{HEARTBEAT_MS, SILENCE_MS};
use portcullis_protocol::wire::framing::Line;
use portcullis_protocol::wire::worker::{
    Lane, RegisterEnvironment, RegisteredEnvironment, WorkHeartbeat, WorkItem, WorkSecret, WorkerDown,
    WorkerPost, WorkerPosted, WorkerUp,
};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use crate::agent::Agent;
use crate::device::Device;
use crate::dice::Dice;
use crate::http::{Call, Failure, Heard, hear, open_socket};
use crate::net::Network;
use crate::record::Record;
use crate::time::VirtualClock;

/// Longest wait for an answer that is not a long poll.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one poll blocks, in ms.
const POLL_BLOCK_MS: u64 = 25_000;
/// Between two heartbeats of a lease.
const BEAT: Duration = Duration::from_secs(30);
/// Longest pause between two tries, in ms.
const PAUSE_MAX_MS: u64 = 8_000;

/// Characters of a POST that the trace shows.
const BODY_CHARS_SHOWN: usize = 160;

/// What survives a bridge's end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Files>>);

#[derive(Debug, Default)]
struct Files {
    environment: Option<EnvironmentId>,
    journals: BTreeMap<SessionId, Vec<Entry>>,
}

impl Disk {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on it for a session, in the order it was written.
    pub(crate) fn entries(&self, session: &SessionId) -> Vec<Entry> {
        self.files().journals.get(session).cloned().unwrap_or_default()
    }

    fn earlier(&self, session: &SessionId) -> Earlier {
        Earlier::from_entries(self.entries(session))
    }

    fn unfinished(&self) -> Vec<SessionId> {
        let sessions: Vec<SessionId> = self.files().journals.keys().cloned().collect();
        sessions.into_iter().filter(|session| self.earlier(session).is_unfinished()).collect()
    }
}

/// How a bridge is broken on purpose, to show that the checker notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutation {
    /// It is not.
    #[default]
    None,
    /// Every prompt reaches stdin twice.
    PromptTwice,
    /// A denial becomes an allowance.
    AllowsAll,
    /// Two events of a POST change places.
    SwapsEvents,
    /// A decision is not passed on.
    SwallowsDecisions,
}

/// What all of a bridge shares.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// The way to the ingress.
    pub network: Network,
    /// The machine's device.
    pub device: Device,
    /// What survives.
    pub disk: Disk,
    /// The time.
    pub clock: VirtualClock,
    /// What happens.
    pub record: Record,
    /// How it is broken.
    pub mutation: Mutation,
    /// What it is doing, for whoever waits for it to be at rest.
    pub busy: Arc<Mutex<BTreeMap<SessionId, bool>>>,
}

/// One life of a bridge; dropping it is `kill -9`.
#[derive(Debug)]
pub(crate) struct Bridge {
    tasks: JoinSet<()>,
    fuse: Fuse,
}

/// Burns down with every order that is carried out; at its end nothing is carried out any more.
#[derive(Clone, Debug)]
struct Fuse {
    left: Arc<Mutex<Option<u32>>>,
    out: watch::Sender<bool>,
}

impl Fuse {
    async fn burn(&self) {
        let is_out = {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(left) = left.as_mut() {
                *left = left.saturating_sub(1);
            }
            *left == Some(0)
        };
        if is_out {
            self.out.send_replace(true);
            std::future::pending::<()>().await;
        }
    }
}

impl Bridge {
    /// Starts one over what earlier lives left.
    #[must_use]
    pub(crate) fn start(ground: Ground, dice: Dice) -> Self {
        let fuse = Fuse { left: Arc::default(), out: watch::Sender::new(false) };
        let mut tasks = JoinSet::new();
        let life =
            Life { ground, dice, fuse: fuse.clone(), sessions: BTreeMap::new(), workers: JoinSet::new() };
        tasks.spawn(life.run());
        Self { tasks, fuse }
    }

    /// Dies after carrying out `orders` more; returns when that has happened, or after `patience`.
    pub(crate) async fn burn_down(mut self, orders: u32, patience: Duration) {
        *self.fuse.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(orders.max(1));
        let mut out = self.fuse.out.subscribe();
        let _ = tokio::time::timeout(patience, out.wait_for(|out| *out)).await;
        self.tasks.abort_all();
    }
}

/// The work item that gives the right to speak, and the newest token for it.
#[derive(Clone, Debug)]
struct Credential {
    work: WorkId,
    token: String,
}

struct Life {
    ground: Ground,
    dice: Dice,
    fuse: Fuse,
    sessions: BTreeMap<SessionId, watch::Sender<Credential>>,
    workers: JoinSet<SessionId>,
}

/// Waits a little longer each time.
#[derive(Debug, Default)]
struct Pauses(u32);

impl Pauses {
    async fn next(&mut self, dice: &mut Dice) {
        let ceiling = (300_u64 << self.0.min(6)).min(PAUSE_MAX_MS);
        self.0 += 1;
        sleep(Duration::from_millis(dice.within(0..=ceiling))).await;
    }
}

impl Life {
    async fn run(mut self) {
        let mut registered = self.register().await;
        self.ask_back(&registered, self.ground.disk.unfinished()).await;
        let mut pauses = Pauses::default();
        loop {
            let path =
                format!("/v1/environments/{}/work/poll?block_ms={POLL_BLOCK_MS}", registered.environment_id);
            let patience = PATIENCE + Duration::from_millis(POLL_BLOCK_MS);
            let secret = registered.environment_secret.clone();
            let call = Call { method: "GET", path: &path, bearer: Some(&secret), body: None, patience };
            let polled: Result<Option<WorkItem>, Failure> = tokio::select! {
                biased;
                Some(ended) = self.workers.join_next() => {
                    if let Ok(session) = ended {
                        self.sessions.remove(&session);
                    }
                    continue;
                }
                polled = call.read(&self.ground.network) => polled,
            };
            match polled {
                Ok(item) => {
                    pauses = Pauses::default();
                    if let Some(item) = item {
                        self.take(item, &secret).await;
                    }
                }
                Err(failure) => {
                    if matches!(failure.status(), Some(401 | 403 | 404 | 410)) {
                        registered = self.register().await;
                        self.ask_back(&registered, self.sessions.keys().cloned().collect()).await;
                    }
                    pauses.next(&mut self.dice).await;
                }
            }
        }
    }

    async fn ask_back(&self, registered: &RegisteredEnvironment, sessions: Vec<SessionId>) {
        for session in sessions {
            let path = format!("/v1/environments/{}/bridge/reconnect", registered.environment_id);
            let body = json!({ "session_id": session }).to_string();
            let _ = self.ground.device.call("POST", &path, Some(&body)).await;
        }
    }

    async fn register(&mut self) -> RegisteredEnvironment {
        let mut pauses = Pauses::default();
        loop {
            let environment_id = self.ground.disk.files().environment.clone();
            let body = RegisterEnvironment {
                machine_name: "machine".into(),
                directory: "/project".into(),
                branch: None,
                max_sessions: 4,
                agents: vec!["scripted".into()],
                permission_modes: vec!["default".into()],
                environment_id,
            };
            let body = serde_json::to_string(&body).unwrap_or_default();
            let answer = self.ground.device.call("POST", "/v1/environments/bridge", Some(&body)).await;
            let registered =
                answer.ok().and_then(|text| serde_json::from_str::<RegisteredEnvironment>(&text).ok());
            if let Some(registered) = registered {
                self.ground.disk.files().environment = Some(registered.environment_id.clone());
                self.ground.record.note("bridge", "is registered");
                return registered;
            }
            pauses.next(&mut self.dice).await;
        }
    }

    async fn take(&mut self, item: WorkItem, secret: &str) {
        let session = item.data.id.clone();
        let decoded = item.secret.as_deref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let Some(work) = decoded.and_then(|bytes| serde_json::from_slice::<WorkSecret>(&bytes).ok()) else {
            return;
        };
        let path = format!("/v1/environments/{}/work/{}/ack", item.environment_id, item.id);
        let call =
            Call { method: "POST", path: &path, bearer: Some(secret), body: Some("{}"), patience: PATIENCE };
        if call.make(&self.ground.network).await.is_err() {
            return;
        }
        let credential = Credential { work: item.id.clone(), token: work.session_ingress_token };
        if let Some(known) = self.sessions.get(&session)
            && !known.is_closed()
        {
            known.send_replace(credential);
            return;
        }
        self.ground.record.note("bridge", &format!("takes {session}"));
        let credential = watch::Sender::new(credential);
        self.sessions.insert(session.clone(), credential.clone());
        let spec = RelaySpec {
            agent: "scripted".into(),
            directory: "/project".into(),
            model: None,
            permission_mode: "default".into(),
            policy: Policy::for_directory("/project".into()),
            refusal: None,
            earlier: self.ground.disk.earlier(&session),
        };
        let mut uuids = self.dice.fork(&format!("uuids {}", self.dice.clone().next()));
        self.dice.next();
        let relay = Relay::new(spec, Box::new(move || uuids.uuid()));
        let worker = Worker {
            ground: self.ground.clone(),
            dice: self.dice.fork(session.as_str()),
            fuse: self.fuse.clone(),
            session,
            environment: item.environment_id,
            relay,
            agent: None,
            link: None,
        };
        self.dice.next();
        self.workers.spawn(worker.run(credential, secret.to_owned()));
    }
}

struct Worker {
    ground: Ground,
    dice: Dice,
    fuse: Fuse,
    session: SessionId,
    environment: EnvironmentId,
    relay: Relay,
    agent: Option<Agent>,
    link: Option<mpsc::Sender<WorkerUp>>,
}

enum Event {
    Up(mpsc::Sender<WorkerUp>),
    Down,
    Frame(WorkerDown),
    Posted(Lane, PostOutcome),
    Lost(&'static str),
}

impl Worker {
    async fn run(mut self, credential: watch::Sender<Credential>, secret: String) -> SessionId {
        let (events_in, mut events) = mpsc::channel(64);
        let (receipts_in, mut receipts) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let fork = |dice: &mut Dice, name: &str| {
            dice.next();
            dice.fork(name)
        };
        let ground = self.ground.clone();
        tasks.spawn(keep_lease(
            ground.clone(),
            fork(&mut self.dice, "lease"),
            self.environment.clone(),
            self.session.clone(),
            credential.clone(),
            events_in.clone(),
        ));
        tasks.spawn(keep_socket(
            ground.clone(),
            fork(&mut self.dice, "socket"),
            self.session.clone(),
            credential.subscribe(),
            events_in.clone(),
        ));
        let mut lane = |dice: Dice| {
            let (posts_in, posts) = mpsc::channel(1);
            let (session, credential) = (self.session.clone(), credential.subscribe());
            tasks.spawn(keep_lane(ground.clone(), dice, session, credential, posts, events_in.clone()));
            posts_in
        };
        let content = lane(fork(&mut self.dice, "content"));
        let control = lane(fork(&mut self.dice, "control"));
        let end = loop {
            if let Some(end) = self.perform_all(&content, &control, &receipts_in).await {
                break end;
            }
            let due = self.relay.poll_timeout().map(|tick| self.ground.clock.at(tick));
            let due = due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600));
            let is_congested = self.relay.is_congested();
            let mut line_read = None;
            let input = tokio::select! {
                biased;
                Some(event) = events.recv() => match event {
                    Event::Up(link) => {
                        self.link = Some(link);
                        Input::LinkUp
                    }
                    Event::Down => {
                        self.link = None;
                        Input::LinkDown
                    }
                    Event::Frame(WorkerDown::Decision(_))
                        if self.ground.mutation == Mutation::SwallowsDecisions => continue,
                    Event::Frame(frame) => Input::Frame(frame),
                    Event::Posted(lane, outcome) => Input::Posted(lane, outcome),
                    Event::Lost(why) => break End::Lost(why.to_owned()),
                },
                Some(receipt) = receipts.recv() => Input::Written(receipt),
                line = next_line(&mut self.agent), if !is_congested => match line {
                    Some(line) => {
                        line_read = Some(line.clone());
                        Input::Line(Line::Text(line))
                    }
                    None => {
                        self.agent = None;
                        Input::AgentExited(AgentExit { code: Some(1), signal: None, last_stderr: None })
                    }
                },
                () = sleep_until(due) => Input::Tick,
            };
            self.relay.handle(self.ground.clock.tick(), input);
            if let Some(line) = line_read {
                let ended = self.perform_all(&content, &control, &receipts_in).await;
                self.ground.record.fact_read(&self.session, &line);
                if let Some(end) = ended {
                    break end;
                }
            }
            let busy = self.is_busy();
            self.ground
                .busy
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(self.session.clone(), busy);
        };
        self.ground.record.note("bridge", &format!("gives {} up: {end:?}", self.session));
        if end == End::Done {
            let Credential { work, .. } = credential.borrow().clone();
            let path = format!("/v1/environments/{}/work/{work}/stop", self.environment);
            let call = Call {
                method: "POST",
                path: &path,
                bearer: Some(&secret),
                body: Some("{}"),
                patience: PATIENCE,
            };
            let _ = call.make(&self.ground.network).await;
        }
        self.session
    }

    fn is_busy(&self) -> bool {
        self.link.is_none()
    }

    /// Does everything the machine ordered, unless it dies on the way.
    async fn perform_all(
        &mut self,
        content: &mpsc::Sender<WorkerPost>,
        control: &mpsc::Sender<WorkerPost>,
        receipts: &mpsc::UnboundedSender<Receipt>,
    ) -> Option<End> {
        while let Some(output) = self.relay.poll_output() {
            self.fuse.burn().await;
            match output {
                Output::Finish(end) => return Some(end),
                Output::Journal(entry) => {
                    self.ground
                        .record
                        .note("disk", &format!("{entry:?}").chars().take(140).collect::<String>());
                    let session = self.session.clone();
                    self.ground.disk.files().journals.entry(session).or_default().push(entry);
                }
                Output::Spawn { resume } => {
                    self.dice.next();
                    let dice = self.dice.fork("agent");
                    let (session, record) = (self.session.clone(), self.ground.record.clone());
                    self.agent = Some(Agent::spawn(session, record, dice, resume));
                }
                Output::Send(frame) => {
                    if self.link.as_ref().is_some_and(|link| link.try_send(frame).is_err()) {
                        self.link = None;
                    }
                }
                Output::Post(mut post) => {
                    if self.ground.mutation == Mutation::SwapsEvents {
                        swap_events(&mut post);
                    }
                    let lane = if post.lane == Lane::Content { content } else { control };
                    let _ = lane.try_send(post);
                }
                Output::Stdin { line, receipt } => self.write(line, receipt, receipts),
                // A simulated machine has no files to tell of.
                Output::Look { look, .. } => {
                    let looked = Input::Looked { look, found: None };
                    self.relay.handle(self.ground.clock.tick(), looked);
                }
                Output::Terminate => self.agent = None,
            }
        }
        None
    }

    fn write(&self, line: String, receipt: Option<Receipt>, receipts: &mpsc::UnboundedSender<Receipt>) {
        let Some(agent) = &self.agent else { return };
        let line = match self.ground.mutation {
            Mutation::AllowsAll if line.contains(r#""behavior":"deny""#) => {
                line.replace(r#""behavior":"deny""#, r#""behavior":"allow""#)
            }
            Mutation::PromptTwice if matches!(receipt, Some(Receipt::Prompt(_))) => {
                let _ = agent.stdin.send(line.clone());
                line
            }
            Mutation::None
            | Mutation::PromptTwice
            | Mutation::AllowsAll
            | Mutation::SwapsEvents
            | Mutation::SwallowsDecisions => line,
        };
        if agent.stdin.send(line).is_ok()
            && let Some(receipt) = receipt
        {
            let _ = receipts.send(receipt);
        }
    }
}

/// Puts the events of the first two numbered items in one another's place.
fn swap_events(post: &mut WorkerPost) {
    use portcullis_protocol::wire::worker::WorkerItem;
    let mut events: Vec<&mut portcullis_protocol::RawJson> = post
        .items
        .iter_mut()
        .filter_map(|item| if let WorkerItem::Event { event, .. } = item { Some(event) } else { None })
        .filter(|event| event.as_str().contains("fact #"))
        .collect();
    if let [first, second, ..] = events.as_mut_slice() {
        std::mem::swap(*first, *second);
    }
}

async fn next_line(agent: &mut Option<Agent>) -> Option<String> {
    match agent {
        Some(agent) => agent.stdout.recv().await,
        None => std::future::pending().await,
    }
}

async fn keep_lease(
    ground: Ground,
    mut dice: Dice,
    environment: EnvironmentId,
    session: SessionId,
    credential: watch::Sender<Credential>,
    events: mpsc::Sender<Event>,
) {
    let mut last = "NO_HEARTBEAT".to_owned();
    let mut renewals = credential.subscribe();
    let mut pauses = Pauses::default();
    let mut renewed = false;
    loop {
        renewals.mark_unchanged();
        let Credential { work, token } = credential.borrow().clone();
        let path =
            format!("/v1/environments/{environment}/work/{work}/heartbeat?expected_last_heartbeat={last}");
        let call =
            Call { method: "POST", path: &path, bearer: Some(&token), body: Some("{}"), patience: PATIENCE };
        let beat: Result<WorkHeartbeat, Failure> = call.read(&ground.network).await;
        if renewals.has_changed().unwrap_or(false) {
            last = "NO_HEARTBEAT".to_owned();
            continue;
        }
        let mut wait = BEAT;
        match beat {
            Ok(beat) if beat.lease_extended => {
                pauses = Pauses::default();
                renewed = false;
                last = beat.last_heartbeat;
                credential.send_replace(Credential { work, token: beat.session_ingress_token });
            }
            Ok(_) => return lost(&events, "the lease was not extended").await,
            Err(failure) => match failure.status() {
                Some(412) => return lost(&events, "the lease is somebody else's").await,
                Some(404 | 410) => return lost(&events, "the work is over").await,
                Some(401 | 403) if !renewed => {
                    let path = format!("/v1/environments/{environment}/bridge/reconnect");
                    let body = json!({ "session_id": session }).to_string();
                    renewed = ground.device.call("POST", &path, Some(&body)).await.is_ok();
                    wait = if renewed { BEAT } else { Duration::from_secs(1) };
                }
                _ => {
                    pauses.next(&mut dice).await;
                    wait = Duration::ZERO;
                }
            },
        }
        renewals.mark_unchanged();
        tokio::select! {
            biased;
            _ = renewals.changed() => last = "NO_HEARTBEAT".to_owned(),
            () = sleep(wait) => {}
        }
    }
}

async fn lost(events: &mpsc::Sender<Event>, why: &'static str) {
    let _ = events.send(Event::Lost(why)).await;
}

async fn keep_socket(
    ground: Ground,
    mut dice: Dice,
    session: SessionId,
    credential: watch::Receiver<Credential>,
    events: mpsc::Sender<Event>,
) {
    let path = format!("/v1/session_ingress/ws/{session}");
    let mut pauses = Pauses::default();
    loop {
        let token = credential.borrow().token.clone();
        match open_socket(&ground.network, &path, Some(&token)).await {
            Ok(mut socket) => {
                pauses = Pauses::default();
                let (link, mut frames) = mpsc::channel(256);
                if events.send(Event::Up(link)).await.is_err() {
                    return;
                }
                let mut beat = interval(Duration::from_millis(HEARTBEAT_MS));
                beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut heard = Instant::now();
                let code = loop {
                    tokio::select! {
                        biased;
                        frame = frames.recv() => {
                            let Some(frame) = frame else { break 1000 };
                            if socket.send(Message::text(frame.to_text())).await.is_err() {
                                break 1006;
                            }
                        }
                        _ = beat.tick() => {
                            let silent = heard.elapsed() > Duration::from_millis(SILENCE_MS);
                            if silent || socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                                break 1006;
                            }
                        }
                        heard_now = hear(&mut socket) => match heard_now {
                            Heard::Text(text) => {
                                heard = Instant::now();
                                if let Ok(frame) = WorkerDown::parse(&text)
                                    && events.send(Event::Frame(frame)).await.is_err()
                                {
                                    return;
                                }
                            }
                            Heard::Closed(code) => break code,
                        },
                    }
                };
                ground.record.note("bridge", &format!("loses its socket to {session}: {code}"));
                if events.send(Event::Down).await.is_err() {
                    return;
                }
                if code == 4011 {
                    return lost(&events, "the session is archived").await;
                }
            }
            Err(failure) if matches!(failure.status(), Some(404 | 410)) => {
                return lost(&events, "there is no such session").await;
            }
            Err(_) => {}
        }
        pauses.next(&mut dice).await;
    }
}

async fn keep_lane(
    ground: Ground,
    mut dice: Dice,
    session: SessionId,
    credential: watch::Receiver<Credential>,
    mut posts: mpsc::Receiver<WorkerPost>,
    events: mpsc::Sender<Event>,
) {
    let path = format!("/v1/session_ingress/session/{session}/events");
    let mut pauses = Pauses::default();
    while let Some(post) = posts.recv().await {
        let body = serde_json::to_string(&post).unwrap_or_default();
        let outcome = loop {
            let token = credential.borrow().token.clone();
            let call = Call {
                method: "POST",
                path: &path,
                bearer: Some(&token),
                body: Some(&body),
                patience: PATIENCE,
            };
            match call.read::<WorkerPosted>(&ground.network).await {
                Ok(posted) => {
                    pauses = Pauses::default();
                    break PostOutcome::Accepted { next_n: posted.next_n };
                }
                Err(Failure::Refused { status: 404 | 410, detail }) => {
                    let shown: String = body.chars().take(BODY_CHARS_SHOWN).collect();
                    ground
                        .record
                        .note("bridge", &format!("is told that it is over: {} {shown}", detail.message));
                    break PostOutcome::Gone;
                }
                Err(Failure::Refused { status: 400 | 413 | 415 | 422, detail }) => {
                    break PostOutcome::Refused { reason: detail.message };
                }
                Err(Failure::Refused { detail, .. }) if detail.expected_n.is_some() => {
                    pauses.next(&mut dice).await;
                    break PostOutcome::Position { expected_n: detail.expected_n.unwrap_or(0) };
                }
                Err(_) => pauses.next(&mut dice).await,
            }
        };
        if events.send(Event::Posted(post.lane, outcome)).await.is_err() {
            return;
        }
    }
}
