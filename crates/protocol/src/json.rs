//! JSON kept as the text it came as. An approval binds bytes, and a number or a key order that passed through a
//! parsed value is no longer what the agent said: so events travel as raw text, and are parsed only to be looked at.

use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::limits::{EVENT_BYTES_MAX, JSON_DEPTH_MAX};

mod borrowed;

pub use crate::salvage::{Salvaged, salvage};
use borrowed::is_too_deep;
pub use borrowed::{JsonRef, Twice};

/// Why a text was not taken as one event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Above [`EVENT_BYTES_MAX`].
    #[error("{bytes} bytes are above the limit of {EVENT_BYTES_MAX} bytes for one event")]
    TooLarge { bytes: usize },
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    #[error("nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// Not JSON.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// JSON, but not an object with a `type`.
    #[error("not an object with a string `type`")]
    NoType,
}

/// One JSON value as raw text. Clones share the text; equality is equality of the text.
#[derive(Clone, Debug)]
pub struct RawJson(Arc<Box<RawValue>>);

impl RawJson {
    fn new(raw: Box<RawValue>) -> Self {
        Self(Arc::new(raw))
    }

    /// Takes `text` as one JSON value after checking size, depth and syntax.
    ///
    /// # Errors
    /// [`JsonError`] naming the first rule that was broken.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        if text.len() > EVENT_BYTES_MAX {
            return Err(JsonError::TooLarge { bytes: text.len() });
        }
        if is_too_deep(text) {
            return Err(JsonError::TooDeep);
        }
        serde_json::from_str(text).map(Self::new).map_err(|error| JsonError::Syntax(error.to_string()))
    }

    /// Serialises `value`.
    ///
    /// # Panics
    /// Never for the types of this crate: their keys are strings and they hold no foreign serialisers.
    #[must_use]
    pub fn from_value<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::value::to_raw_value(value) {
            Ok(raw) => Self::new(raw),
            Err(_) => Self::null(),
        }
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::new(RawValue::NULL.to_owned())
    }

    /// The text, exactly as it came (without surrounding white space).
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Bytes of the text.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.0.get().len()
    }

    /// The value, to look into without parsing it again.
    #[must_use]
    pub fn look(&self) -> JsonRef<'_> {
        JsonRef::new(self.0.get())
    }

    /// Reads the text as a `T`.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] when it has another shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        serde_json::from_str(self.0.get()).map_err(|error| JsonError::Syntax(error.to_string()))
    }

    /// The small part of an event that routing needs.
    ///
    /// # Errors
    /// [`JsonError::NoType`] when this is no object with a string `type`.
    pub fn header(&self) -> Result<Header, JsonError> {
        serde_json::from_str(self.0.get()).map_err(|_| JsonError::NoType)
    }

    /// Whether both texts are the same JSON value: white space, key order and escapes do not count.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> bool {
        match (self.read::<serde_json::Value>(), other.read::<serde_json::Value>()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
    }

    /// Whether any object in the text names a key twice: parsers disagree about which one counts.
    #[must_use]
    pub fn has_duplicate_keys(&self) -> bool {
        serde_json::from_str::<UniqueKeys>(self.0.get()).is_err()
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RawJson {}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::new)
    }
}

/// What the ingress and the bridge read of an event; the rest is opaque to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Header {
    /// The first discriminator.
    #[serde(rename = "type")]
    pub kind: String,
    /// The second one, where it stands at the top (`system`, `result`).
    #[serde(default, deserialize_with = "lenient_string")]
    pub subtype: Option<String>,
    /// The message's own id.
    #[serde(default, deserialize_with = "lenient_string")]
    pub uuid: Option<String>,
    /// Correlation id of control requests and cancels.
    #[serde(default, deserialize_with = "lenient_string")]
    pub request_id: Option<String>,
    /// The agent's own session id.
    #[serde(default, deserialize_with = "lenient_string")]
    pub session_id: Option<String>,
    /// Set on lines of a sub-agent.
    #[serde(default, deserialize_with = "lenient_string")]
    pub parent_tool_use_id: Option<String>,
    /// The API message a `stream_event` belongs to.
    #[serde(default, deserialize_with = "lenient_string")]
    pub api_message_id: Option<String>,
    /// Whether a `user` line repeats a prompt.
    #[serde(default, rename = "isReplay", deserialize_with = "lenient_bool")]
    pub is_replay: bool,
    /// `request.subtype` of a control request.
    #[serde(default, deserialize_with = "lenient_nested")]
    pub request: Option<SubtypeOnly>,
    /// `response.subtype` and `response.request_id` of a control response.
    #[serde(default, deserialize_with = "lenient_nested")]
    pub response: Option<SubtypeOnly>,
}

