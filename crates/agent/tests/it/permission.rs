//! Who may run what: the permission flow with real tools and real effects.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use portcullis_agent::{PermissionMode, SystemWorld, World};
use serde_json::{Value, json};

use crate::host::Host;

fn content(line: &Value) -> &str {
    line["message"]["content"][0]["content"].as_str().unwrap()
}

#[tokio::test]
async fn an_allowed_command_really_runs_and_reports() {
    let mut host = Host::start();
    host.prompt("@bash echo made > made.txt && cat made.txt").await;
    let request = host.allow_next().await;
    let result = host.until_tool_result().await;
    assert_eq!(host.read_file("made.txt"), "made\n");
    assert_eq!(content(&result), "made");
    assert_eq!(result["tool_use_result"]["stdout"], "made");
    let accepted = json!([{"id": request["request"]["tool_use_id"],
                           "permission_decision": {"decision": "accept", "source": "user_temporary"}}]);
    assert_eq!(result["tool_result_meta"], accepted);
    let body = &request["request"];
    assert_eq!((&body["subtype"], &body["tool_name"]), (&json!("can_use_tool"), &json!("Bash")));
    assert_eq!(
        body["permission_suggestions"][0]["rules"][0]["ruleContent"],
        "echo made > made.txt && cat made.txt"
    );
}

#[tokio::test]
async fn runs_exactly_the_updated_input() {
    let mut host = Host::start();
    host.prompt("@bash touch asked").await;
    let request = host.until_permission().await;
    host.answer(&request, json!({"behavior": "allow", "updatedInput": {"command": "touch approved"}})).await;
    host.until_result().await;
    assert!(host.path("approved").exists());
    assert!(!host.path("asked").exists());
}

#[tokio::test]
async fn an_allow_without_an_input_runs_the_original() {
    let mut host = Host::start();
    host.prompt("@bash touch asked").await;
    let request = host.until_permission().await;
    host.answer(&request, json!({"behavior": "allow"})).await;
    host.until_result().await;
    assert!(host.path("asked").exists());
}

#[tokio::test]
async fn a_denial_is_read_quoted_and_the_script_goes_on() {
    let mut host = Host::start();
    host.write_file("build", "x");
    host.prompt("@bash rm -rf build\n@say next").await;
    let request = host.deny_next("Please keep the build directory.").await;
    let refused = host.until_tool_result().await;
    let result = host.until_result().await;
    assert!(host.path("build").exists());
    assert_eq!(content(&refused), "Please keep the build directory.");
    assert_eq!(refused["message"]["content"][0]["is_error"], true);
    assert_eq!(refused["tool_use_result"], "Error: Please keep the build directory.");
    let meta = &refused["tool_result_meta"][0];
    assert_eq!(meta["permission_decision"], json!({"decision": "reject", "source": "user_reject"}));
    assert_eq!(host.texts(), ["Understood, not running it: Please keep the build directory.", "next"]);
    assert_eq!(result["permission_denials"][0]["tool_use_id"], request["request"]["tool_use_id"]);
    assert_eq!(result["subtype"], "success");
}

#[tokio::test]
async fn a_bad_answer_and_an_error_are_refusals() {
    let mut host = Host::start();
    host.prompt("@bash touch a\n@bash touch b").await;
    let first = host.until_permission().await;
    host.answer(&first, json!({"behavior": "maybe"})).await;
    assert!(content(&host.until_tool_result().await).contains("permission answer was invalid"));
    let second = host.until_permission().await;
    host.send(json!({"type": "control_response", "response": {
        "subtype": "error", "request_id": second["request_id"], "error": "dialog crashed"}}))
        .await;
    assert!(content(&host.until_tool_result().await).ends_with("Error: dialog crashed"));
    host.until_result().await;
    assert!(!host.path("a").exists() && !host.path("b").exists());
}

#[tokio::test]
async fn the_first_answer_wins_and_echoes_are_byte_equal() {
    let mut host = Host::start();
    host.prompt("@bash touch a").await;
    let request = host.until_permission().await;
    let id = &request["request_id"];
    let line = format!(
        r#"{{"type":"control_response", "response":{{"subtype":"success","request_id":{id},"response":{{"behavior":"deny","message":"no"}}}}}}"#
    );
    host.send_raw(&format!("{line}\n")).await;
    host.answer(&request, json!({"behavior": "allow", "updatedInput": {"command": "touch a"}})).await;
    host.until_result().await;
    host.finish().await.unwrap();
    assert!(!host.path("a").exists());
    assert!(host.lines.contains(&line));
    assert_eq!(host.all("control_response", None).len(), 1);
}

