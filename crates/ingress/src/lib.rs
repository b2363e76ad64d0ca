//! The server of Portcullis: the log of every session, its fan-out to browsers, the approvals, who may do what, and
//! the work queue between it and the bridges.
//!
//! [`start`] binds, opens the store and serves until [`Ingress::shutdown`]. The ingress never dials out, and treats
//! what agents and clients say as opaque bytes: it reads a small header and keeps the rest as it came.

mod approvals;
mod auth;
mod bell;
mod http;
mod hub;
#[cfg(feature = "memory")]
pub mod memory;
mod seam;
mod store;

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::PublicKey;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use auth::signer::IngressKey;
use auth::{AuthError, Gate};
use http::{Allowed, App, BadOrigin, Metrics, Shared, Site, Strangers};
use hub::Hub;
pub use seam::{Clock, Entropy, SystemClock, SystemEntropy};
use store::sqlite::SqliteStore;
use store::{DeviceStore as _, StoreError};

/// Sockets get this long to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
const DATABASE: &str = "portcullis.sqlite";
const KEY: &str = "ingress.key";
const LOCK: &str = "ingress.lock";

/// Where the ingress keeps its data and to whom it listens.
#[derive(Clone, Debug)]
pub struct IngressConfig {
    /// Holds the database and the keys; made with mode 0700 if it is not there.
    pub data_dir: PathBuf,
    /// Address to bind; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Exact origins beside the server's own, such as `http://127.0.0.1:8080`; their host is an allowed host too.
    pub allowed_origins: Vec<String>,
    /// The built web client.
    pub web_root: Option<PathBuf>,
    /// States that a proxy terminates TLS in front; without it only loopback addresses are bound.
    pub behind_proxy: bool,
}

/// Why the ingress did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is not loopback.
    #[error("{0} is not a loopback address: put a proxy with TLS in front, and say so")]
    NotLoopback(SocketAddr),
    /// An entry of the allow-list.
    #[error(transparent)]
    Origin(#[from] BadOrigin),
    /// The data directory.
    #[error("the data directory {path}: {source}")]
    DataDir {
        /// Where it is.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// Another process has the data directory.
    #[error("another Portcullis uses the data directory {0}: stop it, or name another directory")]
    InUse(PathBuf),
    /// The database.
    #[error("the store: {0}")]
    Store(Box<dyn std::error::Error + Send + Sync>),
    /// The address.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// What went wrong.
        source: std::io::Error,
    },
}

/// Why something asked of a running ingress was not done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct IngressError(String);

impl From<StoreError> for IngressError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<AuthError> for IngressError {
    fn from(error: AuthError) -> Self {
        Self(error.to_string())
    }
}

/// A running ingress.
#[derive(Debug)]
pub struct Ingress {
    app: Shared,
    store: SqliteStore,
    address: SocketAddr,
    leaving: bell::Sender<bool>,
    alive: mpsc::Sender<()>,
    gone: mpsc::Receiver<()>,
    accepting: JoinHandle<()>,
    /// Held as long as the data directory is in use.
    _lock: File,
}

/// Binds, opens the store, and serves.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start(config: IngressConfig) -> Result<Ingress, StartError> {
    start_with(config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await
}

/// [`start`] with time and randomness of the caller's choice.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub async fn start_with(
    config: IngressConfig,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Ingress, StartError> {
    if !config.listen.ip().is_loopback() && !config.behind_proxy {
        return Err(StartError::NotLoopback(config.listen));
    }
    let in_dir = |source| StartError::DataDir { path: config.data_dir.clone(), source };
    make_private(&config.data_dir).map_err(in_dir)?;
    let lock = lock(&config.data_dir)?;
    let key = IngressKey::load(&config.data_dir.join(KEY), &*entropy).map_err(in_dir)?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(|source| StartError::Bind { address: config.listen, source })?;
    let address =
        listener.local_addr().map_err(|source| StartError::Bind { address: config.listen, source })?;
    let allowed = Allowed::new(address, &config.allowed_origins)?;
    let store = open(&config.data_dir, &*entropy).await.map_err(|error| StartError::Store(error.into()))?;
    let leaving = bell::Sender::new(false);
    let leaves = leaving.subscribe();
    let (alive, gone) = mpsc::channel(1);
    let shared: Arc<dyn http::DebugStore> = Arc::new(store.clone());
    let app = Arc::new(App {
        gate: Gate::new(shared.clone(), Arc::clone(&clock), Arc::clone(&entropy), key),
        store: shared,
        hub: Hub::default(),
        clock,
        entropy,
        allowed,
        metrics: Metrics::default(),
        site: Site::open(config.web_root.as_deref()),
        base_url: base_url(&config, address),
        strangers: Strangers::default(),
        leaving: leaves.clone(),
        alive: alive.downgrade(),
    });
    let accepting = tokio::spawn(http::serve(listener, http::router(Arc::clone(&app)), leaves));
    tracing::info!(%address, "the ingress listens");
    Ok(Ingress { app, store, address, leaving, alive, gone, accepting, _lock: lock })
}

