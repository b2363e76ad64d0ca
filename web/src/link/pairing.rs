//! From a one-time code to a device the server knows.

use portcullis_protocol::wire::rest::{Granted, PairPending, PairRequest};

use super::api::{self, Failure};
use super::vault::{Identity, Vault};
use super::{browser, keys};
use crate::text::words;

/// What a code was exchanged for.
pub(super) enum Paired {
    /// This browser is in.
    Granted(Identity, Granted),
    /// An owner has to confirm it; both sides show the code.
    Pending(Identity),
}

/// Why it was not.
pub(super) enum PairError {
    /// Asking again may help, with the same code.
    Passing,
    /// It does not help; the text is for the person.
    Final(String),
    /// This browser cannot do it.
    Unsupported(String),
}

/// Exchanges `code`. A key is made for it, and remembered before anybody relies on it.
pub(super) async fn pair(vault: &Vault, code: &str) -> Result<Paired, PairError> {
    let pair = keys::generate().await.map_err(|error| PairError::Unsupported(error.to_string()))?;
    let user_agent = browser::window().navigator().user_agent().unwrap_or_default();
    let request = PairRequest {
        code: code.trim().to_owned(),
        device_name: words::device_name(&user_agent),
        public_key: Some(pair.public),
    };
    let answer = api::post_open("/v1/auth/pair", &request).await.map_err(refused)?;
    let paired = if answer.status == 202 {
        let PairPending { device_id, confirm_code } = answer.read().map_err(refused)?;
        Paired::Pending(Identity { device_id, confirm_code: Some(confirm_code), key: pair.private })
    } else {
        let granted: Granted = answer.read().map_err(refused)?;
        let identity =
            Identity { device_id: granted.device_id.clone(), confirm_code: None, key: pair.private };
        Paired::Granted(identity, granted)
    };
    let (Paired::Granted(identity, _) | Paired::Pending(identity)) = &paired;
    // Where storage is denied the device is known until reload; the page says so.
    let _ = vault.remember(identity).await;
    Ok(paired)
}

fn refused(failure: Failure) -> PairError {
    // "Too many wrong codes" is for the person: asking again by itself would be one more.
    if failure.is_passing() && !matches!(failure, Failure::Refused { status: 429, .. }) {
        return PairError::Passing;
    }
    let text = failure.to_string();
    let mut letters = text.chars();
    let text = letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str());
    PairError::Final(text.unwrap_or_default())
}
