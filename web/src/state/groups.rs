//! The list of sessions in the order of what they want from a person.

use portcullis_protocol::wire::rest::{SessionInfo, SessionStatus};

/// Where a session stands in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    Waiting,
    Running,
    Idle,
    Archived,
}

impl Group {
    /// All, in the order they are shown.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Running, Self::Idle, Self::Archived];

    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Running => "Running",
            Self::Idle => "Idle",
            Self::Archived => "Archived",
        }
    }

    /// The value of `data-group`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Archived => "archived",
        }
    }

    /// Where `session` belongs.
    #[must_use]
    pub fn of(session: &SessionInfo) -> Self {
        match session.status {
            SessionStatus::Archived => Self::Archived,
            _ if session.pending_count > 0 => Self::Waiting,
            SessionStatus::RequiresAction => Self::Waiting,
            SessionStatus::Running => Self::Running,
            SessionStatus::Idle => Self::Idle,
        }
    }
}

/// The sessions of `group` whose title or directory holds `filter`, newest first.
#[must_use]
pub fn members(sessions: &[SessionInfo], group: Group, filter: &str) -> Vec<SessionInfo> {
    let filter = filter.trim().to_lowercase();
    let fits = |session: &&SessionInfo| {
        Group::of(session) == group
            && (filter.is_empty()
                || session.title.to_lowercase().contains(&filter)
                || session.directory.to_lowercase().contains(&filter))
    };
    let mut members: Vec<SessionInfo> = sessions.iter().filter(fits).cloned().collect();
    members.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then_with(|| a.id.cmp(&b.id)));
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::id::{EnvironmentId, Epoch, SessionId};

    fn session(id: &str, status: SessionStatus, pending_count: u32, updated_at: u64) -> SessionInfo {
        SessionInfo {
            id: SessionId::parse(id).unwrap(),
            title: format!("Title {id}"),
            status,
            environment_id: EnvironmentId::parse("e").unwrap(),
            directory: "/home/me/api".into(),
            agent: None,
            model: None,
            permission_mode: None,
            created_at: 0,
            updated_at,
            head_seq: 0,
            epoch: Epoch::parse("x").unwrap(),
            pending_count,
            total_cost_usd: None,
        }
    }

    #[test]
    fn what_waits_for_a_person_is_waiting_whatever_else_it_does() {
        assert_eq!(Group::of(&session("a", SessionStatus::Running, 1, 0)), Group::Waiting);
        assert_eq!(Group::of(&session("a", SessionStatus::RequiresAction, 0, 0)), Group::Waiting);
        assert_eq!(Group::of(&session("a", SessionStatus::Archived, 1, 0)), Group::Archived);
    }

    #[test]
    fn the_newest_comes_first_and_the_filter_reads_titles_and_directories() {
        let all = [session("a", SessionStatus::Idle, 0, 1), session("b", SessionStatus::Idle, 0, 2)];
        let ids = |filter: &str| {
            members(&all, Group::Idle, filter).iter().map(|s| s.id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(""), ["b", "a"]);
        assert_eq!(ids(" TITLE a"), ["a"]);
        assert_eq!(ids("api").len(), 2);
        assert!(ids("nothing").is_empty());
    }
}
