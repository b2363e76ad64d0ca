//! The checker, in the style of Jepsen: what every part shows at the end, against what really happened.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::digest;
use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::client::{Permission, PermissionState};
use serde::Deserialize;

use crate::record::{Truth, fact_in};
use crate::tab::View;

/// What a violation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something that was taken is not there.
    Lost,
    /// Something is there twice, or ran twice.
    Duplicated,
    /// Something is there in another order.
    Reordered,
    /// A decision was lost, doubled, or something ran without one.
    Approval,
    /// A client shows something else than the log.
    Shown,
    /// It did not come to rest after the network healed.
    Stuck,
}

/// One broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Of what.
    pub kind: Kind,
    /// In words.
    pub what: String,
}

/// One session at the end of a run.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// Which one.
    pub session: SessionId,
    /// Its log: place, whether a client said it, and the event.
    pub log: Vec<(u64, bool, RawJson)>,
    /// Its requests.
    pub rows: Vec<Permission>,
    /// What a client shows that read all of it at once, at the end.
    pub fold: View,
    /// What the clients show that lived through it.
    pub views: BTreeMap<String, View>,
}

#[derive(Deserialize)]
struct Uuid {
    uuid: String,
}

#[derive(Deserialize)]
struct Request {
    request: RawJson,
}

/// Holds a session against the truth.
#[must_use]
pub(crate) fn check(evidence: &Evidence, truth: &Truth) -> Vec<Violation> {
    let mut checker = Checker { evidence, truth, found: Vec::new() };
    checker.facts();
    checker.prompts();
    checker.tools();
    checker.decisions();
    checker.clients();
    checker.found
}

struct Checker<'a> {
    evidence: &'a Evidence,
    truth: &'a Truth,
    found: Vec<Violation>,
}

