//! `cargo xtask sim`: the long part of the simulation, and the way to look at one seed.
//!
//! `cargo test -p portcullis-sim` runs the quick part. Here the same program runs as many seeds as are asked for, in the
//! release profile, or a single one with its trace.

use std::process::ExitCode;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::group::{Group, Interrupt, Waited};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many seeds to run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run this seed alone, and print its trace
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
}

pub(crate) fn run(checkout: &Checkout, options: &Options, interrupt: &Interrupt) -> Result<ExitCode> {
    let mut command = checkout.cargo("run");
    command.args(["--quiet", "--release", "--package", "portcullis-sim", "--"]);
    match options.seed {
        Some(seed) => command.args(["--seed", &seed.to_string()]),
        None => command.args(["--seeds", &options.seeds.to_string(), "--first", &options.first.to_string()]),
    };
    Ok(match Group::spawn("cargo run", command, interrupt)?.wait()? {
        Waited::Exited(status) if status.success() => ExitCode::SUCCESS,
        Waited::Exited(_) | Waited::Interrupted => ExitCode::FAILURE,
    })
}
