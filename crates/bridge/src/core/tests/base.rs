//! The file an edit was asked on: looked at before anybody is asked, and again before the agent is answered.

use portcullis_protocol::approval::base::MOVED_ON;

use super::*;

fn known(digit: &str) -> Option<BaseFile> {
    Some(BaseFile::Known { sha256: digit.repeat(64), bytes: 7 })
}

fn edit_request(request_id: &str) -> Value {
    let mut request = write_request(request_id, "/p/a", "");
    request["request"]["tool_name"] = json!("Edit");
    request["request"]["input"] = json!({"file_path": "/p/a", "old_string": "x", "new_string": "y"});
    request
}

/// The looks that were ordered, by their numbers.
fn looks(shown: &[String]) -> Vec<u64> {
    only(shown, "look ")
        .iter()
        .map(|look| look.split(' ').next().and_then(|number| number.parse().ok()).unwrap())
        .collect()
}

fn requests(shown: &[String]) -> Vec<Value> {
    posted(shown).iter().filter_map(|item| item.get("request").cloned()).collect()
}

impl Machine {
    fn looked(&mut self, look: u64, found: Option<BaseFile>) -> Vec<String> {
        self.handle(Input::Looked { look, found })
    }

    /// The agent asks, and `found` stands there.
    fn ask_on(&mut self, request: &Value, found: Option<BaseFile>) -> Vec<String> {
        let shown = self.line(request.clone());
        let mut all = self.looked(looks(&shown)[0], found);
        all.extend(self.settle());
        all.extend(self.settle());
        all
    }

    /// A person allows it, and `found` stands there then.
    fn allow_on(&mut self, request: &Value, found: Option<BaseFile>) -> Vec<String> {
        let id = request["request_id"].as_str().unwrap();
        let mut all = self.decide(id, &allow(request, |_| {}));
        assert!(stdin(&all).is_empty(), "not before it was looked at");
        all.extend(self.looked(looks(&all)[0], found));
        all.extend(self.settle());
        all
    }
}

