//! Reading JSON into types and writing it back without losing anything.
//!
//! serde's own means do not fit: `flatten` and internal tags pass every value through a buffer in which a number
//! becomes an `f64` and raw text becomes an error. So a value is read from its text ([`Shape`]) and written as text
//! ([`Piece`]), and what does not fit is kept as the text it was.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::RawJson;

/// Why a text was not read as a type. Its keeper then keeps the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Another kind of value, or another discriminator.
    #[error("not {0}")]
    Kind(&'static str),
    /// A field without which the type says nothing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field that stands twice: parsers disagree about which one counts.
    #[error("`{0}` stands twice")]
    Twice(&'static str),
}

/// A value that can be written and looked at without knowing its type.
pub trait Piece {
    /// Appends the value as JSON.
    fn write(&self, out: &mut String);

    /// Whether there is nothing to write, not even `null`.
    fn is_absent(&self) -> bool {
        false
    }

    /// Whether all of it was understood. Unknown fields and unknown words count as understood, unknown
    /// discriminators and fields with an undocumented shape do not.
    fn is_typed(&self) -> bool {
        true
    }

    /// Shows the value for tests and logs.
    ///
    /// # Errors
    /// Those of the formatter.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// A type that is read from JSON text and gives the same value back.
pub trait Shape: Piece + Sized {
    /// Reads one JSON value that is within the limits of [`RawJson::parse`].
    ///
    /// # Errors
    /// [`Misfit`] when the value has another shape.
    fn read(text: &str) -> Result<Self, Misfit>;

    /// What stands for a field that is not there; `None` when it has to be.
    fn absent() -> Option<Self> {
        None
    }

    /// Reads one JSON value. It is measured first: text that came inside another one was only skipped over.
    ///
    /// # Errors
    /// [`Misfit`] when the value is above the limits or has another shape.
    fn parse(raw: &RawJson) -> Result<Self, Misfit> {
        RawJson::parse(raw.as_str()).map_err(|_| Misfit::Kind("within the limits"))?;
        Self::read(raw.as_str())
    }

    /// The value as JSON: what was read, in the order it was read.
    fn to_json(&self) -> RawJson {
        let mut text = String::new();
        self.write(&mut text);
        raw(&text)
    }
}

/// A type that is an object, or that is told by a field of one.
pub trait Whole: Shape {
    /// Builds the value of an object's entries.
    ///
    /// # Errors
    /// [`Misfit`] when the entries do not fit.
    fn assemble(entries: Entries<'_>) -> Result<Self, Misfit>;
}

/// The text as it is; it was read from JSON before.
pub(super) fn raw(text: &str) -> RawJson {
    serde_json::from_str(text).unwrap_or_else(|_| RawJson::null())
}

/// Appends a JSON string.
pub(super) fn write_str(text: &str, out: &mut String) {
    out.push_str(RawJson::from_value(text).as_str());
}

/// Appends `open`, the items with commas between them, and `close`.
pub(super) fn write_list<T>(
    items: impl IntoIterator<Item = T>,
    [open, close]: [char; 2],
    out: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

/// Shows a piece by its own means.
pub(super) struct Shown<'a>(pub(super) &'a dyn Piece);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

/// The entries of one object, in their order, values unread.
#[derive(Debug)]
pub struct Entries<'a> {
    pub(super) text: &'a str,
    items: Vec<Entry<'a>>,
}

#[derive(Debug)]
enum Entry<'a> {
    Unread(String, &'a RawValue),
    Taken(&'static str),
}

impl<'a> Entries<'a> {
    /// Splits an object into its entries.
    ///
    /// # Errors
    /// [`Misfit::Kind`] when `text` is no object.
    pub fn read(text: &'a str) -> Result<Self, Misfit> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let items = reader.deserialize_map(EntriesVisitor).map_err(|_| Misfit::Kind("an object"))?;
        Ok(Self { text, items })
    }

    /// The string under `name`, for choosing a type.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<String> {
        self.items.iter().find_map(|entry| match entry {
            Entry::Unread(key, value) if key == name => serde_json::from_str(value.get()).ok(),
            Entry::Unread(..) | Entry::Taken(_) => None,
        })
    }

    /// Takes the field `name`.
    pub(super) fn take<T: Shape>(&mut self, name: &'static str) -> Result<T, Misfit> {
        let mut found = None;
        for entry in &mut self.items {
            let Entry::Unread(key, value) = entry else { continue };
            if key != name {
                continue;
            }
            if found.is_some() {
                return Err(Misfit::Twice(name));
            }
            found = Some(T::read(value.get())?);
            *entry = Entry::Taken(name);
        }
        found.or_else(T::absent).ok_or(Misfit::Missing(name))
    }

    /// Takes a discriminator that has to be `value`.
    pub(super) fn take_tag(&mut self, name: &'static str, value: &'static str) -> Result<(), Misfit> {
        if self.take::<String>(name)? == value { Ok(()) } else { Err(Misfit::Kind(value)) }
    }

    /// What was not taken, and where everything stood.
    pub(super) fn rest(&mut self) -> Extra {
        let slots = std::mem::take(&mut self.items).into_iter().map(|entry| match entry {
            Entry::Unread(name, value) => Slot::Unknown(name, raw(value.get())),
            Entry::Taken(name) => Slot::Known(name),
        });
        Extra { slots: slots.collect() }
    }

    /// All entries, for maps.
    pub(super) fn all(self) -> impl Iterator<Item = (String, &'a RawValue)> {
        self.items.into_iter().filter_map(|entry| match entry {
            Entry::Unread(name, value) => Some((name, value)),
            Entry::Taken(_) => None,
        })
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Vec<Entry<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            items.push(Entry::Unread(name, value));
        }
        Ok(items)
    }
}

/// Fields of an object that its type does not know, and the order in which all fields came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq)]
enum Slot {
    Known(&'static str),
    Unknown(String, RawJson),
}

impl Extra {
    /// The unknown field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawJson> {
        self.iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// All unknown fields, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawJson)> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Unknown(name, value) => Some((name.as_str(), value)),
            Slot::Known(_) => None,
        })
    }

    /// Puts an unknown field behind everything.
    pub fn push(&mut self, name: impl Into<String>, value: RawJson) {
        self.slots.push(Slot::Unknown(name.into(), value));
    }
}

