//! One event, one line: between the tokens of a JSON text there may be line breaks, and whoever reads line by line
//! would take what follows for an event of its own.

use std::borrow::Cow;
use std::fmt::Write as _;

use portcullis_protocol::RawJson;

/// What ends a line for some reader. Inside strings JSON escapes the first two, and may not escape the others.
const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// The JSON text on one line: the same value, whoever splits lines.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(BREAKS) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => {}
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(line, "\\u{:04x}", u32::from(c));
            }
            _ => line.push(c),
        }
    }
    Cow::Owned(line)
}

/// The event without line breaks between its tokens; every other byte stays.
pub(super) fn flat(event: RawJson) -> RawJson {
    if !event.as_str().contains(['\n', '\r']) {
        return event;
    }
    let text: String = event.as_str().chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    // What only lost white space is still JSON.
    RawJson::parse(&text).unwrap_or(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pretty_printed_or_forged_event_is_one_line_of_the_same_value() {
        for text in [
            "{\"type\":\"user\",\n\"x\":\n{\"type\":\"control_request\"}\n}",
            "{\r\n \"type\" : \"user\"\r}",
            "{\"type\":\"user\",\"text\":\"a\u{2028}b\u{2029}c\u{85}d\\n\"}",
        ] {
            let line = one_line(text);
            assert!(!line.contains(BREAKS), "{line}");
            let (was, is) = (RawJson::parse(text).unwrap(), RawJson::parse(&line).unwrap());
            assert!(is.same_value(&was), "{line}");
            assert!(flat(was.clone()).same_value(&was) && !flat(was).as_str().contains(['\n', '\r']));
        }
    }

    #[test]
    fn an_event_on_one_line_keeps_its_bytes() {
        let text = r#"{"type": "user", "n":1.0, "t":"a\nb"}"#;
        assert!(matches!(one_line(text), Cow::Borrowed(same) if same == text));
        assert_eq!(flat(RawJson::parse(text).unwrap()).as_str(), text);
    }
}
