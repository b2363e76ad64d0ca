//! From the ingress to the agent: prompts, decisions and control requests. Nothing reaches stdin that was not
//! checked and written anew: one malformed line would end a real agent.

use portcullis_protocol::approval::Kind;
use portcullis_protocol::wire::control;
use portcullis_protocol::wire::prompt::{self, PromptError};
use portcullis_protocol::wire::worker::{ControlDown, Deliver, Hello, Lane, WorkerDown};
use portcullis_protocol::{RawJson, Tick};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::asked::{ASKED_MAX, Asker, DeviceAsks, Fields};
use super::deliveries::Arrival;
use super::posting::{Turn, WhyGivenUp};
use super::{DEFERRED_MAX, End, Entry, Initialized, Output, Phase, Receipt, Relay};

/// What stands for the agent's own model in a `set_model`.
const DEFAULT_MODEL: &str = "default";

impl Relay {
    pub(super) fn handle_frame(&mut self, now: Tick, frame: WorkerDown) {
        match frame {
            WorkerDown::Hello(hello) => self.handle_hello(hello),
            WorkerDown::Superseded => self.handle_superseded(),
            // What is not acknowledged stays with the ingress for the next bridge.
            WorkerDown::Deliver(_) if self.stopping => {}
            WorkerDown::Deliver(deliver) => self.handle_deliver(now, deliver),
            WorkerDown::Control(control) => self.handle_control(now, control),
            WorkerDown::Decision(decision) => self.handle_decision(&decision),
            WorkerDown::Stop(stop) => {
                tracing::info!(reason = stop.reason, "the session is over");
                self.stop();
            }
            WorkerDown::KeepAlive => {}
            WorkerDown::Other(kind) => tracing::debug!(kind, "a frame this version does not know"),
        }
    }

    fn handle_hello(&mut self, hello: Hello) {
        self.hellos_due = self.hellos_due.saturating_sub(1);
        if self.hellos_due > 0 {
            return;
        }
        self.is_attached = true;
        // Places in the log may stand for other things since.
        if self.epoch.is_some() && self.epoch != hello.epoch {
            self.deliveries.start_over();
        }
        self.epoch = hello.epoch;
        // A POST that is under way answers with its own position.
        for (lane, next_n) in [(Lane::Content, hello.content_next_n), (Lane::Control, hello.control_next_n)] {
            if !self.lanes.get_mut(lane).is_posting() && self.phase != Phase::Finished {
                self.reposition(lane, next_n);
            }
        }
        if self.phase == Phase::Resuming && self.turn.is_none() {
            self.say_last_words();
        }
        let acked = self.deliveries.acked();
        self.acknowledge(Some(acked).filter(|seq| *seq > 0));
    }

    /// The ingress knows a process that came after this one.
    fn handle_superseded(&mut self) {
        self.hellos_due = self.hellos_due.saturating_sub(1);
        if self.hellos_due > 0 {
            return;
        }
        if self.is_resumed {
            self.turn = Some(Turn::GiveUp(WhyGivenUp::Superseded));
        } else {
            self.finish(End::Lost("another agent process speaks for the session since".into()));
        }
    }

    fn handle_deliver(&mut self, now: Tick, deliver: Deliver) {
        let seq = deliver.seq;
        match self.deliveries.arrival(seq) {
            Arrival::New => {}
            Arrival::UnderWay => return,
            Arrival::Acked => return self.acknowledge(Some(self.deliveries.acked())),
        }
        if self.must_wait() {
            return self.defer(WorkerDown::Deliver(deliver));
        }
        match self.admit_prompt(&deliver) {
            Ok((uuid, line)) => {
                self.ensure_agent(now);
                if self.must_wait() {
                    return self.defer(WorkerDown::Deliver(deliver));
                }
                self.delivered.insert(uuid.clone());
                self.deliveries.begin(seq, uuid.clone());
                self.outputs.push_back(Output::Journal(Entry::Prompt { seq, uuid: uuid.clone() }));
                self.stdin(line, Some(Receipt::Prompt(uuid)));
            }
            Err(turned_away) => {
                match turned_away {
                    TurnedAway::Said(reason) => self.say(&reason),
                    TurnedAway::Duplicate => {}
                }
                let moved = self.deliveries.settle(seq);
                self.acknowledge(moved);
            }
        }
    }

