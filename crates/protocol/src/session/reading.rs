//! What comes down: frames of the socket and pages of the log, folded in the order of `seq` and never across a hole.

use super::history::Rows;
use super::link::{Link, Step};
use super::output::{Change, Output, ResetReason};
use super::pages::{Page, Want};
use super::recent::Seen;
use super::{Gap, Session, StartAt};
use crate::limits::{GOAWAY_PAUSE_MAX_MS, RESUME_GAP_EVENTS_MAX, STALLED_BEATS};
use crate::tick::Tick;
use crate::wire::client::{
    Ack, Auth, ClientFrame, Credential, Events, Heartbeat, PermissionState, Reply, Resume, ServerFrame,
    Welcome,
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
            Ok(ServerFrame::Reply(Reply { request_id, event })) => {
                if !self.moved(now, &request_id, Ok(&event)) {
                    self.change(Change::Reply { request_id, event: Some(event), error: None });
                }
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
            if self.start == StartAt::Tail {
                self.loaded.get_or_insert_default();
            }
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
    pub(super) fn begin_anew(&mut self, reason: ResetReason) {
        self.epoch = None;
        self.applied = 0;
        self.loaded = None;
        self.visit = None;
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
            if let Some(loaded) = &mut self.loaded {
                loaded.append(row);
            }
            self.draw_live();
        }
        self.let_go();
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
            Some(Page::Wanted(want)) => match page {
                Some(page) => self.arrived_page(now, want, page),
                None => self.pages.failed(now),
            },
            None => {}
        }
    }

    /// Begins with the newest page. `false` when it has holes, or is none.
    fn begin(&mut self, now: Tick, page: EventsPage) -> bool {
        let empty = page.data.is_empty() && page.head_seq == 0;
        let loaded = if empty { Some(Rows::default()) } else { Rows::new(page.data) };
        let Some(loaded) = loaded.filter(|_| self.link.prepared(now)) else { return false };
        self.epoch = Some(page.epoch.as_str().to_owned());
        self.applied = loaded.last_seq();
        for row in loaded.iter() {
            self.recent.note(row.seq, &row.event);
        }
        self.visit = None;
        self.loaded = Some(loaded);
        self.refold();
        self.outputs.push_back(Output::Open);
        true
    }

    /// Asks for the page that is wanted, if it can be had.
    pub(super) fn ask_history(&mut self, now: Tick) {
        let Some(want) = self.pages.wanted() else { return };
        let Some(query) = self.query_for(want).filter(|_| self.epoch.is_some()) else {
            // A row that somebody wants to see is waited for until the log is known.
            return if self.epoch.is_some() || !matches!(want, Want::Around(_)) {
                self.pages.drawn()
            };
        };
        if !self.link.is_wanted() {
            return;
        }
        if let Some((fetch, _)) = self.pages.ask_wanted(now) {
            self.outputs.push_back(Output::Fetch { fetch, query });
        }
    }

    /// The start of what is loaded goes when it became too much: it is in the log. What is known of the session stays.
    fn let_go(&mut self) {
        let oldest = self.transcript.oldest_queued();
        let Some(loaded) = self.loaded.as_mut().filter(|loaded| loaded.exceeds(2)) else { return };
        let first = loaded.first_seq();
        loaded.cut_start(oldest.unwrap_or(u64::MAX));
        if loaded.first_seq() > first {
            let facts = self.transcript.facts().clone();
            self.refold();
            self.transcript.set_facts(facts);
        }
    }

    /// Folds the loaded part of the log anew. Previews stay; prompts it shows leave the outbox.
    pub(super) fn refold(&mut self) {
        let Some(loaded) = self.loaded.take() else { return };
        let previews = self.transcript.carry_previews();
        self.transcript.reset();
        for row in loaded.iter() {
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
        self.loaded = Some(loaded);
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
