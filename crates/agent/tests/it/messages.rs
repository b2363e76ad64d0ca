//! Conversations whose model answers through the Messages API, which a scripted server on loopback stands in for.

use std::time::Duration;

use portcullis_agent::{AgentOptions, Endpoint};
use portcullis_testkit::{Gate, MessagesApi, Reply};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::host::Host;

const KEY: &str = "sk-test-key-that-nobody-may-see";

fn at(api: &MessagesApi) -> impl FnOnce(&mut AgentOptions) {
    let endpoint = Endpoint::new(&api.base_url()).unwrap().with_api_key(KEY).unwrap();
    move |options| {
        options.endpoint = Some(endpoint);
        options.model = "claude-sonnet-4-5".to_owned();
    }
}

async fn start(replies: impl IntoIterator<Item = Reply>) -> (MessagesApi, Host) {
    let api = MessagesApi::start().await.unwrap();
    for reply in replies {
        api.then(reply);
    }
    let host = Host::start_with(at(&api));
    (api, host)
}

#[tokio::test]
async fn an_answer_is_streamed_block_by_block_with_the_costs_the_api_counted() {
    let (api, mut host) =
        start([Reply::new().thinking("A greeting.").text("Hello, ünïcode.").usage(1_000, 20)]).await;
    host.prompt("hi").await;
    let result = host.until_result().await;
    host.finish().await.unwrap();

    assert_eq!(
        host.kinds().join(" "),
        "lifecycle:queued lifecycle:started system:init system:status replay message_start block_start:thinking \
         system:thinking_tokens delta:thinking_delta delta:signature_delta assistant:thinking content_block_stop \
         block_start:text delta:text_delta assistant:text content_block_stop message_delta message_stop \
         result:success lifecycle:completed"
    );
    assert_eq!(host.texts(), ["Hello, ünïcode."]);
    assert_eq!(
        (&result["result"], &result["usage"]["output_tokens"]),
        (&json!("Hello, ünïcode."), &json!(20))
    );
    assert!((result["total_cost_usd"].as_f64().unwrap() - 0.0033).abs() < 1e-9, "{result}");
    assert_eq!(result["modelUsage"]["claude-sonnet-4-5"]["inputTokens"], 1_000);

    let asked = &api.requests()[0];
    assert_eq!((asked.model(), asked.last_text().as_str()), ("claude-sonnet-4-5", "hi"));
    assert_eq!(
        (asked.header("x-api-key"), asked.header("anthropic-version")),
        (Some(KEY), Some("2023-06-01"))
    );
    assert!(asked.tool_names().contains(&"Bash") && !asked.tool_names().contains(&"ExitPlanMode"));
    assert!(asked.system_text().contains(host.path("").to_string_lossy().trim_end_matches('/')));
    assert!(!host.lines.concat().contains(KEY), "the key is in no line");
}

#[tokio::test]
async fn a_tool_runs_after_permission_and_the_model_reads_its_result() {
    let call = Reply::new().text("I look.").tool_with_id(
        "toolu_1",
        "Bash",
        &json!({"command": "echo found > a; cat a"}),
    );
    let (api, mut host) = start([call, Reply::new().text("Done.")]).await;
    host.prompt("find it").await;
    let request = host.allow_next().await;
    assert_eq!(request["request"]["tool_use_id"], "toolu_1");
    assert_eq!(host.until_result().await["result"], "Done.");
    let asked = api.requests();
    let results = asked[1].tool_results();
    assert_eq!((&results[0]["tool_use_id"], &results[0]["content"]), (&json!("toolu_1"), &json!("found")));
    assert_eq!(asked[1].messages()[1]["content"][1]["input"]["command"], "echo found > a; cat a");

    host.prompt("and now?").await;
    host.until_result().await;
    let roles: Vec<Value> =
        api.requests()[2].messages().iter().map(|message| message["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"], "the conversation goes on");
}

#[tokio::test]
async fn the_model_reads_why_a_call_was_denied() {
    let call = Reply::new().tool("Bash", json!({"command": "rm -rf build"}));
    let (api, mut host) = start([call, Reply::new().text("Understood.")]).await;
    host.prompt("clean up").await;
    host.deny_next("Keep the build directory.").await;
    let result = host.until_result().await;
    assert_eq!(result["permission_denials"][0]["tool_name"], "Bash");
    let asked = api.requests();
    let told = asked[1].tool_results()[0].clone();
    assert_eq!((&told["content"], &told["is_error"]), (&json!("Keep the build directory."), &json!(true)));
}

