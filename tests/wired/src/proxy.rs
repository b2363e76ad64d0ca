//! A faulty network on loopback: a TCP proxy that does to a connection what a strike says, at a byte nobody chose.
//!
//! Without a strike it only passes bytes on. [`Proxy::strike`] arms one fault on one connection that is open; it
//! happens some bytes later, in the middle of a frame as likely as not, and is counted when it happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::recorder::Recorder;

/// Bytes read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Bytes of the stream a strike lets pass at most before it happens.
const FUSE_BYTES_MAX: usize = 4_096;
/// How long a stalled connection says nothing before it goes on.
const STALL: Duration = Duration::from_millis(1_500);
/// Pieces a delay or a slow reader is felt for.
const SLOW_PIECES: usize = 40;
/// How long each of them takes.
const SLOW_PIECE: Duration = Duration::from_millis(25);
/// Bytes of one piece for a slow reader.
const SLOW_BYTES: usize = 512;
/// A request that is sent again gets an answer within this, or nobody listens to it any more.
const REPLAY_TIME: Duration = Duration::from_secs(10);

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Both ends are closed in the middle of whatever passes.
    Cut,
    /// The same with a reset: what was sent and not yet read is gone.
    Reset,
    /// The request passed, the answer did not: closed instead of the next bytes downward.
    LostAnswer,
    /// Nothing passes any more, and neither end is told.
    HalfOpen,
    /// Nothing passes for a while.
    Stall,
    /// Every piece takes its time.
    Delay,
    /// The reader takes a few bytes at a time.
    SlowRead,
    /// The next POST of events is sent twice.
    Duplicate,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Cut,
        Self::Reset,
        Self::LostAnswer,
        Self::HalfOpen,
        Self::Stall,
        Self::Delay,
        Self::SlowRead,
        Self::Duplicate,
    ];

    /// Whether the connection does not survive it.
    #[must_use]
    pub fn is_cut(self) -> bool {
        matches!(self, Self::Cut | Self::Reset | Self::LostAnswer | Self::HalfOpen)
    }

    /// Its name in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut mid-frame",
            Self::Reset => "reset",
            Self::LostAnswer => "lost answer",
            Self::HalfOpen => "half-open",
            Self::Stall => "stall",
            Self::Delay => "delay",
            Self::SlowRead => "slow reader",
            Self::Duplicate => "duplicate POST",
        }
    }
}

/// How often each fault happened.
pub type Counts = BTreeMap<Fault, u64>;

/// A proxy in front of one address. Dropped, it and all its connections are gone.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<Option<SocketAddr>>,
    lines: Mutex<BTreeMap<u64, Arc<Line>>>,
    next: AtomicU64,
    counts: Mutex<Counts>,
    /// Bytes a second toward the server, over all connections, and when the next may pass.
    pace: Mutex<Option<(u64, Instant)>>,
}

/// One connection.
#[derive(Debug, Default)]
struct Line {
    strike: Mutex<Option<Strike>>,
    is_socket: AtomicBool,
    /// Nothing passes any more.
    dead: AtomicBool,
    at_once: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Strike {
    fault: Fault,
    toward: Toward,
    fuse_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toward {
    Server,
    Client,
}

/// How a connection ended before its peers wanted it to.
#[derive(Clone, Copy, Debug)]
enum End {
    Closed,
    Reset,
}

impl Proxy {
    /// Listens on a free port. Until [`Self::lead_to`] every connection is closed at once.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(None),
            lines: Mutex::default(),
            next: AtomicU64::new(0),
            counts: Mutex::default(),
            pace: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where connections lead from now on; `None` closes every new one at once.
    pub fn lead_to(&self, upstream: Option<SocketAddr>) {
        *locked(&self.shared.upstream) = upstream;
    }

    /// Lets only so many bytes a second pass toward the server from now on, over all connections together.
    pub fn slow_down_to(&self, bytes_per_s: Option<u64>) {
        *locked(&self.shared.pace) = bytes_per_s.map(|bytes| (bytes, Instant::now()));
    }

    /// As the origin of a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often each fault happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        locked(&self.shared.counts).clone()
    }

    /// Connections that did not survive so far.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.counts().iter().filter(|(fault, _)| fault.is_cut()).map(|(_, count)| count).sum()
    }

