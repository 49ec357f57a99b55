//! CloudEvents 1.0 over HTTP: structured, in batches, and binary ("HTTP Protocol Binding for CloudEvents").

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

use super::{header_of, invalid};
use crate::{platform_error::PlatformError, trigger::payload::CloudEvent};

const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

/// What headers of the binary form begin with.
const PREFIX: &str = "ce-";

/// The events of one request.
pub(super) fn events(headers: &HeaderMap, body: &Bytes) -> Result<Vec<CloudEvent>, PlatformError> {
    let content_type = header_of(headers, header::CONTENT_TYPE.as_str());
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        STRUCTURED => Ok(vec![structured(json(body)?)?]),
        BATCH => match json(body)? {
            Value::Array(events) => events.into_iter().map(structured).collect(),
            _ => Err(invalid("a batch of CloudEvents is a JSON array")),
        },
        _ => Ok(vec![binary(headers, content_type, body)?]),
    }
}

fn json(body: &Bytes) -> Result<Value, PlatformError> {
    serde_json::from_slice(body).map_err(|error| invalid(format!("the CloudEvent is no JSON: {error}")))
}

fn structured(mut event: Value) -> Result<CloudEvent, PlatformError> {
    let version = event.as_object_mut().and_then(|event| event.remove("specversion"));
    check_version(version.as_ref().and_then(Value::as_str).unwrap_or_default())?;
    let event: CloudEvent =
        serde_json::from_value(event).map_err(|error| invalid(format!("the CloudEvent is not complete: {error}")))?;
    complete(event)
}

fn binary(headers: &HeaderMap, content_type: &str, body: &Bytes) -> Result<CloudEvent, PlatformError> {
    let attribute =
        |name: &str| Some(decoded(header_of(headers, &format!("{PREFIX}{name}")))).filter(|it| !it.is_empty());
    if attribute("id").is_none() && attribute("specversion").is_none() {
        return Err(invalid(format!(
            "the request has no CloudEvent: it is either of the content type {STRUCTURED} or {BATCH}, or has the headers ce-id, \
             ce-source, ce-type and ce-specversion"
        )));
    }
    check_version(&attribute("specversion").unwrap_or_default())?;
    const KNOWN: [&str; 6] = ["id", "source", "type", "specversion", "subject", "time"];
    let extensions = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(PREFIX).filter(|name| !KNOWN.contains(name))?;
        Some((name.to_owned(), Value::from(decoded(value.to_str().ok()?))))
    });
    let mut event = CloudEvent {
        id: attribute("id").unwrap_or_default(),
        source: attribute("source").unwrap_or_default(),
        kind: attribute("type").unwrap_or_default(),
        content_type: Some(content_type.to_owned()).filter(|content_type| !content_type.is_empty()),
        subject: attribute("subject"),
        time: attribute("time"),
        data: None,
        data_base64: None,
        extensions: extensions.collect(),
    };
    let is_json = content_type.split(';').next().is_some_and(|it| it.trim().ends_with("json"));
    match (std::str::from_utf8(body), is_json) {
        (_, true) => event.data = Some(json(body)?),
        (Ok(""), _) => {}
        (Ok(text), _) => event.data = Some(text.into()),
        (Err(_), _) => event.data_base64 = Some(BASE64_STANDARD.encode(body)),
    }
    complete(event)
}

/// Values of headers are percent-encoded where they are not printable ASCII.
fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

fn check_version(version: &str) -> Result<(), PlatformError> {
    if version == "1.0" {
        return Ok(());
    }
    Err(invalid(format!("the specversion of the CloudEvent is {version:?}; wisp takes \"1.0\"")))
}

fn complete(event: CloudEvent) -> Result<CloudEvent, PlatformError> {
    for (name, value) in [("id", &event.id), ("source", &event.source), ("type", &event.kind)] {
        if value.is_empty() {
            return Err(invalid(format!("the CloudEvent has no {name}")));
        }
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(headers: &[(&'static str, &str)], body: &str) -> Result<Vec<CloudEvent>, PlatformError> {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        events(&headers, &Bytes::copy_from_slice(body.as_bytes()))
    }

    fn event(text: &str) -> CloudEvent {
        let mut event: Value = serde_json::from_str(text).unwrap();
        event.as_object_mut().unwrap().remove("specversion");
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn all_three_forms_mean_the_same() {
        let text = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"a b","datacontenttype":"application/json","data":{"n":1},"ext":"x"}"#;
        let structured = sent(&[("content-type", "application/cloudevents+json; charset=utf-8")], text).unwrap();
        let batch = sent(&[("content-type", "application/cloudevents-batch+json")], &format!("[{text}]")).unwrap();
        let binary = sent(
            &[
                ("content-type", "application/json"),
                ("ce-specversion", "1.0"),
                ("ce-id", "1"),
                ("ce-source", "s"),
                ("ce-type", "t"),
                ("ce-subject", "a%20b"),
                ("ce-ext", "x"),
            ],
            r#"{"n":1}"#,
        );
        assert_eq!(structured, [event(text)]);
        assert_eq!(batch, structured);
        assert_eq!(binary.unwrap(), structured);
    }

    #[test]
    fn data_that_is_no_json_is_text_or_base64() {
        let headers = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s"), ("ce-type", "t")];
        assert_eq!(sent(&headers, "hello").unwrap()[0].data, Some(json!("hello")));
        assert_eq!(sent(&headers, "").unwrap()[0].data, None);
    }

    #[test]
    fn what_is_no_event_is_refused_with_what_is_missing() {
        let error = |headers: &[(&'static str, &str)], body: &str| sent(headers, body).unwrap_err().message;
        assert!(error(&[], "hello").contains("has no CloudEvent"));
        let structured = [("content-type", STRUCTURED)];
        assert!(error(&structured, r#"{"specversion":"0.3","id":"1"}"#).contains("specversion"));
        assert!(error(&structured, r#"{"specversion":"1.0","id":"1"}"#).contains("source"));
        assert!(error(&structured, r#"{"specversion":"1.0","id":"","source":"s","type":"t"}"#).contains("no id"));
    }
}
