//! Who makes room when one more session comes than this machine may serve: first a session without an agent, which
//! loses nothing, then the agent that has been idle longest, which is told to the person. Nobody who works or waits
//! for a person is ended: then the new session waits in the queue.

use tokio::time::Instant;

/// What a worker does, as far as making room goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// No process runs: the session can move away and back at no cost.
    NoAgent,
    /// The agent did all it was told, and nothing waits for it or for a person.
    Idle,
    /// Something is going on.
    Busy,
    /// It is giving its work back.
    Leaving,
}

/// An [`Activity`] and when it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) activity: Activity,
    /// Requests that wait for a person.
    pub(crate) waiting: usize,
    pub(crate) since: Instant,
}

/// How room is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room<T> {
    /// Somebody is leaving already.
    Soon,
    /// This one should leave.
    Ask(T),
    /// Everybody is busy.
    None,
}

/// Chooses among the workers of a full machine.
pub(crate) fn choose<T>(workers: impl Iterator<Item = (T, Standing)>) -> Room<T> {
    let mut best: Option<(T, Standing)> = None;
    for (worker, standing) in workers {
        match standing.activity {
            Activity::Leaving => return Room::Soon,
            Activity::Busy => {}
            Activity::NoAgent | Activity::Idle => {
                if best.as_ref().is_none_or(|(_, other)| rank(&standing) < rank(other)) {
                    best = Some((worker, standing));
                }
            }
        }
    }
    best.map_or(Room::None, |(worker, _)| Room::Ask(worker))
}

fn rank(standing: &Standing) -> (bool, Instant) {
    (standing.activity == Activity::Idle, standing.since)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn chosen(workers: &[(Activity, u64)]) -> Room<usize> {
        let start = Instant::now();
        choose(workers.iter().enumerate().map(|(at, (activity, since))| {
            (at, Standing { activity: *activity, waiting: 0, since: start + Duration::from_secs(*since) })
        }))
    }

    #[test]
    fn the_longest_idle_agent_makes_room_and_one_that_works_never() {
        use Activity::{Busy, Idle, Leaving, NoAgent};
        assert_eq!(chosen(&[(Busy, 0), (Idle, 3), (Idle, 1), (Idle, 2)]), Room::Ask(2));
        assert_eq!(chosen(&[(Idle, 0), (NoAgent, 9), (Busy, 1)]), Room::Ask(1), "costs nothing");
        assert_eq!(chosen(&[(Busy, 0), (Busy, 1)]), Room::None);
        assert_eq!(chosen(&[(Idle, 0), (Leaving, 1)]), Room::Soon, "one at a time");
    }
}
