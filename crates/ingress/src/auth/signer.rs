//! What the ingress signs with its own key: the tokens of the worker's link, and the nonces of challenges. Both are
//! checked against exactly one form, so there is no algorithm to choose and no key to name.

use std::io::{Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use portcullis_protocol::id::{DeviceId, EnvironmentId, LeaseId, SessionId};
use serde::{Deserialize, Serialize};

use crate::seam::{Entropy, hex};

/// The one header of our tokens; any other text in its place is refused unread.
const HEADER: &str = r#"{"alg":"EdDSA","typ":"JWT"}"#;
/// For whom our tokens are.
const AUDIENCE: &str = "portcullis-session-ingress";
/// Bytes of a token: ours have about 500.
const TOKEN_BYTES_MAX: usize = 2_048;
/// Bytes of a nonce: ours have about 150.
const NONCE_BYTES_MAX: usize = 256;

/// Who a worker is and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkerClaims {
    pub aud: String,
    /// Seconds since the Unix epoch.
    pub exp: u64,
    pub session_id: SessionId,
    pub environment_id: EnvironmentId,
    pub lease_id: LeaseId,
}

impl WorkerClaims {
    /// Claims for the one audience there is.
    pub(crate) fn new(
        session_id: SessionId,
        environment_id: EnvironmentId,
        lease_id: LeaseId,
        exp: u64,
    ) -> Self {
        Self { aud: AUDIENCE.into(), exp, session_id, environment_id, lease_id }
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("this is no token of the worker's link")]
    Invalid,
    #[error("the token of the worker's link expired")]
    Expired,
}

/// The key of this ingress.
pub(crate) struct IngressKey(SigningKey);

impl std::fmt::Debug for IngressKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IngressKey")
    }
}

impl IngressKey {
    /// The key of these bytes.
    #[cfg(feature = "memory")]
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(bytes))
    }

    /// Reads the key from `file`, or makes one there (0600) at the first run.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds something else.
    pub(crate) fn load(file: &Path, entropy: &dyn Entropy) -> std::io::Result<Self> {
        let mut bytes = [0_u8; 32];
        match std::fs::File::open(file) {
            Ok(mut found) => found.read_exact(&mut bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                entropy.fill(&mut bytes);
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut made = options.open(file)?;
                made.write_all(&bytes)?;
                made.sync_all()?;
            }
            Err(error) => return Err(error),
        }
        Ok(Self(SigningKey::from_bytes(&bytes)))
    }

    /// A signed token.
    pub(crate) fn sign_worker(&self, claims: &WorkerClaims) -> String {
        let claims = serde_json::to_string(claims).expect("claims are strings and a number");
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes()).to_bytes());
        format!("{text}.{signature}")
    }

    /// The claims of `token`.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] for whatever this key did not sign in exactly this form, [`TokenError::Expired`] when
    /// its time is over.
    pub(crate) fn verify_worker(&self, token: &str, now_ms: u64) -> Result<WorkerClaims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let (text, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let (header, claims) = text.split_once('.').ok_or(TokenError::Invalid)?;
        if header != URL_SAFE_NO_PAD.encode(HEADER) || !self.is_ours(text, signature) {
            return Err(TokenError::Invalid);
        }
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Invalid)?;
        let claims: WorkerClaims = serde_json::from_slice(&claims).map_err(|_| TokenError::Invalid)?;
        if claims.aud != AUDIENCE {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= now_ms / 1000 { Err(TokenError::Expired) } else { Ok(claims) }
    }

    /// A nonce for `device`, good until `expires_at_ms`. It names its own end and is bound to the device, so nothing
    /// has to be remembered for whoever only asks for nonces.
    pub(crate) fn nonce(&self, device: &DeviceId, expires_at_ms: u64, entropy: &dyn Entropy) -> String {
        let mut random = [0_u8; 16];
        entropy.fill(&mut random);
        let body = format!("{expires_at_ms:x}-{}", hex(&random));
        let signature = self.0.sign(nonce_text(device, &body).as_bytes());
        format!("{body}-{}", hex(&signature.to_bytes()))
    }

    /// When a nonce of ours for `device` ends; `None` when it is not ours, not for it, or over.
    pub(crate) fn nonce_expiry(&self, device: &DeviceId, nonce: &str, now_ms: u64) -> Option<u64> {
        if nonce.len() > NONCE_BYTES_MAX {
            return None;
        }
        let (body, signature) = nonce.rsplit_once('-')?;
        let (expires, _) = body.split_once('-')?;
        let expires_at_ms = u64::from_str_radix(expires, 16).ok()?;
        let signature = unhex(signature)?;
        let signature = Signature::from_slice(&signature).ok()?;
        let text = nonce_text(device, body);
        let is_ours = self.0.verifying_key().verify_strict(text.as_bytes(), &signature).is_ok();
        (is_ours && expires_at_ms > now_ms).then_some(expires_at_ms)
    }

    fn is_ours(&self, text: &str, signature: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(signature)
            .ok()
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .is_some_and(|signature| {
                self.0.verifying_key().verify_strict(text.as_bytes(), &signature).is_ok()
            })
    }
}

