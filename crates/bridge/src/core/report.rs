//! What lists and badges say about a worker, read off the agent's own lines. Said only when it changed.

use portcullis_protocol::RawJson;
use portcullis_protocol::json::Header;
use portcullis_protocol::wire::worker::{WorkStatus, WorkerState};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::legacy::Spent;

/// Characters of a title an agent may choose.
const TITLE_CHARS_MAX: usize = 200;
/// Characters of a model or a mode: longer ones are no such thing.
const NAME_CHARS_MAX: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Report {
    state: WorkerState,
    spent: Spent,
    turn_runs: bool,
    reported: Option<WorkerState>,
}

#[derive(Deserialize)]
struct Init {
    model: Option<String>,
    #[serde(rename = "permissionMode")]
    permission_mode: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    status: Option<String>,
    #[serde(rename = "permissionMode")]
    permission_mode: Option<String>,
}

#[derive(Deserialize)]
struct Outcome {
    subtype: Option<String>,
    num_turns: Option<f64>,
    total_cost_usd: Option<f64>,
    queued_turn_count: Option<u64>,
}

impl Outcome {
    /// The agent's running total, unless the turn never began and the zero means nothing.
    fn total_usd(&self) -> Option<f64> {
        let never_ran =
            self.subtype.as_deref() == Some("error_during_execution") && self.num_turns == Some(0.0);
        self.total_cost_usd.filter(|total| !(never_ran && *total == 0.0))
    }
}

#[derive(Deserialize)]
struct Titled {
    title: String,
}

#[derive(Deserialize)]
struct Stated {
    state: String,
}

impl Report {
    pub(crate) fn new(mut state: WorkerState, spent: Spent) -> Self {
        state.total_cost_usd = spent.usd();
        Self { state, spent, turn_runs: false, reported: None }
    }

    /// Reads one line of the agent.
    pub(crate) fn handle_event(&mut self, header: &Header, event: &RawJson) {
        match (header.kind.as_str(), header.subtype.as_deref()) {
            ("system", Some("init")) => self.handle_init(event),
            ("system", Some("status")) => self.handle_status(event),
            ("system", Some("session_title_changed")) => {
                if let Some(Titled { title }) = read(event) {
                    self.state.title = Some(title.chars().take(TITLE_CHARS_MAX).collect());
                }
            }
            ("system", Some("session_state_changed")) | ("command_lifecycle", _) => {
                match read::<Stated>(event).map(|stated| stated.state).as_deref() {
                    Some("running" | "started") => self.turn_runs = true,
                    Some("idle") => self.turn_runs = false,
                    _ => {}
                }
            }
            ("result", _) => {
                let outcome = read::<Outcome>(event);
                self.turn_runs =
                    outcome.as_ref().and_then(|outcome| outcome.queued_turn_count).is_some_and(|n| n > 0);
                if let Some(total) = outcome.and_then(|outcome| outcome.total_usd()) {
                    self.spent.count(total);
                    self.state.total_cost_usd = self.spent.usd().or(Some(0.0));
                }
            }
            _ => {}
        }
    }

    /// Nothing goes on, for this reason, or it goes on again.
    pub(crate) fn set_standstill(&mut self, why: Option<&str>) {
        self.state.standstill = why.map(str::to_owned);
    }

    /// The agent took another model.
    pub(crate) fn set_model(&mut self, model: String) {
        self.state.model = Some(model).filter(|model| is_name(model));
    }

    /// The agent took another mode.
    pub(crate) fn set_permission_mode(&mut self, mode: String) {
        replace(&mut self.state.permission_mode, Some(mode));
    }

    /// The process that starts now counts from zero.
    pub(crate) fn count_anew(&mut self) {
        self.spent.begin_anew();
    }

    /// What was spent.
    pub(crate) fn spent(&self) -> Spent {
        self.spent
    }

    /// The process ended.
    pub(crate) fn handle_ended(&mut self) {
        self.turn_runs = false;
    }

    /// A new process speaks, and the ingress knows nothing of it.
    pub(crate) fn start_over(&mut self) {
        self.reported = None;
        self.turn_runs = false;
    }

