//! One bridge: registers its directory, waits for work, gives every session a worker, and ends in order. On a full
//! machine the longest idle agent makes room ([`crate::room`]); if all are busy, work waits in the ingress's queue.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_protocol::id::{EnvironmentId, SessionId};
use portcullis_protocol::wire::worker::{RegisterEnvironment, RegisteredEnvironment, WorkItem};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::api::{Api, CallError};
use crate::backoff::Backoff;
use crate::config::{BridgeConfig, Order};
use crate::core::End;
use crate::journal;
use crate::lease::{self, Credential, Lease};
use crate::place;
use crate::room::{self, Room, Standing};
use crate::work;
use crate::worker::Worker;

/// Pause before asking again when there is work and no room for it.
const FULL_PAUSE: Duration = Duration::from_secs(5);
/// Longest time for goodbyes.
const GOODBYE_TIME: Duration = Duration::from_secs(5);
/// Waiting sessions that are remembered as told: a queue this long is told nothing new.
const TOLD_MAX: usize = 1_024;
/// Renewed work items that wait for a worker.
const RENEWALS_MAX: usize = 4;

/// Why a bridge ended.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// This machine is not paired, not confirmed or not a bridge.
    #[error("this machine may not run a bridge there: {0}")]
    LoginNeeded(String),
    /// The ingress does not take the registration.
    #[error("the ingress refused the registration: {0}")]
    Refused(String),
    /// What this machine is told to do, its own policy forbids.
    #[error("{0}")]
    Policy(#[from] crate::policy::PolicyError),
    /// Nothing to run.
    #[error("no agent is configured that the policy allows")]
    NoAgent,
    /// The state directory cannot be used.
    #[error("the state directory cannot be used: {0}")]
    State(#[from] std::io::Error),
    /// Another process serves this directory for the same ingress.
    #[error("another bridge serves {0} already")]
    Busy(String),
    /// The connection cannot even be tried.
    #[error("{0}")]
    Setup(String),
}

/// Runs a bridge until `orders` end it. `ready` hears once that it is registered.
///
/// # Errors
/// [`BridgeError`]; an ingress that is not there is no error: it is waited for.
pub async fn run(
    config: BridgeConfig,
    mut orders: watch::Receiver<Order>,
    ready: Option<oneshot::Sender<EnvironmentId>>,
) -> Result<(), BridgeError> {
    if !config.agents.iter().any(|agent| config.policy.allows_agent(&agent.name)) {
        return Err(BridgeError::NoAgent);
    }
    let directory = config.directory.display().to_string();
    let directory = config.policy.directory(Some(&directory), &config.directory)?;
    if !config.ingress_url.starts_with("http://") {
        let url = &config.ingress_url;
        return Err(BridgeError::Setup(format!(
            "{url} is not an http:// address; others are not supported yet"
        )));
    }
    std::fs::create_dir_all(&config.state_dir)?;
    let Some(_only_one) = place::lock(&config.state_dir, &directory)? else {
        return Err(BridgeError::Busy(directory.display().to_string()));
    };
    let config = BridgeConfig { directory, ..config };
    let api = Api::new(&config.ingress_url, config.device.clone())
        .map_err(|error| BridgeError::Setup(error.to_string()))?;
    let Some(registered) = register(&config, &api, &mut orders).await? else { return Ok(()) };
    if let Some(ready) = ready {
        let _ = ready.send(registered.environment_id.clone());
    }
    let secret = watch::Sender::new(registered.environment_secret);
    let mut dispatcher = Dispatcher {
        config,
        api,
        environment: registered.environment_id,
        secret,
        sessions: HashMap::new(),
        told: HashSet::new(),
        workers: JoinSet::new(),
        orders,
    };
    let mut orders = dispatcher.orders.clone();
    tokio::select! {
        () = dispatcher.ask_back() => {}
        () = told_to_end(&mut orders) => {}
    }
    dispatcher.serve().await?;
    dispatcher.end().await;
    Ok(())
}

/// Registers, however long it takes. Nothing when told to end before.
async fn register(
    config: &BridgeConfig,
    api: &Api,
    orders: &mut watch::Receiver<Order>,
) -> Result<Option<RegisteredEnvironment>, BridgeError> {
    let mut backoff = Backoff::new();
    let mut known = place::environment_of(&config.state_dir, &config.directory, &config.device.id);
    loop {
        let body = RegisterEnvironment {
            machine_name: config.machine_name.clone(),
            directory: config.directory.display().to_string(),
            branch: place::branch(&config.directory),
            max_sessions: u32::try_from(config.capacity).unwrap_or(u32::MAX),
            agents: work::agents(config).map(|agent| agent.name.clone()).collect(),
            permission_modes: config
                .policy
                .permission_modes
                .iter()
                .map(|mode| mode.as_str().to_owned())
                .collect(),
            environment_id: known.clone(),
        };
        match api.register(&body).await {
            Ok(registered) => {
                tracing::info!(environment = %registered.environment_id, directory = body.directory, "registered");
                place::remember(
                    &config.state_dir,
                    &config.directory,
                    &config.device.id,
                    &registered.environment_id,
                )?;
                return Ok(Some(registered));
            }
            Err(error) if error.is_gone() && known.is_some() => known = None,
            Err(error) if error.is_unauthorized() || error.is_gone() => {
                return Err(BridgeError::LoginNeeded(error.to_string()));
            }
            Err(error) if error.is_rejection() => return Err(BridgeError::Refused(error.to_string())),
            Err(error) => {
                let delay = backoff.next_delay(Instant::now());
                tracing::warn!(ingress = config.ingress_url, %error, ?delay, "the ingress is not there; trying again");
                if pause(delay, orders).await {
                    return Ok(None);
                }
            }
        }
    }
}

/// Waits. Returns `true` when told to end meanwhile.
async fn pause(delay: Duration, orders: &mut watch::Receiver<Order>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(delay) => false,
        () = told_to_end(orders) => true,
    }
}

