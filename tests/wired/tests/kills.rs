//! `kill -9` of either process at a moment nobody chose, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use portcullis_protocol::wire::client::PermissionState;
use portcullis_wired::chance::Chance;
use portcullis_wired::facts;
use portcullis_wired::scale::sized;
use portcullis_wired::stage::Stage;
use portcullis_wired::storm::{self, KILL_WITHIN_MS, MARKS, Plan, Weather, heal, hurry, marks};
use portcullis_wired::tab::Tab;
use serde_json::Value;

/// Facts of one prompt: enough that a kill lands among them.
const FACTS_PER_PROMPT: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn s15_a_server_that_is_killed_at_any_moment_loses_and_doubles_nothing() -> Result<()> {
    let rounds = sized(5, 50);
    let plan = Plan {
        facts: rounds * FACTS_PER_PROMPT,
        rounds,
        tabs: 2,
        seed: Chance::seed_or(2),
        weather: Weather::ServerKilled,
    };
    let findings = storm::run(plan).await?;
    println!("seed {}, the server was killed {rounds} times\n{}", plan.seed, findings.table());
    ensure!(findings.are_clean(), "seed {}\n{}", plan.seed, findings.table());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_killed_at_any_moment_doubles_nothing_and_says_what_it_cannot_know() -> Result<()> {
    let seed = Chance::seed_or(3);
    let mut stage = Stage::set().await?;
    let outcome = kill_bridges(&mut stage, sized(5, 50), seed).await;
    outcome.with_context(|| format!("seed {seed}\n{}", stage.logs()))
}

async fn kill_bridges(stage: &mut Stage, rounds: u64, seed: u64) -> Result<()> {
    let mut chance = Chance::new(seed);
    let session = stage.owner.new_session().await?;
    let tab = stage.tab(&session, chance.bits())?;
    tab.online().await?;
    tab.approve_all(true).await?;
    let mut said = BTreeMap::new();
    for round in 0..rounds {
        let range = round * FACTS_PER_PROMPT..(round + 1) * FACTS_PER_PROMPT;
        let text = format!("@bash echo {round} >> {MARKS}\n{}", facts::prompt(range.clone()));
        said.insert(tab.prompt(text).await?, range);
        let moment = u64::try_from(chance.below(KILL_WITHIN_MS))?;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        stage.kill_bridge().await?;
        stage.start_bridge().await?;
    }
    hurry(std::slice::from_ref(&tab)).await?;
    heal(stage, &session, std::slice::from_ref(&tab)).await?;
    let rows = stage.owner.log(&session).await?;
    judge(&rows, &said)?;
    judge_approvals(stage, &tab).await?;
    println!("seed {seed}, the bridge was killed {rounds} times, {} events", rows.len());
    Ok(())
}

/// What was read of each prompt's facts is there once and in order, from the first on; a prompt of which nothing is
/// there is said to be unknown, or to have been read.
fn judge(rows: &[(u64, Value)], said: &BTreeMap<String, std::ops::Range<u64>>) -> Result<()> {
    ensure!(facts::holes(rows) == 0, "the log has holes");
    let prompts = facts::prompts_in_log(rows);
    let found = facts::in_log(rows);
    for (uuid, range) in said {
        ensure!(prompts.get(uuid) == Some(&1), "prompt {uuid} is in the log {:?} times", prompts.get(uuid));
        let of_this: Vec<u64> = found.iter().copied().filter(|fact| range.contains(fact)).collect();
        let read: Vec<u64> = (range.start..).take(of_this.len()).collect();
        ensure!(of_this == read, "prompt {uuid}: {range:?} became {of_this:?}");
        let is_told = rows.iter().any(|(_, event)| {
            event["message_uuid"] == uuid.as_str()
                || event["command_uuid"] == uuid.as_str()
                || (event["uuid"] == uuid.as_str() && event["isReplay"] == true)
        });
        ensure!(!of_this.is_empty() || is_told, "nothing is known of prompt {uuid}, and nothing says so");
    }
    Ok(())
}

/// No command ran twice, and every decision came to an end that was shown.
async fn judge_approvals(stage: &Stage, tab: &Tab) -> Result<()> {
    let marks = marks(stage)?;
    let distinct: BTreeSet<&String> = marks.iter().collect();
    ensure!(distinct.len() == marks.len(), "an approved command ran twice: {marks:?}");
    let (decided, states, asked) =
        tab.with(|driver| (driver.decided.clone(), driver.states.clone(), driver.asked.clone())).await?;
    ensure!(decided.values().all(|times| *times == 1), "a decision was taken twice: {decided:?}");
    ensure!(asked.values().all(|times| *times == 1), "a request came to wait again: {asked:?}");
    for (request, state) in &states {
        // What is over may have gone from view before its last step: delivered is the last one that needs nobody.
        let over = state.is_final() || *state == PermissionState::Delivered || !decided.contains_key(request);
        ensure!(over, "{request} was decided and stayed {}", state.as_str());
    }
    ensure!(marks.len() <= decided.len(), "more commands ran than were approved");
    Ok(())
}
