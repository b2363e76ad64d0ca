//! The socket's life: opening, authenticating, online, waiting for the next try, or stopped for good.

use super::backoff::Backoff;
use crate::limits::{AUTH_TIMEOUT_MS, SILENCE_MS};
use crate::tick::Tick;
use crate::wire::close::CloseCode;

/// A socket that does not open within this is given up, in ms.
const OPEN_TIMEOUT_MS: u64 = 15_000;
/// Tries for a session that is temporarily not there.
const MISSING_TRIES: u32 = 3;
/// Delay between those, times the number of the try, in ms.
const MISSING_DELAY_MS: u64 = 2_000;

/// Why a link stopped for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Nobody asked for it to run.
    NotStarted,
    /// The session is not there.
    SessionMissing,
    /// The server refused this device.
    Refused,
    /// The server does not know the dialect: the page is older than the server.
    Outdated,
    /// The session is archived.
    Archived,
}

/// The link as a page shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkView {
    /// A try runs.
    Connecting,
    /// Connected.
    Online,
    /// The next try comes at this time.
    Waiting { until: Tick },
    /// No further try without a person.
    Stopped(StopReason),
}

/// What the link asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    None,
    /// Open a socket.
    Open,
    /// Close the socket that is open, then open another.
    Reopen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening { since: Tick },
    Authenticating { since: Tick },
    Online { heard: Tick },
    Waiting { until: Tick },
    Stopped(StopReason),
}

/// The state machine of one socket after another.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    backoff: Backoff,
    missing_tries: u32,
    token_refreshed: bool,
    hidden: bool,
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: State::Stopped(StopReason::NotStarted),
            backoff: Backoff::new(seed),
            missing_tries: 0,
            token_refreshed: false,
            hidden: false,
        }
    }

    pub(super) fn view(&self) -> LinkView {
        match self.state {
            State::Opening { .. } | State::Authenticating { .. } => LinkView::Connecting,
            State::Online { .. } => LinkView::Online,
            State::Waiting { until } => LinkView::Waiting { until },
            State::Stopped(reason) => LinkView::Stopped(reason),
        }
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    /// Whether the driver has a socket, or is about to have one.
    pub(super) fn has_socket(&self) -> bool {
        matches!(self.state, State::Opening { .. } | State::Authenticating { .. } | State::Online { .. })
    }

    pub(super) fn start(&mut self, now: Tick) -> Step {
        if self.has_socket() {
            return Step::None;
        }
        self.state = State::Opening { since: now };
        Step::Open
    }

    pub(super) fn stop(&mut self, reason: StopReason) {
        self.state = State::Stopped(reason);
    }

    pub(super) fn opened(&mut self, now: Tick) {
        if matches!(self.state, State::Opening { .. }) {
            self.state = State::Authenticating { since: now };
        }
    }

    pub(super) fn welcomed(&mut self, now: Tick) {
        self.state = State::Online { heard: now };
        self.backoff.succeeded(now);
        self.missing_tries = 0;
        self.token_refreshed = false;
    }

    /// Any frame is a sign of life.
    pub(super) fn heard(&mut self, now: Tick) {
        if let State::Online { heard } = &mut self.state {
            *heard = now;
        }
    }

    /// Closed by the peer, or by nobody.
    pub(super) fn closed(&mut self, now: Tick, code: u16) {
        if !self.has_socket() {
            return;
        }
        match CloseCode::from_u16(code) {
            CloseCode::Normal | CloseCode::Abnormal | CloseCode::Transient | CloseCode::TooMany => {
                self.wait(now)
            }
            CloseCode::SessionMissing if self.missing_tries < MISSING_TRIES => {
                self.missing_tries += 1;
                let delay = MISSING_DELAY_MS * u64::from(self.missing_tries);
                self.state = State::Waiting { until: now.after(delay) };
            }
            CloseCode::SessionMissing => self.stop(StopReason::SessionMissing),
            CloseCode::TokenExpired if !self.token_refreshed => {
                self.token_refreshed = true;
                self.state = State::Waiting { until: now };
            }
            CloseCode::TokenExpired | CloseCode::Refused => self.stop(StopReason::Refused),
            CloseCode::DialectUnsupported => self.stop(StopReason::Outdated),
            CloseCode::Archived => self.stop(StopReason::Archived),
        }
    }

    /// The server said when to come back.
    pub(super) fn wait_for(&mut self, now: Tick, delay_ms: u64) {
        self.state = State::Waiting { until: now.after(delay_ms) };
    }

    fn wait(&mut self, now: Tick) {
        let delay = self.backoff.next_delay_ms(now);
        self.state = State::Waiting { until: now.after(delay) };
    }

    /// The tab was shown, the network came back, or a person said "now".
    pub(super) fn wake(&mut self, now: Tick) -> Step {
        self.hidden = false;
        match self.state {
            State::Waiting { .. } => self.start(now),
            State::Online { heard } if now.since(heard) >= SILENCE_MS => self.reopen(now),
            State::Opening { .. }
            | State::Authenticating { .. }
            | State::Online { .. }
            | State::Stopped(_) => Step::None,
        }
    }

    /// The tab was hidden: browsers slow its timers down, so silence is judged only when it wakes.
    pub(super) fn hide(&mut self) {
        self.hidden = true;
    }

    pub(super) fn timeout(&mut self, now: Tick) -> Step {
        match self.deadline() {
            Some(deadline) if now >= deadline => match self.state {
                State::Waiting { .. } => self.start(now),
                State::Opening { .. } | State::Authenticating { .. } | State::Online { .. } => {
                    self.reopen(now)
                }
                State::Stopped(_) => Step::None,
            },
            _ => Step::None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        match self.state {
            State::Opening { since } => Some(since.after(OPEN_TIMEOUT_MS)),
            State::Authenticating { since } => Some(since.after(AUTH_TIMEOUT_MS)),
            State::Online { heard } if !self.hidden => Some(heard.after(SILENCE_MS)),
            State::Waiting { until } => Some(until),
            State::Online { .. } | State::Stopped(_) => None,
        }
    }

    /// Gives the socket up and opens the next at once; after that the backoff counts.
    pub(super) fn reopen(&mut self, now: Tick) -> Step {
        let was_online = self.is_online();
        if was_online {
            self.state = State::Opening { since: now };
            return Step::Reopen;
        }
        self.wait(now);
        Step::Reopen
    }
}
