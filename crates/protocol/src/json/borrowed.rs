//! Looking into JSON that was checked before. A [`RawJson`] is known to be JSON, so whoever reads a few of its fields
//! need not check it again, nor build a value, nor copy what holds no escapes: one walk over the bytes finds the
//! fields, and what is not asked for is stepped over. On a text that is no JSON (which no constructor lets through) it
//! finds less, and still neither panics nor runs on.

use std::borrow::Cow;

use super::RawJson;
use crate::limits::JSON_DEPTH_MAX;

/// One JSON value inside a text that was checked, without white space around it.
///
/// ```
/// use portcullis_protocol::RawJson;
/// let raw = RawJson::parse(r#"{"type":"a","n":1.50,"s":"x\ny","l":[1,{"k":2}]}"#)?;
/// let [kind, number, said, list] = raw.look().pick(["type", "n", "s", "l"]).unwrap();
/// assert_eq!(kind.text().as_deref(), Some("a"));
/// assert_eq!(number.as_str(), "1.50");
/// assert_eq!(said.text().as_deref(), Some("x\ny"));
/// assert_eq!(list.items().map(|item| item.as_str()).collect::<Vec<_>>(), ["1", r#"{"k":2}"#]);
/// # Ok::<(), portcullis_protocol::json::JsonError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonRef<'a>(&'a str);

/// A key that was asked for stands twice in one object: parsers disagree about which one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice(pub &'static str);

impl<'a> JsonRef<'a> {
    /// What a field that is not there reads as. No value has this text.
    pub const ABSENT: JsonRef<'static> = JsonRef("");

    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text, exactly as it came; empty when the field was not there.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether there is no value, or `null`.
    #[must_use]
    pub fn is_none(self) -> bool {
        matches!(self.0, "" | "null")
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_absent(self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether this is an array.
    #[must_use]
    pub fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    /// A copy of the text that lives on its own; `None` when there is no value, or `null`.
    #[must_use]
    pub fn to_raw(self) -> Option<RawJson> {
        if self.is_none() { None } else { serde_json::from_str(self.0).ok().map(RawJson::new) }
    }

    /// The string, borrowed when it holds no escapes. A lone surrogate reads as U+FFFD. `None` for anything else.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        let body = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(if body.as_bytes().contains(&b'\\') { Cow::Owned(unescaped(body)) } else { Cow::Borrowed(body) })
    }

    /// The string as one that lives on its own.
    #[must_use]
    pub fn string(self) -> Option<String> {
        self.text().map(Cow::into_owned)
    }

    /// Whether this is `true`.
    #[must_use]
    pub fn is_true(self) -> bool {
        self.0 == "true"
    }

    /// The flag, if it is one.
    #[must_use]
    pub fn flag(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The whole number, if it is one without sign, point and exponent.
    #[must_use]
    pub fn whole(self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The number, if it is one and finite.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        if self.is_none() { None } else { serde_json::from_str(self.0).ok() }
    }

    /// The elements of an array; nothing for anything else.
    pub fn items(self) -> impl Iterator<Item = JsonRef<'a>> {
        let mut walk = Walk::inside(self.0, b'[');
        std::iter::from_fn(move || {
            walk.skip(b",");
            (!walk.is_over(b']')).then(|| walk.value()).flatten()
        })
    }

    /// The keys of an object with their values, in their order; nothing for anything else.
    pub fn entries(self) -> impl Iterator<Item = (Cow<'a, str>, JsonRef<'a>)> {
        let mut walk = Walk::inside(self.0, b'{');
        std::iter::from_fn(move || {
            walk.skip(b",");
            if walk.is_over(b'}') {
                return None;
            }
            let key = walk.value()?.text()?;
            walk.skip(b":");
            Some((key, walk.value()?))
        })
    }

    /// The value of the first field of that name, [`Self::ABSENT`] if there is none.
    #[must_use]
    pub fn get(self, name: &str) -> JsonRef<'a> {
        self.entries().find(|(key, _)| key == name).map_or(Self::ABSENT, |(_, value)| value)
    }

