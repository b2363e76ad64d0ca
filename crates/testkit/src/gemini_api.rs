//! Google's API for generated content on loopback, as far as an agent needs it to answer prompts. A test queues answers,
//! points `GOOGLE_GEMINI_BASE_URL` at it, and looks at what was asked.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::Uri,
    response::Response,
};
use serde_json::{Value, json};

use crate::loopback::Loopback;

/// A conversation with files in it fits, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an answer is said to have cost, in tokens.
const OUTPUT_TOKENS: u64 = 10;

/// A running API. It ends when this is dropped.
pub struct GeminiApi {
    shared: Arc<Mutex<Script>>,
    server: Loopback,
}

#[derive(Default)]
struct Script {
    queue: VecDeque<Value>,
    requests: Vec<Value>,
}

impl fmt::Debug for GeminiApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GeminiApi").field("server", &self.server).finish_non_exhaustive()
    }
}

impl GeminiApi {
    /// What every request is said to have cost, in tokens.
    pub const INPUT_TOKENS: u64 = 1_200;

    /// Listens on a free port of loopback. What nobody scripted is answered with `ok`.
    pub async fn start() -> io::Result<Self> {
        let shared = Arc::new(Mutex::new(Script::default()));
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Loopback::serve(router).await?, shared })
    }

    /// What `GOOGLE_GEMINI_BASE_URL` has to be.
    pub fn base_url(&self) -> String {
        self.server.url()
    }

    /// The next answer in a conversation is this text.
    pub fn then_text(&self, text: &str) -> &Self {
        self.then(json!({"text": text}))
    }

    /// The next answer in a conversation calls this tool.
    pub fn then_call(&self, name: &str, args: &Value) -> &Self {
        self.then(json!({"functionCall": {"name": name, "args": args}}))
    }

    fn then(&self, part: Value) -> &Self {
        script(&self.shared).queue.push_back(part);
        self
    }

    /// The bodies of everything that was asked in conversations so far, in order.
    pub fn requests(&self) -> Vec<Value> {
        script(&self.shared).requests.clone()
    }
}

fn script(shared: &Mutex<Script>) -> MutexGuard<'_, Script> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Mutex<Script>>>, uri: Uri, body: Bytes) -> Response {
    let Some((_, verb)) = uri.path().rsplit_once(':') else {
        return response(404, "application/json", json!({"error": {"code": 404}}).to_string());
    };
    match verb {
        "streamGenerateContent" => {
            let mut script = script(&shared);
            script.requests.push(serde_json::from_slice(&body).unwrap_or_default());
            let part = script.queue.pop_front().unwrap_or_else(|| json!({"text": "ok"}));
            response(200, "text/event-stream", format!("data: {}\r\n\r\n", content(&part)))
        }
        // What an agent asks beside its work, such as which model to ask: an answer without any news.
        "generateContent" => response(200, "application/json", content(&json!({"text": "{}"})).to_string()),
        "countTokens" => {
            response(200, "application/json", json!({"totalTokens": GeminiApi::INPUT_TOKENS}).to_string())
        }
        _ => response(404, "application/json", json!({"error": {"code": 404}}).to_string()),
    }
}

fn content(part: &Value) -> Value {
    let input_tokens = GeminiApi::INPUT_TOKENS;
    json!({
        "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [part]}}],
        "usageMetadata": {
            "promptTokenCount": input_tokens, "candidatesTokenCount": OUTPUT_TOKENS,
            "totalTokenCount": input_tokens + OUTPUT_TOKENS,
        },
    })
}

fn response(status: u16, kind: &str, body: String) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(Body::from(body))
        .expect("status and headers are valid")
}
