//! The exact text of a request, field by field, in the order and with the bytes the agent sent. Whatever the tool,
//! known or not, every field is here; nothing is summarised, guessed or left out.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::diff::{self, Sign};
use super::look_alike::{HOSTS_MAX, Host, hosts, poses};
use super::reveal::{self, Revealed, Span};
use crate::json::RawJson;
use crate::limits::{APPROVAL_FOLD_BYTES, APPROVAL_FOLD_LINES, APPROVAL_TEXT_BYTES_MAX};

/// Everything a person has to see before allowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact {
    /// Every field, in its order.
    pub fields: Vec<Field>,
    /// Whether allowing waits until all of it was unfolded and scrolled through.
    pub needs_reading: bool,
    /// Whether it is above the bound for any approval.
    pub too_long: bool,
    /// Characters that had to be named because they hide or mislead.
    pub hidden: usize,
    /// Whether a word holds letters that pose as others.
    pub mixed_scripts: bool,
    /// Hosts that are not spelled as they look, at most [`HOSTS_MAX`].
    pub hosts: Vec<Host>,
}

/// One field of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Set where the field is the agent's own remark and not part of what runs.
    pub remark: bool,
    /// Its value.
    pub body: Body,
}

/// How a field is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Line by line.
    Text(Revealed),
    /// What goes and what comes, line by line; the middle folds.
    Change { rows: Vec<ChangeRow>, fold: Option<std::ops::Range<usize>> },
}

/// A line of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// What becomes of it.
    pub sign: Sign,
    /// Number of the line, from 1.
    pub number: u64,
    /// Its pieces.
    pub spans: Vec<Span>,
    /// Whether a line break follows.
    pub broken: bool,
}

impl Exact {
    /// Reads the `input` of a request of `tool`.
    #[must_use]
    pub fn of(tool: &str, input: &RawJson) -> Self {
        let fields = match input.read::<Ordered>() {
            Ok(Ordered(fields)) => {
                fields.iter().map(|(name, value)| (name.clone(), readable(value))).collect()
            }
            Err(_) => vec![("input".to_owned(), input.as_str().to_owned())],
        };
        let bytes: usize = fields.iter().map(|(name, text)| name.len() + text.len()).sum();
        let too_long = bytes > APPROVAL_TEXT_BYTES_MAX;
        // What can only be denied is not worth the time its letters would take.
        let judged = if too_long { &[] } else { fields.as_slice() };
        let mixed_scripts = judged.iter().any(|(name, text)| poses(name) || poses(text));
        let mut hosts: Vec<Host> = judged.iter().flat_map(|(_, text)| hosts(text)).collect();
        hosts.truncate(HOSTS_MAX);
        let fields = shown(tool, fields);
        let lines: usize = fields.iter().map(|field| field.body.lines()).sum();
        let folds = fields.iter().any(|field| field.body.fold().is_some());
        Self {
            needs_reading: folds || lines > APPROVAL_FOLD_LINES || bytes > APPROVAL_FOLD_BYTES,
            too_long,
            hidden: fields.iter().map(|field| hidden(&field.name) + field.body.hidden()).sum(),
            mixed_scripts,
            hosts,
            fields,
        }
    }
}

impl Body {
    /// Lines it takes when nothing is folded.
    #[must_use]
    pub fn lines(&self) -> usize {
        match self {
            Self::Text(text) => text.lines.len(),
            Self::Change { rows, .. } => rows.len(),
        }
    }

    /// The lines that are folded at first.
    #[must_use]
    pub fn fold(&self) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Text(text) => text.fold.clone(),
            Self::Change { fold, .. } => fold.clone(),
        }
    }

    fn hidden(&self) -> usize {
        match self {
            Self::Text(text) => text.hidden,
            Self::Change { rows, .. } => {
                let spans = rows.iter().flat_map(|row| &row.spans);
                spans.filter(|span| matches!(span, Span::Named(_) | Span::Space(_))).count()
            }
        }
    }
}

/// `text` on one line with everything that hides named: `⟨U+200B⟩`.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for revealed in reveal::reveal(text).lines {
        for span in &revealed.spans {
            match span {
                Span::Plain(text) => line.push_str(text),
                Span::Named(character) | Span::Space(character) => {
                    line.push_str(&format!("⟨{}⟩", reveal::code_point(*character)));
                }
                Span::Tab => line.push('⇥'),
                Span::Run(count) => line.push_str(&format!("⟨{count} spaces⟩")),
                Span::Trailing(count) => line.push_str(&"·".repeat(*count)),
            }
        }
        if revealed.broken {
            line.push('⏎');
        }
    }
    line
}

fn hidden(text: &str) -> usize {
    text.chars().filter(|character| reveal::is_hidden(*character)).count()
}

/// A string as its text, anything else as the JSON it came as.
fn readable(value: &RawJson) -> String {
    value.read::<String>().unwrap_or_else(|_| value.as_str().to_owned())
}

