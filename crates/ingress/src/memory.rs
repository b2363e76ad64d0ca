//! An ingress without a disk and without a network, for simulations: everything above both is the real one.
//!
//! [`start_on`] serves connections that are handed to it, over a [`MemoryStore`], by a clock and with randomness of the
//! caller's choice. Under a paused runtime of one thread nothing in it depends on real time, and nothing on chance.

use std::sync::Arc;

use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::PublicKey;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::auth::Gate;
use crate::auth::signer::IngressKey;
use crate::http::{self, Allowed, App, Metrics, Shared, Site, Strangers};
use crate::hub::Hub;
use crate::seam::{Clock, Entropy};
pub use crate::store::memory::{MemoryStore, Snapshot};
use crate::{GOODBYE, IngressError, bell};

/// The address a simulated ingress answers under: the `Host` of every request.
pub const ADDRESS: &str = "127.0.0.1:7878";

/// An ingress that runs in memory.
#[derive(Debug)]
pub struct MemoryIngress {
    app: Shared,
    leaving: bell::Sender<bool>,
    alive: mpsc::Sender<()>,
    gone: mpsc::Receiver<()>,
    accepting: JoinHandle<()>,
}

/// Serves every connection that comes out of `connections` over `store`.
#[must_use]
pub fn start_on(
    store: MemoryStore,
    connections: mpsc::Receiver<DuplexStream>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> MemoryIngress {
    let leaving = bell::Sender::new(false);
    let leaves = leaving.subscribe();
    let (alive, gone) = mpsc::channel(1);
    let key = IngressKey::from_bytes(&store.key());
    let store: Arc<dyn http::DebugStore> = Arc::new(store);
    let address = ADDRESS.parse().expect("it is an address");
    let app = Arc::new(App {
        gate: Gate::new(store.clone(), Arc::clone(&clock), Arc::clone(&entropy), key),
        store,
        hub: Hub::default(),
        clock,
        entropy,
        allowed: Allowed::new(address, &[]).expect("no origin is configured"),
        metrics: Metrics::default(),
        site: Site::open(None),
        base_url: format!("http://{ADDRESS}"),
        strangers: Strangers::default(),
        leaving: leaves.clone(),
        alive: alive.downgrade(),
    });
    let accepting = tokio::spawn(http::serve(connections, http::router(Arc::clone(&app)), leaves));
    MemoryIngress { app, leaving, alive, gone, accepting }
}

impl MemoryIngress {
    /// Admits a device without a code; the same key gives the same device.
    ///
    /// # Errors
    /// [`IngressError`] when the key is none.
    pub async fn provision_device(
        &self,
        name: &str,
        role: Role,
        key: PublicKey,
    ) -> Result<DeviceId, IngressError> {
        Ok(self.app.gate.provision(name, role, key).await?)
    }

    /// Ends as `kill -9` does: nothing is said and nothing is finished. What still runs loses its store with
    /// [`MemoryStore::reopen`] and its connections with the caller's network.
    pub fn kill(self) {
        self.accepting.abort();
    }

    /// Ends as a planned restart does: says goodbye to every socket, and finishes what was begun.
    pub async fn shutdown(self) {
        let Self { app, leaving, alive, mut gone, accepting } = self;
        leaving.set(true);
        app.hub.say_goaway();
        drop(alive);
        let _ = tokio::time::timeout(GOODBYE, gone.recv()).await;
        accepting.abort();
    }
}
