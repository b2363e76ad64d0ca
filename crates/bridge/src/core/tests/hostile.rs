//! An agent that means harm, or is only broken: whatever it prints, what is held for it stays bounded, every request has
//! one answer, and what a person decides goes first.

use super::*;

/// Requests of a flood, above what may wait.
const FLOOD: usize = 1_000;

fn denied(shown: &[String]) -> usize {
    stdin(shown).iter().filter(|answer| answer["response"]["response"]["behavior"] == "deny").count()
}

#[test]
fn of_a_thousand_requests_a_second_some_wait_and_the_rest_are_denied_once_each_a24() {
    let mut machine = Machine::running();
    let mut shown = Vec::new();
    for number in 0..FLOOD {
        shown.extend(machine.ask(&format!("R{number}"), "ls"));
    }
    assert_eq!(machine.relay.ledger.waiting(), PENDING_REQUESTS_MAX);
    assert_eq!(denied(&shown), FLOOD - PENDING_REQUESTS_MAX);
    let decision = allow(&tool_request("R7", "ls"), |_| {});
    let decided = machine.decide("R7", &decision);
    assert_eq!(stdin(&decided)[0]["response"]["response"]["behavior"], "allow", "{decided:?}");
}

#[test]
fn requests_that_wait_are_bounded_by_their_bytes_too() {
    let mut machine = Machine::running();
    let large = "x".repeat(500 * 1024);
    let mut shown = Vec::new();
    for number in 0..100 {
        shown.extend(machine.ask(&format!("R{number}"), &large));
    }
    assert_eq!(machine.relay.ledger.waiting(), 32, "16 MiB of them");
    assert_eq!(denied(&shown), 68);
}

#[test]
fn an_id_that_was_cancelled_a_thousand_times_is_asked_about_once_and_never_held() {
    let mut machine = Machine::running();
    let mut shown = Vec::new();
    for _ in 0..FLOOD {
        shown.extend(machine.ask("R1", "ls"));
        shown.extend(machine.line(json!({"type": "control_cancel_request", "request_id": "R1"})));
    }
    assert_eq!(machine.relay.ledger.waiting(), 0);
    assert_eq!(denied(&shown), FLOOD - 1, "an id that was used is not used again");
    let cancels = steps(&machine.settle()).into_iter().filter(|(_, step)| step == "cancel").count();
    assert!(cancels <= 1, "{cancels}");
}

#[test]
fn an_id_of_megabytes_is_told_no_and_not_remembered() {
    let mut machine = Machine::running();
    let id = "i".repeat(1024 * 1024);
    let shown = machine.ask(&id, "ls");
    assert_eq!(stdin(&shown).len(), 1, "it waits for an answer all the same");
    assert_eq!(machine.relay.ledger.waiting(), 0);
    let said: usize = events(&machine.settle()).iter().map(|event| event.to_string().len()).sum();
    assert!(said < 10_000, "{said} bytes about it go to the log");
}

#[test]
fn the_shortest_events_there_are_hold_the_agent_up_as_long_ones_do() {
    let mut machine = Machine::attached();
    machine.deliver(1, "p1", "hi");
    machine.handle(Input::LinkDown);
    let mut printed = 0;
    while !machine.relay.is_congested() {
        machine.text(r#"{"type":"x"}"#);
        printed += 1;
        assert!(printed <= CONTENT_BACKLOG_BYTES_MAX / 200, "{printed} events of 12 bytes are held");
    }
}

#[test]
fn an_agent_that_changes_its_title_with_every_line_fills_no_lane() {
    let mut machine = Machine::running();
    for number in 0..FLOOD {
        let title = format!("{number} {}", "t".repeat(150));
        machine.line(json!({"type": "system", "subtype": "session_title_changed", "title": title, "uuid": format!("t{number}")}));
    }
    assert!(machine.relay.lanes.control.weight() < 10_000, "{}", machine.relay.lanes.control.weight());
    let shown = machine.settle();
    let titles: Vec<Value> = posted(&shown)
        .into_iter()
        .filter_map(|item| item.get("state")?.get("state")?.get("title").cloned())
        .collect();
    assert!(titles.last().unwrap().as_str().unwrap().starts_with("999 "), "the newest is said: {titles:?}");
}

#[test]
fn an_agent_that_only_streams_is_never_held_up_by_an_ingress_that_is_away() {
    let mut machine = Machine::attached();
    machine.deliver(1, "p1", "hi");
    machine.handle(Input::LinkDown);
    let text = "x".repeat(64 * 1024);
    for _ in 0..FLOOD {
        machine.line(json!({"type": "stream_event", "event": {"type": "content_block_delta", "text": text}}));
    }
    assert!(!machine.relay.is_congested());
    machine.ask("R1", "ls");
    assert_eq!(machine.relay.ledger.waiting(), 1, "and what it asks is heard");
}

#[test]
fn a_client_that_asks_who_the_agent_is_without_end_is_told_no_at_some_point() {
    let mut machine = Machine::attached();
    machine.deliver(1, "p1", "hi");
    let mut shown = Vec::new();
    for _ in 0..FLOOD {
        shown.extend(machine.control(json!({"subtype": "initialize"})));
    }
    for _ in 0..20 {
        shown.extend(machine.settle());
    }
    let refused =
        posted(&shown).iter().filter(|item| item.to_string().contains("too many ask the same")).count();
    assert_eq!(refused, FLOOD - crate::core::asked::ASKED_MAX);
}

#[test]
fn decisions_nobody_waits_for_reach_no_agent() {
    let mut machine = Machine::running();
    machine.ask("R1", "ls");
    let decision = allow(&tool_request("R1", "ls"), |_| {});
    for id in ["R2", "", "--help", "pc-1"] {
        assert!(stdin(&machine.decide(id, &decision)).is_empty(), "{id}");
    }
    for junk in [json!({}), json!({"type": "control_response"}), json!({"response": {"request_id": "R2"}})] {
        let mut machine = Machine::running();
        machine.ask("R1", "ls");
        let shown = machine.decide("R1", &junk);
        assert_eq!(denied(&shown), 1, "a decision that cannot be read is none: {shown:?}");
    }
}
