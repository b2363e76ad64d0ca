//! What a person chose for this browser: how it looks, which language it speaks, and what it may make itself heard with.
//! Each choice is one entry of the browser's own storage under `portcullis.`; none of it is ever sent anywhere. `boot.js`
//! reads some of them too, before anything is drawn.

/// One choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pref {
    Theme,
    Language,
    Density,
    /// Single letters as shortcuts.
    Keys,
    Sound,
    /// Notifications of the system.
    Notify,
}

impl Pref {
    /// The name it is stored under.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Theme => "portcullis.theme",
            Self::Language => "portcullis.language",
            Self::Density => "portcullis.density",
            Self::Keys => "portcullis.keys",
            Self::Sound => "portcullis.sound",
            Self::Notify => "portcullis.notify",
        }
    }

    /// What may be stored, the default first.
    #[must_use]
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::Theme => &["", "light", "dark", "contrast"],
            Self::Language => &["", "en", "zh-Hans"],
            Self::Density => &["", "roomy"],
            Self::Keys => &["", "off"],
            Self::Sound | Self::Notify => &["", "on"],
        }
    }

    /// `stored` if it is one of [`Self::values`], else the default.
    #[must_use]
    pub fn read(self, stored: Option<&str>) -> &'static str {
        let known = stored.and_then(|stored| self.values().iter().find(|value| **value == stored));
        known.copied().unwrap_or_default()
    }

    /// The attribute of the page's root that tells the style sheets.
    #[must_use]
    pub fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Theme => Some("data-theme"),
            Self::Density => Some("data-density"),
            Self::Language | Self::Keys | Self::Sound | Self::Notify => None,
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod kept {
    use super::Pref;
    use crate::words::Language;

    impl Pref {
        /// What was chosen.
        #[must_use]
        pub fn get(self) -> &'static str {
            self.read(read(self.key()).as_deref())
        }

        /// Keeps a choice and shows it.
        pub fn set(self, value: &str) {
            write(self.key(), value);
            let root = leptos::prelude::document().document_element();
            if let (Some(attribute), Some(root)) = (self.attribute(), root) {
                let _ = match value {
                    "" => root.remove_attribute(attribute),
                    _ => root.set_attribute(attribute, value),
                };
            }
        }
    }

    /// Speaks the chosen language, or the best of those the browser asks for. Call before anything is drawn.
    pub fn speak() {
        let window = leptos::prelude::window();
        let chosen = Pref::Language.get();
        let wanted = window.navigator().languages();
        let wanted: Vec<String> = wanted.iter().filter_map(|tag| tag.as_string()).collect();
        let tags = (!chosen.is_empty()).then_some(chosen).into_iter();
        let language = Language::best(tags.chain(wanted.iter().map(String::as_str)));
        language.set();
        if let Some(root) = leptos::prelude::document().document_element() {
            let _ = root.set_attribute("lang", language.tag());
        }
    }

    /// An entry of the browser's own storage.
    #[must_use]
    pub fn read(key: &str) -> Option<String> {
        storage()?.get_item(key).ok().flatten()
    }

    /// Writes one; an empty one is removed. Where storage is denied it lasts as long as the page.
    pub fn write(key: &str, value: &str) {
        if let Some(storage) = storage() {
            let _ = if value.is_empty() { storage.remove_item(key) } else { storage.set_item(key, value) };
        }
    }

    fn storage() -> Option<web_sys::Storage> {
        leptos::prelude::window().local_storage().ok().flatten()
    }
}
#[cfg(target_arch = "wasm32")]
pub use kept::{read, speak, write};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_chose_or_nobody_knows_is_the_default() {
        assert_eq!(Pref::Theme.read(None), "");
        assert_eq!(Pref::Theme.read(Some("pink")), "");
        assert_eq!(Pref::Theme.read(Some("contrast")), "contrast");
        assert_eq!(Pref::Keys.read(Some("off")), "off");
    }

    #[test]
    fn the_languages_to_choose_are_those_that_are_spoken() {
        let spoken = crate::words::Language::ALL.map(crate::words::Language::tag);
        assert_eq!(Pref::Language.values()[1..], spoken);
    }
}