/// Starts with a word, so that no nonce is ever a token.
fn nonce_text(device: &DeviceId, body: &str) -> String {
    format!("portcullis-nonce-v1\n{device}\n{body}")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::SystemEntropy;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn key() -> IngressKey {
        IngressKey(SigningKey::from_bytes(&[7; 32]))
    }

    fn claims(exp: u64) -> WorkerClaims {
        WorkerClaims::new(
            SessionId::parse("s").unwrap(),
            EnvironmentId::parse("e").unwrap(),
            LeaseId::parse("l").unwrap(),
            exp,
        )
    }

    /// A token with any header and claims, signed by our key.
    fn forged(header: &str, claims: &str) -> String {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = key().0.sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    #[test]
    fn takes_its_own_token_until_it_ends() {
        let exp = NOW_MS / 1000 + 1;
        let token = key().sign_worker(&claims(exp));
        assert_eq!(key().verify_worker(&token, NOW_MS), Ok(claims(exp)));
        assert_eq!(key().verify_worker(&token, NOW_MS + 1000), Err(TokenError::Expired));
    }

    #[test]
    fn refuses_every_other_form_even_under_its_own_signature() {
        let exp = NOW_MS / 1000 + 60;
        let good = serde_json::to_string(&claims(exp)).unwrap();
        for header in [
            r#"{"alg":"none","typ":"JWT"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"alg":"EdDSA","typ":"JWT","kid":"../../key"}"#,
            r#"{"typ":"JWT","alg":"EdDSA"}"#,
        ] {
            assert_eq!(
                key().verify_worker(&forged(header, &good), NOW_MS),
                Err(TokenError::Invalid),
                "{header}"
            );
        }
        let string_exp = good.replace(&exp.to_string(), &format!("\"{exp}\""));
        let other_audience = good.replace(AUDIENCE, "somebody-else");
        let more_fields = good.replace('{', r#"{"role":"owner","#);
        for claims in [string_exp, other_audience, more_fields, "{}".into(), "null".into()] {
            assert_eq!(
                key().verify_worker(&forged(HEADER, &claims), NOW_MS),
                Err(TokenError::Invalid),
                "{claims}"
            );
        }
    }

    #[test]
    fn refuses_what_another_key_or_nobody_signed() {
        let token = key().sign_worker(&claims(NOW_MS));
        let other = IngressKey(SigningKey::from_bytes(&[8; 32]));
        assert_eq!(other.verify_worker(&token, NOW_MS), Err(TokenError::Invalid));
        let (text, _) = token.rsplit_once('.').unwrap();
        for bad in [text.to_owned(), format!("{text}."), String::new(), "a.b.c".into(), "x".repeat(10_240)] {
            assert_eq!(key().verify_worker(&bad, NOW_MS), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn a_nonce_is_good_for_its_device_and_its_time() {
        let (device, other) = (DeviceId::parse("a").unwrap(), DeviceId::parse("b").unwrap());
        let nonce = key().nonce(&device, NOW_MS + 10, &SystemEntropy);
        assert_eq!(key().nonce_expiry(&device, &nonce, NOW_MS), Some(NOW_MS + 10));
        assert_eq!(key().nonce_expiry(&other, &nonce, NOW_MS), None);
        assert_eq!(key().nonce_expiry(&device, &nonce, NOW_MS + 10), None);
        assert_eq!(key().nonce_expiry(&device, &format!("f{nonce}"), NOW_MS), None);
        for bad in ["", "-", "--", "1-2-3", "é-é-é", "1-2-é"] {
            assert_eq!(key().nonce_expiry(&device, bad, NOW_MS), None, "{bad}");
        }
    }
}
