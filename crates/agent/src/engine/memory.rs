//! What the conversation was, for the model's next answer and for another day. Kept in a file of the agent's own, so
//! that a session can be resumed after its process ended; bounded in memory and on disk.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde_json::{Value, json};

/// What the model is told again at most, in bytes of JSON; far above what any model's context holds.
const HISTORY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A transcript that grew beyond this is written anew with what is still remembered, in bytes.
const FILE_BYTES_MAX: usize = 4 * HISTORY_BYTES_MAX;
/// Transcripts kept; the oldest go first.
const TRANSCRIPTS_MAX: usize = 200;
/// Longest id that may become a file's name, in bytes.
const ID_BYTES_MAX: usize = 64;
/// What a call is said to have come to whose process ended before it did.
const UNKNOWN_RESULT: &str =
    "The agent's process ended before this call did; whether it took effect is not known.";

/// The messages of a conversation, oldest first.
#[derive(Debug, Default)]
pub(super) struct Memory {
    messages: Vec<Value>,
    bytes: usize,
    transcript: Option<Transcript>,
}

/// What a transcript holds.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) messages: Vec<Value>,
    /// The totals at the end.
    pub(super) totals: Option<Value>,
}

#[derive(Debug)]
struct Transcript {
    path: PathBuf,
    head: Value,
    bytes: usize,
}

impl Memory {
    /// Remembers in the directory, if there is one, under the session's id.
    pub(super) fn open(directory: Option<&Path>, session_id: &str, cwd: &Path) -> io::Result<Self> {
        let Some(directory) = directory else { return Ok(Self::default()) };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        remove_oldest(directory)?;
        let head = json!({"session": {"id": session_id, "cwd": cwd}});
        let mut transcript = Transcript { path: place(directory, session_id)?, head, bytes: 0 };
        if !transcript.path.exists() {
            transcript.append(&transcript.head.clone())?;
        }
        Ok(Self { transcript: Some(transcript), ..Self::default() })
    }

    pub(super) fn messages(&self) -> &[Value] {
        &self.messages
    }

    /// Takes over what another process remembered.
    pub(super) fn recall(&mut self, messages: Vec<Value>, write: bool) {
        for message in messages {
            if write {
                self.remember(message);
            } else {
                self.keep(message);
            }
        }
    }

    pub(super) fn remember(&mut self, message: Value) {
        self.write(&json!({"message": message}));
        self.keep(message);
    }

    /// Writes down what was spent so far.
    pub(super) fn remember_totals(&mut self, totals: &Value) {
        self.write(&json!({"totals": totals}));
    }

    fn keep(&mut self, message: Value) {
        self.bytes += message.to_string().len();
        self.messages.push(message);
        while self.bytes > HISTORY_BYTES_MAX && self.forget_first() {}
    }

    /// Forgets the oldest exchange, up to the next prompt: a result without its call would be refused by the API.
    /// False if there is only one.
    fn forget_first(&mut self) -> bool {
        let next = self.messages.iter().skip(1).position(is_prompt).map(|place| place + 1);
        let Some(next) = next else { return false };
        let gone: usize = self.messages.drain(..next).map(|message| message.to_string().len()).sum();
        self.bytes = self.bytes.saturating_sub(gone);
        true
    }

    /// A transcript that cannot be written is no reason to stop working.
    fn write(&mut self, line: &Value) {
        let Some(transcript) = &mut self.transcript else { return };
        let written = if transcript.bytes > FILE_BYTES_MAX {
            transcript.rewrite(&self.messages).and_then(|()| transcript.append(line))
        } else {
            transcript.append(line)
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the transcript cannot be written; this session cannot be resumed whole");
            self.transcript = None;
        }
    }
}

impl Transcript {
    fn append(&mut self, line: &Value) -> io::Result<()> {
        let text = format!("{line}\n");
        let mut file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
        self.bytes += text.len();
        file.write_all(text.as_bytes())
    }

    fn rewrite(&mut self, messages: &[Value]) -> io::Result<()> {
        let staging = self.path.with_extension("new");
        let lines = messages.iter().map(|message| json!({"message": message}).to_string());
        let text = std::iter::once(self.head.to_string()).chain(lines).collect::<Vec<_>>().join("\n") + "\n";
        drop(fs::remove_file(&staging));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staging)?;
        file.write_all(text.as_bytes())?;
        self.bytes = text.len();
        fs::rename(&staging, &self.path)
    }
}

/// Reads what a session left, or `None` if there is none of that id.
pub(super) fn recall(directory: &Path, session_id: &str) -> io::Result<Option<Past>> {
    let text = match fs::read(place(directory, session_id)?) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut past = Past::default();
    // A process that was killed may have left half a line.
    for line in
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok())
    {
        if let Some(message) = line.get("message") {
            past.messages.push(message.clone());
        } else if let Some(totals) = line.get("totals") {
            past.totals = Some(totals.clone());
        }
    }
    settle_calls(&mut past.messages);
    Ok(Some(past))
}

/// The session that worked here last.
pub(super) fn latest(directory: &Path, cwd: &Path) -> Option<String> {
    let mut transcripts = transcripts(directory).ok()?;
    transcripts.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
    transcripts.into_iter().find_map(|(_, path)| {
        let text = fs::read_to_string(path).ok()?;
        let head: Value = serde_json::from_str(text.lines().next()?).ok()?;
        let here = head["session"]["cwd"].as_str().is_some_and(|place| Path::new(place) == cwd);
        head["session"]["id"].as_str().filter(|_| here).map(str::to_owned)
    })
}

