//! The three forms a type of the wire has. Each macro writes the type and the code that reads, writes and shows it.
//!
//! * `record!` is an object. In brackets stand its discriminators, which are no fields of the Rust type; `as` gives
//!   the name on the wire where it differs. A field whose type is not [`Field`](super::value::Field) has to be there.
//! * `tagged!` is a choice among records by the word under one key. What is unknown, or does not fit its record, is
//!   kept whole in `Other`.
//! * `named!` is the same by a name that stands elsewhere: a tool's input by the tool's name. `by` gives the function
//!   that finds the word for names of which there are many.
//! * `words!` is a string of an open list.

macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire:literal) => {
        $wire
    };
}

macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident [$($tag:literal = $word:literal),*] {
        $($(#[$doc:meta])* $field:ident $(as $wire:literal)?: $ty:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $ty,)*
            /// Fields nobody documented, and the order in which all came.
            pub extra: $crate::wire::kinds::shape::Extra,
        }

        impl $name {
            fn fields(&self) -> $crate::wire::kinds::shape::Fields<'_> {
                vec![
                    $(($tag, &$crate::wire::kinds::value::Tag($word)),)*
                    $(($crate::wire::kinds::macros::wire_name!($field $($wire)?), &self.$field),)*
                ]
            }
        }

        impl $crate::wire::kinds::shape::Piece for $name {
            fn write(&self, out: &mut String) {
                $crate::wire::kinds::shape::write_record(&self.fields(), &self.extra, out);
            }

            fn is_typed(&self) -> bool {
                self.fields().iter().all(|(_, piece)| piece.is_typed())
            }

            fn show(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::wire::kinds::shape::show_record(stringify!($name), &self.fields(), &self.extra, f)
            }
        }

        impl $crate::wire::kinds::shape::Shape for $name {
            fn read(text: &str) -> Result<Self, $crate::wire::kinds::shape::Misfit> {
                let entries = $crate::wire::kinds::shape::Entries::read(text)?;
                $crate::wire::kinds::shape::Whole::assemble(entries)
            }
        }

        impl $crate::wire::kinds::shape::Whole for $name {
            fn assemble(
                mut entries: $crate::wire::kinds::shape::Entries<'_>,
            ) -> Result<Self, $crate::wire::kinds::shape::Misfit> {
                $(entries.take_tag($tag, $word)?;)*
                Ok(Self {
                    $($field: entries.take($crate::wire::kinds::macros::wire_name!($field $($wire)?))?,)*
                    extra: entries.rest(),
                })
            }
        }

        $crate::wire::kinds::macros::shown!($name);
    };
}

macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident($ty:ty),)* }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub enum $name {
            $($(#[$doc])* $variant(Box<$ty>),)*
            /// Unknown, or known by name with a shape that does not fit: kept as it is.
            Other($crate::json::RawJson),
        }

        impl $crate::wire::kinds::shape::Piece for $name {
            fn write(&self, out: &mut String) {
                match self {
                    $(Self::$variant(value) => value.write(out),)*
                    Self::Other(raw) => raw.write(out),
                }
            }

            fn is_typed(&self) -> bool {
                match self {
                    $(Self::$variant(value) => value.is_typed(),)*
                    Self::Other(_) => false,
                }
            }

            fn show(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant(value) => value.show(f),)*
                    Self::Other(raw) => write!(f, "other {}", raw.as_str()),
                }
            }
        }

        $crate::wire::kinds::macros::shown!($name);
    };
}

macro_rules! tagged {
    ($(#[$meta:meta])* pub enum $name:ident by $key:literal {
        $($(#[$doc:meta])* $($word:literal)|+ => $variant:ident($ty:ty),)*
    }) => {
        $crate::wire::kinds::macros::choice! {
            $(#[$meta])* pub enum $name { $($(#[$doc])* $variant($ty),)* }
        }

        impl $crate::wire::kinds::shape::Shape for $name {
            fn read(text: &str) -> Result<Self, $crate::wire::kinds::shape::Misfit> {
                match $crate::wire::kinds::shape::Entries::read(text) {
                    Ok(entries) => $crate::wire::kinds::shape::Whole::assemble(entries),
                    Err(_) => Ok(Self::Other($crate::wire::kinds::shape::raw(text))),
                }
            }
        }

        impl $crate::wire::kinds::shape::Whole for $name {
            fn assemble(
                entries: $crate::wire::kinds::shape::Entries<'_>,
            ) -> Result<Self, $crate::wire::kinds::shape::Misfit> {
                let text = entries.text;
                let read = match entries.word($key).as_deref() {
                    $(Some($($word)|+) => <$ty as $crate::wire::kinds::shape::Whole>::assemble(entries)
                        .map(|value| Self::$variant(Box::new(value))),)*
                    Some(_) | None => Err($crate::wire::kinds::shape::Misfit::Kind("known")),
                };
                Ok(read.unwrap_or_else(|_| Self::Other($crate::wire::kinds::shape::raw(text))))
            }
        }
    };
}

macro_rules! named {
    ($(#[$meta:meta])* pub enum $name:ident $(by $family:ident)? {
        $($(#[$doc:meta])* $($word:literal)|+ => $variant:ident($ty:ty),)*
    }) => {
        $crate::wire::kinds::macros::choice! {
            $(#[$meta])* pub enum $name { $($(#[$doc])* $variant($ty),)* }
        }

        impl $name {
            /// Reads the value that belongs to `name`. What is unknown or does not fit is kept in `Other`.
            #[must_use]
            pub fn parse(name: &str, raw: &$crate::json::RawJson) -> Self {
                let read = match $crate::wire::kinds::macros::family!(name $($family)?) {
                    $($($word)|+ => <$ty as $crate::wire::kinds::shape::Shape>::parse(raw)
                        .map(|value| Self::$variant(Box::new(value))),)*
                    _ => Err($crate::wire::kinds::shape::Misfit::Kind("known")),
                };
                read.unwrap_or_else(|_| Self::Other(raw.clone()))
            }

            /// The value as JSON: what was read, in the order it was read.
            #[must_use]
            pub fn to_json(&self) -> $crate::json::RawJson {
                let mut text = String::new();
                $crate::wire::kinds::shape::Piece::write(self, &mut text);
                $crate::wire::kinds::shape::raw(&text)
            }
        }
    };
}

/// The word a name is known by.
macro_rules! family {
    ($name:ident) => {
        $name
    };
    ($name:ident $family:ident) => {
        $family($name)
    };
}

macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A word nobody documented, kept.
            Other(String),
        }

        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)*
                    _ => Self::Other(word),
                }
            }
        }

        impl $crate::wire::kinds::shape::Piece for $name {
            fn write(&self, out: &mut String) {
                $crate::wire::kinds::shape::write_str(self.as_str(), out);
            }

            fn show(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(self, f)
            }
        }

        impl $crate::wire::kinds::shape::Shape for $name {
            fn read(text: &str) -> Result<Self, $crate::wire::kinds::shape::Misfit> {
                <String as $crate::wire::kinds::shape::Shape>::read(text).map(Self::from)
            }
        }
    };
}

macro_rules! shown {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::wire::kinds::shape::Piece::show(self, f)
            }
        }
    };
}

pub(super) use {choice, family, named, record, shown, tagged, wire_name, words};
