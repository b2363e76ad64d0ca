//! One question to a server on loopback: does it answer?

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a server on the same machine may take to answer one request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Enough of an answer to see its status line, in bytes.
const ANSWER_MAX: u64 = 1024;

/// The status that `GET path` gives, or `None` while nobody answers.
pub(crate) fn status(port: u16, path: &str) -> Option<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).split_whitespace().nth(1)?.parse().ok()
}

/// Fails with advice when somebody already listens on `port`.
pub(crate) fn must_be_free(port: u16, option: &str) -> Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop).with_context(|| {
        format!("127.0.0.1:{port} is taken: end what listens there, or choose another with {option}")
    })
}
