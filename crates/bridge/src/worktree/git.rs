//! Calls of git in a repository that nobody vouches for: its hooks, monitors, filters and helpers are programs of
//! whoever wrote its configuration, and none of them is run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// Longest time for a question.
const QUESTION_TIME: Duration = Duration::from_secs(60);
/// Longest time for making or removing a working tree: a big repository has many files.
pub(super) const TREE_TIME: Duration = Duration::from_secs(600);
/// Bytes of an answer that are read; who asks needs to know whether there is one, and how it begins.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Characters of git's own words that are passed on.
const WORDS_CHARS_MAX: usize = 300;

/// Settings that hold against whatever the repository says.
const SETTINGS: [(&str, &str); 18] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.pager", "cat"),
    ("core.editor", "false"),
    ("core.askPass", ""),
    ("core.sshCommand", "false"),
    ("core.gitProxy", ""),
    ("credential.helper", ""),
    ("protocol.allow", "never"),
    ("submodule.recurse", "false"),
    ("status.submoduleSummary", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("log.showSignature", "false"),
    // These could hide a change.
    ("core.ignoreStat", "false"),
    ("core.checkStat", "default"),
    ("core.untrackedCache", "false"),
    ("core.fileMode", "true"),
];
/// What git needs to see of the environment.
const VARIABLES: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "TMPDIR"];

/// Why git gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GitError {
    #[error("git cannot be run: {0}")]
    Absent(String),
    #[error("git took too long")]
    Late,
    #[error("git says: {0}")]
    Said(String),
}

/// Git in one directory.
#[derive(Clone, Debug)]
pub(super) struct Git {
    directory: PathBuf,
    settings: Vec<(OsString, OsString)>,
}

impl Git {
    /// Git in `directory`, with the filters that its own configuration names switched off. Those of the user and of
    /// the system stay: they are programs the user chose.
    pub(super) async fn at(directory: &Path) -> Result<Self, GitError> {
        let settings = SETTINGS.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let mut git = Self { directory: directory.to_owned(), settings };
        let filters = ["config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\."];
        // It fails when there is none.
        let listed = git.ask(filters).await.unwrap_or_default();
        for driver in foreign_filters(&listed) {
            for (what, value) in [("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")] {
                git.settings.push((format!("filter.{driver}.{what}").into(), value.into()));
            }
        }
        Ok(git)
    }

    /// The same settings elsewhere.
    pub(super) fn moved_to(&self, directory: &Path) -> Self {
        Self { directory: directory.to_owned(), ..self.clone() }
    }

    /// What git answers, without the last line's end.
    pub(super) async fn ask<A: Into<OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, GitError> {
        self.run(arguments, QUESTION_TIME).await
    }

    /// As [`Git::ask`], for calls that may take long.
    pub(super) async fn run<A: Into<OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        time: Duration,
    ) -> Result<String, GitError> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        timeout(time, self.call(&arguments)).await.unwrap_or(Err(GitError::Late))
    }

    async fn call(&self, arguments: &[OsString]) -> Result<String, GitError> {
        let absent = |error: std::io::Error| GitError::Absent(error.to_string());
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.directory).env_clear();
        command.envs(VARIABLES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        command.envs([
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
        ]);
        command.env("GIT_CONFIG_COUNT", self.settings.len().to_string());
        for (at, (key, value)) in self.settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{at}"), key).env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(absent)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (answer, words) = tokio::join!(read(stdout), read(stderr));
        let status = child.wait().await.map_err(absent)?;
        if status.success() {
            Ok(answer.strip_suffix('\n').unwrap_or(&answer).to_owned())
        } else {
            Err(GitError::Said(last_words(&words)))
        }
    }
}

/// The beginning of what is said; the rest is read and dropped, so that who says it can end.
async fn read(pipe: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    let _ = (&mut pipe).take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What git complains about, in one line that shows nothing invisible.
fn last_words(words: &str) -> String {
    let last = words.lines().rev().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let last = last.or_else(|| words.lines().next_back()).unwrap_or("nothing");
    last.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_CHARS_MAX).collect()
}

/// Names of the filters that the repository's own configuration describes, out of `scope NUL key NUL …`.
fn foreign_filters(listed: &str) -> Vec<String> {
    let words: Vec<&str> = listed.split('\0').collect();
    let mut drivers: Vec<String> = words
        .chunks_exact(2)
        .filter(|pair| !matches!(pair[0], "system" | "global"))
        .filter_map(|pair| Some(pair[1].strip_prefix("filter.")?.rsplit_once('.')?.0.to_owned()))
        .collect();
    drivers.sort_unstable();
    drivers.dedup();
    drivers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_the_repository_are_told_from_those_of_the_user() {
        let listed = "global\0filter.lfs.smudge\0local\0filter.evil.x.clean\0local\0filter.evil.x.smudge\0worktree\0filter.w=1.process\0command\0filter.c.clean\0";
        assert_eq!(foreign_filters(listed), ["c", "evil.x", "w=1"]);
        assert!(foreign_filters("").is_empty());
    }

    #[test]
    fn what_git_complains_about_is_one_line() {
        assert_eq!(last_words("hint: x\nfatal: no\u{1b}[31m way\nhint: y"), "fatal: no [31m way");
        assert_eq!(last_words(""), "nothing");
    }
}