async fn told_to_end(orders: &mut watch::Receiver<Order>) {
    // Nobody left who could order anything means the same.
    let _ = orders.wait_for(|order| *order != Order::Serve).await;
}

type Poll = Pin<Box<dyn Future<Output = Result<Option<WorkItem>, CallError>> + Send>>;

/// The dispatcher's end of a worker.
struct Handle {
    renewals: mpsc::Sender<Credential>,
    standing: watch::Receiver<Standing>,
    room_wanted: Arc<Notify>,
    /// It is only told that there is no place: it takes none.
    is_put_off: bool,
}

struct Dispatcher {
    config: BridgeConfig,
    api: Api,
    environment: EnvironmentId,
    secret: watch::Sender<String>,
    sessions: HashMap<SessionId, Handle>,
    /// Sessions that wait for a place and know it.
    told: HashSet<SessionId>,
    workers: JoinSet<SessionId>,
    orders: watch::Receiver<Order>,
}

impl Dispatcher {
    /// Takes work until told to end.
    async fn serve(&mut self) -> Result<(), BridgeError> {
        let mut backoff = Backoff::new();
        let mut poll = self.poll(Duration::ZERO);
        let mut orders = self.orders.clone();
        loop {
            tokio::select! {
                () = told_to_end(&mut orders) => return Ok(()),
                Some(ended) = self.workers.join_next() => self.forget(ended),
                answer = &mut poll => {
                    let pause = match answer {
                        Ok(None) => Duration::ZERO,
                        Ok(Some(item)) => self.take(item).await,
                        Err(error) if error.is_unauthorized() || error.is_gone() => {
                            if !self.register_again().await? {
                                return Ok(());
                            }
                            backoff.next_delay(Instant::now())
                        }
                        Err(error) => {
                            let delay = backoff.next_delay(Instant::now());
                            tracing::warn!(%error, ?delay, "no work could be asked for");
                            poll = self.poll(delay);
                            continue;
                        }
                    };
                    if pause.is_zero() {
                        backoff.reset();
                    }
                    poll = self.poll(pause);
                }
            }
        }
    }

