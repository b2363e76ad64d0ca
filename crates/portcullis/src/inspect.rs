//! `portcullis inspect`: what a recorded stream says, and whether this program understands and keeps all of it.

mod print;
mod recording;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use portcullis_protocol::RawJson;
use portcullis_protocol::session::transcript::Transcript;
use portcullis_protocol::wire::kinds::{Message, Piece as _, exact};

use crate::cli::InspectOptions;
use crate::outcome::Failure;
use recording::{Content, Speaker};

/// Lines with something wrong that are reported one by one; the rest is counted.
const REPORTS_MAX: usize = 20;
/// Kinds nobody knows that are listed; the rest counts as one.
const KINDS_MAX: usize = 50;

/// Reads the recording and prints what was asked for.
pub(crate) fn run(options: &InspectOptions) -> Result<(), Failure> {
    let name = print::harmless(&options.file.to_string_lossy()).into_owned();
    let failed = |error: std::io::Error| Failure::failed(&name, &error.into());
    let mut inspection = Inspection::new(options.check);
    let source = open(&options.file).map_err(failed)?;
    recording::read(source, |number, content| inspection.take(number, content)).map_err(failed)?;
    inspection.report_rest();
    if inspection.messages == 0 {
        return Err(Failure::failed(&name, &anyhow::anyhow!("there is no message in it")).with_hint(
            "A recording holds one JSON object a line: stream-json, or capture lines with `t_ms`, `dir` and `msg`.",
        ));
    }
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let printed = print(&inspection, options, &mut stdout).and_then(|()| stdout.flush());
    match printed {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => return Err(Failure::failed("stdout", &error.into())),
        Ok(()) => {}
    }
    if options.check && inspection.lost > 0 {
        return Err(Failure::failed(&name, &anyhow::anyhow!("{} did not survive", inspection.lost)));
    }
    Ok(())
}

fn open(file: &Path) -> std::io::Result<Box<dyn Read>> {
    if file == Path::new("-") { Ok(Box::new(std::io::stdin())) } else { Ok(Box::new(File::open(file)?)) }
}

/// `--json` owns stdout; what `--check` found goes beside it then.
fn print(inspection: &Inspection, options: &InspectOptions, out: &mut impl Write) -> std::io::Result<()> {
    match (options.json, options.check) {
        (true, false) => print::json(&inspection.transcript, out),
        (true, true) => {
            print::json(&inspection.transcript, out)?;
            inspection.summary(&mut std::io::stderr())
        }
        (false, true) => inspection.summary(out),
        (false, false) => print::text(&inspection.transcript, out),
    }
}

struct Inspection {
    check: bool,
    transcript: Transcript,
    seq: u64,
    lines: usize,
    messages: usize,
    typed: usize,
    /// Kinds nobody knows: the first line and how many.
    unknown: BTreeMap<String, (u64, usize)>,
    lost: usize,
    reports: usize,
}

impl Inspection {
    fn new(check: bool) -> Self {
        Self {
            check,
            transcript: Transcript::new(),
            seq: 0,
            lines: 0,
            messages: 0,
            typed: 0,
            unknown: BTreeMap::new(),
            lost: 0,
            reports: 0,
        }
    }

    fn take(&mut self, number: u64, content: Content) {
        self.lines += 1;
        match content {
            Content::Remark => {}
            Content::Garbage(why) => self.lose(number, &why),
            Content::Messages(speaker, messages) => {
                for message in messages {
                    match message {
                        Ok(message) => self.message(number, speaker, &message),
                        Err(error) => self.lose(number, &error.to_string()),
                    }
                }
            }
        }
    }

    fn message(&mut self, number: u64, speaker: Speaker, message: &RawJson) {
        let Ok(header) = message.header() else { return };
        self.messages += 1;
        if self.check {
            self.survive(number, message);
        }
        // Of what a host says, the log keeps prompts and answers; the rest is between it and the agent.
        let logged = match speaker {
            Speaker::Agent => true,
            Speaker::Host => matches!(header.kind.as_str(), "user" | "control_response"),
        };
        if !logged {
            return;
        }
        if header.is_durable() {
            self.seq += 1;
            self.transcript.apply(self.seq, message);
        } else {
            self.transcript.apply_live(message);
        }
        self.transcript.take_changes();
    }

    fn survive(&mut self, number: u64, message: &RawJson) {
        let Ok(parsed) = Message::parse(message) else {
            return self.lose(number, "no message");
        };
        if !exact::same(message, &parsed.to_json()) {
            return self.lose(number, "another value after being read and written");
        }
        if parsed.is_typed() {
            self.typed += 1;
            return;
        }
        let mut kind = kind(message);
        if self.unknown.len() >= KINDS_MAX && !self.unknown.contains_key(&kind) {
            "others".clone_into(&mut kind);
        }
        self.unknown.entry(kind).or_insert((number, 0)).1 += 1;
    }

    fn lose(&mut self, number: u64, why: &str) {
        self.lost += 1;
        if self.reports < REPORTS_MAX {
            self.reports += 1;
            note(&format!("line {number}: {why}"));
        }
    }

    fn report_rest(&self) {
        if self.lost > self.reports {
            note(&format!("and {} more", self.lost - self.reports));
        }
    }

    fn summary(&self, out: &mut impl Write) -> std::io::Result<()> {
        let unknown: usize = self.unknown.values().map(|(_, count)| count).sum();
        writeln!(
            out,
            "{} typed, {unknown} kept as unknown, {} lost ({} messages in {} lines)",
            self.typed, self.lost, self.messages, self.lines
        )?;
        for (kind, (line, count)) in &self.unknown {
            writeln!(out, "kept as unknown: {} ({count}, first in line {line})", print::harmless(kind))?;
        }
        Ok(())
    }
}

/// All discriminators of a message, for a person.
fn kind(message: &RawJson) -> String {
    const WORD_CHARS_MAX: usize = 60;
    let Ok(header) = message.header() else { return String::new() };
    let nested = header.request_subtype().or(header.subtype.as_deref()).unwrap_or_default();
    let nested = nested.chars().take(WORD_CHARS_MAX).collect::<String>();
    let kind = header.kind.chars().take(WORD_CHARS_MAX).collect::<String>();
    if nested.is_empty() { kind } else { format!("{kind}/{nested}") }
}

fn note(text: &str) {
    // Nobody reads it if this fails.
    let _ = writeln!(std::io::stderr(), "portcullis: {}", print::harmless(text));
}
