//! The way to the ingress: its address, the authorities whose certificates are believed, and the proxy in between.
//! Calls and sockets go the same way, so that one of them cannot work where the other does not.

mod proxy;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) use trust::explained;

/// Why there is no way to the ingress.
#[derive(Debug, thiserror::Error)]
pub enum RoadError {
    /// No address.
    #[error("`{0}` is no address of an ingress: it looks like https://host, or http://127.0.0.1:7878")]
    Address(String),
    /// Without encryption to another machine.
    #[error(
        "{0} is not encrypted, so whoever sits on the way could read everything and steer this machine: use https://, \
         or a tunnel to a port of this machine"
    )]
    Plain(String),
    /// A file of certificates.
    #[error("the file of certificates {path} cannot be used: {reason}")]
    Authorities { path: PathBuf, reason: String },
    /// No encryption can be set up.
    #[error("no encrypted connection can be made: {0}")]
    Tls(String),
}

/// A connection, encrypted or not.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Both ways of a connection to the ingress.
pub(crate) type Line = Box<dyn Duplex>;

/// How this machine reaches its ingress. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Road {
    /// Scheme, host and port, without a slash at the end.
    base: String,
    host: String,
    port: u16,
    /// Absent = not encrypted, and never leaves this machine.
    tls: Option<ClientConfig>,
    proxies: Arc<Matcher>,
}

impl Road {
    /// The way to the ingress at `address`, believing the system's authorities and those in the file `authorities`.
    ///
    /// # Errors
    /// [`RoadError`]; nothing was sent.
    pub fn to(address: &str, authorities: Option<&Path>) -> Result<Self, RoadError> {
        let no_address = || RoadError::Address(shown(address));
        let url = Url::parse(address.trim()).map_err(|_| no_address())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(no_address)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(no_address)?;
        let has_more = url.path() != "/" || url.query().is_some() || url.fragment().is_some();
        if has_more || !url.username().is_empty() || url.password().is_some() {
            return Err(no_address());
        }
        let is_here = is_loopback(&host);
        let tls = match url.scheme() {
            "https" => Some(trust::believing(authorities)?),
            "http" if is_here => None,
            "http" => return Err(RoadError::Plain(shown(address))),
            _ => return Err(no_address()),
        };
        let base = url.as_str().trim_end_matches('/').to_owned();
        // What stays on this machine goes through nobody.
        let proxies = if is_here { Matcher::builder().build() } else { Matcher::from_env() };
        Ok(Self { base, host, port, tls, proxies: Arc::new(proxies) })
    }

    /// Scheme, host and port of the ingress.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where its sockets are.
    pub(crate) fn socket_base(&self) -> String {
        self.base.replacen("http", "ws", 1)
    }

    /// A client for calls, with connections of its own.
    pub(crate) fn http_client(&self) -> Result<reqwest::Client, RoadError> {
        let mut builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        if let Some(tls) = &self.tls {
            builder = builder.tls_backend_preconfigured(tls.clone());
        }
        if is_loopback(&self.host) {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| RoadError::Tls(error.to_string()))
    }

    /// A connection for a socket. The error is for a person.
    pub(crate) async fn open(&self) -> Result<Line, String> {
        let target = format!("{}:{}", self.host, self.port);
        let uri = self.base.parse::<http::Uri>().map_err(|error| error.to_string())?;
        let line: Line = match self.proxies.intercept(&uri) {
            Some(proxy) => proxy::through(&proxy, &target, self.tls.as_ref()).await?,
            None => Box::new(connect(&target).await?),
        };
        match &self.tls {
            Some(tls) => encrypt(line, &self.host, tls.clone()).await,
            None => Ok(line),
        }
    }
}

async fn connect(target: &str) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(target).await.map_err(|error| error.to_string())?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn encrypt(line: Line, host: &str, tls: ClientConfig) -> Result<Line, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, line).await;
    Ok(Box::new(stream.map_err(|error| explained(&error))?))
}

/// Whether a name of the host part of a URL can only mean this machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

/// An address as it may be repeated to a person: what stands before an `@` may be a password.
fn shown(address: &str) -> String {
    address.rsplit('@').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingress_is_reached_by_https_or_without_leaving_this_machine() {
        let base = |address: &str| Road::to(address, None).map(|road| road.base().to_owned());
        for here in ["http://127.0.0.1:7878", "http://localhost:1", "http://[::1]:2", "http://a.localhost"] {
            assert_eq!(base(here).unwrap(), here);
        }
        assert_eq!(base("http://127.0.0.1:7878/").unwrap(), "http://127.0.0.1:7878");
        for plain in
            ["http://host", "http://192.168.1.2:7878", "http://localhost.evil.com", "http://127.0.0.1.nip.io"]
        {
            assert!(matches!(base(plain), Err(RoadError::Plain(_))), "{plain}");
        }
        for bad in
            ["host", "", "ftp://host", "https://", "https://host/path", "https://host/?x", "wss://host"]
        {
            assert!(matches!(base(bad), Err(RoadError::Address(_))), "{bad}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = Road::to("https://me:secret@host", None).unwrap_err().to_string();
        assert!(error.contains("host") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn the_socket_is_where_the_ingress_is() {
        assert_eq!(Road::to("http://127.0.0.1:7878/", None).unwrap().socket_base(), "ws://127.0.0.1:7878");
        let road =
            Road { base: "https://http.example".into(), ..Road::to("http://localhost", None).unwrap() };
        assert_eq!(road.socket_base(), "wss://http.example");
    }
}
