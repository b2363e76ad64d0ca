//! The kinds of misfortune, and how likely each is in one run.

use crate::dice::Dice;

/// One kind of misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A connection with a long way.
    Delay,
    /// A message that a later one, on another connection, overtakes.
    Reorder,
    /// A connection that is never made.
    Drop,
    /// A POST that arrives twice.
    DuplicatePost,
    /// A request that is carried out and whose answer is lost.
    LostAnswer,
    /// A connection that ends in the middle of a frame.
    Cut,
    /// A connection on which nothing arrives any more, and nobody is told.
    HalfOpen,
    /// A reader that takes a few bytes at a time.
    SlowReader,
    /// A tab that is closed and opened again.
    Reload,
    /// A tab that stands still for a while.
    Freeze,
    /// Access tokens that end before their time.
    TokenExpiry,
    /// The server is killed.
    IngressCrash,
    /// The server is restarted as planned.
    IngressRestart,
    /// The bridge is killed with its agents.
    BridgeCrash,
    /// The server is killed and comes back with an earlier state of its data.
    Restore,
}

impl Fault {
    /// All kinds, in the order of the table.
    pub const ALL: [Self; 15] = [
        Self::Delay,
        Self::Reorder,
        Self::Drop,
        Self::DuplicatePost,
        Self::LostAnswer,
        Self::Cut,
        Self::HalfOpen,
        Self::SlowReader,
        Self::Reload,
        Self::Freeze,
        Self::TokenExpiry,
        Self::IngressCrash,
        Self::IngressRestart,
        Self::BridgeCrash,
        Self::Restore,
    ];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Reorder => "reorder across connections",
            Self::Drop => "drop",
            Self::DuplicatePost => "duplicate POST",
            Self::LostAnswer => "lost answer",
            Self::Cut => "cut mid-frame",
            Self::HalfOpen => "half-open",
            Self::SlowReader => "slow reader",
            Self::Reload => "browser reload",
            Self::Freeze => "tab freeze",
            Self::TokenExpiry => "token expiry",
            Self::IngressCrash => "ingress crash",
            Self::IngressRestart => "ingress restart",
            Self::BridgeCrash => "bridge crash",
            Self::Restore => "store restored",
        }
    }
}

/// What may happen to one connection, each in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Any of the below, and how likely.
    pub delay: u64,
    /// See [`Fault::Reorder`].
    pub reorder: u64,
    /// See [`Fault::Drop`].
    pub drop: u64,
    /// See [`Fault::DuplicatePost`].
    pub duplicate: u64,
    /// See [`Fault::LostAnswer`].
    pub lost_answer: u64,
    /// See [`Fault::Cut`].
    pub cut: u64,
    /// See [`Fault::HalfOpen`].
    pub half_open: u64,
    /// See [`Fault::SlowReader`].
    pub slow: u64,
}

impl Weather {
    /// A network that only takes its time.
    #[must_use]
    pub(crate) fn calm() -> Self {
        Self::default()
    }

    /// Some of everything, more of some things in one run than in another.
    #[must_use]
    pub(crate) fn rough(dice: &mut Dice) -> Self {
        let mut up_to = |most: u64| if dice.hits(300) { 0 } else { dice.within(1..=most) };
        Self {
            delay: up_to(200),
            reorder: up_to(100),
            drop: up_to(60),
            duplicate: up_to(120),
            lost_answer: up_to(120),
            cut: up_to(400),
            half_open: up_to(150),
            slow: up_to(100),
        }
    }
}
