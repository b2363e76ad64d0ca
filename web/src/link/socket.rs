//! One WebSocket. Frames go out at once, in order; what comes in is told to one listener.

use std::pin::Pin;

use futures_util::{Sink as _, StreamExt as _};
use gloo_net::websocket::futures::WebSocket;
use gloo_net::websocket::{Message, State, WebSocketError};
use portcullis_protocol::wire::close;
use wasm_bindgen_futures::spawn_local;

/// What a socket tells.
pub(super) enum Heard {
    /// It is open.
    Opened,
    /// A text frame.
    Frame(String),
    /// It ended, with this code.
    Closed(u16),
}

/// No close frame, or no connection at all.
pub(super) const ABNORMAL: u16 = 1006;

/// An open or opening socket. Dropping it closes it.
pub(super) struct Socket {
    raw: web_sys::WebSocket,
}

impl Socket {
    /// Opens `url` and tells `listener` everything, until the socket ended.
    pub(super) fn open(url: &str, listener: impl Fn(Heard) + 'static) -> Option<Self> {
        let raw = web_sys::WebSocket::new(url).ok()?;
        let socket = WebSocket::try_from(raw.clone()).ok()?;
        spawn_local(listen(socket, listener));
        Some(Self { raw })
    }

    /// Sends one frame. What cannot be sent any more is followed by the end of the socket, which is told.
    pub(super) fn send(&self, text: &str) {
        let _ = self.raw.send_with_str(text);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.raw.close_with_code(close::NORMAL);
    }
}

async fn listen(mut socket: WebSocket, listener: impl Fn(Heard)) {
    let ready = std::future::poll_fn(|context| Pin::new(&mut socket).poll_ready(context)).await;
    if ready.is_ok() && matches!(socket.state(), State::Open) {
        listener(Heard::Opened);
    }
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) => listener(Heard::Frame(text)),
            // The dialect has no binary frames.
            Ok(Message::Bytes(_)) => {}
            Err(WebSocketError::ConnectionClose(event)) => return listener(Heard::Closed(event.code)),
            // An error is followed by the close that says more.
            Err(_) => {}
        }
    }
    listener(Heard::Closed(ABNORMAL));
}
