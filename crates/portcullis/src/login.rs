//! `portcullis login`: pairs this machine with an ingress elsewhere, and remembers which.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use portcullis_bridge::{Device, DeviceKey, LoginError, Paired, pair, wait_until_confirmed};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use serde::{Deserialize, Serialize};

use crate::cli::LoginOptions;
use crate::folders;
use crate::outcome::Failure;

/// Which ingress this machine serves, and as whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) ingress_url: String,
    pub(crate) device_id: DeviceId,
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("login.json")
}

fn key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("remote.key")
}

/// What an earlier `login` left.
pub(crate) fn known(data_dir: &Path) -> Result<(String, Device), Failure> {
    let missing = || Failure::login_needed("this machine is not paired with any ingress");
    let text = std::fs::read(file(data_dir)).map_err(|_| missing())?;
    let login: Login = serde_json::from_slice(&text).map_err(|_| missing())?;
    let key =
        DeviceKey::load(&key_file(data_dir)).map_err(|error| Failure::login_needed(error.to_string()))?;
    Ok((login.ingress_url, Device { id: login.device_id, key: key.ok_or_else(missing)? }))
}

/// Redeems the code and waits for the owner.
pub(crate) async fn run(options: LoginOptions) -> Result<(), Failure> {
    let data_dir = folders::data_dir(options.data_dir)?;
    if !options.url.starts_with("http://") {
        return Err(Failure::usage(format!(
            "{} is not an http:// address; others are not supported yet",
            options.url
        )));
    }
    let key = DeviceKey::load_or_create(&key_file(&data_dir)).map_err(|error| failed(&anyhow!(error)))?;
    let name = options.name.unwrap_or_else(folders::machine_name);
    let url = options.url.trim_end_matches('/').to_owned();
    let device_id = match pair(&url, &options.code, &name, &key).await {
        Ok(Paired::Ready { device_id, .. }) => device_id,
        Ok(Paired::Waiting { device_id, confirm_code }) => {
            say(&format!(
                "Confirm this machine on an owner's device, as a bridge. Both show the code {confirm_code}. Waiting…"
            ));
            device_id
        }
        Err(LoginError::Known(_)) => known_there(&data_dir, &url)?,
        Err(error) => return Err(refused(error)),
    };
    let login = Login { ingress_url: url, device_id };
    // Before the wait: whoever breaks it off goes on with the same key.
    remember(&data_dir, &login).map_err(|error| failed(&error))?;
    let device = Device { id: login.device_id, key };
    let role = wait_until_confirmed(&login.ingress_url, &device).await.map_err(refused)?;
    if role != Role::Bridge {
        return Err(Failure::login_needed("the machine was paired, but not as a bridge")
            .with_hint("An owner can change its role to bridge; then run `portcullis remote-control`."));
    }
    say("This machine is paired. `portcullis remote-control` runs agents here.");
    Ok(())
}

/// The ingress has our key: an earlier `login` says under which id, and the key signs in without a code.
fn known_there(data_dir: &Path, url: &str) -> Result<DeviceId, Failure> {
    match known(data_dir) {
        Ok((known_url, device)) if known_url == url => Ok(device.id),
        Ok(_) | Err(_) => Err(Failure::login_needed(
            "the ingress knows the key of this machine, but this machine forgot its name there",
        )
        .with_hint(format!("Remove {} to pair as a new device.", key_file(data_dir).display()))),
    }
}

fn failed(error: &anyhow::Error) -> Failure {
    Failure::failed("this machine cannot be paired", error)
}

fn refused(error: LoginError) -> Failure {
    match error {
        LoginError::Known(_) | LoginError::Refused(_) => Failure::login_needed(error.to_string()),
        LoginError::Unreachable(_) => failed(&anyhow!(error)),
    }
}

fn remember(data_dir: &Path, login: &Login) -> anyhow::Result<()> {
    let path = file(data_dir);
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    out.write_all(&serde_json::to_vec(login)?)?;
    out.sync_all()?;
    std::fs::rename(&fresh, &path).with_context(|| path.display().to_string())
}

fn say(text: &str) {
    // What was done stays done when nobody reads about it.
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_is_known_and_a_machine_without_it_has_to_log_in() {
        let folder = tempfile::tempdir().unwrap();
        assert!(known(folder.path()).is_err());
        let login = Login { ingress_url: "http://h".into(), device_id: DeviceId::parse("d1").unwrap() };
        remember(folder.path(), &login).unwrap();
        assert!(known(folder.path()).is_err(), "without its key");
        DeviceKey::load_or_create(&key_file(folder.path())).unwrap();
        let (url, device) = known(folder.path()).unwrap();
        assert_eq!((url.as_str(), device.id.as_str()), ("http://h", "d1"));
    }
}
