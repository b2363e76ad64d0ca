//! Reads a recording: lines out of bytes, and messages out of lines.

use std::io::Read;

use portcullis_protocol::RawJson;
use portcullis_protocol::json::JsonError;
use portcullis_protocol::limits::POST_BYTES_MAX;
use portcullis_protocol::wire::framing::{Line, LineFramer};
use serde::Deserialize;

/// Longest line in bytes: a capture line may hold the body of a whole POST, and a little around it.
const LINE_BYTES_MAX: usize = POST_BYTES_MAX + 64 * 1024;
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Who said a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The agent.
    Agent,
    /// Its host: a client, or whoever runs it.
    Host,
}

/// What one line holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Messages: one, or those of a POST.
    Messages(Speaker, Vec<Result<RawJson, JsonError>>),
    /// A capture's remark, the end of a stream, bytes that were no message.
    Remark,
    /// Nothing of the kind.
    Garbage(String),
}

/// Hands every line that is not blank to `take`, with its number from 1.
pub(super) fn read(mut source: impl Read, mut take: impl FnMut(u64, Content)) -> std::io::Result<()> {
    let mut framer = LineFramer::new(LINE_BYTES_MAX);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut number = 1;
    loop {
        let count = match source.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if count == 0 {
            break;
        }
        // Line by line, since the framer passes over blank lines and those count too.
        for piece in chunk[..count].split_inclusive(|byte| *byte == b'\n') {
            framer.push(piece, |line| take(number, content(line)));
            if piece.ends_with(b"\n") {
                number += 1;
            }
        }
    }
    if let Some(line) = framer.finish() {
        take(number, content(line));
    }
    Ok(())
}

fn content(line: Line) -> Content {
    match line {
        Line::Text(text) => read_line(&text),
        Line::TooLong { bytes, .. } => Content::Garbage(format!("{bytes} bytes are too many for one line")),
        Line::NotUtf8 { bytes } => Content::Garbage(format!("{bytes} bytes that are no UTF-8")),
    }
}

/// A line of a capture. Values stay text: a message is measured and checked by itself.
#[derive(Deserialize)]
struct Captured {
    t_ms: Option<RawJson>,
    dir: Option<String>,
    #[serde(rename = "type")]
    kind: Option<RawJson>,
    /// Examples name their kind, with the speaker in front.
    #[serde(rename = "kind")]
    example: Option<String>,
    msg: Option<RawJson>,
    ws: Option<RawJson>,
    data: Option<Sequenced>,
    http: Option<RawJson>,
}

#[derive(Deserialize)]
struct Sequenced {
    payload: Option<RawJson>,
}

#[derive(Deserialize)]
struct Exchange {
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    events: Vec<RawJson>,
}

fn read_line(text: &str) -> Content {
    match serde_json::from_str::<Captured>(text) {
        Ok(line) if line.t_ms.is_some() || (line.kind.is_none() && line.msg.is_some()) => captured(line),
        Ok(_) | Err(_) => match RawJson::parse(text) {
            Ok(message) if message.header().is_ok() => Content::Messages(Speaker::Agent, vec![Ok(message)]),
            Ok(_) => Content::Garbage(JsonError::NoType.to_string()),
            Err(error) => Content::Garbage(error.to_string()),
        },
    }
}

fn captured(line: Captured) -> Content {
    let speaker = match line.dir.as_deref() {
        Some("in" | "client->server" | "ingress->client") => Speaker::Host,
        None if line.example.is_some_and(|kind| kind.starts_with("in:")) => Speaker::Host,
        Some(_) | None => Speaker::Agent,
    };
    let posted = line.http.and_then(|http| http.read::<Exchange>().ok()).map(|http| http.body.events);
    let posted = posted.into_iter().flatten().map(|event| match event.read::<Sequenced>() {
        Ok(Sequenced { payload: Some(payload) }) => payload,
        Ok(Sequenced { payload: None }) | Err(_) => event,
    });
    let sequenced = line.data.and_then(|data| data.payload);
    let messages: Vec<_> =
        line.msg.into_iter().chain(line.ws).chain(sequenced).chain(posted).map(checked).collect();
    if messages.is_empty() { Content::Remark } else { Content::Messages(speaker, messages) }
}

/// The same checks that a line of its own would have gone through.
fn checked(message: RawJson) -> Result<RawJson, JsonError> {
    let message = RawJson::parse(message.as_str())?;
    message.header()?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let shown = |content| match content {
            Content::Messages(speaker, messages) => format!("{speaker:?} {}", messages.len()),
            Content::Remark => "remark".into(),
            Content::Garbage(why) => why,
        };
        read(bytes, |number, content| lines.push(format!("{number} {}", shown(content)))).unwrap();
        lines
    }

    #[test]
    fn counts_blank_lines_and_goes_on_after_garbage() {
        let lines = lines(b"\n\n{\"type\":\"keep_alive\"}\n\xff\xfe\n[1]\nnot json\n\n{\"type\":\"user\"}");
        assert_eq!(lines[0], "3 Agent 1");
        assert_eq!(lines[1], "4 2 bytes that are no UTF-8");
        assert!(lines[2].starts_with("5 not an object"), "{}", lines[2]);
        assert!(lines[3].starts_with("6 not JSON"), "{}", lines[3]);
        assert_eq!(lines[4], "8 Agent 1");
    }

    #[test]
    fn finds_the_messages_in_every_form_of_capture() {
        let check = |line: &str, expected: &str| assert_eq!(lines(line.as_bytes()), [expected], "{line}");
        check(r#"{"t_ms":1,"dir":"in","msg":{"type":"keep_alive"}}"#, "1 Host 1");
        check(r#"{"t_ms":1,"dir":"out","msg":{"type":"keep_alive"}}"#, "1 Agent 1");
        check(r#"{"t_ms":1,"dir":"server->client","ws":{"type":"keep_alive"}}"#, "1 Agent 1");
        check(
            r#"{"t_ms":1,"dir":"server->client","sse_event":"x","data":{"payload":{"type":"user"}}}"#,
            "1 Agent 1",
        );
        check(
            r#"{"t_ms":1,"dir":"client->ingress","http":{"body":{"events":[{"type":"user"},{"payload":{"type":"user"}}]}}}"#,
            "1 Agent 2",
        );
        check(r#"{"t_ms":1,"note":"recv","type":"user"}"#, "1 remark");
        check(r#"{"t_ms":1,"dir":"exit","code":0}"#, "1 remark");
        check(r#"{"kind":"in:user","origin":"constructed","msg":{"type":"user"}}"#, "1 Host 1");
        check(r#"{"type":"user","dir":"/home"}"#, "1 Agent 1");
    }
}
