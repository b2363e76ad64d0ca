//! The shell around one session's [`Relay`]: it owns the agent process, the socket and the POST queues, moves what
//! they say into the machine and does what the machine orders, in its order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_protocol::Tick;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::worker::{Lane, WorkerPost, WorkerUp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::agent::{AgentCommand, AgentEvent, AgentProcess, Kill};
use crate::api::Api;
use crate::config::{BridgeConfig, Order};
use crate::core::{End, Entry, Input, Output, PostOutcome, Receipt, Relay};
use crate::event::BridgeEvent;
use crate::journal::{Journal, JournalError};
use crate::lease::Credential;
use crate::link::{SocketEvent, run_lane, run_socket};
use crate::look::Looker;
use crate::place;
use crate::room::Activity;
use crate::serving::Desk;
use crate::standstill::Standstill;
use crate::sweep;
use crate::wake::Wakes;
use crate::worktree::Worktree;

/// Events of one kind that wait for the machine.
const EVENTS_MAX: usize = 64;
/// Frames of the ingress that wait for it: each may be as large as an event.
const FRAMES_MAX: usize = 4;
/// Time for the last words to reach the ingress after the agent ended, as long as it takes none of them.
const FLUSH_TIME: Duration = Duration::from_secs(5);
/// The same while it takes them. What it has not taken by then stands in the spool for the next life.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(15);
/// Time for a killed process to be collected.
const BURIAL_TIME: Duration = Duration::from_secs(5);
/// Between two tries to write to a full disk.
pub(crate) const DISK_PAUSE: Duration = Duration::from_secs(1);
/// When nothing is due.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// What one session needs.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) session: SessionId,
    pub(crate) relay: Relay,
    pub(crate) journal: Journal,
    /// Absent when the session cannot be served here: the relay says why and never starts one.
    pub(crate) command: Option<AgentCommand>,
    pub(crate) desk: Desk,
    /// Name of the agent, and the directory it works in.
    pub(crate) agent: String,
    pub(crate) directory: String,
    /// Absent when it works in the directory itself.
    pub(crate) worktree: Option<Worktree>,
    pub(crate) config: Arc<BridgeConfig>,
    pub(crate) standstill: Standstill,
}

/// What a worker left.
#[derive(Debug)]
pub(crate) struct Parting {
    pub(crate) end: End,
    /// Whether the session can go on where it stands.
    pub(crate) can_go_on: bool,
}

/// What ties a worker to the rest of its bridge.
pub(crate) struct Links {
    pub(crate) api: Api,
    pub(crate) credential: watch::Receiver<Credential>,
    pub(crate) orders: watch::Receiver<Order>,
    pub(crate) wakes: Wakes,
}

/// The ways between the machine and the rest.
struct Ways {
    agent: Option<AgentProcess>,
    link: Option<mpsc::Sender<WorkerUp>>,
    content: mpsc::Sender<WorkerPost>,
    control: mpsc::Sender<WorkerPost>,
    receipts: mpsc::Sender<Receipt>,
    looker: Looker,
}

