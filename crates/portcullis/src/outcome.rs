//! How the program ends when something went wrong: an exit code, what happened, and what to do about it.

use std::io::Write as _;
use std::process::ExitCode;

use portcullis_bridge::BridgeError;

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_LOGIN: u8 = 3;
const EXIT_POLICY: u8 = 4;

/// Why the program ended.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Something did not work.
    pub(crate) fn failed(what: &str, error: &anyhow::Error) -> Self {
        Self { code: EXIT_FAILED, message: format!("{what}: {error:#}"), hint: None }
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: EXIT_USAGE, message: message.into(), hint: None }
    }

    /// This machine has to be paired first.
    pub(crate) fn login_needed(message: impl Into<String>) -> Self {
        let hint = "Make a code there with `portcullis pair`, then run `portcullis login URL` here.";
        Self { code: EXIT_LOGIN, message: message.into(), hint: Some(hint.into()) }
    }

    /// This machine's own rules forbid it.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self { code: EXIT_POLICY, message: message.into(), hint: None }
    }

    /// With what to do about it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        let mut stderr = std::io::stderr();
        // Nobody reads it if this fails.
        let _ = writeln!(stderr, "portcullis: {}", self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(stderr, "{hint}");
        }
        ExitCode::from(self.code)
    }
}

impl From<BridgeError> for Failure {
    fn from(error: BridgeError) -> Self {
        match error {
            BridgeError::LoginNeeded(_) => Self::login_needed(error.to_string()),
            BridgeError::Policy(_) | BridgeError::NoAgent => Self::forbidden(error.to_string()),
            BridgeError::Refused(_)
            | BridgeError::State(_)
            | BridgeError::Busy(_)
            | BridgeError::Setup(_)
            | BridgeError::GaveUp { .. } => {
                Self { code: EXIT_FAILED, message: error.to_string(), hint: None }
            }
        }
    }
}

/// A process's own exit code.
pub(crate) fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(EXIT_FAILED))
}

#[cfg(test)]
mod tests {
    use portcullis_bridge::PolicyError;

    use super::*;

    #[test]
    fn each_kind_of_failure_has_the_code_that_scripts_rely_on() {
        let code = |failure: Failure| failure.code;
        assert_eq!(code(Failure::failed("x", &anyhow::anyhow!("y"))), 1);
        assert_eq!(code(Failure::usage("x")), 2);
        assert_eq!(code(BridgeError::LoginNeeded("x".into()).into()), 3);
        assert_eq!(code(BridgeError::Policy(PolicyError::Mode("x".into())).into()), 4);
        assert_eq!(code(BridgeError::Refused("x".into()).into()), 1);
    }
}
