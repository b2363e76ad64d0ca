//! Why the model's API gave no answer, whether asking again may help, and how the wire says it.

use serde_json::Value;

/// Longest text of a failure that is passed on, in characters: some proxies answer with a web page.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// An answer that did not come, or broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiFailure {
    /// The HTTP status; `None` if the connection failed or broke.
    pub(crate) status: Option<u16>,
    /// The API's own name for it, such as `overloaded_error`.
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    /// How long the API wants to be left alone.
    pub(crate) retry_after_ms: Option<u64>,
}

impl ApiFailure {
    /// The connection failed, broke, or went silent.
    pub(crate) fn connection(message: impl Into<String>) -> Self {
        Self { status: None, kind: None, message: message.into(), request_id: None, retry_after_ms: None }
    }

    /// Reads an error body, which need not be the API's.
    pub(crate) fn from_body(status: Option<u16>, body: &[u8]) -> Self {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // Local servers put a string where the API has an object.
        let message = text(&parsed["error"]["message"]).or_else(|| text(&parsed["error"]));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
        Self {
            status,
            kind: text(&parsed["error"]["type"]),
            message: message.chars().take(MESSAGE_CHARS_MAX).collect(),
            request_id: text(&parsed["request_id"]),
            retry_after_ms: None,
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        match (self.status, self.kind.as_deref()) {
            (_, Some("overloaded_error" | "rate_limit_error" | "api_error" | "timeout_error")) => true,
            (Some(status), _) => matches!(status, 408 | 409 | 429 | 500..),
            (None, kind) => kind.is_none(),
        }
    }

    /// Whether the conversation no longer fits the model.
    pub(crate) fn is_too_long(&self) -> bool {
        let text = self.message.to_ascii_lowercase();
        let said = ["prompt is too long", "context length", "context window", "exceed context limit"];
        self.status == Some(413)
            || self.kind.as_deref() == Some("request_too_large")
            || (self.status == Some(400) && said.iter().any(|words| text.contains(words)))
    }

    /// The name on the wire.
    pub(crate) fn name(&self) -> &'static str {
        match (self.kind.as_deref(), self.status) {
            (Some("overloaded_error"), _) => "overloaded",
            (Some("rate_limit_error"), _) => "rate_limit",
            (Some("authentication_error" | "permission_error"), _) => "authentication_failed",
            (Some("billing_error"), _) => "billing_error",
            (_, Some(status)) => status_name(status),
            (Some("api_error" | "timeout_error"), None) => "server_error",
            (_, None) => "unknown",
        }
    }

    /// The failure in words for the person.
    pub(crate) fn describe(&self) -> String {
        let cause = if self.message.is_empty() { "no reason given" } else { &self.message };
        match self.status {
            Some(401 | 403) => format!("The model's API refused the credentials: {cause}"),
            Some(404) => format!("The model's API does not know this model or address: {cause}"),
            Some(_) if self.is_too_long() => format!("Prompt is too long: {cause}"),
            Some(status) => format!("API Error: {status} {cause}"),
            None => format!("API Error: {cause}"),
        }
    }
}

/// The name on the wire of a status without further word.
pub(crate) fn status_name(status: u16) -> &'static str {
    match status {
        400 | 413 | 422 => "invalid_request",
        401 | 403 => "authentication_failed",
        402 => "billing_error",
        404 => "model_not_found",
        429 => "rate_limit",
        529 => "overloaded",
        500.. => "server_error",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_passes_and_what_stays() {
        let failure = |status, kind: &str| {
            let body = format!(r#"{{"error":{{"type":"{kind}","message":"m"}}}}"#);
            ApiFailure::from_body(status, body.as_bytes())
        };
        for (status, kind) in
            [(429, "x"), (529, "x"), (500, "x"), (408, "x"), (409, "x"), (400, "overloaded_error")]
        {
            assert!(failure(Some(status), kind).is_passing(), "{status} {kind}");
        }
        for (status, kind) in
            [(400, "invalid_request_error"), (401, "authentication_error"), (404, "not_found_error")]
        {
            assert!(!failure(Some(status), kind).is_passing(), "{status} {kind}");
        }
        assert!(failure(None, "overloaded_error").is_passing());
        assert!(!failure(None, "invalid_request_error").is_passing());
        assert!(ApiFailure::connection("reset").is_passing());
    }

    #[test]
    fn reads_bodies_of_servers_that_are_not_the_api() {
        let local = ApiFailure::from_body(Some(404), br#"{"error":"model 'x' not found"}"#);
        assert_eq!((local.name(), local.message.as_str()), ("model_not_found", "model 'x' not found"));
        let page = ApiFailure::from_body(Some(502), "<html>".repeat(1_000).as_bytes());
        assert_eq!((page.name(), page.message.chars().count()), ("server_error", MESSAGE_CHARS_MAX));
    }

    #[test]
    fn recognises_a_conversation_that_no_longer_fits() {
        let body = br#"{"error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000"}}"#;
        assert!(ApiFailure::from_body(Some(400), body).is_too_long());
        assert!(!ApiFailure::from_body(Some(400), b"{}").is_too_long());
    }
}
