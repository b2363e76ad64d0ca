//! The traps of the wire that no recording shows, one scene each, and what a person then sees.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "recordings/shown.rs"]
mod shown;

use expect_test::{Expect, expect};
use portcullis_protocol::RawJson;
use portcullis_protocol::session::transcript::{Activity, ItemBody, ToolInput, Transcript};
use shown::{fold, render};

/// Folds a scene, one event a line, and compares what is shown. Losing its volatile events must not matter.
#[track_caller]
fn check(scene: &str, expected: Expect) {
    let transcript = play(scene);
    let shown = render(&transcript);
    expected.assert_eq(&shown);
    let events: Vec<RawJson> = events(scene).collect();
    assert_eq!(render(&fold(&events, |_| false)), shown, "without volatile events");
}

fn play(scene: &str) -> Transcript {
    fold(&events(scene).collect::<Vec<_>>(), |_| true)
}

fn events(scene: &str) -> impl Iterator<Item = RawJson> + '_ {
    scene.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| RawJson::parse(line).unwrap())
}

#[test]
fn cumulative_arrays_are_merged_by_block() {
    check(
        r#"
        {"type":"assistant","uuid":"a","message":{"id":"m","content":[{"type":"text","text":"One"}]}}
        {"type":"assistant","uuid":"b","message":{"id":"m","content":[{"type":"text","text":"One two"}]}}
        {"type":"assistant","uuid":"c","message":{"id":"m","content":[{"type":"text","text":"One two three."},{"type":"tool_use","id":"t","name":"Bash","input":{}}]}}
        {"type":"assistant","uuid":"d","message":{"id":"m","content":[{"type":"text","text":"One two three."},{"type":"tool_use","id":"t","name":"Bash","input":{"command":"ls"}},{"type":"text","text":"After."}]}}
        {"type":"result","subtype":"success"}"#,
        expect![[r#"
            text One two three.
            Bash [interrupted] {"command":"ls"}
            text After.
            === completed 
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn an_edited_call_shows_what_ran() {
    let transcript = play(
        r#"
        {"type":"assistant","uuid":"a","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"rm -rf /"}}]}}
        {"type":"system","subtype":"input_edited","tool_use_id":"t","input":{"command":"ls","n":1.0},"edited_by":"phone"}"#,
    );
    let ItemBody::Tool(call) = &transcript.items().next().unwrap().body else { panic!("no call") };
    let ran = ToolInput::Whole(RawJson::parse(r#"{"command":"ls","n":1.0}"#).unwrap());
    assert_eq!((&call.input, call.edited_by.as_deref()), (&ran, Some("phone")));
}

#[test]
fn a_line_that_comes_again_is_not_shown_again() {
    check(
        r#"
        {"type":"assistant","uuid":"a","message":{"id":"m","content":[{"type":"text","text":"One"}]}}
        {"type":"assistant","uuid":"b","message":{"id":"m","content":[{"type":"text","text":"Two"}]}}
        {"type":"assistant","uuid":"a","message":{"id":"m","content":[{"type":"text","text":"One"}]}}"#,
        expect![[r#"
            text One
            text Two
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn equal_blocks_on_lines_of_their_own_both_stay() {
    check(
        r#"
        {"type":"assistant","uuid":"a","message":{"id":"m","content":[{"type":"text","text":"Again."}]}}
        {"type":"assistant","uuid":"b","message":{"id":"m","content":[{"type":"text","text":"Again."}]}}"#,
        expect![[r#"
            text Again.
            text Again.
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn superseded_and_retracted_lines_vanish() {
    check(
        r#"
        {"type":"assistant","uuid":"a","message":{"id":"m1","content":[{"type":"text","text":"Wrong"}]}}
        {"type":"assistant","uuid":"b","message":{"id":"m1","content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]}}
        {"type":"assistant","uuid":"c","supersedes":["a","b"],"message":{"id":"m2","content":[{"type":"text","text":"Right"}]}}
        {"type":"assistant","uuid":"d","message":{"id":"m3","content":[{"type":"text","text":"Refused"}]}}
        {"type":"system","subtype":"model_refusal_fallback","retracted_message_uuids":["d","nothing"],"content":"Switched to another model."}"#,
        expect![[r#"
            text Right
            ! info Switched to another model.
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn merged_replays_of_unknown_prompts_show_each_text_once() {
    check(
        r#"
        {"type":"user","uuid":"a","isReplay":true,"message":{"role":"user","content":"first"}}
        {"type":"user","uuid":"b","isReplay":true,"message":{"role":"user","content":"second"}}
        {"type":"system","subtype":"init"}
        {"type":"user","uuid":"c","isReplay":true,"message":{"role":"user","content":[{"type":"text","text":"first\n"},{"type":"text","text":"second\n"},{"type":"text","text":"third"}]}}
        {"type":"result","subtype":"success"}"#,
        expect![[r#"
            > [answered] first
            > [answered] second
            > [answered] third
            === completed 
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn a_prompt_without_a_uuid_is_neither_lost_nor_shown_twice() {
    check(
        r#"
        {"type":"user","message":{"role":"user","content":"one"}}
        {"type":"user","message":{"role":"user","content":"two"}}
        {"type":"user","uuid":"x","isReplay":true,"message":{"role":"user","content":"one"}}
        {"type":"result","subtype":"success"}"#,
        expect![[r#"
            > [answered] one
            === completed 
            queued [stored] two
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn an_agent_that_gives_no_receipts_answers_the_oldest_prompt() {
    check(
        r#"
        {"type":"user","uuid":"a","message":{"role":"user","content":"one"}}
        {"type":"system","subtype":"init"}
        {"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"Hi"}]}}
        {"type":"result","subtype":"success"}
        {"type":"user","uuid":"b","message":{"role":"user","content":"two"}}"#,
        expect![[r#"
            > [answered] one
            text Hi
            === completed 
            queued [stored] two
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn an_old_agents_interrupt_without_closing_events_leaves_nothing_live() {
    check(
        r#"
        {"type":"user","uuid":"a","isReplay":true,"message":{"role":"user","content":"go"}}
        {"type":"stream_event","event":{"type":"message_start","message":{"id":"m"}}}
        {"type":"stream_event","event":{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}}
        {"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Half"}}}
        {"type":"stream_event","event":{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"Bash","input":{}}}}
        {"type":"stream_event","event":{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"comm"}}}
        {"type":"user","message":{"role":"user","content":[{"type":"text","text":"[Request interrupted by user]"}]}}
        {"type":"result","subtype":"error_during_execution","is_error":false,"terminal_reason":"aborted_streaming"}"#,
        expect![[r#"
            > [cancelled] go
            ! info Interrupted.
            === interrupted 
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn a_stream_that_died_is_replaced_by_its_second_try() {
    check(
        r#"
        {"type":"stream_event","event":{"type":"message_start","message":{"id":"m1"}}}
        {"type":"stream_event","event":{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}}
        {"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Dead"}}}
        {"type":"system","subtype":"api_retry","attempt":1,"max_retries":10,"retry_delay_ms":500,"error_status":null,"error":"unknown"}
        {"type":"assistant","message":{"id":"m2","stop_reason":"end_turn","content":[{"type":"text","text":"Whole"},{"type":"tool_use","id":"t","name":"Bash","input":{}}]}}"#,
        expect![[r#"
            ! warning The model's API failed (the connection was cut); try 1 of 10 in 0.5 s.
            text Whole
            Bash [running] {}
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn an_urgent_prompt_cuts_the_turn_before_it() {
    check(
        r#"
        {"type":"user","uuid":"a","message":{"role":"user","content":"slow"}}
        {"type":"command_lifecycle","command_uuid":"a","state":"started"}
        {"type":"user","uuid":"b","priority":"now","message":{"role":"user","content":"urgent"}}
        {"type":"command_lifecycle","command_uuid":"b","state":"queued"}
        {"type":"assistant","aborted":true,"message":{"id":"m","content":[{"type":"text","text":"Half an ans"}]}}
        {"type":"result","subtype":"success","terminal_reason":"aborted_streaming","queued_turn_count":1}
        {"type":"command_lifecycle","command_uuid":"a","state":"cancelled"}
        {"type":"command_lifecycle","command_uuid":"b","state":"started"}
        {"type":"user","uuid":"b","isReplay":true,"message":{"role":"user","content":"urgent"}}
        {"type":"result","subtype":"success"}
        {"type":"command_lifecycle","command_uuid":"b","state":"completed"}"#,
        expect![[r#"
            > [cancelled] slow
            text(aborted) Half an ans
            === interrupted 
            > [answered] urgent
            === completed 
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn denied_failed_and_interrupted_are_told_apart() {
    check(
        r#"
        {"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"a","name":"A","input":{}},{"type":"tool_use","id":"b","name":"B","input":{}},{"type":"tool_use","id":"c","name":"C","input":{}},{"type":"tool_use","id":"d","name":"D","input":{}},{"type":"tool_use","id":"e","name":"E","input":{}}]}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"c","is_error":true,"content":"no"}]},"tool_result_meta":[{"id":"c","non_execution_kind":"permission-rule","permission_decision":{"decision":"reject"}}]}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"a","is_error":true,"content":"Exit code 3"}]},"tool_use_result":"Error: Exit code 3"}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"b","is_error":true,"content":"stopped"}]},"tool_result_meta":[{"id":"b","non_execution_kind":"user-rejected"}]}
        {"type":"system","subtype":"permission_denied","tool_use_id":"e","message":"A rule forbids E."}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"e","is_error":true,"content":"forbidden"}]}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"d","is_error":true,"content":"said no"}]}}
        {"type":"result","subtype":"success","permission_denials":[{"tool_use_id":"d","tool_name":"D","tool_input":{}}]}"#,
        expect![[r#"
            A [failed] {} = Exit code 3 +result
            B [interrupted] {} = stopped
            C [denied] {} = no
            D [denied] {} = said no
            E [denied] {} = forbidden
            ! warning A rule forbids E.
            === completed 
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn parallel_and_nested_sub_agents_keep_to_their_calls() {
    check(
        r#"
        {"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"a1","name":"Agent","input":{}}]}}
        {"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"a2","name":"Task","input":{}}]}}
        {"type":"system","subtype":"task_started","task_id":"k1","tool_use_id":"a1","description":"One","task_type":"local_agent","is_backgrounded":false}
        {"type":"system","subtype":"task_started","task_id":"k2","tool_use_id":"a2","description":"Two","task_type":"local_agent","is_backgrounded":false}
        {"type":"user","parent_tool_use_id":"a2","message":{"role":"user","content":"sub prompt"}}
        {"type":"assistant","parent_tool_use_id":"a2","message":{"id":"s2","content":[{"type":"text","text":"Two says"}]}}
        {"type":"assistant","parent_tool_use_id":"a1","message":{"id":"s1","content":[{"type":"tool_use","id":"n1","name":"Agent","input":{}}]}}
        {"type":"system","subtype":"task_progress","task_id":"k1","tool_use_id":"a1","description":"Delegating","last_tool_name":"Agent","usage":{"total_tokens":10,"tool_uses":1,"duration_ms":5}}
        {"type":"assistant","parent_tool_use_id":"n1","message":{"id":"s3","content":[{"type":"tool_use","id":"x","name":"Bash","input":{}}]}}
        {"type":"user","parent_tool_use_id":"n1","message":{"content":[{"type":"tool_result","tool_use_id":"x","content":"deep"}]}}
        {"type":"user","parent_tool_use_id":"a1","message":{"content":[{"type":"tool_result","tool_use_id":"n1","content":"nested"}]}}
        {"type":"system","subtype":"task_updated","task_id":"k2","patch":{"status":"failed","error":"It broke"}}
        {"type":"system","subtype":"task_notification","task_id":"k1","tool_use_id":"a1","status":"completed","summary":"Found it","usage":{"total_tokens":12,"tool_uses":2,"duration_ms":9}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"a1","content":"one"}]}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"a2","content":"two","is_error":true}]}}
        {"type":"result","subtype":"success"}"#,
        expect![[r#"
            Agent [done] {} = one {foreground task completed: Found it}
            Task [failed] {} = two {foreground task failed: It broke}
                text Two says
                Agent [done] {} = nested
                    Bash [done] {} = deep
            === completed 
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn a_sub_agent_in_the_background_outlives_the_turn_and_begins_one() {
    check(
        r#"
        {"type":"user","uuid":"p","isReplay":true,"message":{"role":"user","content":"go"}}
        {"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"a","name":"Agent","input":{"run_in_background":true}}]}}
        {"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"k","task_type":"local_agent","description":"Search"}]}
        {"type":"system","subtype":"task_started","task_id":"k","tool_use_id":"a","description":"Search","is_backgrounded":true}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"a","content":"launched"}]}}
        {"type":"assistant","parent_tool_use_id":"a","message":{"id":"s","content":[{"type":"tool_use","id":"x","name":"Bash","input":{}}]}}
        {"type":"result","subtype":"success","total_cost_usd":0.5}
        {"type":"user","parent_tool_use_id":"a","message":{"content":[{"type":"tool_result","tool_use_id":"x","content":"ok"}]}}
        {"type":"assistant","parent_tool_use_id":"a","message":{"id":"s","content":[{"type":"tool_use","id":"y","name":"Bash","input":{}}]}}
        {"type":"system","subtype":"task_notification","task_id":"k","tool_use_id":"a","status":"failed","summary":"Search failed"}
        {"type":"system","subtype":"background_tasks_changed","tasks":[]}
        {"type":"system","subtype":"init"}
        {"type":"assistant","message":{"id":"m2","content":[{"type":"text","text":"It failed."}]}}
        {"type":"result","subtype":"success","total_cost_usd":0.75,"origin":{"kind":"task-notification"}}"#,
        expect![[r#"
            > [answered] go
            Agent [done] {"run_in_background":true} = launched {background task failed: Search failed}
                Bash [done] {} = ok
            === completed 
                Bash [interrupted] {}
            ! warning Search failed
            text It failed.
            === completed (by task-notification) 
            -- idle "?" "?" $0.75000
        "#]],
    );
}

#[test]
fn clearing_is_a_divider_and_everything_counted_begins_anew() {
    check(
        r#"
        {"type":"system","subtype":"init","session_id":"s1","model":"m","permissionMode":"plan"}
        {"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"TodoWrite","input":{"todos":[{"content":"a","status":"pending","activeForm":"A"}]}}]}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}}
        {"type":"result","subtype":"success","total_cost_usd":1.25,"session_id":"s1"}
        {"type":"conversation_reset","new_conversation_id":"c2","trigger":"clear"}
        {"type":"system","subtype":"init","session_id":"s2","model":"m","permissionMode":"default"}
        {"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"The same message id, another conversation."}]}}"#,
        expect![[r#"
            TodoWrite [done] {"todos":[{"content":"a","status":"pending","activeForm":"A"}]} = ok
            === completed 
            ! info A new conversation begins; the agent forgot everything above.
            text The same message id, another conversation.
            -- running "m" "default" $0.00000
        "#]],
    );
}

#[test]
fn totals_are_taken_and_never_summed_and_a_failed_start_has_none() {
    check(
        r#"
        {"type":"result","subtype":"success","total_cost_usd":0.5,"num_turns":1}
        {"type":"result","subtype":"success","total_cost_usd":0.75,"num_turns":1}
        {"type":"result","subtype":"error_during_execution","is_error":true,"num_turns":0,"total_cost_usd":0,"errors":["No conversation found"]}"#,
        expect![[r#"
            === completed 
            === completed 
            === failed No conversation found
            -- idle "?" "?" $0.75000
        "#]],
    );
}

#[test]
fn an_error_on_success_is_an_error() {
    check(
        r#"{"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error","result":"API Error: 529"}
        {"type":"result","subtype":"error_max_turns","is_error":false}"#,
        expect![[r#"
            === failed API Error: 529
            === failed The turn reached its limit of steps.
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn task_lists_follow_every_tool_that_writes_them() {
    check(
        r#"
        {"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"a","name":"TaskCreate","input":{"subject":"Parse","description":"d","activeForm":"Parsing"}},{"type":"tool_use","id":"b","name":"TaskCreate","input":{"subject":"Test"}},{"type":"tool_use","id":"c","name":"TaskUpdate","input":{"taskId":"1","status":"in_progress"}},{"type":"tool_use","id":"d","name":"TaskUpdate","input":{"taskId":"2","status":"deleted"}},{"type":"tool_use","id":"e","name":"TaskUpdate","input":{"taskId":"1","status":"completed"}}]}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"b","content":"ok"}]},"tool_use_result":{"task":{"id":"2","subject":"Test"}}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"a","content":"ok"}]},"tool_use_result":{"task":{"id":"1","subject":"Parse"}}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"c","content":"ok"}]},"tool_use_result":{"success":true,"taskId":"1"}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"d","content":"ok"}]},"tool_use_result":{"success":true,"taskId":"2"}}
        {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"e","content":"no","is_error":true}]}}"#,
        expect![[r#"
            TaskCreate [done] {"subject":"Parse","description":"d","activeForm":"Parsing"} = ok +result
            TaskCreate [done] {"subject":"Test"} = ok +result
            TaskUpdate [done] {"taskId":"1","status":"in_progress"} = ok +result
            TaskUpdate [done] {"taskId":"2","status":"deleted"} = ok +result
            TaskUpdate [failed] {"taskId":"1","status":"completed"} = no
            todo #1 [in_progress] Parse
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn what_is_virtual_or_synthetic_is_hidden_or_folded() {
    check(
        r#"
        {"type":"user","isVirtual":true,"uuid":"v","message":{"role":"user","content":"inner call"}}
        {"type":"assistant","isVirtual":true,"message":{"id":"v","content":[{"type":"text","text":"inner"}]}}
        {"type":"user","isSynthetic":true,"message":{"role":"user","content":"Go on.\nMore text."}}
        {"type":"user","origin":{"kind":"task-notification"},"message":{"role":"user","content":"A task ended"}}
        {"type":"user","isReplay":true,"uuid":"l","message":{"role":"user","content":"<local-command-stdout>Set model to x</local-command-stdout>"}}
        {"type":"some_future_type","x":1}"#,
        expect![[r#"
            ! info Added by the agent: Go on.
            ! info Added by the agent: A task ended
            ! info Set model to x
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn an_odd_field_does_not_hide_its_line() {
    check(
        r#"
        {"type":"assistant","supersedes":7,"user_message_uuids":{},"message":{"id":"m","content":[{"type":"text","text":"Shown"}]}}
        {"type":"system","subtype":"api_retry","attempt":"x","error_status":70000.5,"retry_delay_ms":[]}
        {"type":"result","subtype":"success","duration_ms":"long","usage":[],"modelUsage":3,"errors":"none","permission_denials":0}"#,
        expect![[r#"
            text Shown
            ! warning The model's API failed (the connection was cut); try 1.
            === completed 
            -- idle "?" "?" $0.00000
        "#]],
    );
}

#[test]
fn a_line_far_back_is_marked_as_taken_back_in_its_place() {
    let mut scene = String::from(
        r#"{"type":"assistant","uuid":"old","message":{"id":"m","content":[{"type":"text","text":"Old"}]}}"#,
    );
    for _ in 0..1_000 {
        scene.push_str("\n{\"type\":\"system\",\"subtype\":\"informational\",\"content\":\"x\"}");
    }
    scene.push_str(
        "\n{\"type\":\"assistant\",\"supersedes\":[\"old\"],\"message\":{\"id\":\"n\",\"content\":\"\"}}",
    );
    let transcript = play(&scene);
    let first = transcript.items().next().unwrap();
    assert!(
        matches!(&first.body, ItemBody::Notice(notice) if notice.text.contains("took back")),
        "{first:?}"
    );
}

#[test]
fn progress_is_shown_while_it_lasts() {
    let call = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]}}"#;
    let beat = r#"{"type":"tool_progress","tool_use_id":"t-heartbeat-0","parent_tool_use_id":"t","heartbeat":true,"tool_name":"Bash","elapsed_time_seconds":30}"#;
    let done =
        r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}}"#;
    let elapsed = |scene: &[&str]| {
        let transcript = play(&scene.join("\n"));
        let items: Vec<_> = transcript.items().collect();
        let ItemBody::Tool(call) = &items[0].body else { panic!("no tool") };
        call.progress.as_ref().and_then(|progress| progress.elapsed_s)
    };
    assert_eq!(elapsed(&[call, beat]), Some(30));
    assert_eq!(elapsed(&[call, beat, done]), None);
    assert_eq!(elapsed(&[call, done, beat]), None);
}

#[test]
fn the_working_state_follows_whatever_the_agent_tells() {
    let activity = |scene: &[&str]| play(&scene.join("\n")).facts().activity;
    let started = r#"{"type":"command_lifecycle","command_uuid":"a","state":"started"}"#;
    let init = r#"{"type":"system","subtype":"init"}"#;
    let requesting = r#"{"type":"system","subtype":"status","status":"requesting"}"#;
    let running = r#"{"type":"system","subtype":"session_state_changed","state":"running"}"#;
    let required = r#"{"type":"system","subtype":"session_state_changed","state":"requires_action"}"#;
    let idle = r#"{"type":"system","subtype":"session_state_changed","state":"idle"}"#;
    let ask = r#"{"type":"control_request","request_id":"R","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{},"tool_use_id":"t"}}"#;
    let asked_by_us = r#"{"type":"control_request","request_id":"I","request":{"subtype":"interrupt"}}"#;
    let answer =
        r#"{"type":"control_response","response":{"subtype":"success","request_id":"R","response":{}}}"#;
    let foreign =
        r#"{"type":"control_response","response":{"subtype":"success","request_id":"other","response":{}}}"#;
    let cancel = r#"{"type":"control_cancel_request","request_id":"R"}"#;
    let ran =
        r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"ok"}]}}"#;
    let result = r#"{"type":"result","subtype":"success"}"#;
    let more = r#"{"type":"result","subtype":"success","queued_turn_count":1}"#;
    let task = r#"{"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"k","task_type":"local_bash"}]}"#;
    let no_task = r#"{"type":"system","subtype":"background_tasks_changed","tasks":[]}"#;
    let ended = r#"{"type":"system","subtype":"agent_ended"}"#;

    assert_eq!(activity(&[]), Activity::Idle);
    for begins in [started, init, requesting, running] {
        assert_eq!(activity(&[begins]), Activity::Running, "{begins}");
        assert_eq!(activity(&[begins, result]), Activity::Idle);
        assert_eq!(activity(&[begins, idle]), Activity::Idle);
        assert_eq!(activity(&[begins, ended]), Activity::Idle);
    }
    assert_eq!(activity(&[init, ask]), Activity::Waiting);
    assert_eq!(activity(&[init, required]), Activity::Waiting);
    assert_eq!(activity(&[init, ask, foreign]), Activity::Waiting);
    assert_eq!(activity(&[init, asked_by_us]), Activity::Running);
    for settles in [answer, cancel, ran] {
        assert_eq!(activity(&[init, ask, settles]), Activity::Running, "{settles}");
    }
    assert_eq!(activity(&[init, ask, result]), Activity::Idle);
    assert_eq!(activity(&[init, more]), Activity::Running);
    assert_eq!(activity(&[init, task, result]), Activity::Running);
    assert_eq!(activity(&[init, task, result, no_task]), Activity::Idle);
    assert_eq!(activity(&[init, task, ended]), Activity::Idle);
}

#[test]
fn the_end_of_a_session_is_known_unless_anything_follows() {
    let ended = |scene: &[&str]| play(&scene.join("\n")).facts().ended;
    let going = r#"{"type":"system","subtype":"worker_shutting_down","reason":"idle"}"#;
    assert!(ended(&[going]));
    assert!(ended(&[r#"{"type":"system","subtype":"agent_ended","content":"Gone."}"#]));
    assert!(!ended(&[going, r#"{"type":"system","subtype":"init"}"#]));
}
