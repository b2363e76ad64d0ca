//! What was said, on its way to the log: on disk before it is posted, posted until it is taken, and said again to an
//! ingress that came back without it.

use portcullis_protocol::RawJson;
use portcullis_protocol::wire::worker::{Lane, WorkerItem, WorkerPost};

use super::earlier::{ALL, Fact};
use super::lane::{Hole, Lanes, Refused};
use super::{End, Entry, Output, Phase, PostOutcome, Relay, mint_incarnation, notice};

/// Bytes in the spool that the ingress has, above which they are taken out although more waits behind them: a flood
/// never lets the queue run empty, and must not fill the disk. About one file of the spool.
pub(super) const SPOOL_TAKEN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A change of the incarnation under which this worker speaks. An answer that is still due would be taken for one to
/// the new name, so it waits for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The ingress came back without `missing` words that are here no more: all that is here is said under a new name.
    Rename { missing: u64 },
    /// What an earlier life left cannot be said any more.
    GiveUp(WhyGivenUp),
}

/// Why what an earlier life left cannot be said any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyGivenUp {
    /// Somebody else speaks for the session since.
    Superseded,
    /// The ingress does not say where the session stands.
    Unheard,
}

impl Relay {
    pub(super) fn handle_posted(&mut self, lane: Lane, outcome: PostOutcome) {
        match outcome {
            PostOutcome::Accepted { next_n } => self.lanes.get_mut(lane).handle_accepted(next_n),
            PostOutcome::Position { expected_n } => self.reposition(lane, expected_n),
            PostOutcome::Refused { reason } => self.handle_refused(lane, &reason),
            PostOutcome::Gone => self.handle_gone(lane),
        }
    }

    /// An earlier life's incarnation may be over, and all it left is known or lost. Otherwise the session is.
    fn handle_gone(&mut self, lane: Lane) {
        self.lanes.get_mut(lane).handle_gone();
        if self.is_resumed && matches!(self.phase, Phase::Resuming | Phase::Ending(_) | Phase::Ended) {
            self.turn = Some(Turn::GiveUp(WhyGivenUp::Superseded));
        } else {
            self.finish(End::Lost("the ingress says that the session is over".into()));
        }
    }

    pub(super) fn reposition(&mut self, lane: Lane, expected_n: u64) {
        match self.lanes.get_mut(lane).handle_position(expected_n) {
            Ok(again) => {
                for item in again {
                    if let WorkerItem::Event { n, event } = item {
                        self.spool(n, event, Vec::new());
                    }
                }
            }
            Err(Hole { missing }) => {
                tracing::warn!(?lane, expected_n, missing, "the ingress lost more than is kept here");
                let counted = if lane == Lane::Content { missing } else { 0 };
                let before = if let Some(Turn::Rename { missing }) = self.turn { missing } else { 0 };
                if !matches!(self.turn, Some(Turn::GiveUp(_))) {
                    self.turn = Some(Turn::Rename { missing: counted.max(before) });
                }
            }
        }
    }

    /// Finds the item the ingress will not take and puts a word about it in its place, so that the rest goes on.
    fn handle_refused(&mut self, lane: Lane, reason: &str) {
        let Some(Refused::Item(item)) = self.lanes.get_mut(lane).handle_refused() else { return };
        let reason = notice::quote(reason);
        match *item {
            WorkerItem::Live { .. } => {}
            WorkerItem::Event { n, .. } => {
                let event =
                    self.warning(&format!("An event of the agent was refused by the server: {reason}"));
                self.spool(n, event.clone(), Vec::new());
                self.lanes.content.replace(event.byte_len(), WorkerItem::Event { n, event });
            }
            WorkerItem::Request { n, request_id, .. } => {
                self.replace_control(n);
                let kind = self.ledger.remove(&request_id).map(|held| held.kind).unwrap_or_default();
                self.deny(kind, &request_id, &format!("The server refused the request: {reason}"));
            }
            WorkerItem::Cancel { n, .. }
            | WorkerItem::Step { n, .. }
            | WorkerItem::Reply { n, .. }
            | WorkerItem::State { n, .. }
            | WorkerItem::Ended { n, .. } => self.replace_control(n),
        }
    }

    fn replace_control(&mut self, n: u64) {
        let state = self.report.state().clone();
        self.lanes.control.replace(0, WorkerItem::State { n, state });
    }

