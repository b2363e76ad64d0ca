//! Agents as programs: how one is called, what it sees of the environment, and the process it becomes.

mod environment;
mod process;
pub mod shim;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::core::legacy::is_conversation;
pub(crate) use process::{AgentEvent, AgentProcess, Kill};

/// One agent this machine can run: any command that speaks stream-json on stdio.
#[derive(Clone, Debug)]
pub struct AgentSpec {
    /// Its name, as clients choose it.
    pub name: String,
    /// Program and fixed arguments. Never goes through a shell.
    pub argv: Vec<OsString>,
    /// Names of environment variables it may see beside the common ones; a trailing `*` stands for any rest.
    pub environment: Vec<String>,
}

impl AgentSpec {
    /// Claude Code.
    #[must_use]
    pub fn claude(program: impl Into<OsString>) -> Self {
        // By the last one the machine's owner tells it that root may bypass its questions here.
        let environment =
            ["ANTHROPIC_*", "CLAUDE_CODE_*", "DISABLE_*", "IS_SANDBOX"].map(str::to_owned).to_vec();
        Self { name: "claude".into(), argv: vec![program.into()], environment }
    }

    /// An agent of the Agent Client Protocol, behind the front that `portcullis`, the program of this very binary, is
    /// under its hidden command. `argv` is the agent's own command.
    #[must_use]
    pub fn acp(name: impl Into<String>, portcullis: impl Into<OsString>, argv: Vec<OsString>) -> Self {
        // Flags of a session come behind the second separator, so that the agent's own words stay its own.
        let words = [portcullis.into(), "acp-front".into(), "--".into()].into_iter().chain(argv);
        Self { name: name.into(), argv: words.chain(["--".into()]).collect(), environment: Vec::new() }
    }

    /// The agent inside the binary `program`.
    #[must_use]
    pub fn builtin(program: impl Into<OsString>) -> Self {
        Self { name: "builtin".into(), argv: vec![program.into(), "agent".into()], environment: Vec::new() }
    }
}

/// Everything needed to start one agent process.
#[derive(Clone, Debug)]
pub(crate) struct AgentCommand {
    pub(crate) argv: Vec<OsString>,
    pub(crate) directory: PathBuf,
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Program and first arguments of the shim that ties the agent's life to this process; empty = none.
    pub(crate) shim: Vec<OsString>,
}

impl AgentCommand {
    /// The command for a session. Values go behind a `=`, so that none can become a flag.
    pub(crate) fn new(
        spec: &AgentSpec,
        directory: &Path,
        model: Option<&str>,
        permission_mode: &str,
        shim: &[OsString],
    ) -> Self {
        let mut argv = spec.argv.clone();
        let flags = [
            "--print",
            "--input-format=stream-json",
            "--output-format=stream-json",
            "--replay-user-messages",
            "--include-partial-messages",
            "--permission-prompt-tool=stdio",
            "--verbose",
        ];
        argv.extend(flags.map(OsString::from));
        if let Some(model) = model {
            argv.push(format!("--model={model}").into());
        }
        argv.push(format!("--permission-mode={permission_mode}").into());
        Self {
            argv,
            directory: directory.to_owned(),
            environment: environment::allowed(std::env::vars_os(), &spec.environment),
            shim: shim.to_vec(),
        }
    }

    /// The same in an earlier conversation, by the agent's own name for it.
    pub(crate) fn taking_up(&self, conversation: Option<&str>) -> Self {
        let mut command = self.clone();
        if let Some(name) = conversation.filter(|name| is_conversation(name)) {
            command.argv.push(format!("--resume={name}").into());
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_of_another_protocol_gets_no_flag_of_this_one() {
        let words = ["gemini", "--acp"].map(OsString::from).to_vec();
        let spec = AgentSpec::acp("gemini", "portcullis", words);
        let command = AgentCommand::new(&spec, Path::new("/"), Some("--"), "plan", &[]);
        let argv: Vec<&str> = command.argv.iter().map(|arg| arg.to_str().unwrap()).collect();
        assert_eq!(argv[..6], ["portcullis", "acp-front", "--", "gemini", "--acp", "--"]);
        assert!(
            argv[6..].contains(&"--model=--") && !argv[6..].contains(&"--"),
            "the last separator is the front's"
        );
    }

    #[test]
    fn a_conversation_is_taken_up_by_its_name_and_by_nothing_else() {
        let spec = AgentSpec { name: "x".into(), argv: vec!["x".into()], environment: Vec::new() };
        let command = AgentCommand::new(&spec, Path::new("/"), None, "plan", &[]);
        let last = |name: Option<&str>| {
            let argv = command.taking_up(name).argv;
            argv.last().and_then(|word| word.to_str()).map(str::to_owned)
        };
        assert_eq!(last(None).as_deref(), Some("--permission-mode=plan"));
        let name = "65a6d5e8-32e3-40de-9fc8-711391c3bbb5";
        assert_eq!(last(Some(name)), Some(format!("--resume={name}")));
        for bad in ["", "-p", "a b", "a\n--model=x"] {
            assert_eq!(last(Some(bad)), last(None), "{bad}");
        }
    }

    #[test]
    fn what_a_client_chose_is_a_value_and_never_a_flag() {
        let spec = AgentSpec { name: "x".into(), argv: vec!["x".into()], environment: Vec::new() };
        let hostile = "--dangerously-skip-permissions";
        let command = AgentCommand::new(&spec, Path::new("/"), Some(hostile), "plan", &[]);
        let argv: Vec<&str> = command.argv.iter().map(|arg| arg.to_str().unwrap()).collect();
        assert!(!argv.contains(&hostile));
        assert!(
            argv.contains(&"--model=--dangerously-skip-permissions")
                && argv.contains(&"--permission-mode=plan")
        );
    }
}
