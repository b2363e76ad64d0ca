//! What no source may contain, and where the few places are that may.

use std::path::{Component, Path, PathBuf};

use super::code::without_comments;
use super::{Finding, Source};

/// A file beyond this tells two stories, in lines.
const LINES_MAX: usize = 800;
/// These rules are written down in words they forbid.
const RULES_THEMSELVES: &str = "xtask/src/tidy/";

/// Which part of a source a rule is about.
#[derive(Clone, Copy)]
enum Part {
    /// Everything.
    Text,
    /// Rust without comments; other languages as they are.
    Code,
    /// The same up to the unit tests, which close a file.
    Shipped,
}

struct Rule {
    applies: fn(&str) -> bool,
    part: Part,
    forbidden: &'static [&'static str],
    reason: &'static str,
}

const RULES: [Rule; 12] = [
    Rule {
        applies: |path| path.starts_with("web/src/view"),
        part: Part::Code,
        forbidden: &["link::", "crate::link", "{link,", " link,", " link}", "WebSocket", "gloo_net"],
        reason: "a view never imports the link or a socket: go through the state",
    },
    Rule {
        applies: |path| path.starts_with("web/src/link"),
        part: Part::Code,
        forbidden: &["view::", "crate::view", "{view,", " view,", " view}", "view!"],
        reason: "the link never imports a view: it reports changes to the state",
    },
    Rule {
        applies: |path| is_rust(path) && !path.starts_with("crates/ingress/src/store"),
        part: Part::Code,
        forbidden: &["sqlx"],
        reason: "sqlx stays in crates/ingress/src/store",
    },
    Rule {
        applies: |path| {
            let serves = ["crates/ingress/src/http", "crates/ingress/tests/", "crates/testkit/"];
            is_rust(path) && !serves.iter().any(|place| path.starts_with(place))
        },
        part: Part::Code,
        forbidden: &["axum"],
        reason: "axum stays in crates/ingress/src/http",
    },
    Rule {
        applies: |path| path.starts_with("web/") && !path.starts_with("web/tests/"),
        part: Part::Code,
        forbidden: &[
            "inner_html",
            "set_inner_html",
            "innerHTML",
            "outer_html",
            "set_outer_html",
            "outerHTML",
            "insert_adjacent_html",
            "insertAdjacentHTML",
            "document.write",
            "create_contextual_fragment",
        ],
        reason: "the agent's output is hostile: build nodes, never HTML",
    },
    Rule {
        applies: |path| path.starts_with("crates/protocol/src"),
        part: Part::Code,
        forbidden: &[
            "Instant",
            "SystemTime",
            "rand",
            "getrandom",
            "new_v4",
            "tokio",
            "js_sys",
            "web_sys",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
        ],
        reason: "the protocol has no IO, no clock and no randomness: take them as arguments",
    },
    Rule {
        applies: |path| (path.starts_with("crates/") || path.starts_with("web/")) && path.contains("src/"),
        part: Part::Shipped,
        forbidden: &[
            "document.cookie",
            "set_cookie",
            "SET_COOKIE",
            "set-cookie",
            "Set-Cookie",
            "cookieStore",
            "cookie_store",
        ],
        reason: "there are no cookies: they ignore ports, and agents start servers on loopback",
    },
    Rule {
        applies: |path| path.starts_with("web/src/link"),
        part: Part::Code,
        forbidden: STORAGE,
        reason: "nothing of the link is kept where scripts can read it: the device key lives in WebCrypto",
    },
    Rule {
        applies: is_rust,
        part: Part::Code,
        forbidden: &["#[allow", "#![allow"],
        reason: "say what is expected, and why: #[expect(lint, reason = \"…\")]",
    },
    Rule {
        applies: is_rust,
        part: Part::Code,
        forbidden: &["#[ignore"],
        reason: "a test that is not run is not a test",
    },
    Rule {
        applies: |path| is_written(path),
        part: Part::Text,
        forbidden: &["TODO", "FIXME", "todo!", "unimplemented!"],
        reason: "finish it, or write an issue",
    },
    Rule {
        applies: |path| {
            path.starts_with("crates/") && path.contains("/src/") && !path.starts_with("crates/portcullis/")
        },
        part: Part::Shipped,
        forbidden: &["println!", "eprintln!", "print!", "eprint!", "dbg!"],
        reason: "a library does not print: use tracing",
    },
];

const STORAGE: &[&str] = &["local_storage", "localStorage", "session_storage", "sessionStorage"];
const SECRETS: &[&str] = &["token", "access_token", "credential", "secret", "bearer", "private_key"];

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_written(path: &str) -> bool {
    [".rs", ".css", ".js", ".html", ".toml"].iter().any(|ending| path.ends_with(ending))
}

