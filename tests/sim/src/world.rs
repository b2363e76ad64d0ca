//! One run: a world is set up, lived in under bad weather, healed, and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use portcullis_ingress::memory::{MemoryIngress, MemoryStore, Snapshot, start_on};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::role::Role;
use portcullis_protocol::session::{LinkView, StartAt};
use portcullis_protocol::wire::client::PermissionState;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::bridge::{Bridge, Disk, Ground, Mutation};
use crate::check::{Evidence, Kind, Violation, check};
use crate::device::{Device, Key};
use crate::dice::{Dice, SeededEntropy};
use crate::faults::{Fault, Weather};
use crate::net::Network;
use crate::record::{Record, fact_in};
use crate::tab::{Forgery, Order, Place, Storage, Tab, View, is_stopped};
use crate::time::VirtualClock;

/// Connections that wait for the ingress to take them.
const BACKLOG: usize = 128;
/// How long a world may take to come to rest once it is healed.
const REST_WITHIN: Duration = Duration::from_secs(600);
/// Between two looks at whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// It rests when nothing changed over so many looks.
const LOOKS_ALIKE: u32 = 24;
/// A page that is given two tokens in a row which end before it can use them gives up, as it should.
const TOKENS_LIVE_AT_LEAST: Duration = Duration::from_secs(15);
/// Characters of an event that a dump shows.
const EVENT_CHARS_SHOWN: usize = 300;
/// How long a tab may stand still before it counts as frozen when it is asked for its view.
const VIEW_PATIENCE: Duration = Duration::from_secs(60);

/// How a run differs from an ordinary one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The bridge is broken so.
    pub mutation: Mutation,
    /// The store acknowledges an event now and then and does not keep it.
    pub store_loses: bool,
    /// The first tab reads other bytes than were sent.
    pub garbles: bool,
}

/// What a run was.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Over every line of its trace: the same seed gives the same.
    pub hash: u64,
    /// What was found wrong.
    pub violations: Vec<Violation>,
    /// Misfortunes by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Events in all logs.
    pub events: u64,
    /// Facts that agents stated.
    pub facts: u64,
    /// Prompts that persons sent.
    pub prompts: u64,
    /// Tools that agents asked for.
    pub requests: u64,
    /// Tools that ran.
    pub ran: u64,
    /// Decisions that went out.
    pub decisions: u64,
    /// Virtual time it took, in ms.
    pub virtual_ms: u64,
    /// The end of the trace.
    pub tail: String,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, options: Options) -> Outcome {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without IO needs nothing from the system");
    runtime.block_on(async move {
        let mut world = World::build(seed, options).await;
        world.live().await;
        world.heal().await;
        world.judge().await
    })
}

struct Site {
    place: Place,
    tab: Option<Tab>,
    opened: u64,
}

struct World {
    seed: u64,
    options: Options,
    dice: Dice,
    clock: VirtualClock,
    record: Record,
    network: Network,
    entropy: Arc<SeededEntropy>,
    store: MemoryStore,
    ingress: Option<MemoryIngress>,
    ingress_back_at: Option<Instant>,
    ground: Ground,
    bridge: Option<Bridge>,
    bridge_back_at: Option<Instant>,
    bridge_lives: u64,
    sessions: Vec<SessionId>,
    sites: Vec<Site>,
    tokens_may_end_at: Instant,
    snapshot: Option<Snapshot>,
    may_restore: bool,
    stuck: Vec<String>,
}

