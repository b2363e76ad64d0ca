//! Finds files by name.

use std::path::Path;

use globset::GlobBuilder;
use serde::Deserialize;
use serde_json::json;

use super::{ToolOutcome, cut_output, search};

/// File names given back by one call.
const NAMES_MAX: usize = 100;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    pub(super) pattern: String,
    pub(super) path: Option<String>,
}

pub(super) async fn run(input: Input, cwd: &Path) -> ToolOutcome {
    let matcher = match GlobBuilder::new(&input.pattern).literal_separator(true).build() {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => return ToolOutcome::misused(&format!("InputValidationError: {error}")),
    };
    let base = cwd.join(input.path.as_deref().unwrap_or("."));
    let found = search::aside(move || {
        let matches = |path: &Path| path.strip_prefix(&base).is_ok_and(|short| matcher.is_match(short));
        search::files(&base).filter(|path| matches(path)).take(NAMES_MAX + 1).collect::<Vec<_>>()
    });
    let mut found = match found.await {
        Ok(found) => found,
        Err(problem) => return ToolOutcome::failed(problem),
    };
    let truncated = found.len() > NAMES_MAX;
    found.truncate(NAMES_MAX);
    let mut names: Vec<String> = found.iter().map(|path| tidy(cwd, path)).collect();
    let structured =
        json!({"filenames": names, "numFiles": names.len(), "durationMs": 0, "truncated": truncated});
    if names.is_empty() {
        return ToolOutcome::ok("No files found", structured);
    }
    if truncated {
        names.push(format!("(more than {NAMES_MAX} files match)"));
    }
    ToolOutcome::ok(cut_output(&names.join("\n"), "the list"), structured)
}

/// `cwd/./a` as `a`.
pub(super) fn tidy(cwd: &Path, path: &Path) -> String {
    let short = path.strip_prefix(cwd).unwrap_or(path);
    short.strip_prefix(".").unwrap_or(short).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn matches_below_the_directory_and_leaves_out_what_git_ignores() {
        let home = tempfile::tempdir().unwrap();
        for file in ["a.rs", "src/b.rs", "src/c.txt", "target/d.rs", ".git/e.rs"] {
            let path = home.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::write(home.path().join(".gitignore"), "target\n").unwrap();
        let glob = async |pattern: &str| {
            run(Input { pattern: pattern.to_owned(), path: None }, home.path()).await.structured["filenames"]
                .clone()
        };
        assert_eq!(glob("**/*.rs").await, json!(["a.rs", "src/b.rs"]));
        assert_eq!(glob("*.rs").await, json!(["a.rs"]));
        assert_eq!(glob("src/{b,c}.*").await, json!(["src/b.rs", "src/c.txt"]));
        assert_eq!(glob("../*").await, json!([]));
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_a_pattern() {
        let outcome = run(Input { pattern: "a{".to_owned(), path: None }, Path::new("/")).await;
        assert_eq!(outcome.is_error, Some(true));
    }
}
