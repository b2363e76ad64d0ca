//! What is read aloud of an answer while it is written: whole paragraphs once nothing more is added to them, and the
//! rest when it is done. Never single words, and never what was there before somebody listened.

/// Characters that are read of one paragraph: who wants more reads on in the transcript.
const SPOKEN_CHARS_MAX: usize = 600;

/// Follows one answer after the other.
#[derive(Clone, Debug)]
pub struct Voice<K> {
    of: Option<K>,
    spoken: usize,
}

impl<K> Default for Voice<K> {
    fn default() -> Self {
        Self { of: None, spoken: 0 }
    }
}

impl<K: PartialEq + Copy> Voice<K> {
    /// The newest answer says `text` now. Returns what is to be read aloud.
    pub fn hear(&mut self, key: K, text: &str, live: bool) -> Option<String> {
        if self.of != Some(key) {
            // An answer that was whole when it came is read if another was followed before it.
            let begins = live || self.of.is_some();
            (self.of, self.spoken) = (Some(key), if begins { 0 } else { text.len() });
        }
        let open = text.get(self.spoken..)?;
        let whole = if live { open.rfind("\n\n").map_or("", |end| &open[..end]) } else { open };
        if whole.trim().is_empty() {
            return None;
        }
        self.spoken += whole.len();
        Some(plain(whole))
    }
}

/// Without the marks of markdown, and not without end.
fn plain(text: &str) -> String {
    let mut code = false;
    let mut words = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
            if code {
                words.push_str(crate::words::tool::code());
                words.push_str(". ");
            }
        } else if !code {
            words.extend(
                line.trim_start_matches(['#', '>', '-', '*', ' ']).chars().filter(|c| !"*`_|".contains(*c)),
            );
            words.push(' ');
        }
    }
    words.trim().chars().take(SPOKEN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whole_paragraphs_and_the_rest_at_the_end() {
        let mut voice = Voice::default();
        assert_eq!(voice.hear(1, "Hello", true), None);
        assert_eq!(voice.hear(1, "Hello *you*.\n\nAnd", true), Some("Hello you.".into()));
        assert_eq!(voice.hear(1, "Hello *you*.\n\nAnd so", true), None);
        assert_eq!(voice.hear(1, "Hello *you*.\n\nAnd so on.", false), Some("And so on.".into()));
        assert_eq!(voice.hear(1, "Hello *you*.\n\nAnd so on.", false), None);
        assert_eq!(voice.hear(2, "All at once.", false), Some("All at once.".into()));
    }

    #[test]
    fn reads_nothing_that_was_there_before_and_no_code() {
        let mut voice = Voice::default();
        assert_eq!(voice.hear(1, "Old.", false), None);
        assert_eq!(voice.hear(2, "Do:\n```sh\nrm -rf x\n```\nDone.", false), Some("Do: Code. Done.".into()));
        assert_eq!(Voice::default().hear(3, &"x".repeat(5_000), true), None);
    }
}
