//! What the agent asks, and who answers what.

use super::*;

#[test]
fn a_request_goes_up_with_the_digest_of_its_exact_bytes() {
    let mut machine = Machine::running();
    let line = r#"{"request":{"tool_name":"Bash","input":{"command":"ls","n":1.10},"subtype":"can_use_tool"},"request_id":"R1","type":"control_request"}"#;
    let shown = machine.text(line);
    let request = posted(&shown).into_iter().find_map(|item| item.get("request").cloned()).unwrap();
    let raw =
        RawJson::parse(r#"{"tool_name":"Bash","input":{"command":"ls","n":1.10},"subtype":"can_use_tool"}"#)
            .unwrap();
    assert_eq!(request["digest"], digest(&raw).as_str());
    assert!(shown.iter().any(|item| item.contains(line)), "the line travels as it came");
    assert!(
        shown.iter().any(|item| item.contains("requires_action"))
            || machine.settle().iter().any(|item| item.contains("requires_action"))
    );
}

#[test]
fn an_allowed_request_is_answered_once_with_the_held_bytes() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.line(request.clone());
    machine.settle();
    let shown = machine.decide("R1", &allow(&request, |_| {}));
    assert_eq!(
        only(&shown, "journal "),
        [r#"{"answered":{"incarnation":"inc_u1","request_id":"R1","behavior":"allow"}}"#]
    );
    let line = &stdin(&shown)[0];
    assert_eq!(line["response"]["request_id"], "R1");
    assert_eq!(line["response"]["response"]["updatedInput"], json!({"command": "ls"}));
    assert!(
        shown.iter().position(|line| line.starts_with("journal"))
            < shown.iter().position(|line| line.starts_with("stdin"))
    );
    assert!(stdin(&machine.decide("R1", &allow(&request, |_| {}))).is_empty(), "once");
    let shown = machine.handle(Input::Written(Receipt::Answer("R1".into())));
    let mut all = shown;
    all.extend(machine.settle());
    assert_eq!(steps(&all), [("R1".into(), "delivered".into())]);
    let echo = json!({"type": "control_response", "response": {"subtype": "success", "request_id": "R1"}});
    let mut all = machine.line(echo);
    all.extend(machine.settle());
    assert_eq!(steps(&all), [("R1".into(), "settled".into())]);
}

#[test]
fn an_edited_input_is_told_to_the_log_because_the_agent_never_says_it() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "rm -rf build");
    machine.line(request.clone());
    machine.settle();
    let edited = r#"{"command":"ls","n":1.10}"#;
    let mut event = allow(&request, |_| {});
    event["edited"] = json!(true);
    event["updated_input_digest"] = json!(digest(&RawJson::parse(edited).unwrap()));
    event["response"]["response"]["updatedInput"] = json!("EDITED");
    let text = event.to_string().replace("\"EDITED\"", edited);
    let decision = DecisionDown {
        request_id: "R1".into(),
        decided_by: "phone".into(),
        event: RawJson::parse(&text).unwrap(),
    };
    let mut shown = machine.handle(Input::Frame(WorkerDown::Decision(decision)));
    shown.extend(machine.settle());
    let told = shown.iter().find(|line| line.contains("input_edited")).expect("the log is told");
    assert!(told.contains(edited) && told.contains(r#""edited_by":"phone""#), "{told}");
}

#[test]
fn a_decision_that_does_not_fit_the_held_bytes_is_denied_and_refused() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 5] = [
        ("another digest", |event| event["digest"] = json!("0".repeat(64))),
        ("no digest", |event| {
            event.as_object_mut().unwrap().remove("digest");
        }),
        ("another input", |event| {
            event["response"]["response"]["updatedInput"] = json!({"command": "rm -rf /"})
        }),
        ("not suggested", |event| {
            event["response"]["response"]["updatedPermissions"] =
                json!([{"type": "setMode", "mode": "auto", "destination": "session"}]);
        }),
        ("suggested, but against the policy", |event| {
            event["response"]["response"]["updatedPermissions"] =
                json!([{"type": "setMode", "mode": "bypassPermissions", "destination": "session"}]);
        }),
    ];
    for (name, change) in changes {
        let mut machine = Machine::running();
        let request = tool_request("R1", "ls");
        machine.line(request.clone());
        machine.settle();
        let mut shown = machine.decide("R1", &allow(&request, change));
        assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny", "{name}");
        shown.extend(machine.settle());
        assert_eq!(steps(&shown), [("R1".into(), "refused".into())], "{name}");
        assert!(machine.decide("R1", &allow(&request, |_| {})).is_empty(), "{name}: answered once");
    }
}

