//! Nothing lost, nothing twice, nothing out of order, however the network fails on either hop.

use anyhow::{Result, ensure};
use portcullis_wired::chance::Chance;
use portcullis_wired::scale::sized;
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
