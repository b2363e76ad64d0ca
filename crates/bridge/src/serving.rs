//! One session while this bridge holds it: its worker beside its lease, and what is said and tidied when it leaves.

use std::sync::Arc;
use std::time::Instant as Clock;

use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::worker::SessionSpec;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::api::Api;
use crate::config::{BridgeConfig, Order};
use crate::core::End;
use crate::dispatcher::GOODBYE_TIME;
use crate::event::BridgeEvent;
use crate::lease::{self, Credential, Lease};
use crate::room::{Activity, Standing};
use crate::wake::Wakes;
use crate::work;
use crate::worker::{DISK_PAUSE, Links, Parting, Worker};

/// What the dispatcher and a worker share.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    /// What it does, for whoever looks for room.
    pub(crate) standing: watch::Sender<Standing>,
    /// Told when another session needs the place.
    pub(crate) room_wanted: Arc<Notify>,
    /// There is no place for the session: it is only told so.
    pub(crate) is_put_off: bool,
}

impl Desk {
    pub(crate) fn new(is_put_off: bool) -> Self {
        let standing = Standing { activity: Activity::Busy, waiting: 0, since: Instant::now() };
        Self { standing: watch::Sender::new(standing), room_wanted: Arc::default(), is_put_off }
    }
}

/// One worker with its lease.
pub(crate) struct Serving {
    pub(crate) config: Arc<BridgeConfig>,
    pub(crate) api: Api,
    pub(crate) lease: Lease,
    pub(crate) secret: watch::Receiver<String>,
    /// What everybody is told.
    pub(crate) orders: watch::Receiver<Order>,
    /// What this worker is told.
    pub(crate) order: watch::Sender<Order>,
    pub(crate) wakes: Wakes,
}

/// A session that left.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) session: SessionId,
    /// It cannot be resumed, by anybody.
    pub(crate) is_over: bool,
}

/// Gives `new`, unless something harder was ordered already.
fn harden(order: &watch::Sender<Order>, new: Order) {
    order.send_if_modified(|current| {
        let harder = new > *current;
        if harder {
            *current = new;
        }
        harder
    });
}

impl Serving {
    /// Serves the session to its end here.
    pub(crate) async fn run(
        mut self,
        desk: Desk,
        wish: SessionSpec,
        credential: Credential,
        renewals: mpsc::Receiver<Credential>,
    ) -> Served {
        let session = self.lease.session.clone();
        let is_put_off = desk.is_put_off;
        let credentials = watch::Sender::new(credential);
        let newest = credentials.subscribe();
        harden(&self.order, *self.orders.borrow_and_update());
        let working = work(
            Arc::clone(&self.config),
            session.clone(),
            wish,
            desk,
            Links {
                api: self.api.clone(),
                credential: newest.clone(),
                orders: self.order.subscribe(),
                wakes: self.wakes.clone(),
            },
        );
        let wakes = self.wakes.clone();
        let keeping = lease::keep(self.api.clone(), self.lease.clone(), credentials, renewals, wakes);
        tokio::pin!(working, keeping);
        let mut lease_end = None;
        let Parting { end, can_go_on } = loop {
            tokio::select! {
                parting = &mut working => break parting,
                end = &mut keeping, if lease_end.is_none() => {
                    tracing::warn!(%session, ?end, "the lease ended; the session is given up");
                    lease_end = Some(end);
                    harden(&self.order, Order::Abandon);
                }
                Ok(()) = self.orders.changed() => {
                    harden(&self.order, *self.orders.borrow_and_update());
                }
            }
        };
        let reason = match end {
            End::Done => "given back".to_owned(),
            End::Lost(reason) => reason,
        };
        tracing::info!(%session, reason, "session ended");
        if lease_end.is_none() {
            self.give_back(&newest).await;
        }
        if is_put_off {
            self.queue_again().await;
        }
        self.config.teller.tell(BridgeEvent::SessionEnded { session_id: session.clone(), reason });
        // Who lost the lease has no say in it any more.
        Served { session, is_over: !can_go_on && lease_end.is_none() }
    }

    /// What waits in the session was there before this work began, so its end alone would not queue it.
    async fn queue_again(&self) {
        let queued = self.api.reconnect(&self.lease.environment, &self.lease.session);
        if let Ok(Err(error)) = tokio::time::timeout(GOODBYE_TIME, queued).await {
            tracing::warn!(session = %self.lease.session, %error, "the session could not be queued again");
        }
    }

    async fn give_back(&self, credential: &watch::Receiver<Credential>) {
        let work = credential.borrow().work.clone();
        let secret = self.secret.borrow().clone();
        let stop = self.api.stop(&self.lease.environment, &work, &secret);
        if let Ok(Err(error)) = tokio::time::timeout(GOODBYE_TIME, stop).await {
            tracing::debug!(%error, "the work could not be given back");
        }
    }
}

/// Makes the worker and lets it work. Beside the lease, because a working tree of a big repository takes its time.
async fn work(
    config: Arc<BridgeConfig>,
    session: SessionId,
    wish: SessionSpec,
    desk: Desk,
    links: Links,
) -> Parting {
    let since = Clock::now();
    let mut was_full = false;
    let worker: Worker = loop {
        match work::worker(&config, &session, &wish, &desk).await {
            Ok(worker) => break worker,
            Err(error) if error.is_for_want_of_room() && *links.orders.borrow() == Order::Serve => {
                if !std::mem::replace(&mut was_full, true) {
                    tracing::error!(%session, %error, "the disk is full; the session waits for room");
                    let (session_id, reason) = (session.clone(), error.to_string());
                    config.teller.tell(BridgeEvent::DiskFull { session_id, reason });
                }
                tokio::time::sleep(DISK_PAUSE).await;
            }
            Err(error) => {
                tracing::error!(%session, %error, "the session cannot be served");
                return Parting { end: End::Lost(error.to_string()), can_go_on: true };
            }
        }
    };
    if was_full {
        config.teller.tell(BridgeEvent::DiskFree { session_id: session.clone() });
    }
    tracing::debug!(%session, took = ?since.elapsed(), directory = worker.directory, "the session is prepared");
    config.teller.tell(BridgeEvent::SessionStarted {
        session_id: session,
        directory: worker.directory.clone(),
        agent: worker.agent.clone(),
    });
    worker.run(links).await
}
