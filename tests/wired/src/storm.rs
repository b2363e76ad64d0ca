//! The long run: facts and approvals through a network that fails all the time, and the count of what went wrong.
//!
//! Each round one tab says a prompt that needs an approval and prints facts, and one connection of either hop is cut.
//! At the end the network heals, and everything that was said has to be in the log once, in order, and shown so by
//! every tab; every approved command has to have run once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portcullis_protocol::session::{Input, Session};

use crate::chance::Chance;
use crate::facts::{self, Flaws};
use crate::patience::{PATIENCE, until};
use crate::proxy::{Counts, Fault, Proxy};
use crate::stage::Stage;
use crate::tab::Tab;

/// A cut that finds no bytes to happen at within this happens at once.
const FUSE_TIME: Duration = Duration::from_millis(150);
/// Rounds whose approval may be open at once: more would only queue behind one another in the agent.
const ROUNDS_OPEN_MAX: usize = 3;
/// Half-open connections in one run: each takes 25 s to be noticed.
const HALF_OPEN_MAX: u64 = 4;
/// A process is killed within this of the prompt of its round, in ms.
pub const KILL_WITHIN_MS: usize = 400;
/// Where approved commands leave their mark.
pub const MARKS: &str = "ran.txt";

/// How much is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Facts the agent says.
    pub facts: u64,
    /// Rounds: as many cuts at least, and as many approvals.
    pub rounds: u64,
    /// Tabs that look on and take turns speaking.
    pub tabs: u64,
    /// All choices follow from it.
    pub seed: u64,
    /// What happens in every round.
    pub weather: Weather,
}

/// What happens in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// One connection of either hop is cut.
    Cuts,
    /// The server is killed at a random moment, and started again.
    ServerKilled,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Events in the log at the end.
    pub events: usize,
    /// Facts that were said.
    pub facts: u64,
    /// Faults by kind, both hops.
    pub faults: Counts,
    /// What is wrong with the log.
    pub log: Flaws,
    /// What is wrong with what tabs show, all tabs together.
    pub shown: Flaws,
    /// Positions of the log that are not the last plus one.
    pub holes: usize,
    /// Prompts a tab was told the server has.
    pub prompts: usize,
    /// Those of them that are not in the log.
    pub prompts_lost: usize,
    /// Prompts that stand in the log more than once.
    pub prompts_doubled: usize,
    /// Approvals that were given.
    pub approvals: u64,
    /// Approved commands that did not run.
    pub approvals_lost: usize,
    /// Approved commands that ran again.
    pub approvals_doubled: usize,
    /// Tabs that show something else than one that came after.
    pub tabs_that_differ: usize,
    /// Sockets the tabs opened.
    pub sockets: u64,
    /// From a prompt to the agent's going on, at worst: what a cut costs.
    pub slowest_round: Duration,
    /// From the first prompt to the last look.
    pub took: Duration,
}

impl Findings {
    /// Connections that were cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.faults.iter().filter(|(fault, _)| fault.is_cut()).map(|(_, count)| count).sum()
    }

    /// Whether nothing is lost, nothing is there twice, and everything is in order.
    #[must_use]
    pub fn are_clean(&self) -> bool {
        let clean = Flaws::default();
        let counts = [
            self.holes,
            self.prompts_lost,
            self.prompts_doubled,
            self.approvals_lost,
            self.approvals_doubled,
            self.tabs_that_differ,
        ];
        self.log == clean && self.shown == clean && counts == [0; 6]
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(table, "{name:<44} {value:>10}");
        };
        row("events in the log", self.events.to_string());
        row("facts the agent said", self.facts.to_string());
        row("sockets opened by tabs", self.sockets.to_string());
        row("connections cut", self.cuts().to_string());
        for fault in Fault::ALL {
            row(&format!("  {}", fault.name()), self.faults.get(&fault).unwrap_or(&0).to_string());
        }
        let flaws = |pick: fn(&Flaws) -> u64| format!("{} / {}", pick(&self.log), pick(&self.shown));
        row("lost (log / all tabs)", flaws(|flaws| flaws.lost));
        row("duplicated (log / all tabs)", flaws(|flaws| flaws.duplicated));
        row("reordered (log / all tabs)", flaws(|flaws| flaws.reordered));
        row("holes in the log", self.holes.to_string());
        row("prompts accepted", self.prompts.to_string());
        row("prompts lost / doubled", format!("{} / {}", self.prompts_lost, self.prompts_doubled));
        row("approvals", self.approvals.to_string());
        row("approvals lost / doubled", format!("{} / {}", self.approvals_lost, self.approvals_doubled));
        row("tabs that differ from one that came after", self.tabs_that_differ.to_string());
        row("seconds of the slowest round", format!("{:.1}", self.slowest_round.as_secs_f64()));
        row("seconds", format!("{:.1}", self.took.as_secs_f64()));
        table
    }
}

