//! What every request has to pass before anybody looks at its path: the exact Host, the exact Origin if there is
//! one, and the media type of a body. Loopback is no boundary: any page in any browser reaches it.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::error::ApiError;

/// The hosts and origins of this server, exactly as browsers spell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a configured origin is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin: write scheme, host and port alone, like http://127.0.0.1:8080")]
pub struct BadOrigin(pub String);

impl Allowed {
    /// The loopback names of `bound`, and what the configuration adds.
    ///
    /// # Errors
    /// [`BadOrigin`] for an entry that is no origin.
    pub(crate) fn new(bound: SocketAddr, extra: &[String]) -> Result<Self, BadOrigin> {
        let port = bound.port();
        let mut hosts = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        if bound.is_ipv6() {
            hosts.push(format!("[::1]:{port}"));
        }
        if !bound.ip().is_loopback() && !bound.ip().is_unspecified() {
            hosts.push(bound.to_string());
        }
        let mut origins: Vec<String> = hosts.iter().map(|host| format!("http://{host}")).collect();
        for origin in extra {
            let bad = || BadOrigin(origin.clone());
            let host =
                origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).ok_or_else(bad)?;
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_host) {
                return Err(bad());
            }
            hosts.push(host.to_owned());
            origins.push(origin.clone());
        }
        Ok(Self { hosts, origins })
    }

    fn is_host(&self, headers: &HeaderMap, authority: Option<&str>) -> bool {
        let Some(host) = only(headers, HOST) else { return false };
        self.hosts.iter().any(|allowed| allowed == host)
            && authority.is_none_or(|authority| authority == host)
    }

    fn is_origin(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(ORIGIN) {
            return true;
        }
        only(headers, ORIGIN).is_some_and(|origin| self.origins.iter().any(|allowed| allowed == origin))
    }
}

/// The value of a header that stands exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// A body comes as JSON and says so; a page of another origin cannot send that without asking first. Calls without a
/// body need not name a type.
fn has_fitting_type(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    if headers.contains_key(CONTENT_TYPE) {
        let essence = only(headers, CONTENT_TYPE).and_then(|value| value.split(';').next());
        return essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    }
    let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    is_empty && !headers.contains_key(TRANSFER_ENCODING)
}

/// The guard itself.
pub(super) async fn check(State(app): State<Shared>, request: Request, next: Next) -> Response {
    app.metrics.request();
    let headers = request.headers();
    let refusal =
        if !app.allowed.is_host(headers, request.uri().authority().map(|authority| authority.as_str())) {
            Some(ApiError::forbidden("this server does not answer under that name"))
        } else if !app.allowed.is_origin(headers) {
            Some(ApiError::forbidden("pages of that origin may not call this server"))
        } else if !has_fitting_type(request.method(), headers) {
            Some(ApiError::media_type())
        } else {
            None
        };
    let is_api = request.uri().path().starts_with("/v1");
    let mut response = match refusal {
        Some(error) => {
            app.metrics.refused();
            error.into_response()
        }
        None => next.run(request).await,
    };
    if is_api || response.status().is_client_error() {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Allowed {
        Allowed::new("127.0.0.1:7878".parse().unwrap(), &["http://127.0.0.1:8080".into()]).unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn answers_under_its_exact_names_alone() {
        let is_host = |host| allowed().is_host(&headers(&[("host", host)]), None);
        for good in ["127.0.0.1:7878", "localhost:7878", "127.0.0.1:8080"] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.:7878",
            "localhost:7878.",
            "LOCALHOST.evil.com:7878",
            "localhost.evil.com:7878",
            "127.0.0.1.nip.io:7878",
            "[::1]:7878",
            "evil.com",
            "",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(!allowed().is_host(&headers(&[]), None));
        let twice = headers(&[("host", "127.0.0.1:7878"), ("host", "127.0.0.1:7878")]);
        assert!(!allowed().is_host(&twice, None));
        let one = headers(&[("host", "127.0.0.1:7878")]);
        assert!(!allowed().is_host(&one, Some("evil.com")));
    }

    #[test]
    fn an_origin_is_exact_or_absent() {
        let is_origin = |origin| allowed().is_origin(&headers(&[("origin", origin)]));
        assert!(is_origin("http://127.0.0.1:7878") && is_origin("http://127.0.0.1:8080"));
        assert!(allowed().is_origin(&headers(&[])));
        for bad in [
            "null",
            "http://127.0.0.1:3000",
            "https://127.0.0.1:7878",
            "http://127.0.0.1:7878/",
            "http://evil.com",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn refuses_a_configured_origin_that_is_none() {
        for bad in ["127.0.0.1:8080", "http://", "http://a/b", "http://user@a", "*", "null"] {
            assert!(Allowed::new("127.0.0.1:1".parse().unwrap(), &[bad.into()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_body_is_json_or_absent() {
        let fits = |pairs: &[(&'static str, &'static str)]| has_fitting_type(&Method::POST, &headers(pairs));
        assert!(fits(&[("content-type", "application/json; charset=utf-8")]));
        assert!(fits(&[("content-length", "0")]) && fits(&[]));
        assert!(!fits(&[("content-type", "text/plain")]));
        assert!(!fits(&[("content-length", "2")]));
        assert!(!fits(&[("transfer-encoding", "chunked")]));
        assert!(!fits(&[("content-type", "application/jsonp")]));
    }
}
