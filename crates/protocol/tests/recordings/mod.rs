//! Recorded runs of real agents, as a log and a live stream.

pub(crate) mod shown;

use std::path::{Path, PathBuf};

use portcullis_protocol::RawJson;
use serde::Deserialize;

/// One line of a recording: of a run on stdio, of a socket, of a POST or of a server-sent event.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Recorded {
    dir: String,
    msg: Option<RawJson>,
    ws: Option<RawJson>,
    http: Option<Posted>,
    data: Option<Payload>,
}

#[derive(Deserialize)]
struct Posted {
    body: RawJson,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PostedEvents {
    events: Vec<RawJson>,
}

#[derive(Deserialize)]
struct Payload {
    payload: RawJson,
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn captures() -> Vec<(String, Vec<RawJson>)> {
    let mut captures: Vec<_> = std::fs::read_dir(fixtures().join("captures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), log(&path)))
        .collect();
    captures.sort_by(|a, b| a.0.cmp(&b.0));
    captures
}

/// What the log and the live stream of such a run hold: prompts as they were sent, and all the agent said.
fn log(path: &Path) -> Vec<RawJson> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Recorded>(line).unwrap());
    let events = lines.flat_map(|line| {
        let from_agent = matches!(line.dir.as_str(), "out" | "client->ingress" | "server->client");
        said(line).into_iter().map(move |event| (from_agent, event))
    });
    events
        .filter_map(|(from_agent, event)| {
            let header = event.header().ok()?;
            (from_agent || header.kind == "user").then_some(event)
        })
        .collect()
}

/// The messages of one line.
fn said(line: Recorded) -> Vec<RawJson> {
    let posted = line.http.and_then(|http| http.body.read::<PostedEvents>().ok()).unwrap_or_default();
    let posted = posted.events.into_iter().map(|event| match event.read::<Payload>() {
        Ok(wrapped) => wrapped.payload,
        Err(_) => event,
    });
    line.msg.into_iter().chain(line.ws).chain(line.data.map(|data| data.payload)).chain(posted).collect()
}
