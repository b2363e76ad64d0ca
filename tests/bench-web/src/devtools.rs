//! The developer tools of a browser over their WebSocket: commands and their answers, and events of a few kinds.
//!
//! One task owns the socket; everybody else sends it what to say and gets the answer back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longest answer of a busy page.
const PATIENCE: Duration = Duration::from_secs(60);
/// Commands that wait to be sent.
const ORDERS_MAX: usize = 64;
/// Events that wait to be read: a trace comes in a few hundred pieces.
const EVENTS_MAX: usize = 4_096;
/// Bytes of one message: a piece of a trace is a few hundred KiB.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A connection to a browser. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Devtools {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Call { session: Option<String>, method: &'static str, parameters: Value, answer: oneshot::Sender<Value> },
    Hear { session: String, method: &'static str, events: mpsc::Sender<Value> },
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Devtools {
    /// Connects to the browser's own address.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn connect(address: &str) -> Result<Self> {
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let (socket, _) = tokio_tungstenite::connect_async_with_config(address, Some(limits), true)
            .await
            .context("connecting to the developer tools")?;
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        tokio::spawn(converse(socket, ordered));
        Ok(Self { orders })
    }

    /// One command to a target, or to the browser itself, and its result.
    ///
    /// # Errors
    /// When the browser refuses, or says nothing in time.
    pub async fn call(
        &self,
        session: Option<&str>,
        method: &'static str,
        parameters: Value,
    ) -> Result<Value> {
        let (answer, answered) = oneshot::channel();
        let session = session.map(str::to_owned);
        let order = Order::Call { session, method, parameters, answer };
        self.orders.send(order).await.ok().context("the browser is gone")?;
        let answer = tokio::time::timeout(PATIENCE, answered)
            .await
            .with_context(|| format!("{method}: no answer"))?
            .with_context(|| format!("{method}: the browser is gone"))?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].clone())
    }

    /// Events of one kind of one target, from now on.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn hear(&self, session: &str, method: &'static str) -> Result<mpsc::Receiver<Value>> {
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let order = Order::Hear { session: session.to_owned(), method, events };
        self.orders.send(order).await.ok().context("the browser is gone")?;
        Ok(heard)
    }
}

/// Moves commands and answers until either side has enough.
async fn converse(mut socket: Socket, mut orders: mpsc::Receiver<Order>) {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let mut waiting: HashMap<u64, oneshot::Sender<Value>> = HashMap::new();
    let mut listeners: Vec<(String, &'static str, mpsc::Sender<Value>)> = Vec::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Call { session, method, parameters, answer }) => {
                    let id = NUMBER.fetch_add(1, Ordering::Relaxed);
                    let mut command = json!({ "id": id, "method": method, "params": parameters });
                    if let Some(session) = session {
                        command["sessionId"] = session.into();
                    }
                    waiting.insert(id, answer);
                    if socket.send(Message::text(command.to_string())).await.is_err() {
                        return;
                    }
                }
                Some(Order::Hear { session, method, events }) => {
                    listeners.retain(|(.., events)| !events.is_closed());
                    listeners.push((session, method, events));
                }
                None => return,
            },
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let Message::Text(text) = message else { continue };
                let Ok(mut said) = serde_json::from_str::<Value>(&text) else { continue };
                if let Some(answer) = said["id"].as_u64().and_then(|id| waiting.remove(&id)) {
                    // Whoever asked may have given up.
                    let _ = answer.send(said);
                    continue;
                }
                let heard = listeners
                    .iter()
                    .find(|(session, method, _)| said["sessionId"] == **session && said["method"] == **method);
                if let Some((.., events)) = heard {
                    let _ = events.send(said["params"].take()).await;
                }
            }
        }
    }
}
