//! Notifications of S3-compatible stores, such as MinIO's webhooks ("Event message structure").

use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use super::invalid;
use crate::{platform_error::PlatformError, trigger::payload::ObjectChange};

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
    /// What a store sends when notifications are set up.
    #[serde(rename = "Event", default)]
    event: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    #[serde(default)]
    event_time: Option<Timestamp>,
    s3: S3,
    #[serde(default)]
    request_parameters: RequestParameters,
    #[serde(default)]
    response_elements: ResponseElements,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    e_tag: String,
    #[serde(default)]
    content_type: Option<String>,
}

#[derive(Default, Deserialize)]
struct RequestParameters {
    #[serde(rename = "sourceIPAddress", default)]
    source_ip: String,
}

#[derive(Default, Deserialize)]
struct ResponseElements {
    #[serde(rename = "x-amz-request-id", default)]
    request_id: String,
}

/// The changes of one request; none if the store only tries whether somebody listens.
pub(super) fn changes(body: &Bytes, peer: SocketAddr) -> Result<Vec<ObjectChange>, PlatformError> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let notification: Notification =
        serde_json::from_slice(body).map_err(|error| invalid(format!("the notification is not one of S3: {error}")))?;
    if notification.records.is_empty() && notification.event != "s3:TestEvent" {
        return Err(invalid("the notification has no Records"));
    }
    Ok(notification.records.into_iter().filter_map(|record| change(record, peer)).collect())
}

/// `None` for what OSS has no event of.
fn change(record: Record, peer: SocketAddr) -> Option<ObjectChange> {
    let event = event(record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name))?;
    let S3 { bucket, object } = record.s3;
    let removed = event.starts_with("ObjectRemoved");
    let size = if removed { 0 } else { object.size };
    Some(ObjectChange {
        event: event.to_owned(),
        bucket: bucket.name,
        // Written like a form: a space is a plus.
        key: form_urlencoded::parse(format!("k={}", object.key.replace('&', "%26")).as_bytes())
            .next()
            .map(|(_, key)| key.into_owned())
            .unwrap_or_default(),
        size,
        delta: i64::try_from(size).unwrap_or(i64::MAX),
        etag: object.e_tag.trim_matches('"').to_ascii_uppercase(),
        mime_type: object.content_type,
        time: record.event_time.unwrap_or_else(Timestamp::now),
        source_ip: Some(record.request_parameters.source_ip)
            .filter(|address| !address.is_empty())
            .unwrap_or_else(|| peer.ip().to_string()),
        request_id: Some(record.response_elements.request_id)
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| format!("{:024X}", fastrand::u128(..) >> 32)),
    })
}

/// OSS's name of an event.
fn event(name: &str) -> Option<&'static str> {
    Some(match name {
        "ObjectCreated:Put" => "ObjectCreated:PutObject",
        "ObjectCreated:Post" => "ObjectCreated:PostObject",
        "ObjectCreated:Copy" => "ObjectCreated:CopyObject",
        "ObjectCreated:CompleteMultipartUpload" => "ObjectCreated:CompleteMultipartUpload",
        "ObjectRemoved:Delete" | "ObjectRemoved:DeleteMarkerCreated" => "ObjectRemoved:DeleteObject",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(body: &str) -> Result<Vec<ObjectChange>, PlatformError> {
        changes(&Bytes::copy_from_slice(body.as_bytes()), "10.0.0.9:1".parse().unwrap())
    }

    #[test]
    fn each_record_is_a_change_in_the_words_of_oss() {
        let record = |event: &str| {
            json!({ "eventName": event, "eventTime": "2026-01-01T00:00:00.000Z",
                "s3": { "bucket": { "name": "photos" },
                    "object": { "key": "a%2Fb+c%26d.png", "size": 9, "eTag": "ab", "contentType": "image/png" } } })
        };
        let body = json!({ "Records": [
            record("s3:ObjectCreated:Put"), record("ObjectRemoved:Delete"), record("s3:ObjectAccessed:Get")
        ] });
        let changes = sent(&body.to_string()).unwrap();
        let seen: Vec<_> = changes.iter().map(|it| (it.event.as_str(), it.key.as_str(), it.size)).collect();
        let key = "a/b c&d.png";
        assert_eq!(seen, [("ObjectCreated:PutObject", key, 9), ("ObjectRemoved:DeleteObject", key, 0)]);
        assert_eq!((changes[0].etag.as_str(), changes[0].source_ip.as_str()), ("AB", "10.0.0.9"));
    }

    #[test]
    fn a_trial_brings_nothing_and_anything_else_is_refused() {
        assert_eq!(sent("").unwrap(), []);
        assert_eq!(sent(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#).unwrap(), []);
        assert!(sent("{}").is_err());
        assert!(sent("hello").is_err());
    }
}
