//! The socket's life: opening, authenticating, online, waiting for the next try, or stopped for good.

use super::backoff::{Backoff, CALM_MS};
use crate::limits::{
    AUTH_TIMEOUT_MS, FETCH_LOST_MS, SILENCE_MS, TOO_MANY_PAUSE_MS, WAKE_PAUSE_MS, WAKE_SILENCE_MS,
};
use crate::tick::Tick;
use crate::wire::close::CloseCode;

/// A socket that does not open within this is given up, in ms.
const OPEN_TIMEOUT_MS: u64 = 15_000;
/// Tries for a session that is temporarily not there.
const MISSING_TRIES: u32 = 3;
/// Delay between those, times the number of the try, in ms.
const MISSING_DELAY_MS: u64 = 2_000;
/// Sockets that end without a word before `welcome`, after which the server is asked whether it knows this device.
const SILENT_FAILURES: u32 = 2;

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
    /// The next try comes at this time, after so many that failed since the last calm.
    Waiting { until: Tick, tries: u32 },
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
    /// Close the socket that is open; the next try comes in its time.
    Close,
    /// Ask the server whether it knows this device.
    AskWhoami,
    /// Load the page anew.
    Reload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The page the session begins with is being fetched.
    Preparing {
        since: Tick,
    },
    Opening {
        since: Tick,
    },
    Authenticating {
        since: Tick,
    },
    /// The socket counts as dead at `dead_at` unless something is heard.
    Online {
        heard: Tick,
        dead_at: Tick,
    },
    /// No wish makes the next try come before `not_before`: the server named it.
    Waiting {
        until: Tick,
        not_before: Tick,
    },
    Stopped(StopReason),
}

