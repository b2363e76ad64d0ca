//! What a working tree holds that is nowhere else, and would be lost with it.

use std::path::Path;

use super::Worktree;
use super::git::{Git, GitError};

/// Positions of the working tree's `HEAD` that are looked at.
const POSITIONS_MAX: usize = 1_000;
/// Commits that are counted.
const COMMITS_MAX: usize = 1_000;
/// Files and folders that git keeps while something is under way, and what that is.
const UNDER_WAY: [(&str, &str); 7] = [
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase or a series of patches"),
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("sequencer", "a series of commits"),
    ("BISECT_LOG", "a bisection"),
];

/// Why a working tree stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsaved {
    #[error("files in it are changed or new and not committed, such as {0}")]
    Changes(String),
    #[error("{0} is under way in it")]
    UnderWay(&'static str),
    #[error("{0} of its commits are on no other branch or tag")]
    Commits(usize),
    #[error("changes of {0} are hidden from git")]
    Hidden(String),
    #[error("the submodule {0} is checked out in it")]
    Submodule(String),
    #[error("something was stashed in it")]
    Stash,
    #[error("it could not be checked: {0}")]
    Unknown(#[from] GitError),
}

/// Finds the first thing in `tree` that would be lost. `git` works in it.
pub(super) async fn find(git: &Git, tree: &Worktree) -> Result<(), Unsaved> {
    under_way(git).await?;
    changes(git).await?;
    index(git, &tree.root).await?;
    stash(git, &tree.branch).await?;
    commits(git, tree).await
}

async fn under_way(git: &Git) -> Result<(), Unsaved> {
    let folder = git.ask(["rev-parse", "--absolute-git-dir"]).await?;
    let folder = Path::new(&folder);
    match UNDER_WAY.iter().find(|(name, _)| folder.join(name).symlink_metadata().is_ok()) {
        Some((_, what)) => Err(Unsaved::UnderWay(what)),
        None => Ok(()),
    }
}

async fn changes(git: &Git) -> Result<(), Unsaved> {
    let status = [
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=normal",
        "--ignore-submodules=all",
        "--no-renames",
    ];
    let status = git.ask(status).await?;
    match status.split('\0').find(|line| !line.is_empty()) {
        // Two letters and a space stand before the name.
        Some(line) => Err(Unsaved::Changes(name(line.get(3..).unwrap_or_default()))),
        None => Ok(()),
    }
}

/// Entries of the index that `status` does not look at.
async fn index(git: &Git, root: &Path) -> Result<(), Unsaved> {
    let listed = git.ask(["ls-files", "-z", "-v", "--stage"]).await?;
    for entry in listed.split('\0').filter(|entry| !entry.is_empty()) {
        // `H 100644 <hash> 0<TAB>name`
        let Some((marks, file)) = entry.split_once('\t') else { continue };
        let mut marks = marks.split(' ');
        let (mark, mode) = (marks.next().unwrap_or_default(), marks.next().unwrap_or_default());
        let path = root.join(file);
        if mode == "160000" {
            if std::fs::read_dir(&path).is_ok_and(|mut files| files.next().is_some()) {
                return Err(Unsaved::Submodule(name(file)));
            }
            continue;
        }
        let is_assumed = mark.chars().any(|mark| mark.is_ascii_lowercase());
        // A sparse checkout leaves files out; one that is there all the same was written.
        let is_skipped = mark == "S" && path.symlink_metadata().is_ok();
        if is_assumed || is_skipped {
            return Err(Unsaved::Hidden(name(file)));
        }
    }
    Ok(())
}

/// Stashes belong to the whole repository, and name the branch they were made on.
async fn stash(git: &Git, branch: &str) -> Result<(), Unsaved> {
    // It fails when nothing was ever stashed.
    let stashed = git.ask(["reflog", "show", "--format=%gs", "refs/stash", "--"]).await.unwrap_or_default();
    let ours = format!("on {branch}:");
    if stashed.lines().any(|line| line.to_ascii_lowercase().contains(&ours.to_ascii_lowercase())) {
        return Err(Unsaved::Stash);
    }
    Ok(())
}

/// Every commit its `HEAD` ever stood on, as far as no other branch or tag and not its beginning leads there.
async fn commits(git: &Git, tree: &Worktree) -> Result<(), Unsaved> {
    let limit = format!("--max-count={POSITIONS_MAX}");
    let stood = git.ask(["reflog", "show", "--format=%H", &limit, "HEAD", "--"]).await.unwrap_or_default();
    let mut question =
        vec!["rev-list".to_owned(), "--count".into(), format!("--max-count={COMMITS_MAX}"), "HEAD".into()];
    question.extend(stood.lines().map(str::to_owned));
    if tree.tip(git).await.is_some() {
        question.push(tree.reference());
    }
    question.extend(["--not".into(), tree.base.clone(), format!("--exclude={}", tree.branch)]);
    question.extend(["--branches", "--tags", "--remotes", "--"].map(str::to_owned));
    match git.ask(question).await?.parse().unwrap_or(COMMITS_MAX) {
        0 => Ok(()),
        count => Err(Unsaved::Commits(count)),
    }
}

/// A file's name as a person may see it.
fn name(file: &str) -> String {
    file.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(100).collect()
}