impl Checker<'_> {
    fn report(&mut self, kind: Kind, what: String) {
        self.found.push(Violation { kind, what: format!("{}: {what}", self.evidence.session) });
    }

    /// Each fact once, in order; and each one that the bridge had read.
    fn facts(&mut self) {
        let worker = self.evidence.log.iter().filter(|(_, up, _)| !up);
        let logged: Vec<u64> = worker.filter_map(|(.., event)| fact_in(event.as_str())).collect();
        let mut seen = BTreeSet::new();
        for (at, number) in logged.iter().enumerate() {
            if !seen.insert(*number) {
                self.report(Kind::Duplicated, format!("fact {number} is in the log twice"));
            } else if at > 0 && logged[at - 1] > *number {
                let before = logged[at - 1];
                self.report(Kind::Reordered, format!("fact {number} is in the log behind fact {before}"));
            }
        }
        let stated = self.truth.facts.get(&self.evidence.session).map(Vec::as_slice).unwrap_or_default();
        for fact in stated.iter().filter(|fact| fact.read && !fact.restored_away) {
            if !seen.contains(&fact.number) {
                self.report(Kind::Lost, format!("fact {} was read and is not in the log", fact.number));
            }
        }
    }

    /// Each prompt once at the agent, or known as unknown, or never stored.
    fn prompts(&mut self) {
        let session = &self.evidence.session;
        let up = self.evidence.log.iter().filter(|(_, up, _)| *up);
        let mut logged = BTreeMap::new();
        for (.., event) in up {
            if let Ok(Uuid { uuid }) = event.read::<Uuid>() {
                *logged.entry(uuid).or_insert(0_u32) += 1;
            }
        }
        let heard = |uuid: &str| {
            self.truth.heard.iter().filter(|(place, known)| place == session && known == uuid).count()
        };
        let mut found = Vec::new();
        for (uuid, times) in &logged {
            if *times > 1 {
                found.push((Kind::Duplicated, format!("prompt {uuid} is in the log {times} times")));
            }
            let is_unknown = self.evidence.fold.unknown.contains(uuid);
            if heard(uuid) == 0 && !is_unknown {
                found.push((
                    Kind::Lost,
                    format!("prompt {uuid} is in the log, the agent never heard it, and nobody says so"),
                ));
            }
        }
        for said in self.truth.prompts.iter().filter(|said| said.session == *session) {
            let times = heard(&said.uuid);
            if times > 1 {
                found.push((
                    Kind::Duplicated,
                    format!("prompt {} reached the agent {times} times", said.uuid),
                ));
            }
            let waits = self.evidence.views.values().flat_map(|view| &view.outbox);
            let waits = waits.filter(|(uuid, _)| *uuid == said.uuid).count();
            if !logged.contains_key(&said.uuid) && waits == 0 && self.truth.restores == 0 {
                found.push((
                    Kind::Lost,
                    format!("prompt {} is neither in the log nor in an outbox", said.uuid),
                ));
            }
        }
        for (kind, what) in found {
            self.report(kind, what);
        }
    }

    /// Each tool at most once, and only with what somebody allowed.
    fn tools(&mut self) {
        let asked = self.truth.asked.iter().filter(|((session, _), _)| *session == self.evidence.session);
        let mut found = Vec::new();
        for ((_, tool), asked) in asked {
            if asked.ran > 1 || asked.answers.len() > 1 {
                found.push(format!(
                    "{tool} was answered {} times and ran {} times",
                    asked.answers.len(),
                    asked.ran
                ));
            }
            #[derive(Deserialize)]
            struct Input {
                input: RawJson,
            }
            let held = asked.request.read::<Input>().map(|held| held.input).ok();
            let digest = digest(&asked.request);
            for (allowed, input) in asked.answers.iter().filter(|(allow, _)| *allow) {
                debug_assert!(allowed);
                let allowances =
                    self.truth.posted.iter().filter(|posted| posted.allow && posted.digest == digest);
                let fits = allowances.into_iter().any(|posted| match &posted.edited {
                    None => input.as_ref().map(RawJson::as_str) == held.as_ref().map(RawJson::as_str),
                    Some(edited) => input.as_ref().is_some_and(|input| input.same_value(edited)),
                });
                if !fits {
                    found.push(format!("{tool} ran with {input:?}, which nobody allowed"));
                }
            }
        }
        for what in found {
            self.report(Kind::Approval, what);
        }
    }

    /// Each decision that was taken reached the agent, or its row says why not; no request has two.
    fn decisions(&mut self) {
        let mut found: Vec<String> = self.truth.forged.clone();
        let asked: BTreeMap<String, (&String, &crate::record::Asked)> = self
            .truth
            .asked
            .iter()
            .filter(|((session, _), _)| *session == self.evidence.session)
            .map(|((_, tool), asked)| (digest(&asked.request), (tool, asked)))
            .collect();
        let accepted = self.truth.posted.iter().filter(|posted| posted.accepted);
        let mut winners: BTreeMap<&str, bool> = BTreeMap::new();
        for posted in accepted {
            let Some((tool, asked)) = asked.get(&posted.digest) else { continue };
            if winners.insert(&posted.digest, posted.allow).is_some_and(|other| other != posted.allow)
                && self.truth.restores == 0
            {
                found.push(format!("{tool} was allowed and denied, and the server took both"));
            }
            let row = self.evidence.rows.iter().find(|row| row.digest == posted.digest);
            match row.map(|row| row.state) {
                None if self.truth.restores > 0 => {}
                None => found.push(format!("{tool} was decided and has no row")),
                Some(PermissionState::Pending) if self.truth.restores > 0 => {}
                Some(state @ (PermissionState::Pending | PermissionState::Decided)) => {
                    found.push(format!("{tool} was decided, and its row is still {state:?}"));
                }
                Some(PermissionState::Delivered | PermissionState::Settled) => {
                    if asked.answers.is_empty() {
                        found.push(format!("{tool} counts as answered, and the agent has no answer"));
                    }
                }
                Some(
                    PermissionState::Cancelled
                    | PermissionState::Orphaned
                    | PermissionState::Refused
                    | PermissionState::Expired,
                ) => {}
            }
        }
        for what in found {
            self.report(Kind::Approval, what);
        }
        for row in self.evidence.rows.iter().filter(|row| !row.state.is_final()) {
            let request = row.event.as_ref().and_then(|event| event.read::<Request>().ok());
            if request.is_none_or(|request| digest(&request.request) != row.digest) {
                self.report(Kind::Approval, format!("{} waits under another digest", row.request_id));
            }
        }
    }

    /// Every client shows the log, and what waits.
    fn clients(&mut self) {
        let head = self.evidence.log.last().map_or(0, |(seq, ..)| *seq);
        let open: BTreeMap<String, (PermissionState, String)> = self
            .evidence
            .rows
            .iter()
            .filter(|row| !row.state.is_final())
            .map(|row| (row.request_id.clone(), (row.state, row.digest.clone())))
            .collect();
        let fold = &self.evidence.fold;
        if fold.applied != head {
            self.report(
                Kind::Shown,
                format!("a new client reads up to {}, the log ends at {head}", fold.applied),
            );
        }
        for (name, view) in &self.evidence.views {
            if view.applied != head {
                self.report(Kind::Shown, format!("{name} is at {}, the log ends at {head}", view.applied));
            }
            for (mine, theirs) in [(&view.items, &fold.items), (&view.queue, &fold.queue)] {
                if mine != theirs {
                    let at = mine.iter().zip(theirs).take_while(|(mine, theirs)| mine == theirs).count();
                    let (mine, theirs) = (mine.get(at), theirs.get(at));
                    self.report(
                        Kind::Shown,
                        format!("{name} shows another item {at}:\n    {mine:?}\n  the log folds to\n    {theirs:?}"),
                    );
                }
            }
            if view.requests != open {
                self.report(Kind::Shown, format!("{name} shows {:?}, and {open:?} are open", view.requests));
            }
            if !view.outbox.is_empty() {
                self.report(Kind::Lost, format!("{name} still has {:?} to send", view.outbox));
            }
            if view.told_of_restores == 0 && self.truth.restores > 0 && view.applied == 0 && head > 0 {
                self.report(Kind::Shown, format!("{name} was not told that the log is another one"));
            }
        }
    }
}
