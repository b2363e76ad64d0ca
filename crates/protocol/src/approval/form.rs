//! The form of an elicitation: which values its server wants, and whether an answer holds those and nothing else. What
//! a page offers and what the bridge lets through is read by the same code.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::json::{RawJson, lenient_string};

/// Fields of one form: a person fills in no longer one.
pub const FORM_FIELDS_MAX: usize = 64;

/// Why an answer does not fit the request. The text goes to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The request cannot be read as a form.
    #[error("the form that is asked for cannot be read")]
    Unreadable,
    /// More fields than [`FORM_FIELDS_MAX`].
    #[error("the form has more than {FORM_FIELDS_MAX} fields")]
    TooLong,
    /// Values where none are asked for.
    #[error("no values were asked for")]
    NotAsked,
    /// The values are no object.
    #[error("the values of a form are one JSON object")]
    NotAnObject,
    /// A key stands twice, or a text is no Unicode.
    #[error("a key stands twice, or a text cannot be read")]
    Ambiguous,
    /// A field that is not in the form.
    #[error("the form has no such field")]
    UnknownField,
    /// A value of another type than the field's.
    #[error("a value has another type than its field")]
    WrongType,
    /// A required field is empty.
    #[error("a required field is missing")]
    Missing,
}

/// An `elicitation` as a person answers it. All its texts are the words of the agent's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elicitation {
    /// Name of the server, as the agent says.
    pub server: String,
    /// What it wants.
    pub message: String,
    /// The address to go to instead of filling in a form.
    pub url: Option<String>,
    /// The fields, in the order asked for.
    pub fields: Vec<FormField>,
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormField {
    /// Its key in the answer.
    pub name: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// What is said about it.
    pub description: Option<String>,
    /// Whether the answer needs it.
    pub required: bool,
    /// What it takes.
    pub kind: FieldKind,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// One of these texts.
    Choice(Vec<String>),
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// Something that is no primitive: any JSON.
    Json,
}

impl Elicitation {
    /// Reads the `request` object.
    ///
    /// # Errors
    /// [`FormError::Unreadable`] or [`FormError::TooLong`].
    pub fn read(request: &RawJson) -> Result<Self, FormError> {
        #[derive(Deserialize)]
        struct Request {
            #[serde(default, deserialize_with = "lenient_string")]
            mcp_server_name: Option<String>,
            #[serde(default, deserialize_with = "lenient_string")]
            message: Option<String>,
            #[serde(default, deserialize_with = "lenient_string")]
            mode: Option<String>,
            #[serde(default, deserialize_with = "lenient_string")]
            url: Option<String>,
            #[serde(default)]
            requested_schema: Option<Map<String, Value>>,
            #[serde(default)]
            property_order: Option<Value>,
        }
        let request: Request = request.read().map_err(|_| FormError::Unreadable)?;
        let is_url = match request.mode.as_deref() {
            Some(mode) => mode == "url",
            None => request.url.is_some(),
        };
        let (url, fields) = if is_url {
            (Some(request.url.ok_or(FormError::Unreadable)?), Vec::new())
        } else {
            (None, fields(request.requested_schema.as_ref(), request.property_order.as_ref())?)
        };
        Ok(Self {
            server: request.mcp_server_name.unwrap_or_default(),
            message: request.message.unwrap_or_default(),
            url,
            fields,
        })
    }

    /// Whether `content` holds what the form asks for, and nothing else. What a schema says beyond type, choice and
    /// need is left to the server that asked.
    ///
    /// # Errors
    /// [`FormError`] naming the first rule that was broken.
    pub fn check(&self, content: Option<&RawJson>) -> Result<(), FormError> {
        if self.url.is_some() && content.is_some() {
            return Err(FormError::NotAsked);
        }
        let values = match content {
            None => Map::new(),
            Some(content) if !content.as_str().trim_start().starts_with('{') => {
                return Err(FormError::NotAnObject);
            }
            Some(content) if content.has_duplicate_keys() => return Err(FormError::Ambiguous),
            Some(content) => content.read::<Map<String, Value>>().map_err(|_| FormError::Ambiguous)?,
        };
        for (name, value) in &values {
            let field = self.fields.iter().find(|field| field.name == *name);
            if !field.ok_or(FormError::UnknownField)?.kind.takes(value) {
                return Err(FormError::WrongType);
            }
        }
        let is_given = |field: &FormField| !field.required || values.contains_key(&field.name);
        if self.fields.iter().all(is_given) { Ok(()) } else { Err(FormError::Missing) }
    }
}

