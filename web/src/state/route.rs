//! Which place of the client an address names, and the address of a place.

use portcullis_protocol::id::SessionId;

/// A place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The list of sessions.
    Home,
    /// A new session.
    New,
    /// What waits, over all sessions.
    Inbox,
    /// Devices, rules, decisions, and how this page looks.
    Settings,
    /// One session.
    Session(SessionId),
}

impl Route {
    /// Reads a path. What names no place is home: an id is checked before it goes anywhere.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        match path.trim_matches('/').split_once('/') {
            Some(("s", id)) => SessionId::parse(id).map_or(Self::Home, Self::Session),
            Some(_) => Self::Home,
            None => match path.trim_matches('/') {
                "new" => Self::New,
                "inbox" => Self::Inbox,
                "settings" => Self::Settings,
                _ => Self::Home,
            },
        }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Home => "/".into(),
            Self::New => "/new".into(),
            Self::Inbox => "/inbox".into(),
            Self::Settings => "/settings".into(),
            Self::Session(id) => format!("/s/{id}"),
        }
    }

    /// The session it shows.
    #[must_use]
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Session(id) => Some(id),
            Self::Home | Self::New | Self::Inbox | Self::Settings => None,
        }
    }

    /// The value of `data-place`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::New => "new",
            Self::Inbox => "inbox",
            Self::Settings => "settings",
            Self::Session(_) => "session",
        }
    }
}

/// The pairing code in an address's fragment: `#pair=CODE`.
#[must_use]
pub fn pairing_code(fragment: &str) -> Option<String> {
    const CODE_BYTES_MAX: usize = 256;
    let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
    let code = fragment.split('&').find_map(|part| part.strip_prefix("pair="))?;
    (!code.is_empty() && code.len() <= CODE_BYTES_MAX).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_its_place_are_each_others_inverse() {
        for path in ["/", "/new", "/inbox", "/settings", "/s/session_01-a"] {
            assert_eq!(Route::parse(path).path(), path);
        }
    }

    #[test]
    fn what_names_no_place_is_home() {
        for path in ["", "/x", "/s", "/s/", "/s/a b", "/s/../v1", "/s/-p", "/s/a/b", "//evil"] {
            assert_eq!(Route::parse(path), Route::Home, "{path}");
        }
    }

    #[test]
    fn finds_the_pairing_code_and_nothing_else() {
        assert_eq!(pairing_code("#pair=AB-12"), Some("AB-12".into()));
        assert_eq!(pairing_code("#x=1&pair=c"), Some("c".into()));
        for fragment in ["", "#", "#pair=", "#repair=x", &format!("#pair={}", "x".repeat(300))] {
            assert_eq!(pairing_code(fragment), None);
        }
    }
}
