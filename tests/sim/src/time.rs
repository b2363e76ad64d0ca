//! One virtual clock for all parts: what tokio's paused time says, as a machine's tick and as a wall clock.

use portcullis_ingress::Clock;
use portcullis_protocol::Tick;
use tokio::time::Instant;

/// When every simulation begins, in ms since the Unix epoch.
const BEGINNING_MS: u64 = 1_800_000_000_000;

/// The clock of one world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VirtualClock {
    start: Instant,
}

impl VirtualClock {
    /// A clock that begins now. Call inside a runtime whose time is paused.
    #[must_use]
    pub(crate) fn begin() -> Self {
        Self { start: Instant::now() }
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub(crate) fn ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The same, as machines count.
    #[must_use]
    pub(crate) fn tick(&self) -> Tick {
        Tick(self.ms())
    }

    /// When `tick` comes.
    #[must_use]
    pub(crate) fn at(&self, tick: Tick) -> Instant {
        self.start + std::time::Duration::from_millis(tick.0)
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> u64 {
        BEGINNING_MS + self.ms()
    }
}
