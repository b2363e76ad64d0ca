//! What clients send: prompts, decisions and control requests, by POST or over a socket of the plain dialect. Each
//! event is checked before any is taken; a POST is taken whole or not at all.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{Decision, OptionKind, Verdict};
use portcullis_protocol::id::SessionId;
use portcullis_protocol::json::{Header, JsonError};
use portcullis_protocol::limits::{FOREIGN_ID_BYTES_MAX, POST_EVENTS_MAX};
use portcullis_protocol::role::{PermissionMode, Role, requirement};
use portcullis_protocol::wire::prompt;
use portcullis_protocol::wire::rest::{Posted, PostedStatus};
use portcullis_protocol::wire::worker::{ControlDown, DecisionDown, WorkerDown};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{ApiError, ApiResult};
use super::extract::require;
use super::line::flat;
use super::{App, sessions};
use crate::approvals::{self, Ruled};
use crate::hub::{Forward, NotForwarded, Note};
use crate::seam::sha256;
use crate::store::{AppendOutcome, Appended, Decided, DeviceRow, Prompt, Ruling, SessionRow};

/// Where an event came from.
#[derive(Debug)]
pub(super) enum Source {
    /// A POST: a decision carries the digest of what was shown.
    Post,
    /// A socket of the plain dialect; for a decision, with the request that was written to it.
    Plain { shown: Option<RawJson> },
}

/// One event, checked.
enum Said {
    Prompt(Prompt),
    Decision {
        decision: Box<Decision>,
        event: RawJson,
    },
    Control(Control),
    /// Taken and forgotten: `keep_alive`, and the cancel of one's own request.
    Passing {
        uuid: String,
    },
}

struct Control {
    uuid: String,
    request_id: String,
    needs_policy: bool,
    event: RawJson,
    hash: String,
}

/// Takes `events` of `device`, all or none, and says what became of each.
pub(super) async fn take(
    app: &App,
    device: &DeviceRow,
    id: &SessionId,
    events: Vec<RawJson>,
    source: &Source,
) -> ApiResult<Vec<Posted>> {
    require(device.role, Role::Viewer)?;
    let session = sessions::find(app, id).await?;
    if session.archived {
        return Err(ApiError::gone("this session was archived and takes nothing any more"));
    }
    if events.is_empty() || events.len() > POST_EVENTS_MAX {
        let error = format!("a POST carries 1 to {POST_EVENTS_MAX} events, not {}", events.len());
        return Err(if events.is_empty() { ApiError::invalid(error) } else { ApiError::too_large(error) });
    }
    let count = events.len();
    let mut said = Vec::with_capacity(count);
    for (index, event) in events.into_iter().enumerate() {
        let read = Reader { app, device, session: &session, source }.read(event);
        said.push(read.map_err(|mut error| {
            error.detail.message = format!("event {index}: {}", error.detail.message);
            error
        })?);
    }
    match said.pop() {
        Some(Said::Decision { decision, event }) if count == 1 => {
            Ok(vec![decide(app, device, &session, &decision, event).await?])
        }
        last => {
            said.extend(last);
            if said.iter().any(|said| matches!(said, Said::Decision { .. })) {
                return Err(ApiError::invalid("a decision travels alone"));
            }
            take_content(app, device, &session, said).await
        }
    }
}

/// Prompts go to the log and controls to the worker: one POST cannot be all or nothing in both.
fn is_mixed(said: &[Said]) -> bool {
    said.iter().any(|said| matches!(said, Said::Prompt(_)))
        && said.iter().any(|said| matches!(said, Said::Control(_)))
}

struct Reader<'a> {
    app: &'a App,
    device: &'a DeviceRow,
    session: &'a SessionRow,
    source: &'a Source,
}

