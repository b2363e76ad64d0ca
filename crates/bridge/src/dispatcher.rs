//! One bridge: registers its directory, waits for work, gives every session a worker, and ends in order. On a full
//! machine the longest idle agent makes room ([`crate::room`]); if all are busy, work waits in the ingress's queue.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_protocol::id::{EnvironmentId, SessionId};
use portcullis_protocol::wire::worker::{RegisterEnvironment, RegisteredEnvironment, SessionSpec, WorkItem};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::api::{Api, CallError};
use crate::backoff::Backoff;
use crate::config::{BridgeConfig, Order};
use crate::event::BridgeEvent;
use crate::journal;
use crate::lease::{Credential, Lease};
use crate::place;
use crate::road::RoadError;
use crate::room::{self, Room, Standing};
use crate::serving::{Desk, Served, Serving};
use crate::sweep;
use crate::wake::{self, Wakes, woken};
use crate::work;

/// Pause before asking again when there is work and no room for it.
const FULL_PAUSE: Duration = Duration::from_secs(5);
/// An ingress that has nothing and does not wait, or work that cannot be taken, is asked for at most this often.
const AGAIN_PAUSE: Duration = Duration::from_millis(500);
/// Longest time for goodbyes.
pub(crate) const GOODBYE_TIME: Duration = Duration::from_secs(5);
/// Waiting sessions that are remembered as told: a queue this long is told nothing new.
const TOLD_MAX: usize = 1_024;
/// Sessions that are archived at the end: a bridge that served more leaves the rest as they are.
const TO_ARCHIVE_MAX: usize = 4_096;
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
    Setup(#[from] RoadError),
    /// The ingress was away for longer than this bridge was told to wait.
    #[error("the ingress could not be reached for {} s: {reason}", after.as_secs())]
    GaveUp { after: Duration, reason: String },
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
    config.policy.place(config.place)?;
    std::fs::create_dir_all(&config.state_dir)?;
    let Some(_only_one) = place::lock(&config.state_dir, &directory)? else {
        return Err(BridgeError::Busy(directory.display().to_string()));
    };
    let config = BridgeConfig { directory, ..config };
    let api = Api::new(config.road.clone(), config.device.clone())?;
    let Some(registered) = register(&config, &api, &mut orders).await? else { return Ok(()) };
    if let Some(ready) = ready {
        let _ = ready.send(registered.environment_id.clone());
    }
    let secret = watch::Sender::new(registered.environment_secret);
    let mut dispatcher = Dispatcher {
        config: Arc::new(config),
        api,
        wakes: wake::watch_clocks(),
        environment: registered.environment_id,
        secret,
        sessions: HashMap::new(),
        told: HashSet::new(),
        to_archive: HashSet::new(),
        workers: JoinSet::new(),
        orders,
    };
    let mut orders = dispatcher.orders.clone();
    tokio::select! {
        () = dispatcher.ask_back() => {}
        () = told_to_end(&mut orders) => {}
    }
    let served = dispatcher.serve().await;
    if served.is_err() {
        dispatcher.drop_everything();
    }
    dispatcher.end().await;
    served
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
                config.teller.tell(BridgeEvent::Registered {
                    environment_id: registered.environment_id.clone(),
                    url: config.road.base().to_owned(),
                    directory: body.directory,
                });
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
                let delay = wait_after(&error, &mut backoff);
                give_up_in_time(config, &backoff, &error)?;
                tracing::warn!(ingress = config.road.base(), %error, ?delay, "the ingress is not there; trying again");
                if pause(delay, orders).await {
                    return Ok(None);
                }
            }
        }
    }
}

/// The pause after a failure: ours, or the longer one the ingress asks for.
fn wait_after(error: &CallError, backoff: &mut Backoff) -> Duration {
    backoff.next_delay(Instant::now()).max(error.retry_after().unwrap_or_default())
}

