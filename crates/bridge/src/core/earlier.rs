//! What a bridge puts on disk while it relays, entry by entry, and what its next life reads out of that: which prompts
//! an agent may have read, whether one ran to the end of its bridge, and what was read from it and never taken.
//!
//! Each entry is whole in itself, so that a bridge may be killed between any two of them. Nothing here does IO: a
//! folder of files and a simulated disk give the same [`Earlier`].

use std::collections::HashSet;

use portcullis_protocol::RawJson;
use portcullis_protocol::id::Incarnation;
use portcullis_protocol::limits::UUID_RING_MAX;
use serde::{Deserialize, Serialize};

use super::legacy::Legacy;

/// One thing to remember, in the order it was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// This prompt is about to reach stdin.
    Prompt { seq: u64, uuid: String },
    /// This request is about to be answered.
    Answered { incarnation: Incarnation, request_id: String, behavior: String },
    /// The agent went on behind that answer, or the log says that nobody knows.
    Settled { request_id: String },
    /// The agent read this prompt, or the log says that nobody knows.
    Closed { uuid: String },
    /// An agent process is about to start, or the one that runs is called this from now on.
    Started { incarnation: Incarnation },
    /// What is said says that the agent ended.
    Told,
    /// The ingress knows all that this incarnation said, and that it is over.
    Ended { incarnation: Incarnation },
    /// This is what the next process goes on with from now on.
    Left(Legacy),
    /// This is about to be posted in the content lane. Spooled: written in order, but not forced to the disk.
    Said {
        incarnation: Incarnation,
        n: u64,
        event: RawJson,
        /// What nobody has to say any more once this is said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        settles: Vec<Fact>,
    },
    /// The ingress has everything of this incarnation below `next_n`. Spooled.
    Taken { incarnation: Incarnation, next_n: u64 },
}

/// What an event of the content lane settles, in the same write as the event itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The fate of this prompt.
    Prompt(String),
    /// What became of the answer to this request.
    Answer(String),
    /// That the agent ended.
    Agent,
}

/// The `next_n` of an incarnation of which nothing is wanted any more.
pub(crate) const ALL: u64 = u64::MAX;

impl From<Fact> for Entry {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Prompt(uuid) => Self::Closed { uuid },
            Fact::Answer(request_id) => Self::Settled { request_id },
            Fact::Agent => Self::Told,
        }
    }
}

/// What earlier lives of the bridge left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Prompts that may have been written, oldest first.
    pub prompts: Vec<EarlierPrompt>,
    /// The agent that ran to the end of its bridge.
    pub agent: Option<EarlierAgent>,
    /// What was said last.
    pub rest: Option<Rest>,
    /// Incarnations whose spooled words are copies nobody wants.
    pub leftovers: Vec<Incarnation>,
    /// What the next process goes on with.
    pub legacy: Legacy,
}

/// A prompt that may have been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierPrompt {
    /// Its place in the log.
    pub seq: u64,
    /// Its uuid.
    pub uuid: String,
    /// Whether nobody knows if it was read.
    pub is_open: bool,
}

/// An agent that ran to the end of its bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierAgent {
    /// Its name.
    pub incarnation: Incarnation,
    /// Whether what is said says that it ended.
    pub is_told: bool,
    /// Requests it was about to be told to go on with, and nobody knows whether it did.
    pub unsettled: Vec<String>,
}

/// What an incarnation said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Who said it.
    pub incarnation: Incarnation,
    /// The position behind its last word.
    pub next_n: u64,
    /// Its words that the ingress may not have, dense up to `next_n`.
    pub items: Vec<(u64, RawJson)>,
}

impl Earlier {
    /// Reads what was put on disk. The journal and the spool may come one after the other: between them no order
    /// counts.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut reading = Reading::default();
        for entry in entries {
            reading.read(entry);
        }
        reading.finish()
    }

    /// Whether this prompt may have been written.
    pub(crate) fn knows(&self, uuid: &str) -> bool {
        self.prompts.iter().any(|prompt| prompt.uuid == uuid)
    }

    /// Prompts nobody knows the fate of, oldest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = &str> {
        self.prompts.iter().filter(|prompt| prompt.is_open).map(|prompt| prompt.uuid.as_str())
    }

    /// As [`Earlier::open`], and from then on their fate is known.
    pub(crate) fn take_open(&mut self) -> impl Iterator<Item = String> {
        let open = self.prompts.iter_mut().filter(|prompt| prompt.is_open);
        open.map(|prompt| {
            prompt.is_open = false;
            prompt.uuid.clone()
        })
    }

    /// The journal's part of it, as entries that give the same again.
    pub(crate) fn journalled(&self) -> impl Iterator<Item = Entry> {
        let prompts = self.prompts.iter().flat_map(|prompt| {
            let uuid = prompt.uuid.clone();
            let closed = (!prompt.is_open).then(|| Entry::Closed { uuid: uuid.clone() });
            std::iter::once(Entry::Prompt { seq: prompt.seq, uuid }).chain(closed)
        });
        let agent = self.agent.iter().flat_map(|agent| {
            let incarnation = agent.incarnation.clone();
            let answered = agent.unsettled.iter().map(move |request_id| Entry::Answered {
                incarnation: agent.incarnation.clone(),
                request_id: request_id.clone(),
                behavior: "allow".to_owned(),
            });
            let told = agent.is_told.then_some(Entry::Told);
            std::iter::once(Entry::Started { incarnation }).chain(answered).chain(told)
        });
        let legacy = Some(self.legacy.clone()).filter(|legacy| *legacy != Legacy::default());
        prompts.chain(agent).chain(legacy.map(Entry::Left))
    }

    /// Whether something has to be said that the log does not know.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.agent.is_some()
            || self.open().next().is_some()
            || self.rest.as_ref().is_some_and(|rest| !rest.items.is_empty())
    }

    /// The incarnation that has to finish speaking before another may begin.
    pub(crate) fn speaker(&self) -> Option<&Incarnation> {
        let rest = self.rest.as_ref().map(|rest| &rest.incarnation);
        rest.or_else(|| self.agent.as_ref().map(|agent| &agent.incarnation))
    }
}

