//! Whatever is lost, cut, repeated or loaded late: the transcript at the end is the same, for every recording.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod recordings;

use std::fmt::Write as _;
use std::sync::LazyLock;

use portcullis_protocol::id::Epoch;
use portcullis_protocol::session::{Input, Output, Session, SessionConfig, StartAt};
use portcullis_protocol::wire::client::SeqEvent;
use portcullis_protocol::wire::rest::EventsPage;
use portcullis_protocol::{RawJson, Tick};
use proptest::prelude::*;
use recordings::captures;
use recordings::shown::{fold, render};

/// What the ingress holds of a recording: the log, and behind each of its positions the volatile events.
struct Room {
    name: String,
    rows: Vec<SeqEvent>,
    live: Vec<Vec<(u64, RawJson)>>,
    whole: String,
}

impl Room {
    fn of(name: String, events: &[RawJson]) -> Self {
        let (mut rows, mut live, mut n) = (Vec::new(), vec![Vec::new()], 0);
        for event in events {
            if event.header().is_ok_and(|header| header.is_durable()) {
                rows.push(SeqEvent { seq: rows.len() as u64 + 1, event: event.clone() });
                live.push(Vec::new());
            } else {
                live.last_mut().unwrap().push((n, event.clone()));
                n += 1;
            }
        }
        let whole = render(&fold(events, |_| false));
        Self { name, rows, live, whole }
    }

    fn all() -> &'static [Self] {
        static ROOMS: LazyLock<Vec<Room>> =
            LazyLock::new(|| captures().into_iter().map(|(name, events)| Room::of(name, &events)).collect());
        &ROOMS
    }

    /// Those that are short enough to be cut everywhere.
    fn short() -> impl Iterator<Item = &'static Self> {
        Self::all().iter().filter(|room| {
            (1..60).contains(&room.rows.len()) && room.live.iter().map(Vec::len).sum::<usize>() < 120
        })
    }

    fn page(&self, from: usize, to: usize) -> EventsPage {
        EventsPage {
            data: self.rows[from..to].to_vec(),
            epoch: Epoch::parse("e1").unwrap(),
            head_seq: self.rows.len() as u64,
            has_more: from > 0,
        }
    }
}

/// A client of a room.
struct Client<'a> {
    room: &'a Room,
    session: Session,
    now: Tick,
    /// The GET that is under way, and before which row.
    fetch: Option<(u64, Option<u64>)>,
}

impl<'a> Client<'a> {
    fn new(room: &'a Room) -> Self {
        Self::starting(room, StartAt::Beginning)
    }

    fn starting(room: &'a Room, start: StartAt) -> Self {
        Self { room, session: Session::new(SessionConfig { seed: 1, start }), now: Tick(0), fetch: None }
    }

    /// A client that begins with these rows, and is about to open its socket.
    fn joining(room: &'a Room, from: usize, to: usize) -> Self {
        let mut client = Self::starting(room, StartAt::Tail);
        client.feed(Input::Start);
        client.answer(room.page(from, to));
        client
    }

    /// Answers the GET that is under way.
    fn answer(&mut self, page: EventsPage) {
        let (fetch, _) = self.fetch.take().expect("a page was asked for");
        self.feed(Input::Fetched { fetch, page: Some(page) });
    }

    /// Loads at least one page of at most `chunk` rows above what is there, and more until it is drawn.
    fn scroll_up(&mut self, chunk: usize) {
        self.feed(Input::WantHistory);
        while let Some((_, Some(before))) = self.fetch {
            let to = usize::try_from(before).unwrap() - 1;
            self.answer(self.room.page(to.saturating_sub(chunk), to));
        }
    }

    fn scroll_to_top(&mut self, chunk: usize) {
        while !self.session.history().complete {
            self.scroll_up(chunk);
        }
    }

    fn feed(&mut self, input: Input) -> Vec<Output> {
        self.session.handle(self.now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| self.session.poll_output()).collect();
        for output in &outputs {
            if let Output::Fetch { fetch, query } = output {
                self.fetch = Some((*fetch, query.before_seq));
            }
        }
        outputs
    }

