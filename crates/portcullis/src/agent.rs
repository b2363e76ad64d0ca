//! `portcullis agent`: the built-in agent on stdio.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use portcullis_agent::{
    AgentOptions, DEFAULT_MODEL, Endpoint, EndpointError, Invocation, parse_args, run_stdio,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{folders, outcome};

const EXIT_FAILED: i32 = 1;
const EXIT_USAGE: i32 = 2;
/// As shells report a process that SIGTERM ended.
const EXIT_TERMINATED: i32 = 143;

/// Runs the agent with the words behind `agent`.
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let code = match parse_args(&words) {
        Ok(Invocation::Version) => {
            let version = writeln!(std::io::stdout(), "{} (Portcullis)", env!("CARGO_PKG_VERSION"));
            if version.is_ok() { 0 } else { EXIT_FAILED }
        }
        Ok(Invocation::Run { options, warnings }) => {
            for warning in warnings {
                say(&warning);
            }
            match surrounded(*options) {
                Ok(options) => converse(options),
                Err(error) => {
                    say(&error.to_string());
                    EXIT_USAGE
                }
            }
        }
        Err(error) => {
            say(&error.to_string());
            EXIT_USAGE
        }
    };
    outcome::exit_code(code)
}

/// The options with what only the environment says: the model's API, and where conversations are kept.
fn surrounded(mut options: AgentOptions) -> Result<AgentOptions, EndpointError> {
    options.endpoint = Endpoint::from_env()?;
    if let Some(model) = variable("ANTHROPIC_MODEL")
        && options.model == DEFAULT_MODEL
        && options.endpoint.is_some()
    {
        options.model = model;
    }
    options.data_dir = folders::default_data_dir().map(|data| data.join("agent"));
    options.tell_session_state =
        variable("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS").is_some_and(|value| value == "1");
    Ok(options)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn converse(options: AgentOptions) -> i32 {
    let runtime = match tokio::runtime::Runtime::new() {
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
                Ok(report) => i32::from(report.exit_code()),
                Err(error) => {
                    say(&error.to_string());
                    EXIT_FAILED
                }
            },
            // Dropping the conversation ends what its turn started.
            _ = terminate.recv() => EXIT_TERMINATED,
        }
    });
    // A read of stdin cannot be cancelled, and must not be waited for.
    runtime.shutdown_background();
    code
}

fn say(text: &str) {
    // Nobody reads it if this fails.
    let _ = writeln!(std::io::stderr(), "portcullis agent: {text}");
}
