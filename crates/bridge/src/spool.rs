//! What was read from an agent and not yet taken by the ingress, in files beside the journal. It is written before it
//! is posted and not forced to the disk: a killed bridge loses nothing of it, a machine that loses power may lose what
//! its kernel had not written. What holds because of something that was said (this prompt was read) stands behind it
//! in the same file and moves to the journal when the file goes, so that nobody waits for a disk in between.
//!
//! A flood never lets the queue run empty. So the spool is a row of files, and one whose content was taken is deleted:
//! nothing is ever read again or copied while the agent runs.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use portcullis_protocol::id::Incarnation;

use crate::core::Entry;

/// Bytes of a file that was taken whole above which it is emptied: below that it is not worth a write of the journal.
const EMPTIED_BYTES_MIN: u64 = 256 * 1024;
/// Bytes above which a file is closed and another begun.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of an event that is written past the buffer in which short lines are put together.
const LONG_EVENT_BYTES: usize = 64 * 1024;

/// The spool of one session.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    /// Full ones, oldest first, with their numbers.
    full: VecDeque<(u64, Segment)>,
    current: Segment,
    /// What the ingress has of whom.
    taken: HashMap<Incarnation, u64>,
}

/// One file.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: std::fs::File,
    bytes: u64,
    /// Who stands in it, and the position behind the last word.
    speakers: HashMap<Incarnation, u64>,
    /// What holds because of what stands in it.
    facts: Vec<Entry>,
    is_dirty: bool,
}

impl Spool {
    /// Opens the spool at `path`.
    pub(crate) fn open(path: PathBuf) -> std::io::Result<Self> {
        let mut taken = HashMap::new();
        let mut full = VecDeque::new();
        for (number, path) in numbered(&path)? {
            full.push_back((number, Segment::open(path, &mut taken)?));
        }
        let mut current = Segment::open(path.clone(), &mut taken)?;
        current.bytes += end_the_last_line(&mut current.file)?;
        Ok(Self { path, full, current, taken })
    }

    /// Appends `entry`, which survives this process once this returns. What was taken leaves the disk, after `keep` has
    /// put the facts that stood in it where they last.
    pub(crate) fn append(
        &mut self,
        entry: &Entry,
        mut keep: impl FnMut(&[Entry]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        if self.current.bytes > FILE_BYTES_MAX {
            self.turn_over()?;
        }
        self.current.append(entry, &mut self.taken)?;
        let Entry::Taken { next_n, .. } = entry else { return Ok(()) };
        while let Some((_, oldest)) = self.full.front()
            && oldest.is_taken(&self.taken)
        {
            keep(&oldest.facts)?;
            std::fs::remove_file(&oldest.path)?;
            self.full.pop_front();
        }
        let is_worth_it = *next_n == u64::MAX || self.current.bytes > EMPTIED_BYTES_MIN;
        if is_worth_it && self.full.is_empty() && self.current.is_taken(&self.taken) {
            keep(&self.current.facts)?;
            self.clear()?;
            if *next_n < u64::MAX {
                self.current.append(entry, &mut self.taken)?;
            }
        }
        Ok(())
    }

    /// What holds because of what stands here.
    pub(crate) fn facts(&self) -> Vec<Entry> {
        let segments = self.full.iter().map(|(_, full)| full).chain([&self.current]);
        segments.flat_map(|segment| segment.facts.iter().cloned()).collect()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) -> std::io::Result<()> {
        for (_, full) in self.full.drain(..) {
            std::fs::remove_file(&full.path)?;
        }
        self.taken.clear();
        self.current.clear()
    }

    /// Forces everything to the disk.
    pub(crate) fn sync(&mut self) -> std::io::Result<()> {
        let full = self.full.iter_mut().map(|(_, full)| full);
        full.chain([&mut self.current]).try_for_each(Segment::sync)
    }

    /// Begins another file.
    fn turn_over(&mut self) -> std::io::Result<()> {
        let number = self.full.back().map_or(1, |(number, _)| number + 1);
        let full = self.path.with_extension(format!("spool-{number}"));
        std::fs::rename(&self.path, &full)?;
        let fresh = Segment::open(self.path.clone(), &mut self.taken)?;
        let closed = std::mem::replace(&mut self.current, fresh);
        self.full.push_back((number, Segment { path: full, ..closed }));
        Ok(())
    }
}

impl Segment {
    fn open(path: PathBuf, taken: &mut HashMap<Incarnation, u64>) -> std::io::Result<Self> {
        let (entries, _) = read(&path)?;
        let file = appending(&path)?;
        let bytes = file.metadata()?.len();
        let mut segment =
            Self { path, file, bytes, speakers: HashMap::new(), facts: Vec::new(), is_dirty: false };
        entries.iter().for_each(|entry| segment.note(entry, taken));
        Ok(segment)
    }