/// The state machine of one socket after another.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    backoff: Backoff,
    missing_tries: u32,
    /// Tries that ended without a word before `welcome`, in a row.
    silent_failures: u32,
    token_refreshed_at: Option<Tick>,
    reopened_at: Option<Tick>,
    woken_at: Option<Tick>,
    hidden: bool,
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: State::Stopped(StopReason::NotStarted),
            backoff: Backoff::new(seed),
            missing_tries: 0,
            silent_failures: 0,
            token_refreshed_at: None,
            reopened_at: None,
            woken_at: None,
            hidden: false,
        }
    }

    pub(super) fn view(&self) -> LinkView {
        match self.state {
            State::Preparing { .. } | State::Opening { .. } | State::Authenticating { .. } => {
                LinkView::Connecting
            }
            State::Online { .. } => LinkView::Online,
            State::Waiting { until, .. } => LinkView::Waiting { until, tries: self.backoff.failures() },
            State::Stopped(reason) => LinkView::Stopped(reason),
        }
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self.state, State::Stopped(StopReason::NotStarted))
    }

    /// Whether the driver has a socket, or is about to have one.
    pub(super) fn has_socket(&self) -> bool {
        matches!(
            self.state,
            State::Preparing { .. }
                | State::Opening { .. }
                | State::Authenticating { .. }
                | State::Online { .. }
        )
    }

    pub(super) fn start(&mut self, now: Tick) -> Step {
        if self.has_socket() {
            return Step::None;
        }
        self.state = State::Opening { since: now };
        Step::Open
    }

    /// The page the session begins with comes first.
    pub(super) fn prepare(&mut self, now: Tick) {
        self.state = State::Preparing { since: now };
    }

    pub(super) fn is_preparing(&self) -> bool {
        matches!(self.state, State::Preparing { .. })
    }

    /// It came. Returns whether a socket is wanted now.
    pub(super) fn prepared(&mut self, now: Tick) -> bool {
        let waited = matches!(self.state, State::Preparing { .. });
        if waited {
            self.state = State::Opening { since: now };
        }
        waited
    }

    pub(super) fn stop(&mut self, reason: StopReason) {
        self.state = State::Stopped(reason);
    }

    /// Returns whether this socket is the one that is waited for.
    pub(super) fn opened(&mut self, now: Tick) -> bool {
        let waited = matches!(self.state, State::Opening { .. });
        if waited {
            self.state = State::Authenticating { since: now };
        }
        waited
    }

    /// Whether a frame means anything now.
    pub(super) fn listens(&self) -> bool {
        matches!(self.state, State::Authenticating { .. } | State::Online { .. })
    }

    pub(super) fn welcomed(&mut self, now: Tick) {
        self.state = State::Online { heard: now, dead_at: now.after(SILENCE_MS) };
        self.backoff.succeeded(now);
        self.missing_tries = 0;
        self.silent_failures = 0;
    }

    /// Any frame is a sign of life.
    pub(super) fn heard(&mut self, now: Tick) {
        if self.is_online() {
            self.state = State::Online { heard: now, dead_at: now.after(SILENCE_MS) };
        }
    }

    /// Closed by the peer, or by nobody.
    pub(super) fn closed(&mut self, now: Tick, code: u16) -> Step {
        if !self.has_socket() {
            return Step::None;
        }
        let welcomed = self.is_online();
        match CloseCode::from_u16(code) {
            CloseCode::Abnormal => {
                self.wait(now, 0);
                if !welcomed {
                    self.silent_failures += 1;
                    if self.silent_failures.is_multiple_of(SILENT_FAILURES) {
                        return Step::AskWhoami;
                    }
                }
            }
            CloseCode::Normal | CloseCode::Transient => self.wait(now, 0),
            CloseCode::TooMany => self.wait(now, TOO_MANY_PAUSE_MS),
            CloseCode::SessionMissing if self.missing_tries < MISSING_TRIES => {
                self.missing_tries += 1;
                self.wait_for(now, MISSING_DELAY_MS * u64::from(self.missing_tries));
            }
            CloseCode::SessionMissing => self.stop(StopReason::SessionMissing),
            CloseCode::TokenExpired if self.token_refreshed_at.is_none_or(|at| now.since(at) >= CALM_MS) => {
                self.token_refreshed_at = Some(now);
                self.state = State::Waiting { until: now, not_before: now };
            }
            CloseCode::TokenExpired | CloseCode::Refused => self.stop(StopReason::Refused),
            CloseCode::DialectUnsupported => {
                self.stop(StopReason::Outdated);
                return Step::Reload;
            }
            CloseCode::Archived => self.stop(StopReason::Archived),
        }
        Step::None
    }

    /// The server said when to come back.
    pub(super) fn wait_for(&mut self, now: Tick, delay_ms: u64) {
        let until = now.after(delay_ms);
        self.state = State::Waiting { until, not_before: until };
    }

    fn wait(&mut self, now: Tick, at_least_ms: u64) {
        let not_before = now.after(at_least_ms);
        self.state = State::Waiting { until: not_before.after(self.backoff.next_delay_ms(now)), not_before };
    }

    /// The server does not know this device. Returns whether a socket has to be closed.
    pub(super) fn disown(&mut self) -> bool {
        let trying = self.has_socket() && !self.is_online();
        if trying || matches!(self.state, State::Waiting { .. }) {
            self.stop(StopReason::Refused);
        }
        trying
    }

    /// Whether a wish to go on at once is heard: not more often than every [`WAKE_PAUSE_MS`].
    pub(super) fn hears_wake(&self, now: Tick) -> bool {
        self.woken_at.is_none_or(|at| now.since(at) >= WAKE_PAUSE_MS)
    }

    /// The tab was shown, the network came back, or a person said "now".
    pub(super) fn wake(&mut self, now: Tick) -> Step {
        self.hidden = false;
        let heard_at = match self.woken_at {
            Some(at) if !self.hears_wake(now) => at.after(WAKE_PAUSE_MS),
            _ => {
                self.woken_at = Some(now);
                now
            }
        };
        match self.state {
            State::Waiting { until, not_before } => {
                let until = until.min(heard_at.max(not_before));
                if until <= now {
                    return self.start(now);
                }
                self.state = State::Waiting { until, not_before };
                Step::None
            }
            State::Online { heard, .. } if now.since(heard) >= SILENCE_MS => self.reopen(now),
            State::Online { heard, dead_at } => {
                self.state = State::Online { heard, dead_at: dead_at.min(now.after(WAKE_SILENCE_MS)) };
                Step::None
            }
            State::Preparing { .. }
            | State::Opening { .. }
            | State::Authenticating { .. }
            | State::Stopped(_) => Step::None,
        }
    }

    /// The tab was hidden: browsers slow its timers down, so silence is judged only when it wakes.
    pub(super) fn hide(&mut self) {
        self.hidden = true;
    }

    pub(super) fn timeout(&mut self, now: Tick) -> Step {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Step::None;
        }
        match self.state {
            State::Waiting { .. } => self.start(now),
            State::Online { .. } => self.reopen(now),
            State::Preparing { .. } | State::Opening { .. } | State::Authenticating { .. } => {
                self.wait(now, 0);
                Step::Close
            }
            State::Stopped(_) => Step::None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        match self.state {
            State::Preparing { since } => Some(since.after(FETCH_LOST_MS)),
            State::Opening { since } => Some(since.after(OPEN_TIMEOUT_MS)),
            State::Authenticating { since } => Some(since.after(AUTH_TIMEOUT_MS)),
            State::Online { dead_at, .. } if !self.hidden => Some(dead_at),
            State::Waiting { until, .. } => Some(until),
            State::Online { .. } | State::Stopped(_) => None,
        }
    }

    /// Gives the socket up and opens the next: at once, unless that was done a moment ago.
    pub(super) fn reopen(&mut self, now: Tick) -> Step {
        if self.is_online() && self.reopened_at.is_none_or(|at| now.since(at) >= CALM_MS) {
            self.reopened_at = Some(now);
            self.state = State::Opening { since: now };
            return Step::Reopen;
        }
        self.wait(now, 0);
        Step::Close
    }
}
