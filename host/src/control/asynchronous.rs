//! The async-invoke-config of either API → the settings of deliveries.

use std::time::Duration;

use super::record::Attributes;
use crate::{config::AsyncConfig, delivery::Destination};

/// What an async-invoke-config says; what it does not say is so by default.
pub(super) fn async_config(attributes: &Attributes) -> AsyncConfig {
    let default = AsyncConfig::default();
    let number = |name: &str| attributes.get(name).and_then(serde_json::Value::as_u64);
    let flag = |name: &str| attributes.get(name).and_then(serde_json::Value::as_bool).unwrap_or_default();
    let destination = |name: &str| {
        let text = attributes.get("destinationConfig")?.get(name)?.get("destination")?.as_str()?;
        (!text.is_empty()).then(|| Destination::of(text))
    };
    let retries = number("maxAsyncRetryAttempts").and_then(|retries| u32::try_from(retries).ok());
    AsyncConfig {
        max_retry_attempts: retries.unwrap_or(default.max_retry_attempts),
        max_event_age: number("maxAsyncEventAgeInSeconds").map_or(default.max_event_age, Duration::from_secs),
        on_success: destination("onSuccess"),
        on_failure: destination("onFailure"),
        // Each API has its own word.
        stateful: flag("statefulInvocation") || flag("asyncTask"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(attributes: serde_json::Value) -> AsyncConfig {
        async_config(attributes.as_object().unwrap())
    }

    #[test]
    fn an_empty_config_is_the_default() {
        assert_eq!(config(json!({ "destinationConfig": { "onSuccess": null } })), AsyncConfig::default());
    }

    #[test]
    fn what_is_configured_holds_and_a_destination_that_wisp_has_not_is_kept_as_it_is() {
        let config = config(json!({
            "destinationConfig": {
                "onSuccess": { "destination": "acs:fc:cn-shanghai:1:services/s/functions/f" },
                "onFailure": { "destination": "acs:mns:cn-shanghai:1:/queues/q/messages" },
            },
            "maxAsyncEventAgeInSeconds": 300,
            "maxAsyncRetryAttempts": 0,
            "asyncTask": true,
        }));
        assert_eq!((config.max_retry_attempts, config.max_event_age), (0, Duration::from_secs(300)));
        assert_eq!(config.on_success.unwrap(), "acs:fc:cn-shanghai:1:services/s/functions/f".parse().unwrap());
        assert_eq!(config.on_failure.unwrap().to_string(), "acs:mns:cn-shanghai:1:/queues/q/messages");
        assert!(config.stateful);
    }
}
