//! Access tokens: fetched for a signature, kept in memory alone, one call at a time however many ask.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use gloo_net::http::Method;
use portcullis_protocol::Tick;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{
    Challenge, ChallengeRequest, Device, Granted, Page, TokenRequest, challenge_text,
};

use super::api::{self, Failure};
use super::vault::Identity;
use super::{browser, keys};

/// A token is renewed this long before it ends, in ms: longer than any call takes.
const RENEW_BEFORE_MS: u64 = 60_000;

/// A token and when to fetch the next.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) renew_at: Tick,
    pub(super) role: Role,
}

type Fetch = Shared<Pin<Box<dyn Future<Output = Result<Token, Failure>>>>>;

/// The tokens of one device.
pub struct Tokens {
    identity: Identity,
    current: RefCell<Option<Token>>,
    fetching: RefCell<Option<Fetch>>,
}

impl Tokens {
    pub fn new(identity: Identity) -> Rc<Self> {
        Rc::new(Self { identity, current: RefCell::new(None), fetching: RefCell::new(None) })
    }

    /// Starts from the token that pairing gave.
    pub fn with_granted(identity: Identity, granted: &Granted) -> Rc<Self> {
        let tokens = Self::new(identity);
        tokens.current.replace(Some(token(granted)));
        tokens
    }

    /// The device they are for.
    pub(super) fn device(&self) -> &DeviceId {
        &self.identity.device_id
    }

    /// A token that is still good.
    pub(super) async fn get(&self) -> Result<Token, Failure> {
        let current = self.current.borrow().clone();
        match current {
            Some(token) if browser::now() < token.renew_at => Ok(token),
            Some(_) | None => self.fresh().await,
        }
    }

    /// Ends all tokens of the device, and the device itself where it is an owner and not the last one. Says whether the
    /// device is gone. Without an answer the tokens end by themselves, within minutes.
    pub(super) async fn end(&self, owner: bool) -> bool {
        let Ok(token) = self.get().await else { return false };
        if owner && self.has_other_owner(&token).await {
            let path = format!("/v1/auth/devices/{}", self.identity.device_id);
            if api::send(Method::DELETE, &path, &token.text, None).await.is_ok() {
                return true;
            }
        }
        let _ = api::send(Method::POST, "/v1/auth/logout", &token.text, None).await;
        false
    }

    async fn has_other_owner(&self, token: &Token) -> bool {
        let devices = api::get::<Page<Device>>("/v1/auth/devices", &token.text).await;
        let other = |device: &Device| {
            device.id != self.identity.device_id
                && device.role.covers(Role::Owner)
                && device.confirm_code.is_none()
        };
        devices.is_ok_and(|devices| devices.data.iter().any(other))
    }

    /// A token nobody has used yet.
    pub(super) async fn fresh(&self) -> Result<Token, Failure> {
        let running = self.fetching.borrow().clone();
        let fetch = running.unwrap_or_else(|| {
            let fetch: Pin<Box<dyn Future<Output = _>>> = Box::pin(fetch(self.identity.clone()));
            let fetch = fetch.shared();
            self.fetching.replace(Some(fetch.clone()));
            fetch
        });
        let fetched = fetch.await;
        self.fetching.replace(None);
        if let Ok(token) = &fetched {
            self.current.replace(Some(token.clone()));
        }
        fetched
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokens").field("device", self.device()).finish_non_exhaustive()
    }
}

/// A connection that is cut under a request makes the browser repeat it by itself, and a challenge is good once: only who
/// is refused with another one too is not let in.
async fn fetch(identity: Identity) -> Result<Token, Failure> {
    match exchange(identity.clone()).await {
        Err(failure) if failure.is_unauthorized() => exchange(identity).await,
        exchanged => exchanged,
    }
}

async fn exchange(identity: Identity) -> Result<Token, Failure> {
    let Identity { device_id, key, .. } = identity;
    let request = ChallengeRequest { device_id: device_id.clone() };
    let Challenge { nonce } = api::post_open("/v1/auth/challenge", &request).await?.read()?;
    let signature = keys::sign(&key, &challenge_text(&device_id, &nonce)).await;
    let signature = signature.map_err(|error| Failure::Shape(error.to_string()))?;
    let request = TokenRequest { device_id, nonce, signature };
    let granted: Granted = api::post_open("/v1/auth/token", &request).await?.read()?;
    Ok(token(&granted))
}

fn token(granted: &Granted) -> Token {
    let life_ms = granted.expires_in.saturating_mul(1_000);
    Token {
        text: granted.access_token.clone(),
        renew_at: browser::now().after(life_ms.saturating_sub(RENEW_BEFORE_MS).max(life_ms / 2)),
        role: granted.role,
    }
}
