//! The form of a view: named fields of one object, each read for what it is wanted as, in one walk.

use std::borrow::Cow;

use crate::json::{JsonRef, RawJson};

/// What can be made of a field. Anything of another shape, and nothing at all, read as absent.
pub(super) trait Seen<'a> {
    fn seen(value: JsonRef<'a>) -> Self;
}

impl Seen<'_> for () {
    fn seen(_: JsonRef<'_>) {}
}

impl<'a> Seen<'a> for JsonRef<'a> {
    fn seen(value: JsonRef<'a>) -> Self {
        value
    }
}

impl Seen<'_> for Option<RawJson> {
    fn seen(value: JsonRef<'_>) -> Self {
        value.to_raw()
    }
}

impl<'a> Seen<'a> for Option<Cow<'a, str>> {
    fn seen(value: JsonRef<'a>) -> Self {
        value.text()
    }
}

impl<'a> Seen<'a> for Cow<'a, str> {
    fn seen(value: JsonRef<'a>) -> Self {
        value.text().unwrap_or_default()
    }
}

impl Seen<'_> for Option<String> {
    fn seen(value: JsonRef<'_>) -> Self {
        value.string()
    }
}

impl Seen<'_> for String {
    fn seen(value: JsonRef<'_>) -> Self {
        value.string().unwrap_or_default()
    }
}

impl Seen<'_> for bool {
    fn seen(value: JsonRef<'_>) -> Self {
        value.is_true()
    }
}

impl Seen<'_> for Option<bool> {
    fn seen(value: JsonRef<'_>) -> Self {
        value.flag()
    }
}

impl Seen<'_> for Option<u64> {
    fn seen(value: JsonRef<'_>) -> Self {
        value.whole()
    }
}

impl Seen<'_> for Option<usize> {
    fn seen(value: JsonRef<'_>) -> Self {
        usize::try_from(value.whole()?).ok()
    }
}

impl Seen<'_> for Option<f64> {
    fn seen(value: JsonRef<'_>) -> Self {
        value.number()
    }
}

/// The elements that can be read.
impl<'a, T> Seen<'a> for Vec<T>
where
    Option<T>: Seen<'a>,
{
    fn seen(value: JsonRef<'a>) -> Self {
        value.items().filter_map(Seen::seen).collect()
    }
}

/// Writes the struct of a view and the code that reads it. `as` gives a field's name on the wire where it differs.
macro_rules! view {
    ($(#[$meta:meta])* $vis:vis struct $name:ident $(<$life:lifetime>)? {
        $($(#[$doc:meta])* $field:ident $(as $wire:literal)?: $ty:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        $vis struct $name $(<$life>)? {
            $($(#[$doc])* pub $field: $ty,)*
        }

        $crate::wire::agent::view::seen!([$($life)?] $name $(<$life>)?);

        impl $(<$life>)? $name $(<$life>)? {
            pub(super) fn read(
                value: $crate::wire::agent::view::value!($($life)?),
            ) -> Result<Self, $crate::json::Twice> {
                let [$($field),*] =
                    value.pick([$($crate::wire::agent::view::wire_name!($field $($wire)?)),*])?;
                Ok(Self { $($field: $crate::wire::agent::view::Seen::seen($field)),* })
            }
        }
    };
}

/// The value a view is read from, which lives as long as what the view borrows.
macro_rules! value {
    () => {
        $crate::json::JsonRef<'_>
    };
    ($life:lifetime) => {
        $crate::json::JsonRef<$life>
    };
}

/// A view inside another one: what is no object, or names a key twice, is absent or empty.
macro_rules! seen {
    ([] $name:ty) => {
        $crate::wire::agent::view::seen!(for 'a, $name);
    };
    ([$life:lifetime] $name:ty) => {
        $crate::wire::agent::view::seen!(for $life, $name);
    };
    (for $life:lifetime, $name:ty) => {
        impl<$life> $crate::wire::agent::view::Seen<$life> for Option<$name> {
            fn seen(value: $crate::json::JsonRef<$life>) -> Self {
                if value.is_object() { <$name>::read(value).ok() } else { None }
            }
        }

        impl<$life> $crate::wire::agent::view::Seen<$life> for $name {
            fn seen(value: $crate::json::JsonRef<$life>) -> Self {
                Option::<$name>::seen(value).unwrap_or_default()
            }
        }
    };
}

macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire:literal) => {
        $wire
    };
}

pub(super) use {seen, value, view, wire_name};
