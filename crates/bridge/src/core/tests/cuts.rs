//! Every crash point: the bridge is killed between any two of its orders, over a disk that keeps what was journalled
//! and an ingress that keeps its rules, and its next life is held to what was promised.

use std::collections::{BTreeMap, HashMap};

use portcullis_protocol::wire::control::Request as ControlRequest;

use super::*;

/// What is decided by chance: which of several things comes first.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[derive(Clone, Default)]
struct Positions {
    content: u64,
    control: u64,
    ended: bool,
}

/// The rules of the ingress's store, as far as a bridge can tell.
#[derive(Clone, Default)]
struct Ingress {
    life: u32,
    log: Vec<Value>,
    /// The prompts among them, by place.
    prompts: BTreeMap<u64, RawJson>,
    delivered_seq: u64,
    current: Option<Incarnation>,
    known: HashMap<Incarnation, Positions>,
    /// Requests by process and id: their events, and whether they are still open.
    requests: Vec<(Incarnation, String, RawJson, bool)>,
}

impl Ingress {
    fn prompt(&mut self, uuid: &str) {
        let event = portcullis_protocol::wire::prompt::text_prompt(uuid, "go");
        self.log.push(event.read().unwrap());
        self.prompts.insert(self.log.len() as u64, event);
    }

    fn attach(&mut self, incarnation: &Incarnation) -> Vec<WorkerDown> {
        if self.known.contains_key(incarnation) && self.current.as_ref() != Some(incarnation) {
            return vec![WorkerDown::Superseded];
        }
        self.current = Some(incarnation.clone());
        let at = self.known.entry(incarnation.clone()).or_default().clone();
        for request in self.requests.iter_mut().filter(|request| request.0 != *incarnation) {
            request.3 = false;
        }
        let hello = Hello {
            head_seq: self.log.len() as u64,
            epoch: Some(Epoch::parse(format!("e{}", self.life)).unwrap()),
            content_next_n: at.content,
            control_next_n: at.control,
        };
        let decisions = self.requests.iter().filter(|request| request.3).map(|request| decision(&request.2));
        let waiting = self.prompts.range(self.delivered_seq + 1..);
        let delivers =
            waiting.map(|(seq, event)| WorkerDown::Deliver(Deliver { seq: *seq, event: event.clone() }));
        std::iter::once(WorkerDown::Hello(hello)).chain(decisions).chain(delivers).collect()
    }

    /// Takes a POST, and what is said down because of it.
    fn post(&mut self, post: &WorkerPost) -> (PostOutcome, Vec<WorkerDown>) {
        let mut down = Vec::new();
        let numbers: Vec<u64> = post.items.iter().filter_map(WorkerItem::n).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "dense: {numbers:?}");
        let Some(first) = numbers.first().copied() else {
            return (PostOutcome::Accepted { next_n: 0 }, down);
        };
        if self.current.as_ref() != Some(&post.incarnation) {
            return (PostOutcome::Gone, down);
        }
        let at = self.known.get(&post.incarnation).cloned().unwrap_or_default();
        let expected_n = if post.lane == Lane::Content { at.content } else { at.control };
        if first > expected_n {
            return (PostOutcome::Position { expected_n }, down);
        }
        let fresh: Vec<&WorkerItem> =
            post.items.iter().filter(|item| item.n().is_some_and(|n| n >= expected_n)).collect();
        if !fresh.is_empty() && at.ended && post.lane == Lane::Control {
            return (PostOutcome::Gone, down);
        }
        let next_n = expected_n + fresh.len() as u64;
        let at = self.known.get_mut(&post.incarnation).unwrap();
        *(if post.lane == Lane::Content { &mut at.content } else { &mut at.control }) = next_n;
        for item in fresh {
            match item {
                WorkerItem::Event { event, .. } => self.log.push(event.read().unwrap()),
                WorkerItem::Request { request_id, event, .. } => {
                    self.log.push(event.read().unwrap());
                    self.requests.push((post.incarnation.clone(), request_id.clone(), event.clone(), true));
                    down.push(decision(event));
                }
                WorkerItem::Ended { .. } => {
                    self.known.get_mut(&post.incarnation).unwrap().ended = true;
                    self.close(|_| true);
                }
                WorkerItem::Cancel { request_id, .. } => self.close(|id| id == request_id),
                WorkerItem::Step { request_id, step, .. } if *step != RequestStep::Delivered => {
                    self.close(|id| id == request_id);
                }
                WorkerItem::Step { .. }
                | WorkerItem::State { .. }
                | WorkerItem::Reply { .. }
                | WorkerItem::Live { .. } => {}
            }
        }
        (PostOutcome::Accepted { next_n }, down)
    }

    fn close(&mut self, which: impl Fn(&str) -> bool) {
        self.requests.iter_mut().filter(|request| which(&request.1)).for_each(|request| request.3 = false);
    }
}

