//! Sessions, the uplink and pages of the log.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Server, Stage, prompt, seqs_of};

#[tokio::test]
async fn a_session_is_created_listed_renamed_and_archived() {
    let stage = Stage::set().await;
    let path = format!("/v1/sessions/{}", stage.session);
    let (_, session) = stage.owner.get(&path).await;
    assert_eq!(
        (&session["title"], &session["status"], &session["head_seq"]),
        (&json!("hello"), &json!("idle"), &json!(1))
    );
    assert_eq!(session["directory"], "/home/user/project");
    let (_, renamed) = stage.owner.patch(&path, &json!({ "title": " Better " })).await;
    assert_eq!(renamed["title"], "Better");
    let (_, list) = stage.owner.get("/v1/sessions").await;
    assert_eq!((list["data"].as_array().unwrap().len(), &list["has_more"]), (1, &json!(false)));

    let (status, archived) = stage.owner.post(&format!("{path}/archive"), &json!({})).await;
    assert_eq!((status, &archived["status"]), (StatusCode::OK, &json!("archived")));
    assert_eq!(stage.owner.post(&format!("{path}/archive"), &json!({})).await.0, StatusCode::CONFLICT);
    let (status, _) = stage.owner.say(&stage.session, json!([prompt("late", "x")])).await;
    assert_eq!(status, StatusCode::GONE);
    assert_eq!(
        stage.owner.events(&stage.session, "?after_seq=0").await["head_seq"],
        1,
        "it can still be read"
    );
    let count = async |query: &str| {
        stage.owner.get(&format!("/v1/sessions{query}")).await.1["data"].as_array().unwrap().len()
    };
    assert_eq!((count("?state=active").await, count("?state=archived").await, count("").await), (0, 1, 1));
}

#[tokio::test]
async fn a_session_out_of_the_archive_goes_on_and_is_not_sent_what_was_said_before() {
    let stage = Stage::set().await;
    let path = format!("/v1/sessions/{}", stage.session);
    let unarchive = format!("{path}/unarchive");
    assert_eq!(stage.owner.post(&unarchive, &json!({})).await.0, StatusCode::CONFLICT, "it is not archived");
    assert_eq!(stage.owner.post("/v1/sessions/none/unarchive", &json!({})).await.0, StatusCode::NOT_FOUND);
    stage.owner.post(&format!("{path}/archive"), &json!({})).await;
    let (status, back) = stage.owner.post(&unarchive, &json!({})).await;
    assert_eq!((status, &back["status"]), (StatusCode::OK, &json!("idle")));
    let said = stage.owner.events(&stage.session, "?after_seq=1").await;
    let told = &said["data"][1]["event"];
    assert_eq!((&told["subtype"], &said["head_seq"]), (&json!("delivery_unknown"), &json!(3)), "{said}");

    let mut reader = stage.owner.subscribe(&stage.session, None).await;
    reader.read_to(3).await;
    assert_eq!(stage.owner.say(&stage.session, json!([prompt("fresh", "go on")])).await.0, StatusCode::OK);
    assert_eq!(reader.read_to(4).await, [4], "the reader stays");
    let mut worker = stage.bridge.serve("i1").await;
    let delivered = worker.link.next_of("deliver").await;
    assert_eq!(delivered["seq"], 4, "{delivered}");
}

#[tokio::test]
async fn sessions_are_listed_page_by_page() {
    let stage = Stage::set().await;
    for _ in 0..4 {
        stage.server.clock.advance(10);
        stage.owner.post("/v1/sessions", &json!({})).await;
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let (_, page) = stage.owner.get(&format!("/v1/sessions{query}")).await;
        seen.extend(
            page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        if page["has_more"] == json!(false) {
            break;
        }
        query = format!("?limit=2&after_id={}", page["last_id"].as_str().unwrap());
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (5, 5));
}

#[tokio::test]
async fn without_a_bridge_a_session_cannot_be_created_and_the_error_says_what_to_do() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let (status, error) = owner.post("/v1/sessions", &json!({ "prompt": "x" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error["error"]["message"].as_str().unwrap().contains("remote-control"), "{error}");
}

#[tokio::test]
async fn the_same_prompt_is_taken_once_and_other_bytes_under_its_uuid_never() {
    let stage = Stage::set().await;
    let say = async |event: Value| stage.owner.say(&stage.session, json!([event])).await;
    let (_, first) = say(prompt("u1", "hi")).await;
    assert_eq!(first["data"][0], json!({ "uuid": "u1", "status": "accepted", "seq": 2 }));
    let (_, again) = say(prompt("u1", "hi")).await;
    assert_eq!(again["data"][0], json!({ "uuid": "u1", "status": "duplicate", "seq": 2 }));
    let (status, error) = say(prompt("u1", "other")).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::CONFLICT, &json!("conflict")));
    assert_eq!(stage.owner.events(&stage.session, "?after_seq=0").await["head_seq"], 2);

    let (_, other) = stage.owner.post("/v1/sessions", &json!({})).await;
    let (_, there) = stage.owner.say(other["id"].as_str().unwrap(), json!([prompt("u1", "hi")])).await;
    assert_eq!(there["data"][0]["status"], "accepted", "a uuid counts per session");
}

