//! The lease of one session: renewed by heartbeats, each of which brings a fresh token. Somebody else's lease ends
//! the session here at once; a lapsed one that nobody took goes on.

use std::time::{Duration, Instant};

use portcullis_protocol::id::{EnvironmentId, SessionId, WorkId};
use portcullis_protocol::limits::LEASE_TTL_S;
use tokio::sync::{mpsc, watch};

use crate::api::Api;
use crate::backoff::Backoff;
use crate::wake::{Wakes, woken};

/// What the first heartbeat says instead of the last one's answer.
const NO_HEARTBEAT: &str = "NO_HEARTBEAT";
/// Shortest time between two heartbeats, whatever the ingress says its lease is.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What the right to speak for a session is about.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) environment: EnvironmentId,
    pub(crate) session: SessionId,
}

/// The work item that gives the right, and the newest token for it.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) work: WorkId,
    pub(crate) token: String,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// Another bridge holds it.
    Lost,
    /// The work is over.
    Gone,
}

/// Renews the lease until it is lost. `renewals` brings a newer work item for the same session.
pub(crate) async fn keep(
    api: Api,
    lease: Lease,
    credential: watch::Sender<Credential>,
    mut renewals: mpsc::Receiver<Credential>,
    mut wakes: Wakes,
) -> LeaseEnd {
    let mut last = NO_HEARTBEAT.to_owned();
    let mut backoff = Backoff::new();
    loop {
        let Credential { work, token } = credential.borrow().clone();
        let wait = match api.heartbeat(&lease.environment, &work, &token, &last).await {
            Ok(beat) if !beat.lease_extended => return LeaseEnd::Lost,
            Ok(beat) => {
                backoff.reset();
                last = beat.last_heartbeat;
                credential.send_replace(Credential { work, token: beat.session_ingress_token });
                interval(beat.ttl_seconds)
            }
            Err(error) if error.status() == Some(412) => return LeaseEnd::Lost,
            Err(error) if error.is_gone() => return LeaseEnd::Gone,
            Err(error) => {
                tracing::debug!(session = %lease.session, %error, "the lease could not be renewed");
                let asked = error.retry_after().unwrap_or_default();
                let soon = backoff.next_delay(Instant::now()).max(asked).min(interval(LEASE_TTL_S));
                if error.is_unauthorized() {
                    match api.reconnect(&lease.environment, &lease.session).await {
                        // The old token is of no use; a work item with a fresh one is on its way.
                        Ok(()) => interval(LEASE_TTL_S),
                        Err(error) if error.is_gone() => return LeaseEnd::Gone,
                        Err(error) => {
                            tracing::debug!(session = %lease.session, %error, "the session could not be queued again");
                            soon
                        }
                    }
                } else {
                    soon
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // The lease may have lapsed meanwhile, and the token have ended.
            () = woken(&mut wakes) => backoff.reset(),
            Some(fresh) = renewals.recv() => {
                last = NO_HEARTBEAT.to_owned();
                credential.send_replace(fresh);
            }
        }
    }
}

/// Three tries within one life of the lease.
fn interval(ttl_seconds: u64) -> Duration {
    Duration::from_secs(ttl_seconds.min(LEASE_TTL_S)).checked_div(3).unwrap_or(INTERVAL_MIN).max(INTERVAL_MIN)
}

#[cfg(test)]
mod tests {
    use portcullis_protocol::id::DeviceId;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Device;
    use crate::device::DeviceKey;
    use crate::road::Road;

    /// Answers the n-th call with the n-th answer, and tells what was called.
    async fn ingress(answers: Vec<(u16, &'static str)>) -> (Api, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (calls_in, calls) = mpsc::channel(16);
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut read = Vec::new();
                while !read.ends_with(b"}") {
                    assert!(stream.read_buf(&mut read).await.unwrap() > 0);
                }
                let head = String::from_utf8(read).unwrap();
                let (length, line) = (body.len(), head.lines().next().unwrap_or_default().to_owned());
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                calls_in.send(line).await.unwrap();
            }
        });
        let device = Device { id: DeviceId::parse("d1").unwrap(), key: DeviceKey::generate().unwrap() };
        (Api::new(Road::to(&url, None).unwrap(), device).unwrap(), calls)
    }

    fn lease() -> Lease {
        Lease { environment: EnvironmentId::parse("e1").unwrap(), session: SessionId::parse("s1").unwrap() }
    }

    fn credential() -> watch::Sender<Credential> {
        watch::Sender::new(Credential { work: WorkId::parse("w1").unwrap(), token: "old".into() })
    }

    /// A machine that does not sleep.
    fn never() -> Wakes {
        watch::channel(0).1
    }

    async fn end_after(answers: Vec<(u16, &'static str)>) -> (LeaseEnd, Vec<String>) {
        let (api, mut calls) = ingress(answers).await;
        let (_renewals_in, renewals) = mpsc::channel(1);
        let end = keep(api, lease(), credential(), renewals, never()).await;
        let mut called = Vec::new();
        while let Some(call) = calls.recv().await {
            called.push(call);
        }
        (end, called)
    }

    #[test]
    fn a_lease_is_renewed_three_times_within_its_life_and_never_in_a_busy_loop() {
        assert_eq!(interval(90), Duration::from_secs(30));
        assert_eq!(interval(0), INTERVAL_MIN);
        assert_eq!(interval(u64::MAX), interval(LEASE_TTL_S));
    }

    #[tokio::test]
    async fn a_lease_that_somebody_else_holds_ends_at_once() {
        let (end, called) = end_after(vec![(412, "{}")]).await;
        assert_eq!(end, LeaseEnd::Lost);
        assert_eq!(
            called,
            ["POST /v1/environments/e1/work/w1/heartbeat?expected_last_heartbeat=NO_HEARTBEAT HTTP/1.1"]
        );
        let extended = r#"{"type":"work_heartbeat","last_heartbeat":"h","lease_extended":false,"state":"stopped","ttl_seconds":90,"session_ingress_token":"t"}"#;
        assert_eq!(end_after(vec![(200, extended)]).await.0, LeaseEnd::Lost);
        assert_eq!(end_after(vec![(410, "{}")]).await.0, LeaseEnd::Gone);
    }

    #[tokio::test]
    async fn an_ingress_that_stumbles_does_not_end_a_lease() {
        let (end, called) = end_after(vec![(503, "<html>"), (500, "{}"), (404, "{}")]).await;
        assert_eq!((end, called.len()), (LeaseEnd::Gone, 3));
    }

    #[tokio::test]
    async fn a_heartbeat_brings_the_next_token_and_its_own_proof() {
        let beat = r#"{"type":"work_heartbeat","last_heartbeat":"h 1","lease_extended":true,"state":"active","ttl_seconds":0,"session_ingress_token":"new"}"#;
        let (api, mut calls) = ingress(vec![(200, beat), (412, "{}")]).await;
        let credential = credential();
        let newest = credential.subscribe();
        let (_renewals_in, renewals) = mpsc::channel(1);
        assert_eq!(keep(api, lease(), credential, renewals, never()).await, LeaseEnd::Lost);
        assert_eq!(newest.borrow().token, "new");
        calls.recv().await.unwrap();
        assert!(calls.recv().await.unwrap().contains("expected_last_heartbeat=h%201 "));
    }

    #[tokio::test]
    async fn a_token_that_ended_while_the_machine_slept_is_replaced_through_the_queue() {
        let beat = r#"{"type":"work_heartbeat","last_heartbeat":"h1","lease_extended":true,"state":"active","ttl_seconds":90,"session_ingress_token":"t1"}"#;
        let granted = r#"{"device_id":"d1","access_token":"a","expires_in":600,"role":"bridge"}"#;
        let answers =
            vec![(200, beat), (401, "{}"), (200, r#"{"nonce":"n"}"#), (200, granted), (204, ""), (412, "{}")];
        let (api, mut calls) = ingress(answers).await;
        let (renewals_in, renewals) = mpsc::channel(1);
        let (woke, wakes) = watch::channel(0);
        let credential = credential();
        let newest = credential.subscribe();
        let keeping = tokio::spawn(keep(api, lease(), credential, renewals, wakes));
        assert!(calls.recv().await.unwrap().contains("/w1/heartbeat"));
        woke.send_modify(|count| *count += 1);
        let mut called = Vec::new();
        for _ in 0..4 {
            called.push(calls.recv().await.unwrap());
        }
        assert!(called[0].contains("/w1/heartbeat?expected_last_heartbeat=h1 "), "at once: {called:?}");
        assert!(called[3].contains("/e1/bridge/reconnect"), "{called:?}");
        let fresh = Credential { work: WorkId::parse("w2").unwrap(), token: "t2".into() };
        renewals_in.send(fresh).await.unwrap();
        assert!(calls.recv().await.unwrap().contains("/w2/heartbeat?expected_last_heartbeat=NO_HEARTBEAT "));
        assert_eq!((keeping.await.unwrap(), newest.borrow().token.as_str()), (LeaseEnd::Lost, "t2"));
    }
}
