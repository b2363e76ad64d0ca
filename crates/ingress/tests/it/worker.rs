//! The bridge's side: the work queue, leases, and what a worker says.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Bridge, Server, Stage, Worker, prompt, registration};

#[tokio::test]
async fn a_created_session_is_handed_to_its_bridge_with_all_it_needs() {
    let stage = Stage::set().await;
    let (status, item) = stage.bridge.poll(0).await;
    assert_eq!((status, &item["type"], &item["state"]), (StatusCode::OK, &json!("work"), &json!("starting")));
    let lease = stage.bridge.take(&item).await;
    assert_eq!(lease.session, stage.session);
    assert_eq!(
        (&lease.secret["version"], &lease.secret["session"]["directory"]),
        (&json!(1), &json!("/home/user/project"))
    );
    assert_eq!(lease.secret["api_base_url"], json!(stage.server.url("")));
    assert_eq!(stage.bridge.poll(0).await.1, Value::Null, "it is handed out once");
}

#[tokio::test]
async fn a_poll_waits_for_work() {
    let stage = Stage::set().await;
    stage.bridge.poll(0).await;
    let body = json!({});
    let (polled, created) = tokio::join!(stage.bridge.poll(20_000), stage.owner.post("/v1/sessions", &body));
    assert_eq!(polled.1["data"]["id"], created.1["id"]);
}

#[tokio::test]
async fn work_that_was_not_taken_in_time_is_handed_out_again() {
    let stage = Stage::set().await;
    let (_, first) = stage.bridge.poll(0).await;
    stage.server.clock.advance(15_000);
    let (_, second) = stage.bridge.poll(0).await;
    assert_eq!(first["id"], second["id"]);
    let lease = stage.bridge.take(&second).await;
    let stale =
        crate::support::Lease { device: stage.bridge.secret.with_token(&token_of(&first)), ..lease.clone() };
    let (status, error) = stale.post("i", "content", json!([])).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::CONFLICT, &json!("lease_lost")));
}

fn token_of(item: &Value) -> String {
    use base64::Engine as _;
    let secret =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(item["secret"].as_str().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&secret).unwrap()["session_ingress_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn prompts_are_delivered_in_order_until_they_are_acknowledged() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    assert_eq!(worker.hello["head_seq"], 1);
    assert_eq!(worker.link.next_of("deliver").await["seq"], 1);
    stage.owner.say(&stage.session, json!([prompt("u2", "a"), prompt("u3", "b")])).await;
    let second = worker.link.next_of("deliver").await;
    assert_eq!((&second["seq"], &second["event"]["uuid"]), (&json!(2), &json!("u2")));
    assert_eq!(worker.link.next_of("deliver").await["seq"], 3);
    worker.link.send(&json!({ "type": "ack", "seq": 2 })).await;
    let lease = worker.lease.clone();
    // An answered POST of the same link shows that the acknowledgement before it was read.
    worker.control("state", json!({ "state": { "status": "running" } })).await;
    let mut back;
    loop {
        drop(std::mem::replace(&mut worker, Worker::attach(lease.clone(), "i1").await));
        back = worker.link.next_of("deliver").await["seq"].as_u64().unwrap();
        if back == 3 {
            break;
        }
        assert_eq!(back, 1, "only what is not acknowledged comes again");
        worker.link.send(&json!({ "type": "ack", "seq": 2 })).await;
    }
    assert_eq!(back, 3);
}

#[tokio::test]
async fn content_is_taken_in_its_order_once() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    let item =
        |n: u64| json!({ "event": { "n": n, "event": { "type": "system", "uuid": format!("e{n}") } } });
    let (_, body) = worker.lease.post("i1", "content", json!([item(0), item(1)])).await;
    assert_eq!(body, json!({ "next_n": 2, "head_seq": 3 }));
    let (status, body) = worker.lease.post("i1", "content", json!([item(0), item(1)])).await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({ "next_n": 2, "head_seq": 3 })),
        "a duplicate changes nothing"
    );
    let (_, body) = worker.lease.post("i1", "content", json!([item(1), item(2)])).await;
    assert_eq!(body, json!({ "next_n": 3, "head_seq": 4 }), "of an overlap the new part is taken");
    let (status, error) = worker.lease.post("i1", "content", json!([item(5)])).await;
    assert_eq!(
        (status, &error["error"]["type"], &error["error"]["expected_n"]),
        (StatusCode::CONFLICT, &json!("hole"), &json!(3))
    );
    for bad in [
        json!([item(3), item(5)]),
        json!([item(4), item(3)]),
        json!([{ "cancel": { "n": 3, "request_id": "R" } }]),
    ] {
        assert_eq!(worker.lease.post("i1", "content", bad).await.0, StatusCode::BAD_REQUEST);
    }
    let (status, error) = worker.lease.post("i0", "content", json!([item(0)])).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::GONE, &json!("gone")));
    let page = stage.owner.events(&stage.session, "?after_seq=1").await;
    let uuids: Vec<&Value> =
        page["data"].as_array().unwrap().iter().map(|row| &row["event"]["uuid"]).collect();
    assert_eq!(uuids, ["e0", "e1", "e2"]);
}

