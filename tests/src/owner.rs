//! Somebody who owns the server and looks at it by REST, past every page: what the log holds is what happened.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use portcullis_protocol::RawJson;
use portcullis_protocol::approval::digest;
use portcullis_protocol::wire::rest::EventsPage;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::patience::{SOON, until};

/// The secret of a device that only this test's server ever meets.
const SECRET: [u8; 32] = [1; 32];
/// Events of a page, the most there is.
const PAGE_EVENTS: u64 = 1000;

/// The first device of a server.
#[derive(Debug)]
pub struct Owner {
    http: Client,
    url: String,
    token: String,
}

impl Owner {
    /// Redeems the first code of a fresh server.
    pub async fn pair(url: &str, code: &str) -> Result<Self> {
        let http = Client::builder().no_proxy().build()?;
        let mut owner = Self { http, url: url.to_owned(), token: String::new() };
        let key = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&SECRET).verifying_key().to_bytes());
        let body =
            json!({ "code": code, "device_name": "owner", "public_key": { "alg": "EdDSA", "key": key } });
        let granted = owner.call(Method::POST, "/v1/auth/pair", &body).await?;
        ensure!(granted["role"] == "owner", "{granted}");
        owner.token = granted["access_token"].as_str().context("no token")?.to_owned();
        Ok(owner)
    }

    /// Lets in the one device that waits for it, once it does.
    pub async fn admit(&self, role: &str) -> Result<()> {
        let device = until("a device that waits to be let in", SOON, async || {
            let devices = self.get("/v1/auth/devices").await?;
            let mut known = devices["data"].as_array().context("no devices")?.iter();
            Ok(known.find(|device| device["confirm_code"].is_string()).cloned())
        })
        .await?;
        let id = device["id"].as_str().context("a device without an id")?;
        let patch = json!({ "confirm": true, "role": role });
        self.call(Method::PATCH, &format!("/v1/auth/devices/{id}"), &patch).await.map(drop)
    }

    /// Another device asks to be let in with `code`; gives the short code it would show.
    pub async fn knock(&self, url: &str, code: &str, name: &str) -> Result<String> {
        let key = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes());
        let body = json!({ "code": code, "device_name": name, "public_key": { "alg": "EdDSA", "key": key } });
        let answer = self.http.post(format!("{url}/v1/auth/pair")).json(&body).send().await?;
        let pending: Value = serde_json::from_str(&answer.text().await?)?;
        pending["confirm_code"].as_str().map(str::to_owned).with_context(|| format!("no code in {pending}"))
    }

    /// How many devices the server knows.
    pub async fn devices(&self) -> Result<usize> {
        Ok(self.get("/v1/auth/devices").await?["data"].as_array().context("no devices")?.len())
    }

    /// Waits until the machine of the bridge is there, or gone.
    pub async fn see_environment(&self, online: bool) -> Result<()> {
        until(&format!("an environment with online = {online}"), SOON, async || {
            let environments = self.get("/v1/environments").await?;
            Ok((environments["data"][0]["online"] == online).then_some(()))
        })
        .await
    }

    /// The id of the only session there is.
    pub async fn only_session(&self) -> Result<String> {
        until("the only session", SOON, async || {
            let sessions = self.get("/v1/sessions").await?;
            let [session] = sessions["data"].as_array().map(Vec::as_slice).unwrap_or_default() else {
                return Ok(None);
            };
            Ok(session["id"].as_str().map(str::to_owned))
        })
        .await
    }

    /// How many requests of a session wait for somebody.
    pub async fn pending(&self, session: &str) -> Result<u64> {
        let info = self.get(&format!("/v1/sessions/{session}")).await?;
        info["pending_count"].as_u64().with_context(|| format!("no count in {info}"))
    }

    /// Starts a session with its first prompt. Gives its id.
    pub async fn start(&self, title: &str, directory: &Path, prompt: &str) -> Result<String> {
        let environments = self.get("/v1/environments").await?;
        let machine = &environments["data"][0]["id"];
        let wanted =
            json!({ "environment_id": machine, "directory": directory, "title": title, "prompt": prompt });
        let session = self.call(Method::POST, "/v1/sessions", &wanted).await?;
        session["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {session}"))
    }

    /// Says something in a session, as another device of the same person would.
    pub async fn say(&self, session: &str, uuid: &str, text: &str) -> Result<()> {
        let message = json!({ "role": "user", "content": text });
        let event = json!({ "type": "user", "uuid": uuid, "session_id": "", "parent_tool_use_id": null, "message": message });
        let body = json!({ "events": [event] });
        self.call(Method::POST, &format!("/v1/sessions/{session}/events"), &body).await.map(drop)
    }

    /// Answers a request with "no", as another device of the same person would.
    pub async fn deny(&self, session: &str, request_id: &str, digest: &str, uuid: &str) -> Result<()> {
        let decision = json!({ "behavior": "deny", "message": "not from here", "interrupt": false });
        let response = json!({ "subtype": "success", "request_id": request_id, "response": decision });
        let event = json!({ "type": "control_response", "uuid": uuid, "session_id": "", "response": response, "digest": digest });
        let body = json!({ "events": [event] });
        self.call(Method::POST, &format!("/v1/sessions/{session}/events"), &body).await.map(drop)
    }

    /// The whole log of a session, event by event.
    pub async fn log(&self, session: &str) -> Result<Vec<Value>> {
        let events = self.raw_log(session).await?;
        events.iter().map(|event| event.read().context("an event is JSON")).collect()
    }

    /// The requests for permission that the log holds: their ids and their digests, oldest first.
    pub async fn asked(&self, session: &str) -> Result<Vec<(String, String)>> {
        #[derive(Deserialize)]
        struct Asked {
            request_id: String,
            request: RawJson,
        }
        let events = self.raw_log(session).await?;
        let requests = events.iter().filter(|event| event.as_str().contains("\"can_use_tool\""));
        let asked = requests.filter_map(|event| event.read::<Asked>().ok());
        Ok(asked.map(|asked| (asked.request_id, digest(&asked.request))).collect())
    }

    async fn raw_log(&self, session: &str) -> Result<Vec<RawJson>> {
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            let path = format!("/v1/sessions/{session}/events?after_seq={after}&limit={PAGE_EVENTS}");
            let page: EventsPage = serde_json::from_str(&self.text(Method::GET, &path, &Value::Null).await?)?;
            for row in page.data {
                ensure!(row.seq == after + 1, "{} follows {after} in the log", row.seq);
                after = row.seq;
                events.push(row.event);
            }
            if !page.has_more {
                return Ok(events);
            }
        }
    }

    /// The prompts that people said, in the order of the log.
    pub async fn prompts(&self, session: &str) -> Result<Vec<String>> {
        let log = self.log(session).await?;
        let said = log.iter().filter(|event| event["type"] == "user" && event["isReplay"] != true);
        Ok(said.filter_map(|event| event["message"]["content"].as_str().map(str::to_owned)).collect())
    }

    /// How often the agent said exactly this: an `@say` that reached it twice is answered twice.
    pub async fn times_said(&self, session: &str, text: &str) -> Result<usize> {
        let log = self.log(session).await?;
        let lines = log.iter().filter(|event| event["type"] == "assistant");
        Ok(lines.filter(|line| line["message"]["content"][0]["text"] == text).count())
    }

    /// Waits until the agent said each of these, and fails unless each was asked for and said exactly once, in this
    /// order.
    pub async fn see_each_said_once(&self, session: &str, texts: &[&str]) -> Result<()> {
        for text in texts {
            until(&format!("the agent to say {text:?}"), SOON, async || {
                Ok((self.times_said(session, text).await? > 0).then_some(()))
            })
            .await?;
        }
        let prompts = self.prompts(session).await?;
        let wanted: Vec<_> = texts.iter().map(|text| format!("@say {text}")).collect();
        let asked: Vec<_> = prompts.iter().filter(|prompt| wanted.contains(prompt)).cloned().collect();
        ensure!(asked == wanted, "asked: {asked:#?}, wanted: {wanted:#?}");
        for text in texts {
            let times = self.times_said(session, text).await?;
            ensure!(times == 1, "the agent said {text:?} {times} times");
        }
        Ok(())
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, &Value::Null).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let said = self.text(method, path, body).await?;
        if said.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&said).with_context(|| format!("{path}: {said}"))
    }

    async fn text(&self, method: Method, path: &str, body: &Value) -> Result<String> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let said = answer.text().await?;
        if !status.is_success() {
            bail!("{path}: {status} {said}");
        }
        Ok(said)
    }
}
