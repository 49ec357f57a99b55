//! What a trigger is told: `triggerConfig` of Function Compute, or a trigger's table in `wisp.toml`, checked.
//!
//! Both come as a JSON object with the API's names. One that the API has checked already is checked once more here, because
//! the API also keeps triggers that wisp does not carry out.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::schedule::Schedule;

mod log;
mod messages;
mod oss;
mod pattern;

pub use self::{
    log::LogSettings,
    messages::{CdnSettings, ContentFormat, DeliveryMode, EventBridgeSettings, EventSchema, TopicSettings},
    oss::OssSettings,
    pattern::Pattern,
};

/// The types of triggers that wisp carries out, besides `http`.
pub const TYPES: &[&str] = &["timer", "oss", "mns_topic", "cdn_events", "eventbridge", "log", "datahub", "tablestore"];

/// The settings of a trigger, by its type.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerSettings {
    /// `timer`.
    Timer(TimerSettings),
    /// `oss`.
    Oss(OssSettings),
    /// `mns_topic`.
    MnsTopic(TopicSettings),
    /// `cdn_events`.
    Cdn(CdnSettings),
    /// `eventbridge`.
    EventBridge(EventBridgeSettings),
    /// `log`: where new entries of a log are.
    Log(LogSettings),
    /// `datahub`: records of a stream, in batches. Function Compute configures it at the stream.
    DataHub,
    /// `tablestore`: changes of a table, in batches.
    Tablestore,
}

/// `timer`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimerSettings {
    /// When it fires.
    pub schedule: Schedule,
    /// What the event carries along. At most 128 KB.
    pub payload: String,
    /// What becomes of ticks that passed while nobody was there to see them.
    pub missed: Missed,
}

/// `missed` of a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are left out, as in Function Compute.
    #[default]
    Skip,
    /// The last of them is made up for.
    Once,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {reason}")]
pub struct SettingError {
    /// The setting, in the API's spelling; empty: the whole.
    pub key: String,
    /// Why it cannot be so, and how it could.
    pub reason: String,
}

impl SettingError {
    pub(super) fn new(key: &str, reason: impl Into<String>) -> Self {
        Self { key: key.to_owned(), reason: reason.into() }
    }
}

impl TriggerSettings {
    /// Reads the settings of a trigger of a type of [`TYPES`].
    ///
    /// # Errors
    /// The first setting that is wrong, or an unknown type.
    pub fn parse(kind: &str, config: &Value) -> Result<Self, SettingError> {
        match kind {
            "timer" => TimerSettings::parse(config).map(Self::Timer),
            "oss" => OssSettings::parse(config).map(Self::Oss),
            "mns_topic" => TopicSettings::parse(config).map(Self::MnsTopic),
            "cdn_events" => CdnSettings::parse(config).map(Self::Cdn),
            "eventbridge" => EventBridgeSettings::parse(config).map(Self::EventBridge),
            "log" => LogSettings::parse(config).map(Self::Log),
            "datahub" => Ok(Self::DataHub),
            "tablestore" => Ok(Self::Tablestore),
            other => {
                let known = TYPES.join(", ");
                let hint = crate::config::hint(other, TYPES.iter().copied());
                let reason = format!("wisp carries out no triggers of the type {other:?}, only http, {known}{hint}");
                Err(SettingError::new("type", reason))
            }
        }
    }

    /// The type, as Function Compute calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Timer(_) => "timer",
            Self::Oss(_) => "oss",
            Self::MnsTopic(_) => "mns_topic",
            Self::Cdn(_) => "cdn_events",
            Self::EventBridge(_) => "eventbridge",
            Self::Log(_) => "log",
            Self::DataHub => "datahub",
            Self::Tablestore => "tablestore",
        }
    }

    /// The keys that a type has in `wisp.toml`, in the API's spelling.
    pub fn keys(kind: &str) -> &'static [&'static str] {
        match kind {
            "timer" => &["cronExpression", "payload", "missed"],
            "oss" => &["events", "filter"],
            "mns_topic" => &["notifyContentFormat", "notifyStrategy", "filterTag"],
            "log" => &["functionParameter"],
            "cdn_events" => &["eventName", "eventVersion", "notes", "filter"],
            "eventbridge" => {
                &["eventRuleFilterPattern", "eventSinkConfig", "eventSourceConfig", "runOptions", "asyncInvocationType"]
            }
            _ => &[],
        }
    }

    /// Whether such a trigger needs a source besides the clock.
    pub fn needs_source(&self) -> bool {
        !matches!(self, Self::Timer(_))
    }
}

impl TimerSettings {
    /// Bytes of the payload, as in the API reference.
    const LONGEST_PAYLOAD: usize = 128 << 10;

    fn parse(config: &Value) -> Result<Self, SettingError> {
        let expression: Option<String> = get(config, "cronExpression")?;
        let expression = expression.ok_or_else(|| {
            SettingError::new("cronExpression", "is missing; give when the timer fires, such as \"@every 5m\"")
        })?;
        let schedule = Schedule::parse(&expression).map_err(|reason| SettingError::new("cronExpression", reason))?;
        let payload: String = get(config, "payload")?.unwrap_or_default();
        if payload.len() > Self::LONGEST_PAYLOAD {
            return Err(SettingError::new("payload", format!("has {} bytes; 128 KB are the most", payload.len())));
        }
        let missed =
            get(config, "missed").map_err(|_| SettingError::new("missed", "is neither \"skip\" nor \"once\""))?;
        Ok(Self { schedule, payload, missed: missed.unwrap_or_default() })
    }
}

/// One setting; `None` if it is not given.
pub(super) fn get<T: DeserializeOwned>(config: &Value, key: &str) -> Result<Option<T>, SettingError> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            serde_json::from_value(value.clone()).map(Some).map_err(|error| SettingError::new(key, error.to_string()))
        }
    }
}
