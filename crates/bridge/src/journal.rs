//! What was about to be written to an agent, on disk before it is: after a crash the bridge knows which prompts an
//! agent may have read, and never sends one twice by itself.

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
    earlier_prompts: HashSet<String>,
}

impl Journal {
    /// Opens the journal of `session` below `state_dir`, and shortens it when it has grown long.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read or written.
    pub(crate) fn open(state_dir: &Path, session: &SessionId) -> Result<Self, JournalError> {
        let folder = state_dir.join("journals");
        let path = folder.join(format!("{session}.ndjson"));
        let open = || -> std::io::Result<(std::fs::File, HashSet<String>)> {
            std::fs::create_dir_all(&folder)?;
            let prompts = newest_prompts(&path)?;
            let mut file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(&path)?;
            end_the_last_line(&mut file)?;
            Ok((file, prompts))
        };
        let (file, earlier_prompts) = open().map_err(|source| JournalError { path: path.clone(), source })?;
        Ok(Self { path, file, earlier_prompts })
    }

    /// Uuids of prompts that an earlier life of the bridge may have written.
    pub(crate) fn take_earlier_prompts(&mut self) -> HashSet<String> {
        std::mem::take(&mut self.earlier_prompts)
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

/// The newest prompts in the file. Rewrites it with them alone when it holds much more.
fn newest_prompts(path: &Path) -> std::io::Result<HashSet<String>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(error),
    };
    let mut prompts = Vec::new();
    let mut lines = 0;
    for line in BufReader::new(file).split(b'\n') {
        lines += 1;
        // The last line may be half a line: what it announced was not done.
        if let Ok(Entry::Prompt { seq, uuid }) = serde_json::from_slice(&line?) {
            prompts.push((seq, uuid));
        }
    }
    let newest = prompts.split_off(prompts.len().saturating_sub(UUID_RING_MAX));
    if lines > 2 * UUID_RING_MAX {
        rewrite(path, &newest)?;
    }
    Ok(newest.into_iter().map(|(_, uuid)| uuid).collect())
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

fn rewrite(path: &Path, prompts: &[(u64, String)]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    for (seq, uuid) in prompts {
        serde_json::to_writer(&mut file, &Entry::Prompt { seq: *seq, uuid: uuid.clone() })?;
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

    fn reopened(folder: &Path) -> Journal {
        Journal::open(folder, &SessionId::parse("s1").unwrap()).unwrap()
    }

    #[test]
    fn the_next_life_knows_what_this_one_may_have_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = reopened(folder.path());
        assert!(journal.take_earlier_prompts().is_empty());
        journal.append(&prompt("a")).unwrap();
        let answered =
            Entry::Answered { incarnation: "i".into(), request_id: "R".into(), behavior: "deny".into() };
        journal.append(&answered).unwrap();
        drop(journal);
        assert_eq!(reopened(folder.path()).take_earlier_prompts(), HashSet::from(["a".to_owned()]));
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
        assert_eq!(journal.take_earlier_prompts(), HashSet::from(["a".to_owned()]));
        journal.append(&prompt("b")).unwrap();
        drop(journal);
        let both = HashSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(reopened(folder.path()).take_earlier_prompts(), both);
    }

    #[test]
    fn a_long_journal_is_shortened_to_its_newest_prompts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journals/s1.ndjson");
        drop(reopened(folder.path()));
        let count = 2 * UUID_RING_MAX + 1;
        let text: String = (0..count)
            .map(|n| format!("{}\n", serde_json::to_string(&prompt(&format!("u{n}"))).unwrap()))
            .collect();
        std::fs::write(&path, text).unwrap();
        let known = reopened(folder.path()).take_earlier_prompts();
        assert_eq!(known.len(), UUID_RING_MAX);
        assert!(known.contains(&format!("u{}", count - 1)) && !known.contains("u0"));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), UUID_RING_MAX);
    }
}
