//! What was about to be written to an agent, on disk before it is: after a crash the bridge knows which prompts an
//! agent may have read, never sends one twice by itself, and says what nobody else can say about them.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use portcullis_protocol::id::SessionId;
use portcullis_protocol::limits::UUID_RING_MAX;
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// This prompt is about to reach stdin.
    Prompt { seq: u64, uuid: String },
    /// This request is about to be answered.
    Answered { incarnation: String, request_id: String, behavior: String },
    /// The agent read this prompt, or the log says that nobody knows.
    Closed { uuid: String },
    /// An agent process is about to start.
    Started { incarnation: String },
    /// The log says that it ended.
    Ended { incarnation: String },
}

/// Lines above which a journal is shortened: twice what its newest prompts take.
const LINES_MAX: usize = 4 * UUID_RING_MAX;
/// Sessions that are asked back after a restart: beyond these, each waits for its next prompt.
const UNFINISHED_MAX: usize = 64;

/// What earlier lives of the bridge left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// Prompts that may have been written, oldest first: place in the log, uuid, and whether nobody knows if it was
    /// read.
    pub(crate) prompts: Vec<(u64, String, bool)>,
    /// The incarnation of an agent that ran to the end of its bridge.
    pub(crate) agent: Option<String>,
}

impl Earlier {
    /// Whether this prompt may have been written.
    pub(crate) fn knows(&self, uuid: &str) -> bool {
        self.prompts.iter().any(|(_, known, _)| known == uuid)
    }

    /// Prompts nobody knows the fate of, oldest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = &str> {
        self.prompts.iter().filter(|(.., is_open)| *is_open).map(|(_, uuid, _)| uuid.as_str())
    }
}

/// Why a journal cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("the journal {path} cannot be kept: {source}")]
pub(crate) struct JournalError {
    path: PathBuf,
    source: std::io::Error,
}

/// The journal of one session.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: std::fs::File,
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
        let open = || -> std::io::Result<(std::fs::File, Earlier)> {
            std::fs::create_dir_all(&folder)?;
            let (earlier, lines) = read(&path)?;
            if lines > LINES_MAX {
                rewrite(&path, &earlier)?;
            }
            let mut file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(&path)?;
            end_the_last_line(&mut file)?;
            Ok((file, earlier))
        };
        let (file, earlier) = open().map_err(|source| JournalError { path: path.clone(), source })?;
        Ok(Self { path, file, earlier })
    }

    /// What earlier lives of the bridge left behind.
    pub(crate) fn take_earlier(&mut self) -> Earlier {
        std::mem::take(&mut self.earlier)
    }

    /// Appends `entry` and returns once it is on disk.
    ///
    /// # Errors
    /// [`JournalError`]; what the entry announces must not be done then.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut append = || -> std::io::Result<()> {
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            self.file.write_all(&line)?;
            self.file.sync_data()
        };
        append().map_err(|source| JournalError { path: self.path.clone(), source })
    }
}

/// Sessions below `state_dir` whose last life left something unsaid, at most [`UNFINISHED_MAX`]. What cannot be read
/// is left.
pub(crate) fn unfinished(state_dir: &Path) -> Vec<SessionId> {
    let Ok(files) = std::fs::read_dir(folder(state_dir)) else { return Vec::new() };
    let unfinished = files.filter_map(|file| {
        let path = file.ok()?.path();
        let session = path.file_name()?.to_str()?.strip_suffix(".ndjson")?;
        let earlier = read(&path).ok()?.0;
        SessionId::parse(session).ok().filter(|_| earlier.agent.is_some() || earlier.open().next().is_some())
    });
    unfinished.take(UNFINISHED_MAX).collect()
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("journals")
}

/// What the file tells of earlier lives, and how many lines it takes.
fn read(path: &Path) -> std::io::Result<(Earlier, usize)> {
    let mut earlier = Earlier::default();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((earlier, 0)),
        Err(error) => return Err(error),
    };
    let (mut prompts, mut closed, mut lines) = (Vec::new(), HashSet::new(), 0);
    for line in BufReader::new(file).split(b'\n') {
        lines += 1;
        // The last line may be half a line: what it announced was not done.
        let Ok(entry) = serde_json::from_slice(&line?) else { continue };
        match entry {
            Entry::Prompt { seq, uuid } => prompts.push((seq, uuid)),
            Entry::Closed { uuid } => {
                closed.insert(uuid);
            }
            Entry::Started { incarnation } => earlier.agent = Some(incarnation),
            Entry::Ended { incarnation } => earlier.agent = earlier.agent.filter(|open| *open != incarnation),
            Entry::Answered { .. } => {}
        }
    }
    let newest = prompts.split_off(prompts.len().saturating_sub(UUID_RING_MAX));
    earlier.prompts = newest
        .into_iter()
        .map(|(seq, uuid): (u64, String)| {
            let is_open = !closed.contains(&uuid);
            (seq, uuid, is_open)
        })
        .collect();
    Ok((earlier, lines))
}

/// Half a line of an earlier life must not swallow the next one.
fn end_the_last_line(file: &mut std::fs::File) -> std::io::Result<()> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// Leaves what [`read`] gave, and nothing else.
fn rewrite(path: &Path, earlier: &Earlier) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    let prompts = earlier.prompts.iter().flat_map(|(seq, uuid, is_open)| {
        let prompt = Entry::Prompt { seq: *seq, uuid: uuid.clone() };
        let closed = (!is_open).then(|| Entry::Closed { uuid: uuid.clone() });
        std::iter::once(prompt).chain(closed)
    });
    let agent = earlier.agent.iter().map(|incarnation| Entry::Started { incarnation: incarnation.clone() });
    for entry in prompts.chain(agent) {
        serde_json::to_writer(&mut file, &entry)?;
        file.write_all(b"\n")?;
    }
    file.sync_all()?;
    std::fs::rename(fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let answered =
            Entry::Answered { incarnation: "i".into(), request_id: "R".into(), behavior: "deny".into() };
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
        let started = |incarnation: &str| Entry::Started { incarnation: incarnation.into() };
        let mut journal = reopened(folder.path());
        for entry in [started("i1"), Entry::Ended { incarnation: "i1".into() }] {
            journal.append(&entry).unwrap();
        }
        assert!(unfinished(folder.path()).is_empty());
        journal.append(&started("i2")).unwrap();
        drop(journal);
        assert_eq!(reopened(folder.path()).take_earlier().agent.as_deref(), Some("i2"));
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
        for entry in [Entry::Started { incarnation: "i".into() }, Entry::Closed { uuid: last.clone() }] {
            text.push_str(&format!("{}\n", serde_json::to_string(&entry).unwrap()));
        }
        std::fs::write(&path, text).unwrap();
        let known = reopened(folder.path()).take_earlier();
        assert_eq!((known.prompts.len(), open(&known).len()), (UUID_RING_MAX, UUID_RING_MAX - 1));
        assert!(known.knows(&last) && !known.knows("u0"));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), UUID_RING_MAX + 2);
        assert_eq!(reopened(folder.path()).take_earlier(), known);
    }
}
