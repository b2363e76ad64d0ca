//! Tells a database that went on from one that was put back: from a backup, or from another machine.
//!
//! Every commit counts up a generation inside the database, and writes it, with the epoch and the identity of the
//! file, to a small file beside it before anybody hears of the commit. A database that is behind that file has lost
//! commits somebody heard of, so it gets a fresh epoch, and every client starts from its log anew. The file may be
//! behind (killed between commit and note), which means nothing. Without the file the epoch is fresh too: a needless
//! one only costs every client a reload.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use portcullis_protocol::id::Epoch;
use sqlx::SqliteConnection;

use super::super::{Result, StoreError};
use crate::seam::{Entropy, mint};

/// What the note is called: the database's name with this extension.
const EXTENSION: &str = "life";
/// Longest note that is read, in bytes: twice what one can be.
const NOTE_BYTES_MAX: u64 = 512;

/// The note beside the database, open for the next commit.
#[derive(Debug)]
pub(super) struct Life {
    path: PathBuf,
    file: Option<File>,
    epoch: Epoch,
    identity: Identity,
}

/// Tells a file from its copies: a copy is another inode, or was born at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    inode: u64,
    born_ns: u128,
}

#[derive(Debug, PartialEq, Eq)]
struct Note {
    epoch: String,
    identity: Identity,
    generation: u64,
}

impl Life {
    /// Compares the database with the note beside it, and mints a fresh epoch unless it went on from there.
    ///
    /// Nobody else commits in between, so another process (a `pair` command) never sees half a step.
    pub(super) async fn resume(
        db: &mut SqliteConnection,
        database: &Path,
        entropy: &dyn Entropy,
    ) -> Result<Self> {
        let identity = Identity::of(database)?;
        let path = database.with_extension(EXTENSION);
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *db).await?;
        let known = Note::read(&path);
        let (stored, generation) = stored(db).await?;
        let goes_on = known.as_ref().is_some_and(|note| {
            Some(&note.epoch) == stored.as_ref() && note.identity == identity && note.generation <= generation
        });
        let epoch = match stored {
            Some(epoch) if goes_on => epoch,
            replaced => {
                if replaced.is_some() {
                    tracing::warn!(
                        "the database is not the one that was written here last: every client reads it anew"
                    );
                }
                let fresh = mint(entropy, "e");
                set(db, "epoch", &fresh).await?;
                fresh
            }
        };
        let generation = generation + 1;
        set(db, "generation", &generation.to_string()).await?;
        sqlx::query("COMMIT").execute(&mut *db).await?;
        let epoch = Epoch::parse(epoch).map_err(|_| StoreError::Corrupt("epoch"))?;
        let mut life = Self { file: Some(open(&path)?), path, epoch, identity };
        life.note(generation);
        Ok(life)
    }

    pub(super) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Notes a commit that is on disk. Call it before anybody hears of that commit.
    ///
    /// It is not flushed: the note survives the process, and after a power loss it may be behind, but never ahead of
    /// a database that is flushed at every commit.
    pub(super) fn note(&mut self, generation: u64) {
        let Some(file) = &self.file else { return };
        let text =
            Note { epoch: self.epoch.as_str().to_owned(), identity: self.identity, generation }.to_text();
        if let Err(error) = file.write_all_at(text.as_bytes(), 0) {
            tracing::warn!(%error, "commits cannot be noted: every client reads the log anew after the next start");
            // A note that stays behind would take an older database for this one.
            let _ = std::fs::remove_file(&self.path);
            self.file = None;
        }
    }
}

/// Counts a commit up, inside it.
pub(super) async fn advance(db: &mut SqliteConnection) -> Result<u64> {
    let (_, generation) = stored(db).await?;
    set(db, "generation", &(generation + 1).to_string()).await?;
    Ok(generation + 1)
}

async fn stored(db: &mut SqliteConnection) -> Result<(Option<String>, u64)> {
    let get = "SELECT value FROM meta WHERE key = ?";
    let epoch: Option<(String,)> = sqlx::query_as(get).bind("epoch").fetch_optional(&mut *db).await?;
    let generation: Option<(String,)> =
        sqlx::query_as(get).bind("generation").fetch_optional(&mut *db).await?;
    let generation = generation.map_or(Ok(0), |(text,)| text.parse());
    Ok((epoch.map(|(epoch,)| epoch), generation.map_err(|_| StoreError::Corrupt("generation"))?))
}

async fn set(db: &mut SqliteConnection, key: &str, value: &str) -> Result<()> {
    let put =
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    sqlx::query(put).bind(key).bind(value).execute(&mut *db).await?;
    Ok(())
}

impl Identity {
    fn of(file: &Path) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(file)?;
        let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        Ok(Self { inode: metadata.ino(), born_ns: born.unwrap_or_default().as_nanos() })
    }
}

impl Note {
    /// `None` when there is none, or none that can be read: then nothing is known.
    fn read(path: &Path) -> Option<Self> {
        use std::io::Read as _;
        let mut text = String::new();
        File::open(path).ok()?.take(NOTE_BYTES_MAX).read_to_string(&mut text).ok()?;
        let mut words = text.strip_suffix('\n')?.split(' ');
        let mut word = || words.next();
        let epoch = word()?.to_owned();
        let identity = Identity { inode: word()?.parse().ok()?, born_ns: word()?.parse().ok()? };
        let generation = word()?.parse().ok()?;
        word().is_none().then_some(Self { epoch, identity, generation })
    }