    /// Asks for the sessions of which the last life of this bridge left something unsaid, rather than wait for their
    /// next prompt to say it.
    async fn ask_back(&self) {
        for session in journal::unfinished(&self.config.state_dir) {
            match self.api.reconnect(&self.environment, &session).await {
                Ok(()) => tracing::info!(%session, "asked back after a restart"),
                // Another directory's, or archived.
                Err(error) => tracing::debug!(%session, %error, "a session was not given back"),
            }
        }
    }

    /// One long poll, kept whole while workers come and go: what it brings must not be dropped.
    fn poll(&self, after: Duration) -> Poll {
        let (api, environment, secret) =
            (self.api.clone(), self.environment.clone(), self.secret.borrow().clone());
        Box::pin(async move {
            tokio::time::sleep(after).await;
            api.poll(&environment, &secret).await
        })
    }

    async fn register_again(&mut self) -> Result<bool, BridgeError> {
        let mut orders = self.orders.clone();
        let Some(registered) = register(&self.config, &self.api, &mut orders).await? else {
            return Ok(false);
        };
        self.environment = registered.environment_id;
        self.secret.send_replace(registered.environment_secret);
        // An ingress that forgot this bridge was set back, and knows nothing of who holds its sessions: without a fresh
        // lease the agents here would be given up, and what they said would wait for the next prompt.
        for session in self.sessions.keys() {
            if let Err(error) = self.api.reconnect(&self.environment, session).await {
                tracing::debug!(%session, %error, "a session was not given back");
            }
        }
        Ok(true)
    }

    fn forget(&mut self, ended: Result<SessionId, tokio::task::JoinError>) {
        match ended {
            Ok(session) => {
                self.sessions.remove(&session);
            }
            Err(error) => {
                tracing::error!(%error, "a worker failed");
                self.sessions.retain(|_, handle| !handle.renewals.is_closed());
            }
        }
    }

