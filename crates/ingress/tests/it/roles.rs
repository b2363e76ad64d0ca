//! What each role may do, and that a bridge is no client and a client no bridge.

use portcullis_protocol::role::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Device, Stage, Worker, prompt, registration};

fn control(id: &str, request: Value) -> Value {
    json!({ "type": "control_request", "uuid": id, "request_id": id, "request": request })
}

async fn staff(stage: &Stage) -> [Device; 4] {
    let mut seed = 50;
    let mut admit = async |role| {
        seed += 1;
        stage.server.admit(role, seed).await
    };
    [
        admit(Role::Viewer).await,
        admit(Role::Operator).await,
        admit(Role::Approver).await,
        admit(Role::Owner).await,
    ]
}

async fn attached(stage: &Stage) -> Worker {
    stage.bridge.serve("i1").await
}

#[tokio::test]
async fn each_call_needs_its_role() {
    let stage = Stage::set().await;
    let [viewer, operator, approver, owner] = staff(&stage).await;
    let path = format!("/v1/sessions/{}", stage.session);
    for device in [&viewer, &operator, &approver, &owner] {
        assert_eq!(device.get(&path).await.0, StatusCode::OK);
        assert_eq!(device.get("/v1/environments").await.0, StatusCode::OK);
    }
    let may =
        async |device: &Device, uuid: &str| device.say(&stage.session, json!([prompt(uuid, "x")])).await.0;
    assert_eq!(may(&viewer, "v").await, StatusCode::FORBIDDEN);
    assert_eq!(may(&operator, "o").await, StatusCode::OK);
    assert_eq!(viewer.post("/v1/sessions", &json!({ "prompt": "x" })).await.0, StatusCode::FORBIDDEN);
    assert_eq!(viewer.patch(&path, &json!({ "title": "x" })).await.0, StatusCode::FORBIDDEN);
    assert_eq!(viewer.post(&format!("{path}/archive"), &json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(viewer.post(&format!("{path}/unarchive"), &json!({})).await.0, StatusCode::FORBIDDEN);
    for device in [&viewer, &operator, &approver] {
        assert_eq!(device.get("/v1/auth/devices").await.0, StatusCode::FORBIDDEN);
        let other = format!("/v1/auth/devices/{}", owner.id.clone().unwrap());
        assert_eq!(device.delete(&other).await.0, StatusCode::FORBIDDEN);
        assert_eq!(device.patch(&other, &json!({ "role": "owner" })).await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_bridge_token_opens_no_client_call_and_a_client_token_no_bridge_call() {
    let stage = Stage::set().await;
    let bridge = &stage.bridge.device;
    let session = &stage.session;
    for path in
        ["/v1/sessions", "/v1/environments", "/v1/auth/devices", &format!("/v1/sessions/{session}/events")]
    {
        assert_eq!(bridge.get(path).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(bridge.say(session, json!([prompt("b", "x")])).await.0, StatusCode::FORBIDDEN);
    let mut ws = bridge.subscribe(session, None).await;
    assert_eq!(ws.closed().await, 4003);

    assert_eq!(stage.owner.post("/v1/environments/bridge", &registration()).await.0, StatusCode::FORBIDDEN);
    let environment = &stage.bridge.environment;
    for device in [&stage.owner, bridge] {
        let poll = format!("/v1/environments/{environment}/work/poll");
        assert_eq!(device.get(&poll).await.0, StatusCode::UNAUTHORIZED, "an access token is no secret");
        let path = format!("/v1/session_ingress/session/{session}/events");
        let post = json!({ "incarnation": "i", "lane": "content", "items": [] });
        assert_eq!(device.post(&path, &post).await.0, StatusCode::UNAUTHORIZED);
        let bearer = format!("Bearer {}", device.token);
        let link = device
            .try_socket(&format!("/v1/session_ingress/ws/{session}"), &[("authorization", &bearer)])
            .await;
        assert!(link.is_err());
    }
    let secret = &stage.bridge.secret;
    assert_eq!(secret.get("/v1/sessions").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_below_owner_makes_a_session_laxer_and_nobody_adds_hooks() {
    let stage = Stage::set().await;
    let mut worker = attached(&stage).await;
    worker.control("state", json!({ "state": { "status": "idle", "permission_mode": "default" } })).await;
    let [viewer, operator, approver, owner] = staff(&stage).await;
    let mut count = 0;
    let mut ask = async |device: &Device, request: Value| {
        count += 1;
        device.say(&stage.session, json!([control(&format!("c{count}"), request)])).await.0
    };
    let mode = |mode: &str| json!({ "subtype": "set_permission_mode", "mode": mode });
    assert_eq!(ask(&operator, mode("plan")).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&approver, mode("plan")).await, StatusCode::OK);
    for lax in ["acceptEdits", "bypassPermissions", "auto", "nonsense"] {
        assert_eq!(ask(&approver, mode(lax)).await, StatusCode::FORBIDDEN, "{lax}");
    }
    assert_eq!(ask(&owner, mode("acceptEdits")).await, StatusCode::OK);
    assert_eq!(
        ask(&operator, json!({ "subtype": "read_file", "path": "/etc/passwd" })).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(ask(&viewer, json!({ "subtype": "interrupt" })).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&operator, json!({ "subtype": "interrupt" })).await, StatusCode::OK);
    for unknown in
        ["mcp_set_servers", "update_settings", "apply_flag_settings", "hook_callback", "", "INTERRUPT"]
    {
        assert_eq!(ask(&owner, json!({ "subtype": unknown })).await, StatusCode::FORBIDDEN, "{unknown}");
    }
    assert_eq!(ask(&viewer, json!({ "subtype": "initialize" })).await, StatusCode::OK);
    for extra in ["hooks", "sdkMcpServers", "systemPrompt", "appendSystemPrompt", "agents", "anything"] {
        let request = json!({ "subtype": "initialize", extra: {} });
        assert_eq!(ask(&owner, request).await, StatusCode::FORBIDDEN, "{extra}");
    }
    let twice = r#"{"events":[{"type":"control_request","uuid":"t","request_id":"t","request":{"subtype":"set_permission_mode","mode":"plan","mode":"bypassPermissions"}}]}"#;
    let path = format!("/v1/sessions/{}/events", stage.session);
    let (status, _) = approver.call(reqwest::Method::POST, &path, Some(twice.into())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a key that stands twice");
}

#[tokio::test]
async fn what_the_owner_may_and_others_may_not_is_marked_for_the_bridges_policy() {
    let stage = Stage::set().await;
    let mut worker = attached(&stage).await;
    let request = json!({ "subtype": "set_permission_mode", "mode": "bypassPermissions" });
    stage.owner.say(&stage.session, json!([control("m", request.clone())])).await;
    let down = worker.link.next_of("control").await;
    assert_eq!((&down["needs_policy"], &down["request_id"]), (&json!(true), &json!("m")));
    assert_eq!(down["event"]["request"], request);
    assert_ne!(down["event"]["request_id"], "m", "the agent never sees a client's id");
}

#[tokio::test]
async fn a_session_is_created_in_a_lax_mode_by_an_owner_alone_and_as_far_as_the_policy_goes() {
    let stage = Stage::set().await;
    let [_, operator, _, owner] = staff(&stage).await;
    let create = async |device: &Device, mode: &str| {
        device.post("/v1/sessions", &json!({ "permission_mode": mode })).await.0
    };
    assert_eq!(create(&operator, "plan").await, StatusCode::CREATED);
    assert_eq!(create(&operator, "acceptEdits").await, StatusCode::FORBIDDEN);
    assert_eq!(create(&owner, "acceptEdits").await, StatusCode::CREATED);
    assert_eq!(
        create(&owner, "bypassPermissions").await,
        StatusCode::FORBIDDEN,
        "the bridge does not allow it"
    );
    assert_eq!(create(&owner, "nonsense").await, StatusCode::BAD_REQUEST);
    for body in [
        json!({ "directory": "relative" }),
        json!({ "directory": "/a\u{0}b" }),
        json!({ "agent": "--flag" }),
        json!({ "agent": "unknown" }),
        json!({ "model": "-x" }),
        json!({ "environment_id": "../x" }),
    ] {
        assert_eq!(owner.post("/v1/sessions", &body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(
        owner.post("/v1/sessions", &json!({ "environment_id": "env_x" })).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_revoked_device_loses_its_socket_and_a_changed_role_reopens_it() {
    let stage = Stage::set().await;
    let [viewer, operator, ..] = staff(&stage).await;
    let mut revoked = viewer.subscribe(&stage.session, None).await;
    let mut changed = operator.subscribe(&stage.session, None).await;
    revoked.next_of("welcome").await;
    changed.next_of("welcome").await;
    let path = |device: &Device| format!("/v1/auth/devices/{}", device.id.clone().unwrap());
    stage.owner.delete(&path(&viewer)).await;
    stage.owner.patch(&path(&operator), &json!({ "role": "viewer" })).await;
    assert_eq!(revoked.closed().await, 4003);
    assert_eq!(changed.closed().await, 1012);
}
