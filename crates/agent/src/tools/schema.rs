//! The tools as a model is told about them: name, purpose, and a JSON schema of the input.

use serde_json::{Value, json};

use super::TOOL_NAMES;

/// A sub-agent's description is cut here in the Agent tool's own description, in characters.
const AGENT_CHARS_MAX: usize = 500;

/// The definitions of all tools that `offered` lets through. `agents` are the kinds of sub-agents, with their purpose.
pub(crate) fn definitions(offered: impl Fn(&str) -> bool, agents: &[(&str, &str)]) -> Vec<Value> {
    TOOL_NAMES.iter().filter(|name| offered(name)).map(|name| definition(name, agents)).collect()
}

fn definition(name: &str, agents: &[(&str, &str)]) -> Value {
    let (purpose, properties, required) = parts(name);
    let mut purpose = purpose.to_owned();
    if name == "Agent" {
        for (kind, description) in agents {
            let short: String = description.chars().take(AGENT_CHARS_MAX).collect();
            purpose += &format!("\n- {kind}: {short}");
        }
    }
    json!({
        "name": name,
        "description": purpose,
        "input_schema": {
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        },
    })
}

fn parts(name: &str) -> (&'static str, Value, &'static [&'static str]) {
    let text = |description: &str| json!({"type": "string", "description": description});
    let count = |description: &str| json!({"type": "integer", "minimum": 0, "description": description});
    let flag = |description: &str| json!({"type": "boolean", "description": description});
    match name {
        "Agent" => (
            "Hands a self-contained task to a sub-agent, which works by itself and gives back one report. Say in the \
             prompt everything it needs to know. Kinds of sub-agents:",
            json!({
                "description": text("The task in three to five words"),
                "prompt": text("The whole task"),
                "subagent_type": text("The kind of sub-agent"),
            }),
            &["description", "prompt"],
        ),
        "AskUserQuestion" => (
            "Asks the person one to four questions with two to four options each. They can also answer in their own \
             words.",
            json!({"questions": {"type": "array", "minItems": 1, "maxItems": 4, "items": {
                "type": "object",
                "properties": {
                    "question": text("The whole question"),
                    "header": text("One or two words for it"),
                    "multiSelect": flag("Whether several options may be chosen"),
                    "options": {"type": "array", "minItems": 2, "maxItems": 4, "items": {
                        "type": "object",
                        "properties": {"label": text("What is chosen"), "description": text("What choosing it means")},
                        "required": ["label", "description"],
                    }},
                },
                "required": ["question", "header", "multiSelect", "options"],
            }}}),
            &["questions"],
        ),
        "Bash" => (
            "Runs a command with bash in the working directory and gives back what it printed, stdout and stderr \
             interleaved. It gets no input, and nothing of it survives its end.",
            json!({
                "command": text("The command"),
                "description": text("What it does, in five to ten words"),
                "timeout": count("Time limit in milliseconds, 600000 at most"),
            }),
            &["command"],
        ),
        "Edit" => (
            "Replaces a piece of a file's text, which must occur exactly once unless replace_all is set.",
            json!({
                "file_path": text("The file, as an absolute path"),
                "old_string": text("The exact text to replace"),
                "new_string": text("The text to put in its place"),
                "replace_all": flag("Whether to replace every occurrence"),
            }),
            &["file_path", "old_string", "new_string"],
        ),
        "ExitPlanMode" => (
            "Presents your plan for approval, in plan mode only, once it is complete.",
            json!({"plan": text("The plan, in markdown")}),
            &["plan"],
        ),
        "Glob" => (
            "Finds files by a pattern such as src/**/*.rs. What git ignores is left out.",
            json!({"pattern": text("The pattern"), "path": text("The directory to look in")}),
            &["pattern"],
        ),
        "Grep" => (
            "Searches the contents of files for a regular expression. What git ignores is left out.",
            json!({
                "pattern": text("The regular expression"),
                "path": text("The file or directory to look in"),
                "glob": text("Only files that fit this pattern"),
                "output_mode": {"type": "string", "enum": ["content", "files_with_matches", "count"]},
                "-i": flag("Whether case does not matter"),
                "-n": flag("Whether to show line numbers"),
                "head_limit": count("Show this many lines or files at most"),
            }),
            &["pattern"],
        ),
        "Read" => (
            "Reads a file and gives its lines back with their numbers.",
            json!({
                "file_path": text("The file, as an absolute path"),
                "offset": count("The first line to read, from 1"),
                "limit": count("How many lines to read"),
            }),
            &["file_path"],
        ),
        "TodoWrite" => (
            "Keeps the list of what is to be done, for work of several steps. Each call replaces the whole list.",
            json!({"todos": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "content": text("What is to be done"),
                    "activeForm": text("The same while it is being done"),
                    "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
                },
                "required": ["content", "status", "activeForm"],
            }}}),
            &["todos"],
        ),
        // `Write` is what is left of the list.
        _ => (
            "Writes a file, replacing what it held.",
            json!({"file_path": text("The file, as an absolute path"), "content": text("The whole content")}),
            &["file_path", "content"],
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::tools::Tool;

    /// The smallest input a schema demands.
    fn sample(schema: &Value) -> Value {
        match schema["type"].as_str() {
            Some("object") => {
                let required =
                    schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                required.map(|name| (name.to_owned(), sample(&schema["properties"][name]))).collect()
            }
            Some("array") => {
                let count = schema["minItems"].as_u64().unwrap_or(1);
                (0..count).map(|_| sample(&schema["items"])).collect()
            }
            Some("boolean") => json!(true),
            Some("integer") => json!(1),
            Some(_) | None => schema["enum"].get(0).cloned().unwrap_or_else(|| json!("x")),
        }
    }

    #[test]
    fn every_tool_understands_what_its_schema_demands() {
        for tool in definitions(|_| true, &[]) {
            let input = RawValue::from_string(sample(&tool["input_schema"]).to_string()).unwrap();
            let parsed = Tool::parse(tool["name"].as_str().unwrap(), &input);
            assert!(!matches!(parsed, Err(_) | Ok(Tool::Unknown(_))), "{tool}: {parsed:?}");
        }
    }

    #[test]
    fn offers_only_what_it_is_let_and_names_the_agents() {
        let tools = definitions(|name| name == "Agent", &[("reviewer", "Reads code")]);
        assert_eq!(tools.len(), 1);
        assert!(tools[0]["description"].as_str().unwrap().ends_with("- reviewer: Reads code"));
    }
}
