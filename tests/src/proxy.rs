//! The network between the browser and the system: a TCP proxy on loopback that a test can cut, stall, close, or let
//! lose the answer to a prompt. It reads no more of what it carries than it needs for that.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::patience::{SOON, until};

/// Bytes carried at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// What the network does to whoever uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Weather {
    #[default]
    Clear,
    /// Nobody gets through, and is told so at once.
    Refusing,
    /// Everything stays open and nothing arrives.
    Stalled,
    /// Requests of this kind end their connection; everything else is carried.
    Barring(Barred),
    /// The next prompt gets through, and nothing comes back: neither its answer nor what the sockets of that moment say.
    LosingAnswers,
}

/// What a proxy can keep from getting through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// Sockets of sessions, and what people say in them: pages load, and lists are read.
    Sessions,
    /// Readings of a session's log.
    Readings,
}

impl Barred {
    fn bars(self, chunk: &[u8]) -> bool {
        match self {
            Self::Sessions => is_socket(chunk) || is_prompt(chunk),
            Self::Readings => is_reading(chunk),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Sky {
    weather: Weather,
    /// Every connection up to this number is cut.
    cut_up_to: u64,
    /// Number of the newest connection.
    newest: u64,
    /// Set once a prompt passed while answers are lost: the newest connection of that moment.
    posted_at: Option<u64>,
}

/// A proxy that ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    sky: watch::Sender<Sky>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port, and carries to that port of loopback.
    pub async fn start(to_port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (sky, _) = watch::channel(Sky::default());
        let accepting =
            tokio::spawn(accept(listener, SocketAddr::from(([127, 0, 0, 1], to_port)), sky.clone()));
        Ok(Self { address, sky, accepting })
    }

    /// The origin of what is behind it, as browsers spell it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends every connection there is; new ones are carried.
    pub fn cut(&self) {
        self.sky.send_modify(|sky| sky.cut_up_to = sky.newest);
    }

    /// Ends every connection there is, and lets no new one through.
    pub fn close(&self) {
        self.become_(Weather::Refusing);
        self.cut();
    }

    /// Lets nothing of that kind through; where sessions are barred, open ones end.
    pub fn bar(&self, barred: Barred) {
        self.become_(Weather::Barring(barred));
        if barred == Barred::Sessions {
            self.cut();
        }
    }

    /// Keeps everything open and carries nothing.
    pub fn stall(&self) {
        self.become_(Weather::Stalled);
    }

    /// Carries the next prompt, and nothing back.
    pub fn lose_the_next_answer(&self) {
        self.become_(Weather::LosingAnswers);
    }

    /// Waits until the server has been sent a prompt whose answer is held back.
    pub async fn see_an_answer_lost(&self) -> Result<()> {
        until("a prompt on its way", SOON, async || Ok(self.sky.borrow().posted_at.map(drop))).await
    }

    /// Carries everything again.
    pub fn clear(&self) {
        self.become_(Weather::Clear);
    }

    fn become_(&self, weather: Weather) {
        self.sky.send_modify(|sky| (sky.weather, sky.posted_at) = (weather, None));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.sky.send_modify(|sky| sky.cut_up_to = u64::MAX);
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, sky: watch::Sender<Sky>) {
    while let Ok((browser, _)) = listener.accept().await {
        sky.send_modify(|sky| sky.newest += 1);
        let Sky { weather, newest: number, .. } = *sky.borrow();
        if weather != Weather::Refusing {
            let line = Line { number, sky: sky.clone(), is_socket: false.into(), has_posted: false.into() };
            tokio::spawn(async move { line.carry(browser, upstream).await });
        }
    }
}

/// One connection.
#[derive(Debug)]
struct Line {
    number: u64,
    sky: watch::Sender<Sky>,
    is_socket: AtomicBool,
    has_posted: AtomicBool,
}

impl Line {
    async fn carry(&self, browser: TcpStream, upstream: SocketAddr) {
        let Ok(server) = TcpStream::connect(upstream).await else { return };
        let (browser_says, to_browser) = browser.into_split();
        let (server_says, to_server) = server.into_split();
        tokio::select! {
            () = self.wait_for(|sky| sky.cut_up_to >= self.number) => {}
            _ended = self.up(browser_says, to_server) => {}
            _ended = self.down(server_says, to_browser) => {}
        }
    }

    async fn up(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        while from.read_buf(&mut chunk).await? > 0 {
            self.wait_for(|sky| sky.weather != Weather::Stalled).await;
            if self.is_barred(&chunk) {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
            self.notice(&chunk);
            to.write_all(&chunk).await?;
            chunk.clear();
        }
        Ok(())
    }

    async fn down(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        while from.read_buf(&mut chunk).await? > 0 {
            self.wait_for(|sky| self.brings_back(sky)).await;
            to.write_all(&chunk).await?;
            chunk.clear();
        }
        Ok(())
    }

    fn is_barred(&self, chunk: &[u8]) -> bool {
        matches!(self.sky.borrow().weather, Weather::Barring(barred) if barred.bars(chunk))
    }

    fn notice(&self, chunk: &[u8]) {
        if is_socket(chunk) {
            self.is_socket.store(true, Ordering::Relaxed);
        }
        let Sky { weather, posted_at, .. } = *self.sky.borrow();
        if is_prompt(chunk) && weather == Weather::LosingAnswers && posted_at.is_none() {
            self.has_posted.store(true, Ordering::Relaxed);
            self.sky.send_modify(|sky| sky.posted_at = Some(sky.newest));
        }
    }

    fn brings_back(&self, sky: &Sky) -> bool {
        match (sky.weather, sky.posted_at) {
            (Weather::Stalled, _) => false,
            (Weather::LosingAnswers, Some(newest)) => {
                let is_of_then = self.number <= newest;
                let told = self.has_posted.load(Ordering::Relaxed) || self.is_socket.load(Ordering::Relaxed);
                !(is_of_then && told)
            }
            (Weather::LosingAnswers, None) => true,
            (Weather::Clear | Weather::Refusing | Weather::Barring(_), _) => true,
        }
    }

    async fn wait_for(&self, holds: impl FnMut(&Sky) -> bool) {
        // The line holds a sender, so the channel never ends.
        let mut sky = self.sky.subscribe();
        let _seen = sky.wait_for(holds).await;
    }
}

/// The first line of a request. A browser sends the head of one in one piece.
fn first_line(chunk: &[u8]) -> &[u8] {
    chunk.split(|byte| *byte == b'\r').next().unwrap_or_default()
}

fn is_socket(chunk: &[u8]) -> bool {
    chunk.starts_with(b"GET /v1/sessions/ws/")
}

fn is_prompt(chunk: &[u8]) -> bool {
    let line = first_line(chunk);
    line.starts_with(b"POST /v1/sessions/") && line.ends_with(b"/events HTTP/1.1")
}

fn is_reading(chunk: &[u8]) -> bool {
    let line = first_line(chunk);
    line.starts_with(b"GET /v1/sessions/") && line.windows(8).any(|part| part == b"/events?")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A server that answers every chunk with what was said, and a line to it.
    async fn line(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address).await.unwrap()
    }

    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut said = vec![0; CHUNK_BYTES];
                    while let Ok(length @ 1..) = stream.read(&mut said).await {
                        stream.write_all(&said[..length]).await.unwrap();
                    }
                });
            }
        });
        Proxy::start(port).await.unwrap()
    }

    async fn answer(line: &mut TcpStream, said: &str) -> std::io::Result<String> {
        line.write_all(said.as_bytes()).await?;
        let mut heard = vec![0; CHUNK_BYTES];
        let length = line.read(&mut heard).await?;
        Ok(String::from_utf8_lossy(&heard[..length]).into_owned())
    }

    #[tokio::test]
    async fn a_cut_ends_the_connections_there_are_and_a_closed_proxy_also_new_ones() {
        let proxy = echo().await;
        let mut old = line(&proxy).await;
        assert_eq!(answer(&mut old, "a").await.unwrap(), "a");
        proxy.cut();
        assert!(answer(&mut old, "b").await.map_or(true, |heard| heard.is_empty()));
        let mut new = line(&proxy).await;
        assert_eq!(answer(&mut new, "c").await.unwrap(), "c");
        proxy.close();
        assert!(answer(&mut line(&proxy).await, "d").await.map_or(true, |heard| heard.is_empty()));
        proxy.clear();
        assert_eq!(answer(&mut line(&proxy).await, "e").await.unwrap(), "e");
    }

    #[tokio::test]
    async fn the_answer_to_a_prompt_is_held_and_other_connections_go_on() {
        const PROMPT: &str = "POST /v1/sessions/s1/events HTTP/1.1\r\n\r\n";
        const SOCKET: &str = "GET /v1/sessions/ws/s1/subscribe HTTP/1.1\r\n\r\n";
        let proxy = echo().await;
        let (mut idle, mut socket, mut posting) =
            (line(&proxy).await, line(&proxy).await, line(&proxy).await);
        assert_eq!(answer(&mut socket, SOCKET).await.unwrap(), SOCKET);
        assert_eq!(answer(&mut idle, "GET / HTTP/1.1").await.unwrap(), "GET / HTTP/1.1");
        proxy.lose_the_next_answer();
        let silence = Duration::from_millis(200);
        assert!(timeout(silence, answer(&mut posting, PROMPT)).await.is_err());
        proxy.see_an_answer_lost().await.unwrap();
        assert!(timeout(silence, answer(&mut socket, "frame")).await.is_err());
        assert_eq!(answer(&mut idle, PROMPT).await.unwrap(), PROMPT, "only the first is held");
        assert_eq!(answer(&mut line(&proxy).await, SOCKET).await.unwrap(), SOCKET);
    }
}
