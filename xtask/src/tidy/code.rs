//! Rust source without its comments, line for line, so that a rule about code does not fire on a sentence about it.

/// Replaces comments by spaces. Strings stay: some rules are about what a program says.
pub(crate) fn without_comments(source: &str) -> String {
    let mut scanner = Scanner { rest: source, code: String::with_capacity(source.len()) };
    while let Some(next) = scanner.rest.chars().next() {
        if scanner.rest.starts_with("//") {
            scanner.blank(line_length(scanner.rest));
        } else if scanner.rest.starts_with("/*") {
            scanner.blank(block_length(scanner.rest));
        } else if let Some(length) = string_length(scanner.rest, scanner.after_word()) {
            scanner.keep(length);
        } else {
            scanner.keep(next.len_utf8());
        }
    }
    scanner.code
}

struct Scanner<'a> {
    rest: &'a str,
    code: String,
}

impl Scanner<'_> {
    fn after_word(&self) -> bool {
        self.code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.code += kept;
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (comment, rest) = self.rest.split_at(length);
        self.code.extend(comment.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

fn block_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of the string or character literal that starts here, if one does.
fn string_length(rest: &str, after_word: bool) -> Option<usize> {
    if let Some(body) = rest.strip_prefix('"') {
        return Some(1 + quoted_length(body, '"'));
    }
    if let Some(character) = rest.strip_prefix('\'') {
        return character_length(character).map(|length| 1 + length);
    }
    if after_word {
        return None;
    }
    let raw = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let body = raw[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let prefix_length = rest.len() - body.len();
    Some(prefix_length + body.find(&end).map_or(body.len(), |at| at + end.len()))
}

/// How far the closing quote is, with backslashes taken into account.
fn quoted_length(body: &str, quote: char) -> usize {
    let mut characters = body.char_indices();
    while let Some((at, c)) = characters.next() {
        if c == '\\' {
            characters.next();
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    body.len()
}

/// A lifetime looks like a character literal that is not closed.
fn character_length(body: &str) -> Option<usize> {
    let mut characters = body.chars();
    let first = characters.next()?;
    if first == '\\' {
        return Some(quoted_length(body, '\''));
    }
    (characters.next() == Some('\'')).then(|| first.len_utf8() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let code = without_comments(source);
        let words = code.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words, expected);
        assert_eq!(code.lines().count(), source.lines().count(), "lines keep their numbers");
    }

    #[test]
    fn line_and_block_comments_disappear_and_lines_stay() {
        check("a // one\nb /* two\nthree /* nested */ */ c", "a b c");
    }

    #[test]
    fn what_looks_like_a_comment_inside_a_string_stays() {
        check(r#"f("http://x", '"', b) // gone"#, r#"f("http://x", '"', b)"#);
        check(r##"f(r#"// "kept" /*"#) /* gone */"##, r##"f(r#"// "kept" /*"#)"##);
        check(r#"f("\" // kept")"#, r#"f("\" // kept")"#);
    }

    #[test]
    fn lifetimes_do_not_open_a_string() {
        check("fn f<'a>(x: &'a str) // gone\nlet c = '\\'';", "fn f<'a>(x: &'a str) let c = '\\'';");
    }
}