#[tokio::test]
async fn an_event_above_its_limit_is_stored_as_a_stub() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    worker.content(&[json!({ "type": "user", "uuid": "big", "x": "x".repeat(8 * 1024 * 1024) })]).await;
    let page = stage.owner.events(&stage.session, "?after_seq=1").await;
    let stub = &page["data"][0]["event"];
    assert_eq!(
        (&stub["subtype"], &stub["original_type"], &stub["uuid"]),
        (&json!("event_too_large"), &json!("user"), &json!("big"))
    );
}

#[tokio::test]
async fn the_workers_state_shows_in_the_session_and_reaches_readers() {
    let stage = Stage::set().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    let mut worker = stage.bridge.serve("i1").await;
    assert_eq!(ws.next_of("worker").await["state"], "online");
    let state = json!({ "status": "running", "model": "m1", "title": "A title", "total_cost_usd": 0.5 });
    worker.control("state", json!({ "state": state })).await;
    assert_eq!(ws.next_of("worker").await["worker_state"]["model"], "m1");
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!(
        (&info["status"], &info["model"], &info["title"]),
        (&json!("running"), &json!("m1"), &json!("A title"))
    );
    drop(worker);
    assert_eq!(ws.next_of("worker").await["state"], "offline");
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!(info["status"], "idle", "nothing runs where no bridge is");
}

#[tokio::test]
async fn a_lease_is_kept_by_heartbeats_and_lost_to_another() {
    let stage = Stage::set().await;
    let (_, item) = stage.bridge.poll(0).await;
    let lease = stage.bridge.take(&item).await;
    let beat = async |lease: &crate::support::Lease, expected: &str| {
        let call = format!("heartbeat?expected_last_heartbeat={expected}");
        stage.bridge.work_call(&lease.device, &lease.work, &call).await
    };
    let (status, first) = beat(&lease, "NO_HEARTBEAT").await;
    assert_eq!(
        (status, &first["lease_extended"], &first["ttl_seconds"]),
        (StatusCode::OK, &json!(true), &json!(90))
    );
    let last = first["last_heartbeat"].as_str().unwrap();
    assert_eq!(beat(&lease, "NO_HEARTBEAT").await.0, StatusCode::OK, "its answer may have been lost");
    assert_eq!(beat(&lease, last).await.0, StatusCode::OK);
    assert_eq!(beat(&lease, "hb_somebody_elses").await.0, StatusCode::PRECONDITION_FAILED);

    stage.server.clock.advance(90_000);
    let renewed = first["session_ingress_token"].as_str().unwrap();
    let same = crate::support::Lease { device: lease.device.with_token(renewed), ..lease.clone() };
    assert_eq!(
        same.post("i", "content", json!([])).await.0,
        StatusCode::GONE,
        "lapsed, not taken: only unknown"
    );
    let (_, again) = stage.bridge.poll(0).await;
    assert_eq!(again["id"], item["id"], "a lapsed lease goes to whoever polls");
    let (status, error) = beat(&same, last).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::PRECONDITION_FAILED, &json!("lease_lost")));
}

