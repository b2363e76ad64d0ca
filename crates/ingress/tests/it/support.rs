//! A running ingress and its peers: people's devices, a bridge, and sockets that fail a test instead of hanging it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_ingress::{Clock, Ingress, IngressConfig, SystemClock, SystemEntropy, start_with};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{PublicKey, challenge_text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything here takes, shorter than a person waits for a red test.
const DEADLINE: Duration = Duration::from_secs(20);

/// A clock that starts at the present and stands still until it is moved.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) struct Server {
    pub ingress: Ingress,
    pub clock: Arc<TestClock>,
    dir: TempDir,
}

pub(crate) fn config(dir: &Path) -> IngressConfig {
    IngressConfig {
        data_dir: dir.join("data"),
        listen: "127.0.0.1:0".parse().unwrap(),
        allowed_origins: vec!["http://127.0.0.1:8080".into()],
        web_root: None,
        behind_proxy: false,
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(TestClock(AtomicU64::new(SystemClock.now_ms())));
        Self::start_in(dir, clock).await
    }

    async fn start_in(dir: TempDir, clock: Arc<TestClock>) -> Self {
        let clock_of = Arc::clone(&clock);
        let ingress = start_with(config(dir.path()), clock_of, Arc::new(SystemEntropy)).await.unwrap();
        Self { ingress, clock, dir }
    }

    /// Stops and starts again over the same data.
    pub(crate) async fn restart(self) -> Self {
        let Self { ingress, clock, dir } = self;
        ingress.shutdown().await;
        Self::start_in(dir, clock).await
    }

    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.ingress.local_addr()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub(crate) fn anonymous(&self) -> Device {
        Device { address: self.address(), token: String::new(), id: None }
    }

    /// Calls without a key, with a code.
    pub(crate) async fn pair(&self, name: &str, key: &Key) -> (StatusCode, Value) {
        let code = self.ingress.pairing_code().await.unwrap();
        self.pair_with(&code, name, key).await
    }

    pub(crate) async fn pair_with(&self, code: &str, name: &str, key: &Key) -> (StatusCode, Value) {
        let body = json!({ "code": code, "device_name": name, "public_key": key.public() });
        self.anonymous().post("/v1/auth/pair", &body).await
    }

    /// The first device.
    pub(crate) async fn owner(&self) -> Device {
        let (status, body) = self.pair("owner", &Key::ed25519(1)).await;
        assert_eq!((status, &body["role"]), (StatusCode::OK, &json!("owner")), "{body}");
        self.device(&body)
    }

    pub(crate) fn device(&self, granted: &Value) -> Device {
        let id = DeviceId::parse(granted["device_id"].as_str().unwrap()).unwrap();
        let token = granted["access_token"].as_str().unwrap().to_owned();
        Device { address: self.address(), token, id: Some(id) }
    }

    /// A device of that role, admitted by this process.
    pub(crate) async fn admit(&self, role: Role, seed: u8) -> Device {
        let key = Key::ed25519(seed);
        let public: PublicKey = serde_json::from_value(key.public()).unwrap();
        let id = self.ingress.provision_device(&format!("{role:?}"), role, public).await.unwrap();
        let (status, body) = self.sign_in(&id, &key).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        self.device(&body)
    }

    /// Challenge, signature, token.
    pub(crate) async fn sign_in(&self, id: &DeviceId, key: &Key) -> (StatusCode, Value) {
        let device = self.anonymous();
        let (status, challenge) = device.post("/v1/auth/challenge", &json!({ "device_id": id })).await;
        if status != StatusCode::OK {
            return (status, challenge);
        }
        let nonce = challenge["nonce"].as_str().unwrap();
        let signature = key.sign(&challenge_text(id, nonce));
        device
            .post("/v1/auth/token", &json!({ "device_id": id, "nonce": nonce, "signature": signature }))
            .await
    }
}

