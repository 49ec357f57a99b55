//! `triggerConfig` by the kind of the trigger, after the API reference ("Trigger configuration parameters").

use serde_json::{Map, Value, json};

use super::schema::{self, Field, Shape, field, invalid};
use crate::{control::Attributes, platform_error::PlatformError, trigger::schedule::Schedule};

/// The kinds there are.
const KINDS: [&str; 9] = ["http", "timer", "oss", "log", "mns_topic", "tablestore", "cdn_events", "eventbridge", "rds"];

const METHODS: [&str; 7] = ["HEAD", "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

const HTTP: &[Field] = &[
    field("authType", Shape::Choice(&["anonymous", "function"])),
    field("methods", Shape::Texts),
    field("disableURLInternet", Shape::Boolean),
    field("authConfig", Shape::Any),
];

const TIMER: &[Field] = &[
    field("cronExpression", Shape::Text(256)),
    field("payload", Shape::Text(128 << 10)),
    field("enable", Shape::Boolean),
];

const OSS: &[Field] = &[
    field("events", Shape::Texts),
    field(
        "filter",
        Shape::Object(&[field(
            "key",
            Shape::Object(&[field("prefix", Shape::Text(1024)), field("suffix", Shape::Text(1024))]),
        )]),
    ),
];

const LOG: &[Field] = &[
    field(
        "sourceConfig",
        Shape::Object(&[field("logstore", Shape::Text(63)), field("startTime", Shape::Integer(0, i64::MAX))]),
    ),
    field(
        "jobConfig",
        Shape::Object(&[
            field("maxRetryTime", Shape::Integer(0, 100)),
            field("triggerInterval", Shape::Integer(3, 600)),
        ]),
    ),
    field("functionParameter", Shape::TextMap),
    field("logConfig", Shape::Object(&[field("project", Shape::Text(63)), field("logstore", Shape::Text(63))])),
    field("enable", Shape::Boolean),
];

const MNS: &[Field] = &[
    field("filterTag", Shape::Text(16)),
    field("notifyContentFormat", Shape::Choice(&["STREAM", "JSON"])),
    field("notifyStrategy", Shape::Choice(&["BACKOFF_RETRY", "EXPONENTIAL_DECAY_RETRY"])),
];

const CDN: &[Field] = &[
    field("eventName", Shape::Text(128)),
    field("eventVersion", Shape::Text(32)),
    field("notes", Shape::Text(256)),
    field("filter", Shape::Any),
];

const RDS: &[Field] = &[
    field("subscriptionObjects", Shape::Texts),
    field("retry", Shape::Integer(0, 3)),
    field("concurrency", Shape::Integer(1, 5)),
    field("eventFormat", Shape::Choice(&["protobuf", "json", "sql"])),
];

const EVENTBRIDGE: &[Field] = &[
    field("triggerEnable", Shape::Boolean),
    field("asyncInvocationType", Shape::Boolean),
    field("eventRuleFilterPattern", Shape::Text(2048)),
    field("eventSourceConfig", Shape::Any),
    field("eventSinkConfig", Shape::Any),
    field("runOptions", Shape::Any),
];

/// The fields of a trigger itself.
pub(super) const TRIGGER: &[Field] = &[
    field("triggerName", Shape::Text(1 << 20)),
    field("triggerType", Shape::Choice(&KINDS)),
    field("triggerConfig", Shape::Any),
    field("description", Shape::Text(super::fields::DESCRIPTION)),
    field("sourceArn", Shape::Text(super::fields::ARN)),
    field("invocationRole", Shape::Text(super::fields::ARN)),
    field("qualifier", Shape::Text(128)),
];

/// The configuration of a trigger, given as an object or as JSON text, checked and with its defaults.
pub(super) fn read(kind: &str, config: Option<&Value>) -> Result<Value, PlatformError> {
    let object = match config {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(object)) => object.clone(),
        Some(Value::String(text)) if text.is_empty() => Map::new(),
        Some(Value::String(text)) => serde_json::from_str(text)
            .map_err(|error| PlatformError::invalid_argument(format!("TriggerConfig is no JSON object: {error}")))?,
        Some(other) => return Err(invalid("TriggerConfig", "an object", other)),
    };
    let fields = match kind {
        "http" => HTTP,
        "timer" => TIMER,
        "oss" => OSS,
        "log" => LOG,
        "mns_topic" => MNS,
        "cdn_events" => CDN,
        "rds" => RDS,
        "eventbridge" => EVENTBRIDGE,
        _ => &[],
    };
    let attributes = schema::read(fields, &object).map_err(|error| error.inside("TriggerConfig"))?;
    match kind {
        "http" => http(attributes),
        "timer" => timer(attributes),
        "oss" => with_texts(attributes, "events"),
        "eventbridge" => {
            let required = |name: &str| match attributes.contains_key(name) {
                true => Ok(()),
                false => Err(PlatformError::invalid_argument(format!("TriggerConfig: {name} is required"))),
            };
            required("eventRuleFilterPattern").and_then(|()| required("eventSourceConfig"))?;
            Ok(Value::Object(attributes))
        }
        _ => Ok(Value::Object(attributes)),
    }
}

fn http(attributes: Attributes) -> Result<Value, PlatformError> {
    let methods = attributes.get("methods").and_then(Value::as_array).cloned().unwrap_or_default();
    if methods.is_empty() {
        return Err(PlatformError::invalid_argument("TriggerConfig.Methods is required"));
    }
    if let Some(other) = methods.iter().find(|method| !method.as_str().is_some_and(|name| METHODS.contains(&name))) {
        return Err(invalid("TriggerConfig.Methods", &METHODS.join(" | "), other));
    }
    let defaults = json!({ "authType": "function", "disableURLInternet": false });
    Ok(Value::Object(super::call::with_defaults(defaults, &attributes)))
}

fn timer(attributes: Attributes) -> Result<Value, PlatformError> {
    let expression = schema::required(&attributes, "cronExpression")
        .map_err(|_| PlatformError::invalid_argument("TriggerConfig.CronExpression is required"))?;
    Schedule::parse(expression)
        .map_err(|reason| PlatformError::invalid_argument(format!("TriggerConfig.CronExpression: {reason}")))?;
    let defaults = json!({ "payload": "", "enable": false });
    Ok(Value::Object(super::call::with_defaults(defaults, &attributes)))
}

fn with_texts(attributes: Attributes, name: &str) -> Result<Value, PlatformError> {
    match attributes.get(name).and_then(Value::as_array) {
        Some(items) if !items.is_empty() => Ok(Value::Object(attributes)),
        _ => Err(PlatformError::invalid_argument(format!("TriggerConfig: {name} is required"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_trigger_has_methods_and_asks_for_signatures_unless_told_otherwise() {
        let config = read("http", Some(&json!({ "methods": ["GET"] }))).unwrap();
        assert_eq!(config, json!({ "methods": ["GET"], "authType": "function", "disableURLInternet": false }));
        assert!(read("http", Some(&json!({ "methods": ["BREW"] }))).is_err());
        assert!(read("http", None).is_err());
    }

    #[test]
    fn a_configuration_may_be_a_text() {
        let config = read("timer", Some(&"{\"cronExpression\":\"@every 4m\",\"enable\":true}".into())).unwrap();
        assert_eq!(config["enable"], true);
        assert!(read("timer", Some(&"{".into())).is_err());
    }
}