/// A person who allows everything, as shown.
fn decision(event: &RawJson) -> WorkerDown {
    let asked: Value = event.read().unwrap();
    let request = ControlRequest::parse(event).unwrap();
    let mut answer = allow(&asked, |_| {});
    answer["digest"] = json!(digest(&request.request));
    let request_id = request.request_id.unwrap();
    WorkerDown::Decision(DecisionDown {
        request_id,
        decided_by: "me".into(),
        event: RawJson::from_value(&answer),
    })
}

/// An agent that counts what it says and takes one prompt after the other. The count outlives it, so that a line is
/// known wherever it turns up.
struct Agent {
    process: u32,
    queue: VecDeque<String>,
    is_busy: bool,
}

/// What reached any agent's stdin.
#[derive(Default)]
struct Heard {
    prompts: Vec<String>,
    answers: Vec<(u32, String)>,
    facts: u64,
}

impl Heard {
    fn fact(&mut self) -> Value {
        self.facts += 1;
        json!({"type": "assistant", "uuid": format!("f{}", self.facts)})
    }
}

impl Agent {
    fn hear(&mut self, line: &str, heard: &mut Heard) -> Vec<Value> {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["type"].as_str().unwrap() {
            "user" => {
                let uuid = line["uuid"].as_str().unwrap();
                heard.prompts.push(uuid.into());
                self.queue.push_back(uuid.into());
                let mut lines = vec![self.lifecycle(uuid, "queued")];
                if !self.is_busy {
                    lines.extend(self.go_on(heard));
                }
                lines
            }
            "control_response" => {
                let id = line["response"]["request_id"].as_str().unwrap();
                assert_eq!(line["response"]["response"]["behavior"], "allow", "{line}");
                heard.answers.push((self.process, id.into()));
                let result =
                    json!({"type": "result", "subtype": "success", "uuid": format!("{id}-{}", self.process)});
                let mut lines = vec![heard.fact(), heard.fact(), result];
                lines.extend(self.go_on(heard));
                lines
            }
            _ => vec![
                json!({"type": "control_response", "response": {"subtype": "success", "request_id": line["request_id"], "response": {}}}),
            ],
        }
    }

    fn go_on(&mut self, heard: &mut Heard) -> Vec<Value> {
        let next = self.queue.pop_front();
        self.is_busy = next.is_some();
        let Some(uuid) = next else { return Vec::new() };
        let id = format!("R-{uuid}");
        let request = if uuid == "p2" { write_request(&id, "/p/a", "x") } else { tool_request(&id, "ls") };
        vec![self.lifecycle(&uuid, "started"), heard.fact(), heard.fact(), request]
    }

    fn lifecycle(&self, uuid: &str, state: &str) -> Value {
        let own = format!("{uuid}-{state}-{}", self.process);
        json!({"type": "command_lifecycle", "command_uuid": uuid, "state": state, "uuid": own})
    }
}

/// What comes to the relay, one queue per source; between them chance decides.
#[derive(Default)]
struct Coming {
    frames: VecDeque<WorkerDown>,
    answers: VecDeque<(WorkerPost, PostOutcome)>,
    receipts: VecDeque<Receipt>,
    lines: VecDeque<Value>,
    looks: VecDeque<u64>,
}

struct World {
    chance: Chance,
    disk: Vec<Entry>,
    ingress: Ingress,
    heard: Heard,
    spawned: u32,
    minted: u64,
    /// Orders performed so far.
    performed: usize,
}

