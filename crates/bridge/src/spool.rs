//! What was read from an agent and not yet taken by the ingress, in a file beside the journal. It is written before it
//! is posted and not forced to the disk: a killed bridge loses nothing of it, a machine that loses power may lose what
//! its kernel had not written (the journal forces it out before it relies on it).

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use portcullis_protocol::id::Incarnation;

use crate::core::Entry;

/// The spool of one session.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: std::fs::File,
    /// Who stands in the file, and the position behind the last word.
    speakers: Vec<(Incarnation, u64)>,
    is_dirty: bool,
}

impl Spool {
    /// Opens the spool at `path`, which holds `entries`.
    pub(crate) fn open(path: PathBuf, entries: &[Entry]) -> std::io::Result<Self> {
        let mut spool = Self { file: appending(&path)?, path, speakers: Vec::new(), is_dirty: false };
        end_the_last_line(&mut spool.file)?;
        entries.iter().for_each(|entry| spool.note(entry));
        Ok(spool)
    }

    /// Appends `entry`, which survives this process once this returns. What was taken leaves the file.
    pub(crate) fn append(&mut self, entry: &Entry) -> std::io::Result<()> {
        if let Entry::Taken { incarnation, next_n } = entry {
            let all = self.speakers.iter().all(|(speaker, next)| speaker == incarnation && next <= next_n);
            if all {
                self.clear()?;
            } else {
                self.rewrite(incarnation, *next_n)?;
            }
            if *next_n == u64::MAX {
                return Ok(());
            }
        }
        write_line(&mut self.file, entry)?;
        self.is_dirty = true;
        self.note(entry);
        Ok(())
    }

    /// Empties the file.
    pub(crate) fn clear(&mut self) -> std::io::Result<()> {
        self.speakers.clear();
        self.file.set_len(0)
    }

    /// Forces everything to the disk.
    pub(crate) fn sync(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.is_dirty) { self.file.sync_data() } else { Ok(()) }
    }

    fn note(&mut self, entry: &Entry) {
        let (incarnation, next_n) = match entry {
            Entry::Said { incarnation, n, .. } => (incarnation, n.saturating_add(1)),
            Entry::Taken { incarnation, next_n } => (incarnation, *next_n),
            Entry::Prompt { .. }
            | Entry::Answered { .. }
            | Entry::Settled { .. }
            | Entry::Closed { .. }
            | Entry::Started { .. }
            | Entry::Told
            | Entry::Ended { .. }
            | Entry::Left(_) => return,
        };
        match self.speakers.iter_mut().find(|(speaker, _)| speaker == incarnation) {
            Some((_, next)) => *next = next_n.max(*next),
            None => self.speakers.push((incarnation.clone(), next_n)),
        }
    }

    /// Leaves what `incarnation` did not say below `next_n`.
    fn rewrite(&mut self, incarnation: &Incarnation, next_n: u64) -> std::io::Result<()> {
        let fresh = self.path.with_extension("spool-new");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&fresh)?);
        self.speakers.clear();
        for entry in read(&self.path)?.0 {
            let is_taken = match &entry {
                Entry::Said { incarnation: speaker, n, .. } => speaker == incarnation && *n < next_n,
                Entry::Taken { incarnation: speaker, .. } => speaker == incarnation,
                Entry::Prompt { .. }
                | Entry::Answered { .. }
                | Entry::Settled { .. }
                | Entry::Closed { .. }
                | Entry::Started { .. }
                | Entry::Told
                | Entry::Ended { .. }
                | Entry::Left(_) => true,
            };
            if !is_taken {
                write_line(&mut file, &entry)?;
                self.note(&entry);
            }
        }
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_data()?;
        std::fs::rename(&fresh, &self.path)?;
        self.file = appending(&self.path)?;
        Ok(())
    }
}

