//! A working tree of its own for a session: made when the session starts, taken again after a restart, and removed at
//! the end only when nothing is in it that is not elsewhere too.
//!
//! All names are made of the session's id, which holds no character that git, a shell or a path reads anything into.

mod git;
mod unsaved;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use portcullis_protocol::id::SessionId;
use serde::{Deserialize, Serialize};

use git::{Git, GitError, TREE_TIME};
pub(crate) use unsaved::Unsaved;

/// Branches of sessions stand below this name.
const BRANCHES: &str = "portcullis";

/// Why a session gets no working tree.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorktreeError {
    #[error("{0} is not in a git repository, so it can have no working tree of its own there")]
    NoRepository(String),
    #[error("{0} is a bare git repository, which has no files to work in")]
    Bare(String),
    #[error("the git repository of {0} has no commit yet to begin a working tree with")]
    NoCommit(String),
    #[error("the git repository of {0} says that its files are elsewhere")]
    Elsewhere(String),
    #[error("{0} is in the way: it is no working tree of this repository")]
    InTheWay(String),
    #[error("the working tree cannot be made: {0}")]
    Git(#[from] GitError),
    #[error("the working tree cannot be made: {0}")]
    File(#[from] std::io::Error),
}

/// The working tree of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Worktree {
    /// Working tree of the repository it belongs to.
    repository: PathBuf,
    /// Where it is.
    root: PathBuf,
    /// The directory in it that the session works in.
    directory: PathBuf,
    branch: String,
    /// The commit it began with.
    base: String,
}

/// What became of a working tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Removed,
    Kept(Unsaved),
}

impl Worktree {
    /// The directory the session works in.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Its branch.
    pub(crate) fn branch(&self) -> &str {
        &self.branch
    }

