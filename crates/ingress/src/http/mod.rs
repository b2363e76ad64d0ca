//! The HTTP side: which path leads where, and what all handlers share.

mod account;
mod carry;
mod decisions;
mod environments;
mod error;
mod events;
mod extract;
mod guard;
mod line;
mod metrics;
mod plain;
mod server;
mod sessions;
mod site;
mod socket;
mod strangers;
mod stream;
mod subscribe;
mod uplink;
mod v1;
mod work;
mod worker_posts;
mod worker_socket;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, patch, post};
use tokio::sync::mpsc;

use crate::auth::Gate;
use crate::bell;
use crate::hub::Hub;
use crate::seam::{Clock, Entropy};
use crate::store::Store;
use error::ApiError;

pub(crate) use guard::{Allowed, BadOrigin};
pub(crate) use metrics::Metrics;
pub(crate) use server::serve;
pub(crate) use site::Site;
pub(crate) use strangers::Strangers;

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub store: Arc<dyn DebugStore>,
    pub gate: Gate,
    pub hub: Hub,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub allowed: Allowed,
    pub metrics: Metrics,
    pub site: Site,
    /// Where bridges reach this server.
    pub base_url: String,
    pub strangers: Strangers,
    /// Set to `true` when the server is about to go.
    pub leaving: bell::Receiver<bool>,
    /// Held by every task that outlives its request; the server waits until nobody holds one.
    pub alive: mpsc::WeakSender<()>,
}

/// A store that can be named in a log line.
pub(crate) trait DebugStore: Store + std::fmt::Debug {}

impl<T: Store + std::fmt::Debug> DebugStore for T {}

pub(crate) type Shared = Arc<App>;

/// Every path.
pub(crate) fn router(app: Shared) -> Router {
    let v1 = Router::new()
        .route("/auth/pair", post(account::pair))
        .route("/auth/challenge", post(account::challenge))
        .route("/auth/token", post(account::token))
        .route("/auth/whoami", get(account::whoami))
        .route("/auth/logout", post(account::logout))
        .route("/auth/devices", get(account::devices))
        .route("/auth/devices/{device}", patch(account::edit).delete(account::revoke))
        .route("/decisions", get(decisions::list))
        .route("/environments", get(environments::list))
        .route("/environments/bridge", post(environments::register))
        .route("/environments/bridge/{environment}", axum::routing::delete(environments::deregister))
        .route("/environments/{environment}/bridge/reconnect", post(work::reconnect))
        .route("/environments/{environment}/bridge/archive", post(work::archive))
        .route("/environments/{environment}/bridge/sessions", post(work::known))
        .route("/environments/{environment}/work/poll", get(work::poll))
        .route("/environments/{environment}/work/{work}/ack", post(work::take))
        .route("/environments/{environment}/work/{work}/heartbeat", post(work::heartbeat))
        .route("/environments/{environment}/work/{work}/stop", post(work::stop))
        .route("/sessions", get(sessions::list).post(sessions::create))
        .route("/sessions/{session}", get(sessions::read).patch(sessions::rename))
        .route("/sessions/{session}/archive", post(sessions::archive))
        .route("/sessions/{session}/unarchive", post(sessions::unarchive))
        .route("/sessions/{session}/stop", post(sessions::stop))
        .route("/sessions/{session}/events", get(events::page).post(events::post))
        .route("/sessions/ws/{session}/subscribe", any(subscribe::subscribe))
        .route("/session_ingress/ws/{session}", any(worker_socket::attach))
        .route("/session_ingress/session/{session}/events", post(worker_posts::post))
        .fallback(|| async { ApiError::not_found("there is no such call") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() });
    let site = app.site.router();
    Router::new()
        .nest("/v1", v1)
        .route("/healthz", get(metrics::health))
        .route("/metrics", get(metrics::expose))
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .with_state(Arc::clone(&app))
        .fallback_service(site)
        .layer(from_fn_with_state(Arc::clone(&app), carry::to_its_end))
        // Every body is read by an extractor that knows its own bound.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(&app), guard::check))
        .layer(from_fn_with_state(app, site::harden))
}
