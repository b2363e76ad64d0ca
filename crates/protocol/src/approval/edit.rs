//! Changing a request before allowing it. What is sent is built from the text that was shown as the difference, and
//! everything that was not touched keeps its bytes.

use super::exact::{Body, Ordered, change};
use crate::json::RawJson;

/// What of a request is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The command of a shell tool, as text.
    Command,
    /// The whole input, as JSON.
    Whole,
}

/// A request that is being edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    input: RawJson,
    /// What is edited.
    pub part: Part,
    /// The text before.
    pub before: String,
}

/// Why an edited text cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is the one before.
    #[error("Nothing was changed.")]
    Unchanged,
    /// It is no JSON object.
    #[error("This is not a JSON object.")]
    NotJson,
    /// Readers would disagree about what runs.
    #[error("A field stands twice.")]
    Duplicate,
}

impl Edit {
    /// The editable part of what `tool` was to be called with.
    #[must_use]
    pub fn of(tool: &str, input: &RawJson) -> Self {
        let command = (tool == "Bash").then(|| input.read::<Ordered>().ok()?.text("command")).flatten();
        match command {
            Some(before) => Self { input: input.clone(), part: Part::Command, before },
            None => Self { before: input.as_str().to_owned(), part: Part::Whole, input: input.clone() },
        }
    }

    /// The input that runs when `text` is allowed.
    ///
    /// # Errors
    /// [`EditError`] when there is nothing that could run.
    pub fn apply(&self, text: &str) -> Result<RawJson, EditError> {
        if text == self.before {
            return Err(EditError::Unchanged);
        }
        let edited = match self.part {
            Part::Command => {
                let fields: Ordered = self.input.read().map_err(|_| EditError::NotJson)?;
                fields.with("command", RawJson::from_value(text))
            }
            Part::Whole => RawJson::parse(text).map_err(|_| EditError::NotJson)?,
        };
        if !edited.as_str().starts_with('{') {
            return Err(EditError::NotJson);
        }
        if edited.has_duplicate_keys() { Err(EditError::Duplicate) } else { Ok(edited) }
    }

    /// What `text` changes, line by line, nothing folded.
    #[must_use]
    pub fn difference(&self, text: &str) -> Body {
        match change(&self.before, text) {
            Body::Change { rows, .. } => Body::Change { rows, fold: None },
            Body::Text(text) => Body::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn edit(tool: &str, input: &str) -> Edit {
        Edit::of(tool, &RawJson::parse(input).unwrap())
    }

    #[test]
    fn an_edited_command_leaves_every_other_byte_alone() {
        let edit = edit("Bash", r#"{"timeout":1.0,"command":"ls","z":{"a" : 1}}"#);
        assert_eq!((edit.part, edit.before.as_str()), (Part::Command, "ls"));
        assert_eq!(
            edit.apply("ls \"-l\"").unwrap().as_str(),
            r#"{"timeout":1.0,"command":"ls \"-l\"","z":{"a" : 1}}"#
        );
    }

    #[test]
    fn other_tools_are_edited_as_json() {
        let edit = edit("Write", r#"{"file_path":"a","content":"b"}"#);
        assert_eq!(edit.part, Part::Whole);
        assert_eq!(edit.apply("{\"file_path\":\"c\"}").unwrap().as_str(), r#"{"file_path":"c"}"#);
        assert_eq!(edit.apply("{"), Err(EditError::NotJson));
        assert_eq!(edit.apply("[1]"), Err(EditError::NotJson));
        assert_eq!(edit.apply(r#"{"a":1,"a":2}"#), Err(EditError::Duplicate));
        assert_eq!(edit.apply(&edit.before), Err(EditError::Unchanged));
    }
}