/// What happens to a world at one point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Bridge and agent are killed.
    Kill,
    /// The ingress comes back as it was a while ago.
    SetBack,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut ingress = Ingress::default();
        ["p1", "p2"].iter().for_each(|uuid| ingress.prompt(uuid));
        Self {
            chance: Chance(seed),
            disk: Vec::new(),
            ingress,
            heard: Heard::default(),
            spawned: 0,
            minted: 0,
            performed: 0,
        }
    }

    /// One life of the bridge, until nothing moves any more or `fate` strikes at an order.
    fn live(&mut self, fate: Option<(Fate, usize)>) {
        let base = self.minted;
        self.minted += 10_000;
        let mut minted = base;
        let uuids = Box::new(move || {
            minted += 1;
            format!("u{minted}")
        });
        let disk = &self.disk;
        let earlier = Earlier::from_entries(disk.iter().cloned());
        let mut relay = Machine::with(|spec| spec.earlier = earlier.clone()).relay.spec;
        relay.earlier = earlier;
        let mut relay = Relay::new(relay, uuids);
        let (mut agent, mut coming) = (None, Coming::default());
        let mut snapshot = self.ingress.clone();
        relay.handle(Tick(0), Input::LinkUp);
        loop {
            while let Some(output) = relay.poll_output() {
                if fate == Some((Fate::Kill, self.performed)) {
                    return;
                }
                if fate.is_some_and(|(_, at)| at / 2 == self.performed) {
                    snapshot = self.ingress.clone();
                }
                self.performed += 1;
                self.perform(output, &mut agent, &mut coming);
            }
            if let Some((Fate::SetBack, at)) = fate
                && self.performed >= at
                && self.ingress.life == 0
            {
                self.ingress = Ingress { life: 1, ..std::mem::take(&mut snapshot) };
                coming.frames.clear();
                // What has no answer yet is posted again, to whoever is there now.
                for (post, outcome) in &mut coming.answers {
                    *outcome = self.ingress.post(post).0;
                }
                relay.handle(Tick(0), Input::LinkDown);
                relay.handle(Tick(0), Input::LinkUp);
                continue;
            }
            let Some(input) = self.next(&mut coming) else { return };
            relay.handle(Tick(0), input);
        }
    }

    fn next(&mut self, coming: &mut Coming) -> Option<Input> {
        let ready = [
            !coming.frames.is_empty(),
            !coming.answers.is_empty(),
            !coming.receipts.is_empty(),
            !coming.lines.is_empty(),
            !coming.looks.is_empty(),
        ];
        let ready: Vec<usize> = (0..5).filter(|source| ready[*source]).collect();
        if ready.is_empty() {
            return None;
        }
        match ready[self.chance.below(ready.len())] {
            0 => coming.frames.pop_front().map(Input::Frame),
            1 => coming.answers.pop_front().map(|(post, outcome)| Input::Posted(post.lane, outcome)),
            2 => coming.receipts.pop_front().map(Input::Written),
            4 => coming.looks.pop_front().map(|look| Input::Looked { look, found: Some(BaseFile::New) }),
            _ => coming.lines.pop_front().map(|line| Input::Line(Line::Text(line.to_string()))),
        }
    }

    fn perform(&mut self, output: Output, agent: &mut Option<Agent>, coming: &mut Coming) {
        match output {
            Output::Journal(entry) => self.disk.push(entry),
            Output::Send(WorkerUp::Attach(attach)) => {
                coming.frames.extend(self.ingress.attach(&attach.incarnation));
            }
            Output::Send(WorkerUp::Ack(ack)) => {
                let head = self.ingress.log.len() as u64;
                self.ingress.delivered_seq = self.ingress.delivered_seq.max(ack.seq.min(head));
            }
            Output::Send(other) => panic!("{other:?}"),
            Output::Post(post) => {
                let (outcome, down) = self.ingress.post(&post);
                coming.answers.push_back((post, outcome));
                coming.frames.extend(down);
            }
            Output::Spawn { .. } => {
                self.spawned += 1;
                *agent = Some(Agent { process: self.spawned, queue: VecDeque::new(), is_busy: false });
            }
            Output::Stdin { line, receipt } => {
                coming.lines.extend(agent.as_mut().unwrap().hear(&line, &mut self.heard));
                coming.receipts.extend(receipt);
            }
            Output::Look { look, .. } => coming.looks.push_back(look),
            Output::Terminate => panic!("nobody ends it"),
            Output::Finish(end) => panic!("{end:?}"),
        }
    }

    fn logged(&self, uuid: &str) -> usize {
        self.ingress.log.iter().filter(|event| event["uuid"] == uuid).count()
    }

    fn count(&self, subtype: &str, key: &str, value: &Value) -> usize {
        let notices = self.ingress.log.iter().filter(|event| event["subtype"] == subtype);
        notices.filter(|event| event[key] == *value).count()
    }

    /// What was promised.
    fn check(&self, story: &str) {
        let said = self.disk.iter().filter_map(|entry| {
            if let Entry::Said { event, .. } = entry { event.header().ok()?.uuid } else { None }
        });
        for uuid in said.filter(|uuid| uuid.starts_with('f')) {
            assert_eq!(self.logged(&uuid), 1, "{story}: {uuid} was read and journalled");
        }
        let facts = self.ingress.log.iter().filter(|event| event["type"] == "assistant");
        let facts: Vec<u64> =
            facts.map(|event| event["uuid"].as_str().unwrap()[1..].parse().unwrap()).collect();
        assert!(facts.is_sorted_by(|a, b| a < b), "{story}: in order, none twice: {facts:?}");
        for uuid in ["p1", "p2"] {
            let written = self.heard.prompts.iter().filter(|known| *known == uuid).count();
            let unknown = self.count("delivery_unknown", "message_uuid", &json!(uuid));
            assert!(written <= 1 && unknown <= 1, "{story}: {uuid} written {written}, unknown {unknown}");
            assert!(written + unknown >= 1, "{story}: {uuid} neither reached an agent nor is it said");
        }
        let mut answers = self.heard.answers.clone();
        answers.sort();
        answers.dedup();
        assert_eq!(answers.len(), self.heard.answers.len(), "{story}: {:?}", self.heard.answers);
        let started: Vec<&Incarnation> = self
            .disk
            .iter()
            .filter_map(
                |entry| if let Entry::Started { incarnation } = entry { Some(incarnation) } else { None },
            )
            .collect();
        let ended = self.count("agent_ended", "exit_code", &Value::Null);
        let earlier = Earlier::from_entries(self.disk.iter().cloned());
        let lives = usize::from(earlier.agent.is_some());
        assert!(ended + lives <= started.len(), "{story}: {ended} ends of {started:?}");
        if self.ingress.life == 0 {
            assert_eq!(ended + lives, started.len(), "{story}: each end is said once");
        }
        let open = self.ingress.requests.iter().filter(|request| request.3).count();
        assert_eq!(open, 0, "{story}: a request hangs");
        assert!(earlier.rest.is_none_or(|rest| rest.items.is_empty()), "{story}: the spool runs empty");
    }
}

