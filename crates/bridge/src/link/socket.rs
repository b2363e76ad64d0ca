//! The worker's socket: connects, reports what is said on it, and connects again until the session is over.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::limits::{EVENT_BYTES_MAX, HEARTBEAT_MS, SILENCE_MS};
use portcullis_protocol::wire::close::{self, CloseCode};
use portcullis_protocol::wire::worker::{WorkerDown, WorkerUp};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::backoff::Backoff;
use crate::lease::Credential;
use crate::road::{Line, Road};
use crate::wake::{Wakes, woken};

/// Frames that wait to be written; more means that the socket is stuck.
const FRAMES_MAX: usize = 256;
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A line on which nothing comes for this long is dead, whatever the other end believes.
const SILENCE: Duration = Duration::from_millis(SILENCE_MS);
/// A connection that held this long was good: the next failure starts from the shortest delay.
const CALM: Duration = Duration::from_secs(30);
/// Bytes of one frame: an event at its limit and its envelope.
const FRAME_BYTES_MAX: usize = EVENT_BYTES_MAX + 1024 * 1024;

/// What happens on the socket.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// Open: this is the way to speak on it. Closing the sender closes the socket.
    Up(mpsc::Sender<WorkerUp>),
    Frame(WorkerDown),
    Down,
    /// The ingress says that there is no such session any more.
    Gone,
}

type Socket = WebSocketStream<Line>;

/// Keeps a socket open until `events` closes or the session is gone. `credential` always holds the newest token;
/// `openings` counts how often the ingress was there again.
pub(crate) async fn run_socket(
    road: Road,
    session: SessionId,
    credential: watch::Receiver<Credential>,
    events: mpsc::Sender<SocketEvent>,
    openings: watch::Sender<u64>,
    mut wakes: Wakes,
) {
    let url = format!("{}/v1/session_ingress/ws/{session}", road.socket_base());
    let mut backoff = Backoff::new();
    while !events.is_closed() {
        let bearer = credential.borrow().token.clone();
        match connect(&road, &url, &bearer).await {
            Ok(socket) => {
                let since = Instant::now();
                let (sender, frames) = mpsc::channel(FRAMES_MAX);
                if events.send(SocketEvent::Up(sender)).await.is_err() {
                    return;
                }
                let (end, was_heard) = converse(socket, frames, &events, &openings, &mut wakes).await;
                tracing::debug!(%session, ?end, "the worker's socket closed");
                if events.send(SocketEvent::Down).await.is_err() {
                    return;
                }
                if end == CloseCode::Archived {
                    let _ = events.send(SocketEvent::Gone).await;
                    return;
                }
                if since.elapsed() > CALM {
                    backoff.reset();
                } else if was_heard {
                    backoff.relent();
                }
            }
            Err(ConnectError::Gone) => {
                let _ = events.send(SocketEvent::Gone).await;
                return;
            }
            Err(ConnectError::Failed(why)) => {
                tracing::debug!(%session, why, "the worker's socket does not open")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.next_delay(std::time::Instant::now())) => {}
            () = woken(&mut wakes) => backoff.reset(),
        }
    }
}

enum ConnectError {
    Gone,
    Failed(String),
}

async fn connect(road: &Road, url: &str, bearer: &str) -> Result<Socket, ConnectError> {
    let failed = |why: String| ConnectError::Failed(why);
    let mut request = url.into_client_request().map_err(|error| failed(error.to_string()))?;
    let credential = HeaderValue::from_str(&format!("Bearer {bearer}"))
        .map_err(|_| failed("the token is no header".into()))?;
    request.headers_mut().insert(AUTHORIZATION, credential);
    let limits = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let connecting = async {
        let line = road.open().await.map_err(failed)?;
        match tokio_tungstenite::client_async_with_config(request, line, Some(limits)).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) if matches!(response.status().as_u16(), 404 | 410) => {
                Err(ConnectError::Gone)
            }
            Err(error) => Err(failed(error.to_string())),
        }
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(failed("no answer in time".into())),
    }
}

/// Moves frames both ways until the socket ends or nobody wants it any more. Says why, and whether the ingress spoke.
async fn converse(
    socket: Socket,
    mut frames: mpsc::Receiver<WorkerUp>,
    events: &mpsc::Sender<SocketEvent>,
    openings: &watch::Sender<u64>,
    wakes: &mut Wakes,
) -> (CloseCode, bool) {
    let (mut sink, mut stream) = socket.split();
    let mut beat = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
    let mut silence = Instant::now() + SILENCE;
    let mut was_heard = false;
    let end = loop {
        tokio::select! {
            // What came while this side was busy counts before the silence it would otherwise seem.
            biased;
            message = stream.next() => {
                silence = Instant::now() + SILENCE;
                match message {
                    Some(Ok(Message::Text(text))) => match WorkerDown::parse(text.as_str()) {
                        Ok(frame) => {
                            if !std::mem::replace(&mut was_heard, true) {
                                openings.send_modify(|count| *count += 1);
                            }
                            if events.send(SocketEvent::Frame(frame)).await.is_err() {
                                break CloseCode::Normal;
                            }
                        }
                        Err(error) => tracing::warn!(%error, "a frame of the ingress cannot be read"),
                    },
                    Some(Ok(Message::Close(frame))) => {
                        break CloseCode::from_u16(frame.map_or(close::NORMAL, |frame| frame.code.into()));
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                    Some(Err(_)) | None => break CloseCode::Abnormal,
                }
            }
            frame = frames.recv() => {
                let Some(frame) = frame else {
                    let _ = sink.close().await;
                    break CloseCode::Normal;
                };
                if sink.send(Message::text(frame.to_text())).await.is_err() {
                    break CloseCode::Abnormal;
                }
            }
            _ = beat.tick() => {
                if sink.send(Message::Ping(Vec::new().into())).await.is_err() {
                    break CloseCode::Abnormal;
                }
            }
            // The other end gave this line up while the machine slept.
            () = woken(wakes) => break CloseCode::Abnormal,
            () = sleep_until(silence) => break CloseCode::Abnormal,
        }
    };
    (end, was_heard)
}
