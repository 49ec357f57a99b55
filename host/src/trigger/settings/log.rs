//! `log`: what each event carries along.

use serde_json::{Map, Value};

use super::{SettingError, get};

/// `log`. `sourceConfig`, `jobConfig` and `logConfig` of the API are the source's affair here.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// `parameter` of each event.
    pub parameter: Map<String, Value>,
}

impl LogSettings {
    pub(super) fn parse(config: &Value) -> Result<Self, SettingError> {
        let parameter = get(config, "functionParameter");
        let parameter = parameter.map_err(|_| SettingError::new("functionParameter", "is no table"))?;
        Ok(Self { parameter: parameter.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_parameter_is_a_table_and_empty_by_default() {
        assert!(LogSettings::parse(&json!({})).unwrap().parameter.is_empty());
        let given = LogSettings::parse(&json!({ "functionParameter": { "key": "value" } })).unwrap();
        assert_eq!(given.parameter["key"], "value");
        let error = LogSettings::parse(&json!({ "functionParameter": [] })).unwrap_err();
        assert_eq!(error.to_string(), "`functionParameter`: is no table");
    }
}
