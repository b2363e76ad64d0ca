//! What was about to be written to an agent, on disk before it is: after a crash the bridge knows which prompts an
//! agent may have read, never sends one twice by itself, and says what nobody else can say about them. What was read
//! from an agent stands in the [`Spool`] beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_protocol::id::SessionId;
use portcullis_protocol::limits::UUID_RING_MAX;

use crate::core::{Earlier, Entry};
use crate::spool::{self, Spool, end_the_last_line, write_line, write_whole};

/// Lines above which a journal is shortened: twice what its newest prompts take.
const LINES_MAX: usize = 4 * UUID_RING_MAX;
/// Sessions that are asked back after a restart: beyond these, each waits for its next prompt.
const UNFINISHED_MAX: usize = 64;

/// Why a journal cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the journal {path} cannot be kept: {source}")]
pub(crate) struct JournalError {
    path: PathBuf,
    source: std::io::Error,
}

impl JournalError {
    /// Whether it is the disk that has no room, which may change.
    pub(crate) fn is_for_want_of_room(&self) -> bool {
        matches!(self.source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
    }
}

/// The journal of one session, with its spool.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: std::fs::File,
    /// Lines in the file, and how many it may have.
    lines: usize,
    lines_max: usize,
    spool: Spool,
    earlier: Earlier,
}

impl Journal {
    /// Opens the journal of `session` below `state_dir`, and shortens it when it has grown long.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read or written.
    pub(crate) fn open(state_dir: &Path, session: &SessionId) -> Result<Self, JournalError> {
        let folder = folder(state_dir);
        let path = folder.join(format!("{session}.ndjson"));
        let open = || -> std::io::Result<Self> {
            std::fs::create_dir_all(&folder)?;
            let (mut entries, mut lines) = spool::read(&path)?;
            entries.extend(spool::read_all(&path.with_extension("spool"))?);
            let mut spool = Spool::open(path.with_extension("spool"))?;
            let earlier = Earlier::from_entries(entries);
            if lines > LINES_MAX {
                lines = rewrite(&path, &earlier)?;
            }
            let mut file = spool::appending(&path)?;
            end_the_last_line(&mut file)?;
            if earlier.rest.is_none() && earlier.leftovers.is_empty() {
                write_down(&mut file, &spool.facts())?;
                spool.clear()?;
            }
            Ok(Self { path: path.clone(), file, lines, lines_max: LINES_MAX, spool, earlier })
        };
        open().map_err(|source| JournalError { path: path.clone(), source })
    }

    /// What earlier lives of the bridge left behind.
    pub(crate) fn take_earlier(&mut self) -> Earlier {
        std::mem::take(&mut self.earlier)
    }

    /// Appends `entry`. What is journalled is on disk when this returns; what is spooled, and what holds because of it,
    /// survives this process.
    ///
    /// # Errors
    /// [`JournalError`]; what the entry announces must not be done then.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let Self { file, lines, spool, .. } = self;
        let appended = match entry {
            Entry::Said { .. } | Entry::Taken { .. } | Entry::Closed { .. } | Entry::Settled { .. } => spool
                .append(entry, |facts| {
                    *lines += facts.len();
                    write_down(file, facts)
                }),
            // These hold because of what was said, and end it.
            Entry::Told | Entry::Ended { .. } => spool.sync().and_then(|()| self.write(entry)),
            // An agent that was told no does nothing that a later life would have to speak of.
            Entry::Answered { behavior, .. } if behavior != "allow" => self.note(entry),
            Entry::Prompt { .. } | Entry::Answered { .. } | Entry::Started { .. } | Entry::Left(_) => {
                self.write(entry)
            }
        };
        appended.map_err(|source| JournalError { path: self.path.clone(), source })
    }

    /// Writes it, and forces it to the disk.
    fn write(&mut self, entry: &Entry) -> std::io::Result<()> {
        self.note(entry)?;
        self.file.sync_data()
    }

    /// Writes it. A journal that has grown long is shortened before: an agent may live for a month.
    fn note(&mut self, entry: &Entry) -> std::io::Result<()> {
        if self.lines > self.lines_max {
            self.lines = rewrite(&self.path, &Earlier::from_entries(spool::read(&self.path)?.0))?;
            self.lines_max = LINES_MAX.max(2 * self.lines);
            self.file = spool::appending(&self.path)?;
        }
        self.lines += 1;
        write_line(&mut self.file, entry).map(drop)
    }
}

/// Appends these to the journal's file, and forces them to the disk.
fn write_down(file: &mut std::fs::File, entries: &[Entry]) -> std::io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    for entry in entries {
        write_whole(file, entry)?;
    }
    file.sync_data()
}

