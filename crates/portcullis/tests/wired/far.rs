//! An ingress behind a proxy that terminates TLS, as on another machine: the bridge goes there by https and wss, and
//! says in words what it does not believe.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{Machines, data_dir_of, run};

/// A proxy with TLS in front of whatever [`Front::leads_to`] says, with a certificate for `localhost` alone.
struct Front {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    port: u16,
}

impl Front {
    /// Its authority goes into the file `ca`.
    async fn open(ca: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, ca.display().to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(ca, issuer.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.into()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config.unwrap())), port }
    }

    fn leads_to(self, address: String) {
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                let (acceptor, address) = (self.acceptor.clone(), address.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut behind) = TcpStream::connect(address).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_serves_an_ingress_behind_a_proxy_with_tls_and_believes_only_whom_it_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, other_ca) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    let front = Front::open(&ca).await;
    drop(Front::open(&other_ca).await);
    let url = format!("https://localhost:{}", front.port);
    let port = front.port;
    let origin = format!("--allow-origin={url}");
    let machines = Machines::behind(&["--behind-proxy", &origin], Some(url.clone())).await;
    front.leads_to(machines.owner.address());
    let with = |ca: &Path| format!("--ca={}", ca.display());
    let login = |url: &str, ca: &str| {
        let (code, said, complaint) = run_all(&["login", url, &machines.code(), ca], &machines.laptop());
        assert_eq!((code, said.as_str()), (Some(1), ""), "{complaint}");
        complaint
    };
    let complaint = login(&url, &with(&other_ca));
    assert!(
        complaint.contains("comes from nobody this machine knows") && complaint.contains("--ca"),
        "{complaint}"
    );
    let complaint = login(&format!("https://127.0.0.1:{port}"), &with(&ca));
    assert!(complaint.contains("for another name"), "{complaint}");
    let address = machines.owner.address();
    let complaint = login(&format!("https://{address}"), &with(&ca));
    assert!(complaint.contains("does not speak TLS there"), "{complaint}");

    machines.log_in_with(&[&with(&ca)]).await;
    let mut bridge = machines.control().await;
    let mut session = machines.owner.new_session().await;
    session.prompt("@say from afar").await;
    session.event(|event| event["type"] == "assistant" && event.to_string().contains("from afar")).await;
    assert_eq!(bridge.interrupt().await, Some(0), "{}", bridge.log());
}

#[test]
fn an_address_that_would_show_everything_to_the_way_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, complaint) = run_all(&["login", "http://192.0.2.1:7878", "code"], folder.path());
    assert_eq!(code, Some(2), "{complaint}");
    assert!(complaint.contains("https://"), "{complaint}");
    assert_eq!(run(&["login", "nonsense", "code"], folder.path()).0, Some(2));
}

/// Exit code, stdout and stderr of a command.
fn run_all(words: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(crate::support::PROGRAM);
    let output = command.args(words).arg(data_dir_of(folder)).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
