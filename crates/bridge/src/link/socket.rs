//! The worker's socket: connects, reports what is said on it, and connects again until the session is over.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::limits::{EVENT_BYTES_MAX, HEARTBEAT_MS, SILENCE_MS};
use portcullis_protocol::wire::close::{self, CloseCode};
use portcullis_protocol::wire::worker::{WorkerDown, WorkerUp};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::backoff::Backoff;
use crate::lease::Credential;

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

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Keeps a socket open until `events` closes or the session is gone. `credential` always holds the newest token;
/// `openings` counts how often the ingress was there again.
pub(crate) async fn run_socket(
    base: String,
    session: SessionId,
    credential: watch::Receiver<Credential>,
    events: mpsc::Sender<SocketEvent>,
    openings: watch::Sender<u64>,
) {
    let url = socket_url(&base, &session);
    let mut backoff = Backoff::new();
    while !events.is_closed() {
        let bearer = credential.borrow().token.clone();
        match connect(&url, &bearer).await {
            Ok(socket) => {
                let since = Instant::now();
                let (sender, frames) = mpsc::channel(FRAMES_MAX);
                if events.send(SocketEvent::Up(sender)).await.is_err() {
                    return;
                }
                let (end, was_heard) = converse(socket, frames, &events, &openings).await;
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
        tokio::time::sleep(backoff.next_delay(std::time::Instant::now())).await;
    }
}

enum ConnectError {
    Gone,
    Failed(String),
}

fn socket_url(base: &str, session: &SessionId) -> String {
    let base = base.trim_end_matches('/');
    let host = base.strip_prefix("http").map_or_else(|| base.to_owned(), |rest| format!("ws{rest}"));
    format!("{host}/v1/session_ingress/ws/{session}")
}

async fn connect(url: &str, bearer: &str) -> Result<Socket, ConnectError> {
    let failed = |why: String| ConnectError::Failed(why);
    let mut request = url.into_client_request().map_err(|error| failed(error.to_string()))?;
    let credential = HeaderValue::from_str(&format!("Bearer {bearer}"))
        .map_err(|_| failed("the token is no header".into()))?;
    request.headers_mut().insert(AUTHORIZATION, credential);
    let limits = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(limits), true);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(response))) if matches!(response.status().as_u16(), 404 | 410) => {
            Err(ConnectError::Gone)
        }
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("no answer in time".into())),
    }
}

/// Moves frames both ways until the socket ends or nobody wants it any more. Says why, and whether the ingress spoke.
async fn converse(
    socket: Socket,
    mut frames: mpsc::Receiver<WorkerUp>,
    events: &mpsc::Sender<SocketEvent>,
    openings: &watch::Sender<u64>,
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
            () = sleep_until(silence) => break CloseCode::Abnormal,
        }
    };
    (end, was_heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_where_the_ingress_is() {
        let session = SessionId::parse("s1").unwrap();
        assert_eq!(
            socket_url("http://127.0.0.1:7878/", &session),
            "ws://127.0.0.1:7878/v1/session_ingress/ws/s1"
        );
        assert_eq!(socket_url("https://host", &session), "wss://host/v1/session_ingress/ws/s1");
    }
}
