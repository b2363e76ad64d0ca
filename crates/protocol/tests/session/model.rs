//! One client against a model of the server, over a line that cuts, loses, repeats and delays whatever it likes. At the
//! end the line heals, and then: every prompt is in the log exactly once, the panel shows the server's requests, the
//! transcript is the fold of the log, and no timer fires without moving anything.

use std::collections::{BTreeMap, HashMap, VecDeque};

use portcullis_protocol::approval::{Decision, digest};
use portcullis_protocol::session::transcript::{ItemBody, Prompt, Transcript};
use portcullis_protocol::session::{
    Choice, Input, LinkView, Output, PageQuery, PostOutcome, Session, SessionConfig, StartAt, Whoami,
};
use portcullis_protocol::wire::client::{ClientFrame, PermissionState, SeqEvent};
use portcullis_protocol::wire::prompt::Said;
use portcullis_protocol::wire::rest::{ErrorDetail, EventsPage, PostEvents};
use portcullis_protocol::{RawJson, Tick};
use proptest::prelude::*;
use serde_json::json;

use crate::bench::{REQUEST, text_event};

/// A gap above which the model's server sends a client to the newest page.
const GAP_MAX: u64 = 12;
/// Steps within which a healed line has to bring everything where it belongs.
const HEAL_STEPS: usize = 1_000;

/// What the server holds.
#[derive(Default)]
struct Server {
    epoch: u32,
    log: Vec<RawJson>,
    /// Place of each uuid, and its bytes.
    uuids: HashMap<String, (u64, RawJson)>,
    requests: BTreeMap<String, PermissionState>,
    delivered: u64,
    texts: u32,
}

impl Server {
    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn append(&mut self, event: RawJson) -> u64 {
        self.log.push(event);
        self.head()
    }

    fn say_something(&mut self) {
        self.texts += 1;
        let text = text_event(&format!("m{}", self.texts), &format!("line {}", self.texts));
        self.append(RawJson::parse(&text).unwrap());
    }

    /// Takes one uplink event, as the ingress does.
    fn take(&mut self, event: &RawJson) -> PostOutcome {
        let refused = |kind: &str| {
            PostOutcome::Refused(ErrorDetail {
                kind: kind.into(),
                message: kind.into(),
                ..ErrorDetail::default()
            })
        };
        if let Ok(decision) = Decision::parse(event) {
            let fits = decision.digest == digest(&RawJson::parse(REQUEST).unwrap());
            return match self.requests.get_mut(&decision.request_id) {
                Some(state @ PermissionState::Pending) if fits => {
                    *state = PermissionState::Decided;
                    PostOutcome::Accepted { seq: None }
                }
                _ => refused("already_decided"),
            };
        }
        let uuid = event.header().unwrap().uuid.unwrap();
        if let Some((seq, bytes)) = self.uuids.get(&uuid) {
            return if bytes == event {
                PostOutcome::Accepted { seq: Some(*seq) }
            } else {
                refused("conflict")
            };
        }
        let seq = self.append(event.clone());
        self.uuids.insert(uuid, (seq, event.clone()));
        PostOutcome::Accepted { seq: Some(seq) }
    }

    fn rows(&self, after: u64, to: u64) -> Vec<SeqEvent> {
        let row = |seq: u64| SeqEvent { seq, event: self.log[usize::try_from(seq - 1).unwrap()].clone() };
        (after + 1..=to).map(row).collect()
    }

    fn page(&self, query: PageQuery) -> EventsPage {
        let to = query.before_seq.map_or(self.head(), |before| (before - 1).min(self.head()));
        let from = to.saturating_sub(query.limit.min(7) as u64);
        let page = json!({
            "data": self.rows(from, to), "epoch": format!("e{}", self.epoch), "head_seq": self.head(), "has_more": from > 0
        });
        serde_json::from_value(page).unwrap()
    }

    /// The database from an hour ago.
    fn restore(&mut self, keep: usize) {
        self.epoch += 1;
        self.log.truncate(keep);
        let head = self.head();
        self.uuids.retain(|_, (seq, _)| *seq <= head);
        self.delivered = self.delivered.min(head);
    }

