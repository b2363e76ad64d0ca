//! The doors by which foreign bytes come in, as plain functions: fuzzed on nightly, and run on stable by the property
//! tests of `crates/protocol/tests/hostile.rs`. They panic where something that must hold does not.

use portcullis_protocol::approval::{Decision, bind, reveal::reveal};
use portcullis_protocol::json::JsonRef;
use portcullis_protocol::session::transcript::{Change, ItemId, Transcript};
use portcullis_protocol::session::{Input, Output, Session, SessionConfig, StartAt};
use portcullis_protocol::wire::client::{ClientFrame, ServerFrame};
use portcullis_protocol::wire::framing::{Line, LineFramer};
use portcullis_protocol::wire::rest::EventsPage;
use portcullis_protocol::wire::worker::{WorkerDown, WorkerPost, WorkerUp};
use portcullis_protocol::wire::{control, prompt};
use portcullis_protocol::{RawJson, Tick};
use serde_json::Value;

/// Any text through every decoder there is.
pub fn decoder(bytes: &[u8]) {
    let text = &String::from_utf8_lossy(bytes);
    let _ = ServerFrame::parse(text);
    let _ = ClientFrame::parse(text);
    let _ = WorkerDown::parse(text);
    let _ = WorkerUp::parse(text);
    let Ok(raw) = RawJson::parse(text) else { return };
    assert_eq!(raw.as_str(), text.trim_matches([' ', '\t', '\r', '\n']), "raw text stays as it came");
    look(&raw);
    let _ = raw.read::<WorkerPost>();
    let _ = (raw.has_duplicate_keys(), prompt::check(&raw), control::Request::parse(&raw));
    if let Ok(decision) = Decision::parse(&raw) {
        let _ = bind(&raw, &decision);
    }
    let shown = reveal(text);
    assert!(shown.fold.is_none_or(|fold| fold.start <= fold.end && fold.end <= shown.lines.len()));
    one_event(&raw);
}

/// What is looked up in checked text is what a parser reads, where parsers agree.
fn look(raw: &RawJson) {
    if let Ok(value) = raw.read::<Value>()
        && !raw.has_duplicate_keys()
    {
        same(raw.look(), &value);
    }
}

fn same(looked: JsonRef<'_>, parsed: &Value) {
    assert_eq!(looked.text().as_deref(), parsed.as_str());
    assert_eq!((looked.flag(), looked.is_none()), (parsed.as_bool(), parsed.is_null()));
    assert_eq!((looked.whole(), looked.number()), (parsed.as_u64(), parsed.as_f64()));
    let (mut items, mut entries) = (looked.items(), looked.entries());
    for parsed in parsed.as_array().into_iter().flatten() {
        same(items.next().expect("as many items"), parsed);
    }
    for (name, parsed) in parsed.as_object().into_iter().flatten() {
        let (key, value) = entries.next().expect("as many fields");
        assert_eq!(key, name.as_str());
        assert_eq!(looked.get(name), value);
        same(value, parsed);
    }
    assert_eq!((items.next(), entries.next()), (None, None), "and no more");
}

/// One event into transcripts and into a session.
fn one_event(raw: &RawJson) {
    let mut page = Page::default();
    page.durable(raw);
    page.volatile(raw);
    page.durable(raw);
    let mut session = Session::new(SessionConfig { seed: 1, start: StartAt::Beginning });
    session.handle(Tick(0), Input::Start);
    session.handle(Tick(0), Input::Opened { token: "t".into() });
    session.handle(Tick(0), Input::Frame(raw.as_str().to_owned()));
    while session.poll_output().is_some() {}
    let page = raw.read::<EventsPage>().ok();
    let mut session = Session::new(SessionConfig { seed: 1, start: StartAt::Tail });
    session.handle(Tick(0), Input::Start);
    session.handle(Tick(0), Input::Fetched { fetch: 0, page: page.clone() });
    session.handle(Tick(0), Input::WantHistory);
    session.handle(Tick(0), Input::Fetched { fetch: 1, page });
    while session.poll_output().is_some() {}
}

