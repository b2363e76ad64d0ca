//! What the agent asks. What a person can answer is held by its exact bytes until somebody decides; anything else is
//! answered at once, so that no request is left hanging.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{self, Decision, Kind, Verdict};
use portcullis_protocol::json::{Header, JsonError};
use portcullis_protocol::wire::control::{self, ToolRequest};
use portcullis_protocol::wire::worker::{DecisionDown, RequestStep, WorkerItem};
use serde::Deserialize;
use serde_json::Value;

use super::ledger::{Admission, Held, Progress};
use super::notice::Edit;
use super::{Entry, Output, Receipt, Relay, notice};

/// Bytes of a request a person is asked about: nobody can allow more than 64 KiB of text, but inputs with
/// encoded files exist, and these may wait, each in memory, until somebody looks.
const REQUEST_BYTES_MAX: usize = 512 * 1024;

impl Relay {
    pub(super) fn handle_request(&mut self, header: &Header, event: RawJson) {
        self.close_requests(|held| held.progress == Progress::Delivered);
        let request = match control::Request::parse(&event) {
            Ok(request) => request,
            Err(error) => {
                return self.answer_unreadable(header.request_id.as_deref(), event.as_str(), &error);
            }
        };
        let request_id = request.request_id.as_deref().unwrap_or_default();
        match Kind::of_subtype(&request.subtype).filter(|_| !request_id.is_empty()) {
            Some(kind) => self.handle_question(kind, request_id, &request.request, event),
            None => self.answer_unsupported(request_id, &request.subtype),
        }
    }

    fn handle_question(&mut self, kind: Kind, request_id: &str, request: &RawJson, event: RawJson) {
        if event.byte_len() > REQUEST_BYTES_MAX {
            return self.turn_away(
                kind,
                request_id,
                &format!(
                    "The request has {} bytes; at most {REQUEST_BYTES_MAX} can be put to a person.",
                    event.byte_len()
                ),
            );
        }
        if event.has_duplicate_keys() {
            let reason = if event.read::<Value>().is_ok() {
                "The request names a key twice, so nobody can tell what would run."
            } else {
                "The request holds a text or a number that cannot be read, so nobody can tell what would run."
            };
            return self.turn_away(kind, request_id, reason);
        }
        let Ok((tool_use_id, outlives_turn)) = bonds(kind, request) else {
            return self.turn_away(
                kind,
                request_id,
                "The request does not say which tool would run with what.",
            );
        };
        let digest = approval::digest(request);
        let bytes = event.byte_len();
        let admission = self.ledger.admit(Held {
            request_id: request_id.to_owned(),
            request: request.clone(),
            event: event.clone(),
            digest: digest.clone(),
            kind,
            tool_use_id,
            outlives_turn,
            progress: Progress::Waiting,
        });
        match admission {
            Admission::New => {
                let request_id = request_id.to_owned();
                self.lanes.control.push(bytes, |n| WorkerItem::Request { n, request_id, digest, event });
            }
            Admission::Repeated => {}
            // One id for two bodies: neither is what a person saw, so both are denied.
            Admission::OtherBytes => {
                self.turn_away(kind, request_id, "The same request id was used for something else.");
            }
            Admission::Full => {
                self.turn_away(kind, request_id, "Too many requests wait for a person already.")
            }
        }
    }

    /// Asks about everything that waits once more: the ingress knows none of it under the present name.
    pub(super) fn ask_again(&mut self) {
        let waiting: Vec<Held> = self.ledger.waiting_requests().cloned().collect();
        for Held { request_id, digest, event, .. } in waiting {
            let bytes = event.byte_len();
            self.lanes.control.push(bytes, |n| WorkerItem::Request { n, request_id, digest, event });
        }
    }

    /// Denies a request nobody was asked about, and says so.
    fn turn_away(&mut self, kind: Kind, request_id: &str, reason: &str) {
        self.complain(&format!("A request of the agent was denied by the bridge: {reason}"));
        self.withdraw(request_id, reason);
        self.deny(kind, request_id, reason);
    }

    /// Whoever waited under an id that is answered now waits no more: none is answered twice.
    fn withdraw(&mut self, request_id: &str, reason: &str) {
        if self.ledger.get(request_id).is_some_and(|held| held.progress == Progress::Waiting) {
            self.ledger.remove(request_id);
            self.step(request_id, RequestStep::Refused, Some(reason));
        }
    }

    /// A request that is no event one could look into is answered all the same: the agent waits for it.
    pub(super) fn answer_unreadable(&mut self, request_id: Option<&str>, text: &str, error: &JsonError) {
        let error = notice::quote(&error.to_string());
        let Some(request_id) = request_id else {
            return self.complain(&format!(
                "The agent asked something that cannot be read ({error}) nor answered: it has no readable id."
            ));
        };
        // Only the form differs: both say no.
        if text.contains("\"can_use_tool\"") {
            return self.turn_away(Kind::Tool, request_id, &format!("The request cannot be read: {error}."));
        }
        self.complain(&format!("The agent asked something that cannot be read: {error}. It was told so."));
        self.withdraw(request_id, &error);
        self.answer_error(request_id, &format!("the request cannot be read: {error}"), "invalid_request");
    }

    /// Says no for whoever did not decide, in the words of the request's kind.
    pub(super) fn deny(&mut self, kind: Kind, request_id: &str, reason: &str) {
        self.journal_answer(request_id, kind.refusal().map_or("deny", |answer| answer.word()));
        self.stdin(approval::refusal_line(kind, request_id, reason), None);
    }

    fn journal_answer(&mut self, request_id: &str, behavior: &str) {
        self.outputs.push_back(Output::Journal(Entry::Answered {
            incarnation: self.incarnation.clone(),
            request_id: request_id.to_owned(),
            behavior: behavior.to_owned(),
        }));
    }