    /// Arms `fault` on a connection that is open. `false` when there is none it could happen to.
    pub fn strike(&self, fault: Fault, chance: &mut Chance) -> bool {
        let lines: Vec<Arc<Line>> = locked(&self.shared.lines)
            .values()
            .filter(|line| {
                let calls_alone = matches!(fault, Fault::Duplicate | Fault::LostAnswer);
                let idle = locked(&line.strike).is_none() && !line.dead.load(Ordering::Relaxed);
                idle && !(calls_alone && line.is_socket.load(Ordering::Relaxed))
            })
            .cloned()
            .collect();
        if lines.is_empty() {
            return false;
        }
        let toward = match fault {
            Fault::Duplicate => Toward::Server,
            Fault::LostAnswer => Toward::Client,
            Fault::Cut | Fault::Reset | Fault::HalfOpen | Fault::Stall | Fault::Delay | Fault::SlowRead => {
                if chance.once_in(3) {
                    Toward::Server
                } else {
                    Toward::Client
                }
            }
        };
        let fuse_bytes = if fault == Fault::LostAnswer { 0 } else { chance.below(FUSE_BYTES_MAX) };
        *locked(&chance.pick(&lines).strike) = Some(Strike { fault, toward, fuse_bytes });
        true
    }

    /// Cuts every connection now.
    pub fn cut_all(&self) {
        for line in locked(&self.shared.lines).values() {
            *locked(&line.strike) = Some(Strike { fault: Fault::Cut, toward: Toward::Client, fuse_bytes: 0 });
            line.at_once.notify_one();
        }
    }

    /// Lets nothing pass on any connection that is open now, and tells neither end.
    pub fn deafen_all(&self) {
        for line in locked(&self.shared.lines).values() {
            line.dead.store(true, Ordering::Relaxed);
            self.shared.count(Fault::HalfOpen);
        }
    }

    /// Makes every cut that waits for its bytes happen now, and forgets the rest.
    pub fn flush(&self) {
        for line in locked(&self.shared.lines).values() {
            let cuts = locked(&line.strike).take_if(|strike| !strike.fault.is_cut()).is_none();
            if cuts && locked(&line.strike).is_some() {
                line.at_once.notify_one();
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.lead_to(None);
        self.cut_all();
    }
}

impl Shared {
    /// When `bytes` may pass toward the server.
    fn turn(&self, bytes: usize) -> Option<Instant> {
        let mut pace = locked(&self.pace);
        let (bytes_per_s, free) = pace.as_mut()?;
        *free = (*free).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / *bytes_per_s as f64);
        Some(*free)
    }

    fn count(&self, fault: Fault) {
        *locked(&self.counts).entry(fault).or_default() += 1;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let upstream = *locked(&shared.upstream);
        let Some(upstream) = upstream else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(upstream).await else { return };
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            let line = Arc::new(Line::default());
            locked(&shared.lines).insert(number, Arc::clone(&line));
            carry(&shared, &line, client, server, upstream).await;
            locked(&shared.lines).remove(&number);
        });
    }
}