#[test]
fn an_uncut_life_keeps_every_promise() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.live(None);
        world.check(&format!("seed {seed}"));
        assert_eq!((world.heard.prompts.len(), world.heard.answers.len(), world.spawned), (2, 2, 1));
    }
}

#[test]
fn a_bridge_killed_between_any_two_orders_loses_nothing_it_read_and_repeats_nothing() {
    for seed in 0..12 {
        let mut whole = World::new(seed);
        whole.live(None);
        assert!(whole.performed >= 40, "{} cut points", whole.performed);
        for cut in 0..whole.performed {
            let mut world = World::new(seed);
            world.live(Some((Fate::Kill, cut)));
            world.live(None);
            world.check(&format!("seed {seed}, cut {cut}"));
        }
    }
}

#[test]
fn a_bridge_killed_twice_keeps_the_same_promises() {
    for seed in 0..2 {
        for cut in (20..80).step_by(5) {
            let mut once = World::new(seed);
            once.live(Some((Fate::Kill, cut)));
            let from = once.performed;
            once.live(None);
            for second in from..once.performed {
                let mut world = World::new(seed);
                world.live(Some((Fate::Kill, cut)));
                world.live(Some((Fate::Kill, second)));
                world.live(None);
                world.check(&format!("seed {seed}, cuts {cut} and {second}"));
            }
        }
    }
}

#[test]
fn an_ingress_set_back_at_any_point_has_everything_again() {
    for seed in 0..6 {
        let mut whole = World::new(seed);
        whole.live(None);
        for at in 0..whole.performed {
            let mut world = World::new(seed);
            world.live(Some((Fate::SetBack, at)));
            assert_eq!(world.ingress.life, 1);
            world.check(&format!("seed {seed}, set back at {at}"));
        }
    }
}

#[test]
fn a_bridge_killed_after_the_ingress_was_set_back_repeats_nothing() {
    for seed in 0..2 {
        for at in (10..70).step_by(6) {
            let mut world = World::new(seed);
            world.live(Some((Fate::SetBack, at)));
            world.live(None);
            world.check(&format!("seed {seed}, set back at {at}, then killed"));
        }
    }
}
