//! The page of the official client, from an origin of its own: a few files, and nothing that could be asked for else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes of a request's head; a browser sends less than one.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What is served: path, media type, content.
type Files = Arc<[(&'static str, &'static str, Vec<u8>)]>;

/// A server that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Site {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Site {
    /// Serves the page with the client in `package`, the installed npm package.
    pub(crate) async fn serve(package: &Path) -> Result<Self> {
        let bundle = package.join("browser-sdk.js");
        let bundle = std::fs::read(&bundle).with_context(|| format!("reading {}", bundle.display()))?;
        let files: Files = Arc::new([
            ("/", "text/html", include_bytes!("page/index.html").to_vec()),
            ("/client.js", "text/javascript", include_bytes!("page/client.js").to_vec()),
            ("/browser-sdk.js", "text/javascript", bundle),
        ]);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A browser that went away is no concern of the others.
                tokio::spawn(answer(stream, Arc::clone(&files)));
            }
        });
        Ok(Self { address, serving })
    }

    /// The origin of the page, as browsers spell it.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(mut stream: TcpStream, files: Files) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, kind, content) = match files.iter().find(|(known, ..)| *known == path) {
        Some((_, kind, content)) => ("200 OK", *kind, content.as_slice()),
        None => ("404 Not Found", "text/plain", &b"not here"[..]),
    };
    let length = content.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(content).await?;
    stream.shutdown().await
}
