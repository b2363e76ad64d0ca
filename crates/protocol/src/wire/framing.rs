//! Cuts a byte stream into lines, with a bound: an agent's stdout is hostile, and half a line may be all there is.

/// What came out of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// One line without its end, valid UTF-8, not blank.
    Text(String),
    /// A line of `bytes` bytes, above the limit, of which the first are left: enough to answer it if it asks something.
    TooLong { bytes: usize, head: Vec<u8> },
    /// A line that is not UTF-8.
    NotUtf8 { bytes: usize },
}

/// Bytes that are left of a line above the limit: its `type` and `request_id` stand among the first of them in every
/// agent that was seen.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Collects bytes until a line is whole. Takes `\n` and `\r\n`, skips blank lines and a leading byte order mark.
#[derive(Debug)]
pub struct LineFramer {
    buffer: Vec<u8>,
    line_bytes_max: usize,
    /// Bytes of the current line that were dropped because it is above the limit.
    dropped: usize,
}

impl LineFramer {
    /// A framer for lines of at most `line_bytes_max` bytes.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), line_bytes_max, dropped: 0 }
    }

    /// Takes `bytes` and hands every line they complete to `take`.
    pub fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(Line)) {
        // Most pieces of a long line hold no end, which is found out faster than where one is.
        while bytes.contains(&b'\n')
            && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
        {
            self.extend(&bytes[..end]);
            bytes = &bytes[end + 1..];
            if let Some(line) = self.finish() {
                take(line);
            }
        }
        self.extend(bytes);
    }

    /// Takes what is left when the stream ended in the middle of a line.
    pub fn finish(&mut self) -> Option<Line> {
        let mut bytes = std::mem::take(&mut self.buffer);
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let whole = bytes.len() + dropped;
            bytes.truncate(HEAD_BYTES_MAX);
            bytes.shrink_to_fit();
            return Some(Line::TooLong { bytes: whole, head: bytes });
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Some(Line::NotUtf8 { bytes: error.as_bytes().len() }),
        };
        let trimmed = text.trim_start_matches('\u{feff}').trim();
        match trimmed.len() {
            0 => None,
            length if length == text.len() => Some(Line::Text(text)),
            _ => Some(Line::Text(trimmed.to_owned())),
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = self.line_bytes_max.saturating_sub(self.buffer.len());
        let taken = bytes.len().min(room);
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.dropped += bytes.len() - taken;
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Line> {
        let mut framer = LineFramer::new(8);
        let mut lines = Vec::new();
        for chunk in chunks {
            framer.push(chunk, |line| lines.push(line));
        }
        lines.extend(framer.finish());
        lines
    }

    #[test]
    fn cuts_the_same_lines_however_the_bytes_arrive() {
        let whole = lines(&["\u{feff}ab\r\n\n  \ncé\nhalf".as_bytes()]);
        assert_eq!(whole, [Line::Text("ab".into()), Line::Text("cé".into()), Line::Text("half".into())]);
        let bytes = "\u{feff}ab\r\n\n  \ncé\nhalf".as_bytes();
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(lines(&single), whole);
    }

    #[test]
    fn says_how_long_a_line_above_the_limit_was_and_goes_on() {
        assert_eq!(
            lines(&[b"12345678\n123456789\nok\n"]),
            [
                Line::Text("12345678".into()),
                Line::TooLong { bytes: 9, head: b"12345678".to_vec() },
                Line::Text("ok".into()),
            ]
        );
    }

    #[test]
    fn names_a_line_that_is_no_text() {
        assert_eq!(lines(&[b"\xff\xfe\nok"]), [Line::NotUtf8 { bytes: 2 }, Line::Text("ok".into())]);
    }
}
