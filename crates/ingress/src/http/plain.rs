//! The plain dialect on one socket: the agents' own lines, newline-terminated, from now on, and the client's lines in
//! return, under the same rules as a POST.
//!
//! It carries no digests. So the socket remembers which requests were written to it, and an answer is bound to those
//! very bytes. A token's end does not end the socket, for these clients cannot renew it; revoking the device does.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::digest;
use portcullis_protocol::json::Header;
use portcullis_protocol::limits::{FRAME_BYTES_MAX, FRAME_EVENTS_MAX, HEARTBEAT_MS};
use portcullis_protocol::wire::client::{ClientFrame, PermissionState};
use portcullis_protocol::wire::close;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::error::ApiError;
use super::line::one_line;
use super::socket::{Closing, Ending, Inbound, Wire};
use super::subscribe::{Opening, admit};
use super::uplink::{self, Source};
use super::v1::{broke, still_paired};
use super::{App, Shared};
use crate::auth::Caller;
use crate::hub::outflow::Outflow;
use crate::hub::{Joined, Note};
use crate::store::{RequestRow, SessionRow};

/// Requests remembered per socket; beyond it the ones that are over are forgotten, then all.
const REQUESTS_MAX: usize = 1_024;

/// Serves the session until one side has enough.
pub(super) async fn run(
    app: &Shared,
    wire: &mut Wire,
    session: &SessionRow,
    opening: Opening,
) -> Result<(), Ending> {
    let room = app.hub.room(&session.id);
    let (mut seat, caller) = opening.sit(app, &room).await?;
    let session = app.store.session(&session.id).await.map_err(broke)?.unwrap_or_else(|| session.clone());
    if session.archived {
        return Err(Some(Closing::new(close::ARCHIVED, "the session was archived")));
    }
    room.advance(session.head_seq);
    let open = app.store.open_requests(&session.id).await.map_err(broke)?;
    let mut flow = Outflow::new(session.head_seq);
    for live in seat.replay.drain(..) {
        flow.hold(live);
    }
    let mut reader =
        Reader { app, wire, seat, flow, session, caller, shown: HashMap::new(), over: HashSet::new() };
    for row in open {
        reader.flow.is_news(&row.request_id, row.state);
        if row.state == PermissionState::Pending {
            reader.show(row.request_id, row.event).await?;
        }
    }
    reader.lines(&opening.rest).await?;
    reader.serve().await
}

struct Reader<'a> {
    app: &'a App,
    wire: &'a mut Wire,
    seat: Joined,
    flow: Outflow,
    session: SessionRow,
    caller: Caller,
    /// Requests that were written to this socket and wait, with the digest of what was written.
    shown: HashMap<String, String>,
    /// Requests that were over before their line came, or that this socket answered.
    over: HashSet<String>,
}

