//! JSON on several lines, made from its text: numbers and the order of keys stay as they were sent.

/// Bytes of indentation at most, however deep it goes.
const INDENT_MAX: usize = 40;

/// `text` with a line for each value. What is no JSON comes back as it is, apart from its spaces.
#[must_use]
pub fn json(text: &str) -> String {
    let mut pretty = String::with_capacity(text.len() + text.len() / 4);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut rest = text.trim().chars().peekable();
    while let Some(character) = rest.next() {
        if in_string {
            pretty.push(character);
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                pretty.push('"');
            }
            '{' | '[' => {
                pretty.push(character);
                while rest.peek().is_some_and(|next| next.is_ascii_whitespace()) {
                    rest.next();
                }
                if let Some(close) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    pretty.push(close);
                } else {
                    depth += 1;
                    new_line(&mut pretty, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut pretty, depth);
                pretty.push(character);
            }
            ',' => {
                pretty.push(',');
                new_line(&mut pretty, depth);
            }
            ':' => pretty.push_str(": "),
            ' ' | '\n' | '\t' | '\r' => {}
            _ => pretty.push(character),
        }
    }
    pretty
}

fn new_line(pretty: &mut String, depth: usize) {
    pretty.push('\n');
    for _ in 0..(depth * 2).min(INDENT_MAX) {
        pretty.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn values_stand_on_their_own_lines_and_stay_as_they_were() {
        let text = r#"{"z":1.0,"a":[12345678901234567890,{}, [ ]],"s":"a, {\"b\": [\\"}"#;
        let lines = "{\n  \"z\": 1.0,\n  \"a\": [\n    12345678901234567890,\n    {},\n    []\n  ],\n  \"s\": \"a, {\\\"b\\\": [\\\\\"\n}";
        assert_eq!(json(text), lines);
        assert_eq!(json("7"), "7");
    }

    #[test]
    fn what_is_broken_or_deep_ends() {
        assert_eq!(json("]]\"x"), "\n]\n]\"x");
        let deep = json(&"[".repeat(2_000));
        assert!(deep.len() < 100_000, "{}", deep.len());
    }
}
