//! What comes down: frames of the socket and pages of the log, folded in the order of `seq` and never across a hole.

use super::history::{Added, Tail};
use super::link::{Link, LinkView, Step, StopReason};
use super::output::{Change, Output, ResetReason};
use super::pages::Page;
use super::recent::Seen;
use super::{Gap, Session, StartAt};
use crate::limits::{GOAWAY_PAUSE_MAX_MS, RESUME_GAP_EVENTS_MAX, STALLED_BEATS};
use crate::tick::Tick;
use crate::wire::client::{
    Ack, Auth, ClientFrame, Credential, Events, Heartbeat, PermissionState, Resume, ServerFrame, Welcome,
};
use crate::wire::close;
use crate::wire::rest::EventsPage;

/// The reason of a `welcome` after which nothing up to the head follows.
const GAP: &str = "gap";

impl Session {
    /// Opens a socket, or first asks for the page the session begins with.
    pub(super) fn open(&mut self, now: Tick) {
        if self.start != StartAt::Tail || self.epoch.is_some() {
            return self.outputs.push_back(Output::Open);
        }
        self.link.prepare(now);
        let (fetch, query) = self.pages.ask_tail(now);
        self.outputs.push_back(Output::Fetch { fetch, query });
    }

    pub(super) fn authenticate(&mut self, now: Tick, token: String) {
        if !self.link.opened(now) {
            return;
        }
        let resume = |epoch: String, max_gap| Resume { epoch, after_seq: self.applied, max_gap };
        let resume = match self.start {
            StartAt::Beginning => self.epoch.clone().map(|epoch| resume(epoch, None)),
            StartAt::Tail => self.epoch.clone().map(|epoch| resume(epoch, Some(RESUME_GAP_EVENTS_MAX))),
            // No gap at all is followed by nothing of the log, in whatever epoch.
            StartAt::Head => Some(resume(self.epoch.clone().unwrap_or_default(), Some(0))),
        };
        self.send(ClientFrame::Auth(Auth { credential: oauth(token), resume }));
    }

    pub(super) fn renew(&mut self, token: String) {
        if self.link.is_online() {
            self.send(ClientFrame::Auth(Auth { credential: oauth(token), resume: None }));
        }
    }

    pub(super) fn frame(&mut self, now: Tick, text: &str) {
        if !self.link.listens() {
            return;
        }
        self.link.heard(now);
        match ServerFrame::parse(text) {
            Ok(ServerFrame::Welcome(welcome)) => self.welcome(now, *welcome),
            // What comes before `welcome` belongs to nothing that was asked for.
            Ok(_) if !self.link.is_online() => {}
            Ok(ServerFrame::Events(events)) => self.events(now, events),
            Ok(ServerFrame::Live(live)) => {
                if self.start != StartAt::Head {
                    live.events.into_iter().for_each(|event| self.live.push(event));
                    self.draw_live();
                }
            }
            Ok(ServerFrame::Permission(permission)) => {
                if let Some((call, waits)) = self.ledger.step(now, *permission) {
                    self.transcript.set_waiting(&call, waits);
                }
                self.change(Change::Ledger);
            }
            Ok(ServerFrame::Reply(reply)) => {
                self.change(Change::Reply {
                    request_id: reply.request_id,
                    event: Some(reply.event),
                    error: None,
                });
            }
            Ok(ServerFrame::Worker(worker)) => {
                // What does not change is not repeated.
                let before = std::mem::replace(&mut self.worker, worker);
                self.worker.worker_state = self.worker.worker_state.take().or(before.worker_state);
                self.worker.delivered_seq = self.worker.delivered_seq.or(before.delivered_seq);
                self.mark_delivered();
                self.change(Change::Worker);
            }
            Ok(ServerFrame::Heartbeat(beat)) => self.heartbeat(now, &beat),
            Ok(ServerFrame::Goaway(goaway)) => {
                self.outputs.push_back(Output::Close { code: close::NORMAL });
                self.link.wait_for(now, goaway.retry_after_ms.min(GOAWAY_PAUSE_MAX_MS));
            }
            Ok(ServerFrame::Other(_)) => {}
            // A frame that cannot be read may have held events: the log has them, so ask again.
            Err(_) => self.step(now, Link::reopen),
        }
    }