    pub(super) fn post(&mut self, lane: Lane) {
        if !self.is_attached || self.phase == Phase::Finished || self.turn.is_some() {
            return;
        }
        if let Some(items) = self.lanes.get_mut(lane).next_batch() {
            let incarnation = self.incarnation.clone();
            self.outputs.push_back(Output::Post(WorkerPost { incarnation, lane, items }));
        }
    }

    /// Puts a durable event into the log.
    pub(super) fn push_event(&mut self, event: RawJson) {
        self.push_settling(event, Vec::new());
    }

    /// As [`Relay::push_event`], and nobody has to say these facts again.
    pub(super) fn push_settling(&mut self, event: RawJson, settles: Vec<Fact>) {
        self.spool(self.lanes.content.next_n(), event.clone(), settles);
        self.lanes.content.push(event.byte_len(), |n| WorkerItem::Event { n, event });
    }

    fn spool(&mut self, n: u64, event: RawJson, settles: Vec<Fact>) {
        self.spooled_bytes += event.byte_len();
        let settled: Vec<Entry> = settles.iter().cloned().map(Entry::from).collect();
        let said = Entry::Said { incarnation: self.incarnation.clone(), n, event, settles };
        self.outputs.extend(std::iter::once(said).chain(settled).map(Output::Journal));
    }

    /// Takes out of the spool what the ingress has, once that is everything or much.
    pub(super) fn journal_taken(&mut self) {
        let content = &self.lanes.content;
        let (next_n, waiting) = (content.taken_n(), content.bytes());
        let is_all = next_n == content.next_n();
        let taken = self.spooled_bytes.saturating_sub(waiting);
        if self.spooled_bytes > 0 && (is_all || taken > SPOOL_TAKEN_BYTES_MAX) {
            self.spooled_bytes = if is_all { 0 } else { waiting };
            let incarnation = self.incarnation.clone();
            self.outputs.push_back(Output::Journal(Entry::Taken { incarnation, next_n }));
        }
    }

    pub(super) fn take_turn(&mut self) {
        if self.lanes.content.is_posting() || self.lanes.control.is_posting() || self.phase == Phase::Finished
        {
            return;
        }
        match self.turn.take() {
            Some(Turn::Rename { missing }) => self.rename(missing),
            Some(Turn::GiveUp(why)) => self.give_up_earlier_life(why),
            None => {}
        }
    }

    /// Another name for the same process, under which nothing was said: everything that is here is said from the start.
    fn rename(&mut self, missing: u64) {
        let new = mint_incarnation(&mut self.uuids);
        let old = std::mem::replace(&mut self.incarnation, new.clone());
        if self.has_agent {
            self.outputs.push_back(Output::Journal(Entry::Started { incarnation: new }));
        }
        let said: Vec<WorkerItem> = self.lanes.content.drain().collect();
        self.lanes = Lanes::new();
        self.spooled_bytes = 0;
        if missing > 0 {
            self.say(&format!(
                "The server was set back to an earlier state, and what happened since was lost there. This machine \
                 says the last of it again; the {missing} events before that are gone."
            ));
        }
        for item in said {
            match item {
                WorkerItem::Event { event, .. } => self.push_event(event),
                WorkerItem::Live { ref event, .. } => {
                    let bytes = event.byte_len();
                    self.lanes.content.push_live(bytes, item);
                }
                WorkerItem::Request { .. }
                | WorkerItem::Cancel { .. }
                | WorkerItem::Step { .. }
                | WorkerItem::Reply { .. }
                | WorkerItem::State { .. }
                | WorkerItem::Ended { .. } => {}
            }
        }
        // From here on nobody asks for the old one.
        self.outputs.push_back(Output::Journal(Entry::Taken { incarnation: old, next_n: ALL }));
        self.ask_again();
        if matches!(self.phase, Phase::Ended | Phase::Over) {
            self.phase = Phase::Ending("The agent had ended before the server was set back.".into());
        }
        self.report.say_again();
        self.is_attached = false;
        self.attach();
    }

    pub(super) fn warning(&mut self, content: &str) -> RawJson {
        let uuid = (self.uuids)();
        notice::warning(content, &uuid, &self.agent_session_id)
    }

    pub(super) fn say(&mut self, content: &str) {
        let event = self.warning(content);
        self.push_event(event);
    }
}
