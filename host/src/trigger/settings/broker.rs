//! Settings of triggers whose events come from brokers.

use serde_json::{Map, Value};

use super::{SettingError, get};

/// `mns_topic`. `notifyStrategy` is accepted and has no effect: retries are those of asynchronous invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// How events look.
    pub format: ContentFormat,
    /// Only messages with this tag; at most 16 characters.
    pub filter_tag: Option<String>,
}

/// `notifyContentFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentFormat {
    /// `STREAM`: the message itself.
    Stream,
    /// `JSON`: a document about it.
    Json,
}

/// `log`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// What each event carries along.
    pub parameter: Map<String, Value>,
}

impl TopicSettings {
    /// Characters of a tag, as in the API reference.
    const LONGEST_TAG: usize = 16;

    pub(super) fn parse(config: &Value) -> Result<Self, SettingError> {
        let format: Option<String> = get(config, "notifyContentFormat")?;
        let format = match format.as_deref() {
            None | Some("STREAM") => ContentFormat::Stream,
            Some("JSON") => ContentFormat::Json,
            Some(other) => {
                let reason = format!("{other:?} is neither \"STREAM\" nor \"JSON\"");
                return Err(SettingError::new("notifyContentFormat", reason));
            }
        };
        let filter_tag: Option<String> = get(config, "filterTag")?;
        if filter_tag.as_ref().is_some_and(|tag| tag.chars().count() > Self::LONGEST_TAG) {
            return Err(SettingError::new("filterTag", "has more than 16 characters"));
        }
        Ok(Self { format, filter_tag: filter_tag.filter(|tag| !tag.is_empty()) })
    }
}

impl LogSettings {
    pub(super) fn parse(config: &Value) -> Result<Self, SettingError> {
        Ok(Self { parameter: get(config, "functionParameter")?.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_topic_is_a_stream_of_all_messages_unless_it_says_otherwise() {
        let plain = TopicSettings::parse(&json!({})).unwrap();
        assert_eq!(plain, TopicSettings { format: ContentFormat::Stream, filter_tag: None });
        let config = json!({ "notifyContentFormat": "JSON", "filterTag": "new", "notifyStrategy": "BACKOFF_RETRY" });
        let expected = TopicSettings { format: ContentFormat::Json, filter_tag: Some("new".into()) };
        assert_eq!(TopicSettings::parse(&config).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |config| TopicSettings::parse(&config).unwrap_err().to_string();
        let format = error(json!({ "notifyContentFormat": "XML" }));
        assert_eq!(format, "`notifyContentFormat`: \"XML\" is neither \"STREAM\" nor \"JSON\"");
        assert_eq!(error(json!({ "filterTag": "x".repeat(17) })), "`filterTag`: has more than 16 characters");
        assert!(LogSettings::parse(&json!({ "functionParameter": [] })).is_err());
    }
}
