//! A browser's tab: the real machine of a session, driven as a page drives it, and a person before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::SinkExt as _;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::session::transcript::{ItemBody, PromptState};
use portcullis_protocol::session::{
    Change, Choice, Click, Input, LinkView, Output, PageQuery, PostOutcome, ResetReason, Session,
    SessionConfig, StartAt, StopReason, Whoami,
};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::prompt;
use portcullis_protocol::wire::rest::PostedEvents;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use crate::device::Device;
use crate::dice::Dice;
use crate::http::{Failure, Heard, hear, open_socket};
use crate::net::Network;
use crate::record::{Posted, Record, Said};
use crate::time::VirtualClock;

/// Frames that wait for the page: a socket whose page stands still is not read.
const FRAMES_WAITING: usize = 8;
/// What writing to storage takes at most, in ms.
const STORAGE_MS: u64 = 30;

/// What survives a reload: IndexedDB.
pub(crate) type Storage = Arc<Mutex<Vec<(String, prompt::Said)>>>;

/// What a person, or the machine under the tab, does.
#[derive(Debug)]
pub(crate) enum Order {
    /// Says something.
    Prompt(String),
    /// Decides about a request that waits, if one does.
    Decide { allow: bool },
    /// Decides in a way that no honest page does: see [`Forgery`].
    Forge(Forgery),
    /// Interrupts the agent.
    Interrupt,
    /// Stands still.
    Freeze { ms: u64 },
    /// Shows what it knows; with all it has painted, if that is asked for.
    Show { painted: bool, tell: oneshot::Sender<View> },
}

/// A decision that must not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgery {
    /// With the digest of other bytes.
    WrongDigest,
    /// Older than a minute.
    Stale,
    /// Allows another input than the one that was asked for, without saying so.
    OtherInput,
}

/// What a tab shows, as a person and the checker see it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Everything above the composer, item by item, without the ids that each tab gives.
    pub items: Vec<String>,
    /// What is queued in the log.
    pub queue: Vec<String>,
    /// Requests in view, by id: state and digest.
    pub requests: BTreeMap<String, (PermissionState, String)>,
    /// What waits to be sent: uuid, state, text.
    pub outbox: Vec<(String, String)>,
    /// The newest event.
    pub applied: u64,
    /// The connection.
    pub link: LinkView,
    /// Whether the beginning of the log is loaded.
    pub whole: bool,
    /// Whether events are missing in the middle.
    pub gap: bool,
    /// Prompts of which the page says that nobody knows whether the agent has them.
    pub unknown: Vec<String>,
    /// How often a person was told that the log begins anew because it is another one.
    pub told_of_restores: u64,
}

/// A tab that is open; dropping it closes the tab without a word.
#[derive(Debug)]
pub(crate) struct Tab {
    orders: mpsc::UnboundedSender<Order>,
    task: AbortHandle,
}

/// What a tab stands on.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// For the trace.
    pub name: String,
    /// The session it shows.
    pub session: SessionId,
    /// Its device.
    pub device: Device,
    /// Its storage.
    pub storage: Storage,
    /// The way to the ingress.
    pub network: Network,
    /// The time.
    pub clock: VirtualClock,
    /// What happens.
    pub record: Record,
    /// Where it begins to read.
    pub start: StartAt,
    /// Breaks the tab on purpose: it reads other facts than were sent.
    pub garbles: bool,
}

impl Tab {
    /// Opens one.
    #[must_use]
    pub(crate) fn open(place: Place, mut dice: Dice) -> Self {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (heard_in, heard) = mpsc::channel(64);
        let config = SessionConfig { seed: dice.next(), start: place.start };
        let page = Page {
            machine: Session::new(config),
            place,
            dice,
            heard_in,
            tasks: JoinSet::new(),
            socket: None,
            socket_number: 0,
            told_of_restores: 0,
        };
        let task = tokio::spawn(page.run(ordered, heard)).abort_handle();
        Self { orders, task }
    }

