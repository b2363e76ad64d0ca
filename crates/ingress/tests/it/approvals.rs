//! Decisions: the first one wins, over the bytes that were shown, for the process that asked.

use portcullis_protocol::role::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Asked, Device, Stage, Worker};

async fn scene() -> (Stage, Worker, Asked) {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let asked = worker.ask("R1", "ls").await;
    (stage, worker, asked)
}

async fn decide(device: &Device, session: &str, event: Value) -> (StatusCode, Value) {
    device.say(session, json!([event])).await
}

#[tokio::test]
async fn a_request_is_shown_decided_delivered_and_settled_and_every_step_is_told() {
    let (stage, mut worker, asked) = scene().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    let welcome = ws.next_of("welcome").await;
    let pending = &welcome["pending"][0];
    assert_eq!(
        (&pending["request_id"], &pending["state"], &pending["digest"]),
        (&json!("R1"), &json!("pending"), &json!(asked.digest))
    );
    assert_eq!(pending["event"]["request"]["input"]["command"], "ls");
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!((&info["status"], &info["pending_count"]), (&json!("requires_action"), &json!(1)));

    let (status, posted) = decide(&stage.owner, &stage.session, asked.allow("d1")).await;
    assert_eq!((status, &posted["data"][0]["status"]), (StatusCode::OK, &json!("accepted")));
    let decided = ws.next_of("permission").await;
    assert_eq!(
        (&decided["state"], &decided["decided_by"], &decided["behavior"]),
        (&json!("decided"), &json!("owner"), &json!("allow"))
    );
    let down = worker.link.next_of("decision").await;
    assert_eq!((&down["request_id"], &down["decided_by"]), (&json!("R1"), &json!("owner")));
    assert_eq!(down["event"], asked.allow("d1"));
    for step in ["delivered", "settled"] {
        worker.control("step", json!({ "request_id": "R1", "step": step, "reason": null })).await;
        assert_eq!(ws.next_of("permission").await["state"], step);
    }
    let mut fresh = stage.owner.subscribe(&stage.session, None).await;
    assert_eq!(fresh.next_of("welcome").await["pending"], json!([]), "nothing comes back");
}

#[tokio::test]
async fn the_raw_text_of_a_request_reaches_the_browser_as_the_agent_wrote_it() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    let asked = Asked::new(
        "R1",
        r#"{"subtype":"can_use_tool", "input":{"b":1.0,"a":1e400,"n":123456789012345678901234567890}}"#,
    );
    let post = format!(
        r#"{{"incarnation":"i1","lane":"control","items":[{{"request":{{"n":0,"request_id":"R1","digest":"{}","event":{}}}}}]}}"#,
        asked.digest,
        asked.event_text()
    );
    let path = format!("/v1/session_ingress/session/{}/events", stage.session);
    let (status, body) = worker.lease.device.call(reqwest::Method::POST, &path, Some(post)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    let text = ws.next_text().await;
    assert!(text.contains(&asked.event_text()), "{text}");
}

#[tokio::test]
async fn of_two_opposite_decisions_at_once_one_wins_and_the_other_hears_it() {
    for round in 0..5 {
        let (stage, _worker, asked) = scene().await;
        let phone = stage.server.admit(Role::Approver, 60).await;
        let (a, b) = tokio::join!(
            decide(&stage.owner, &stage.session, asked.allow("d1")),
            decide(&phone, &stage.session, asked.deny("d2")),
        );
        let (won, lost) = if a.0 == StatusCode::OK { (&a, &b) } else { (&b, &a) };
        assert_eq!((won.0, lost.0), (StatusCode::OK, StatusCode::CONFLICT), "round {round}");
        let error = &lost.1["error"];
        assert_eq!(error["type"], "already_decided");
        let winner = if std::ptr::eq(won, &a) { ("owner", "allow") } else { ("Approver", "deny") };
        assert_eq!((error["decided_by"].as_str().unwrap(), error["behavior"].as_str().unwrap()), winner);
    }
}

#[tokio::test]
async fn the_same_decision_again_is_a_duplicate_and_another_one_is_late() {
    let (stage, mut worker, asked) = scene().await;
    assert_eq!(decide(&stage.owner, &stage.session, asked.allow("d1")).await.0, StatusCode::OK);
    let (_, again) = decide(&stage.owner, &stage.session, asked.allow("d1")).await;
    assert_eq!(again["data"][0]["status"], "duplicate");
    let (status, error) = decide(&stage.owner, &stage.session, asked.deny("d2")).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::CONFLICT, &json!("already_decided")));
    worker.link.next_of("decision").await;
    worker.control("step", json!({ "request_id": "R1", "step": "delivered", "reason": null })).await;
    let (_, again) = decide(&stage.owner, &stage.session, asked.allow("d1")).await;
    assert_eq!(again["data"][0]["status"], "duplicate");
}

