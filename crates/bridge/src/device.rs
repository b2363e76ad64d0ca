//! The key this machine proves itself with: an Ed25519 key in a file that nobody else may read.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::wire::rest::{PublicKey, challenge_text};

/// Bytes of an Ed25519 secret.
const SECRET_BYTES: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum DeviceKeyError {
    /// The file cannot be read or made.
    #[error("the key file {path} cannot be used: {source}")]
    File { path: PathBuf, source: std::io::Error },
    /// Others may read it: it is not a secret any more.
    #[error("the key file {path} can be read by others; make a new one, or run chmod 600 on it")]
    Exposed { path: PathBuf },
    /// It does not hold a key.
    #[error("the key file {path} does not hold a key")]
    Broken { path: PathBuf },
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    NoEntropy,
}

/// A secret key. Never prints.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKey")
    }
}

impl DeviceKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`DeviceKeyError::NoEntropy`].
    pub fn generate() -> Result<Self, DeviceKeyError> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|_| DeviceKeyError::NoEntropy)?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// Reads the key in `path`, or makes one there.
    ///
    /// # Errors
    /// [`DeviceKeyError`].
    pub fn load_or_create(path: &Path) -> Result<Self, DeviceKeyError> {
        match Self::load(path)? {
            Some(key) => Ok(key),
            None => {
                let key = Self::generate()?;
                if key.create(path)? { Ok(key) } else { Self::load(path)?.ok_or_else(|| broken(path)) }
            }
        }
    }

    /// Reads the key in `path`, if there is a file.
    ///
    /// # Errors
    /// [`DeviceKeyError`].
    pub fn load(path: &Path) -> Result<Option<Self>, DeviceKeyError> {
        let failed = |source| DeviceKeyError::File { path: path.into(), source };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(DeviceKeyError::Exposed { path: path.into() });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let secret = URL_SAFE_NO_PAD
            .decode(text.trim())
            .ok()
            .and_then(|bytes| <[u8; SECRET_BYTES]>::try_from(bytes).ok());
        Ok(Some(Self(SigningKey::from_bytes(&secret.ok_or_else(|| broken(path))?))))
    }

    /// Writes the key so that `path` is there whole or not at all. Returns `false` when somebody was faster.
    fn create(&self, path: &Path) -> Result<bool, DeviceKeyError> {
        let write = || -> std::io::Result<bool> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let fresh = path.with_extension(format!("new-{}", uuid::Uuid::new_v4()));
            let mut file =
                std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            writeln!(file, "{}", URL_SAFE_NO_PAD.encode(self.0.to_bytes()))?;
            file.sync_all()?;
            let linked = std::fs::hard_link(&fresh, path);
            std::fs::remove_file(&fresh)?;
            match linked {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            }
        };
        write().map_err(|source| DeviceKeyError::File { path: path.into(), source })
    }

    /// The public half, as pairing wants it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey { alg: "EdDSA".into(), key: URL_SAFE_NO_PAD.encode(self.0.verifying_key().to_bytes()) }
    }

    /// The signature over a challenge.
    #[must_use]
    pub fn sign_challenge(&self, device_id: &DeviceId, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.0.sign(challenge_text(device_id, nonce).as_bytes()).to_bytes())
    }
}

fn broken(path: &Path) -> DeviceKeyError {
    DeviceKeyError::Broken { path: path.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_gives_the_same_key_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/device.key");
        let made = DeviceKey::load_or_create(&path).unwrap();
        assert_eq!(DeviceKey::load_or_create(&path).unwrap().public_key(), made.public_key());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn refuses_a_key_that_others_can_read_or_that_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.key");
        DeviceKey::load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(DeviceKey::load(&path), Err(DeviceKeyError::Exposed { .. })));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(DeviceKey::load(&path), Err(DeviceKeyError::Broken { .. })));
    }

    #[test]
    fn a_key_never_prints() {
        assert_eq!(format!("{:?}", DeviceKey::generate().unwrap()), "DeviceKey");
    }
}