    fn pending(&self) -> Vec<&str> {
        let pending = self.requests.iter().filter(|(_, state)| **state == PermissionState::Pending);
        pending.map(|(id, _)| id.as_str()).collect()
    }

    fn permission(&self, id: &str) -> serde_json::Value {
        let request: RawJson = RawJson::parse(REQUEST).unwrap();
        let state = self.requests[id];
        let mut frame =
            json!({"request_id": id, "state": state.as_str(), "digest": digest(&request), "asked_at_ms": 1});
        if !state.is_final() {
            frame["event"] = json!({"type": "control_request", "request_id": id, "request": request});
        }
        frame
    }
}

/// The one socket there may be, seen from the server.
#[derive(Default)]
enum Socket {
    #[default]
    None,
    /// The client waits for it to open.
    Opening,
    /// Frames on their way down, and the position up to which events were put there.
    Open { down: VecDeque<String>, sent: Option<u64> },
}

struct World {
    server: Server,
    session: Session,
    start: StartAt,
    now: Tick,
    socket: Socket,
    posts: Vec<(u64, RawJson, Option<PostOutcome>)>,
    fetches: Vec<(u64, PageQuery)>,
    asked_whoami: bool,
    /// What storage holds, and what it was asked to hold and has not answered for.
    stored: Vec<(String, Said)>,
    storing: VecDeque<(String, Said)>,
    said: Vec<String>,
    timers_at_once: u32,
    /// Whether the log was cut back: what it had may be gone.
    restored: bool,
}

impl World {
    fn new(start: StartAt) -> Self {
        let mut world = Self {
            server: Server::default(),
            session: Session::new(SessionConfig { seed: 9, start }),
            start,
            now: Tick(0),
            socket: Socket::None,
            posts: Vec::new(),
            fetches: Vec::new(),
            asked_whoami: false,
            stored: Vec::new(),
            storing: VecDeque::new(),
            said: Vec::new(),
            timers_at_once: 0,
            restored: false,
        };
        world.feed(Input::Start);
        world
    }

