//! The calls a bridge makes to its ingress, and what their answers mean for it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use portcullis_protocol::id::{EnvironmentId, SessionId, WorkId};
use portcullis_protocol::limits::POLL_BLOCK_MAX_MS;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{
    Challenge, ChallengeRequest, ErrorBody, ErrorDetail, Granted, PairPending, PairRequest, PublicKey,
    TokenRequest,
};
use portcullis_protocol::wire::worker::{
    RegisterEnvironment, RegisteredEnvironment, WorkHeartbeat, WorkItem, WorkerPost, WorkerPosted,
};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::Device;

/// Longest wait for an answer, beside the time a long poll blocks and a body takes: a line that died says nothing, and
/// what waits for it waits no longer than for a silent socket.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// Slowest line on which a body gets through, in bytes a second.
const BODY_BYTES_PER_S_MIN: usize = 128 * 1024;
/// Longest time for a body: the ingress waits no longer.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How long one poll blocks, in ms: below what proxies cut.
const POLL_BLOCK_MS: u64 = POLL_BLOCK_MAX_MS - 5_000;
/// Longest answer that is read, in bytes: a work item is small.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Why a call gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Nobody answered.
    #[error("no answer from the ingress: {0}")]
    Network(String),
    /// The ingress answered with an error.
    #[error("{status}: {}", detail.message)]
    Refused { status: u16, detail: Box<ErrorDetail> },
    /// The answer is none.
    #[error("an answer of the ingress cannot be read: {0}")]
    Shape(String),
}

impl CallError {
    /// The HTTP status, if there was an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Network(_) | Self::Shape(_) => None,
        }
    }

    /// Whether the credentials were turned away.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// Whether the thing is gone for good.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.status(), Some(404 | 410))
    }

    /// Whether the call itself was wrong, so that the same one fails again.
    pub(crate) fn is_rejection(&self) -> bool {
        matches!(self.status(), Some(400 | 413 | 415 | 422))
    }

    /// The `expected_n` of a hole.
    pub(crate) fn expected_n(&self) -> Option<u64> {
        match self {
            Self::Refused { detail, .. } => detail.expected_n,
            Self::Network(_) | Self::Shape(_) => None,
        }
    }
}

/// What pairing answers: the device may be used, or waits for an owner.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum PairAnswer {
    Granted(Granted),
    Pending(PairPending),
}

fn http_client() -> Result<reqwest::Client, CallError> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| CallError::Network(error.to_string()))
}

/// The ingress, as a bridge calls it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: Arc<RwLock<reqwest::Client>>,
    base: String,
    device: Device,
}