impl World {
    async fn build(seed: u64, options: Options) -> Self {
        let mut dice = Dice::new(seed);
        let clock = VirtualClock::begin();
        let record = Record::new(clock);
        let network = Network::new(dice.fork("network"), record.clone());
        let entropy = Arc::new(SeededEntropy::new(dice.fork("entropy")));
        let store = MemoryStore::new(&*entropy);
        let ingress = open_door(&store, &network, clock, &entropy);
        let key = Key::new(1);
        let machine = ingress.provision_device("machine", Role::Bridge, key.public()).await;
        let machine = machine.expect("the key is one");
        let ground = Ground {
            network: network.clone(),
            device: Device::new(machine, key, network.clone(), clock),
            disk: Disk::default(),
            clock,
            record: record.clone(),
            mutation: options.mutation,
            busy: Arc::default(),
        };
        let bridge = Bridge::start(ground.clone(), dice.fork("bridge 0"));
        let mut devices = Vec::new();
        for number in 0..dice.within(2..=3) {
            let key = Key::new(u8::try_from(number).unwrap_or(0) + 2);
            let id = ingress.provision_device(&format!("phone {number}"), Role::Owner, key.public()).await;
            devices.push(Device::new(id.expect("the key is one"), key, network.clone(), clock));
        }
        sleep(Duration::from_secs(2)).await;
        let sessions = create_sessions(&devices[0], dice.within(1..=2)).await;
        let mut sites = Vec::new();
        for (number, device) in devices.into_iter().enumerate() {
            // The first two look at the same session.
            let session = sessions[if number < 2 { 0 } else { sessions.len() - 1 }].clone();
            let place = Place {
                name: format!("tab-{number}"),
                session,
                device,
                storage: Storage::default(),
                network: network.clone(),
                clock,
                record: record.clone(),
                garbles: options.garbles && number == 0,
                start: if dice.hits(500) { StartAt::Tail } else { StartAt::Beginning },
            };
            sites.push(Site { place, tab: None, opened: 0 });
        }
        let may_restore = dice.hits(200);
        let mut world = Self {
            seed,
            options,
            dice,
            clock,
            record,
            network,
            entropy,
            store,
            ingress: Some(ingress),
            ingress_back_at: None,
            ground,
            bridge: Some(bridge),
            bridge_back_at: None,
            bridge_lives: 1,
            sessions,
            sites,
            tokens_may_end_at: Instant::now(),
            snapshot: None,
            may_restore,
            stuck: Vec::new(),
        };
        for number in 0..world.sites.len() {
            world.open_tab(number);
        }
        sleep(Duration::from_secs(1)).await;
        world
    }

    fn open_tab(&mut self, number: usize) {
        let site = &mut self.sites[number];
        site.opened += 1;
        let dice = self.dice.fork(&format!("tab {number} {}", site.opened));
        site.tab = None;
        site.tab = Some(Tab::open(site.place.clone(), dice));
    }

    /// Bad weather, and people who do not wait for better.
    async fn live(&mut self) {
        let weather = Weather::rough(&mut self.dice);
        self.network.set_weather(weather);
        let until = Instant::now() + Duration::from_secs(self.dice.within(15..=45));
        while Instant::now() < until {
            let pause = self.dice.within(20..=900);
            sleep(Duration::from_millis(pause)).await;
            self.bring_back().await;
            self.misfortune().await;
            self.act();
        }
    }

    fn order(&mut self, order: Order) {
        let number = self.some_site();
        if let Some(tab) = &self.sites[number].tab {
            tab.order(order);
        }
    }

    fn some_site(&mut self) -> usize {
        let numbers: Vec<usize> = (0..self.sites.len()).collect();
        *self.dice.pick(&numbers)
    }

    /// What people do.
    fn act(&mut self) {
        match self.dice.within(0..=99) {
            0..=29 => {
                let text = format!("do {:x}", self.dice.next() & 0xffff);
                self.order(Order::Prompt(text));
            }
            30..=69 => {
                let allow = self.dice.hits(600);
                self.order(Order::Decide { allow });
            }
            70..=77 => {
                for (number, site) in self.sites.iter().enumerate() {
                    if let Some(tab) = &site.tab {
                        tab.order(Order::Decide { allow: number % 2 == 0 });
                    }
                }
            }
            78..=83 => {
                let forgery = *self.dice.pick(&[Forgery::WrongDigest, Forgery::Stale, Forgery::OtherInput]);
                self.order(Order::Forge(forgery));
            }
            84..=87 => self.order(Order::Interrupt),
            _ => {}
        }
    }