/// The known fields of a record, by the names they have on the wire.
pub(super) type Fields<'a> = Vec<(&'static str, &'a dyn Piece)>;

/// Appends a record: its fields in the order they came, then those that were set since.
pub(super) fn write_record(fields: &Fields<'_>, extra: &Extra, out: &mut String) {
    let mut written = vec![false; fields.len()];
    let mut order: Vec<(&str, &dyn Piece)> = Vec::with_capacity(extra.slots.len());
    for slot in &extra.slots {
        match slot {
            Slot::Unknown(name, value) => order.push((name, value)),
            Slot::Known(name) => {
                let Some(index) = fields.iter().position(|(field, _)| field == name) else { continue };
                if let (Some(done), Some(field)) = (written.get_mut(index), fields.get(index)) {
                    *done = true;
                    order.push(*field);
                }
            }
        }
    }
    order.extend(fields.iter().zip(written).filter(|(_, done)| !done).map(|(field, _)| *field));
    let present = order.into_iter().filter(|(_, piece)| !piece.is_absent());
    write_list(present, ['{', '}'], out, |(name, piece), out| {
        write_str(name, out);
        out.push(':');
        piece.write(out);
    });
}

/// Shows a record: its fields in the order of their type, then the unknown ones.
pub(super) fn show_record(
    name: &str,
    fields: &Fields<'_>,
    extra: &Extra,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    for (name, piece) in fields.iter().filter(|(_, piece)| !piece.is_absent()) {
        shown.field(name, &Shown(*piece));
    }
    for (name, value) in extra.iter() {
        shown.field(&format!("+{name}"), &Shown(value));
    }
    shown.finish()
}
