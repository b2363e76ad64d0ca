//! A bridge and its workers, played: they take work, keep it, and post what an agent's bridge would post, as the
//! protocol says and not faster than the server answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_wired::device::Device;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// How often a lease is renewed: it lives 90 s.
const BEAT: Duration = Duration::from_secs(20);
/// How long one call may take.
const CALL_TIME: Duration = Duration::from_secs(30);
/// Work that is offered until the wanted session is among it: more than there are sessions.
const OFFERS_MAX: usize = 64;
/// The only agent process each worker has.
const INCARNATION: &str = "inc-bench";

/// A registered machine.
#[derive(Debug)]
pub struct Bridge {
    http: reqwest::Client,
    url: String,
    environment: String,
    secret: String,
}

/// Who speaks for one session.
#[derive(Debug)]
pub struct Worker {
    http: reqwest::Client,
    /// Of the session.
    pub session: String,
    url: String,
    token: Arc<Mutex<String>>,
    content_n: u64,
    control_n: u64,
    beating: JoinHandle<()>,
    listening: JoinHandle<()>,
}

impl Bridge {
    /// Registers a machine that may hold many sessions.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn register(device: Device) -> Result<Self> {
        let wanted = json!({
            "machine_name": "bench", "directory": "/home/user/project", "max_sessions": 64,
            "agents": ["builtin"], "permission_modes": ["plan", "default", "acceptEdits"],
        });
        let made = device.must(Method::POST, "/v1/environments/bridge", Some(wanted)).await?;
        let text = |key: &str| made[key].as_str().map(str::to_owned).with_context(|| made.to_string());
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?,
            url: device.url().to_owned(),
            environment: text("environment_id")?,
            secret: text("environment_secret")?,
        })
    }

    /// A new session of `owner` with a worker that is attached.
    ///
    /// # Errors
    /// When it is not handed out.
    pub async fn session(&self, owner: &Device, title: &str) -> Result<Worker> {
        let made = owner.must(Method::POST, "/v1/sessions", Some(json!({ "title": title }))).await?;
        let session = made["id"].as_str().with_context(|| made.to_string())?;
        let poll = format!("{}/v1/environments/{}/work/poll?block_ms=20000", self.url, self.environment);
        let mut item = Value::Null;
        // Sessions of earlier scenes, which nobody serves any more, are handed out once more before it.
        for _ in 0..OFFERS_MAX {
            item = call(self.http.get(&poll).bearer_auth(&self.secret)).await?;
            if item["data"]["id"] == session {
                break;
            }
        }
        ensure!(item["data"]["id"] == session, "other work than {session}: {item}");
        let work = item["id"].as_str().context("work has an id")?;
        let base = format!("{}/v1/environments/{}/work/{work}", self.url, self.environment);
        call(self.http.post(format!("{base}/ack")).bearer_auth(&self.secret).json(&json!({}))).await?;
        let secret = URL_SAFE_NO_PAD.decode(item["secret"].as_str().context("work has a secret")?)?;
        let secret: Value = serde_json::from_slice(&secret)?;
        let token = secret["session_ingress_token"].as_str().context("a token")?.to_owned();
        self.attach(session, &base, token).await
    }

    async fn attach(&self, session: &str, base: &str, token: String) -> Result<Worker> {
        let host = self.url.replace("http://", "ws://");
        let mut request = format!("{host}/v1/session_ingress/ws/{session}").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        let attach = json!({ "type": "attach", "incarnation": INCARNATION });
        socket.send(Message::text(attach.to_string())).await?;
        let hello = socket.next().await.context("the server hung up")??;
        let hello: Value = serde_json::from_str(hello.to_text()?)?;
        ensure!(hello["type"] == "hello", "{hello}");
        let listening = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let Message::Text(text) = message else { continue };
                let Ok(frame) = serde_json::from_str::<Value>(&text) else { continue };
                if frame["type"] == "deliver" {
                    let ack = json!({ "type": "ack", "seq": frame["seq"] });
                    if socket.send(Message::text(ack.to_string())).await.is_err() {
                        return;
                    }
                }
            }
        });
        let token = Arc::new(Mutex::new(token));
        Ok(Worker {
            http: self.http.clone(),
            session: session.to_owned(),
            url: format!("{}/v1/session_ingress/session/{session}/events", self.url),
            beating: tokio::spawn(beat(self.http.clone(), base.to_owned(), Arc::clone(&token))),
            token,
            content_n: 0,
            control_n: 0,
            listening,
        })
    }
}

/// Keeps a lease, and its token fresh.
async fn beat(http: reqwest::Client, base: String, token: Arc<Mutex<String>>) {
    let mut last = "NO_HEARTBEAT".to_owned();
    loop {
        let bearer = token.lock().await.clone();
        let url = format!("{base}/heartbeat?expected_last_heartbeat={last}");
        let Ok(answer) = call(http.post(url).bearer_auth(bearer).json(&json!({}))).await else { return };
        if let Some(fresh) = answer["session_ingress_token"].as_str() {
            *token.lock().await = fresh.to_owned();
        }
        if let Some(this) = answer["last_heartbeat"].as_str() {
            last = this.to_owned();
        }
        tokio::time::sleep(BEAT).await;
    }
}

impl Worker {
    /// Posts durable events of the agent.
    ///
    /// # Errors
    /// When the server does not take them.
    pub async fn say(&mut self, events: &[Value]) -> Result<()> {
        let first = self.content_n;
        let items: Vec<Value> =
            (first..).zip(events).map(|(n, event)| json!({ "event": { "n": n, "event": event } })).collect();
        self.content_n += items.len() as u64;
        self.post("content", items).await
    }

    /// Posts volatile events of `stream`, whose first has the number `n`.
    ///
    /// # Errors
    /// When the server does not take them.
    pub async fn stream(&self, stream: &str, n: u64, events: &[Value]) -> Result<()> {
        let items = (n..)
            .zip(events)
            .map(|(n, event)| json!({ "live": { "stream": stream, "n": n, "event": event } }));
        self.post("content", items.collect()).await
    }

    /// Posts one item of the control lane.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn control(&mut self, kind: &str, mut body: Value) -> Result<()> {
        body["n"] = self.control_n.into();
        self.control_n += 1;
        let mut item = json!({});
        item[kind] = body;
        self.post("control", vec![item]).await
    }

    /// Says what the agent does.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn status(&mut self, status: &str) -> Result<()> {
        self.control("state", json!({ "state": { "status": status, "agent": "builtin" } })).await
    }

    async fn post(&self, lane: &str, items: Vec<Value>) -> Result<()> {
        let body = json!({ "incarnation": INCARNATION, "lane": lane, "items": items });
        let token = self.token.lock().await.clone();
        call(self.http.post(&self.url).bearer_auth(token).json(&body)).await.map(drop)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.beating.abort();
        self.listening.abort();
    }
}

/// One call that has to succeed.
async fn call(request: reqwest::RequestBuilder) -> Result<Value> {
    let answer = request.timeout(CALL_TIME).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{status} {text}");
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