    fn feed(&mut self, input: Input) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Open => self.socket = Socket::Opening,
                Output::Close { .. } => self.socket = Socket::None,
                Output::Send(text) => self.hear(&text),
                Output::Post { post, body } => {
                    let body: PostEvents = serde_json::from_str(&body).unwrap();
                    self.posts.push((post, body.events[0].clone(), None));
                }
                Output::Fetch { fetch, query } => self.fetches.push((fetch, query)),
                Output::AskWhoami => self.asked_whoami = true,
                Output::Keep { uuid, said } => self.storing.push_back((uuid, said)),
                Output::Forget { uuid } => self.stored.retain(|(kept, _)| *kept != uuid),
                Output::Reload | Output::Change(_) => {}
            }
        }
    }

    fn hear(&mut self, text: &str) {
        let Socket::Open { down, sent } = &mut self.socket else { panic!("sent without a socket: {text}") };
        let ClientFrame::Auth(auth) = ClientFrame::parse(text).unwrap() else { return };
        let (epoch, head) = (format!("e{}", self.server.epoch), self.server.head());
        let (mut after, mut resumed, mut reason) = (0, false, None);
        if let Some(resume) = auth.resume {
            resumed = resume.epoch == epoch && resume.after_seq <= head;
            after = if resumed { resume.after_seq } else { 0 };
            if resume.max_gap.is_some() && head - after > GAP_MAX {
                (after, resumed, reason) = (head, false, Some("gap"));
            }
        }
        let open = self.server.requests.iter().filter(|(_, state)| !state.is_final());
        let pending: Vec<_> = open.map(|(id, _)| self.server.permission(id)).collect();
        let welcome = json!({
            "type": "welcome", "epoch": epoch, "head_seq": head, "resumed": resumed, "reset_reason": reason,
            "heartbeat_ms": 10_000, "server_time_ms": 1_000_000, "pending": pending, "role": "owner",
            "worker": {"state": "online", "delivered_seq": self.server.delivered},
        });
        down.push_back(welcome.to_string());
        *sent = Some(after);
    }

    /// Puts the next events on the line.
    fn pump(&mut self, chunk: u64) {
        let Socket::Open { down, sent: Some(sent) } = &mut self.socket else { return };
        let to = self.server.head().min(*sent + chunk);
        if to > *sent {
            let rows = self.server.rows(*sent, to);
            down.push_back(json!({"type": "events", "events": rows}).to_string());
            *sent = to;
        }
    }

    fn tell(&mut self, frame: serde_json::Value) {
        if let Socket::Open { down, sent: Some(_) } = &mut self.socket {
            down.push_back(frame.to_string());
        }
    }

    fn arrive(&mut self) {
        if let Socket::Opening = self.socket {
            self.socket = Socket::Open { down: VecDeque::new(), sent: None };
            return self.feed(Input::Opened { token: "t".into() });
        }
        if let Socket::Open { down, .. } = &mut self.socket
            && let Some(frame) = down.pop_front()
        {
            self.feed(Input::Frame(frame));
        }
    }

    fn cut(&mut self, code: u16) {
        if !matches!(self.socket, Socket::None) {
            self.socket = Socket::None;
            self.feed(Input::Closed { code });
        }
    }

    fn tick(&mut self) {
        if let Some(due) = self.session.poll_timeout() {
            self.now = self.now.max(due);
            self.feed(Input::Timeout);
            // A jitter of nothing leads on at once, but not for ever.
            let next = self.session.poll_timeout();
            self.timers_at_once = if next == Some(self.now) { self.timers_at_once + 1 } else { 0 };
            assert!(
                self.timers_at_once < 8 && next.is_none_or(|next| next >= self.now),
                "a timer spins: {next:?}"
            );
        }
    }

    fn store(&mut self, lasting: bool) {
        let Some((uuid, said)) = self.storing.pop_front() else { return };
        if lasting {
            self.stored.push((uuid.clone(), said));
        }
        self.feed(Input::Kept { uuid, lasting });
    }

    /// The server takes an event, and says so to whom it concerns.
    fn take(&mut self, event: &RawJson) -> PostOutcome {
        let outcome = self.server.take(event);
        if let (PostOutcome::Accepted { .. }, Ok(decision)) = (&outcome, Decision::parse(event)) {
            let mut frame = self.server.permission(&decision.request_id);
            frame["type"] = json!("permission");
            self.tell(frame);
        }
        outcome
    }

    fn step_request(&mut self, n: usize) {
        let open = self.server.requests.iter().filter(|(_, state)| !state.is_final());
        let Some((id, state)) = open.map(|(id, state)| (id.clone(), *state)).nth(n % 3) else { return };
        let next = match (state, n % 4) {
            (PermissionState::Pending, 0) => PermissionState::Cancelled,
            (PermissionState::Pending, _) => PermissionState::Decided,
            (PermissionState::Decided, 0) => PermissionState::Refused,
            (PermissionState::Decided, _) => PermissionState::Delivered,
            (_, _) => PermissionState::Settled,
        };
        assert!(state.may_become(next));
        self.server.requests.insert(id.clone(), next);
        let mut frame = self.server.permission(&id);
        frame["type"] = json!("permission");
        self.tell(frame);
    }

    fn act(&mut self, kind: u8, n: u8) {
        let pick = usize::from(n);
        match kind {
            0..=2 => self.server.say_something(),
            3..=9 => self.arrive(),
            10..=13 => self.pump(u64::from(n % 3) + 1),
            14 => self.cut([1006, 1000, 1012, 4004][pick % 4]),
            15 | 16 => {
                let uuid = format!("p{}", self.said.len());
                self.said.push(uuid.clone());
                self.feed(Input::Prompt { said: format!("text of {uuid}").into(), uuid });
            }
            17..=20 => self.store(!n.is_multiple_of(5)),
            // The server takes a POST: once, or a second time.
            21..=24 if !self.posts.is_empty() => {
                let at = pick % self.posts.len();
                let event = self.posts[at].1.clone();
                self.posts[at].2 = Some(self.take(&event));
            }
            25..=27 if !self.posts.is_empty() => {
                let (post, _, outcome) = self.posts.remove(pick % self.posts.len());
                let lost = n.is_multiple_of(4);
                let outcome = outcome.filter(|_| !lost).unwrap_or(PostOutcome::Failed);
                self.feed(Input::Posted { post, outcome });
            }
            28..=30 => self.tick(),
            31 => self.feed(if n.is_multiple_of(3) { Input::Hidden } else { Input::Wake }),
            32 => self.now = self.now.after(u64::from(n) * 200),
            33 => self.now = Tick(self.now.0.saturating_sub(u64::from(n) * 1_000)),
            34 => {
                let id = format!("R{}", self.server.requests.len());
                self.server.requests.insert(id.clone(), PermissionState::Pending);
                let mut frame = self.server.permission(&id);
                frame["type"] = json!("permission");
                self.tell(frame);
            }
            35 => self.step_request(pick),
            36 => {
                let entry = self.session.ledger().entries().get(pick % 3);
                if let Some((request_id, digest)) =
                    entry.map(|entry| (entry.request_id.clone(), entry.digest.clone()))
                {
                    let uuid = format!("d{n}{}", self.now.0);
                    self.feed(Input::Decide { uuid, request_id, digest, choice: Choice::Allow });
                }
            }
            37 | 38 => self.answer_fetch(!n.is_multiple_of(4)),
            39 => self.feed(Input::WantHistory),
            40 => self.reload(),
            41 if n.is_multiple_of(4) => {
                self.restored = true;
                let keep = pick % (self.server.log.len() + 1);
                self.server.restore(keep);
                self.cut(1012);
            }
            // A frame is lost and the socket lives: a hole.
            42 => {
                if let Socket::Open { down, .. } = &mut self.socket
                    && down.front().is_some_and(|frame| frame.contains(r#""type":"events""#))
                {
                    down.pop_front();
                }
            }
            43 => {
                self.server.delivered = self.server.head();
                let seq = self.server.delivered;
                self.tell(json!({"type": "worker", "state": "online", "delivered_seq": seq}));
            }
            44 => {
                let head = self.server.head();
                self.tell(json!({"type": "heartbeat", "head_seq": head, "server_time_ms": 1_000_000}));
            }
            45 if self.asked_whoami => {
                self.asked_whoami = false;
                self.feed(Input::Whoami(if n.is_multiple_of(2) { Whoami::Known } else { Whoami::NoAnswer }));
            }
            _ => {}
        }
    }

    fn answer_fetch(&mut self, arrives: bool) {
        if !self.fetches.is_empty() {
            let (fetch, query) = self.fetches.remove(0);
            let page = arrives.then(|| self.server.page(query));
            self.feed(Input::Fetched { fetch, page });
        }
    }

    /// The tab is loaded anew: what storage has comes back, everything else is gone.
    fn reload(&mut self) {
        let lost: Vec<String> = self
            .said
            .iter()
            .filter(|uuid| !self.stored.iter().any(|(kept, _)| kept == *uuid))
            .cloned()
            .collect();
        self.said.retain(|uuid| !lost.contains(uuid) || self.server.uuids.contains_key(uuid));
        self.storing.clear();
        self.posts.clear();
        self.fetches.clear();
        self.socket = Socket::None;
        self.session = Session::new(SessionConfig { seed: self.now.0 | 1, start: self.start });
        self.feed(Input::Start);
        self.feed(Input::Restored(self.stored.clone()));
    }

    fn is_settled(&self) -> bool {
        self.session.link() == LinkView::Online
            && self.session.applied_seq() == self.server.head()
            && self.session.gap().is_none()
            && self.session.history().complete
            && self.session.outbox().entries().is_empty()
            && self.posts.is_empty()
            && matches!(&self.socket, Socket::Open { down, .. } if down.is_empty())
    }

    /// The line works from now on.
    fn heal(&mut self) {
        // Tokens that expired a moment ago are those of a line that was down.
        if let LinkView::Stopped(_) = self.session.link() {
            self.feed(Input::Start);
        }
        for _ in 0..HEAL_STEPS {
            while !self.storing.is_empty() {
                self.store(true);
            }
            while let Some((post, event, _)) = self.posts.pop() {
                let outcome = self.take(&event);
                self.feed(Input::Posted { post, outcome });
            }
            while !self.fetches.is_empty() {
                self.answer_fetch(true);
            }
            let quiet = matches!(&self.socket, Socket::Open { down, sent } if down.is_empty() && *sent == Some(self.server.head()));
            if !quiet && !matches!(self.socket, Socket::None) {
                self.arrive();
                self.pump(5);
                continue;
            }
            if self.is_settled() {
                return;
            }
            if !self.session.history().complete {
                self.feed(Input::WantHistory);
            }
            let head = self.server.head();
            self.tell(json!({"type": "heartbeat", "head_seq": head, "server_time_ms": 1_000_000}));
            self.arrive();
            if self.session.link() != LinkView::Online || self.posts.is_empty() {
                self.tick();
            }
        }
        panic!(
            "it does not settle: {:?} at {} of {}, {:?}",
            self.session.link(),
            self.session.applied_seq(),
            self.server.head(),
            self.session.outbox()
        );
    }

    fn check(&self) {
        for uuid in &self.said {
            let times = self
                .server
                .log
                .iter()
                .filter(|event| event.header().unwrap().uuid.as_ref() == Some(uuid))
                .count();
            if self.restored {
                assert!(times <= 1, "{uuid} is in the log {times} times");
            } else {
                assert_eq!(times, 1, "{uuid} in the log");
            }
        }
        assert_eq!(self.stored, [], "storage is empty when all is said");
        let waiting = |entry: &&portcullis_protocol::session::Entry| entry.state == PermissionState::Pending;
        let mut shown: Vec<&str> = self
            .session
            .ledger()
            .entries()
            .iter()
            .filter(waiting)
            .map(|entry| entry.request_id.as_str())
            .collect();
        shown.sort_unstable();
        assert_eq!(shown, self.server.pending(), "the panel");
        let mut fold = Transcript::new();
        for row in self.server.rows(0, self.server.head()) {
            fold.apply(row.seq, &row.event);
        }
        fold.set_delivered(self.session.worker().delivered_seq.unwrap_or_default());
        assert_eq!(view(self.session.transcript()), view(&fold), "the transcript");
    }
}

fn view(transcript: &Transcript) -> (Vec<&ItemBody>, &[Prompt]) {
    (transcript.items().map(|item| &item.body).collect(), transcript.queue())
}

fn run(start: StartAt, script: &[(u8, u8)]) {
    let mut world = World::new(start);
    for (kind, n) in script {
        world.act(*kind, *n);
    }
    world.heal();
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_line_does_everything_arrives_once_and_is_shown(
        tail in any::<bool>(),
        script in prop::collection::vec((0..46_u8, any::<u8>()), 0..250),
    ) {
        run(if tail { StartAt::Tail } else { StartAt::Beginning }, &script);
    }
}

/// What this test found once.
#[test]
fn scripts_that_failed_before() {
    // A POST whose timer came so late that it was slow and lost at once.
    run(StartAt::Beginning, &[(15, 0), (3, 0), (17, 0), (3, 0), (32, 150), (28, 0)]);
    // How far prompts had reached the agent was believed of a log that had been cut back.
    let mut script = vec![(0, 0); 8];
    script.extend([(3, 0), (3, 0), (0, 0), (0, 0), (0, 0), (43, 0), (0, 0), (37, 192), (28, 0), (37, 5)]);
    script.extend([(3, 0), (3, 0), (15, 0), (17, 0), (0, 0), (41, 140)]);
    run(StartAt::Tail, &script);
}
