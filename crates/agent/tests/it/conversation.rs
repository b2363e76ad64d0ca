//! What a turn looks like from the host's side.

use serde_json::{Value, json};

use crate::host::{Host, kind};

#[tokio::test(start_paused = true)]
async fn streams_text_in_small_deltas_and_commits_it_before_the_block_stops() {
    let mut host = Host::start_with(|options| options.pace.delta_ms = 15);
    host.prompt("@say Hello there, this is said in small pieces.").await;
    let result = host.until_result().await;
    host.finish().await.unwrap();

    let deltas: Vec<&str> =
        host.seen.iter().filter_map(|line| line["event"]["delta"]["text"].as_str()).collect();
    assert!(deltas.len() > 3 && deltas.iter().all(|delta| delta.len() < 20), "{deltas:?}");
    assert_eq!(deltas.concat(), "Hello there, this is said in small pieces.");
    assert_eq!(host.texts(), [deltas.concat()]);
    assert_eq!(result["result"], deltas.concat());
    let kinds = host.kinds();
    let place = |wanted: &str| kinds.iter().position(|kind| kind == wanted).unwrap();
    assert!(place("assistant:text") < place("content_block_stop"));
    assert!(place("content_block_stop") < place("message_delta"));
    assert!(place("message_delta") < place("message_stop"));
}

#[tokio::test]
async fn every_line_has_its_own_uuid_and_the_session_id() {
    let mut host = Host::start_with(|options| options.session_id = Some("s_1".to_owned()));
    host.write_file("a.txt", "a\n");
    host.prompt("@think Hm\n@say Hi\n@read a.txt\n@fail 529").await;
    host.finish().await.unwrap();
    let mut uuids: Vec<&str> = Vec::new();
    for line in &host.seen {
        assert_eq!(line["session_id"], "s_1", "{line}");
        uuids.push(line["uuid"].as_str().unwrap_or_else(|| panic!("no uuid: {line}")));
        if ["assistant", "user"].contains(&line["type"].as_str().unwrap()) {
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        }
    }
    let count = uuids.len();
    uuids.sort_unstable();
    uuids.dedup();
    assert_eq!(uuids.len(), count);
}

#[tokio::test]
async fn says_nothing_extra_without_the_flags() {
    let mut host = Host::start_with(|options| {
        options.replay_user_messages = false;
        options.include_partial_messages = false;
    });
    host.prompt("@think Hm\n@say Hi\n@bash true").await;
    host.allow_next().await;
    host.finish().await.unwrap();
    let kinds: Vec<String> = host.seen.iter().map(kind).collect();
    assert_eq!(
        kinds.join(" "),
        "lifecycle:queued lifecycle:started system:init system:status assistant:thinking assistant:text \
         assistant:tool_use control_request user:tool_result result:success lifecycle:completed"
    );
}

#[tokio::test]
async fn a_minimal_prompt_works_without_receipts() {
    let mut host = Host::start();
    host.send(json!({"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": "@say Hi"}]}})).await;
    host.until_result().await;
    host.finish().await.unwrap();
    assert!(host.all("command_lifecycle", None).is_empty());
    assert_eq!(host.texts(), ["Hi"]);
    assert_eq!(host.all("user", None)[0]["isReplay"], true);
}