#[tokio::test]
async fn passing_failures_are_retried_aloud_and_then_forgotten() {
    let overloaded = || Reply::failure(529, "overloaded_error", "Overloaded");
    let (api, mut host) = start([
        overloaded(),
        Reply::failure(429, "rate_limit_error", "Slow down"),
        Reply::new().text("Recovered."),
    ])
    .await;
    host.prompt("hi").await;
    let result = host.until_result().await;
    assert_eq!((&result["result"], &result["is_error"]), (&json!("Recovered."), &json!(false)));
    let retries = host.all("system", Some("api_retry"));
    let told =
        |line: &Value| json!([line["attempt"], line["max_retries"], line["error_status"], line["error"]]);
    assert_eq!(told(retries[0]), json!([1, 10, 529, "overloaded"]));
    assert_eq!(told(retries[1]), json!([2, 10, 429, "rate_limit"]));
    assert_eq!(api.requests().len(), 3);
}

#[tokio::test]
async fn waits_as_long_as_the_api_asks_and_can_be_interrupted_meanwhile() {
    let (_api, mut host) =
        start([Reply::failure(429, "rate_limit_error", "Slow down").header("retry-after", "100")]).await;
    host.prompt("hi").await;
    let retry = host.until(|line| line["subtype"] == "api_retry").await;
    assert_eq!(retry["retry_delay_ms"], 100_000);
    host.interrupt().await;
    assert_eq!(host.until_result().await["terminal_reason"], "aborted_streaming");
}

#[tokio::test]
async fn a_lasting_failure_ends_the_turn_and_the_session_stays_usable() {
    let (api, mut host) = start([
        Reply::failure(401, "authentication_error", "invalid x-api-key"),
        Reply::new().text("Better."),
    ])
    .await;
    host.prompt("hi").await;
    let result = host.until_result().await;
    host.until_lifecycle("cancelled").await;
    assert_eq!(
        json!([result["subtype"], result["is_error"], result["terminal_reason"], result["api_error_status"]]),
        json!(["success", true, "api_error", 401])
    );
    let said = host.all("assistant", None)[0];
    assert_eq!(
        json!([said["error"], said["is_api_error_message"], said["message"]["model"]]),
        json!(["authentication_failed", true, "<synthetic>"])
    );
    assert_eq!(result["total_cost_usd"], 0.0);
    host.prompt("again").await;
    assert_eq!(host.until_result().await["result"], "Better.");
    assert_eq!(api.requests().len(), 2);
    assert_eq!(host.finish().await.unwrap().exit_code(), 0);
}

