//! Holds whole conversations against recorded sessions of the CLI this wire comes from: the same script gives the same
//! sequence of kinds of lines. Where it does not, the test names the difference, and [`Difference`] says why.

use portcullis_agent::Endpoint;
use portcullis_testkit::{MessagesApi, Reply};
use serde_json::{Value, json};

use crate::host::{Host, kind, kinds_of};

/// Where this agent differs on purpose. Beyond these, everywhere: runs of one kind of delta count as one, estimates of
/// thinking tokens are left out (how many there are is no promise), and so are the last two events of a message, which
/// race there with the tools the message calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// Tools start once the reply is whole; there, while it is still streamed. A reply that breaks off is taken back
    /// and asked for again, and a call that already ran cannot be.
    ToolsWaitForTheReply,
    /// A prompt is echoed when its turn is announced; there, once the API has begun to answer. A person sees sooner
    /// that the prompt arrived, also while the API fails.
    EchoComesFirst,
    /// Refused credentials are reported at once; there, they are tried again. They do not get better by that.
    RefusalIsFinal,
}

/// The events that race with tools.
const RACING: [&str; 3] = ["message_delta", "message_stop", "system:thinking_tokens"];

async fn open() -> Host {
    let mut host = Host::start();
    host.request(json!({"subtype": "initialize"})).await;
    host
}

/// An agent whose model says what the recorded one said.
async fn open_with(replies: impl IntoIterator<Item = Reply>) -> (MessagesApi, Host) {
    let api = MessagesApi::start().await.unwrap();
    for reply in replies {
        api.then(reply);
    }
    let endpoint = Endpoint::new(&api.base_url()).unwrap();
    let mut host = Host::start_with(|options| {
        options.endpoint = Some(endpoint);
        options.model = "claude-sonnet-4-5".to_owned();
    });
    host.request(json!({"subtype": "initialize"})).await;
    (api, host)
}

async fn check(host: Host, recorded: &str) {
    check_but_for(host, recorded, &[]).await;
}

async fn check_but_for(mut host: Host, recorded: &str, differences: &[Difference]) {
    host.finish().await.unwrap();
    let ours = shape(&host.seen, differences);
    let path =
        format!("{}/../protocol/tests/fixtures/captures/{recorded}.ndjson", env!("CARGO_MANIFEST_DIR"));
    let recording = std::fs::read_to_string(path).unwrap();
    let entries = recording.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let said: Vec<Value> = entries
        .filter(|entry| entry["dir"] == "out" && entry["msg"].is_object())
        .map(|entry| entry["msg"].clone())
        .collect();
    assert_eq!(ours.join("\n"), shape(&said, differences).join("\n"), "{recorded}");
    for difference in differences {
        let without: Vec<Difference> =
            differences.iter().copied().filter(|other| other != difference).collect();
        assert_ne!(
            shape(&host.seen, &without),
            shape(&said, &without),
            "{difference:?} makes no difference any more"
        );
    }
}

/// The kinds of the lines, with what differs made equal.
fn shape(lines: &[Value], differences: &[Difference]) -> Vec<String> {
    let mut kinds: Vec<String> =
        lines.iter().map(kind).filter(|kind| !RACING.contains(&kind.as_str())).collect();
    if differences.contains(&Difference::EchoComesFirst) {
        kinds.retain(|kind| kind != "replay");
    }
    if differences.contains(&Difference::RefusalIsFinal) {
        kinds.retain(|kind| kind != "system:api_retry");
    }
    if differences.contains(&Difference::ToolsWaitForTheReply) {
        kinds.retain(|kind| !is_streamed(kind));
        kinds = kinds.split_inclusive(|kind| kind == "system:status").flat_map(said_first).collect();
    }
    kinds_of(kinds)
}

fn is_streamed(kind: &str) -> bool {
    ["block_start:", "delta:", "content_block_stop"].iter().any(|start| kind.starts_with(start))
}

/// What one reply said, then what came of it.
fn said_first(reply: &[String]) -> Vec<String> {
    let (said, rest): (Vec<&String>, Vec<&String>) =
        reply.iter().partition(|kind| kind.starts_with("assistant:"));
    let start = rest.iter().position(|kind| *kind != "message_start").unwrap_or(rest.len());
    [&rest[..start], &said, &rest[start..]].concat().into_iter().cloned().collect()
}

