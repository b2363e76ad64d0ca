//! Waiting for what other processes do: look, and look again, until a deadline.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

/// How long something that should happen at once may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);
/// Longest wait for anything a real process does on a busy machine. A half-open socket alone takes 25 s to notice.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How long something that must *not* happen is watched for.
pub const A_WHILE: Duration = Duration::from_millis(1500);
/// How often is looked.
const POLL: Duration = Duration::from_millis(30);

/// Looks until `look` finds something, or fails with what was waited for.
///
/// # Errors
/// When `look` fails, or finds nothing in time.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain for: {what}", within.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Looks for a while, and fails as soon as `holds` does not.
///
/// # Errors
/// When `holds` fails, or says no.
pub async fn all_along(what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + A_WHILE;
    while Instant::now() < end {
        if !holds().await? {
            bail!("did not stay so: {what}");
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
