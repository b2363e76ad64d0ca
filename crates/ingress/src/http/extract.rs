//! How a handler gets at who calls, what is in the path and what is in the body: each checked once, at the edge, and
//! refused in the one shape of errors.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use axum::http::request::Parts;
use portcullis_protocol::RawJson;
use portcullis_protocol::id::InvalidId;
use portcullis_protocol::role::Role;
use serde::de::DeserializeOwned;

use super::Shared;
use super::error::{ApiError, ApiResult};
use crate::auth::Caller;

/// Body bytes of everything that carries no events: titles, keys and patches.
pub(super) const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// A small body has to be here within this time: whoever sends one byte a second holds nothing.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What a bigger one gets beside it, in bytes a second: the slowest line that gets one through. By then it is known
/// who sends it.
const BODY_BYTES_PER_S_MIN: usize = 16 * 1024;
/// A device counts as seen at most this often, in ms: it is a write.
const SEEN_EVERY_MS: u64 = 60_000;

/// A caller with a valid access token, of whatever role.
#[derive(Clone, Debug)]
pub(super) struct Anybody(pub Caller);

impl Anybody {
    /// The caller, if the role covers `least`.
    pub(super) fn at_least(self, least: Role) -> ApiResult<Caller> {
        require(self.0.device.role, least)?;
        Ok(self.0)
    }
}

/// Refuses a role that does not cover `least`.
pub(super) fn require(role: Role, least: Role) -> ApiResult<()> {
    if role.covers(least) {
        return Ok(());
    }
    let (role, least) = (RawJson::from_value(&role), RawJson::from_value(&least));
    let (role, least) = (role.as_str(), least.as_str());
    Err(ApiError::forbidden(format!("this needs the role {least}, and this device has {role}: ask an owner")))
}

/// The token of an `Authorization: Bearer` header, if there is exactly one.
pub(super) fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return None };
    only.to_str().ok()?.strip_prefix("Bearer ").map(str::trim).filter(|token| !token.is_empty())
}

/// The token, or 401.
pub(super) fn need_bearer(parts: &Parts) -> ApiResult<&str> {
    bearer(parts).ok_or_else(|| ApiError::unauthorized("this call needs `Authorization: Bearer …`"))
}

impl FromRequestParts<Shared> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> ApiResult<Self> {
        let caller =
            app.gate.authenticate(need_bearer(parts)?).await.inspect_err(|_| app.metrics.refused())?;
        let now_ms = app.clock.now_ms();
        if now_ms.saturating_sub(caller.device.last_seen_at_ms) > SEEN_EVERY_MS {
            app.store.touch_device(caller.device.id.clone(), now_ms).await?;
        }
        Ok(Self(caller))
    }
}

/// A bearer secret that is no access token: the handler knows whose it is.
#[derive(Debug)]
pub(super) struct Bearer(pub String);

impl FromRequestParts<Shared> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> ApiResult<Self> {
        need_bearer(parts).map(|token| Self(token.to_owned()))
    }
}

/// The address of the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

impl FromRequestParts<Shared> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> ApiResult<Self> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Ok(Self(peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))))
    }
}

/// Ids in the path, in order, each checked.
#[derive(Debug)]
pub(super) struct Ids<T>(pub T);

impl<T: PathIds> FromRequestParts<Shared> for Ids<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> ApiResult<Self> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await;
        let Path(found) = path.map_err(|_| ApiError::invalid("the path is no UTF-8"))?;
        let texts = found.into_iter().map(|(_, text)| text);
        T::read(texts).map(Self).ok_or_else(|| ApiError::invalid(format!("in the path: {InvalidId}")))
    }
}

/// One or two ids of a path.
pub(super) trait PathIds: Sized {
    fn read(texts: impl Iterator<Item = String>) -> Option<Self>;
}

macro_rules! one_id {
    ($($name:ident),*) => {$(
        impl PathIds for portcullis_protocol::id::$name {
            fn read(mut texts: impl Iterator<Item = String>) -> Option<Self> {
                Self::parse(texts.next()?).ok()
            }
        }
    )*};
}
one_id!(SessionId, DeviceId, EnvironmentId);

impl PathIds for (portcullis_protocol::id::EnvironmentId, portcullis_protocol::id::WorkId) {
    fn read(mut texts: impl Iterator<Item = String>) -> Option<Self> {
        let environment = texts.next()?.parse().ok()?;
        Some((environment, texts.next()?.parse().ok()?))
    }
}

/// A JSON body of at most `MAX` bytes.
#[derive(Debug)]
pub(super) struct JsonBody<T, const MAX: usize = SMALL_BODY_BYTES_MAX>(pub T);

impl<T: DeserializeOwned, const MAX: usize> FromRequest<Shared> for JsonBody<T, MAX> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Shared) -> ApiResult<Self> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts, body, MAX).await?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::invalid(format!("the body is not what this call takes: {error}")))?;
        Ok(Self(value))
    }
}

/// A JSON body that may be absent.
#[derive(Debug)]
pub(super) struct MaybeBody<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<Shared> for MaybeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Shared) -> ApiResult<Self> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts, body, SMALL_BODY_BYTES_MAX).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::invalid(format!("the body is not what this call takes: {error}")))?;
        Ok(Self(Some(value)))
    }
}

async fn read_body(parts: &Parts, body: Body, bytes_max: usize) -> ApiResult<axum::body::Bytes> {
    let too_large = || ApiError::too_large(format!("the body is above the limit of {bytes_max} bytes"));
    let announced =
        parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > u64::try_from(bytes_max).unwrap_or(u64::MAX)) {
        return Err(too_large());
    }
    let time = body_time(announced.map_or(bytes_max, |bytes| usize::try_from(bytes).unwrap_or(bytes_max)));
    match tokio::time::timeout(time, axum::body::to_bytes(body, bytes_max)).await {
        Err(_) => Err(ApiError::incomplete("the body did not arrive in time")),
        // A body that announced a fitting length can only have broken off.
        Ok(Err(_)) if announced.is_some() => Err(ApiError::incomplete("the body broke off")),
        Ok(Err(_)) => Err(too_large()),
        Ok(Ok(bytes)) => Ok(bytes),
    }
}

/// How long a body of so many bytes may take.
fn body_time(bytes: usize) -> Duration {
    let more = bytes.saturating_sub(SMALL_BODY_BYTES_MAX) / BODY_BYTES_PER_S_MIN;
    BODY_TIMEOUT + Duration::from_secs(u64::try_from(more).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_body_gets_the_time_a_slow_line_needs_and_a_small_one_does_not() {
        assert_eq!(body_time(SMALL_BODY_BYTES_MAX), BODY_TIMEOUT);
        let megabyte = 1024 * 1024;
        assert!(body_time(8 * megabyte) > Duration::from_secs(500));
        assert!(
            body_time(portcullis_protocol::limits::POST_BYTES_MAX) < Duration::from_secs(1_100),
            "bounded"
        );
    }
}