    /// What befalls them, apart from the network.
    async fn misfortune(&mut self) {
        if self.options.store_loses && self.dice.hits(50) {
            self.store.lose_the_next_event();
        }
        if self.may_restore && self.snapshot.is_none() && self.dice.hits(150) {
            self.record.note("world", "remembers the store");
            self.snapshot = Some(self.store.snapshot());
        }
        match self.dice.within(0..=999) {
            0..=29 => {
                self.record.count(Fault::Reload);
                let number = self.some_site();
                self.record.note("world", &format!("reloads tab-{number}"));
                self.open_tab(number);
            }
            30..=54 => {
                self.record.count(Fault::Freeze);
                let ms = self.dice.within(500..=40_000);
                self.order(Order::Freeze { ms });
            }
            55..=74 if self.tokens_may_end_at <= Instant::now() => {
                self.tokens_may_end_at = Instant::now() + TOKENS_LIVE_AT_LEAST;
                self.record.count(Fault::TokenExpiry);
                self.record.note("world", "ends all tokens");
                self.store.expire_tokens();
            }
            75..=94 => {
                self.record.count(Fault::Cut);
                self.record.note("world", "cuts everything");
                self.network.cut_all();
            }
            95..=119 if self.ingress.is_some() => self.crash_ingress(Fault::IngressCrash),
            120..=134 => self.restart_ingress().await,
            135..=169 => self.crash_bridge().await,
            170..=199 if self.ingress.is_some() && self.snapshot.is_some() => {
                self.crash_ingress(Fault::Restore);
            }
            _ => {}
        }
    }

    fn crash_ingress(&mut self, fault: Fault) {
        let Some(ingress) = self.ingress.take() else { return };
        self.record.count(fault);
        self.record.note("world", &format!("{}", fault.name()));
        self.network.set_door(None);
        self.network.cut_all();
        ingress.kill();
        if fault == Fault::Restore
            && let Some(snapshot) = self.snapshot.take()
        {
            self.store.restore(snapshot, &*self.entropy);
            self.forgive_what_was_taken();
        }
        self.store = self.store.reopen();
        self.ingress_back_at = Some(Instant::now() + Duration::from_millis(self.dice.within(0..=6_000)));
    }

    /// What the ingress had acknowledged and an earlier state of its data does not hold is nobody's fault.
    fn forgive_what_was_taken(&self) {
        let mut truth = self.record.truth();
        truth.restores += 1;
        for session in &self.sessions {
            let log = self.store.log(session);
            let held: Vec<u64> = log.iter().filter_map(|(.., event)| fact_in(event.as_str())).collect();
            for fact in truth.facts.entry(session.clone()).or_default() {
                fact.restored_away |= fact.read && !held.contains(&fact.number);
            }
        }
    }

    async fn restart_ingress(&mut self) {
        let Some(ingress) = self.ingress.take() else { return };
        self.record.count(Fault::IngressRestart);
        self.record.note("world", "restarts the ingress");
        ingress.shutdown().await;
        self.network.set_door(None);
        self.network.cut_all();
        self.store = self.store.reopen();
        self.ingress_back_at = Some(Instant::now() + Duration::from_millis(self.dice.within(0..=1_500)));
    }

    async fn crash_bridge(&mut self) {
        let Some(bridge) = self.bridge.take() else { return };
        self.record.count(Fault::BridgeCrash);
        let orders = u32::try_from(self.dice.within(1..=12)).unwrap_or(1);
        bridge.burn_down(orders, Duration::from_millis(600)).await;
        self.record.note("world", "the bridge is dead");
        self.bridge_back_at = Some(Instant::now() + Duration::from_millis(self.dice.within(0..=6_000)));
    }