#[test]
fn an_edited_input_without_its_digest_or_with_another_ones_is_denied_and_refused() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 3] = [
        ("no digest of the edit", |event| event["edited"] = json!(true)),
        ("the digest of something else", |event| {
            event["edited"] = json!(true);
            event["updated_input_digest"] = json!("0".repeat(64));
        }),
        ("a digest, but not said to be edited", |event| {
            let input = RawJson::from_value(&event["response"]["response"]["updatedInput"]);
            event["updated_input_digest"] = json!(digest(&input));
        }),
    ];
    for (name, change) in changes {
        let mut machine = Machine::running();
        let request = tool_request("R1", "ls");
        machine.line(request.clone());
        machine.settle();
        let mut shown = machine.decide(
            "R1",
            &allow(&request, |event| {
                event["response"]["response"]["updatedInput"] = json!({"command": "rm -rf /"});
                change(event);
            }),
        );
        assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny", "{name}");
        shown.extend(machine.settle());
        assert_eq!(steps(&shown), [("R1".into(), "refused".into())], "{name}");
        assert!(!shown.iter().any(|line| line.contains("rm -rf")), "{name}: {shown:?}");
    }
}

#[test]
fn a_decision_that_comes_again_is_answered_once_whatever_it_says() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.line(request.clone());
    machine.settle();
    assert_eq!(stdin(&machine.decide("R1", &allow(&request, |_| {}))).len(), 1);
    let deny = allow(&request, |event| {
        event["response"]["response"] = json!({"behavior": "deny", "message": "no"});
    });
    for again in [allow(&request, |_| {}), deny] {
        assert!(machine.decide("R1", &again).is_empty());
    }
    machine.handle(Input::Written(Receipt::Answer("R1".into())));
    assert!(stdin(&machine.decide("R1", &allow(&request, |_| {}))).is_empty(), "delivered");
    machine.line(json!({"type": "result", "uuid": "r", "subtype": "success"}));
    machine.settle();
    assert!(stdin(&machine.decide("R1", &allow(&request, |_| {}))).is_empty(), "settled");
}

#[test]
fn a_cancel_before_the_decision_leaves_nothing_to_decide() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.line(request.clone());
    machine.settle();
    machine.line(json!({"type": "control_cancel_request", "request_id": "R1"}));
    let mut shown = machine.decide("R1", &allow(&request, |_| {}));
    assert!(stdin(&shown).is_empty() && only(&shown, "journal ").is_empty());
    shown.extend(machine.settle());
    assert!(steps(&shown).iter().all(|(_, step)| step != "delivered"), "{shown:?}");
}

#[test]
fn a_cancel_behind_the_decision_finds_it_answered_and_ends_it() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.line(request.clone());
    machine.settle();
    assert_eq!(stdin(&machine.decide("R1", &allow(&request, |_| {}))).len(), 1);
    let mut shown = machine.line(json!({"type": "control_cancel_request", "request_id": "R1"}));
    shown.extend(machine.settle());
    shown.extend(machine.handle(Input::Written(Receipt::Answer("R1".into()))));
    assert!(stdin(&shown).is_empty(), "answered once");
    // The answer is on its way and nobody can take it back: the row ends, and no cancel claims that nothing ran.
    assert_eq!(steps(&shown), [("R1".into(), "delivered".into()), ("R1".into(), "settled".into())]);
}

