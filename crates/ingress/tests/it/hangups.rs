//! Callers that hang up while they are served, as every line does that is cut.

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Asked, Lease, Server, Stage};

/// Calls whose caller hangs up: one alone may be through before the server notices.
const CALLS: u64 = 20;

fn head(server: &Server, path: &str, token: &str, length: usize) -> String {
    let host = server.address();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

fn path(lease: &Lease) -> String {
    format!("/v1/session_ingress/session/{}/events", lease.session)
}

#[tokio::test]
async fn readers_hear_of_a_request_whose_bridge_hung_up_before_the_answer() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    let mut reader = stage.owner.subscribe(&stage.session, None).await;
    reader.next_of("welcome").await;
    for n in 0..CALLS {
        let request_id = format!("R{n}");
        let asked = Asked::new(&request_id, r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{}}"#);
        let mut item = asked.item();
        item["n"] = json!(n);
        let items = json!([{ "request": item }]);
        let body = json!({ "incarnation": "i1", "lane": "control", "items": items }).to_string();
        let mut line = TcpStream::connect(stage.server.address()).await.unwrap();
        let head = head(&stage.server, &path(&worker.lease), &worker.lease.device.token, body.len());
        line.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        drop(line);
        // As a bridge does that got no answer.
        let (status, answer) = worker.lease.post("i1", "control", items).await;
        assert_eq!((status, &answer["next_n"]), (StatusCode::OK, &json!(n + 1)), "{answer}");
        let told = reader.next_of("permission").await;
        assert_eq!((&told["request_id"], &told["state"]), (&json!(request_id), &json!("pending")));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_may_be_sent_again() {
    let stage = Stage::set().await;
    let worker = stage.bridge.serve("i1").await;
    let mut line = TcpStream::connect(stage.server.address()).await.unwrap();
    let head = head(&stage.server, &path(&worker.lease), &worker.lease.device.token, 1_000);
    line.write_all(format!("{head}{{").as_bytes()).await.unwrap();
    line.shutdown().await.unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}
