//! What a bridge remembers and knows about its directory: the environment it was registered as, and its branch.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use portcullis_protocol::id::{DeviceId, EnvironmentId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Remembered directories; the oldest are forgotten.
const PLACES_MAX: usize = 100;
/// A lock that nobody took for this long goes.
const LOCK_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Characters of a branch's name that are reported.
const BRANCH_CHARS_MAX: usize = 200;

#[derive(Clone, Serialize, Deserialize)]
struct Place {
    directory: PathBuf,
    device_id: DeviceId,
    environment_id: EnvironmentId,
}

/// The environment `directory` was registered as before. What cannot be read was not.
pub(crate) fn environment_of(state_dir: &Path, directory: &Path, device: &DeviceId) -> Option<EnvironmentId> {
    let mut places = read(state_dir);
    places.retain(|place| place.directory == directory && place.device_id == *device);
    places.pop().map(|place| place.environment_id)
}

/// Remembers the environment of `directory`.
pub(crate) fn remember(
    state_dir: &Path,
    directory: &Path,
    device: &DeviceId,
    environment: &EnvironmentId,
) -> std::io::Result<()> {
    let mut places = read(state_dir);
    places.retain(|place| place.directory != directory || place.device_id != *device);
    places.push(Place {
        directory: directory.to_owned(),
        device_id: device.clone(),
        environment_id: environment.clone(),
    });
    places.drain(..places.len().saturating_sub(PLACES_MAX));
    let path = file(state_dir);
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, serde_json::to_vec(&places)?)?;
    std::fs::rename(fresh, path)
}

