//! The Messages API over HTTP: one request, and its answer as events while they come. Retrying, and what the events
//! mean for the conversation, is the turn's affair.

pub(crate) mod failure;
pub(crate) mod price;
pub(crate) mod request;
mod sse;

use std::{collections::VecDeque, fmt, net::IpAddr, time::Duration};

use reqwest::{
    Client, Response, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use self::{failure::ApiFailure, sse::Events};

/// The API that is asked when no other is named.
const BASE_URL_DEFAULT: &str = "https://api.anthropic.com";
const API_VERSION: &str = "2023-06-01";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence within an answer. The API pings in between; a local model may think long about a long prompt.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Longest body of an error, or of an answer that is no stream, in bytes.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest wait the API may ask for before a retry.
const RETRY_AFTER_MAX_MS: u64 = 120_000;

/// Where the model's API is and what opens it. Its secrets are in no log, no argument and no error.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    headers: HeaderMap,
    silence_max: Duration,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Endpoint").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// An address or a secret that cannot be used. Its text never holds the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The base URL is none, or not of http.
    #[error("ANTHROPIC_BASE_URL must be an http or https address without credentials in it")]
    Url,
    /// The secret cannot be a header.
    #[error("{0} holds characters that cannot be sent")]
    Secret(&'static str),
}

impl Endpoint {
    /// The endpoint that `ANTHROPIC_BASE_URL`, `ANTHROPIC_API_KEY` and `ANTHROPIC_AUTH_TOKEN` name; `None` without
    /// any of them.
    pub fn from_env() -> Result<Option<Self>, EndpointError> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (base, key, token) =
            (set("ANTHROPIC_BASE_URL"), set("ANTHROPIC_API_KEY"), set("ANTHROPIC_AUTH_TOKEN"));
        if base.is_none() && key.is_none() && token.is_none() {
            return Ok(None);
        }
        let mut endpoint = Self::new(base.as_deref().unwrap_or(BASE_URL_DEFAULT))?;
        if let Some(key) = key {
            endpoint = endpoint.with_api_key(&key)?;
        }
        if let Some(token) = token {
            endpoint = endpoint.with_auth_token(&token)?;
        }
        Ok(Some(endpoint))
    }

    /// The API below this address, such as `https://api.anthropic.com`, asked without a key.
    pub fn new(base_url: &str) -> Result<Self, EndpointError> {
        let url = format!("{}/v1/messages", base_url.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|_| EndpointError::Url)?;
        let plain =
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        if !plain || url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Url);
        }
        Ok(Self { url, headers: HeaderMap::new(), silence_max: SILENCE_MAX })
    }

    /// Sends the key as `x-api-key`.
    pub fn with_api_key(self, key: &str) -> Result<Self, EndpointError> {
        self.with_secret(HeaderName::from_static("x-api-key"), key, "ANTHROPIC_API_KEY")
    }

    /// Sends the token as a bearer.
    pub fn with_auth_token(self, token: &str) -> Result<Self, EndpointError> {
        self.with_secret(AUTHORIZATION, &format!("Bearer {token}"), "ANTHROPIC_AUTH_TOKEN")
    }

    /// Takes an answer for dead that says nothing for this long.
    #[must_use]
    pub fn with_silence_max(self, silence_max: Duration) -> Self {
        Self { silence_max, ..self }
    }

    fn with_secret(
        mut self,
        header: HeaderName,
        value: &str,
        origin: &'static str,
    ) -> Result<Self, EndpointError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| EndpointError::Secret(origin))?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(self)
    }

    /// What is said about where the credentials come from.
    pub(crate) fn key_source(&self) -> &'static str {
        if self.headers.contains_key("x-api-key") { "ANTHROPIC_API_KEY" } else { "none" }
    }

    /// What is said about where the token comes from.
    pub(crate) fn token_source(&self) -> &'static str {
        if self.headers.contains_key(AUTHORIZATION) { "ANTHROPIC_AUTH_TOKEN" } else { "none" }
    }

    fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// A connection to an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct MessagesClient {
    endpoint: Endpoint,
    http: Client,
}