/// Any bytes, cut anywhere, through the line framer: the first byte says where to cut.
pub fn framer(bytes: &[u8]) {
    const LINE_BYTES_MAX: usize = 64;
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let read = |chunk: usize| {
        let mut framer = LineFramer::new(LINE_BYTES_MAX);
        let mut lines: Vec<Line> = Vec::new();
        for chunk in bytes.chunks(chunk) {
            framer.push(chunk, |line| lines.push(line));
        }
        lines.extend(framer.finish());
        lines
    };
    assert_eq!(read(usize::from(*cut) + 1), read(bytes.len().max(1)), "chunks do not matter");
}

/// Any lines through the fold and a session. A line that begins with `~` is a volatile event.
pub fn fold(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut page = Page::default();
    let mut client = Client::online();
    for line in text.lines() {
        let (volatile, line) = line.strip_prefix('~').map_or((false, line), |line| (true, line));
        let Ok(event) = RawJson::parse(line) else { continue };
        if volatile {
            page.volatile(&event);
            client.volatile(&event);
        } else {
            page.durable(&event);
            client.durable(&event);
        }
    }
}

/// A transcript, and what a page makes of its changes.
#[derive(Default)]
struct Page {
    transcript: Transcript,
    seq: u64,
    shown: Vec<ItemId>,
}

impl Page {
    fn durable(&mut self, event: &RawJson) {
        self.seq += 1;
        self.transcript.apply(self.seq, event);
        self.follow();
    }

    fn volatile(&mut self, event: &RawJson) {
        self.transcript.apply_live(event);
        self.follow();
    }

    fn follow(&mut self) {
        for change in self.transcript.take_changes() {
            match change {
                Change::Reset => self.shown.clear(),
                Change::Inserted { index, id } => self.shown.insert(index, id),
                Change::Removed { index, id } => assert_eq!(self.shown.remove(index), id),
                Change::Updated { .. } | Change::Queue | Change::Facts => {}
            }
        }
        assert_eq!(self.shown, self.transcript.order(), "a page that follows the changes shows the same");
        assert_eq!(self.transcript.items().count(), self.shown.len(), "every id has its item");
    }
}

/// A session that is online, and the log it reads.
struct Client {
    session: Session,
    head: u64,
    n: u64,
}

impl Client {
    fn online() -> Self {
        let mut client = Self {
            session: Session::new(SessionConfig { seed: 1, start: StartAt::Beginning }),
            head: 0,
            n: 0,
        };
        client.feed(Input::Start);
        client.feed(Input::Opened { token: "t".into() });
        client.feed(Input::Frame(
            r#"{"type":"welcome","epoch":"e","head_seq":0,"resumed":true,"heartbeat_ms":1,"server_time_ms":1,"worker":{"state":"online"},"pending":[],"role":"owner"}"#.into(),
        ));
        client
    }

    fn durable(&mut self, event: &RawJson) {
        self.head += 1;
        let (seq, event) = (self.head, event.as_str());
        self.feed(Input::Frame(format!(r#"{{"type":"events","events":[{{"seq":{seq},"event":{event}}}]}}"#)));
        assert_eq!(
            self.session.applied_seq(),
            self.head,
            "an event of the log is applied, whatever it holds"
        );
    }

    fn volatile(&mut self, event: &RawJson) {
        let (n, after_seq, event) = (self.n, self.head, event.as_str());
        self.n += 1;
        self.feed(Input::Frame(format!(
            r#"{{"type":"live","events":[{{"stream":"s","n":{n},"after_seq":{after_seq},"event":{event}}}]}}"#
        )));
    }

    fn feed(&mut self, input: Input) -> Vec<Output> {
        self.session.handle(Tick(0), input);
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }
}
