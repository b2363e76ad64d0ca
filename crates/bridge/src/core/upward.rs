//! From the agent to the log: every line of stdout is read, placed and passed on; what is no event becomes a word
//! for the person who watches.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::digest;
use portcullis_protocol::json::{Header, JsonError};
use portcullis_protocol::limits::FOREIGN_ID_BYTES_MAX;
use portcullis_protocol::wire::framing::Line;
use portcullis_protocol::wire::worker::WorkerItem;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::asked::{Asker, payload, readdressed};
use super::ledger::Progress;
use super::notice::{self, TooLarge};
use super::{Initialized, Output, Phase, Relay};

/// Complaints about lines of one turn that are shown: a broken agent prints thousands.
const COMPLAINTS_MAX: u32 = 20;

impl Relay {
    pub(super) fn handle_line(&mut self, line: Line) {
        match line {
            Line::TooLong { bytes } => {
                self.push_stub(&TooLarge { bytes, sha256: None, original_type: None });
            }
            Line::NotUtf8 { bytes } => {
                self.complain(&format!(
                    "The agent printed {bytes} bytes that are no text. They were dropped."
                ));
            }
            Line::Text(text) => match RawJson::parse(&text) {
                Ok(event) => self.handle_event(event),
                Err(JsonError::TooLarge { .. } | JsonError::TooDeep) => self.handle_oversized(&text),
                Err(JsonError::Syntax(_) | JsonError::NoType) => self.handle_garbage(&text),
            },
        }
    }

    fn handle_event(&mut self, event: RawJson) {
        let Ok(header) = event.header() else { return self.handle_garbage(event.as_str()) };
        match header.kind.as_str() {
            "keep_alive" => {}
            "control_request" => self.handle_request(&header, event),
            "control_cancel_request" => self.handle_cancel(header.correlation_id().unwrap_or_default()),
            "control_response" => self.handle_answer(header.correlation_id().unwrap_or_default(), &event),
            _ if header.is_durable() => self.handle_durable(&header, event),
            _ => self.handle_volatile(&header, event),
        }
    }

    fn handle_volatile(&mut self, header: &Header, event: RawJson) {
        let (stream, n) = self.streams.place(header, &event);
        self.lanes.content.push_live(event.byte_len(), WorkerItem::Live { stream, n, event });
    }

    fn handle_durable(&mut self, header: &Header, event: RawJson) {
        if self.is_echo(header, &event) {
            return;
        }
        if let Some(session_id) = header.session_id.as_ref().filter(|id| id.len() <= FOREIGN_ID_BYTES_MAX) {
            self.agent_session_id.clone_from(session_id);
        }
        self.report.handle_event(header, &event);
        self.confirm_delivery(header, &event);
        let results = if header.kind == "user" { tool_results(&event) } else { Vec::new() };
        self.push_event(event);
        match header.kind.as_str() {
            "user" => {
                for tool_use_id in results {
                    self.close_requests(|held| held.tool_use_id.as_deref() == Some(&tool_use_id));
                }
            }
            "assistant" => self.close_requests(|held| held.progress == Progress::Delivered),
            "result" => {
                self.close_requests(|held| !held.by_sub_agent || held.progress != Progress::Waiting);
                self.complaints = 0;
            }
            _ => {}
        }
        self.hold_to_policy();
    }

    /// Whether this very event was posted before.
    fn is_echo(&mut self, header: &Header, event: &RawJson) -> bool {
        let Some(uuid) =
            header.uuid.as_deref().filter(|uuid| (1..=FOREIGN_ID_BYTES_MAX).contains(&uuid.len()))
        else {
            return false;
        };
        !self.posted.insert(format!("{uuid} {}", digest(event)))
    }

    fn confirm_delivery(&mut self, header: &Header, event: &RawJson) {
        #[derive(Deserialize)]
        struct Lifecycle {
            command_uuid: String,
        }
        if header.kind == "user" && header.is_replay {
            self.deliveries.confirm(header.uuid.as_deref().unwrap_or_default());
        } else if header.kind == "command_lifecycle"
            && let Ok(Lifecycle { command_uuid }) = event.read()
        {
            self.deliveries.confirm(&command_uuid);
        }
    }

