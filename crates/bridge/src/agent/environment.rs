//! What an agent sees of the environment: names on a list, and nothing a work item could choose.

use std::ffi::OsString;

/// Variables every agent may see.
const COMMON: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "COLORTERM",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The variables of `all` that are on the common list or on `extra`.
pub(super) fn allowed(
    all: impl Iterator<Item = (OsString, OsString)>,
    extra: &[String],
) -> Vec<(OsString, OsString)> {
    all.filter(|(name, _)| {
        let Some(name) = name.to_str() else { return false };
        COMMON.iter().copied().chain(extra.iter().map(String::as_str)).any(|pattern| matches(pattern, name))
    })
    .collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_on_what_is_listed_and_nothing_that_changes_how_programs_load() {
        let given = [
            "PATH",
            "LC_ALL",
            "LD_PRELOAD",
            "NODE_OPTIONS",
            "BASH_ENV",
            "ANTHROPIC_API_KEY",
            "CLAUDE_CODE_X",
            "AWS_SECRET_ACCESS_KEY",
            "PATHX",
        ];
        let vars = || given.iter().map(|name| (OsString::from(name), OsString::from("v")));
        let names = |extra: &[String]| -> Vec<String> {
            allowed(vars(), extra).into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
        };
        assert_eq!(names(&[]), ["PATH", "LC_ALL"]);
        let claude = super::super::AgentSpec::claude("claude").environment;
        assert_eq!(names(&claude), ["PATH", "LC_ALL", "ANTHROPIC_API_KEY", "CLAUDE_CODE_X"]);
    }
}
