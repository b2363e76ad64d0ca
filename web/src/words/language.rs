//! Which language is spoken.

use std::cell::Cell;

/// A language of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Chinese,
}

thread_local! {
    static SPOKEN: Cell<Language> = const { Cell::new(Language::English) };
}

impl Language {
    /// Every language, for a menu.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The first language of `wanted` (BCP 47 tags, best first) that is spoken here.
    #[must_use]
    pub fn best<'a>(wanted: impl IntoIterator<Item = &'a str>) -> Self {
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let known =
            |tag: &str| Self::ALL.into_iter().find(|language| primary(language.tag()) == primary(tag));
        wanted.into_iter().find_map(known).unwrap_or_default()
    }

    /// Its BCP 47 tag, for `<html lang>` and `Intl`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// Its name in itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    /// The one that is spoken now.
    #[must_use]
    pub fn spoken() -> Self {
        SPOKEN.get()
    }

    /// Speaks it from now on. What was drawn before stays as it was.
    pub fn set(self) {
        SPOKEN.set(self);
    }

    pub(super) fn pick(english: &'static str, chinese: &'static str) -> &'static str {
        match Self::spoken() {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_what_a_browser_asks_for_and_english_otherwise() {
        assert_eq!(Language::best(["fr-FR", "zh-CN", "en"]), Language::Chinese);
        assert_eq!(Language::best(["EN-gb", "zh"]), Language::English);
        assert_eq!(Language::best(["xx", ""]), Language::English);
        assert_eq!(Language::best([]), Language::English);
    }
}