/// Runs `plan` on a stage of its own.
///
/// # Errors
/// When something does not come to its end, with the logs of everybody.
pub async fn run(plan: Plan) -> Result<Findings> {
    let mut stage = Stage::set().await?;
    let outcome = weather(&mut stage, plan).await;
    outcome.with_context(|| format!("seed {}\n{}", plan.seed, stage.logs()))
}

async fn weather(stage: &mut Stage, plan: Plan) -> Result<Findings> {
    let mut chance = Chance::new(plan.seed);
    let began = Instant::now();
    let session = stage.owner.new_session().await?;
    let tabs: Vec<Tab> = (0..plan.tabs).map(|_| stage.tab(&session, chance.bits())).collect::<Result<_>>()?;
    for tab in &tabs {
        tab.online().await?;
        tab.approve_all(true).await?;
    }
    let per_round = plan.facts / plan.rounds;
    let mut slowest_round = Duration::ZERO;
    for round in 0..plan.rounds {
        let end = if round + 1 == plan.rounds { plan.facts } else { (round + 1) * per_round };
        let text = format!("@bash echo {round} >> {MARKS}\n{}", facts::prompt(round * per_round..end));
        chance.pick(&tabs).prompt(text).await?;
        let said = Instant::now();
        match plan.weather {
            Weather::Cuts => strike(stage, &mut chance).await?,
            Weather::ServerKilled => {
                let moment = u64::try_from(chance.below(KILL_WITHIN_MS))?;
                tokio::time::sleep(Duration::from_millis(moment)).await;
                stage.kill_ingress()?;
                stage.start_ingress().await?;
            }
        }
        hurry(&tabs).await?;
        let open_max = usize::try_from(round)?.saturating_sub(ROUNDS_OPEN_MAX);
        until("the agent's going on", PATIENCE, async || {
            hurry(&tabs).await?;
            Ok((marks(stage)?.len() >= open_max).then_some(()))
        })
        .await
        .with_context(|| format!("round {round} of {}", plan.rounds))?;
        slowest_round = slowest_round.max(said.elapsed());
    }
    for proxy in [&stage.front, &stage.back] {
        proxy.flush();
    }
    heal(stage, &session, &tabs).await?;
    let findings = judge(stage, &session, &tabs, plan, began).await?;
    Ok(Findings { slowest_round, ..findings })
}

/// One cut, and now and then something that is no cut.
async fn strike(stage: &Stage, chance: &mut Chance) -> Result<()> {
    const CUTS: [Fault; 6] =
        [Fault::Cut, Fault::Cut, Fault::Reset, Fault::Reset, Fault::LostAnswer, Fault::HalfOpen];
    const OTHERS: [Fault; 4] = [Fault::Stall, Fault::Delay, Fault::SlowRead, Fault::Duplicate];
    let hops = [&stage.front, &stage.back];
    let hop: &Proxy = hops[chance.below(hops.len())];
    if chance.once_in(2) {
        let other = chance.pick(&OTHERS);
        hops[chance.below(2)].strike(*other, chance);
    }
    let open: u64 = hops.iter().filter_map(|hop| hop.counts().get(&Fault::HalfOpen).copied()).sum();
    let picked = *chance.pick(&CUTS);
    let enough = picked == Fault::HalfOpen && open >= HALF_OPEN_MAX;
    let fault = if enough { Fault::Cut } else { picked };
    let before = hop.cuts();
    let deadline = Instant::now() + FUSE_TIME;
    let mut armed = hop.strike(fault, chance);
    until("a connection to cut", PATIENCE, async || {
        if hop.cuts() > before {
            return Ok(Some(()));
        }
        if Instant::now() > deadline {
            // Nothing passes here right now, or what was struck is gone: any cut on this hop will do.
            armed = hop.strike(Fault::Cut, chance) || armed;
            hop.flush();
        }
        Ok(None)
    })
    .await
}

/// What a browser says when its network is back.
///
/// # Errors
/// When a tab is gone.
pub async fn hurry(tabs: &[Tab]) -> Result<()> {
    for tab in tabs {
        tab.with(|driver| driver.feed(Input::Wake)).await?;
    }
    Ok(())
}

