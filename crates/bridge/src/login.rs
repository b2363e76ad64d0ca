//! Pairs this machine with an ingress: sends a one-time code with our key, and waits for an owner to confirm.

use std::time::Duration;

use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;

use crate::api::{Api, CallError, PairAnswer};
use crate::config::Device;
use crate::device::DeviceKey;
use crate::road::Road;

/// Pause between two questions whether an owner has confirmed.
const CONFIRM_PAUSE: Duration = Duration::from_secs(2);

/// Why this machine could not be paired.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Nobody is there, or not in a way that can be used.
    #[error("{0}")]
    Unreachable(String),
    /// The key is registered there already: it signs in and needs no code.
    #[error("the ingress knows this machine already: {0}")]
    Known(String),
    /// The code or the device was refused.
    #[error("the ingress refused: {0}")]
    Refused(String),
}

/// What pairing gave.
#[derive(Clone, Debug)]
pub enum Paired {
    /// The device may be used now.
    Ready { device_id: DeviceId, role: Role },
    /// An owner has to compare this code and confirm.
    Waiting { device_id: DeviceId, confirm_code: String },
}

/// Redeems `code` for the device that holds `key`.
///
/// # Errors
/// [`LoginError`].
pub async fn pair(road: &Road, code: &str, device_name: &str, key: &DeviceKey) -> Result<Paired, LoginError> {
    match Api::pair(road, code, device_name, key.public_key()).await {
        Ok(PairAnswer::Granted(granted)) => {
            Ok(Paired::Ready { device_id: granted.device_id, role: granted.role })
        }
        Ok(PairAnswer::Pending(pending)) => {
            Ok(Paired::Waiting { device_id: pending.device_id, confirm_code: pending.confirm_code })
        }
        Err(error) => Err(login_error(&error)),
    }
}

/// Waits until an owner confirmed `device`, and says which role it was given.
///
/// # Errors
/// [`LoginError`] when it was turned down or the ingress went away.
pub async fn wait_until_confirmed(road: &Road, device: &Device) -> Result<Role, LoginError> {
    let api =
        Api::new(road.clone(), device.clone()).map_err(|error| LoginError::Unreachable(error.to_string()))?;
    loop {
        match api.role().await {
            Ok(role) => return Ok(role),
            // Not confirmed yet.
            Err(error) if error.status() == Some(403) => tokio::time::sleep(CONFIRM_PAUSE).await,
            Err(error) => return Err(login_error(&error)),
        }
    }
}

fn login_error(error: &CallError) -> LoginError {
    match error {
        CallError::Refused { .. } if error.status() == Some(409) => LoginError::Known(error.to_string()),
        CallError::Refused { .. } => LoginError::Refused(error.to_string()),
        CallError::Network(_) | CallError::Shape(_) => LoginError::Unreachable(error.to_string()),
    }
}