impl FieldKind {
    fn of(schema: &Map<String, Value>) -> Self {
        if schema.contains_key("enum") || schema.contains_key("oneOf") {
            return choices(schema).map_or(Self::Json, Self::Choice);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => Self::Text,
            Some("number") => Self::Number,
            Some("integer") => Self::Integer,
            Some("boolean") => Self::Boolean,
            _ => Self::Json,
        }
    }

    /// Whether `value` is of this kind.
    #[must_use]
    pub fn takes(&self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Choice(all) => value.as_str().is_some_and(|value| all.iter().any(|one| one == value)),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Json => true,
        }
    }

    /// The value that `typed` stands for, `None` when it is not of this kind.
    #[must_use]
    pub fn value(&self, typed: &str) -> Option<RawJson> {
        match self {
            Self::Text | Self::Choice(_) => {
                let text = Value::String(typed.to_owned());
                self.takes(&text).then(|| RawJson::from_value(&text))
            }
            Self::Number | Self::Integer | Self::Boolean | Self::Json => {
                let raw = RawJson::parse(typed.trim()).ok()?;
                (!raw.has_duplicate_keys() && self.takes(&raw.read().ok()?)).then_some(raw)
            }
        }
    }
}

/// The texts to choose from, `None` when one of them is no text.
fn choices(schema: &Map<String, Value>) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (schema.get("enum"), schema.get("oneOf")) {
        (Some(Value::Array(all)), None) => all.iter().map(text).collect(),
        (None, Some(Value::Array(all))) => all.iter().map(|one| one.get("const").and_then(text)).collect(),
        _ => None,
    }
}

