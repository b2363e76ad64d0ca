//! A page in the test's browser, fed through the real machine: frames in, elements out.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::mount::{UnmountHandle, mount_to};
use leptos::prelude::*;
use leptos::tachys::view::any_view::AnyViewState;
use portcullis_protocol::approval::digest;
use portcullis_protocol::session::{Choice, Input, Output, Session, SessionConfig, StartAt};
use portcullis_protocol::{RawJson, Tick};
use portcullis_web::state::app::App;
use portcullis_web::state::command::Command;
use portcullis_web::state::dirty::Dirty;
use portcullis_web::state::route::Route;
use portcullis_web::view;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, HtmlElement};

/// What a server says first.
pub(crate) const WELCOME: &str = r#"{"type":"welcome","epoch":"e","head_seq":0,"resumed":false,"heartbeat_ms":10000,"server_time_ms":1,"worker":{"state":"online"},"pending":[],"role":"owner"}"#;

/// One mounted piece of the client and the machine behind it.
pub(crate) struct Page {
    pub(crate) app: App,
    machine: RefCell<Session>,
    seq: RefCell<u64>,
    posts: RefCell<Vec<u64>>,
    fetches: RefCell<Vec<u64>>,
    root: HtmlElement,
    commands: Rc<RefCell<Vec<Command>>>,
    mounted: Option<UnmountHandle<AnyViewState>>,
    owner: Owner,
}

impl Page {
    pub(crate) fn with_transcript() -> Self {
        Self::mount(|| view! { <view::Transcript/> }.into_any())
    }

    pub(crate) fn with_gate() -> Self {
        Self::mount(|| view! { <view::Gate/> }.into_any())
    }

    pub(crate) fn with_gate_and_keys() -> Self {
        Self::mount(|| {
            view::install_keys(App::here());
            view! { <view::Gate/> }.into_any()
        })
    }

    pub(crate) fn with_inbox() -> Self {
        Self::mount(|| {
            view::install_keys(App::here());
            view! { <view::Inbox/> }.into_any()
        })
    }

    /// Everything by name, and the keys, above a composer.
    pub(crate) fn with_overlays() -> Self {
        Self::mount(|| {
            view::install_keys(App::here());
            view! { <view::Composer draft="test".to_owned()/><view::Overlays/> }.into_any()
        })
    }

    pub(crate) fn with_queue() -> Self {
        Self::mount(|| view! { <view::Queue/> }.into_any())
    }

    pub(crate) fn with_bar() -> Self {
        Self::mount(|| view! { <view::Bar/> }.into_any())
    }

    pub(crate) fn with_log_out() -> Self {
        Self::mount(|| view! { <view::LogOut/> }.into_any())
    }

    /// Any one component.
    pub(crate) fn with(piece: fn() -> AnyView) -> Self {
        Self::mount(piece)
    }

    /// All of it, in the session `s_1`.
    pub(crate) fn whole() -> Self {
        Self::mount(|| view! { <view::Page app=App::here()/> }.into_any())
    }

    pub(crate) fn with_composer() -> Self {
        Self::mount(|| view! { <view::Composer draft="test".to_owned()/> }.into_any())
    }

    /// A transcript that begins with the newest page of its log.
    pub(crate) fn at_the_tail(rows: &[serde_json::Value]) -> Self {
        let page = Self::mount_at(StartAt::Tail, || view! { <view::Transcript/> }.into_any());
        page.feed(Tick(0), Input::Start);
        page.history(rows);
        page.feed(Tick(0), Input::Opened { token: "t".into() });
        page.frame(
            Tick(0),
            r#"{"type":"welcome","epoch":"e","head_seq":1000,"resumed":true,"heartbeat_ms":10000,"server_time_ms":1,"worker":{"state":"online"},"pending":[],"role":"owner"}"#,
        );
        page
    }

    /// The page of the log that was asked for last.
    pub(crate) fn history(&self, rows: &[serde_json::Value]) {
        if self.fetches.borrow().is_empty() {
            self.feed(Tick(1), Input::WantHistory);
        }
        let fetch = self.fetches.borrow_mut().pop().expect("a page was asked for");
        let page = serde_json::json!({"data":rows,"epoch":"e","head_seq":1000,"has_more":true});
        let page = serde_json::from_str(&page.to_string()).unwrap();
        self.feed(Tick(1), Input::Fetched { fetch, page: Some(page) });
    }

