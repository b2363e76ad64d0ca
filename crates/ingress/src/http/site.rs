//! The built web client, served under a policy that lets nothing run but what is in its files.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tower_http::services::{ServeDir, ServeFile};

use super::Shared;
use super::error::ApiError;

/// Shown where the client would be.
const NOT_BUILT: &str = "Portcullis is running, but the web client was not built.\n\
    Build it with `cargo xtask dist` and start again with `--web-root dist`, or run `cargo xtask demo`.\n";
/// Calls return data: nothing of it is ever to be run or shown as a page.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What is served beside the calls.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    root: Option<PathBuf>,
    policy: HeaderValue,
}

impl Site {
    /// Reads the page once, for the hashes of its inline scripts. Without a page there is a note in its place.
    pub(crate) fn open(root: Option<&Path>) -> Self {
        let page = root.and_then(|root| std::fs::read_to_string(root.join("index.html")).ok());
        if root.is_some() && page.is_none() {
            tracing::warn!(root = ?root, "there is no index.html in the web root");
        }
        let hashes: String = page.iter().flat_map(|page| inline_scripts(page)).map(source_of).collect();
        let policy = policy(&hashes);
        Self {
            root: page.and(root).map(Path::to_owned),
            policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(API_POLICY)),
        }
    }

    /// Files of the client; every other path is the page itself. Where a file lies beside one that `cargo xtask dist`
    /// compressed (`.br`, `.gz`), a browser that can read it gets that one.
    pub(crate) fn router(&self) -> Router {
        match &self.root {
            Some(root) => {
                let page = ServeFile::new(root.join("index.html")).precompressed_br().precompressed_gzip();
                let files = ServeDir::new(root).precompressed_br().precompressed_gzip();
                Router::new().fallback_service(files.fallback(page))
            }
            None => Router::new().fallback(not_built),
        }
    }
}

fn policy(script_hashes: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{script_hashes}; style-src 'self'; \
         connect-src 'self'; img-src 'self' blob: data:; font-src 'none'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; manifest-src 'self'; worker-src 'self'"
    )
}

async fn not_built(method: Method) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return ApiError::method_not_allowed().into_response();
    }
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], NOT_BUILT).into_response()
}

/// The bodies of the page's scripts that are no files.
fn inline_scripts(page: &str) -> Vec<&str> {
    let lower = page.to_ascii_lowercase();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(start) = lower[at..].find("<script").map(|offset| at + offset) {
        let Some(open) = lower[start..].find('>').map(|offset| start + offset + 1) else { break };
        let Some(close) = lower[open..].find("</script").map(|offset| open + offset) else { break };
        if !lower[start..open].contains(" src=") {
            found.push(&page[open..close]);
        }
        at = close;
    }
    found
}

fn source_of(script: &str) -> String {
    format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script.as_bytes())))
}

/// Trunk puts the hash of a file's content into its name: `name-0123456789abcdef.js`.
fn is_hashed(path: &str) -> bool {
    let Some(name) = path.rsplit('/').next() else { return false };
    let name = name.split('.').next().unwrap_or(name);
    let hash = name.strip_suffix("_bg").unwrap_or(name).rsplit('-').next().unwrap_or("");
    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Headers of every answer: the policy, and what keeps other pages at a distance.
pub(super) async fn harden(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_api = path.starts_with("/v1");
    let mut response = next.run(request).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !response.headers().contains_key(CONTENT_TYPE) {
        response = ApiError::method_not_allowed().into_response();
    }
    let is_kept = response.status() == StatusCode::OK && is_hashed(&path);
    let cache = if is_kept { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    let policy = if is_api { HeaderValue::from_static(API_POLICY) } else { app.site.policy.clone() };
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    if !is_api {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        // One address has several encodings, whichever of them this is.
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_inline_scripts_and_no_files() {
        let page = r#"<SCRIPT type="module">a()</SCRIPT><script src="/x.js"></script><script>b()</script><script>c("#;
        assert_eq!(inline_scripts(page), ["a()", "b()"]);
    }

    #[test]
    fn hashes_a_script_as_browsers_do() {
        // echo -n "alert('Hello, world.');" | openssl dgst -sha256 -binary | base64
        assert_eq!(
            source_of("alert('Hello, world.');"),
            " 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
        );
    }

    #[test]
    fn knows_a_name_with_a_hash() {
        assert!(is_hashed("/portcullis-web-0123456789abcdef.js"));
        assert!(is_hashed("/portcullis-web-0123456789abcdef_bg.wasm"));
        assert!(!is_hashed("/assets/icon.svg") && !is_hashed("/") && !is_hashed("/boot.js"));
    }

    #[test]
    fn the_policy_allows_no_inline_code_by_name() {
        assert!(!policy("").contains("unsafe-inline") && policy("").contains("default-src 'none'"));
    }
}
