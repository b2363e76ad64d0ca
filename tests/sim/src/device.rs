//! A device of a person: its key, its tokens, and the uplink with both.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_protocol::Tick;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::wire::rest::{
    Challenge, ChallengeRequest, Granted, PublicKey, TokenRequest, challenge_text,
};
use serde::Serialize;

use crate::http::{Call, Failure};
use crate::net::Network;
use crate::time::VirtualClock;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// A token is renewed this long before it ends, in ms.
const RENEW_BEFORE_MS: u64 = 60_000;

/// A key pair.
#[derive(Clone, Debug)]
pub(crate) struct Key(SigningKey);

impl Key {
    /// The key of these bytes.
    #[must_use]
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    /// Its public half.
    #[must_use]
    pub(crate) fn public(&self) -> PublicKey {
        let key = URL_SAFE_NO_PAD.encode(self.0.verifying_key().to_bytes());
        PublicKey { alg: "EdDSA".into(), key }
    }
}

/// A token and when to fetch the next.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The token.
    pub text: String,
    /// When it should be replaced.
    pub renew_at: Tick,
}

/// One device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    id: DeviceId,
    key: Key,
    network: Network,
    clock: VirtualClock,
    token: Arc<Mutex<Option<Token>>>,
}

impl Device {
    /// A device the ingress knows.
    #[must_use]
    pub(crate) fn new(id: DeviceId, key: Key, network: Network, clock: VirtualClock) -> Self {
        Self { id, key, network, clock, token: Arc::default() }
    }

    /// A token that is still good, as far as one can tell.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn token(&self) -> Result<Token, Failure> {
        let current = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match current.filter(|token| self.clock.tick() < token.renew_at) {
            Some(token) => Ok(token),
            None => self.fresh_token().await,
        }
    }

    /// A token nobody has used yet.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn fresh_token(&self) -> Result<Token, Failure> {
        let request = ChallengeRequest { device_id: self.id.clone() };
        let Challenge { nonce } = self.open_call("/v1/auth/challenge", &request).await?;
        let signature = self.key.0.sign(challenge_text(&self.id, &nonce).as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        let request = TokenRequest { device_id: self.id.clone(), nonce, signature };
        let granted: Granted = self.open_call("/v1/auth/token", &request).await?;
        let life_ms = granted.expires_in.saturating_mul(1_000);
        let renew_at = self.clock.tick().after(life_ms.saturating_sub(RENEW_BEFORE_MS));
        let token = Token { text: granted.access_token, renew_at };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    /// Calls with a token; once more with a fresh one when the first was not taken.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&str>) -> Result<String, Failure> {
        let token = self.token().await?;
        let call = |token: Token| async move {
            Call { method, path, bearer: Some(&token.text), body, patience: PATIENCE }
                .make(&self.network)
                .await
        };
        match call(token).await {
            Err(failure) if failure.status() == Some(401) => call(self.fresh_token().await?).await,
            other => other,
        }
    }

    async fn open_call<B: Serialize, T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        let body = serde_json::to_string(body).map_err(|_| Failure::Silent)?;
        Call { method: "POST", path, bearer: None, body: Some(&body), patience: PATIENCE }
            .read(&self.network)
            .await
    }
}
