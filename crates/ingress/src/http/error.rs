//! The one shape of every error of every call. Errors are made where the reason is known, and logged here alone when
//! they are nobody's fault but ours.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_protocol::wire::rest::{ErrorBody, ErrorDetail};

use crate::approvals::Refusal;
use crate::auth::AuthError;
use crate::seam::{SystemEntropy, mint};
use crate::store::StoreError;

/// An error on its way to a client.
#[derive(Debug)]
pub(super) struct ApiError {
    pub status: StatusCode,
    pub detail: ErrorDetail,
}

pub(super) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let detail = ErrorDetail { kind: kind.into(), message: message.into(), ..ErrorDetail::default() };
        Self { status, detail }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "this path does not take that method")
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    pub(super) fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "gone", message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The line failed, not the call: the same one may be sent again.
    pub(super) fn incomplete(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "incomplete", message)
    }

    pub(super) fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request",
            "a body is `content-type: application/json`",
        )
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message)
    }

    pub(super) fn lease_lost(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "lease_lost", message)
    }

    pub(super) fn hole(expected_n: u64) -> Self {
        let mut error =
            Self::new(StatusCode::CONFLICT, "hole", format!("the lane expects item {expected_n} next"));
        error.detail.expected_n = Some(expected_n);
        error
    }

    /// A fresh id for this error, also in the log.
    fn body(self) -> (StatusCode, ErrorBody) {
        let request_id = mint(&SystemEntropy, "req_");
        (self.status, ErrorBody { kind: "error".into(), error: self.detail, request_id })
    }

    /// The body as one line, for the plain dialect.
    pub(super) fn into_line(self) -> String {
        let (_, body) = self.body();
        portcullis_protocol::RawJson::from_value(&body).as_str().to_owned()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, body) = self.body();
        tracing::debug!(%status, kind = body.error.kind, request_id = body.request_id, "refused");
        (status, Json(body)).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Closed) {
            return Self::unavailable("the server is shutting down: try again");
        }
        tracing::error!(%error, "the store failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says why")
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        match error {
            AuthError::UnknownCode | AuthError::UsedCode | AuthError::ExpiredCode | AuthError::Waiting => {
                Self::forbidden(message)
            }
            AuthError::Known(_) => Self::conflict(message),
            AuthError::TooManyCodes => Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message),
            AuthError::Name | AuthError::Key(_) | AuthError::KeyMissing => Self::invalid(message),
            AuthError::Signature | AuthError::UnknownToken | AuthError::ExpiredToken => {
                Self::unauthorized(message)
            }
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::AlreadyDecided { decided_by, behavior } => {
                let mut error = Self::new(StatusCode::CONFLICT, "already_decided", message);
                error.detail.decided_by = Some(decided_by);
                error.detail.behavior = Some(behavior);
                error
            }
            Refusal::Gone(_) | Refusal::TooOld => Self::gone(message),
            Refusal::OtherBytes => Self::conflict(message),
            Refusal::OtherKind | Refusal::Option(_) => Self::invalid(message),
        }
    }
}
