//! What waits over all sessions, in the order in which it is offered: oldest first, and what a person put off behind all
//! the rest. How many sessions are listened to at once is bounded; the others are named, to be opened.

use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::rest::{SessionInfo, SessionStatus};

/// Sessions the inbox listens to at once: each is a socket, and browsers and servers have few for one page.
pub const WATCHED_MAX: usize = 8;

/// One request, wherever it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub session: SessionId,
    pub request_id: String,
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub key: Key,
    /// ms since the Unix epoch.
    pub asked_at_ms: u64,
}

/// Oldest first; what was put off stands at the end, the one put off last behind all.
#[must_use]
pub fn ordered(mut waiting: Vec<Waiting>, put_off: &[Key]) -> Vec<Waiting> {
    let turn = |one: &Waiting| put_off.iter().rposition(|key| *key == one.key).map_or(0, |at| at + 1);
    waiting.sort_by(|a, b| {
        (turn(a), a.asked_at_ms)
            .cmp(&(turn(b), b.asked_at_ms))
            .then_with(|| a.key.request_id.cmp(&b.key.request_id))
    });
    waiting
}

/// The request to show: the chosen one as long as it waits, then the next in order.
#[must_use]
pub fn shown<'a>(ordered: &'a [Waiting], chosen: Option<&Key>) -> Option<&'a Key> {
    let found = ordered.iter().find(|one| Some(&one.key) == chosen);
    found.or(ordered.first()).map(|one| &one.key)
}

/// Puts `key` behind all others, and forgets what does not wait any more.
#[must_use]
pub fn put_off(mut before: Vec<Key>, key: Key, waiting: &[Waiting]) -> Vec<Key> {
    before.retain(|old| *old != key && waiting.iter().any(|one| one.key == *old));
    before.push(key);
    before
}

/// The sessions to listen to, and those that wait beside them. Who is listened to keeps its place as long as it has
/// something to show (`busy`); then come those that wait the longest without news.
#[must_use]
pub fn split(
    sessions: &[SessionInfo],
    listened: &[SessionId],
    busy: &[SessionId],
) -> (Vec<SessionId>, Vec<SessionId>) {
    let asks = |one: &&SessionInfo| one.pending_count > 0 && one.status != SessionStatus::Archived;
    let mut waiting: Vec<&SessionInfo> = sessions.iter().filter(asks).collect();
    waiting.sort_by(|a, b| a.updated_at.cmp(&b.updated_at).then_with(|| a.id.cmp(&b.id)));
    let wants = |id: &SessionId| busy.contains(id) || waiting.iter().any(|one| one.id == *id);
    let mut chosen: Vec<SessionId> = listened.iter().filter(|id| wants(id)).cloned().collect();
    let mut rest = Vec::new();
    for one in waiting {
        if chosen.contains(&one.id) {
            continue;
        }
        let list = if chosen.len() < WATCHED_MAX { &mut chosen } else { &mut rest };
        list.push(one.id.clone());
    }
    (chosen, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::id::{EnvironmentId, Epoch};

    fn key(session: &str, request_id: &str) -> Key {
        Key { session: SessionId::parse(session).unwrap(), request_id: request_id.into() }
    }

    fn waiting() -> Vec<Waiting> {
        let one = |session, id, asked_at_ms| Waiting { key: key(session, id), asked_at_ms };
        vec![one("s2", "b", 20), one("s1", "c", 30), one("s1", "a", 10)]
    }

    fn ids(ordered: &[Waiting]) -> Vec<&str> {
        ordered.iter().map(|one| one.key.request_id.as_str()).collect()
    }

    #[test]
    fn the_oldest_of_all_sessions_comes_first() {
        assert_eq!(ids(&ordered(waiting(), &[])), ["a", "b", "c"]);
    }

    #[test]
    fn not_now_moves_a_request_to_the_end_without_answering_it() {
        let put = put_off(Vec::new(), key("s1", "a"), &waiting());
        assert_eq!(ids(&ordered(waiting(), &put)), ["b", "c", "a"]);
        let put = put_off(put, key("s2", "b"), &waiting());
        assert_eq!(ids(&ordered(waiting(), &put)), ["c", "a", "b"]);
        let put = put_off(put, key("s1", "a"), &waiting());
        assert_eq!(ids(&ordered(waiting(), &put)), ["c", "b", "a"]);
        assert_eq!(put_off(put, key("s9", "z"), &[]), [key("s9", "z")], "what is over is forgotten");
    }

    #[test]
    fn the_same_id_in_another_session_is_another_request() {
        let put = [key("s2", "a")];
        assert_eq!(ids(&ordered(waiting(), &put)), ["a", "b", "c"]);
    }

    #[test]
    fn the_chosen_request_stays_as_long_as_it_waits_and_then_comes_the_next() {
        let all = ordered(waiting(), &[]);
        assert_eq!(shown(&all, Some(&key("s1", "c"))), Some(&key("s1", "c")));
        assert_eq!(shown(&all, Some(&key("s1", "gone"))), Some(&key("s1", "a")));
        assert_eq!(shown(&[], Some(&key("s1", "c"))), None);
    }

    fn session(number: u64, pending_count: u32) -> SessionInfo {
        SessionInfo {
            id: SessionId::parse(format!("s{number}")).unwrap(),
            title: String::new(),
            status: SessionStatus::RequiresAction,
            environment_id: EnvironmentId::parse("e").unwrap(),
            directory: String::new(),
            agent: None,
            model: None,
            permission_mode: None,
            created_at: 0,
            updated_at: number,
            head_seq: 0,
            epoch: Epoch::parse("x").unwrap(),
            pending_count,
            total_cost_usd: None,
        }
    }

    #[test]
    fn listens_to_so_many_and_names_the_others() {
        let mut all: Vec<SessionInfo> = (0..20).map(|number| session(number, 1)).collect();
        let (chosen, rest) = split(&all, &[], &[]);
        assert_eq!((chosen.len(), rest.len(), chosen[0].as_str()), (WATCHED_MAX, 12, "s0"));
        all[0].pending_count = 0;
        let (stays, _) = split(&all, &chosen, &chosen[..1]);
        assert_eq!(stays, chosen, "its last answer is still shown");
        let (moved, rest) = split(&all, &chosen, &[]);
        assert!(!moved.contains(&chosen[0]) && moved.contains(&session(8, 0).id) && rest.len() == 11);
    }
}
