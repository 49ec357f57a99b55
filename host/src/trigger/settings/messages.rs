//! `mns_topic`, `cdn_events`, `eventbridge`: which messages, and in which form.

use serde::Deserialize;
use serde_json::Value;

use super::{SettingError, get, pattern::Pattern};

/// `mns_topic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// How a message becomes an event.
    pub format: ContentFormat,
    /// Only messages with this tag; at most 16 characters.
    pub filter_tag: Option<String>,
}

/// `notifyContentFormat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ContentFormat {
    /// The body of the message.
    #[default]
    Stream,
    /// A JSON document that has the body, and says where it comes from.
    Json,
}

impl TopicSettings {
    /// Characters of a tag, as in the API reference.
    const LONGEST_TAG: usize = 16;

    pub(super) fn parse(config: &Value) -> Result<Self, SettingError> {
        let format = get(config, "notifyContentFormat")
            .map_err(|_| SettingError::new("notifyContentFormat", "is neither \"STREAM\" nor \"JSON\""))?;
        let filter_tag: Option<String> = get(config, "filterTag")?.filter(|tag: &String| !tag.is_empty());
        if filter_tag.as_ref().is_some_and(|tag| tag.chars().count() > Self::LONGEST_TAG) {
            return Err(SettingError::new("filterTag", "has more than 16 characters"));
        }
        Ok(Self { format: format.unwrap_or_default(), filter_tag })
    }
}

/// `cdn_events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdnSettings {
    /// The event, such as `LogFileCreated`.
    pub event_name: String,
    /// `1.0.0` by default.
    pub event_version: String,
    /// Only events of these domains; empty: of all.
    pub domains: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CdnFilter {
    domain: Vec<String>,
}

impl CdnSettings {
    pub(super) fn parse(config: &Value) -> Result<Self, SettingError> {
        let event_name: Option<String> = get(config, "eventName")?;
        let event_name = event_name.ok_or_else(|| {
            SettingError::new(
                "eventName",
                "is missing; give one such as \"CachedObjectsRefreshed\" or \"LogFileCreated\"",
            )
        })?;
        let filter: CdnFilter = get(config, "filter")?.unwrap_or_default();
        let event_version = get(config, "eventVersion")?.unwrap_or_else(|| "1.0.0".to_owned());
        Ok(Self { event_name, event_version, domains: filter.domain })
    }
}

/// `eventbridge`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventBridgeSettings {
    /// Which events; the default: all.
    pub pattern: Pattern,
    /// Whether the function gets the event, or its data alone.
    pub schema: EventSchema,
    /// Whether the function gets a list of events, as of event streams, which has one here.
    pub mode: DeliveryMode,
}

/// `eventSinkConfig.deliveryOption.eventSchema`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum EventSchema {
    /// The whole event.
    #[default]
    CloudEvents,
    /// Its data.
    RawData,
}

/// `eventSinkConfig.deliveryOption.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryMode {
    /// One event.
    #[default]
    EventDriven,
    /// A list of events.
    EventStreaming,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SinkConfig {
    delivery_option: DeliveryOption,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DeliveryOption {
    event_schema: EventSchema,
    mode: DeliveryMode,
}

impl EventBridgeSettings {
    pub(super) fn parse(config: &Value) -> Result<Self, SettingError> {
        const PATTERN: &str = "eventRuleFilterPattern";
        let pattern = match config.get(PATTERN) {
            None | Some(Value::Null) => Value::Object(serde_json::Map::new()),
            Some(Value::String(text)) if text.trim().is_empty() => Value::Object(serde_json::Map::new()),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map_err(|error| SettingError::new(PATTERN, format!("is no JSON: {error}")))?,
            Some(other) => other.clone(),
        };
        let pattern = Pattern::parse(&pattern).map_err(|reason| SettingError::new(PATTERN, reason))?;
        let sink: SinkConfig = get(config, "eventSinkConfig")?.unwrap_or_default();
        let DeliveryOption { event_schema, mode } = sink.delivery_option;
        Ok(Self { pattern, schema: event_schema, mode })
    }
}