    /// Starts again what has been gone for long enough.
    async fn bring_back(&mut self) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_due(self.ingress_back_at) {
            self.ingress_back_at = None;
            self.record.note("world", "the ingress is back");
            self.ingress = Some(open_door(&self.store, &self.network, self.clock, &self.entropy));
        }
        if is_due(self.bridge_back_at) {
            self.bridge_back_at = None;
            self.record.note("world", "the bridge is back");
            let dice = self.dice.fork(&format!("bridge {}", self.bridge_lives));
            self.bridge_lives += 1;
            self.bridge = Some(Bridge::start(self.ground.clone(), dice));
        }
    }

    /// Good weather, everything runs, and people answer what is asked until nothing moves any more.
    async fn heal(&mut self) {
        self.record.note("world", "heals");
        self.network.set_weather(Weather::calm());
        for at in [self.ingress_back_at, self.bridge_back_at].into_iter().flatten() {
            sleep_until(at).await;
        }
        self.bring_back().await;
        let leaves_pending = self.dice.hits(400);
        let until = Instant::now() + REST_WITHIN;
        let (mut alike, mut before) = (0, (0_u64, 0_u64));
        while Instant::now() < until {
            sleep(LOOK_EVERY).await;
            if !leaves_pending || alike == 0 {
                let allow = self.dice.hits(500);
                self.order(Order::Decide { allow });
            }
            self.stuck = self.unrest().await;
            let now = (self.record.truth().hash, self.heads());
            alike = if self.stuck.is_empty() && now == before { alike + 1 } else { 0 };
            before = now;
            if alike >= LOOKS_ALIKE {
                return;
            }
        }
        if self.stuck.is_empty() {
            self.stuck.push("something moves for ever".into());
        }
    }

    fn heads(&self) -> u64 {
        self.sessions.iter().map(|session| self.store.head(session)).sum()
    }

    /// What is not yet as it has to be.
    async fn unrest(&self) -> Vec<String> {
        let mut unrest = Vec::new();
        for site in &self.sites {
            let name = &site.place.name;
            let Some(tab) = &site.tab else { continue };
            let Some(view) = tab.view(false, VIEW_PATIENCE).await else {
                unrest.push(format!("{name} stands still"));
                continue;
            };
            if let Some(reason) = is_stopped(view.link) {
                unrest.push(format!("{name} stopped: {reason:?}"));
            } else if view.link != LinkView::Online {
                unrest.push(format!("{name} is not online: {:?}", view.link));
            }
            let head = self.store.head(&site.place.session);
            if view.applied != head {
                unrest.push(format!("{name} is at {} of {head}", view.applied));
            }
            if !view.outbox.is_empty() || !view.whole || view.gap {
                unrest.push(format!(
                    "{name} has to send {:?}, whole {}, gap {}",
                    view.outbox, view.whole, view.gap
                ));
            }
        }
        for session in &self.sessions {
            if unrest.is_empty() {
                unrest.extend(self.unheard(session).await);
                unrest.extend(self.unlogged(session));
            }
            let rows = self.store.requests(session);
            let open = rows
                .iter()
                .filter(|row| matches!(row.state, PermissionState::Decided | PermissionState::Delivered));
            unrest.extend(open.map(|row| format!("{session}: {} is {:?}", row.request_id, row.state)));
        }
        unrest
    }

    /// Prompts in the log of which the agent has not heard, and of which nobody says that it may have.
    async fn unheard(&self, session: &SessionId) -> Vec<String> {
        let site = self.sites.iter().find(|site| site.place.session == *session);
        let Some(tab) = site.and_then(|site| site.tab.as_ref()) else { return Vec::new() };
        let Some(view) = tab.view(false, VIEW_PATIENCE).await else { return Vec::new() };
        let truth = self.record.truth();
        let prompts = self.store.log(session).into_iter().filter(|(_, up, _)| *up);
        let uuids = prompts.filter_map(|(.., event)| event.header().ok()?.uuid);
        uuids
            .filter(|uuid| !view.unknown.contains(uuid))
            .filter(|uuid| !truth.heard.iter().any(|(place, heard)| place == session && heard == uuid))
            .map(|uuid| format!("{session}: prompt {uuid} waits for the agent"))
            .collect()
    }

    /// Facts that the bridge read and the log does not have yet.
    fn unlogged(&self, session: &SessionId) -> Option<String> {
        let log = self.store.log(session);
        let logged: BTreeSet<u64> = log.iter().filter_map(|(.., event)| fact_in(event.as_str())).collect();
        let truth = self.record.truth();
        let due = truth.facts.get(session)?.iter().filter(|fact| fact.read && !fact.restored_away);
        let missing: Vec<u64> = due.map(|fact| fact.number).filter(|fact| !logged.contains(fact)).collect();
        (!missing.is_empty()).then(|| format!("{session}: facts {missing:?} are not in the log"))
    }

    async fn judge(mut self) -> Outcome {
        let mut violations: Vec<Violation> = std::mem::take(&mut self.stuck)
            .into_iter()
            .map(|what| Violation { kind: Kind::Stuck, what })
            .collect();
        let sessions = self.sessions.clone();
        for session in sessions {
            match self.evidence(session.clone()).await {
                Some(evidence) => violations.extend(check(&evidence, &self.record.truth())),
                None => violations.push(Violation {
                    kind: Kind::Stuck,
                    what: format!("{session}: a new client cannot read it"),
                }),
            }
        }
        let events = self.heads();
        let truth = self.record.truth();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let outcome = Outcome {
            seed: self.seed,
            hash: truth.hash,
            faults: truth.counts.clone(),
            events,
            facts: count(truth.facts.values().map(Vec::len).sum()),
            prompts: count(truth.prompts.len()),
            requests: count(truth.asked.len()),
            ran: truth.asked.values().map(|asked| u64::from(asked.ran)).sum(),
            decisions: count(truth.posted.len()),
            virtual_ms: self.clock.ms(),
            tail: String::new(),
            violations,
        };
        drop(truth);
        let tail = format!("{}\n{}", self.record.tail(), self.dump());
        Outcome { tail, ..outcome }
    }

    /// The logs, the requests and the bridge's disk, shortened.
    fn dump(&self) -> String {
        let mut text = String::new();
        for session in &self.sessions {
            for (seq, up, event) in self.store.log(session) {
                let side = if up { "client" } else { "worker" };
                let event: String = event.as_str().chars().take(EVENT_CHARS_SHOWN).collect();
                let _ = writeln!(text, "{session} {seq:>4} {side} {event}");
            }
            for row in self.store.requests(session) {
                let _ = writeln!(text, "{session} {} {:?} {:?}", row.request_id, row.state, row.reason);
            }
            for entry in self.ground.disk.entries(session) {
                let entry: String = format!("{entry:?}").chars().take(EVENT_CHARS_SHOWN).collect();
                let _ = writeln!(text, "{session} disk {entry}");
            }
        }
        text
    }

    /// Everything there is to see of a session, with the view of a client that comes new.
    async fn evidence(&mut self, session: SessionId) -> Option<Evidence> {
        let mut views: BTreeMap<String, View> = BTreeMap::new();
        for site in self.sites.iter().filter(|site| site.place.session == session) {
            if let Some(view) = site.tab.as_ref()?.view(true, VIEW_PATIENCE).await {
                views.insert(site.place.name.clone(), view);
            }
        }
        let place = Place {
            name: "auditor".into(),
            session: session.clone(),
            storage: Storage::default(),
            start: StartAt::Beginning,
            garbles: false,
            ..self.sites[0].place.clone()
        };
        let auditor = Tab::open(place, self.dice.fork("auditor"));
        let mut fold = None;
        for _ in 0..40 {
            sleep(LOOK_EVERY).await;
            let view = auditor.view(true, VIEW_PATIENCE).await?;
            if view.applied == self.store.head(&session) && view.link == LinkView::Online {
                fold = Some(view);
                break;
            }
        }
        let (log, rows) = (self.store.log(&session), self.store.requests(&session));
        Some(Evidence { session, log, rows, fold: fold?, views })
    }
}

fn open_door(
    store: &MemoryStore,
    network: &Network,
    clock: VirtualClock,
    entropy: &Arc<SeededEntropy>,
) -> MemoryIngress {
    let (door, connections) = mpsc::channel(BACKLOG);
    network.set_door(Some(door));
    let entropy: Arc<SeededEntropy> = Arc::clone(entropy);
    start_on(store.clone(), connections, Arc::new(clock), entropy)
}

async fn create_sessions(owner: &Device, count: u64) -> Vec<SessionId> {
    let environments = owner.call("GET", "/v1/environments", None).await.expect("the network is calm");
    let environments: Value = serde_json::from_str(&environments).expect("an answer is JSON");
    let environment = environments["data"][0]["id"].clone();
    let mut sessions = Vec::new();
    for _ in 0..count {
        let body = json!({ "environment_id": environment }).to_string();
        let made = owner.call("POST", "/v1/sessions", Some(&body)).await.expect("the network is calm");
        let made: Value = serde_json::from_str(&made).expect("an answer is JSON");
        let id = made["id"].as_str().unwrap_or_default();
        sessions.push(SessionId::parse(id).expect("the ingress mints ids"));
    }
    sessions
}
