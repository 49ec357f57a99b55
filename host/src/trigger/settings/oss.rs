//! `oss`: which changes of which objects.

use serde::Deserialize;
use serde_json::Value;

use super::{SettingError, get};

/// The names of events there are, without what stands for several.
const EVENTS: &[&str] = &[
    "oss:ObjectCreated:PutObject",
    "oss:ObjectCreated:PostObject",
    "oss:ObjectCreated:CopyObject",
    "oss:ObjectCreated:AppendObject",
    "oss:ObjectCreated:CompleteMultipartUpload",
    "oss:ObjectCreated:InitiateMultipartUpload",
    "oss:ObjectCreated:UploadPart",
    "oss:ObjectCreated:UploadPartCopy",
    "oss:ObjectCreated:PutSymlink",
    "oss:ObjectModified:UpdateObjectMeta",
    "oss:ObjectRemoved:DeleteObject",
    "oss:ObjectRemoved:DeleteObjects",
    "oss:ObjectRemoved:AbortMultipartUpload",
];

/// `oss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OssSettings {
    /// Names of events, such as `oss:ObjectCreated:*`. At least one.
    pub events: Vec<String>,
    /// What the key of an object begins with.
    pub prefix: String,
    /// What the key of an object ends with.
    pub suffix: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Filter {
    /// As the API has it.
    key: Affixes,
    /// As `wisp.toml` may have it.
    #[serde(flatten)]
    short: Affixes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Affixes {
    prefix: Option<String>,
    suffix: Option<String>,
}

impl OssSettings {
    pub(super) fn parse(config: &Value) -> Result<Self, SettingError> {
        let events: Vec<String> = get(config, "events")?.unwrap_or_default();
        if events.is_empty() {
            return Err(SettingError::new("events", "is missing; give a list such as [\"oss:ObjectCreated:*\"]"));
        }
        if let Some(unknown) = events.iter().find(|pattern| !EVENTS.iter().any(|event| matches(pattern, event))) {
            let families = ["oss:ObjectCreated:*", "oss:ObjectRemoved:*"];
            let hint = crate::config::hint(unknown, EVENTS.iter().copied().chain(families));
            let reason = format!("{unknown:?} is no event of OSS{hint}; `oss:ObjectCreated:*` means all of its kind");
            return Err(SettingError::new("events", reason));
        }
        let filter: Filter = get(config, "filter")?.unwrap_or_default();
        let Filter { key, short } = filter;
        let (prefix, suffix) = (key.prefix.or(short.prefix), key.suffix.or(short.suffix));
        Ok(Self { events, prefix: prefix.unwrap_or_default(), suffix: suffix.unwrap_or_default() })
    }

    /// Whether an event, by its name without `oss:`, of an object is asked for.
    pub(crate) fn takes(&self, event: &str, key: &str) -> bool {
        let event = format!("oss:{event}");
        self.events.iter().any(|pattern| matches(pattern, &event))
            && key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
    }
}

fn matches(pattern: &str, event: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => event.starts_with(start),
        None => event == pattern,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_has_the_apis_form_or_a_short_one() {
        for filter in
            [json!({ "key": { "prefix": "a/", "suffix": ".png" } }), json!({ "prefix": "a/", "suffix": ".png" })]
        {
            let settings = OssSettings::parse(&json!({ "events": ["oss:ObjectCreated:*"], "filter": filter })).unwrap();
            assert!(settings.takes("ObjectCreated:PutObject", "a/b.png"));
            for (event, key) in [
                ("ObjectRemoved:DeleteObject", "a/b.png"),
                ("ObjectCreated:PutObject", "b.png"),
                ("ObjectCreated:PutObject", "a/b.jpg"),
            ] {
                assert!(!settings.takes(event, key), "{event} {key}");
            }
        }
    }

    #[test]
    fn an_event_that_is_none_is_told_with_what_was_meant() {
        let error = |events| OssSettings::parse(&json!({ "events": events })).unwrap_err().to_string();
        assert!(error(json!(["oss:ObjectCreated:PutObjekt"])).contains("did you mean `oss:ObjectCreated:PutObject`"));
        assert!(error(json!([])).contains("is missing"));
    }
}