    /// The working tree of `session` for the repository of `directory`, and whether it is new.
    pub(crate) async fn take(
        state_dir: &Path,
        session: &SessionId,
        directory: &Path,
    ) -> Result<(Self, bool), WorktreeError> {
        let shown = || directory.display().to_string();
        let git = Git::at(directory).await?;
        let repository = repository_of(&git, directory).await?;
        let base = git.ask(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await;
        let base = base.map_err(|_| WorktreeError::NoCommit(shown()))?;
        let inside = directory.strip_prefix(&repository).map_err(|_| WorktreeError::Elsewhere(shown()))?;
        let folder = folder(state_dir);
        std::fs::create_dir_all(&folder)?;
        let root = folder.canonicalize()?.join(session.as_str());
        let fresh = Self {
            // Joined with nothing, a path would end in a slash.
            directory: root.join(inside).components().collect(),
            repository,
            root,
            branch: format!("{BRANCHES}/{session}"),
            base,
        };
        if let Some(known) = Self::known(state_dir, session).filter(|known| known.is_like(&fresh))
            && known.is_there(&git).await
        {
            std::fs::create_dir_all(&known.directory)?;
            return Ok((known, false));
        }
        fresh.make(&git, state_dir, session).await?;
        Ok((fresh, true))
    }

    /// The working tree that is on record for `session`.
    pub(crate) fn known(state_dir: &Path, session: &SessionId) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(record(state_dir, session)).ok()?).ok()
    }

    /// Sessions that have one on record.
    pub(crate) fn sessions(state_dir: &Path) -> Vec<SessionId> {
        let Ok(files) = std::fs::read_dir(folder(state_dir)) else { return Vec::new() };
        files
            .filter_map(|file| SessionId::parse(file.ok()?.file_name().to_str()?.strip_suffix(".json")?).ok())
            .collect()
    }

    fn is_like(&self, fresh: &Self) -> bool {
        let same = |one: &Self| {
            (one.repository.clone(), one.root.clone(), one.directory.clone(), one.branch.clone())
        };
        same(self) == same(fresh)
    }

    /// Whether it still belongs to the repository in which `git` works.
    async fn is_there(&self, git: &Git) -> bool {
        let common = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
        let there = git.moved_to(&self.root);
        match (
            git.ask(common).await,
            there.ask(common).await,
            there.ask(["rev-parse", "--show-toplevel"]).await,
        ) {
            (Ok(ours), Ok(theirs), Ok(root)) => ours == theirs && Path::new(&root) == self.root,
            _ => false,
        }
    }

    async fn make(&self, git: &Git, state_dir: &Path, session: &SessionId) -> Result<(), WorktreeError> {
        if std::fs::symlink_metadata(&self.root).is_ok() {
            // An empty folder is no loss.
            std::fs::remove_dir(&self.root)
                .map_err(|_| WorktreeError::InTheWay(self.root.display().to_string()))?;
        }
        self.write(&record(state_dir, session))?;
        let git = git.moved_to(&self.repository);
        let mut words: Vec<&OsStr> =
            ["worktree", "add", "--quiet", "--force", "--no-guess-remote"].map(OsStr::new).into();
        let has_branch = self.tip(&git).await.is_some();
        if !has_branch {
            words.extend(["--no-track", "-b", self.branch.as_str()].map(OsStr::new));
        }
        words.extend([OsStr::new("--"), self.root.as_os_str()]);
        words.push(OsStr::new(if has_branch { &self.branch } else { &self.base }));
        if let Err(error) = git.run(words, TREE_TIME).await {
            if !self.root.exists() {
                let _ = std::fs::remove_file(record(state_dir, session));
            }
            return Err(error.into());
        }
        // A directory that is not in the commit.
        Ok(std::fs::create_dir_all(&self.directory)?)
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, serde_json::to_vec(self)?)?;
        std::fs::rename(fresh, path)
    }

    fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// The commit its branch stands on.
    async fn tip(&self, git: &Git) -> Option<String> {
        git.ask(["rev-parse", "--verify", "--quiet", &self.reference()]).await.ok()
    }

    /// Removes it, unless something would be lost. Nobody may work in it meanwhile.
    pub(crate) async fn settle(&self, state_dir: &Path, session: &SessionId) -> Fate {
        match self.remove(state_dir, session).await {
            Ok(()) => Fate::Removed,
            Err(unsaved) => Fate::Kept(unsaved),
        }
    }

    async fn remove(&self, state_dir: &Path, session: &SessionId) -> Result<(), Unsaved> {
        if std::fs::symlink_metadata(&self.root).is_err() {
            let _ = std::fs::remove_file(record(state_dir, session));
            return Ok(());
        }
        let git = Git::at(&self.root).await?;
        let main = git.moved_to(&self.repository);
        if !self.is_there(&main).await {
            return Err(GitError::Said("it is no working tree of its repository any more".into()).into());
        }
        unsaved::find(&git, self).await?;
        let tip = self.tip(&main).await;
        // Without `--force`: git looks once more.
        let words = [OsStr::new("worktree"), OsStr::new("remove"), OsStr::new("--"), self.root.as_os_str()];
        main.run(words, TREE_TIME).await?;
        if let Some(tip) = tip {
            // Only as it was when it was checked.
            let dropped = main.ask(["update-ref", "-d", &self.reference(), &tip]).await;
            if let Err(error) = dropped {
                tracing::warn!(branch = self.branch, %error, "the branch of a removed working tree stays");
            }
        }
        let _ = std::fs::remove_file(record(state_dir, session));
        Ok(())
    }
}

/// The top of the repository's working tree that `directory` is in.
async fn repository_of(git: &Git, directory: &Path) -> Result<PathBuf, WorktreeError> {
    let shown = || directory.display().to_string();
    let bare = git.ask(["rev-parse", "--is-inside-work-tree"]).await.map_err(|error| match error {
        GitError::Said(words) if words.contains("not a git repository") => {
            WorktreeError::NoRepository(shown())
        }
        GitError::Said(_) | GitError::Absent(_) | GitError::Late => WorktreeError::Git(error),
    })?;
    if bare != "true" {
        return Err(WorktreeError::Bare(shown()));
    }
    let top = PathBuf::from(git.ask(["rev-parse", "--show-toplevel"]).await?);
    // Its configuration may name any folder as its working tree.
    if directory.starts_with(&top) { Ok(top) } else { Err(WorktreeError::Elsewhere(shown())) }
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("worktrees")
}

fn record(state_dir: &Path, session: &SessionId) -> PathBuf {
    folder(state_dir).join(format!("{session}.json"))
}

#[cfg(test)]
mod tests;
