//! Walks a directory the way a developer looks at it: without what git ignores, without `.git`, never through a
//! symbolic link out of it, and never for ever.

use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// Files looked at by one walk; a bigger tree is cut here.
pub(super) const WALK_FILES_MAX: usize = 50_000;

/// The regular files below `base` (or `base` itself), sorted by path within each directory.
pub(super) fn files(base: &Path) -> impl Iterator<Item = PathBuf> {
    WalkBuilder::new(base)
        .hidden(false)
        .require_git(false)
        .git_global(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_name(Ord::cmp)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .take(WALK_FILES_MAX)
}

/// Runs a walk where it does not hold up the conversation.
pub(super) async fn aside<T: Send + 'static>(walk: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(walk).await.map_err(|_| "the search broke off".to_owned())
}