#[tokio::test]
async fn text_only() {
    let mut host = open().await;
    host.prompt("@say Hello, this is a text.").await;
    check(host, "text-only").await;
}

#[tokio::test]
async fn thinking_then_text() {
    let mut host = open().await;
    host.prompt("@think The user wants a sum.\n@say The answer is 4.").await;
    check(host, "thinking-text").await;
}

#[tokio::test]
async fn a_command_allowed() {
    let mut host = open().await;
    host.prompt("@say Let me create a file.\n@bash touch made.txt\n@say It is there.").await;
    host.allow_next().await;
    host.until_result().await;
    check(host, "bash-allowed").await;
}

#[tokio::test]
async fn a_command_denied() {
    let mut host = open().await;
    host.prompt("@bash rm -rf build").await;
    host.deny_next("Please keep the build directory.").await;
    host.until_result().await;
    check(host, "bash-denied").await;
}

#[tokio::test]
async fn a_command_denied_with_interrupt() {
    let mut host = open().await;
    host.prompt("@bash rm -rf build").await;
    let request = host.until_permission().await;
    host.answer(&request, json!({"behavior": "deny", "message": "Stop.", "interrupt": true})).await;
    host.until_result().await;
    check(host, "bash-denied-interrupt").await;
}

#[tokio::test]
async fn an_interrupt_while_a_request_waits() {
    let mut host = open().await;
    host.prompt("@bash touch q.txt").await;
    host.until_permission().await;
    host.interrupt().await;
    host.until_lifecycle("cancelled").await;
    host.prompt("@say After.").await;
    host.until_result().await;
    check(host, "permission-pending-interrupt").await;
}

#[tokio::test]
async fn a_prompt_while_a_request_waits() {
    let mut host = open().await;
    host.prompt("@bash touch q.txt").await;
    let request = host.until_permission().await;
    host.prompt("Actually, also say hi").await;
    host.until_lifecycle("queued").await;
    host.answer(&request, json!({"behavior": "allow"})).await;
    host.until_result().await;
    check(host, "permission-pending-user-message").await;
}

#[tokio::test(start_paused = true)]
async fn prompts_queued_while_a_stream_runs() {
    let mut host = open().await;
    host.prompt("@storm 10 1000").await;
    host.until_delta().await;
    for text in ["@say two", "three", "four"] {
        host.prompt(text).await;
    }
    host.until_result().await;
    host.until_result().await;
    check(host, "queued-while-busy").await;
}

#[tokio::test(start_paused = true)]
async fn a_queued_prompt_cancelled_and_the_stream_interrupted() {
    let mut host = open().await;
    host.prompt("@storm 100 1000").await;
    host.until_delta().await;
    host.prompt_as("second", "@say two").await;
    host.prompt_as("third", "@say three").await;
    host.until_delta().await;
    host.request(json!({"subtype": "cancel_async_message", "message_uuid": "second"})).await;
    host.interrupt().await;
    host.until_result().await;
    host.until_result().await;
    check(host, "cancel-queued").await;
}

#[tokio::test]
async fn a_sub_agent_with_a_read_and_a_command() {
    let mut host = open().await;
    host.write_file("n.txt", "needle");
    host.prompt("@say I will delegate.\n@agent Find the needle\n  @read n.txt\n  @bash touch sub.txt\n  @say Found.\n@say Back.").await;
    host.allow_next().await;
    host.until_result().await;
    check(host, "subagent").await;
}

#[tokio::test]
async fn a_second_initialize_while_a_request_waits() {
    let mut host = open().await;
    host.prompt("@tool WebFetch {\"url\":\"http://127.0.0.1:1/one\"}").await;
    let request = host.until_permission().await;
    host.request(json!({"subtype": "initialize"})).await;
    host.answer(&request, json!({"behavior": "deny", "message": "no"})).await;
    host.until_result().await;
    check(host, "second-initialize-while-pending").await;
}

#[tokio::test]
async fn a_failing_api_and_its_retries() {
    let overloaded = || Reply::failure(529, "overloaded_error", "Overloaded");
    let (_api, mut host) =
        open_with([overloaded(), overloaded(), Reply::new().text("Recovered after retries.")]).await;
    host.prompt("hello").await;
    host.until_result().await;
    check_but_for(host, "api-529-retry", &[Difference::EchoComesFirst]).await;
}