fn give_up_in_time(config: &BridgeConfig, backoff: &Backoff, error: &CallError) -> Result<(), BridgeError> {
    match config.gives_up_after {
        Some(after) if backoff.failing_for() > after => {
            Err(BridgeError::GaveUp { after, reason: error.to_string() })
        }
        Some(_) | None => Ok(()),
    }
}

/// An answer that came at once and brought nothing counts a little later.
async fn unhurried<T, E>(answer: impl Future<Output = Result<Option<T>, E>>) -> Result<Option<T>, E> {
    let soonest = tokio::time::Instant::now() + AGAIN_PAUSE;
    let answer = answer.await;
    if matches!(answer, Ok(None)) {
        tokio::time::sleep_until(soonest).await;
    }
    answer
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
    config: Arc<BridgeConfig>,
    api: Api,
    wakes: Wakes,
    environment: EnvironmentId,
    secret: watch::Sender<String>,
    sessions: HashMap<SessionId, Handle>,
    /// Sessions that wait for a place and know it.
    told: HashSet<SessionId>,
    /// Sessions that are archived at the end: those this life of the bridge took, if that is wished, or else those that
    /// nobody can resume.
    to_archive: HashSet<SessionId>,
    workers: JoinSet<Served>,
    orders: watch::Receiver<Order>,
}

