//! The system the official client talks to: the real demo, an owner, and a device that an owner let in and allowed to
//! answer approvals without digests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::wire::rest::challenge_text;
use portcullis_tests::patience::SOON;
use portcullis_tests::processes::Family;
use portcullis_tests::system::given;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Secrets of this test's two devices; nobody else meets this server.
const OWNER_SECRET: [u8; 32] = [1; 32];
const DEVICE_SECRET: [u8; 32] = [2; 32];

/// A running demo that lets pages of one more origin in.
#[derive(Debug)]
pub(crate) struct Stage {
    family: Family,
    folder: TempDir,
    ready: Value,
    http: Client,
    owner_token: String,
}

impl Stage {
    /// Starts the demo and pairs its owner.
    pub(crate) async fn set(origin: &str) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("portcullis-sdk-").tempdir().context("making a folder")?;
        let temporary = folder.path().join("tmp");
        fs::create_dir(&temporary)?;
        let mut command = Command::new(given("PORTCULLIS_BIN")?);
        command.args(["demo", "--json", "--no-open", "--listen=127.0.0.1:0"]);
        command.arg(format!("--allow-origin={origin}")).arg(data_dir(folder.path()));
        command.env("TMPDIR", temporary).current_dir(folder.path());
        let log = File::create(folder.path().join("portcullis.log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut family = Family::start("portcullis demo", &mut command)?;
        let Ok(line) = family.lines()?.recv_timeout(SOON) else {
            bail!("the demo did not become ready:\n{}", log_of(folder.path()));
        };
        let ready: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        let http = Client::builder().no_proxy().build()?;
        let mut stage = Self { family, folder, ready, http, owner_token: String::new() };
        let body = json!({
            "code": stage.ready["pair_code"], "device_name": "owner", "public_key": public_key(&OWNER_SECRET),
        });
        let granted = stage.call(Method::POST, "/v1/auth/pair", &body).await?;
        ensure!(granted["role"] == "owner", "{granted}");
        stage.owner_token = text(&granted, "access_token")?;
        Ok(stage)
    }

    /// Pairs a second device with a key of its own, lets it in as an approver, and grants it approvals over the plain
    /// dialect. Returns its access token.
    pub(crate) async fn admit_plain_approver(&self) -> Result<String> {
        let pair = Command::new(given("PORTCULLIS_BIN")?)
            .args(["pair", "--json", &data_dir(self.folder.path())])
            .output()
            .context("asking for another code")?;
        let link: Value = serde_json::from_slice(&pair.stdout).context("reading the code")?;
        let key = public_key(&DEVICE_SECRET);
        let body = json!({ "code": link["pair_code"], "device_name": "official client", "public_key": key });
        let waiting = self.call(Method::POST, "/v1/auth/pair", &body).await?;
        let id = text(&waiting, "device_id")?;
        let patch = json!({ "confirm": true, "role": "approver", "plain_approve": true });
        let device = self.call(Method::PATCH, &format!("/v1/auth/devices/{id}"), &patch).await?;
        ensure!(device["plain_approve"] == true && device["role"] == "approver", "{device}");

        let challenge = self.call(Method::POST, "/v1/auth/challenge", &json!({ "device_id": id })).await?;
        let nonce = text(&challenge, "nonce")?;
        let said = challenge_text(&DeviceId::parse(&*id)?, &nonce);
        let signature =
            URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&DEVICE_SECRET).sign(said.as_bytes()).to_bytes());
        let proof = json!({ "device_id": id, "nonce": nonce, "signature": signature });
        text(&self.call(Method::POST, "/v1/auth/token", &proof).await?, "access_token")
    }

    /// A new session in the demo's project.
    pub(crate) async fn new_session(&self) -> Result<String> {
        text(&self.call(Method::POST, "/v1/sessions", &json!({ "title": "official client" })).await?, "id")
    }

    /// What the server says about a session, or what lies below it.
    pub(crate) async fn session(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, &format!("/v1/sessions/{path}"), &Value::Null).await
    }

    /// Where the official client subscribes to a session, as the hosted service spells it.
    pub(crate) fn subscription(&self, session: &str) -> Result<String> {
        let host = text(&self.ready, "url")?.replace("http://", "ws://");
        Ok(format!("{host}/v1/sessions/ws/{session}/subscribe?organization_uuid=org"))
    }

    /// A file of the demo's project.
    pub(crate) fn project_file(&self, name: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(text(&self.ready, "project")?).join(name))
    }

    /// What it logged, for the message of a failed test.
    pub(crate) fn log(&self) -> String {
        log_of(self.folder.path())
    }

    /// Ends it, and fails if a process stays.
    pub(crate) fn end(mut self) -> Result<()> {
        self.family.end().with_context(|| log_of(self.folder.path()))
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", text(&self.ready, "url")?));
        if !self.owner_token.is_empty() {
            request = request.bearer_auth(&self.owner_token);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let said = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status} {said}");
        serde_json::from_str(&said).with_context(|| format!("{path}: {said}"))
    }
}

fn public_key(secret: &[u8; 32]) -> Value {
    let key = SigningKey::from_bytes(secret).verifying_key();
    json!({ "alg": "EdDSA", "key": URL_SAFE_NO_PAD.encode(key.to_bytes()) })
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {value}"))
}

fn data_dir(folder: &Path) -> String {
    format!("--data-dir={}", folder.join("data").display())
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("portcullis.log")).unwrap_or_default()
}
