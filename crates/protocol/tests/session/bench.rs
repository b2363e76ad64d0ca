//! A session machine on a virtual clock, against a hand-driven server.

use portcullis_protocol::approval::digest;
use portcullis_protocol::session::transcript::ItemBody;
use portcullis_protocol::session::{
    Choice, Click, Input, LinkView, Output, PageQuery, PostOutcome, Session, SessionConfig, StartAt,
};
use portcullis_protocol::{RawJson, Tick};

/// A session, its clock, and everything it asked for.
pub(crate) struct Bench {
    pub(crate) session: Session,
    pub(crate) now: Tick,
    pub(crate) outputs: Vec<Output>,
    /// Whether storage answers at once.
    pub(crate) storage: bool,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::starting(StartAt::Beginning)
    }

    pub(crate) fn starting(start: StartAt) -> Self {
        Self {
            session: Session::new(SessionConfig { seed: 42, start }),
            now: Tick(0),
            outputs: Vec::new(),
            storage: true,
        }
    }

    /// A session that is online at the head of an empty log.
    pub(crate) fn online() -> Self {
        let mut bench = Self::new();
        bench.feed(Input::Start);
        bench.feed(Input::Opened { token: "t1".into() });
        bench.frame(&welcome(0, true, "[]"));
        bench.outputs.clear();
        bench
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.session.handle(self.now, input);
        while let Some(output) = self.session.poll_output() {
            let kept = if let Output::Keep { uuid, .. } = &output { Some(uuid.clone()) } else { None };
            self.outputs.push(output);
            if let Some(uuid) = kept.filter(|_| self.storage) {
                self.session.handle(self.now, Input::Kept { uuid, lasting: true });
            }
        }
    }

    pub(crate) fn decide(&mut self, uuid: impl Into<String>, choice: Choice) {
        let shown = self.session.ledger().get("R").map(|entry| entry.digest.clone());
        let digest = shown.unwrap_or_default();
        self.feed(Input::Decide { uuid: uuid.into(), request_id: "R".into(), digest, choice });
    }

    pub(crate) fn frame(&mut self, text: &str) {
        self.feed(Input::Frame(text.into()));
    }

    pub(crate) fn event(&mut self, seq: u64, event: &str) {
        self.frame(&format!(r#"{{"type":"events","events":[{{"seq":{seq},"event":{event}}}]}}"#));
    }

    /// A prompt of this client's, as the log shows it.
    pub(crate) fn prompt_event(&mut self, seq: u64, uuid: &str) {
        self.event(seq, &prompt_event(uuid));
    }

    /// From wherever the link stands: the next socket opens and says this.
    pub(crate) fn reconnect(&mut self, welcome: &str) {
        if self.session.link() == LinkView::Online {
            self.feed(Input::Closed { code: 1006 });
        }
        while self.session.link() != LinkView::Connecting {
            self.wait();
        }
        self.feed(Input::Opened { token: "t".into() });
        self.frame(welcome);
    }

    /// Lets `ms` pass, with every timer that comes due.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now.after(ms);
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= until) {
            assert!(due > self.now || self.now == Tick(0) || due == self.now, "time goes on");
            self.now = due.max(self.now);
            self.feed(Input::Timeout);
            assert!(
                self.session.poll_timeout() > Some(self.now) || self.session.poll_timeout().is_none(),
                "a timer that was heard is over"
            );
        }
        self.now = until;
    }

    pub(crate) fn fetches(&self) -> Vec<(u64, PageQuery)> {
        let fetch = |output: &Output| {
            if let Output::Fetch { fetch, query } = output { Some((*fetch, *query)) } else { None }
        };
        self.outputs.iter().filter_map(fetch).collect()
    }

    /// Says a prompt and returns the number of its POST.
    pub(crate) fn say(&mut self, uuid: &str) -> u64 {
        let before = self.posts().len();
        self.feed(Input::Prompt { uuid: uuid.into(), said: format!("text of {uuid}").into() });
        self.posts().get(before).map_or(u64::MAX, |(post, _)| *post)
    }

    pub(crate) fn accept(&mut self, post: u64, seq: Option<u64>) {
        self.feed(Input::Posted { post, outcome: PostOutcome::Accepted { seq } });
    }

    /// The outbox: each uuid with its state.
    pub(crate) fn outbox(&self) -> Vec<String> {
        let entries = self.session.outbox().entries().iter();
        entries.map(|entry| format!("{} {}", entry.prompt.uuid, entry.prompt.state.as_str())).collect()
    }

    /// The state of the request `R`, and what is said about the click.
    pub(crate) fn click(&self) -> Click {
        self.session.ledger().get("R").expect("R is in view").click.clone()
    }

    pub(crate) fn ask(&mut self) {
        self.frame(&format!(r#"{{"type":"permission",{}"#, &pending("R", &request_digest())[1..]));
    }

    /// Lets time pass up to the next deadline, once.
    pub(crate) fn wait(&mut self) {
        self.now = self.session.poll_timeout().expect("something is due");
        self.feed(Input::Timeout);
    }

    pub(crate) fn sent(&self) -> Vec<&str> {
        self.outputs
            .iter()
            .filter_map(|output| if let Output::Send(text) = output { Some(text.as_str()) } else { None })
            .collect()
    }

    pub(crate) fn posts(&self) -> Vec<(u64, &str)> {
        let post = |output| {
            if let &Output::Post { post, ref body } = output { Some((post, body.as_str())) } else { None }
        };
        self.outputs.iter().filter_map(post).collect()
    }

    pub(crate) fn asked_to_open(&self) -> usize {
        self.outputs.iter().filter(|output| **output == Output::Open).count()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |body: &ItemBody| match body {
            ItemBody::Text { text, live, .. } => Some(format!("{}{text}", if *live { "~" } else { "" })),
            ItemBody::Prompt(prompt) => Some(format!("> {}", prompt.text)),
            ItemBody::Tool(call) => Some(format!("{} {}", call.name, call.state.as_str())),
            ItemBody::Thinking { .. } | ItemBody::Notice(_) | ItemBody::TurnEnd(_) => None,
        };
        self.session.transcript().items().filter_map(|item| text(&item.body)).collect()
    }
}

pub(crate) fn welcome(head_seq: u64, resumed: bool, pending: &str) -> String {
    welcome_of("e1", head_seq, resumed, pending)
}

pub(crate) fn welcome_of(epoch: &str, head_seq: u64, resumed: bool, pending: &str) -> String {
    format!(
        r#"{{"type":"welcome","epoch":"{epoch}","head_seq":{head_seq},"resumed":{resumed},"heartbeat_ms":10000,"server_time_ms":1000000,"worker":{{"state":"online"}},"pending":{pending},"role":"owner"}}"#
    )
}

pub(crate) fn prompt_event(uuid: &str) -> String {
    format!(r#"{{"type":"user","uuid":"{uuid}","message":{{"role":"user","content":"text of {uuid}"}}}}"#)
}

pub(crate) fn text_event(id: &str, text: &str) -> String {
    format!(
        r#"{{"type":"assistant","uuid":"u-{id}","message":{{"id":"{id}","content":[{{"type":"text","text":"{text}"}}]}}}}"#
    )
}

pub(crate) fn live(n: u64, after_seq: u64, event: &str) -> String {
    format!(
        r#"{{"type":"live","events":[{{"stream":"m1","n":{n},"after_seq":{after_seq},"event":{{"type":"stream_event","api_message_id":"m1","event":{event}}}}}]}}"#
    )
}

pub(crate) const START: &str = r#"{"type":"message_start","message":{"id":"m1"}}"#;
pub(crate) const BLOCK: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;

pub(crate) fn delta(text: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#)
}

pub(crate) const REQUEST: &str = r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls","n":1.0},"tool_use_id":"t1","permission_suggestions":[{"type":"setMode","mode":"acceptEdits","destination":"session"}]}"#;

pub(crate) fn request_digest() -> String {
    digest(&RawJson::parse(REQUEST).unwrap())
}

pub(crate) fn pending(request_id: &str, digest: &str) -> String {
    format!(
        r#"{{"request_id":"{request_id}","state":"pending","digest":"{digest}","asked_at_ms":1,"event":{{"type":"control_request","request_id":"{request_id}","request":{REQUEST}}}}}"#
    )
}

pub(crate) fn step(request_id: &str, state: &str) -> String {
    format!(
        r#"{{"type":"permission","request_id":"{request_id}","state":"{state}","digest":"{}","decided_by":"phone","behavior":"allow"}}"#,
        request_digest()
    )
}