impl Worker {
    /// Serves the session until it is over or `orders` end it.
    pub(crate) async fn run(mut self, links: Links) -> Parting {
        let Links { api, credential, mut orders, wakes } = links;
        // What was ordered before anybody listened counts as well.
        orders.mark_changed();
        let (socket_in, mut socket) = mpsc::channel(FRAMES_MAX);
        let (outcomes_in, mut outcomes) = mpsc::channel(EVENTS_MAX);
        let (receipts_in, mut receipts) = mpsc::channel(EVENTS_MAX);
        let (looked_in, mut looked) = mpsc::channel(EVENTS_MAX);
        let looker = Looker::new(Path::new(&self.directory), &self.config.policy, looked_in);
        let mut tasks = JoinSet::new();
        let (openings_in, openings) = watch::channel(0);
        let road = api.road().clone();
        tasks.spawn(run_socket(
            road,
            self.session.clone(),
            credential.clone(),
            socket_in,
            openings_in,
            wakes,
        ));
        let mut lane = |outcomes: &mpsc::Sender<(Lane, PostOutcome)>| {
            let (posts_in, posts) = mpsc::channel(1);
            tasks.spawn(run_lane(
                api.clone(),
                self.session.clone(),
                credential.clone(),
                posts,
                outcomes.clone(),
                openings.clone(),
            ));
            posts_in
        };
        let (content, control) = (lane(&outcomes_in), lane(&outcomes_in));
        let mut ways = Ways { agent: None, link: None, content, control, receipts: receipts_in, looker };
        let start = Instant::now();
        let mut is_gone = false;
        let mut farewell = Farewell::default();
        if self.desk.is_put_off {
            self.relay.handle(tick(start), Input::PutOff);
            farewell.agent_is_gone();
        }
        let end = loop {
            if let Some(end) = self.perform_all(&mut ways) {
                break end;
            }
            if self.standstill.began() {
                self.relay.handle(tick(start), Input::DiskFull(true));
            }
            if self.standstill.is_on() {
                self.speak_ahead(&mut ways);
            }
            if let Some(said) = self.standstill.over() {
                self.config.teller.tell(BridgeEvent::DiskFree { session_id: self.session.clone() });
                self.relay.handle(tick(start), Input::DiskFull(false));
                self.relay.handle(tick(start), Input::Notice(said));
                continue;
            }
            let due =
                self.relay.poll_timeout().map_or(start.max(Instant::now()) + NEVER, |tick| at(start, tick));
            let give_up = farewell.give_up.unwrap_or_else(|| Instant::now() + NEVER);
            let stands_still = self.standstill.is_on();
            let is_congested = stands_still || self.relay.is_congested();
            let nothing_goes_first = outcomes.is_empty()
                && receipts.is_empty()
                && looked.is_empty()
                && socket.is_empty()
                && orders.has_changed().is_ok_and(|changed| !changed);
            if !is_congested
                && nothing_goes_first
                && let Some(line) = ways.agent.as_mut().and_then(AgentProcess::ready_line)
            {
                self.relay.handle(tick(start), Input::Read(line));
                self.stand();
                continue;
            }
            let wanted = match (is_congested, farewell.give_up, farewell.last) {
                (false, ..) => Wanted::Lines,
                (true, Some(_), None) => Wanted::End,
                (true, ..) => Wanted::Nothing,
            };
            let input = tokio::select! {
                biased;
                changed = orders.changed() => {
                    let order = if changed.is_ok() { *orders.borrow_and_update() } else { Order::Abandon };
                    match order {
                        Order::Serve => continue,
                        Order::Drain => Input::Shutdown,
                        Order::Abandon => break End::Lost("the bridge was told to give it up".into()),
                    }
                }
                () = sleep_until(give_up) => break End::Lost("the ingress did not take the last words in time".into()),
                Some((lane, outcome)) = outcomes.recv() => Input::Posted(lane, outcome),
                Some(receipt) = receipts.recv() => Input::Written(receipt),
                Some((look, found)) = looked.recv() => Input::Looked { look, found },
                Some(event) = socket.recv() => match event {
                    SocketEvent::Up(sender) => {
                        ways.link = Some(sender);
                        Input::LinkUp
                    }
                    SocketEvent::Down => {
                        ways.link = None;
                        Input::LinkDown
                    }
                    SocketEvent::Frame(frame) => Input::Frame(frame),
                    SocketEvent::Gone => {
                        is_gone = true;
                        break End::Lost("the ingress says that the session is gone".into());
                    }
                },
                event = next_of(&mut ways.agent, wanted) => match event {
                    Some(AgentEvent::Line(reading)) => Input::Read(reading),
                    Some(AgentEvent::Exited(exit)) => {
                        ways.agent = None;
                        if *orders.borrow() == Order::Drain {
                            self.leave_worktree(tick(start)).await;
                        }
                        Input::AgentExited(exit)
                    }
                    // Its last lines have the time that last words have, and no more.
                    None => {
                        farewell.agent_is_gone();
                        continue;
                    }
                },
                () = sleep(DISK_PAUSE), if stands_still => continue,
                () = self.desk.room_wanted.notified() => Input::MakeRoom,
                () = sleep_until(due) => Input::Tick,
            };
            if let Input::Posted(_, PostOutcome::Accepted { .. }) = &input {
                farewell.words_were_taken();
            }
            self.relay.handle(tick(start), input);
            if self.stand() == Activity::Leaving {
                match &ways.agent {
                    Some(_) => farewell.begin(self.config.agent_grace),
                    None => farewell.agent_is_gone(),
                }
            }
        };
        bury(ways.agent).await;
        if is_gone {
            // Archived: nobody comes back to it, and nobody hears any more what is said about it.
            sweep::forget(&self.config, &self.session).await;
        } else if *orders.borrow() == Order::Drain {
            self.leave_worktree(tick(start)).await;
        }
        Parting { end, can_go_on: self.relay.can_go_on() }
    }