#[test]
fn a_decision_on_what_a_process_asked_that_is_gone_reaches_no_other() {
    let request = tool_request("R1", "ls");
    let mut machine = Machine::running();
    machine.line(request.clone());
    machine.settle();
    machine.exit(1);
    assert!(
        stdin(&machine.decide("R1", &allow(&request, |_| {}))).is_empty(),
        "its last words are on their way"
    );
    machine.deliver(2, "p2", "again");
    machine.settle();
    machine.settle();
    assert!(stdin(&machine.decide("R1", &allow(&request, |_| {}))).is_empty(), "another process");
    let mut restarted = Machine::with(|spec| {
        spec.earlier = earlier(&[r#"{"started":{"incarnation":"inc_old"}}"#]);
    });
    restarted.handle(Input::LinkUp);
    restarted.frame(WorkerDown::Hello(hello(0, 1)));
    assert!(restarted.decide("R1", &allow(&request, |_| {})).is_empty(), "another bridge");
}

#[test]
fn an_answer_under_an_id_another_client_chose_answers_nothing_of_the_agent() {
    let mut machine = Machine::running();
    let request = tool_request("R9", "ls");
    machine.line(request.clone());
    machine.settle();
    // A client's own request bears the same id as the agent's.
    let shown = machine.control(json!({"subtype": "interrupt"}));
    assert_eq!(stdin(&shown)[0]["request_id"], "pc-2", "the agent sees an id of ours");
    let answer =
        json!({"type": "control_response", "response": {"subtype": "success", "request_id": "pc-2"}});
    let mut shown = machine.line(answer);
    shown.extend(machine.settle());
    assert!(steps(&shown).is_empty(), "{shown:?}");
    assert_eq!(machine.relay.ledger.waiting(), 1, "it waits on");
    let of_another = allow(&request, |event| event["response"]["request_id"] = json!("pc-2"));
    let shown = machine.decide("pc-2", &of_another);
    assert!(stdin(&shown).is_empty());
}

#[test]
fn a_decision_for_another_request_does_not_pass_for_this_one() {
    let mut machine = Machine::running();
    let (one, two) = (tool_request("R1", "ls"), tool_request("R2", "rm -rf /"));
    machine.line(one.clone());
    machine.line(two);
    machine.settle();
    let shown = machine.decide("R2", &allow(&one, |_| {}));
    assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny");
    assert!(machine.decide("R3", &allow(&one, |_| {})).is_empty(), "unknown");
}

#[test]
fn a_request_that_names_a_key_twice_is_denied_and_nobody_is_asked() {
    let mut machine = Machine::running();
    let shown = machine.text(
        r#"{"type":"control_request","request_id":"R1","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"ls","command":"rm"}}}"#,
    );
    assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny");
    assert_eq!(events(&shown)[0]["subtype"], "informational");
    assert!(posted(&shown).iter().all(|item| item.get("request").is_none()));
}

#[test]
fn the_same_request_again_is_one_request() {
    let mut machine = Machine::running();
    machine.ask("R1", "ls");
    machine.settle();
    let shown = machine.ask("R1", "ls");
    assert!(stdin(&shown).is_empty() && posted(&shown).is_empty());
}

#[test]
fn one_id_with_two_bodies_is_refused_and_flagged() {
    let mut machine = Machine::running();
    machine.ask("R1", "ls");
    machine.settle();
    let mut shown = machine.ask("R1", "rm -rf /");
    assert_eq!(stdin(&shown).len(), 1, "answered once");
    assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny");
    shown.extend(machine.settle());
    assert_eq!(steps(&shown), [("R1".into(), "refused".into())]);
    assert!(events(&shown).iter().any(|event| event["subtype"] == "informational"));
    assert!(machine.decide("R1", &allow(&tool_request("R1", "ls"), |_| {})).is_empty());
}

#[test]
fn an_answered_id_is_never_used_again() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.line(request.clone());
    machine.decide("R1", &allow(&request, |_| {}));
    machine.line(json!({"type": "result", "uuid": "r", "subtype": "success"}));
    machine.settle();
    let shown = machine.line(request);
    assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny");
    assert!(posted(&shown).iter().all(|item| item.get("request").is_none()));
}

#[test]
fn more_requests_than_a_person_can_have_waiting_are_denied() {
    let mut machine = Machine::running();
    for n in 0..PENDING_REQUESTS_MAX {
        assert!(stdin(&machine.ask(&format!("R{n}"), "ls")).is_empty());
    }
    assert_eq!(stdin(&machine.ask("one-more", "ls"))[0]["response"]["response"]["behavior"], "deny");
}

#[test]
fn a_cancel_never_overtakes_its_request_and_ends_it() {
    let mut machine = Machine::running();
    let mut shown = machine.ask("R1", "ls");
    shown.extend(machine.line(json!({"type": "control_cancel_request", "request_id": "R1"})));
    shown.extend(machine.settle());
    shown.extend(machine.settle());
    let control: Vec<String> = posted(&shown)
        .iter()
        .filter_map(|item| item.as_object()?.keys().next().cloned())
        .filter(|kind| kind == "request" || kind == "cancel")
        .collect();
    assert_eq!(control, ["request", "cancel"]);
    assert!(machine.decide("R1", &allow(&tool_request("R1", "ls"), |_| {})).is_empty(), "too late");
    assert!(
        steps(&machine.line(json!({"type": "control_cancel_request", "request_id": "nobody"}))).is_empty()
    );
}

#[test]
fn a_tool_result_and_a_result_clear_what_the_agent_no_longer_waits_for() {
    let mut machine = Machine::running();
    machine.ask("R1", "ls");
    machine.ask("R2", "ls");
    let mut by_sub_agent = tool_request("R3", "ls");
    by_sub_agent["request"]["agent_id"] = json!("task-1");
    machine.line(by_sub_agent);
    machine.settle();
    let result = json!({"type": "user", "uuid": "tr", "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t-R1"}]}});
    let mut shown = machine.line(result);
    shown.extend(machine.settle());
    assert_eq!(steps(&shown), [("R1".into(), "cancel".into())]);
    let mut shown = machine.line(json!({"type": "result", "uuid": "r", "subtype": "success"}));
    shown.extend(machine.settle());
    assert_eq!(steps(&shown), [("R2".into(), "cancel".into())]);
    assert_eq!(machine.relay.ledger.waiting(), 1, "a sub-agent in the background still waits");
}

