//! The values that records are made of: numbers as they were written, fields that may be missing, words of an open
//! list, maps.

use std::fmt;

use serde_json::value::RawValue;

use super::shape::{Entries, Misfit, Piece, Shape, Shown, raw, write_list, write_str};
use crate::json::RawJson;

/// A number as it was written: `1.0`, `1e5` and thirty digits stay what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(Box<str>);

impl Number {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest float.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The number, when it is whole, not negative and below 2^64.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The number, when it is whole and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl Piece for Number {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shape for Number {
    fn read(text: &str) -> Result<Self, Misfit> {
        match text.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => Ok(Self(text.into())),
            _ => Err(Misfit::Kind("a number")),
        }
    }
}

impl Piece for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Shape for bool {
    fn read(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|_| Misfit::Kind("a bool"))
    }
}

impl Piece for String {
    fn write(&self, out: &mut String) {
        write_str(self, out);
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Shape for String {
    fn read(text: &str) -> Result<Self, Misfit> {
        serde_json::from_str(text).map_err(|_| Misfit::Kind("a string"))
    }
}

impl Piece for RawJson {
    fn write(&self, out: &mut String) {
        out.push_str(self.as_str());
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "json {}", self.as_str())
    }
}

impl Shape for RawJson {
    fn read(text: &str) -> Result<Self, Misfit> {
        Ok(raw(text))
    }
}

/// A discriminator with the one value its record has.
pub(super) struct Tag(pub(super) &'static str);

impl Piece for Tag {
    fn write(&self, out: &mut String) {
        write_str(self.0, out);
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// A field that need not be there. Absent, `null` and a value are three things.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Field<T> {
    /// Not there.
    #[default]
    Absent,
    /// There, and `null`.
    Null,
    /// There.
    Value(T),
    /// There, with a shape nobody documented: kept as it is.
    Odd(RawJson),
}

impl<T> Field<T> {
    /// The value, if there is one of the documented shape.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Odd(_) => None,
        }
    }
}

impl Field<String> {
    /// The text, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.get().map(String::as_str)
    }
}

impl Field<bool> {
    /// Whether it is there and `true`.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.get() == Some(&true)
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl<T: Piece> Piece for Field<T> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Absent | Self::Null => out.push_str("null"),
            Self::Value(value) => value.write(out),
            Self::Odd(raw) => raw.write(out),
        }
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    fn is_typed(&self) -> bool {
        match self {
            Self::Absent | Self::Null => true,
            Self::Value(value) => value.is_typed(),
            Self::Odd(_) => false,
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Null => f.write_str("null"),
            Self::Value(value) => value.show(f),
            Self::Odd(raw) => write!(f, "odd {}", raw.as_str()),
        }
    }
}

impl<T: Shape> Shape for Field<T> {
    fn read(text: &str) -> Result<Self, Misfit> {
        if text == "null" {
            return Ok(Self::Null);
        }
        Ok(T::read(text).map_or_else(|_| Self::Odd(raw(text)), Self::Value))
    }

    fn absent() -> Option<Self> {
        Some(Self::Absent)
    }
}

impl<T: Piece> Piece for Vec<T> {
    fn write(&self, out: &mut String) {
        write_list(self, ['[', ']'], out, Piece::write);
    }

    fn is_typed(&self) -> bool {
        self.iter().all(Piece::is_typed)
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|item| Shown(item))).finish()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(text: &str) -> Result<Self, Misfit> {
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Misfit::Kind("an array"))?;
        items.into_iter().map(|item| T::read(item.get())).collect()
    }
}

/// An object whose keys are data, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Map<T>(pub Vec<(String, T)>);

impl<T> Map<T> {
    /// The value under that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find_map(|(name, value)| (name == key).then_some(value))
    }
}

impl<T: Piece> Piece for Map<T> {
    fn write(&self, out: &mut String) {
        write_list(&self.0, ['{', '}'], out, |(name, value), out| {
            write_str(name, out);
            out.push(':');
            value.write(out);
        });
    }

