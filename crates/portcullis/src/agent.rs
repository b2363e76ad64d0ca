//! `portcullis agent`: the built-in agent on stdio.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use portcullis_agent::{
    AgentError, AgentOptions, DEFAULT_MODEL, Endpoint, EndpointError, Invocation, parse_args, run_stdio,
};

use crate::stdio::{self, EXIT_FAILED, EXIT_USAGE};
use crate::{folders, outcome};

const NAME: &str = "agent";

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
                stdio::say(NAME, warning);
            }
            match surrounded(*options) {
                Ok(options) => stdio::converse(NAME, converse(options)),
                Err(error) => {
                    stdio::say(NAME, error);
                    EXIT_USAGE
                }
            }
        }
        Err(error) => {
            stdio::say(NAME, error);
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

async fn converse(options: AgentOptions) -> Result<i32, AgentError> {
    let report = run_stdio(options, tokio::io::stdin(), tokio::io::stdout()).await?;
    Ok(i32::from(report.exit_code()))
}