impl Reader<'_> {
    fn read(&self, event: RawJson) -> ApiResult<Said> {
        // Checked again as one event: inside a body it was only skipped over.
        let event = RawJson::parse(event.as_str()).map_err(|error| match error {
            JsonError::TooLarge { .. } => ApiError::too_large(error.to_string()),
            JsonError::TooDeep | JsonError::Syntax(_) | JsonError::NoType => {
                ApiError::invalid(error.to_string())
            }
        })?;
        let header = event.header().map_err(|error| ApiError::invalid(error.to_string()))?;
        self.check_session(&header)?;
        match header.kind.as_str() {
            "user" => self.prompt(event),
            "control_response" => self.decision(&header, event),
            "control_request" => self.control(header, event),
            "control_cancel_request" | "keep_alive" => {
                Ok(Said::Passing { uuid: header.uuid.or(header.request_id).unwrap_or_default() })
            }
            _ => Err(ApiError::invalid(
                "clients send `user`, `control_response` and `control_request`, nothing else",
            )),
        }
    }

    /// The path says which session is meant. Clients of the plain dialect write the agent's own id into this field.
    fn check_session(&self, header: &Header) -> ApiResult<()> {
        let named = header.session_id.as_deref().unwrap_or("");
        let is_same = named.is_empty() || named == self.session.id.as_str();
        if is_same || matches!(self.source, Source::Plain { .. }) {
            return Ok(());
        }
        Err(ApiError::invalid("`session_id` is empty or the one in the path"))
    }

    fn prompt(&self, event: RawJson) -> ApiResult<Said> {
        require(self.device.role, Role::Operator)?;
        let event = match self.source {
            Source::Post => event,
            Source::Plain { .. } => with_uuid(event),
        };
        if event.has_duplicate_keys() {
            return Err(ApiError::invalid("a key stands twice, or a text is no Unicode"));
        }
        let uuid = prompt::check(&event).map_err(|error| ApiError::invalid(error.to_string()))?;
        Ok(Said::Prompt(Prompt { uuid, hash: sha256(event.as_str()), event: flat(event) }))
    }

    fn decision(&self, header: &Header, event: RawJson) -> ApiResult<Said> {
        require(self.device.role, Role::Approver)?;
        let Source::Plain { shown } = self.source else {
            let decision = Decision::parse(&event).map_err(|error| ApiError::invalid(error.to_string()))?;
            self.check_grants(&decision)?;
            return Ok(Said::Decision { decision: Box::new(decision), event });
        };
        if !self.device.plain_approve {
            let why = "this device may not answer requests over the plain dialect: an owner can grant it";
            return Err(ApiError::forbidden(why));
        }
        let shown =
            shown.as_ref().ok_or_else(|| ApiError::not_found("that request was not shown on this socket"))?;
        let uuid = header.uuid.clone().unwrap_or_else(|| format!("plain-{}", sha256(event.as_str())));
        let decision = approvals::bind_plain(&event, shown, uuid);
        let decision = decision.map_err(|error| ApiError::invalid(error.to_string()))?;
        self.check_grants(&decision)?;
        let event = decision.to_event();
        Ok(Said::Decision { decision: Box::new(decision), event })
    }

    /// An allow is no way around the table of control requests.
    fn check_grants(&self, decision: &Decision) -> ApiResult<()> {
        let Verdict::Allow { updated_permissions, .. } = &decision.verdict else { return Ok(()) };
        let least = approvals::least_role(updated_permissions, self.current_mode());
        require(self.device.role, least).map_err(|mut error| {
            error.detail.message =
                format!("`updatedPermissions` loosen this session: {}", error.detail.message);
            error
        })
    }

    fn control(&self, header: Header, event: RawJson) -> ApiResult<Said> {
        let uuid = header.uuid.clone();
        let request_id = header.request_id.clone().unwrap_or_default();
        if !(1..=FOREIGN_ID_BYTES_MAX).contains(&request_id.len())
            || uuid.as_ref().is_some_and(|uuid| !(1..=FOREIGN_ID_BYTES_MAX).contains(&uuid.len()))
        {
            let why = format!(
                "a control request needs a `request_id`, and ids have 1 to {FOREIGN_ID_BYTES_MAX} bytes"
            );
            return Err(ApiError::invalid(why));
        }
        let subtype = header.request_subtype().unwrap_or_default();
        let body: Body = event.read().map_err(|error| ApiError::invalid(error.to_string()))?;
        let fields: serde_json::Map<String, Value> =
            body.request.read().map_err(|_| ApiError::invalid("`request` is an object"))?;
        if body.request.has_duplicate_keys() {
            return Err(ApiError::invalid("a key stands twice, or a text is no Unicode"));
        }
        if subtype == "initialize" && fields.len() != 1 {
            let why = "a client's `initialize` carries nothing else: hooks, servers and prompts are the agent's own";
            return Err(ApiError::forbidden(why));
        }
        let mode = fields.get("mode").and_then(Value::as_str);
        let needed = requirement(subtype, mode, self.current_mode());
        let needed =
            needed.ok_or_else(|| ApiError::forbidden("clients may not send this control request"))?;
        require(self.device.role, needed.least)?;
        let hash = sha256(event.as_str());
        let event = rewritten(self.device, &request_id, flat(body.request));
        let uuid = uuid.unwrap_or_else(|| request_id.clone());
        Ok(Said::Control(Control { uuid, request_id, needs_policy: needed.needs_policy, event, hash }))
    }

    fn current_mode(&self) -> Option<PermissionMode> {
        let status = self.app.hub.room(&self.session.id).worker_status(self.session.worker_state.as_ref());
        let reported = status.worker_state.and_then(|state| state.permission_mode);
        PermissionMode::parse(reported.or_else(|| self.session.spec.permission_mode.clone())?.as_str())
    }
}

