//! What a person should know about the browser's storage. Whatever it says, nothing that was typed is thrown away: it
//! stays in the page, and the words say for how long.

/// Something about the storage that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageTrouble {
    /// None at all: private mode, or switched off.
    #[error(
        "This browser keeps nothing for this page: after a reload it has to be paired again, and what waits to be sent is gone."
    )]
    Denied,
    /// No room for more.
    #[error(
        "This browser's storage is full: what is not sent yet is kept only as long as this tab is open. Free some space, then send it again."
    )]
    Full,
    /// Another tab holds an older form of it open.
    #[error(
        "Another tab of this page runs an older version. Close or reload that tab; this one goes on by itself."
    )]
    Blocked,
    /// Another tab brought a newer form of it.
    #[error("Another tab runs a newer version of this page. Reload this one: until then it keeps nothing.")]
    Outdated,
    /// Another tab froze while it read or wrote, and holds up all others.
    #[error("Another tab of this page holds up this browser's storage. Close that tab.")]
    HeldUp,
    /// It was closed or deleted under us.
    #[error(
        "This browser's storage was cleared while the page was open. What this tab still knew was written again."
    )]
    Lost,
}

impl StorageTrouble {
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
