//! The one binary: ties ingress, bridge and the built-in agent together, and turns what goes wrong into an exit
//! code, a sentence and a hint.

mod acp_agents;
mod acp_front;
mod agent;
mod announce;
mod cli;
mod control;
mod demo;
mod folders;
mod inspect;
mod logging;
mod login;
mod outcome;
mod remote;
mod signals;
mod station;
mod status;
mod stdio;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use outcome::Failure;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    // These three take every flag there is, so they are told apart before flags are read.
    match words.split_first() {
        Some((first, rest)) if first == "agent" => return agent::run(rest),
        Some((first, rest)) if first == cli::ACP_FRONT => return acp_front::run(rest),
        Some((first, rest)) if first == cli::SHIM => {
            return outcome::exit_code(portcullis_bridge::agent::shim::run(rest));
        }
        Some(_) | None => {}
    }
    let command = cli::Cli::parse().command;
    logging::start();
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: cli::Command) -> Result<(), Failure> {
    let runtime =
        Runtime::new().map_err(|error| Failure::failed("the runtime does not start", &error.into()))?;
    let result = runtime.block_on(async {
        match command {
            cli::Command::Demo(options) => demo::run(options).await,
            cli::Command::Up(options) => station::up(options).await,
            cli::Command::Serve(options) => station::serve(options).await,
            cli::Command::RemoteControl(options) => remote::run(options).await,
            cli::Command::Pair(options) => control::ask(options).await,
            cli::Command::Login(options) => login::run(options).await,
            cli::Command::Inspect(options) => inspect::run(&options),
            cli::Command::Agent { .. } => unreachable_agent(),
        }
    });
    runtime.shutdown_background();
    result
}

/// `agent` was handled before flags were read; this arm only serves `--help`.
fn unreachable_agent() -> Result<(), Failure> {
    Err(Failure::usage("`agent` comes first on the command line"))
}