#[test]
fn a_reaction_read_before_the_receipt_still_gives_every_step_in_order() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.line(request.clone());
    machine.settle();
    machine.decide("R1", &allow(&request, |_| {}));
    machine.settle();
    let mut shown = machine
        .line(json!({"type": "control_response", "response": {"subtype": "success", "request_id": "R1"}}));
    shown.extend(machine.settle());
    shown.extend(machine.handle(Input::Written(Receipt::Answer("R1".into()))));
    assert_eq!(steps(&shown), [("R1".into(), "delivered".into()), ("R1".into(), "settled".into())]);
}

#[test]
fn a_request_nobody_can_answer_is_answered_at_once() {
    for (subtype, expected) in [
        ("hook_callback", json!({"subtype": "error", "error_code": "unsupported_request"})),
        ("mcp_message", json!({"subtype": "error", "error_code": "unsupported_request"})),
        ("from_the_future", json!({"subtype": "error", "error_code": "unsupported_request"})),
    ] {
        let mut machine = Machine::running();
        let shown = machine
            .line(json!({"type": "control_request", "request_id": "R1", "request": {"subtype": subtype}}));
        let answer = &stdin(&shown)[0]["response"];
        assert_eq!(answer["request_id"], "R1");
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[key], value, "{subtype}");
        }
        assert_eq!(events(&shown)[0]["subtype"], "informational", "{subtype}");
    }
}

#[test]
fn a_request_that_cannot_be_read_or_is_too_large_is_answered_too() {
    let mut machine = Machine::running();
    let shown = machine.line(json!({"type": "control_request", "request_id": "R1", "request": 7}));
    assert_eq!(stdin(&shown)[0]["response"]["subtype"], "error");
    let shown = machine
        .line(json!({"type": "control_request", "request_id": "R2", "request": {"subtype": "can_use_tool"}}));
    assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny");
    let huge = tool_request("R3", &"x".repeat(portcullis_protocol::limits::EVENT_BYTES_MAX));
    let shown = machine.line(huge);
    let answer = &stdin(&shown)[0]["response"];
    assert_eq!((&answer["request_id"], &answer["response"]["behavior"]), (&json!("R3"), &json!("deny")));
}

/// A tool request whose `input` is this text, whatever it is.
fn tool_request_with(request_id: &str, input: &str) -> String {
    format!(
        r#"{{"type":"control_request","request_id":"{request_id}","request":{{"subtype":"can_use_tool","tool_name":"Bash","input":{input},"tool_use_id":"t"}}}}"#
    )
}

