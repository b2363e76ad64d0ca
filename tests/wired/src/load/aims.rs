//! What has to hold, however much an agent prints.

use std::time::Duration;

use super::scene::{Found, Line};
use super::shape::Shape;
use crate::timing::Samples;

/// A decision reaches the agent's stdin within this, 99 times of 100.
const ANSWER: Duration = Duration::from_millis(50);
/// Any request of a client is answered within this.
const REQUEST: Duration = Duration::from_secs(1);
/// An agent that obeys is gone within this after the order to end it.
const AGENT_GONE: Duration = Duration::from_secs(1);
/// A bridge whose agent obeys is gone within this after Ctrl-C: 15 s for last words that are taken (5 s where none is),
/// 5 s for the goodbye.
const BRIDGE_GONE: Duration = Duration::from_secs(22);

/// What a bridge may hold for one session, in MiB. All but the first are bounds that are written down in the code.
pub const MEMORY_LIMITS: [(&str, u64); 8] = [
    ("itself", 64),
    ("content that waits for the server (core, CONTENT_BACKLOG_BYTES_MAX)", 32),
    ("one event that is above it, for it is taken whole (protocol, EVENT_BYTES_MAX)", 8),
    ("what was taken last, for a server that is set back (core/lane, TAIL_BYTES_MAX)", 4),
    ("one POST under way, and its text (protocol, POST_BYTES_MAX)", 16),
    ("the line that is being read (agent/process, LINE_BYTES_MAX)", 16),
    ("the event it is checked into (protocol, EVENT_BYTES_MAX)", 8),
    ("a line that was read and not yet taken (agent/process, READ_BYTES_MAX or one event)", 8),
];

/// The same together, in KiB.
pub const MEMORY_KIB_MAX: u64 = {
    let (mut sum, mut at) = (0, 0);
    while at < MEMORY_LIMITS.len() {
        sum += MEMORY_LIMITS[at].1;
        at += 1;
    }
    sum * 1_024
};

/// Whether an idle agent's answers take longer than a flooding one's may: then the machine is busy with something else,
/// and what is missed says little about the bridge.
#[must_use]
pub fn is_busy(idle: &Found) -> bool {
    idle.answers.percentile(99) >= ANSWER
}

/// The aims that `found` misses, in words.
#[must_use]
pub fn missed(found: &Found) -> Vec<String> {
    let mut missed = Vec::new();
    let scene = format!("{} over a {} line", found.shape.name(), found.line.name());
    let mut hold = |what: &str, took: Duration, aim: Duration| {
        if took >= aim {
            missed.push(format!("{scene}: {what} took {took:.0?}, the aim is {aim:.0?}"));
        }
    };
    hold("99 of 100 answers", found.answers.percentile(99), ANSWER);
    hold("a request to the bridge", found.of_the_bridge.max(), REQUEST);
    // What an agent printed before its answer goes first, and a line of 8 MiB takes a slow line four seconds.
    let can_be = found.line == Line::Fast || !matches!(found.shape, Shape::Huge | Shape::Mix);
    if can_be {
        hold("a request to the agent", found.of_the_agent.max(), REQUEST);
    }
    hold("the end of the agent", found.agent_gone, AGENT_GONE);
    if let Some(took) = found.bridge_gone {
        hold("Ctrl-C", took, BRIDGE_GONE);
    }
    if found.lost > 0 {
        missed.push(format!("{scene}: {} answers never arrived", found.lost));
    }
    // The last ones of each kind may still be on their way.
    if can_be && found.unanswered > 2 {
        missed.push(format!("{scene}: {} requests were not answered", found.unanswered));
    }
    if found.line != Line::Away && found.answers.count() == 0 {
        missed.push(format!("{scene}: nothing was decided"));
    }
    if found.peak_kib > MEMORY_KIB_MAX {
        missed.push(format!(
            "{scene}: the bridge held {} MiB of {}",
            found.peak_kib / 1_024,
            MEMORY_KIB_MAX / 1_024
        ));
    }
    missed
}

impl Found {
    /// What stands above the rows.
    pub const HEAD: &str = "shape     line   MB/s | answer p50    p99    max    n | server p50    p99 | bridge p50    max \
                            | agent p50    max open |  MiB | agent gone  Ctrl-C";

    /// As a row of the table.
    #[must_use]
    pub fn row(&self) -> String {
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        let of = |samples: &Samples, percent| {
            if samples.count() == 0 { "-".into() } else { ms(samples.percentile(percent)) }
        };
        format!(
            "{:<9} {:<5} {:>5.1} | {:>10} {:>6} {:>6} {:>4} | {:>10} {:>6} | {:>10} {:>6} | {:>9} {:>6} {:>4} | {:>4} | {:>10} {:>7}",
            self.shape.name(),
            self.line.name(),
            self.mb_per_s,
            of(&self.answers, 50),
            of(&self.answers, 99),
            of(&self.answers, 100),
            self.answers.count(),
            of(&self.taken, 50),
            of(&self.taken, 99),
            of(&self.of_the_bridge, 50),
            of(&self.of_the_bridge, 100),
            of(&self.of_the_agent, 50),
            of(&self.of_the_agent, 100),
            self.unanswered,
            self.peak_kib / 1_024,
            ms(self.agent_gone),
            self.bridge_gone.map_or_else(|| "-".into(), ms),
        )
    }
}