/// A device's key pair.
pub(crate) enum Key {
    Ed25519(SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl Key {
    pub(crate) fn ed25519(seed: u8) -> Self {
        Self::Ed25519(SigningKey::from_bytes(&[seed; 32]))
    }

    pub(crate) fn p256(seed: u8) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub(crate) fn public(&self) -> Value {
        let (alg, key) = match self {
            Self::Ed25519(key) => ("EdDSA", key.verifying_key().to_bytes().to_vec()),
            Self::P256(key) => ("ES256", key.verifying_key().to_encoded_point(false).as_bytes().to_vec()),
        };
        json!({ "alg": alg, "key": URL_SAFE_NO_PAD.encode(key) })
    }

    pub(crate) fn sign(&self, text: &str) -> String {
        let bytes = match self {
            Self::Ed25519(key) => key.sign(text.as_bytes()).to_bytes().to_vec(),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    p256::ecdsa::signature::Signer::sign(key, text.as_bytes());
                signature.to_bytes().to_vec()
            }
        };
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Somebody who calls, with or without a token.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub address: SocketAddr,
    pub token: String,
    pub id: Option<DeviceId>,
}

impl Device {
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.call(Method::PATCH, path, Some(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::DELETE, path, None).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<String>) -> (StatusCode, Value) {
        let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        let mut request = client.request(method, format!("http://{}{path}", self.address));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        };
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(value["type"], "error", "every error has one shape: {status} {value}");
            assert!(value["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{value}");
        }
        (status, value)
    }

    /// The uplink.
    pub(crate) async fn say(&self, session: &str, events: Value) -> (StatusCode, Value) {
        self.post(&format!("/v1/sessions/{session}/events"), &json!({ "events": events })).await
    }

    pub(crate) async fn events(&self, session: &str, query: &str) -> Value {
        let (status, page) = self.get(&format!("/v1/sessions/{session}/events{query}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page
    }

    /// A `portcullis.v1` socket that has said who it is.
    pub(crate) async fn subscribe(&self, session: &str, resume: Option<Value>) -> Ws {
        let mut ws =
            self.socket(&format!("/v1/sessions/ws/{session}/subscribe?dialect=portcullis.v1"), &[]).await;
        let mut auth = json!({ "type": "auth", "credential": { "type": "oauth", "token": self.token } });
        if let Some(resume) = resume {
            auth["resume"] = resume;
        }
        ws.send(&auth).await;
        ws
    }

    pub(crate) async fn socket(&self, path: &str, headers: &[(&'static str, &str)]) -> Ws {
        self.try_socket(path, headers).await.unwrap()
    }

    pub(crate) async fn try_socket(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Ws, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) =
            tokio::time::timeout(DEADLINE, connect_async(request)).await.expect("a handshake in time")?;
        Ok(Ws(socket))
    }
}

pub(crate) struct Ws(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Ws {
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text, as JSON.
    pub(crate) async fn next(&mut self) -> Value {
        let text = self.next_text().await;
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn next_text(&mut self) -> String {
        loop {
            match self.message().await {
                Some(Message::Text(text)) => return text.as_str().to_owned(),
                Some(Message::Close(frame)) => panic!("closed: {frame:?}"),
                Some(_) => {}
                None => panic!("the socket ended"),
            }
        }
    }

    /// The next frame of that type; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                let frame = self.next().await;
                if frame["type"] == kind {
                    return frame;
                }
            }
        });
        // Heartbeats go on for ever: a frame that never comes has to fail the test.
        found.await.unwrap_or_else(|_| panic!("no `{kind}` came"))
    }

    /// Acknowledges events until `seq` or more came, and returns the seqs in the order they came.
    pub(crate) async fn read_to(&mut self, seq: u64) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.last().is_none_or(|last| *last < seq) {
            let frame = self.next_of("events").await;
            seqs.extend(seqs_of(&frame));
            self.send(&json!({ "type": "ack", "seq": seqs.last() })).await;
        }
        seqs
    }

    /// The code the server closes with; whatever comes before is passed over.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.message().await {
                Some(Message::Close(Some(frame))) => return frame.code.into(),
                Some(Message::Close(None)) | None => return 1006,
                Some(_) => {}
            }
        }
    }

    async fn message(&mut self) -> Option<Message> {
        tokio::time::timeout(DEADLINE, self.0.next()).await.expect("a frame in time").and_then(Result::ok)
    }
}