    fn append(&mut self, entry: &Entry, taken: &mut HashMap<Incarnation, u64>) -> std::io::Result<()> {
        self.bytes += write_whole(&mut self.file, entry)?;
        self.is_dirty = true;
        self.note(entry, taken);
        Ok(())
    }

    fn note(&mut self, entry: &Entry, taken: &mut HashMap<Incarnation, u64>) {
        match entry {
            Entry::Said { incarnation, n, settles, .. } => {
                let next = self.speakers.entry(incarnation.clone()).or_default();
                *next = n.saturating_add(1).max(*next);
                // Said again, for an ingress that lost it.
                if let Some(taken) = taken.get_mut(incarnation) {
                    *taken = (*n).min(*taken);
                }
                self.facts.extend(settles.iter().cloned().map(Entry::from));
            }
            Entry::Taken { incarnation, next_n } => {
                taken.insert(incarnation.clone(), *next_n);
            }
            Entry::Settled { .. } | Entry::Closed { .. } => self.facts.push(entry.clone()),
            Entry::Prompt { .. }
            | Entry::Answered { .. }
            | Entry::Started { .. }
            | Entry::Told
            | Entry::Ended { .. }
            | Entry::Left(_) => {}
        }
    }

    fn is_taken(&self, taken: &HashMap<Incarnation, u64>) -> bool {
        self.speakers.iter().all(|(speaker, next)| taken.get(speaker).is_some_and(|taken| taken >= next))
    }

    fn clear(&mut self) -> std::io::Result<()> {
        self.speakers.clear();
        self.facts.clear();
        self.bytes = 0;
        self.file.set_len(0)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.is_dirty) { self.file.sync_data() } else { Ok(()) }
    }
}