#[tokio::test]
async fn refused_credentials() {
    let (_api, mut host) =
        open_with([Reply::failure(401, "authentication_error", "invalid x-api-key")]).await;
    host.prompt("hello").await;
    host.until_result().await;
    check_but_for(host, "api-401", &[Difference::RefusalIsFinal]).await;
}

#[tokio::test]
async fn a_stream_that_dies() {
    let (_api, mut host) =
        open_with([Reply::new().begin_text("This will be cu").cut(), Reply::new().text("Recovered.")]).await;
    host.prompt("hello").await;
    host.until_result().await;
    check(host, "stream-dies").await;
}

#[tokio::test]
async fn an_answer_cut_by_its_length() {
    let cut = Reply::new().text("This text was cut by the tok").stop_reason("max_tokens");
    let (_api, mut host) = open_with([cut, Reply::new().text("Continued.")]).await;
    host.prompt("hello").await;
    host.until_result().await;
    check(host, "max-tokens").await;
}

#[tokio::test]
async fn an_answer_with_thoughts_from_the_api() {
    let (_api, mut host) =
        open_with([Reply::new().thinking("The user wants a sum.").text("The answer is 4.")]).await;
    host.prompt("What is 2+2?").await;
    host.until_result().await;
    check(host, "thinking-text").await;
}

#[tokio::test]
async fn an_answer_interrupted_in_the_middle() {
    let (_api, mut host) =
        open_with([Reply::new().begin_text("word one word two").stall(), Reply::new().text("Continuing.")])
            .await;
    host.prompt("Write something long").await;
    host.until_delta().await;
    host.until_delta().await;
    host.interrupt().await;
    host.until_lifecycle("cancelled").await;
    host.prompt("Continue please").await;
    host.until_result().await;
    check(host, "interrupt-mid-stream").await;
}