async fn carry(
    shared: &Arc<Shared>,
    line: &Line,
    mut client: TcpStream,
    mut server: TcpStream,
    upstream: SocketAddr,
) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let pump = |toward| Pump { shared, line, toward, upstream, recorder: Recorder::default(), slow: None };
    let ended = tokio::select! {
        ended = async {
            tokio::try_join!(
                pump(Toward::Server).run(&mut from_client, &mut to_server),
                pump(Toward::Client).run(&mut from_server, &mut to_client),
            )
        } => ended.err(),
        () = line.at_once.notified() => {
            let strike = locked(&line.strike).take();
            strike.map(|Strike { fault, .. }| {
                shared.count(fault);
                if fault == Fault::Reset { End::Reset } else { End::Closed }
            })
        }
    };
    if let Some(End::Reset) = ended {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// One direction of a connection.
struct Pump<'a> {
    shared: &'a Arc<Shared>,
    line: &'a Line,
    toward: Toward,
    upstream: SocketAddr,
    recorder: Recorder,
    /// Pieces that still take their time, and whether they are small.
    slow: Option<(usize, bool)>,
}

impl Pump<'_> {
    async fn run(
        mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), End> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let size = match self.slow {
                Some((_, true)) => SLOW_BYTES,
                _ => CHUNK_BYTES,
            };
            let count = from.read(&mut buffer[..size]).await.map_err(|_| End::Reset)?;
            if count == 0 {
                let _ = to.shutdown().await;
                return Ok(());
            }
            if self.line.dead.load(Ordering::Relaxed) {
                continue;
            }
            self.pass(&buffer[..count], to).await?;
        }
    }

    async fn pass(&mut self, bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> Result<(), End> {
        if self.toward == Toward::Server
            && let Some(turn) = self.shared.turn(bytes.len())
        {
            tokio::time::sleep_until(turn).await;
        }
        if let Some((left, small)) = self.slow {
            tokio::time::sleep(SLOW_PIECE).await;
            self.slow = left.checked_sub(1).map(|left| (left, small));
        }
        let posts = if self.toward == Toward::Server { self.recorder.take(bytes) } else { Vec::new() };
        if self.recorder.is_socket() {
            self.line.is_socket.store(true, Ordering::Relaxed);
        }
        let Some((fault, at)) = self.due(bytes.len(), !posts.is_empty()) else {
            return to.write_all(bytes).await.map_err(|_| End::Reset);
        };
        self.shared.count(fault);
        to.write_all(&bytes[..at]).await.map_err(|_| End::Reset)?;
        let _ = to.flush().await;
        match fault {
            Fault::Cut | Fault::LostAnswer => return Err(End::Closed),
            Fault::Reset => return Err(End::Reset),
            Fault::HalfOpen => {
                self.line.dead.store(true, Ordering::Relaxed);
                return Ok(());
            }
            Fault::Stall => tokio::time::sleep(STALL).await,
            Fault::Delay => self.slow = Some((SLOW_PIECES, false)),
            Fault::SlowRead => self.slow = Some((SLOW_PIECES, true)),
            Fault::Duplicate => {
                for post in posts {
                    tokio::spawn(replay(self.upstream, post));
                }
            }
        }
        to.write_all(&bytes[at..]).await.map_err(|_| End::Reset)
    }

    /// The fault that happens within the next `count` bytes, and after how many of them.
    fn due(&self, count: usize, holds_post: bool) -> Option<(Fault, usize)> {
        let mut armed = locked(&self.line.strike);
        let strike = armed.as_mut().filter(|strike| strike.toward == self.toward)?;
        if strike.fault == Fault::Duplicate {
            return holds_post.then(|| armed.take().map(|strike| (strike.fault, count))).flatten();
        }
        if strike.fuse_bytes >= count {
            strike.fuse_bytes -= count;
            return None;
        }
        armed.take().map(|strike| (strike.fault, strike.fuse_bytes))
    }
}

/// Sends a recorded request once more, over a connection of its own, as a client does that got no answer.
async fn replay(upstream: SocketAddr, request: Vec<u8>) {
    let again = async {
        let mut server = TcpStream::connect(upstream).await?;
        server.write_all(&request).await?;
        // An answer of any kind: what it did is seen in the log.
        server.read(&mut [0; 1024]).await
    };
    let _ = tokio::time::timeout(REPLAY_TIME, again).await;
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
