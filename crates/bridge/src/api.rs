//! The calls a bridge makes to its ingress, and what their answers mean for it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use portcullis_protocol::id::{EnvironmentId, SessionId, WorkId};
use portcullis_protocol::limits::POLL_BLOCK_MAX_MS;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{
    Challenge, ChallengeRequest, ErrorBody, ErrorDetail, Granted, PairPending, PairRequest, PublicKey,
    TokenRequest,
};
use portcullis_protocol::wire::worker::{
    KnownSessions, RegisterEnvironment, RegisteredEnvironment, WorkHeartbeat, WorkItem, WorkerPost,
    WorkerPosted,
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::Device;
use crate::pace::Pace;
use crate::road::{Road, RoadError, explained};

/// Longest wait for an answer, beside the time a long poll blocks and a body takes: a line that died says nothing, and
/// what waits for it waits no longer than for a silent socket.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// Longest pause an ingress may ask for, whatever it says: a wrong clock there must not cut a machine off.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
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
    Refused { status: u16, detail: Box<ErrorDetail>, retry_after: Option<Duration> },
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

    /// How long the ingress wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Network(_) | Self::Shape(_) => None,
        }
    }

    /// Whether the ingress cannot be reached, or is not able to do anything: the link is lost.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Network(_) | Self::Shape(_) => true,
            Self::Refused { status, .. } => *status >= 500,
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

/// The ingress, as a bridge calls it.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: Arc<RwLock<reqwest::Client>>,
    road: Road,
    device: Device,
    pace: Arc<Pace>,
}

impl Api {
    pub(crate) fn new(road: Road, device: Device) -> Result<Self, RoadError> {
        let http = Arc::new(RwLock::new(road.http_client()?));
        Ok(Self { http, road, device, pace: Arc::default() })
    }

    /// The way the calls go.
    pub(crate) fn road(&self) -> &Road {
        &self.road
    }

    /// Forgets every connection: after a machine slept they are as dead as they look alive.
    pub(crate) fn start_over(&self) {
        if let Ok(fresh) = self.road.http_client() {
            *self.http.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }

    /// Redeems a one-time code.
    pub(crate) async fn pair(
        road: &Road,
        code: &str,
        name: &str,
        key: PublicKey,
    ) -> Result<PairAnswer, CallError> {
        let body = PairRequest {
            code: code.to_owned(),
            device_name: name.to_owned(),
            public_key: Some(key),
            role: Some(Role::Bridge),
        };
        let client = road.http_client().map_err(|error| CallError::Network(error.to_string()))?;
        let url = format!("{}/v1/auth/pair", road.base());
        read(&answer_of(client.post(url).json(&body).timeout(ANSWER_TIME)).await?)
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

    /// Closes the session for good.
    pub(crate) async fn archive(
        &self,
        environment: &EnvironmentId,
        session: &SessionId,
    ) -> Result<(), CallError> {
        let token = self.access_token().await?;
        let path = format!("/v1/environments/{environment}/bridge/archive");
        match self.send(Method::POST, &path, Some(&token), &json!({"session_id": session})).await {
            // It was before.
            Err(error) if error.status() == Some(409) => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Which of `sessions` belong to this machine and are not archived.
    pub(crate) async fn known_sessions(
        &self,
        environment: &EnvironmentId,
        sessions: Vec<SessionId>,
    ) -> Result<Vec<SessionId>, CallError> {
        let token = self.access_token().await?;
        let path = format!("/v1/environments/{environment}/bridge/sessions");
        let known: KnownSessions =
            self.call(Method::POST, &path, Some(&token), &KnownSessions { sessions }).await?;
        Ok(known.sessions)
    }

    /// Waits for work.
    pub(crate) async fn poll(
        &self,
        environment: &EnvironmentId,
        secret: &str,
    ) -> Result<Option<WorkItem>, CallError> {
        let path = format!("/v1/environments/{environment}/work/poll?block_ms={POLL_BLOCK_MS}");
        let timeout = ANSWER_TIME + Duration::from_millis(POLL_BLOCK_MS);
        let request =
            self.client().get(format!("{}{path}", self.road.base())).bearer_auth(secret).timeout(timeout);
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
        let (bytes, since) = (body.len(), Instant::now());
        let timeout = ANSWER_TIME + self.pace.time_for(bytes);
        let request = self.client().request(method, format!("{}{path}", self.road.base())).timeout(timeout);
        let mut request = request.header(CONTENT_TYPE, "application/json").body(body);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let answer = self.ask(request).await;
        match &answer {
            Ok(_) => self.pace.took(bytes, since.elapsed()),
            // The ingress gave up waiting for the rest of it.
            Err(error) if since.elapsed() >= timeout || error.status() == Some(408) => {
                self.pace.too_slow(bytes)
            }
            Err(_) => {}
        }
        answer
    }

    /// Where one connection died the others of the pool may be dead too, and each would cost its own wait: what is
    /// asked next goes over fresh ones.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<String, CallError> {
        let answer = answer_of(request).await;
        if matches!(answer, Err(CallError::Network(_))) {
            self.start_over();
        }
        answer
    }

    fn client(&self) -> reqwest::Client {
        self.http.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer_of(request: reqwest::RequestBuilder) -> Result<String, CallError> {
    // The error's own text would repeat the URL; its cause is what a person can act on.
    let mut response = request.send().await.map_err(|error| CallError::Network(explained(&error)))?;
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::Network(explained(&error)))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::Shape("it is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(body).map_err(|_| CallError::Shape("it is no text".into()))?;
    if status.is_success() { Ok(text) } else { Err(refusal(status, &text, retry_after)) }
}

/// Only seconds: a date would need the clocks of both to agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

fn refusal(status: StatusCode, text: &str, retry_after: Option<Duration>) -> CallError {
    let detail =
        serde_json::from_str::<ErrorBody>(text).map(|body| body.error).unwrap_or_else(|_| ErrorDetail {
            message: status.canonical_reason().unwrap_or("an error without a message").to_owned(),
            ..ErrorDetail::default()
        });
    CallError::Refused { status: status.as_u16(), detail: Box::new(detail), retry_after }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, CallError> {
    serde_json::from_str(text).map_err(|error| CallError::Shape(error.to_string()))
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
        let error = refusal(StatusCode::CONFLICT, text, None);
        assert_eq!((error.status(), error.expected_n()), (Some(409), Some(4)));
        assert_eq!(error.to_string(), "409: expected 4");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, "<html>", None).to_string(), "502: Bad Gateway");
    }

    #[test]
    fn what_goes_into_a_query_cannot_leave_it() {
        let encoded: String = "2026-11-21T10:00:00+01:00&x=1".bytes().map(percent_encoded).collect();
        assert_eq!(encoded, "2026-11-21T10%3A00%3A00%2B01%3A00%26x%3D1");
    }

    #[test]
    fn an_ingress_that_asks_for_a_pause_gets_it_within_reason() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("99999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(asked("Wed, 21 Oct 2015 07:28:00 GMT"), None);
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
        let api = Api::new(Road::to(&url, None).unwrap(), device).unwrap();
        let body = json!({});
        let call = || api.send(Method::POST, "/", None, &body);
        let (one, other) = tokio::join!(call(), call());
        assert!(one.is_ok() && other.is_ok());
        assert!(matches!(call().await, Err(CallError::Network(_))));
        assert!(call().await.is_ok(), "the other idle connection may be as dead");
    }
}
