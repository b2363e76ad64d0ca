//! From the first prompt to the last word: links, prompts, lines, ends.

use super::*;
use crate::room::Activity;

#[test]
fn starts_an_agent_with_the_first_prompt_and_journals_before_it_writes() {
    let mut machine = Machine::attached();
    let shown = machine.deliver(1, "p1", "hi \"there\"\n");
    let kinds: Vec<&str> = shown.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["journal", "spawn", "stdin", "journal", "stdin"]);
    let journalled = [r#"{"started":{"incarnation":"inc_u1"}}"#, r#"{"prompt":{"seq":1,"uuid":"p1"}}"#];
    assert_eq!(only(&shown, "journal "), journalled);
    let lines = stdin(&shown);
    assert_eq!(
        lines[0],
        json!({"type": "control_request", "request_id": "pc-1", "request": {"subtype": "initialize"}})
    );
    assert_eq!((&lines[1]["uuid"], &lines[1]["session_id"]), (&json!("p1"), &json!("")));
    assert_eq!(
        machine.handle(Input::Written(Receipt::Prompt("p1".into()))),
        [r#"send {"type":"ack","seq":1}"#]
    );
}

#[test]
fn a_prompt_is_one_line_whatever_its_json_looked_like() {
    let mut machine = Machine::attached();
    let text = "{\n \"type\": \"user\",\r\n \"uuid\":\"p1\",\n \"message\": {\"role\":\"user\",\n\"content\":\"a\\nb\"}\n}";
    let event = RawJson::parse(text).unwrap();
    let shown = machine.frame(WorkerDown::Deliver(Deliver { seq: 1, event }));
    assert!(only(&shown, "stdin ").iter().all(|line| !line.contains(['\n', '\r'])));
}

#[test]
fn a_prompt_that_would_end_the_agent_never_reaches_it() {
    for bad in [
        r#"{"type":"user","uuid":"p1","message":{"role":"assistant","content":"x"}}"#,
        r#"{"type":"user","uuid":"p1"}"#,
        r#"{"type":"control_response","uuid":"p1","message":{"role":"user","content":"x"}}"#,
        r#"{"type":"user","uuid":"p1","isSynthetic":true,"message":{"role":"user","content":"x"}}"#,
    ] {
        let mut machine = Machine::attached();
        let event = RawJson::parse(bad).unwrap();
        let shown = machine.frame(WorkerDown::Deliver(Deliver { seq: 4, event }));
        assert!(only(&shown, "stdin ").is_empty() && !shown.contains(&"spawn".to_owned()), "{bad}");
        assert_eq!(only(&shown, "send "), [r#"{"type":"ack","seq":4}"#]);
        assert_eq!(events(&shown)[0]["subtype"], "informational");
    }
}

#[test]
fn a_prompt_delivered_again_is_acknowledged_and_not_written_again() {
    let mut machine = Machine::running();
    assert_eq!(machine.deliver(1, "p1", "hi"), [r#"send {"type":"ack","seq":1}"#]);
    machine.deliver(2, "p2", "more");
    assert!(machine.deliver(2, "p2", "more").is_empty(), "still under way");
    let shown = machine.deliver(3, "p2", "the same uuid in another row");
    assert!(only(&shown, "stdin ").is_empty());
}

#[test]
fn a_session_this_machine_refuses_says_so_to_every_prompt() {
    let mut machine = Machine::with(|spec| spec.refusal = Some("Not here.".into()));
    machine.attach();
    for seq in [1, 2] {
        let shown = machine.deliver(seq, &format!("p{seq}"), "hi");
        assert!(!shown.contains(&"spawn".to_owned()));
        assert_eq!(events(&shown)[0]["content"], "Not here.");
        machine.settle();
    }
}

#[test]
fn says_nothing_before_the_ingress_knows_who_speaks() {
    let mut machine = Machine::new();
    assert!(machine.handle(Input::LinkDown).is_empty());
    assert_eq!(machine.handle(Input::LinkUp), [r#"send {"type":"attach","incarnation":"inc_u1"}"#]);
    let shown = machine.frame(WorkerDown::Hello(hello(0, 0)));
    assert_eq!(
        posted(&shown),
        [
            json!({"state": {"n": 0, "state": {"status": "idle", "agent": "builtin", "permission_mode": "default", "directory": "/p"}}})
        ]
    );
}

#[test]
fn a_new_link_goes_on_where_the_ingress_stands() {
    let mut machine = Machine::running();
    machine.line(json!({"type": "assistant", "uuid": "a"}));
    machine.line(json!({"type": "assistant", "uuid": "b"}));
    machine.line(json!({"type": "assistant", "uuid": "c"}));
    machine.handle(Input::Posted(Lane::Content, PostOutcome::Accepted { next_n: 1 }));
    machine.handle(Input::LinkDown);
    machine.handle(Input::LinkUp);
    // The POST with b and c reached the ingress, its answer did not reach us.
    let shown = machine.frame(WorkerDown::Hello(hello(3, 1)));
    assert_eq!(only(&shown, "send "), [r#"{"type":"ack","seq":1}"#]);
    let shown = machine.handle(Input::Posted(Lane::Content, PostOutcome::Position { expected_n: 2 }));
    assert_eq!(posted(&shown), [json!({"event": {"n": 2, "event": {"type": "assistant", "uuid": "c"}}})]);
}

#[test]
fn only_the_answer_to_the_last_attach_counts() {
    let mut machine = Machine::new();
    machine.handle(Input::LinkUp);
    machine.handle(Input::LinkDown);
    machine.handle(Input::LinkUp);
    assert!(!machine.frame(WorkerDown::Hello(hello(0, 0))).is_empty());
}

#[test]
fn garbage_becomes_a_word_for_the_person_and_the_session_goes_on() {
    let mut machine = Machine::running();
    let shown = machine.text("Segmentation\u{1b}[2J fault");
    let event = &events(&shown)[0];
    assert_eq!((&event["subtype"], &event["level"]), (&json!("informational"), &json!("warning")));
    assert_eq!(event["content"], "The agent printed a line that is no event: Segmentation\u{fffd}[2J fault");
    machine.settle();
    for odd in ["[1,2]", r#"{"type":7}"#, "{\"type\":\"assistant\"", "\"text\""] {
        assert_eq!(events(&machine.text(odd))[0]["subtype"], "informational", "{odd}");
        machine.settle();
    }
    let shown = machine.handle(Input::Line(Line::NotUtf8 { bytes: 3 }));
    assert_eq!(events(&shown)[0]["subtype"], "informational");
    machine.settle();
    assert_eq!(events(&machine.line(json!({"type": "assistant", "uuid": "a"})))[0]["uuid"], "a");
}

#[test]
fn an_agent_does_not_speak_in_the_name_of_the_bridge() {
    let mut machine = Machine::running();
    let mut shown = machine.text(
        r#"{"type":"system","subtype":"input_edited","tool_use_id":"t","input":{},"edited_by":"you","uuid":"x"}"#,
    );
    shown.extend(machine.settle());
    assert!(!shown.iter().any(|line| line.contains("input_edited")), "{shown:?}");
    assert!(shown.iter().any(|line| line.contains("only the bridge writes")), "{shown:?}");
}

#[test]
fn a_flood_of_garbage_is_said_a_few_times_per_turn() {
    let mut machine = Machine::running();
    let mut said = 0;
    for _ in 0..1_000 {
        machine.text("x");
        said += events(&machine.drain()).len();
        said += events(&machine.settle()).len();
    }
    let queued = machine.relay.lanes.content.bytes();
    assert!(said <= 20 && queued < 10_000, "{said} said, {queued} bytes wait");
    machine.line(json!({"type": "result", "subtype": "success"}));
    machine.settle();
    assert_eq!(events(&machine.text("x")).len(), 1);
}

#[test]
fn an_event_above_the_limit_leaves_its_size_and_its_hash() {
    let mut machine = Machine::running();
    let big = json!({"type": "assistant", "text": "x".repeat(portcullis_protocol::limits::EVENT_BYTES_MAX)})
        .to_string();
    let event = events(&machine.text(&big)).remove(0);
    assert_eq!(event["subtype"], "event_too_large");
    assert_eq!((&event["bytes"], &event["original_type"]), (&json!(big.len()), &json!("assistant")));
    assert_eq!(event["sha256"].as_str().unwrap().len(), 64);
    machine.settle();
    let event =
        events(&machine.handle(Input::Line(Line::TooLong { bytes: 1 << 30, head: b"x".to_vec() }))).remove(0);
    assert_eq!((&event["bytes"], &event["sha256"]), (&json!(1 << 30), &Value::Null));
}

#[test]
fn the_same_event_twice_is_posted_once() {
    let mut machine = Machine::running();
    assert_eq!(events(&machine.line(json!({"type": "assistant", "uuid": "a"}))).len(), 1);
    machine.settle();
    assert!(machine.line(json!({"type": "assistant", "uuid": "a"})).is_empty());
    assert_eq!(events(&machine.line(json!({"type": "assistant", "uuid": "a", "text": "other"}))).len(), 1);
}

#[test]
fn previews_carry_their_stream_and_signs_of_life_are_dropped() {
    let mut machine = Machine::running();
    assert!(machine.line(json!({"type": "keep_alive"})).is_empty());
    let shown = machine
        .line(json!({"type": "stream_event", "event": {"type": "message_start", "message": {"id": "m1"}}}));
    assert_eq!(posted(&shown)[0]["live"]["stream"], "m1");
    assert_eq!(posted(&shown)[0]["live"]["n"], 0);
}

#[test]
fn state_is_reported_only_when_it_changed() {
    let mut machine = Machine::running();
    let init = json!({"type": "system", "subtype": "init", "uuid": "i1", "model": "m", "permissionMode": "plan", "cwd": "/p/q"});
    let shown = machine.line(init);
    let state = posted(&shown).iter().find_map(|item| item.get("state").cloned()).unwrap();
    assert_eq!(state["state"]["model"], "m");
    assert_eq!(state["state"]["status"], "running");
    assert_eq!(state["state"]["directory"], "/p", "where it was started, whatever it claims");
    machine.settle();
    let again = machine.line(json!({"type": "system", "subtype": "init", "uuid": "i2", "model": "m", "permissionMode": "plan", "cwd": "/p/q"}));
    assert!(posted(&again).iter().all(|item| item.get("state").is_none()));
}

#[test]
fn an_agent_that_dies_mid_turn_leaves_a_notice_answers_and_its_end_in_that_order() {
    let mut machine = Machine::running();
    machine.ask("R1", "ls");
    machine.settle();
    machine.control(json!({"subtype": "get_usage"}));
    let mut shown = machine.exit(3);
    shown.extend(machine.settle());
    let event = &events(&shown)[0];
    assert_eq!(event["subtype"], "agent_ended");
    assert_eq!(
        (&event["content"], &event["exit_code"]),
        (&json!("The agent ended (exit code 3): boom"), &json!(3))
    );
    let items = posted(&shown);
    assert!(
        items.iter().any(|item| item["reply"]["event"]["response"]["subtype"] == "error"),
        "the asker is told"
    );
    assert!(items.last().unwrap().get("ended").is_some(), "{items:?}");
    assert_eq!(machine.relay.ledger.waiting(), 0);
}

#[test]
fn the_end_waits_until_all_content_was_taken() {
    let mut machine = Machine::running();
    machine.line(json!({"type": "assistant", "uuid": "a"}));
    let shown = machine.exit(0);
    assert!(posted(&shown).iter().all(|item| item.get("ended").is_none()));
    let shown = machine.handle(Input::Posted(Lane::Content, PostOutcome::Accepted { next_n: 1 }));
    assert!(posted(&shown).iter().all(|item| item.get("ended").is_none()), "the notice is still on its way");
    let mut shown = machine.settle();
    shown.extend(machine.settle());
    assert!(posted(&shown).iter().any(|item| item.get("ended").is_some()));
}

#[test]
fn the_next_prompt_starts_a_new_incarnation_after_the_last_word_of_the_old_one() {
    let mut machine = Machine::running();
    machine.exit(1);
    let shown = machine.deliver(2, "p2", "again");
    assert!(only(&shown, "stdin ").is_empty(), "the old one is not done speaking");
    let mut shown = machine.settle();
    shown.extend(machine.settle());
    assert!(shown.contains(&"spawn".to_owned()), "{shown:?}");
    let attach = only(&shown, "send ").into_iter().find(|frame| frame.contains("attach")).unwrap();
    assert!(!attach.contains("inc_u1"), "{attach}");
    assert_eq!(stdin(&shown).last().unwrap()["uuid"], "p2");
    let shown = machine.frame(WorkerDown::Hello(hello(0, 0)));
    assert_eq!(posted(&shown)[0]["state"]["n"], 0);
}

#[test]
fn prompts_the_agent_may_not_have_read_are_named_when_it_ends() {
    let mut machine = Machine::running();
    machine.line(json!({"type": "command_lifecycle", "command_uuid": "p1", "state": "started"}));
    machine.deliver(2, "p2", "written, no sign of it");
    machine.handle(Input::Written(Receipt::Prompt("p2".into())));
    machine.deliver(3, "p3", "not written");
    machine.settle();
    let mut shown = machine.exit(1);
    shown.extend(machine.settle());
    let unknown: Vec<Value> =
        events(&shown).into_iter().filter(|event| event["subtype"] == "delivery_unknown").collect();
    assert_eq!(unknown.iter().map(|event| event["message_uuid"].clone()).collect::<Vec<_>>(), ["p2", "p3"]);
    assert!(only(&shown, "send ").contains(&r#"{"type":"ack","seq":3}"#));
    let journalled = [
        r#""told""#,
        r#"{"closed":{"uuid":"p2"}}"#,
        r#"{"closed":{"uuid":"p3"}}"#,
        r#"{"ended":{"incarnation":"inc_u1"}}"#,
    ];
    assert_eq!(only(&shown, "journal "), journalled);
}

#[test]
fn a_prompt_that_waits_in_the_agents_own_queue_is_not_lost_in_silence_when_the_agent_ends() {
    let mut machine = Machine::running();
    let lifecycle = |uuid: &str, state: &str| json!({"type": "command_lifecycle", "command_uuid": uuid, "state": state, "uuid": format!("{uuid}{state}")});
    machine.line(lifecycle("p1", "queued"));
    let shown = machine.line(lifecycle("p1", "started"));
    assert_eq!(only(&shown, "journal "), [r#"{"closed":{"uuid":"p1"}}"#]);
    machine.deliver(2, "p2", "behind it");
    machine.handle(Input::Written(Receipt::Prompt("p2".into())));
    machine.line(lifecycle("p2", "queued"));
    machine.line(json!({"type": "assistant", "uuid": "a"}));
    machine.line(json!({"type": "result", "uuid": "r", "queued_turn_count": 1}));
    machine.settle();
    let mut shown = machine.exit(137);
    shown.extend(machine.settle());
    let unknown: Vec<Value> =
        events(&shown).into_iter().filter(|event| event["subtype"] == "delivery_unknown").collect();
    assert_eq!((unknown.len(), &unknown[0]["message_uuid"]), (1, &json!("p2")));
}

#[test]
fn an_agent_that_never_speaks_of_prompts_has_read_one_when_it_answers() {
    for line in [json!({"type": "assistant", "uuid": "a"}), json!({"type": "result", "uuid": "a"})] {
        let mut machine = Machine::running();
        let by_a_sub_agent = json!({"type": "assistant", "uuid": "s", "parent_tool_use_id": "t"});
        assert!(only(&machine.line(by_a_sub_agent), "journal ").is_empty());
        assert_eq!(only(&machine.line(line), "journal "), [r#"{"closed":{"uuid":"p1"}}"#]);
        machine.settle();
        let mut shown = machine.exit(1);
        shown.extend(machine.settle());
        assert!(events(&shown).iter().all(|event| event["subtype"] != "delivery_unknown"), "{shown:?}");
    }
}

#[test]
fn an_idle_agent_makes_room_and_says_why_and_a_busy_one_goes_on() {
    assert_eq!(Machine::attached().relay.activity(), Activity::NoAgent);
    let mut machine = Machine::running();
    assert_eq!(machine.relay.activity(), Activity::Busy, "a prompt it has not read");
    assert!(machine.handle(Input::MakeRoom).is_empty());
    machine.rest();
    assert_eq!(machine.relay.activity(), Activity::Idle);
    machine.ask("R1", "ls");
    machine.settle();
    assert_eq!(machine.relay.activity(), Activity::Busy, "a person is asked");
    assert!(machine.handle(Input::MakeRoom).is_empty());
    machine.line(json!({"type": "control_cancel_request", "request_id": "R1"}));
    machine.settle();
    machine.settle();
    let shown = machine.handle(Input::MakeRoom);
    assert!(shown.contains(&"terminate".to_owned()), "{shown:?}");
    assert!(events(&shown)[0]["content"].as_str().unwrap().contains("another session needs the place"));
    assert_eq!(machine.relay.activity(), Activity::Leaving);
    let mut shown = machine.exit(143);
    for _ in 0..3 {
        shown.extend(machine.settle());
    }
    assert_eq!(shown.last().unwrap(), "finish Done");
}

#[test]
fn an_agent_that_cannot_be_started_is_told_to_the_person() {
    let mut machine = Machine::attached();
    machine.deliver(1, "p1", "hi");
    let shown = machine.handle(Input::SpawnFailed("no such file".into()));
    assert_eq!(events(&shown)[0]["content"], "The agent could not be started: no such file");
    assert_eq!(only(&shown, "send "), [r#"{"type":"ack","seq":1}"#]);
}

#[test]
fn a_shutdown_ends_the_agent_delivers_its_last_words_and_then_finishes() {
    let mut machine = Machine::running();
    assert_eq!(machine.handle(Input::Shutdown), ["terminate"]);
    assert!(machine.deliver(2, "p2", "too late").is_empty(), "left for the next bridge");
    let mut shown = machine.exit(143);
    shown.extend(machine.settle());
    shown.extend(machine.settle());
    assert_eq!(shown.last().unwrap(), "finish Done");
}

#[test]
fn a_stopped_session_without_an_agent_finishes_at_once() {
    let mut machine = Machine::attached();
    let shown = machine.frame(WorkerDown::Stop(StopDown { reason: "archived".into() }));
    assert_eq!(shown, ["finish Done"]);
}

#[test]
fn an_event_the_ingress_refuses_does_not_stop_those_behind_it() {
    let mut machine = Machine::running();
    let refused = || PostOutcome::Refused { reason: "bad".into() };
    machine.line(json!({"type": "assistant", "uuid": "a"}));
    machine.line(json!({"type": "assistant", "uuid": "b"}));
    let shown = machine.handle(Input::Posted(Lane::Content, refused()));
    assert_eq!(events(&shown)[0]["content"], "An event of the agent was refused by the server: bad");
    assert_eq!(posted(&shown)[0]["event"]["n"], 0);
    let shown = machine.handle(Input::Posted(Lane::Content, PostOutcome::Accepted { next_n: 2 }));
    assert!(posted(&shown).is_empty());
}

#[test]
fn reads_no_further_when_too_much_waits_for_the_ingress() {
    let mut machine = Machine::running();
    let megabyte = "x".repeat(1 << 20);
    for n in 0..40 {
        machine.line(json!({"type": "assistant", "uuid": format!("a{n}"), "text": megabyte}));
    }
    assert!(machine.relay.is_congested());
}

#[test]
fn an_agent_that_switches_to_a_forbidden_mode_is_ended() {
    let mut machine = Machine::running();
    let shown = machine.line(
        json!({"type": "system", "subtype": "status", "status": null, "permissionMode": "bypassPermissions"}),
    );
    assert!(shown.contains(&"terminate".to_owned()), "{shown:?}");
}

#[test]
fn a_full_disk_is_said_while_nothing_that_relies_on_it_is() {
    let mut machine = Machine::running();
    machine.relay.handle(machine.now, Input::Line(Line::Text(r#"{"type":"assistant","uuid":"a"}"#.into())));
    let Some(Output::Journal(stuck)) = machine.relay.poll_output() else { panic!("the spool comes first") };
    assert!(matches!(stuck, Entry::Said { .. }));
    // What the agent said waits behind its entry; how the worker is does not.
    machine.relay.handle(machine.now, Input::DiskFull(true));
    let post = machine.relay.poll_ahead().expect("something is said");
    assert_eq!(post.lane, Lane::Control);
    let said = serde_json::to_string(&post.items).unwrap();
    assert!(said.contains(r#""standstill":"disk_full""#), "{said}");
    assert!(machine.relay.poll_ahead().is_none(), "and nothing else");
    // Once there is room everything goes on in its order.
    machine.handle(Input::Posted(Lane::Control, PostOutcome::Accepted { next_n: u64::MAX }));
    let mut shown = machine.handle(Input::DiskFull(false));
    shown.extend(machine.settle());
    shown.extend(machine.settle());
    let states: Vec<Value> =
        posted(&shown).iter().filter_map(|item| item.get("state")?.get("state").cloned()).collect();
    assert!(states.last().is_some_and(|state| state.get("standstill").is_none()), "{shown:?}");
}