    /// The values of those fields in one walk, [`Self::ABSENT`] where there is none. All absent for what is no object.
    ///
    /// # Errors
    /// [`Twice`] when one of those names stands twice.
    pub fn pick<const N: usize>(self, names: [&'static str; N]) -> Result<[JsonRef<'a>; N], Twice> {
        let mut found = [Self::ABSENT; N];
        self.pick_into(&names, &mut found)?;
        Ok(found)
    }

    fn pick_into(self, names: &[&'static str], found: &mut [JsonRef<'a>]) -> Result<(), Twice> {
        for (key, value) in self.entries() {
            let Some((name, place)) = names.iter().zip(found.iter_mut()).find(|(name, _)| **name == key)
            else {
                continue;
            };
            if !place.is_absent() {
                return Err(Twice(name));
            }
            *place = value;
        }
        Ok(())
    }
}

/// A place in the text of a container.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    /// Behind the bracket that opens the container, or at the end when it is no such container.
    fn inside(text: &'a str, opening: u8) -> Self {
        let at = if text.as_bytes().first() == Some(&opening) { 1 } else { text.len() };
        let mut walk = Self { text, at };
        walk.skip(b"");
        walk
    }

    /// Steps over white space and over `separator`.
    fn skip(&mut self, separator: &[u8]) {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') && !separator.contains(byte) {
                break;
            }
            self.at += 1;
        }
    }

    fn is_over(&self, closing: u8) -> bool {
        self.text.as_bytes().get(self.at).is_none_or(|byte| *byte == closing)
    }

    /// The value that begins here; the walk goes on behind it and the white space after it.
    fn value(&mut self) -> Option<JsonRef<'a>> {
        let start = self.at;
        self.at = value_end(self.text.as_bytes(), start);
        let value = self.text.get(start..self.at).filter(|text| !text.is_empty())?;
        self.skip(b"");
        Some(JsonRef(value))
    }
}

/// Behind the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at + 1),
        Some(b'{' | b'[') => container_end(bytes, at + 1),
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            let ends = |byte: &u8| matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
            at + rest.iter().position(ends).unwrap_or(rest.len())
        }
    }
}

/// Behind the container whose inside begins at `at`.
fn container_end(bytes: &[u8], mut at: usize) -> usize {
    let mut level = 1_usize;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => level += 1,
            b'}' | b']' => {
                level -= 1;
                if level == 0 {
                    break;
                }
            }
            _ => {}
        }
    }
    at
}

/// Whether `text` may nest deeper than [`JSON_DEPTH_MAX`]. A text with few brackets cannot, and counting them is an
/// order of magnitude faster than following them. Takes any text.
pub(super) fn is_too_deep(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let in_words: u32 = words.iter().map(|word| openings(u64::from_le_bytes(*word))).sum();
    let in_rest = rest.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    in_words as usize + in_rest > JSON_DEPTH_MAX && depth(text.as_bytes()) > JSON_DEPTH_MAX
}

/// Deepest nesting of arrays and objects, counted without recursion and without parsing.
fn depth(bytes: &[u8]) -> usize {
    let (mut deepest, mut level, mut at) = (0_usize, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at),
            b'{' | b'[' => {
                level += 1;
                deepest = deepest.max(level);
            }
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

// Eight bytes at a time: strings are most of what there is, and no vector instructions are there in a browser.

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many of eight bytes are `[` or `{`, which differ in one bit.
fn openings(word: u64) -> u32 {
    let others = (word | (ONES * 0x20)) ^ (ONES * 0x7B);
    // Each byte that is zero keeps its highest bit clear; no carry leaves a byte.
    let marks = ((others & !HIGHS) + !HIGHS) | others;
    8 - (marks & HIGHS).count_ones()
}

/// The first of eight bytes that is `"` or `\`.
fn first_quote_or_escape(word: u64) -> Option<usize> {
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let hits = zero_bytes(word ^ (ONES * 0x22)) | zero_bytes(word ^ (ONES * 0x5C));
    // The lowest mark is exact; those above it may be carried over from it.
    (hits != 0).then(|| (hits.trailing_zeros() / 8) as usize)
}

/// Behind the quote that ends the string whose inside begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            if let Some(ahead) = first_quote_or_escape(u64::from_le_bytes(*word)) {
                at += ahead;
                break;
            }
            at += 8;
        }
        match bytes.get(at) {
            None => return bytes.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// What the inside of a string with escapes says.
fn unescaped(body: &str) -> String {
    let mut said = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((plain, escape)) = rest.split_once('\\') {
        said.push_str(plain);
        let (character, behind) = escaped(escape);
        said.push(character);
        rest = behind;
    }
    said.push_str(rest);
    said
}

/// The character of the escape whose letter begins `text`, and what follows it.
fn escaped(text: &str) -> (char, &str) {
    let mut characters = text.chars();
    let Some(letter) = characters.next() else { return (char::REPLACEMENT_CHARACTER, "") };
    let rest = characters.as_str();
    let character = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return code_point(rest),
        _ => letter,
    };
    (character, rest)
}

