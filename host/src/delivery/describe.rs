//! Events as JSON: in the forms of both of Function Compute's APIs, and in wisp's own.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::event::{Event, HistoryEntry};
use crate::telemetry::timestamp;

/// `StatefulAsyncInvocation` of 2016-08-15 and 2021-04-06. Times are milliseconds since the epoch.
pub fn fc2(event: &Event, with_payload: bool) -> Value {
    let mut invocation = common(event);
    let submission = &event.submission;
    invocation.insert("serviceName".into(), (&*submission.service).into());
    invocation.insert("functionName".into(), (&*submission.function).into());
    invocation.insert("invocationId".into(), submission.invocation_id.clone().into());
    invocation.insert("invocationErrorMessage".into(), error_message(event).into());
    if with_payload {
        invocation.insert("invocationPayload".into(), lossy(&submission.payload));
    }
    invocation.into()
}

/// `AsyncTask` of 2023-03-30. Times are milliseconds since the epoch.
pub fn fc3(event: &Event, region: &str, account: &str, with_payload: bool) -> Value {
    let mut task = common(event);
    let submission = &event.submission;
    let arn = format!("acs:fc:{region}:{account}:functions/{}", submission.function);
    task.insert("functionArn".into(), arn.into());
    task.insert("taskId".into(), submission.invocation_id.clone().into());
    task.insert("taskErrorMessage".into(), error_message(event).into());
    if with_payload {
        task.insert("taskPayload".into(), lossy(&submission.payload));
    }
    task.into()
}

fn common(event: &Event) -> Map<String, Value> {
    let progress = &event.progress;
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| drop(map.insert(name.to_owned(), value));
    set("qualifier", (&*event.submission.qualifier).into());
    set("status", progress.status.as_str().into());
    set("startedTime", progress.started.unwrap_or(event.submission.received).into());
    set("endTime", progress.ended.unwrap_or_default().into());
    set("destinationStatus", progress.destination_status.map_or("", |status| status.as_str()).into());
    set("alreadyRetriedTimes", progress.calls.saturating_sub(1).into());
    set("requestId", event.submission.request_id.as_str().into());
    set("instanceId", progress.instance_id.as_str().into());
    set("durationMs", progress.duration_ms.unwrap_or_default().into());
    let returned = if progress.error.is_none() { lossy(&progress.response) } else { "".into() };
    set("returnPayload", returned);
    set("events", progress.history.iter().zip(1_u64..).map(history_entry).collect());
    map
}

fn history_entry((entry, number): (&HistoryEntry, u64)) -> Value {
    json!({
        "eventId": number,
        "status": entry.status.as_str(),
        "timestamp": entry.timestamp,
        "eventDetail": entry.detail,
    })
}

/// The message of the error document, or the kind of the error.
fn error_message(event: &Event) -> String {
    let Some(error) = &event.progress.error else { return String::new() };
    let document: Value = serde_json::from_slice(&event.progress.response).unwrap_or_default();
    document["errorMessage"].as_str().map_or_else(|| error.clone(), str::to_owned)
}

fn lossy(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// wisp's own form. Times are RFC 3339; with `with_payload`, the payload and the result or error document.
pub fn wisp(event: &Event, with_payload: bool) -> Value {
    let (submission, progress) = (&event.submission, &event.progress);
    let time = |ms: u64| timestamp(std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms));
    let mut description = json!({
        "number": event.seq,
        "requestId": submission.request_id,
        "service": &*submission.service,
        "function": &*submission.function,
        "qualifier": &*submission.qualifier,
        "invocationId": submission.invocation_id,
        "trigger": submission.trigger,
        "status": progress.status.as_str(),
        "dead": progress.dead,
        "received": time(submission.received),
        "due": if progress.is_open() { time(progress.due).into() } else { Value::Null },
        "started": progress.started.map(time),
        "ended": progress.ended.map(time),
        "calls": progress.calls,
        "durationMs": progress.duration_ms,
        "error": progress.error,
        "destination": progress.destination,
        "destinationStatus": progress.destination_status.map(|status| status.as_str()),
        "destinationError": progress.destination_error,
    });
    if with_payload && let Some(map) = description.as_object_mut() {
        text(map, "payload", &submission.payload);
        text(map, "response", &progress.response);
        let history: Vec<_> = progress.history.iter().zip(1_u64..).map(history_entry).collect();
        map.insert("history".into(), history.into());
    }
    description
}

/// Text as it is; other bytes in base64, under another name.
fn text(map: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => map.insert(name.to_owned(), text.into()),
        Err(_) => map.insert(format!("{name}Base64"), BASE64_STANDARD.encode(bytes).into()),
    };
}
