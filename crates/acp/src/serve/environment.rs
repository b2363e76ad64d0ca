//! What a command in a terminal sees of the environment. The front's own holds the agent's keys, so it is passed on by
//! an allow-list; what the agent adds is refused where it would change which code runs.

use std::ffi::OsString;

use super::Refusal;

/// Names that are passed on.
const PASSED: [&str; 22] = [
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "TZ",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
];
/// Beginnings of names that make a program load or run something else than what was asked for.
const REFUSED_BEGINNINGS: [&str; 5] = ["LD_", "DYLD_", "GIT_", "BASH_FUNC_", "PORTCULLIS_"];
/// The same by whole names.
const REFUSED: [&str; 17] = [
    "PATH",
    "HOME",
    "SHELL",
    "IFS",
    "ENV",
    "BASH_ENV",
    "PROMPT_COMMAND",
    "SHELLOPTS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
];
/// Variables of one command, and bytes of them all.
const VARIABLES_MAX: usize = 128;
const BYTES_MAX: usize = 64 * 1024;

/// The variables an agent wants to add, or why not.
pub(super) fn checked(wanted: Vec<(String, String)>) -> Result<Vec<(String, String)>, Refusal> {
    let bytes: usize = wanted.iter().map(|(name, value)| name.len() + value.len()).sum();
    if wanted.len() > VARIABLES_MAX || bytes > BYTES_MAX {
        return Err(Refusal::invalid("the environment is too large"));
    }
    for (name, value) in &wanted {
        let is_name = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || value.contains('\0') {
            return Err(Refusal::invalid("a variable of the environment has no proper name or value"));
        }
        let is_refused = REFUSED_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
            || REFUSED.contains(&name.as_str());
        if is_refused {
            return Err(Refusal::invalid(format!("the variable {name} may not be set for a command")));
        }
    }
    Ok(wanted)
}

/// What of `variables` a command sees.
pub(super) fn passed(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    variables.filter(|(name, _)| {
        name.to_str().is_some_and(|name| PASSED.contains(&name) || name.starts_with("LC_"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<Vec<(String, String)>, Refusal> {
        checked(vec![(name.into(), value.into())])
    }

    #[test]
    fn what_would_change_which_code_runs_is_refused() {
        for name in
            ["LD_PRELOAD", "NODE_OPTIONS", "BASH_ENV", "GIT_SSH_COMMAND", "PATH", "DYLD_INSERT_LIBRARIES"]
        {
            assert!(one(name, "x").is_err(), "{name}");
        }
        for name in ["", "A=B", "A B", "1A", "A\0"] {
            assert!(one(name, "x").is_err(), "{name:?}");
        }
        assert!(one("A", "x\0").is_err());
        assert!(one("CI", "1").is_ok());
        assert!(checked(vec![("A".into(), "x".into()); VARIABLES_MAX + 1]).is_err());
    }

    #[test]
    fn the_agents_keys_stay_with_the_agent() {
        let all = ["PATH", "GEMINI_API_KEY", "ANTHROPIC_API_KEY", "LC_ALL", "LD_PRELOAD"];
        let all = all.map(|name| (OsString::from(name), OsString::from("x")));
        let names: Vec<OsString> = passed(all.into_iter()).map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "LC_ALL"]);
    }
}
