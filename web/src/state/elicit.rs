//! What a person typed into the form of an elicitation, or as the result of a dialog, as the answer that is sent.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::form::{Elicitation, FieldKind, FormField};

use crate::words::gate as words;

/// Why a form cannot be sent yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nothing in a required field.
    #[error("{}", words::is_required())]
    Missing,
    /// Not of the field's kind.
    #[error("{0}")]
    Kind(&'static str),
}

/// What is wrong with `typed` in `field`, if anything.
#[must_use]
pub fn unfit(field: &FormField, typed: &str) -> Option<Unfit> {
    if typed.is_empty() {
        return field.required.then_some(Unfit::Missing);
    }
    field.kind.value(typed).is_none().then_some(Unfit::Kind(wanted(&field.kind)))
}

/// The values of `form` as one object, what was left empty left out. `None` while something is missing or unfit.
#[must_use]
pub fn content(form: &Elicitation, typed: &[String]) -> Option<Option<RawJson>> {
    if form.url.is_some() || form.fields.is_empty() {
        return Some(None);
    }
    let mut parts = Vec::new();
    for (field, typed) in form.fields.iter().zip(typed) {
        if unfit(field, typed).is_some() {
            return None;
        }
        if !typed.is_empty() {
            let value = field.kind.value(typed)?;
            parts.push(format!("{}:{}", RawJson::from_value(&field.name).as_str(), value.as_str()));
        }
    }
    RawJson::parse(&format!("{{{}}}", parts.join(","))).ok().map(Some)
}

/// The result of a dialog, `None` while it is no JSON.
#[must_use]
pub fn result(typed: &str) -> Option<RawJson> {
    FieldKind::Json.value(typed)
}

fn wanted(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => words::is_text(),
        FieldKind::Choice(_) => words::is_choice(),
        FieldKind::Number => words::is_number(),
        FieldKind::Integer => words::is_whole(),
        FieldKind::Boolean => words::is_boolean(),
        FieldKind::Json => words::is_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Elicitation {
        let request = r#"{"subtype":"elicitation","mcp_server_name":"s","message":"Who?","requested_schema":{"properties":{"name":{"type":"string"},"age":{"type":"integer"},"more":{"type":"array"}},"required":["name"]}}"#;
        Elicitation::read(&RawJson::parse(request).unwrap()).unwrap()
    }

    fn sent(typed: [&str; 3]) -> Option<String> {
        let typed = typed.map(str::to_owned);
        Some(content(&form(), &typed)??.as_str().to_owned())
    }

    #[test]
    fn what_was_typed_is_sent_and_what_was_left_empty_is_not() {
        assert_eq!(sent(["a\"b", "", ""]).as_deref(), Some(r#"{"name":"a\"b"}"#));
        assert_eq!(sent(["a", "7", "[1.0]"]).as_deref(), Some(r#"{"name":"a","age":7,"more":[1.0]}"#));
        let typed = ["a", "7", "[1.0]"].map(str::to_owned);
        assert_eq!(form().check(content(&form(), &typed).unwrap().as_ref()), Ok(()));
    }

    #[test]
    fn what_is_missing_or_of_another_kind_holds_the_answer_back() {
        assert_eq!(sent(["", "7", ""]), None);
        assert_eq!(sent(["a", "seven", ""]), None);
        assert_eq!(sent(["a", "", "[1"]), None);
        assert_eq!(unfit(&form().fields[0], ""), Some(Unfit::Missing));
        assert_eq!(unfit(&form().fields[1], ""), None);
        assert_eq!((result("{"), result("7").map(|raw| raw.as_str().to_owned())), (None, Some("7".into())));
    }
}
