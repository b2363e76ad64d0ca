//! Many seeds at once, and the table they give.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::check::Kind;
use crate::faults::Fault;
use crate::world::{Options, Outcome, run};

/// What many runs add up to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Runs.
    pub seeds: u64,
    /// Events in all logs.
    pub events: u64,
    /// Facts agents stated.
    pub facts: u64,
    /// Prompts people sent.
    pub prompts: u64,
    /// Tools agents asked for, and how many of them ran.
    pub requests: (u64, u64),
    /// Decisions that went out.
    pub decisions: u64,
    /// Misfortunes by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Broken promises by kind.
    pub violations: BTreeMap<Kind, u64>,
    /// Virtual time in all, in ms.
    pub virtual_ms: u64,
    /// What failed.
    pub failed: Vec<Failed>,
}

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Its outcome.
    pub outcome: Outcome,
    /// Whether it failed in the same way when it was run again.
    pub again: bool,
}

/// Runs every seed, on as many threads as there are cores. A seed that fails is run a second time.
#[must_use]
pub fn run_many(seeds: &[u64], options: Options) -> Totals {
    let (next, totals) = (AtomicUsize::new(0), Mutex::new(Totals::default()));
    let done = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(*seed, options);
                    let failed = (!outcome.violations.is_empty()).then(|| {
                        let again = run(*seed, options);
                        Failed { again: again.hash == outcome.hash, outcome: outcome.clone() }
                    });
                    let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                    totals.add(&outcome);
                    totals.failed.extend(failed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let mut totals = totals.into_inner().unwrap_or_else(PoisonError::into_inner);
    totals.failed.sort_by_key(|failed| failed.outcome.seed);
    totals
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.facts += outcome.facts;
        self.prompts += outcome.prompts;
        self.requests.0 += outcome.requests;
        self.requests.1 += outcome.ran;
        self.decisions += outcome.decisions;
        self.virtual_ms += outcome.virtual_ms;
        for (fault, count) in &outcome.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        for violation in &outcome.violations {
            *self.violations.entry(violation.kind).or_default() += 1;
        }
    }

    /// How many promises of that kind were broken.
    #[must_use]
    pub fn broken(&self, kind: Kind) -> u64 {
        self.violations.get(&kind).copied().unwrap_or(0)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.virtual_ms / 3_600_000;
        writeln!(f, "seeds {:>26}    ({hours} h of virtual time)", self.seeds)?;
        writeln!(f, "events {:>25}", self.events)?;
        writeln!(f, "facts {:>26}", self.facts)?;
        writeln!(f, "prompts {:>24}", self.prompts)?;
        writeln!(f, "tools asked for {:>16}    ({} ran)", self.requests.0, self.requests.1)?;
        writeln!(f, "decisions {:>22}", self.decisions)?;
        writeln!(f, "faults {:>25}", self.faults.values().sum::<u64>())?;
        for fault in Fault::ALL {
            writeln!(f, "  {:<26} {:>3}", fault.name(), self.faults.get(&fault).copied().unwrap_or(0))?;
        }
        let zeros = [
            ("lost", Kind::Lost),
            ("duplicated", Kind::Duplicated),
            ("reordered", Kind::Reordered),
            ("approvals lost or doubled", Kind::Approval),
            ("shown otherwise", Kind::Shown),
            ("not come to rest", Kind::Stuck),
        ];
        for (name, kind) in zeros {
            writeln!(f, "{name:<26} {:>5}", self.broken(kind))?;
        }
        for Failed { outcome, again } in &self.failed {
            let again = if *again { "the same when run again" } else { "DIFFERENT WHEN RUN AGAIN" };
            writeln!(f, "\nseed {} failed ({again}):", outcome.seed)?;
            for violation in &outcome.violations {
                writeln!(f, "  {:?}: {}", violation.kind, violation.what)?;
            }
        }
        Ok(())
    }
}