    fn welcome(&mut self, now: Tick, welcome: Welcome) {
        let repeated = self.link.is_online();
        self.link.welcomed(now);
        self.live.reset();
        self.behind = (0, 0);
        if self.start == StartAt::Head && !welcome.resumed {
            (self.epoch, self.applied, self.gap) = (None, welcome.head_seq, None);
        }
        let reset = self.reset_by(&welcome);
        if let Some(reason) = reset {
            self.begin_anew(reason);
        }
        self.role = Some(welcome.role);
        self.server_clock = Some((welcome.server_time_ms, now));
        self.worker = welcome.worker;
        self.ledger.replace(now, welcome.pending);
        // After every other reset the first event of the log follows on this socket.
        let follows = !welcome.resumed && !repeated && welcome.reset_reason.as_deref() != Some(GAP);
        if reset.is_none() || follows {
            self.epoch = Some(welcome.epoch.as_str().to_owned());
        } else {
            self.step(now, Link::reopen);
        }
        self.mark_waiting();
        self.mark_delivered();
        self.outbox.hurry();
        self.pages.hurry();
        self.change(Change::Ledger);
        self.change(Change::Worker);
    }

    /// Why the log that was shown is not the one this socket goes on with, if so.
    fn reset_by(&self, welcome: &Welcome) -> Option<ResetReason> {
        let known = self.epoch.as_deref()?;
        if known != welcome.epoch.as_str() {
            return Some(ResetReason::Epoch);
        }
        if welcome.head_seq < self.applied {
            return Some(ResetReason::BeyondHead);
        }
        (!welcome.resumed).then_some(ResetReason::Gap)
    }

    /// Forgets the log that was shown, for another one, or for another part of it.
    fn begin_anew(&mut self, reason: ResetReason) {
        self.epoch = None;
        self.applied = 0;
        self.tail = None;
        self.gap = None;
        self.worker.delivered_seq = None;
        self.generation += 1;
        self.transcript.reset();
        self.live.reset();
        self.recent.clear();
        self.pages.forget();
        self.outbox.send_again();
        self.change(Change::LogReset(reason));
        self.change(Change::Outbox);
    }

    fn heartbeat(&mut self, now: Tick, beat: &Heartbeat) {
        self.server_clock = Some((beat.server_time_ms, now));
        let (at, beats) = self.behind;
        self.behind = match beat.head_seq > self.applied {
            true if at == self.applied => (at, beats + 1),
            true => (self.applied, 1),
            false => (self.applied, 0),
        };
        if self.behind.1 >= STALLED_BEATS {
            self.behind = (self.applied, 0);
            self.missing(now, beat.head_seq.saturating_add(1));
        }
    }

    fn events(&mut self, now: Tick, frame: Events) {
        let before = self.applied;
        for row in frame.events {
            if self.start == StartAt::Head {
                self.applied = self.applied.max(row.seq);
                continue;
            }
            if row.seq <= self.applied {
                if self.recent.compare(row.seq, &row.event) == Seen::Other {
                    self.begin_anew(ResetReason::Contradiction);
                    return self.step(now, Link::reopen);
                }
                continue;
            }
            if Some(row.seq) != self.applied.checked_add(1) {
                self.missing(now, row.seq);
                break;
            }
            self.applied = row.seq;
            self.recent.note(row.seq, &row.event);
            self.transcript.apply(row.seq, &row.event);
            if let Ok(header) = row.event.header()
                && let Some(uuid) = header.uuid.filter(|_| header.kind == "user")
            {
                self.arrived(&uuid);
            }
            if let Some(tail) = &mut self.tail {
                tail.append(row);
            }
            self.draw_live();
        }
        self.gap.take_if(|gap| gap.before_seq <= self.applied.saturating_add(1));
        self.mark_waiting();
        self.mark_delivered();
        if self.applied > before && self.link.is_online() {
            self.send(ClientFrame::Ack(Ack { seq: self.applied }));
        }
    }

    /// Rows up to `before_seq` are missing: never draw across them, ask for them.
    fn missing(&mut self, now: Tick, before_seq: u64) {
        self.gap = Some(Gap { after_seq: self.applied, before_seq });
        self.step(now, Link::reopen);
    }

    pub(super) fn fetched(&mut self, now: Tick, fetch: u64, page: Option<EventsPage>) {
        match self.pages.answered(fetch) {
            Some(Page::Tail) => {
                let began = page.is_some_and(|page| self.begin(now, page));
                self.pages.tail_came(began);
                if !began {
                    self.step(now, |link, now| link.closed(now, close::ABNORMAL));
                }
            }
            Some(Page::Above) => match page {
                Some(page) => self.prepend(now, page),
                None => self.pages.failed(now),
            },
            None => {}
        }
    }

