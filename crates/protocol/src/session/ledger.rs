//! The requests that wait for a person. The row in the ingress is the truth: only `welcome` and `permission` frames
//! change this, and nothing is rebuilt from history.

use crate::approval::{BaseFile, digest};
use crate::json::RawJson;
use crate::limits::{DELIVERY_LATE_MS, LEDGER_ENTRIES_MAX};
use crate::tick::Tick;
use crate::wire::client::{Permission, PermissionState};
use crate::wire::control::{Request, ToolRequest};

/// A finished request stays in view this long, so that its last tick can be seen, in ms.
const LINGER_MS: u64 = 4_000;

/// One request as it is rendered and decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The agent's id of it.
    pub request_id: String,
    /// Where it stands.
    pub state: PermissionState,
    /// The `request` object: exactly these bytes are approved.
    pub raw: RawJson,
    /// The same, read.
    pub tool: Option<ToolRequest>,
    /// Computed here, over what is rendered.
    pub digest: String,
    /// The file it was asked on, as the bridge found it, where it knew one.
    pub base_file: Option<BaseFile>,
    /// The server named another digest: what is shown is not what would run, so it cannot be approved.
    pub mismatch: bool,
    /// When it was asked, ms since the Unix epoch, server time.
    pub asked_at_ms: u64,
    /// Who decided.
    pub decided_by: Option<String>,
    /// What was decided.
    pub behavior: Option<String>,
    /// Why it was cancelled, orphaned or refused.
    pub reason: Option<String>,
    /// This device's own click.
    pub click: Click,
    /// Decided, and the agent did not get it within [`DELIVERY_LATE_MS`].
    pub late: bool,
    /// Since when the agent should have it.
    decided_at: Option<Tick>,
    linger_until: Option<Tick>,
}

/// What became of this device's own click.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Click {
    /// None yet.
    #[default]
    None,
    /// On its way; `slow` when the server has not answered for [`crate::limits::POST_SLOW_MS`].
    Sending { allow: bool, slow: bool },
    /// The server has it.
    Accepted { allow: bool },
    /// It did not get through, or somebody was faster; the text says which.
    Failed { message: String },
}