    /// The ingress knows nothing of what was reported.
    pub(crate) fn say_again(&mut self) {
        self.reported = None;
    }

    /// The mode the agent last named.
    pub(crate) fn permission_mode(&self) -> Option<&str> {
        self.state.permission_mode.as_deref()
    }

    /// The state as it is now.
    pub(crate) fn state(&self) -> &WorkerState {
        &self.state
    }

    /// The state, if it changed since it was last asked for. `waiting` requests wait for a person.
    pub(crate) fn take_change(&mut self, waiting: usize) -> Option<WorkerState> {
        self.state.status = match (waiting, self.turn_runs) {
            (1.., _) => WorkStatus::RequiresAction,
            (0, true) => WorkStatus::Running,
            (0, false) => WorkStatus::Idle,
        };
        if self.reported.as_ref() == Some(&self.state) {
            return None;
        }
        self.reported = Some(self.state.clone());
        self.reported.clone()
    }

    fn handle_init(&mut self, event: &RawJson) {
        self.turn_runs = true;
        let Some(init) = read::<Init>(event) else { return };
        replace(&mut self.state.model, init.model);
        replace(&mut self.state.permission_mode, init.permission_mode);
    }

    fn handle_status(&mut self, event: &RawJson) {
        let Some(status) = read::<Status>(event) else { return };
        self.turn_runs |= status.status.as_deref() == Some("requesting");
        replace(&mut self.state.permission_mode, status.permission_mode);
    }
}

fn replace(place: &mut Option<String>, news: Option<String>) {
    if let Some(news) = news.filter(|news| is_name(news)) {
        *place = Some(news);
    }
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_CHARS_MAX
}

/// Lines of another shape tell nothing: the world is open.
fn read<T: DeserializeOwned>(event: &RawJson) -> Option<T> {
    event.read().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str], waiting: usize) -> Option<String> {
        let mut report = Report::new(WorkerState::default(), Spent::default());
        for line in lines {
            let event = RawJson::parse(line).unwrap();
            report.handle_event(&event.header().unwrap(), &event);
        }
        let change = report.take_change(waiting)?;
        assert_eq!(report.take_change(waiting), None, "said once");
        Some(serde_json::to_string(&change).unwrap())
    }

    #[test]
    fn says_what_the_agent_said_about_itself_and_takes_no_claim_of_where_it_works() {
        let init =
            r#"{"type":"system","subtype":"init","model":"m","permissionMode":"plan","cwd":"/claimed"}"#;
        let status = r#"{"type":"system","subtype":"status","status":null,"permissionMode":"acceptEdits"}"#;
        let result = r#"{"type":"result","subtype":"success","total_cost_usd":0.5}"#;
        assert_eq!(
            after(&[init, status, result], 0).unwrap(),
            r#"{"status":"idle","model":"m","permission_mode":"acceptEdits","total_cost_usd":0.5}"#
        );
    }

    #[test]
    fn a_request_that_waits_outranks_a_running_turn() {
        let started = r#"{"type":"command_lifecycle","state":"started"}"#;
        assert_eq!(after(&[started], 0).unwrap(), r#"{"status":"running"}"#);
        assert_eq!(after(&[started], 1).unwrap(), r#"{"status":"requires_action"}"#);
    }

    #[test]
    fn a_turn_with_queued_ones_behind_it_is_not_the_end() {
        let started = r#"{"type":"command_lifecycle","state":"started"}"#;
        let result = r#"{"type":"result","subtype":"success","queued_turn_count":1}"#;
        assert_eq!(after(&[started, result], 0).unwrap(), r#"{"status":"running"}"#);
    }

    #[test]
    fn lines_of_another_shape_change_nothing() {
        let odd = r#"{"type":"system","subtype":"init","model":7}"#;
        let result = r#"{"type":"result","total_cost_usd":"much"}"#;
        assert_eq!(after(&[odd, result], 0).unwrap(), r#"{"status":"idle"}"#);
    }
}
