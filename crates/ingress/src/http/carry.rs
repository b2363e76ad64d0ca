//! A call that changes something is carried out to its end, even when its caller hangs up. Otherwise a line that is cut
//! between the commit and the telling leaves a request in the log that nobody is shown: the same call said again is
//! answered with "done before", and tells nobody.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Shared;
use super::error::ApiError;

/// Runs the call in a task of its own, unless it only reads: who waits for work and hangs up must not be given any.
pub(super) async fn to_its_end(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let alive = app.alive.upgrade();
    let carried = tokio::spawn(async move {
        let response = next.run(request).await;
        drop(alive);
        response
    });
    match carried.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(response) => response,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => ApiError::unavailable("the server is shutting down: try again").into_response(),
    }
}