#[tokio::test]
async fn a_token_of_one_session_opens_no_other_and_forged_ones_none() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    let (_, other) = stage.owner.post("/v1/sessions", &json!({})).await;
    let post = json!({ "incarnation": "i1", "lane": "content", "items": [] });
    let at = |session: &str| format!("/v1/session_ingress/session/{session}/events");
    let path = at(other["id"].as_str().unwrap());
    assert_eq!(worker.lease.device.post(&path, &post).await.0, StatusCode::NOT_FOUND);
    let good = &worker.lease.device.token;
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    for forged in [
        format!("{}.{}.", encode(r#"{"alg":"none","typ":"JWT"}"#), parts[1]),
        format!("{}.{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), parts[1], parts[2]),
        format!("{}.{}.{}", encode(r#"{"alg":"EdDSA","typ":"JWT","kid":"/dev/null"}"#), parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], encode(r#"{"aud":"x"}"#), parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        "x".repeat(10_000),
    ] {
        let (status, _) = worker.lease.device.with_token(&forged).post(&at(&stage.session), &post).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{forged:.40}");
    }
    stage.server.clock.advance(600_000);
    assert_eq!(
        worker.lease.device.post(&at(&stage.session), &post).await.0,
        StatusCode::UNAUTHORIZED,
        "expired"
    );
}

#[tokio::test]
async fn a_prompt_for_a_session_that_nobody_holds_queues_it_again() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    worker.link.next_of("deliver").await;
    worker.link.send(&json!({ "type": "ack", "seq": 1 })).await;
    worker.control("ended", json!({ "reason": "done" })).await;
    let work = worker.lease.work.clone();
    drop(worker);
    let (_, stopped) = stage.bridge.work_call(&stage.bridge.secret, &work, "stop").await;
    assert_eq!(stopped["state"], "stopped");
    assert_eq!(stage.bridge.poll(0).await.1, Value::Null, "nothing waits");
    stage.owner.say(&stage.session, json!([prompt("u2", "again")])).await;
    let (_, item) = stage.bridge.poll(0).await;
    assert_eq!(item["data"]["id"], json!(stage.session));
    assert_ne!(item["id"], json!(work));
}

#[tokio::test]
async fn work_that_failed_is_not_tried_for_ever_with_the_same_prompt() {
    let stage = Stage::set().await;
    let (_, item) = stage.bridge.poll(0).await;
    let work = item["id"].as_str().unwrap();
    stage.bridge.work_call(&stage.bridge.secret, work, "stop").await;
    assert_eq!(stage.bridge.poll(0).await.1, Value::Null);
    stage.owner.say(&stage.session, json!([prompt("u2", "try again")])).await;
    assert_ne!(stage.bridge.poll(0).await.1, Value::Null);
}

#[tokio::test]
async fn a_bridge_that_registers_again_gets_what_waits_and_its_old_secret_ends() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    worker.ask("R1", "ls").await;
    drop(worker);
    // The link's end is seen before the new process registers.
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    while ws.next_of("welcome").await["worker"]["state"] != "offline" {
        ws = stage.owner.subscribe(&stage.session, None).await;
    }
    let again = Bridge::register_as(stage.bridge.device.clone()).await;
    assert_eq!(again.environment, stage.bridge.environment, "the same machine and directory");
    assert_eq!(stage.bridge.poll(0).await.0, StatusCode::UNAUTHORIZED);
    let worker = again.serve("i2").await;
    assert_eq!(worker.lease.session, stage.session);
    assert_eq!(ws.next_of("permission").await["state"], "orphaned");
}

#[tokio::test]
async fn an_attached_session_stays_with_a_bridge_that_registers_again() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let again = Bridge::register_as(stage.bridge.device.clone()).await;
    assert_eq!(again.poll(0).await.1, Value::Null);
    worker.content(&[json!({ "type": "system", "uuid": "s" })]).await;
}

#[tokio::test]
async fn reconnect_puts_a_session_back_under_a_fresh_lease() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    let path = format!("/v1/environments/{}/bridge/reconnect", stage.bridge.environment);
    let body = json!({ "session_id": stage.session });
    for device in [&stage.bridge.secret, &stage.bridge.device] {
        assert_eq!(device.post(&path, &body).await.0, StatusCode::NO_CONTENT);
    }
    assert_eq!(stage.owner.post(&path, &body).await.0, StatusCode::FORBIDDEN);
    let (_, item) = stage.bridge.poll(0).await;
    assert_eq!(item["data"]["id"], json!(stage.session));
    let (status, _) = worker.lease.post("i1", "content", json!([])).await;
    assert_eq!(status, StatusCode::CONFLICT, "the old lease no longer speaks");
}

