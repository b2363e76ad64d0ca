//! `portcullis login`: pairs this machine with an ingress elsewhere, and remembers which.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use portcullis_bridge::{Device, DeviceKey, LoginError, Paired, Road, pair, wait_until_confirmed};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use serde::{Deserialize, Serialize};

use crate::cli::LoginOptions;
use crate::folders;
use crate::outcome::Failure;

/// Longest line that is read for a code, in bytes.
const CODE_BYTES_MAX: u64 = 1_024;

/// Which ingress this machine serves, and as whom.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) ingress_url: String,
    pub(crate) device_id: DeviceId,
    /// File of the authorities it was reached with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
}

/// What an earlier `login` left.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) ingress_url: String,
    pub(crate) device: Device,
    pub(crate) ca: Option<PathBuf>,
}

/// The way to the ingress at `url`.
pub(crate) fn road(url: &str, ca: Option<&Path>) -> Result<Road, Failure> {
    Road::to(url, ca).map_err(|error| Failure::usage(error.to_string()))
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("login.json")
}

fn key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("remote.key")
}

/// Reads it.
pub(crate) fn known(data_dir: &Path) -> Result<Known, Failure> {
    let missing = || Failure::login_needed("this machine is not paired with any ingress");
    let text = std::fs::read(file(data_dir)).map_err(|_| missing())?;
    let login: Login = serde_json::from_slice(&text).map_err(|_| missing())?;
    let key =
        DeviceKey::load(&key_file(data_dir)).map_err(|error| Failure::login_needed(error.to_string()))?;
    let Login { ingress_url, device_id, ca } = login;
    Ok(Known { ingress_url, device: Device { id: device_id, key: key.ok_or_else(missing)? }, ca })
}

/// Redeems the code and waits for the owner.
pub(crate) async fn run(options: LoginOptions) -> Result<(), Failure> {
    let data_dir = folders::data_dir(options.data_dir)?;
    let ca = options.ca.map(|path| path.canonicalize().unwrap_or(path));
    let road = road(&options.url, ca.as_deref())?;
    let code = match options.code {
        Some(code) => code,
        None => read_code().map_err(|error| failed(&error))?,
    };
    let key = DeviceKey::load_or_create(&key_file(&data_dir)).map_err(|error| failed(&anyhow!(error)))?;
    let name = options.name.unwrap_or_else(folders::machine_name);
    let url = road.base().to_owned();
    let device_id = match pair(&road, &code, &name, &key).await {
        Ok(Paired::Ready { device_id, .. }) => device_id,
        Ok(Paired::Waiting { device_id, confirm_code }) => {
            say(&format!(
                "Confirm this machine on an owner's device. Both show the code {confirm_code}. Waiting…"
            ));
            device_id
        }
        Err(LoginError::Known(_)) => known_there(&data_dir, &url)?,
        Err(error) => return Err(refused(error)),
    };
    let login = Login { ingress_url: url, device_id, ca };
    // Before the wait: whoever breaks it off goes on with the same key.
    remember(&data_dir, &login).map_err(|error| failed(&error))?;
    let device = Device { id: login.device_id, key };
    let role = wait_until_confirmed(&road, &device).await.map_err(refused)?;
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
        Ok(known) if known.ingress_url == url => Ok(known.device.id),
        Ok(_) | Err(_) => Err(Failure::login_needed(
            "the ingress knows the key of this machine, but this machine forgot its name there",
        )
        .with_hint(format!("Remove {} to pair as a new device.", key_file(data_dir).display()))),
    }
}

fn read_code() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        say("The pairing code, from `portcullis pair` there:");
    }
    let mut line = String::new();
    std::io::stdin().lock().take(CODE_BYTES_MAX).read_line(&mut line)?;
    anyhow::ensure!(!line.trim().is_empty(), "no pairing code was given");
    Ok(line.trim().to_owned())
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
        let device_id = DeviceId::parse("d1").unwrap();
        let login = Login { ingress_url: "http://h".into(), device_id, ca: Some("/ca.pem".into()) };
        remember(folder.path(), &login).unwrap();
        assert!(known(folder.path()).is_err(), "without its key");
        DeviceKey::load_or_create(&key_file(folder.path())).unwrap();
        let known = known(folder.path()).unwrap();
        assert_eq!((known.ingress_url.as_str(), known.device.id.as_str()), ("http://h", "d1"));
        assert_eq!(known.ca.as_deref(), Some(Path::new("/ca.pem")));
    }
}