fn shown(tool: &str, mut fields: Vec<(String, String)>) -> Vec<Field> {
    let mut swap = None;
    if matches!(tool, "Edit" | "MultiEdit") {
        let find = |name: &str| fields.iter().position(|(key, _)| key == name);
        if let (Some(old), Some(new)) = (find("old_string"), find("new_string")) {
            swap = Some((old.min(new), change(&fields[old].1, &fields[new].1)));
            fields.retain(|(key, _)| key != "old_string" && key != "new_string");
        }
    }
    let mut shown: Vec<Field> = fields
        .into_iter()
        .map(|(name, text)| Field {
            remark: name == "description" && tool != "Agent" && tool != "Task",
            body: Body::Text(reveal::reveal(&text)),
            name,
        })
        .collect();
    if let Some((at, body)) = swap {
        let at = at.min(shown.len());
        shown.insert(at, Field { name: "old_string → new_string".into(), remark: false, body });
    }
    shown
}

/// What goes and what comes between two texts.
#[must_use]
pub fn change(old: &str, new: &str) -> Body {
    let rows: Vec<ChangeRow> = diff::between(old, new)
        .into_iter()
        .map(|row| ChangeRow {
            sign: row.sign,
            number: row.number,
            spans: reveal::reveal(&row.text).lines.into_iter().flat_map(|line| line.spans).collect(),
            broken: row.broken,
        })
        .collect();
    let edge = APPROVAL_FOLD_LINES / 2;
    let long = rows.len() > APPROVAL_FOLD_LINES;
    let fold = long.then(|| edge..rows.len() - edge);
    Body::Change { rows, fold }
}

/// An object's fields in their order, values as raw text.
pub(super) struct Ordered(Vec<(String, RawJson)>);

impl Ordered {
    /// The text of the field `name`, if it is one.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(key, _)| key == name)?.1.read().ok()
    }

    /// The object with another value for `name`, everything else as it came.
    pub(super) fn with(&self, name: &str, value: RawJson) -> RawJson {
        let fields = self.0.iter().map(|(key, old)| {
            let raw = if key == name { &value } else { old };
            format!("{}:{}", RawJson::from_value(key).as_str(), raw.as_str())
        });
        let text = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        RawJson::parse(&text).unwrap_or(value)
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Ordered;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Ordered(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn exact(tool: &str, input: &str) -> Exact {
        Exact::of(tool, &RawJson::parse(input).unwrap())
    }

    fn names(exact: &Exact) -> Vec<&str> {
        exact.fields.iter().map(|field| field.name.as_str()).collect()
    }

    #[test]
    fn every_field_is_shown_in_its_order_known_or_not() {
        let got = exact("Bash", r#"{"command":"ls","zz":{"a":1.0},"description":"List"}"#);
        assert_eq!(names(&got), ["command", "zz", "description"]);
        assert!(got.fields[2].remark && !got.fields[0].remark);
        let Body::Text(text) = &got.fields[1].body else { panic!("no text") };
        assert_eq!(text.lines[0].spans, [Span::Plain(r#"{"a":1.0}"#.into())]);
    }

    #[test]
    fn an_input_that_is_no_object_is_shown_whole() {
        assert_eq!(names(&exact("Odd", "[1,2]")), ["input"]);
    }

    #[test]
    fn an_edit_is_shown_as_what_goes_and_what_comes() {
        let got = exact(
            "Edit",
            r#"{"file_path":"a.rs","old_string":"x\ny","new_string":"x\nz\u200b","replace_all":false}"#,
        );
        assert_eq!(names(&got), ["file_path", "old_string → new_string", "replace_all"]);
        let Body::Change { rows, .. } = &got.fields[1].body else { panic!("no change") };
        assert_eq!(
            rows.iter().map(|row| row.sign).collect::<Vec<_>>(),
            [Sign::Same, Sign::Removed, Sign::Added]
        );
        assert_eq!(got.hidden, 1);
    }

    #[test]
    fn long_texts_need_reading_and_huge_ones_only_a_no() {
        let lines = |count: usize| format!(r#"{{"command":"{}"}}"#, "x\\n".repeat(count));
        assert!(!exact("Bash", &lines(30)).needs_reading);
        assert!(exact("Bash", &lines(41)).needs_reading);
        let bytes = |count: usize| format!(r#"{{"command":"{}"}}"#, "x".repeat(count));
        assert!(exact("Bash", &bytes(5_000)).needs_reading && !exact("Bash", &bytes(5_000)).too_long);
        assert!(exact("Bash", &bytes(70_000)).too_long);
        let many: String = (0..10_000).map(|n| format!(",\"f{n}\":1")).collect();
        assert!(exact("X", &format!("{{\"a\":1{many}}}")).needs_reading);
    }

    #[test]
    fn look_alike_letters_inside_a_word_stand_out() {
        assert!(exact("Bash", r#"{"command":"rm раypal.txt"}"#).mixed_scripts);
        assert!(!exact("Bash", r#"{"command":"echo привет world"}"#).mixed_scripts);
    }

    #[test]
    fn a_literal_names_what_hides() {
        assert_eq!(literal("a\u{200b}b\nc\t "), "a⟨U+200B⟩b⏎c⇥·");
        assert_eq!(literal(&format!("a  b{}c", " ".repeat(500))), "a  b⟨500 spaces⟩c");
    }
}
