//! Finds text in files. Options this search does not have are refused rather than ignored, since the result
//! would mean something else.

use std::path::{Path, PathBuf};

use globset::{Glob, GlobMatcher};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::json;

use super::{ToolOutcome, cut_output, glob::tidy, search};

/// Larger files are skipped, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Lines, files or counts given back when the call names no limit.
const HEAD_DEFAULT: usize = 250;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    pub(super) pattern: String,
    pub(super) path: Option<String>,
    glob: Option<String>,
    #[serde(default)]
    output_mode: Mode,
    #[serde(rename = "-i", default)]
    ignore_case: bool,
    #[serde(rename = "-n")]
    line_numbers: Option<bool>,
    head_limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Content,
    #[default]
    FilesWithMatches,
    Count,
}

/// One file with its matching lines, numbered from one.
struct Hit {
    path: PathBuf,
    lines: Vec<(usize, String)>,
}

pub(super) async fn run(input: Input, cwd: &Path) -> ToolOutcome {
    let prepared = pattern(&input).and_then(|pattern| Ok((pattern, name_filter(&input)?)));
    let (pattern, names) = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => return ToolOutcome::misused(&format!("InputValidationError: {problem}")),
    };
    let base = cwd.join(input.path.as_deref().unwrap_or("."));
    match search::aside(move || hits(&base, &pattern, names.as_ref())).await {
        Ok(hits) => report(&input, cwd, &hits),
        Err(problem) => ToolOutcome::failed(problem),
    }
}

fn pattern(input: &Input) -> Result<Regex, String> {
    let built = RegexBuilder::new(&input.pattern).case_insensitive(input.ignore_case).build();
    built.map_err(|error| error.to_string())
}

fn name_filter(input: &Input) -> Result<Option<GlobMatcher>, String> {
    let compile = |pattern: &str| Glob::new(pattern).map(|glob| glob.compile_matcher());
    input.glob.as_deref().map(compile).transpose().map_err(|error| error.to_string())
}

fn hits(base: &Path, pattern: &Regex, names: Option<&GlobMatcher>) -> Vec<Hit> {
    let wanted =
        |path: &PathBuf| names.is_none_or(|names| path.file_name().is_some_and(|name| names.is_match(name)));
    let search = |path: PathBuf| {
        let text = bearable_text(&path)?;
        let matching = text.lines().enumerate().filter(|(_, line)| pattern.is_match(line));
        let lines: Vec<_> = matching.map(|(index, line)| (index + 1, line.to_owned())).collect();
        (!lines.is_empty()).then_some(Hit { path, lines })
    };
    search::files(base).filter(wanted).filter_map(search).collect()
}

fn bearable_text(path: &Path) -> Option<String> {
    let small = path.metadata().ok()?.len() <= FILE_BYTES_MAX;
    small.then(|| std::fs::read_to_string(path).ok()).flatten()
}

fn report(input: &Input, cwd: &Path, hits: &[Hit]) -> ToolOutcome {
    let limit = input.head_limit.filter(|limit| *limit > 0).unwrap_or(HEAD_DEFAULT);
    let numbered = input.line_numbers.unwrap_or(true);
    let lines: Vec<String> = match input.output_mode {
        Mode::FilesWithMatches => hits.iter().map(|hit| tidy(cwd, &hit.path)).take(limit).collect(),
        Mode::Count => hits
            .iter()
            .map(|hit| format!("{}:{}", tidy(cwd, &hit.path), hit.lines.len()))
            .take(limit)
            .collect(),
        Mode::Content => {
            let of_file = |hit: &Hit| {
                let name = tidy(cwd, &hit.path);
                let line = |(number, text): &(usize, String)| match numbered {
                    true => format!("{name}:{number}:{text}"),
                    false => format!("{name}:{text}"),
                };
                hit.lines.iter().map(line).collect::<Vec<_>>()
            };
            hits.iter().flat_map(of_file).take(limit).collect()
        }
    };
    let content = cut_output(&lines.join("\n"), "matches");
    let total: usize = hits.iter().map(|hit| hit.lines.len()).sum();
    let structured = match input.output_mode {
        Mode::FilesWithMatches => {
            json!({"mode": "files_with_matches", "numFiles": hits.len(), "filenames": lines})
        }
        Mode::Content => json!({"mode": "content", "numFiles": hits.len(), "filenames": [],
                                "content": content, "numLines": lines.len()}),
        Mode::Count => json!({"mode": "count", "numFiles": hits.len(), "filenames": [],
                              "content": content, "numMatches": total}),
    };
    ToolOutcome::ok(if lines.is_empty() { "No matches found".to_owned() } else { content }, structured)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn grep(input: serde_json::Value) -> ToolOutcome {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("a.txt"), "needle one\nhay\nNEEDLE two\n").unwrap();
        std::fs::write(home.path().join("b.md"), "needle\n").unwrap();
        std::fs::write(home.path().join("c.bin"), b"needle\xff").unwrap();
        run(serde_json::from_value(input).unwrap(), home.path()).await
    }

    #[tokio::test]
    async fn lists_files_lines_and_counts() {
        assert_eq!(
            grep(json!({"pattern": "needle"})).await.structured["filenames"],
            json!(["a.txt", "b.md"])
        );
        let lines =
            grep(json!({"pattern": "needle", "-i": true, "output_mode": "content", "glob": "*.txt"})).await;
        assert_eq!(lines.content, "a.txt:1:needle one\na.txt:3:NEEDLE two");
        let counts = grep(json!({"pattern": "needle", "output_mode": "count", "head_limit": 1})).await;
        assert_eq!((counts.content, &counts.structured["numMatches"]), (json!("a.txt:1"), &json!(2)));
        assert_eq!(grep(json!({"pattern": "absent"})).await.content, "No matches found");
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_a_pattern() {
        assert_eq!(grep(json!({"pattern": "("})).await.is_error, Some(true));
    }
}
