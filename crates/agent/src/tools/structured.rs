//! Checks an answer against the form the host asked for. The schema's common words are understood (`type`,
//! `properties`, `required`, `additionalProperties: false`, `items`, `enum`, `const`); others are taken on trust.

use serde_json::Value;

/// Schemas within schemas that are followed.
const DEPTH_MAX: usize = 32;

/// What is wrong with the value, or nothing.
pub(crate) fn problem(schema: &Value, value: &Value) -> Option<String> {
    check(schema, value, "the answer", 0)
}

fn check(schema: &Value, value: &Value, place: &str, depth: usize) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    if !has_type(&schema["type"], value) {
        return Some(format!("{place} must be of type {}", schema["type"]));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Some(format!("{place} must be {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|choices| !choices.contains(value)) {
        return Some(format!("{place} must be one of {}", schema["enum"]));
    }
    let items =
        value.as_array().filter(|_| schema["items"].is_object()).map(Vec::as_slice).unwrap_or_default();
    let wrong_item = items
        .iter()
        .enumerate()
        .find_map(|(at, item)| check(&schema["items"], item, &format!("{place}[{at}]"), depth + 1));
    wrong_item.or_else(|| check_fields(schema, value, place, depth))
}

fn check_fields(schema: &Value, value: &Value, place: &str, depth: usize) -> Option<String> {
    let fields = value.as_object()?;
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(missing) = required.iter().filter_map(Value::as_str).find(|name| !fields.contains_key(*name))
    {
        return Some(format!("{place} lacks {missing:?}"));
    }
    fields.iter().find_map(|(name, field)| match schema["properties"].get(name) {
        Some(inner) => check(inner, field, &format!("{place}.{name}"), depth + 1),
        None if schema["additionalProperties"] == false => Some(format!("{place} must not have {name:?}")),
        None => None,
    })
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let fits = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    };
    match (wanted.as_str(), wanted.as_array()) {
        (Some(name), _) => fits(name),
        (None, Some(names)) => names.iter().filter_map(Value::as_str).any(fits),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_what_is_wrong_and_where() {
        let schema = json!({
            "type": "object", "required": ["n"], "additionalProperties": false,
            "properties": {"n": {"type": "integer"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
        });
        assert_eq!(problem(&schema, &json!({"n": 1, "tags": ["a"]})), None);
        for (value, said) in [
            (json!([]), "the answer must be of type \"object\""),
            (json!({}), "the answer lacks \"n\""),
            (json!({"n": 1.5}), "the answer.n must be of type \"integer\""),
            (json!({"n": 1, "tags": ["a", "c"]}), "the answer.tags[1] must be one of [\"a\",\"b\"]"),
            (json!({"n": 1, "x": 1}), "the answer must not have \"x\""),
        ] {
            assert_eq!(problem(&schema, &value).as_deref(), Some(said));
        }
        assert_eq!(problem(&json!({"type": ["string", "null"]}), &Value::Null), None);
    }
}