/// The right to serve `directory` with this state, as long as the file is open; nothing when somebody else has it.
pub(crate) fn lock(state_dir: &Path, directory: &Path) -> std::io::Result<Option<File>> {
    use std::os::unix::ffi::OsStrExt as _;
    let name: String =
        Sha256::digest(directory.as_os_str().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = locks(state_dir);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    loop {
        let file = File::options().create(true).append(true).open(&path)?;
        match file.try_lock() {
            // It may have been removed between the two.
            Ok(()) if !is_still(&file, &path) => {}
            Ok(()) => {
                file.set_modified(SystemTime::now())?;
                return Ok(Some(file));
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Removes the locks of directories that nobody has served for long.
pub(crate) fn forget_locks(state_dir: &Path) {
    let Ok(files) = std::fs::read_dir(locks(state_dir)) else { return };
    for path in files.flatten().map(|file| file.path()) {
        let Ok(file) = File::options().append(true).open(&path) else { continue };
        let age =
            file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > LOCK_KEPT) && file.try_lock().is_ok() && is_still(&file, &path) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let number = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(there)) => number(open) == number(there),
        _ => false,
    }
}

fn locks(state_dir: &Path) -> PathBuf {
    state_dir.join("locks")
}

/// A directory that cannot be exchanged for another between the look at it and the use of it.
#[derive(Debug)]
pub(crate) struct Held {
    /// Leads to this very directory, whatever becomes of its name.
    pub(crate) path: PathBuf,
    _open: File,
}

/// Opens `directory`, which was found without links before, and makes sure that it still is.
pub(crate) fn hold(directory: &Path) -> std::io::Result<Held> {
    use std::os::fd::AsRawFd as _;
    let open = File::open(directory)?;
    let by_number = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
    // Without /proc there is only the name.
    let is_linux = cfg!(target_os = "linux");
    let real = if is_linux { std::fs::read_link(&by_number)? } else { directory.canonicalize()? };
    if real != directory || !open.metadata()?.is_dir() {
        let shown = directory.display();
        return Err(std::io::Error::other(format!(
            "the directory {shown} was moved or exchanged for a link"
        )));
    }
    Ok(Held { path: if is_linux { by_number } else { real }, _open: open })
}

/// The git branch that is checked out in `directory`.
pub(crate) fn branch(directory: &Path) -> Option<String> {
    let head = std::fs::read_to_string(directory.join(".git/HEAD")).ok()?;
    let name = head.trim().strip_prefix("ref: refs/heads/")?;
    Some(name.chars().filter(|character| !character.is_control()).take(BRANCH_CHARS_MAX).collect())
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("environments.json")
}

fn read(state_dir: &Path) -> Vec<Place> {
    std::fs::read(file(state_dir))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_environment_per_device() {
        let state = tempfile::tempdir().unwrap();
        let (device, other) = (DeviceId::parse("d1").unwrap(), DeviceId::parse("d2").unwrap());
        let environment = |name: &str| EnvironmentId::parse(name).unwrap();
        let recall = |device: &DeviceId| environment_of(state.path(), Path::new("/p"), device);
        assert_eq!(recall(&device), None);
        remember(state.path(), Path::new("/p"), &device, &environment("e1")).unwrap();
        remember(state.path(), Path::new("/p"), &other, &environment("e2")).unwrap();
        remember(state.path(), Path::new("/p"), &device, &environment("e3")).unwrap();
        assert_eq!((recall(&device), recall(&other)), (Some(environment("e3")), Some(environment("e2"))));
        std::fs::write(file(state.path()), "garbage").unwrap();
        assert_eq!(recall(&device), None);
    }

    #[test]
    fn one_bridge_serves_a_directory_at_a_time() {
        let state = tempfile::tempdir().unwrap();
        let lock = |directory: &str| super::lock(state.path(), Path::new(directory)).unwrap();
        let first = lock("/p");
        assert!(first.is_some() && lock("/p").is_none() && lock("/q").is_some());
        drop(first);
        assert!(lock("/p").is_some());
    }

    #[test]
    fn locks_of_long_ago_go_and_those_that_are_held_stay() {
        let state = tempfile::tempdir().unwrap();
        let held = super::lock(state.path(), Path::new("/held")).unwrap().unwrap();
        let old = super::lock(state.path(), Path::new("/old")).unwrap().unwrap();
        let _ = super::lock(state.path(), Path::new("/new")).unwrap();
        for lock in [&held, &old] {
            lock.set_modified(SystemTime::now() - 2 * LOCK_KEPT).unwrap();
        }
        drop(old);
        forget_locks(state.path());
        assert_eq!(std::fs::read_dir(locks(state.path())).unwrap().count(), 2);
        assert!(super::lock(state.path(), Path::new("/held")).unwrap().is_none());
    }

    #[test]
    fn a_directory_that_was_exchanged_for_a_link_after_it_was_checked_is_not_entered_b2() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (project, outside) = (folder.join("project"), folder.join("outside"));
        for directory in [&project, &outside] {
            std::fs::create_dir(directory).unwrap();
        }
        let held = hold(&project).unwrap();
        std::fs::rename(&project, folder.join("moved")).unwrap();
        std::os::unix::fs::symlink(&outside, &project).unwrap();
        let error = hold(&project).unwrap_err().to_string();
        assert!(error.contains("exchanged for a link"), "{error}");
        let entered =
            std::process::Command::new("pwd").current_dir(&held.path).env_remove("PWD").output().unwrap();
        assert_eq!(String::from_utf8(entered.stdout).unwrap().trim(), folder.join("moved").to_str().unwrap());
        std::fs::write(folder.join("file"), "").unwrap();
        assert!(hold(&folder.join("file")).is_err() && hold(&folder.join("gone")).is_err());
    }

    #[test]
    fn reads_the_branch_and_nothing_of_a_detached_head() {
        let project = tempfile::tempdir().unwrap();
        assert_eq!(branch(project.path()), None);
        std::fs::create_dir(project.path().join(".git")).unwrap();
        std::fs::write(project.path().join(".git/HEAD"), "ref: refs/heads/feature/x;rm\n").unwrap();
        assert_eq!(branch(project.path()).as_deref(), Some("feature/x;rm"));
        std::fs::write(project.path().join(".git/HEAD"), "0123abc\n").unwrap();
        assert_eq!(branch(project.path()), None);
    }
}
