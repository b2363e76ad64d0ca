//! Bytes to lines, bounded. `next` may be dropped half way without losing what was read, because the front
//! waits for input and for the running turn at the same time.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::error::AgentError;

/// Longest input line, in bytes: twice the largest event of the wire (8 MiB), since prompts may be merged.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct LineReader<R> {
    reader: BufReader<R>,
    partial: Vec<u8>,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader), partial: Vec::new() }
    }

    /// The next line without its end, or `None` at the end of the input. A last line without an end counts.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, AgentError> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return if self.partial.is_empty() { Ok(None) } else { self.take_line().map(Some) };
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let (taken, consumed) = end.map_or((chunk.len(), chunk.len()), |at| (at, at + 1));
            if self.partial.len() + taken > LINE_BYTES_MAX {
                return Err(AgentError::BadInput(format!("input line longer than {LINE_BYTES_MAX} bytes")));
            }
            self.partial.extend_from_slice(&chunk[..taken]);
            self.reader.consume(consumed);
            if end.is_some() {
                return self.take_line().map(Some);
            }
        }
    }

    fn take_line(&mut self) -> Result<String, AgentError> {
        let bytes = std::mem::take(&mut self.partial);
        String::from_utf8(bytes).map_err(|_| AgentError::BadInput("input line is not UTF-8".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: &[u8]) -> Result<Vec<String>, AgentError> {
        let mut reader = LineReader::new(bytes);
        let mut lines = Vec::new();
        while let Some(line) = reader.next().await? {
            lines.push(line);
        }
        Ok(lines)
    }

    #[tokio::test]
    async fn splits_at_newlines_and_keeps_an_unfinished_last_line() {
        assert_eq!(lines(b"a\n\nb\r\nc").await.unwrap(), ["a", "", "b\r", "c"]);
    }

    #[tokio::test]
    async fn refuses_a_line_above_the_bound_and_bytes_that_are_no_text() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        assert!(matches!(lines(&long).await, Err(AgentError::BadInput(_))));
        assert!(matches!(lines(b"\xff\xfe\n").await, Err(AgentError::BadInput(_))));
    }
}