    /// Takes a work item, and says how long to wait before the next.
    async fn take(&mut self, item: WorkItem) -> Duration {
        let session = item.data.id.clone();
        let secret = match work::read_secret(&item) {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(%session, %error, "work that cannot be read is left");
                return FULL_PAUSE;
            }
        };
        let is_put_off = !self.sessions.contains_key(&session) && !self.has_room().await;
        if is_put_off {
            tracing::info!(%session, "as many agents are busy as this machine may run; the session waits");
            if self.told.contains(&session) || self.told.len() >= TOLD_MAX {
                return FULL_PAUSE;
            }
        }
        let bearer = self.secret.borrow().clone();
        if let Err(error) = self.api.ack(&item, &bearer).await {
            tracing::warn!(%session, %error, "work could not be taken");
            return Duration::ZERO;
        }
        let credential = Credential { work: item.id.clone(), token: secret.session_ingress_token.clone() };
        if let Some(handle) = self.sessions.get(&session) {
            // A worker that does not take it has renewals enough.
            let _ = handle.renewals.try_send(credential);
            return Duration::ZERO;
        }
        match work::worker(&self.config, &session, &secret.session) {
            Ok(worker) if is_put_off => {
                self.told.insert(session);
                self.start(Worker { is_put_off, ..worker }, credential, secret.api_base_url);
            }
            Ok(worker) => {
                self.told.remove(&session);
                self.start(worker, credential, secret.api_base_url);
            }
            Err(error) => {
                tracing::error!(%session, %error, "the session cannot be served");
                let _ = self.api.stop(&self.environment, &item.id, &bearer).await;
            }
        }
        Duration::ZERO
    }

    /// The sessions that take a place.
    fn placed(&self) -> impl Iterator<Item = (&SessionId, &Handle)> {
        self.sessions.iter().filter(|(_, handle)| !handle.is_put_off)
    }

    /// Whether one more session fits, if need be after another gave its work back: its next prompt brings it here
    /// again.
    async fn has_room(&mut self) -> bool {
        if self.placed().count() < self.config.capacity {
            return true;
        }
        match room::choose(self.placed().map(|(id, handle)| ((id, handle), *handle.standing.borrow()))) {
            Room::Soon => {}
            Room::Ask((session, handle)) => {
                tracing::info!(%session, "as many agents run as this machine may run; this one makes room");
                handle.room_wanted.notify_one();
            }
            Room::None => return false,
        }
        let deadline = tokio::time::Instant::now() + GOODBYE_TIME;
        while self.placed().count() >= self.config.capacity {
            match tokio::time::timeout_at(deadline, self.workers.join_next()).await {
                Ok(Some(ended)) => self.forget(ended),
                Ok(None) | Err(_) => return false,
            }
        }
        true
    }

    fn start(&mut self, worker: Worker, credential: Credential, base: String) {
        let session = worker.session.clone();
        tracing::info!(%session, "session taken");
        let (renewals_in, renewals) = mpsc::channel(RENEWALS_MAX);
        let order = watch::Sender::new(Order::Serve);
        let handle = Handle {
            renewals: renewals_in,
            standing: worker.standing.subscribe(),
            room_wanted: Arc::clone(&worker.room_wanted),
            is_put_off: worker.is_put_off,
        };
        self.sessions.insert(session.clone(), handle);
        let serving = Serving {
            api: self.api.clone(),
            base: if base.is_empty() { self.config.ingress_url.clone() } else { base },
            lease: Lease { environment: self.environment.clone(), session },
            secret: self.secret.subscribe(),
            orders: self.orders.clone(),
            order,
        };
        self.workers.spawn(serving.run(worker, credential, renewals));
    }

    /// Waits for every worker, then says goodbye.
    async fn end(&mut self) {
        while self.workers.join_next().await.is_some() {}
        let goodbye = self.api.deregister(&self.environment);
        match tokio::time::timeout(GOODBYE_TIME, goodbye).await {
            Ok(Ok(())) => tracing::info!("deregistered"),
            Ok(Err(error)) => tracing::debug!(%error, "the ingress did not take the goodbye"),
            Err(_) => tracing::debug!("the ingress did not answer the goodbye"),
        }
    }
}

/// One worker with its lease.
struct Serving {
    api: Api,
    base: String,
    lease: Lease,
    secret: watch::Receiver<String>,
    /// What everybody is told.
    orders: watch::Receiver<Order>,
    /// What this worker is told.
    order: watch::Sender<Order>,
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
    async fn run(
        mut self,
        worker: Worker,
        credential: Credential,
        renewals: mpsc::Receiver<Credential>,
    ) -> SessionId {
        let session = worker.session.clone();
        let is_put_off = worker.is_put_off;
        let credentials = watch::Sender::new(credential);
        let newest = credentials.subscribe();
        harden(&self.order, *self.orders.borrow_and_update());
        let working = worker.run(self.api.clone(), self.base.clone(), newest.clone(), self.order.subscribe());
        let keeping = lease::keep(self.api.clone(), self.lease.clone(), credentials, renewals);
        tokio::pin!(working, keeping);
        let mut lease_end = None;
        let end = loop {
            tokio::select! {
                end = &mut working => break end,
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
        match end {
            End::Done => tracing::info!(%session, "session ended"),
            End::Lost(reason) => tracing::info!(%session, reason, "session given up"),
        }
        if lease_end.is_none() {
            self.give_back(&newest).await;
        }
        if is_put_off {
            self.queue_again().await;
        }
        session
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