#[tokio::test]
async fn five_copies_of_a_post_at_once_log_one_event() {
    let stage = Stage::set().await;
    let posts = (0..5).map(|_| stage.owner.say(&stage.session, json!([prompt("u1", "hi")])));
    let answers = futures_util::future::join_all(posts).await;
    let statuses: Vec<&str> =
        answers.iter().map(|(_, body)| body["data"][0]["status"].as_str().unwrap()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "accepted").count(), 1, "{statuses:?}");
    assert_eq!(stage.owner.events(&stage.session, "?after_seq=0").await["head_seq"], 2);
}

#[tokio::test]
async fn of_a_post_with_one_bad_event_nothing_is_taken() {
    let stage = Stage::set().await;
    let bad = [
        json!({ "type": "user", "uuid": "b" }),
        json!({ "type": "assistant", "uuid": "b" }),
        json!({ "type": "user", "uuid": "b", "message": { "role": "user", "content": [{ "type": "tool_result" }] } }),
        json!({ "type": "user", "uuid": "b", "isSynthetic": true, "message": { "role": "user", "content": "x" } }),
        json!({ "type": "user", "uuid": "b", "session_id": "other", "message": { "role": "user", "content": "x" } }),
        json!({ "type": "control_response" }),
        json!({ "no_type": 1 }),
        json!("text"),
        json!(null),
    ];
    for bad in bad {
        let (status, error) =
            stage.owner.say(&stage.session, json!([prompt("g1", "x"), bad, prompt("g2", "y")])).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(error["error"]["message"].as_str().unwrap().contains("event 1"), "{error}");
    }
    let twin = json!([prompt("g1", "x"), prompt("g1", "y")]);
    assert_eq!(stage.owner.say(&stage.session, twin).await.0, StatusCode::CONFLICT);
    assert_eq!(stage.owner.events(&stage.session, "?after_seq=0").await["head_seq"], 1);
}

