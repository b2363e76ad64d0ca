//! Finds whole HTTP/1.1 requests in the bytes a client sends over one connection, so that one can be sent again.

/// Longest request that is kept, in bytes: above any POST the server takes.
const REQUEST_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Reads along, connection by connection.
#[derive(Debug, Default)]
pub struct Recorder {
    held: Vec<u8>,
    /// Whether the bytes can still be told apart into requests.
    deaf: bool,
    is_socket: bool,
}

impl Recorder {
    /// Whether the connection became a WebSocket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        self.is_socket
    }

    /// Takes bytes, and returns the POSTs of events that are whole with them.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut posts = Vec::new();
        if self.deaf {
            return posts;
        }
        self.held.extend_from_slice(bytes);
        while let Some((length, is_post)) = self.whole_request() {
            let request: Vec<u8> = self.held.drain(..length).collect();
            if is_post {
                posts.push(request);
            }
        }
        if self.held.len() > REQUEST_BYTES_MAX {
            self.close();
        }
        posts
    }

    /// Length of the first request, if all of it is there, and whether it posts events.
    fn whole_request(&mut self) -> Option<(usize, bool)> {
        let Some(end) = self.held.windows(4).take(HEAD_BYTES_MAX).position(|four| four == b"\r\n\r\n") else {
            if self.held.len() > HEAD_BYTES_MAX {
                self.close();
            }
            return None;
        };
        let head = String::from_utf8_lossy(&self.held[..end]).to_ascii_lowercase();
        if head.contains("upgrade: websocket") {
            self.is_socket = true;
            self.close();
            return None;
        }
        if head.contains("transfer-encoding:") {
            self.close();
            return None;
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let body: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let is_post = head.starts_with("post ") && path.ends_with("/events");
        let whole = end + 4 + body;
        (self.held.len() >= whole).then_some((whole, is_post))
    }

    fn close(&mut self) {
        self.deaf = true;
        self.held = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str = "POST /v1/sessions/s/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    const GET: &str = "GET /v1/sessions/s/events HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn finds_a_post_however_it_is_cut_into_pieces() {
        let bytes = format!("{GET}{POST}{GET}{POST}");
        for size in [1, 7, 64, 10_000] {
            let mut recorder = Recorder::default();
            let found: Vec<Vec<u8>> =
                bytes.as_bytes().chunks(size).flat_map(|piece| recorder.take(piece)).collect();
            assert_eq!(found, [POST.as_bytes(), POST.as_bytes()], "pieces of {size}");
            assert!(!recorder.is_socket());
        }
    }

    #[test]
    fn a_socket_is_told_from_calls() {
        let mut recorder = Recorder::default();
        recorder.take(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\x81\x05hello");
        assert!(recorder.is_socket());
        assert!(recorder.take(POST.as_bytes()).is_empty());
    }
}
