//! The device's key: P-256 in WebCrypto, not extractable. It signs challenges; no script can read it, not even ours.

use portcullis_protocol::wire::rest::PublicKey;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, CryptoKeyPair, SubtleCrypto};

use super::browser;

/// Why there is no key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// WebCrypto exists only on secure origins.
    #[error(
        "this page has no access to the browser's cryptography; open it by https or on this machine by 127.0.0.1"
    )]
    Insecure,
    /// The browser said no.
    #[error("the browser refused to make or use a key: {0}")]
    Refused(String),
}

/// A fresh key pair.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// Signs. Not extractable.
    pub private: CryptoKey,
    /// As the server registers it.
    pub public: PublicKey,
}

/// Makes a key pair.
///
/// # Errors
/// [`KeyError`] when the page has no WebCrypto, or it refuses.
pub async fn generate() -> Result<KeyPair, KeyError> {
    let subtle = subtle()?;
    let parameters = object(&[("name", "ECDSA"), ("namedCurve", "P-256")])?;
    let usages = js_sys::Array::of2(&"sign".into(), &"verify".into());
    let pair = subtle.generate_key_with_object(&parameters, false, &usages).map_err(refused)?;
    let pair: CryptoKeyPair = JsFuture::from(pair).await.map_err(refused)?.unchecked_into();
    let raw = subtle.export_key("raw", &pair.get_public_key()).map_err(refused)?;
    let raw = js_sys::Uint8Array::new(&JsFuture::from(raw).await.map_err(refused)?).to_vec();
    let public = PublicKey { alg: "ES256".into(), key: base64url(&raw)? };
    Ok(KeyPair { private: pair.get_private_key(), public })
}

/// Signs `text`: base64url of r‖s.
///
/// # Errors
/// [`KeyError`] when the browser refuses.
pub async fn sign(key: &CryptoKey, text: &str) -> Result<String, KeyError> {
    let parameters = object(&[("name", "ECDSA"), ("hash", "SHA-256")])?;
    let signature =
        subtle()?.sign_with_object_and_u8_array(&parameters, key, text.as_bytes()).map_err(refused)?;
    let signature = js_sys::Uint8Array::new(&JsFuture::from(signature).await.map_err(refused)?).to_vec();
    base64url(&signature)
}

fn subtle() -> Result<SubtleCrypto, KeyError> {
    let subtle = browser::crypto().map(|crypto| crypto.subtle());
    subtle.filter(|subtle| !subtle.is_undefined()).ok_or(KeyError::Insecure)
}

fn object(members: &[(&str, &str)]) -> Result<js_sys::Object, KeyError> {
    let object = js_sys::Object::new();
    for (name, value) in members {
        js_sys::Reflect::set(&object, &(*name).into(), &(*value).into()).map_err(refused)?;
    }
    Ok(object)
}

/// By the browser's own encoder, without padding.
fn base64url(bytes: &[u8]) -> Result<String, KeyError> {
    let binary: String = bytes.iter().copied().map(char::from).collect();
    let text = browser::window().btoa(&binary).map_err(refused)?;
    Ok(text.trim_end_matches('=').replace('+', "-").replace('/', "_"))
}

fn refused(error: JsValue) -> KeyError {
    let text = error.dyn_ref::<web_sys::DomException>().map(web_sys::DomException::message);
    KeyError::Refused(text.unwrap_or_else(|| format!("{error:?}")))
}
