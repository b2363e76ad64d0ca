//! Whether two texts are the same JSON value to the last digit, which no parsed value can tell.

use serde_json::value::RawValue;

use super::shape::Entries;
use crate::json::RawJson;

/// Whether both are the same value: numbers by their text, strings by what they say, objects without their order.
/// Above the limits of [`RawJson::parse`] only the same text is the same value.
#[must_use]
pub fn same(a: &RawJson, b: &RawJson) -> bool {
    a == b || (RawJson::parse(a.as_str()).is_ok() && same_text(a.as_str(), b.as_str()))
}

fn same_text(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => match (Entries::read(a), Entries::read(b)) {
            (Ok(a), Ok(b)) => same_entries(a, b),
            (Ok(_) | Err(_), _) => false,
        },
        (Some(b'['), Some(b'[')) => {
            let list = |text| serde_json::from_str::<Vec<&RawValue>>(text).ok();
            match (list(a), list(b)) {
                (Some(a), Some(b)) => {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_text(a.get(), b.get()))
                }
                (Some(_) | None, _) => false,
            }
        }
        (Some(b'"'), Some(b'"')) => {
            let word = |text| serde_json::from_str::<String>(text).ok();
            word(a).is_some_and(|a| Some(a) == word(b))
        }
        _ => false,
    }
}

fn same_entries(a: Entries<'_>, b: Entries<'_>) -> bool {
    let sorted = |entries: Entries<'_>| {
        let mut all: Vec<_> = entries.all().map(|(name, value)| (name, value.get().to_owned())).collect();
        // Stable: a key that stands twice keeps the order of its values.
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let (a, b) = (sorted(a), sorted(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|((name, value), (other, with))| name == other && same_text(value, with))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn check(a: &str, b: &str, expected: bool) {
        let (a, b) = (RawJson::parse(a).unwrap(), RawJson::parse(b).unwrap());
        assert_eq!(same(&a, &b), expected, "{} {}", a.as_str(), b.as_str());
    }

    #[test]
    fn order_space_and_escapes_of_objects_do_not_count() {
        check(r#"{"a":1,"b":["A"]}"#, r#"{ "b" : ["\u0041"], "a":1 }"#, true);
    }

    #[test]
    fn the_text_of_a_number_counts() {
        check("1.0", "1", false);
        check("100000", "1e5", false);
        check("123456789012345678901234567890", "123456789012345678901234567891", false);
        check("[1.0,1e5]", "[1.0, 1e5]", true);
    }

    #[test]
    fn absent_null_and_empty_are_three_things() {
        check(r#"{"a":null}"#, "{}", false);
        check(r#"{"a":""}"#, r#"{"a":null}"#, false);
        check(r#"{"a":1,"a":2}"#, r#"{"a":2}"#, false);
    }
}