pub(crate) fn check(source: &Source) -> Vec<Finding> {
    if source.path.starts_with(RULES_THEMSELVES) {
        return check_length(source);
    }
    let code = if is_rust(&source.path) { without_comments(&source.text) } else { source.text.clone() };
    let shipped = code.split("#[cfg(test)]").next().unwrap_or_default();
    let mut findings = check_length(source);
    for rule in RULES.iter().filter(|rule| (rule.applies)(&source.path)) {
        let text = match rule.part {
            Part::Text => source.text.as_str(),
            Part::Code => code.as_str(),
            Part::Shipped => shipped,
        };
        for (line, word) in occurrences(text, rule.forbidden) {
            findings.push(finding(source, line, format!("`{}`: {}", word.trim(), rule.reason)));
        }
    }
    findings.extend(check_storage(source, shipped));
    findings.extend(check_includes(source, &code));
    findings
}

fn finding(source: &Source, line: usize, message: String) -> Finding {
    Finding { path: source.path.clone(), line, message }
}

fn check_length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if lines <= LINES_MAX || !is_written(&source.path) {
        return Vec::new();
    }
    vec![finding(source, 0, format!("{lines} lines: look for the second story, {LINES_MAX} is the most"))]
}

/// Storage that scripts can read may hold drafts and settings, in files that know no secret.
fn check_storage(source: &Source, shipped: &str) -> Vec<Finding> {
    if !source.path.starts_with("web/src") || occurrences(shipped, SECRETS).is_empty() {
        return Vec::new();
    }
    occurrences(shipped, STORAGE)
        .into_iter()
        .map(|(line, word)| finding(source, line, format!("`{word}` in a file that handles secrets")))
        .collect()
}

/// An included file must be part of the checkout.
fn check_includes(source: &Source, code: &str) -> Vec<Finding> {
    let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for opening in ["include_str!(\"", "include_bytes!(\"", "include!(\""] {
            let Some((_, rest)) = line.split_once(opening) else { continue };
            let target = rest.split('"').next().unwrap_or_default();
            if climbs_out(&folder.join(target)) {
                findings.push(finding(source, index + 1, format!("{target} is not part of the checkout")));
            }
        }
    }
    findings
}

fn climbs_out(path: &Path) -> bool {
    let mut depth = 0_i32;
    path.components().any(|component| {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => depth = i32::MIN / 2,
            Component::CurDir => {}
        }
        depth < 0
    })
}

/// Folders of this machine that no file may name: where the checkout is, and whose it is.
pub(crate) fn private_folders(root: &Path) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let telling = |folder: &PathBuf| folder.components().count() > 1;
    [Some(root.to_path_buf()), home].into_iter().flatten().filter(telling).collect()
}

pub(crate) fn check_private_paths(source: &Source, private: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for folder in private {
            let needle = format!("{}/", folder.to_string_lossy());
            let starts_there = |(at, _): (usize, &str)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-./}{".contains(c))
            };
            if line.match_indices(&needle).any(starts_there) {
                findings.push(finding(
                    source,
                    index + 1,
                    format!("names a folder of this machine: {needle}"),
                ));
            }
        }
    }
    findings
}

/// Where one of `words` stands as a whole word, by line.
fn occurrences<'a>(text: &str, words: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in words {
            if line.match_indices(word).any(|(at, _)| is_whole(line, at, word)) {
                found.push((index + 1, *word));
            }
        }
    }
    found
}

