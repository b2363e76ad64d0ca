//! Looks at the file an edit would change: its size and its hash, nothing of what it holds. Only inside of what the
//! policy lets agents see, only at regular files of bounded size, and on threads of its own, because a disk may take
//! for ever and nobody here waits for it.
//!
//! Whatever lies outside looks the same from here, there or not.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_protocol::approval::BaseFile;
use portcullis_protocol::limits::PENDING_REQUESTS_MAX;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::policy::Policy;

/// Bytes of a file that is hashed: what takes a fraction of a second. Above it a request says nothing about its file.
const BASE_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest time a request, or its answer, waits for a look.
const LOOK_TIME: Duration = Duration::from_secs(3);
/// Looks of one session at once: so many threads may hang on a disk that does not answer.
const LOOKS_MAX: usize = 4;
/// Looks that wait or are under way, beyond which nothing is looked at: twice the requests that may be open, for an agent
/// that asks and takes back as fast as it can.
const LOOKS_WAITING_MAX: usize = 2 * PENDING_REQUESTS_MAX;
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A look that is over, by its number.
pub(crate) type Looked = (u64, Option<BaseFile>);

/// Who looks for one session.
#[derive(Debug)]
pub(crate) struct Looker {
    roots: Arc<Roots>,
    seats: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    looked: mpsc::Sender<Looked>,
    /// [`LOOK_TIME`].
    patience: Duration,
}

/// What may be seen.
#[derive(Debug)]
struct Roots {
    /// Where the agent works, and what a path begins at that begins nowhere.
    directory: PathBuf,
    allowed: Vec<PathBuf>,
}

impl Looker {
    /// Looks for an agent that works in `directory`, and says what it found to `looked`.
    pub(crate) fn new(directory: &Path, policy: &Policy, looked: mpsc::Sender<Looked>) -> Self {
        let roots = Roots { directory: directory.to_owned(), allowed: policy.directories.clone() };
        let (seats, queue) = (Semaphore::new(LOOKS_MAX), Semaphore::new(LOOKS_WAITING_MAX));
        Self {
            roots: Arc::new(roots),
            seats: Arc::new(seats),
            queue: Arc::new(queue),
            looked,
            patience: LOOK_TIME,
        }
    }

    /// Looks at `path`. An answer comes within [`LOOK_TIME`], whatever the path leads to.
    pub(crate) fn look(&self, look: u64, path: String) {
        let (roots, seats, looked) = (Arc::clone(&self.roots), Arc::clone(&self.seats), self.looked.clone());
        let place = Arc::clone(&self.queue).try_acquire_owned();
        let patience = self.patience;
        tokio::spawn(async move {
            let found = match place {
                Ok(_place) => timeout(patience, beside(roots, seats, path)).await.ok().flatten(),
                Err(_) => None,
            };
            // Nobody listens any more when the session is over.
            let _ = looked.send((look, found)).await;
        });
    }
}

/// Looks on a thread that nobody has to wait for, not even the end of this process.
async fn beside(roots: Arc<Roots>, seats: Arc<Semaphore>, path: String) -> Option<BaseFile> {
    let seat = seats.acquire_owned().await.ok()?;
    let (said, heard) = oneshot::channel();
    let look = move || {
        let _ = said.send(roots.find(Path::new(&path)));
        drop(seat);
    };
    std::thread::Builder::new().name("look".to_owned()).spawn(look).ok()?;
    heard.await.ok().flatten()
}

impl Roots {
    /// What stands at `path`; nothing where that is nobody's business or cannot be told.
    fn find(&self, path: &Path) -> Option<BaseFile> {
        let is_straight = path.components().all(|part| !matches!(part, Component::ParentDir));
        if !is_straight || path.as_os_str().as_encoded_bytes().contains(&0) {
            return None;
        }
        let path = self.directory.join(path);
        match path.canonicalize() {
            Ok(real) => read(&self.inside(real)?),
            // A link that leads nowhere leads outside, for all that can be told.
            Err(_) if path.symlink_metadata().is_ok() => None,
            Err(_) => self.is_free(&path).then_some(BaseFile::New),
        }
    }

    fn inside(&self, real: PathBuf) -> Option<PathBuf> {
        let allowed =
            self.allowed.iter().chain([&self.directory]).filter_map(|path| path.canonicalize().ok());
        allowed.into_iter().any(|allowed| real.starts_with(allowed)).then_some(real)
    }

    /// Whether a file could be made at `path`, where nothing is: the last that is there of its way is a directory that
    /// may be seen.
    fn is_free(&self, path: &Path) -> bool {
        let mut way = path.ancestors().skip(1);
        let there = way.find(|ancestor| ancestor.symlink_metadata().is_ok());
        let real = there.and_then(|there| there.canonicalize().ok()).and_then(|real| self.inside(real));
        real.is_some_and(|real| real.is_dir())
    }
}

/// The hash and the size of the regular file at `real`, which has no links in it, if it stays the same meanwhile.
fn read(real: &Path) -> Option<BaseFile> {
    let fits = |data: &std::fs::Metadata| data.is_file() && data.len() <= BASE_FILE_BYTES_MAX;
    // Before it is opened: whoever opens a pipe or a device has done something to it.
    if !fits(&real.symlink_metadata().ok()?) {
        return None;
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(real).ok()?;
    let data = file.metadata().ok()?;
    if !fits(&data) || !is_at(&file, real) {
        return None;
    }
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).ok()?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes > data.len() {
            return None;
        }
        hash.update(&chunk[..read]);
    }
    let after = file.metadata().ok()?;
    let is_still = bytes == data.len()
        && (after.len(), after.mtime(), after.mtime_nsec()) == (data.len(), data.mtime(), data.mtime_nsec());
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    is_still.then_some(BaseFile::Known { sha256, bytes })
}

