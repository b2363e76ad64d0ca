//! From a one-time code to a device the server knows.

use portcullis_protocol::id::DeviceId;
use portcullis_protocol::wire::rest::{Granted, PairPending, PairRequest};

use super::api::{self, Failure};
use super::vault::{Identity, Vault};
use super::{browser, keys, locks};
use crate::text::words;

/// What a code was exchanged for.
#[derive(Debug)]
pub enum Paired {
    /// This browser is in.
    Granted(Identity, Granted),
    /// An owner has to confirm it; both sides show the code.
    Pending(Identity),
    /// The server knows this browser already: it signs in with the key it has.
    Known(Identity),
}

/// Why it was not.
#[derive(Debug)]
pub enum PairError {
    /// Asking again may help, with the same code.
    Passing,
    /// It does not help; the text is for the person.
    Final(String),
    /// This browser cannot do it.
    Unsupported(String),
}

/// Held by the tab that pairs: one key per browser, however many tabs open the same link.
const LOCK: &str = "portcullis-device";

/// Exchanges `code`, unless this browser was paired by another tab meanwhile; `stale` is a device the server does not
/// take. A key the server knows already is used as it is, or replaced where nobody kept its device's id.
pub async fn pair(vault: &Vault, code: &str, stale: Option<&DeviceId>) -> Result<Paired, PairError> {
    let _turn = locks::turn(LOCK).await;
    if let Some(identity) = vault.identity().await.filter(|known| Some(&known.device_id) != stale) {
        return Ok(Paired::Known(identity));
    }
    let failure = match exchange(vault, code).await {
        Err(Refusal::Known) => match vault.identity().await {
            Some(identity) => return Ok(Paired::Known(identity)),
            None => exchange(vault, code).await,
        },
        other => other,
    };
    failure.map_err(|refusal| match refusal {
        Refusal::Known => PairError::Final(crate::words::pair::known_key().into()),
        Refusal::Other(error) => error,
    })
}

enum Refusal {
    /// The key is registered.
    Known,
    Other(PairError),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { status: 409, .. } => Self::Known,
            Failure::Silent | Failure::Refused { .. } | Failure::Shape(_) => Self::Other(refused(failure)),
        }
    }
}

/// A key is made for the code, and remembered before anybody relies on it.
async fn exchange(vault: &Vault, code: &str) -> Result<Paired, Refusal> {
    let pair = keys::generate().await;
    let pair = pair.map_err(|error| Refusal::Other(PairError::Unsupported(error.to_string())))?;
    let user_agent = browser::window().navigator().user_agent().unwrap_or_default();
    let request = PairRequest {
        code: code.trim().to_owned(),
        device_name: words::device_name(&user_agent),
        public_key: Some(pair.public),
        role: None,
    };
    let answer = api::post_open("/v1/auth/pair", &request).await?;
    let paired = if answer.status == 202 {
        let PairPending { device_id, confirm_code } = answer.read()?;
        let confirm_code = Some(confirm_code);
        Paired::Pending(Identity { device_id, confirm_code, logged_out: false, key: pair.private })
    } else {
        let granted: Granted = answer.read()?;
        let device_id = granted.device_id.clone();
        let identity = Identity { device_id, confirm_code: None, logged_out: false, key: pair.private };
        Paired::Granted(identity, granted)
    };
    let (Paired::Granted(identity, _) | Paired::Pending(identity) | Paired::Known(identity)) = &paired;
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