#[derive(Default)]
struct Reading {
    prompts: Vec<(u64, String)>,
    closed: HashSet<String>,
    agent: Option<EarlierAgent>,
    answered: Vec<(Incarnation, String)>,
    settled: HashSet<String>,
    is_told: bool,
    ended: HashSet<Incarnation>,
    spools: Vec<Rest>,
    legacy: Legacy,
}

impl Reading {
    fn read(&mut self, entry: Entry) {
        match entry {
            Entry::Prompt { seq, uuid } => self.prompts.push((seq, uuid)),
            Entry::Answered { incarnation, request_id, behavior } => {
                if behavior == "allow" {
                    self.answered.push((incarnation, request_id));
                }
            }
            Entry::Settled { request_id } => self.settle(Fact::Answer(request_id)),
            Entry::Closed { uuid } => self.settle(Fact::Prompt(uuid)),
            Entry::Told => self.settle(Fact::Agent),
            Entry::Started { incarnation } => self.start(incarnation),
            Entry::Left(legacy) => self.legacy = legacy,
            Entry::Ended { incarnation } => {
                // One process at a time: whichever name it went by, none is left.
                self.agent = None;
                self.answered.clear();
                self.ended.insert(incarnation);
            }
            Entry::Said { incarnation, .. } if self.ended.contains(&incarnation) => {}
            Entry::Said { incarnation, n, event, settles } => {
                self.spool(incarnation).say(n, event);
                settles.into_iter().for_each(|fact| self.settle(fact));
            }
            Entry::Taken { incarnation, next_n } => self.spool(incarnation).take(next_n),
        }
    }

    fn settle(&mut self, fact: Fact) {
        match fact {
            Fact::Prompt(uuid) => {
                self.closed.insert(uuid);
            }
            Fact::Answer(request_id) => {
                self.settled.insert(request_id);
            }
            Fact::Agent => self.is_told = true,
        }
    }

    fn start(&mut self, incarnation: Incarnation) {
        match &mut self.agent {
            Some(agent) => agent.incarnation = incarnation,
            None => {
                self.is_told = false;
                self.agent = Some(EarlierAgent { incarnation, is_told: false, unsettled: Vec::new() });
            }
        }
    }

    fn spool(&mut self, incarnation: Incarnation) -> &mut Rest {
        let at = self.spools.iter().position(|rest| rest.incarnation == incarnation).unwrap_or_else(|| {
            self.spools.push(Rest { incarnation, next_n: 0, items: Vec::new() });
            self.spools.len() - 1
        });
        &mut self.spools[at]
    }

    fn finish(self) -> Earlier {
        let Self { mut prompts, closed, agent, answered, settled, is_told, ended, mut spools, legacy } = self;
        let newest = prompts.split_off(prompts.len().saturating_sub(UUID_RING_MAX));
        let prompts = newest
            .into_iter()
            .map(|(seq, uuid)| EarlierPrompt { seq, is_open: !closed.contains(&uuid), uuid })
            .collect();
        let unsettled: Vec<String> =
            answered.into_iter().map(|(_, id)| id).filter(|id| !settled.contains(id)).collect();
        let agent = agent.map(|agent| EarlierAgent { is_told, unsettled, ..agent });
        spools.retain(|rest| !ended.contains(&rest.incarnation) && rest.next_n != ALL);
        // The first one that is not taken speaks: a later one copies it, and was not posted while this one is here.
        let is_agents =
            |rest: &Rest| agent.as_ref().is_some_and(|agent| agent.incarnation == rest.incarnation);
        let at = spools
            .iter()
            .position(|rest| !rest.items.is_empty())
            .or_else(|| spools.iter().position(is_agents));
        let rest = at.map(|at| spools.remove(at));
        let leftovers = spools.into_iter().map(|rest| rest.incarnation).collect();
        Earlier { prompts, agent, rest, leftovers, legacy }
    }
}

impl Rest {
    /// Adds what was said at `n`, in the place of what was said there before.
    fn say(&mut self, n: u64, event: RawJson) {
        match self.items.binary_search_by_key(&n, |(known, _)| *known) {
            Ok(at) => self.items[at].1 = event,
            // Said again to an ingress that had lost it.
            Err(at) if n < self.next_n => self.items.insert(at, (n, event)),
            Err(_) if n == self.next_n || self.items.is_empty() => {
                self.items.push((n, event));
                self.next_n = n.saturating_add(1);
            }
            // Only a damaged disk has a hole, and nothing can be said behind it.
            Err(_) => {}
        }
    }

    fn take(&mut self, next_n: u64) {
        self.items.retain(|(n, _)| *n >= next_n);
        self.next_n = self.next_n.max(next_n);
    }
}