/// The full files of the spool at `path` by their numbers.
fn numbered(path: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let files = match std::fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: Vec<_> = files
        .filter_map(|file| {
            let path = file.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_prefix(name)?.strip_prefix('-')?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// The files of the spool at `path`, which may not be there.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let full = numbered(path).unwrap_or_default();
    full.into_iter().map(|(_, path)| path).chain([path.to_owned()]).collect()
}

/// The entries of the whole spool at `path`, in their order.
pub(crate) fn read_all(path: &Path) -> std::io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (_, full) in numbered(path)? {
        entries.extend(read(&full)?.0);
    }
    entries.extend(read(path)?.0);
    Ok(entries)
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

/// As [`write_line`], and nothing of a line is left that did not fit on the disk.
pub(crate) fn write_whole(file: &mut std::fs::File, entry: &Entry) -> std::io::Result<u64> {
    write_line(file, entry).inspect_err(|_| {
        // What cannot be taken back either is half a line, which nobody reads.
        let _ = cut_half_a_line(file);
    })
}

fn cut_half_a_line(file: &mut std::fs::File) -> std::io::Result<()> {
    let mut end = file.metadata()?.len();
    let mut chunk = [0; 4096];
    while end > 0 {
        let from = end.saturating_sub(4096);
        let piece = &mut chunk[..usize::try_from(end - from).unwrap_or_default()];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return file.set_len(from + u64::try_from(at).unwrap_or_default() + 1);
        }
        end = from;
    }
    file.set_len(0)
}

/// Writes `entry` as a line and says how long it is. A killed process leaves at most half of the last one.
pub(crate) fn write_line(file: &mut impl Write, entry: &Entry) -> std::io::Result<u64> {
    let long = match entry {
        Entry::Said { event, .. } => Some(event.byte_len()).filter(|bytes| *bytes > LONG_EVENT_BYTES),
        Entry::Prompt { .. }
        | Entry::Answered { .. }
        | Entry::Settled { .. }
        | Entry::Closed { .. }
        | Entry::Started { .. }
        | Entry::Told
        | Entry::Ended { .. }
        | Entry::Taken { .. }
        | Entry::Left(_) => None,
    };
    if let Some(bytes) = long {
        let mut buffer = BufWriter::new(file);
        serde_json::to_writer(&mut buffer, entry)?;
        buffer.write_all(b"\n")?;
        buffer.flush()?;
        return Ok(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    file.write_all(&line)?;
    Ok(u64::try_from(line.len()).unwrap_or(u64::MAX))
}

pub(crate) fn appending(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().create(true).read(true).append(true).open(path)
}

/// Half a line of an earlier life must not swallow the next one. Says how many bytes that took.
pub(crate) fn end_the_last_line(file: &mut std::fs::File) -> std::io::Result<u64> {
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" { Ok(0) } else { file.write_all(b"\n").map(|()| 1) }
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

    /// As long as a third of a file.
    fn long(name: &str, n: u64) -> Entry {
        let text = "x".repeat(usize::try_from(FILE_BYTES_MAX / 3).unwrap());
        let event = RawJson::parse(&format!(r#"{{"type":"x","text":"{text}"}}"#)).unwrap();
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
            Spool::open(self.path()).unwrap()
        }

        /// Appends, and says which facts had to be kept elsewhere.
        fn append(&self, entries: &[Entry]) -> Vec<Entry> {
            let (mut spool, mut kept) = (self.open(), Vec::new());
            for entry in entries {
                let keep = |facts: &[Entry]| {
                    kept.extend_from_slice(facts);
                    Ok(())
                };
                spool.append(entry, keep).unwrap();
            }
            kept
        }

        fn rest(&self) -> Vec<u64> {
            let rest = Earlier::from_entries(read_all(&self.path()).unwrap()).rest;
            rest.map(|rest| rest.items.iter().map(|(n, _)| *n).collect()).unwrap_or_default()
        }

        fn bytes(&self) -> u64 {
            let files = std::fs::read_dir(self.0.path()).unwrap();
            files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
        }
    }

    #[test]
    fn keeps_what_was_said_in_order_until_it_was_taken() {
        let disk = Disk::new();
        for n in 0..3 {
            disk.append(&[said("i", n)]);
        }
        assert_eq!(disk.rest(), [0, 1, 2]);
        disk.append(&[taken("i", 2)]);
        assert_eq!(disk.rest(), [2]);
        disk.append(&[said("i", 3)]);
        assert_eq!(disk.rest(), [2, 3]);
        disk.append(&[taken("i", 4)]);
        assert_eq!(disk.rest(), Vec::<u64>::new());
        disk.append(&[taken("i", u64::MAX)]);
        assert_eq!(disk.bytes(), 0);
    }

    #[test]
    fn does_not_grow_with_what_was_taken() {
        let disk = Disk::new();
        let entries: Vec<Entry> = (0..10_000).flat_map(|n| [said("i", n), taken("i", n + 1)]).collect();
        disk.append(&entries);
        assert!(disk.bytes() <= EMPTIED_BYTES_MIN + 256, "{}", disk.bytes());
        assert_eq!(disk.rest(), Vec::<u64>::new());
    }

    #[test]
    fn a_flood_leaves_file_by_file_as_it_is_taken_and_in_order_after_a_kill() {
        let disk = Disk::new();
        let flood: Vec<Entry> = (0..12).map(|n| long("i", n)).collect();
        disk.append(&flood);
        let whole = disk.bytes();
        assert!(whole > 3 * FILE_BYTES_MAX);
        assert_eq!(disk.rest(), (0..12).collect::<Vec<u64>>());
        disk.append(&[taken("i", 7)]);
        assert_eq!(disk.rest(), (7..12).collect::<Vec<u64>>());
        assert!(disk.bytes() < whole - FILE_BYTES_MAX, "what was taken is gone");
        disk.append(&[said("i", 12), taken("i", 13)]);
        assert_eq!(disk.rest(), Vec::<u64>::new());
        assert!(disk.bytes() < 256, "{}", disk.bytes());
    }

    #[test]
    fn what_holds_because_of_what_was_said_is_kept_elsewhere_before_that_goes() {
        let disk = Disk::new();
        let (closed, settled) =
            (Entry::Closed { uuid: "p".into() }, Entry::Settled { request_id: "r".into() });
        assert_eq!(disk.append(&[said("i", 0), closed.clone(), settled.clone(), taken("i", 1)]), []);
        assert_eq!(disk.open().facts(), [closed.clone(), settled.clone()], "a little is left where it is");
        assert_eq!(disk.append(&[taken("i", u64::MAX)]), [closed, settled]);
        assert_eq!(disk.bytes(), 0);
    }

    #[test]
    fn what_is_said_again_stays_until_it_is_taken_again() {
        let disk = Disk::new();
        let before: Vec<Entry> = (0..8).map(|n| long("i", n)).chain([taken("i", 8)]).collect();
        disk.append(&before);
        let again: Vec<Entry> = (2..8).map(|n| long("i", n)).chain([taken("i", 6)]).collect();
        disk.append(&again);
        assert_eq!(disk.rest(), [6, 7]);
        disk.append(&[taken("i", 8)]);
        assert_eq!(disk.rest(), Vec::<u64>::new());
        assert!(disk.bytes() < 256);
    }

    #[test]
    fn what_does_not_fit_on_the_disk_leaves_nothing_of_itself() {
        let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = write_whole(&mut full, &said("i", 0)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        let disk = Disk::new();
        let mut file = appending(&disk.path()).unwrap();
        let long = "x".repeat(10_000);
        for (text, left) in
            [(format!("one\n{long}"), 4), (long.clone(), 0), (format!("{long}\ntwo\n"), 10_005)]
        {
            file.set_len(0).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            cut_half_a_line(&mut file).unwrap();
            assert_eq!(file.metadata().unwrap().len(), left);
        }
        file.set_len(0).unwrap();
        write_whole(&mut file, &said("i", 0)).unwrap();
        assert_eq!(read(&disk.path()).unwrap().0, [said("i", 0)]);
    }

    #[test]
    fn half_a_line_at_the_end_was_not_said_and_swallows_nothing() {
        let disk = Disk::new();
        disk.append(&[said("i", 0)]);
        let mut text = std::fs::read(disk.path()).unwrap();
        text.extend_from_slice(br#"{"said":{"incarnation":"i","n":1,"event":{"type":"#);
        std::fs::write(disk.path(), text).unwrap();
        assert_eq!(disk.rest(), [0]);
        disk.append(&[said("i", 1)]);
        assert_eq!(disk.rest(), [0, 1]);
    }

    #[test]
    fn what_another_incarnation_said_stays_when_one_is_taken() {
        let disk = Disk::new();
        disk.append(&[said("a", 0), said("b", 0), said("b", 1), taken("a", u64::MAX)]);
        assert_eq!(disk.rest(), [0, 1]);
        disk.append(&[taken("b", 2)]);
        assert_eq!(disk.rest(), Vec::<u64>::new());
        disk.append(&[taken("b", u64::MAX)]);
        assert_eq!(disk.bytes(), 0);
    }
}