#[tokio::test]
async fn a_granted_prefix_covers_the_next_plain_command_only() {
    let mut host = Host::start();
    host.prompt("@bash touch one\n@bash touch two\n@bash touch three; touch four").await;
    let request = host.until_permission().await;
    let rule = json!({"type": "addRules", "behavior": "allow", "destination": "session",
                      "rules": [{"toolName": "Bash", "ruleContent": "touch:*"}]});
    host.answer(
        &request,
        json!({"behavior": "allow", "updatedInput": {"command": "touch one"}, "updatedPermissions": [rule]}),
    )
    .await;
    let third = host.until_permission().await;
    assert_eq!(third["request"]["input"]["command"], "touch three; touch four");
    assert!(host.path("two").exists());
    host.answer(&third, json!({"behavior": "deny", "message": "no"})).await;
    host.until_result().await;
    let rules = host.request(json!({"subtype": "list_permission_rules"})).await;
    assert_eq!(rules["response"]["state"]["rules"][0]["rule"], "Bash(touch:*)");
}

#[tokio::test]
async fn accepting_edits_is_announced_and_covers_the_workspace() {
    let mut host = Host::start();
    host.write_file("a.txt", "alpha\nbeta\n");
    host.prompt("@edit a.txt beta => BETA\n@write b.txt new\n@bash true").await;
    let request = host.until_permission().await;
    assert_eq!(request["request"]["description"], "a.txt");
    let update = request["request"]["permission_suggestions"][0].clone();
    let input = request["request"]["input"].clone();
    host.answer(
        &request,
        json!({"behavior": "allow", "updatedInput": input, "updatedPermissions": [update]}),
    )
    .await;
    let status = host.until(|line| line["subtype"] == "status" && line["status"].is_null()).await;
    assert_eq!(status["permissionMode"], "acceptEdits");
    let edited = host.until_tool_result().await;
    assert_eq!(edited["tool_use_result"]["structuredPatch"][0]["lines"], json!([" alpha", "-beta", "+BETA"]));
    let last = host.until_permission().await;
    assert_eq!(last["request"]["tool_name"], "Bash");
    assert_eq!(
        (host.read_file("a.txt").as_str(), host.read_file("b.txt").as_str()),
        ("alpha\nBETA\n", "new")
    );
}

#[tokio::test]
async fn reading_inside_is_free_and_outside_asks_also_through_a_link() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let mut host = Host::start();
    host.write_file("in.txt", "inside");
    std::os::unix::fs::symlink(outside.path(), host.path("link")).unwrap();
    host.prompt("@read in.txt\n@read link/secret").await;
    assert_eq!(content(&host.until_tool_result().await), "1\tinside");
    let request = host.deny_next("no").await;
    let body = &request["request"];
    assert_eq!(body["decision_reason_type"], "workingDir");
    assert_eq!(body["blocked_path"], json!(outside.path().canonicalize().unwrap().join("secret")));
    assert_eq!(body["permission_suggestions"][0]["rules"][0]["toolName"], "Read");
    host.until_result().await;
}

#[tokio::test]
async fn several_requests_wait_at_once_and_are_answered_in_any_order() {
    let mut host = Host::start();
    host.prompt("@parallel\n  @tool WebFetch {\"url\":\"a\"}\n  @tool WebFetch {\"url\":\"b\"}\n  @tool WebFetch {\"url\":\"c\"}\n@say done").await;
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(host.until_permission().await);
    }
    for request in requests.iter().rev() {
        let reason = request["request"]["input"]["url"].as_str().unwrap();
        host.answer(request, json!({"behavior": "deny", "message": reason})).await;
        assert_eq!(content(&host.until_tool_result().await), reason);
    }
    host.until_result().await;
    let understood = |url: &str| format!("Understood, not running it: {url}");
    assert_eq!(host.texts(), [&understood("a"), &understood("b"), &understood("c"), "done"]);
}

#[tokio::test]
async fn calls_that_change_something_ask_one_after_the_other() {
    let mut host = Host::start();
    host.prompt("@parallel\n  @bash touch p1\n  @bash ls").await;
    host.allow_next().await;
    let first =
        host.until(|line| ["control_request", "user"].contains(&line["type"].as_str().unwrap())).await;
    assert_eq!(first["type"], "user", "the first result comes before the second request");
    host.allow_next().await;
    assert_eq!(content(&host.until_tool_result().await), "p1");
    let assistant = host.all("assistant", None);
    assert_eq!(assistant[0]["message"]["id"], assistant[1]["message"]["id"]);
}

