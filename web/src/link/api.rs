//! REST calls. Bodies are text that serde wrote and reads; nothing passes through `JSON.parse`.

use gloo_net::http::{Method, RequestBuilder};
use portcullis_protocol::wire::rest::{ErrorBody, ErrorDetail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use web_sys::{AbortSignal, RequestCache, RequestCredentials};

use crate::words::notices::notice;
use crate::words::page as words;

/// A call unanswered for this long is given up, in ms.
const CALL_TIMEOUT_MS: u32 = 20_000;

/// Why a call gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No answer.
    #[error("{}", words::silent())]
    Silent,
    /// The server said no.
    #[error("{}", notice(&detail.message))]
    Refused { status: u16, detail: ErrorDetail },
    /// An answer of another shape.
    #[error("{}", words::unreadable(.0))]
    Shape(String),
}

impl Failure {
    /// Whether the token, or the device behind it, was not taken.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }

    /// The status of the refusal.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Silent | Self::Shape(_) => None,
        }
    }

    /// Whether asking again later may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Shape(_) => false,
        }
    }
}

/// An answer: its status and its body.
pub(super) struct Answer {
    pub(super) status: u16,
    body: String,
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.body).map_err(|error| Failure::Shape(error.to_string()))
    }
}

/// GETs `path`.
pub(super) async fn get<T: DeserializeOwned>(path: &str, token: &str) -> Result<T, Failure> {
    ask(path, token).await?.read()
}

/// The same, with the answer as it came.
pub(super) async fn ask(path: &str, token: &str) -> Result<Answer, Failure> {
    call(Method::GET, path, Some(token), None).await
}

/// The page as the server has it now.
pub(super) async fn page() -> Result<String, Failure> {
    Ok(call(Method::GET, "/", None, None).await?.body)
}

/// POSTs `body` without a token: pairing and its kin.
pub(super) async fn post_open<B: Serialize>(path: &str, body: &B) -> Result<Answer, Failure> {
    let body = serde_json::to_string(body).map_err(|error| Failure::Shape(error.to_string()))?;
    call(Method::POST, path, None, Some(body)).await
}

/// Calls `path` with a token and a body that is JSON already.
pub(super) async fn send(
    method: Method,
    path: &str,
    token: &str,
    body: Option<String>,
) -> Result<Answer, Failure> {
    call(method, path, Some(token), body).await
}

async fn call(
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<String>,
) -> Result<Answer, Failure> {
    let mut request = RequestBuilder::new(path)
        .method(method)
        .cache(RequestCache::NoStore)
        .credentials(RequestCredentials::Omit)
        .abort_signal(Some(&AbortSignal::timeout_with_u32(CALL_TIMEOUT_MS)));
    if let Some(token) = token {
        request = request.header("authorization", &format!("Bearer {token}"));
    }
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(body),
        None => request.build(),
    };
    let answer = request.map_err(|_| Failure::Silent)?.send().await.map_err(|_| Failure::Silent)?;
    let (status, ok) = (answer.status(), answer.ok());
    let body = answer.text().await.map_err(|_| Failure::Silent)?;
    if ok { Ok(Answer { status, body }) } else { Err(refusal(status, &body)) }
}

/// The server's own words, or what the status says when something else answered in its place.
fn refusal(status: u16, body: &str) -> Failure {
    let detail =
        serde_json::from_str::<ErrorBody>(body).map(|body| body.error).unwrap_or_else(|_| ErrorDetail {
            kind: "unavailable".into(),
            message: format!("the server answered with status {status}"),
            ..ErrorDetail::default()
        });
    Failure::Refused { status, detail }
}