    /// Orders something.
    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// What it shows now, with all it has `painted` or without; `None` when it stands still for longer than `patience`.
    pub(crate) async fn view(&self, painted: bool, patience: Duration) -> Option<View> {
        let (tell, told) = oneshot::channel();
        self.order(Order::Show { painted, tell });
        tokio::time::timeout(patience, told).await.ok()?.ok()
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.task.abort();
    }
}

enum Event {
    Opened { number: u64, send: mpsc::UnboundedSender<String>, token: String, renew_after: Duration },
    Frame { number: u64, text: String },
    Closed { number: u64, code: u16 },
    Renewed { number: u64, token: String, renew_after: Duration },
    Input(Input),
}

struct Page {
    machine: Session,
    place: Place,
    dice: Dice,
    heard_in: mpsc::Sender<Event>,
    tasks: JoinSet<()>,
    socket: Option<(mpsc::UnboundedSender<String>, Instant)>,
    socket_number: u64,
    told_of_restores: u64,
}

impl Page {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, mut heard: mpsc::Receiver<Event>) {
        self.place.record.note(&self.place.name, "opens");
        self.feed(Input::Start);
        let kept = self.place.storage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !kept.is_empty() {
            self.feed(Input::Restored(kept));
        }
        loop {
            let far = Instant::now() + Duration::from_secs(3_600);
            let due = self.machine.poll_timeout().map_or(far, |tick| self.place.clock.at(tick));
            let renewal = self.socket.as_ref().map_or(far, |(_, renewal)| *renewal);
            tokio::select! {
                biased;
                Some(order) = orders.recv() => self.carry_out(order).await,
                Some(event) = heard.recv() => self.hear(event),
                () = sleep_until(renewal) => self.renew(),
                () = sleep_until(due) => self.feed(Input::Timeout),
            }
            while self.tasks.try_join_next().is_some() {}
            if !self.machine.history().complete {
                self.feed(Input::WantHistory);
            }
        }
    }

    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Prompt(text) => {
                let uuid = self.dice.uuid();
                self.feed(Input::Prompt { uuid, said: text.into() });
            }
            Order::Decide { allow } => self.decide(allow),
            Order::Forge(forgery) => self.forge(forgery),
            Order::Interrupt => {
                let request = RawJson::from_value(&json!({"subtype": "interrupt"}));
                let uuid = self.dice.uuid();
                self.feed(Input::Control { uuid, request });
            }
            Order::Freeze { ms } => {
                self.feed(Input::Hidden);
                self.place.record.note(&self.place.name, &format!("stands still for {ms} ms"));
                sleep(Duration::from_millis(ms)).await;
                self.feed(Input::Wake);
            }
            Order::Show { painted, tell } => {
                let _ = tell.send(self.view(painted));
            }
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Opened { number, send, token, renew_after } if number == self.socket_number => {
                self.socket = Some((send, Instant::now() + renew_after));
                self.feed(Input::Opened { token });
            }
            Event::Frame { number, text } if number == self.socket_number => {
                if text.starts_with(r#"{"type":"live""#) {
                    self.place.record.truth().live += 1;
                }
                let text = if self.place.garbles { text.replace("fact #1", "fact #9") } else { text };
                self.feed(Input::Frame(text));
            }
            Event::Closed { number, code } if number == self.socket_number => {
                self.socket = None;
                self.place.record.note(&self.place.name, &format!("is closed with {code}"));
                self.feed(Input::Closed { code });
            }
            Event::Renewed { number, token, renew_after } if number == self.socket_number => {
                if let Some((_, renewal)) = &mut self.socket {
                    *renewal = Instant::now() + renew_after;
                }
                self.feed(Input::Renewed { token });
            }
            Event::Opened { .. } | Event::Frame { .. } | Event::Closed { .. } | Event::Renewed { .. } => {}
            Event::Input(input) => self.feed(input),
        }
    }

    fn feed(&mut self, input: Input) {
        self.machine.handle(self.place.clock.tick(), input);
        while let Some(output) = self.machine.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Open => self.open(),
            Output::Send(text) => {
                if let Some((socket, _)) = &self.socket {
                    let _ = socket.send(text);
                }
            }
            Output::Close { .. } => {
                self.socket_number += 1;
                self.socket = None;
            }
            Output::Post { post, body } => self.post(post, body),
            Output::Fetch { fetch, query } => self.fetch(fetch, query),
            Output::AskWhoami => {
                let device = self.place.device.clone();
                self.then(async move {
                    let whoami = match device.call("GET", "/v1/auth/whoami", None).await {
                        Ok(_) => Whoami::Known,
                        Err(Failure::Refused { status: 401 | 403, .. }) => Whoami::Refused,
                        Err(_) => Whoami::NoAnswer,
                    };
                    Input::Whoami(whoami)
                });
            }
            Output::Reload => {}
            Output::Keep { uuid, said: text } => {
                let (storage, delay) = (Arc::clone(&self.place.storage), self.dice.within(0..=STORAGE_MS));
                let (record, session) = (self.place.record.clone(), self.place.session.clone());
                self.then(async move {
                    sleep(Duration::from_millis(delay)).await;
                    storage.lock().unwrap_or_else(PoisonError::into_inner).push((uuid.clone(), text));
                    record.truth().prompts.push(Said { session, uuid: uuid.clone() });
                    Input::Kept { uuid, lasting: true }
                });
            }
            Output::Forget { uuid } => {
                let mut kept = self.place.storage.lock().unwrap_or_else(PoisonError::into_inner);
                kept.retain(|(known, _)| *known != uuid);
            }
            Output::Change(Change::LogReset(ResetReason::Epoch | ResetReason::BeyondHead)) => {
                self.told_of_restores += 1;
                self.place.record.note(&self.place.name, "is told that the log is another one");
            }
            Output::Change(_) => {}
        }
    }

    fn then(&mut self, input: impl Future<Output = Input> + Send + 'static) {
        let heard = self.heard_in.clone();
        self.tasks.spawn(async move {
            let input = input.await;
            let _ = heard.send(Event::Input(input)).await;
        });
    }

    fn open(&mut self) {
        self.socket_number += 1;
        self.socket = None;
        let (number, place, heard) = (self.socket_number, self.place.clone(), self.heard_in.clone());
        self.tasks.spawn(async move { converse(number, place, heard).await });
    }

    /// A socket outlives its token: the next one is sent before the first ends.
    fn renew(&mut self) {
        if let Some((_, renewal)) = &mut self.socket {
            *renewal = Instant::now() + Duration::from_secs(3_600);
        }
        let (number, device, heard) = (self.socket_number, self.place.device.clone(), self.heard_in.clone());
        let clock = self.place.clock;
        self.tasks.spawn(async move {
            let Ok(token) = device.fresh_token().await else { return };
            let renew_after = Duration::from_millis(token.renew_at.since(clock.tick()));
            let _ = heard.send(Event::Renewed { number, token: token.text, renew_after }).await;
        });
    }

    fn post(&mut self, post: u64, body: String) {
        let place = self.place.clone();
        self.then(async move {
            let outcome = match send_up(&place, &body).await {
                Ok(answer) => {
                    let posted = serde_json::from_str::<PostedEvents>(&answer).ok();
                    let seq = posted.and_then(|posted| posted.data.first().and_then(|event| event.seq));
                    PostOutcome::Accepted { seq }
                }
                // A token that ended twice on the way says nothing about what was sent.
                Err(Failure::Refused { status, detail }) if status < 500 && !matches!(status, 401 | 429) => {
                    PostOutcome::Refused(*detail)
                }
                Err(_) => PostOutcome::Failed,
            };
            Input::Posted { post, outcome }
        });
    }

    fn fetch(&mut self, fetch: u64, query: PageQuery) {
        let place = self.place.clone();
        self.then(async move {
            let mut path = format!("/v1/sessions/{}/events?limit={}", place.session, query.limit);
            if let Some(after) = query.after_seq {
                path.push_str(&format!("&after_seq={after}"));
            }
            if let Some(before) = query.before_seq {
                path.push_str(&format!("&before_seq={before}"));
            }
            let answer = place.device.call("GET", &path, None).await;
            Input::Fetched { fetch, page: answer.ok().and_then(|text| serde_json::from_str(&text).ok()) }
        });
    }

    fn decide(&mut self, allow: bool) {
        let waiting = self.machine.ledger().entries().iter().find(|entry| {
            entry.state == PermissionState::Pending && !matches!(entry.click, Click::Sending { .. })
        });
        let Some(entry) = waiting else { return };
        let (request_id, digest) = (entry.request_id.clone(), entry.digest.clone());
        let edited = allow && self.dice.hits(150);
        let choice = match (allow, edited) {
            (true, false) => Choice::Allow,
            (true, true) => {
                let input = format!(r#"{{"command":"echo edited {:x}","n":1.00}}"#, self.dice.next());
                Choice::AllowEdited { input: RawJson::parse(&input).expect("it is JSON") }
            }
            (false, _) => Choice::Deny { message: "no".into(), interrupt: false },
        };
        self.place.record.note(&self.place.name, &format!("decides {request_id} {}", choice_name(&choice)));
        let uuid = self.dice.uuid();
        self.feed(Input::Decide { uuid, request_id, digest, choice });
    }

    /// What a broken or hostile page might send.
    fn forge(&mut self, forgery: Forgery) {
        #[derive(Deserialize)]
        struct Asked {
            input: RawJson,
        }
        let pending =
            self.machine.ledger().entries().iter().find(|entry| entry.state == PermissionState::Pending);
        let Some(entry) = pending else { return };
        let Ok(Asked { input }) = entry.raw.read::<Asked>() else { return };
        let digest = match forgery {
            Forgery::WrongDigest => entry.digest.chars().rev().collect(),
            Forgery::Stale | Forgery::OtherInput => entry.digest.clone(),
        };
        let input = if forgery == Forgery::OtherInput { r#"{"command":"rm -rf /"}"# } else { input.as_str() };
        let now_ms = portcullis_ingress::Clock::now_ms(&self.place.clock);
        let at = if forgery == Forgery::Stale { now_ms.saturating_sub(61_000) } else { now_ms };
        let body = format!(
            r#"{{"events":[{{"type":"control_response","uuid":"{}","digest":"{digest}","decided_at_ms":{at},"response":{{"subtype":"success","request_id":"{}","response":{{"behavior":"allow","updatedInput":{input}}}}}}}]}}"#,
            self.dice.uuid(),
            entry.request_id,
        );
        self.place.record.note(&self.place.name, &format!("forges {forgery:?} of {}", entry.request_id));
        let place = self.place.clone();
        self.tasks.spawn(async move {
            let taken = send_up(&place, &body).await.is_ok();
            // An allowance of other bytes is taken by the server, which knows no content, and refused by the bridge.
            if taken && forgery != Forgery::OtherInput {
                place.record.truth().forged.push(format!("{forgery:?} was taken: {body}"));
            }
        });
    }

    fn view(&self, painted: bool) -> View {
        let machine = &self.machine;
        let items = machine.transcript().items().filter(|_| painted);
        let requests = machine.ledger().entries().iter().filter(|entry| !entry.state.is_final());
        let prompts = machine
            .transcript()
            .items()
            .filter_map(|item| if let ItemBody::Prompt(prompt) = &item.body { Some(prompt) } else { None });
        let unknown =
            prompts.chain(machine.transcript().queue()).filter(|prompt| prompt.state == PromptState::Unknown);
        View {
            unknown: unknown.map(|prompt| prompt.uuid.clone()).collect(),
            items: items.map(|item| format!("{} {:?} {:?}", item.seq, item.parent, item.body)).collect(),
            queue: machine.transcript().queue().iter().map(|prompt| format!("{prompt:?}")).collect(),
            requests: requests
                .map(|entry| (entry.request_id.clone(), (entry.state, entry.digest.clone())))
                .collect(),
            outbox: machine
                .outbox()
                .entries()
                .iter()
                .map(|entry| {
                    (entry.prompt.uuid.clone(), format!("{:?} {:?}", entry.prompt.state, entry.error))
                })
                .collect(),
            applied: machine.applied_seq(),
            link: machine.link(),
            whole: machine.history().complete,
            gap: machine.gap().is_some(),
            told_of_restores: self.told_of_restores,
        }
    }
}

fn choice_name(choice: &Choice) -> &'static str {
    match choice {
        Choice::Allow | Choice::AllowWith { .. } | Choice::Answer { .. } => "allow",
        Choice::AllowEdited { .. } => "allow edited",
        Choice::Pick { .. } => "pick",
        Choice::Accept { .. } | Choice::Complete { .. } => "answer",
        Choice::Deny { .. } => "deny",
    }
}

