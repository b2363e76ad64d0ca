//! The file an edit was asked on. The bridge looks at it when it passes the request on and says what it found beside the
//! `request` of the `control_request`, never inside, so that the digest of what is shown stays the agent's own bytes. A
//! decision names it as it names the digest, and the bridge looks again before the answer reaches the agent.

use serde::{Deserialize, Serialize};

use crate::json::RawJson;

/// How the reason begins for which the bridge refuses an approval whose file is another one by now: what was shown is
/// not what would be written.
pub const MOVED_ON: &str = "the file changed meanwhile";

/// What stood in the place of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum BaseFile {
    /// Nothing.
    New,
    /// A file.
    Known {
        /// SHA-256 over all of it, as 64 lower-case hex digits.
        sha256: String,
        /// Its size.
        bytes: u64,
    },
}

/// Why a base file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a base file is new, or has a SHA-256 and a size")]
pub struct BaseFileError;

#[derive(Default, Serialize, Deserialize)]
struct Wire {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_new: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl TryFrom<Wire> for BaseFile {
    type Error = BaseFileError;

    fn try_from(wire: Wire) -> Result<Self, BaseFileError> {
        let is_hash = |text: &String| {
            text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        match wire {
            Wire { is_new: true, sha256: None, bytes: None } => Ok(Self::New),
            Wire { is_new: false, sha256: Some(sha256), bytes: Some(bytes) } if is_hash(&sha256) => {
                Ok(Self::Known { sha256, bytes })
            }
            Wire { .. } => Err(BaseFileError),
        }
    }
}

impl From<BaseFile> for Wire {
    fn from(base: BaseFile) -> Self {
        match base {
            BaseFile::New => Self { is_new: true, ..Self::default() },
            BaseFile::Known { sha256, bytes } => {
                Self { is_new: false, sha256: Some(sha256), bytes: Some(bytes) }
            }
        }
    }
}

impl BaseFile {
    /// The one that stands in a whole `control_request`, if the bridge knew one.
    ///
    /// ```
    /// use portcullis_protocol::{RawJson, approval::BaseFile};
    /// let event = r#"{"type":"control_request","request_id":"R","request":{},"base_file":{"is_new":true}}"#;
    /// assert_eq!(BaseFile::of_event(&RawJson::parse(event).unwrap()), Some(BaseFile::New));
    /// ```
    #[must_use]
    pub fn of_event(event: &RawJson) -> Option<Self> {
        #[derive(Deserialize)]
        struct Event {
            base_file: BaseFile,
        }
        event.read::<Event>().ok().map(|event| event.base_file)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn read(base: &str) -> Option<BaseFile> {
        let event = format!(r#"{{"type":"control_request","request":{{"base_file":1}},"base_file":{base}}}"#);
        BaseFile::of_event(&RawJson::parse(&event).unwrap())
    }

    #[test]
    fn says_the_same_after_a_journey() {
        let hash = "0a".repeat(32);
        for text in [r#"{"is_new":true}"#.to_owned(), format!(r#"{{"sha256":"{hash}","bytes":0}}"#)] {
            let base = read(&text).unwrap();
            assert_eq!(RawJson::from_value(&base).as_str(), text);
        }
    }

    #[test]
    fn half_a_word_about_a_file_is_none() {
        let hash = "0a".repeat(32);
        for text in [
            "null".to_owned(),
            "{}".to_owned(),
            r#"{"is_new":false}"#.to_owned(),
            r#"{"is_new":1}"#.to_owned(),
            format!(r#"{{"sha256":"{hash}"}}"#),
            format!(r#"{{"sha256":"{hash}","bytes":-1}}"#),
            format!(r#"{{"sha256":"{}","bytes":1}}"#, hash.to_uppercase()),
            format!(r#"{{"is_new":true,"sha256":"{hash}","bytes":1}}"#),
            r#"{"sha256":"é","bytes":1}"#.to_owned(),
        ] {
            assert_eq!(read(&text), None, "{text}");
        }
    }
}