pub(crate) fn seqs_of(frame: &Value) -> Vec<u64> {
    frame["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

pub(crate) fn prompt(uuid: &str, text: &str) -> Value {
    json!({
        "type": "user", "uuid": uuid, "session_id": "", "parent_tool_use_id": null,
        "message": { "role": "user", "content": text },
    })
}

/// A registered bridge.
pub(crate) struct Bridge {
    pub device: Device,
    pub environment: String,
    pub secret: Device,
}

pub(crate) fn registration() -> Value {
    json!({
        "machine_name": "box", "directory": "/home/user/project", "max_sessions": 4, "agents": ["builtin"],
        "permission_modes": ["plan", "default", "acceptEdits"],
    })
}

impl Bridge {
    pub(crate) async fn register(server: &Server) -> Self {
        let device = server.admit(Role::Bridge, 200).await;
        Self::register_as(device).await
    }

    pub(crate) async fn register_as(device: Device) -> Self {
        let (status, body) = device.post("/v1/environments/bridge", &registration()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let environment = body["environment_id"].as_str().unwrap().to_owned();
        let secret = device.with_token(body["environment_secret"].as_str().unwrap());
        Self { device, environment, secret }
    }

    pub(crate) async fn poll(&self, block_ms: u64) -> (StatusCode, Value) {
        self.secret.get(&format!("/v1/environments/{}/work/poll?block_ms={block_ms}", self.environment)).await
    }

    pub(crate) async fn work_call(&self, device: &Device, work: &str, call: &str) -> (StatusCode, Value) {
        device.post(&format!("/v1/environments/{}/work/{work}/{call}", self.environment), &json!({})).await
    }

    /// Polls, takes the item, and opens the link.
    pub(crate) async fn serve(&self, incarnation: &str) -> Worker {
        let (_, item) = self.poll(5_000).await;
        let lease = self.take(&item).await;
        Worker::attach(lease, incarnation).await
    }

    pub(crate) async fn take(&self, item: &Value) -> Lease {
        let work = item["id"].as_str().unwrap_or_else(|| panic!("no work: {item}")).to_owned();
        let (status, body) = self.work_call(&self.secret, &work, "ack").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let secret = URL_SAFE_NO_PAD.decode(item["secret"].as_str().unwrap()).unwrap();
        let secret: Value = serde_json::from_slice(&secret).unwrap();
        let token = secret["session_ingress_token"].as_str().unwrap();
        Lease {
            work,
            session: item["data"]["id"].as_str().unwrap().to_owned(),
            device: self.secret.with_token(token),
            secret,
        }
    }
}

/// A work item that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub work: String,
    pub session: String,
    pub device: Device,
    pub secret: Value,
}

impl Lease {
    pub(crate) async fn link(&self) -> Ws {
        let bearer = format!("Bearer {}", self.device.token);
        let path = format!("/v1/session_ingress/ws/{}", self.session);
        self.device.socket(&path, &[("authorization", &bearer)]).await
    }

    pub(crate) async fn post(&self, incarnation: &str, lane: &str, items: Value) -> (StatusCode, Value) {
        let path = format!("/v1/session_ingress/session/{}/events", self.session);
        self.device.post(&path, &json!({ "incarnation": incarnation, "lane": lane, "items": items })).await
    }
}

/// A worker whose link is open.
pub(crate) struct Worker {
    pub lease: Lease,
    pub link: Ws,
    pub hello: Value,
    incarnation: String,
    content_n: u64,
    control_n: u64,
}

impl Worker {
    pub(crate) async fn attach(lease: Lease, incarnation: &str) -> Self {
        let mut link = lease.link().await;
        link.send(&json!({ "type": "attach", "incarnation": incarnation })).await;
        let hello = link.next_of("hello").await;
        let position = |name: &str| hello[name].as_u64().unwrap();
        let (content_n, control_n) = (position("content_next_n"), position("control_next_n"));
        Self { lease, link, hello, incarnation: incarnation.to_owned(), content_n, control_n }
    }

    pub(crate) async fn content(&mut self, events: &[Value]) -> Value {
        let items: Vec<Value> = events
            .iter()
            .map(|event| {
                self.content_n += 1;
                json!({ "event": { "n": self.content_n - 1, "event": event } })
            })
            .collect();
        let (status, body) = self.lease.post(&self.incarnation, "content", json!(items)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    pub(crate) async fn live(&self, stream: &str, n: u64, event: Value) {
        let item = json!({ "live": { "stream": stream, "n": n, "event": event } });
        let (status, body) = self.lease.post(&self.incarnation, "content", json!([item])).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }

    /// One item of the control lane; `n` is filled in.
    pub(crate) async fn control(&mut self, kind: &str, mut body: Value) -> (StatusCode, Value) {
        body["n"] = json!(self.control_n);
        let item = json!([{ kind: body }]);
        let answer = self.lease.post(&self.incarnation, "control", item).await;
        if answer.0 == StatusCode::OK {
            self.control_n += 1;
        }
        answer
    }

    /// Asks for permission, as an agent would.
    pub(crate) async fn ask(&mut self, request_id: &str, command: &str) -> Asked {
        let request = format!(
            r#"{{"subtype":"can_use_tool","tool_name":"Bash","input":{{"command":"{command}","n":1.0}},"tool_use_id":"t"}}"#
        );
        let asked = Asked::new(request_id, &request);
        let (status, body) = self.control("request", asked.item()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        asked
    }
}

/// A request whose bytes are known.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub request_id: String,
    pub digest: String,
    request: String,
}

impl Asked {
    pub(crate) fn new(request_id: &str, request: &str) -> Self {
        let raw = portcullis_protocol::RawJson::parse(request).unwrap();
        let digest = portcullis_protocol::approval::digest(&raw);
        Self { request_id: request_id.into(), digest, request: request.into() }
    }

    pub(crate) fn event_text(&self) -> String {
        format!(
            r#"{{"type":"control_request","request_id":"{}","request":{}}}"#,
            self.request_id, self.request
        )
    }

    pub(crate) fn item(&self) -> Value {
        let event: Value = serde_json::from_str(&self.event_text()).unwrap();
        json!({ "request_id": self.request_id, "digest": self.digest, "event": event })
    }

    pub(crate) fn deny(&self, uuid: &str) -> Value {
        self.decision(uuid, json!({ "behavior": "deny", "message": "no" }))
    }

    pub(crate) fn allow(&self, uuid: &str) -> Value {
        let request: Value = serde_json::from_str(&self.request).unwrap();
        self.decision(uuid, json!({ "behavior": "allow", "updatedInput": request["input"] }))
    }

    pub(crate) fn decision(&self, uuid: &str, response: Value) -> Value {
        json!({
            "type": "control_response", "uuid": uuid, "digest": self.digest,
            "response": { "subtype": "success", "request_id": self.request_id, "response": response },
        })
    }
}

/// A server, its owner, a bridge, and a session with a first prompt.
pub(crate) struct Stage {
    pub server: Server,
    pub owner: Device,
    pub bridge: Bridge,
    pub session: String,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let server = Server::start().await;
        let owner = server.owner().await;
        let bridge = Bridge::register(&server).await;
        let (status, session) = owner.post("/v1/sessions", &json!({ "prompt": "hello" })).await;
        assert_eq!(status, StatusCode::CREATED, "{session}");
        let session = session["id"].as_str().unwrap().to_owned();
        Self { server, owner, bridge, session }
    }
}
