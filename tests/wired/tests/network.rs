//! Nothing lost, nothing twice, nothing out of order, however the network fails on either hop.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use portcullis_wired::chance::Chance;
use portcullis_wired::measure;
use portcullis_wired::scale::sized;
use portcullis_wired::stage::Stage;
use portcullis_wired::storm::{self, Plan, Weather};

#[tokio::test(flavor = "multi_thread")]
async fn numbered_facts_and_approvals_survive_cuts_on_both_hops() -> Result<()> {
    let plan = Plan {
        facts: sized(10_000, 100_000),
        rounds: sized(20, 200),
        tabs: 3,
        seed: Chance::seed_or(1),
        weather: Weather::Cuts,
    };
    let findings = storm::run(plan).await?;
    println!("seed {}\n{}", plan.seed, findings.table());
    ensure!(findings.cuts() >= plan.rounds, "too few cuts");
    ensure!(findings.are_clean(), "seed {}\n{}", plan.seed, findings.table());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_after_a_cut_and_a_clicks_way_are_measured_on_what_really_happens() -> Result<()> {
    let stage = Stage::set().await?;
    for missed in [0, 1_000] {
        let samples = measure::resume(&stage, missed, 2).await?;
        ensure!(samples.count() == 2 && samples.percentile(50) > Duration::ZERO);
        println!("{}", samples.row(&format!("resume after a cut, {missed} events missed")));
    }
    drop(stage);
    let stage = Stage::set_with_agent(Path::new(env!("CARGO_BIN_EXE_puppet"))).await?;
    let samples = measure::click(&stage, &stage.project()?.join("answers.txt"), 3).await?;
    ensure!(samples.count() == 3 && samples.percentile(50) > Duration::ZERO);
    println!("{}", samples.row("click to the agent's stdin"));
    Ok(())
}
