//! Reads a text file, with line numbers for the model and the plain text for people.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use tokio::fs;

use super::{OUTPUT_CHARS_MAX, ToolOutcome, cut_output};

/// Largest file that is read at all, in bytes.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Lines shown when the call names no limit.
const LINES_DEFAULT: usize = 2_000;

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    pub(super) file_path: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

pub(super) async fn run(input: &Input, cwd: &Path) -> ToolOutcome {
    let text = match load(&cwd.join(&input.file_path), cwd).await {
        Ok(text) => text,
        Err(problem) => return ToolOutcome::failed(problem),
    };
    let all: Vec<&str> = text.split('\n').collect();
    let start = input.offset.unwrap_or(1).max(1);
    let shown: Vec<&str> =
        all.iter().skip(start - 1).take(input.limit.unwrap_or(LINES_DEFAULT)).copied().collect();
    let numbered: Vec<String> =
        shown.iter().enumerate().map(|(index, line)| format!("{}\t{line}", start + index)).collect();
    let plain = shown.join("\n");
    let content: String = plain.chars().take(OUTPUT_CHARS_MAX).collect();
    let mut file = json!({
        "filePath": cwd.join(&input.file_path), "content": content, "numLines": shown.len(),
        "startLine": start, "totalLines": all.len(),
    });
    if content.len() < plain.len() {
        file["truncatedByTokenCap"] = json!(true);
    }
    ToolOutcome::ok(cut_output(&numbered.join("\n"), "the file"), json!({"type": "text", "file": file}))
}

/// The text of a regular file of bearable size.
pub(super) async fn load(path: &Path, cwd: &Path) -> Result<String, String> {
    let Ok(metadata) = fs::metadata(path).await else {
        return Err(format!(
            "File does not exist. Note: your current working directory is {}.",
            cwd.display()
        ));
    };
    if metadata.is_dir() {
        return Err(format!("{} is a directory", path.display()));
    }
    if !metadata.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!(
            "{} has {} bytes; at most {FILE_BYTES_MAX} are read",
            path.display(),
            metadata.len()
        ));
    }
    let bytes =
        fs::read(path).await.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    String::from_utf8(bytes).map_err(|_| format!("{} is not a text file", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(path: &str) -> Input {
        Input { file_path: path.to_owned(), offset: None, limit: None }
    }

    #[tokio::test]
    async fn numbers_lines_and_honours_offset_and_limit() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("a.txt"), "one\ntwo\nthree\n").unwrap();
        let whole = run(&input("a.txt"), home.path()).await;
        assert_eq!(whole.content, "1\tone\n2\ttwo\n3\tthree\n4\t");
        assert_eq!(whole.structured["file"]["totalLines"], 4);
        let part = run(&Input { offset: Some(2), limit: Some(1), ..input("a.txt") }, home.path()).await;
        assert_eq!(part.content, "2\ttwo");
        assert_eq!(part.structured["file"]["content"], "two");
    }

    #[tokio::test]
    async fn refuses_what_is_no_readable_text() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("bin"), b"\xff\x00").unwrap();
        for path in ["missing", ".", "bin", "/dev/zero"] {
            assert_eq!(run(&input(path), home.path()).await.is_error, Some(true), "{path}");
        }
    }
}
