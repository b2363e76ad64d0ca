//! Who somebody is: pairing by a one-time code, and access tokens for whoever signs a challenge with the key that
//! was paired. What a device may then do is decided where it is done.

pub(crate) mod keys;
pub(crate) mod signer;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_protocol::id::DeviceId;
use portcullis_protocol::limits::{ACCESS_TOKEN_TTL_S, CHALLENGE_TTL_S, PAIRING_CODE_TTL_S};
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{
    Granted, PairPending, PairRequest, PublicKey, TokenRequest, challenge_text,
};

use crate::seam::{Clock, Entropy, mint, secret, sha256};
use crate::store::{DeviceRow, Redeemed, Store, StoreError};
use signer::IngressKey;

/// Wrong codes from one address in one window before the answer says "later". A right code is always taken: the
/// limit spares the log, 128 bits keep the guesser out.
const WRONG_CODES_MAX: u32 = 20;
/// The window, in ms.
const WRONG_CODES_WINDOW_MS: u64 = 60_000;
/// Addresses remembered for that; beyond it the oldest window is forgotten.
const ADDRESSES_MAX: usize = 1_024;
/// Characters of a device's name.
const NAME_CHARS_MAX: usize = 100;
/// Characters of a code or a token that are looked at.
const SECRET_CHARS_MAX: usize = 256;

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("this pairing code is not known here: take the newest one, it is shown at every start")]
    UnknownCode,
    #[error("this pairing code was used before: ask for a new one with `portcullis pair`")]
    UsedCode,
    #[error("this pairing code expired: ask for a new one with `portcullis pair`")]
    ExpiredCode,
    #[error("too many wrong pairing codes: wait a minute")]
    TooManyCodes,
    #[error("a device's name has 1 to {NAME_CHARS_MAX} printable characters")]
    Name,
    #[error("the device's key is not usable: {0}")]
    Key(#[from] keys::KeyError),
    #[error("a further device needs a `public_key`")]
    KeyMissing,
    #[error("this device is paired already, as {0}: it signs in with its key and needs no code")]
    Known(DeviceId),
    #[error("an owner has not confirmed this device yet: compare the code in the owner's list of devices")]
    Waiting,
    #[error("this device is not known here, or its signature does not fit: pair it again")]
    Signature,
    #[error("this access token is not known here")]
    UnknownToken,
    #[error("this access token expired")]
    ExpiredToken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What pairing led to.
#[derive(Debug)]
pub(crate) enum Paired {
    In(Granted),
    Waiting(PairPending),
}

/// Somebody who showed a valid token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub device: DeviceRow,
    pub expires_at_ms: u64,
}

/// The one place that knows secrets.
pub(crate) struct Gate {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pub key: IngressKey,
    memory: Mutex<Memory>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

#[derive(Default)]
struct Memory {
    /// Wrong codes by address: start of the window, and how many.
    wrong_codes: HashMap<IpAddr, (u64, u32)>,
    /// Nonces that were used, until they end by themselves. Only the holder of a key can add one.
    spent: HashMap<String, u64>,
}

impl Gate {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        key: IngressKey,
    ) -> Self {
        Self { store, clock, entropy, key, memory: Mutex::default() }
    }

    /// A fresh one-time code.
    pub(crate) async fn pairing_code(&self) -> Result<String, StoreError> {
        issue_code(&*self.store, &*self.entropy, self.clock.now_ms()).await
    }

