//! The connection to the agent: the protocol crate's own engine over the agent's pipes. It is given one line at a time
//! and only while what came before was taken, so that neither a flood nor an agent that does not read fills memory.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent_client_protocol::v1::{ConnectionTo, Responder};
use agent_client_protocol::{Agent, Client, Error, Lines, UntypedMessage, is_incoming_transport_closed};
use futures_util::{Sink, Stream, sink, stream};
use portcullis_protocol::limits::EVENT_BYTES_MAX;
use portcullis_protocol::wire::framing::{Line, LineFramer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::machine::{AgentError, CallId};
use crate::serve::Refusal;

/// Longest message of an agent, in bytes: twice what can be passed on, so that a large chunk is still read whole.
const MESSAGE_BYTES_MAX: usize = 2 * EVENT_BYTES_MAX;
/// Messages read and not yet taken.
const EVENTS_MAX: usize = 64;
/// Room that must be left before the next one is read.
const EVENTS_FREE: usize = EVENTS_MAX / 2;
/// Messages for an agent that does not read, beyond which it is not read either.
const UNSENT_MAX: usize = 256;

/// What the agent does.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    Notice {
        method: String,
        params: Value,
    },
    Asked {
        method: String,
        params: Value,
        responder: Responder,
    },
    Reply {
        call: CallId,
        reply: Result<Value, AgentError>,
    },
    /// Nothing more comes.
    Closed {
        why: String,
    },
}

/// How far what was said is from the agent.
#[derive(Debug, Default)]
struct Unsent {
    count: AtomicUsize,
    changed: Notify,
}

/// A connection. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Link {
    connection: ConnectionTo<Agent>,
    events: mpsc::Sender<LinkEvent>,
    unsent: Arc<Unsent>,
    task: JoinHandle<()>,
}

impl Link {
    /// Connects over the agent's pipes. Returns the link and what comes over it.
    pub(crate) async fn open(
        stdin: impl AsyncWrite + Unpin + Send + 'static,
        stdout: impl AsyncRead + Unpin + Send + 'static,
    ) -> Option<(Self, mpsc::Receiver<LinkEvent>)> {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let unsent = Arc::new(Unsent::default());
        let transport = Lines::new(
            outgoing(stdin, Arc::clone(&unsent)),
            incoming(stdout, events.clone(), Arc::clone(&unsent)),
        );
        let (ready_in, ready) = oneshot::channel();
        let task = tokio::spawn(converse(transport, events.clone(), ready_in));
        let connection = ready.await.ok()?;
        Some((Self { connection, events, unsent, task }, received))
    }

    /// Sends a request; its answer comes as an event, in its place among all others.
    pub(crate) fn call(&self, call: CallId, method: &str, params: Value) {
        let message = UntypedMessage { method: method.to_owned(), params };
        let events = self.events.clone();
        self.unsent.count.fetch_add(1, Ordering::Relaxed);
        let sent = self.connection.send_request(message).on_receiving_result(async move |result| {
            // That the agent is gone is an event of its own.
            if result.as_ref().is_err_and(is_incoming_transport_closed) {
                return Ok(());
            }
            let reply = result.map_err(|error| AgentError {
                code: error.code.into(),
                message: error.message,
                data: error.data,
            });
            // Whoever took the events may be gone.
            let _ = events.send(LinkEvent::Reply { call, reply }).await;
            Ok(())
        });
        if let Err(error) = sent {
            tracing::debug!(%error, method, "a request was not sent");
        }
    }

    pub(crate) fn notify(&self, method: &str, params: Value) {
        self.unsent.count.fetch_add(1, Ordering::Relaxed);
        let message = UntypedMessage { method: method.to_owned(), params };
        if let Err(error) = self.connection.send_notification(message) {
            tracing::debug!(%error, method, "a notification was not sent");
        }
    }

