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
use portcullis_protocol::wire::client::{ClientFrame, DIALECT, Resume};
use portcullis_protocol::wire::close;
use serde::Deserialize;
use tokio::time::Instant;

use super::error::ApiResult;
use super::extract::{Ids, bearer};
use super::socket::{Closing, Ending, Wire, converse, upgrade};
use super::stream::{Inflow, STRANGER_BYTES_MAX};
use super::{App, Shared, plain, v1};
use crate::auth::{AuthError, Caller};
use crate::hub::{Joined, Room};
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
    let inflow = parts.extensions.get::<Inflow>().cloned().unwrap_or_default();
    // Before the upgrade, and before a place among the strangers: a good token never waits behind silence.
    let known = match bearer(&parts) {
        Some(token) => Some(Opening::new(&app, token).await),
        None => None,
    };
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
    let guest = Guest::new(dialect, known);
    app.metrics.socket();
    let bytes_max = if dialect == Dialect::V1 { V1_FRAME_BYTES_MAX } else { POST_BYTES_MAX };
    if !matches!(guest, Guest::Known(_)) {
        inflow.limit(STRANGER_BYTES_MAX);
    }
    Ok(converse(socket, bytes_max, move |mut wire| async move {
        let Some(alive) = app.alive.upgrade() else { return };
        let ending = talk(&app, &mut wire, &id, dialect, guest, &inflow).await.err().flatten();
        wire.finish(ending).await;
        drop(alive);
    }))
}

/// Who stands at the door, by the header alone.
#[derive(Debug)]
enum Guest {
    Known(Box<Opening>),
    /// Has a good token and still owes the first frame, which says from where to go on.
    Vouched,
    Stranger,
    Unwelcome(Ending),
}

impl Guest {
    fn new(dialect: Dialect, known: Option<Result<Opening, Ending>>) -> Self {
        match (dialect, known) {
            (Dialect::Unknown, _) => Self::Unwelcome(Some(Closing::new(
                close::DIALECT_UNSUPPORTED,
                "this dialect is not spoken here",
            ))),
            // A native client said who it is in the header, and has no position.
            (Dialect::Plain, Some(Ok(opening))) => Self::Known(Box::new(opening)),
            (Dialect::Plain, Some(Err(ending))) => Self::Unwelcome(ending),
            (Dialect::V1, Some(Ok(_))) => Self::Vouched,
            (Dialect::V1, Some(Err(_))) | (Dialect::V1 | Dialect::Plain, None) => Self::Stranger,
        }
    }
}

async fn talk(
    app: &Shared,
    wire: &mut Wire,
    id: &SessionId,
    dialect: Dialect,
    guest: Guest,
    inflow: &Inflow,
) -> Result<(), Ending> {
    let deadline = Instant::now() + Duration::from_millis(AUTH_TIMEOUT_MS);
    let opening = match guest {
        Guest::Unwelcome(ending) => return Err(ending),
        Guest::Known(opening) => *opening,
        Guest::Vouched => first_auth(app, wire, deadline, dialect).await?,
        Guest::Stranger => {
            let mut place = app.strangers.enter();
            tokio::select! {
                biased;
                opening = first_auth(app, wire, deadline, dialect) => opening?,
                () = place.lost() => {
                    let why = "too many sockets have not said who they are";
                    return Err(Some(Closing::new(close::LATER, why)));
                }
            }
        }
    };
    inflow.open();
    let session = find(app, id).await?;
    match dialect {
        Dialect::V1 => v1::run(app, wire, &session, opening).await,
        Dialect::Plain | Dialect::Unknown => plain::run(app, wire, &session, opening).await,
    }
}

/// What the first frame or the header said.
#[derive(Debug)]
pub(super) struct Opening {
    caller: Caller,
    token: String,
    /// Where a reader of `portcullis.v1` stands.
    pub resume: Option<Resume>,
    /// Lines behind the first one in the same frame.
    pub rest: String,
}

impl Opening {
    async fn new(app: &App, token: &str) -> Result<Self, Ending> {
        let caller = admit(app, token).await?;
        Ok(Self { caller, token: token.to_owned(), resume: None, rest: String::new() })
    }

    /// Takes a seat, and only then looks for the last time at who it is for: a device that is revoked before it sits
    /// is not found among the seats to be cleared.
    pub(super) async fn sit(&self, app: &App, room: &Arc<Room>) -> Result<(Joined, Caller), Ending> {
        let seat = room
            .join(&self.caller.device.id)
            .map_err(|_| Some(Closing::new(close::TOO_MANY, "this device has too many sockets here")))?;
        let caller = admit(app, &self.token).await?;
        Ok((seat, caller))
    }
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
    let opening = Opening::new(app, &auth.credential.token).await?;
    Ok(Opening { resume: auth.resume, rest: rest.to_owned(), ..opening })
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
            | AuthError::Known(_)
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

#[cfg(test)]
mod tests {
    use portcullis_protocol::id::DeviceId;
    use portcullis_protocol::wire::rest::PublicKey;
    use tokio::sync::mpsc;

    use super::*;
    use crate::auth::Gate;
    use crate::auth::signer::IngressKey;
    use crate::http::{Allowed, Metrics, Site, Strangers};
    use crate::hub::Hub;
    use crate::seam::{SystemClock, SystemEntropy, sha256};
    use crate::store::DeviceRow;
    use crate::store::sqlite::SqliteStore;

    async fn app(dir: &std::path::Path) -> App {
        let store = Arc::new(SqliteStore::open(&dir.join("db"), &SystemEntropy).await.unwrap());
        let key = IngressKey::load(&dir.join("key"), &SystemEntropy).unwrap();
        App {
            gate: Gate::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemEntropy), key),
            store,
            hub: Hub::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            allowed: Allowed::default(),
            metrics: Metrics::default(),
            site: Site::open(None),
            base_url: String::new(),
            strangers: Strangers::default(),
            leaving: crate::bell::Sender::new(false).subscribe(),
            alive: mpsc::channel(1).0.downgrade(),
        }
    }

    #[tokio::test]
    async fn a_device_that_is_revoked_between_its_token_and_its_seat_gets_none() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(dir.path()).await;
        let id = DeviceId::parse("dev").unwrap();
        let row = DeviceRow {
            id: id.clone(),
            name: "phone".into(),
            role: Role::Viewer,
            key: Some(PublicKey { alg: "EdDSA".into(), key: "k".into() }),
            plain_approve: false,
            confirm_code: None,
            created_at_ms: 1,
            last_seen_at_ms: 1,
        };
        app.store.provision(row).await.unwrap();
        let now_ms = app.clock.now_ms();
        app.store.add_token(sha256("token"), id.clone(), now_ms + 60_000, now_ms).await.unwrap();
        let opening = Opening::new(&app, "token").await.unwrap();
        let room = app.hub.room(&SessionId::parse("s").unwrap());
        assert!(opening.sit(&app, &room).await.is_ok());

        // As `DELETE /v1/auth/devices/{id}` does it: the row, then the sockets that are seated.
        app.store.delete_device(id.clone()).await.unwrap();
        app.hub.close_device(&id);
        let refused = opening.sit(&app, &room).await.unwrap_err().unwrap();
        assert_eq!(refused.code, close::REFUSED);
    }
}
