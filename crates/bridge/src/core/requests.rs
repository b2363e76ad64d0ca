//! What the agent asks. What a person can answer is held by its exact bytes until somebody decides; anything else is
//! answered at once, so that no request is left hanging.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{self, BaseFile, Decision, Kind, Verdict};
use portcullis_protocol::json::{Header, JsonError};
use portcullis_protocol::wire::control::{self, ToolRequest};
use portcullis_protocol::wire::worker::{DecisionDown, RequestStep, WorkerItem};
use serde::Deserialize;
use serde_json::Value;

use super::base::{self, FileEdit, Worth};
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
        let Ok(Bonds { tool_use_id, outlives_turn, edit }) = bonds(kind, request) else {
            return self.turn_away(
                kind,
                request_id,
                "The request does not say which tool would run with what.",
            );
        };
        let event = base::beside(event, None);
        let admission = self.ledger.admit(Held {
            request_id: request_id.to_owned(),
            request: request.clone(),
            event: event.clone(),
            digest: approval::digest(request),
            kind,
            tool_use_id,
            outlives_turn,
            progress: Progress::Waiting,
            edit: edit.clone(),
            base_file: None,
            look: 0,
            bound: None,
        });
        match admission {
            Admission::New => match edit {
                Some(edit) => self.look(request_id, &edit, Progress::Looking),
                None => self.put_to_person(request_id),
            },
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

    /// Looks at the file of `request_id`, which waits for that and holds up nothing else.
    fn look(&mut self, request_id: &str, edit: &FileEdit, progress: Progress) {
        self.looks += 1;
        let look = self.looks;
        if let Some(held) = self.ledger.get_mut(request_id) {
            (held.look, held.progress) = (look, progress);
            self.outputs.push_back(Output::Look { look, path: edit.path.clone() });
        }
    }

    pub(super) fn handle_looked(&mut self, look: u64, found: Option<BaseFile>) {
        let Some(held) = self.ledger.looked_for(look) else { return };
        let request_id = held.request_id.clone();
        if held.progress == Progress::Looking {
            held.event = base::beside(held.event.clone(), found.as_ref());
            held.base_file = found;
            return self.put_to_person(&request_id);
        }
        let bound = held.bound.take();
        if let Some(bound) = bound {
            self.weigh(&request_id, bound, found.as_ref());
        }
    }

    /// An allowed edit reaches the agent if what was shown is what happens.
    fn weigh(&mut self, request_id: &str, bound: Bound, now: Option<&BaseFile>) {
        let Some(held) = self.ledger.get(request_id) else { return };
        let (kind, base) = (held.kind, held.base_file.as_ref());
        let Some((edit, base)) = bound.reaches.clone().zip(base) else {
            return self.answer(request_id, bound);
        };
        match edit.worth(base, now) {
            Worth::Same => self.answer(request_id, bound),
            Worth::Elsewhere => {
                self.answer(request_id, bound);
                self.say(&edit.told_elsewhere());
            }
            Worth::Nothing(reason) => self.refuse_decision(kind, request_id, &reason),
        }
    }

    fn put_to_person(&mut self, request_id: &str) {
        let Some(held) = self.ledger.get_mut(request_id) else { return };
        (held.progress, held.bound) = (Progress::Waiting, None);
        let Held { request_id, digest, event, .. } = held.clone();
        let bytes = event.byte_len();
        self.lanes.control.push(bytes, |n| WorkerItem::Request { n, request_id, digest, event });
    }

    /// Asks about everything that waits once more: the ingress knows none of it under the present name, nor that
    /// anything of it was decided.
    pub(super) fn ask_again(&mut self) {
        for request_id in
            self.ledger.ids(|held| matches!(held.progress, Progress::Waiting | Progress::Weighing))
        {
            self.put_to_person(&request_id);
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
        match self.ledger.get(request_id).map(|held| held.progress) {
            Some(Progress::Waiting | Progress::Weighing) => {
                self.ledger.remove(request_id);
                self.step(request_id, RequestStep::Refused, Some(reason));
            }
            Some(Progress::Looking) => drop(self.ledger.remove(request_id)),
            Some(Progress::Answered | Progress::Delivered) | None => {}
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
            if held.progress.is_answered() {
                self.outputs.push_back(Output::Journal(Entry::Settled { request_id: request_id.clone() }));
            }
            match held.progress {
                // Nobody heard of it.
                Progress::Looking => {}
                Progress::Waiting | Progress::Weighing => {
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
        match self.bound(held, down) {
            Ok(bound) => match bound.reaches.clone() {
                Some(edit) => {
                    if let Some(held) = self.ledger.get_mut(&down.request_id) {
                        held.bound = Some(bound);
                    }
                    self.look(&down.request_id, &edit, Progress::Weighing);
                }
                None => self.answer(&down.request_id, bound),
            },
            Err(reason) => self.refuse_decision(kind, &down.request_id, &reason),
        }
    }

    fn answer(&mut self, request_id: &str, bound: Bound) {
        self.journal_answer(request_id, bound.behavior);
        self.ledger.set_progress(request_id, Progress::Answered);
        self.stdin(bound.line, Some(Receipt::Answer(request_id.to_owned())));
        if let Some(edit) = bound.edit {
            let uuid = (self.uuids)();
            self.push_event(notice::input_edited(&edit, &uuid, &self.agent_session_id));
        }
    }

    fn refuse_decision(&mut self, kind: Kind, request_id: &str, reason: &str) {
        self.ledger.remove(request_id);
        self.deny(kind, request_id, &format!("The decision was refused by the bridge: {reason}."));
        self.step(request_id, RequestStep::Refused, Some(reason));
    }

    fn bound(&self, held: &Held, down: &DecisionDown) -> Result<Bound, String> {
        let decision = Decision::parse(&down.event).map_err(|error| error.to_string())?;
        if decision.request_id != down.request_id {
            return Err("it names another request".into());
        }
        // A reader that is shown no file names none; the bridge looks again all the same.
        if decision.base_file.is_some() && decision.base_file != held.base_file {
            return Err("it is about another state of the file than the request was made on".into());
        }
        if let Verdict::Allow { updated_permissions, .. } = &decision.verdict {
            for mode in updated_permissions.iter().filter_map(granted_mode) {
                self.spec.policy.mode(&mode).map_err(|error| error.to_string())?;
            }
        }
        let line = approval::bind(&held.request, &decision).map_err(|error| error.to_string())?;
        let behavior = decision.behavior();
        let reaches = reaches(held, &decision);
        Ok(Bound { line, behavior, reaches, edit: edit(&held.request, decision, &down.decided_by) })
    }

    fn step(&mut self, request_id: &str, step: RequestStep, reason: Option<&str>) {
        let (request_id, reason) = (request_id.to_owned(), reason.map(str::to_owned));
        self.lanes.control.push(request_id.len(), |n| WorkerItem::Step { n, request_id, step, reason });
    }
}

/// What a request hangs on.
struct Bonds {
    /// The tool call it belongs to.
    tool_use_id: Option<String>,
    /// Whether it outlives the main turn: a server of the agent asks at any time.
    outlives_turn: bool,
    /// The file it would change.
    edit: Option<FileEdit>,
}

fn bonds(kind: Kind, request: &RawJson) -> Result<Bonds, JsonError> {
    #[derive(Deserialize)]
    struct Dialog {
        #[serde(default)]
        tool_use_id: Option<String>,
    }
    match kind {
        Kind::Tool => request.read::<ToolRequest>().map(|tool| Bonds {
            edit: FileEdit::of(&tool),
            outlives_turn: tool.agent_id.is_some(),
            tool_use_id: tool.tool_use_id,
        }),
        Kind::Elicitation => Ok(Bonds { tool_use_id: None, outlives_turn: true, edit: None }),
        Kind::Dialog => {
            let tool_use_id = request.read::<Dialog>().map(|dialog| dialog.tool_use_id).unwrap_or_default();
            Ok(Bonds { tool_use_id, outlives_turn: true, edit: None })
        }
    }
}

/// A decision that fits the held bytes.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    line: String,
    behavior: &'static str,
    /// The file that has to be the one that was shown.
    reaches: Option<FileEdit>,
    edit: Option<Edit>,
}

/// The file that `decision` lets the agent change, if a person was shown which one. Who names another file by an edit
/// was shown nothing of it, and knows.
fn reaches(held: &Held, decision: &Decision) -> Option<FileEdit> {
    let (Verdict::Allow { updated_input, .. }, Some(_)) = (&decision.verdict, &held.base_file) else {
        return None;
    };
    let asked = held.edit.clone()?;
    if !decision.edited {
        return Some(asked);
    }
    let tool = held.request.read::<ToolRequest>().ok()?;
    FileEdit::edited(&tool, updated_input).filter(|edited| edited.path == asked.path)
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