/// The character of the four digits that begin `text`, or of two such escapes that are one.
fn code_point(text: &str) -> (char, &str) {
    let digits = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let behind = text.get(4..).unwrap_or_default();
    let Some(first) = digits(text) else { return (char::REPLACEMENT_CHARACTER, behind) };
    if let Some(pair) = behind.strip_prefix("\\u")
        && (0xD800..0xDC00).contains(&first)
        && let Some(second) = digits(pair).filter(|second| (0xDC00..0xE000).contains(second))
    {
        let joined = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (
            char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER),
            pair.get(4..).unwrap_or_default(),
        );
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), behind)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Walks all of a value the slow way and the quick way, and lets both say the same.
    #[track_caller]
    fn same(quick: JsonRef<'_>, slow: &serde_json::Value) {
        assert_eq!(serde_json::from_str::<serde_json::Value>(quick.as_str()).ok().as_ref(), Some(slow));
        assert_eq!(quick.text().as_deref(), slow.as_str());
        assert_eq!(quick.flag(), slow.as_bool());
        assert_eq!(quick.whole(), slow.as_u64());
        assert_eq!(quick.number(), slow.as_f64());
        assert_eq!(quick.is_none(), slow.is_null());
        let items: Vec<_> = quick.items().collect();
        assert_eq!(items.len(), slow.as_array().map_or(0, Vec::len));
        for (item, slow) in items.iter().zip(slow.as_array().into_iter().flatten()) {
            same(*item, slow);
        }
        let entries: Vec<_> = quick.entries().collect();
        assert_eq!(entries.len(), slow.as_object().map_or(0, serde_json::Map::len));
        for ((key, value), (name, slow)) in entries.iter().zip(slow.as_object().into_iter().flatten()) {
            assert_eq!(key, name);
            same(*value, slow);
        }
    }

    #[track_caller]
    fn check(text: &str) {
        same(RawJson::parse(text).unwrap().look(), &serde_json::from_str(text).unwrap());
    }

    #[test]
    fn reads_what_a_parser_reads() {
        check("null");
        check(r#" { "a" : [ 1 , -2.5e3 , true , false , null , "" ] , "b" : { } , "c" : [ ] } "#);
        check("[\n[\t[\r\n]\n]\n]");
        check(r#"{"\u0041":"\"}],{[","":"\\","k\\\"":"\\\\\"","é→":"→é\u00e9"}"#);
        check(r#""\n\t\r\b\f\/\\\"\u0000\u001f\ud83d\ude00x""#);
        check(r#"["1234567","12345678","123456789","1234567\\","12345678\"9","\"\"\"\"\"\"\"\"\""]"#);
    }

    #[test]
    fn a_lone_surrogate_hides_no_text() {
        for (text, said) in
            [(r#""a\ud83db""#, "a\u{FFFD}b"), (r#""\ude00""#, "\u{FFFD}"), (r#""\ud83d\n""#, "\u{FFFD}\n")]
        {
            assert_eq!(RawJson::parse(text).unwrap().look().text().as_deref(), Some(said));
        }
    }

    #[test]
    fn names_a_key_that_stands_twice_only_if_it_was_asked_for() {
        let raw = RawJson::parse(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap();
        assert_eq!(raw.look().pick(["b", "a"]), Err(Twice("a")));
        assert_eq!(raw.look().pick(["b"]).map(|[b]| b.whole()), Ok(Some(2)));
    }

    #[test]
    fn counts_each_opening_bracket_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = [byte.wrapping_add(1); 8];
                bytes[place] = byte;
                let slow = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
                assert_eq!(openings(u64::from_le_bytes(bytes)) as usize, slow, "{bytes:?}");
                let slow = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                assert_eq!(first_quote_or_escape(u64::from_le_bytes(bytes)), slow, "{bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_no_json_ends_all_the_same() {
        for text in [
            "{", "[", "{\"", "{\"a", "{\"a\":", "[1,,", "{\"a\\", "[\"\\u12", "{}}", "{:}", "[}", "{]",
            "{a:b c}",
        ] {
            let value = JsonRef(text);
            assert!(value.entries().count() <= text.len() && value.items().count() <= text.len());
            let _ = (value.text(), value.pick(["a"]), unescaped(text), escaped(text));
        }
    }
}
