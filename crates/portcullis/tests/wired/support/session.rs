//! One session as a paired device sees it: REST up, a `portcullis.v1` socket down.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_protocol::RawJson;
use portcullis_protocol::approval::digest;
use portcullis_protocol::wire::client::{Permission, ServerFrame};
use portcullis_protocol::wire::prompt::text_prompt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::PATIENCE;

/// A paired device, as far as REST goes.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, url: url.into(), token: token.into() }
    }

    /// Host and port of the ingress itself.
    pub(crate) fn address(&self) -> String {
        self.url.trim_start_matches("http://").to_owned()
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The status alone.
    pub(crate) async fn status(&self, method: Method, path: &str) -> u16 {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A new session in the only environment, with a socket on it.
    pub(crate) async fn new_session(&self) -> Session {
        let created = self.post("/v1/sessions", &json!({"title": "test"})).await;
        self.open(created["id"].as_str().unwrap_or_else(|| panic!("{created}"))).await
    }

    /// A socket on a session that is there.
    pub(crate) async fn open(&self, id: &str) -> Session {
        let host = self.url.replace("http://", "ws://");
        let address = format!("{host}/v1/sessions/ws/{id}/subscribe?dialect=portcullis.v1");
        let (mut socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
        let auth = json!({"type": "auth", "credential": {"type": "oauth", "token": self.token}});
        socket.send(Message::text(auth.to_string())).await.unwrap();
        Session { id: id.into(), client: self.clone(), socket, seen: Seen::default() }
    }
}

/// What a person answers.
pub(crate) enum Decision {
    Allow,
    Deny(&'static str),
}

pub(crate) struct Session {
    pub(crate) id: String,
    client: Client,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    seen: Seen,
}

/// What the socket brought and no test has asked for yet.
#[derive(Debug, Default)]
struct Seen {
    events: VecDeque<Value>,
    live: VecDeque<Value>,
    permissions: VecDeque<(Value, Option<RawJson>)>,
    replies: VecDeque<Value>,
    /// What the worker last said of itself.
    worker: Option<Value>,
    /// The raw `control_request` of each request: its bytes are approved.
    requests: Vec<(Value, RawJson)>,
}

impl Session {
    pub(crate) async fn prompt(&self, text: &str) {
        let event = text_prompt(&uuid::Uuid::new_v4().to_string(), text);
        self.send(event.as_str()).await;
    }

    /// The whole log, read without the socket.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let mut log = Vec::new();
        loop {
            let path = format!("/v1/sessions/{}/events?limit=1000&after_seq={}", self.id, log.len());
            let page = self.client.get(&path).await;
            let rows = page["data"].as_array().unwrap();
            log.extend(rows.iter().map(|row| row["event"].clone()));
            if page["has_more"] != true {
                return log;
            }
        }
    }

    /// The next step to `state` of any request.
    pub(crate) async fn permission(&mut self, state: &str) -> Value {
        self.wait(&format!("a permission that is {state}"), |seen| {
            let at = seen.permissions.iter().position(|(permission, _)| permission["state"] == state)?;
            let (permission, event) = seen.permissions.remove(at)?;
            if let Some(event) = event {
                seen.requests.push((permission["request_id"].clone(), event));
            }
            Some(permission)
        })
        .await
    }

    /// Answers `permission`, bound to the bytes that came with it.
    pub(crate) async fn decide(&self, permission: &Value, decision: &Decision) {
        #[derive(serde::Deserialize)]
        struct Request {
            request: RawJson,
        }
        let (_, event) = self.seen.requests.iter().find(|(id, _)| *id == permission["request_id"]).unwrap();
        let Request { request } = event.read().unwrap();
        assert_eq!(permission["digest"], digest(&request).as_str());
        let answer = match decision {
            Decision::Allow => {
                json!({"behavior": "allow", "updatedInput": permission["event"]["request"]["input"]})
            }
            Decision::Deny(message) => json!({"behavior": "deny", "message": message}),
        };
        let event = json!({
            "type": "control_response", "uuid": uuid::Uuid::new_v4().to_string(), "digest": digest(&request),
            "response": {"subtype": "success", "request_id": permission["request_id"], "response": answer},
        });
        self.send(&event.to_string()).await;
    }

    /// Sends a control request and waits for its private answer.
    pub(crate) async fn control(&mut self, request: Value) -> Value {
        let id = uuid::Uuid::new_v4().to_string();
        let event = json!({"type": "control_request", "uuid": id, "request_id": id, "request": request});
        self.send(&event.to_string()).await;
        self.wait("a reply", |seen| seen.replies.pop_front()).await["event"].clone()
    }

    /// The next event that `fits`.
    pub(crate) async fn event(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait("an event", |seen| {
            let at = seen.events.iter().position(&fits)?;
            seen.events.drain(..=at).next_back()
        })
        .await
    }

    /// Waits until the worker's state `fits`.
    pub(crate) async fn worker(&mut self, fits: impl Fn(&Value) -> bool) {
        self.wait("a state of the worker", |seen| seen.worker.take().filter(&fits)).await;
    }

    /// The next volatile event.
    pub(crate) async fn live(&mut self) -> Value {
        self.wait("a live event", |seen| seen.live.pop_front()).await
    }

    async fn send(&self, event: &str) {
        let event: Value = serde_json::from_str(event).unwrap();
        let path = format!("/v1/sessions/{}/events", self.id);
        let posted = self.client.post(&path, &json!({"events": [event]})).await;
        assert_eq!(posted["data"][0]["status"], "accepted", "{posted}");
    }

    async fn wait(&mut self, what: &str, mut take: impl FnMut(&mut Seen) -> Option<Value>) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = take(&mut self.seen) {
                return found;
            }
            let Ok(frame) = tokio::time::timeout_at(deadline, self.socket.next()).await else {
                panic!("{what} did not come: {:?}", self.seen);
            };
            match frame {
                Some(Ok(Message::Text(text))) => self.take_frame(text.as_str()).await,
                Some(Ok(_)) => {}
                other => panic!("the socket ended: {other:?}"),
            }
        }
    }

    async fn take_frame(&mut self, text: &str) {
        let frame = ServerFrame::parse(text).unwrap();
        if let ServerFrame::Welcome(welcome) = &frame {
            self.seen.permissions.extend(welcome.pending.iter().map(shown));
        }
        if let ServerFrame::Permission(permission) = &frame {
            self.seen.permissions.push_back(shown(permission));
        }
        if let ServerFrame::Events(events) = &frame
            && let Some(last) = events.events.last()
        {
            let ack = json!({"type": "ack", "seq": last.seq});
            self.socket.send(Message::text(ack.to_string())).await.unwrap();
            self.seen.events.extend(events.events.iter().map(|row| row.event.read::<Value>().unwrap()));
        }
        if let ServerFrame::Worker(worker) = &frame {
            self.seen.worker = worker.worker_state.as_ref().map(|state| serde_json::to_value(state).unwrap());
        }
        if let ServerFrame::Live(live) = &frame {
            self.seen.live.extend(live.events.iter().map(|row| row.event.read::<Value>().unwrap()));
        }
        if let ServerFrame::Reply(_) = &frame {
            self.seen.replies.push_back(serde_json::from_str(text).unwrap());
        }
    }
}

/// A permission to look at, and the raw request that came with it.
fn shown(permission: &Permission) -> (Value, Option<RawJson>) {
    (serde_json::to_value(permission).unwrap(), permission.event.clone())
}
