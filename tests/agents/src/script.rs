//! What models say in many scenarios.

use portcullis_testkit::Reply;
use serde_json::json;

/// A command.
#[must_use]
pub fn bash(id: &str, command: &str) -> Reply {
    Reply::new().tool_with_id(id, "Bash", &json!({"command": command, "description": "as told"}))
}
