//! Liveness, and a few counters in the text form Prometheus reads.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: AtomicU64,
    refused: AtomicU64,
    prompts: AtomicU64,
    decisions: AtomicU64,
    worker_events: AtomicU64,
    sockets: AtomicU64,
}

impl Metrics {
    /// A request arrived.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody was not let in.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Prompts were logged.
    pub(crate) fn prompts(&self, count: usize) {
        self.prompts.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }

    /// A decision was recorded.
    pub(crate) fn decision(&self) {
        self.decisions.fetch_add(1, Ordering::Relaxed);
    }

    /// A worker's event was logged.
    pub(crate) fn worker_event(&self) {
        self.worker_events.fetch_add(1, Ordering::Relaxed);
    }

    /// A socket was opened.
    pub(crate) fn socket(&self) {
        self.sockets.fetch_add(1, Ordering::Relaxed);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, help, counter) in [
            ("requests", "HTTP requests", &self.requests),
            ("refused", "requests refused for who they came from", &self.refused),
            ("prompts", "prompts logged", &self.prompts),
            ("decisions", "decisions recorded", &self.decisions),
            ("worker_events", "events of agents logged", &self.worker_events),
            ("sockets", "WebSockets opened", &self.sockets),
        ] {
            let value = counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "# HELP portcullis_{name}_total {help}");
            let _ = writeln!(text, "# TYPE portcullis_{name}_total counter\nportcullis_{name}_total {value}");
        }
        text
    }
}

/// `GET /healthz`.
pub(super) async fn health() -> impl IntoResponse {
    axum::Json(serde_json::json!({ "status": "ok" }))
}

/// `GET /metrics`.
pub(super) async fn expose(State(app): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.text())
}
