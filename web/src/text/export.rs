//! A session as one file for people or programs: Markdown, the log's own lines, or one page of HTML without a script,
//! in which everything that was said is text and nothing is markup.

use std::fmt::Write as _;

use portcullis_protocol::json::JsonRef;
use portcullis_protocol::session::transcript::{Item, ItemBody, ToolInput};

use super::{ansi, pretty, words};
use crate::state::tool::{Card, verbs};
use crate::words::session as said;

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Markdown,
    Lines,
    Html,
}

impl Format {
    /// All of them, for a menu.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Lines, Self::Html];

    /// Its name, the same in all languages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "Markdown",
            Self::Lines => "JSON lines",
            Self::Html => "HTML",
        }
    }

    /// How a file of it ends.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Lines => "jsonl",
            Self::Html => "html",
        }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown;charset=utf-8",
            Self::Lines => "application/x-ndjson",
            Self::Html => "text/html;charset=utf-8",
        }
    }
}

/// The style of the page: it has no other part that is not text. No address is in it, and a page without scripts and
/// with this policy cannot ask anybody for anything.
const HEAD: &str = "<!doctype html>\n<html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<style>:root{color-scheme:light dark}body{max-width:52rem;margin:2rem auto;padding:0 1rem;font:15px/1.5 system-ui,sans-serif}\
h2{font-size:1rem;margin:2rem 0 .5rem;border-top:1px solid #8884;padding-top:1rem}h3{font-size:.9rem;margin:1rem 0 .25rem}\
p,pre{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}pre{font:13px/1.45 ui-monospace,monospace;padding:.5rem .75rem;border-radius:6px;background:#8881}\
.quiet{opacity:.7}</style>\n";

/// What stands before the first item; `on` is the date.
#[must_use]
pub fn head(format: Format, title: &str, on: &str) -> String {
    let exported = said::exported_on(on);
    match format {
        Format::Markdown => format!("# {}\n\n{exported}\n\n", title.replace('\n', " ")),
        Format::Lines => String::new(),
        Format::Html => {
            let title = escaped(title);
            format!(
                "{HEAD}<title>{title}</title></head><body><h1>{title}</h1><p class=\"quiet\">{}</p>\n",
                escaped(&exported)
            )
        }
    }
}

/// What stands behind the last.
#[must_use]
pub fn foot(format: Format) -> &'static str {
    match format {
        Format::Markdown | Format::Lines => "",
        Format::Html => "</body></html>\n",
    }
}

/// One item. `time` says when it was, if that is known.
#[must_use]
pub fn item(format: Format, item: &Item, time: Option<String>) -> String {
    let mut page = Page { format, text: String::new() };
    match &item.body {
        ItemBody::Prompt(prompt) => {
            page.heading(2, &time.map_or_else(|| said::you().to_owned(), said::you_at));
            page.prose(&prompt.text);
            if prompt.attachments > 0 {
                page.quiet(&said::attachments(prompt.attachments));
            }
        }
        ItemBody::Text { text, .. } => {
            page.heading(3, &time.map_or_else(|| said::agent().to_owned(), said::agent_at));
            page.prose(text);
        }
        ItemBody::Thinking { text, .. } if text.trim().is_empty() => {}
        ItemBody::Thinking { text, .. } => {
            page.heading(3, said::thought());
            page.quiet(text);
        }
        ItemBody::Tool(call) => {
            page.heading(3, &format!("{} ({})", verbs::verb(&call.name, call.state), call.name));
            let card = Card::of(call, item.took_ms);
            let input = match &call.input {
                ToolInput::Partial(text) => text.clone(),
                ToolInput::Whole(raw) => given(raw.look()),
            };
            page.code(&input);
            if !card.result.is_empty() {
                page.quiet(&card.result);
            }
            if let Some(output) = &call.output {
                let plain: String = ansi::runs(&output.text).into_iter().map(|run| run.text).collect();
                page.code(&plain);
            }
        }
        ItemBody::Notice(notice) => page.quiet(&notice.text),
        ItemBody::TurnEnd(end) => {
            let took = end.duration_ms.map(words::duration);
            let cost = end.cost_micros.map(|micros| words::money(micros as f64 / 1e6));
            let parts = [Some(said::done().to_owned()), took, cost, end.error.clone()];
            page.quiet(&parts.into_iter().flatten().collect::<Vec<_>>().join(" · "));
        }
    }
    page.text
}

