//! Turns a reply into what goes over the wire: server-sent events as they happen, or one JSON body.

use std::{convert::Infallible, io};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::reply::{Reply, Step};

/// What a message is said to have cost when the test does not care, in tokens.
const INPUT_TOKENS: u64 = 1_200;
const OUTPUT_TOKENS: u64 = 10;

type Chunk = Result<Bytes, io::Error>;

/// Who answers, and under which id.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    pub(super) model: String,
    pub(super) message_id: String,
}

/// Answers with the reply, streamed or whole.
pub(super) fn say(
    reply: Reply,
    speaker: &Speaker,
    streams: bool,
    abandoned: watch::Sender<usize>,
) -> Response {
    if let Some(failure) = &reply.failure {
        return self::failure(failure.status, &failure.kind, &failure.message, &failure.headers);
    }
    if !streams {
        return whole(&assembled(&reply, speaker));
    }
    let (sender, chunks) = mpsc::channel(1);
    let speaker = speaker.clone();
    tokio::spawn(async move {
        if speak(&reply, &speaker, &sender).await.is_err() {
            abandoned.send_modify(|count| *count += 1);
        }
    });
    let chunks = unfold(chunks, |mut chunks| async move { Some((chunks.recv().await?, chunks)) });
    response(200, "text/event-stream", Body::from_stream(chunks))
}

/// Answers with one JSON value.
pub(super) fn whole(value: &Value) -> Response {
    response(200, "application/json", Body::from(value.to_string()))
}

/// Answers with an error in the API's form.
pub(super) fn failure(status: u16, kind: &str, message: &str, headers: &[(String, String)]) -> Response {
    let body =
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_testkit"});
    let mut response = response(status, "application/json", Body::from(body.to_string()));
    for (name, value) in headers {
        let name = axum::http::HeaderName::try_from(name).expect("tests name headers that exist");
        let value = axum::http::HeaderValue::try_from(value).expect("tests give values that can be sent");
        response.headers_mut().insert(name, value);
    }
    response
}

fn response(status: u16, kind: &str, body: Body) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .header("request-id", "req_testkit")
        .body(body)
        .expect("status and headers are valid")
}

/// Whoever listened has gone.
struct Left;

struct Stream<'a> {
    sender: &'a mpsc::Sender<Chunk>,
    index: u64,
    is_open: bool,
}

/// Says the reply step by step.
async fn speak(reply: &Reply, speaker: &Speaker, sender: &mpsc::Sender<Chunk>) -> Result<(), Left> {
    let mut stream = Stream { sender, index: 0, is_open: false };
    stream.event(&json!({"type": "message_start", "message": message(reply, speaker)})).await?;
    for step in &reply.steps {
        match step {
            Step::Open(block) => {
                stream.close().await?;
                let index = stream.index;
                let start = json!({"type": "content_block_start", "index": index, "content_block": block});
                stream.event(&start).await?;
                stream.is_open = true;
            }
            Step::Delta(delta) => {
                let index = stream.index;
                stream.event(&json!({"type": "content_block_delta", "index": index, "delta": delta})).await?;
            }
            Step::Close => stream.close().await?,
            Step::Event(event) => stream.event(event).await?,
            Step::Pause(duration) => stream.unless_left(tokio::time::sleep(*duration)).await?,
            Step::Wait(gate) => stream.unless_left(gate.opened()).await?,
            Step::Stall => stream.unless_left(std::future::pending::<Infallible>()).await.map(drop)?,
            Step::Cut => {
                drop(sender.send(Err(io::ErrorKind::ConnectionReset.into())).await);
                return Ok(());
            }
        }
    }
    stream.close().await?;
    let delta = json!({"stop_reason": stop_reason(reply), "stop_sequence": null});
    let usage = json!({"output_tokens": reply.output_tokens.unwrap_or(OUTPUT_TOKENS)});
    stream.event(&json!({"type": "message_delta", "delta": delta, "usage": usage})).await?;
    stream.event(&json!({"type": "message_stop"})).await
}

impl Stream<'_> {
    async fn event(&self, event: &Value) -> Result<(), Left> {
        let kind = event["type"].as_str().unwrap_or("message");
        let text = format!("event: {kind}\ndata: {event}\n\n");
        self.sender.send(Ok(text.into())).await.map_err(|_| Left)
    }

    async fn close(&mut self) -> Result<(), Left> {
        if self.is_open {
            self.event(&json!({"type": "content_block_stop", "index": self.index})).await?;
            self.index += 1;
            self.is_open = false;
        }
        Ok(())
    }

    async fn unless_left<T>(&self, work: impl Future<Output = T>) -> Result<T, Left> {
        tokio::select! {
            done = work => Ok(done),
            () = self.sender.closed() => Err(Left),
        }
    }
}

/// The message as it is before anything was said.
fn message(reply: &Reply, speaker: &Speaker) -> Value {
    json!({
        "id": speaker.message_id, "type": "message", "role": "assistant", "model": speaker.model, "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": reply.input_tokens.unwrap_or(INPUT_TOKENS), "output_tokens": 1,
                  "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
    })
}

fn stop_reason(reply: &Reply) -> &str {
    let calls = |step: &Step| matches!(step, Step::Open(block) if block["type"] == "tool_use");
    match &reply.stop_reason {
        Some(reason) => reason,
        None if reply.steps.iter().any(calls) => "tool_use",
        None => "end_turn",
    }
}

/// The whole message, for who did not ask for a stream. Waits, stalls and cuts have no place in it.
fn assembled(reply: &Reply, speaker: &Speaker) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for step in &reply.steps {
        match (step, blocks.last_mut()) {
            (Step::Open(block), _) => {
                input.clear();
                blocks.push(block.clone());
            }
            (Step::Delta(delta), Some(block)) => add(block, delta, &mut input),
            (_, _) => {}
        }
    }
    let mut message = message(reply, speaker);
    message["content"] = Value::Array(blocks);
    message["stop_reason"] = json!(stop_reason(reply));
    message["usage"]["output_tokens"] = json!(reply.output_tokens.unwrap_or(OUTPUT_TOKENS));
    message
}

fn add(block: &mut Value, delta: &Value, input: &mut String) {
    for field in ["text", "thinking", "signature"] {
        if let (Some(before), Some(more)) = (block[field].as_str(), delta[field].as_str()) {
            block[field] = json!(format!("{before}{more}"));
        }
    }
    if let Some(piece) = delta["partial_json"].as_str() {
        input.push_str(piece);
        block["input"] = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
    }
}