impl Header {
    /// `request.subtype` of a control request.
    #[must_use]
    pub fn request_subtype(&self) -> Option<&str> {
        self.request.as_ref()?.subtype.as_deref()
    }

    /// The correlation id, wherever the kind of message keeps it.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        let nested = self.response.as_ref().and_then(|response| response.request_id.as_deref());
        if self.kind == "control_response" { nested } else { self.request_id.as_deref() }
    }

    /// Whether the event belongs in the log. Losing a volatile one leaves the same final screen.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        match self.kind.as_str() {
            "stream_event" | "keep_alive" | "tool_progress" => false,
            "system" => !matches!(self.subtype.as_deref(), Some("thinking_tokens" | "task_progress")),
            _ => true,
        }
    }
}

/// The discriminator of a nested control payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubtypeOnly {
    /// The subtype.
    pub subtype: Option<String>,
    /// Correlation id (responses only).
    pub request_id: Option<String>,
}

/// Reads a string, and anything else as "none": the world is open.
pub(crate) fn lenient_string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(Lenient(Wanted::Text)).map(|found| match found {
        Found::Text(text) => Some(text),
        Found::Flag(_) | Found::Nested(_) | Found::Other => None,
    })
}

/// Reads a nested discriminator, and anything else as "none".
fn lenient_nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SubtypeOnly>, D::Error> {
    deserializer.deserialize_any(Lenient(Wanted::Nested)).map(|found| match found {
        Found::Nested(nested) => Some(nested),
        Found::Text(_) | Found::Flag(_) | Found::Other => None,
    })
}

/// Reads a bool, and anything else as `false`.
pub(crate) fn lenient_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(Lenient(Wanted::Flag)).map(|found| matches!(found, Found::Flag(true)))
}

/// What a field is read for; everything else in its place is skipped, unkept, however large.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Text,
    Flag,
    Nested,
}

enum Found {
    Text(String),
    Flag(bool),
    Nested(SubtypeOnly),
    Other,
}

/// One visitor for all of them: each further one would be code in the browser.
struct Lenient(Wanted);

impl<'de> Visitor<'de> for Lenient {
    type Value = Found;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(if self.0 == Wanted::Text { Found::Text(text.to_owned()) } else { Found::Other })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        if self.0 == Wanted::Nested {
            return nested(map);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Found, E> {
        Ok(Found::Flag(flag))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(Found::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(Found::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(Found::Other)
    }
    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Other)
    }
}

fn nested<'de, A: MapAccess<'de>>(mut map: A) -> Result<Found, A::Error> {
    #[derive(Deserialize)]
    #[serde(field_identifier, rename_all = "snake_case")]
    enum Key {
        Subtype,
        RequestId,
        #[serde(other)]
        Other,
    }
    #[derive(Deserialize)]
    struct Text(#[serde(deserialize_with = "lenient_string")] Option<String>);

    let (mut subtype, mut request_id, mut is_twice) = (None, None, false);
    while let Some(key) = map.next_key()? {
        is_twice |= match key {
            Key::Subtype => subtype.replace(map.next_value::<Text>()?.0).is_some(),
            Key::RequestId => request_id.replace(map.next_value::<Text>()?.0).is_some(),
            Key::Other => {
                map.next_value::<IgnoredAny>()?;
                false
            }
        };
    }
    if is_twice {
        return Ok(Found::Other);
    }
    let (subtype, request_id) = (subtype.flatten(), request_id.flatten());
    Ok(Found::Nested(SubtypeOnly { subtype, request_id }))
}

/// Deserialises from any JSON whose objects name each key once.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeysVisitor)
    }
}

struct UniqueKeysVisitor;

