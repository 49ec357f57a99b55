//! What a request's body may have, and what is wrong with it: fields by name and shape.
//!
//! As in Function Compute, fields that nobody knows are ignored, `null` means that a field is not there, and a number may
//! come as a text. What has the wrong type or size is named, in the service's own words.

use serde_json::{Map, Value};

use crate::{control::Attributes, platform_error::PlatformError};

/// A field of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A text of at most so many characters.
    Text(usize),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A whole number within bounds.
    Integer(i64, i64),
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// Texts.
    Texts,
    /// Texts by name.
    TextMap,
    /// Numbers by name.
    NumberMap,
    /// An object with these fields.
    Object(&'static [Field]),
    /// Objects with these fields.
    Objects(&'static [Field]),
    /// Whatever it is.
    Any,
}

pub(super) const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape }
}

/// The object that a body is; an empty body is one without fields.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, PlatformError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(PlatformError::invalid_argument("the request body is no JSON object")),
        Err(error) => Err(PlatformError::invalid_argument(format!("the request body is no JSON: {error}"))),
    }
}

/// The known fields of a body, checked.
pub(super) fn read(fields: &[Field], body: &Map<String, Value>) -> Result<Attributes, PlatformError> {
    read_at("", fields, body)
}

fn read_at(prefix: &str, fields: &[Field], body: &Map<String, Value>) -> Result<Attributes, PlatformError> {
    let mut attributes = Attributes::new();
    for field in fields {
        if let Some(value) = body.get(field.name).filter(|value| !value.is_null()) {
            let label = format!("{prefix}{}", capitalized(field.name));
            attributes.insert(field.name.to_owned(), checked(&label, field.shape, value)?);
        }
    }
    Ok(attributes)
}

/// `memorySize` → `MemorySize`: how messages name fields.
fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

fn checked(label: &str, shape: Shape, value: &Value) -> Result<Value, PlatformError> {
    match shape {
        Shape::Text(longest) => text(label, longest, value),
        Shape::Choice(choices) => match value.as_str() {
            Some(word) if choices.contains(&word) => Ok(value.clone()),
            _ => Err(invalid(label, &choices.join(" | "), value)),
        },
        Shape::Integer(least, most) => integer(label, least, most, value),
        Shape::Number => number(value).map(Value::Number).ok_or_else(|| invalid(label, "a number", value)),
        Shape::Boolean => boolean(value).map(Value::Bool).ok_or_else(|| invalid(label, "true | false", value)),
        Shape::Texts => match value.as_array() {
            Some(items) if items.iter().all(Value::is_string) => Ok(value.clone()),
            _ => Err(invalid(label, "a list of strings", value)),
        },
        Shape::TextMap => match value.as_object() {
            Some(pairs) if pairs.values().all(Value::is_string) => Ok(value.clone()),
            _ => Err(invalid(label, "an object of strings", value)),
        },
        Shape::NumberMap => number_map(label, value),
        Shape::Object(fields) => match value.as_object() {
            Some(object) => read_at(&format!("{label}."), fields, object).map(Value::Object),
            None => Err(invalid(label, "an object", value)),
        },
        Shape::Objects(fields) => objects(label, fields, value),
        Shape::Any => Ok(value.clone()),
    }
}

fn text(label: &str, longest: usize, value: &Value) -> Result<Value, PlatformError> {
    let Some(text) = value.as_str() else { return Err(invalid(label, "a string", value)) };
    let length = text.chars().count();
    if length > longest {
        return Err(PlatformError::invalid_argument(format!("{label} is too long (max: {longest}, actual: {length})")));
    }
    Ok(value.clone())
}

fn integer(label: &str, least: i64, most: i64, value: &Value) -> Result<Value, PlatformError> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number);
    #[allow(clippy::cast_possible_truncation, reason = "it is a whole number that fits")]
    let number = value
        .as_i64()
        .or_else(|| value.as_f64().and_then(whole).map(|number| number as i64))
        .or_else(|| value.as_str()?.trim().parse().ok());
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number.into()),
        Some(_) => Err(invalid(label, &format!("{least} to {most}"), value)),
        None => Err(invalid(label, "an integer", value)),
    }
}

fn number(value: &Value) -> Option<serde_json::Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => serde_json::Number::from_f64(text.trim().parse().ok()?),
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn number_map(label: &str, value: &Value) -> Result<Value, PlatformError> {
    let Some(pairs) = value.as_object() else { return Err(invalid(label, "an object of numbers", value)) };
    let numbers: Option<Attributes> =
        pairs.iter().map(|(name, value)| Some((name.clone(), Value::Number(number(value)?)))).collect();
    numbers.map(Value::Object).ok_or_else(|| invalid(label, "an object of numbers", value))
}

fn objects(label: &str, fields: &[Field], value: &Value) -> Result<Value, PlatformError> {
    let Some(items) = value.as_array() else { return Err(invalid(label, "a list of objects", value)) };
    let read = |(index, item): (usize, &Value)| match item.as_object() {
        Some(object) => read_at(&format!("{label}[{index}]."), fields, object).map(Value::Object),
        None => Err(invalid(&format!("{label}[{index}]"), "an object", item)),
    };
    items.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

/// The service's words for a value that is none of those allowed.
pub(super) fn invalid(label: &str, allowed: &str, actual: &Value) -> PlatformError {
    let actual = actual.as_str().map_or_else(|| actual.to_string(), str::to_owned);
    PlatformError::invalid_argument(format!(
        "{label} is set to an invalid value (allowed: {allowed}, actual: '{actual}')"
    ))
}

/// A field that must be there.
pub(super) fn required<'a>(attributes: &'a Attributes, name: &str) -> Result<&'a str, PlatformError> {
    match attributes.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(PlatformError::invalid_argument(format!("{} is required", capitalized(name)))),
    }
}

/// A name of letters, digits, `_` and `-` that starts with a letter or `_`.
pub(super) fn name(label: &str, text: &str, longest: usize) -> Result<(), PlatformError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    if text.is_empty() {
        return Err(PlatformError::invalid_argument(format!("{label} is required")));
    }
    if text.len() <= longest && text.starts_with(starts) && text.chars().all(fits) {
        return Ok(());
    }
    let allowed = format!("1 to {longest} letters, digits, _ and -, starting with a letter or _");
    Err(invalid(label, &allowed, &Value::from(text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[
        field("name", Shape::Text(5)),
        field("size", Shape::Integer(1, 10)),
        field("on", Shape::Boolean),
        field("inner", Shape::Object(&[field("value", Shape::Text(3))])),
    ];

    fn read_json(body: Value) -> Result<Value, String> {
        read(FIELDS, body.as_object().unwrap()).map(Value::Object).map_err(|error| error.message)
    }

    #[test]
    fn unknown_fields_and_nulls_are_as_if_they_were_not_there() {
        assert_eq!(read_json(json!({ "other": 1, "name": null })).unwrap(), json!({}));
    }

    #[test]
    fn a_number_may_come_as_a_text() {
        assert_eq!(read_json(json!({ "size": "7", "on": "true" })).unwrap(), json!({ "size": 7, "on": true }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = read_json(json!({ "size": 11 })).unwrap_err();
        assert_eq!(message, "Size is set to an invalid value (allowed: 1 to 10, actual: '11')");
        assert_eq!(read_json(json!({ "name": "abcdef" })).unwrap_err(), "Name is too long (max: 5, actual: 6)");
        let message = read_json(json!({ "inner": { "value": 1 } })).unwrap_err();
        assert_eq!(message, "Inner.Value is set to an invalid value (allowed: a string, actual: '1')");
    }
}