/// Sessions below `state_dir` whose last life left something unsaid, at most [`UNFINISHED_MAX`]. What cannot be read
/// is left.
pub(crate) fn unfinished(state_dir: &Path) -> Vec<SessionId> {
    let Ok(files) = std::fs::read_dir(folder(state_dir)) else { return Vec::new() };
    let unfinished = files.filter_map(|file| {
        let path = file.ok()?.path();
        let session = SessionId::parse(path.file_name()?.to_str()?.strip_suffix(".ndjson")?).ok()?;
        let mut entries = spool::read(&path).ok()?.0;
        entries.extend(spool::read_all(&path.with_extension("spool")).ok()?);
        Earlier::from_entries(entries).is_unfinished().then_some(session)
    });
    unfinished.take(UNFINISHED_MAX).collect()
}

/// Sessions that have a journal below `state_dir`.
pub(crate) fn sessions(state_dir: &Path) -> Vec<SessionId> {
    let Ok(files) = std::fs::read_dir(folder(state_dir)) else { return Vec::new() };
    files
        .filter_map(|file| SessionId::parse(file.ok()?.file_name().to_str()?.strip_suffix(".ndjson")?).ok())
        .collect()
}

/// Removes the journal of `session`, which is over.
pub(crate) fn remove(state_dir: &Path, session: &SessionId) {
    let path = folder(state_dir).join(format!("{session}.ndjson"));
    let spool = spool::files(&path.with_extension("spool"));
    for path in spool.into_iter().chain([path.with_extension("new"), path]) {
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::debug!(path = %path.display(), %error, "a journal of old stays"),
        }
    }
}