impl Reader<'_> {
    async fn serve(mut self) -> Result<(), Ending> {
        let mut beat = interval(Duration::from_millis(HEARTBEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        loop {
            let can_send = self.seat.head.see() > self.flow.sent_seq();
            tokio::select! {
                biased;
                note = self.seat.notes.recv() => self.note(note).await?,
                inbound = self.wire.receive() => {
                    if let Inbound::Text(text) = inbound? {
                        self.lines(&text).await?;
                    }
                }
                _ = beat.tick() => {
                    still_paired(self.app, &self.caller).await?;
                    self.wire.beat().await?;
                }
                Some(live) = self.seat.live.recv() => self.flow.hold(live),
                () = std::future::ready(()), if can_send => self.content().await?,
                () = std::future::ready(()), if self.flow.has_live() => {
                    for live in self.flow.take_live() {
                        self.line(live.event.as_str()).await?;
                    }
                }
                changed = self.seat.head.changed(), if !can_send => {
                    changed.map_err(|_| None)?;
                }
            }
        }
    }

    async fn line(&mut self, text: &str) -> Result<(), Ending> {
        self.wire.send(format!("{}\n", one_line(text))).await
    }

    async fn show(&mut self, request_id: String, event: RawJson) -> Result<(), Ending> {
        self.line(event.as_str()).await?;
        if self.shown.len() >= REQUESTS_MAX {
            self.shown.clear();
        }
        self.shown.insert(request_id, digest_of(&event));
        Ok(())
    }

    async fn content(&mut self) -> Result<(), Ending> {
        let after = self.flow.sent_seq();
        let read =
            self.app.store.events_after(&self.session.id, after, FRAME_EVENTS_MAX, FRAME_BYTES_MAX).await;
        let events = read.map_err(broke)?;
        self.flow.sent(&events);
        // TCP alone holds a slow reader back here: nothing acknowledges.
        self.flow.acknowledge(u64::MAX);
        for row in events {
            let header = row.event.header().unwrap_or_default();
            match (header.kind.as_str(), header.request_id) {
                ("control_request", Some(request_id)) => self.request(request_id, row.event).await?,
                _ => self.line(row.event.as_str()).await?,
            }
        }
        Ok(())
    }

    async fn request(&mut self, request_id: String, event: RawJson) -> Result<(), Ending> {
        let is_over = self.over.contains(&request_id);
        if is_over || self.shown.get(&request_id) == Some(&digest_of(&event)) {
            return Ok(());
        }
        self.show(request_id, event).await
    }

    async fn note(&mut self, note: Option<Note>) -> Result<(), Ending> {
        match note {
            None => Err(Some(Closing::new(close::LATER, "this reader does not keep up"))),
            Some(Note::Close(code, reason)) => Err(Some(Closing::new(code, reason))),
            Some(Note::Permission(row)) => self.step(&row).await,
            Some(Note::Reply { event, .. }) => self.line(event.as_str()).await,
            Some(Note::Worker(_) | Note::Goaway) => Ok(()),
        }
    }

    /// A request that somebody else answered, or that is over, is withdrawn from this client.
    async fn step(&mut self, row: &RequestRow) -> Result<(), Ending> {
        if !self.flow.is_news(&row.request_id, row.state) {
            return Ok(());
        }
        if row.state == PermissionState::Pending {
            self.over.remove(&row.request_id);
            return Ok(());
        }
        if self.shown.remove(&row.request_id).is_none() {
            if self.over.len() >= REQUESTS_MAX {
                self.over.clear();
            }
            self.over.insert(row.request_id.clone());
            return Ok(());
        }
        let cancel = json!({ "type": "control_cancel_request", "request_id": row.request_id });
        self.line(&cancel.to_string()).await
    }

    async fn lines(&mut self, text: &str) -> Result<(), Ending> {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.uplink(line).await?;
        }
        Ok(())
    }

    async fn uplink(&mut self, line: &str) -> Result<(), Ending> {
        if let Ok(ClientFrame::Auth(auth)) = ClientFrame::parse(line) {
            let caller = admit(self.app, &auth.credential.token).await?;
            if caller.device.id != self.caller.device.id {
                return Err(Some(Closing::new(close::REFUSED, "a socket belongs to one device")));
            }
            self.caller = caller;
            return Ok(());
        }
        let event = match RawJson::parse(line) {
            Ok(event) => event,
            Err(error) => {
                let line = ApiError::invalid(error.to_string()).into_line();
                return self.line(&line).await;
            }
        };
        let header = event.header().unwrap_or_default();
        // Read again: the role may have changed since the socket was opened.
        let device = self.app.store.device(&self.caller.device.id).await.map_err(broke)?;
        let device = device.ok_or(Some(Closing::new(close::REFUSED, "this device is no longer let in")))?;
        let shown = match header.correlation_id().filter(|_| header.kind == "control_response") {
            Some(request_id) => self.written(request_id).await?,
            None => None,
        };
        let source = Source::Plain { shown };
        let taken = uplink::take(self.app, &device, &self.session.id, vec![event], &source).await;
        match (taken, header.correlation_id()) {
            (Ok(_), Some(request_id)) if header.kind == "control_response" => {
                self.shown.remove(request_id);
                Ok(())
            }
            (Ok(_), _) => Ok(()),
            (Err(error), request_id) => self.refuse(error, &header, request_id).await,
        }
    }

    /// The request of that id as it was written to this very socket.
    async fn written(&mut self, request_id: &str) -> Result<Option<RawJson>, Ending> {
        let Some(digest) = self.shown.get(request_id) else { return Ok(None) };
        let row = self.app.store.request(&self.session.id, request_id).await.map_err(broke)?;
        Ok(row.filter(|row| row.digest == *digest).map(|row| row.event))
    }

    async fn refuse(
        &mut self,
        error: ApiError,
        header: &Header,
        request_id: Option<&str>,
    ) -> Result<(), Ending> {
        if header.kind != "control_request" {
            return self.line(&error.into_line()).await;
        }
        let is_early = header.request_subtype() == Some("initialize") && error.detail.kind == "unavailable";
        let response = if is_early {
            // The agent is not there yet. These clients wait for the answer before they do anything else.
            json!({ "subtype": "success", "request_id": request_id, "response": {
                "commands": [], "agents": [], "models": [], "account": {},
                "output_style": "default", "available_output_styles": ["default"],
            }})
        } else {
            json!({ "subtype": "error", "request_id": request_id, "error": error.detail.message })
        };
        self.line(&json!({ "type": "control_response", "response": response }).to_string()).await
    }
}

/// The digest of a request's bytes; of a line that is no request, one that no row has.
fn digest_of(event: &RawJson) -> String {
    #[derive(Deserialize)]
    struct Asked {
        request: RawJson,
    }
    event.read::<Asked>().map(|asked| digest(&asked.request)).unwrap_or_default()
}
