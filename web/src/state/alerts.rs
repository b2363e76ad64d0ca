//! When to call somebody: a request came that nobody on this device looks at.

use std::collections::BTreeMap;

use portcullis_protocol::id::SessionId;
use portcullis_protocol::wire::rest::SessionInfo;

/// What is known to wait.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    /// Absent until the first list: what waited before the page was opened calls nobody.
    known: Option<BTreeMap<SessionId, u32>>,
}

/// What a new list means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Everything that waits, of all sessions: for the title, the icon and the badge.
    pub count: u32,
    /// Sessions in which something began to wait.
    pub news: Vec<SessionId>,
}

impl Alerts {
    /// Takes a list as it is now. `watched` is the session somebody looks at this moment: it calls for nothing.
    pub fn hear(&mut self, sessions: &[SessionInfo], watched: Option<&SessionId>) -> Call {
        let mut now = BTreeMap::new();
        for session in sessions.iter().filter(|session| session.pending_count > 0) {
            now.insert(session.id.clone(), session.pending_count);
        }
        let count = now.values().sum();
        let before = self.known.replace(now);
        let (Some(before), Some(now)) = (before, &self.known) else {
            return Call { count, news: Vec::new() };
        };
        let more = |(id, count): &(&SessionId, &u32)| before.get(*id).copied().unwrap_or_default() < **count;
        let news = now.iter().filter(more).map(|(id, _)| id.clone());
        Call { count, news: news.filter(|id| Some(id) != watched).collect() }
    }

    /// Forgets: another person may use this browser now.
    pub fn forget(&mut self) {
        self.known = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::groups::tests::session;
    use portcullis_protocol::wire::rest::SessionStatus::Running;

    fn waits(id: &str, pending_count: u32) -> SessionInfo {
        session(id, Running, pending_count, 1)
    }

    fn ids(call: &Call) -> Vec<&str> {
        call.news.iter().map(SessionId::as_str).collect()
    }

    #[test]
    fn what_begins_to_wait_calls_once_and_what_waited_before_the_page_does_not() {
        let mut alerts = Alerts::default();
        assert_eq!(alerts.hear(&[waits("a", 1)], None), Call { count: 1, news: vec![] });
        assert_eq!(alerts.hear(&[waits("a", 1)], None).news, []);
        let call = alerts.hear(&[waits("a", 2), waits("b", 1)], None);
        assert_eq!((call.count, ids(&call)), (3, vec!["a", "b"]));
        assert_eq!(alerts.hear(&[waits("a", 1), waits("b", 1)], None).news, []);
    }

    #[test]
    fn the_session_somebody_looks_at_calls_for_nothing() {
        let mut alerts = Alerts::default();
        alerts.hear(&[], None);
        let call = alerts.hear(&[waits("a", 1), waits("b", 1)], Some(&waits("a", 0).id));
        assert_eq!(ids(&call), ["b"]);
        assert_eq!(alerts.hear(&[waits("a", 1)], None).news, [], "nor when he looks away");
    }

    #[test]
    fn what_was_answered_and_asked_again_calls_again() {
        let mut alerts = Alerts::default();
        alerts.hear(&[waits("a", 1)], None);
        alerts.hear(&[waits("a", 0)], None);
        assert_eq!(ids(&alerts.hear(&[waits("a", 1)], None)), ["a"]);
    }
}
