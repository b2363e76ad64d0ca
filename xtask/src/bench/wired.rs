//! The benchmarks of the real program, as released: counts and times behind a network that fails, and what becomes of
//! control while an agent floods its bridge.

use std::process::ExitCode;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::group::{self, Interrupt};
use crate::test::steps::{Profile, build};

/// Builds the program for release, and lets the benchmark called `name` print its table.
pub(super) fn run(
    checkout: &Checkout,
    name: &str,
    words: &[String],
    interrupt: &Interrupt,
) -> Result<ExitCode> {
    let program = build(checkout, Profile::Release, interrupt)?;
    let mut command = checkout.cargo("bench");
    command.args(["--package", "portcullis-wired", "--bench", name, "--"]).args(words);
    command.env("PORTCULLIS_BIN", program);
    group::run("the benchmark", command, interrupt)?;
    Ok(ExitCode::SUCCESS)
}