#[tokio::test]
async fn bypass_asks_nothing_but_questions() {
    let mut host = Host::start_with(|options| options.permission_mode = PermissionMode::BypassPermissions);
    host.prompt("@bash touch free\n@ask Which one? | A | B").await;
    let request = host.until_permission().await;
    assert!(host.path("free").exists());
    assert_eq!(request["request"]["tool_name"], "AskUserQuestion");
    assert_eq!(request["request"]["requires_user_interaction"], true);
    assert!(request["request"].get("permission_suggestions").is_none());
    let mut input = request["request"]["input"].clone();
    input["answers"] = json!({"Which one?": "B"});
    host.answer(&request, json!({"behavior": "allow", "updatedInput": input})).await;
    let result = host.until_tool_result().await;
    assert!(content(&result).starts_with("Your questions have been answered: \"Which one?\"=\"B\""));
    assert_eq!(result["tool_use_result"]["answers"], json!({"Which one?": "B"}));
}

#[tokio::test]
async fn dont_ask_refuses_and_says_so() {
    let mut host = Host::start_with(|options| options.permission_mode = PermissionMode::DontAsk);
    host.prompt("@bash touch no").await;
    let result = host.until_result().await;
    assert!(host.all("control_request", None).is_empty());
    assert_eq!(host.all("system", Some("permission_denied"))[0]["tool_name"], "Bash");
    assert_eq!(result["permission_denials"].as_array().unwrap().len(), 1);
    assert!(!host.path("no").exists());
}

#[tokio::test]
async fn an_approved_plan_ends_plan_mode_and_a_rejected_one_does_not() {
    let mut host = Host::start_with(|options| options.permission_mode = PermissionMode::Plan);
    host.prompt("@plan # Plan\n@plan # Better plan").await;
    host.deny_next("Add tests first.").await;
    let second = host.until_permission().await;
    let edited = json!({"plan": "# Best plan"});
    host.answer(&second, json!({"behavior": "allow", "updatedInput": edited})).await;
    host.until(|line| line["permissionMode"] == "default" && line["subtype"] == "status").await;
    let result = host.until_tool_result().await;
    assert_eq!(
        result["tool_use_result"],
        json!({"plan": "# Best plan", "isAgent": false, "planWasEdited": true})
    );
    host.until_result().await;
    assert_eq!(host.texts(), ["Understood, not running it: Add tests first."]);
}

#[tokio::test]
async fn unknown_tools_ask_first_and_then_do_not_exist() {
    let mut host = Host::start();
    host.prompt("@tool mcp__x__y {\"z\": 1}").await;
    host.allow_next().await;
    let result = host.until_tool_result().await;
    assert_eq!(content(&result), "<tool_use_error>Error: No such tool available: mcp__x__y</tool_use_error>");
}

#[tokio::test]
async fn an_input_that_makes_no_sense_is_reported_without_asking() {
    let mut host = Host::start();
    host.prompt("@tool Bash {\"command\": 5}\n@say next").await;
    assert!(content(&host.until_tool_result().await).starts_with("<tool_use_error>InputValidationError"));
    host.until_result().await;
    assert!(host.all("control_request", None).is_empty());
    assert_eq!(host.texts(), ["next"]);
}

#[tokio::test]
async fn the_exact_text_of_an_input_reaches_the_host() {
    let mut host = Host::start();
    let input = r#"{"z":1.00,"big":123456789012345678901234567890,"a":{"y":1.0000000000000000000001}}"#;
    host.prompt(&format!("@tool Odd {input}")).await;
    host.deny_next("no").await;
    host.finish().await.unwrap();
    let carrying: Vec<&String> =
        host.lines.iter().filter(|line| line.contains(&format!("input\":{input}"))).collect();
    assert_eq!(carrying.len(), 3, "the assistant line, the request, the result's denials: {carrying:#?}");
}

/// A clock that stands until it is told to go on.
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl World for Clock {
    fn unix_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn uuid(&self) -> String {
        SystemWorld.uuid()
    }
}

#[tokio::test]
async fn the_time_spent_waiting_for_a_person_is_not_the_models() {
    let clock = Arc::new(Clock::default());
    let world = Arc::clone(&clock);
    let mut host = Host::start_with(|options| options.world = world);
    host.prompt("@bash true").await;
    let request = host.until_permission().await;
    clock.0.fetch_add(3_600_000, Ordering::SeqCst);
    host.answer(&request, json!({"behavior": "allow"})).await;
    let result = host.until_result().await;
    assert_eq!((&result["duration_ms"], &result["duration_api_ms"]), (&json!(3_600_000), &json!(0)));
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_no_reason_not_to_work() {
    let mut host = Host::start_with(|options| options.data_dir = Some("/dev/null/nowhere".into()));
    host.prompt("@say hi").await;
    assert_eq!(host.until_result().await["result"], "hi");
}