/// The entries of the file at `path`, and how many lines it has.
pub(crate) fn read(path: &Path) -> std::io::Result<(Vec<Entry>, usize)> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let (mut entries, mut lines) = (Vec::new(), 0);
    for line in BufReader::new(file).split(b'\n') {
        lines += 1;
        // The last line may be half a line: what it announced was not done.
        entries.extend(serde_json::from_slice::<Entry>(&line?).ok());
    }
    Ok((entries, lines))
}

/// In one write, so that a killed process leaves at most half a line.
pub(crate) fn write_line(file: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)
}

pub(crate) fn appending(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().create(true).read(true).append(true).open(path)
}

/// Half a line of an earlier life must not swallow the next one.
pub(crate) fn end_the_last_line(file: &mut std::fs::File) -> std::io::Result<()> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::RawJson;

    use super::*;
    use crate::core::Earlier;

    fn incarnation(name: &str) -> Incarnation {
        Incarnation::parse(name).unwrap()
    }

    fn said(name: &str, n: u64) -> Entry {
        let event = RawJson::parse(&format!(r#"{{"type":"x","n":{n}}}"#)).unwrap();
        Entry::Said { incarnation: incarnation(name), n, event, settles: Vec::new() }
    }

    fn taken(name: &str, next_n: u64) -> Entry {
        Entry::Taken { incarnation: incarnation(name), next_n }
    }

    struct Disk(tempfile::TempDir);

    impl Disk {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("s1.spool")
        }

        /// As after a kill: nothing but the file is left.
        fn open(&self) -> Spool {
            Spool::open(self.path(), &read(&self.path()).unwrap().0).unwrap()
        }

        fn rest(&self) -> Vec<u64> {
            let rest = Earlier::from_entries(read(&self.path()).unwrap().0).rest;
            rest.map(|rest| rest.items.iter().map(|(n, _)| *n).collect()).unwrap_or_default()
        }

        fn bytes(&self) -> u64 {
            std::fs::metadata(self.path()).unwrap().len()
        }
    }

    #[test]
    fn keeps_what_was_said_in_order_until_it_was_taken() {
        let disk = Disk::new();
        for n in 0..3 {
            disk.open().append(&said("i", n)).unwrap();
        }
        assert_eq!(disk.rest(), [0, 1, 2]);
        disk.open().append(&taken("i", 2)).unwrap();
        assert_eq!(disk.rest(), [2]);
        disk.open().append(&said("i", 3)).unwrap();
        assert_eq!(disk.rest(), [2, 3]);
        disk.open().append(&taken("i", 4)).unwrap();
        assert_eq!(disk.rest(), Vec::<u64>::new());
        let again = disk.bytes();
        let mut spool = disk.open();
        for n in 4..1_000 {
            spool.append(&said("i", n)).unwrap();
            spool.append(&taken("i", n + 1)).unwrap();
        }
        assert!(disk.bytes() <= again + 8, "it does not grow: {again} to {}", disk.bytes());
        spool.append(&taken("i", u64::MAX)).unwrap();
        assert_eq!(disk.bytes(), 0);
    }

    #[test]
    fn half_a_line_at_the_end_was_not_said_and_swallows_nothing() {
        let disk = Disk::new();
        disk.open().append(&said("i", 0)).unwrap();
        let mut text = std::fs::read(disk.path()).unwrap();
        text.extend_from_slice(br#"{"said":{"incarnation":"i","n":1,"event":{"type":"#);
        std::fs::write(disk.path(), text).unwrap();
        assert_eq!(disk.rest(), [0]);
        disk.open().append(&said("i", 1)).unwrap();
        assert_eq!(disk.rest(), [0, 1]);
    }

    #[test]
    fn what_another_incarnation_said_stays_when_one_is_taken() {
        let disk = Disk::new();
        let mut spool = disk.open();
        for entry in [said("a", 0), said("b", 0), said("b", 1), taken("a", u64::MAX)] {
            spool.append(&entry).unwrap();
        }
        assert_eq!(disk.rest(), [0, 1]);
        spool.append(&taken("b", 2)).unwrap();
        assert_eq!(read(&disk.path()).unwrap().0, [taken("b", 2)]);
    }
}
