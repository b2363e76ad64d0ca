//! Permission rules as they are granted on the wire: a tool name, and for some tools what exactly it covers.
//! An allow rule covers as little as its text can mean, a deny rule as much.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use globset::GlobBuilder;
use serde_json::{Value, json};

use crate::tools::{Reach, is_same};

/// Tools whose rules are about paths that are read share this name in rules.
pub(crate) const READ_RULE_TOOL: &str = "Read";
/// And those about paths that are changed this one.
const EDIT_RULE_TOOL: &str = "Edit";

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
    pub(crate) fn allows(&self, tool: &str, reach: &Reach, ground: &Ground) -> bool {
        self.covers(tool, reach, ground, |prefix, command| {
            !command.contains(SHELL_SYNTAX) && starts_with_word(command, prefix)
        })
    }

    /// Whether this rule, as a deny or ask rule, covers the call.
    pub(crate) fn forbids(&self, tool: &str, reach: &Reach, ground: &Ground) -> bool {
        self.covers(tool, reach, ground, |prefix, command| command.trim_start().starts_with(prefix))
    }

    fn covers(
        &self,
        tool: &str,
        reach: &Reach,
        ground: &Ground,
        has_prefix: impl Fn(&str, &str) -> bool,
    ) -> bool {
        let reads = matches!(reach, Reach::Reads(_)) && self.tool == READ_RULE_TOOL;
        let edits = matches!(reach, Reach::Writes(_)) && self.tool == EDIT_RULE_TOOL;
        if !is_same(&self.tool, tool) && !reads && !edits {
            return false;
        }
        match (&self.content, reach) {
            (None, _) => true,
            (Some(content), Reach::Command(command)) => match content.strip_suffix(":*") {
                Some(prefix) => has_prefix(prefix, command),
                None => content == command,
            },
            (Some(content), Reach::Reads(path) | Reach::Writes(path)) => ground.covers(content, path),
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

/// What paths in rules are seen from.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) cwd: PathBuf,
    pub(crate) home: Option<PathBuf>,
}

impl Ground {
    /// `//etc/**` covers everything below `/etc` and `//etc/hosts` that file alone; `~/x` is below the home directory,
    /// `/x`, `./x` and `x/y` below the working directory, and a name without a slash anywhere below it.
    fn covers(&self, content: &str, path: &Path) -> bool {
        let (base, pattern) = if let Some(absolute) = content.strip_prefix("//") {
            (Some(Path::new("/")), absolute.to_owned())
        } else if let Some(below_home) = content.strip_prefix("~/") {
            (self.home.as_deref(), below_home.to_owned())
        } else if let Some(below) = content.strip_prefix('/').or_else(|| content.strip_prefix("./")) {
            (Some(self.cwd.as_path()), below.to_owned())
        } else if content.contains('/') {
            (Some(self.cwd.as_path()), content.to_owned())
        } else {
            (Some(self.cwd.as_path()), format!("**/{content}"))
        };
        let Some(below) = base.and_then(|base| path.strip_prefix(base).ok()) else { return false };
        // The directory itself is looked through by whoever may look at all that is in it.
        let whole = pattern.strip_suffix("/**").unwrap_or(if pattern == "**" { "" } else { &pattern });
        fits(&pattern, below) || fits(whole, below)
    }
}

/// A pattern that is none fits nothing but itself.
fn fits(pattern: &str, path: &Path) -> bool {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map_or_else(|_| path == Path::new(pattern), |glob| glob.compile_matcher().is_match(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(tool: &str, content: &str) -> Rule {
        Rule { tool: tool.to_owned(), content: Some(content.to_owned()) }
    }

    fn ground() -> Ground {
        Ground { cwd: "/project".into(), home: Some("/home/ada".into()) }
    }

    fn bash(command: &str) -> Reach {
        Reach::Command(command.to_owned())
    }

    #[test]
    fn a_prefix_rule_covers_the_plain_command_and_nothing_behind_it() {
        let touch = rule("Bash", "touch:*");
        for covered in ["touch", "touch a.txt", "touch 'a b'"] {
            assert!(touch.allows("Bash", &bash(covered), &ground()), "{covered}");
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
            assert!(!touch.allows("Bash", &bash(sneaky), &ground()), "{sneaky}");
        }
    }

    #[test]
    fn an_exact_rule_covers_exactly_its_command() {
        let exact = rule("Bash", "make test && echo ok");
        assert!(exact.allows("Bash", &bash("make test && echo ok"), &ground()));
        assert!(!exact.allows("Bash", &bash("make test && echo ok "), &ground()));
        assert!(!exact.allows("Write", &bash("make test && echo ok"), &ground()));
    }

    #[test]
    fn a_deny_prefix_covers_more_than_an_allow_prefix() {
        assert!(rule("Bash", "rm:*").forbids("Bash", &bash("rm -rf a; b"), &ground()));
        assert!(rule("Bash", "rm:*").forbids("Bash", &bash("  rmdir a"), &ground()));
    }

    #[test]
    fn a_read_rule_covers_all_reading_tools_below_its_directory() {
        let etc = rule("Read", "//etc/**");
        assert!(etc.allows("Read", &Reach::Reads("/etc/hosts".into()), &ground()));
        assert!(etc.allows("Grep", &Reach::Reads("/etc".into()), &ground()));
        assert!(!etc.allows("Read", &Reach::Reads("/etcetera/x".into()), &ground()));
        assert!(!etc.allows("Write", &Reach::Writes("/etc/hosts".into()), &ground()));
        assert!(!rule("Read", "etc/**").allows("Read", &Reach::Reads("/etc/hosts".into()), &ground()));
        assert!(rule("Read", "//etc/hosts").allows("Read", &Reach::Reads("/etc/hosts".into()), &ground()));
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

    #[test]
    fn a_path_in_a_rule_is_seen_from_where_its_form_says() {
        let covers = |content: &str, path: &str| ground().covers(content, Path::new(path));
        for (content, path) in [
            ("//etc/*.conf", "/etc/a.conf"),
            ("~/.ssh/**", "/home/ada/.ssh/id"),
            ("/src/**", "/project/src/a/b.rs"),
            ("./src/*.rs", "/project/src/a.rs"),
            ("src/a.rs", "/project/src/a.rs"),
            (".env", "/project/deep/down/.env"),
            ("*.pem", "/project/a.pem"),
            ("**", "/project/x"),
        ] {
            assert!(covers(content, path), "{content} {path}");
        }
        for (content, path) in [
            ("//etc/*.conf", "/etc/deep/a.conf"),
            ("~/.ssh/**", "/home/bob/.ssh/id"),
            ("/src/**", "/src/a.rs"),
            ("src/a.rs", "/other/src/a.rs"),
            (".env", "/etc/.env"),
            ("**", "/etc/passwd"),
            ("[", "/project/x"),
        ] {
            assert!(!covers(content, path), "{content} {path}");
        }
    }

    #[test]
    fn an_edit_rule_covers_all_writing_tools_and_a_write_rule_its_own() {
        let write = Reach::Writes("/project/a".into());
        assert!(rule("Edit", "/a").forbids("Write", &write, &ground()));
        assert!(!rule("Write", "/a").forbids("Edit", &write, &ground()));
    }

    #[test]
    fn reads_the_text_form() {
        assert_eq!(Rule::from_text("Bash(git log:*)").unwrap().to_string(), "Bash(git log:*)");
        assert_eq!(Rule::from_text("Read(*)").unwrap().to_string(), "Read");
        for odd in ["", "(x)", "Bash(x"] {
            assert_eq!(Rule::from_text(odd), None, "{odd}");
        }
    }
}