#[tokio::test]
async fn hooks_at_every_moment_of_a_call() {
    let (_api, mut host) = open_with([
        Reply::new().tool("Bash", json!({"command": "touch hk.txt"})),
        Reply::new().text("After."),
    ])
    .await;
    host.forget();
    let hooks = json!({
        "PreToolUse": [{"matcher": "Bash", "hookCallbackIds": ["hook_0"]}],
        "PostToolUse": [{"matcher": null, "hookCallbackIds": ["hook_1"]}],
        "UserPromptSubmit": [{"hookCallbackIds": ["hook_2"]}],
        "Stop": [{"hookCallbackIds": ["hook_3"]}],
    });
    host.request(json!({"subtype": "initialize", "hooks": hooks})).await;
    host.until(|line| line["subtype"] == "background_tasks_changed").await;
    host.drop_last();
    host.prompt("touch hk").await;
    let ask = json!({"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "ask"}});
    for answer in [json!({}), ask, json!({"behavior": "allow"}), json!({}), json!({})] {
        let request = host.until_permission().await;
        host.answer(&request, answer).await;
    }
    host.until_result().await;
    check_but_for(host, "hook-callback", &[Difference::ToolsWaitForTheReply]).await;
}

#[tokio::test]
async fn an_interrupt_while_nothing_runs() {
    let mut host = open().await;
    host.prompt("@say Hi.").await;
    host.until_lifecycle("completed").await;
    host.interrupt().await;
    host.prompt("@say Still here.").await;
    host.until_result().await;
    check(host, "interrupt-while-idle").await;
}

#[tokio::test]
async fn a_prompt_that_wants_no_answer() {
    let mut host = open().await;
    host.send(json!({"type": "user", "uuid": "a", "shouldQuery": false, "message": {"role": "user", "content": "context"}})).await;
    host.until_lifecycle("completed").await;
    host.prompt("@say Now.").await;
    host.until_result().await;
    check(host, "should-query-false").await;
}

#[tokio::test]
async fn the_least_a_host_may_say() {
    let mut host = Host::start();
    host.send(json!({"type": "user", "message": {"role": "user", "content": "@say Hi."}})).await;
    host.until_result().await;
    check(host, "user-minimal").await;
}

#[tokio::test]
async fn a_host_that_wants_no_echo() {
    let mut host = Host::start_with(|options| options.replay_user_messages = false);
    host.request(json!({"subtype": "initialize"})).await;
    host.prompt("@bash touch a\n@say Done.").await;
    host.allow_next().await;
    host.until_result().await;
    check(host, "no-replay-flag").await;
}

/// A call whose request for permission is answered by a response with these fields.
async fn answered_by(fields: Value, recorded: &str) {
    let call = Reply::new().tool("Bash", json!({"command": "touch y"}));
    let (_api, mut host) = open_with([call, Reply::new().text("Ok.")]).await;
    host.prompt("touch y").await;
    let request = host.until_permission().await;
    let mut response = fields;
    response["request_id"] = request["request_id"].clone();
    host.send(json!({"type": "control_response", "response": response})).await;
    host.until_result().await;
    check(host, recorded).await;
}

#[tokio::test]
async fn an_answer_that_is_an_error_or_makes_no_sense() {
    answered_by(json!({"subtype": "error", "error": "no"}), "permission-error-response").await;
    let odd = json!({"subtype": "success", "response": {"behavior": "maybe"}});
    answered_by(odd, "permission-malformed-response").await;
}

#[tokio::test]
async fn a_question_to_the_person_answered_and_refused() {
    let question = json!({"questions": [{"question": "Which?", "header": "W", "multiSelect": false, "options": [
        {"label": "A", "description": "a"}, {"label": "B", "description": "b"}]}]});
    let allow = json!({"behavior": "allow"});
    let deny = json!({"behavior": "deny", "message": "Skipped."});
    for (answer, recorded) in [(allow, "ask-user-question"), (deny, "ask-user-question-denied")] {
        let (_api, mut host) =
            open_with([Reply::new().tool("AskUserQuestion", question.clone()), Reply::new().text("Ok.")])
                .await;
        host.prompt("Ask me").await;
        let request = host.until_permission().await;
        host.answer(&request, answer).await;
        host.until_result().await;
        check_but_for(host, recorded, &[Difference::ToolsWaitForTheReply]).await;
    }
}

#[tokio::test]
async fn a_plan_rejected() {
    let (_api, mut host) = open_with([
        Reply::new().tool("ExitPlanMode", json!({"plan": "1. All of it"})),
        Reply::new().text("Ok."),
    ])
    .await;
    host.request(json!({"subtype": "set_permission_mode", "mode": "plan"})).await;
    host.until(|line| line["subtype"] == "status").await;
    host.drop_last();
    host.drop_last();
    host.prompt("Plan it").await;
    host.deny_next("Not yet.").await;
    host.until_result().await;
    check_but_for(host, "plan-mode-rejected", &[Difference::ToolsWaitForTheReply]).await;
}

#[tokio::test]
async fn the_input_ends_while_a_request_waits() {
    let (_api, mut host) =
        open_with([Reply::new().tool("Bash", json!({"command": "touch y"})), Reply::new().text("Ok.")]).await;
    host.prompt("touch").await;
    host.until_permission().await;
    check(host, "stdin-eof-while-pending").await;
}

#[tokio::test]
async fn two_commands_of_one_reply() {
    let calls = Reply::new()
        .text("Both.")
        .tool("Bash", json!({"command": "touch a"}))
        .tool("Bash", json!({"command": "touch b"}));
    let (_api, mut host) = open_with([calls, Reply::new().text("Done.")]).await;
    host.prompt("Run two commands").await;
    host.allow_next().await;
    host.allow_next().await;
    host.until_result().await;
    check_but_for(host, "parallel-tools", &[Difference::ToolsWaitForTheReply]).await;
}

#[tokio::test]
async fn the_todo_list_kept() {
    let todos = |status: &str| json!({"todos": [{"content": "a", "activeForm": "a", "status": status}]});
    let replies = ["pending", "completed"].map(|status| Reply::new().tool("TodoWrite", todos(status)));
    let (_api, mut host) = open_with(replies.into_iter().chain([Reply::new().text("Tracked.")])).await;
    host.prompt("Track the work").await;
    host.until_result().await;
    check_but_for(host, "todo-write", &[Difference::ToolsWaitForTheReply]).await;
}

#[tokio::test]
async fn a_rule_granted_with_the_answer() {
    let replies =
        ["a", "b"].map(|file| Reply::new().tool("Bash", json!({"command": format!("touch {file}")})));
    let (_api, mut host) = open_with(replies.into_iter().chain([Reply::new().text("Done.")])).await;
    host.prompt("touch two files").await;
    let request = host.until_permission().await;
    let rule = json!({"type": "addRules", "behavior": "allow", "destination": "session", "rules": [{"toolName": "Bash", "ruleContent": "touch:*"}]});
    host.answer(&request, json!({"behavior": "allow", "updatedPermissions": [rule]})).await;
    host.until_lifecycle("completed").await;
    host.request(json!({"subtype": "list_permission_rules"})).await;
    check(host, "bash-always-allow-rule").await;
}

#[tokio::test]
async fn a_line_of_an_unknown_type() {
    let mut host = open().await;
    host.send(json!({"type": "totally_unknown"})).await;
    host.prompt("@say Alive.").await;
    host.until_result().await;
    check(host, "malformed-unknown-type").await;
}

#[tokio::test]
async fn an_allowance_without_an_input() {
    let (_api, mut host) =
        open_with([Reply::new().tool("Bash", json!({"command": "touch x"})), Reply::new().text("Ok.")]).await;
    host.prompt("touch x").await;
    let request = host.until_permission().await;
    host.answer(&request, json!({"behavior": "allow"})).await;
    host.until_result().await;
    check(host, "allow-without-updatedInput").await;
}

#[tokio::test]
async fn long_answers() {
    for (script, recorded) in [("@storm 2000", "delta-storm-2000"), ("@big 20000", "long-markdown")] {
        let mut host = open().await;
        host.prompt(script).await;
        host.until_result().await;
        check(host, recorded).await;
    }
}

#[tokio::test]
async fn a_command_that_prints_much() {
    let mut host = Host::start_with_flags(&["--allowedTools=Bash".to_owned()], |_| {});
    host.request(json!({"subtype": "initialize"})).await;
    host.prompt("@bash head -c 200000 /dev/zero | tr '\\0' x\n@say Printed.").await;
    host.until_result().await;
    check(host, "large-tool-output").await;
}

#[tokio::test]
async fn the_input_ends_while_the_model_speaks() {
    let gate = portcullis_testkit::Gate::new();
    let (_api, mut host) = open_with([Reply::new().begin_text("Hel").wait_for(&gate).more("lo.")]).await;
    host.prompt("hi").await;
    host.until_delta().await;
    host.close_input();
    gate.open();
    check(host, "stdin-eof-mid-stream").await;
}

#[tokio::test]
async fn two_requests_at_once_and_a_rule_for_both() {
    let mut host = open().await;
    host.prompt("@parallel\n  @tool WebFetch {\"url\":\"http://127.0.0.1:1/a\"}\n  @tool WebFetch {\"url\":\"http://127.0.0.1:1/b\"}\n@say Both.").await;
    let first = host.until_permission().await;
    let second = host.until_permission().await;
    for request in [first, second] {
        host.answer(&request, json!({"behavior": "allow"})).await;
        host.until_tool_result().await;
    }
    host.until_result().await;
    check_but_for(host, "two-pending-domain-rule", &[Difference::ToolsWaitForTheReply]).await;
}

#[tokio::test]
async fn a_plan_approved_with_a_mode() {
    let replies = [
        Reply::new().text("My plan.").tool("ExitPlanMode", json!({"plan": "1. Write"})),
        Reply::new().tool("Write", json!({"file_path": "a.txt", "content": "x"})),
        Reply::new().text("Done."),
    ];
    let (_api, mut host) = open_with(replies).await;
    host.request(json!({"subtype": "set_permission_mode", "mode": "plan"})).await;
    host.until(|line| line["subtype"] == "status").await;
    host.drop_last();
    host.drop_last();
    host.prompt("Plan it").await;
    let request = host.until_permission().await;
    let mode = json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"});
    host.answer(&request, json!({"behavior": "allow", "updatedPermissions": [mode]})).await;
    host.until_result().await;
    check_but_for(host, "plan-mode", &[Difference::ToolsWaitForTheReply]).await;
}

#[tokio::test]
async fn edits_allowed_for_the_session() {
    let file = |name: &str| json!({"file_path": name, "content": "x"});
    let replies = [
        Reply::new().tool("Read", json!({"file_path": "a.txt"})),
        Reply::new().tool("Edit", json!({"file_path": "a.txt", "old_string": "a", "new_string": "b"})),
        Reply::new().tool("Write", file("b.txt")),
        Reply::new().tool("Write", file("c.txt")),
        Reply::new().text("Done."),
    ];
    let (_api, mut host) = open_with(replies).await;
    host.write_file("a.txt", "a\n");
    host.prompt("Edit a.txt; write b.txt").await;
    let request = host.until_permission().await;
    let suggestion = request["request"]["permission_suggestions"][0].clone();
    assert_eq!(suggestion["type"], "setMode");
    host.answer(&request, json!({"behavior": "allow", "updatedPermissions": [suggestion]})).await;
    host.until_result().await;
    check(host, "edit-write-always-allow").await;
}

#[tokio::test]
async fn changes_of_model_and_mode_between_turns() {
    let mut host = open().await;
    host.prompt("@say One.").await;
    host.until_lifecycle("completed").await;
    host.request(json!({"subtype": "set_model", "model": "scripted-2"})).await;
    for mode in ["acceptEdits", "bypassPermissions", "nonsense"] {
        host.request(json!({"subtype": "set_permission_mode", "mode": mode})).await;
    }
    host.request(json!({"subtype": "set_max_thinking_tokens", "max_thinking_tokens": 1_000})).await;
    host.prompt("@say Two.").await;
    host.until_lifecycle("completed").await;
    for model in [json!("default"), json!(null)] {
        host.request(json!({"subtype": "set_model", "model": model})).await;
    }
    host.prompt("@say Three.").await;
    host.until_result().await;
    check(host, "set-model-and-mode").await;
}

#[tokio::test]
async fn the_host_ends_the_session() {
    let mut host = open().await;
    host.send(json!({"type": "update_environment_variables", "variables": {"A": "b"}})).await;
    host.prompt("@say Hi.").await;
    host.until_lifecycle("completed").await;
    host.request(json!({"subtype": "end_session", "reason": "test"})).await;
    check(host, "update-env").await;
}

/// Recordings that are not compared, and why.
const NOT_COMPARED: [(&str, &[&str]); 8] = [
    (
        "what only the bridge and the ingress see",
        &[
            "browser-sdk-sse",
            "browser-sdk-ws",
            "browser-sdk-ws-close-1000",
            "browser-sdk-ws-close-1011",
            "browser-sdk-ws-close-4002",
            "browser-sdk-ws-close-4003",
            "ingress-sdk-url-post",
            "ingress-sdk-url-ws",
        ],
    ),
    (
        "older versions, which merge nothing and cut differently",
        &[
            "v2.1.197-parallel-readonly-tools",
            "v2.1.197-queued-while-busy",
            "v2.1.197-task-tools",
            "v2.1.197-text-only",
            "v2.1.197-todo-write",
            "v2.1.37-malformed-line",
            "v2.1.37-parallel-readonly-tools",
            "v2.1.37-queued-while-busy",
            "v2.1.37-text-only",
            "v2.1.37-todo-write",
        ],
    ),
    (
        "what this agent does not do: see docs/agent.md",
        &["bash-background", "compact", "prompt-suggestions", "task-tools"],
    ),
    ("one line for one line, in tests of their own: control.rs", &["control-misc"]),
    (
        "they end the process without a line, in tests of their own: input.rs",
        &["malformed-line", "malformed-role", "malformed-user-shape"],
    ),
    ("several processes, in tests of their own: memory.rs", &["resume"]),
    (
        "the order of results is that of a race: conversation.rs and permission.rs",
        &["parallel-readonly-tools", "parallel-write-permissions"],
    ),
    (
        "the same shape as another: an error of the API, a question, a long command",
        &["api-429", "ask-user-question-arrays", "interrupt-running-bash", "tool-progress"],
    ),
];

#[test]
fn every_recording_is_compared_or_left_out_for_a_reason() {
    let folder = format!("{}/../protocol/tests/fixtures/captures", env!("CARGO_MANIFEST_DIR"));
    let here = include_str!("shapes.rs");
    let left_out: Vec<&str> = NOT_COMPARED.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let mentions = here.matches(&format!("\"{name}\"")).count();
        assert!(mentions > 0, "{name} is neither compared nor left out");
        assert!(mentions == 1 || !left_out.contains(&name.as_str()), "{name} is both compared and left out");
    }
}