#[test]
fn a_request_that_holds_what_nobody_can_read_is_denied_with_the_reason_and_shown() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(130), "]".repeat(130));
    let large = format!("\"{}\"", "x".repeat(portcullis_protocol::limits::EVENT_BYTES_MAX + 1));
    for (input, reason) in [
        (r#"{"command":"\ud800"}"#, "cannot be read"),
        (r#"{"\ud800":1}"#, "cannot be read"),
        (r#"{"n":1e999}"#, "cannot be read"),
        (r#"{"n":NaN}"#, "cannot be read: not JSON"),
        (&deep, "nested deeper"),
        (&large, "above the limit"),
    ] {
        let mut machine = Machine::running();
        let mut shown = machine.text(&tool_request_with("R1", input));
        let answer = &stdin(&shown)[0]["response"];
        assert_eq!((&answer["request_id"], &answer["response"]["behavior"]), (&json!("R1"), &json!("deny")));
        let message = answer["response"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{input:.20}: {message}");
        shown.extend(machine.settle());
        let said = events(&shown);
        assert!(said.iter().any(|event| event["subtype"] == "informational"), "{input:.20}: {said:?}");
        assert!(posted(&shown).iter().all(|item| item.get("request").is_none()), "nobody is asked");
        assert_eq!(machine.relay.ledger.waiting(), 0);
    }
}

#[test]
fn a_line_that_is_a_request_by_its_first_look_alone_is_answered_under_its_id() {
    for line in [
        r#"{"type":"control_request","request_id":"R1","request":{"subtype":"mcp_message","n":NaN}}"#,
        r#"{"type":"control_request","request_id":"R1","uuid":"\ud800","request":{"subtype":"\ud800"}}"#,
        r#"{"type":"control_request","request_id":"R1","request":{"\ud800":1,"subtype":"hook_callback"}}"#,
    ] {
        let mut machine = Machine::running();
        let shown = machine.text(line);
        let answer = &stdin(&shown)[0]["response"];
        assert_eq!((&answer["request_id"], &answer["subtype"]), (&json!("R1"), &json!("error")), "{line}");
        assert_eq!(events(&shown)[0]["subtype"], "informational", "{line}");
    }
    let mut machine = Machine::running();
    let shown = machine.text(r#"{"type":"control_request","request":{"n":NaN}}"#);
    assert!(stdin(&shown).is_empty());
    assert!(events(&shown)[0]["content"].as_str().unwrap().contains("no readable id"));
}

#[test]
fn a_request_that_waits_is_withdrawn_when_its_id_is_used_for_something_unreadable() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.ask("R1", "ls");
    machine.settle();
    let mut shown = machine.text(&tool_request_with("R1", r#"{"n":1e999}"#));
    shown.extend(machine.settle());
    assert_eq!(stdin(&shown).len(), 1);
    assert_eq!(steps(&shown), [("R1".into(), "refused".into())]);
    assert!(stdin(&machine.decide("R1", &allow(&request, |_| {}))).is_empty(), "none is answered twice");
}

#[test]
fn a_request_too_large_to_be_put_to_a_person_is_denied_at_once_and_shown() {
    let mut machine = Machine::running();
    let shown = machine.ask("R1", &"x".repeat(512 * 1024));
    assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny");
    assert!(events(&shown)[0]["content"].as_str().unwrap().contains("at most 524288"));
    machine.settle();
    let shown = machine.ask("R2", &"x".repeat(511 * 1024));
    assert!(stdin(&shown).is_empty());
    assert_eq!(machine.relay.ledger.waiting(), 1);
}

#[test]
fn a_request_too_long_to_be_read_whole_is_denied_by_what_its_head_says() {
    let mut machine = Machine::running();
    let head = tool_request("R1", &"x".repeat(1_000)).to_string().into_bytes();
    // As serde_json orders it, the id comes first and the command is cut.
    let head = head[..600].to_vec();
    let mut shown = machine.handle(Input::Line(Line::TooLong { bytes: 1 << 25, head }));
    shown.extend(machine.settle());
    let answer = &stdin(&shown)[0]["response"];
    assert_eq!((&answer["request_id"], &answer["response"]["behavior"]), (&json!("R1"), &json!("deny")));
    let message = answer["response"]["message"].as_str().unwrap();
    assert!(message.contains("33554432 bytes are above the limit"), "{message}");
    assert!(events(&shown).iter().any(|event| event["original_type"] == "control_request"), "{shown:?}");
    let head = br#"{"type":"control_request","request":{"subtype":"can_use_tool","input":"xx"#.to_vec();
    let mut shown = machine.handle(Input::Line(Line::TooLong { bytes: 1 << 25, head }));
    shown.extend(machine.settle());
    assert!(stdin(&shown).is_empty());
    assert!(events(&shown).iter().any(|event| event.to_string().contains("no readable id")), "{shown:?}");
}

#[test]
fn a_request_the_ingress_refuses_is_denied() {
    let mut machine = Machine::running();
    machine.ask("R1", "ls");
    let mut shown = Vec::new();
    for _ in 0..4 {
        if machine.relay.lanes.control.is_posting() {
            shown.extend(
                machine.handle(Input::Posted(
                    Lane::Control,
                    PostOutcome::Refused { reason: "bad digest".into() },
                )),
            );
        }
    }
    assert_eq!(stdin(&shown)[0]["response"]["response"]["behavior"], "deny");
    assert_eq!(machine.relay.ledger.waiting(), 0);
}

fn elicitation(request_id: &str) -> Value {
    json!({"type": "control_request", "request_id": request_id, "request": {
        "subtype": "elicitation", "mcp_server_name": "s", "message": "Who?", "mode": "form",
        "requested_schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    }})
}

fn dialog(request_id: &str) -> Value {
    json!({"type": "control_request", "request_id": request_id, "request": {
        "subtype": "request_user_dialog", "dialog_kind": "pick", "payload": {"a": [1]}, "tool_use_id": "t1",
    }})
}

/// What a person sends who answers `request` with this.
fn answered(request: &Value, response: Value) -> Value {
    allow(request, |event| event["response"]["response"] = response)
}

#[test]
fn an_elicitation_and_a_dialog_wait_for_a_person_and_the_agent_gets_exactly_the_answer() {
    for (request, response) in [
        (elicitation("R1"), json!({"action": "accept", "content": {"name": "a\nb"}})),
        (elicitation("R1"), json!({"action": "decline"})),
        (elicitation("R1"), json!({"action": "cancel"})),
        (dialog("R1"), json!({"behavior": "completed", "result": {"picked": [1]}})),
        (dialog("R1"), json!({"behavior": "completed", "result": null})),
        (dialog("R1"), json!({"behavior": "cancelled"})),
    ] {
        let mut machine = Machine::running();
        let shown = machine.line(request.clone());
        assert!(stdin(&shown).is_empty(), "answered before anybody decided: {shown:?}");
        let shown = machine.decide("R1", &answered(&request, response.clone()));
        let line = json!({"type": "control_response", "response": {
            "subtype": "success", "request_id": "R1", "response": response,
        }});
        assert_eq!(stdin(&shown), [line]);
        let again = machine.decide("R1", &answered(&request, response));
        assert!(stdin(&again).is_empty(), "answered twice");
    }
}

#[test]
fn an_answer_that_does_not_fit_is_a_cancel_and_says_so() {
    let cancel = json!({"action": "cancel"});
    let cancelled = json!({"behavior": "cancelled"});
    for (request, response, no) in [
        (elicitation("R1"), json!({"action": "accept", "content": {"name": 7}}), &cancel),
        (elicitation("R1"), json!({"action": "accept", "content": {"name": "a", "more": 1}}), &cancel),
        (elicitation("R1"), json!({"action": "accept"}), &cancel),
        (elicitation("R1"), json!({"action": "decline", "content": {}}), &cancel),
        (elicitation("R1"), json!({"behavior": "allow", "updatedInput": {}}), &cancel),
        (elicitation("R1"), json!({"behavior": "completed", "result": 1}), &cancel),
        (dialog("R1"), json!({"action": "accept", "content": {}}), &cancelled),
        (dialog("R1"), json!({"behavior": "deny", "message": "no"}), &cancelled),
    ] {
        let mut machine = Machine::running();
        machine.line(request.clone());
        machine.settle();
        let mut shown = machine.decide("R1", &answered(&request, response.clone()));
        assert_eq!(stdin(&shown)[0]["response"]["response"], *no, "{response}");
        shown.extend(machine.settle());
        assert_eq!(steps(&shown), [("R1".into(), "refused".into())], "{response}");
    }
}

#[test]
fn a_question_of_a_server_outlives_the_turn_and_ends_with_its_cancel() {
    let mut machine = Machine::running();
    machine.line(elicitation("R1"));
    machine.line(json!({"type": "result", "subtype": "success"}));
    let shown = machine.decide("R1", &answered(&elicitation("R1"), json!({"action": "decline"})));
    assert_eq!(stdin(&shown).len(), 1, "it waits on after the turn");

    let mut machine = Machine::running();
    machine.line(elicitation("R1"));
    machine.line(json!({"type": "control_cancel_request", "request_id": "R1"}));
    let shown = machine.decide("R1", &answered(&elicitation("R1"), json!({"action": "decline"})));
    assert!(stdin(&shown).is_empty(), "nobody waits for it any more");
}