/// Gives every call a result: the process may have been killed between the two.
fn settle_calls(messages: &mut Vec<Value>) {
    let mut place = 0;
    while place < messages.len() {
        let calls = ids(&messages[place], "tool_use", "id");
        let results =
            messages.get(place + 1).map(|next| ids(next, "tool_result", "tool_use_id")).unwrap_or_default();
        let open: Vec<&String> = calls.iter().filter(|id| !results.contains(id)).collect();
        if !open.is_empty() {
            let result = |id: &&String| json!({"type": "tool_result", "tool_use_id": id, "content": UNKNOWN_RESULT, "is_error": true});
            let content: Vec<Value> = open.iter().map(result).collect();
            messages.insert(place + 1, json!({"role": "user", "content": content}));
        }
        place += 1;
    }
}

fn ids(message: &Value, kind: &str, key: &str) -> Vec<String> {
    let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_kind = blocks.iter().filter(|block| block["type"] == kind);
    of_kind.filter_map(|block| block[key].as_str().map(str::to_owned)).collect()
}

fn is_prompt(message: &Value) -> bool {
    message["role"] == "user" && ids(message, "tool_result", "tool_use_id").is_empty()
}

fn place(directory: &Path, session_id: &str) -> io::Result<PathBuf> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(1..=ID_BYTES_MAX).contains(&session_id.len()) || !session_id.bytes().all(allowed) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the session's id is no name for a file"));
    }
    Ok(directory.join(format!("{session_id}.jsonl")))
}

fn transcripts(directory: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let entries = fs::read_dir(directory)?.filter_map(Result::ok).map(|entry| entry.path());
    let ours = entries.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    Ok(ours.filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path))).collect())
}

fn remove_oldest(directory: &Path) -> io::Result<()> {
    let mut transcripts = transcripts(directory)?;
    transcripts.sort();
    // Room for the one that is about to be made.
    let surplus = (transcripts.len() + 1).saturating_sub(TRANSCRIPTS_MAX);
    for (_, path) in transcripts.into_iter().take(surplus) {
        drop(fs::remove_file(path));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn prompt(text: &str) -> Value {
        json!({"role": "user", "content": [{"type": "text", "text": text}]})
    }

    fn call(id: &str) -> Value {
        json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": {}}]})
    }

    #[test]
    fn is_there_for_another_process_and_for_nobody_else() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("transcripts");
        let mut memory = Memory::open(Some(&directory), "s-1", Path::new("/p")).unwrap();
        memory.remember(prompt("a"));
        memory.remember_totals(&json!({"n": 1}));
        memory.remember_totals(&json!({"n": 2}));
        let past = recall(&directory, "s-1").unwrap().unwrap();
        assert_eq!((past.messages, past.totals), (vec![prompt("a")], Some(json!({"n": 2}))));
        assert_eq!(latest(&directory, Path::new("/p")).as_deref(), Some("s-1"));
        assert_eq!(latest(&directory, Path::new("/q")), None);
        assert!(recall(&directory, "s-2").unwrap().is_none());
        assert!(recall(&directory, "../s-1").is_err());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&directory.join("s-1.jsonl"))), (0o700, 0o600));
    }

    #[test]
    fn a_call_that_was_cut_off_by_the_end_has_a_result_that_says_so() {
        let home = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(Some(home.path()), "s", Path::new("/p")).unwrap();
        memory.remember(prompt("a"));
        memory.remember(call("t1"));
        let mut file = fs::OpenOptions::new().append(true).open(home.path().join("s.jsonl")).unwrap();
        file.write_all(b"{\"message\":{\"role\":\"us").unwrap();
        let messages = recall(home.path(), "s").unwrap().unwrap().messages;
        assert_eq!(messages.len(), 3);
        assert_eq!(ids(&messages[2], "tool_result", "tool_use_id"), ["t1"]);
    }

    #[test]
    fn forgets_whole_exchanges_first() {
        let mut memory = Memory::default();
        let big = "x".repeat(HISTORY_BYTES_MAX / 2);
        memory.remember(prompt(&big));
        memory.remember(call("t1"));
        memory.remember(
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": ""}]}),
        );
        memory.remember(prompt("second"));
        memory.remember(prompt(&big));
        assert_eq!(memory.messages()[0], prompt("second"));
        assert_eq!(memory.messages().len(), 2);
    }

    #[test]
    fn a_long_transcript_is_written_anew_and_old_ones_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(Some(home.path()), "s", Path::new("/p")).unwrap();
        let big = "x".repeat(HISTORY_BYTES_MAX / 2);
        for _ in 0..10 {
            memory.remember(prompt(&big));
        }
        let size = home.path().join("s.jsonl").metadata().unwrap().len();
        assert!(size < FILE_BYTES_MAX as u64, "{size}");
        for number in 0..TRANSCRIPTS_MAX + 5 {
            fs::write(home.path().join(format!("old-{number}.jsonl")), "").unwrap();
        }
        Memory::open(Some(home.path()), "new", Path::new("/p")).unwrap();
        assert_eq!(transcripts(home.path()).unwrap().len(), TRANSCRIPTS_MAX);
    }
}
