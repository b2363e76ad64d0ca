//! The worker's link: prompts by their place in the log, decisions and controls as they come. What the worker has not
//! acknowledged is delivered again; what was decided and not delivered is said again to whoever attaches.

use std::collections::HashSet;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use portcullis_protocol::id::{DeviceId, SessionId};
use portcullis_protocol::limits::{AUTH_TIMEOUT_MS, HEARTBEAT_MS};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_protocol::wire::close;
use portcullis_protocol::wire::worker::{Attach, Deliver, Hello, WorkerDown, WorkerUp};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::error::ApiResult;
use super::extract::{Ids, need_bearer};
use super::socket::{Closing, Ending, Inbound, Wire, converse, upgrade};
use super::subscribe::malformed;
use super::v1::broke;
use super::{App, Shared, worker_posts};
use crate::hub::{Note, WorkerLink};

/// A frame of a worker: an id or a position.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Prompts read at once.
const PROMPTS_AT_ONCE: usize = 16;

/// `WS /v1/session_ingress/ws/{session}`.
pub(super) async fn attach(
    State(app): State<Shared>,
    Ids(id): Ids<SessionId>,
    request: Request,
) -> ApiResult<Response> {
    let (mut parts, _) = request.into_parts();
    let token = need_bearer(&parts)?.to_owned();
    worker_posts::hold(&app, &id, &token).await?;
    let socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection> =
        WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let socket = upgrade(socket)?;
    app.metrics.socket();
    Ok(converse(socket, FRAME_BYTES_MAX, move |mut wire| async move {
        let Some(alive) = app.alive.upgrade() else { return };
        let ending = talk(&app, &mut wire, &id, &token).await.err().flatten();
        wire.finish(ending).await;
        drop(alive);
    }))
}

async fn talk(app: &Shared, wire: &mut Wire, id: &SessionId, token: &str) -> Result<(), Ending> {
    let deadline = Instant::now() + Duration::from_millis(AUTH_TIMEOUT_MS);
    let mut next = Some(first_attach(wire, deadline).await?);
    while let Some(attach) = next {
        next = Session { app, wire: &mut *wire, id, token }.serve(attach).await?;
    }
    Ok(())
}

/// The frame that says which process speaks; before it nothing else counts.
async fn first_attach(wire: &mut Wire, deadline: Instant) -> Result<Attach, Ending> {
    loop {
        match WorkerUp::parse(&wire.first_text(deadline).await?).map_err(|error| Some(malformed(&error)))? {
            WorkerUp::Attach(attach) => return Ok(attach),
            WorkerUp::KeepAlive => {}
            WorkerUp::Ack(_) | WorkerUp::Other(_) => {
                return Err(Some(Closing::new(close::REFUSED, "the first frame says which process speaks")));
            }
        }
    }
}

struct Session<'a> {
    app: &'a Shared,
    wire: &'a mut Wire,
    id: &'a SessionId,
    token: &'a str,
}

