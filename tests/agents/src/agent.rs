//! The agents under test.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// An agent as the bridge finds it.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its name, as a session asks for it.
    pub name: &'static str,
    /// The program that is found on the PATH under a name; none = the binary brings it along.
    pub program: Option<(String, PathBuf)>,
    /// The version, as far as it matters.
    pub version: Option<Version>,
    /// The model a session asks for.
    pub model: Option<&'static str>,
    /// Variables it needs beside those that lead it to the API.
    pub variables: Vec<(String, OsString)>,
    /// Further arguments of `remote-control`.
    pub words: Vec<String>,
}

/// A version of Claude Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next()??, parts.next()??))
    }
}

impl Agent {
    /// The agent inside the binary, asking the model's API.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            name: "builtin",
            program: None,
            version: None,
            model: Some("claude-sonnet-4-5"),
            variables: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Claude Code, where the command that runs the tests put it.
    ///
    /// # Errors
    /// When it does not say where.
    pub fn claude() -> Result<Self> {
        let said = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run `cargo xtask test agents`"))
        };
        let program = PathBuf::from(said("PORTCULLIS_CLAUDE")?);
        let version = Version::parse(&said("PORTCULLIS_CLAUDE_VERSION")?).context("a version")?;
        Ok(Self {
            name: "claude",
            program: Some(("claude".to_owned(), program)),
            version: Some(version),
            model: None,
            variables: Vec::new(),
            words: Vec::new(),
        })
    }

    /// Whether this is Claude Code before `version`.
    #[must_use]
    pub fn is_before(&self, version: Version) -> bool {
        self.version.is_some_and(|own| own < version)
    }

    /// Whether this is Claude Code.
    #[must_use]
    pub fn is_claude(&self) -> bool {
        self.version.is_some()
    }
}
