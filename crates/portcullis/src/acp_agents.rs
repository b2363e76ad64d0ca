//! Agents of the Agent Client Protocol on this machine: those whose command is documented and stands on the PATH, and
//! those a policy file names.

use std::ffi::OsString;

use portcullis_bridge::{AgentSpec, Policy};
use portcullis_protocol::id::is_valid;

use crate::folders;
use crate::outcome::Failure;

/// An agent whose command is known.
struct Known {
    /// Its name here, and its program.
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [&'static str],
}

const CLAUDE: &[&str] = &["ANTHROPIC_*", "CLAUDE_CODE_*", "DISABLE_*", "IS_SANDBOX"];

/// The agent inside the binary is always that one.
const BUILTIN: &str = "builtin";

/// As their own documentation has it.
const KNOWN: [Known; 6] = [
    Known {
        name: "gemini",
        program: "gemini",
        arguments: &["--experimental-acp"],
        environment: &["GEMINI_*", "GOOGLE_*"],
    },
    Known { name: "claude-acp", program: "claude-agent-acp", arguments: &[], environment: CLAUDE },
    Known { name: "claude-code-acp", program: "claude-code-acp", arguments: &[], environment: CLAUDE },
    Known { name: "codex", program: "codex-acp", arguments: &[], environment: &["OPENAI_*", "CODEX_*"] },
    Known { name: "opencode", program: "opencode", arguments: &["acp"], environment: &["OPENCODE_*"] },
    Known { name: "goose", program: "goose", arguments: &["acp"], environment: &["GOOSE_*"] },
];

/// Those that are installed.
pub(crate) fn on_path() -> Result<Vec<AgentSpec>, Failure> {
    let portcullis = folders::own_program()?;
    let spec = |known: &Known| {
        let program = folders::on_path(known.program)?.into_os_string();
        let argv = std::iter::once(program).chain(known.arguments.iter().map(OsString::from)).collect();
        let environment = known.environment.iter().map(|name| (*name).to_owned()).collect();
        Some(AgentSpec { environment, ..AgentSpec::acp(known.name, portcullis.clone(), argv) })
    };
    Ok(KNOWN.iter().filter_map(spec).collect())
}

/// Those the policy names, each once: which of two would run nobody could tell. A program without a path is looked for on the PATH once, here.
pub(crate) fn named(policy: &Policy) -> Result<Vec<AgentSpec>, Failure> {
    let portcullis = folders::own_program()?;
    let mut specs = Vec::new();
    for (at, agent) in policy.acp.iter().enumerate() {
        if agent.name == BUILTIN || policy.acp[..at].iter().any(|earlier| earlier.name == agent.name) {
            return Err(Failure::usage(format!(
                "the policy file names the agent `{}`, and another one has that name",
                agent.name
            )));
        }
        let program = agent.argv.first().filter(|program| !program.is_empty());
        let Some(program) = program.filter(|_| is_valid(&agent.name)) else {
            return Err(Failure::usage(format!(
                "the policy file names the agent `{}`, which has no proper name or no command",
                agent.name
            )));
        };
        let found = if program.contains('/') { None } else { folders::on_path(program) };
        let program = found.map_or_else(|| OsString::from(program), Into::into);
        let argv = std::iter::once(program).chain(agent.argv[1..].iter().map(OsString::from)).collect();
        let environment = agent.environment.clone();
        specs.push(AgentSpec { environment, ..AgentSpec::acp(&agent.name, portcullis.clone(), argv) });
    }
    Ok(specs)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn names(acp: &str) -> Option<Vec<String>> {
        let mut policy = Policy::for_directory(PathBuf::from("/"));
        policy.acp = serde_json::from_str(acp).unwrap();
        Some(named(&policy).ok()?.into_iter().map(|spec| spec.name).collect())
    }

    #[test]
    fn each_agent_of_a_policy_has_a_name_of_its_own() {
        let agent = |name: &str| format!(r#"{{"name":"{name}","argv":["/bin/true"]}}"#);
        let [a, b, builtin] = ["a", "b", "builtin"].map(agent);
        assert_eq!(names(&format!("[{a},{b}]")), Some(vec!["a".to_owned(), "b".to_owned()]));
        for refused in [format!("[{a},{b},{a}]"), format!("[{builtin}]"), format!("[{}]", agent("a b"))] {
            assert_eq!(names(&refused), None, "{refused}");
        }
        assert_eq!(names(r#"[{"name":"a","argv":[]}]"#), None);
    }
}
