//! The commands a developer of Portcullis needs, and nothing to install before them but Rust.
//!
//! `cargo xtask demo` serves a working session, `cargo xtask test` runs every check there is; both fetch what is
//! missing into a versioned folder of their own in the user's cache.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its terminal"
)]

mod bench;
mod browser;
mod checkout;
mod demo;
mod dist;
mod group;
mod http;
mod screenshots;
mod sim;
mod soak;
mod test;
mod tidy;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::checkout::Checkout;
use crate::group::Interrupt;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Builds, serves and checks Portcullis")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a working session with the scripted agent, and print one pairing link
    Demo(demo::Options),
    /// Run every check there is, or only the parts that are named
    Test(test::Options),
    /// Run the tests over real sockets and processes at full size, as released
    Soak,
    /// Check the rules of the layout: who may import whom, what no source may contain
    Tidy,
    /// Build the browser client for release into dist/, and print its sizes
    Dist,
    /// Take the pictures of docs/screenshots anew, of a real session
    Screenshots,
    /// Measure how fast something is, and print a table
    Bench(bench::Options),
    /// Run the simulation for many seeds, or for one with its trace
    Sim(sim::Options),
    /// Run a program that is told to end when its parent dies
    #[command(hide = true)]
    Leash {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(options) => demo::run(&Checkout::find()?, &options, &Interrupt::listen()?),
        Command::Test(options) => test::run(&Checkout::find()?, &options, &Interrupt::listen()?),
        Command::Soak => soak::run(&Checkout::find()?, &Interrupt::listen()?),
        Command::Tidy => tidy::run(&Checkout::find()?),
        Command::Dist => dist::run(&Checkout::find()?, &Interrupt::listen()?),
        Command::Screenshots => screenshots::run(&Checkout::find()?, &Interrupt::listen()?),
        Command::Bench(options) => bench::run(&Checkout::find()?, &options, &Interrupt::listen()?),
        Command::Sim(options) => sim::run(&Checkout::find()?, &options, &Interrupt::listen()?),
        Command::Leash { command } => Err(group::become_leashed(&command)),
    }
}
