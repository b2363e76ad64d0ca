//! The way into a subscription: which dialect, who it is, and whether the session is there. Then [`v1`] or [`plain`]
//! takes over.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::response::Response;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::json::JsonError;
use portcullis_protocol::limits::{AUTH_TIMEOUT_MS, POST_BYTES_MAX};
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::client::{Auth, ClientFrame, DIALECT};
use portcullis_protocol::wire::close;
use serde::Deserialize;
use tokio::time::Instant;

use super::error::ApiResult;
use super::extract::{Ids, bearer};
use super::socket::{Closing, Ending, Wire, converse, upgrade};
use super::{App, Shared, plain, v1};
use crate::auth::{AuthError, Caller};
use crate::store::SessionRow;

/// A client frame of `portcullis.v1`: a token or a position.
const V1_FRAME_BYTES_MAX: usize = 64 * 1024;

/// `?dialect=`; the rest of the query is not ours.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    dialect: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V1,
    Plain,
    Unknown,
}

/// `WS /v1/sessions/ws/{id}/subscribe`.
pub(super) async fn subscribe(
    State(app): State<Shared>,
    Ids(id): Ids<SessionId>,
    request: Request,
) -> ApiResult<Response> {
    let (mut parts, _) = request.into_parts();
    let wanted = Query::<Wanted>::try_from_uri(&parts.uri).map(|Query(wanted)| wanted).unwrap_or_default();
    let token = bearer(&parts).map(str::to_owned);
    let socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection> =
        WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let socket = upgrade(socket)?.protocols([DIALECT]);
    let by_protocol =
        socket.selected_protocol().is_some_and(|chosen| chosen.as_bytes() == DIALECT.as_bytes());
    let dialect = match wanted.dialect.as_deref() {
        Some(DIALECT) => Dialect::V1,
        Some(_) => Dialect::Unknown,
        None if by_protocol => Dialect::V1,
        None => Dialect::Plain,
    };
    app.metrics.socket();
    let bytes_max = if dialect == Dialect::V1 { V1_FRAME_BYTES_MAX } else { POST_BYTES_MAX };
    Ok(converse(socket, bytes_max, move |mut wire| async move {
        let Some(alive) = app.alive.upgrade() else { return };
        let ending = talk(&app, &mut wire, &id, dialect, token).await.err().flatten();
        wire.finish(ending).await;
        drop(alive);
    }))
}

async fn talk(
    app: &Shared,
    wire: &mut Wire,
    id: &SessionId,
    dialect: Dialect,
    token: Option<String>,
) -> Result<(), Ending> {
    if dialect == Dialect::Unknown {
        return Err(Some(Closing::new(close::DIALECT_UNSUPPORTED, "this dialect is not spoken here")));
    }
    let permit = Arc::clone(&app.strangers).try_acquire_owned();
    let permit = permit
        .map_err(|_| Some(Closing::new(close::LATER, "too many sockets have not said who they are")))?;
    let deadline = Instant::now() + Duration::from_millis(AUTH_TIMEOUT_MS);
    let opening = match (dialect, token) {
        // A native client said who it is in the header, and has no position.
        (Dialect::Plain, Some(token)) => {
            Opening { caller: admit(app, &token).await?, auth: None, rest: String::new() }
        }
        (Dialect::V1 | Dialect::Plain | Dialect::Unknown, _) => {
            first_auth(app, wire, deadline, dialect).await?
        }
    };
    drop(permit);
    let session = find(app, id).await?;
    match dialect {
        Dialect::V1 => {
            v1::run(app, wire, &session, opening.caller, opening.auth.and_then(|auth| auth.resume)).await
        }
        Dialect::Plain | Dialect::Unknown => {
            plain::run(app, wire, &session, opening.caller, opening.rest).await
        }
    }
}

struct Opening {
    caller: Caller,
    auth: Option<Auth>,
    /// Lines behind the first one in the same frame.
    rest: String,
}

async fn first_auth(
    app: &App,
    wire: &mut Wire,
    deadline: Instant,
    dialect: Dialect,
) -> Result<Opening, Ending> {
    let text = wire.first_text(deadline).await?;
    let (first, rest) = match dialect {
        Dialect::Plain => text.split_once('\n').unwrap_or((&text, "")),
        Dialect::V1 | Dialect::Unknown => (&*text, ""),
    };
    let refused = Some(Closing::new(close::REFUSED, "the first frame says who you are"));
    let Ok(ClientFrame::Auth(auth)) = ClientFrame::parse(first) else { return Err(refused) };
    let caller = admit(app, &auth.credential.token).await?;
    Ok(Opening { caller, auth: Some(auth), rest: rest.to_owned() })
}

/// The caller behind a token, if it may read.
pub(super) async fn admit(app: &App, token: &str) -> Result<Caller, Ending> {
    let caller = app.gate.authenticate(token).await.map_err(|error| {
        app.metrics.refused();
        Some(match error {
            AuthError::ExpiredToken => Closing::new(close::TOKEN_EXPIRED, "the access token expired"),
            AuthError::Store(error) => failed(&error.into()),
            AuthError::UnknownCode
            | AuthError::UsedCode
            | AuthError::ExpiredCode
            | AuthError::TooManyCodes
            | AuthError::Name
            | AuthError::Key(_)
            | AuthError::KeyMissing
            | AuthError::Waiting
            | AuthError::Signature
            | AuthError::UnknownToken => Closing::new(close::REFUSED, "the access token is not known here"),
        })
    })?;
    if caller.device.role.covers(Role::Viewer) {
        return Ok(caller);
    }
    Err(Some(Closing::new(close::REFUSED, "this device may not read sessions")))
}

async fn find(app: &App, id: &SessionId) -> Result<SessionRow, Ending> {
    match app.store.session(id).await {
        Ok(Some(session)) => Ok(session),
        Ok(None) => Err(Some(Closing::new(close::SESSION_MISSING, "there is no such session"))),
        Err(error) => Err(Some(failed(&error.into()))),
    }
}

/// The close of a socket after the server failed; the error was logged where it became one.
pub(super) fn failed(_: &super::error::ApiError) -> Closing {
    Closing::new(close::ERROR, "the server failed")
}

/// A client frame that could not be read.
pub(super) fn malformed(_: &JsonError) -> Closing {
    Closing::new(1007, "a frame could not be read")
}
