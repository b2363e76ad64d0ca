//! The stream under every connection. A peer that does not take what it asked for is given up, whatever is being
//! sent; and as long as nobody knows who speaks on a socket, only so many bytes are read from it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes read from a socket before it has said who it is: one frame with a token, and a first line behind it.
pub(super) const STRANGER_BYTES_MAX: usize = 64 * 1024;
/// A peer whose buffers are full takes [`PACE_BYTES`] within this time, or is gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// About 1 KiB/s: slower than any line in use, and enough that a held connection costs its holder something.
const PACE_BYTES: usize = 32 * 1024;

/// How much may still be read from a connection, in bytes; the handle of whoever serves it. `None` = any.
#[derive(Clone, Debug, Default)]
pub(super) struct Inflow(Arc<Mutex<Option<usize>>>);

impl Inflow {
    /// Lets `bytes` more in; whoever reads on before [`Self::open`] gets an error.
    pub(super) fn limit(&self, bytes: usize) {
        *self.lock() = Some(bytes);
    }

    /// Lets everything in.
    pub(super) fn open(&self) {
        *self.lock() = None;
    }

    /// Bytes that may be read now, of `wanted`.
    fn most(&self, wanted: usize) -> usize {
        self.lock().map_or(wanted, |left| left.min(wanted))
    }

    fn spend(&self, bytes: usize) {
        let mut left = self.lock();
        *left = left.map(|left| left.saturating_sub(bytes));
    }

    fn lock(&self) -> MutexGuard<'_, Option<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream with both bounds.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    io: S,
    inflow: Inflow,
    patience: Duration,
    owed: Option<Owed>,
}

/// What a peer with full buffers has to take, and until when.
#[derive(Debug)]
struct Owed {
    bytes: usize,
    until: Pin<Box<Sleep>>,
}

impl<S> Bounded<S> {
    pub(super) fn new(io: S, inflow: Inflow, patience: Duration) -> Self {
        Self { io, inflow, patience, owed: None }
    }

    fn pace(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some(owed) = &mut self.owed {
                    owed.bytes = owed.bytes.saturating_sub(bytes);
                }
                self.owed.take_if(|owed| owed.bytes == 0 || owed.until.is_elapsed());
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let patience = self.patience;
                let owed = self
                    .owed
                    .get_or_insert_with(|| Owed { bytes: PACE_BYTES, until: Box::pin(sleep(patience)) });
                let late = owed.until.as_mut().poll(cx);
                late.map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let most = this.inflow.most(buffer.remaining());
        if most == 0 && buffer.remaining() > 0 {
            return Poll::Ready(Err(io::Error::other("too much came from a stranger")));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        let polled = Pin::new(&mut this.io).poll_read(cx, &mut part);
        let read = part.filled().len();
        buffer.advance(read);
        this.inflow.spend(read);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.pace(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, parts);
        this.pace(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Never reached in a test that passes.
    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = duplex(1_024);
        let mut stream = Bounded::new(ours, Inflow::default(), Duration::from_millis(1));
        let error = stream.write_all(&[0; 64 * 1024]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_goes_on_reading_gets_everything() {
        let (ours, mut theirs) = duplex(1_024);
        let mut stream = Bounded::new(ours, Inflow::default(), LONG);
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        stream.write_all(&[7; 200_000]).await.unwrap();
        drop(stream);
        assert_eq!(reading.await.unwrap(), 200_000);
    }

    #[tokio::test]
    async fn a_stranger_gets_only_so_much_in_and_everything_once_he_is_known() {
        let (ours, mut theirs) = duplex(4_096);
        let inflow = Inflow::default();
        inflow.limit(100);
        let mut stream = Bounded::new(ours, inflow.clone(), LONG);
        theirs.write_all(&[1; 300]).await.unwrap();
        let mut first = [0; 100];
        stream.read_exact(&mut first).await.unwrap();
        let mut rest = [0; 200];
        assert!(stream.read(&mut rest).await.is_err());
        inflow.open();
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest, [1; 200]);
    }
}
