//! Which file a request would change, and what an approval of it is worth when that file is another one by then: what
//! was shown is not what would be written. When in doubt the answer is no, and says why.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::BaseFile;
use portcullis_protocol::approval::base::MOVED_ON;
use portcullis_protocol::wire::control::ToolRequest;
use serde_json::{Map, Value};

use super::asked::Fields;
use super::notice;

/// Bytes of a path: no kernel takes a longer one.
const PATH_BYTES_MAX: usize = 4_096;
/// Where a base file stands beside the `request`.
const KEY: &str = "base_file";

/// The file a request would change, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileEdit {
    /// As the agent wrote it.
    pub(crate) path: String,
    reach: Reach,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    /// All of it may become something else; its SHA-256 afterwards, where the request says all of it.
    Whole { becomes: Option<String> },
    /// Only places where a text stands that was shown as well as the one that takes its place.
    Places,
}

/// What an approval is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// What was shown is what happens.
    Same,
    /// The file is another one, and what was shown happens to it all the same, or nothing.
    Elsewhere,
    /// Nobody saw what would happen; the reason is for the person and for the agent.
    Nothing(String),
}

impl FileEdit {
    /// The one file that `tool` would change, if it says so in a way that is known here.
    pub(crate) fn of(tool: &ToolRequest) -> Option<Self> {
        Self::with_input(&tool.tool_name, &tool.input, tool.permission_options.is_some())
    }

    /// As [`FileEdit::of`], with the input a person put in the place of the agent's.
    pub(crate) fn edited(tool: &ToolRequest, input: &RawJson) -> Option<Self> {
        Self::with_input(&tool.tool_name, input, tool.permission_options.is_some())
    }

    /// An agent `with_options` of its own speaks through a front, and does the edit in a way nobody here knows.
    fn with_input(tool: &str, input: &RawJson, with_options: bool) -> Option<Self> {
        let input: Map<String, Value> = input.read().ok()?;
        let text = |key: &str| input.get(key).and_then(Value::as_str);
        let whole = Reach::Whole { becomes: None };
        let (path, reach) = match tool {
            "Write" => {
                let becomes = text("content").map(notice::sha256_hex);
                (text("file_path"), Reach::Whole { becomes })
            }
            "Edit" if stands_somewhere(input.get("old_string")) => (text("file_path"), Reach::Places),
            "MultiEdit" if every_place_stands(input.get("edits")) => (text("file_path"), Reach::Places),
            "Edit" | "MultiEdit" => (text("file_path"), whole),
            "NotebookEdit" => (text("notebook_path"), whole),
            _ if with_options => (only_path(input.get("changes")), whole),
            _ => (None, whole),
        };
        let path = path.filter(|path| (1..=PATH_BYTES_MAX).contains(&path.len()) && !path.contains('\0'))?;
        let reach =
            if with_options && reach == Reach::Places { Reach::Whole { becomes: None } } else { reach };
        Some(Self { path: path.to_owned(), reach })
    }

    /// What an approval is worth that was given on `base`, when `now` stands there; nothing when nobody can tell.
    pub(crate) fn worth(&self, base: &BaseFile, now: Option<&BaseFile>) -> Worth {
        if now == Some(base) {
            return Worth::Same;
        }
        match (&self.reach, now) {
            (Reach::Places, _) => Worth::Elsewhere,
            // Somebody wrote the very same meanwhile.
            (Reach::Whole { becomes: Some(becomes) }, Some(BaseFile::Known { sha256, .. }))
                if becomes == sha256 =>
            {
                Worth::Same
            }
            (Reach::Whole { .. }, Some(_)) => Worth::Nothing(format!(
                "{MOVED_ON}: it is not the one this request was made on, and what stands there now would be lost. Read \
                 the file again, and ask again on what it holds"
            )),
            (Reach::Whole { .. }, None) => Worth::Nothing(
                "the file could not be looked at again, so nobody can tell whether it is still the one this request was \
                 made on. Read the file again, and ask again"
                    .to_owned(),
            ),
        }
    }

    /// Said in the log of an edit that was let through although its file is another one.
    pub(crate) fn told_elsewhere(&self) -> String {
        format!(
            "The file {} changed between the request and its approval. The edit was let through: it changes nothing but \
             the text that was shown, and only where that still stands.",
            notice::quote(&self.path)
        )
    }
}

fn stands_somewhere(old: Option<&Value>) -> bool {
    old.and_then(Value::as_str).is_some_and(|old| !old.is_empty())
}

fn every_place_stands(edits: Option<&Value>) -> bool {
    let edits = edits.and_then(Value::as_array).filter(|edits| !edits.is_empty());
    edits.is_some_and(|edits| edits.iter().all(|edit| stands_somewhere(edit.get("old_string"))))
}

/// The path that all changes of an agent's diffs name.
fn only_path(changes: Option<&Value>) -> Option<&str> {
    let changes = changes?.as_array()?;
    let first = changes.first()?.get("path")?.as_str()?;
    let same = |change: &Value| change.get("path").and_then(Value::as_str) == Some(first);
    changes.iter().all(same).then_some(first)
}

