//! Where things are: data directories only we may read, the web client, programs on PATH.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::outcome::Failure;

/// The data directory: the one given, or the user's own. Made and closed to others.
pub(crate) fn data_dir(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let path = match given {
        Some(path) => path,
        None => default_data_dir().ok_or_else(|| Failure::usage("no home directory: give --data-dir"))?,
    };
    private(&path).map_err(|error| Failure::failed("the data directory cannot be used", &error))
}

/// Where the user's programs keep their data.
pub(crate) fn default_data_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(base.join("portcullis"))
}

/// Makes `path` if it is not there, closes it to others, and gives its real name.
fn private(path: &Path) -> anyhow::Result<PathBuf> {
    let shown = || path.display().to_string();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(shown)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).with_context(shown)?;
    path.canonicalize().with_context(shown)
}

/// The built web client: the one given, or `dist` here. Only with a page in it.
pub(crate) fn web_root(given: Option<PathBuf>) -> Option<PathBuf> {
    let root = given.unwrap_or_else(|| PathBuf::from("dist"));
    root.join("index.html").is_file().then_some(root)
}

/// This very program.
pub(crate) fn own_program() -> Result<OsString, Failure> {
    let path = std::env::current_exe().context("its own file is not known");
    path.map(PathBuf::into_os_string).map_err(|error| Failure::failed("agents cannot be started", &error))
}

/// The file of a program on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|file| {
            file.metadata()
                .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        })
}

/// The current directory, without links.
pub(crate) fn here() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().and_then(|path| path.canonicalize());
    here.map_err(|error| Failure::failed("the current directory is not there", &anyhow!(error)))
}

/// The name of this machine.
pub(crate) fn machine_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "this machine".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_closed_to_others_even_when_it_was_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let private = data_dir(Some(path)).unwrap();
        assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_web_client_without_a_page_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(web_root(Some(folder.path().into())), None);
        std::fs::write(folder.path().join("index.html"), "x").unwrap();
        assert_eq!(web_root(Some(folder.path().into())), Some(folder.path().into()));
    }

    #[test]
    fn finds_a_program_and_no_plain_file() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("surely-not-there"), None);
    }
}
