//! Another program on the same machine: a few pages from another port of loopback, and a count of who asked for what.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes of a request's head; a browser sends less than one.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A server that ends when it is dropped.
#[derive(Debug)]
pub struct Neighbour {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Neighbour {
    /// Serves `page` at every path.
    pub async fn serve(page: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (page, asks) = (Arc::<str>::from(page), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&page), Arc::clone(&asks)));
            }
        });
        Ok(Self { address, asked, serving })
    }

    /// Its origin, as browsers spell it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths that anybody asked for, but for the icon that a browser asks for by itself.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("nobody panics while writing down a path");
        asked.iter().filter(|path| *path != "/favicon.ico").cloned().collect()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    mut stream: TcpStream,
    page: Arc<str>,
    asked: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().expect("nobody panics while writing down a path").push(path);
    let length = page.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}