impl<'de> Visitor<'de> for UniqueKeysVisitor {
    type Value = UniqueKeys;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueKeys, A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key) {
                return Err(A::Error::custom("a key stands twice"));
            }
            map.next_value::<UniqueKeys>()?;
        }
        Ok(UniqueKeys)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<UniqueKeys, A::Error> {
        while seq.next_element::<UniqueKeys>()?.is_some() {}
        Ok(UniqueKeys)
    }

    fn visit_bool<E>(self, _: bool) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }
    fn visit_i64<E>(self, _: i64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }
    fn visit_u64<E>(self, _: u64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }
    fn visit_f64<E>(self, _: f64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }
    fn visit_str<E>(self, _: &str) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }
    fn visit_unit<E>(self) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn keeps_numbers_key_order_and_escapes_as_they_came() {
        let text = r#"{"b":1.0,"a":123456789012345678901234567890,"c":"\u0041"}"#;
        assert_eq!(RawJson::parse(text).unwrap().as_str(), text);
    }

    #[test]
    fn takes_an_event_at_the_depth_limit_and_refuses_one_beyond() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(RawJson::parse(&nested(JSON_DEPTH_MAX)).is_ok());
        assert_eq!(RawJson::parse(&nested(JSON_DEPTH_MAX + 1)), Err(JsonError::TooDeep));
        assert_eq!(RawJson::parse(&nested(10_000)), Err(JsonError::TooDeep));
    }

    #[test]
    fn takes_an_event_at_the_size_limit_and_refuses_one_beyond() {
        let sized = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert!(RawJson::parse(&sized(EVENT_BYTES_MAX)).is_ok());
        assert!(matches!(RawJson::parse(&sized(EVENT_BYTES_MAX + 1)), Err(JsonError::TooLarge { .. })));
    }

    #[test]
    fn brackets_inside_strings_are_no_depth() {
        let text = format!("\"{}\\\"{}\"", "[".repeat(100), "{".repeat(100));
        assert!(RawJson::parse(&text).is_ok());
    }

    #[test]
    fn finds_a_key_that_stands_twice_at_any_level() {
        let duplicate = |text| RawJson::parse(text).unwrap().has_duplicate_keys();
        assert!(duplicate(r#"{"a":1,"a":2}"#));
        assert!(duplicate(r#"{"x":[{"b":{"command":1,"\u0063ommand":2}}]}"#));
        assert!(!duplicate(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#));
    }

    #[test]
    fn reads_a_header_whatever_the_rest_looks_like() {
        let header = RawJson::parse(r#"{"uuid":7,"response":{"request_id":"R","subtype":"success"},"type":"control_response","session_id":null}"#)
            .unwrap()
            .header()
            .unwrap();
        assert_eq!(
            (header.kind.as_str(), header.uuid.as_deref(), header.correlation_id()),
            ("control_response", None, Some("R"))
        );
        let odd = RawJson::parse(r#"{"type":"assistant","request":7,"response":"text"}"#)
            .unwrap()
            .header()
            .unwrap();
        assert_eq!((odd.request, odd.response), (None, None));
        assert_eq!(RawJson::parse("[1]").unwrap().header(), Err(JsonError::NoType));
        assert_eq!(RawJson::parse(r#"{"type":1}"#).unwrap().header(), Err(JsonError::NoType));
    }

    #[test]
    fn a_field_of_another_shape_is_none_whatever_it_holds() {
        for odd in [r#"{"a":[1,{"b":null}]}"#, r#"[[],{"subtype":"x"},"y"]"#, "1.5e3", "-7", "true", "null"] {
            let text = format!(
                r#"{{"type":"t","uuid":{odd},"isReplay":{odd},"response":{{"subtype":{odd},"request_id":"R"}}}}"#
            );
            let header = RawJson::parse(&text).unwrap().header().unwrap();
            let response = header.response.unwrap();
            assert_eq!(
                (header.uuid, response.subtype, response.request_id.as_deref()),
                (None, None, Some("R"))
            );
            assert_eq!(header.is_replay, odd == "true");
        }
        let twice = r#"{"type":"t","request":{"subtype":"a","subtype":"b"}}"#;
        assert_eq!(RawJson::parse(twice).unwrap().header().unwrap().request, None);
    }

    #[test]
    fn compares_values_and_not_texts() {
        let raw = |text| RawJson::parse(text).unwrap();
        assert!(raw(r#"{"a":1,"b":"A"}"#).same_value(&raw(r#"{ "b":"\u0041", "a":1 }"#)));
        assert!(!raw(r#"{"a":1}"#).same_value(&raw(r#"{"a":"1"}"#)));
    }
}
