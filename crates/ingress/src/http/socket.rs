//! A WebSocket with the bounds every one of ours has: a write that does not get through in time ends it, and so does
//! silence; a close says why.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use portcullis_protocol::limits::HEARTBEAT_MS;
use portcullis_protocol::wire::close;
use tokio::time::{Instant, timeout};

use super::error::{ApiError, ApiResult};

/// A peer that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A peer that says nothing for this long, not even a pong, is gone: it is pinged with every heartbeat.
const SILENCE: Duration = Duration::from_millis(3 * HEARTBEAT_MS + 5_000);
/// Wait for the peer's half of a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Frames of one peer between two heartbeats, pings included: a reader acknowledges far less often.
const FRAMES_PER_BEAT_MAX: u32 = 10_000;

/// Why a socket is closed from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub code: u16,
    pub reason: &'static str,
}

impl Closing {
    pub(super) const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}

/// How a conversation on a socket ends: the peer went (`None`), or we close it.
pub(super) type Ending = Option<Closing>;

/// What a peer sent.
#[derive(Debug)]
pub(super) enum Inbound {
    Text(String),
    /// Not for us: a pong, or a ping that was answered.
    Nothing,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Wire {
    socket: WebSocket,
    last_inbound: Instant,
    frames: u32,
}

impl Wire {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self { socket, last_inbound: Instant::now(), frames: 0 }
    }

    /// Waits for the next message. Cancel-safe.
    ///
    /// # Errors
    /// The [`Ending`] of the conversation.
    pub(super) async fn receive(&mut self) -> Result<Inbound, Ending> {
        let message = match self.socket.recv().await {
            None => return Err(None),
            Some(Ok(message)) => message,
            // tungstenite answers a frame above its limit or a broken one by itself, where it can.
            Some(Err(error)) => {
                tracing::debug!(%error, "a socket broke");
                return Err(Some(Closing::new(close::TOO_BIG, "a frame was broken or too big")));
            }
        };
        self.last_inbound = Instant::now();
        self.frames += 1;
        if self.frames > FRAMES_PER_BEAT_MAX {
            return Err(Some(Closing::new(close::TOO_MANY, "too many frames")));
        }
        match message {
            Message::Text(text) => Ok(Inbound::Text(text.as_str().to_owned())),
            Message::Binary(_) => Err(Some(Closing::new(1003, "only text is spoken here"))),
            Message::Ping(_) | Message::Pong(_) => Ok(Inbound::Nothing),
            Message::Close(_) => Err(None),
        }
    }

    /// Waits for the first text until `deadline`.
    pub(super) async fn first_text(&mut self, deadline: Instant) -> Result<String, Ending> {
        let late = Closing::new(close::LATER, "nothing came within the time for the first frame");
        loop {
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Err(_) => return Err(Some(late)),
                Ok(received) => {
                    if let Inbound::Text(text) = received? {
                        return Ok(text);
                    }
                }
            }
        }
    }

    /// Sends one text frame.
    pub(super) async fn send(&mut self, text: String) -> Result<(), Ending> {
        self.write(Message::Text(text.into())).await
    }

    /// Asks for a sign of life, and ends a peer that gave none since long.
    pub(super) async fn beat(&mut self) -> Result<(), Ending> {
        self.frames = 0;
        if self.last_inbound.elapsed() > SILENCE {
            return Err(None);
        }
        self.write(Message::Ping(axum::body::Bytes::new())).await
    }

    /// Ends the conversation: says why, and waits a little for the peer to have read it.
    pub(super) async fn finish(mut self, ending: Ending) {
        let Some(Closing { code, reason }) = ending else { return };
        let frame = CloseFrame { code, reason: reason.into() };
        if self.write(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        let _ = timeout(CLOSE_TIMEOUT, async {
            while let Some(Ok(message)) = self.socket.recv().await {
                if matches!(message, Message::Close(_)) {
                    break;
                }
            }
        })
        .await;
    }

    async fn write(&mut self, message: Message) -> Result<(), Ending> {
        match timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }
}

/// The upgrade, or the error in our shape.
pub(super) fn upgrade<E: std::fmt::Display>(
    upgrade: Result<WebSocketUpgrade, E>,
) -> ApiResult<WebSocketUpgrade> {
    upgrade.map_err(|error| ApiError::invalid(format!("this call is a WebSocket: {error}")))
}

/// Starts a conversation on the upgraded socket, with messages of at most `bytes_max`.
pub(super) fn converse<F, Fut>(upgrade: WebSocketUpgrade, bytes_max: usize, conversation: F) -> Response
where
    F: FnOnce(Wire) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    upgrade
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(move |socket| conversation(Wire::new(socket)))
}