/// The one text of an input, or all of it.
fn given(input: JsonRef<'_>) -> String {
    let mut entries = input.entries();
    match (entries.next().and_then(|(_, value)| value.string()), entries.next()) {
        (Some(only), None) => only,
        _ => pretty::json(input.as_str()),
    }
}

struct Page {
    format: Format,
    text: String,
}

impl Page {
    fn heading(&mut self, level: u8, words: &str) {
        let _ = match self.format {
            Format::Html => writeln!(self.text, "<h{level}>{}</h{level}>", escaped(words)),
            Format::Markdown | Format::Lines => {
                writeln!(self.text, "{} {}\n", "#".repeat(level.into()), words.replace('\n', " "))
            }
        };
    }

    fn prose(&mut self, text: &str) {
        let _ = match self.format {
            Format::Html => writeln!(self.text, "<p>{}</p>", escaped(text)),
            Format::Markdown | Format::Lines => writeln!(self.text, "{}\n", text.trim_end()),
        };
    }

    fn quiet(&mut self, text: &str) {
        match self.format {
            Format::Html => {
                let _ = writeln!(self.text, "<p class=\"quiet\">{}</p>", escaped(text));
            }
            Format::Markdown | Format::Lines => {
                for line in text.lines() {
                    let _ = writeln!(self.text, "> {line}");
                }
                self.text.push('\n');
            }
        }
    }

    fn code(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let _ = match self.format {
            Format::Html => writeln!(self.text, "<pre>{}</pre>", escaped(text)),
            Format::Markdown | Format::Lines => {
                let fence = "`".repeat(longest_fence(text).max(2) + 1);
                writeln!(self.text, "{fence}\n{}\n{fence}\n", text.trim_end())
            }
        };
    }
}

/// Backticks in a row: a fence is longer, or the text could end it.
fn longest_fence(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text that is nothing but text, wherever it stands in a page.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            _ if character.is_control() => {}
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::RawJson;
    use portcullis_protocol::session::transcript::Transcript;

    const HOSTILE: &str = r#"</p></pre><script>alert(1)</script><img src=x onerror='x'>"&amp;``````"#;

    fn exported(format: Format) -> String {
        let mut transcript = Transcript::new();
        let text = RawJson::from_value(HOSTILE);
        let lines = [
            format!(
                r#"{{"type":"user","isReplay":true,"uuid":"p","message":{{"role":"user","content":{}}}}}"#,
                text.as_str()
            ),
            format!(
                r#"{{"type":"assistant","uuid":"a","message":{{"id":"m","content":[{{"type":"text","text":{0}}},{{"type":"thinking","thinking":{0}}},{{"type":"tool_use","id":"t","name":{0},"input":{{"command":{0}}}}}]}}}}"#,
                text.as_str()
            ),
            format!(
                r#"{{"type":"user","uuid":"r","message":{{"content":[{{"type":"tool_result","tool_use_id":"t","content":{},"is_error":true}}]}}}}"#,
                text.as_str()
            ),
            format!(r#"{{"type":"system","subtype":"notification","uuid":"n","text":{}}}"#, text.as_str()),
            r#"{"type":"result","uuid":"e","subtype":"success","duration_ms":1500,"total_cost_usd":0.25}"#
                .to_owned(),
        ];
        for (seq, line) in (1..).zip(&lines) {
            transcript.apply(seq, &RawJson::parse(line).unwrap());
        }
        let mut file = head(format, HOSTILE, "2026-11-21");
        file.extend(transcript.items().map(|one| item(format, one, Some("14:20".into()))));
        file + foot(format)
    }

    #[test]
    fn a_page_has_no_markup_but_its_own_and_loads_nothing() {
        let page = exported(Format::Html);
        let tags: Vec<&str> =
            page.split('<').skip(1).map(|tag| tag.split(['>', ' ']).next().unwrap()).collect();
        let own =
            ["!doctype", "html", "head", "meta", "style", "title", "body", "h1", "h2", "h3", "p", "pre"];
        for tag in &tags {
            assert!(own.contains(&tag.trim_start_matches('/')), "<{tag}");
        }
        assert!(page.contains("&lt;script&gt;") && !page.contains("http://") && !page.contains("https://"));
        assert!(page.contains("You, 14:20") && page.contains("1.5 s · $0.25"));
    }

    #[test]
    fn no_text_ends_the_fence_it_stands_in() {
        let page = exported(Format::Markdown);
        assert!(page.contains("```````\n"), "{page}");
        assert!(page.starts_with("# </p>") && page.contains("\n## You, 14:20\n"));
    }
}
