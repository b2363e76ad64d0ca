//! Clients' control requests: who may, under which id, and who hears the answer.

use super::*;

fn replies(shown: &[String]) -> Vec<Value> {
    posted(shown).into_iter().filter_map(|item| item.get("reply").cloned()).collect()
}

#[test]
fn a_request_reaches_the_agent_under_an_id_of_ours_and_its_answer_goes_back_under_the_devices() {
    let mut machine = Machine::running();
    let shown = machine.control(json!({"subtype": "interrupt"}));
    let line = &stdin(&shown)[0];
    assert_eq!(
        line,
        &json!({"type": "control_request", "request_id": "pc-2", "request": {"subtype": "interrupt"}})
    );
    let shown = machine.text(r#"{"type":"control_response","response":{"subtype":"success","request_id":"pc-2","response":{"n":1.0}}}"#);
    assert!(shown.iter().any(|item| item.contains(r#""request_id":"R9","response":{"n":1.0}"#)), "{shown:?}");
    assert_eq!(replies(&shown)[0]["device_id"], "d1");
    assert!(events(&shown).is_empty(), "a reply is private");
}

#[test]
fn an_answer_under_an_id_we_did_not_mint_is_dropped() {
    let mut machine = Machine::running();
    machine.control(json!({"subtype": "interrupt"}));
    machine.settle();
    for id in ["R9", "pc-99", "pc-1"] {
        let shown = machine
            .line(json!({"type": "control_response", "response": {"subtype": "success", "request_id": id}}));
        assert!(shown.is_empty(), "{id}: {shown:?}");
    }
}

#[test]
fn two_devices_that_chose_the_same_id_each_hear_their_own_answer() {
    let mut machine = Machine::running();
    let ask = |machine: &mut Machine, device: &str, subtype: &str| {
        let request = json!({"type": "control_request", "uuid": device, "request_id": "R9", "request": {"subtype": subtype}});
        machine.frame(WorkerDown::Control(ControlDown {
            device_id: DeviceId::parse(device).unwrap(),
            request_id: "R9".into(),
            needs_policy: false,
            event: RawJson::from_value(&request),
        }))
    };
    ask(&mut machine, "d1", "interrupt");
    ask(&mut machine, "d2", "get_usage");
    let mut shown = Vec::new();
    for (id, answer) in [("pc-3", "usage"), ("pc-2", "stopped")] {
        shown.extend(machine.line(json!({"type": "control_response", "response": {"subtype": "success", "request_id": id, "response": {"is": answer}}})));
    }
    shown.extend(machine.settle());
    let heard: Vec<Value> = replies(&shown)
        .iter()
        .map(|reply| json!([reply["device_id"], reply["event"]["response"]["response"]["is"]]))
        .collect();
    assert_eq!(heard, [json!(["d2", "usage"]), json!(["d1", "stopped"])]);
    assert!(replies(&shown).iter().all(|reply| reply["request_id"] == "R9"));
}

#[test]
fn what_the_policy_forbids_never_reaches_the_agent() {
    for request in [
        json!({"subtype": "set_permission_mode", "mode": "bypassPermissions"}),
        json!({"subtype": "set_permission_mode"}),
        json!({"subtype": "read_file", "path": "/etc/passwd"}),
        json!({"subtype": "mcp_set_servers", "servers": {}}),
        json!({"subtype": "end_session"}),
    ] {
        let mut machine = Machine::running();
        let shown = machine.control(request.clone());
        assert!(stdin(&shown).is_empty(), "{request}");
        assert_eq!(replies(&shown)[0]["event"]["response"]["error_code"], "refused_by_policy", "{request}");
    }
    let mut machine = Machine::running();
    assert_eq!(
        stdin(&machine.control(json!({"subtype": "set_permission_mode", "mode": "acceptEdits"}))).len(),
        1
    );
}

#[test]
fn a_request_that_two_parsers_could_read_differently_is_refused() {
    let mut machine = Machine::running();
    let event = RawJson::parse(
        r#"{"type":"control_request","request_id":"R9","request":{"subtype":"interrupt","mode":"plan","mode":"auto"}}"#,
    )
    .unwrap();
    let device_id = DeviceId::parse("d1").unwrap();
    let shown = machine.frame(WorkerDown::Control(ControlDown {
        device_id,
        request_id: "R9".into(),
        needs_policy: false,
        event,
    }));
    assert!(stdin(&shown).is_empty());
    assert_eq!(replies(&shown)[0]["event"]["response"]["subtype"], "error");
}

#[test]
fn initialize_is_answered_from_what_the_agent_said_once_with_what_waits_now() {
    let mut machine = Machine::running();
    machine.ask("R1", "ls");
    machine.settle();
    let shown = machine.control(json!({"subtype": "initialize", "hooks": {"PreToolUse": []}}));
    assert!(stdin(&shown).is_empty());
    let reply = &replies(&shown)[0]["event"]["response"];
    assert_eq!((&reply["request_id"], &reply["response"]), (&json!("R9"), &json!({"commands": []})));
    assert_eq!(reply["pending_permission_requests"][0]["request_id"], "R1");
}

#[test]
fn an_initialize_before_the_agent_spoke_waits_for_its_word() {
    let mut machine = Machine::attached();
    let shown = machine.control(json!({"subtype": "initialize"}));
    assert!(shown.contains(&"spawn".to_owned()));
    assert_eq!(stdin(&shown).len(), 1, "asked once");
    assert!(stdin(&machine.control(json!({"subtype": "initialize"}))).is_empty());
    let mut shown = machine.line(json!({"type": "control_response", "response": {"subtype": "success", "request_id": "pc-1", "response": {"pid": 1}}}));
    shown.extend(machine.settle());
    assert_eq!(replies(&shown).len(), 2);
}

#[test]
fn an_agent_that_does_not_answer_in_time_is_an_error_for_who_asked() {
    let mut machine = Machine::running();
    machine.control(json!({"subtype": "get_usage"}));
    machine.settle();
    assert_eq!(machine.relay.poll_timeout(), Some(Tick(ANSWER_TIMEOUT_MS)));
    machine.now = Tick(ANSWER_TIMEOUT_MS);
    let shown = machine.handle(Input::Tick);
    assert_eq!(replies(&shown)[0]["event"]["response"]["error_code"], "unavailable");
    assert_eq!(machine.relay.poll_timeout(), None);
    let late = json!({"type": "control_response", "response": {"subtype": "success", "request_id": "pc-2"}});
    assert!(machine.line(late).is_empty(), "too late");
}

#[test]
fn nobody_has_to_be_started_to_be_interrupted() {
    let mut machine = Machine::attached();
    let shown = machine.control(json!({"subtype": "interrupt"}));
    assert!(!shown.contains(&"spawn".to_owned()));
    assert_eq!(replies(&shown)[0]["event"]["response"]["subtype"], "success");
}

#[test]
fn a_request_behind_the_last_word_of_an_incarnation_is_answered_under_the_next() {
    for request in [json!({"subtype": "interrupt"}), json!({"subtype": "end_session"})] {
        let mut machine = Machine::running();
        machine.exit(1);
        for _ in 0..4 {
            machine.settle();
        }
        let shown = machine.control(request);
        assert!(replies(&shown).is_empty() && only(&shown, "send ")[0].contains("attach"), "{shown:?}");
        let shown = machine.frame(WorkerDown::Hello(hello(0, 0)));
        assert_eq!(replies(&shown).len(), 1, "{shown:?}");
        assert!(!shown.contains(&"spawn".to_owned()));
    }
}

#[test]
fn a_model_that_was_changed_shows_in_the_state() {
    let mut machine = Machine::running();
    machine.control(json!({"subtype": "set_model", "model": "big"}));
    machine.settle();
    let mut shown = machine.line(json!({"type": "control_response", "response": {"subtype": "success", "request_id": "pc-2", "response": {"model": "big-1"}}}));
    shown.extend(machine.settle());
    assert!(posted(&shown).iter().any(|item| item["state"]["state"]["model"] == "big-1"), "{shown:?}");
}

#[test]
fn a_mode_is_reported_once_it_was_taken_even_by_an_agent_that_says_nothing_of_it() {
    let mut machine = Machine::running();
    for (mode, subtype, reported) in [("plan", "success", "plan"), ("acceptEdits", "error", "plan")] {
        let asked = machine.control(json!({"subtype": "set_permission_mode", "mode": mode}));
        let id = stdin(&asked)[0]["request_id"].clone();
        let answer = json!({"subtype": subtype, "request_id": id, "error": "no"});
        machine.line(json!({"type": "control_response", "response": answer}));
        assert_eq!(machine.relay.report.permission_mode(), Some(reported), "{mode} {subtype}");
    }
}

#[test]
fn a_prompt_that_was_taken_back_is_said_to_be_cancelled_once() {
    for tells in [false, true] {
        let mut machine = Machine::running();
        machine.deliver(2, "p2", "never mind");
        machine.handle(Input::Written(Receipt::Prompt("p2".into())));
        let asked = machine.control(json!({"subtype": "cancel_async_message", "message_uuid": "p2"}));
        let id = stdin(&asked)[0]["request_id"].clone();
        let mut shown = Vec::new();
        if tells {
            shown = machine
                .line(json!({"type": "command_lifecycle", "command_uuid": "p2", "state": "cancelled"}));
        }
        let answer = json!({"subtype": "success", "request_id": id, "response": {"cancelled": true}});
        shown.extend(machine.line(json!({"type": "control_response", "response": answer})));
        let said = only(&shown, "spool ").iter().filter(|line| line.contains(r#""cancelled""#)).count();
        assert_eq!(said, 1, "{shown:?}");
        assert!(only(&shown, "journal ").contains(&r#"{"closed":{"uuid":"p2"}}"#), "{shown:?}");
    }
}
