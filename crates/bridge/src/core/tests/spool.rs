//! What was read is kept until it is taken, through the end of the bridge and of the ingress.

use super::*;
use crate::room::Activity;

const STARTED: &str = r#"{"started":{"incarnation":"inc_old"}}"#;

fn said(n: u64) -> String {
    format!(r#"{{"said":{{"incarnation":"inc_old","n":{n},"event":{{"type":"assistant","uuid":"a{n}"}}}}}}"#)
}

/// A life after one that left these lines.
fn after(lines: &[&str]) -> Machine {
    Machine::with(|spec| spec.earlier = earlier(lines))
}

fn subtypes(shown: &[String]) -> Vec<String> {
    let subtype = |event: &Value| event["subtype"].as_str().unwrap_or_default().to_owned();
    events(shown).iter().map(subtype).collect()
}

fn positions(shown: &[String]) -> Vec<u64> {
    posted(shown).iter().filter_map(|item| item["event"]["n"].as_u64()).collect()
}

/// Takes POSTs until nothing more is said.
fn settle_all(machine: &mut Machine) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let shown = machine.settle();
        if shown.is_empty() {
            return all;
        }
        all.extend(shown);
    }
}

fn attach_frames(shown: &[String]) -> Vec<String> {
    let frames = only(shown, "send ").into_iter().filter(|frame| frame.contains("attach"));
    frames
        .map(|frame| serde_json::from_str::<Value>(frame).unwrap()["incarnation"].as_str().unwrap().into())
        .collect()
}

fn linked(machine: &mut Machine, hello: Hello) -> Vec<String> {
    machine.handle(Input::LinkUp);
    machine.frame(WorkerDown::Hello(hello))
}