#[tokio::test]
async fn a_decision_is_over_the_bytes_that_were_shown() {
    let (stage, _worker, asked) = scene().await;
    let mut wrong = asked.allow("d1");
    wrong["digest"] = json!("0".repeat(64));
    let (status, error) = decide(&stage.owner, &stage.session, wrong).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::CONFLICT, &json!("conflict")));
    assert!(error["error"]["message"].as_str().unwrap().contains("shown bytes differ"), "{error}");
    for missing in ["digest", "uuid", "response"] {
        let mut event = asked.allow("d2");
        event.as_object_mut().unwrap().remove(missing);
        assert_eq!(decide(&stage.owner, &stage.session, event).await.0, StatusCode::BAD_REQUEST, "{missing}");
    }
    assert_eq!(
        decide(&stage.owner, &stage.session, asked.allow("d3")).await.0,
        StatusCode::OK,
        "it still waits"
    );
}

#[tokio::test]
async fn an_old_click_is_refused_and_a_clock_that_runs_ahead_is_forgiven() {
    let (stage, mut worker, asked) = scene().await;
    let now = || portcullis_ingress::Clock::now_ms(&*stage.server.clock);
    let at = |asked: &Asked, ms: u64| {
        let mut event = asked.deny("d1");
        event["decided_at_ms"] = json!(ms);
        event
    };
    assert_eq!(decide(&stage.owner, &stage.session, at(&asked, now() - 60_001)).await.0, StatusCode::GONE);
    assert_eq!(decide(&stage.owner, &stage.session, at(&asked, now() - 60_000)).await.0, StatusCode::OK);
    let next = worker.ask("R2", "pwd").await;
    let mut ahead = at(&next, now() + 86_400_000);
    ahead["uuid"] = json!("d2");
    assert_eq!(decide(&stage.owner, &stage.session, ahead).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_decision_belongs_to_its_session() {
    let (stage, _worker, asked) = scene().await;
    let (_, other) = stage.owner.post("/v1/sessions", &json!({})).await;
    let other = other["id"].as_str().unwrap();
    assert_eq!(decide(&stage.owner, other, asked.allow("d1")).await.0, StatusCode::NOT_FOUND);
    let mut unknown = asked.allow("d2");
    unknown["response"]["request_id"] = json!("R-unknown");
    assert_eq!(decide(&stage.owner, &stage.session, unknown).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_cancelled_request_takes_no_click() {
    let (stage, mut worker, asked) = scene().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    worker.control("cancel", json!({ "request_id": "R1" })).await;
    assert_eq!(ws.next_of("permission").await["state"], "cancelled");
    assert_eq!(decide(&stage.owner, &stage.session, asked.allow("d1")).await.0, StatusCode::GONE);
}

#[tokio::test]
async fn a_decision_travels_alone_and_needs_an_approver() {
    let (stage, _worker, asked) = scene().await;
    let both = json!([asked.allow("d1"), crate::support::prompt("u9", "x")]);
    assert_eq!(stage.owner.say(&stage.session, both).await.0, StatusCode::BAD_REQUEST);
    let operator = stage.server.admit(Role::Operator, 61).await;
    assert_eq!(decide(&operator, &stage.session, asked.allow("d1")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(
        stage.owner.events(&stage.session, "").await["head_seq"],
        2,
        "the prompt was not taken either"
    );
}

#[tokio::test]
async fn a_decision_that_could_not_be_delivered_is_said_to_the_next_link() {
    let (stage, worker, asked) = scene().await;
    let lease = worker.lease.clone();
    drop(worker);
    assert_eq!(decide(&stage.owner, &stage.session, asked.allow("d1")).await.0, StatusCode::OK);
    let mut back = Worker::attach(lease.clone(), "i1").await;
    assert_eq!(back.link.next_of("decision").await["request_id"], "R1");
    assert_eq!(back.hello["control_next_n"], 1, "nothing of the lane is lost");
    back.control("step", json!({ "request_id": "R1", "step": "delivered", "reason": null })).await;
    drop(back);
    let mut third = Worker::attach(lease, "i1").await;
    let next = third.ask("R2", "pwd").await;
    assert_eq!(decide(&stage.owner, &stage.session, next.deny("d2")).await.0, StatusCode::OK);
    assert_eq!(
        third.link.next_of("decision").await["request_id"],
        "R2",
        "what was delivered is not said again"
    );
}

#[tokio::test]
async fn a_new_process_orphans_the_requests_of_the_old_one() {
    let (stage, mut worker, asked) = scene().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    worker.link.send(&json!({ "type": "attach", "incarnation": "i2" })).await;
    let hello = worker.link.next_of("hello").await;
    assert_eq!((&hello["content_next_n"], &hello["control_next_n"]), (&json!(0), &json!(0)));
    assert_eq!(ws.next_of("permission").await["state"], "orphaned");
    assert_eq!(decide(&stage.owner, &stage.session, asked.allow("d1")).await.0, StatusCode::GONE);
    let (status, _) = worker.control("cancel", json!({ "request_id": "R1" })).await;
    assert_eq!(status, StatusCode::GONE, "the old process no longer speaks");
}

#[tokio::test]
async fn the_end_of_the_process_orphans_what_it_asked() {
    let (stage, mut worker, asked) = scene().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    worker.control("ended", json!({ "reason": "exit code 1" })).await;
    let step = ws.next_of("permission").await;
    assert_eq!(step["state"], "orphaned");
    assert!(step["reason"].as_str().unwrap().contains("exit code 1"), "{step}");
    assert_eq!(decide(&stage.owner, &stage.session, asked.allow("d1")).await.0, StatusCode::GONE);
}

#[tokio::test]
async fn what_the_bridge_refused_is_shown_with_its_reason() {
    let (stage, mut worker, asked) = scene().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    decide(&stage.owner, &stage.session, asked.allow("d1")).await;
    worker.control("step", json!({ "request_id": "R1", "step": "refused", "reason": "other bytes" })).await;
    assert_eq!(ws.next_of("permission").await["state"], "decided");
    let refused = ws.next_of("permission").await;
    assert_eq!((&refused["state"], &refused["reason"]), (&json!("refused"), &json!("other bytes")));
}

#[tokio::test]
async fn one_request_id_with_two_bodies_is_refused_and_a_wrong_digest_is_not_taken() {
    let (stage, mut worker, _) = scene().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    let mut wrong = Asked::new("R2", r#"{"subtype":"can_use_tool","input":{}}"#).item();
    wrong["digest"] = json!("0".repeat(64));
    assert_eq!(worker.control("request", wrong).await.0, StatusCode::BAD_REQUEST);
    let mut other_id = Asked::new("R2", r#"{"subtype":"can_use_tool","input":{}}"#).item();
    other_id["request_id"] = json!("R3");
    assert_eq!(worker.control("request", other_id).await.0, StatusCode::BAD_REQUEST);
    let other = Asked::new("R1", r#"{"subtype":"can_use_tool","input":{"command":"rm -rf /"}}"#);
    assert_eq!(worker.control("request", other.item()).await.0, StatusCode::OK);
    assert_eq!(ws.next_of("permission").await["state"], "refused");
    assert_eq!(decide(&stage.owner, &stage.session, other.allow("d1")).await.0, StatusCode::GONE);
}

#[tokio::test]
async fn beyond_the_bound_requests_are_denied_at_once_with_the_reason() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let items: Vec<Value> = (0..257)
        .map(|n| {
            let mut item = Asked::new(&format!("R{n}"), r#"{"subtype":"can_use_tool","input":{}}"#).item();
            item["n"] = json!(n);
            json!({ "request": item })
        })
        .collect();
    let (status, _) = worker.lease.post("i1", "control", json!(items)).await;
    assert_eq!(status, StatusCode::OK);
    let denied = worker.link.next_of("decision").await;
    assert_eq!(denied["request_id"], "R256");
    assert_eq!(denied["event"]["response"]["response"]["behavior"], "deny");
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!(info["pending_count"], 256);
}

#[tokio::test]
async fn an_approver_does_not_make_a_session_laxer_by_a_suggestion() {
    let (stage, mut worker, asked) = scene().await;
    worker.control("state", json!({ "state": { "status": "running", "permission_mode": "default" } })).await;
    let approver = stage.server.admit(Role::Approver, 60).await;
    let granting = |uuid: &str, grant: Value| {
        let mut event = asked.allow(uuid);
        event["response"]["response"]["updatedPermissions"] = json!([grant]);
        event
    };
    let laxer = json!({ "type": "setMode", "mode": "acceptEdits", "destination": "session" });
    let (status, error) = decide(&approver, &stage.session, granting("d1", laxer.clone())).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{error}");
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!(info["pending_count"], 1, "it still waits");
    assert_eq!(decide(&stage.owner, &stage.session, granting("d2", laxer)).await.0, StatusCode::OK);

    let next = worker.ask("R-next", "ls").await;
    let mut event = next.allow("d3");
    event["response"]["response"]["updatedPermissions"] =
        json!([{ "type": "addRules", "behavior": "allow" }]);
    assert_eq!(decide(&approver, &stage.session, event).await.0, StatusCode::OK);
}

#[tokio::test]
async fn waiting_requests_are_bounded_by_their_bytes_and_so_is_the_welcome() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    for n in 0..3 {
        worker.ask(&format!("R{n}"), &"x".repeat(7 * 1024 * 1024)).await;
    }
    let denied = worker.link.next_of("decision").await;
    assert_eq!(denied["request_id"], "R2");
    assert_eq!(denied["event"]["response"]["response"]["behavior"], "deny");
    worker.ask("R3", "ls").await;
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    let welcome = stage.owner.subscribe(&stage.session, None).await.next_of("welcome").await;
    let rows = welcome["pending"].as_array().unwrap();
    let whole: Vec<_> =
        rows.iter().filter(|row| row.get("event").is_some()).map(|row| &row["request_id"]).collect();
    assert_eq!(whole, ["R0", "R1"], "what was denied for want of room is not sent either");
    assert_eq!(info["pending_count"], 2, "as long as the denied one is not delivered it counts");
    worker.control("step", json!({ "request_id": "R2", "step": "delivered" })).await;
    worker.control("step", json!({ "request_id": "R2", "step": "settled" })).await;
    worker.ask("R4", "ls").await;
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!(info["pending_count"], 3);
}

const ELICITATION: &str = r#"{"subtype":"elicitation","mcp_server_name":"s","message":"Who?","requested_schema":{"properties":{"name":{"type":"string"}}}}"#;
const DIALOG: &str = r#"{"subtype":"request_user_dialog","dialog_kind":"pick","payload":{}}"#;

#[tokio::test]
async fn an_elicitation_and_a_dialog_are_decided_under_the_same_rules() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    let watcher = stage.server.admit(Role::Operator, 60).await;
    for (id, request, answer, word) in [
        ("R1", ELICITATION, json!({ "action": "accept", "content": { "name": "me" } }), "accept"),
        ("R2", ELICITATION, json!({ "action": "decline" }), "decline"),
        ("R3", DIALOG, json!({ "behavior": "completed", "result": [1] }), "completed"),
        ("R4", DIALOG, json!({ "behavior": "cancelled" }), "cancelled"),
    ] {
        let asked = Asked::new(id, request);
        let (status, body) = worker.control("request", asked.item()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let pending = ws.next_of("permission").await;
        assert_eq!((&pending["request_id"], &pending["state"]), (&json!(id), &json!("pending")));

        let event = asked.decision(&format!("d-{id}"), answer);
        let (_, posted) = decide(&watcher, &stage.session, event.clone()).await;
        assert_ne!(posted["data"][0]["status"], "accepted", "an operator decided: {posted}");
        let (_, posted) = decide(&stage.owner, &stage.session, asked.deny("wrong-kind")).await;
        assert_ne!(posted["data"][0]["status"], "accepted", "a tool's verdict was taken: {posted}");
        let mut other = event.clone();
        other["digest"] = json!("0".repeat(64));
        let (_, posted) = decide(&stage.owner, &stage.session, other).await;
        assert_ne!(posted["data"][0]["status"], "accepted", "other bytes were decided: {posted}");

        let (status, posted) = decide(&stage.owner, &stage.session, event.clone()).await;
        assert_eq!((status, &posted["data"][0]["status"]), (StatusCode::OK, &json!("accepted")), "{posted}");
        let decided = ws.next_of("permission").await;
        assert_eq!((&decided["state"], &decided["behavior"]), (&json!("decided"), &json!(word)));
        let down = worker.link.next_of("decision").await;
        assert_eq!((&down["request_id"], &down["event"]), (&json!(id), &event));
    }
    let tool = worker.ask("R5", "ls").await;
    ws.next_of("permission").await;
    let answer = tool.decision("d-R5", json!({ "action": "accept" }));
    let (_, posted) = decide(&stage.owner, &stage.session, answer).await;
    assert_ne!(posted["data"][0]["status"], "accepted", "a tool was accepted like a form: {posted}");
}