    /// Removes the session's working tree, or says in the session why it stays. Its agent is gone.
    async fn leave_worktree(&mut self, now: Tick) {
        if let Some(tree) = self.worktree.take()
            && let Some(said) = sweep::settle(&self.config, &self.session, &tree).await
        {
            self.relay.handle(now, Input::Notice(said));
        }
    }

    /// Tells what goes on here, if that changed.
    fn stand(&self) -> Activity {
        let (activity, waiting) = (self.relay.activity(), self.relay.waiting());
        let mut is_asked = false;
        self.desk.standing.send_if_modified(|standing| {
            let is_other = standing.activity != activity;
            is_asked = standing.waiting != waiting;
            if is_other {
                standing.since = Instant::now();
            }
            (standing.activity, standing.waiting) = (activity, waiting);
            is_other || is_asked
        });
        if is_asked {
            self.config
                .teller
                .tell(BridgeEvent::WaitingForApproval { session_id: self.session.clone(), waiting });
        }
        activity
    }

    /// Does everything the machine ordered.
    fn perform_all(&mut self, ways: &mut Ways) -> Option<End> {
        // What could not be written comes first: everything after it relies on it.
        while let Some(output) = self.standstill.take().or_else(|| self.relay.poll_output()) {
            match output {
                Output::Finish(end) => return Some(end),
                Output::Journal(entry) => match self.journal.append(&entry) {
                    Ok(()) => {}
                    Err(error) if error.is_for_want_of_room() => {
                        self.stand_still(entry, &error);
                        return None;
                    }
                    Err(error) => {
                        tracing::error!(session = %self.session, %error, "the session is given up");
                        return Some(End::Lost(error.to_string()));
                    }
                },
                Output::Spawn { resume } => self.spawn(ways, resume.as_deref()),
                Output::Send(_)
                | Output::Post(_)
                | Output::Stdin { .. }
                | Output::Look { .. }
                | Output::Terminate => {
                    self.perform(output, ways);
                }
            }
        }
        None
    }

    /// Nothing is read and nothing said until `entry` can be written.
    fn stand_still(&mut self, entry: Entry, error: &JournalError) {
        if self.standstill.begin(entry) {
            tracing::error!(session = %self.session, %error, "the disk is full; the session stands still until there is room");
            let (session_id, reason) = (self.session.clone(), error.to_string());
            self.config.teller.tell(BridgeEvent::DiskFull { session_id, reason });
        }
    }

    /// Says what relies on nothing that cannot be written.
    fn speak_ahead(&mut self, ways: &mut Ways) {
        while let Some(post) = self.relay.poll_ahead() {
            self.perform(Output::Post(post), ways);
        }
    }

