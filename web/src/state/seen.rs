//! What was seen on this device: how far each session was read, so that a list can mark what is new. It is kept in this
//! browser alone; another device has seen other things.

use std::collections::BTreeMap;

use portcullis_protocol::wire::rest::SessionInfo;

/// Sessions whose place is remembered; the ones read least far are forgotten first.
const SESSIONS_MAX: usize = 500;

/// How far each session was read here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What did not change since this moment of the server counts as seen: a fresh browser marks nothing as new.
    since_ms: Option<u64>,
    seqs: BTreeMap<String, u64>,
}

impl Seen {
    /// Reads what [`Self::to_text`] wrote; what does not read is forgotten.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut seen = Self::default();
        for line in text.lines() {
            match line.split_once(' ').map(|(name, number)| (name, number.parse::<u64>())) {
                Some(("=", Ok(ms))) => seen.since_ms = Some(ms),
                Some((id, Ok(seq))) if seen.seqs.len() < SESSIONS_MAX => {
                    seen.seqs.insert(id.to_owned(), seq);
                }
                Some(_) | None => {}
            }
        }
        seen
    }

    /// One line for each session.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.since_ms.map(|ms| format!("= {ms}")).unwrap_or_default();
        for (id, seq) in &self.seqs {
            text += &format!("\n{id} {seq}");
        }
        text
    }

    /// The first list this browser ever saw: nothing of it is new. Says whether anything changed.
    pub fn begin(&mut self, sessions: &[SessionInfo]) -> bool {
        if self.since_ms.is_some() {
            return false;
        }
        self.since_ms = Some(sessions.iter().map(|session| session.updated_at).max().unwrap_or_default());
        true
    }

    /// The session was on the screen up to `seq`. Says whether that is further than before.
    pub fn saw(&mut self, id: &str, seq: u64) -> bool {
        if self.seqs.get(id).is_some_and(|known| *known >= seq) {
            return false;
        }
        if self.seqs.len() >= SESSIONS_MAX && !self.seqs.contains_key(id) {
            let least = self.seqs.iter().min_by_key(|(_, seq)| **seq).map(|(id, _)| id.clone());
            least.map(|id| self.seqs.remove(&id));
        }
        self.seqs.insert(id.to_owned(), seq);
        true
    }

    /// Whether something came since.
    #[must_use]
    pub fn is_news(&self, session: &SessionInfo) -> bool {
        match self.seqs.get(session.id.as_str()) {
            Some(seq) => session.head_seq > *seq,
            None => session.head_seq > 0 && self.since_ms.is_some_and(|since| session.updated_at > since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::groups::tests::session;
    use portcullis_protocol::wire::rest::SessionStatus::Idle;

    fn at(id: &str, head_seq: u64, updated_at: u64) -> SessionInfo {
        SessionInfo { head_seq, ..session(id, Idle, 0, updated_at) }
    }

    #[test]
    fn a_fresh_browser_marks_nothing_and_later_marks_what_came() {
        let mut seen = Seen::default();
        assert!(!seen.is_news(&at("a", 5, 10)), "before the first list");
        assert!(seen.begin(&[at("a", 5, 10), at("b", 1, 7)]) && !seen.begin(&[]));
        assert!(!seen.is_news(&at("a", 5, 10)));
        assert!(seen.is_news(&at("a", 6, 11)) && seen.is_news(&at("c", 1, 12)));
        assert!(!seen.is_news(&at("d", 0, 12)), "nothing happened in it yet");
        assert!(seen.saw("a", 6) && !seen.saw("a", 6) && !seen.saw("a", 2));
        assert!(!seen.is_news(&at("a", 6, 11)) && seen.is_news(&at("a", 7, 11)));
    }

    #[test]
    fn it_is_the_same_after_a_reload_whatever_else_stands_there() {
        let mut seen = Seen::default();
        seen.begin(&[at("a", 5, 10)]);
        seen.saw("s-1", 4);
        assert_eq!(Seen::parse(&seen.to_text()), seen);
        assert_eq!(Seen::parse("nonsense\n= x\ns-1 -4\n\n"), Seen::default());
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let mut seen = Seen::default();
        for n in 0..2 * SESSIONS_MAX as u64 {
            seen.saw(&format!("s{n}"), n + 1);
        }
        assert_eq!(seen.seqs.len(), SESSIONS_MAX);
        assert!(seen.seqs.contains_key(&format!("s{}", 2 * SESSIONS_MAX - 1)));
    }
}
