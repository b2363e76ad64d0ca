//! A paired device: its key, its access token, and REST calls over whatever network it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::wire::rest::{EventsPage, challenge_text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// A token is renewed when this much of its life is gone: it lives ten minutes.
const TOKEN_FRESH: Duration = Duration::from_secs(300);
/// A call without an answer is given up.
const CALL_TIME: Duration = Duration::from_secs(15);
/// Rows of one page.
const PAGE_ROWS: usize = 1_000;

/// A paired device. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Device {
    http: reqwest::Client,
    /// Where this device finds the server.
    url: String,
    identity: Arc<Identity>,
}

#[derive(Debug)]
struct Identity {
    id: String,
    secret: SigningKey,
    token: Mutex<Option<(String, Instant)>>,
}

/// What came of pairing.
#[derive(Debug)]
pub enum Paired {
    /// Nobody was there before: the owner.
    Owner(Device),
    /// An owner has to confirm it.
    Waiting(Device, String),
}

impl Device {
    /// Redeems `code` under `name`. Secrets are made of the name: these devices meet nobody but their own server.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn pair(url: &str, code: &str, name: &str) -> Result<Paired> {
        let http = http()?;
        let mut seed = [0_u8; 32];
        seed.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
        let secret = SigningKey::from_bytes(&seed);
        let key = URL_SAFE_NO_PAD.encode(secret.verifying_key().to_bytes());
        let body = json!({"code": code, "device_name": name, "public_key": {"alg": "EdDSA", "key": key}});
        let answer = http.post(format!("{url}/v1/auth/pair")).json(&body).send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        ensure!(status.is_success(), "pairing: {status} {answer}");
        let id = answer["device_id"].as_str().with_context(|| answer.to_string())?.to_owned();
        let token = answer["access_token"].as_str().map(|token| (token.to_owned(), Instant::now()));
        let identity = Arc::new(Identity { id, secret, token: Mutex::new(token) });
        let device = Self { http, url: url.to_owned(), identity };
        Ok(match answer["confirm_code"].as_str() {
            Some(code) => Paired::Waiting(device, code.to_owned()),
            None => Paired::Owner(device),
        })
    }

    /// The same device over another network.
    ///
    /// # Errors
    /// When there is no room for another client.
    pub fn through(&self, url: &str) -> Result<Self> {
        Ok(Self { http: http()?, url: url.to_owned(), identity: Arc::clone(&self.identity) })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.identity.id
    }

    /// Where it finds the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An access token that is not about to end.
    ///
    /// # Errors
    /// When the server is not there, or refuses.
    pub async fn token(&self) -> Result<String> {
        let mut held = self.identity.token.lock().await;
        if let Some((token, since)) = &*held
            && since.elapsed() < TOKEN_FRESH
        {
            return Ok(token.clone());
        }
        let token = self.sign_in().await?;
        *held = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    /// Forgets the token: the next call signs in anew.
    pub async fn forget_token(&self) {
        *self.identity.token.lock().await = None;
    }

    async fn sign_in(&self) -> Result<String> {
        let ask = async |path: &str, body: Value| -> Result<Value> {
            let answer = self.http.post(format!("{}{path}", self.url)).json(&body).send().await?;
            Ok(answer.error_for_status()?.json().await?)
        };
        let challenge = ask("/v1/auth/challenge", json!({"device_id": self.identity.id})).await?;
        let nonce = challenge["nonce"].as_str().context("no nonce")?;
        let id = DeviceId::parse(&self.identity.id).context("the id of a device")?;
        let signature = self.identity.secret.sign(challenge_text(&id, nonce).as_bytes()).to_bytes();
        let body = json!({
            "device_id": self.identity.id, "nonce": nonce, "signature": URL_SAFE_NO_PAD.encode(signature),
        });
        let granted = ask("/v1/auth/token", body).await?;
        Ok(granted["access_token"].as_str().context("no token")?.to_owned())
    }

    /// One call, its status and its body (null when it is no JSON).
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.bearer_auth(self.token().await?).timeout(CALL_TIME);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            self.forget_token().await;
        }
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// A call that has to succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn must(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.call(method, path, body.map(|body| body.to_string())).await?;
        ensure!(status.is_success(), "{path}: {status} {answer}");
        Ok(answer)
    }

    /// Posts events, and says what became of it.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, session: &str, events: &[Value]) -> Result<(StatusCode, Value)> {
        let body = json!({"events": events}).to_string();
        self.call(Method::POST, &format!("/v1/sessions/{session}/events"), Some(body)).await
    }

    /// A new session in the only environment.
    ///
    /// # Errors
    /// When it is not made.
    pub async fn new_session(&self) -> Result<String> {
        let made = self.must(Method::POST, "/v1/sessions", Some(json!({"title": "wired"}))).await?;
        Ok(made["id"].as_str().with_context(|| made.to_string())?.to_owned())
    }

    /// One page of a log.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn page(
        &self,
        session: &str,
        after_seq: Option<u64>,
        before_seq: Option<u64>,
        limit: usize,
    ) -> Result<EventsPage> {
        let mut path = format!("{}/v1/sessions/{session}/events?limit={limit}", self.url);
        for (name, position) in [("after_seq", after_seq), ("before_seq", before_seq)] {
            path += &position.map(|position| format!("&{name}={position}")).unwrap_or_default();
        }
        let call = self.http.get(path).bearer_auth(self.token().await?).timeout(CALL_TIME);
        Ok(call.send().await?.error_for_status()?.json().await?)
    }

    /// The whole log of a session, in the order the server has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn log(&self, session: &str) -> Result<Vec<(u64, Value)>> {
        let mut rows = Vec::new();
        loop {
            let after = rows.last().map_or(0, |(seq, _)| *seq);
            let page = self.page(session, Some(after), None, PAGE_ROWS).await?;
            for row in page.data {
                rows.push((row.seq, row.event.read().context("an event of the log")?));
            }
            if !page.has_more {
                return Ok(rows);
            }
        }
    }
}

fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?)
}
