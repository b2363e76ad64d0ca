//! From the agent to the log: every line of stdout is read, placed and passed on; what is no event becomes a word
//! for the person who watches.

use portcullis_protocol::RawJson;
use portcullis_protocol::json::{Header, JsonError, JsonRef, salvage};
use portcullis_protocol::limits::FOREIGN_ID_BYTES_MAX;
use portcullis_protocol::wire::worker::WorkerItem;
use serde::Deserialize;

use super::asked::{Asker, payload, readdressed};
use super::deliveries::Heard;
use super::earlier::Fact;
use super::ledger::Progress;
use super::notice::{self, OWN_SUBTYPES, TooLarge};
use super::reading::{Found, Reading};
use super::report::is_name;
use super::{Initialized, Output, Phase, Relay};

/// Complaints about lines of one turn that are shown: a broken agent prints thousands.
const COMPLAINTS_MAX: u32 = 20;

impl Relay {
    pub(super) fn handle_reading(&mut self, Reading(found): Reading) {
        match found {
            Found::TooLong { bytes, head } => self.handle_too_long(bytes, &String::from_utf8_lossy(&head)),
            Found::NotUtf8 { bytes } => {
                self.complain(&format!(
                    "The agent printed {bytes} bytes that are no text. They were dropped."
                ));
            }
            Found::Event { header, event, fingerprint } => self.handle_event(&header, event, fingerprint),
            Found::Unreadable { text, error } => match error {
                JsonError::TooLarge { .. } | JsonError::TooDeep => self.handle_oversized(&text, &error),
                JsonError::Syntax(_) | JsonError::NoType => self.handle_garbage(&text, &error),
            },
        }
    }

    fn handle_event(&mut self, header: &Header, event: RawJson, fingerprint: Option<String>) {
        match header.kind.as_str() {
            "keep_alive" => {}
            "control_request" => self.handle_request(header, event),
            "control_cancel_request" => self.handle_cancel(header.correlation_id().unwrap_or_default()),
            "control_response" => self.handle_answer(header.correlation_id().unwrap_or_default(), &event),
            _ if header.is_durable() => self.handle_durable(header, event, fingerprint),
            _ => self.handle_volatile(header, event),
        }
    }

    fn handle_volatile(&mut self, header: &Header, event: RawJson) {
        let (stream, n) = self.streams.place(header, &event);
        self.lanes.content.push_live(event.byte_len(), WorkerItem::Live { stream, n, event });
    }

    fn handle_durable(&mut self, header: &Header, event: RawJson, fingerprint: Option<String>) {
        if header.kind == "system" && header.subtype.as_deref().is_some_and(|own| OWN_SUBTYPES.contains(&own))
        {
            return self.complain("The agent printed a line that only the bridge writes. It was dropped.");
        }
        // It says that the conversation cannot be taken up, in zeros, and is followed by the process's end.
        if self.phase == Phase::TakingUp && header.kind == "result" {
            return;
        }
        // This very event was posted before.
        if fingerprint.is_some_and(|fingerprint| !self.posted.insert(fingerprint)) {
            return;
        }
        self.note_conversation(header, &event);
        if let Some(session_id) = header.session_id.as_ref().filter(|id| id.len() <= FOREIGN_ID_BYTES_MAX) {
            self.agent_session_id.clone_from(session_id);
        }
        self.report.handle_event(header, &event);
        let read = self.confirm_delivery(header, &event);
        let results = if header.kind == "user" { tool_results(&event) } else { Vec::new() };
        self.push_settling(event, read.into_iter().map(Fact::Prompt).collect());
        match header.kind.as_str() {
            "user" => {
                for tool_use_id in results {
                    self.close_requests(|held| held.tool_use_id.as_deref() == Some(&tool_use_id));
                }
            }
            "assistant" => self.close_requests(|held| held.progress == Progress::Delivered),
            "result" => {
                self.close_requests(|held| !held.outlives_turn || held.progress.is_answered());
                self.complaints = 0;
            }
            _ => {}
        }
        self.hold_to_policy();
    }

