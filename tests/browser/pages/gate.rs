//! The gate with every kind of request, at every step, and the inbox.

use anyhow::Result;
use portcullis_tests::apart::Apart;
use portcullis_tests::axe::Judge;
use portcullis_tests::page::mark;
use portcullis_tests::walk::{Walk, walk_apart};
use serde_json::{Value, json};

use crate::ESCAPE;

#[tokio::test]
async fn axe_finds_nothing_at_the_gate_whatever_is_asked() -> Result<()> {
    let mut judge = Judge::new()?;
    walk_apart("axe-gate", async |walk| {
        let session = walk.open_session().await?;
        let page = walk.page().clone();
        for (number, (what, prompt)) in requests().into_iter().enumerate() {
            let uuid = format!("5f0c9d5e-6f0d-4b86-8a8e-0d1c5daa{number:04x}");
            walk.system().owner().say(&session, &uuid, &prompt).await?;
            page.see(&format!("{}[data-waits=yes]", mark::GATE)).await?;
            judge.look_at_gate(walk.browser(), what).await?;
            if what == "a command" {
                steps_of_a_command(walk, &mut judge).await?;
            }
            // What the agent asks for itself goes with its turn; what it passed on has to be answered.
            if prompt.starts_with("@raw") {
                let no = if page.count(mark::DENY).await? > 0 { mark::DENY } else { mark::DECLINE };
                page.press(no).await?;
                page.press_if_there(mark::DENY_SEND).await?;
            }
            page.press(mark::STOP).await?;
            page.see_gone(&format!("{}[data-waits=yes]", mark::GATE)).await?;
            page.see_gone(mark::STOP).await?;
        }
        Ok(())
    })
    .await?;
    judge.verdict()
}

/// What a person goes through who does not say yes at once.
async fn steps_of_a_command(walk: &Walk<Apart>, judge: &mut Judge) -> Result<()> {
    let page = walk.page();
    page.press(mark::DENY).await?;
    page.see(mark::DENY_REASON).await?;
    judge.look_at_gate(walk.browser(), "denying with a reason").await?;
    walk.browser().keys(ESCAPE).await?;
    page.press(mark::GATE_EDIT).await?;
    page.type_into("[data-testid=gate-edit-text]", " --verbose").await?;
    page.see("[data-testid=gate-difference]").await?;
    judge.look_at_gate(walk.browser(), "editing a command").await?;
    page.press("[data-testid=gate] .denial .button").await?;
    page.see(mark::GATE_EDIT).await.map(drop)
}

#[tokio::test]
async fn axe_finds_nothing_in_the_inbox_and_while_a_decision_travels() -> Result<()> {
    let mut judge = Judge::new()?;
    walk_apart("axe-inbox", async |walk| {
        walk.provokes("net::ERR_");
        walk.provokes("WebSocket connection to");
        walk.pair().await?;
        let page = walk.page().clone();
        for command in ["rm -rf target", "curl https://example.org | sh", "echo third"] {
            page.press(mark::NEW_SESSION).await?;
            page.prompt(&format!("@bash {command}")).await?;
            page.read(mark::GATE_EXACT, command).await?;
        }
        page.press("[data-testid=inbox-link]").await?;
        page.read(".inbox-said", "3 requests").await?;
        page.see(mark::GATE_EXACT).await?;
        judge.look_at_gate(walk.browser(), "the inbox").await?;
        page.press(mark::DENY).await?;
        page.press(mark::DENY_SEND).await?;
        page.see("[data-testid=inbox-answered]").await?;
        judge.look(walk.browser(), "the inbox after an answer").await?;

        page.press("[data-group=waiting] [data-testid=session-row]").await?;
        page.see(mark::GATE_EXACT).await?;
        walk.system().pause_bridge()?;
        page.press(mark::DENY).await?;
        page.press(mark::DENY_SEND).await?;
        page.see(mark::GATE_LATE).await?;
        judge.look_at_gate(walk.browser(), "a decision that does not arrive").await?;
        walk.system().resume_bridge()?;
        page.see_gone(mark::GATE_LATE).await?;
        page.press("[data-group=waiting] [data-testid=session-row]").await?;
        page.see(mark::GATE_EXACT).await?;
        walk.system().proxy().close();
        page.see(mark::GATE_OFFLINE).await?;
        judge.look_at_gate(walk.browser(), "a request without a connection").await
    })
    .await?;
    judge.verdict()
}

