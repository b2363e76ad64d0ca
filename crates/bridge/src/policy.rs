//! What this machine lets others do, whatever the ingress says: where agents may work, which ones, in which
//! permission modes, and which requests of an owner reach them.

use std::path::{Path, PathBuf};

use portcullis_protocol::role::{PermissionMode, requirement};
use serde::Deserialize;

use crate::config::Place;

/// Why something is not done here. The text is for the person who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No such directory.
    #[error("the directory {0} is not there")]
    NoDirectory(String),
    /// Outside what is allowed.
    #[error("the directory {0} is outside of what this machine allows")]
    Directory(String),
    /// A mode that is not allowed, or is none.
    #[error("the permission mode `{0}` is not allowed on this machine")]
    Mode(String),
    /// An agent that is not configured or not allowed.
    #[error("the agent `{0}` is not available on this machine")]
    Agent(String),
    /// A way to work that is not allowed.
    #[error("sessions may not work {0} on this machine")]
    Place(&'static str),
    /// A model's name that is none.
    #[error("`{0}` is no name of a model")]
    Model(String),
    /// A control request that is not allowed.
    #[error("`{0}` is not allowed on this machine")]
    Request(String),
}

/// The rules of one bridge. The default of [`Policy::for_directory`] allows one directory, the modes `default`,
/// `plan`, `acceptEdits` and `dontAsk`, and none of an owner's special requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Directories agents may work in, with everything below them.
    pub directories: Vec<PathBuf>,
    /// Modes a session may have.
    #[serde(default = "default_modes")]
    pub permission_modes: Vec<PermissionMode>,
    /// Agents by name; absent = every configured one.
    #[serde(default)]
    pub agents: Option<Vec<String>>,
    /// Agents of the Agent Client Protocol that this machine offers beside those it finds.
    #[serde(default)]
    pub acp: Vec<AcpAgent>,
    /// Subtypes of control requests that only an owner may send and that this machine passes on.
    #[serde(default)]
    pub owner_requests: Vec<String>,
    /// Where sessions may work: in the directory itself, in a working tree of their own.
    #[serde(default = "any_place")]
    pub spawn: Vec<Place>,
}

fn any_place() -> Vec<Place> {
    vec![Place::SameDir, Place::Worktree]
}

/// An agent of the Agent Client Protocol, as a policy file names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcpAgent {
    /// Its name, as clients choose it.
    pub name: String,
    /// Program and arguments. Never goes through a shell.
    pub argv: Vec<String>,
    /// Names of environment variables it may see beside the common ones; a trailing `*` stands for any rest.
    #[serde(default)]
    pub environment: Vec<String>,
}

fn default_modes() -> Vec<PermissionMode> {
    vec![PermissionMode::Default, PermissionMode::Plan, PermissionMode::AcceptEdits, PermissionMode::DontAsk]
}

impl Policy {
    /// The default rules for `directory`.
    #[must_use]
    pub fn for_directory(directory: PathBuf) -> Self {
        Self {
            directories: vec![directory],
            permission_modes: default_modes(),
            agents: None,
            acp: Vec::new(),
            owner_requests: Vec::new(),
            spawn: any_place(),
        }
    }

    /// Checks where sessions are to work.
    ///
    /// # Errors
    /// [`PolicyError::Place`].
    pub fn place(&self, place: Place) -> Result<Place, PolicyError> {
        match place {
            _ if self.spawn.contains(&place) => Ok(place),
            Place::SameDir => Err(PolicyError::Place("in the directory itself")),
            Place::Worktree => Err(PolicyError::Place("in working trees of their own")),
        }
    }

    /// The directory an agent works in: `wanted` or else `default`, without links and inside the allowed ones.
    ///
    /// # Errors
    /// [`PolicyError::NoDirectory`] and [`PolicyError::Directory`].
    pub fn directory(&self, wanted: Option<&str>, default: &Path) -> Result<PathBuf, PolicyError> {
        let wanted = wanted.filter(|wanted| !wanted.is_empty()).map_or(default, Path::new);
        let shown = || wanted.display().to_string();
        if !wanted.is_absolute() {
            return Err(PolicyError::Directory(shown()));
        }
        let real = wanted.canonicalize().map_err(|_| PolicyError::NoDirectory(shown()))?;
        if !real.is_dir() {
            return Err(PolicyError::NoDirectory(shown()));
        }
        let allowed = self.directories.iter().filter_map(|allowed| allowed.canonicalize().ok());
        if allowed.into_iter().any(|allowed| real.starts_with(allowed)) {
            Ok(real)
        } else {
            Err(PolicyError::Directory(shown()))
        }
    }