impl MessagesClient {
    pub(crate) fn new(endpoint: Endpoint) -> Result<Self, ApiFailure> {
        // A redirect would carry the key to somebody else.
        let builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT);
        // A model on this machine is not behind the proxy that the environment names for the rest of the world.
        let builder = if endpoint.is_loopback() { builder.no_proxy() } else { builder };
        let http =
            builder.build().map_err(|error| ApiFailure::connection(error.without_url().to_string()))?;
        Ok(Self { endpoint, http })
    }

    /// Asks, and gives the answer once it has begun.
    pub(crate) async fn ask(&self, body: &Value) -> Result<Answer, ApiFailure> {
        let request = self
            .http
            .post(self.endpoint.url.clone())
            .headers(self.endpoint.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .header("anthropic-version", API_VERSION)
            .body(body.to_string())
            .send();
        let response =
            timeout(self.endpoint.silence_max, request).await.map_err(|_| silence())?.map_err(broken)?;
        let request_id = header(&response, "request-id").or_else(|| header(&response, "x-request-id"));
        let mut answer = Answer {
            request_id,
            response,
            silence_max: self.endpoint.silence_max,
            events: Events::default(),
            waiting: VecDeque::new(),
        };
        let status = answer.response.status();
        if !status.is_success() {
            let mut failure =
                ApiFailure::from_body(Some(status.as_u16()), &answer.body().await.unwrap_or_default());
            failure.request_id = failure.request_id.or(answer.request_id);
            failure.retry_after_ms = retry_after_ms(&answer.response);
            return Err(failure);
        }
        if header(&answer.response, CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("application/json"))
        {
            let whole: Value = serde_json::from_slice(&answer.body().await?).unwrap_or_default();
            answer.waiting.extend(as_events(&whole));
        }
        Ok(answer)
    }
}

/// An answer under way. Dropping it hangs up, which stops the model.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) request_id: Option<String>,
    response: Response,
    silence_max: Duration,
    events: Events,
    waiting: VecDeque<Value>,
}

impl Answer {
    /// The next event, or `None` at the end of the stream. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, ApiFailure> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            match self.chunk().await? {
                Some(bytes) => {
                    let events = self.events.push(&bytes);
                    self.waiting.extend(events.map_err(|error| ApiFailure::connection(error.to_string()))?);
                }
                None => return Ok(None),
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ApiFailure> {
        let chunk = timeout(self.silence_max, self.response.chunk()).await.map_err(|_| silence())?;
        Ok(chunk.map_err(broken)?.map(Vec::from))
    }

    async fn body(&mut self) -> Result<Vec<u8>, ApiFailure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(ApiFailure::connection("the answer is too long"));
            }
            body.extend(chunk);
        }
        Ok(body)
    }
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn silence() -> ApiFailure {
    ApiFailure::connection("the model's API stopped answering")
}

/// The error without its address, and with its causes: reqwest's own text alone says little.
fn broken(error: reqwest::Error) -> ApiFailure {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    ApiFailure::connection(text)
}

/// Seconds; the other form, a date, is no use to anybody whose clock is wrong.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let precise = header(response, "retry-after-ms").and_then(|text| text.trim().parse::<u64>().ok());
    let plain = || header(response, RETRY_AFTER.as_str())?.trim().parse::<u64>().ok()?.checked_mul(1_000);
    precise.or_else(plain).map(|ms| ms.min(RETRY_AFTER_MAX_MS))
}

/// An answer of a server that does not stream, as the events it would have sent.
fn as_events(message: &Value) -> Vec<Value> {
    let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut events = vec![json!({"type": "message_start", "message": message})];
    for (index, block) in blocks.iter().enumerate() {
        let (start, delta) = match block["type"].as_str() {
            Some("text") => {
                (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": block["text"]}))
            }
            Some("tool_use") => (
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}),
            ),
            Some(_) | None => (block.clone(), Value::Null),
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        if !delta.is_null() {
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": message["usage"]}));
    events.push(json!({"type": "message_stop"}));
    events
}

/// A share of the time, between none and all of it, drawn from a token of random hexadecimal digits.
pub(crate) fn jitter_ms(ms: u64, token: &str) -> u64 {
    let drawn = u64::from_str_radix(token, 16).unwrap_or_default() % 1_000;
    ms.saturating_mul(drawn) / 1_000
}

/// Today, for the model, which otherwise believes it is the day its training ended.
pub(crate) fn date_of(unix_ms: u64) -> String {
    crate::world::iso_timestamp(unix_ms).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_http_addresses_and_keeps_their_path() {
        let url = |base: &str| Endpoint::new(base).map(|endpoint| endpoint.url.to_string());
        assert_eq!(url("http://127.0.0.1:8080/llm/").unwrap(), "http://127.0.0.1:8080/llm/v1/messages");
        for refused in
            ["file:///etc/passwd", "nonsense", "https://user:pass@host", "http://h/?q=1", "http://h/#x"]
        {
            assert_eq!(url(refused), Err(EndpointError::Url), "{refused}");
        }
    }

    #[test]
    fn shows_its_secrets_to_nobody() {
        let endpoint = Endpoint::new("https://h").unwrap().with_api_key("sk-secret").unwrap();
        let endpoint = endpoint.with_auth_token("tok-secret").unwrap();
        let client = MessagesClient::new(endpoint.clone()).unwrap();
        assert!(!format!("{endpoint:?} {client:?}").contains("secret"));
        let error = Endpoint::new("https://h").unwrap().with_api_key("sk-secret\n").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn knows_a_model_on_this_machine() {
        for (base, local) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("https://h", false),
        ] {
            assert_eq!(Endpoint::new(base).unwrap().is_loopback(), local, "{base}");
        }
    }
}
