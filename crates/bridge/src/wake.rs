//! Notices that the machine slept: its clock went on while nothing ran. What was open then is dead without knowing it,
//! and what failed before says nothing about now.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// Between two looks at the clocks.
const LOOK: Duration = Duration::from_secs(2);
/// The wall clock ran ahead of the other by this much: the machine slept. One that was merely set is treated alike,
/// which costs a new connection.
const SLEPT_MIN: Duration = Duration::from_secs(20);

/// How often the machine woke up.
pub(crate) type Wakes = watch::Receiver<u64>;

/// Watches the clocks for as long as somebody listens.
pub(crate) fn watch_clocks() -> Wakes {
    let (woke, wakes) = watch::channel(0);
    tokio::spawn(async move {
        let mut clocks = Clocks::read();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = woke.closed() => return,
            }
            let now = Clocks::read();
            if let Some(slept) = clocks.slept_until(&now) {
                tracing::info!(?slept, "this machine slept; everything is connected anew");
                woke.send_modify(|count| *count += 1);
            }
            clocks = now;
        }
    });
    wakes
}

/// Waits until the machine woke up once more.
pub(crate) async fn woken(wakes: &mut Wakes) {
    if wakes.changed().await.is_err() {
        std::future::pending().await
    }
}

/// One stands still while the machine sleeps, the other does not.
struct Clocks {
    running: Instant,
    wall: SystemTime,
}

impl Clocks {
    fn read() -> Self {
        Self { running: Instant::now(), wall: SystemTime::now() }
    }

    fn slept_until(&self, later: &Self) -> Option<Duration> {
        let passed = later.wall.duration_since(self.wall).ok()?;
        let ran = later.running.saturating_duration_since(self.running);
        Some(passed.saturating_sub(ran)).filter(|slept| *slept > SLEPT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_slept_when_its_wall_clock_ran_ahead_and_not_when_it_was_merely_busy() {
        let early = Clocks::read();
        let after = |ran: u64, passed: u64| {
            early.slept_until(&Clocks {
                running: early.running + Duration::from_secs(ran),
                wall: early.wall + Duration::from_secs(passed),
            })
        };
        assert_eq!(after(2, 3_602), Some(Duration::from_secs(3_600)));
        assert_eq!(after(300, 301), None, "a machine under load runs late on both");
        let set_back = Clocks { running: early.running, wall: early.wall - Duration::from_secs(3_600) };
        assert_eq!(early.slept_until(&set_back), None);
    }
}
