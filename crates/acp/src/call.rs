//! One tool call of the agent as far as it was told: a first message and any number of updates, each of which replaces
//! the fields it names.

use agent_client_protocol::v1::schema::{
    ToolCall, ToolCallContent, ToolCallLocation, ToolCallStatus, ToolCallUpdate, ToolKind,
};
use serde_json::Value;

/// A tool call, merged from what was told about it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Its id in lines for the host.
    pub(crate) tool_use_id: String,
    /// The agent's programmatic name of the tool, where it tells one.
    pub(crate) name: Option<String>,
    pub(crate) title: String,
    pub(crate) kind: ToolKind,
    pub(crate) status: ToolCallStatus,
    pub(crate) content: Vec<ToolCallContent>,
    pub(crate) locations: Vec<ToolCallLocation>,
    pub(crate) raw_input: Option<Value>,
    pub(crate) raw_output: Option<Value>,
    /// The name and input that were written, if any was.
    pub(crate) said: Option<(String, Value)>,
    /// Times it was written: a call that changes for ever is not written for ever.
    pub(crate) times_said: u32,
    /// A person, or a rule, said no.
    pub(crate) rejected: bool,
    /// What a person allowed it to do.
    pub(crate) allowed: bool,
}

impl Call {
    pub(crate) fn new(tool_use_id: String) -> Self {
        Self {
            tool_use_id,
            name: None,
            title: String::new(),
            kind: ToolKind::Other,
            status: ToolCallStatus::Pending,
            content: Vec::new(),
            locations: Vec::new(),
            raw_input: None,
            raw_output: None,
            said: None,
            times_said: 0,
            rejected: false,
            allowed: false,
        }
    }

    /// Takes over a whole call.
    pub(crate) fn begin(&mut self, call: ToolCall) {
        self.name = call.name.or(self.name.take());
        self.title = call.title;
        self.kind = call.kind;
        self.status = call.status;
        self.content = call.content;
        self.locations = call.locations;
        self.raw_input = call.raw_input.or(self.raw_input.take());
        self.raw_output = call.raw_output.or(self.raw_output.take());
    }

    /// Takes over the fields an update names.
    pub(crate) fn update(&mut self, update: ToolCallUpdate) {
        let fields = update.fields;
        if let Some(kind) = fields.kind {
            self.kind = kind;
        }
        if let Some(status) = fields.status {
            self.status = status;
        }
        if let Some(title) = fields.title {
            self.title = title;
        }
        if let Some(content) = fields.content {
            self.content = content;
        }
        if let Some(locations) = fields.locations {
            self.locations = locations;
        }
        self.name = fields.name.or(self.name.take());
        self.raw_input = fields.raw_input.or(self.raw_input.take());
        self.raw_output = fields.raw_output.or(self.raw_output.take());
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status, ToolCallStatus::Completed | ToolCallStatus::Failed)
    }

    /// Whether it says what it is about: some agents name a call first and fill it in a moment later.
    pub(crate) fn has_substance(&self) -> bool {
        let has_input = match &self.raw_input {
            Some(Value::Object(fields)) => !fields.is_empty(),
            Some(Value::Null) | None => false,
            Some(_) => true,
        };
        has_input || !self.content.is_empty() || !matches!(self.status, ToolCallStatus::Pending)
    }

    /// The paths it names, in the input's own fields, in its diffs and as its places.
    pub(crate) fn paths(&self) -> Vec<String> {
        let places = self.locations.iter().map(|location| location.path.display().to_string());
        let diffs = self.content.iter().filter_map(|content| match content {
            ToolCallContent::Diff(diff) => Some(diff.path.display().to_string()),
            _ => None,
        });
        self.input_text(&["file_path", "path", "abs_path", "absolute_path", "filePath"])
            .map(str::to_owned)
            .into_iter()
            .chain(diffs)
            .chain(places)
            .collect()
    }

    /// The first of these fields of the raw input that is a text.
    pub(crate) fn input_text(&self, keys: &[&str]) -> Option<&str> {
        let input = self.raw_input.as_ref()?;
        keys.iter().find_map(|key| input.get(key)?.as_str())
    }
}