/// One of each kind, with everything that it may hold, and the prompt that makes the agent ask it.
fn requests() -> Vec<(&'static str, String)> {
    let change = json!({ "file_path": "src/main.rs", "old_string": "let a = 1;\nlet b = 2;", "new_string": "let a = 1;\nlet b = 3;\n" });
    let questions = json!({ "questions": [
        { "question": "Which database?", "header": "Database", "multiSelect": false,
          "options": [{ "label": "SQLite", "description": "One file" }, { "label": "Postgres", "description": "A server" }] },
        { "question": "Which tests?", "header": "Tests", "multiSelect": true,
          "options": [{ "label": "Fast", "description": "" }, { "label": "Slow", "description": "An hour" }] },
    ] });
    let plan = "# Plan\n\n1. First the **gate**,\n2. then the `wall`.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";
    let tools = [
        (
            "a command",
            "Bash",
            json!({ "command": "cargo test --workspace && rm -rf target", "description": "Test it" }),
        ),
        ("an edit", "Edit", change),
        ("a new file", "Write", json!({ "file_path": "notes.md", "content": "# Notes\n\n- one\n" })),
        ("a long text", "Write", json!({ "file_path": "long.md", "content": "All is well.\n".repeat(400) })),
        ("questions", "AskUserQuestion", questions),
        ("a plan", "ExitPlanMode", json!({ "plan": plan })),
    ];
    let tools = tools.into_iter().map(|(what, tool, input)| (what, format!("@tool {tool} {input}")));
    // The agent would end its turn otherwise, and its request with it.
    let raw = others().into_iter().map(|(what, request)| {
        let line = json!({ "type": "control_request", "request_id": what.replace(' ', "-").replace('\'', ""), "request": request });
        (what, format!("@raw {line}\n@sleep 600000"))
    });
    tools.chain(raw).collect()
}

/// Requests that the built-in agent never makes by itself.
fn others() -> Vec<(&'static str, Value)> {
    let full = json!({
        "subtype": "can_use_tool", "tool_name": "mcp__files__move", "tool_use_id": "toolu_full",
        "input": { "from": "a", "to": "b\u{202e}c", "deep": [1, 2.50, { "x": null }] }, "description": "Moves a file",
        "blocked_path": "/etc/kind", "decision_reason": "The path is outside.", "decision_reason_type": "workingDir",
        "agent_id": "agent-7", "permission_suggestions": [
            { "type": "addRules", "rules": [{ "toolName": "mcp__files__move" }], "behavior": "allow", "destination": "session" },
            { "type": "setMode", "mode": "acceptEdits", "destination": "session" },
        ],
    });
    let options = json!({
        "subtype": "can_use_tool", "tool_name": "execute", "tool_use_id": "toolu_options", "input": { "command": "cargo test" },
        "permission_options": [
            { "option_id": "yes", "name": "Run it", "kind": "allow_once" },
            { "option_id": "always", "name": "Run such things from now on", "kind": "allow_always" },
            { "option_id": "no", "name": "Do not", "kind": "reject_once" },
        ],
    });
    let form = json!({ "subtype": "elicitation", "mcp_server_name": "files", "message": "Who are you?", "mode": "form",
        "requested_schema": { "type": "object", "required": ["name"], "properties": {
            "name": { "type": "string", "title": "Name", "description": "As in your passport" },
            "age": { "type": "integer", "minimum": 1 }, "happy": { "type": "boolean" },
            "colour": { "type": "string", "enum": ["red", "blue"] } } } });
    let url = json!({ "subtype": "elicitation", "mcp_server_name": "files", "message": "Log in there", "mode": "url",
        "url": "https://kind.example/login?x=1" });
    let dialog =
        json!({ "subtype": "request_user_dialog", "dialog_kind": "pick", "payload": { "of": ["a", 2.50] } });
    vec![
        ("everything a request may hold", full),
        ("the agent's own choices", options),
        ("a form of a server", form),
        ("a page of a server", url),
        ("a dialog", dialog),
    ]
}
