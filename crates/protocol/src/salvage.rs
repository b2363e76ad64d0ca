//! What can still be told about a line that is not taken as an event: too large, too deep, or with values nobody can
//! read. A request must be answered even then, so its `type` and `request_id` are looked for byte by byte.

use crate::limits::FOREIGN_ID_BYTES_MAX;

/// The little that routing needs of a line that was turned away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Its top-level `type`, if that is a string without escapes.
    pub kind: Option<String>,
    /// Its top-level `request_id`, likewise.
    pub request_id: Option<String>,
}

/// Looks for the top-level `type` and `request_id` of `text`, the last of each if it stands twice. Never recurses,
/// never allocates more than two ids, and takes anything: what is no JSON gives whatever it seems to say.
///
/// ```
/// use portcullis_protocol::json::salvage;
/// let line = r#"{"request":{"type":"x","n":1e999,"s":"\ud800"},"request_id":"R","type":"control_request"}"#;
/// let found = salvage(line);
/// assert_eq!((found.kind.as_deref(), found.request_id.as_deref()), (Some("control_request"), Some("R")));
/// ```
#[must_use]
pub fn salvage(text: &str) -> Salvaged {
    let mut found = Salvaged::default();
    let mut depth = 0_usize;
    let mut key: Option<&str> = None;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        match character {
            '"' => {
                let (string, after) = string(rest);
                let names = after.trim_start().starts_with(':');
                match key.take() {
                    _ if depth != 1 => {}
                    None if names => key = string,
                    Some("type") => found.kind = id(string),
                    Some("request_id") => found.request_id = id(string),
                    Some(_) | None => {}
                }
                rest = after;
                continue;
            }
            '{' | '[' => depth = depth.saturating_add(1),
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 1 => key = None,
            _ => {}
        }
        rest = &rest[character.len_utf8()..];
    }
    found
}

/// The string that begins `text`, `None` when it holds an escape or has no end, and what follows it.
fn string(text: &str) -> (Option<&str>, &str) {
    let body = &text[1..];
    let (mut escaped, mut plain) = (false, true);
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => (escaped, plain) = (true, false),
            b'"' => return (plain.then_some(&body[..at]), &body[at + 1..]),
            _ => {}
        }
    }
    (None, "")
}

fn id(string: Option<&str>) -> Option<String> {
    string.filter(|text| text.len() <= FOREIGN_ID_BYTES_MAX).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn found(text: &str) -> (Option<String>, Option<String>) {
        let Salvaged { kind, request_id } = salvage(text);
        (kind, request_id)
    }

    #[test]
    fn finds_both_whatever_else_the_line_holds() {
        let request = |input: &str| {
            format!(
                r#"{{"type":"control_request","request":{{"type":"no","request_id":"no","input":{input}}},"request_id":"R"}}"#
            )
        };
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for input in [r#"{"n":1e999}"#, r#""\ud800""#, r#"{"\udc00":1}"#, r#""\"},\"type\":\"x\"""#, &deep] {
            assert_eq!(
                found(&request(input)),
                (Some("control_request".into()), Some("R".into())),
                "{input:.40}"
            );
        }
    }

    #[test]
    fn says_nothing_it_does_not_see() {
        assert_eq!(found("garbage"), (None, None));
        assert_eq!(found(r#"{"type":7,"request_id":null}"#), (None, None));
        assert_eq!(found(r#"[{"type":"control_request"}]"#), (None, None));
        assert_eq!(found(r#"{"x":"type","y":"control_request"}"#), (None, None));
        assert_eq!(found(r#"{"type":"half"#), (None, None));
        assert_eq!(
            found(&format!(r#"{{"type":"t","request_id":"{}"}}"#, "x".repeat(300))),
            (Some("t".into()), None)
        );
    }
}