    /// The prompts that count as read by this event.
    fn confirm_delivery(&mut self, header: &Header, event: &RawJson) -> Vec<String> {
        #[derive(Deserialize)]
        struct Lifecycle {
            command_uuid: String,
            state: String,
        }
        match header.kind.as_str() {
            "user" if header.is_replay => {
                self.deliveries.hear(header.uuid.as_deref().unwrap_or_default(), Heard::Read)
            }
            "command_lifecycle" => {
                let Ok(Lifecycle { command_uuid, state }) = event.read() else { return Vec::new() };
                let is_read = matches!(state.as_str(), "started" | "completed" | "cancelled");
                self.deliveries.hear(&command_uuid, if is_read { Heard::Read } else { Heard::Queued })
            }
            "assistant" | "result" if header.parent_tool_use_id.is_none() => self.deliveries.hear_going_on(),
            _ => Vec::new(),
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
                self.be_taken_up();
                let payload = payload(answer).unwrap_or_else(|| RawJson::from_value(&serde_json::json!({})));
                self.initialized = Initialized::Known(payload.clone());
                for device in std::mem::take(&mut self.initialize_waiters) {
                    let reply = self.initialize_reply(&device.request_id, &payload);
                    self.reply(&device, reply);
                }
            }
            Some(Asker::Device(device)) => {
                match device.subtype.as_str() {
                    "set_model" => self.note_model(answer, device.chosen.clone()),
                    "set_permission_mode" => self.note_mode(answer, device.chosen.clone()),
                    "cancel_async_message" => self.note_cancelled(answer, device.chosen.clone()),
                    _ => {}
                }
                let reply = readdressed(answer, &device.request_id);
                self.reply(&device, reply);
            }
            Some(Asker::Choice(subtype)) => self.note_choice(&subtype, answer),
            None => self.close_requests(|held| held.request_id == request_id && held.progress.is_answered()),
        }
    }

    /// `chosen` is what was asked for; the answer may name what that stands for.
    fn note_model(&mut self, answer: &RawJson, chosen: Option<String>) {
        #[derive(Deserialize)]
        struct Model {
            model: String,
        }
        if payload(answer).is_none() {
            return;
        }
        self.chosen_model = chosen.filter(|model| is_name(model));
        if let Some(Model { model }) = payload(answer).and_then(|payload| payload.read().ok()) {
            self.report.set_model(model);
        }
    }

    /// Older agents say nothing about their mode before the next turn.
    fn note_mode(&mut self, answer: &RawJson, chosen: Option<String>) {
        if payload(answer).is_some()
            && let Some(mode) = chosen
        {
            self.report.set_permission_mode(mode);
            self.hold_to_policy();
        }
    }

    /// Older agents answer that a prompt is cancelled and say nothing of it beside; then the log is told here.
    fn note_cancelled(&mut self, answer: &RawJson, message: Option<String>) {
        #[derive(Deserialize)]
        struct Cancelled {
            cancelled: bool,
        }
        let answered = payload(answer).and_then(|payload| payload.read().ok());
        let (Some(Cancelled { cancelled: true }), Some(message)) = (answered, message) else { return };
        for message in self.deliveries.hear(&message, Heard::Read) {
            let uuid = (self.uuids)();
            let event = notice::prompt_cancelled(&message, &uuid, &self.agent_session_id);
            self.push_settling(event, vec![Fact::Prompt(message)]);
        }
    }

    fn handle_garbage(&mut self, text: &str, error: &JsonError) {
        let found = salvage(text);
        if found.kind.as_deref() == Some("control_request") {
            return self.answer_unreadable(found.request_id.as_deref(), text, error);
        }
        self.complain(&format!("The agent printed a line that is no event: {}", notice::quote(text)));
    }

    /// Too large or too deep for one event: a stub stands in for it, and a request is denied at once.
    fn handle_oversized(&mut self, text: &str, error: &JsonError) {
        let found = salvage(text);
        let original_type = found.kind.as_deref();
        let sha256 = Some(notice::sha256_hex(text));
        self.push_stub(&TooLarge { bytes: text.len(), sha256, original_type });
        if original_type == Some("control_request") {
            self.answer_unreadable(found.request_id.as_deref(), text, error);
        }
    }

    /// As [`Relay::handle_oversized`], of a line of which only the head was kept.
    fn handle_too_long(&mut self, bytes: usize, head: &str) {
        let found = salvage(head);
        let original_type = found.kind.as_deref();
        self.push_stub(&TooLarge { bytes, sha256: None, original_type });
        if original_type == Some("control_request") {
            self.answer_unreadable(found.request_id.as_deref(), head, &JsonError::TooLarge { bytes });
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
    let is_result = |block: &JsonRef<'_>| block.get("type").text().as_deref() == Some("tool_result");
    let blocks = event.look().get("message").get("content").items();
    blocks.filter(is_result).filter_map(|block| block.get("tool_use_id").string()).collect()
}