/// Waits until all is said and every tab has all of it.
///
/// # Errors
/// When that does not come.
pub async fn heal(stage: &Stage, session: &str, tabs: &[Tab]) -> Result<()> {
    hurry(tabs).await?;
    for tab in tabs {
        tab.until("an empty outbox", |driver| driver.session().outbox().entries().is_empty().then_some(()))
            .await?;
    }
    tabs[0].prompt("@say the very end").await?;
    let path = format!("/v1/sessions/{session}");
    for tab in tabs {
        tab.until("the end of the log", |driver| {
            let quiet = driver.session().transcript().queue().is_empty()
                && driver.session().ledger().waiting() == 0
                && driver.session().outbox().entries().is_empty();
            let ended = format!("{:?}", driver.session().transcript().items().last()).contains("TurnEnd");
            (quiet && ended && says(driver.session(), "the very end")).then_some(())
        })
        .await?;
        until("a tab that has the whole log", PATIENCE, async || {
            let info = stage.owner.must(reqwest::Method::GET, &path, None).await?;
            let applied = tab.with(|driver| driver.session().applied_seq()).await?;
            Ok((info["head_seq"].as_u64() == Some(applied)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

fn says(session: &Session, what: &str) -> bool {
    session.transcript().items().any(|item| {
        matches!(&item.body, portcullis_protocol::session::transcript::ItemBody::Text { text, live: false, .. } if text == what)
    })
}

async fn judge(stage: &Stage, session: &str, tabs: &[Tab], plan: Plan, began: Instant) -> Result<Findings> {
    let rows = stage.owner.log(session).await?;
    let late = Tab::open(stage.owner.clone(), session, 1);
    let head = rows.last().map_or(0, |(seq, _)| *seq);
    late.until("a tab that came after", move |driver| (driver.session().applied_seq() >= head).then_some(()))
        .await?;
    let wanted = late.with(|driver| shape(driver.session())).await?;
    let asked = facts::asked_for(&rows);
    let mut shown = Flaws::default();
    let (mut tabs_that_differ, mut sockets, mut stored) = (0, 0, Vec::new());
    for tab in tabs {
        let (found, shape, opened, mut accepted) = tab
            .with(|driver| {
                let session = driver.session();
                (facts::shown(session), shape(session), driver.opened, driver.stored.clone())
            })
            .await?;
        shown += Flaws::of(&found, &asked);
        tabs_that_differ += usize::from(shape != wanted);
        sockets += opened;
        stored.append(&mut accepted);
    }
    let prompts = facts::prompts_in_log(&rows);
    let marks = marks(stage)?;
    let mut ran: BTreeMap<&str, usize> = BTreeMap::new();
    marks.iter().for_each(|mark| *ran.entry(mark).or_default() += 1);
    let mut faults = stage.front.counts();
    for (fault, count) in stage.back.counts() {
        *faults.entry(fault).or_default() += count;
    }
    ensure!(u64::try_from(asked.len())? == plan.facts, "the log asks for {} facts", asked.len());
    Ok(Findings {
        events: rows.len(),
        facts: plan.facts,
        faults,
        log: Flaws::of(&facts::in_log(&rows), &asked),
        shown,
        holes: facts::holes(&rows),
        prompts: stored.len(),
        prompts_lost: stored.iter().filter(|uuid| !prompts.contains_key(*uuid)).count(),
        prompts_doubled: prompts.values().filter(|count| **count > 1).count(),
        approvals: plan.rounds,
        approvals_lost: (0..plan.rounds)
            .filter(|round| !ran.contains_key(round.to_string().as_str()))
            .count(),
        approvals_doubled: ran.values().filter(|count| **count > 1).count(),
        tabs_that_differ,
        sockets,
        slowest_round: Duration::ZERO,
        took: began.elapsed(),
    })
}

/// Everything a person sees of a session, for comparing.
#[must_use]
pub fn shape(session: &Session) -> Vec<String> {
    session
        .transcript()
        .items()
        .map(|item| format!("{} {:?} {:?}", item.seq, item.parent, item.body))
        .collect()
}

/// The marks approved commands left, in the order they ran.
///
/// # Errors
/// When the project is gone.
pub fn marks(stage: &Stage) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(stage.project()?.join(MARKS)).unwrap_or_default();
    Ok(text.lines().map(str::to_owned).collect())
}