/// Whether the way to the file was not exchanged for another between the look at it and the opening.
fn is_at(file: &File, real: &Path) -> bool {
    if cfg!(target_os = "linux") {
        std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).is_ok_and(|now| now == real)
    } else {
        real.canonicalize().is_ok_and(|now| now == real)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Ground {
        folder: tempfile::TempDir,
        roots: Roots,
    }

    impl Ground {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for directory in ["in/deep", "in/home", "out"] {
                std::fs::create_dir_all(folder.path().join(directory)).unwrap();
            }
            std::fs::write(folder.path().join("out/secret"), "s").unwrap();
            std::fs::write(folder.path().join("in/home/a"), "abc").unwrap();
            let directory = folder.path().join("in/home");
            let roots = Roots { directory, allowed: vec![folder.path().join("in")] };
            Self { folder, roots }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.folder.path().join(path)
        }

        fn find(&self, path: &str) -> Option<BaseFile> {
            self.roots.find(&self.at(path))
        }
    }

    fn abc() -> BaseFile {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into();
        BaseFile::Known { sha256, bytes: 3 }
    }

    #[test]
    fn tells_size_and_hash_of_what_is_there_and_that_nothing_is() {
        let ground = Ground::new();
        symlink(ground.at("in/home/a"), ground.at("in/deep/link")).unwrap();
        assert_eq!(ground.find("in/home/a"), Some(abc()));
        assert_eq!(ground.roots.find(Path::new("a")), Some(abc()), "where the agent works");
        assert_eq!(ground.find("in/deep/link"), Some(abc()), "a link to what may be seen");
        for free in ["in/home/b", "in/deep/er/still/b"] {
            assert_eq!(ground.find(free), Some(BaseFile::New), "{free}");
        }
    }

    #[test]
    fn nobody_learns_of_what_lies_outside_whether_it_is_there_or_not() {
        let ground = Ground::new();
        symlink(ground.at("out"), ground.at("in/link")).unwrap();
        symlink(ground.at("out/secret"), ground.at("in/secret")).unwrap();
        symlink(ground.at("out/none"), ground.at("in/none")).unwrap();
        symlink(ground.at("out/none"), ground.at("in/lost")).unwrap();
        for path in [
            "out/secret",
            "out/none",
            "out/none/none",
            "in/link/secret",
            "in/link/none",
            "in/link/none/none",
            "in/secret",
            "in/none",
            "in/lost/none",
            "in/../out/secret",
            "in/../out/none",
            "in/home/a/none",
            "in/home/a\0b",
            "in/home",
            "in/home/",
            "",
        ] {
            assert_eq!(ground.find(path), None, "{path:?}");
        }
        for path in ["/etc/passwd", "/etc/passwd-none", "/", "", ".."] {
            assert_eq!(ground.roots.find(Path::new(path)), None, "{path:?}");
        }
    }

    #[test]
    fn neither_pipes_nor_devices_nor_huge_files_are_opened() {
        let ground = Ground::new();
        let pipe = ground.at("in/pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        File::create(ground.at("in/huge")).unwrap().set_len(10 * 1024 * 1024 * 1024).unwrap();
        File::create(ground.at("in/large")).unwrap().set_len(BASE_FILE_BYTES_MAX + 1).unwrap();
        for path in ["in/pipe", "in/huge", "in/large"] {
            assert_eq!(ground.find(path), None, "{path}");
        }
        let everywhere = Roots { directory: PathBuf::from("/"), allowed: Vec::new() };
        for path in ["/dev/null", "/dev/zero", "/proc/self/status", "/proc/self/fd/0", "/proc/kmsg"] {
            assert_eq!(everywhere.find(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_way_that_was_exchanged_for_another_is_not_followed() {
        let ground = Ground::new();
        let file = File::open(ground.at("in/home/a")).unwrap();
        let real = ground.at("in/home/a").canonicalize().unwrap();
        assert!(is_at(&file, &real));
        std::fs::rename(ground.at("in/home"), ground.at("in/other")).unwrap();
        symlink(ground.at("in/other"), ground.at("in/home")).unwrap();
        assert!(!is_at(&file, &real));
    }

    #[tokio::test]
    async fn a_look_that_hangs_holds_up_no_other_and_is_answered_in_time() {
        let ground = Ground::new();
        let (looked, mut heard) = mpsc::channel(8);
        let policy = Policy::for_directory(ground.at("in"));
        let mut looker = Looker::new(&ground.at("in/home"), &policy, looked);
        // As many as hang on a dead disk may, and one more.
        let hung = Arc::clone(&looker.seats).acquire_many_owned(3).await.unwrap();
        looker.look(1, ground.at("in/home/a").display().to_string());
        assert_eq!(heard.recv().await, Some((1, Some(abc()))));
        let rest = Arc::clone(&looker.seats).acquire_owned().await.unwrap();
        looker.patience = Duration::from_millis(5);
        looker.look(2, ground.at("in/home/a").display().to_string());
        assert_eq!(heard.recv().await, Some((2, None)));
        looker.patience = Duration::from_secs(60);
        for look in 0..=LOOKS_WAITING_MAX {
            looker.look(look as u64, "a".into());
        }
        assert_eq!(
            heard.recv().await,
            Some((LOOKS_WAITING_MAX as u64, None)),
            "one too many is not waited for"
        );
        drop((hung, rest));
        for _ in 0..LOOKS_WAITING_MAX {
            assert_eq!(heard.recv().await.and_then(|(_, found)| found), Some(abc()));
        }
    }
}
