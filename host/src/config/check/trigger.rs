//! `[functions.<name>.triggers.<name>]`.

use serde_json::{Map, Value};

use super::{Found, FunctionConfig, Section, text};
use crate::{
    catalog::LATEST,
    config::{TriggerConfig, hint},
    trigger::settings::{TYPES, TriggerSettings},
};

/// The longest name of a trigger.
const NAME: usize = 128;

impl Found {
    /// The triggers of a function.
    pub(super) fn add_triggers(&mut self, function: &FunctionConfig, section: &mut Section<'_>) {
        let is_http = function.http.is_some();
        section.tables("triggers", |name, section| {
            if is_http {
                let reason = "the function has an HTTP trigger, beside which no other stands; give this one to a function \
                              of its own";
                section.problem_here(reason);
            }
            let place = section.here();
            if let Some(trigger) = trigger(name, function, section) {
                self.triggers.push((place, trigger));
            }
        });
    }
}

/// `None` if it is wrong, which is then reported.
fn trigger(name: &str, function: &FunctionConfig, section: &mut Section<'_>) -> Option<TriggerConfig> {
    if let Err(reason) = text::name(name, NAME) {
        section.problem_here(&reason);
    }
    let kind: Option<String> = section.get("type");
    let enabled = section.or("enabled", true);
    let qualifier: String = section.or("qualifier", LATEST.to_owned());
    if qualifier != LATEST
        && let Err(reason) = text::qualifier(&qualifier)
    {
        section.problem("qualifier", reason);
    }
    let source: Option<String> = section.get("source");
    let written = section.rest::<Value>();
    let Some(kind) = kind else {
        if !section.has("type") {
            section.problem_here(&format!("`type` is missing; give one of {}", TYPES.join(", ")));
        }
        return None;
    };
    if kind == "http" || kind.starts_with("api") {
        let format = if kind == "http" { "" } else { " with `payload_format = \"api-gateway\"`" };
        let table = format!("[functions.{}.http]", function.name);
        section.problem("type", format!("an HTTP trigger is a table of its own: {table}{format}"));
        return None;
    }
    let settings = settings(&kind, written, section)?;
    if settings.needs_source() && source.is_none() && !section.has("source") {
        section.problem_here("`source` is missing; name one of [sources]");
    }
    if !settings.needs_source() && source.is_some() {
        section.problem("source", format!("a trigger of the type {kind:?} has none"));
        // Whether that source exists makes no difference.
        return None;
    }
    Some(TriggerConfig {
        name: name.into(),
        service: function.service.clone(),
        function: function.name.clone(),
        qualifier: qualifier.into(),
        source: source.map(Into::into),
        enabled,
        settings,
    })
}

fn settings(kind: &str, written: Vec<(String, Value)>, section: &Section<'_>) -> Option<TriggerSettings> {
    let keys = TriggerSettings::keys(kind);
    let mut config = Map::new();
    for (key, value) in &written {
        let name = camel_case(key);
        // Of an unknown type it is the type that is wrong, and not its settings.
        if !TYPES.contains(&kind) || keys.contains(&name.as_str()) {
            config.insert(name, api_names(value.clone()));
        } else {
            let known: Vec<String> = keys
                .iter()
                .map(|key| snake_case(key))
                .chain(["enabled", "qualifier", "source"].map(str::to_owned))
                .collect();
            let hint = hint(key, known.iter().map(String::as_str));
            section.problem(key, format!("is no setting of a trigger of the type {kind:?}{hint}"));
        }
    }
    match TriggerSettings::parse(kind, &Value::Object(config)) {
        Ok(settings) => Some(settings),
        Err(error) => {
            let written = written.iter().map(|(key, _)| key).find(|key| camel_case(key) == error.key);
            section.problem(written.unwrap_or(&snake_case(&error.key)), error.reason);
            None
        }
    }
}

/// The keys of inner tables, too.
fn api_names(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            object.into_iter().map(|(key, value)| (camel_case(&key), api_names(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

fn camel_case(key: &str) -> String {
    let mut parts = key.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &capital.into_iter().chain(letters).collect::<String>()
    })
}

fn snake_case(key: &str) -> String {
    let lower = |letter: char| match letter.is_ascii_uppercase() {
        true => format!("_{}", letter.to_ascii_lowercase()),
        false => letter.to_string(),
    };
    key.chars().map(lower).collect()
}

#[cfg(test)]
#[path = "../tests/triggers.rs"]
mod tests;
