//! Files for the agent, inside the session's directories alone: a path is absolute, has no `..` and no NUL, leads
//! through no link to somewhere else, and ends in a file of bounded size.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;

use super::Refusal;

/// Bytes of a file that is read, or written, at most: what fits an event of this wire.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The directories the agent's requests are held to.
#[derive(Debug)]
pub(super) struct Roots(Vec<PathBuf>);

impl Roots {
    /// `directory` and what else may be seen; what is not there is left out.
    pub(super) fn new(directory: PathBuf, more: &[PathBuf]) -> Self {
        let first = directory.canonicalize().unwrap_or(directory);
        let more = more.iter().filter(|path| path.is_absolute()).filter_map(|path| path.canonicalize().ok());
        Self(std::iter::once(first).chain(more).collect())
    }

    /// The session's own directory.
    pub(super) fn first(&self) -> &Path {
        &self.0[0]
    }

    /// A file that is there.
    pub(super) fn existing(&self, path: &Path) -> Result<PathBuf, Refusal> {
        plain(path)?;
        let real = path.canonicalize().map_err(|_| Refusal::not_found(shown(path, "is not there")))?;
        self.hold(path, real)
    }

    /// A file to be read: one that is there, or that could be.
    pub(super) fn readable(&self, path: &Path) -> Result<PathBuf, Refusal> {
        self.existing(path).or_else(
            |refusal| {
                if refusal.is_not_found() { self.writable(path) } else { Err(refusal) }
            },
        )
    }

    /// A directory that is there.
    pub(super) fn directory(&self, path: &Path) -> Result<PathBuf, Refusal> {
        let real = self.existing(path)?;
        if real.is_dir() { Ok(real) } else { Err(Refusal::invalid(shown(path, "is no directory"))) }
    }

    /// A file to be written, there or not; the way to it may be made anew.
    pub(super) fn writable(&self, path: &Path) -> Result<PathBuf, Refusal> {
        plain(path)?;
        let name = path.file_name().ok_or_else(|| Refusal::invalid(shown(path, "names no file")))?;
        if path.symlink_metadata().is_ok_and(|data| data.is_symlink()) {
            return Err(Refusal::invalid(shown(path, "is a link")));
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        let there = parent.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok());
        let there = there.ok_or_else(|| Refusal::invalid(shown(path, "has no beginning")))?;
        let real = there.canonicalize().map_err(|_| Refusal::invalid(shown(path, "leads nowhere")))?;
        let missing = parent.strip_prefix(there).unwrap_or(Path::new(""));
        self.hold(path, real.join(missing).join(name))
    }

    fn hold(&self, asked: &Path, real: PathBuf) -> Result<PathBuf, Refusal> {
        if self.0.iter().any(|root| real.starts_with(root)) {
            Ok(real)
        } else {
            Err(Refusal::invalid(shown(asked, "is outside of the session's directory")))
        }
    }
}

fn shown(path: &Path, what: &str) -> String {
    format!("{} {what}", path.display())
}

fn plain(path: &Path) -> Result<(), Refusal> {
    let is_straight = path.components().all(|part| !matches!(part, Component::ParentDir));
    if !path.is_absolute() {
        Err(Refusal::invalid(shown(path, "is not absolute")))
    } else if !is_straight || path.as_os_str().as_encoded_bytes().contains(&0) {
        Err(Refusal::invalid(shown(path, "holds `..` or a NUL")))
    } else {
        Ok(())
    }
}

/// The lines from `line` (the first is 1) on, at most `limit`, of a text file.
pub(super) async fn read(path: PathBuf, line: Option<u32>, limit: Option<u32>) -> Result<String, Refusal> {
    blocking(move || {
        let file = open(OpenOptions::new().read(true), &path)?;
        let mut text = String::new();
        let mut bounded = file.take(FILE_BYTES_MAX + 1);
        bounded
            .read_to_string(&mut text)
            .map_err(|error| Refusal::failed(shown(&path, &error.to_string())))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(Refusal::failed(shown(&path, "is larger than 8 MiB")));
        }
        Ok(part(&text, line, limit))
    })
    .await
}

fn part(text: &str, line: Option<u32>, limit: Option<u32>) -> String {
    if line.is_none() && limit.is_none() {
        return text.to_owned();
    }
    let skipped = line.unwrap_or(1).saturating_sub(1) as usize;
    let taken = limit.map_or(usize::MAX, |limit| limit as usize);
    text.split_inclusive('\n').skip(skipped).take(taken).collect()
}

