//! What can be told of a line by looking at it alone. A line of 8 MiB takes longer to check than an answer may wait, so
//! the shell reads it beside the machine, which then decides in no time.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::digest;
use portcullis_protocol::json::{Header, JsonError};
use portcullis_protocol::limits::FOREIGN_ID_BYTES_MAX;
use portcullis_protocol::wire::framing::Line;

/// A line of an agent, looked at.
#[derive(Debug)]
pub struct Reading(pub(super) Found);

#[derive(Debug)]
pub(super) enum Found {
    Event {
        header: Box<Header>,
        event: RawJson,
        /// What tells it from every other durable event, if it has a uuid.
        fingerprint: Option<String>,
    },
    /// Text that is no event.
    Unreadable {
        text: String,
        error: JsonError,
    },
    TooLong {
        bytes: usize,
        head: Vec<u8>,
    },
    NotUtf8 {
        bytes: usize,
    },
}

impl From<Line> for Reading {
    fn from(line: Line) -> Self {
        Self(match line {
            Line::TooLong { bytes, head } => Found::TooLong { bytes, head },
            Line::NotUtf8 { bytes } => Found::NotUtf8 { bytes },
            Line::Text(text) => match RawJson::parse(&text).and_then(|event| Ok((event.header()?, event))) {
                Ok((header, event)) => {
                    let fingerprint = fingerprint(&header, &event);
                    Found::Event { header: Box::new(header), event, fingerprint }
                }
                Err(error) => Found::Unreadable { text, error },
            },
        })
    }
}

impl Reading {
    /// The line, as far as it is text.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        match &self.0 {
            Found::Event { event, .. } => event.as_str(),
            Found::Unreadable { text, .. } => text,
            Found::TooLong { .. } | Found::NotUtf8 { .. } => "",
        }
    }

    /// Bytes it takes while it waits.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Found::Event { event, .. } => event.byte_len(),
            Found::Unreadable { text, .. } => text.len(),
            Found::TooLong { head, .. } => head.len(),
            Found::NotUtf8 { .. } => 0,
        }
    }
}

fn fingerprint(header: &Header, event: &RawJson) -> Option<String> {
    let uuid = header.uuid.as_deref().filter(|uuid| (1..=FOREIGN_ID_BYTES_MAX).contains(&uuid.len()))?;
    header.is_durable().then(|| format!("{uuid} {}", digest(event)))
}
