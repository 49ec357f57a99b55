//! The event of a timer.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    trigger_time: String,
    trigger_name: &'a str,
    payload: &'a str,
}

pub(super) fn event(time: Timestamp, name: &str, payload: &str) -> Bytes {
    let trigger_time = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    // Texts in a struct: nothing that JSON could not hold.
    serde_json::to_vec(&Event { trigger_time, trigger_name: name, payload }).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_function_computes_event() {
        let time = "2023-12-26T07:49:00Z".parse().unwrap();
        let expected = r#"{"triggerTime":"2023-12-26T07:49:00Z","triggerName":"timer-trigger","payload":"awesome-fc"}"#;
        assert_eq!(event(time, "timer-trigger", "awesome-fc"), expected);
    }
}