#[test]
fn what_was_read_is_on_disk_before_it_is_posted_and_leaves_it_when_all_was_taken() {
    let mut machine = Machine::running();
    let shown = machine.line(json!({"type": "assistant", "uuid": "a"}));
    let kinds: Vec<&str> = shown.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["spool", "journal", "post"], "{shown:?}");
    assert!(
        shown[0].contains(r#""n":0"#) && shown[0].contains(r#""settles":[{"prompt":"p1"}]"#),
        "{shown:?}"
    );
    machine.line(json!({"type": "assistant", "uuid": "b"}));
    let shown = machine.handle(Input::Posted(Lane::Content, PostOutcome::Accepted { next_n: 1 }));
    assert!(only(&shown, "spool ").is_empty(), "one still waits");
    let shown = machine.handle(Input::Posted(Lane::Content, PostOutcome::Accepted { next_n: 2 }));
    assert_eq!(only(&shown, "spool "), [r#"{"taken":{"incarnation":"inc_u1","next_n":2}}"#]);
    assert!(only(&machine.line(json!({"type": "keep_alive"})), "spool ").is_empty());
    let preview =
        json!({"type": "stream_event", "event": {"type": "message_start", "message": {"id": "m1"}}});
    assert!(only(&machine.line(preview), "spool ").is_empty(), "previews are not kept");
}

#[test]
fn an_ingress_that_never_says_where_an_earlier_life_stands_is_not_waited_for_for_ever() {
    // An older one closes the link on it; another might leave it open.
    for closes in [true, false] {
        let mut machine = after(&[STARTED, &said(3), &said(4)]);
        let mut shown = machine.handle(Input::LinkUp);
        assert_eq!(shown, [r#"send {"type":"attach","incarnation":"inc_old"}"#]);
        for _ in 0..20 {
            machine.now = machine.now.after(10_000);
            if closes {
                machine.handle(Input::LinkDown);
                shown = machine.handle(Input::LinkUp);
            } else if machine.relay.poll_timeout().is_some_and(|at| at <= machine.now) {
                shown = machine.handle(Input::Tick);
            }
            if only(&shown, "send ") != [r#"{"type":"attach","incarnation":"inc_old"}"#] {
                break;
            }
        }
        assert_eq!(only(&shown, "send "), [r#"{"type":"attach","incarnation":"inc_u1"}"#], "{closes}");
        assert_eq!(machine.now, Tick(180_000));
        let shown = machine.frame(WorkerDown::Hello(hello(0, 0)));
        let said = events(&shown);
        let told = said[0]["content"].as_str().unwrap();
        assert!(told.contains("older version") && told.contains("up to 2 events"), "{told}");
        assert_eq!(said[1]["subtype"], "agent_ended");
        assert_eq!(stdin(&machine.deliver(5, "p5", "go on")).last().unwrap()["uuid"], "p5");
    }
}

#[test]
fn a_flood_does_not_fill_the_disk_with_what_was_taken() {
    let mut machine = Machine::running();
    let megabyte = "x".repeat(1 << 20);
    let (mut spooled, mut most, mut count) = (0_u64, 0, 0);
    for n in 0..90 {
        let mut shown = machine.line(json!({"type": "assistant", "uuid": format!("a{n}"), "text": megabyte}));
        // One always waits: the queue never runs empty.
        if n > 0 {
            shown.extend(machine.handle(Input::Posted(Lane::Content, PostOutcome::Accepted { next_n: n })));
        }
        for line in only(&shown, "spool ") {
            if line.starts_with(r#"{"taken""#) {
                (spooled, count) = (1, count + 1);
            } else {
                spooled += 1;
            }
        }
        most = most.max(spooled);
    }
    assert!(most <= 40 && count >= 2, "{most} MiB, {count} times");
}

#[test]
fn a_later_life_says_the_rest_under_the_old_name_and_then_that_the_agent_ended() {
    let mut machine = after(&[
        STARTED,
        r#"{"prompt":{"seq":1,"uuid":"read"}}"#,
        r#"{"closed":{"uuid":"read"}}"#,
        r#"{"prompt":{"seq":2,"uuid":"p2"}}"#,
        &said(3),
        &said(4),
        &said(5),
    ]);
    assert_eq!(machine.relay.activity(), Activity::Busy);
    assert_eq!(machine.handle(Input::LinkUp), [r#"send {"type":"attach","incarnation":"inc_old"}"#]);
    // The answer to the POST of 3 was lost with the bridge.
    let shown = machine.frame(WorkerDown::Hello(hello(4, 7)));
    assert_eq!(positions(&shown), [4, 5, 6, 7], "{shown:?}");
    let said = events(&shown);
    assert_eq!((&said[0]["uuid"], &said[1]["uuid"]), (&json!("a4"), &json!("a5")));
    assert_eq!((&said[2]["subtype"], &said[2]["exit_code"]), (&json!("agent_ended"), &Value::Null));
    assert_eq!((&said[3]["subtype"], &said[3]["message_uuid"]), (&json!("delivery_unknown"), &json!("p2")));
    assert_eq!(only(&shown, "journal "), [r#""told""#, r#"{"closed":{"uuid":"p2"}}"#]);
    let shown = settle_all(&mut machine);
    let ended = posted(&shown).into_iter().find_map(|item| item.get("ended").cloned()).unwrap();
    assert!(ended["n"].as_u64().unwrap() >= 7, "behind what the control lane had: {ended}");
    assert_eq!(only(&shown, "journal "), [r#"{"ended":{"incarnation":"inc_old"}}"#]);
    assert_eq!(machine.relay.activity(), Activity::NoAgent);
    let shown = machine.deliver(2, "p2", "again, for it was not acknowledged");
    assert_eq!(attach_frames(&shown), ["inc_u3"], "another process has another name");
    assert!(only(&shown, "send ").contains(&r#"{"type":"ack","seq":2}"#), "neither written nor said twice");
    assert!(stdin(&shown).is_empty() && events(&shown).is_empty());
}

#[test]
fn what_a_later_life_said_before_it_was_killed_too_is_not_said_again() {
    let mut machine = after(&[
        STARTED,
        r#"{"prompt":{"seq":2,"uuid":"p2"}}"#,
        r#"{"said":{"incarnation":"inc_old","n":5,"event":{"type":"system","subtype":"agent_ended"},"settles":["agent"]}}"#,
        r#"{"said":{"incarnation":"inc_old","n":6,"event":{"type":"system","subtype":"delivery_unknown"},"settles":[{"prompt":"p2"}]}}"#,
    ]);
    let shown = linked(&mut machine, hello(5, 0));
    assert_eq!(subtypes(&shown), ["agent_ended", "delivery_unknown"]);
    assert!(only(&shown, "spool ").is_empty());
    let shown = settle_all(&mut machine);
    assert!(events(&shown).is_empty(), "{shown:?}");
}

#[test]
fn an_answer_that_may_not_have_reached_the_agent_is_named() {
    let answered = |id: &str, behavior: &str| {
        format!(r#"{{"answered":{{"incarnation":"inc_old","request_id":"{id}","behavior":"{behavior}"}}}}"#)
    };
    let mut machine = after(&[
        STARTED,
        &answered("R1", "allow"),
        r#"{"settled":{"request_id":"R1"}}"#,
        &answered("R2", "deny"),
        &answered("R3", "allow"),
    ]);
    let shown = linked(&mut machine, hello(0, 0));
    let said = events(&shown);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1]["content"].as_str().unwrap().contains("(request R3): nobody knows whether it ran"));
}

#[test]
fn an_answer_is_settled_when_the_agent_goes_on() {
    let mut machine = Machine::running();
    let request = tool_request("R1", "ls");
    machine.line(request.clone());
    machine.settle();
    machine.decide("R1", &allow(&request, |_| {}));
    machine.handle(Input::Written(Receipt::Answer("R1".into())));
    let shown = machine.line(json!({"type": "assistant", "uuid": "a"}));
    assert!(only(&shown, "journal ").contains(&r#"{"settled":{"request_id":"R1"}}"#), "{shown:?}");
}

#[test]
fn when_another_bridge_spoke_since_the_rest_is_counted_and_dropped() {
    let mut machine = after(&[STARTED, r#"{"prompt":{"seq":2,"uuid":"p2"}}"#, &said(0), &said(1)]);
    machine.handle(Input::LinkUp);
    let shown = machine.frame(WorkerDown::Superseded);
    assert_eq!(attach_frames(&shown), ["inc_u1"]);
    assert!(posted(&shown).is_empty(), "nothing before the ingress knows who speaks");
    let shown = machine.frame(WorkerDown::Hello(hello(0, 0)));
    let said = events(&shown);
    assert!(said[0]["content"].as_str().unwrap().contains("up to 2 events"), "{said:?}");
    assert_eq!(subtypes(&shown)[1..], ["agent_ended", "delivery_unknown"]);
    let shown = machine.deliver(3, "p3", "hi");
    assert!(shown.contains(&"spawn".to_owned()), "the session goes on");
}

#[test]
fn an_incarnation_that_is_over_already_has_no_last_words() {
    let mut machine = after(&[STARTED, r#""told""#]);
    let shown = linked(&mut machine, hello(9, 9));
    assert!(posted(&shown).iter().any(|item| item.get("ended").is_some() || item.get("state").is_some()));
    let shown = machine.handle(Input::Posted(Lane::Control, PostOutcome::Gone));
    assert_eq!(attach_frames(&shown), ["inc_u1"], "{shown:?}");
    assert_eq!(only(&shown, "journal "), [r#"{"ended":{"incarnation":"inc_old"}}"#]);
    let shown = machine.frame(WorkerDown::Hello(hello(0, 0)));
    assert!(events(&shown).is_empty(), "{shown:?}");
}

#[test]
fn a_live_agent_whose_place_another_bridge_took_is_given_up() {
    let mut machine = Machine::running();
    machine.handle(Input::LinkDown);
    machine.handle(Input::LinkUp);
    let shown = machine.frame(WorkerDown::Superseded);
    assert!(shown[0].starts_with("finish Lost"), "{shown:?}");
    assert!(machine.line(json!({"type": "assistant"})).is_empty());
}

#[test]
fn an_ingress_that_was_set_back_a_little_is_given_again_what_it_lost() {
    let mut machine = Machine::running();
    for n in 0..5 {
        machine.line(json!({"type": "assistant", "uuid": format!("a{n}")}));
        machine.settle();
    }
    machine.handle(Input::LinkDown);
    let shown = linked(&mut machine, hello(2, 1));
    assert_eq!(positions(&shown), [2, 3, 4]);
    assert_eq!(only(&shown, "spool ").len(), 3, "a later life can do so too");
    let shown = settle_all(&mut machine);
    assert_eq!(only(&shown, "spool "), [r#"{"taken":{"incarnation":"inc_u1","next_n":5}}"#]);
}

#[test]
fn an_ingress_that_lost_more_than_is_kept_is_told_how_much_under_a_new_name() {
    let mut machine = Machine::running();
    let events_of_a_day = 1_500;
    for n in 0..events_of_a_day {
        machine.line(json!({"type": "assistant", "uuid": format!("a{n}")}));
        settle_all(&mut machine);
    }
    machine.ask("R1", "ls");
    settle_all(&mut machine);
    machine.handle(Input::LinkDown);
    let shown = linked(&mut machine, hello(100, 1));
    assert_eq!(attach_frames(&shown).len(), 1, "{shown:?}");
    assert!(only(&shown, "journal ")[0].starts_with(r#"{"started":{"incarnation":"inc_u"#));
    assert!(posted(&shown).is_empty(), "nothing more under the old one");
    let mut shown = machine.frame(WorkerDown::Hello(hello(0, 0)));
    shown.extend(settle_all(&mut machine));
    let notice = &events(&shown)[0];
    assert!(notice["content"].as_str().unwrap().contains("the 376 events before that are gone"), "{notice}");
    let said = events(&shown);
    assert_eq!((said.len(), &said[1]["uuid"], &said[1024]["uuid"]), (1025, &json!("a476"), &json!("a1499")));
    let n = positions(&shown);
    assert!(n.iter().enumerate().all(|(at, n)| *n == at as u64), "dense");
    let asked = posted(&shown).into_iter().find_map(|item| item.get("request").cloned()).unwrap();
    assert_eq!(asked["request_id"], "R1", "who waits is asked about again");
    let shown = machine.decide("R1", &allow(&tool_request("R1", "ls"), |_| {}));
    assert_eq!(stdin(&shown).len(), 1, "and answered once, by the same process");
}

/// What these orders put on disk.
fn entries(shown: &[String]) -> Vec<Entry> {
    let lines = shown.iter().filter_map(|line| line.strip_prefix("spool ").or(line.strip_prefix("journal ")));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_bridge_killed_while_it_takes_a_new_name_has_the_old_words_or_the_new_and_never_both() {
    let mut machine = Machine::new();
    let mut disk = entries(&linked(&mut machine, hello(0, 0)));
    disk.extend(entries(&machine.deliver(1, "p1", "hi")));
    for n in 0..1_100 {
        disk.extend(entries(&machine.line(json!({"type": "assistant", "uuid": format!("a{n}")}))));
        disk.extend(entries(&settle_all(&mut machine)));
    }
    disk.extend(entries(&machine.line(json!({"type": "assistant", "uuid": "last"}))));
    let set_back = Input::Posted(Lane::Content, PostOutcome::Position { expected_n: 0 });
    let renaming = entries(&machine.handle(set_back));
    assert!(renaming.len() > 1_024);
    for cut in [0, 1, 2, 3, 500, renaming.len() - 1, renaming.len()] {
        let entries = disk.iter().chain(&renaming[..cut]).cloned();
        let earlier = Earlier::from_entries(entries);
        let (speaker, rest) = (earlier.speaker().unwrap().clone(), earlier.rest.clone().unwrap());
        let is_done = cut == renaming.len();
        assert_eq!(speaker.as_str() == "inc_u1", !is_done, "cut {cut}");
        // The one that waits, or the notice and all that was kept besides.
        assert_eq!(rest.items.len(), if is_done { 1_026 } else { 1 }, "cut {cut}");
        let mut next = Machine::with(|spec| spec.earlier = earlier);
        let shown = next.handle(Input::LinkUp);
        let thrown_away = entries_taken(&shown);
        assert_eq!(thrown_away, usize::from((2..renaming.len()).contains(&cut)), "cut {cut}: {shown:?}");
        assert_eq!(attach_frames(&shown), [speaker.as_str()]);
    }
}

fn entries_taken(shown: &[String]) -> usize {
    entries(shown).iter().filter(|entry| matches!(entry, Entry::Taken { .. })).count()
}

#[test]
fn a_new_name_waits_until_no_answer_to_the_old_one_is_due() {
    let mut machine = Machine::running();
    for n in 0..1_500 {
        machine.line(json!({"type": "assistant", "uuid": format!("a{n}")}));
        settle_all(&mut machine);
    }
    machine.ask("R1", "ls");
    assert!(machine.relay.lanes.control.is_posting());
    machine.line(json!({"type": "assistant", "uuid": "last"}));
    let shown = machine.handle(Input::Posted(Lane::Content, PostOutcome::Position { expected_n: 0 }));
    assert!(shown.is_empty(), "{shown:?}");
    let shown = machine.handle(Input::Posted(Lane::Control, PostOutcome::Gone));
    assert!(!shown.is_empty());
}

#[test]
fn a_prompt_at_a_place_that_was_given_out_anew_reaches_the_agent() {
    let epoch = |name: &str| Some(Epoch::parse(name).unwrap());
    let mut machine = Machine::new();
    linked(&mut machine, Hello { epoch: epoch("e1"), ..hello(0, 0) });
    machine.deliver(7, "p7", "hi");
    assert_eq!(
        machine.handle(Input::Written(Receipt::Prompt("p7".into()))),
        [r#"send {"type":"ack","seq":7}"#]
    );
    machine.settle();
    machine.deliver(8, "p8", "on its way to stdin");
    machine.handle(Input::LinkDown);
    let shown = linked(&mut machine, Hello { epoch: epoch("e2"), ..hello(0, 1) });
    assert!(!only(&shown, "send ").iter().any(|frame| frame.contains("ack")), "{shown:?}");
    let shown = machine.deliver(6, "p6", "another one, at an old place");
    assert_eq!(stdin(&shown)[0]["uuid"], "p6");
    assert_eq!(
        machine.handle(Input::Written(Receipt::Prompt("p6".into()))),
        [r#"send {"type":"ack","seq":6}"#]
    );
    assert_eq!(machine.deliver(7, "p7", "hi"), [r#"send {"type":"ack","seq":7}"#], "once");
    assert!(stdin(&machine.deliver(8, "p8", "on its way to stdin")).is_empty(), "once");
}

#[test]
fn a_session_without_a_place_is_told_and_given_back() {
    let mut machine = Machine::new();
    machine.handle(Input::PutOff);
    let mut shown = linked(&mut machine, hello(0, 0));
    assert!(machine.deliver(1, "p1", "left for later").is_empty());
    shown.extend(settle_all(&mut machine));
    assert!(events(&shown)[0]["content"].as_str().unwrap().contains("all of them are busy"), "{shown:?}");
    assert_eq!(shown.last().unwrap(), "finish Done");
}

#[test]
fn a_session_without_a_place_still_says_what_an_earlier_life_left() {
    let mut machine = after(&[STARTED, &said(0)]);
    machine.handle(Input::PutOff);
    let mut shown = linked(&mut machine, hello(0, 0));
    shown.extend(settle_all(&mut machine));
    assert_eq!(subtypes(&shown), ["", "agent_ended", "informational"]);
    assert_eq!(shown.last().unwrap(), "finish Done");
}

#[test]
fn copies_of_an_unfinished_renaming_are_thrown_away() {
    let copy = said(0).replace("inc_old", "inc_copy");
    let mut machine = after(&[STARTED, &said(7), &copy, &said(8)]);
    let shown = machine.handle(Input::LinkUp);
    assert_eq!(
        only(&shown, "spool "),
        [r#"{"taken":{"incarnation":"inc_copy","next_n":18446744073709551615}}"#]
    );
    assert_eq!(attach_frames(&shown), ["inc_old"]);
}
