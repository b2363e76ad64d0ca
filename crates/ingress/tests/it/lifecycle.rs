//! Starting, stopping, and what is served beside the calls.

use std::sync::Arc;

use portcullis_ingress::{StartError, SystemClock, SystemEntropy, start, start_with};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Server, Stage, config, prompt};

#[tokio::test]
async fn refuses_an_address_beyond_loopback_unless_a_proxy_is_stated() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(start(config.clone()).await, Err(StartError::NotLoopback(_))));
    config.behind_proxy = true;
    let ingress = start(config).await.unwrap();
    ingress.shutdown().await;
}

#[tokio::test]
async fn two_servers_do_not_share_a_data_directory() {
    let server = Server::start().await;
    let mut second = config(std::path::Path::new("/nonexistent"));
    second.data_dir = server.data_dir();
    let refused = start_with(second, Arc::new(SystemClock), Arc::new(SystemEntropy)).await;
    assert!(matches!(refused, Err(StartError::InUse(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_data() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start().await;
    server.owner().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.data_dir()), 0o700);
    let files: Vec<_> =
        std::fs::read_dir(server.data_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("portcullis.sqlite")), "{files:?}");
    for file in files.iter().filter(|file| !file.ends_with("ingress.lock")) {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart_under_the_same_epoch() {
    let Stage { server, owner, session, .. } = Stage::set().await;
    let (status, _) = owner.say(&session, json!([prompt("u1", "more")])).await;
    assert_eq!(status, StatusCode::OK);
    let before = owner.events(&session, "?after_seq=0").await;
    let server = server.restart().await;
    let owner = crate::support::Device { address: server.address(), ..owner };
    assert_eq!(owner.events(&session, "?after_seq=0").await, before);
    let (_, again) = owner.say(&session, json!([prompt("u1", "more")])).await;
    assert_eq!(again["data"][0], json!({ "uuid": "u1", "status": "duplicate", "seq": 2 }));
}

#[tokio::test]
async fn a_reader_is_told_before_the_server_goes() {
    let Stage { server, owner, session, .. } = Stage::set().await;
    let mut ws = owner.subscribe(&session, None).await;
    ws.next_of("welcome").await;
    let stopped = tokio::spawn(server.ingress.shutdown());
    assert!(ws.next_of("goaway").await["retry_after_ms"].as_u64().is_some());
    assert_eq!(ws.closed().await, 1012);
    stopped.await.unwrap();
}

#[tokio::test]
async fn without_a_built_client_the_page_says_how_to_build_it() {
    let server = Server::start().await;
    let (status, text) = server.anonymous().get("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.as_str().unwrap().contains("cargo xtask dist"), "{text}");
}

#[tokio::test]
async fn a_browser_gets_the_smallest_file_it_can_read_under_the_same_headers() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("dist");
    std::fs::create_dir(&root).unwrap();
    let wasm = "app-0123456789abcdef_bg.wasm";
    for (name, content) in [
        ("index.html", "<!doctype html>plain"),
        ("index.html.br", "page in brotli"),
        (wasm, "plain"),
        ("app-0123456789abcdef_bg.wasm.br", "brotli"),
        ("app-0123456789abcdef_bg.wasm.gz", "gzip"),
        ("boot.js", "plain"),
    ] {
        std::fs::write(root.join(name), content).unwrap();
    }
    let mut config = config(dir.path());
    config.web_root = Some(root);
    let ingress = start(config).await.unwrap();
    let base = format!("http://{}", ingress.local_addr());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str, accepts: &'static str| {
        let request = client.get(format!("{base}/{path}")).header("accept-encoding", accepts);
        let answer = request.send().await.unwrap();
        let header = |name| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let (encoding, cache) = (header("content-encoding"), header("cache-control"));
        assert_eq!(header("vary"), "accept-encoding", "{path} for {accepts}");
        let kind = header("content-type");
        (encoding, cache.contains("immutable"), kind, answer.text().await.unwrap())
    };
    let told =
        |encoding: &str, kept, kind: &str, body: &str| (encoding.into(), kept, kind.into(), body.into());

    let kind = "application/wasm";
    assert_eq!(get(wasm, "gzip, deflate, br, zstd").await, told("br", true, kind, "brotli"));
    assert_eq!(get(wasm, "gzip").await, told("gzip", true, kind, "gzip"));
    assert_eq!(get(wasm, "gzip;q=0, br;q=0").await, told("", true, kind, "plain"));
    assert_eq!(get("boot.js", "br, gzip").await, told("", false, "text/javascript", "plain"));
    assert_eq!(get("sessions/abc", "br").await, told("br", false, "text/html", "page in brotli"));
    assert_eq!(get("sessions/abc", "gzip").await, told("", false, "text/html", "<!doctype html>plain"));
    ingress.shutdown().await;
}

#[tokio::test]
async fn serves_the_client_under_a_policy_that_runs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("dist");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    std::fs::write(root.join("index.html"), "<!doctype html><script>boot()</script>").unwrap();
    std::fs::write(root.join("app-0123456789abcdef_bg.wasm"), b"\0asm").unwrap();
    let mut config = config(dir.path());
    config.web_root = Some(root);
    let ingress = start(config).await.unwrap();
    let base = format!("http://{}", ingress.local_addr());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let page = client.get(format!("{base}/sessions/abc")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    assert_eq!(page.headers()["cross-origin-opener-policy"], "same-origin");
    assert!(page.text().await.unwrap().contains("boot()"));

    let wasm = client.get(format!("{base}/app-0123456789abcdef_bg.wasm")).send().await.unwrap();
    assert_eq!(wasm.headers()["content-type"], "application/wasm");
    assert!(wasm.headers()["cache-control"].to_str().unwrap().contains("immutable"));

    let posted = client.post(format!("{base}/anything")).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(posted.json::<serde_json::Value>().await.unwrap()["type"], "error");

    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "//etc/passwd", "/%00"] {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(ingress.local_addr()).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", ingress.local_addr());
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            !answer.contains("secret\n") && !answer.ends_with("secret") && !answer.contains("root:"),
            "{path} {answer}"
        );
    }
    ingress.shutdown().await;
}
