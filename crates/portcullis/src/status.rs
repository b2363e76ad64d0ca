//! What a bridge does, told while it runs: one JSON object a line for scripts, one line that is painted over for a
//! person at a terminal. Without either, the log says it.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_bridge::{BridgeEvent, EVENTS_MAX, Teller};
use portcullis_protocol::id::SessionId;
use tokio::sync::mpsc;
use tracing_subscriber::fmt::MakeWriter;

/// Longest time for the last words to be read.
const LAST_WORDS_TIME: Duration = Duration::from_secs(2);
/// Back to the start of the line, and clear it.
const CLEAR: &str = "\r\x1b[K";
/// Columns of a terminal that does not say how wide it is.
const COLUMNS: usize = 80;

/// The line at the bottom of the terminal, which whoever writes there paints again.
static LINE: Mutex<Option<String>> = Mutex::new(None);

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Script,
    Person,
    /// Only the log.
    Nobody,
}

impl Audience {
    /// A script that asked for JSON, or a person if there is a terminal.
    pub(crate) fn new(json: bool) -> Self {
        if json {
            Self::Script
        } else if std::io::stderr().is_terminal() {
            Self::Person
        } else {
            Self::Nobody
        }
    }
}

/// Tells what a bridge does.
#[derive(Debug)]
pub(crate) struct Reporter {
    audience: Audience,
    place: String,
    events: mpsc::Receiver<BridgeEvent>,
}

/// A [`Reporter`] at work.
#[derive(Debug)]
pub(crate) struct Reporting(Option<JoinHandle<()>>);

impl Reporter {
    /// A reporter for a bridge of the ingress at `place`, and what the bridge tells it.
    pub(crate) fn new(audience: Audience, place: &str) -> (Self, Teller) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let teller = if audience == Audience::Nobody { Teller::default() } else { Teller::new(sender) };
        let place = place.split("://").last().unwrap_or(place).to_owned();
        (Self { audience, place, events }, teller)
    }

    /// Tells from now on, also what was before, until the bridge is gone.
    pub(crate) fn start(self) -> Reporting {
        let Self { audience, place, events } = self;
        // A thread: a reader that stands still stops the telling, and nothing else.
        let telling = match audience {
            Audience::Script => std::thread::spawn(move || print_all(events)),
            Audience::Person => std::thread::spawn(move || paint_all(events, Status::new(&place))),
            Audience::Nobody => return Reporting(None),
        };
        Reporting(Some(telling))
    }
}

impl Reporting {
    /// Waits until everything was told. The bridge has to be gone.
    pub(crate) async fn finish(self) {
        let Some(thread) = self.0 else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join());
        let _ = tokio::time::timeout(LAST_WORDS_TIME, joined).await;
    }
}

fn print_all(mut events: mpsc::Receiver<BridgeEvent>) {
    while let Some(event) = events.blocking_recv() {
        if print(&event).is_err() {
            // Whoever asked for it does not listen any more.
            return;
        }
    }
}

/// One object on a line of its own.
pub(crate) fn print(event: &impl serde::Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

fn paint_all(mut events: mpsc::Receiver<BridgeEvent>, mut status: Status) {
    paint(Some(status.line()));
    while let Some(event) = events.blocking_recv() {
        status.note(event);
        paint(Some(status.line()));
    }
    paint(None);
}

/// Shows `line` at the bottom in place of what is there.
fn paint(line: Option<String>) {
    let mut shown = line_at_the_bottom();
    *shown = line;
    let _ = write_above(shown.as_ref(), b"");
}

fn line_at_the_bottom() -> MutexGuard<'static, Option<String>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_above(line: Option<&String>, text: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    out.write_all(CLEAR.as_bytes())?;
    out.write_all(text)?;
    if let Some(line) = line {
        out.write_all(fitting(line, columns()).as_bytes())?;
    }
    out.flush()
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

/// A line that wraps cannot be painted over.
fn fitting(line: &str, columns: usize) -> String {
    if line.chars().count() < columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(2)).chain(['…']).collect()
}