impl Ingress {
    /// The address that was bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A fresh one-time pairing code.
    ///
    /// # Errors
    /// [`IngressError`] when the store fails.
    pub async fn pairing_code(&self) -> Result<String, IngressError> {
        Ok(self.app.gate.pairing_code().await?)
    }

    /// Admits a device of this process without a code; the same key gives the same device.
    ///
    /// # Errors
    /// [`IngressError`] when the key is none, or the store fails.
    pub async fn provision_device(
        &self,
        name: &str,
        role: Role,
        key: PublicKey,
    ) -> Result<DeviceId, IngressError> {
        Ok(self.app.gate.provision(name, role, key).await?)
    }

    /// Forgets every device but the bridges and ends their sockets, so that the next pairing is an owner's again: for a
    /// lost key.
    ///
    /// # Errors
    /// [`IngressError`] when the store fails.
    pub async fn forget_devices(&self) -> Result<(), IngressError> {
        let people = self.store.devices().await?;
        self.store.forget_people().await?;
        tracing::warn!("every paired device but the bridges was forgotten, by who sits at this machine");
        for device in people.iter().filter(|device| device.role != Role::Bridge) {
            self.app.hub.close_device(&device.id);
        }
        Ok(())
    }

    /// Says goodbye to every socket, finishes what was begun, and closes the store.
    pub async fn shutdown(self) {
        let Self { app, store, address: _, leaving, alive, mut gone, accepting, _lock } = self;
        leaving.set(true);
        app.hub.say_goaway();
        drop(alive);
        if tokio::time::timeout(GOODBYE, gone.recv()).await.is_err() {
            tracing::warn!("some sockets did not close in time");
        }
        accepting.abort();
        let _ = accepting.await;
        store.close().await;
    }
}

/// A fresh pairing code for the ingress of this data directory, whether or not it runs.
///
/// # Errors
/// [`StartError`] when the directory or the store cannot be opened.
pub async fn issue_pairing_code(data_dir: &Path) -> Result<String, StartError> {
    let store = open_existing(data_dir).await?;
    let code = auth::issue_code(&store, &SystemEntropy, SystemClock.now_ms()).await;
    store.close().await;
    code.map_err(|error| StartError::Store(error.into()))
}

/// Forgets every device but the bridges, so that the next pairing is an owner's again: for a lost key.
///
/// # Errors
/// [`StartError`] when the directory or the store cannot be opened.
pub async fn forget_devices(data_dir: &Path) -> Result<(), StartError> {
    let store = open_existing(data_dir).await?;
    let done = store.forget_people().await;
    tracing::warn!("every paired device but the bridges was forgotten");
    store.close().await;
    done.map_err(|error| StartError::Store(error.into()))
}

async fn open_existing(data_dir: &Path) -> Result<SqliteStore, StartError> {
    make_private(data_dir).map_err(|source| StartError::DataDir { path: data_dir.to_owned(), source })?;
    open(data_dir, &SystemEntropy).await.map_err(|error| StartError::Store(error.into()))
}

async fn open(data_dir: &Path, entropy: &dyn Entropy) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&data_dir.join(DATABASE), entropy).await
}

/// Where bridges reach this server: the proxy's origin if there is one, else the bound address.
fn base_url(config: &IngressConfig, address: SocketAddr) -> String {
    let public = config.allowed_origins.first().filter(|_| config.behind_proxy);
    public.cloned().unwrap_or_else(|| format!("http://{address}"))
}

fn make_private(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    #[cfg(unix)]
    std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn lock(dir: &Path) -> Result<File, StartError> {
    let in_dir = |source| StartError::DataDir { path: dir.to_owned(), source };
    let file = File::options().create(true).append(true).open(dir.join(LOCK)).map_err(in_dir)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(in_dir(source)),
    }
}