    /// Connects. Returns where the server goes on, from what the client asked for.
    fn connect(&mut self, epoch: &str) -> usize {
        self.now = self.now.after(60_000);
        self.feed(Input::Start);
        self.feed(Input::Closed { code: 1000 });
        self.feed(Input::Wake);
        let outputs = self.feed(Input::Opened { token: "t".into() });
        let asked = outputs.iter().any(
            |output| matches!(output, Output::Send(text) if text.contains(&format!(r#""epoch":"{epoch}""#))),
        );
        let head = self.room.rows.len();
        self.feed(Input::Frame(format!(
            r#"{{"type":"welcome","epoch":"{epoch}","head_seq":{head},"resumed":{asked},"heartbeat_ms":10000,"server_time_ms":1,"worker":{{"state":"online"}},"pending":[],"role":"owner"}}"#
        )));
        if asked { usize::try_from(self.session.applied_seq()).unwrap() } else { 0 }
    }

    /// Sends the log from one position to another, with the volatile events that `keep` lets through.
    fn send(&mut self, from: usize, to: usize, chunk: usize, mut keep: impl FnMut() -> bool) {
        let mut at = from;
        self.send_live(at, &mut keep);
        while at < to {
            let next = (at + chunk).min(to);
            let rows = serde_json::to_string(&self.room.rows[at..next]).unwrap();
            self.feed(Input::Frame(format!(r#"{{"type":"events","events":{rows}}}"#)));
            for at in at..next {
                self.send_live(at + 1, &mut keep);
            }
            at = next;
        }
    }

    fn send_live(&mut self, after: usize, keep: &mut impl FnMut() -> bool) {
        let mut events = String::new();
        for (n, event) in &self.room.live[after] {
            if keep() {
                let comma = if events.is_empty() { "" } else { "," };
                let _ = write!(
                    events,
                    r#"{comma}{{"stream":"s","n":{n},"after_seq":{after},"event":{}}}"#,
                    event.as_str()
                );
            }
        }
        if !events.is_empty() {
            self.feed(Input::Frame(format!(r#"{{"type":"live","events":[{events}]}}"#)));
        }
    }

    fn check(&self, what: &str) {
        let shown = render(self.session.transcript());
        assert_eq!(shown, self.room.whole, "{}: {what}", self.room.name);
    }
}

/// A coin that falls the same for the same seed; `one_in` 0 is never.
fn coin(seed: u64, one_in: u64) -> impl FnMut() -> bool {
    let mut random = seed | 1;
    move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        one_in > 0 && !random.is_multiple_of(one_in)
    }
}

#[test]
fn a_session_with_everything_and_with_no_volatile_event_shows_the_same() {
    for room in Room::all() {
        for one_in in [0, u64::MAX] {
            let mut client = Client::new(room);
            let from = client.connect("e1");
            client.send(from, room.rows.len(), 7, coin(1, one_in));
            client.check("whole");
        }
    }
}

#[test]
fn a_cut_at_any_event_resumes_to_the_same_transcript() {
    for room in Room::short() {
        for cut in 0..=room.rows.len() {
            let mut client = Client::new(room);
            let from = client.connect("e1");
            client.send(from, cut, 3, || true);
            let from = client.connect("e1");
            assert_eq!(from, cut, "{}", room.name);
            client.send(from, room.rows.len(), 3, || true);
            client.check("resumed");
        }
    }
}

#[test]
fn another_epoch_begins_anew() {
    for room in Room::all() {
        let mut client = Client::new(room);
        let from = client.connect("e0");
        client.send(from, room.rows.len() / 2, 5, || true);
        let from = client.connect("e1");
        assert_eq!(from, 0);
        client.send(from, room.rows.len(), 5, || true);
        client.check("begun anew");
    }
}

#[test]
fn joining_at_any_event_shows_the_same_once_the_history_above_was_loaded() {
    for room in Room::short() {
        for join in 0..room.rows.len() {
            let mut client = Client::joining(room, join, join + 1);
            let from = client.connect("e1");
            assert_eq!(from, join + 1, "{}", room.name);
            // Half of what is to come, then the history in pages of two, then the rest.
            let half = from + (room.rows.len() - from) / 2;
            client.send(from, half, 2, || true);
            client.scroll_to_top(2);
            client.send(half, room.rows.len(), 2, || true);
            client.check("joined late");
        }
    }
}

#[test]
fn previews_stay_while_history_is_loaded() {
    let room = Room::all().iter().find(|room| room.name == "text-only").unwrap();
    let sealed = room.rows.iter().position(|row| row.event.header().unwrap().kind == "assistant").unwrap();
    let mut client = Client::joining(room, sealed - 1, sealed);
    let from = client.connect("e1");
    client.send(from, sealed, 1, || true);
    let before = render(client.session.transcript());
    assert!(before.contains("(live)"), "{before}");
    client.scroll_up(sealed);
    assert!(client.session.history().complete);
    let after = render(client.session.transcript());
    assert!(after.contains("(live)") && after.contains("> [running]"), "{after}");
    client.send(sealed, room.rows.len(), 1, || true);
    client.check("sealed");
}

#[test]
fn pages_that_do_not_fit_change_nothing() {
    let room = Room::all().iter().find(|room| room.name == "bash-allowed").unwrap();
    let mut client = Client::starting(room, StartAt::Tail);
    client.feed(Input::Start);
    let mut holed = room.page(4, 8);
    holed.data.remove(1);
    client.answer(holed);
    assert_eq!((client.session.applied_seq(), client.session.history().complete), (0, false));

    let mut client = Client::joining(room, 6, 8);
    client.feed(Input::WantHistory);
    client.answer(room.page(0, 3));
    assert_eq!(client.session.history().first_seq, 7);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn losing_any_volatile_event_gives_the_same_transcript(seed in any::<u64>(), one_in in 2..9_u64) {
        for room in Room::all() {
            let mut keep = coin(seed, one_in);
            let mut client = Client::new(room);
            let from = client.connect("e1");
            client.send(from, room.rows.len(), 1, &mut keep);
            client.check("with some");
        }
    }

    #[test]
    fn cuts_chunks_and_losses_together_give_the_same_transcript(
        seed in any::<u64>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        chunk in 1..40_usize,
        join in any::<prop::sample::Index>(),
    ) {
        for room in Room::short() {
            let mut keep = coin(seed, 4);
            let join = join.index(room.rows.len() + 1);
            let mut client = match join {
                0 => Client::new(room),
                _ => Client::joining(room, join.saturating_sub(chunk), join),
            };
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(room.rows.len() + 1)).collect();
            at.push(room.rows.len());
            at.sort_unstable();
            for cut in at {
                let from = client.connect("e1");
                client.send(from, cut, chunk, &mut keep);
                client.scroll_up(chunk);
            }
            client.scroll_to_top(chunk);
            client.check("with cuts");
        }
    }
}
