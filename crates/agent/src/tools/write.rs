//! Writes a whole file and shows what changed.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs;

use super::{ToolOutcome, patch, read};

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    pub(super) file_path: String,
    content: String,
}

pub(super) async fn run(input: &Input, cwd: &Path) -> ToolOutcome {
    let path = cwd.join(&input.file_path);
    let before = if fs::try_exists(&path).await.unwrap_or(false) {
        match read::load(&path, cwd).await {
            Ok(text) => Some(text),
            Err(problem) => return ToolOutcome::failed(problem),
        }
    } else {
        None
    };
    if let Err(problem) = store(&path, &input.content).await {
        return ToolOutcome::failed(problem);
    }
    let kind = if before.is_some() { "update" } else { "create" };
    let patch =
        before.as_deref().map_or_else(|| json!([]), |before| patch::structured(before, &input.content));
    let structured = json!({
        "type": kind, "filePath": path, "content": input.content, "structuredPatch": patch,
        "originalFile": before.map_or(Value::Null, Value::String), "userModified": false,
    });
    let sentence = match kind {
        "create" => format!("File created successfully at: {}", path.display()),
        _ => format!("The file {} has been updated successfully.", path.display()),
    };
    ToolOutcome::ok(sentence, structured)
}

/// Writes the file and the directories above it.
pub(super) async fn store(path: &Path, text: &str) -> Result<(), String> {
    if let Some(directory) = path.parent() {
        let made = fs::create_dir_all(directory).await;
        made.map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;
    }
    fs::write(path, text).await.map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn creates_then_updates() {
        let home = tempfile::tempdir().unwrap();
        let write = |content: &str| Input { file_path: "new/b.txt".to_owned(), content: content.to_owned() };
        let created = run(&write("new file\n"), home.path()).await;
        assert_eq!(
            (&created.structured["type"], &created.structured["originalFile"]),
            (&json!("create"), &Value::Null)
        );
        let updated = run(&write("new file\nsecond line\n"), home.path()).await;
        assert_eq!(updated.structured["type"], "update");
        assert_eq!(updated.structured["structuredPatch"][0]["lines"], json!([" new file", "+second line"]));
        assert_eq!(
            std::fs::read_to_string(home.path().join("new/b.txt")).unwrap(),
            "new file\nsecond line\n"
        );
    }

    #[tokio::test]
    async fn fails_with_words_where_nothing_can_be_written() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let input = Input { file_path: "file/below".to_owned(), content: String::new() };
        assert_eq!(run(&input, home.path()).await.is_error, Some(true));
    }
}