pub(super) async fn write(path: PathBuf, content: String) -> Result<(), Refusal> {
    blocking(move || {
        if content.len() as u64 > FILE_BYTES_MAX {
            return Err(Refusal::invalid("more than 8 MiB are not written"));
        }
        let failed = |error: std::io::Error| Refusal::failed(shown(&path, &error.to_string()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = open(OpenOptions::new().write(true).create(true).truncate(false), &path)?;
        file.set_len(0).and_then(|()| file.write_all(content.as_bytes())).map_err(failed)
    })
    .await
}

/// Opens a regular file, neither through a link nor waiting for whoever holds the other end of a pipe.
fn open(options: &mut OpenOptions, path: &Path) -> Result<File, Refusal> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            Refusal::not_found(shown(path, "is not there"))
        } else {
            Refusal::failed(shown(path, &error.to_string()))
        }
    };
    let file = options.custom_flags(flags).open(path).map_err(failed)?;
    let is_file = file.metadata().map_err(failed)?.is_file();
    if is_file { Ok(file) } else { Err(Refusal::invalid(shown(path, "is no file"))) }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Refusal::failed("the file could not be used")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Ground {
        root: tempfile::TempDir,
        roots: Roots,
    }

    impl Ground {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for directory in ["in", "out"] {
                std::fs::create_dir(root.path().join(directory)).unwrap();
            }
            std::fs::write(root.path().join("out/secret"), "s").unwrap();
            std::fs::write(root.path().join("in/a"), "1\n2\n3").unwrap();
            symlink(root.path().join("out"), root.path().join("in/link")).unwrap();
            symlink(root.path().join("out/secret"), root.path().join("in/secret")).unwrap();
            let roots = Roots::new(root.path().join("in"), &[]);
            Self { root, roots }
        }

        fn at(&self, path: &str) -> PathBuf {
            self.root.path().join(path)
        }
    }

    #[test]
    fn nothing_outside_is_reached_through_links_dots_and_nul() {
        let ground = Ground::new();
        for path in ["out/secret", "in/link/secret", "in/secret", "in/../out/secret", "in/a\0b", "in/link"] {
            assert!(ground.roots.existing(&ground.at(path)).is_err(), "{path}");
            assert!(ground.roots.readable(&ground.at(path)).is_err(), "{path}");
            assert!(ground.roots.writable(&ground.at(path)).is_err(), "{path}");
        }
        for path in ["out/new", "in/link/new", "in/link/deep/new", "in/../out/new"] {
            assert!(ground.roots.readable(&ground.at(path)).is_err(), "{path}");
            assert!(ground.roots.writable(&ground.at(path)).is_err(), "{path}");
        }
        assert!(ground.roots.existing(Path::new("in/a")).is_err(), "relative");
        assert!(ground.roots.writable(Path::new("/")).is_err());
        assert!(ground.roots.existing(&ground.at("in/a")).is_ok());
        assert!(ground.roots.writable(&ground.at("in/deep/er/new")).is_ok());
    }

    #[tokio::test]
    async fn reads_the_lines_that_were_asked_for() {
        let ground = Ground::new();
        let path = ground.roots.existing(&ground.at("in/a")).unwrap();
        for (line, limit, text) in [
            (None, None, "1\n2\n3"),
            (Some(2), None, "2\n3"),
            (Some(2), Some(1), "2\n"),
            (Some(9), None, ""),
            (Some(0), Some(1), "1\n"),
        ] {
            assert_eq!(read(path.clone(), line, limit).await.unwrap(), text);
        }
        assert!(read(ground.at("in"), None, None).await.is_err(), "a directory");
    }

    #[tokio::test]
    async fn writes_a_new_file_on_a_new_way_and_never_through_a_link() {
        let ground = Ground::new();
        let path = ground.roots.writable(&ground.at("in/deep/new")).unwrap();
        write(path.clone(), "long text".into()).await.unwrap();
        write(path.clone(), "x".into()).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
        assert!(write(ground.at("in/secret"), "x".into()).await.is_err());
        assert_eq!(std::fs::read_to_string(ground.at("out/secret")).unwrap(), "s");
    }
}