    fn is_typed(&self) -> bool {
        self.0.iter().all(|(_, value)| value.is_typed())
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, value)| (name, Shown(value)))).finish()
    }
}

impl<T: Shape> Shape for Map<T> {
    fn read(text: &str) -> Result<Self, Misfit> {
        let entries = Entries::read(text)?.all();
        Ok(Self(entries.map(|(name, value)| Ok((name, T::read(value.get())?))).collect::<Result<_, _>>()?))
    }
}

/// A string that may be missing.
pub type Text = Field<String>;
/// A bool that may be missing.
pub type Flag = Field<bool>;
/// A number that may be missing.
pub type Count = Field<Number>;
/// Any JSON that may be missing, kept as text.
pub type Any = Field<RawJson>;
/// A list that may be missing.
pub type List<T> = Field<Vec<T>>;

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macros make public types")]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::wire::kinds::macros::{record, words};

    words! {
        /// A word.
        pub enum Colour {
            /// One.
            Red = "red",
        }
    }

    record! {
        /// A record of every form.
        pub struct Sample ["type" = "sample"] {
            /// A number.
            count as "theCount": Count,
            /// A text.
            text: Text,
            /// A word.
            colour: Field<Colour>,
            /// A map.
            by_name: Field<Map<Number>>,
        }
    }

    fn check(text: &str, typed: bool) -> Sample {
        let sample = Sample::read(text).unwrap();
        assert_eq!((sample.to_json().as_str(), sample.is_typed()), (text, typed));
        sample
    }

    #[test]
    fn numbers_order_and_unknown_fields_come_back_as_they_were() {
        let sample = check(
            r#"{"z":[1e5],"theCount":1.0,"type":"sample","by_name":{"b":1E2,"a":-0.0},"y":null}"#,
            true,
        );
        assert_eq!(sample.extra.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["z", "y"]);
        assert_eq!(sample.count.get().and_then(Number::as_f64), Some(1.0));
        let big = check(r#"{"type":"sample","theCount":123456789012345678901234567890}"#, true);
        assert_eq!(big.count.get().and_then(Number::as_u64), None);
    }

    #[test]
    fn absent_null_and_empty_are_three_things() {
        assert_eq!(check(r#"{"type":"sample"}"#, true).text, Field::Absent);
        assert_eq!(check(r#"{"type":"sample","text":null}"#, true).text, Field::Null);
        assert_eq!(check(r#"{"type":"sample","text":""}"#, true).text, Field::Value(String::new()));
    }

    #[test]
    fn unknown_words_and_odd_shapes_are_kept() {
        let sample = check(r#"{"type":"sample","colour":"blue"}"#, true);
        assert_eq!(sample.colour, Field::Value(Colour::Other("blue".into())));
        let odd = check(r#"{"type":"sample","text":{"a":[1.0]},"theCount":"7"}"#, false);
        assert_eq!((odd.text.text(), odd.count.get()), (None, None));
    }

    #[test]
    fn what_is_set_later_stands_behind_what_came() {
        let mut sample = check(r#"{"text":"a","type":"sample"}"#, true);
        sample.colour = Colour::Red.into();
        sample.text = Field::Absent;
        sample.extra.push("new", RawJson::null());
        assert_eq!(sample.to_json().as_str(), r#"{"type":"sample","new":null,"colour":"red"}"#);
    }

    #[test]
    fn another_discriminator_and_a_field_that_stands_twice_do_not_fit() {
        assert_eq!(Sample::read(r#"{"type":"other"}"#), Err(Misfit::Kind("sample")));
        assert_eq!(
            Sample::read(r#"{"type":"sample","text":"a","te\u0078t":"b"}"#),
            Err(Misfit::Twice("text"))
        );
        assert_eq!(Sample::read("{}"), Err(Misfit::Missing("type")));
    }
}