impl Dispatcher {
    /// Takes work until told to end.
    async fn serve(&mut self) -> Result<(), BridgeError> {
        let mut backoff = Backoff::new();
        let mut poll = self.poll(Duration::ZERO);
        let (mut orders, mut wakes) = (self.orders.clone(), self.wakes.clone());
        let mut is_linked = true;
        let mut sweeping = std::pin::pin!(self.sweeping());
        loop {
            tokio::select! {
                () = told_to_end(&mut orders) => return Ok(()),
                () = &mut sweeping => {}
                () = woken(&mut wakes) => {
                    backoff.reset();
                    self.api.start_over();
                    poll = self.poll(Duration::ZERO);
                }
                Some(ended) = self.workers.join_next() => self.forget(ended),
                answer = &mut poll => {
                    self.note_link(&mut is_linked, &answer);
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
                            let delay = wait_after(&error, &mut backoff);
                            give_up_in_time(&self.config, &backoff, &error)?;
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

    /// Tells when the ingress is not there any more, and when it is again.
    fn note_link(&self, is_linked: &mut bool, answer: &Result<Option<WorkItem>, CallError>) {
        let is_there = !answer.as_ref().err().is_some_and(CallError::is_outage);
        if is_there != std::mem::replace(is_linked, is_there) {
            self.config.teller.tell(match answer {
                Err(error) if !is_there => BridgeEvent::LinkLost { reason: error.to_string() },
                Ok(_) | Err(_) => BridgeEvent::LinkBack,
            });
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

    /// Tidies up behind sessions that are over, now and from time to time.
    fn sweeping(&self) -> impl Future<Output = ()> + Send + 'static {
        let (config, api, environment) =
            (Arc::clone(&self.config), self.api.clone(), self.environment.clone());
        async move {
            loop {
                sweep::run(&config, &api, &environment).await;
                tokio::time::sleep(sweep::PAUSE).await;
            }
        }
    }

    /// One long poll, kept whole while workers come and go: what it brings must not be dropped.
    fn poll(&self, after: Duration) -> Poll {
        let (api, environment, secret) =
            (self.api.clone(), self.environment.clone(), self.secret.borrow().clone());
        Box::pin(async move {
            tokio::time::sleep(after).await;
            unhurried(api.poll(&environment, &secret)).await
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

    fn forget(&mut self, ended: Result<Served, tokio::task::JoinError>) {
        match ended {
            Ok(Served { session, is_over }) => {
                self.sessions.remove(&session);
                self.mark(session, is_over);
            }
            Err(error) => {
                tracing::error!(%error, "a worker failed");
                self.sessions.retain(|_, handle| !handle.renewals.is_closed());
            }
        }
    }

    /// Remembers whether a session is archived at the end.
    fn mark(&mut self, session: SessionId, is_over: bool) {
        if !is_over && !self.config.archives_all {
            self.to_archive.remove(&session);
        } else if self.to_archive.len() < TO_ARCHIVE_MAX {
            self.to_archive.insert(session);
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
            return AGAIN_PAUSE;
        }
        let credential = Credential { work: item.id.clone(), token: secret.session_ingress_token.clone() };
        if let Some(handle) = self.sessions.get(&session) {
            // A worker that does not take it has renewals enough.
            let _ = handle.renewals.try_send(credential);
            return Duration::ZERO;
        }
        if is_put_off {
            self.told.insert(session.clone());
        } else {
            self.told.remove(&session);
        }
        self.start(session, secret.session, credential, is_put_off);
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

    fn start(&mut self, session: SessionId, wish: SessionSpec, credential: Credential, is_put_off: bool) {
        tracing::info!(%session, "session taken");
        let (renewals_in, renewals) = mpsc::channel(RENEWALS_MAX);
        let desk = Desk::new(is_put_off);
        let handle = Handle {
            renewals: renewals_in,
            standing: desk.standing.subscribe(),
            room_wanted: Arc::clone(&desk.room_wanted),
            is_put_off,
        };
        self.sessions.insert(session.clone(), handle);
        let serving = Serving {
            config: Arc::clone(&self.config),
            api: self.api.clone(),
            lease: Lease { environment: self.environment.clone(), session },
            secret: self.secret.subscribe(),
            orders: self.orders.clone(),
            order: watch::Sender::new(Order::Serve),
            wakes: self.wakes.clone(),
        };
        self.workers.spawn(serving.run(desk, wish, credential, renewals));
    }

    /// Nobody may run these sessions for an ingress that is not there.
    fn drop_everything(&mut self) {
        self.workers.abort_all();
    }

    /// Waits for every worker, then says goodbye.
    async fn end(&mut self) {
        let mut orders = self.orders.clone();
        let mut at_once = *orders.borrow_and_update() == Order::Abandon;
        self.config.teller.tell(BridgeEvent::Ending { at_once });
        loop {
            tokio::select! {
                ended = self.workers.join_next() => match ended {
                    Some(ended) => self.forget(ended),
                    None => break,
                },
                Ok(_) = orders.wait_for(|order| *order == Order::Abandon), if !at_once => {
                    at_once = true;
                    self.config.teller.tell(BridgeEvent::Ending { at_once });
                }
            }
        }
        self.archive().await;
        let goodbye = self.api.deregister(&self.environment);
        match tokio::time::timeout(GOODBYE_TIME, goodbye).await {
            Ok(Ok(())) => tracing::info!("deregistered"),
            Ok(Err(error)) => tracing::debug!(%error, "the ingress did not take the goodbye"),
            Err(_) => tracing::debug!("the ingress did not answer the goodbye"),
        }
        self.config.teller.tell(BridgeEvent::Ended);
    }

    /// Archives what nobody can resume, or all that was served here. The rest of a bridge's sessions are detached by its
    /// leaving: they are kept, and go on with the next one.
    async fn archive(&mut self) {
        for session in std::mem::take(&mut self.to_archive) {
            let archived = self.api.archive(&self.environment, &session);
            match tokio::time::timeout(GOODBYE_TIME, archived).await {
                Ok(Ok(())) => tracing::info!(%session, "archived"),
                Ok(Err(error)) => tracing::warn!(%session, %error, "the session was not archived"),
                Err(_) => return tracing::warn!("the ingress does not answer; what is left is not archived"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ingress_that_answers_at_once_with_nothing_is_not_asked_in_a_busy_loop() {
        let began = Instant::now();
        let nothing = std::future::ready(Ok::<Option<u8>, ()>(None));
        assert_eq!(unhurried(nothing).await, Ok(None));
        assert!(began.elapsed() >= AGAIN_PAUSE);
        let work = std::future::ready(Ok::<_, ()>(Some(1)));
        let waited = tokio::time::timeout(Duration::ZERO, unhurried(work)).await;
        assert_eq!(waited, Ok(Ok(Some(1))), "work is taken at once");
    }
}