    /// An agent that put itself into a mode this machine does not allow is ended.
    fn hold_to_policy(&mut self) {
        let Some(mode) = self.report.permission_mode() else { return };
        if self.mode_violated || self.phase != Phase::Running {
            return;
        }
        if let Err(error) = self.spec.policy.mode(mode) {
            self.mode_violated = true;
            self.say(&format!("The agent is being ended: {error}."));
            self.outputs.push_back(Output::Terminate);
        }
    }

    /// An answer counts only under an id of ours; an echo of one of ours says that the agent has it.
    fn handle_answer(&mut self, request_id: &str, answer: &RawJson) {
        match self.asked.take(request_id) {
            Some(Asker::Initialize) => {
                let payload = payload(answer).unwrap_or_else(|| RawJson::from_value(&serde_json::json!({})));
                self.initialized = Initialized::Known(payload.clone());
                for device in std::mem::take(&mut self.initialize_waiters) {
                    let reply = self.initialize_reply(&device.request_id, &payload);
                    self.reply(&device, reply);
                }
            }
            Some(Asker::Device(device)) => {
                if device.subtype == "set_model" {
                    self.note_model(answer);
                }
                let reply = readdressed(answer, &device.request_id);
                self.reply(&device, reply);
            }
            None => self
                .close_requests(|held| held.request_id == request_id && held.progress != Progress::Waiting),
        }
    }

    fn note_model(&mut self, answer: &RawJson) {
        #[derive(Deserialize)]
        struct Model {
            model: String,
        }
        if let Some(Model { model }) = payload(answer).and_then(|payload| payload.read().ok()) {
            self.report.set_model(model);
        }
    }

    fn handle_garbage(&mut self, text: &str) {
        self.complain(&format!("The agent printed a line that is no event: {}", notice::quote(text)));
    }

    /// Too large or too deep for one event: a stub stands in for it, and a request is denied at once.
    fn handle_oversized(&mut self, text: &str) {
        let header: Option<Header> = serde_json::from_str(text).ok();
        let original_type = header.as_ref().map(|header| header.kind.as_str());
        let sha256 = Some(notice::sha256_hex(text));
        self.push_stub(&TooLarge { bytes: text.len(), sha256, original_type });
        if let Some(header) = header.filter(|header| header.kind == "control_request") {
            self.deny_oversized(&header);
        }
    }

    fn push_stub(&mut self, stub: &TooLarge<'_>) {
        let uuid = (self.uuids)();
        self.push_event(notice::event_too_large(stub, &uuid, &self.agent_session_id));
    }

    /// Says `content`, unless enough was said in this turn.
    pub(super) fn complain(&mut self, content: &str) {
        self.complaints += 1;
        match self.complaints {
            ..COMPLAINTS_MAX => self.say(content),
            COMPLAINTS_MAX => self.say(&format!("{content} Further ones of this turn are not shown.")),
            _ => {}
        }
    }
}

/// `tool_use_id`s of the tool results in a `user` line.
fn tool_results(event: &RawJson) -> Vec<String> {
    #[derive(Deserialize)]
    struct Line {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        content: Content,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Content {
        Blocks(Vec<Block>),
        Other(IgnoredAny),
    }
    #[derive(Deserialize)]
    struct Block {
        #[serde(rename = "type")]
        kind: Option<String>,
        tool_use_id: Option<String>,
    }
    let Ok(Line { message }) = event.read() else { return Vec::new() };
    match message.content {
        Content::Blocks(blocks) => blocks
            .into_iter()
            .filter(|block| block.kind.as_deref() == Some("tool_result"))
            .filter_map(|block| block.tool_use_id)
            .collect(),
        Content::Other(_) => Vec::new(),
    }
}
