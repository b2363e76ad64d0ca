//! Permission rules as they are granted on the wire: a tool name, and for some tools what exactly it covers.
//! An allow rule covers as little as its text can mean, a deny rule as much.

use std::{fmt, path::Path};

use serde_json::{Value, json};

use crate::tools::Reach;

/// Tools whose rules are about paths that are read share this name in rules.
pub(crate) const READ_RULE_TOOL: &str = "Read";

/// Characters that let one shell command start another, redirect, or expand; none may be in a command that a
/// prefix rule lets through.
const SHELL_SYNTAX: [char; 14] = [';', '|', '&', '$', '`', '<', '>', '(', ')', '{', '}', '\n', '\r', '\\'];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) tool: String,
    pub(crate) content: Option<String>,
}

impl Rule {
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let tool = value.get("toolName")?.as_str().filter(|tool| !tool.is_empty())?.to_owned();
        let content = value.get("ruleContent").and_then(Value::as_str).map(str::to_owned);
        Some(Self { tool, content })
    }

    /// Reads `Bash`, `Bash(git log:*)` and the like.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (tool, content) = match text.split_once('(') {
            Some((tool, content)) => (tool, Some(content.strip_suffix(')')?)),
            None => (text, None),
        };
        let content = content.filter(|content| !content.is_empty() && *content != "*").map(str::to_owned);
        (!tool.is_empty()).then(|| Self { tool: tool.to_owned(), content })
    }

    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Some(content) => json!({"toolName": self.tool, "ruleContent": content}),
            None => json!({"toolName": self.tool}),
        }
    }

    /// Whether this rule, as an allow rule, covers the call.
    pub(crate) fn allows(&self, tool: &str, reach: &Reach) -> bool {
        self.covers(tool, reach, |prefix, command| {
            !command.contains(SHELL_SYNTAX) && starts_with_word(command, prefix)
        })
    }

    /// Whether this rule, as a deny or ask rule, covers the call.
    pub(crate) fn forbids(&self, tool: &str, reach: &Reach) -> bool {
        self.covers(tool, reach, |prefix, command| command.trim_start().starts_with(prefix))
    }

    fn covers(&self, tool: &str, reach: &Reach, has_prefix: impl Fn(&str, &str) -> bool) -> bool {
        let reads = matches!(reach, Reach::Reads(_)) && self.tool == READ_RULE_TOOL;
        if self.tool != tool && !reads {
            return false;
        }
        match (&self.content, reach) {
            (None, _) => true,
            (Some(content), Reach::Command(command)) => match content.strip_suffix(":*") {
                Some(prefix) => has_prefix(prefix, command),
                None => content == command,
            },
            (Some(content), Reach::Reads(path) | Reach::Writes(path)) => covers_path(content, path),
            (Some(_), Reach::Nothing | Reach::Person | Reach::Unknown) => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Some(content) => write!(formatter, "{}({content})", self.tool),
            None => formatter.write_str(&self.tool),
        }
    }
}

/// `touch:*` covers `touch` and `touch a`, not `touchy`.
fn starts_with_word(command: &str, prefix: &str) -> bool {
    command.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// `//etc/**` covers everything below `/etc`; `//etc/hosts` that file alone.
fn covers_path(content: &str, path: &Path) -> bool {
    let Some(absolute) = content.strip_prefix('/').filter(|rest| rest.starts_with('/')) else {
        return false;
    };
    match absolute.strip_suffix("/**") {
        Some(directory) => path.starts_with(if directory.is_empty() { "/" } else { directory }),
        None => path == Path::new(absolute),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(tool: &str, content: &str) -> Rule {
        Rule { tool: tool.to_owned(), content: Some(content.to_owned()) }
    }

    fn bash(command: &str) -> Reach {
        Reach::Command(command.to_owned())
    }

    #[test]
    fn a_prefix_rule_covers_the_plain_command_and_nothing_behind_it() {
        let touch = rule("Bash", "touch:*");
        for covered in ["touch", "touch a.txt", "touch 'a b'"] {
            assert!(touch.allows("Bash", &bash(covered)), "{covered}");
        }
        for sneaky in [
            "touchy",
            "touch a; rm -rf b",
            "touch a && b",
            "touch $(b)",
            "touch a\nb",
            "touch a|b",
            " touch",
            "touch `b`",
            "touch a > /etc/x",
        ] {
            assert!(!touch.allows("Bash", &bash(sneaky)), "{sneaky}");
        }
    }

    #[test]
    fn an_exact_rule_covers_exactly_its_command() {
        let exact = rule("Bash", "make test && echo ok");
        assert!(exact.allows("Bash", &bash("make test && echo ok")));
        assert!(!exact.allows("Bash", &bash("make test && echo ok ")));
        assert!(!exact.allows("Write", &bash("make test && echo ok")));
    }

    #[test]
    fn a_deny_prefix_covers_more_than_an_allow_prefix() {
        assert!(rule("Bash", "rm:*").forbids("Bash", &bash("rm -rf a; b")));
        assert!(rule("Bash", "rm:*").forbids("Bash", &bash("  rmdir a")));
    }

    #[test]
    fn a_read_rule_covers_all_reading_tools_below_its_directory() {
        let etc = rule("Read", "//etc/**");
        assert!(etc.allows("Read", &Reach::Reads("/etc/hosts".into())));
        assert!(etc.allows("Grep", &Reach::Reads("/etc".into())));
        assert!(!etc.allows("Read", &Reach::Reads("/etcetera/x".into())));
        assert!(!etc.allows("Write", &Reach::Writes("/etc/hosts".into())));
        assert!(!rule("Read", "etc/**").allows("Read", &Reach::Reads("/etc/hosts".into())));
        assert!(rule("Read", "//etc/hosts").allows("Read", &Reach::Reads("/etc/hosts".into())));
    }

    #[test]
    fn reads_and_writes_the_wire_form() {
        let json = json!({"toolName": "Bash", "ruleContent": "ls"});
        let read = Rule::from_json(&json).unwrap();
        assert_eq!(read.to_json(), json);
        assert_eq!(read.to_string(), "Bash(ls)");
        assert_eq!(Rule::from_json(&json!({"toolName": ""})), None);
        assert_eq!(Rule::from_json(&json!("Bash")), None);
    }
}