#[tokio::test]
async fn thinks_with_a_signature_and_estimates() {
    let mut host = Host::start();
    host.prompt("@think The user wants a sum.").await;
    host.finish().await.unwrap();
    let block = &host.all("assistant", None)[0]["message"]["content"][0];
    assert_eq!((&block["type"], &block["thinking"]), (&json!("thinking"), &json!("The user wants a sum.")));
    assert!(block["signature"].is_string());
    assert!(!host.all("system", Some("thinking_tokens")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failing_api_is_reported_and_retried() {
    let mut host = Host::start_with(|options| options.pace.retry_ms = 500);
    host.prompt("@say before\n@fail 529\n@say after\n@fail 401\n@say end").await;
    let result = host.until_result().await;
    host.finish().await.unwrap();
    let retries = host.all("system", Some("api_retry"));
    let shown =
        |line: &Value| json!([line["error_status"], line["error"], line["attempt"], line["retry_delay_ms"]]);
    assert_eq!(shown(retries[0]), json!([529, "overloaded", 1, 500]));
    assert_eq!(shown(retries[1]), json!([401, "authentication_failed", 1, 500]));
    assert_eq!(host.texts(), ["before", "after", "end"]);
    assert_eq!(result["subtype"], "success");
    assert_eq!(host.kinds().iter().filter(|kind| *kind == "message_start").count(), 3);
}

#[tokio::test]
async fn raw_lines_leave_as_they_are() {
    let mut host = Host::start();
    host.prompt("@raw {\"type\":\"odd\", \"n\":1e999}\n@raw not json").await;
    host.finish().await.unwrap();
    assert!(host.lines.contains(&"{\"type\":\"odd\", \"n\":1e999}".to_owned()));
    assert!(host.lines.contains(&"not json".to_owned()));
    assert!(!host.kinds().contains(&"message_start".to_owned()));
}

#[tokio::test]
async fn big_texts_and_storms_have_the_asked_size() {
    let mut host = Host::start();
    host.prompt("@big 300000\n@storm 500").await;
    host.finish().await.unwrap();
    assert_eq!(host.texts()[0].len(), 300_000);
    let deltas = host
        .seen
        .iter()
        .filter(|line| line["event"]["type"] == "content_block_delta" && line["event"]["index"] == 1);
    assert_eq!(deltas.count(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_sleep_says_nothing_and_a_storm_keeps_its_gap() {
    let mut host = Host::start();
    let started = tokio::time::Instant::now();
    host.prompt("@sleep 5000\n@storm 10 100").await;
    host.until_delta().await;
    assert_eq!(started.elapsed().as_millis(), 5100);
    host.until_result().await;
    assert_eq!(started.elapsed().as_millis(), 6000);
}

#[tokio::test]
async fn results_carry_running_totals() {
    let mut host = Host::start();
    host.prompt("@say one").await;
    let first = host.until_result().await;
    host.prompt("@say two").await;
    let second = host.until_result().await;
    assert_eq!((&first["result_index"], &second["result_index"]), (&json!(0), &json!(1)));
    assert_eq!(first["usage"], second["usage"]);
    assert_eq!(second["modelUsage"]["scripted"]["inputTokens"], 2400);
    assert!(second["total_cost_usd"].as_f64().unwrap() > first["total_cost_usd"].as_f64().unwrap());
    assert_eq!(second["user_message_uuids"], json!(["prompt-2"]));
    assert_eq!(second["num_turns"], 1);
    assert_eq!(second["terminal_reason"], "completed");
}

#[tokio::test]
async fn a_prompt_without_directives_is_taken_on_a_tour() {
    let mut host = Host::start();
    host.write_file("README.md", "# Demo\n\nA project.\n");
    host.write_file("src/main.rs", "fn main() {}\n");
    host.write_file("notes.md", "# Notes\n\n- first note\n");
    host.prompt("hello, what can you do?").await;
    let edit = host.allow_next().await;
    let bash = host.allow_next().await;
    let result = host.until_result().await;
    host.finish().await.unwrap();

    assert_eq!(edit["request"]["tool_name"], "Edit");
    assert_eq!(bash["request"]["tool_name"], "Bash");
    assert_eq!(host.read_file("notes.md"), "# Notes\n\n- first note\n- The scripted agent was here.\n");
    assert_eq!((&result["subtype"], &result["permission_denials"]), (&json!("success"), &json!([])));
    let results: Vec<&Value> =
        host.all("user", None).into_iter().filter(|line| line["tool_use_result"].is_object()).collect();
    assert!(results[0]["message"]["content"][0]["content"].as_str().unwrap().starts_with("1\t# Demo"));
    assert!(
        results
            .iter()
            .any(|line| line["tool_use_result"]["stdout"].as_str().unwrap_or("").contains("notes.md"))
    );
    let said = host.texts().join("\n");
    for piece in ["# ", "1. ", "```rust", "|---|", "](https://"] {
        assert!(said.contains(piece), "{piece}");
    }
}

#[tokio::test]
async fn the_tour_goes_on_when_everything_is_denied() {
    let mut host = Host::start();
    host.prompt("hello").await;
    for number in 1..=3 {
        host.deny_next(&format!("no {number}")).await;
    }
    let result = host.until_result().await;
    assert_eq!(result["subtype"], "success");
    for number in 1..=3 {
        assert!(host.texts().contains(&format!("Understood, not running it: no {number}").as_str()));
    }
    assert_eq!(std::fs::read_dir(host.project.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn todo_lists_replace_each_other() {
    let mut host = Host::start();
    host.prompt("@todo A | B\n@todo C").await;
    host.until_tool_result().await;
    let second = host.until_tool_result().await;
    assert_eq!(second["tool_use_result"]["oldTodos"][1]["content"], "B");
    assert_eq!(
        second["tool_use_result"]["newTodos"],
        json!([{"content": "C", "status": "in_progress", "activeForm": "C"}])
    );
}
