//! Patterns of events, as EventBridge has them: fields with lists of what they may be, all of which must hold.

use serde_json::Value;

/// A checked pattern. The empty one takes everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Vec<(String, Rule)>);

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// Of the fields inside.
    Inside(Pattern),
    /// One of these.
    Any(Vec<Matcher>),
}

#[derive(Clone, Debug, PartialEq)]
enum Matcher {
    Is(Value),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Value>),
    Exists(bool),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Which field is wrong, and what it may be.
    pub fn parse(pattern: &Value) -> Result<Self, String> {
        let Value::Object(fields) = pattern else {
            return Err(format!("{pattern} is no object of fields, such as {{\"type\": [\"order:created\"]}}"));
        };
        let rules = fields.iter().map(|(field, rule)| {
            let rule = match rule {
                Value::Array(items) => Rule::Any(items.iter().map(matcher).collect::<Result<_, _>>()?),
                Value::Object(_) => Rule::Inside(Self::parse(rule)?),
                other => return Err(format!("{field} is {other}; give a list of what it may be, or an object")),
            };
            Ok((field.clone(), rule))
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an event fits.
    pub fn takes(&self, event: &Value) -> bool {
        self.0.iter().all(|(field, rule)| match rule {
            Rule::Inside(pattern) => event.get(field).is_some_and(|inner| pattern.takes(inner)),
            Rule::Any(matchers) => matchers.iter().any(|matcher| matcher.takes(event.get(field))),
        })
    }
}

fn matcher(item: &Value) -> Result<Matcher, String> {
    let Value::Object(object) = item else { return Ok(Matcher::Is(item.clone())) };
    let only = object.iter().next().filter(|_| object.len() == 1);
    match only.map(|(word, value)| (word.as_str(), value)) {
        Some(("prefix", Value::String(text))) => Ok(Matcher::Prefix(text.clone())),
        Some(("suffix", Value::String(text))) => Ok(Matcher::Suffix(text.clone())),
        Some(("exists", Value::Bool(exists))) => Ok(Matcher::Exists(*exists)),
        Some(("anything-but", Value::Array(values))) => Ok(Matcher::AnythingBut(values.clone())),
        Some(("anything-but", value)) => Ok(Matcher::AnythingBut(vec![value.clone()])),
        _ => {
            Err(format!("{item} is nothing that wisp matches by; give a value, prefix, suffix, exists or anything-but"))
        }
    }
}

impl Matcher {
    fn takes(&self, value: Option<&Value>) -> bool {
        let text = value.and_then(Value::as_str);
        match self {
            Self::Is(wanted) => value == Some(wanted),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::AnythingBut(values) => value.is_some_and(|value| !values.contains(value)),
            Self::Exists(exists) => value.is_some() == *exists,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(pattern: Value) -> bool {
        let event = json!({ "source": "shop", "type": "order:created", "data": { "state": "new", "count": 3 } });
        Pattern::parse(&pattern).unwrap().takes(&event)
    }

    #[test]
    fn all_fields_must_fit_and_one_of_each_list() {
        for pattern in [
            json!({}),
            json!({ "source": ["other", "shop"], "data": { "count": [3] } }),
            json!({ "type": [{ "prefix": "order:" }], "source": [{ "suffix": "op" }] }),
            json!({ "source": [{ "anything-but": ["x"] }], "subject": [{ "exists": false }] }),
        ] {
            assert!(takes(pattern.clone()), "{pattern}");
        }
        for pattern in [
            json!({ "source": ["other"] }),
            json!({ "source": ["shop"], "data": { "state": ["old"] } }),
            json!({ "source": [{ "anything-but": "shop" }] }),
            json!({ "subject": [{ "anything-but": "x" }] }),
            json!({ "source": [] }),
        ] {
            assert!(!takes(pattern.clone()), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [json!([]), json!({ "source": "shop" }), json!({ "n": [{ "numeric": [">", 1] }] })] {
            assert!(Pattern::parse(&pattern).is_err(), "{pattern}");
        }
    }
}