#[derive(Deserialize)]
struct Body {
    request: RawJson,
}

/// The request under an id that is this device's alone: two devices, or a device and the agent, may pick the same.
fn rewritten(device: &DeviceRow, request_id: &str, request: RawJson) -> RawJson {
    #[derive(Serialize)]
    struct Rewritten {
        #[serde(rename = "type")]
        kind: &'static str,
        request_id: String,
        request: RawJson,
    }
    let mut request_id = sha256(format!("{}\n{request_id}", device.id));
    request_id.truncate(32);
    let request_id = format!("pc_{request_id}");
    RawJson::from_value(&Rewritten { kind: "control_request", request_id, request })
}

/// Clients of the plain dialect may leave the uuid out; the same text then is the same prompt only within one
/// socket's retry, so it gets a random one.
fn with_uuid(event: RawJson) -> RawJson {
    let has_uuid = event.header().is_ok_and(|header| header.uuid.is_some());
    let Ok(Value::Object(mut fields)) = event.read::<Value>() else { return event };
    if has_uuid {
        return event;
    }
    fields.insert("uuid".into(), crate::seam::mint(&crate::seam::SystemEntropy, "").into());
    RawJson::from_value(&fields)
}

async fn take_content(
    app: &App,
    device: &DeviceRow,
    session: &SessionRow,
    said: Vec<Said>,
) -> ApiResult<Vec<Posted>> {
    if is_mixed(&said) {
        return Err(ApiError::invalid("control requests travel apart from prompts"));
    }
    let mut forwarded = forward(app, device, session, &said)?.into_iter();
    let prompts: Vec<Prompt> = said
        .iter()
        .filter_map(|said| match said {
            Said::Prompt(prompt) => Some(prompt.clone()),
            Said::Decision { .. } | Said::Control(_) | Said::Passing { .. } => None,
        })
        .collect();
    let mut appended = append(app, session, &said, prompts).await?.into_iter();
    let mut posted = Vec::with_capacity(said.len());
    for said in said {
        posted.push(match said {
            Said::Prompt(prompt) => match appended.next() {
                Some(Appended::New { seq }) => entry(prompt.uuid, PostedStatus::Accepted, Some(seq)),
                Some(Appended::Duplicate { seq }) => entry(prompt.uuid, PostedStatus::Duplicate, seq),
                None => return Err(ApiError::conflict("the log took fewer prompts than it was given")),
            },
            Said::Control(control) => match forwarded.next() {
                Some(true) => entry(control.uuid, PostedStatus::Accepted, None),
                Some(false) | None => entry(control.uuid, PostedStatus::Duplicate, None),
            },
            Said::Passing { uuid } => entry(uuid, PostedStatus::Accepted, None),
            Said::Decision { decision, .. } => entry(decision.uuid, PostedStatus::Duplicate, None),
        });
    }
    Ok(posted)
}

async fn append(
    app: &App,
    session: &SessionRow,
    said: &[Said],
    prompts: Vec<Prompt>,
) -> ApiResult<Vec<Appended>> {
    if prompts.is_empty() {
        return Ok(Vec::new());
    }
    let first_text = prompts.first().map(|prompt| prompt.event.clone());
    let count = prompts.len();
    let work = sessions::fresh_work(app)?;
    match app.store.append_prompts(session.id.clone(), prompts, work, app.clock.now_ms()).await? {
        AppendOutcome::Taken { appended, head_seq } => {
            app.metrics.prompts(count);
            app.hub.room(&session.id).advance(head_seq);
            app.hub.ring_work();
            if session.title.is_empty()
                && let Some(title) = first_text.as_ref().and_then(text_of)
            {
                app.store.suggest_title(session.id.clone(), sessions::title_from(&title)).await?;
            }
            Ok(appended)
        }
        AppendOutcome::OtherBytes { index } => {
            let is_prompt = |said: &&Said| matches!(said, Said::Prompt(_));
            let uuid = said.iter().filter(is_prompt).nth(index).map(uuid_of).unwrap_or_default();
            Err(ApiError::conflict(format!("the uuid {uuid} came before with other bytes")))
        }
        AppendOutcome::Archived => {
            Err(ApiError::gone("this session was archived and takes nothing any more"))
        }
        AppendOutcome::Missing => Err(ApiError::not_found("there is no such session")),
    }
}

