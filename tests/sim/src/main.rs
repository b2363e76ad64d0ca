//! Runs seeds and prints what they add up to: the long part of the simulation, and the way to look at one seed.
#![expect(clippy::print_stdout, reason = "a command line program talks to its terminal")]

use std::process::ExitCode;

use clap::Parser;
use portcullis_sim::{Options, run, run_many};

#[derive(Debug, Parser)]
#[command(name = "portcullis-sim", about = "The real machines on virtual time and a faulty network")]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run this seed alone, and print its trace
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let outcome = run(seed, Options::default());
        println!("{}", outcome.tail);
        println!("seed {seed}, trace {:016x}, {} events", outcome.hash, outcome.events);
        for violation in &outcome.violations {
            println!("{:?}: {}", violation.kind, violation.what);
        }
        return if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let seeds: Vec<u64> = (arguments.first..arguments.first + arguments.seeds).collect();
    let totals = run_many(&seeds, Options::default());
    println!("{totals}");
    if totals.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
