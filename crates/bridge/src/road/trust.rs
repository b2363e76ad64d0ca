//! Whose certificates are believed, and what is said of one that is not.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig};
use rustls_platform_verifier::Verifier;

use super::RoadError;

/// Certificates in one file: a bundle of a whole system has some 150.
const CERTIFICATES_MAX: usize = 1_000;

/// A configuration that believes the system's authorities and those in the PEM file `authorities`.
pub(super) fn believing(authorities: Option<&Path>) -> Result<ClientConfig, RoadError> {
    let failed = |error: rustls::Error| RoadError::Tls(error.to_string());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let own = authorities.map_or_else(|| Ok(Vec::new()), certificates)?;
    let verifier = Verifier::new_with_extra_roots(own, Arc::clone(&provider)).map_err(failed)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A socket is opened by HTTP/1.1, and its proxy has to choose the same for all.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RoadError> {
    let failed = |reason: String| RoadError::Authorities { path: path.to_owned(), reason };
    let all = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let all: Result<Vec<_>, _> = all.take(CERTIFICATES_MAX).collect();
    let all = all.map_err(|error| failed(error.to_string()))?;
    if all.is_empty() { Err(failed("it holds no certificate in PEM form".into())) } else { Ok(all) }
}

/// What a failed connection says to a person: the certificate's fault in words, or the innermost cause.
pub(crate) fn explained(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    loop {
        if let Some(tls) = innermost.downcast_ref() {
            return in_words(tls);
        }
        match beneath(innermost) {
            Some(cause) => innermost = cause,
            None => return innermost.to_string(),
        }
    }
}

/// An `io::Error` does not name what it wraps as its source.
fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn in_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(certificate) => of_certificate(certificate),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS there: is the port right?".into(),
        other => other.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library names new faults as it learns of them")]
fn of_certificate(error: &CertificateError) -> String {
    match error {
        // The second: an authority of the same name, with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate comes from nobody this machine knows; if the authority is your own, name its \
             file with --ca"
                .into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate is expired (or the clock here is wrong)".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: is the clock here right?".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name than the one it was called by".into()
        }
        CertificateError::Revoked => "the server's certificate was revoked".into(),
        other => format!("the server's certificate is not valid: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_no_authority() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(believing(Some(&path)), Err(RoadError::Authorities { .. })), "not there");
        std::fs::write(&path, "none").unwrap();
        let error = believing(Some(&path)).unwrap_err().to_string();
        assert!(error.contains("holds no certificate"), "{error}");
    }

    #[test]
    fn a_certificate_that_is_not_believed_is_named_with_what_can_be_done() {
        let wrapped = |fault| {
            let error = rustls::Error::InvalidCertificate(fault);
            let inner = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            explained(&std::io::Error::other(inner))
        };
        assert!(wrapped(CertificateError::UnknownIssuer).contains("--ca"));
        assert!(wrapped(CertificateError::Expired).contains("expired"));
        assert!(wrapped(CertificateError::NotValidForName).contains("another name"));
        assert_eq!(explained(&std::io::Error::other("refused")), "refused");
    }
}