    fn admit_prompt(&self, deliver: &Deliver) -> Result<(String, String), TurnedAway> {
        let is_prompt = deliver.event.header().is_ok_and(|header| header.kind == "user");
        let uuid = if is_prompt { prompt::check(&deliver.event) } else { Err(PromptError::Message) };
        let uuid = uuid
            .map_err(|error| TurnedAway::Said(format!("A message was not given to the agent: {error}.")))?;
        if let Some(refusal) = &self.spec.refusal {
            return Err(TurnedAway::Said(refusal.clone()));
        }
        if self.delivered.contains(&uuid) || self.spec.earlier.knows(&uuid) {
            return Err(TurnedAway::Duplicate);
        }
        let mut fields: Map<String, Value> = deliver.event.read().map_err(|_| {
            TurnedAway::Said("A message was not given to the agent: it cannot be read.".into())
        })?;
        fields.insert("session_id".into(), json!(""));
        Ok((uuid, Value::Object(fields).to_string()))
    }

    fn handle_control(&mut self, now: Tick, down: ControlDown) {
        // Behind its last word an incarnation cannot even answer: the next one does.
        if matches!(self.phase, Phase::Resuming | Phase::Ended | Phase::Over) && !self.stopping {
            return self.defer(WorkerDown::Control(down));
        }
        let device = |subtype: &str| DeviceAsks {
            device_id: down.device_id.clone(),
            request_id: down.request_id.clone(),
            subtype: subtype.to_owned(),
            chosen: None,
        };
        let Some((subtype, mut request)) = readable(&down.event) else {
            return self.refuse(&device(""), "the request cannot be read", "invalid_request");
        };
        let device = DeviceAsks { chosen: chosen(&subtype, &request), ..device(&subtype) };
        if self.stopping {
            return self.refuse(&device, "the bridge is shutting down", "unavailable");
        }
        if let Some(refusal) = self.spec.refusal.clone() {
            return self.refuse(&device, &refusal, "refused_by_policy");
        }
        let mode = request.get("mode").and_then(Value::as_str);
        let current = self.report.permission_mode();
        if let Err(error) = self.spec.policy.control(&subtype, mode, current, down.needs_policy) {
            return self.refuse(&device, &error.to_string(), "refused_by_policy");
        }
        if let Initialized::Known(payload) = &self.initialized
            && subtype == "initialize"
        {
            let reply = self.initialize_reply(&device.request_id, payload);
            return self.reply(&device, reply);
        }
        if !matches!(self.phase, Phase::TakingUp | Phase::Running) && needs_no_agent(&subtype) {
            let reply = control::success_response(&device.request_id, Some(&RawJson::from_value(&json!({}))));
            return self.reply(&device, reply);
        }
        if self.must_wait() {
            return self.defer(WorkerDown::Control(down));
        }
        self.ensure_agent(now);
        if subtype == "initialize" {
            if self.initialize_waiters.len() >= ASKED_MAX {
                return self.refuse(&device, "too many ask the same already", "unavailable");
            }
            self.initialize_waiters.push(device);
            return self.ask_initialize(now);
        }
        if self.must_wait() {
            return self.defer(WorkerDown::Control(down));
        }
        request.insert("subtype".into(), json!(subtype));
        self.ask(now, Asker::Device(device), &Value::Object(request));
    }

    /// Asks the agent under an id of our own.
    pub(super) fn ask(&mut self, now: Tick, asker: Asker, request: &Value) {
        let Some(id) = self.asked.mint(now, asker.clone()) else {
            return self.fail_asker(asker, "the agent has too many unanswered requests");
        };
        self.stdin(
            json!({"type": "control_request", "request_id": id, "request": request}).to_string(),
            None,
        );
    }

