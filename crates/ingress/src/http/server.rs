//! The accept loop: bounded connections, headers that have to arrive in time, answers that have to be taken in time,
//! and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::bell;

use super::stream::{Bounded, Inflow, PATIENCE};

/// Connections at once; the next one waits in the kernel's queue.
const CONNECTIONS_MAX: usize = 1_024;
/// Headers of a request have to be here within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an accept that failed for want of something (descriptors, memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where connections come from.
pub(crate) trait Door: Send {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection and its peer's address. Cancel-safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }
}

/// Connections that somebody else made.
#[cfg(feature = "memory")]
impl Door for tokio::sync::mpsc::Receiver<tokio::io::DuplexStream> {
    type Stream = tokio::io::DuplexStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        match self.recv().await {
            Some(stream) => Ok((stream, SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => std::future::pending().await,
        }
    }
}

/// Serves until `leaving` turns true; then no connection takes a further request.
pub(crate) async fn serve<D: Door>(mut door: D, router: Router, mut leaving: bell::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            accepted = door.accept() => accepted,
            () = left(&mut leaving) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, leaving) = (router.clone(), leaving.clone());
                tokio::spawn(async move {
                    connection(stream, peer, router, leaving).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<S>(stream: S, peer: SocketAddr, router: Router, mut leaving: bell::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let inflow = Inflow::default();
    let stream = Bounded::new(stream, inflow.clone(), PATIENCE);
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(inflow.clone());
        request.map(axum::body::Body::new)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let finished = tokio::select! {
        biased;
        outcome = served.as_mut() => Some(outcome),
        () = left(&mut leaving) => None,
    };
    let outcome = match finished {
        Some(outcome) => outcome,
        None => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Ends when the server is about to go, or is gone.
async fn left(leaving: &mut bell::Receiver<bool>) {
    while !leaving.see() && leaving.changed().await.is_ok() {}
}
