//! An agent on strings: it does what a prompt says and notes every answer it gets with the moment at which it stood on
//! its stdin. Found on the PATH as `claude`, it shows what the scripted agent cannot: how long a click takes to its
//! agent, what kinds of requests are answered, and lines no agent should print.
//!
//! A prompt `print N` makes it print a tool result of N bytes; lines that are JSON objects are printed as they are;
//! anything else makes it ask for a permission.

#![expect(clippy::print_stdout, reason = "an agent speaks on its stdout")]

use std::fs::OpenOptions;
use std::io::{BufRead as _, Write as _, stdin};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::{Value, json};

/// Where answers are noted, in the directory the agent works in: request id, ns since 1970 and what was
/// answered: a permission's word, any other answer whole.
const NOTES: &str = "answers.txt";

fn main() -> Result<()> {
    let mut prompts = 0_u64;
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
                prompts += 1;
                obey(said["message"]["content"].as_str().unwrap_or_default(), prompts);
            }
            Some("control_response") => {
                let response = &said["response"];
                let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
                let behavior = response["response"]["behavior"].as_str();
                let kind = match (behavior, response["subtype"].as_str()) {
                    (Some(word @ ("allow" | "deny")), _) => word.to_owned(),
                    (_, Some("success")) => response["response"].to_string(),
                    _ => word(&response["subtype"]),
                };
                let mut notes = OpenOptions::new().create(true).append(true).open(NOTES)?;
                writeln!(notes, "{} {now} {kind}", word(&response["request_id"]))?;
                // A request of the script's own keeps the turn open: its end would withdraw the others.
                if word(&response["request_id"]).starts_with("ask-") {
                    end(prompts);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn obey(prompt: &str, number: u64) {
    if let Some(bytes) = prompt.strip_prefix("print ").and_then(|bytes| bytes.trim().parse().ok()) {
        let content =
            json!([{"type": "tool_result", "tool_use_id": "toolu_big", "content": "x".repeat(bytes)}]);
        say(&json!({
            "type": "user", "message": {"role": "user", "content": content}, "parent_tool_use_id": null,
            "session_id": "puppet", "uuid": unique("big", number),
        }));
        return end(number);
    }
    if prompt.starts_with('{') {
        return prompt.lines().for_each(|line| println!("{line}"));
    }
    say(&json!({
        "type": "control_request", "request_id": unique("ask", number),
        "request": {
            "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": unique("toolu", number),
            "input": {"command": "true", "description": "nothing"},
        },
    }));
}

fn end(number: u64) {
    say(&json!({
        "type": "result", "subtype": "success", "is_error": false, "duration_ms": 1, "duration_api_ms": 1,
        "num_turns": 1, "result": "", "session_id": "puppet", "total_cost_usd": 0, "usage": {},
        "uuid": unique("result", number),
    }));
}

fn unique(what: &str, number: u64) -> String {
    format!("{what}-{}-{number}", std::process::id())
}

fn say(line: &Value) {
    println!("{line}");
}
