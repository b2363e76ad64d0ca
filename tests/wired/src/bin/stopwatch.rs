//! An agent that does one thing: every prompt makes it ask for a permission, and it notes the moment at which the
//! answer stands on its stdin. Found on the PATH as `claude`, it shows how long a click takes to its agent.

#![expect(clippy::print_stdout, reason = "an agent speaks on its stdout")]

use std::fs::OpenOptions;
use std::io::{BufRead as _, Write as _, stdin};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value, json};

/// Where the moments are noted, in the directory the agent works in: request id and ns since 1970, line by line.
const NOTES: &str = "stopwatch.txt";

fn main() -> Result<()> {
    let mut asked = 0_u64;
    for line in stdin().lock().lines() {
        let line = line?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let said: Value = serde_json::from_str(&line)?;
        match said["type"].as_str() {
            Some("control_request") => {
                let response =
                    json!({"subtype": "success", "request_id": said["request_id"], "response": {}});
                say(&json!({"type": "control_response", "response": response}));
            }
            Some("user") => {
                asked += 1;
                say(&json!({
                    "type": "control_request", "request_id": format!("watch-{}-{asked}", std::process::id()),
                    "request": {
                        "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": format!("toolu_{asked}"),
                        "input": {"command": "true", "description": "nothing"},
                    },
                }));
            }
            Some("control_response") => {
                let request = said["response"]["request_id"].as_str().unwrap_or_default();
                let mut notes = OpenOptions::new().create(true).append(true).open(NOTES)?;
                writeln!(notes, "{request} {now}")?;
                say(&json!({
                    "type": "result", "subtype": "success", "is_error": false, "duration_ms": 1,
                    "duration_api_ms": 1, "num_turns": 1, "result": "", "session_id": "watch",
                    "total_cost_usd": 0, "usage": {}, "uuid": format!("watch-{}-{asked}", std::process::id()),
                }));
            }
            _ => {}
        }
    }
    Ok(())
}

fn say(line: &Value) {
    println!("{line}");
}