fn fields(schema: Option<&Map<String, Value>>, order: Option<&Value>) -> Result<Vec<FormField>, FormError> {
    let Some(schema) = schema else { return Ok(Vec::new()) };
    let Some(properties) = schema.get("properties") else { return Ok(Vec::new()) };
    let properties = properties.as_object().ok_or(FormError::Unreadable)?;
    if properties.len() > FORM_FIELDS_MAX {
        return Err(FormError::TooLong);
    }
    let names = |list: Option<&Value>| -> Vec<String> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (order, required) = (names(order), names(schema.get("required")));
    // What the form needs and does not have, nobody could give.
    if required.iter().any(|name| !properties.contains_key(name)) {
        return Err(FormError::Unreadable);
    }
    let mut fields: Vec<FormField> = properties
        .iter()
        .map(|(name, schema)| {
            let words = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
            FormField {
                name: name.clone(),
                title: words("title"),
                description: words("description"),
                required: required.contains(name),
                kind: schema.as_object().map_or(FieldKind::Json, FieldKind::of),
            }
        })
        .collect();
    fields.sort_by_key(|field| order.iter().position(|name| *name == field.name).unwrap_or(order.len()));
    Ok(fields)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text).unwrap()
    }

    fn form() -> Elicitation {
        Elicitation::read(&raw(
            r#"{"subtype":"elicitation","mcp_server_name":"s","message":"Who?","mode":"form","property_order":["age","name"],"requested_schema":{"type":"object","properties":{"name":{"type":"string","title":"Name"},"size":{"type":"string","enum":["S","L"]},"age":{"type":"integer"},"height":{"type":"number"},"sure":{"type":"boolean"},"more":{"type":"array"}},"required":["name"]}}"#,
        ))
        .unwrap()
    }

    #[test]
    fn reads_the_fields_in_the_order_asked_for() {
        let form = form();
        let names: Vec<&str> = form.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["age", "name", "size", "height", "sure", "more"]);
        let required: Vec<bool> = form.fields.iter().map(|field| field.required).collect();
        assert_eq!(required, [false, true, false, false, false, false]);
        assert_eq!(form.fields[2].kind, FieldKind::Choice(vec!["S".into(), "L".into()]));
    }

    #[test]
    fn takes_what_was_asked_for_and_nothing_else() {
        let form = form();
        let check = |content: &str| form.check(Some(&raw(content)));
        let whole = r#"{"name":"a","size":"L","age":7,"height":1.5,"sure":true,"more":[1]}"#;
        assert_eq!(check(whole), Ok(()));
        for (content, error) in [
            (r#"{"name":7}"#, FormError::WrongType),
            (r#"{"name":null}"#, FormError::WrongType),
            (r#"{"name":"a","size":"M"}"#, FormError::WrongType),
            (r#"{"name":"a","age":1.5}"#, FormError::WrongType),
            (r#"{"name":"a","height":"1"}"#, FormError::WrongType),
            (r#"{"name":"a","sure":"true"}"#, FormError::WrongType),
            (r#"{"name":"a","extra":1}"#, FormError::UnknownField),
            (r#"{"name":"a","name":"b"}"#, FormError::Ambiguous),
            (r#"{"age":7}"#, FormError::Missing),
            (r#"["name"]"#, FormError::NotAnObject),
            ("null", FormError::NotAnObject),
        ] {
            assert_eq!(check(content), Err(error), "{content}");
        }
        assert_eq!(form.check(None), Err(FormError::Missing));
    }

    #[test]
    fn an_address_takes_no_values() {
        let page = raw(r#"{"subtype":"elicitation","mode":"url","url":"https://a.example/","message":"Go"}"#);
        let page = Elicitation::read(&page).unwrap();
        assert_eq!(page.check(None), Ok(()));
        assert_eq!(page.check(Some(&raw("{}"))), Err(FormError::NotAsked));
        let nowhere = raw(r#"{"subtype":"elicitation","mode":"url"}"#);
        assert_eq!(Elicitation::read(&nowhere), Err(FormError::Unreadable));
    }

    #[test]
    fn a_form_that_nobody_could_fill_in_is_none() {
        let read = |schema: &str| Elicitation::read(&raw(&format!(r#"{{"requested_schema":{schema}}}"#)));
        assert_eq!(read("7"), Err(FormError::Unreadable));
        assert_eq!(read(r#"{"properties":[]}"#), Err(FormError::Unreadable));
        assert_eq!(read(r#"{"properties":{},"required":["a"]}"#), Err(FormError::Unreadable));
        let many: Vec<String> = (0..=FORM_FIELDS_MAX).map(|at| format!(r#""f{at}":{{}}"#)).collect();
        assert_eq!(read(&format!(r#"{{"properties":{{{}}}}}"#, many.join(","))), Err(FormError::TooLong));
        assert_eq!(read("{}").map(|form| form.fields), Ok(vec![]));
    }

    #[test]
    fn what_was_typed_becomes_a_value_of_its_kind() {
        let value = |kind: FieldKind, typed: &str| kind.value(typed).map(|raw| raw.as_str().to_owned());
        assert_eq!(value(FieldKind::Text, " 7 ").as_deref(), Some(r#"" 7 ""#));
        assert_eq!(value(FieldKind::Integer, " 7 ").as_deref(), Some("7"));
        assert_eq!(value(FieldKind::Number, "7.50").as_deref(), Some("7.50"));
        assert_eq!(value(FieldKind::Boolean, "true").as_deref(), Some("true"));
        assert_eq!(value(FieldKind::Json, r#"{"a":[1]}"#).as_deref(), Some(r#"{"a":[1]}"#));
        for (kind, typed) in [
            (FieldKind::Integer, "7.5"),
            (FieldKind::Number, "seven"),
            (FieldKind::Boolean, "1"),
            (FieldKind::Choice(vec!["S".into()]), "M"),
            (FieldKind::Json, r#"{"a":1,"a":2}"#),
        ] {
            assert_eq!(value(kind, typed), None, "{typed}");
        }
    }
}
