//! Events of a log: where new entries begin and end. The function reads the entries itself.
//!
//! Source: "Log Service triggers" of Function Compute's help.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// New entries of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogRange<'a> {
    /// `functionParameter` of the trigger.
    pub(crate) parameter: &'a Map<String, Value>,
    /// Where the log is read: the broker's URL, without a user or a password.
    pub(crate) endpoint: &'a str,
    /// The project, which is the source's name.
    pub(crate) project: &'a str,
    /// The log: a stream of the broker.
    pub(crate) logstore: &'a str,
    /// The trigger, by service, function and name.
    pub(crate) trigger: &'a str,
    /// The broker's position of the first entry.
    pub(crate) begin: &'a str,
    /// The position after the last entry.
    pub(crate) end: &'a str,
    /// Seconds since 1970 when the last entry was written.
    pub(crate) written: u64,
}

/// The event. `taskId` is the same whenever the same range is delivered, `jobName` for all ranges of a trigger.
pub(crate) fn event(range: &LogRange<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Source<'a> {
        endpoint: &'a str,
        project_name: &'a str,
        logstore_name: &'a str,
        shard_id: u32,
        begin_cursor: String,
        end_cursor: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Event<'a> {
        parameter: &'a Map<String, Value>,
        source: Source<'a>,
        job_name: String,
        task_id: String,
        cursor_time: u64,
    }
    let job = digest(&["job", range.trigger, range.project, range.logstore]);
    let task = digest(&["task", range.trigger, range.project, range.logstore, range.begin, range.end]);
    let event = Event {
        parameter: range.parameter,
        source: Source {
            endpoint: range.endpoint,
            project_name: range.project,
            logstore_name: range.logstore,
            shard_id: 0,
            begin_cursor: cursor(range.begin),
            end_cursor: cursor(range.end),
        },
        job_name: job[..20].iter().map(|byte| format!("{byte:02x}")).collect(),
        task_id: task_id(&task).to_string(),
        cursor_time: range.written,
    };
    serde_json::to_vec(&event).unwrap_or_default()
}

/// A position as functions get it: in base64, as those of the Log Service.
fn cursor(position: &str) -> String {
    BASE64_STANDARD.encode(position)
}

fn task_id(digest: &[u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Of parts with their lengths, so that no two lists of parts are the same text.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range<'a>(parameter: &'a Map<String, Value>, end: &'a str) -> LogRange<'a> {
        LogRange {
            parameter,
            endpoint: "redis://127.0.0.1:6379/0",
            project: "log-com",
            logstore: "log-en",
            trigger: "default/f/t",
            begin: "1529480209655-0",
            end,
            written: 1_529_486_425,
        }
    }

    #[test]
    fn the_event_is_the_documented_one() {
        let parameter = Map::new();
        let text = String::from_utf8(event(&range(&parameter, "1529480209655-2"))).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let (job, task) = (value["jobName"].as_str().unwrap(), value["taskId"].as_str().unwrap());
        let expected = format!(
            concat!(
                r#"{{"parameter":{{}},"source":{{"endpoint":"redis://127.0.0.1:6379/0","projectName":"log-com","#,
                r#""logstoreName":"log-en","shardId":0,"beginCursor":"MTUyOTQ4MDIwOTY1NS0w","#,
                r#""endCursor":"MTUyOTQ4MDIwOTY1NS0y"}},"jobName":"{job}","taskId":"{task}","cursorTime":1529486425}}"#,
            ),
            job = job,
            task = task,
        );
        assert_eq!(text, expected);
        assert!(job.len() == 40 && job.bytes().all(|byte| byte.is_ascii_hexdigit()), "{job}");
        assert!(Uuid::parse_str(task).is_ok(), "{task}");
    }

    #[test]
    fn a_task_is_a_range_and_a_job_is_a_trigger() {
        let parameter: Map<_, _> = [("key".to_owned(), Value::from("value"))].into_iter().collect();
        let read = |end| serde_json::from_slice::<Value>(&event(&range(&parameter, end))).unwrap();
        let (one, again, other) = (read("1-1"), read("1-1"), read("1-2"));
        assert_eq!(one, again);
        assert_eq!(one["jobName"], other["jobName"]);
        assert_ne!(one["taskId"], other["taskId"]);
        assert_eq!(one["parameter"]["key"], "value");
    }
}
