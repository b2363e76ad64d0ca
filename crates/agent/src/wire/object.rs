//! A JSON object under construction whose values are already text. A tool's `input` must leave the agent with
//! the very numbers and key order it came in with, which a `serde_json::Value` does not promise.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

/// Fields in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object {
    fields: Vec<(&'static str, Box<RawValue>)>,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An object that starts with `"type": kind`.
    pub(crate) fn of_type(kind: &str) -> Self {
        Self::new().with("type", kind)
    }

    pub(crate) fn with<T: Serialize + ?Sized>(mut self, key: &'static str, value: &T) -> Self {
        self.fields.push((key, raw(value)));
        self
    }

    /// Adds the field only if there is a value.
    pub(crate) fn with_some<T: Serialize>(self, key: &'static str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(key, &value),
            None => self,
        }
    }

    /// The fields of both, in order.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.fields.extend(other.fields);
        self
    }

    /// The object as one line, without the line's end.
    pub(crate) fn to_line(&self) -> String {
        raw(self).get().to_owned()
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Any value of this crate as JSON text.
pub(crate) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("messages have string keys and finite numbers only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_the_exact_text_of_raw_values() {
        let input = RawValue::from_string(r#"{"z":1e400,"a":12345678901234567890.0}"#.to_owned()).unwrap();
        let object =
            Object::of_type("x").with("input", &input).with_some("none", None::<u8>).with("last", &1);
        assert_eq!(
            object.to_line(),
            r#"{"type":"x","input":{"z":1e400,"a":12345678901234567890.0},"last":1}"#
        );
    }
}