/// Where the log goes: stderr, above the line at the bottom if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogWriter;

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for LogWriter {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let line = line_at_the_bottom();
        if line.is_some() {
            write_above(line.as_ref(), text)?;
        } else {
            std::io::stderr().write_all(text)?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Connecting,
    Up,
    Lost,
    Ending { at_once: bool },
}

/// What there is to say in one line.
#[derive(Debug)]
struct Status {
    place: String,
    link: Link,
    /// Sessions that are served, and how many of their requests wait.
    sessions: BTreeMap<SessionId, usize>,
}

impl Status {
    fn new(place: &str) -> Self {
        Self { place: place.to_owned(), link: Link::Connecting, sessions: BTreeMap::new() }
    }

    fn note(&mut self, event: BridgeEvent) {
        match event {
            BridgeEvent::Registered { .. } | BridgeEvent::LinkBack => self.link = Link::Up,
            BridgeEvent::LinkLost { .. } => self.link = Link::Lost,
            BridgeEvent::SessionStarted { session_id, .. } => {
                self.sessions.insert(session_id, 0);
            }
            BridgeEvent::SessionEnded { session_id, .. } => {
                self.sessions.remove(&session_id);
            }
            BridgeEvent::WaitingForApproval { session_id, waiting } => {
                if let Some(known) = self.sessions.get_mut(&session_id) {
                    *known = waiting;
                }
            }
            BridgeEvent::Ending { at_once } => self.link = Link::Ending { at_once },
            BridgeEvent::WorktreeMade { .. }
            | BridgeEvent::WorktreeRemoved { .. }
            | BridgeEvent::WorktreeKept { .. }
            | BridgeEvent::DiskFull { .. }
            | BridgeEvent::DiskFree { .. }
            | BridgeEvent::Ended => {}
        }
    }

    fn line(&self) -> String {
        let sessions = match self.sessions.len() {
            0 => "no session".to_owned(),
            1 => "1 session".to_owned(),
            count => format!("{count} sessions"),
        };
        let waiting = match self.sessions.values().filter(|waiting| **waiting > 0).count() {
            0 => String::new(),
            count => format!(" ({count} waiting for you)"),
        };
        let place = &self.place;
        match self.link {
            Link::Connecting => format!("○ connecting to {place} · ctrl-c ends"),
            Link::Up => format!("● connected to {place} · {sessions}{waiting} · ctrl-c ends"),
            Link::Lost => {
                format!("○ no connection to {place}, trying again · {sessions}{waiting} · ctrl-c ends")
            }
            Link::Ending { at_once: false } => {
                format!("● ending {sessions} in order · ctrl-c again ends at once")
            }
            Link::Ending { at_once: true } => "● ending at once · ctrl-c again leaves everything".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(events: &[BridgeEvent]) -> String {
        let mut status = Status::new("host");
        events.iter().for_each(|event| status.note(event.clone()));
        status.line()
    }

    #[test]
    fn one_line_says_who_is_connected_what_runs_and_what_waits() {
        let id = |name: &str| SessionId::parse(name).unwrap();
        let started = |name: &str| BridgeEvent::SessionStarted {
            session_id: id(name),
            directory: "/p".into(),
            agent: "a".into(),
        };
        let waiting = |name: &str, waiting| BridgeEvent::WaitingForApproval { session_id: id(name), waiting };
        let mut events = vec![BridgeEvent::LinkBack];
        assert_eq!(after(&events), "● connected to host · no session · ctrl-c ends");
        events.extend([started("a"), started("b"), waiting("b", 3)]);
        assert_eq!(after(&events), "● connected to host · 2 sessions (1 waiting for you) · ctrl-c ends");
        events.extend([waiting("b", 0), BridgeEvent::LinkLost { reason: "x".into() }]);
        assert_eq!(after(&events), "○ no connection to host, trying again · 2 sessions · ctrl-c ends");
        events.extend([
            BridgeEvent::SessionEnded { session_id: id("a"), reason: "x".into() },
            BridgeEvent::Ending { at_once: false },
        ]);
        assert_eq!(after(&events), "● ending 1 session in order · ctrl-c again ends at once");
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal() {
        assert_eq!(fitting("● abc", 80), "● abc");
        assert_eq!(fitting("● abcdef", 6).chars().count(), 5);
        assert_eq!(fitting("abc", 0), "…");
    }
}
