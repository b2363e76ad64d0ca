//! Which links may be clicked. An agent's text is hostile: a link says where it really leads, and one that says it
//! leads elsewhere asks first.

/// What becomes of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// May be followed. `host` is to be shown where the text does not name it.
    Safe { href: String, host: Option<String> },
    /// Its text names another host than `host`, where it leads: asks before it is followed.
    Asks { href: String, host: String },
    /// Shown as text, with its address beside it.
    Text { url: String },
}

/// Longest address that becomes a link, in bytes: beyond it nobody can check where it leads.
const URL_BYTES_MAX: usize = 2_048;

/// Judges the address `url` of a link whose visible text is `shown`.
#[must_use]
pub fn judge(url: &str, shown: &str) -> Link {
    let text = || Link::Text { url: url.to_owned() };
    if url.len() > URL_BYTES_MAX || url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return text();
    }
    let Some((scheme, rest)) = url.split_once(':') else { return text() };
    match scheme.to_ascii_lowercase().as_str() {
        "mailto" if rest.is_ascii() => Link::Safe { href: url.to_owned(), host: None },
        "http" | "https" => match host_of(rest) {
            Some(host) if names_another_host(shown, &host) => Link::Asks { href: url.to_owned(), host },
            Some(host) => {
                let visible = shown.to_ascii_lowercase().contains(&host);
                Link::Safe { href: url.to_owned(), host: (!visible).then_some(host) }
            }
            None => text(),
        },
        _ => text(),
    }
}

/// The host of what follows `http:`, or `None` when it hides behind user data, a look-alike or an odd shape.
fn host_of(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix("//")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map(|(host, port)| (host, port.strip_prefix(':').unwrap_or(port)))?,
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    let fits = !host.is_empty() && host.bytes().all(plain) && port.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| host.to_ascii_lowercase())
}

/// Whether the visible text looks like an address, but of another host.
fn names_another_host(shown: &str, host: &str) -> bool {
    let shown = shown.trim();
    let claimed = shown.split_once("://").map_or(shown, |(_, rest)| rest);
    let claimed = claimed.split(['/', '?', '#', ':']).next().unwrap_or_default().to_ascii_lowercase();
    let looks_like_host = claimed.contains('.')
        && !claimed.starts_with('.')
        && !claimed.contains(char::is_whitespace)
        && (shown.contains("://") || claimed.rsplit('.').next().is_some_and(is_common_ending));
    looks_like_host && claimed.trim_start_matches("www.") != host.trim_start_matches("www.")
}

/// Endings that people read as a host and not as a file name.
fn is_common_ending(ending: &str) -> bool {
    matches!(
        ending,
        "com" | "org" | "net" | "io" | "dev" | "edu" | "gov" | "app" | "co" | "uk" | "de" | "cn" | "ai"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clickable(url: &str, shown: &str) -> bool {
        matches!(judge(url, shown), Link::Safe { .. })
    }

    #[test]
    fn refuses_schemes_and_shapes_that_are_not_plain_web_links() {
        for url in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "//evil.example",
            "/v1/auth/logout",
            "https://github.com@evil.example/",
            "https:\\\\evil.example",
            "https://exa mple.com",
            "https://раураl.com/",
            "http:evil",
            "java\nscript:alert(1)",
        ] {
            assert!(!clickable(url, "here"), "{url}");
        }
    }

    #[test]
    fn takes_web_and_mail_links_and_names_the_host_where_the_text_does_not() {
        assert_eq!(
            judge("https://Docs.rs/leptos", "the docs"),
            Link::Safe { href: "https://Docs.rs/leptos".into(), host: Some("docs.rs".into()) }
        );
        assert_eq!(
            judge("https://docs.rs/leptos", "https://docs.rs/leptos"),
            Link::Safe { href: "https://docs.rs/leptos".into(), host: None }
        );
        assert!(clickable("mailto:a@example.com", "write"));
        assert!(clickable("http://[::1]:8080/x", "local"));
    }

    #[test]
    fn a_text_that_names_another_host_asks_first() {
        for shown in ["https://github.com/x", "github.com"] {
            let asks = Link::Asks { href: "https://evil.example/".into(), host: "evil.example".into() };
            assert_eq!(judge("https://evil.example/", shown), asks);
        }
        assert!(clickable("https://github.com/x", "www.github.com"));
        assert!(clickable("https://github.com/x/blob/main.rs", "main.rs"));
    }
}