#[tokio::test]
async fn gives_up_after_ten_retries() {
    let (api, mut host) = start([]).await;
    api.otherwise(Reply::failure(500, "api_error", "Internal"));
    host.prompt("hi").await;
    let result = host.until_result().await;
    assert_eq!((&result["is_error"], &result["api_error_status"]), (&json!(true), &json!(500)));
    assert_eq!(api.requests().len(), 11);
    assert_eq!(host.finish().await.unwrap().exit_code(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_taken_back_and_asked_for_again() {
    let broken = Reply::new().text("Half of it.").begin_text("And the oth").cut();
    let (_api, mut host) = start([broken, Reply::new().text("All of it.")]).await;
    host.prompt("hi").await;
    let result = host.until_result().await;
    assert_eq!(result["result"], "All of it.");
    let stop = host.seen.iter().find(|line| line["event"]["type"] == "message_stop").unwrap();
    assert_eq!(stop["abandoned_blocks"]["from_block_index"], 0);
    let retry = host.all("system", Some("api_retry"))[0];
    assert_eq!((&retry["error_status"], &retry["error"]), (&Value::Null, &json!("unknown")));
    let lines = host.all("assistant", None);
    assert_eq!(lines[1]["supersedes"], json!([lines[0]["uuid"]]));
}

#[tokio::test]
async fn an_error_in_the_middle_is_retried_if_it_passes_and_reported_if_it_does_not() {
    let passing = Reply::new().begin_text("Hel").error("overloaded_error", "Overloaded");
    let lasting = Reply::new().begin_text("Hel").error("invalid_request_error", "Bad");
    let (api, mut host) = start([passing, Reply::new().text("Hello."), lasting]).await;
    host.prompt("one").await;
    assert_eq!(host.until_result().await["result"], "Hello.");
    host.prompt("two").await;
    let result = host.until_result().await;
    assert_eq!(
        (&result["is_error"], &result["api_error_type"]),
        (&json!(true), &json!("invalid_request_error"))
    );
    assert_eq!(api.requests().len(), 3);
}

#[tokio::test]
async fn an_interrupt_hangs_up_and_keeps_what_was_said() {
    let (api, mut host) =
        start([Reply::new().begin_text("Hello wor").stall(), Reply::new().text("Go on.")]).await;
    host.prompt("hi").await;
    host.until_delta().await;
    host.until_delta().await;
    host.interrupt().await;
    assert_eq!(host.until_result().await["terminal_reason"], "aborted_streaming");
    api.until_abandoned(1).await;
    assert_eq!(host.texts(), ["Hello wor"]);
    host.prompt("go on").await;
    host.until_result().await;
    let messages = api.requests()[1].messages().to_vec();
    assert_eq!(messages[1]["content"][0]["text"], "Hello wor");
    assert_eq!(messages[2]["content"][0]["text"], "[Request interrupted by user]");
}

#[tokio::test]
async fn a_call_cut_before_it_ran_has_a_result_in_the_conversation() {
    let cut =
        Reply::new().tool_with_id("toolu_1", "Read", &json!({"file_path": "a"})).begin_text("And ").stall();
    let (api, mut host) = start([cut]).await;
    host.prompt("hi").await;
    host.until(|line| line["event"]["delta"]["type"] == "text_delta").await;
    host.interrupt().await;
    host.until_result().await;
    host.prompt("go on").await;
    host.until_result().await;
    let messages = api.requests()[1].messages().to_vec();
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "toolu_1");
}

#[tokio::test]
async fn an_answer_that_goes_silent_is_asked_for_again() {
    let api = MessagesApi::start().await.unwrap();
    api.then(Reply::new().begin_text("Hel").stall()).then(Reply::new().text("Hello."));
    let mut host = Host::start_with(|options| {
        at(&api)(options);
        options.endpoint =
            options.endpoint.take().map(|endpoint| endpoint.with_silence_max(Duration::from_millis(300)));
    });
    host.prompt("hi").await;
    assert_eq!(host.until_result().await["result"], "Hello.");
}

#[tokio::test]
async fn a_conversation_that_no_longer_fits_says_so() {
    let (_api, mut host) = start([Reply::failure(
        400,
        "invalid_request_error",
        "prompt is too long: 210000 tokens > 200000 maximum",
    )])
    .await;
    host.prompt("hi").await;
    let result = host.until_result().await;
    assert_eq!((&result["terminal_reason"], &result["is_error"]), (&json!("prompt_too_long"), &json!(true)));
}

#[tokio::test]
async fn an_answer_cut_by_its_own_length_goes_on() {
    let (api, mut host) = start([
        Reply::new().text("First half,").stop_reason("max_tokens"),
        Reply::new().text("second half."),
    ])
    .await;
    host.prompt("hi").await;
    assert_eq!(host.until_result().await["result"], "second half.");
    assert!(api.requests()[1].last_text().starts_with("Output token limit hit."));
    assert_eq!(host.all("user", None).iter().filter(|line| line["isSynthetic"] == true).count(), 1);
}

#[tokio::test]
async fn stops_at_the_number_of_requests_the_host_allows() {
    let api = MessagesApi::start().await.unwrap();
    api.otherwise(Reply::new().tool("TodoWrite", json!({"todos": []})));
    let flags = ["--max-turns=2".to_owned()];
    let mut host = Host::start_with_flags(&flags, at(&api));
    host.prompt("loop").await;
    let result = host.until_result().await;
    assert_eq!(
        (&result["subtype"], &result["terminal_reason"]),
        (&json!("error_max_turns"), &json!("max_turns"))
    );
    assert_eq!(api.requests().len(), 2);
}

#[tokio::test]
async fn a_prompt_that_comes_while_a_tool_runs_is_in_the_next_request() {
    let (api, mut host) =
        start([Reply::new().tool("Bash", json!({"command": "true"})), Reply::new().text("Both.")]).await;
    host.prompt("one").await;
    let request = host.until_permission().await;
    host.prompt("two").await;
    host.until_lifecycle("queued").await;
    host.answer(&request, json!({"behavior": "allow"})).await;
    host.until_result().await;
    let asked = api.requests();
    assert_eq!((asked.len(), asked[1].last_text().as_str()), (2, "two"));
    assert_eq!(asked[1].tool_results().len(), 1);
}

#[tokio::test]
async fn an_urgent_prompt_cuts_the_answer_and_is_answered_next() {
    let gate = Gate::new();
    let (api, mut host) =
        start([Reply::new().begin_text("Slow").wait_for(&gate), Reply::new().text("Fast.")]).await;
    host.prompt("one").await;
    host.until_delta().await;
    host.send(json!({"type": "user", "uuid": "u", "priority": "now", "message": {"role": "user", "content": "two"}})).await;
    let first = host.until_result().await;
    assert_eq!(
        (&first["subtype"], &first["terminal_reason"]),
        (&json!("success"), &json!("aborted_streaming"))
    );
    assert_eq!(host.until_result().await["result"], "Fast.");
    assert_eq!(api.requests()[1].last_text(), "two");
}

#[tokio::test]
async fn instructions_agents_and_thinking_reach_the_model() {
    let (api, mut host) = start([]).await;
    let agents =
        json!({"reviewer": {"description": "Reads code", "prompt": "You review.", "tools": ["Read"]}});
    host.request(json!({"subtype": "initialize", "systemPrompt": "Be brief.", "appendSystemPrompt": "In French.", "agents": agents})).await;
    host.request(json!({"subtype": "set_max_thinking_tokens", "max_thinking_tokens": 2_000})).await;
    api.then(Reply::new().tool(
        "Agent",
        json!({"description": "Review", "prompt": "Look at a.rs", "subagent_type": "reviewer"}),
    ));
    api.then(Reply::new().text("It is fine."));
    host.prompt("review").await;
    host.until_result().await;
    let asked = api.requests();
    assert_eq!(asked[0].system_text(), "Be brief.\n\nIn French.");
    assert_eq!(asked[0].body["thinking"]["budget_tokens"], 2_000);
    assert!(asked[1].system_text().starts_with("You review."));
    assert_eq!((asked[1].tool_names(), asked[1].last_text().as_str()), (vec!["Read"], "Look at a.rs"));
    assert_eq!(asked[2].tool_results()[0]["content"][0]["text"], "It is fine.");
}

#[tokio::test]
async fn plan_mode_is_told_to_the_model_and_left_when_the_plan_is_approved() {
    let (api, mut host) =
        start([Reply::new().tool("ExitPlanMode", json!({"plan": "1. Do it"})), Reply::new().text("Doing.")])
            .await;
    host.request(json!({"subtype": "set_permission_mode", "mode": "plan"})).await;
    host.prompt("plan it").await;
    host.allow_next().await;
    host.until_result().await;
    let asked = api.requests();
    assert!(asked[0].tool_names().contains(&"ExitPlanMode") && asked[0].system_text().contains("Plan mode"));
    assert_eq!(
        host.all("system", Some("status")).iter().filter(|line| line["permissionMode"] == "default").count(),
        1
    );
}

#[tokio::test]
async fn an_answer_in_the_hosts_form_ends_the_turn_and_one_in_another_form_does_not() {
    let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let (api, mut host) = start([
        Reply::new().text("Seven."),
        Reply::new().tool("StructuredOutput", json!({"n": "seven"})),
        Reply::new().tool("StructuredOutput", json!({"n": 7})),
    ])
    .await;
    host.request(json!({"subtype": "initialize", "jsonSchema": schema})).await;
    host.prompt("how many").await;
    let result = host.until_result().await;
    assert_eq!((&result["structured_output"], &result["subtype"]), (&json!({"n": 7}), &json!("success")));
    let asked = api.requests();
    assert!(asked[1].last_text().contains("StructuredOutput"));
    assert!(asked[2].tool_results()[0]["content"].as_str().unwrap().contains("must be of type \"integer\""));
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_model_that_never_gives_the_form_is_given_up() {
    let (api, mut host) = start([]).await;
    api.otherwise(Reply::new().text("No."));
    host.request(json!({"subtype": "initialize", "jsonSchema": {"type": "object"}})).await;
    host.prompt("how many").await;
    assert_eq!(host.until_result().await["subtype"], "error_max_structured_output_retries");
    assert_eq!(api.requests().len(), 6);
}

#[tokio::test]
async fn the_model_changes_between_turns() {
    let (api, mut host) = start([]).await;
    host.prompt("one").await;
    host.until_result().await;
    host.request(json!({"subtype": "set_model", "model": "qwen3-coder:30b"})).await;
    host.prompt("two").await;
    let result = host.until_result().await;
    assert_eq!(
        result["modelUsage"]["qwen3-coder:30b"]["costUSD"], 0.0,
        "the price of an unknown model is unknown"
    );
    host.request(json!({"subtype": "set_model", "model": "scripted"})).await;
    host.prompt("@say three").await;
    assert_eq!(host.until_result().await["result"], "three");
    let models: Vec<String> = api.requests().iter().map(|asked| asked.model().to_owned()).collect();
    assert_eq!(models, ["claude-sonnet-4-5", "qwen3-coder:30b"]);
}

#[tokio::test]
async fn without_an_endpoint_another_model_says_what_is_missing() {
    let mut host = Host::start_with(|options| options.model = "claude-sonnet-4-5".to_owned());
    host.prompt("hi").await;
    let result = host.until_result().await;
    assert!(
        result["is_error"] == true && result["result"].as_str().unwrap().contains("ANTHROPIC_API_KEY"),
        "{result}"
    );
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_an_error_after_the_retries() {
    let mut host = Host::start_with(|options| {
        // The port is free as soon as the listener is dropped, and nobody is told of it.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        options.endpoint = Some(Endpoint::new(&format!("http://{address}")).unwrap());
        options.model = "local".to_owned();
    });
    host.prompt("hi").await;
    let result = host.until_result().await;
    assert_eq!((&result["is_error"], &result["api_error_status"]), (&json!(true), &Value::Null));
    assert_eq!(host.all("system", Some("api_retry")).len(), 10);
}

#[tokio::test]
async fn a_call_whose_input_is_no_json_is_refused_and_told() {
    let (api, mut host) =
        start([Reply::new().begin_tool("toolu_1", "Bash", "{\"command\": "), Reply::new().text("Sorry.")])
            .await;
    host.prompt("hi").await;
    host.until_result().await;
    let asked = api.requests();
    assert_eq!(asked[1].tool_results()[0]["is_error"], true);
}

#[tokio::test]
async fn stops_at_what_the_host_wants_to_spend() {
    let api = MessagesApi::start().await.unwrap();
    api.otherwise(Reply::new().tool("TodoWrite", json!({"todos": []})).usage(1_000_000, 0));
    let mut host = Host::start_with_flags(&["--max-budget-usd=5".to_owned()], at(&api));
    host.prompt("loop").await;
    let result = host.until_result().await;
    assert_eq!(
        (&result["subtype"], &result["terminal_reason"]),
        (&json!("error_max_budget_usd"), &json!("budget_exhausted"))
    );
    assert_eq!(api.requests().len(), 2, "each of them cost three dollars");
}

#[tokio::test]
async fn an_https_address_is_asked_in_tls() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let mut host = Host::start_with(|options| {
        options.endpoint = Some(Endpoint::new(&base).unwrap().with_api_key(KEY).unwrap());
        options.model = "m".to_owned();
    });
    host.prompt("hi").await;
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut hello = [0; 3];
    socket.read_exact(&mut hello).await.unwrap();
    assert_eq!(hello[..2], [0x16, 0x03], "a handshake record of TLS, and no key in the clear");
    host.interrupt().await;
    host.until_result().await;
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_key_away() {
    let elsewhere = MessagesApi::start().await.unwrap();
    let target = format!("{}/v1/messages", elsewhere.base_url());
    let (_api, mut host) = start([Reply::failure(307, "moved", "there").header("location", &target)]).await;
    host.prompt("hi").await;
    assert_eq!(host.until_result().await["is_error"], true);
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_api_that_talks_nonsense_ends_the_turn_and_nothing_else() {
    let odd = [
        json!({"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "nowhere"}}),
        json!({"type": "content_block_stop", "index": 9}),
        json!({"type": 5}),
        json!([]),
        json!({"type": "content_block_start", "index": "x", "content_block": null}),
        json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": {"not": "text"}}}),
        json!({"type": "message_start", "message": {"id": "again"}}),
        json!({"type": "content_block_start", "content_block": {"type": "tool_use", "id": 5, "name": null}}),
        json!({"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "[1"}}),
        json!({"type": "content_block_start", "content_block": {"type": "tool_use", "id": "t", "name": "MadeUp"}}),
        json!({"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "[1"}}),
        json!({"type": "message_delta", "delta": null, "usage": {"output_tokens": -1}}),
        json!({"type": "something_new"}),
    ];
    let nonsense = odd.into_iter().fold(Reply::new(), Reply::event);
    let (api, mut host) = start([nonsense, Reply::new().text("Sorry.")]).await;
    host.prompt("hi").await;
    assert_eq!(host.until_result().await["result"], "Sorry.");
    let asked = api.requests();
    let results = asked[1].tool_results();
    assert_eq!((results.len(), &results[0]["is_error"]), (1, &json!(true)));
    assert!(host.all("control_request", None).is_empty(), "nobody is asked about a tool that is not there");
}

#[tokio::test]
async fn a_sub_agent_that_gets_no_answer_is_a_failed_call_and_the_turn_goes_on() {
    let task = json!({"description": "Look", "prompt": "Look at a.rs"});
    let failure = Reply::failure(400, "invalid_request_error", "Bad");
    let (api, mut host) =
        start([Reply::new().tool("Agent", task), failure, Reply::new().text("Never mind.")]).await;
    host.prompt("delegate").await;
    assert_eq!(host.until_result().await["result"], "Never mind.");
    let asked = api.requests();
    let told = asked[2].tool_results()[0].clone();
    assert!(told["is_error"] == true && told["content"].as_str().unwrap().contains("400 Bad"), "{told}");
    assert_eq!(host.all("system", Some("task_notification"))[0]["status"], "failed");
}

#[tokio::test]
async fn hooks_hear_of_sub_agents_and_send_them_back_to_work() {
    let task = json!({"description": "Look", "prompt": "Look at a.rs"});
    let (api, mut host) = start([
        Reply::new().tool("Agent", task),
        Reply::new().text("Too short."),
        Reply::new().text("Long enough."),
        Reply::new().text("Thanks."),
    ])
    .await;
    let hooks = json!({
        "SubagentStart": [{"matcher": "general-purpose", "hookCallbackIds": ["start"]}],
        "SubagentStop": [{"hookCallbackIds": ["stop"]}],
    });
    host.request(json!({"subtype": "initialize", "hooks": hooks})).await;
    host.prompt("delegate").await;
    let answers = [
        json!({"hookSpecificOutput": {"additionalContext": "Be thorough."}}),
        json!({"decision": "block", "reason": "Say more."}),
        json!({}),
    ];
    for answer in answers {
        let request = host.until_permission().await;
        assert_eq!(request["request"]["input"]["agent_type"], "general-purpose");
        host.answer(&request, answer).await;
    }
    host.until_result().await;
    let asked = api.requests();
    assert_eq!(asked[1].last_text(), "Look at a.rs\nBe thorough.");
    assert_eq!(asked[2].last_text(), "Say more.");
    assert_eq!(asked[3].tool_results()[0]["content"][0]["text"], "Long enough.");
}

#[tokio::test]
async fn an_interrupt_ends_a_sub_agent_in_the_middle_of_its_answer() {
    let task = json!({"description": "Look", "prompt": "Look at a.rs"});
    let (api, mut host) =
        start([Reply::new().tool("Agent", task), Reply::new().begin_text("Loo").stall()]).await;
    host.prompt("delegate").await;
    api.until_asked(2).await;
    host.interrupt().await;
    assert_eq!(host.until_result().await["terminal_reason"], "aborted_tools");
    api.until_abandoned(1).await;
    host.prompt("go on").await;
    host.until_result().await;
    let messages = api.requests()[2].messages().to_vec();
    assert_eq!(messages[2]["content"][0]["type"], "tool_result", "no call is left without a result");
}
