//! Who may reach the server at all: names, origins, media types, and the shape of what it says to strangers.

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Server, Stage};

/// Sends `head` as it is and returns the answer.
async fn raw(server: &Server, head: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(20), stream.read_to_end(&mut answer));
    read.await.expect("an answer in time").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {answer}")).parse().unwrap()
}

#[tokio::test]
async fn answers_under_its_own_names_alone() {
    let server = Server::start().await;
    let port = server.address().port();
    for good in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "127.0.0.1:8080".into()] {
        assert_eq!(
            status(&raw(&server, &get("/healthz", &format!("Host: {good}\r\n"))).await),
            200,
            "{good}"
        );
    }
    for bad in [
        "Host: evil.com\r\n".to_owned(),
        format!("Host: localhost.evil.com:{port}\r\n"),
        format!("Host: 127.0.0.1.nip.io:{port}\r\n"),
        format!("Host: localhost.:{port}\r\n"),
        format!("Host: localhost:{}\r\n", port.wrapping_add(1)),
        "Host: 127.0.0.1\r\n".into(),
        String::new(),
        format!("Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}\r\n"),
    ] {
        for path in ["/healthz", "/", "/v1/sessions", "/metrics"] {
            let answer = raw(&server, &get(path, &bad)).await;
            assert!(matches!(status(&answer), 400 | 403), "{bad} {path} {answer}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_origin_gets_nothing_not_even_with_a_token() {
    let Stage { server, owner, session, .. } = Stage::set().await;
    let port = server.address().port();
    let host = format!("Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {}\r\n", owner.token);
    for origin in ["null", "http://evil.com", "http://127.0.0.1:3000", "http://localhost.evil.com", "file://"]
    {
        let headers = format!("{host}Origin: {origin}\r\n");
        for path in ["/v1/sessions", "/v1/auth/whoami", "/healthz", "/"] {
            assert_eq!(status(&raw(&server, &get(path, &headers)).await), 403, "{origin} {path}");
        }
        let path = format!("/v1/sessions/ws/{session}/subscribe?dialect=portcullis.v1");
        assert!(owner.try_socket(&path, &[("origin", origin)]).await.is_err(), "{origin}");
    }
    for origin in [format!("http://127.0.0.1:{port}"), "http://127.0.0.1:8080".into()] {
        let headers = format!("{host}Origin: {origin}\r\n");
        assert_eq!(status(&raw(&server, &get("/v1/auth/whoami", &headers)).await), 200, "{origin}");
    }
}

#[tokio::test]
async fn a_simple_request_and_a_preflight_lead_nowhere() {
    let server = Server::start().await;
    let port = server.address().port();
    let body = r#"{"code":"c","device_name":"d"}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"] {
        let head = format!(
            "POST /v1/auth/pair HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(status(&raw(&server, &head).await), 415, "{kind}");
    }
    for origin in ["http://evil.com", "http://127.0.0.1:8080"] {
        let head = format!(
            "OPTIONS /v1/auth/pair HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\n\r\n"
        );
        let answer = raw(&server, &head).await;
        assert!(matches!(status(&answer), 403 | 405), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
    }
}

#[tokio::test]
async fn every_error_has_the_one_shape_and_no_call_is_cached_or_sets_a_cookie() {
    let server = Server::start().await;
    let device = server.anonymous();
    for (status, answer) in [
        device.get("/v1/nothing").await,
        device.get("/v1/sessions/a/b/c/d").await,
        device.delete("/v1/auth/pair").await,
        device.get("/v1/sessions").await,
        device.post("/v1/auth/pair", &json!([])).await,
        device.call(reqwest::Method::POST, "/v1/auth/pair", Some("{".into())).await,
        device.call(reqwest::Method::POST, "/v1/auth/pair", Some("x".repeat(100_000))).await,
    ] {
        assert!(status.is_client_error(), "{status} {answer}");
    }
    let port = server.address().port();
    let answer = raw(&server, &get("/v1/auth/whoami", &format!("Host: 127.0.0.1:{port}\r\n")))
        .await
        .to_ascii_lowercase();
    assert!(answer.contains("cache-control: no-store"), "{answer}");
    assert!(!answer.contains("set-cookie"), "{answer}");
    assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
}

#[tokio::test]
async fn an_id_that_could_be_a_path_or_a_flag_is_refused_before_anything_is_read() {
    let server = Server::start().await;
    let owner = server.owner().await;
    for id in ["--dangerously-skip-permissions", "-p", "a%2Fb", "..%2f..", "%00", "a%20b", &"x".repeat(65)] {
        for path in [format!("/v1/sessions/{id}"), format!("/v1/sessions/{id}/events")] {
            let (status, _) = owner.get(&path).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        }
    }
    assert_eq!(owner.get("/v1/sessions/session_unknown").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn counters_and_liveness_need_no_token() {
    let server = Server::start().await;
    let device = server.anonymous();
    assert_eq!(device.get("/healthz").await, (StatusCode::OK, json!({ "status": "ok" })));
    let (status, text) = device.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.as_str().unwrap().contains("portcullis_requests_total"), "{text}");
}
