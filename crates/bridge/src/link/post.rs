//! POSTs what one lane has to say, one request at a time, and repeats it until the ingress gave an answer that means
//! something.

use std::time::{Duration, Instant};

use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::worker::{Lane, WorkerPost, WorkerPosted};
use tokio::sync::{mpsc, watch};

use crate::api::{Api, CallError};
use crate::backoff::Backoff;
use crate::core::PostOutcome;
use crate::lease::Credential;

/// Serves one lane until `posts` closes. `credential` always holds the newest token; when the socket opened anew
/// (`openings`), the ingress is there, and nothing waits any longer.
pub(crate) async fn run_lane(
    api: Api,
    session: SessionId,
    credential: watch::Receiver<Credential>,
    mut posts: mpsc::Receiver<WorkerPost>,
    outcomes: mpsc::Sender<(Lane, PostOutcome)>,
    mut openings: watch::Receiver<u64>,
) {
    let mut backoff = Backoff::new();
    while let Some(post) = posts.recv().await {
        let outcome = loop {
            openings.mark_unchanged();
            let bearer = credential.borrow().token.clone();
            match answer(api.post_events(&session, &bearer, &post).await) {
                Ok(outcome) => break outcome,
                Err(error) => {
                    let delay =
                        backoff.next_delay(Instant::now()).max(error.retry_after().unwrap_or_default());
                    tracing::debug!(%session, lane = ?post.lane, %error, ?delay, "what the agent said waits");
                    rest(delay, &mut openings).await;
                }
            }
        };
        match &outcome {
            PostOutcome::Accepted { .. } => backoff.reset(),
            // An ingress that keeps naming another position must not be asked in a busy loop.
            PostOutcome::Position { .. } => tokio::time::sleep(backoff.next_delay(Instant::now())).await,
            PostOutcome::Refused { reason } => {
                tracing::warn!(%session, reason, "the ingress refused what was posted")
            }
            PostOutcome::Gone => {}
        }
        if outcomes.send((post.lane, outcome)).await.is_err() {
            return;
        }
    }
}

/// Waits, but not longer than until the socket opens.
async fn rest(delay: Duration, openings: &mut watch::Receiver<u64>) {
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        Ok(()) = openings.changed() => {}
    }
}

/// What an answer means, or the error that another try may cure.
fn answer(result: Result<WorkerPosted, CallError>) -> Result<PostOutcome, CallError> {
    match result {
        Ok(posted) => Ok(PostOutcome::Accepted { next_n: posted.next_n }),
        Err(error) if error.is_gone() => Ok(PostOutcome::Gone),
        Err(error) if error.is_rejection() => Ok(PostOutcome::Refused { reason: error.to_string() }),
        Err(error) => match error.expected_n() {
            Some(expected_n) => Ok(PostOutcome::Position { expected_n }),
            None => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::wire::rest::ErrorDetail;

    use super::*;

    fn refused(status: u16, expected_n: Option<u64>) -> Result<WorkerPosted, CallError> {
        let detail = Box::new(ErrorDetail { message: "no".into(), expected_n, ..ErrorDetail::default() });
        Err(CallError::Refused { status, detail, retry_after: None })
    }

    #[tokio::test]
    async fn what_failed_is_said_again_as_soon_as_the_socket_opens() {
        let (opened, mut openings) = watch::channel(0);
        let hour = Duration::from_secs(3_600);
        let both = async {
            tokio::join!(rest(hour, &mut openings), async { opened.send_modify(|count| *count += 1) });
        };
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("it goes on at once");
        drop(opened);
        let (start, delay) = (Instant::now(), Duration::from_millis(20));
        rest(delay, &mut openings).await;
        assert!(start.elapsed() >= delay, "a socket that is gone opens nothing");
    }

    #[test]
    fn repeats_only_what_another_try_may_cure() {
        for status in [401, 403, 408, 412, 429, 500, 502, 503] {
            assert!(answer(refused(status, None)).is_err(), "{status}");
        }
        assert!(answer(Err(CallError::Network("down".into()))).is_err());
        for status in [404, 410] {
            assert_eq!(answer(refused(status, None)).unwrap(), PostOutcome::Gone);
        }
        for status in [400, 413] {
            assert!(matches!(answer(refused(status, None)), Ok(PostOutcome::Refused { .. })));
        }
        assert_eq!(answer(refused(409, Some(4))).unwrap(), PostOutcome::Position { expected_n: 4 });
        let taken = WorkerPosted { next_n: 9, head_seq: 1 };
        assert_eq!(answer(Ok(taken)).unwrap(), PostOutcome::Accepted { next_n: 9 });
    }
}
