//! The log of decisions: who may read it, and that it says what was decided on which bytes.

use portcullis_protocol::role::Role;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::Stage;

#[tokio::test]
async fn a_decision_is_listed_with_its_bytes_its_device_and_what_it_granted() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let asked = worker.ask("R1", "ls -l").await;
    let (_, none) = stage.owner.get("/v1/decisions").await;
    assert_eq!((&none["data"], &none["has_more"]), (&json!([]), &json!(false)), "what waits is no decision");

    let rule = json!({ "type": "addRules", "behavior": "allow", "destination": "session",
        "rules": [{ "toolName": "Bash", "ruleContent": "ls:*" }] });
    let mut allow = asked.allow("d1");
    allow["response"]["response"]["updatedPermissions"] = json!([rule]);
    assert_eq!(stage.owner.say(&stage.session, json!([allow])).await.0, StatusCode::OK);
    let second = worker.ask("R2", "rm -rf build").await;
    let mut deny = second.deny("d2");
    deny["response"]["response"]["message"] = json!("not today");
    let phone = stage.server.admit(Role::Approver, 60).await;
    assert_eq!(phone.say(&stage.session, json!([deny])).await.0, StatusCode::OK);

    let (status, page) = phone.get(&format!("/v1/decisions?session={}&limit=1", stage.session)).await;
    assert_eq!((status, &page["has_more"]), (StatusCode::OK, &json!(true)), "{page}");
    let newest = &page["data"][0];
    assert_eq!((&newest["request_id"], &newest["behavior"]), (&json!("R2"), &json!("deny")));
    assert_eq!((&newest["decided_by"], &newest["message"]), (&json!("Approver"), &json!("not today")));
    let (_, older) = phone.get(&format!("/v1/decisions?before={}", newest["id"])).await;
    let first = &older["data"][0];
    assert_eq!((&first["request_id"], &first["digest"]), (&json!("R1"), &json!(asked.digest)));
    assert_eq!(first["request"]["input"]["command"], "ls -l");
    assert_eq!(first["device_id"], json!(stage.owner.id.as_ref().unwrap().as_str()));
    assert_eq!((&first["granted"], &first["lives"]), (&json!([rule]), &json!(true)));
    assert!(first["decided_at_ms"].as_u64() >= first["asked_at_ms"].as_u64());

    let (_, granting) = stage.owner.get("/v1/decisions?granted=true").await;
    assert_eq!((granting["data"].as_array().unwrap().len(), &granting["data"][0]["id"]), (1, &first["id"]));
}

#[tokio::test]
async fn the_log_of_decisions_is_for_those_who_decide() {
    let stage = Stage::set().await;
    for (role, seed) in [(Role::Viewer, 61), (Role::Operator, 62)] {
        let device = stage.server.admit(role, seed).await;
        assert_eq!(device.get("/v1/decisions").await.0, StatusCode::FORBIDDEN, "{role:?}");
    }
    assert_eq!(stage.server.anonymous().get("/v1/decisions").await.0, StatusCode::UNAUTHORIZED);
    for query in ["session=../x", "before=x", "limit=-1", "granted=maybe"] {
        let (status, _) = stage.owner.get(&format!("/v1/decisions?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn stopping_a_session_ends_its_process_and_what_was_granted_to_it() {
    let stage = Stage::set().await;
    let path = format!("/v1/sessions/{}/stop", stage.session);
    assert_eq!(stage.owner.post(&path, &json!({})).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let mut worker = stage.bridge.serve("i1").await;
    let asked = worker.ask("R1", "ls").await;
    stage.owner.say(&stage.session, json!([asked.allow("d1")])).await;
    let viewer = stage.server.admit(Role::Viewer, 61).await;
    assert_eq!(viewer.post(&path, &json!({})).await.0, StatusCode::FORBIDDEN);

    assert_eq!(stage.owner.post(&path, &json!({})).await.0, StatusCode::OK);
    assert_eq!(worker.link.next_of("stop").await["reason"], "stopped by owner");
    worker.control("ended", json!({ "reason": "stopped" })).await;
    let (_, page) = stage.owner.get("/v1/decisions").await;
    assert_eq!(page["data"][0]["lives"], false);
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!(info["status"], "idle", "the session itself goes on");
}