fn behavior(shown: &[String]) -> Vec<String> {
    let answers = stdin(shown);
    answers.iter().map(|line| line["response"]["response"]["behavior"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_edit_is_put_to_a_person_with_what_stands_there_beside_its_untouched_request() {
    let mut machine = Machine::running();
    let request = r#"{"tool_name":"Write","input":{"file_path":"a b","content":"x","n":1.10},"subtype":"can_use_tool"}"#;
    let shown = machine.text(&format!(
        r#"{{"type":"control_request","request_id":"R1","base_file":{{"is_new":true}},"request":{request}}}"#
    ));
    assert_eq!(only(&shown, "look "), ["1 a b"]);
    assert!(requests(&shown).is_empty(), "nobody was asked yet");
    let shown = machine.looked(1, known("a"));
    let asked = requests(&shown)[0].clone();
    assert_eq!(asked["digest"], digest(&RawJson::parse(request).unwrap()).as_str());
    assert_eq!(asked["event"]["base_file"], json!({"sha256": "a".repeat(64), "bytes": 7}));
    assert!(shown.iter().any(|item| item.contains(request)), "its bytes are the agent's");
    assert!(machine.looked(1, known("b")).is_empty(), "once");
}

#[test]
fn what_cannot_be_told_of_a_file_is_not_said_and_not_asked_for_again() {
    let mut machine = Machine::running();
    let mut request = write_request("R1", "/p/a", "x");
    request["base_file"] = json!({"is_new": true});
    let shown = machine.ask_on(&request, None);
    assert!(requests(&shown)[0]["event"].get("base_file").is_none(), "an agent says nothing of that");
    let shown = machine.decide("R1", &allow(&request, |_| {}));
    assert_eq!((behavior(&shown), looks(&shown).len()), (vec!["allow".to_owned()], 0));
}

#[test]
fn a_slow_look_holds_up_no_other_request_no_cancel_and_no_end() {
    let mut machine = Machine::running();
    let request = write_request("R1", "/p/a", "x");
    assert_eq!(looks(&machine.line(request.clone())), [1]);
    assert_eq!(requests(&machine.ask("R2", "ls")).len(), 1, "another goes first");
    machine.settle();
    // Nobody heard of it, so nobody has to hear that it is over.
    let mut shown = machine.line(json!({"type": "control_cancel_request", "request_id": "R1"}));
    shown.extend(machine.looked(1, known("a")));
    shown.extend(machine.settle());
    assert!(steps(&shown).is_empty() && requests(&shown).is_empty(), "{shown:?}");
    let again = write_request("R3", "/p/a", "x");
    assert_eq!(looks(&machine.line(again)), [2]);
    machine.exit(1);
    assert!(requests(&machine.looked(2, known("a"))).is_empty(), "the process is gone");
}

#[test]
fn an_approved_edit_of_the_file_that_was_shown_runs_as_it_was_held() {
    for found in [known("a"), Some(BaseFile::New)] {
        let mut machine = Machine::running();
        let request = write_request("R1", "/p/a", "x");
        machine.ask_on(&request, found.clone());
        let shown = machine.allow_on(&request, found);
        assert_eq!(behavior(&shown), ["allow"]);
        let journal = shown.iter().position(|line| line.starts_with("journal") && line.contains("answered"));
        assert!(journal < shown.iter().position(|line| line.starts_with("stdin")));
        let mut shown = machine.handle(Input::Written(Receipt::Answer("R1".into())));
        shown.extend(machine.settle());
        assert_eq!(steps(&shown), [("R1".into(), "delivered".into())]);
    }
}

#[test]
fn a_whole_file_is_not_written_over_one_that_moved_on_and_both_sides_hear_why() {
    for (before, now) in [
        (known("a"), known("b")),
        (known("a"), Some(BaseFile::New)),
        (Some(BaseFile::New), known("a")),
        (known("a"), None),
    ] {
        let mut machine = Machine::running();
        let request = write_request("R1", "/p/a", "x");
        machine.ask_on(&request, before);
        let shown = machine.allow_on(&request, now.clone());
        assert_eq!(behavior(&shown), ["deny"]);
        let told = &stdin(&shown)[0]["response"]["response"]["message"];
        assert!(told.as_str().unwrap().contains("ask again"), "the agent knows what to do: {told}");
        assert_eq!(steps(&shown), [("R1".into(), "refused".into())]);
        let refused = shown.iter().find(|line| line.contains("\"refused\"")).unwrap();
        assert_eq!(refused.contains(MOVED_ON), now.is_some(), "{refused}");
        assert!(machine.decide("R1", &allow(&request, |_| {})).is_empty(), "answered once");
        // It may ask again at once, and is asked about as ever.
        let anew = write_request("R2", "/p/a", "x");
        machine.ask_on(&anew, known("b"));
        assert_eq!(behavior(&machine.allow_on(&anew, known("b"))), ["allow"]);
    }
}

#[test]
fn an_edit_of_a_text_that_was_shown_goes_on_beside_other_changes_and_the_log_says_so() {
    for now in [known("b"), None] {
        let mut machine = Machine::running();
        let request = edit_request("R1");
        machine.ask_on(&request, known("a"));
        let shown = machine.allow_on(&request, now);
        assert_eq!(behavior(&shown), ["allow"]);
        let said = events(&shown);
        assert!(
            said.iter().any(|event| event["content"].as_str().unwrap_or_default().contains("/p/a")),
            "{said:?}"
        );
    }
    let mut machine = Machine::running();
    machine.ask_on(&edit_request("R1"), known("a"));
    assert!(events(&machine.allow_on(&edit_request("R1"), known("a"))).is_empty(), "nothing happened");
}

#[test]
fn of_two_requests_for_one_file_the_second_is_told_to_ask_again_and_then_runs() {
    let mut machine = Machine::running();
    let (first, second) = (write_request("R1", "/p/a", "1"), write_request("R2", "/p/a", "2"));
    for request in [&first, &second] {
        machine.ask_on(request, known("a"));
    }
    assert_eq!(behavior(&machine.allow_on(&first, known("a"))), ["allow"]);
    machine.handle(Input::Written(Receipt::Answer("R1".into())));
    assert_eq!(behavior(&machine.allow_on(&second, known("b"))), ["deny"]);
    let anew = write_request("R3", "/p/a", "2");
    machine.ask_on(&anew, known("b"));
    assert_eq!(behavior(&machine.allow_on(&anew, known("b"))), ["allow"]);
    // Decided in one breath, both were looked at before either ran.
    let mut machine = Machine::running();
    for request in [&first, &second] {
        machine.ask_on(request, known("a"));
    }
    let mut shown = machine.decide("R1", &allow(&first, |_| {}));
    shown.extend(machine.decide("R2", &allow(&second, |_| {})));
    let mut answers = Vec::new();
    for look in looks(&shown) {
        answers.extend(behavior(&machine.looked(look, known("a"))));
    }
    assert_eq!(answers, ["allow", "allow"]);
}

#[test]
fn a_decision_that_names_another_state_of_the_file_is_refused_before_any_look() {
    let on = |base: Value| {
        let mut machine = Machine::running();
        let request = write_request("R1", "/p/a", "x");
        machine.ask_on(&request, known("a"));
        let mut shown = machine.decide("R1", &allow(&request, |event| event["base_file"] = base));
        let looked = looks(&shown).len();
        shown.extend(machine.settle());
        (looked, steps(&shown))
    };
    assert_eq!(on(json!({"sha256": "a".repeat(64), "bytes": 7})), (1, vec![]));
    for other in
        [json!({"is_new": true}), json!({"sha256": "b".repeat(64), "bytes": 7}), json!({"is_new": 1})]
    {
        assert_eq!(on(other.clone()), (0, vec![("R1".into(), "refused".into())]), "{other}");
    }
}

#[test]
fn a_denial_and_an_edit_towards_another_file_need_no_look() {
    let mut machine = Machine::running();
    let request = write_request("R1", "/p/a", "x");
    machine.ask_on(&request, known("a"));
    let denial = allow(&request, |event| {
        event["response"]["response"] = json!({"behavior": "deny", "message": "no"});
    });
    assert_eq!(behavior(&machine.decide("R1", &denial)), ["deny"]);
    for (path, looked) in [("/p/b", 0), ("/p/a", 1)] {
        let mut machine = Machine::running();
        machine.ask_on(&request, known("a"));
        let input = json!({"file_path": path, "content": "y"});
        let edited = allow(&request, |event| {
            event["edited"] = json!(true);
            event["updated_input_digest"] = json!(digest(&RawJson::from_value(&input)));
            event["response"]["response"]["updatedInput"] = input.clone();
        });
        let shown = machine.decide("R1", &edited);
        assert_eq!((looks(&shown).len(), behavior(&shown).len()), (looked, 1 - looked), "{path}");
    }
}

#[test]
fn what_the_agent_took_back_while_its_file_was_looked_at_does_not_run() {
    let mut machine = Machine::running();
    let request = write_request("R1", "/p/a", "x");
    machine.ask_on(&request, known("a"));
    let shown = machine.decide("R1", &allow(&request, |_| {}));
    let look = looks(&shown)[0];
    assert!(machine.decide("R1", &allow(&request, |_| {})).is_empty(), "one look");
    let mut shown = machine.line(json!({"type": "control_cancel_request", "request_id": "R1"}));
    shown.extend(machine.looked(look, known("a")));
    shown.extend(machine.settle());
    assert!(stdin(&shown).is_empty());
    assert_eq!(steps(&shown), [("R1".into(), "cancel".into())]);
}

#[test]
fn a_sub_agents_edit_outlives_the_turn_while_its_file_is_looked_at() {
    let mut machine = Machine::running();
    let mut request = write_request("R1", "/p/a", "x");
    request["request"]["agent_id"] = json!("sub");
    assert_eq!(looks(&machine.line(request)), [1]);
    machine.line(json!({"type": "result", "uuid": "r", "subtype": "success"}));
    machine.settle();
    let mut shown = machine.looked(1, known("a"));
    shown.extend(machine.settle());
    assert_eq!(requests(&shown).len(), 1);
}

#[test]
fn requests_whose_files_are_looked_at_are_bounded_as_those_that_wait() {
    let mut machine = Machine::running();
    for number in 0..PENDING_REQUESTS_MAX {
        machine.line(write_request(&format!("R{number}"), "/p/a", "x"));
    }
    let shown = machine.line(write_request("one more", "/p/a", "x"));
    assert_eq!((behavior(&shown), looks(&shown).len()), (vec!["deny".to_owned()], 0));
}
