//! `cargo xtask bench reliability`: what is lost over a network that fails, and what it takes to go on. Everything that
//! is printed was counted or measured just now, on this machine, with the program named in the first line.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::path::Path;

use anyhow::{Result, ensure};
use portcullis_wired::chance::Chance;
use portcullis_wired::machine;
use portcullis_wired::measure;
use portcullis_wired::scale::profile;
use portcullis_wired::stage::Stage;
use portcullis_wired::storm::{self, Plan, Weather};

/// The agent that notes when it was answered.
const PUPPET: &str = env!("CARGO_BIN_EXE_puppet");
/// Missed events, and how often each is measured.
const RESUMES: [(u64, u64); 3] = [(0, 100), (1_000, 30), (10_000, 10)];
/// Clicks that are measured.
const CLICKS: u64 = 200;

#[tokio::main]
async fn main() -> Result<()> {
    let seed = Chance::seed_or(1);
    println!(
        "program: {} profile; {} CPUs; load {}; seed {seed}",
        profile(),
        machine::cpus(),
        machine::load()
    );
    let plan = Plan { facts: 20_000, rounds: 40, tabs: 3, seed, weather: Weather::Cuts };
    let findings = storm::run(plan).await?;
    println!("\n{}", findings.table());

    println!("{:<44} {:>10} {:>10} {:>6}", "", "median ms", "p99 ms", "n");
    let stage = Stage::set().await?;
    for (missed, times) in RESUMES {
        let samples = measure::resume(&stage, missed, times).await?;
        println!("{}", samples.row(&format!("resume after a cut, {missed} events missed")));
    }
    drop(stage);
    let stage = Stage::set_with_agent(Path::new(PUPPET)).await?;
    let samples = measure::click(&stage, &stage.project()?.join("answers.txt"), CLICKS).await?;
    println!("{}", samples.row("click to the agent's stdin"));
    println!("\nload at the end: {}", machine::load());
    ensure!(findings.are_clean(), "something was lost, doubled or reordered");
    Ok(())
}
