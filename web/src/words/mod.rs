//! Everything the client says, in every language it speaks: one file for each part of the page, and in it each
//! sentence beside its translations, so that none can be without.
//!
//! The language is set once, before the first thing is drawn; another one needs a new page.

pub mod composer;
pub mod gate;
pub mod inbox;
pub mod keys;
mod language;
pub mod notices;
pub mod page;
pub mod pair;
pub mod session;
pub mod settings;
pub mod side;
pub mod start;
pub mod tool;

pub use language::Language;

/// Defines one function for each thing that is said. A plain one gives a `&'static str`; one with arguments fills them
/// in for `{0}`, `{1}` and gives a `String`; `plural` takes a count, and English says one thing differently from many.
///
/// ```ignore
/// words! {
///     waiting: "Waiting for you" | "等待你处理";
///     opened_at(time, machine): "Opened {0} on {1}" | "{0} 在 {1} 打开";
///     plural files: "{0} file", "{0} files" | "{0} 个文件";
/// }
/// ```
macro_rules! words {
    () => {};
    (plural $name:ident: $one:literal, $many:literal | $zh:literal; $($rest:tt)*) => {
        #[must_use]
        pub fn $name(count: usize) -> String {
            let english = if count == 1 { $one } else { $many };
            $crate::words::fill($crate::words::Language::pick(english, $zh), &[&count])
        }
        $crate::words::words! { $($rest)* }
    };
    ($name:ident: $en:literal | $zh:literal; $($rest:tt)*) => {
        #[must_use]
        pub fn $name() -> &'static str {
            $crate::words::Language::pick($en, $zh)
        }
        $crate::words::words! { $($rest)* }
    };
    ($name:ident($($arg:ident),+): $en:literal | $zh:literal; $($rest:tt)*) => {
        #[must_use]
        pub fn $name($($arg: impl std::fmt::Display),+) -> String {
            $crate::words::fill($crate::words::Language::pick($en, $zh), &[$(&$arg),+])
        }
        $crate::words::words! { $($rest)* }
    };
}
use words;

/// `pattern` with `{0}` to `{9}` replaced. One function for all sentences is smaller than a `format!` for each.
fn fill(pattern: &str, values: &[&dyn std::fmt::Display]) -> String {
    let mut text = String::with_capacity(pattern.len() + 16);
    let mut parts = pattern.split('{');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (number, rest) = part.split_once('}').unwrap_or((part, ""));
        if let Some(value) = number.parse::<usize>().ok().and_then(|index| values.get(index)) {
            text.push_str(&value.to_string());
        }
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "what the macro defines is public wherever it is used")]
mod tests {
    use super::*;

    words! {
        plain: "Nothing waits." | "没有待处理的请求。";
        both(one, other): "{1} before {0}" | "{0} 之后是 {1}";
        plural lines: "{0} line", "{0} lines" | "{0} 行";
    }

    #[test]
    fn says_it_in_the_language_that_was_set() {
        assert_eq!((plain(), lines(1), lines(2)), ("Nothing waits.", "1 line".into(), "2 lines".into()));
        assert_eq!(both("a", 2), "2 before a");
        Language::Chinese.set();
        assert_eq!((plain(), lines(1)), ("没有待处理的请求。", "1 行".into()));
        Language::English.set();
    }

    #[test]
    fn what_is_filled_in_is_not_read_as_a_pattern() {
        assert_eq!(both("{1}", "{0}"), "{0} before {1}");
    }
}
