//! Ids that may reach a path, a query, an argument or a log line: `[A-Za-z0-9_-]{1,64}` and nothing else, checked
//! once, at the edge. An id never starts with `-`, so it cannot become a flag.

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::ID_BYTES_MAX;

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and does not start with -")]
pub struct InvalidId;

/// Whether `text` may stand where an id stands.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks `text`.
            ///
            /// # Errors
            /// [`InvalidId`] when it holds anything but id characters.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                if is_valid(&text) { Ok(Self(text)) } else { Err(InvalidId) }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// One conversation with one agent.
    SessionId;
    /// One bridge in one directory.
    EnvironmentId;
    /// One paired browser or machine.
    DeviceId;
    /// One entry of an environment's work queue.
    WorkId;
    /// One agent process. A new process is a new incarnation; requests never outlive theirs.
    Incarnation;
    /// One unbroken life of the store. Changes whenever acknowledged rows may have been lost.
    Epoch;
    /// The right to speak for a session, held by one bridge at a time.
    LeaseId;
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn refuses_what_could_become_a_flag_a_path_or_a_shell_word() {
        for bad in
            ["", "-p", "--dangerously-skip-permissions", "a/b", "..", "a b", "a;rm", "é", &"x".repeat(65)]
        {
            assert_eq!(SessionId::parse(bad), Err(InvalidId), "{bad}");
        }
        for good in ["a", "session_01AB-z", &"x".repeat(64)] {
            assert!(SessionId::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn refuses_a_bad_id_inside_json() {
        assert!(serde_json::from_str::<SessionId>("\"../x\"").is_err());
        assert_eq!(serde_json::from_str::<SessionId>("\"s_1\"").unwrap().as_str(), "s_1");
    }
}
