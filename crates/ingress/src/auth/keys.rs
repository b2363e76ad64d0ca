//! Device keys: what a public key may look like, and whether a signature is its holder's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use portcullis_protocol::wire::rest::PublicKey;

/// Why a public key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("`alg` is \"ES256\" or \"EdDSA\"")]
    Algorithm,
    #[error("the key is no base64url of a point of its curve")]
    Point,
}

enum Key {
    P256(Box<p256::ecdsa::VerifyingKey>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

fn read(key: &PublicKey) -> Result<Key, KeyError> {
    let bytes = URL_SAFE_NO_PAD.decode(&key.key).map_err(|_| KeyError::Point)?;
    match key.alg.as_str() {
        "ES256" => {
            if bytes.len() != 65 {
                return Err(KeyError::Point);
            }
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&bytes).map_err(|_| KeyError::Point)?;
            Ok(Key::P256(Box::new(key)))
        }
        "EdDSA" => {
            let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Point)?;
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Point)?;
            if key.is_weak() {
                return Err(KeyError::Point);
            }
            Ok(Key::Ed25519(Box::new(key)))
        }
        _ => Err(KeyError::Algorithm),
    }
}

/// Checks that `key` can verify anything.
///
/// # Errors
/// [`KeyError`] naming what is wrong.
pub(crate) fn check(key: &PublicKey) -> Result<(), KeyError> {
    read(key).map(|_| ())
}

/// Whether `signature` (base64url) over `text` was made by the holder of `key`.
pub(crate) fn is_signed_by(key: &PublicKey, text: &str, signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (read(key), URL_SAFE_NO_PAD.decode(signature)) else { return false };
    match key {
        Key::P256(key) => p256::ecdsa::Signature::from_slice(&signature)
            .is_ok_and(|signature| key.verify(text.as_bytes(), &signature).is_ok()),
        Key::Ed25519(key) => ed25519_dalek::Signature::from_slice(&signature)
            .is_ok_and(|signature| key.verify_strict(text.as_bytes(), &signature).is_ok()),
    }
}