/// POSTs to the session, and puts down every decision that goes out and what became of it.
async fn send_up(place: &Place, body: &str) -> Result<String, Failure> {
    let path = format!("/v1/sessions/{}/events", place.session);
    let posted = Posted::read(body);
    let at = posted.map(|posted| place.record.posted(posted));
    let outcome = place.device.call("POST", &path, Some(body)).await;
    if let Some(at) = at {
        place.record.answered(at, outcome.is_ok());
        place.record.note(&place.name, &format!("has its decision answered: {:?}", outcome.as_ref().err()));
    }
    outcome
}

/// One socket from its token to its end.
async fn converse(number: u64, place: Place, heard: mpsc::Sender<Event>) {
    let closed = |code| Event::Closed { number, code };
    let token = match place.device.fresh_token().await {
        Ok(token) => token,
        Err(Failure::Refused { status, .. }) if status < 500 && status != 429 => {
            let _ = heard.send(closed(4003)).await;
            return;
        }
        Err(_) => {
            let _ = heard.send(closed(1006)).await;
            return;
        }
    };
    let path =
        format!("/v1/sessions/ws/{}/subscribe?organization_uuid=o&dialect=portcullis.v1", place.session);
    let Ok(mut socket) = open_socket(&place.network, &path, None).await else {
        let _ = heard.send(closed(1006)).await;
        return;
    };
    let (send, mut sent) = mpsc::unbounded_channel::<String>();
    let renew_after = Duration::from_millis(token.renew_at.since(place.clock.tick()));
    if heard.send(Event::Opened { number, send, token: token.text, renew_after }).await.is_err() {
        return;
    }
    let (frames_in, mut frames) = mpsc::channel(FRAMES_WAITING);
    let forward = async {
        while let Some(text) = frames.recv().await {
            if heard.send(Event::Frame { number, text }).await.is_err() {
                break;
            }
        }
    };
    let talk = async {
        let frames_in = frames_in;
        loop {
            let place_in_line = frames_in.reserve();
            tokio::select! {
                biased;
                text = sent.recv() => {
                    let Some(text) = text else {
                        let _ = socket.close(None).await;
                        return 1000;
                    };
                    if socket.send(Message::text(text)).await.is_err() {
                        return 1006;
                    }
                }
                place_in_line = place_in_line => {
                    let Ok(place_in_line) = place_in_line else { return 1006 };
                    tokio::select! {
                        biased;
                        text = sent.recv() => {
                            let Some(text) = text else {
                                let _ = socket.close(None).await;
                                return 1000;
                            };
                            if socket.send(Message::text(text)).await.is_err() {
                                return 1006;
                            }
                        }
                        heard = hear(&mut socket) => match heard {
                            Heard::Text(text) => place_in_line.send(text),
                            Heard::Closed(code) => return code,
                        },
                    }
                }
            }
        }
    };
    let (code, ()) = tokio::join!(talk, forward);
    let _ = heard.send(closed(code)).await;
}

/// Whether a link will not try again by itself.
#[must_use]
pub(crate) fn is_stopped(link: LinkView) -> Option<StopReason> {
    if let LinkView::Stopped(reason) = link { Some(reason) } else { None }
}