impl Api {
    pub(crate) fn new(base: &str, device: Device) -> Result<Self, CallError> {
        let http = Arc::new(RwLock::new(http_client()?));
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), device })
    }

    /// Redeems a one-time code.
    pub(crate) async fn pair(
        base: &str,
        code: &str,
        name: &str,
        key: PublicKey,
    ) -> Result<PairAnswer, CallError> {
        let body = PairRequest { code: code.to_owned(), device_name: name.to_owned(), public_key: Some(key) };
        let url = format!("{}/v1/auth/pair", base.trim_end_matches('/'));
        read(&answer_of(http_client()?.post(url).json(&body).timeout(ANSWER_TIME)).await?)
    }

    /// Which role the device has.
    pub(crate) async fn role(&self) -> Result<Role, CallError> {
        Ok(self.granted().await?.role)
    }

    /// A fresh access token. It is used for one call and then forgotten, so it never has to be renewed.
    async fn access_token(&self) -> Result<String, CallError> {
        Ok(self.granted().await?.access_token)
    }

    async fn granted(&self) -> Result<Granted, CallError> {
        let device_id = self.device.id.clone();
        let ask = ChallengeRequest { device_id: device_id.clone() };
        let challenge: Challenge = self.call(Method::POST, "/v1/auth/challenge", None, &ask).await?;
        let signature = self.device.key.sign_challenge(&device_id, &challenge.nonce);
        let request = TokenRequest { device_id, nonce: challenge.nonce, signature };
        self.call(Method::POST, "/v1/auth/token", None, &request).await
    }

    pub(crate) async fn register(
        &self,
        body: &RegisterEnvironment,
    ) -> Result<RegisteredEnvironment, CallError> {
        let token = self.access_token().await?;
        self.call(Method::POST, "/v1/environments/bridge", Some(&token), body).await
    }

    pub(crate) async fn deregister(&self, environment: &EnvironmentId) -> Result<(), CallError> {
        let token = self.access_token().await?;
        let path = format!("/v1/environments/bridge/{environment}");
        self.send(Method::DELETE, &path, Some(&token), &json!({})).await.map(|_| ())
    }

    /// Asks for the session to be queued again, with a fresh token.
    pub(crate) async fn reconnect(
        &self,
        environment: &EnvironmentId,
        session: &SessionId,
    ) -> Result<(), CallError> {
        let token = self.access_token().await?;
        let path = format!("/v1/environments/{environment}/bridge/reconnect");
        self.send(Method::POST, &path, Some(&token), &json!({"session_id": session})).await.map(|_| ())
    }

    /// Waits for work.
    pub(crate) async fn poll(
        &self,
        environment: &EnvironmentId,
        secret: &str,
    ) -> Result<Option<WorkItem>, CallError> {
        let path = format!("/v1/environments/{environment}/work/poll?block_ms={POLL_BLOCK_MS}");
        let timeout = ANSWER_TIME + Duration::from_millis(POLL_BLOCK_MS);
        let request = self.client().get(format!("{}{path}", self.base)).bearer_auth(secret).timeout(timeout);
        let text = self.ask(request).await?;
        if text.trim().is_empty() { Ok(None) } else { read(&text) }
    }

    pub(crate) async fn ack(&self, item: &WorkItem, secret: &str) -> Result<(), CallError> {
        self.work_call(&item.environment_id, &item.id, "ack", secret).await.map(|_| ())
    }

    pub(crate) async fn stop(
        &self,
        environment: &EnvironmentId,
        work: &WorkId,
        secret: &str,
    ) -> Result<(), CallError> {
        self.work_call(environment, work, "stop", secret).await.map(|_| ())
    }

    /// Renews the lease. `last` is what the previous call answered.
    pub(crate) async fn heartbeat(
        &self,
        environment: &EnvironmentId,
        work: &WorkId,
        token: &str,
        last: &str,
    ) -> Result<WorkHeartbeat, CallError> {
        let encoded: String = last.bytes().map(percent_encoded).collect();
        let call = format!("heartbeat?expected_last_heartbeat={encoded}");
        read(&self.work_call(environment, work, &call, token).await?)
    }

    async fn work_call(
        &self,
        environment: &EnvironmentId,
        work: &WorkId,
        call: &str,
        bearer: &str,
    ) -> Result<String, CallError> {
        let path = format!("/v1/environments/{environment}/work/{work}/{call}");
        self.send(Method::POST, &path, Some(bearer), &json!({})).await
    }

    /// Says what a worker has to say.
    pub(crate) async fn post_events(
        &self,
        session: &SessionId,
        token: &str,
        post: &WorkerPost,
    ) -> Result<WorkerPosted, CallError> {
        let path = format!("/v1/session_ingress/session/{session}/events");
        self.call(Method::POST, &path, Some(token), post).await
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: &B,
    ) -> Result<T, CallError> {
        read(&self.send(method, path, bearer, body).await?)
    }

    async fn send<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: &B,
    ) -> Result<String, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| CallError::Shape(error.to_string()))?;
        let timeout = call_time(body.len());
        let request = self.client().request(method, format!("{}{path}", self.base)).timeout(timeout);
        let mut request = request.header(CONTENT_TYPE, "application/json").body(body);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        self.ask(request).await
    }

    /// Where one connection died the others of the pool may be dead too, and each would cost its own wait: what is
    /// asked next goes over fresh ones.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<String, CallError> {
        let answer = answer_of(request).await;
        if matches!(answer, Err(CallError::Network(_)))
            && let Ok(fresh) = http_client()
        {
            *self.http.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        answer
    }

    fn client(&self) -> reqwest::Client {
        self.http.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Longest time for a call with a body of so many bytes.
fn call_time(body_bytes: usize) -> Duration {
    let seconds = u64::try_from(body_bytes / BODY_BYTES_PER_S_MIN).unwrap_or(u64::MAX);
    ANSWER_TIME + Duration::from_secs(seconds).min(BODY_TIME_MAX)
}

async fn answer_of(request: reqwest::RequestBuilder) -> Result<String, CallError> {
    // The error's own text would repeat the URL; its cause is what a person can act on.
    let mut response = request.send().await.map_err(|error| CallError::Network(cause(&error)))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::Network(cause(&error)))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::Shape("it is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body).map_err(|_| CallError::Shape("it is no text".into()))?;
    if status.is_success() { Ok(text) } else { Err(refusal(status, &text)) }
}

fn refusal(status: StatusCode, text: &str) -> CallError {
    let detail =
        serde_json::from_str::<ErrorBody>(text).map(|body| body.error).unwrap_or_else(|_| ErrorDetail {
            message: status.canonical_reason().unwrap_or("an error without a message").to_owned(),
            ..ErrorDetail::default()
        });
    CallError::Refused { status: status.as_u16(), detail: Box::new(detail) }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, CallError> {
    serde_json::from_str(text).map_err(|error| CallError::Shape(error.to_string()))
}

fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::id::DeviceId;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Barrier;

    use super::*;

    #[test]
    fn an_error_keeps_its_status_and_the_words_of_the_ingress() {
        let text = r#"{"type":"error","error":{"type":"hole","message":"expected 4","expected_n":4},"request_id":"r"}"#;
        let error = refusal(StatusCode::CONFLICT, text);
        assert_eq!((error.status(), error.expected_n()), (Some(409), Some(4)));
        assert_eq!(error.to_string(), "409: expected 4");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, "<html>").to_string(), "502: Bad Gateway");
    }

    #[test]
    fn what_goes_into_a_query_cannot_leave_it() {
        let encoded: String = "2026-11-21T10:00:00+01:00&x=1".bytes().map(percent_encoded).collect();
        assert_eq!(encoded, "2026-11-21T10%3A00%3A00%2B01%3A00%26x%3D1");
    }

    #[test]
    fn a_call_waits_for_its_body_and_no_longer_than_for_a_silent_socket_beside_it() {
        let silence = Duration::from_millis(portcullis_protocol::limits::SILENCE_MS);
        assert!(call_time(1_000) < silence);
        assert_eq!(call_time(10 * BODY_BYTES_PER_S_MIN), ANSWER_TIME + Duration::from_secs(10));
        assert_eq!(call_time(usize::MAX), ANSWER_TIME + BODY_TIME_MAX);
    }

    /// Each connection answers its first request, once there are two, and hangs up at its second.
    async fn answer_once(mut stream: TcpStream, both: Arc<Barrier>, is_early: bool) {
        let mut is_first = true;
        let mut read = Vec::new();
        while stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
            if !read.ends_with(b"}") {
                continue;
            }
            read.clear();
            if !std::mem::replace(&mut is_first, false) {
                return;
            }
            if is_early {
                both.wait().await;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_call_that_got_no_answer_is_repeated_over_a_connection_nobody_used() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let both = Arc::new(Barrier::new(2));
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer_once(stream, Arc::clone(&both), number < 2));
            }
        });
        let device =
            Device { id: DeviceId::parse("d1").unwrap(), key: crate::device::DeviceKey::generate().unwrap() };
        let api = Api::new(&url, device).unwrap();
        let body = json!({});
        let call = || api.send(Method::POST, "/", None, &body);
        let (one, other) = tokio::join!(call(), call());
        assert!(one.is_ok() && other.is_ok());
        assert!(matches!(call().await, Err(CallError::Network(_))));
        assert!(call().await.is_ok(), "the other idle connection may be as dead");
    }
}
