//! The `portcullis.v1` dialect on one socket: a cursor into the log, and beside it what cannot wait.
//!
//! The seat is taken before the log is read, so nothing falls between backlog and tail; the cursor reads by `seq`, so
//! nothing comes twice. Notes go out before content, volatile events after the content they follow.

use std::time::Duration;

use portcullis_protocol::limits::HEARTBEAT_MS;
use portcullis_protocol::wire::client::{
    Auth, ClientFrame, Events, Goaway, Heartbeat, Live, Permission, PermissionState, Reply, Resume,
    ServerFrame, Welcome,
};
use portcullis_protocol::wire::close;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::socket::{Closing, Ending, Inbound, Wire};
use super::subscribe::{Opening, admit, failed, malformed};
use super::{App, Shared};
use crate::auth::Caller;
use crate::hub::outflow::Outflow;
use crate::hub::{Joined, Note};
use crate::store::{SessionRow, StoreError};

/// Volatile events are collected this long into one frame: a frame costs a browser more than its content.
const COALESCE: Duration = Duration::from_millis(16);
/// A reader that owes acknowledgements and sends none for this long is hopeless.
const STALLED: Duration = Duration::from_secs(300);
/// When to come back after a restart, in ms.
const RETRY_AFTER_MS: u64 = 1_000;

/// Where a reader starts, and what `welcome` says about it.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    after_seq: u64,
    resumed: bool,
    reset_reason: Option<&'static str>,
}

impl Start {
    /// `gap` always means that nothing up to the head follows, for the reader loads the tail by REST; after every
    /// other reset the first event follows.
    fn new(resume: Option<&Resume>, epoch: &str, head_seq: u64) -> Self {
        let Some(resume) = resume else { return Self { after_seq: 0, resumed: false, reset_reason: None } };
        let reset = if resume.epoch != epoch {
            Some("epoch")
        } else if resume.after_seq > head_seq {
            Some("beyond_head")
        } else {
            None
        };
        let after_seq = if reset.is_none() { resume.after_seq } else { 0 };
        if resume.max_gap.is_some_and(|gap| head_seq - after_seq > gap) {
            return Self { after_seq: head_seq, resumed: false, reset_reason: Some("gap") };
        }
        Self { after_seq, resumed: reset.is_none(), reset_reason: reset }
    }
}

/// Serves the session until one side has enough.
pub(super) async fn run(
    app: &Shared,
    wire: &mut Wire,
    session: &SessionRow,
    opening: Opening,
) -> Result<(), Ending> {
    let room = app.hub.room(&session.id);
    let (mut seat, caller) = opening.sit(app, &room).await?;
    // Read again behind the seat: what is appended from here on rings the bell.
    let session = app.store.session(&session.id).await.map_err(broke)?.unwrap_or_else(|| session.clone());
    room.advance(session.head_seq);
    room.deliver(session.delivered_seq);
    let open = app.store.open_requests(&session.id).await.map_err(broke)?;
    let start = Start::new(opening.resume.as_ref(), app.store.epoch().as_str(), session.head_seq);
    let mut flow = Outflow::new(start.after_seq);
    // What was denied for want of room is not sent whole either: this frame is as bounded as what may wait.
    let pending: Vec<Permission> = open.iter().map(|row| row.to_wire(!row.is_overflow())).collect();
    for row in &open {
        flow.is_news(&row.request_id, row.state);
    }
    for live in seat.replay.drain(..) {
        flow.hold(live);
    }
    let welcome = Welcome {
        epoch: app.store.epoch().clone(),
        head_seq: session.head_seq,
        resumed: start.resumed,
        reset_reason: start.reset_reason.map(str::to_owned),
        heartbeat_ms: HEARTBEAT_MS,
        server_time_ms: app.clock.now_ms(),
        worker: room.worker_status(session.worker_state.as_ref()),
        pending,
        role: caller.device.role,
    };
    wire.send(ServerFrame::Welcome(Box::new(welcome)).to_text()).await?;
    Reader { app, wire, seat, flow, session, caller, progress: Instant::now() }.serve().await
}

