//! How a frame of either socket is read and written: an object whose `type` comes first, with raw text inside left as
//! it is. Internally tagged enums cannot do that, because they buffer what they read.

use serde::{Deserialize, Serialize};

use crate::json::{JsonError, RawJson};

/// The `type` of one frame.
pub(crate) fn kind_of(text: &str) -> Result<String, JsonError> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_str::<Kind>(text).map(|kind| kind.kind).map_err(|error| {
        if error.is_data() { JsonError::NoType } else { JsonError::Syntax(error.to_string()) }
    })
}

pub(crate) fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::Syntax(error.to_string()))
}

/// `body` as an object that starts with its `type`. Raw text inside stays as it is.
pub(crate) fn tagged<T: Serialize + ?Sized>(kind: &str, body: &T) -> String {
    let body = RawJson::from_value(body);
    let kind = RawJson::from_value(kind);
    let rest = body.as_str().strip_prefix('{').unwrap_or("}");
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!("{{\"type\":{}{comma}{rest}", kind.as_str())
}