    fn spawn(&mut self, ways: &mut Ways, resume: Option<&str>) {
        let spawned = match &self.command {
            Some(command) => {
                let mut command = command.taking_up(resume);
                let spawned = place::hold(&command.directory).and_then(|held| {
                    command.directory.clone_from(&held.path);
                    AgentProcess::spawn(&command, ways.receipts.clone())
                });
                spawned.map_err(|error| error.to_string())
            }
            None => Err("this session has no agent".to_owned()),
        };
        match spawned {
            Ok(agent) => {
                tracing::info!(session = %self.session, resume, "the agent started");
                ways.agent = Some(agent);
            }
            // The machine reads no time from this input.
            Err(reason) => self.relay.handle(Tick::default(), Input::SpawnFailed(reason)),
        }
    }

    fn perform(&self, output: Output, ways: &mut Ways) {
        match output {
            Output::Send(frame) => {
                // A socket that does not take frames is closed; what matters is said again on the next one.
                if ways.link.as_ref().is_some_and(|link| link.try_send(frame).is_err()) {
                    ways.link = None;
                }
            }
            Output::Post(post) => {
                let lane = if post.lane == Lane::Content { &ways.content } else { &ways.control };
                if lane.try_send(post).is_err() {
                    tracing::error!(session = %self.session, "a lane was given two POSTs at once");
                }
            }
            Output::Stdin { line, receipt } => {
                if let Some(agent) = &ways.agent
                    && agent.write(line, receipt).is_err()
                {
                    tracing::warn!(session = %self.session, "the agent does not read its input any more");
                    agent.kill(Kill::Now);
                }
            }
            Output::Look { look, path } => ways.looker.look(look, path),
            Output::Terminate => {
                if let Some(agent) = &ways.agent {
                    agent.kill(Kill::Within(self.config.agent_grace));
                }
            }
            Output::Spawn { .. } | Output::Journal(_) | Output::Finish(_) => {}
        }
    }
}

/// How long is waited for the end, once it was ordered.
#[derive(Debug, Default)]
struct Farewell {
    give_up: Option<Instant>,
    /// Until when the ingress may take last words, set when the agent is gone.
    last: Option<Instant>,
}

impl Farewell {
    /// The agent was asked to end.
    fn begin(&mut self, grace: Duration) {
        self.give_up.get_or_insert_with(|| Instant::now() + grace + FLUSH_TIME);
    }

    /// Nothing follows but what is here.
    fn agent_is_gone(&mut self) {
        if self.last.is_none() {
            let now = Instant::now();
            self.last = Some(now + FLUSH_TIME_MAX);
            self.give_up = Some(self.give_up.map_or(now + FLUSH_TIME, |at| at.min(now + FLUSH_TIME)));
        }
    }

    /// The ingress is there and takes them.
    fn words_were_taken(&mut self) {
        if let Some(last) = self.last {
            self.give_up = Some(last.min(Instant::now() + FLUSH_TIME));
        }
    }
}

/// What is of interest about the agent.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Lines,
    /// Nobody can take its lines at present.
    End,
    Nothing,
}

/// What the agent does, or nothing when it ended and nobody can take its lines.
async fn next_of(agent: &mut Option<AgentProcess>, wanted: Wanted) -> Option<AgentEvent> {
    match (agent, wanted) {
        (Some(agent), Wanted::Lines) => Some(agent.next().await),
        (Some(agent), Wanted::End) => {
            agent.exit().await;
            None
        }
        (None, _) | (Some(_), Wanted::Nothing) => std::future::pending().await,
    }
}

/// Makes sure that the process is gone before anybody else may start one.
async fn bury(agent: Option<AgentProcess>) {
    let Some(mut agent) = agent else { return };
    agent.kill(Kill::Now);
    let gone = async { while let AgentEvent::Line(_) = agent.next().await {} };
    if timeout(BURIAL_TIME, gone).await.is_err() {
        tracing::warn!("a killed agent is still there");
    }
}

fn tick(start: Instant) -> Tick {
    Tick(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn at(start: Instant, tick: Tick) -> Instant {
    start + Duration::from_millis(tick.0)
}
