//! Function Compute 3.0: the event of built-in runtimes' HTTP triggers.

use std::{borrow::Cow, time::SystemTime};

use bytes::Bytes;
use http::header::USER_AGENT;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::Value;

use super::{
    BadResponse, RequestParts, ResponseParts,
    integration::{Charset, Returned, other, plain, status},
    request::{Fields, body, joined_headers, joined_queries, text},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    raw_path: &'a str,
    body: Cow<'a, str>,
    is_base64_encoded: bool,
    headers: Fields<'a>,
    query_parameters: Fields<'a>,
    request_context: Context<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    account_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    time: String,
    time_epoch: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: Cow<'a, str>,
    protocol: String,
    source_ip: String,
    user_agent: Cow<'a, str>,
}

pub(super) fn encode(request: &RequestParts<'_>) -> Vec<u8> {
    let (body, is_base64_encoded) = body(request);
    let event = Event {
        version: "v1",
        raw_path: request.raw_path,
        body,
        is_base64_encoded,
        headers: canonical(joined_headers(request.headers)),
        query_parameters: joined_queries(request.query),
        request_context: context(request),
    };
    // Texts in structs: nothing that JSON could not hold.
    serde_json::to_vec(&event).unwrap_or_default()
}

fn context<'a>(request: &RequestParts<'a>) -> Context<'a> {
    let (time, time_epoch) = times(request.received);
    Context {
        account_id: request.account_id,
        domain_name: request.domain,
        domain_prefix: request.domain.split('.').next().unwrap_or_default(),
        http: http(request),
        request_id: request.request_id,
        time,
        time_epoch,
    }
}

fn http<'a>(request: &RequestParts<'a>) -> Http<'a> {
    Http {
        method: request.method.as_str(),
        path: percent_decode_str(request.raw_path).decode_utf8_lossy(),
        protocol: format!("{:?}", request.version),
        source_ip: request.client_ip.to_string(),
        user_agent: request.headers.get(USER_AGENT).map(text).unwrap_or_default(),
    }
}

/// The platform's own events have header names as Go writes them, `User-Agent`.
fn canonical(headers: Fields<'_>) -> Fields<'_> {
    headers.into_iter().map(|(name, value)| (canonical_name(&name).into(), value)).collect()
}

fn canonical_name(name: &str) -> String {
    let starts_word = |index: usize| index == 0 || name.as_bytes().get(index - 1) == Some(&b'-');
    let cased = name.char_indices().map(|(index, c)| if starts_word(index) { c.to_ascii_uppercase() } else { c });
    cased.collect()
}

/// Whole seconds in RFC 3339, and milliseconds since the epoch.
fn times(received: SystemTime) -> (String, String) {
    let since_epoch = received.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    (time.to_string(), since_epoch.as_millis().to_string())
}

pub(super) fn decode(result: Bytes) -> Result<ResponseParts, BadResponse> {
    match Returned::of(&result) {
        Returned::Object(object) => match &object.status_code {
            Some(code @ Value::Number(_)) => status(code).and_then(|status| object.respond(status, Charset::AsGiven)),
            _ => Ok(plain("application/json", result)),
        },
        Returned::Json => Ok(plain("application/json", result)),
        Returned::Other => Ok(other(result)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Request, ok, response};
    use crate::config::PayloadFormat::Fc3;

    #[test]
    fn a_request_is_an_event_of_version_1() {
        let request = Request::new()
            .header("content-type", "text/plain")
            .header("user-agent", "curl/8")
            .header("x-a", "1")
            .header("x-a", "2")
            .query("b=2&a=1&a=x%20y")
            .body(b"hi");
        let expected = concat!(
            r#"{"version":"v1","rawPath":"/caf%C3%A9/a%20b","body":"hi","isBase64Encoded":false,"#,
            r#""headers":{"Content-Type":"text/plain","User-Agent":"curl/8","X-A":"1,2"},"#,
            r#""queryParameters":{"a":"1,x y","b":"2"},"#,
            r#""requestContext":{"accountId":"123456","domainName":"hello.demo.localhost","domainPrefix":"hello","#,
            r#""http":{"method":"POST","path":"/café/a b","protocol":"HTTP/1.1","sourceIp":"203.0.113.9","#,
            r#""userAgent":"curl/8"},"requestId":"req-1","time":"2023-09-05T06:41:11Z","timeEpoch":"1693896071895"}}"#,
        );
        assert_eq!(request.encode(Fc3), expected);
    }

    #[test]
    fn a_request_with_nothing_has_every_field_all_the_same() {
        let event = Request::new().encode(Fc3);
        assert!(event.contains(r#""body":"","isBase64Encoded":false,"headers":{},"queryParameters":{},"#), "{event}");
        assert!(event.contains(r#""userAgent":"""#), "{event}");
    }

    #[test]
    fn bodies_that_are_not_text_are_base64() {
        let base64 = r#""body":"aGk=","isBase64Encoded":true"#;
        let text = r#""body":"hi","isBase64Encoded":false"#;
        for (content_type, expected) in [("image/png", base64), ("multipart/form-data", base64), ("text/html", text)] {
            let event = Request::new().header("content-type", content_type).body(b"hi").encode(Fc3);
            assert!(event.contains(expected), "{event}");
        }
        let untyped = Request::new().body(b"hi").encode(Fc3);
        assert!(untyped.contains(text), "{untyped}");
        let broken = Request::new().header("content-type", "text/plain").body(b"\xff").encode(Fc3);
        assert!(broken.contains(r#""body":"/w==","isBase64Encoded":true"#), "{broken}");
    }

    #[test]
    fn results_without_a_status_are_the_body() {
        assert_eq!(response(Fc3, b"hello world"), ok(200, "text/plain; charset=utf-8", "hello world"));
        assert_eq!(response(Fc3, b""), ok(200, "text/plain; charset=utf-8", ""));
        for json in [r#"{"foo": "bar"}"#, "[1]", "7", r#""text""#, "null", r#"{"statusCode":"200"}"#] {
            assert_eq!(response(Fc3, json.as_bytes()), ok(200, "application/json", json));
        }
        assert_eq!(response(Fc3, b"{not json"), ok(200, "text/plain; charset=utf-8", "{not json"));
        assert_eq!(response(Fc3, b"\xff"), ok(200, "application/octet-stream", "\u{fffd}"));
    }

    #[test]
    fn the_content_type_of_an_integration_response_is_left_alone() {
        let result =
            br#"{"statusCode":200,"headers":{"Content-Type":"text/html"},"isBase64Encoded":false,"body":"<p>"}"#;
        assert_eq!(response(Fc3, result), ok(200, "text/html", "<p>"));
    }
}