    fn refuse(&mut self, device: &DeviceAsks, why: &str, code: &str) {
        let reply = control::error_response(&device.request_id, why, Some(code));
        self.reply(device, reply);
    }

    /// The answer to a client's `initialize`: what the agent said once, and what waits now.
    pub(super) fn initialize_reply(&self, request_id: &str, payload: &RawJson) -> RawJson {
        let mut body = Fields::default();
        body.set("subtype", RawJson::from_value("success"));
        body.set("request_id", RawJson::from_value(request_id));
        body.set("response", payload.clone());
        for (key, kind) in [
            ("pending_permission_requests", Kind::Tool),
            ("pending_user_dialog_requests", Kind::Dialog),
            ("pending_elicitation_requests", Kind::Elicitation),
        ] {
            let pending: Vec<&RawJson> = self.ledger.waiting_events(kind).collect();
            body.set(key, RawJson::from_value(&pending));
        }
        let mut reply = Fields::default();
        reply.set("type", RawJson::from_value("control_response"));
        reply.set("response", RawJson::from_value(&body));
        RawJson::from_value(&reply)
    }

    /// Whether the last words of an ended process are still on their way.
    fn must_wait(&self) -> bool {
        match self.phase {
            Phase::Unborn | Phase::Running | Phase::Finished => false,
            Phase::Resuming | Phase::TakingUp | Phase::Ending(_) | Phase::Ended | Phase::Over => true,
        }
    }

    fn defer(&mut self, frame: WorkerDown) {
        if self.deferred.len() < DEFERRED_MAX {
            self.deferred.push_back(frame);
        } else {
            tracing::warn!(
                "too much waits for the next agent process; the rest comes again after a reconnection"
            );
        }
    }

    fn ensure_agent(&mut self, now: Tick) {
        if self.phase != Phase::Unborn || self.stopping {
            return;
        }
        self.has_agent = true;
        self.outputs.push_back(Output::Journal(Entry::Started { incarnation: self.incarnation.clone() }));
        self.start_process(now);
    }

    pub(super) fn ask_first(&mut self, now: Tick) {
        if matches!(self.initialized, Initialized::Known(_)) {
            // Another process may know other commands; until it says so, the last one's word stands.
            self.ask(now, Asker::Initialize, &json!({"subtype": "initialize"}));
        } else {
            self.initialized = Initialized::No;
            self.ask_initialize(now);
        }
    }

    fn ask_initialize(&mut self, now: Tick) {
        if matches!(self.initialized, Initialized::No) {
            self.initialized = Initialized::Asked;
            self.ask(now, Asker::Initialize, &json!({"subtype": "initialize"}));
        }
    }
}

/// Why a prompt does not go to stdin.
enum TurnedAway {
    /// For this reason, which is said in the log.
    Said(String),
    /// It was written already, or an earlier life of the bridge may have written it and the log says so.
    Duplicate,
}

/// Subtype and fields of a client's request, if it is unambiguous.
fn readable(event: &RawJson) -> Option<(String, Map<String, Value>)> {
    #[derive(Deserialize)]
    struct Envelope {
        request: Map<String, Value>,
    }
    let request = control::Request::parse(event).ok().filter(|_| !event.has_duplicate_keys())?;
    let fields = event.read::<Envelope>().ok()?.request;
    Some((request.subtype, fields))
}

/// The model, the mode or the message a request chooses.
fn chosen(subtype: &str, request: &Map<String, Value>) -> Option<String> {
    let value = match subtype {
        "set_model" => request.get("model")?.as_str().filter(|model| *model != DEFAULT_MODEL),
        "set_permission_mode" => request.get("mode")?.as_str(),
        "cancel_async_message" => request.get("message_uuid")?.as_str(),
        _ => None,
    };
    value.map(str::to_owned)
}

/// Requests that are true of an agent that does not run.
fn needs_no_agent(subtype: &str) -> bool {
    matches!(subtype, "interrupt" | "cancel_async_message" | "stop_task")
}