#[tokio::test]
async fn an_archived_session_tells_its_worker_to_stop() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    worker.ask("R1", "ls").await;
    stage.owner.post(&format!("/v1/sessions/{}/archive", stage.session), &json!({})).await;
    worker.link.next_of("stop").await;
    worker.content(&[json!({ "type": "result", "uuid": "r" })]).await;
    let (_, stopped) = stage.bridge.work_call(&stage.bridge.secret, &worker.lease.work, "stop").await;
    assert_eq!(stopped["state"], "stopped");
}

#[tokio::test]
async fn a_control_request_without_a_worker_is_refused_and_its_repetition_asks_once() {
    let stage = Stage::set().await;
    let event = json!({ "type": "control_request", "uuid": "c1", "request_id": "c1", "request": { "subtype": "interrupt" } });
    let (status, error) = stage.owner.say(&stage.session, json!([event])).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    let mut worker = stage.bridge.serve("i1").await;
    let (_, first) = stage.owner.say(&stage.session, json!([event])).await;
    let (_, again) = stage.owner.say(&stage.session, json!([event])).await;
    assert_eq!(
        (&first["data"][0]["status"], &again["data"][0]["status"]),
        (&json!("accepted"), &json!("duplicate"))
    );
    worker.link.next_of("control").await;
    stage.owner.say(&stage.session, json!([prompt("u2", "marker")])).await;
    while worker.link.next().await["event"]["uuid"] != "u2" {}
}

#[tokio::test]
async fn an_answer_reaches_the_asking_device_alone_and_is_not_logged() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let other = stage.server.admit(portcullis_protocol::role::Role::Owner, 99).await;
    let mut mine = stage.owner.subscribe(&stage.session, None).await;
    let mut theirs = other.subscribe(&stage.session, None).await;
    mine.read_to(1).await;
    theirs.read_to(1).await;
    let event = json!({ "type": "control_request", "uuid": "c1", "request_id": "q", "request": { "subtype": "interrupt" } });
    stage.owner.say(&stage.session, json!([event])).await;
    let down = worker.link.next_of("control").await;
    let reply = json!({ "type": "control_response", "response": { "subtype": "success", "request_id": down["event"]["request_id"] } });
    worker
        .control("reply", json!({ "device_id": down["device_id"], "request_id": "q", "event": reply }))
        .await;
    let frame = mine.next_of("reply").await;
    assert_eq!((&frame["request_id"], &frame["event"]["response"]["request_id"]), (&json!("q"), &json!("q")));
    worker.control("state", json!({ "state": { "status": "idle" } })).await;
    assert_eq!(
        theirs.next().await["type"],
        "worker",
        "the other device hears of the state, not of the answer"
    );
    assert_eq!(stage.owner.events(&stage.session, "").await["head_seq"], 1);
}

