//! `cargo xtask bench reliability`: counts and times of the real program behind a network that fails, as released.

use std::process::ExitCode;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::group::{self, Interrupt};
use crate::test::steps::{Profile, build};

/// Builds the program for release, and lets the benchmark print its table.
pub(super) fn run(checkout: &Checkout, interrupt: &Interrupt) -> Result<ExitCode> {
    let program = build(checkout, Profile::Release, interrupt)?;
    let mut command = checkout.cargo("bench");
    command.args(["--package", "portcullis-wired", "--bench", "reliability"]);
    command.env("PORTCULLIS_BIN", program);
    group::run("the benchmark", command, interrupt)?;
    Ok(ExitCode::SUCCESS)
}