    /// Always as long for one epoch and file, so that one note covers the one before.
    fn to_text(&self) -> String {
        let Identity { inode, born_ns } = self.identity;
        format!("{} {inode:020} {born_ns:039} {:020}\n", self.epoch, self.generation)
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    // Emptied first: an epoch may be shorter than the one before.
    File::options().create(true).write(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::super::super::LogStore as _;
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions as _, Connection as _};

    use super::super::SqliteStore;
    use super::*;
    use crate::seam::SystemEntropy;

    /// A database in a folder of its own, opened, written to and closed as a server does.
    struct Server(tempfile::TempDir);

    impl Server {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Runs once, with `writes` commits, and says under which epoch.
        async fn run(&self, writes: usize) -> String {
            let store = SqliteStore::open(&self.path("db"), &SystemEntropy).await.unwrap();
            for _ in 0..writes {
                store.write(|_| Box::pin(async { Ok(()) })).await.unwrap();
            }
            let epoch = store.epoch().as_str().to_owned();
            store.close().await;
            epoch
        }

        /// Copies a file that nobody has open: the last one to close the database removes its log.
        fn copy(&self, from: &str, to: &str) {
            assert!(!self.path("db-wal").exists(), "closed, the file is whole");
            std::fs::copy(self.path(from), self.path(to)).unwrap();
        }

        fn note(&self) -> Note {
            Note::read(&self.path("db.life")).unwrap()
        }
    }

    #[tokio::test]
    async fn a_store_that_goes_on_keeps_its_epoch_however_often_it_starts() {
        let server = Server::new();
        let epoch = server.run(3).await;
        for writes in [0, 1, 0, 7] {
            assert_eq!(server.run(writes).await, epoch);
        }
    }

    #[tokio::test]
    async fn s24_a_store_restored_from_an_hour_ago_has_another_epoch_and_keeps_that_one() {
        let server = Server::new();
        let epoch = server.run(3).await;
        server.copy("db", "copy");
        assert_eq!(server.run(3).await, epoch);
        server.copy("copy", "db");
        let restored = server.run(1).await;
        assert_ne!(restored, epoch);
        assert_eq!(server.run(1).await, restored);
    }

    #[tokio::test]
    async fn a_copy_made_and_put_back_within_one_run_is_noticed_by_a_single_commit() {
        let server = Server::new();
        let store = SqliteStore::open(&server.path("db"), &SystemEntropy).await.unwrap();
        let write = async || store.write(|_| Box::pin(async { Ok(()) })).await.unwrap();
        write().await;
        // As a backup tool does it: the database as of now, in one file.
        let copy = format!("VACUUM INTO '{}'", server.path("copy").display());
        let mut tool = SqliteConnectOptions::new().filename(server.path("db")).connect().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(copy)).execute(&mut tool).await.unwrap();
        tool.close().await.unwrap();
        write().await;
        let epoch = store.epoch().as_str().to_owned();
        store.close().await;
        server.copy("copy", "db");
        assert_ne!(server.run(0).await, epoch);
    }

    #[tokio::test]
    async fn a_whole_folder_that_was_restored_is_noticed_by_the_identity_of_its_file() {
        let server = Server::new();
        let epoch = server.run(3).await;
        for (from, to) in [("db", "copy"), ("db.life", "copy.life")] {
            server.copy(from, to);
        }
        assert_eq!(server.run(3).await, epoch);
        for (from, to) in [("copy", "db"), ("copy.life", "db.life")] {
            server.copy(from, "fresh");
            // Another inode, born later, as every tool that restores a folder makes it.
            std::fs::rename(server.path("fresh"), server.path(to)).unwrap();
        }
        assert_ne!(server.run(0).await, epoch);
    }

    #[tokio::test]
    async fn killed_between_commit_and_note_the_epoch_stays() {
        let server = Server::new();
        let epoch = server.run(2).await;
        server.copy("db.life", "behind");
        assert_eq!(server.run(2).await, epoch);
        server.copy("behind", "db.life");
        assert_eq!(server.run(0).await, epoch);
    }

    #[tokio::test]
    async fn without_a_note_that_can_be_read_the_epoch_is_fresh() {
        let server = Server::new();
        let mut epochs = vec![server.run(1).await];
        for broken in [None, Some(""), Some("e 1"), Some("nonsense of any kind\n")] {
            match broken {
                None => std::fs::remove_file(server.path("db.life")).unwrap(),
                Some(text) => std::fs::write(server.path("db.life"), text).unwrap(),
            }
            let epoch = server.run(1).await;
            assert!(!epochs.contains(&epoch), "{broken:?}");
            assert_eq!(server.run(1).await, epoch, "{broken:?}");
            epochs.push(epoch);
        }
    }

    #[tokio::test]
    async fn a_second_process_that_writes_beside_the_first_changes_nothing() {
        let server = Server::new();
        let first = SqliteStore::open(&server.path("db"), &SystemEntropy).await.unwrap();
        let epoch = first.epoch().as_str().to_owned();
        for _ in 0..3 {
            assert_eq!(server.run(1).await, epoch);
            first.write(|_| Box::pin(async { Ok(()) })).await.unwrap();
        }
        first.close().await;
        assert_eq!(server.run(0).await, epoch);
    }

    #[tokio::test]
    async fn every_commit_is_noted_before_it_is_answered() {
        let server = Server::new();
        let store = SqliteStore::open(&server.path("db"), &SystemEntropy).await.unwrap();
        let mut last = server.note().generation;
        for _ in 0..5 {
            store.write(|_| Box::pin(async { Ok(()) })).await.unwrap();
            let noted = server.note().generation;
            assert!(noted > last, "{noted} after {last}");
            last = noted;
        }
        store.close().await;
    }
}
