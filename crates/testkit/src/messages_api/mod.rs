//! A Messages API on loopback, for agents that would otherwise need a key and a network. A test queues replies, points
//! `ANTHROPIC_BASE_URL` at it, and looks at what was asked.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use portcullis_testkit::{MessagesApi, Reply};
//!
//! let api = MessagesApi::start().await.unwrap();
//! api.then(Reply::new().tool("Bash", serde_json::json!({"command": "ls"})));
//! api.then(Reply::new().text("Two files."));
//! let answer = reqwest::Client::new()
//!     .post(format!("{}/v1/messages", api.base_url()))
//!     .body(r#"{"model": "m", "max_tokens": 9, "messages": [], "stream": true}"#)
//!     .send();
//! assert!(answer.await.unwrap().text().await.unwrap().contains("tool_use"));
//! assert_eq!(api.requests()[0].body["model"], "m");
//! # });
//! ```

mod reply;
mod request;
mod speech;

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use serde_json::json;
use speech::Speaker;
use tokio::{sync::watch, time::timeout};

use crate::loopback::Loopback;
pub use reply::{Gate, Reply};
pub use request::Request;

/// A conversation with pictures fits, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a wait for something a test expects may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What an agent that counts tokens first is told.
const COUNTED_TOKENS: u64 = 100;

/// A running API. It ends when this is dropped, with every answer it was still giving.
pub struct MessagesApi {
    shared: Arc<Shared>,
    server: Loopback,
}

struct Shared {
    script: Mutex<Script>,
    asked: watch::Sender<usize>,
    abandoned: watch::Sender<usize>,
}

#[derive(Default)]
struct Script {
    standing: Vec<(Wanted, Reply)>,
    /// Conversations that are answered on their own, by a piece of what opened them.
    threads: Vec<(String, VecDeque<Reply>)>,
    queue: VecDeque<Reply>,
    otherwise: Reply,
    requests: Vec<Request>,
    /// The places of those that no standing rule took.
    conversation: Vec<usize>,
}

type Wanted = Box<dyn Fn(&Request) -> bool + Send>;

impl fmt::Debug for MessagesApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MessagesApi").field("server", &self.server).finish_non_exhaustive()
    }
}

impl MessagesApi {
    /// Listens on a free port of loopback. What nobody scripted is answered with `ok`.
    pub async fn start() -> io::Result<Self> {
        let script = Script { otherwise: Reply::new().text("ok"), ..Script::default() };
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            asked: watch::Sender::new(0),
            abandoned: watch::Sender::new(0),
        });
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Loopback::serve(router).await?, shared })
    }

    /// What `ANTHROPIC_BASE_URL` has to be.
    pub fn base_url(&self) -> String {
        self.server.url()
    }

    /// The next request that no standing rule takes is answered with this.
    pub fn then(&self, reply: Reply) -> &Self {
        self.shared.script().queue.push_back(reply);
        self
    }

    /// The next request of the conversation whose first message holds `opening` is answered with this: for agents that
    /// hold several at a time.
    pub fn then_in(&self, opening: &str, reply: Reply) -> &Self {
        let mut script = self.shared.script();
        let at = script.threads.iter().position(|(known, _)| known == opening).unwrap_or_else(|| {
            script.threads.push((opening.to_owned(), VecDeque::new()));
            script.threads.len() - 1
        });
        script.threads[at].1.push_back(reply);
        drop(script);
        self
    }

    /// Every request like this is answered so, ahead of the queue: for what an agent asks beside its work.
    pub fn when(&self, wanted: impl Fn(&Request) -> bool + Send + 'static, reply: Reply) -> &Self {
        self.shared.script().standing.push((Box::new(wanted), reply));
        self
    }

    /// What is said once the queue is empty.
    pub fn otherwise(&self, reply: Reply) -> &Self {
        self.shared.script().otherwise = reply;
        self
    }

    /// Everything that was asked of `/v1/messages` so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.script().requests.clone()
    }

    /// The same without what standing rules answered.
    pub fn conversation(&self) -> Vec<Request> {
        let script = self.shared.script();
        script.conversation.iter().map(|at| script.requests[*at].clone()).collect()
    }

    /// Waits until that many requests came that no standing rule takes.
    ///
    /// # Panics
    ///
    /// When they do not come within a minute.
    pub async fn until_asked(&self, times: usize) -> Vec<Request> {
        wait(&self.shared.asked, times, "requests").await;
        self.conversation()
    }

    /// Waits until that many answers were left by whoever asked for them before they were complete.
    ///
    /// # Panics
    ///
    /// When nobody leaves within a minute.
    pub async fn until_abandoned(&self, times: usize) {
        wait(&self.shared.abandoned, times, "abandoned answers").await;
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the request down and finds its number and its answer.
    fn take(&self, request: Request) -> (usize, Reply) {
        let mut guard = self.script();
        let script = &mut *guard;
        let standing = script.standing.iter().find(|(wanted, _)| wanted(&request));
        let is_aside = standing.is_some();
        let reply = standing.map(|(_, reply)| reply.clone()).or_else(|| {
            let mut threads = script.threads.iter_mut();
            let thread = threads.find(|(opening, _)| request.opening_text().contains(opening.as_str()));
            thread.map_or(&mut script.queue, |(_, queue)| queue).pop_front()
        });
        let reply = reply.unwrap_or_else(|| script.otherwise.clone());
        let number = script.requests.len();
        script.requests.push(request);
        if !is_aside {
            script.conversation.push(number);
        }
        drop(guard);
        if !is_aside {
            self.asked.send_modify(|asked| *asked += 1);
        }
        (number, reply)
    }
}

async fn wait(counter: &watch::Sender<usize>, times: usize, what: &str) {
    let mut seen = counter.subscribe();
    let reached = timeout(PATIENCE, seen.wait_for(|count| *count >= times)).await;
    assert!(reached.is_ok(), "there were not {times} {what}");
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match (method.as_str(), uri.path()) {
        ("POST", "/v1/messages") => {
            let request = Request::new(&headers, &body);
            let (streams, model) = (request.body["stream"] == true, request.model().to_owned());
            let (number, reply) = shared.take(request);
            let speaker = Speaker { model, message_id: format!("msg_testkit{number:02}") };
            speech::say(reply, &speaker, streams, shared.abandoned.clone())
        }
        ("POST", "/v1/messages/count_tokens") => speech::whole(&json!({"input_tokens": COUNTED_TOKENS})),
        ("HEAD" | "GET", "/") => speech::whole(&json!({})),
        (_, path) => speech::failure(404, "not_found_error", &format!("there is no {path} here"), &[]),
    }
}