struct Reader<'a> {
    app: &'a App,
    wire: &'a mut Wire,
    seat: Joined,
    flow: Outflow,
    session: SessionRow,
    caller: Caller,
    /// When the reader last acknowledged, or owed nothing.
    progress: Instant,
}

impl Reader<'_> {
    async fn serve(mut self) -> Result<(), Ending> {
        let mut beat = interval(Duration::from_millis(HEARTBEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        let mut flush_at = Instant::now();
        loop {
            let can_send = self.flow.window().is_some() && self.seat.head.see() > self.flow.sent_seq();
            let expiry = Instant::now() + self.token_life();
            let is_all = self.session.archived && !can_send && !self.flow.is_waiting();
            tokio::select! {
                biased;
                note = self.seat.notes.recv() => self.note(note).await?,
                inbound = self.wire.receive() => self.inbound(inbound?).await?,
                () = sleep_until(expiry) => {
                    return Err(Some(Closing::new(close::TOKEN_EXPIRED, "the access token expired")));
                }
                _ = beat.tick() => self.heartbeat().await?,
                Some(live) = self.seat.live.recv() => self.flow.hold(live),
                () = std::future::ready(()), if can_send => self.content().await?,
                // Nothing follows in an archived session: whoever has read it all is told so.
                () = std::future::ready(()), if is_all => self.leave_the_archive().await?,
                () = sleep_until(flush_at), if self.flow.has_live() => {
                    let events = self.flow.take_live();
                    self.wire.send(ServerFrame::Live(Live { events }).to_text()).await?;
                    flush_at = Instant::now() + COALESCE;
                }
                changed = self.seat.head.changed(), if !can_send => {
                    changed.map_err(|_| None)?;
                }
            }
        }
    }

    fn token_life(&self) -> Duration {
        Duration::from_millis(self.caller.expires_at_ms.saturating_sub(self.app.clock.now_ms()))
    }

    async fn note(&mut self, note: Option<Note>) -> Result<(), Ending> {
        let frame = match note {
            // The seat was lost: this reader did not take even what cannot wait.
            None => return Err(Some(Closing::new(close::LATER, "this reader does not keep up"))),
            Some(Note::Close(code, reason)) => return Err(Some(Closing::new(code, reason))),
            Some(Note::Permission(row)) => {
                if !self.flow.is_news(&row.request_id, row.state) {
                    return Ok(());
                }
                ServerFrame::Permission(Box::new(row.to_wire(row.state == PermissionState::Pending)))
            }
            Some(Note::Reply { request_id, event }) => ServerFrame::Reply(Reply { request_id, event }),
            Some(Note::Worker(status)) => ServerFrame::Worker(*status),
            Some(Note::Goaway) => ServerFrame::Goaway(Goaway { retry_after_ms: RETRY_AFTER_MS }),
        };
        self.wire.send(frame.to_text()).await
    }

    async fn inbound(&mut self, inbound: Inbound) -> Result<(), Ending> {
        let Inbound::Text(text) = inbound else { return Ok(()) };
        match ClientFrame::parse(&text).map_err(|error| Some(malformed(&error)))? {
            ClientFrame::Auth(auth) => self.renew(auth).await,
            ClientFrame::Ack(ack) => {
                if self.flow.acknowledge(ack.seq) {
                    self.progress = Instant::now();
                }
                Ok(())
            }
            ClientFrame::Other(kind) => {
                tracing::debug!(kind, "an unknown client frame was ignored");
                Ok(())
            }
        }
    }

    /// Closes the socket of an archived session, unless it was taken out of the archive while it was read.
    async fn leave_the_archive(&mut self) -> Result<(), Ending> {
        let row = self.app.store.session(&self.session.id).await.map_err(broke)?;
        match row.filter(|row| !row.archived) {
            Some(row) => self.session = row,
            None => return Err(Some(Closing::new(close::ARCHIVED, "the session was archived"))),
        }
        Ok(())
    }

    async fn renew(&mut self, auth: Auth) -> Result<(), Ending> {
        let caller = admit(self.app, &auth.credential.token).await?;
        if caller.device.id != self.caller.device.id {
            return Err(Some(Closing::new(close::REFUSED, "a socket belongs to one device")));
        }
        self.caller = caller;
        Ok(())
    }

    async fn content(&mut self) -> Result<(), Ending> {
        let Some(window) = self.flow.window() else { return Ok(()) };
        let after = self.flow.sent_seq();
        let read = self.app.store.events_after(&self.session.id, after, window.events, window.bytes).await;
        let mut events = read.map_err(broke)?;
        let admitted = self.flow.admit(&events);
        events.truncate(admitted);
        if events.is_empty() {
            // The first one waits for acknowledgements; nothing to do before one comes.
            return self.wait_for_room().await;
        }
        self.flow.sent(&events);
        self.wire.send(ServerFrame::Events(Events { events }).to_text()).await
    }

    /// Waits for whatever may change the window, and for nothing longer than a heartbeat.
    async fn wait_for_room(&mut self) -> Result<(), Ending> {
        tokio::select! {
            biased;
            note = self.seat.notes.recv() => self.note(note).await,
            inbound = self.wire.receive() => self.inbound(inbound?).await,
            () = tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)) => self.heartbeat().await,
        }
    }

    async fn heartbeat(&mut self) -> Result<(), Ending> {
        if !self.flow.is_waiting() {
            self.progress = Instant::now();
        } else if self.progress.elapsed() > STALLED {
            return Err(Some(Closing::new(close::LATER, "this reader does not keep up")));
        }
        still_paired(self.app, &self.caller).await?;
        let head_seq = self.seat.head.get();
        let beat = Heartbeat { head_seq, server_time_ms: self.app.clock.now_ms() };
        self.wire.send(ServerFrame::Heartbeat(beat).to_text()).await?;
        self.wire.beat().await
    }
}

