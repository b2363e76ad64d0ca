//! What a person should know about the browser's storage. Whatever it says, nothing that was typed is thrown away: it
//! stays in the page, and the words say for how long.

use crate::words::pair as words;

/// Something about the storage that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageTrouble {
    /// None at all: private mode, or switched off.
    Denied,
    /// No room for more.
    Full,
    /// Another tab holds an older form of it open.
    Blocked,
    /// Another tab brought a newer form of it.
    Outdated,
    /// Another tab froze while it read or wrote, and holds up all others.
    HeldUp,
    /// It was closed or deleted under us.
    Lost,
}

impl StorageTrouble {
    /// For a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Denied => words::storage_denied(),
            Self::Full => words::storage_full(),
            Self::Blocked => words::storage_blocked(),
            Self::Outdated => words::storage_outdated(),
            Self::HeldUp => words::storage_held_up(),
            Self::Lost => words::storage_lost(),
        }
    }

    /// What the name of a browser's exception means for a write.
    #[must_use]
    pub fn of(exception: &str) -> Self {
        match exception {
            "QuotaExceededError" => Self::Full,
            "VersionError" => Self::Outdated,
            "TimeoutError" => Self::HeldUp,
            "InvalidStateError" | "AbortError" | "UnknownError" | "NotFoundError" => Self::Lost,
            _ => Self::Denied,
        }
    }

    /// Whether opening the storage again may help.
    #[must_use]
    pub fn is_passing(self) -> bool {
        self == Self::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lost_connection_is_worth_another_try() {
        let passing = ["QuotaExceededError", "VersionError", "InvalidStateError", "SecurityError", ""]
            .map(|name| StorageTrouble::of(name).is_passing());
        assert_eq!(passing, [false, false, true, false, false]);
    }
}
