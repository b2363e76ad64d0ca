//! Removes what sessions left on this disk that are archived or unknown to the ingress: a workstation runs for months,
//! and every session leaves a journal.

use std::path::Path;
use std::time::Duration;

use portcullis_protocol::id::{EnvironmentId, SessionId};
use portcullis_protocol::wire::worker::KNOWN_SESSIONS_MAX;

use crate::api::Api;
use crate::config::BridgeConfig;
use crate::event::BridgeEvent;
use crate::journal;
use crate::place;
use crate::worktree::{Fate, Worktree};

/// Between two sweeps.
pub(crate) const PAUSE: Duration = Duration::from_secs(6 * 3600);
/// What a session left is kept for so long after the last word, although nobody knows the session: it may be one of
/// another ingress, at which this machine will be logged in again.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Asks the ingress which sessions live on, and tidies up behind the others. An ingress that does not say leaves all.
pub(crate) async fn run(config: &BridgeConfig, api: &Api, environment: &EnvironmentId) {
    place::forget_locks(&config.state_dir);
    let mut sessions = journal::sessions(&config.state_dir);
    sessions.extend(Worktree::sessions(&config.state_dir));
    sessions.sort_unstable();
    sessions.dedup();
    sessions.retain(|session| journal::untouched_for(&config.state_dir, session) > KEPT);
    for some in sessions.chunks(KNOWN_SESSIONS_MAX) {
        match api.known_sessions(environment, some.to_vec()).await {
            Ok(alive) => {
                for session in some.iter().filter(|session| !alive.contains(session)) {
                    forget(config, session).await;
                }
            }
            Err(error) => return tracing::debug!(%error, "nobody says which sessions are over"),
        }
    }
}

/// Removes what `session` left, apart from work that is nowhere else.
pub(crate) async fn forget(config: &BridgeConfig, session: &SessionId) {
    tracing::debug!(%session, "what an archived or unknown session left is removed");
    journal::remove(&config.state_dir, session);
    if let Some(tree) = Worktree::known(&config.state_dir, session) {
        settle(config, session, &tree).await;
    }
}

/// Removes the working tree of a session, or tells why it stays. What is to be said in the session comes back.
pub(crate) async fn settle(config: &BridgeConfig, session: &SessionId, tree: &Worktree) -> Option<String> {
    let path = shown(tree.root());
    match tree.settle(&config.state_dir, session).await {
        Fate::Removed => {
            tracing::info!(%session, path, "working tree removed");
            config.teller.tell(BridgeEvent::WorktreeRemoved { session_id: session.clone(), path });
            None
        }
        Fate::Kept(reason) => {
            let (reason, branch) = (reason.to_string(), tree.branch().to_owned());
            tracing::warn!(%session, path, branch, reason, "the working tree is kept");
            let said =
                format!("The working tree of this session is kept at {path} (branch {branch}): {reason}.");
            config.teller.tell(BridgeEvent::WorktreeKept {
                session_id: session.clone(),
                path,
                branch,
                reason,
            });
            Some(said)
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