/// Ends a socket whose device was forgotten by another process; within this one it is told at once.
pub(crate) async fn still_paired(app: &App, caller: &Caller) -> Result<(), Ending> {
    match app.store.device(&caller.device.id).await.map_err(broke)? {
        Some(_) => Ok(()),
        None => Err(Some(Closing::new(close::REFUSED, "this device is no longer let in"))),
    }
}

/// The ending after the store failed.
pub(super) fn broke(error: StoreError) -> Ending {
    Some(failed(&error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(epoch: &str, after_seq: u64, max_gap: Option<u64>) -> (u64, bool, Option<&'static str>) {
        let resume = Resume { epoch: epoch.into(), after_seq, max_gap };
        let start = Start::new(Some(&resume), "e", 100);
        (start.after_seq, start.resumed, start.reset_reason)
    }

    #[test]
    fn continues_where_the_reader_stands_however_far_that_is() {
        assert_eq!(start("e", 41, None), (41, true, None));
        assert_eq!(start("e", 0, None), (0, true, None));
        assert_eq!(start("e", 100, Some(0)), (100, true, None));
    }

    #[test]
    fn starts_again_when_the_position_is_of_another_life_or_ahead_of_the_log() {
        assert_eq!(start("other", 41, None), (0, false, Some("epoch")));
        assert_eq!(start("e", 101, None), (0, false, Some("beyond_head")));
        assert_eq!(start("e", u64::MAX, Some(200)), (0, false, Some("beyond_head")));
        assert_eq!(Start::new(None, "e", 100).after_seq, 0);
    }

    #[test]
    fn leaves_the_tail_to_rest_when_the_gap_is_wider_than_the_reader_wants() {
        assert_eq!(start("e", 41, Some(59)), (41, true, None));
        assert_eq!(start("e", 41, Some(58)), (100, false, Some("gap")));
        assert_eq!(start("other", 0, Some(10)), (100, false, Some("gap")));
    }
}