/// `event`, a whole `control_request`, with `base` beside its request: nobody but the bridge says that.
pub(crate) fn beside(event: RawJson, base: Option<&BaseFile>) -> RawJson {
    let Ok(mut fields) = event.read::<Fields>() else { return event };
    match base {
        Some(base) => fields.set(KEY, RawJson::from_value(base)),
        None if fields.remove(KEY).is_some() => {}
        None => return event,
    }
    RawJson::from_value(&fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edit(tool: &str, input: &Value, options: bool) -> Option<FileEdit> {
        FileEdit::with_input(tool, &RawJson::from_value(input), options)
    }

    fn known(text: &str) -> BaseFile {
        BaseFile::Known { sha256: notice::sha256_hex(text), bytes: text.len() as u64 }
    }

    #[test]
    fn knows_the_file_of_every_tool_that_changes_one() {
        let path = |tool: &str, input: Value, options| edit(tool, &input, options).map(|edit| edit.path);
        let a = Some("/p/a".to_owned());
        for (tool, input) in [
            ("Write", json!({"file_path": "/p/a", "content": "x"})),
            ("Edit", json!({"file_path": "/p/a", "old_string": "x", "new_string": "y"})),
            ("MultiEdit", json!({"file_path": "/p/a", "edits": [{"old_string": "x", "new_string": "y"}]})),
            ("NotebookEdit", json!({"notebook_path": "/p/a", "new_source": "x"})),
        ] {
            assert_eq!(path(tool, input.clone(), false), a, "{tool}");
            assert_eq!(path(tool, input, true), a, "{tool} of an agent with options");
        }
        let changes =
            json!({"changes": [{"path": "/p/a", "new_text": "x"}, {"path": "/p/a", "new_text": "y"}]});
        assert_eq!(path("EditFiles", changes.clone(), true), a);
        assert_eq!(path("mcp__x__y", changes, false), None, "another tool's field of that name");
        for (tool, input) in [
            ("Bash", json!({"command": "x", "file_path": "/p/a"})),
            ("Write", json!({"file_path": 7, "content": "x"})),
            ("Write", json!({"file_path": "", "content": "x"})),
            ("Write", json!({"file_path": "/p/a\0b", "content": "x"})),
            ("Write", json!({"file_path": "/a".repeat(PATH_BYTES_MAX), "content": "x"})),
            ("Write", json!([])),
            ("EditFiles", json!({"changes": [{"path": "/p/a"}, {"path": "/p/b"}]})),
            ("EditFiles", json!({"changes": []})),
        ] {
            assert_eq!(path(tool, input.clone(), true), None, "{tool} {input}");
        }
    }

    #[test]
    fn a_whole_file_is_written_over_no_other_one_than_was_shown() {
        let write = edit("Write", &json!({"file_path": "a", "content": "new"}), false).unwrap();
        assert_eq!(write.worth(&known("old"), Some(&known("old"))), Worth::Same);
        assert_eq!(write.worth(&BaseFile::New, Some(&BaseFile::New)), Worth::Same);
        assert_eq!(write.worth(&known("old"), Some(&known("new"))), Worth::Same, "it holds that already");
        for (base, now) in [
            (known("old"), Some(known("other"))),
            (known("old"), Some(BaseFile::New)),
            (BaseFile::New, Some(known(""))),
        ] {
            let worth = write.worth(&base, now.as_ref());
            assert!(matches!(&worth, Worth::Nothing(why) if why.starts_with(MOVED_ON)), "{worth:?}");
        }
        let worth = write.worth(&known("old"), None);
        assert!(matches!(&worth, Worth::Nothing(why) if !why.starts_with(MOVED_ON)), "{worth:?}");
    }

    #[test]
    fn an_edit_goes_where_its_text_stands_and_anything_less_certain_does_not() {
        let worth = |tool: &str, input: Value, options| {
            edit(tool, &input, options).unwrap().worth(&known("old"), Some(&known("other")))
        };
        let one = json!({"file_path": "a", "old_string": "x", "new_string": "y"});
        let two = json!({"file_path": "a", "edits": [{"old_string": "x", "new_string": "y"}, {"old_string": "", "new_string": "y"}]});
        assert_eq!(worth("Edit", one.clone(), false), Worth::Elsewhere);
        assert_eq!(worth("MultiEdit", json!({"file_path": "a", "edits": [one]}), false), Worth::Elsewhere);
        for (tool, input, options) in [
            ("Edit", one, true),
            ("Edit", json!({"file_path": "a", "old_string": "", "new_string": "y"}), false),
            ("Edit", json!({"file_path": "a", "new_string": "y"}), false),
            ("MultiEdit", two, false),
            ("MultiEdit", json!({"file_path": "a", "edits": []}), false),
            ("NotebookEdit", json!({"notebook_path": "a", "new_source": "y"}), false),
        ] {
            assert!(matches!(worth(tool, input.clone(), options), Worth::Nothing(_)), "{tool} {input}");
        }
    }

    #[test]
    fn only_the_bridge_says_what_a_request_was_made_on() {
        let raw = |text: &str| RawJson::parse(text).unwrap();
        let line =
            r#"{"type":"control_request","request": {"input":{"n":1.10}},"base_file":{"is_new":true}}"#;
        let event = beside(raw(line), None);
        assert_eq!(event.as_str(), r#"{"type":"control_request","request":{"input":{"n":1.10}}}"#);
        assert_eq!(beside(event.clone(), None).as_str(), event.as_str());
        let escaped = line.replace("base_file", "base\\u005ffile");
        assert_eq!(BaseFile::of_event(&beside(raw(&escaped), None)), None);
        let beside = beside(event, Some(&known("x")));
        assert_eq!(BaseFile::of_event(&beside), Some(known("x")));
    }
}
