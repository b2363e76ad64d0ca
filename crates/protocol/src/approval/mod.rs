//! What binds a decision to the bytes that were shown.
//!
//! A client computes [`digest`] over the request it rendered and sends it inside a [`Decision`]; the ingress compares
//! it before anything is recorded, and the bridge calls [`bind`] before anything reaches the agent. A [`BaseFile`] says
//! beside the request which file an edit was asked on.
//!
//! The rest is how the bytes are shown, without the painting: [`reveal`] names what hides, [`look_alike`] marks what
//! poses as something else, [`exact`] lays every field of an input out and folds what is long, [`edit`] and [`diff`]
//! say what a person changed, and [`arming`] says when a click counts.

mod answer;
pub mod arming;
pub mod base;
mod binding;
mod decision;
pub mod diff;
pub mod edit;
pub mod exact;
pub mod form;
pub mod look_alike;
mod option;
pub mod reveal;
pub mod told;

pub use answer::{Answer, Kind};
pub use base::BaseFile;
pub use binding::{BindingError, bind, denial_line, refusal_line};
pub use decision::{Decision, DecisionError, Verdict};
pub use option::{OptionError, OptionKind, PermissionOption, pick};

use sha2::{Digest as _, Sha256};

use crate::json::RawJson;

/// SHA-256 over the raw text of `json`, as 64 lower-case hex digits.
///
/// ```
/// use portcullis_protocol::{RawJson, approval::digest};
/// let shown = RawJson::parse(r#"{"subtype":"can_use_tool"}"#).unwrap();
/// let other = RawJson::parse(r#"{ "subtype":"can_use_tool"}"#).unwrap();
/// assert_eq!(digest(&shown).len(), 64);
/// assert_ne!(digest(&shown), digest(&other), "the bytes count, not the value");
/// ```
#[must_use]
pub fn digest(json: &RawJson) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(json.as_str().as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
