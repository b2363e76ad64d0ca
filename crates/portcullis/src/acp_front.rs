//! `portcullis acp-front`: an agent of the Agent Client Protocol as one of this wire's own, on stdio.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use portcullis_acp::{FrontReport, parse_args, run_stdio};
use tokio::signal::unix::{SignalKind, signal};

use crate::outcome;

const EXIT_FAILED: i32 = 1;
const EXIT_USAGE: i32 = 2;
/// As shells report a process that SIGTERM ended.
const EXIT_TERMINATED: i32 = 143;

/// Runs the front with the words behind `acp-front`.
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let directory = std::env::current_dir().unwrap_or_default();
    let code = match parse_args(words, directory) {
        Ok((options, warnings)) => {
            for warning in warnings {
                say(&warning);
            }
            converse(options)
        }
        Err(error) => {
            say(&error.to_string());
            EXIT_USAGE
        }
    };
    outcome::exit_code(code)
}

fn converse(options: portcullis_acp::FrontOptions) -> i32 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&error.to_string());
            return EXIT_FAILED;
        }
    };
    let code = runtime.block_on(async {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return EXIT_FAILED };
        tokio::select! {
            report = run_stdio(options, tokio::io::stdin(), tokio::io::stdout()) => match report {
                Ok(FrontReport { code, message }) => {
                    if let Some(message) = message {
                        say(&message);
                    }
                    i32::from(code)
                }
                Err(error) => {
                    say(&error.to_string());
                    EXIT_FAILED
                }
            },
            // Dropping the conversation ends the agent and what it started.
            _ = terminate.recv() => EXIT_TERMINATED,
        }
    });
    // A read of stdin cannot be cancelled, and must not be waited for.
    runtime.shutdown_background();
    code
}

fn say(text: &str) {
    // Nobody reads it if this fails.
    let _ = writeln!(std::io::stderr(), "portcullis acp-front: {text}");
}