    /// Checks a mode by its name on the wire.
    ///
    /// # Errors
    /// [`PolicyError::Mode`].
    pub fn mode(&self, name: &str) -> Result<PermissionMode, PolicyError> {
        PermissionMode::parse(name)
            .filter(|mode| self.permission_modes.contains(mode))
            .ok_or_else(|| PolicyError::Mode(name.to_owned()))
    }

    /// Whether agents of this name may run.
    #[must_use]
    pub fn allows_agent(&self, name: &str) -> bool {
        self.agents.as_ref().is_none_or(|agents| agents.iter().any(|allowed| allowed == name))
    }

    /// Checks a client's control request. `flagged` = the ingress says that the policy has to allow it.
    ///
    /// # Errors
    /// [`PolicyError::Request`] and [`PolicyError::Mode`].
    pub fn control(
        &self,
        subtype: &str,
        mode: Option<&str>,
        current: Option<&str>,
        flagged: bool,
    ) -> Result<(), PolicyError> {
        let refused = || PolicyError::Request(subtype.to_owned());
        let needed =
            requirement(subtype, mode, current.and_then(PermissionMode::parse)).ok_or_else(refused)?;
        if subtype == "set_permission_mode" {
            return self.mode(mode.unwrap_or_default()).map(|_| ());
        }
        if (flagged || needed.needs_policy) && !self.owner_requests.iter().any(|allowed| allowed == subtype) {
            return Err(refused());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy::for_directory(PathBuf::from("/nowhere"))
    }

    #[test]
    fn stays_inside_the_allowed_directories_through_links_and_dots() {
        let root = tempfile::tempdir().unwrap();
        let inside = root.path().join("project");
        let outside = root.path().join("other");
        for directory in [&inside, &outside] {
            std::fs::create_dir(directory).unwrap();
        }
        std::fs::create_dir(inside.join("sub")).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        let policy = Policy::for_directory(inside.clone());
        let real = |path: &Path| path.canonicalize().unwrap();
        let text = |path: PathBuf| path.display().to_string();
        assert_eq!(policy.directory(None, &inside), Ok(real(&inside)));
        assert_eq!(policy.directory(Some(&text(inside.join("sub"))), &inside), Ok(real(&inside.join("sub"))));
        for bad in [inside.join("link"), inside.join("../other"), outside.clone(), PathBuf::from("sub")] {
            let bad = text(bad);
            assert_eq!(policy.directory(Some(&bad), &inside), Err(PolicyError::Directory(bad.clone())));
        }
        let gone = text(inside.join("gone"));
        assert_eq!(policy.directory(Some(&gone), &inside), Err(PolicyError::NoDirectory(gone.clone())));
        assert!(policy.directory(Some("/a\0b"), &inside).is_err());
    }

    #[test]
    fn never_bypasses_permissions_by_default() {
        for mode in ["default", "plan", "acceptEdits", "dontAsk"] {
            assert!(policy().mode(mode).is_ok(), "{mode}");
        }
        for mode in ["bypassPermissions", "auto", "", "--dangerously-skip-permissions"] {
            assert_eq!(policy().mode(mode), Err(PolicyError::Mode(mode.into())));
        }
    }

    #[test]
    fn passes_on_what_the_table_and_the_policy_allow() {
        let control = |subtype, mode| policy().control(subtype, mode, Some("default"), false);
        assert_eq!(control("interrupt", None), Ok(()));
        assert_eq!(control("set_permission_mode", Some("acceptEdits")), Ok(()));
        assert!(control("set_permission_mode", Some("bypassPermissions")).is_err());
        assert!(control("set_permission_mode", None).is_err());
        for subtype in ["read_file", "get_settings", "mcp_set_servers", "end_session", "nonsense"] {
            assert_eq!(control(subtype, None), Err(PolicyError::Request(subtype.into())));
        }
        assert!(policy().control("interrupt", None, None, true).is_err(), "flagged by the ingress");
        let open = Policy { owner_requests: vec!["read_file".into()], ..policy() };
        assert_eq!(open.control("read_file", None, None, true), Ok(()));
    }

    #[test]
    fn refuses_a_policy_file_with_a_rule_it_does_not_know() {
        assert!(
            serde_json::from_str::<Policy>(r#"{"directories":["/p"],"permission_mode":["plan"]}"#).is_err()
        );
        let read: Policy =
            serde_json::from_str(r#"{"directories":["/p"],"permission_modes":["plan"]}"#).unwrap();
        assert_eq!(read.permission_modes, [PermissionMode::Plan]);
        let named = r#"{"directories":["/p"],"acp":[{"name":"g","argv":["gemini","--acp"]}]}"#;
        let read: Policy = serde_json::from_str(named).unwrap();
        assert_eq!(read.acp[0].argv, ["gemini", "--acp"]);
        assert!(serde_json::from_str::<Policy>(&named.replace("argv", "command")).is_err());
    }
}
