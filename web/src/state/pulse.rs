//! Connection, bridge and agent in words, for one quiet line: what is known, and nothing that is not.

use portcullis_protocol::session::{LinkView, StopReason};
use portcullis_protocol::wire::client::{Presence, WorkerStatus};
use portcullis_protocol::wire::worker::{STANDSTILL_DISK_FULL, WorkStatus};

use crate::words::session as said;

/// The connection of this page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Online,
    Connecting,
    /// Not connected; the next try comes.
    Waiting,
    /// Not connected, and this computer says that it has no network.
    Offline,
    /// Not connected, and nothing is tried.
    Stopped,
}

impl Wire {
    /// The connection of an open session.
    #[must_use]
    pub fn of(link: LinkView, network: bool) -> Self {
        match link {
            LinkView::Online => Self::Online,
            LinkView::Connecting | LinkView::Stopped(StopReason::NotStarted) => Self::Connecting,
            LinkView::Waiting { .. } if !network => Self::Offline,
            LinkView::Waiting { .. } => Self::Waiting,
            LinkView::Stopped(
                StopReason::SessionMissing
                | StopReason::Refused
                | StopReason::Outdated
                | StopReason::Archived,
            ) => Self::Stopped,
        }
    }

    /// The value of `data-state`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Connecting => "connecting",
            Self::Waiting => "waiting",
            Self::Offline => "offline",
            Self::Stopped => "stopped",
        }
    }

    /// For a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Online => said::connected(),
            Self::Connecting => said::connecting(),
            Self::Waiting => said::not_connected(),
            Self::Offline => said::offline(),
            Self::Stopped => said::not_tried(),
        }
    }
}

/// The bridge: known only while this page is connected.
#[must_use]
pub fn bridge(wire: Wire, presence: Presence, machine: Option<&str>) -> String {
    let bridge = machine.filter(|name| !name.is_empty());
    let bridge = bridge.map_or_else(|| said::bridge().to_owned(), said::bridge_on);
    match (wire, presence) {
        (Wire::Online, Presence::Online) => said::is_online(bridge),
        (Wire::Online, Presence::Offline) => said::is_offline(bridge),
        (Wire::Online, Presence::Draining) => said::is_leaving(bridge),
        (Wire::Connecting | Wire::Waiting | Wire::Offline | Wire::Stopped, _) => String::new(),
    }
}

/// Why nothing goes on behind the bridge, whatever the agent does.
#[must_use]
pub fn standstill(wire: Wire, worker: &WorkerStatus) -> Option<&'static str> {
    let why = worker.worker_state.as_ref()?.standstill.as_deref()?;
    let is_there = wire == Wire::Online && worker.state != Presence::Offline;
    (is_there && why == STANDSTILL_DISK_FULL).then(said::disk_full)
}

/// The agent, behind its bridge; `asks` says whether a request waits for a person here.
#[must_use]
pub fn agent(wire: Wire, presence: Presence, status: WorkStatus, asks: bool) -> &'static str {
    match (wire, presence, status) {
        (Wire::Connecting | Wire::Waiting | Wire::Offline | Wire::Stopped, _, _) => "",
        (Wire::Online, Presence::Offline, _) => said::agent_away(),
        (Wire::Online, Presence::Online | Presence::Draining, WorkStatus::Idle) => said::agent_idle(),
        (Wire::Online, Presence::Online | Presence::Draining, WorkStatus::Running) => said::agent_works(),
        (Wire::Online, Presence::Online | Presence::Draining, WorkStatus::RequiresAction) => match asks {
            true => said::agent_asks(),
            false => said::agent_waits(),
        },
    }
}

/// Whole seconds until the next try, never less than one: at zero it is being made.
#[must_use]
pub fn countdown(until_ms: u64, now_ms: u64) -> String {
    let seconds = until_ms.saturating_sub(now_ms).div_ceil(1_000);
    match seconds {
        0 => said::trying_now().to_owned(),
        1..120 => said::next_try_s(seconds),
        _ => said::next_try_min(seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::Tick;

    #[test]
    fn no_network_is_said_as_such_and_only_while_it_matters() {
        let waiting = LinkView::Waiting { until: Tick(1), tries: 1 };
        assert_eq!((Wire::of(waiting, true), Wire::of(waiting, false)), (Wire::Waiting, Wire::Offline));
        // A server on this very computer needs no network.
        assert_eq!(Wire::of(LinkView::Online, false), Wire::Online);
    }

    #[test]
    fn what_this_page_cannot_know_it_does_not_say() {
        assert_eq!(bridge(Wire::Waiting, Presence::Online, Some("atlas")), "");
        assert_eq!(agent(Wire::Waiting, Presence::Online, WorkStatus::Running, false), "");
        assert_eq!(bridge(Wire::Online, Presence::Offline, Some("atlas")), "bridge on atlas offline");
        assert_eq!(agent(Wire::Online, Presence::Offline, WorkStatus::Running, false), "agent out of reach");
        assert_eq!(bridge(Wire::Online, Presence::Online, None), "bridge online");
    }

    #[test]
    fn a_full_disk_is_said_while_its_bridge_is_there() {
        let worker = |state, why: &str| WorkerStatus {
            state,
            worker_state: serde_json::from_value(serde_json::json!({"standstill": why})).ok(),
            delivered_seq: None,
        };
        let full = worker(Presence::Online, STANDSTILL_DISK_FULL);
        assert!(standstill(Wire::Online, &full).is_some_and(|said| said.contains("is full")));
        assert_eq!(standstill(Wire::Waiting, &full), None);
        assert_eq!(standstill(Wire::Online, &worker(Presence::Offline, STANDSTILL_DISK_FULL)), None);
        assert_eq!(standstill(Wire::Online, &worker(Presence::Online, "of a later version")), None);
        assert_eq!(standstill(Wire::Online, &WorkerStatus::default()), None);
    }

    #[test]
    fn an_agent_waits_for_a_person_only_while_one_is_asked() {
        let said = |asks| agent(Wire::Online, Presence::Online, WorkStatus::RequiresAction, asks);
        assert_eq!((said(true), said(false)), ("agent waits for you", "agent waits for the decision"));
    }

    #[test]
    fn the_countdown_never_stands_at_nothing_while_it_waits() {
        assert_eq!(countdown(5_000, 4_999), "Next try in 1 s.");
        assert_eq!(countdown(5_000, 1), "Next try in 5 s.");
        assert_eq!(countdown(5_000, 5_000), "Trying now.");
        assert_eq!(countdown(600_000, 1), "Next try in 10 min.");
    }
}
