//! A connection through the proxy that the environment names, by `CONNECT`.

use hyper_util::client::proxy::matcher::Intercept;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Line, connect, encrypt};

/// Longest answer of a proxy to `CONNECT`, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// What ends it.
const ANSWER_END: &[u8] = b"\r\n\r\n";

/// A tunnel to `target` through `proxy`.
pub(super) async fn through(
    proxy: &Intercept,
    target: &str,
    tls: Option<&ClientConfig>,
) -> Result<Line, String> {
    let uri = proxy.uri();
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let plain: Line = Box::new(connect(&format!("{host}:{port}")).await.map_err(|why| failed(&why))?);
    let mut line = match (uri.scheme_str(), tls) {
        (Some("http"), _) => plain,
        (Some("https"), Some(tls)) => encrypt(plain, host, tls.clone()).await.map_err(|why| failed(&why))?,
        (scheme, _) => {
            return Err(failed(&format!("one of the kind `{}` cannot be used", scheme.unwrap_or_default())));
        }
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(credential) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(credential.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    line.write_all(&request).await.map_err(|error| failed(&error.to_string()))?;
    let answer = head(&mut line).await?;
    // `HTTP/1.1 200 Connection established`
    if answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        Ok(line)
    } else {
        Err(failed(&format!("it answered `{}`", answer.lines().next().unwrap_or_default())))
    }
}

/// The head of the answer. Byte by byte: what follows belongs to the server behind the proxy.
async fn head(line: &mut Line) -> Result<String, String> {
    let mut answer = Vec::new();
    while !answer.ends_with(ANSWER_END) {
        if answer.len() >= ANSWER_BYTES_MAX {
            return Err(failed("its answer is too long"));
        }
        answer.push(line.read_u8().await.map_err(|_| failed("it hung up"))?);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn failed(why: &str) -> String {
    format!("the proxy does not let this machine through: {why}")
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;
    use tokio::net::TcpListener;

    use super::*;

    /// A proxy that answers `answer` to whatever it is asked, and then says `hello`; what it was asked comes back.
    async fn proxy(answer: &'static str) -> (Matcher, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(ANSWER_END) {
                assert!(stream.read_buf(&mut read).await.unwrap() > 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(read).unwrap()
        });
        (Matcher::builder().all(format!("http://me:word@{address}")).no("inside.example").build(), asked)
    }

    async fn tried(answer: &'static str) -> (Result<Line, String>, String) {
        let (matcher, asked) = proxy(answer).await;
        let intercept = matcher.intercept(&"https://host.example".parse().unwrap()).unwrap();
        (through(&intercept, "host.example:443", None).await, asked.await.unwrap())
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_the_host_with_its_password_and_what_follows_is_the_hosts() {
        let (line, asked) = tried("HTTP/1.1 200 ok\r\nx: y\r\n\r\nhello").await;
        assert!(asked.starts_with("CONNECT host.example:443 HTTP/1.1\r\nHost: host.example:443\r\n"));
        assert!(asked.contains("Proxy-Authorization: Basic "), "{asked}");
        let mut said = String::new();
        line.unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_told_from_a_server_that_is_not_there() {
        let (refused, _) = tried("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        let error = refused.err().unwrap();
        assert!(error.contains("proxy") && error.contains("407"), "{error}");
        assert!(tried("nonsense").await.0.is_err(), "it hangs up");
    }

    #[tokio::test]
    async fn what_the_environment_excepts_goes_straight() {
        let (matcher, _) = proxy("").await;
        assert!(matcher.intercept(&"https://inside.example".parse().unwrap()).is_none());
    }
}
