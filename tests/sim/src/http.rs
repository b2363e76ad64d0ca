//! What clients need of HTTP over a simulated pipe: one request a connection, and the way into a WebSocket.

use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis_ingress::memory::ADDRESS;
use portcullis_protocol::limits::EVENT_BYTES_MAX;
use portcullis_protocol::wire::rest::{ErrorBody, ErrorDetail};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::net::{Network, Use};

/// A WebSocket over a simulated pipe.
pub(crate) type Socket = WebSocketStream<DuplexStream>;

/// Time to make a connection and to open a socket on it.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of one frame: an event at its limit and its envelope.
const FRAME_BYTES_MAX: usize = EVENT_BYTES_MAX + 1024 * 1024;

/// Why a call gave nothing.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// No answer, or one that was cut.
    Silent,
    /// The server said no.
    Refused { status: u16, detail: Box<ErrorDetail> },
}

impl Failure {
    /// The status, if there was an answer.
    #[must_use]
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Silent => None,
            Self::Refused { status, .. } => Some(*status),
        }
    }
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Token of the `Authorization` header.
    pub bearer: Option<&'a str>,
    /// A body, as JSON.
    pub body: Option<&'a str>,
    /// How long to wait for all of the answer.
    pub patience: Duration,
}

impl Call<'_> {
    /// Makes the call and reads its answer.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn read<T: DeserializeOwned>(&self, network: &Network) -> Result<T, Failure> {
        let text = self.make(network).await?;
        serde_json::from_str(&text).map_err(|_| Failure::Silent)
    }

    /// Makes the call.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn make(&self, network: &Network) -> Result<String, Failure> {
        let answer = timeout(self.patience, self.exchange(network)).await;
        let (status, body) = answer.ok().flatten().ok_or(Failure::Silent)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let detail = serde_json::from_str::<ErrorBody>(&body).map(|body| body.error).unwrap_or_default();
        Err(Failure::Refused { status, detail: Box::new(detail) })
    }

    async fn exchange(&self, network: &Network) -> Option<(u16, String)> {
        let purpose =
            if self.method == "GET" || self.path.contains("/auth/") { Use::Call } else { Use::Post };
        let mut pipe = network.connect(purpose).await.ok()?;
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {ADDRESS}\r\nconnection: close\r\n", self.method, self.path);
        if let Some(token) = self.bearer {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if let Some(body) = self.body {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        head.push_str(self.body.unwrap_or_default());
        pipe.write_all(head.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        pipe.read_to_end(&mut answer).await.ok()?;
        whole(&String::from_utf8(answer).ok()?)
    }
}

/// Status and body of an answer, if all of it came.
fn whole(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (body.len() == length.unwrap_or(0)).then(|| (status, body.to_owned()))
}

/// Opens a WebSocket.
///
/// # Errors
/// [`Failure`], with the status when the server answered something else.
pub(crate) async fn open_socket(
    network: &Network,
    path: &str,
    bearer: Option<&str>,
) -> Result<Socket, Failure> {
    let opening = async {
        let pipe = network.connect(Use::Socket).await.map_err(|_| Failure::Silent)?;
        let url = format!("ws://{ADDRESS}{path}");
        let mut request = url.into_client_request().map_err(|_| Failure::Silent)?;
        if let Some(token) = bearer {
            let value = format!("Bearer {token}").parse().map_err(|_| Failure::Silent)?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let limits = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        match client_async_with_config(request, pipe, Some(limits)).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => {
                let detail = Box::new(ErrorDetail::default());
                Err(Failure::Refused { status: response.status().as_u16(), detail })
            }
            Err(_) => Err(Failure::Silent),
        }
    };
    timeout(OPEN_TIMEOUT, opening).await.map_err(|_| Failure::Silent)?
}

/// What came on a socket.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// A text frame.
    Text(String),
    /// It ended, with this code; 1006 when nobody said one.
    Closed(u16),
}

/// The next text, or the end. Cancel-safe.
pub(crate) async fn hear(socket: &mut Socket) -> Heard {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Heard::Text(text.as_str().to_owned()),
            Some(Ok(Message::Close(frame))) => {
                return Heard::Closed(frame.map_or(1005, |frame| frame.code.into()));
            }
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(_)) | None => return Heard::Closed(1006),
        }
    }
}