fn uuid_of(said: &Said) -> String {
    match said {
        Said::Prompt(prompt) => prompt.uuid.clone(),
        Said::Decision { decision, .. } => decision.uuid.clone(),
        Said::Control(control) => control.uuid.clone(),
        Said::Passing { uuid } => uuid.clone(),
    }
}

/// The text of a prompt, for a title.
fn text_of(event: &RawJson) -> Option<String> {
    let value: Value = event.read().ok()?;
    match value.get("message")?.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => {
            blocks.iter().find_map(|block| block.get("text")?.as_str().map(str::to_owned))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Hands the controls among `said` to the worker, all or none; tells for each whether it is new.
fn forward(app: &App, device: &DeviceRow, session: &SessionRow, said: &[Said]) -> ApiResult<Vec<bool>> {
    let controls: Vec<&Control> = said
        .iter()
        .filter_map(|said| match said {
            Said::Control(control) => Some(control),
            Said::Prompt(_) | Said::Decision { .. } | Said::Passing { .. } => None,
        })
        .collect();
    let frame = |control: &Control| ControlDown {
        device_id: device.id.clone(),
        request_id: control.request_id.clone(),
        needs_policy: control.needs_policy,
        event: control.event.clone(),
    };
    let forwards = controls.iter().map(|control| Forward {
        key: format!("{}\n{}", device.id, control.uuid),
        hash: control.hash.clone(),
        frame: frame(control),
    });
    app.hub.room(&session.id).forward(forwards.collect()).map_err(|reason| match reason {
        NotForwarded::OtherBytes { index } => {
            let uuid = controls.get(index).map(|control| control.uuid.as_str()).unwrap_or_default();
            ApiError::conflict(format!("the uuid {uuid} came before with other bytes"))
        }
        NotForwarded::Offline => {
            ApiError::unavailable("no bridge holds this session now: send a prompt to start it")
        }
        NotForwarded::Busy => ApiError::busy("too much waits for the bridge of this session: try again"),
    })
}

async fn decide(
    app: &App,
    device: &DeviceRow,
    session: &SessionRow,
    decision: &Decision,
    event: RawJson,
) -> ApiResult<Posted> {
    let now_ms = app.clock.now_ms();
    let found = app.store.request(&session.id, &decision.request_id).await?;
    let row = found.ok_or_else(|| ApiError::not_found("there is no such request in this session"))?;
    let is_current = session.incarnation.as_ref() == Some(&row.incarnation);
    match approvals::rule(&row, is_current, decision, &event, &device.id, now_ms) {
        Ruled::Record => check_option(device, &row.event, decision)?,
        Ruled::Duplicate => return Ok(entry(decision.uuid.clone(), PostedStatus::Duplicate, None)),
        Ruled::Refused(refusal) => return Err(refusal.into()),
    }
    let ruling = Ruling {
        uuid: decision.uuid.clone(),
        request_id: decision.request_id.clone(),
        device_id: device.id.clone(),
        decided_by: device.name.clone(),
        behavior: decision.behavior(),
        event: event.clone(),
    };
    match app.store.decide(session.id.clone(), row.incarnation, ruling, now_ms).await? {
        Decided::Won(row) => {
            app.metrics.decision();
            tracing::info!(session = %session.id, request_id = row.request_id, behavior = row.behavior, by = %device.id, "decided");
            let room = app.hub.room(&session.id);
            let down =
                DecisionDown { request_id: row.request_id.clone(), decided_by: device.name.clone(), event };
            room.tell(&Note::Permission(row.into()));
            // Without a worker the row stays decided, and is sent when one attaches.
            room.send_down(WorkerDown::Decision(down));
            Ok(entry(decision.uuid.clone(), PostedStatus::Accepted, None))
        }
        Decided::Lost(row) => match approvals::rule(&row, true, decision, &event, &device.id, now_ms) {
            Ruled::Refused(refusal) => Err(refusal.into()),
            Ruled::Record | Ruled::Duplicate => {
                Ok(entry(decision.uuid.clone(), PostedStatus::Duplicate, None))
            }
        },
        Decided::OtherBytes => Err(ApiError::conflict("this uuid came before with other bytes")),
        Decided::Missing => Err(ApiError::not_found("there is no such request in this session")),
    }
}

/// What an "always" of the agent's own covers is known to the agent alone, so it counts as the worst.
fn check_option(device: &DeviceRow, asked: &RawJson, decision: &Decision) -> ApiResult<()> {
    let option = approvals::picked(asked, decision).ok().flatten();
    let loosens = option.is_some_and(|option| option.kind == OptionKind::AllowAlways);
    require(device.role, if loosens { Role::Owner } else { Role::Approver })
}

fn entry(uuid: String, status: PostedStatus, seq: Option<u64>) -> Posted {
    Posted { uuid, status, seq }
}