    /// Begins with the newest page. `false` when it has holes, or is none.
    fn begin(&mut self, now: Tick, page: EventsPage) -> bool {
        let empty = page.data.is_empty() && page.head_seq == 0;
        let tail = Tail::new(page.data);
        if tail.is_none() && !empty || !self.link.prepared(now) {
            return false;
        }
        self.epoch = Some(page.epoch.as_str().to_owned());
        self.applied = 0;
        if let Some(tail) = tail {
            for row in tail.rows() {
                self.applied = row.seq;
                self.recent.note(row.seq, &row.event);
            }
            self.tail = Some(tail);
            self.refold();
        }
        self.outputs.push_back(Output::Open);
        true
    }

    fn prepend(&mut self, now: Tick, page: EventsPage) {
        if self.epoch.as_deref() != Some(page.epoch.as_str()) {
            self.begin_anew(ResetReason::Epoch);
            return match self.link.view() {
                LinkView::Connecting | LinkView::Online => self.step(now, Link::reopen),
                LinkView::Stopped(StopReason::Archived) => self.step(now, Link::start),
                LinkView::Waiting { .. } | LinkView::Stopped(_) => {}
            };
        }
        match self.tail.as_mut().map(|tail| tail.prepend(page.data)) {
            Some(Added::Nothing) => self.pages.failed(now),
            Some(Added::Kept) => self.pages.came(now),
            Some(Added::Refold) => {
                self.pages.came(now);
                self.pages.drawn();
                self.refold();
            }
            None => {}
        }
    }

    /// Asks for the page above what is loaded, if somebody wants it.
    pub(super) fn ask_history(&mut self, now: Tick) {
        let Some(first_seq) = self.tail.as_ref().map(Tail::first_seq) else { return self.pages.drawn() };
        if !self.link.is_wanted() {
            return;
        }
        if let Some((fetch, query)) = self.pages.ask_above(now, first_seq) {
            self.outputs.push_back(Output::Fetch { fetch, query });
        }
    }

    /// Folds the loaded part of the log anew. Previews stay; prompts it shows leave the outbox.
    fn refold(&mut self) {
        let Some(tail) = self.tail.take() else { return };
        let previews = self.transcript.carry_previews();
        self.transcript.reset();
        for row in tail.rows() {
            self.transcript.apply(row.seq, &row.event);
        }
        self.transcript.restore_previews(previews);
        self.mark_waiting();
        self.mark_delivered();
        for uuid in self.outbox.uuids() {
            if self.transcript.knows_prompt(&uuid) {
                self.arrived(&uuid);
            }
        }
        self.tail = Some(tail).filter(|tail| tail.first_seq() > 1);
    }

    fn draw_live(&mut self) {
        while let Some(event) = self.live.pop(self.applied) {
            if event.after_seq >= self.transcript.live_floor() {
                self.transcript.apply_live(&event.event);
            }
        }
    }

    /// A request can overtake the call it belongs to: whenever either arrives, both are brought together.
    fn mark_waiting(&mut self) {
        for entry in self.ledger.entries() {
            let call = entry.tool.as_ref().and_then(|tool| tool.tool_use_id.as_deref());
            if let Some(call) = call {
                self.transcript.set_waiting(call, entry.state == PermissionState::Pending);
            }
        }
    }

    /// The worker's word on a prompt can overtake the prompt too.
    fn mark_delivered(&mut self) {
        if let Some(seq) = self.worker.delivered_seq {
            self.transcript.set_delivered(seq);
        }
    }

    pub(super) fn step(&mut self, now: Tick, advance: impl FnOnce(&mut Link, Tick) -> Step) {
        let step = advance(&mut self.link, now);
        if matches!(step, Step::Reopen | Step::Close) {
            self.outputs.push_back(Output::Close { code: close::NORMAL });
        }
        if !self.link.is_preparing() && self.pages.give_up_tail() {
            self.pages.tail_came(false);
        }
        match step {
            Step::None | Step::Close => {}
            Step::Open | Step::Reopen => self.open(now),
            Step::AskWhoami => self.outputs.push_back(Output::AskWhoami),
            Step::Reload => self.outputs.push_back(Output::Reload),
        }
    }
}

fn oauth(token: String) -> Credential {
    Credential { kind: "oauth".into(), token }
}