    pub(crate) fn answer(&self, responder: Responder, result: Result<Value, Refusal>) {
        self.unsent.count.fetch_add(1, Ordering::Relaxed);
        let result = result.map_err(|refusal| Error::new(refusal.code, refusal.message));
        if let Err(error) = responder.respond_with_result(result) {
            tracing::debug!(%error, "an answer was not sent");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs the engine until the agent's end of the pipes is closed or broken.
async fn converse(
    transport: Lines<
        impl Sink<String, Error = io::Error> + Send + 'static,
        impl Stream<Item = io::Result<String>> + Send + 'static,
    >,
    events: mpsc::Sender<LinkEvent>,
    ready: oneshot::Sender<ConnectionTo<Agent>>,
) {
    let (asked, noticed) = (events.clone(), events.clone());
    let connected = Client
        .v1()
        .name("portcullis")
        .on_receive_request(
            async move |request: UntypedMessage, responder, _connection| {
                let UntypedMessage { method, params } = request;
                let _ = asked.send(LinkEvent::Asked { method, params, responder }).await;
                Ok(())
            },
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_notification(
            async move |notice: UntypedMessage, _connection| {
                let UntypedMessage { method, params } = notice;
                let _ = noticed.send(LinkEvent::Notice { method, params }).await;
                Ok(())
            },
            agent_client_protocol::on_receive_notification!(),
        )
        .connect_with(transport, async move |connection: ConnectionTo<Agent>| {
            let _ = ready.send(connection.clone());
            connection.incoming_closed().await;
            Ok(())
        })
        .await;
    let why = match connected {
        Ok(()) => String::new(),
        Err(error) => {
            error.data.as_ref().and_then(Value::as_str).map_or(error.message.clone(), str::to_owned)
        }
    };
    let _ = events.send(LinkEvent::Closed { why }).await;
}

/// Lines for the agent's stdin.
fn outgoing(
    stdin: impl AsyncWrite + Unpin + Send + 'static,
    unsent: Arc<Unsent>,
) -> impl Sink<String, Error = io::Error> + Send + 'static {
    sink::unfold((stdin, unsent), async |(mut stdin, unsent), mut line: String| {
        line.push('\n');
        stdin.write_all(line.as_bytes()).await?;
        stdin.flush().await?;
        // Answers of the engine's own are not counted, so it may be none already.
        let _ = unsent.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        unsent.changed.notify_one();
        Ok::<_, io::Error>((stdin, unsent))
    })
}

struct Reading<R> {
    stdout: R,
    framer: LineFramer,
    chunk: Vec<u8>,
    ready: VecDeque<Line>,
    is_over: bool,
    events: mpsc::Sender<LinkEvent>,
    unsent: Arc<Unsent>,
}

/// Lines of the agent's stdout, each only when there is room for what it says.
fn incoming<R: AsyncRead + Unpin + Send + 'static>(
    stdout: R,
    events: mpsc::Sender<LinkEvent>,
    unsent: Arc<Unsent>,
) -> impl Stream<Item = io::Result<String>> + Send + 'static {
    let reading = Reading {
        stdout,
        framer: LineFramer::new(MESSAGE_BYTES_MAX),
        chunk: vec![0; 64 * 1024],
        ready: VecDeque::new(),
        is_over: false,
        events,
        unsent,
    };
    stream::unfold(reading, async |mut reading| {
        let line = reading.next().await?;
        Some((line, reading))
    })
}

impl<R: AsyncRead + Unpin> Reading<R> {
    async fn next(&mut self) -> Option<io::Result<String>> {
        self.wait_for_room().await;
        loop {
            match self.ready.pop_front() {
                // What programs print beside their protocol is no message.
                Some(Line::Text(text)) if text.trim_start().starts_with('{') => return Some(Ok(text)),
                Some(Line::Text(text)) => {
                    tracing::debug!(bytes = text.len(), "the agent printed a line that is no message");
                    continue;
                }
                Some(Line::TooLong { bytes, .. }) => {
                    let words = format!(
                        "it sent a message of {bytes} bytes, and at most {MESSAGE_BYTES_MAX} are read"
                    );
                    return Some(Err(io::Error::other(words)));
                }
                Some(Line::NotUtf8 { bytes }) => {
                    return Some(Err(io::Error::other(format!("it sent {bytes} bytes that are no text"))));
                }
                None if self.is_over => return None,
                None => {}
            }
            let count = self.stdout.read(&mut self.chunk).await.unwrap_or(0);
            let ready = &mut self.ready;
            if count == 0 {
                self.is_over = true;
                ready.extend(self.framer.finish());
            } else {
                self.framer.push(&self.chunk[..count], |line| ready.push_back(line));
            }
        }
    }

    async fn wait_for_room(&mut self) {
        // The engine takes the line before this one first.
        tokio::task::yield_now().await;
        while self.unsent.count.load(Ordering::Relaxed) > UNSENT_MAX {
            self.unsent.changed.notified().await;
        }
        // Closed: nobody wants anything any more, and the stream ends by itself.
        let _ = self.events.reserve_many(EVENTS_FREE).await;
    }
}