/// All requests of a session, oldest first.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// Everything in view: what waits, what was decided, and for a moment what is over.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that id.
    #[must_use]
    pub fn get(&self, request_id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.request_id == request_id)
    }

    /// How many wait for a person.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.entries.iter().filter(|entry| entry.state == PermissionState::Pending).count()
    }

    /// Takes the whole set of a `welcome`. What is not in it is over; clicks on what stays are kept.
    pub(super) fn replace(&mut self, now: Tick, pending: Vec<Permission>) {
        let before = std::mem::take(&mut self.entries);
        for permission in pending {
            self.step(now, permission);
        }
        for entry in &mut self.entries {
            if let Some(old) =
                before.iter().find(|old| old.request_id == entry.request_id && old.raw == entry.raw)
            {
                entry.click = old.click.clone();
                entry.decided_at = old.decided_at.or(entry.decided_at);
                entry.note_delivery(now);
            }
        }
    }

    /// Takes one `permission` frame. Returns the tool call whose waiting changed, and whether it waits now.
    pub(super) fn step(&mut self, now: Tick, frame: Permission) -> Option<(String, bool)> {
        if frame.state == PermissionState::Pending && frame.event.is_some() {
            // The same id again, from a new process: another request, not the one that is over.
            self.entries.retain(|entry| entry.request_id != frame.request_id || !entry.state.is_final());
        }
        if !self.entries.iter().any(|entry| entry.request_id == frame.request_id) {
            let event = frame.event.as_ref().filter(|_| !frame.state.is_final())?;
            self.make_room()?;
            let entry = Entry::new(&frame, event)?;
            self.entries.push(entry);
            self.entries.sort_by_key(|entry| entry.asked_at_ms);
        }
        let entry = self.entries.iter_mut().find(|entry| entry.request_id == frame.request_id)?;
        // The bytes that came first stay: who repeats an id with other ones gets neither approved.
        entry.mismatch |= entry.digest != frame.digest;
        if entry.state.is_final() || rank(frame.state) < rank(entry.state) {
            return None;
        }
        entry.state = frame.state;
        entry.decided_by = frame.decided_by.or(entry.decided_by.take());
        entry.behavior = frame.behavior.or(entry.behavior.take());
        entry.reason = frame.reason.or(entry.reason.take());
        if frame.state.is_final() {
            entry.linger_until.get_or_insert(now.after(LINGER_MS));
        }
        entry.note_delivery(now);
        let waits = frame.state == PermissionState::Pending;
        entry.tool.as_ref()?.tool_use_id.clone().map(|call| (call, waits))
    }

    /// Lets what is over go before its time. `None` when everything in view still waits.
    fn make_room(&mut self) -> Option<()> {
        if self.entries.len() >= LEDGER_ENTRIES_MAX {
            let over = self.entries.iter().position(|entry| entry.linger_until.is_some())?;
            self.entries.remove(over);
        }
        Some(())
    }

    pub(super) fn click(&mut self, now: Tick, request_id: &str, click: Click) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.request_id == request_id) {
            entry.click = click;
            entry.note_delivery(now);
        }
    }

    /// The click's POST takes long.
    pub(super) fn slow(&mut self, request_id: &str) {
        let entry = self.entries.iter_mut().find(|entry| entry.request_id == request_id);
        if let Some(Click::Sending { slow, .. }) = entry.map(|entry| &mut entry.click) {
            *slow = true;
        }
    }

    /// Drops what has been over for a while, and notes what is late. Returns whether anything changed.
    pub(super) fn expire(&mut self, now: Tick) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.linger_until.is_none_or(|until| now < until));
        let mut changed = before != self.entries.len();
        for entry in &mut self.entries {
            let late = entry.late_at().is_some_and(|at| at <= now);
            changed |= late != entry.late;
            entry.late = late;
        }
        changed
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let lingering = self.entries.iter().filter_map(|entry| entry.linger_until);
        let late = self.entries.iter().filter(|entry| !entry.late).filter_map(Entry::late_at);
        lingering.chain(late).min()
    }
}

/// How far a request has come: no frame leads it back.
fn rank(state: PermissionState) -> u8 {
    match state {
        PermissionState::Pending => 0,
        PermissionState::Decided => 1,
        PermissionState::Delivered => 2,
        PermissionState::Settled
        | PermissionState::Cancelled
        | PermissionState::Orphaned
        | PermissionState::Refused
        | PermissionState::Expired => 3,
    }
}

impl Entry {
    fn new(frame: &Permission, event: &RawJson) -> Option<Self> {
        let request = Request::parse(event).ok()?;
        let digest = digest(&request.request);
        Some(Self {
            request_id: frame.request_id.clone(),
            state: frame.state,
            tool: request.request.read().ok(),
            mismatch: digest != frame.digest,
            digest,
            raw: request.request,
            base_file: BaseFile::of_event(event),
            asked_at_ms: frame.asked_at_ms,
            decided_by: None,
            behavior: None,
            reason: None,
            click: Click::None,
            late: false,
            decided_at: None,
            linger_until: None,
        })
    }

    /// From the decision, or this device's accepted click, to the agent.
    fn note_delivery(&mut self, now: Tick) {
        let accepted = matches!(self.click, Click::Accepted { .. });
        match self.state {
            PermissionState::Decided => drop(self.decided_at.get_or_insert(now)),
            PermissionState::Pending if accepted => drop(self.decided_at.get_or_insert(now)),
            PermissionState::Pending
            | PermissionState::Delivered
            | PermissionState::Settled
            | PermissionState::Cancelled
            | PermissionState::Orphaned
            | PermissionState::Refused
            | PermissionState::Expired => self.decided_at = None,
        }
        self.late = self.late_at().is_some_and(|at| at <= now);
    }

    fn late_at(&self) -> Option<Tick> {
        self.decided_at.map(|at| at.after(DELIVERY_LATE_MS))
    }
}
