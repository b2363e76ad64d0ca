//! One WebSocket as a browser has it: sends never block, frames wait until they are read, and its end has a code.

use anyhow::Result;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// The code of a socket that ended without saying why.
pub(super) const ABNORMAL: u16 = 1006;
/// Frames that wait to be sent; a tab says little.
const OUTGOING_MAX: usize = 1_024;
/// Frames that wait to be read; beyond them the network waits, as it does for a browser.
const INCOMING_MAX: usize = 4;

/// What a socket says.
#[derive(Debug)]
pub(super) enum Heard {
    Frame(String),
    Closed(u16),
}

/// An open socket. Dropped, it is gone without a word.
#[derive(Debug)]
pub(super) struct Socket {
    outgoing: mpsc::Sender<String>,
    incoming: mpsc::Receiver<Heard>,
    tasks: [JoinHandle<()>; 2],
}

impl Socket {
    pub(super) async fn open(url: &str, session: &str) -> Result<Self> {
        let host = url.replace("http://", "ws://");
        let address = format!("{host}/v1/sessions/ws/{session}/subscribe?dialect=portcullis.v1");
        let (socket, _) = tokio_tungstenite::connect_async(address).await?;
        let (outgoing, mut to_send) = mpsc::channel::<String>(OUTGOING_MAX);
        let (heard, incoming) = mpsc::channel(INCOMING_MAX);
        let (mut sink, stream) = socket.split();
        let sending = tokio::spawn(async move {
            while let Some(text) = to_send.recv().await {
                if sink.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { outgoing, incoming, tasks: [sending, tokio::spawn(listen(stream, heard))] })
    }

    pub(super) fn send(&self, text: String) {
        // A socket that takes nothing any more ends soon, and says so.
        let _ = self.outgoing.try_send(text);
    }

    pub(super) async fn next(&mut self) -> Heard {
        self.incoming.recv().await.unwrap_or(Heard::Closed(ABNORMAL))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

type Stream = futures_util::stream::SplitStream<WebSocketStream<MaybeTlsStream<TcpStream>>>;

async fn listen(mut stream: Stream, heard: mpsc::Sender<Heard>) {
    loop {
        let said = match stream.next().await {
            Some(Ok(Message::Text(text))) => Heard::Frame(text.as_str().to_owned()),
            Some(Ok(Message::Close(frame))) => {
                Heard::Closed(frame.map_or(ABNORMAL, |frame| frame.code.into()))
            }
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => Heard::Closed(ABNORMAL),
        };
        let last = matches!(said, Heard::Closed(_));
        if heard.send(said).await.is_err() || last {
            return;
        }
    }
}
