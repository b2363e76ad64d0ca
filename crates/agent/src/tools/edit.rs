//! Replaces a piece of a file. The old text must be there, and only once unless all of it is meant: a model that
//! misremembers a file must not change another place.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::{ToolOutcome, patch, read, write};

#[derive(Debug, Deserialize)]
pub(crate) struct Input {
    pub(super) file_path: String,
    old_string: String,
    new_string: String,
    #[serde(default)]
    replace_all: bool,
}

pub(super) async fn run(input: &Input, cwd: &Path) -> ToolOutcome {
    let path = cwd.join(&input.file_path);
    let before = match read::load(&path, cwd).await {
        Ok(text) => text,
        Err(problem) => return ToolOutcome::failed(problem),
    };
    let after = match replaced(input, &before) {
        Ok(after) => after,
        Err(problem) => return ToolOutcome::misused(&problem),
    };
    if let Err(problem) = write::store(&path, &after).await {
        return ToolOutcome::failed(problem);
    }
    let structured = json!({
        "filePath": path, "oldString": input.old_string, "newString": input.new_string,
        "originalFile": before, "structuredPatch": patch::structured(&before, &after),
        "userModified": false, "replaceAll": input.replace_all,
    });
    ToolOutcome::ok(format!("The file {} has been updated successfully.", path.display()), structured)
}

fn replaced(input: &Input, before: &str) -> Result<String, String> {
    if input.old_string.is_empty() || input.old_string == input.new_string {
        return Err(
            "No changes to make: old_string must not be empty and must differ from new_string.".to_owned()
        );
    }
    match (before.matches(&input.old_string).count(), input.replace_all) {
        (0, _) => Err(format!("String to replace not found in file.\nString: {}", input.old_string)),
        (1, _) | (_, true) => Ok(before.replace(&input.old_string, &input.new_string)),
        (found, false) => Err(format!(
            "Found {found} matches of the string to replace, but replace_all is false. Give more context.\nString: {}",
            input.old_string
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn edit(text: &str, old: &str, new: &str, replace_all: bool) -> Result<String, String> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.txt");
        std::fs::write(&file, text).unwrap();
        let input = Input {
            file_path: "a.txt".to_owned(),
            old_string: old.to_owned(),
            new_string: new.to_owned(),
            replace_all,
        };
        let outcome = run(&input, home.path()).await;
        let after = std::fs::read_to_string(&file).unwrap();
        if outcome.is_error == Some(true) {
            assert_eq!(after, text);
            return Err(outcome.content.as_str().unwrap().to_owned());
        }
        Ok(after)
    }

    #[tokio::test]
    async fn replaces_the_one_place_or_all_places() {
        assert_eq!(edit("alpha\nbeta\n", "beta", "BETA", false).await.unwrap(), "alpha\nBETA\n");
        assert_eq!(edit("x x x", "x", "y", true).await.unwrap(), "y y y");
    }

    #[tokio::test]
    async fn leaves_the_file_alone_when_the_place_is_unclear() {
        for (text, old, new) in [("a", "b", "c"), ("a a", "a", "b"), ("a", "", "b"), ("a", "a", "a")] {
            let problem = edit(text, old, new, false).await.unwrap_err();
            assert!(problem.starts_with("<tool_use_error>"), "{problem}");
        }
    }
}
