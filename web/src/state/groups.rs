//! The list of sessions in the order of what they want from a person.

use portcullis_protocol::wire::rest::{Environment, SessionInfo, SessionStatus};

use crate::words::side as words;

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
            Self::Waiting => words::waiting(),
            Self::Running => words::running(),
            Self::Idle => words::idle(),
            Self::Archived => words::archived(),
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

/// What a search for a session reads: its title, directory, agent and model, and the machine it runs on.
fn searched(session: &SessionInfo, machine: Option<&str>) -> String {
    let fields = [Some(session.title.as_str()), Some(&session.directory), machine];
    let named = [session.agent.as_deref(), session.model.as_deref()];
    let all: Vec<&str> = fields.into_iter().chain(named).flatten().collect();
    lower(&all.join("\n"))
}

#[cfg(not(target_arch = "wasm32"))]
fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// By the browser, which has the tables of all scripts.
#[cfg(target_arch = "wasm32")]
fn lower(text: &str) -> String {
    js_sys::JsString::from(text).to_lower_case().into()
}

/// The sessions of `group` that hold every word of `filter`, newest first.
#[must_use]
pub fn members(
    sessions: &[SessionInfo],
    machines: &[Environment],
    group: Group,
    filter: &str,
) -> Vec<SessionInfo> {
    let words: Vec<String> = filter.split_whitespace().map(lower).collect();
    let fits = |session: &&SessionInfo| {
        if Group::of(session) != group || words.is_empty() {
            return Group::of(session) == group;
        }
        let machine = machines.iter().find(|one| one.id == session.environment_id);
        let text = searched(session, machine.map(|one| one.machine_name.as_str()));
        words.iter().all(|word| text.contains(word))
    };
    let mut members: Vec<SessionInfo> = sessions.iter().filter(fits).cloned().collect();
    members.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then_with(|| a.id.cmp(&b.id)));
    members
}

/// Directories in which sessions of `machine` ran, the latest first, each once.
#[must_use]
pub fn recent(sessions: &[SessionInfo], machine: &Environment) -> Vec<String> {
    const RECENT_MAX: usize = 12;
    let mut own: Vec<&SessionInfo> =
        sessions.iter().filter(|one| one.environment_id == machine.id && !one.directory.is_empty()).collect();
    own.sort_by_key(|one| std::cmp::Reverse(one.updated_at));
    let mut directories = vec![machine.directory.clone()];
    for session in own {
        if directories.len() < RECENT_MAX && !directories.contains(&session.directory) {
            directories.push(session.directory.clone());
        }
    }
    directories
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use portcullis_protocol::id::{EnvironmentId, Epoch, SessionId};

    pub(crate) fn session(
        id: &str,
        status: SessionStatus,
        pending_count: u32,
        updated_at: u64,
    ) -> SessionInfo {
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

    fn machine(id: &str, name: &str) -> Environment {
        Environment {
            id: EnvironmentId::parse(id).unwrap(),
            machine_name: name.into(),
            directory: "/srv".into(),
            branch: None,
            online: true,
            last_seen_at_ms: 0,
            max_sessions: 1,
            agents: Vec::new(),
            permission_modes: Vec::new(),
        }
    }

    #[test]
    fn the_newest_comes_first_and_every_word_is_looked_for_everywhere() {
        let mut all = [session("a", SessionStatus::Idle, 0, 1), session("b", SessionStatus::Idle, 0, 2)];
        all[1].agent = Some("Claude".into());
        let machines = [machine("e", "Atlas")];
        let ids = |filter: &str| {
            let found = members(&all, &machines, Group::Idle, filter);
            found.iter().map(|s| s.id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(""), ["b", "a"]);
        assert_eq!(ids(" TITLE  a"), ["b", "a"], "both words are in both");
        assert_eq!(ids("claude"), ["b"]);
        assert_eq!(ids("api atlas").len(), 2);
        assert!(ids("nothing").is_empty() && ids("claude nothing").is_empty());
    }

    #[test]
    fn directories_come_latest_first_behind_the_machines_own() {
        let at = |id: &str, directory: &str, updated_at| SessionInfo {
            directory: directory.into(),
            ..session(id, SessionStatus::Idle, 0, updated_at)
        };
        let all = [at("a", "/old", 1), at("b", "/new", 3), at("c", "/old", 2), at("d", "", 9)];
        assert_eq!(recent(&all, &machine("e", "Atlas")), ["/srv", "/new", "/old"]);
        assert_eq!(recent(&all, &machine("other", "Atlas")), ["/srv"]);
    }
}
