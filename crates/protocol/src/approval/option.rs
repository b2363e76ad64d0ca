//! An agent's own choices: a request may carry `permission_options`, each with an id, a name in the agent's words and a
//! kind. Whoever answers picks one by its id, and the id must say the same as the `behavior` beside it, so that a button
//! named "reject" can never be sent as an allow.

use serde::{Deserialize, Serialize};

/// What picking an option means; the name beside it is the agent's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum OptionKind {
    /// `allow_once`: this call.
    AllowOnce,
    /// `allow_always`: this call and others, which ones the agent alone knows.
    AllowAlways,
    /// `reject_once`: not this call.
    RejectOnce,
    /// `reject_always`: not this call nor others.
    RejectAlways,
    /// A kind nobody documented: it can be shown and not be picked.
    Other(String),
}

impl OptionKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AllowOnce => "allow_once",
            Self::AllowAlways => "allow_always",
            Self::RejectOnce => "reject_once",
            Self::RejectAlways => "reject_always",
            Self::Other(word) => word,
        }
    }

    /// Whether picking it allows, `None` when nobody knows.
    #[must_use]
    pub fn allows(&self) -> Option<bool> {
        match self {
            Self::AllowOnce | Self::AllowAlways => Some(true),
            Self::RejectOnce | Self::RejectAlways => Some(false),
            Self::Other(_) => None,
        }
    }

    /// Whether the agent remembers it.
    #[must_use]
    pub fn lasts(&self) -> bool {
        matches!(self, Self::AllowAlways | Self::RejectAlways)
    }
}

impl From<String> for OptionKind {
    fn from(word: String) -> Self {
        match word.as_str() {
            "allow_once" => Self::AllowOnce,
            "allow_always" => Self::AllowAlways,
            "reject_once" => Self::RejectOnce,
            "reject_always" => Self::RejectAlways,
            _ => Self::Other(word),
        }
    }
}

impl From<OptionKind> for String {
    fn from(kind: OptionKind) -> Self {
        kind.as_str().to_owned()
    }
}

/// One choice the agent offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionOption {
    /// What an answer names.
    pub option_id: String,
    /// The agent's words for it.
    pub name: String,
    /// What it means.
    pub kind: OptionKind,
}

/// Why an answer picks no option of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The request offers no option of that id.
    #[error("the agent offered no such option")]
    NotOffered,
    /// Two options share the id.
    #[error("the agent offered two options under one id, so nobody can tell which is meant")]
    Ambiguous,
    /// A reject that is sent as an allow, or the reverse, or a kind nobody knows.
    #[error("the option means something else than the decision says")]
    OtherBehavior,
    /// A plain allow, where every allow lasts.
    #[error("the agent offers no way to allow this once: one of its options has to be picked")]
    NoPlainAllow,
    /// An edited input, or a granted suggestion, for an agent that takes neither.
    #[error("an agent that offers options takes its input as it is, and nothing beside the option")]
    NothingElse,
}

/// The option a decision picks out of `offered`: the one it names, or for a plain decision the one that holds once.
/// `None` when the request offers none, or for a plain no where no option says just that.
///
/// ```
/// use portcullis_protocol::approval::{OptionError, PermissionOption, pick};
/// let offered: Vec<PermissionOption> = serde_json::from_str(
///     r#"[{"option_id":"a","name":"Always","kind":"allow_always"},{"option_id":"n","name":"No","kind":"reject_once"}]"#,
/// )
/// .unwrap();
/// assert_eq!(pick(Some(&offered), true, Some("a")).unwrap().unwrap().name, "Always");
/// assert_eq!(pick(Some(&offered), true, Some("n")), Err(OptionError::OtherBehavior));
/// assert_eq!(pick(Some(&offered), true, None), Err(OptionError::NoPlainAllow));
/// assert_eq!(pick(Some(&offered), false, None).unwrap().unwrap().option_id, "n");
/// ```
///
/// # Errors
/// [`OptionError`] naming why nothing can be picked.
pub fn pick<'a>(
    offered: Option<&'a [PermissionOption]>,
    allow: bool,
    option_id: Option<&str>,
) -> Result<Option<&'a PermissionOption>, OptionError> {
    let Some(offered) = offered else {
        return if option_id.is_some() { Err(OptionError::NotOffered) } else { Ok(None) };
    };
    let Some(option_id) = option_id else {
        let plain = if allow { OptionKind::AllowOnce } else { OptionKind::RejectOnce };
        let once = offered.iter().find(|option| option.kind == plain && is_unique(offered, option));
        return if once.is_none() && allow { Err(OptionError::NoPlainAllow) } else { Ok(once) };
    };
    let option = offered.iter().find(|option| option.option_id == option_id);
    let option = option.ok_or(OptionError::NotOffered)?;
    if !is_unique(offered, option) {
        return Err(OptionError::Ambiguous);
    }
    if option.kind.allows() == Some(allow) { Ok(Some(option)) } else { Err(OptionError::OtherBehavior) }
}