    pub(crate) async fn pair(&self, request: PairRequest, from: IpAddr) -> Result<Paired, AuthError> {
        let now_ms = self.clock.now_ms();
        let name = request.device_name.trim().to_owned();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(AuthError::Name);
        }
        if let Some(key) = &request.public_key {
            keys::check(key)?;
        }
        let code = request.code.trim();
        if code.len() > SECRET_CHARS_MAX {
            return Err(self.wrong_code(from, now_ms, AuthError::UnknownCode));
        }
        // A machine says what it is; what a person may do is for an owner to say.
        let role = request.role.filter(|role| *role == Role::Bridge).unwrap_or(Role::Viewer);
        if role == Role::Bridge && request.public_key.is_none() {
            return Err(AuthError::KeyMissing);
        }
        let candidate = self.candidate(name, role, request.public_key, Some(self.confirm_code()), now_ms)?;
        match self.store.redeem(sha256(code), candidate, now_ms).await? {
            Redeemed::Granted(device) => {
                tracing::info!(device = %device.id, role = ?device.role, "a device was paired");
                Ok(Paired::In(self.grant(&device, now_ms).await?))
            }
            Redeemed::Waiting(device) => {
                tracing::info!(device = %device.id, "a device waits for an owner's confirmation");
                let confirm_code = device.confirm_code.unwrap_or_default();
                Ok(Paired::Waiting(PairPending { device_id: device.id, confirm_code }))
            }
            Redeemed::Known(device) => Err(AuthError::Known(device)),
            Redeemed::KeyMissing => Err(AuthError::KeyMissing),
            Redeemed::Unknown => Err(self.wrong_code(from, now_ms, AuthError::UnknownCode)),
            Redeemed::Expired => Err(self.wrong_code(from, now_ms, AuthError::ExpiredCode)),
            Redeemed::Used => Err(self.wrong_code(from, now_ms, AuthError::UsedCode)),
        }
    }

    /// Admits a device of this very process without a code.
    pub(crate) async fn provision(
        &self,
        name: &str,
        role: Role,
        key: PublicKey,
    ) -> Result<DeviceId, AuthError> {
        keys::check(&key)?;
        let now_ms = self.clock.now_ms();
        let candidate = self.candidate(name.to_owned(), role, Some(key), None, now_ms)?;
        Ok(self.store.provision(candidate).await?.id)
    }

    /// A nonce for whoever asks: an unknown device gets one too, and learns nothing.
    pub(crate) async fn challenge(&self, device: &DeviceId) -> Result<String, AuthError> {
        if self.store.device(device).await?.is_some_and(|row| row.confirm_code.is_some()) {
            return Err(AuthError::Waiting);
        }
        let expires_at_ms = self.clock.now_ms().saturating_add(CHALLENGE_TTL_S * 1000);
        Ok(self.key.nonce(device, expires_at_ms, &*self.entropy))
    }

    pub(crate) async fn token(&self, request: TokenRequest) -> Result<Granted, AuthError> {
        let now_ms = self.clock.now_ms();
        let device = self.store.device(&request.device_id).await?.ok_or(AuthError::Signature)?;
        if device.confirm_code.is_some() {
            return Err(AuthError::Waiting);
        }
        let key = device.key.as_ref().ok_or(AuthError::Signature)?;
        let expiry = self.key.nonce_expiry(&device.id, &request.nonce, now_ms).ok_or(AuthError::Signature)?;
        let text = challenge_text(&device.id, &request.nonce);
        if !keys::is_signed_by(key, &text, &request.signature) || !self.spend(request.nonce, expiry, now_ms) {
            return Err(AuthError::Signature);
        }
        self.grant(&device, now_ms).await
    }

    /// The device behind an access token.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        if token.len() > SECRET_CHARS_MAX {
            return Err(AuthError::UnknownToken);
        }
        let (device, expires_at_ms) =
            self.store.token(&sha256(token)).await?.ok_or(AuthError::UnknownToken)?;
        let now_ms = self.clock.now_ms();
        if expires_at_ms <= now_ms {
            return Err(AuthError::ExpiredToken);
        }
        Ok(Caller { device, expires_at_ms })
    }

    async fn grant(&self, device: &DeviceRow, now_ms: u64) -> Result<Granted, AuthError> {
        let access_token = secret(&*self.entropy);
        let expires_at_ms = now_ms.saturating_add(ACCESS_TOKEN_TTL_S * 1000);
        self.store.add_token(sha256(&access_token), device.id.clone(), expires_at_ms, now_ms).await?;
        Ok(Granted {
            device_id: device.id.clone(),
            access_token,
            expires_in: ACCESS_TOKEN_TTL_S,
            role: device.role,
        })
    }

    fn candidate(
        &self,
        name: String,
        role: Role,
        key: Option<PublicKey>,
        confirm_code: Option<String>,
        now_ms: u64,
    ) -> Result<DeviceRow, AuthError> {
        let id = DeviceId::parse(mint(&*self.entropy, "dev_")).map_err(|_| AuthError::Signature)?;
        Ok(DeviceRow {
            id,
            name,
            role,
            key,
            plain_approve: false,
            confirm_code,
            created_at_ms: now_ms,
            last_seen_at_ms: now_ms,
        })
    }

    /// Six digits that two people compare; they protect nothing by themselves.
    fn confirm_code(&self) -> String {
        let mut bytes = [0_u8; 4];
        self.entropy.fill(&mut bytes);
        format!("{:06}", u32::from_le_bytes(bytes) % 1_000_000)
    }

    fn wrong_code(&self, from: IpAddr, now_ms: u64, error: AuthError) -> AuthError {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.wrong_codes.len() >= ADDRESSES_MAX && !memory.wrong_codes.contains_key(&from) {
            let oldest =
                memory.wrong_codes.iter().min_by_key(|(_, (start, _))| *start).map(|(from, _)| *from);
            oldest.and_then(|oldest| memory.wrong_codes.remove(&oldest));
        }
        let (start, count) = memory.wrong_codes.entry(from).or_insert((now_ms, 0));
        if now_ms.saturating_sub(*start) >= WRONG_CODES_WINDOW_MS {
            (*start, *count) = (now_ms, 0);
        }
        *count = count.saturating_add(1);
        if *count == WRONG_CODES_MAX {
            tracing::warn!(address = %from, "many wrong pairing codes");
        }
        if *count > WRONG_CODES_MAX { AuthError::TooManyCodes } else { error }
    }

    /// Marks a nonce as used; `false` when it was before.
    fn spend(&self, nonce: String, expires_at_ms: u64, now_ms: u64) -> bool {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.spent.retain(|_, expires| *expires > now_ms);
        memory.spent.insert(nonce, expires_at_ms).is_none()
    }
}

/// Mints a one-time code and keeps its hash.
pub(crate) async fn issue_code(
    store: &dyn Store,
    entropy: &dyn Entropy,
    now_ms: u64,
) -> Result<String, StoreError> {
    let code = mint(entropy, "");
    store.add_pairing_code(sha256(&code), now_ms.saturating_add(PAIRING_CODE_TTL_S * 1000), now_ms).await?;
    Ok(code)
}
