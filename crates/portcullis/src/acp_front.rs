//! `portcullis acp-front`: an agent of the Agent Client Protocol as one of this wire's own, on stdio.

use std::ffi::OsString;
use std::process::ExitCode;

use portcullis_acp::{FrontError, FrontOptions, FrontReport, parse_args, run_stdio};

use crate::outcome;
use crate::stdio::{self, EXIT_USAGE};

const NAME: &str = "acp-front";

/// Runs the front with the words behind `acp-front`.
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let directory = std::env::current_dir().unwrap_or_default();
    let code = match parse_args(words, directory) {
        Ok((options, warnings)) => {
            for warning in warnings {
                stdio::say(NAME, warning);
            }
            stdio::converse(NAME, converse(options))
        }
        Err(error) => {
            stdio::say(NAME, error);
            EXIT_USAGE
        }
    };
    outcome::exit_code(code)
}

async fn converse(options: FrontOptions) -> Result<i32, FrontError> {
    let FrontReport { code, message } = run_stdio(options, tokio::io::stdin(), tokio::io::stdout()).await?;
    if let Some(message) = message {
        stdio::say(NAME, message);
    }
    Ok(i32::from(code))
}