fn is_unique(offered: &[PermissionOption], option: &PermissionOption) -> bool {
    offered.iter().filter(|other| other.option_id == option.option_id).count() == 1
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn options(list: &[(&str, &str)]) -> Vec<PermissionOption> {
        let option = |(id, kind): &(&str, &str)| PermissionOption {
            option_id: (*id).into(),
            name: (*id).to_uppercase(),
            kind: OptionKind::from((*kind).to_owned()),
        };
        list.iter().map(option).collect()
    }

    fn picked(list: &[(&str, &str)], allow: bool, id: Option<&str>) -> Result<Option<String>, OptionError> {
        pick(Some(&options(list)), allow, id).map(|option| option.map(|option| option.option_id.clone()))
    }

    const ALL: &[(&str, &str)] =
        &[("aa", "allow_always"), ("a", "allow_once"), ("ra", "reject_always"), ("r", "reject_once")];

    #[test]
    fn each_option_is_a_choice_of_its_own_and_says_what_the_behavior_says() {
        for (id, kind) in ALL {
            let allows = kind.starts_with("allow");
            assert_eq!(picked(ALL, allows, Some(id)), Ok(Some((*id).to_owned())), "{id}");
            assert_eq!(picked(ALL, !allows, Some(id)), Err(OptionError::OtherBehavior), "{id}");
        }
        assert_eq!(picked(ALL, true, Some("b")), Err(OptionError::NotOffered));
        assert_eq!(pick(None, true, Some("a")), Err(OptionError::NotOffered));
        for allow in [true, false] {
            let unknown = picked(&[("x", "allow_for_a_year")], allow, Some("x"));
            assert_eq!(unknown, Err(OptionError::OtherBehavior));
        }
    }

    #[test]
    fn a_plain_decision_takes_the_option_that_holds_once_and_never_one_that_lasts() {
        assert_eq!(picked(ALL, true, None), Ok(Some("a".into())));
        assert_eq!(picked(ALL, false, None), Ok(Some("r".into())));
        assert_eq!(picked(&ALL[..1], true, None), Err(OptionError::NoPlainAllow));
        assert_eq!(picked(&[], true, None), Err(OptionError::NoPlainAllow));
        assert_eq!(picked(&ALL[..3], false, None), Ok(None), "a no needs no option");
        assert_eq!(pick(None, true, None), Ok(None));
    }

    #[test]
    fn an_id_that_stands_twice_picks_nothing() {
        let twice = &[("a", "allow_once"), ("a", "reject_once"), ("b", "allow_once")];
        for allow in [true, false] {
            assert_eq!(picked(twice, allow, Some("a")), Err(OptionError::Ambiguous));
        }
        assert_eq!(picked(twice, true, None), Ok(Some("b".into())));
        assert_eq!(picked(twice, false, None), Ok(None));
    }

    #[test]
    fn a_kind_nobody_knows_survives() {
        let text = r#"{"option_id":"x","name":"X","kind":"allow_for_a_year"}"#;
        let option: PermissionOption = serde_json::from_str(text).unwrap();
        assert_eq!(option.kind.allows(), None);
        assert_eq!(serde_json::to_string(&option).unwrap(), text);
    }
}