#[tokio::test]
async fn too_much_is_refused_by_its_size_and_says_which_limit() {
    let stage = Stage::set().await;
    let path = format!("/v1/sessions/{}/events", stage.session);
    let sized = |bytes: usize| {
        let around = prompt("big", "").to_string().len();
        prompt("big", &"x".repeat(bytes - around)).to_string()
    };
    let limit = 8 * 1024 * 1024;
    let post = async |event: &str| {
        stage.owner.call(Method::POST, &path, Some(format!(r#"{{"events":[{event}]}}"#))).await
    };
    let (status, error) = post(&sized(limit + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(error["error"]["message"].as_str().unwrap().contains("8388609 bytes"), "{error}");
    assert_eq!(post(&sized(limit)).await.0, StatusCode::OK);

    let whole = format!(r#"{{"events":["{}"]}}"#, "x".repeat(16 * 1024 * 1024));
    assert_eq!(stage.owner.call(Method::POST, &path, Some(whole)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let many: Vec<Value> = (0..101).map(|n| prompt(&format!("n{n}"), "x")).collect();
    assert_eq!(stage.owner.say(&stage.session, json!(many)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let deep = format!(r#"{{"type":"user","uuid":"d","x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(post(&deep).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(stage.owner.say(&stage.session, json!([])).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_event_is_kept_as_the_text_it_came_as() {
    let stage = Stage::set().await;
    let path = format!("/v1/sessions/{}/events", stage.session);
    let event = r#"{"uuid":"raw","n":1.0,"big":12345678901234567890123,"__proto__":{"x":"\u0041\ud800"},"type":"user","message":{"role":"user","content":"x"}}"#;
    let (status, _) = stage.owner.call(Method::POST, &path, Some(format!(r#"{{"events":[{event}]}}"#))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a lone surrogate is no text");
    let event = event.replace("\\ud800", "");
    let (status, _) = stage.owner.call(Method::POST, &path, Some(format!(r#"{{"events":[{event}]}}"#))).await;
    assert_eq!(status, StatusCode::OK);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = stage.server.url(&format!("{path}?after_seq=1"));
    let page = client.get(url).bearer_auth(&stage.owner.token).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&event), "{page}");
}

#[tokio::test]
async fn pages_go_forward_and_backward() {
    let stage = Stage::set().await;
    let events: Vec<Value> = (2..=10).map(|n| prompt(&format!("u{n}"), "x")).collect();
    stage.owner.say(&stage.session, json!(events)).await;
    let page = async |query: &str| {
        let page = stage.owner.events(&stage.session, query).await;
        let seqs: Vec<u64> =
            page["data"].as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()).collect();
        (seqs, page["has_more"].as_bool().unwrap())
    };
    assert_eq!(page("?after_seq=0&limit=3").await, (vec![1, 2, 3], true));
    assert_eq!(page("?after_seq=7").await, (vec![8, 9, 10], false));
    assert_eq!(page("?before_seq=4&limit=2").await, (vec![2, 3], true));
    assert_eq!(page("?before_seq=3").await, (vec![1, 2], false));
    assert_eq!(page("?limit=2").await, (vec![9, 10], true));
    assert_eq!(page("?after_seq=99").await, (vec![], false));
    for bad in ["?after_seq=-1", "?after_seq=x", "?after_seq=1&before_seq=2", "?limit=1e9"] {
        let (status, _) = stage.owner.get(&format!("/v1/sessions/{}/events{bad}", stage.session)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn prompts_reach_a_reader_in_the_order_of_the_log() {
    let stage = Stage::set().await;
    let mut ws = stage.owner.subscribe(&stage.session, None).await;
    ws.next_of("welcome").await;
    assert_eq!(seqs_of(&ws.next_of("events").await), [1]);
    for n in 2..=20 {
        stage.owner.say(&stage.session, json!([prompt(&format!("u{n}"), "x")])).await;
    }
    assert_eq!(ws.read_to(20).await, (2..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_printed_prompt_is_kept_on_one_line_and_known_by_the_bytes_that_were_sent() {
    let stage = Stage::set().await;
    let path = format!("/v1/sessions/{}/events", stage.session);
    let printed = "{\"type\":\"user\",\n\"uuid\":\"p\",\r\"n\": 1.0,\"message\":{\"role\":\"user\",\"content\":\"a\\nb\"}}";
    let flat = printed.replace(['\n', '\r'], "");
    let post = async |event: &str| {
        stage.owner.call(Method::POST, &path, Some(format!(r#"{{"events":[{event}]}}"#))).await
    };
    assert_eq!(post(printed).await.0, StatusCode::OK);
    assert_eq!(post(printed).await.1["data"][0]["status"], "duplicate");
    assert_eq!(post(&flat).await.0, StatusCode::CONFLICT, "other bytes");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = stage.server.url(&format!("{path}?after_seq=1"));
    let page = client.get(url).bearer_auth(&stage.owner.token).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&flat), "{page}");
}

#[tokio::test]
async fn two_events_of_one_post_with_one_uuid_and_other_bytes_are_a_conflict() {
    let stage = Stage::set().await;
    let _worker = stage.bridge.serve("i1").await;
    let control = |subtype: &str| json!({ "type": "control_request", "uuid": "c", "request_id": "c", "request": { "subtype": subtype } });
    for twins in [
        json!([prompt("u", "one"), prompt("u", "two")]),
        json!([control("interrupt"), control("mcp_status")]),
    ] {
        assert_eq!(stage.owner.say(&stage.session, twins).await.0, StatusCode::CONFLICT);
    }
    let (status, _) = stage.owner.say(&stage.session, json!([prompt("u", "two")])).await;
    assert_eq!(status, StatusCode::OK, "nothing of the refused POST was kept");
    let (_, posted) = stage.owner.say(&stage.session, json!([control("mcp_status")])).await;
    assert_eq!(posted["data"][0]["status"], "accepted");
}

#[tokio::test]
async fn control_requests_travel_apart_from_prompts() {
    let stage = Stage::set().await;
    let mut worker = stage.bridge.serve("i1").await;
    let control = json!({ "type": "control_request", "uuid": "c", "request_id": "c", "request": { "subtype": "interrupt" } });
    let (status, error) = stage.owner.say(&stage.session, json!([prompt("u", "x"), control])).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error["error"]["message"].as_str().unwrap().contains("apart from prompts"), "{error}");
    assert_eq!(stage.owner.events(&stage.session, "?after_seq=1").await["data"], json!([]));
    stage.owner.say(&stage.session, json!([prompt("u2", "x")])).await;
    while worker.link.next_of("deliver").await["event"]["uuid"] != "u2" {}
}
