//! `portcullis demo` as a person meets it: a session with the scripted agent, its permissions, its ends.

use serde_json::json;

use crate::support::{Decision, Demo, run, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_command_runs_and_its_output_comes_back() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    session.prompt("@bash echo hi > made.txt && cat made.txt").await;
    let request = session.permission("pending").await;
    assert_eq!(request["event"]["request"]["input"]["command"], "echo hi > made.txt && cat made.txt");
    assert!(!demo.project().join("made.txt").exists(), "nothing runs before it is allowed");
    session.decide(&request, &Decision::Allow).await;
    for state in ["decided", "delivered", "settled"] {
        assert_eq!(session.permission(state).await["request_id"], request["request_id"]);
    }
    session.event(|event| event["type"] == "user" && event.to_string().contains("tool_result")).await;
    session.event(|event| event["type"] == "result").await;
    assert_eq!(std::fs::read_to_string(demo.project().join("made.txt")).unwrap(), "hi\n");
    demo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_command_does_not_run_and_the_agent_reads_why() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    session.prompt("@bash touch made.txt").await;
    let request = session.permission("pending").await;
    session.decide(&request, &Decision::Deny("please keep the folder clean")).await;
    session
        .event(|event| event["type"] == "user" && event.to_string().contains("please keep the folder clean"))
        .await;
    session.event(|event| event["type"] == "result").await;
    assert!(!demo.project().join("made.txt").exists());
    demo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_a_stream_and_cancels_what_waits() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    session.prompt("@storm 100000 5").await;
    session.live().await;
    let reply = session.control(json!({"subtype": "interrupt"})).await;
    assert_eq!(reply["response"]["subtype"], "success", "{reply}");
    session.event(|event| event["type"] == "result").await;
    session.prompt("@bash touch made.txt").await;
    let request = session.permission("pending").await;
    session.control(json!({"subtype": "interrupt"})).await;
    assert_eq!(session.permission("cancelled").await["request_id"], request["request_id"]);
    assert!(!demo.project().join("made.txt").exists());
    demo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_mid_turn_is_told_and_the_next_prompt_starts_another() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    session.prompt("@say hello\n@bash kill -9 $PPID; sleep 1000").await;
    let request = session.permission("pending").await;
    session.decide(&request, &Decision::Allow).await;
    let ended = session.event(|event| event["subtype"] == "agent_ended").await;
    assert!(ended["content"].as_str().unwrap().starts_with("The agent ended"), "{ended}");
    session.prompt("@say back again").await;
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("back again")).await;
    demo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_stdout_is_shown_and_the_session_goes_on() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    session.prompt("@raw {\"no\":\"type\"}\n@say still here").await;
    session.event(|event| event["subtype"] == "informational" && event["level"] == "warning").await;
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("still here")).await;
    demo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_above_the_limit_leaves_a_stub_and_the_session_goes_on() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    session.prompt("@big 9000000\n@say still here").await;
    let stub = session.event(|event| event["subtype"] == "event_too_large").await;
    assert!(stub["bytes"].as_u64().unwrap() > 9_000_000 && stub["original_type"] == "assistant", "{stub}");
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("still here")).await;
    demo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_leaves_no_process_and_no_project_behind() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    session.prompt("@bash sleep 1000").await;
    let request = session.permission("pending").await;
    session.decide(&request, &Decision::Allow).await;
    wait_until("the command runs", || demo.processes().iter().any(|name| name == "sleep")).await;
    let project = demo.project();
    assert_eq!(demo.interrupt().await, Some(0));
    assert!(!project.exists(), "the throwaway project is thrown away");
    demo.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bridge_takes_its_agents_and_their_commands_with_it() {
    let mut demo = Demo::start().await;
    let mut session = demo.session().await;
    // A command that left its process group and its session, and ignores polite requests.
    session
        .prompt("@bash trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; sleep 1000; :' & sleep 1000; :")
        .await;
    let request = session.permission("pending").await;
    session.decide(&request, &Decision::Allow).await;
    wait_until("both run", || demo.processes().iter().filter(|name| *name == "sleep").count() == 2).await;
    demo.kill();
    wait_until("all are gone", || demo.processes().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pair_prints_a_fresh_link_of_the_running_ingress() {
    let mut demo = Demo::start().await;
    let (code, out) = demo.run(&["pair", "--json"]);
    let ready: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &ready["url"]), (Some(0), &demo.ready["url"]));
    assert_ne!(ready["pair_code"], demo.ready["pair_code"]);
    demo.end().await;
    assert_eq!(demo.run(&["pair", "--json"]).0, Some(1), "nothing runs any more");
}

#[test]
fn a_machine_that_is_not_paired_is_told_to_log_in() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["remote-control"], folder.path()).0, Some(3));
}

#[test]
fn a_command_line_that_cannot_be_is_told_from_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["serve", "--listen=nowhere"], folder.path()).0, Some(2));
    assert_eq!(run(&["serve", "--listen=0.0.0.0:0"], folder.path()).0, Some(1), "without TLS in front");
}