#[tokio::test]
async fn a_revoked_bridge_loses_its_link_its_queue_and_its_lease() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let path = format!("/v1/auth/devices/{}", stage.bridge.device.id.clone().unwrap());
    assert_eq!(stage.owner.delete(&path).await.0, StatusCode::NO_CONTENT);
    worker.link.closed().await;
    assert_eq!(stage.bridge.poll(0).await.0, StatusCode::UNAUTHORIZED);
    let (status, _) = worker.lease.post("i1", "content", json!([])).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn bridges_are_listed_while_they_are_registered_and_online_while_they_call() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let bridge = Bridge::register(&server).await;
    let list = async || owner.get("/v1/environments").await.1["data"].clone();
    assert_eq!((&list().await[0]["online"], &list().await[0]["agents"]), (&json!(true), &json!(["builtin"])));
    server.clock.advance(61_000);
    assert_eq!(list().await[0]["online"], false);
    bridge.poll(0).await;
    assert_eq!(list().await[0]["online"], true);
    let path = format!("/v1/environments/bridge/{}", bridge.environment);
    assert_eq!(bridge.secret.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(list().await, json!([]));
    assert_eq!(bridge.poll(0).await.0, StatusCode::UNAUTHORIZED);
    for bad in
        [json!({ "machine_name": "m", "directory": "relative" }), json!({ "directory": "/x" }), json!({})]
    {
        assert_eq!(
            bridge.device.post("/v1/environments/bridge", &bad).await.0,
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
    let mut foreign = registration();
    foreign["environment_id"] = json!(bridge.environment);
    let other = server.admit(portcullis_protocol::role::Role::Bridge, 201).await;
    assert_eq!(other.post("/v1/environments/bridge", &foreign).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_stale_process_is_told_so_and_may_only_go_on_under_a_new_name() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    let lease = worker.lease.clone();
    let newer = Worker::attach(lease.clone(), "i2").await;
    let mut link = lease.link().await;
    link.send(&json!({ "type": "attach", "incarnation": "i1" })).await;
    assert_eq!(link.next().await, json!({ "type": "superseded" }));
    let event = json!({ "event": { "n": 0, "event": { "type": "assistant", "uuid": "late" } } });
    assert_eq!(lease.post("i1", "content", json!([event])).await.0, StatusCode::GONE);
    link.send(&json!({ "type": "attach", "incarnation": "i3" })).await;
    let hello = link.next_of("hello").await;
    assert_eq!(hello["content_next_n"], 0);
    assert!(hello["epoch"].is_string(), "{hello}");
    drop(newer);
}

#[tokio::test]
async fn a_session_is_idle_when_another_process_took_the_place_of_one_that_was_at_work() {
    let stage = Stage::set().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    let mut worker = stage.bridge.serve("i1").await;
    assert_eq!(ws.next_of("worker").await["state"], "online");
    worker.control("state", json!({ "state": { "status": "requires_action" } })).await;
    assert_eq!(ws.next_of("worker").await["worker_state"]["status"], "requires_action");
    let newer = Worker::attach(worker.lease.clone(), "i2").await;
    loop {
        let told = ws.next_of("worker").await;
        if told["worker_state"]["status"] == "idle" {
            assert_eq!(told["state"], "online");
            break;
        }
    }
    let (_, info) = stage.owner.get(&format!("/v1/sessions/{}", stage.session)).await;
    assert_eq!(info["status"], "idle");
    drop(newer);
}

#[tokio::test]
async fn who_may_not_post_is_refused_before_the_body_is_read() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stage = Stage::set().await;
    let environment = &stage.bridge.environment;
    for path in [
        format!("/v1/session_ingress/session/{}/events", stage.session),
        format!("/v1/sessions/{}/events", stage.session),
        format!("/v1/environments/{environment}/work/w/heartbeat"),
        format!("/v1/environments/{environment}/bridge/reconnect"),
    ] {
        let address = stage.server.address();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // No byte of the body ever comes: an answer can only be about the head.
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer wrong\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let reading =
            tokio::time::timeout(std::time::Duration::from_secs(10), stream.read_exact(&mut answer));
        reading.await.unwrap_or_else(|_| panic!("{path} waits for the body")).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401", "{path}");
    }
}

#[tokio::test]
async fn a_session_is_where_its_bridge_was_told_to_be_whatever_the_agent_says() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let state = json!({ "status": "running", "directory": "/somewhere/else", "title": "agent's" });
    worker.control("state", json!({ "state": state })).await;
    let path = format!("/v1/sessions/{}", stage.session);
    let (_, info) = stage.owner.get(&path).await;
    assert_eq!(
        (&info["directory"], &info["title"]),
        (&json!("/home/user/project"), &json!("agent's")),
        "nobody had given a title"
    );
    let tree = format!("/home/user/state/worktrees/{}/sub", stage.session);
    worker.control("state", json!({ "state": { "status": "running", "directory": tree } })).await;
    assert_eq!(stage.owner.get(&path).await.1["directory"], tree, "a working tree of its own");
    stage.owner.patch(&path, &json!({ "title": "mine" })).await;
    worker.control("state", json!({ "state": state })).await;
    assert_eq!(stage.owner.get(&path).await.1["title"], "mine");
}

#[tokio::test]
async fn readers_are_told_how_far_prompts_reached_the_agent() {
    let stage = Stage::set().await;
    stage.owner.say(&stage.session, json!([prompt("u2", "a"), prompt("u3", "b")])).await;
    let mut reader = stage.owner.subscribe(&stage.session, None).await;
    assert_eq!(reader.next_of("welcome").await["worker"]["delivered_seq"], Value::Null);
    let mut worker = stage.bridge.serve("i1").await;
    worker.link.send(&json!({ "type": "ack", "seq": 2 })).await;
    while reader.next_of("worker").await["delivered_seq"] != 2 {}
    // Neither an older acknowledgement nor one beyond the log is news.
    worker.link.send(&json!({ "type": "ack", "seq": 1 })).await;
    worker.link.send(&json!({ "type": "ack", "seq": 99 })).await;
    assert_eq!(reader.next_of("worker").await["delivered_seq"], 3);

    let session = stage.session.clone();
    let server = stage.server.restart().await;
    let owner = crate::support::Device { address: server.address(), ..stage.owner.clone() };
    let mut reader = owner.subscribe(&session, None).await;
    assert_eq!(reader.next_of("welcome").await["worker"]["delivered_seq"], 3, "as the row has it");
}

#[tokio::test]
async fn a_bridge_learns_which_sessions_live_and_archives_its_own_alone() {
    let stage = Stage::set().await;
    let (bridge, owner) = (&stage.bridge, &stage.owner);
    let create = async || owner.post("/v1/sessions", &json!({})).await.1["id"].as_str().unwrap().to_owned();
    let (alive, archived) = (create().await, create().await);
    let path = |call: &str| format!("/v1/environments/{}/bridge/{call}", bridge.environment);
    let archive =
        async |session: &str| bridge.secret.post(&path("archive"), &json!({ "session_id": session })).await.0;
    assert_eq!(archive(&archived).await, StatusCode::NO_CONTENT);
    assert_eq!(archive(&archived).await, StatusCode::CONFLICT);
    assert_eq!(archive("unknown").await, StatusCode::NOT_FOUND);
    assert_eq!(owner.get(&format!("/v1/sessions/{archived}")).await.1["status"], "archived");
    let ask = json!({ "sessions": [alive, archived, "unknown"] });
    let (status, known) = bridge.device.post(&path("sessions"), &ask).await;
    assert_eq!((status, known), (StatusCode::OK, json!({ "sessions": [alive] })));
    let other =
        Bridge::register_as(stage.server.admit(portcullis_protocol::role::Role::Bridge, 99).await).await;
    let foreign = format!("/v1/environments/{}/bridge", other.environment);
    assert_eq!(other.secret.post(&format!("{foreign}/sessions"), &ask).await.1, json!({ "sessions": [] }));
    let steal = json!({ "session_id": alive });
    assert_eq!(other.secret.post(&format!("{foreign}/archive"), &steal).await.0, StatusCode::NOT_FOUND);
    assert_eq!(other.secret.post(&path("archive"), &steal).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        owner.post(&path("archive"), &steal).await.0,
        StatusCode::FORBIDDEN,
        "a person has the other call"
    );
}
