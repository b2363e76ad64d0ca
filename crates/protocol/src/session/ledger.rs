//! The requests that wait for a person. The row in the ingress is the truth: only `welcome` and `permission` frames
//! change this, and nothing is rebuilt from history.

use crate::approval::digest;
use crate::json::RawJson;
use crate::limits::LEDGER_ENTRIES_MAX;
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
    linger_until: Option<Tick>,
}

/// What became of this device's own click.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Click {
    /// None yet.
    #[default]
    None,
    /// On its way.
    Sending { allow: bool },
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
            }
        }
    }

    /// Takes one `permission` frame. Returns the tool call whose waiting changed, and whether it waits now.
    pub(super) fn step(&mut self, now: Tick, frame: Permission) -> Option<(String, bool)> {
        if frame.state == PermissionState::Pending {
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
        entry.mismatch |= entry.digest != frame.digest;
        entry.state = frame.state;
        entry.decided_by = frame.decided_by.or(entry.decided_by.take());
        entry.behavior = frame.behavior.or(entry.behavior.take());
        entry.reason = frame.reason.or(entry.reason.take());
        if frame.state.is_final() {
            entry.linger_until = Some(now.after(LINGER_MS));
        }
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

    pub(super) fn click(&mut self, request_id: &str, click: Click) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.request_id == request_id) {
            entry.click = click;
        }
    }

    /// Drops what has been over for a while. Returns whether anything was.
    pub(super) fn expire(&mut self, now: Tick) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.linger_until.is_none_or(|until| now < until));
        before != self.entries.len()
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.entries.iter().filter_map(|entry| entry.linger_until).min()
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
            asked_at_ms: frame.asked_at_ms,
            decided_by: None,
            behavior: None,
            reason: None,
            click: Click::None,
            linger_until: None,
        })
    }
}