impl Session<'_> {
    /// Serves one agent process; returns the next one when the bridge starts it on the same link.
    async fn serve(mut self, attach: Attach) -> Result<Option<Attach>, Ending> {
        let lost = Closing::new(close::REFUSED, "another bridge holds this session, or its work is over");
        let bridge = holder(self.app, self.id, self.token).await?.ok_or(Some(lost))?;
        let attached =
            self.app.store.attach(self.id.clone(), attach.incarnation.clone()).await.map_err(broke)?;
        let Some(attached) = attached else { return self.turn_away().await.map(Some) };
        let room = self.app.hub.room(self.id);
        room.advance(attached.head_seq);
        let mut link = room.attach(&bridge, &attach.incarnation);
        // Again behind the seat: a bridge that was revoked before it sat was not there to be sent away.
        if holder(self.app, self.id, self.token).await?.is_none() {
            return Err(Some(lost));
        }
        if let Some(state) = attached.rested {
            room.report(state);
        }
        for row in attached.orphaned {
            room.tell(&Note::Permission(row.into()));
        }
        let hello = Hello {
            head_seq: attached.head_seq,
            epoch: Some(self.app.store.epoch().clone()),
            content_next_n: attached.content_next_n,
            control_next_n: attached.control_next_n,
        };
        self.say(&WorkerDown::Hello(hello)).await?;
        let mut said = self.repeat_decisions().await?;
        let mut delivered = attached.delivered_seq;
        let mut beat = interval(Duration::from_millis(HEARTBEAT_MS));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        loop {
            let can_deliver = link.head.see() > delivered;
            tokio::select! {
                biased;
                frame = link.down.recv() => self.down(frame, &mut said).await?,
                inbound = self.wire.receive() => {
                    if let Some(next) = self.inbound(inbound?).await? {
                        return Ok(Some(next));
                    }
                }
                _ = beat.tick() => self.heartbeat().await?,
                () = std::future::ready(()), if can_deliver => {
                    delivered = self.deliver(delivered, &link).await?;
                }
                changed = link.head.changed(), if !can_deliver => {
                    changed.map_err(|_| None)?;
                }
            }
        }
    }

    /// A newer process spoke since: waits for the name under which the bridge goes on.
    async fn turn_away(&mut self) -> Result<Attach, Ending> {
        self.say(&WorkerDown::Superseded).await?;
        let deadline = Instant::now() + Duration::from_millis(AUTH_TIMEOUT_MS);
        first_attach(self.wire, deadline).await
    }

    async fn say(&mut self, frame: &WorkerDown) -> Result<(), Ending> {
        self.wire.send(frame.to_text()).await
    }

    /// Decisions the bridge has not confirmed. Read behind the seat in the room, so none falls in between; returns
    /// which were said, so none is said twice on this link.
    async fn repeat_decisions(&mut self) -> Result<HashSet<String>, Ending> {
        let mut said = HashSet::new();
        for row in self.app.store.open_requests(self.id).await.map_err(broke)? {
            if row.state != PermissionState::Decided {
                continue;
            }
            if let Some(decision) = worker_posts::decision(&row) {
                self.say(&decision).await?;
                said.insert(row.request_id);
            }
        }
        Ok(said)
    }

    async fn down(&mut self, frame: Option<WorkerDown>, said: &mut HashSet<String>) -> Result<(), Ending> {
        // The sender is gone: a newer link took over, the bridge was revoked, or this one does not keep up.
        let Some(frame) = frame else {
            return Err(Some(Closing::new(close::LATER, "this link was replaced")));
        };
        if let WorkerDown::Decision(decision) = &frame
            && !said.insert(decision.request_id.clone())
        {
            return Ok(());
        }
        self.say(&frame).await
    }

    async fn inbound(&mut self, inbound: Inbound) -> Result<Option<Attach>, Ending> {
        let Inbound::Text(text) = inbound else { return Ok(None) };
        match WorkerUp::parse(&text).map_err(|error| Some(malformed(&error)))? {
            WorkerUp::Attach(attach) => return Ok(Some(attach)),
            WorkerUp::Ack(ack) => {
                self.app.store.acknowledge(self.id.clone(), ack.seq).await.map_err(broke)?;
                // Behind the row: what a reader is told stays true over a restart.
                self.app.hub.room(self.id).deliver(ack.seq);
            }
            WorkerUp::KeepAlive => {}
            WorkerUp::Other(kind) => tracing::debug!(kind, "an unknown worker frame was ignored"),
        }
        Ok(None)
    }

    async fn deliver(&mut self, after: u64, link: &WorkerLink) -> Result<u64, Ending> {
        // Taken before the read: whatever the rows show, nothing up to here is missing from them.
        let head = link.head.get();
        let read = self.app.store.prompts_after(self.id, after, PROMPTS_AT_ONCE).await;
        let prompts = read.map_err(broke)?;
        let mut at = if prompts.len() < PROMPTS_AT_ONCE { head.max(after) } else { after };
        for prompt in prompts {
            at = at.max(prompt.seq);
            self.say(&WorkerDown::Deliver(Deliver { seq: prompt.seq, event: prompt.event })).await?;
        }
        Ok(at)
    }

    async fn heartbeat(&mut self) -> Result<(), Ending> {
        if holder(self.app, self.id, self.token).await?.is_none() {
            return Err(Some(Closing::new(
                close::REFUSED,
                "another bridge holds this session, or its work is over",
            )));
        }
        self.say(&WorkerDown::KeepAlive).await?;
        self.wire.beat().await
    }
}

/// The bridge that holds the lease of `token`. On an open link the token's own end does not count: the lease fences
/// the session as long as nobody else has it.
async fn holder(app: &App, id: &SessionId, token: &str) -> Result<Option<DeviceId>, Ending> {
    let Ok(claims) = app.gate.key.verify_worker(token, 0) else { return Ok(None) };
    let lease = app.store.lease(id).await.map_err(broke)?;
    Ok(lease.filter(|(work, _)| work.lease_id.as_ref() == Some(&claims.lease_id)).map(|(_, bridge)| bridge))
}