/// How long nothing was written to the journal of `session` or to its spool.
pub(crate) fn untouched_for(state_dir: &Path, session: &SessionId) -> Duration {
    let path = folder(state_dir).join(format!("{session}.ndjson"));
    let written = [path.with_extension("spool"), path]
        .into_iter()
        .filter_map(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
    written.max().and_then(|last| last.elapsed().ok()).unwrap_or_default()
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("journals")
}

/// Leaves what a later life reads out of it, and nothing else. Says how many lines that takes.
fn rewrite(path: &Path, earlier: &Earlier) -> std::io::Result<usize> {
    let fresh = path.with_extension("new");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&fresh)?);
    let mut lines = 0;
    for entry in earlier.journalled() {
        write_line(&mut file, &entry)?;
        lines += 1;
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&fresh, path)?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::RawJson;
    use portcullis_protocol::id::Incarnation;

    use super::*;

    fn incarnation(name: &str) -> Incarnation {
        Incarnation::parse(name).unwrap()
    }

    fn prompt(uuid: &str) -> Entry {
        Entry::Prompt { seq: 1, uuid: uuid.into() }
    }

    fn open(earlier: &Earlier) -> Vec<&str> {
        earlier.open().collect()
    }

    fn reopened(folder: &Path) -> Journal {
        Journal::open(folder, &SessionId::parse("s1").unwrap()).unwrap()
    }

    #[test]
    fn the_next_life_knows_what_this_one_may_have_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = reopened(folder.path());
        assert_eq!(journal.take_earlier(), Earlier::default());
        assert!(unfinished(folder.path()).is_empty());
        for entry in [prompt("a"), prompt("b"), Entry::Closed { uuid: "a".into() }] {
            journal.append(&entry).unwrap();
        }
        let answered = Entry::Answered {
            incarnation: incarnation("i"),
            request_id: "R".into(),
            behavior: "deny".into(),
        };
        journal.append(&answered).unwrap();
        drop(journal);
        let earlier = reopened(folder.path()).take_earlier();
        assert!(earlier.knows("a") && earlier.knows("b") && !earlier.knows("c"));
        assert_eq!(open(&earlier), ["b"]);
        assert_eq!(unfinished(folder.path()), [SessionId::parse("s1").unwrap()]);
    }

    #[test]
    fn the_next_life_knows_whether_an_agent_ran_to_the_end_of_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let started = |name: &str| Entry::Started { incarnation: incarnation(name) };
        let mut journal = reopened(folder.path());
        for entry in [started("i1"), Entry::Ended { incarnation: incarnation("i1") }] {
            journal.append(&entry).unwrap();
        }
        assert!(unfinished(folder.path()).is_empty());
        journal.append(&started("i2")).unwrap();
        drop(journal);
        let agent = reopened(folder.path()).take_earlier().agent.unwrap();
        assert_eq!((agent.incarnation, agent.is_told), (incarnation("i2"), false));
        assert_eq!(unfinished(folder.path()).len(), 1);
    }

    #[test]
    fn half_a_line_at_the_end_announced_nothing_and_swallows_nothing() {
        let folder = tempfile::tempdir().unwrap();
        reopened(folder.path()).append(&prompt("a")).unwrap();
        let path = folder.path().join("journals/s1.ndjson");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(r#"{"prompt":{"seq":2,"uu"#);
        std::fs::write(&path, text).unwrap();
        let mut journal = reopened(folder.path());
        assert_eq!(open(&journal.take_earlier()), ["a"]);
        journal.append(&prompt("b")).unwrap();
        drop(journal);
        assert_eq!(open(&reopened(folder.path()).take_earlier()), ["a", "b"]);
    }

    #[test]
    fn a_long_journal_is_shortened_to_its_newest_prompts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journals/s1.ndjson");
        drop(reopened(folder.path()));
        let count = LINES_MAX - 1;
        let mut text: String = (0..count)
            .map(|n| format!("{}\n", serde_json::to_string(&prompt(&format!("u{n}"))).unwrap()))
            .collect();
        let last = format!("u{}", count - 1);
        for entry in [Entry::Started { incarnation: incarnation("i") }, Entry::Closed { uuid: last.clone() }]
        {
            text.push_str(&format!("{}\n", serde_json::to_string(&entry).unwrap()));
        }
        std::fs::write(&path, text).unwrap();
        let known = reopened(folder.path()).take_earlier();
        assert_eq!((known.prompts.len(), open(&known).len()), (UUID_RING_MAX, UUID_RING_MAX - 1));
        assert!(known.knows(&last) && !known.knows("u0"));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), UUID_RING_MAX + 2);
        assert_eq!(reopened(folder.path()).take_earlier(), known);
    }

    #[test]
    fn nothing_stays_of_a_session_that_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = reopened(folder.path());
        let text = "x".repeat(5 * 1024 * 1024);
        let event = RawJson::parse(&format!(r#"{{"type":"x","text":"{text}"}}"#)).unwrap();
        for n in 0..5 {
            let settles = Vec::new();
            let said = Entry::Said { incarnation: incarnation("i"), n, event: event.clone(), settles };
            journal.append(&said).unwrap();
        }
        drop(journal);
        let files = || std::fs::read_dir(folder.path().join("journals")).unwrap().count();
        assert!(files() > 3, "a spool of several files");
        remove(folder.path(), &SessionId::parse("s1").unwrap());
        assert_eq!(files(), 0);
    }

    #[test]
    fn a_journal_is_shortened_while_it_is_written_and_an_open_answer_stays_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = reopened(folder.path());
        let answered = |behavior: &str| Entry::Answered {
            incarnation: incarnation("i"),
            request_id: "r".into(),
            behavior: behavior.into(),
        };
        for entry in [Entry::Started { incarnation: incarnation("i") }, prompt("a"), answered("allow")] {
            journal.append(&entry).unwrap();
        }
        for _ in 0..2 * LINES_MAX {
            journal.append(&answered("deny")).unwrap();
        }
        journal.append(&prompt("b")).unwrap();
        drop(journal);
        let lines = spool::read(&folder.path().join("journals/s1.ndjson")).unwrap().1;
        assert!(lines < LINES_MAX + 10, "{lines}");
        let earlier = reopened(folder.path()).take_earlier();
        assert_eq!(open(&earlier), ["a", "b"]);
        assert_eq!(earlier.agent.unwrap().unsettled, ["r"]);
    }

    #[test]
    fn the_next_life_has_what_was_said_and_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let said = |n: u64| Entry::Said {
            incarnation: incarnation("i"),
            n,
            event: RawJson::parse(&format!(r#"{{"type":"x","n":{n}.0}}"#)).unwrap(),
            settles: Vec::new(),
        };
        let mut journal = reopened(folder.path());
        for entry in [Entry::Started { incarnation: incarnation("i") }, said(0), prompt("a"), said(1)] {
            journal.append(&entry).unwrap();
        }
        journal.append(&Entry::Taken { incarnation: incarnation("i"), next_n: 1 }).unwrap();
        let rest = reopened(folder.path()).take_earlier().rest.unwrap();
        assert_eq!((rest.incarnation.as_str(), rest.next_n, rest.items.len()), ("i", 2, 1));
        assert_eq!(rest.items[0].1.as_str(), r#"{"type":"x","n":1.0}"#, "as it was read");
        journal.append(&Entry::Ended { incarnation: incarnation("i") }).unwrap();
        drop(journal);
        assert_eq!(reopened(folder.path()).take_earlier().rest, None);
        assert_eq!(std::fs::metadata(folder.path().join("journals/s1.spool")).unwrap().len(), 0);
    }
}
