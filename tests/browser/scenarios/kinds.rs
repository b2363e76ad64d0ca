//! Every kind of request that an agent can send is rendered and answered: in other programs some were shown only on the
//! machine itself, and some could not be approved from elsewhere.

use anyhow::{Result, ensure};
use portcullis_tests::page::mark;
use portcullis_tests::patience::{SOON, until};
use portcullis_tests::walk::walk_apart;
use serde_json::json;

#[tokio::test]
async fn every_tool_can_be_asked_for_and_answered_from_the_page_36439_87340() -> Result<()> {
    walk_apart("kinds", async |walk| {
        let session = walk.open_session().await?;
        let tools = [
            ("Bash", json!({ "command": "echo kind-bash", "description": "Say it" }), "echo kind-bash"),
            ("Write", json!({ "file_path": "/tmp/kind-write", "content": "kind" }), "/tmp/kind-write"),
            (
                "Edit",
                json!({ "file_path": "/tmp/kind-edit", "old_string": "a", "new_string": "b" }),
                "/tmp/kind-edit",
            ),
            (
                "NotebookEdit",
                json!({ "notebook_path": "/tmp/kind.ipynb", "new_source": "1" }),
                "/tmp/kind.ipynb",
            ),
            ("WebFetch", json!({ "url": "https://kind.example/", "prompt": "what?" }), "kind.example"),
            ("mcp__server__kind", json!({ "deep": { "kind": [1, 2.50] } }), "2.5"),
            ("FluxCapacitor", json!({ "gigawatts": 1.21 }), "1.21"),
        ];
        for (number, (tool, input, part)) in tools.iter().enumerate() {
            let uuid = format!("5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6d{number:04x}");
            walk.system().owner().say(&session, &uuid, &format!("@tool {tool} {input}")).await?;
            walk.page().read(mark::GATE_EXACT, part).await?;
            walk.page().read(mark::GATE, tool).await?;
            walk.picture(tool).await?;
            walk.page().press(mark::DENY).await?;
            walk.page().press(mark::DENY_SEND).await?;
            walk.page().see(&format!("{}[data-tool={tool}][data-state=denied]", mark::TOOL)).await?;
            walk.page().see_gone(mark::STOP).await?;
        }
        walk.page().prompt("@ask Which way? | Up | Down").await?;
        walk.page().read(mark::GATE, "Which way?").await?;
        walk.picture("question").await?;
        walk.page().press(&format!("{} label:nth-of-type(2) input", mark::GATE)).await?;
        walk.page().press(mark::ALLOW).await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.page().see_gone(mark::STOP).await?;
        let log = walk.system().owner().log(&session).await?;
        ensure!(log.iter().any(|event| event.to_string().contains("Down")
            && event["type"] == "user"
            && event["message"]["content"].is_array()));
        walk.page().prompt("@plan First the **gate**, then the wall.").await?;
        walk.page().read(mark::GATE, "then the wall").await?;
        walk.picture("plan").await?;
        walk.page().press(mark::ALLOW).await?;
        walk.page().see_gone(mark::GATE_EXACT).await?;
        walk.page().see_gone(mark::STOP).await?;
        ensure!(walk.system().owner().pending(&session).await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_servers_question_and_a_dialog_are_answered_by_a_person_36439_87340() -> Result<()> {
    walk_apart("asked-by-servers", async |walk| {
        let session = walk.open_session().await?;
        let form = json!({ "subtype": "elicitation", "mcp_server_name": "files", "message": "Who are you?", "mode": "form",
            "requested_schema": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } } });
        let page = json!({ "subtype": "elicitation", "mcp_server_name": "files", "message": "Log in there", "mode": "url",
            "url": "https://kind.example/login?x=1" });
        let dialog = json!({ "subtype": "request_user_dialog", "dialog_kind": "pick", "payload": { "of": ["kind-a", 2.50] } });
        let asked = [
            ("form", &form, "Who are you?", Some("a \"person\""), true, "Accepted"),
            ("form-no", &form, "Who are you?", None, false, "Declined"),
            ("page", &page, "https://kind.example/login?x=1", None, true, "Accepted"),
            ("dialog", &dialog, "kind-a", Some(r#"{ "picked": [2.50] }"#), true, "Completed"),
            ("dialog-no", &dialog, "kind-a", None, false, "Cancelled"),
        ];
        for (number, (id, request, part, typed, yes, said)) in asked.into_iter().enumerate() {
            let line = json!({ "type": "control_request", "request_id": id, "request": request });
            let uuid = format!("5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6f{number:04x}");
            walk.system().owner().say(&session, &uuid, &format!("@raw {line}")).await?;
            walk.page().read(mark::GATE_EXACT, part).await?;
            ensure!(walk.page().count(mark::ALLOW).await? == 0, "nothing runs, so nothing is allowed");
            if let Some(typed) = typed {
                walk.page().type_into(mark::ELICIT_FIELD, typed).await?;
            }
            walk.picture(id).await?;
            walk.page().press(if yes { mark::ACCEPT } else { mark::DECLINE }).await?;
            walk.page().read(mark::GATE, said).await?;
            walk.page().see_gone(mark::GATE_EXACT).await?;
            until("nothing waits", SOON, async || {
                Ok((walk.system().owner().pending(&session).await? == 0).then_some(()))
            })
            .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_no_person_can_answer_is_told_of_and_answered_at_once_36439_87340() -> Result<()> {
    walk_apart("other-kinds", async |walk| {
        let session = walk.open_session().await?;
        let kinds = [
            ("hook_callback", json!({ "callback_id": "h1", "input": { "hook_event_name": "Stop" } })),
            ("mcp_message", json!({ "server_name": "s", "message": { "jsonrpc": "2.0", "method": "ping", "id": 1 } })),
            ("some_new_kind", json!({ "field": "value" })),
        ];
        for (number, (subtype, fields)) in kinds.iter().enumerate() {
            let mut request = fields.clone();
            request["subtype"] = json!(subtype);
            let line = json!({ "type": "control_request", "request_id": format!("kind-{number}"), "request": request });
            let uuid = format!("5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6e{number:04x}");
            walk.system().owner().say(&session, &uuid, &format!("@raw {line}")).await?;
            walk.page().read(mark::NOTICE, subtype).await?;
        }
        walk.picture("told").await?;
        ensure!(walk.page().count(mark::GATE_EXACT).await? == 0, "something waits that nobody can answer");
        ensure!(walk.system().owner().pending(&session).await? == 0);

        // A request with everything that it may hold.
        let full = json!({ "type": "control_request", "request_id": "kind-full", "request": {
            "subtype": "can_use_tool", "tool_name": "mcp__files__move", "display_name": "Move", "title": "Move a file",
            "input": { "from": "a", "to": "b" }, "tool_use_id": "toolu_full", "description": "Moves a file",
            "blocked_path": "/etc/kind", "decision_reason": "\u{1b}[31mThe path is outside.\u{1b}[0m",
            "decision_reason_type": "workingDir", "agent_id": "agent-7", "mcp_server": { "name": "files", "source": "user" },
            "permission_suggestions": [
                { "type": "addRules", "rules": [{ "toolName": "mcp__files__move" }], "behavior": "allow", "destination": "session" },
                { "type": "addDirectories", "directories": ["/etc/kind"], "destination": "session" },
                { "type": "setMode", "mode": "acceptEdits", "destination": "session" },
            ],
        } });
        let uuid = "5f0c9d5e-6f0d-4b86-8a8e-0d1c5d6b7a06";
        walk.system().owner().say(&session, uuid, &format!("@raw {full}")).await?;
        for part in ["mcp__files__move", "Moves a file", "/etc/kind", "The path is outside.", "agent-7", "acceptEdits"] {
            walk.page().read(mark::GATE, part).await?;
        }
        let shown = walk.page().raw_texts(mark::GATE).await?.join("\n");
        ensure!(!shown.contains('\u{1b}'), "an escape is in the gate");
        ensure!(walk.page().count(mark::GATE_OFFER).await? == 3, "each offer is a choice of its own");
        walk.picture("full").await?;
        walk.page().press(mark::DENY).await?;
        walk.page().press(mark::DENY_SEND).await?;
        until("nothing waits", SOON, async || {
            Ok((walk.system().owner().pending(&session).await? == 0).then_some(()))
        })
        .await
    })
    .await
}