    fn answer_unsupported(&mut self, request_id: &str, subtype: &str) {
        let shown = notice::quote(subtype);
        self.complain(&format!(
            "The agent asked for `{shown}`, which is not supported here. It was told so."
        ));
        let text = format!("Unsupported control request subtype: {shown}");
        self.answer_error(request_id, &text, "unsupported_request");
    }

    fn answer_error(&mut self, request_id: &str, text: &str, code: &str) {
        let answer = control::error_response(request_id, text, Some(code));
        self.stdin(answer.as_str().to_owned(), None);
    }

    pub(super) fn handle_cancel(&mut self, request_id: &str) {
        self.close_requests(|held| held.request_id == request_id);
    }

    /// The agent went on without these, or with their answers.
    pub(super) fn close_requests(&mut self, which: impl Fn(&Held) -> bool) {
        for request_id in self.ledger.ids(which) {
            let Some(held) = self.ledger.remove(&request_id) else { continue };
            if held.progress != Progress::Waiting {
                self.outputs.push_back(Output::Journal(Entry::Settled { request_id: request_id.clone() }));
            }
            match held.progress {
                Progress::Waiting => {
                    self.lanes.control.push(request_id.len(), |n| WorkerItem::Cancel { n, request_id });
                }
                Progress::Answered => {
                    self.step(&request_id, RequestStep::Delivered, None);
                    self.step(&request_id, RequestStep::Settled, None);
                }
                Progress::Delivered => self.step(&request_id, RequestStep::Settled, None),
            }
        }
    }

    pub(super) fn handle_answer_written(&mut self, request_id: &str) {
        if self.ledger.get(request_id).is_some_and(|held| held.progress == Progress::Answered) {
            self.ledger.set_progress(request_id, Progress::Delivered);
            self.step(request_id, RequestStep::Delivered, None);
        }
    }

    /// A person decided: the agent is answered once, with the bytes that were shown or not at all.
    pub(super) fn handle_decision(&mut self, down: &DecisionDown) {
        let waiting = self.ledger.get(&down.request_id).filter(|held| held.progress == Progress::Waiting);
        let Some(held) = waiting else {
            tracing::debug!(request_id = down.request_id, "a decision came for a request that does not wait");
            return;
        };
        let kind = held.kind;
        match self.bound(&held.request, down) {
            Ok(bound) => {
                self.journal_answer(&down.request_id, bound.behavior);
                self.ledger.set_progress(&down.request_id, Progress::Answered);
                self.stdin(bound.line, Some(Receipt::Answer(down.request_id.clone())));
                if let Some(edit) = bound.edit {
                    let uuid = (self.uuids)();
                    self.push_event(notice::input_edited(&edit, &uuid, &self.agent_session_id));
                }
            }
            Err(reason) => {
                self.ledger.remove(&down.request_id);
                self.deny(
                    kind,
                    &down.request_id,
                    &format!("The decision was refused by the bridge: {reason}."),
                );
                self.step(&down.request_id, RequestStep::Refused, Some(&reason));
            }
        }
    }

    fn bound(&self, held: &RawJson, down: &DecisionDown) -> Result<Bound, String> {
        let decision = Decision::parse(&down.event).map_err(|error| error.to_string())?;
        if decision.request_id != down.request_id {
            return Err("it names another request".into());
        }
        if let Verdict::Allow { updated_permissions, .. } = &decision.verdict {
            for mode in updated_permissions.iter().filter_map(granted_mode) {
                self.spec.policy.mode(&mode).map_err(|error| error.to_string())?;
            }
        }
        let line = approval::bind(held, &decision).map_err(|error| error.to_string())?;
        let behavior = decision.behavior();
        Ok(Bound { line, behavior, edit: edit(held, decision, &down.decided_by) })
    }

    fn step(&mut self, request_id: &str, step: RequestStep, reason: Option<&str>) {
        let (request_id, reason) = (request_id.to_owned(), reason.map(str::to_owned));
        self.lanes.control.push(request_id.len(), |n| WorkerItem::Step { n, request_id, step, reason });
    }
}

/// The tool call a request belongs to, and whether it outlives the main turn: a server of the agent asks at any time.
fn bonds(kind: Kind, request: &RawJson) -> Result<(Option<String>, bool), JsonError> {
    #[derive(Deserialize)]
    struct Dialog {
        #[serde(default)]
        tool_use_id: Option<String>,
    }
    match kind {
        Kind::Tool => request.read::<ToolRequest>().map(|tool| (tool.tool_use_id, tool.agent_id.is_some())),
        Kind::Elicitation => Ok((None, true)),
        Kind::Dialog => {
            Ok((request.read::<Dialog>().map(|dialog| dialog.tool_use_id).unwrap_or_default(), true))
        }
    }
}

/// A decision that fits the held bytes.
struct Bound {
    line: String,
    behavior: &'static str,
    edit: Option<Edit>,
}

/// What a person put in the place of the agent's input: the agent's own lines never say it.
fn edit(held: &RawJson, decision: Decision, decided_by: &str) -> Option<Edit> {
    let Verdict::Allow { updated_input, .. } = decision.verdict else { return None };
    let tool_use_id = held.read::<ToolRequest>().ok()?.tool_use_id?;
    decision.edited.then(|| Edit { tool_use_id, input: updated_input, edited_by: decided_by.to_owned() })
}

/// The mode a permission update switches to.
fn granted_mode(update: &RawJson) -> Option<String> {
    #[derive(Deserialize)]
    struct Update {
        #[serde(rename = "type")]
        kind: String,
        mode: Option<String>,
    }
    let update: Update = update.read().ok()?;
    if update.kind == "setMode" { Some(update.mode.unwrap_or_default()) } else { None }
}