    fn mount(piece: fn() -> AnyView) -> Self {
        let page = Self::mount_at(StartAt::Beginning, piece);
        page.connect();
        page
    }

    fn mount_at(start: StartAt, piece: fn() -> AnyView) -> Self {
        let owner = Owner::new();
        owner.set();
        let app = App::new(Route::Home);
        let root: HtmlElement = document().create_element("div").unwrap().unchecked_into();
        document().body().unwrap().append_child(&root).unwrap();
        let mounted = mount_to(root.clone(), move || {
            provide_context(app);
            piece()
        });
        let commands = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&commands);
        app.on_command(move |command| heard.borrow_mut().push(command));
        Self {
            app,
            machine: RefCell::new(Session::new(SessionConfig { seed: 1, start })),
            seq: RefCell::new(0),
            posts: RefCell::default(),
            fetches: RefCell::default(),
            root,
            commands,
            mounted: Some(mounted),
            owner,
        }
    }

    fn connect(&self) {
        self.feed(Tick(0), Input::Start);
        self.feed(Tick(0), Input::Opened { token: "t".into() });
        self.frame(Tick(0), WELCOME);
    }

    /// Feeds the machine and paints what changed, as the driver does in a frame.
    pub(crate) fn feed(&self, now: Tick, input: Input) {
        let mut machine = self.machine.borrow_mut();
        machine.handle(now, input);
        let mut dirty = Dirty::default();
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Change(change) => dirty.note(&change),
                Output::Post { post, .. } => self.posts.borrow_mut().push(post),
                Output::Fetch { fetch, .. } => self.fetches.borrow_mut().push(fetch),
                Output::Open
                | Output::Send(_)
                | Output::Close { .. }
                | Output::AskWhoami
                | Output::Reload
                | Output::Keep { .. }
                | Output::Forget { .. } => {}
            }
        }
        self.app.session.paint(&machine, &dirty);
    }

    /// A person said something, and storage kept it.
    pub(crate) fn prompted(&self, now: Tick, uuid: &str, text: &str, lasting: bool) {
        self.feed(now, Input::Prompt { uuid: uuid.into(), said: text.into() });
        self.feed(now, Input::Kept { uuid: uuid.into(), lasting });
    }

    /// The number of the last POST.
    pub(crate) fn post(&self) -> u64 {
        *self.posts.borrow().last().expect("something was posted")
    }

    /// The connection is gone, and the next try comes.
    pub(crate) fn cut(&self, now: Tick) {
        self.feed(now, Input::Closed { code: 1006 });
    }

    /// What is heard of commands, even after the page ended.
    pub(crate) fn commands(&self) -> Rc<RefCell<Vec<Command>>> {
        Rc::clone(&self.commands)
    }

    /// All commands of one kind.
    pub(crate) fn sent<T>(&self, kind: impl Fn(&Command) -> Option<T>) -> Vec<T> {
        self.commands.borrow().iter().filter_map(kind).collect()
    }

    pub(crate) fn frame(&self, now: Tick, frame: &str) {
        self.feed(now, Input::Frame(frame.to_owned()));
    }

    /// A durable event, the next in the log.
    pub(crate) fn event(&self, now: Tick, event: &serde_json::Value) {
        *self.seq.borrow_mut() += 1;
        let seq = *self.seq.borrow();
        self.frame(
            now,
            &serde_json::json!({"type":"events","events":[{"seq":seq,"event":event}]}).to_string(),
        );
    }

    /// The agent said `text`, whole.
    pub(crate) fn said(&self, now: Tick, text: &str) {
        let seq = *self.seq.borrow();
        self.event(
            now,
            &serde_json::json!({
                "type":"assistant","uuid":format!("a{seq}"),"session_id":"","parent_tool_use_id":null,
                "message":{"id":format!("m{seq}"),"role":"assistant","content":[{"type":"text","text":text}]}
            }),
        );
    }

    /// A piece of a message while it is made.
    pub(crate) fn streamed(&self, now: Tick, n: u64, event: &serde_json::Value) {
        let live = serde_json::json!({"type":"live","events":[{"stream":"m","n":n,"after_seq":0,"event":
            {"type":"stream_event","uuid":"s","session_id":"","parent_tool_use_id":null,"api_message_id":"m-live","event":event}}]});
        self.frame(now, &live.to_string());
    }

    /// The agent asks.
    pub(crate) fn asked(&self, now: Tick, request_id: &str, request: &serde_json::Value) {
        self.frame(now, &asks(request_id, request, 1));
    }

    /// A request came to `state`.
    pub(crate) fn stepped(&self, now: Tick, request_id: &str, request: &serde_json::Value, state: &str) {
        let digest = digest(&RawJson::from_value(request));
        self.frame(
            now,
            &format!(
                r#"{{"type":"permission","request_id":"{request_id}","state":"{state}","digest":"{digest}"}}"#
            ),
        );
    }

    /// What was decided so far.
    pub(crate) fn decisions(&self) -> Vec<(String, Choice)> {
        let mut decisions = Vec::new();
        for command in self.commands.borrow().iter() {
            if let Command::Decide { request_id, choice, .. } = command {
                decisions.push((request_id.clone(), choice.clone()));
            }
        }
        decisions
    }

    /// What was decided so far, with the session it was about.
    pub(crate) fn decided_in(&self) -> Vec<(String, String)> {
        self.sent(|command| match command {
            Command::Decide { session, request_id, .. } => {
                Some((session.as_ref().map(ToString::to_string).unwrap_or_default(), request_id.clone()))
            }
            _ => None,
        })
    }

    /// What was said so far.
    pub(crate) fn prompts(&self) -> Vec<String> {
        let mut prompts = Vec::new();
        for command in self.commands.borrow().iter() {
            if let Command::Prompt(said) = command {
                prompts.push(said.text.clone());
            }
        }
        prompts
    }

    pub(crate) fn find(&self, selector: &str) -> Option<Element> {
        self.root.query_selector(selector).unwrap()
    }

    pub(crate) fn element<T: wasm_bindgen::JsCast>(&self, selector: &str) -> T {
        self.find(selector).unwrap_or_else(|| panic!("no {selector}")).unchecked_into()
    }

    pub(crate) fn root_all(&self, selector: &str) -> Vec<Element> {
        let found = self.root.query_selector_all(selector).unwrap();
        (0..found.length()).map(|at| found.get(at).unwrap().unchecked_into()).collect()
    }

    pub(crate) fn count(&self, selector: &str) -> usize {
        self.root_all(selector).len()
    }

    pub(crate) fn text(&self, selector: &str) -> String {
        self.root_all(selector).iter().filter_map(|element| element.text_content()).collect()
    }

    pub(crate) fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        self.root_all(selector)
            .iter()
            .map(|element| element.get_attribute(name).unwrap_or_default())
            .collect()
    }

    pub(crate) fn is_disabled(&self, selector: &str) -> bool {
        self.element::<Element>(selector).has_attribute("disabled")
    }

    pub(crate) fn click(&self, selector: &str) {
        self.element::<HtmlElement>(selector).click();
    }

    pub(crate) fn window_has_no(&self, name: &str) -> bool {
        js_sys::Reflect::get(&window(), &name.into()).unwrap().is_undefined()
    }

    /// Removes it, so that the next test starts from an empty page.
    pub(crate) fn end(mut self) {
        drop(self.mounted.take());
        self.root.remove();
        self.owner.cleanup();
    }
}

/// The frame that says that an agent asks.
pub(crate) fn asks(request_id: &str, request: &serde_json::Value, asked_at_ms: u64) -> String {
    let request = RawJson::from_value(request);
    format!(
        r#"{{"type":"permission","request_id":"{request_id}","state":"pending","digest":"{}","asked_at_ms":{asked_at_ms},"event":{{"type":"control_request","request_id":"{request_id}","request":{}}}}}"#,
        digest(&request),
        request.as_str()
    )
}

/// Waits until effects ran and the page was laid out: two frames.
pub(crate) async fn settled() {
    for _ in 0..2 {
        let frame = js_sys::Promise::new(&mut |resolve, _| {
            window().request_animation_frame(&resolve).unwrap();
        });
        JsFuture::from(frame).await.unwrap();
    }
}

/// Waits until `done`, at most five seconds.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..300 {
        if done() {
            return;
        }
        settled().await;
    }
    panic!("never: {what}");
}