fn is_whole(line: &str, at: usize, word: &str) -> bool {
    let of_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let begins = !word.starts_with(of_a_word) || !line[..at].ends_with(of_a_word);
    let ends = !word.ends_with(of_a_word) || !line[at + word.len()..].starts_with(of_a_word);
    begins && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[track_caller]
    fn fires(path: &str, text: &str) {
        assert_eq!(check(&source(path, text)).len(), 1, "in {path}: {text}");
    }

    #[track_caller]
    fn passes(path: &str, text: &str) {
        assert_eq!(check(&source(path, text)), [], "in {path}: {text}");
    }

    #[test]
    fn a_view_may_not_reach_the_link() {
        fires("web/src/view/gate.rs", "use crate::{link, state};");
        fires("web/src/view/gate.rs", "let socket = web_sys::WebSocket::new(url);");
        fires("web/src/view.rs", "gloo_net::http::Request::get(url)");
        passes("web/src/view/gate.rs", "view! { <p data-testid=\"link-state\">{hyperlink}</p> }");
        passes("web/src/state/mod.rs", "use crate::{link, state};");
    }

    #[test]
    fn the_link_may_not_reach_a_view() {
        fires("web/src/link/socket.rs", "view::show(x)");
        fires("web/src/link/socket.rs", "view! { <p/> }");
        passes("web/src/link/socket.rs", "let preview = review(x);");
    }

    #[test]
    fn sqlx_stays_in_the_store_and_axum_in_http() {
        fires("crates/ingress/src/hub.rs", "fn f(pool: sqlx::SqlitePool)");
        passes("crates/ingress/src/store/sqlite.rs", "use sqlx::SqlitePool;");
        fires("crates/ingress/src/hub.rs", "use axum::Router;");
        passes("crates/ingress/src/http/mod.rs", "use axum::Router;");
        passes("crates/ingress/src/hub.rs", "// neither axum nor sqlx here");
    }

    #[test]
    fn no_html_is_set_from_text() {
        fires("web/src/view/text.rs", "node.set_inner_html(text);");
        fires("web/src/view/text.rs", "view! { <p inner_html=text/> }");
        fires("web/boot.js", "note.innerHTML = text;");
        passes("web/src/view/text.rs", "/// There is no `inner_html` here.");
    }

    #[test]
    fn the_protocol_has_no_clock_no_randomness_and_no_io() {
        for line in ["Instant::now()", "SystemTime::now()", "rand::random()", "getrandom::fill(&mut x)"] {
            fires("crates/protocol/src/session/mod.rs", line);
        }
        fires("crates/protocol/src/session/mod.rs", "std::fs::read(path)");
        passes("crates/protocol/src/session/mod.rs", "let operand = expand(instant_ms);");
        passes("crates/bridge/src/core.rs", "Instant::now()");
    }

    #[test]
    fn there_are_no_cookies() {
        fires("crates/ingress/src/http/auth.rs", "headers.insert(SET_COOKIE, value);");
        fires("web/src/link/auth.rs", "document.set_cookie(x)");
        passes(
            "crates/ingress/src/http/auth.rs",
            "#[cfg(test)]\nmod tests { assert!(!has(\"set-cookie\")); }",
        );
    }

    #[test]
    fn tokens_are_not_kept_where_scripts_read_them() {
        fires("web/src/state/account.rs", "window.local_storage().set_item(\"t\", &access_token)");
        fires("web/src/link/auth.rs", "window.session_storage()");
        passes("web/src/state/draft.rs", "window.local_storage().set_item(\"draft\", &text)");
    }

    #[test]
    fn a_lint_is_expected_with_a_reason_and_never_just_allowed() {
        fires("crates/agent/src/lib.rs", "#[allow(dead_code)]");
        fires("crates/agent/src/lib.rs", "#![allow(clippy::all)]");
        passes("crates/agent/src/lib.rs", "#[expect(dead_code, reason = \"read by the debugger\")]");
    }

    #[test]
    fn no_test_is_ignored_and_nothing_is_left_to_do() {
        fires("crates/agent/src/lib.rs", "#[ignore]");
        fires("crates/agent/src/lib.rs", "// TODO later");
        fires("web/styles/base.css", "/* FIXME */");
        passes("crates/agent/src/tools/todo_write.rs", "pub struct TodoWrite; // the todo list");
    }

    #[test]
    fn a_library_does_not_print_but_the_program_may() {
        fires("crates/bridge/src/relay.rs", "println!(\"hi\")");
        passes("crates/portcullis/src/main.rs", "println!(\"hi\")");
    }

    #[test]
    fn a_file_of_more_than_800_lines_tells_two_stories() {
        fires("crates/agent/src/lib.rs", &"x\n".repeat(801));
        passes("crates/agent/src/lib.rs", &"x\n".repeat(800));
        passes("tests/fixtures/captured.ndjson", &"{}\n".repeat(2000));
    }

    #[test]
    fn what_is_included_is_part_of_the_checkout() {
        fires("tests/src/lib.rs", "include_str!(\"../../../elsewhere/x.ndjson\")");
        fires("tests/src/lib.rs", "include_str!(\"/etc/passwd\")");
        passes("tests/src/lib.rs", "include_str!(\"../fixtures/x.ndjson\")");
    }

    #[test]
    fn no_file_names_a_folder_of_this_machine() {
        let private = [PathBuf::from("/home/ada/portcullis")];
        let count = |text: &str| check_private_paths(&source("docs/x.md", text), &private).len();
        assert_eq!(count("see `/home/ada/portcullis/target`"), 1);
        assert_eq!(count("see /home/ada/portcullis-data/"), 0);
        assert_eq!(count("https://example.org/home/ada/portcullis/"), 0);
    }
}
