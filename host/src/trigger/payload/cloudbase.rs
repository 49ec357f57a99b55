//! Tencent CloudBase: integration requests and responses of its HTTP access.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::{
    BadResponse, RequestParts, ResponseParts,
    integration::{Charset, Returned, other, plain, status},
    request::{Fields, body, joined_headers, joined_queries, text},
};

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    path: &'a str,
    http_method: &'a str,
    headers: Fields<'a>,
    multi_value_headers: BTreeMap<&'a str, Vec<Cow<'a, str>>>,
    query_string_parameters: Fields<'a>,
    request_context: Context<'a>,
    body: Cow<'a, str>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    request_id: &'a str,
    /// A service owns functions as an environment does.
    env_id: &'a str,
    app_id: u64,
    uin: u64,
}

pub(super) fn encode(request: &RequestParts<'_>) -> Vec<u8> {
    let (body, is_base64_encoded) = body(request);
    let event = Event {
        path: request.raw_path,
        http_method: request.method.as_str(),
        headers: joined_headers(request.headers),
        multi_value_headers: multi_value(request.headers),
        query_string_parameters: joined_queries(request.query),
        request_context: context(request),
        body,
        is_base64_encoded,
    };
    // Texts in structs: nothing that JSON could not hold.
    serde_json::to_vec(&event).unwrap_or_default()
}

fn context<'a>(request: &RequestParts<'a>) -> Context<'a> {
    // Numbers there; an account that is none of them has no better one than 0.
    let account = request.account_id.parse().unwrap_or(0);
    Context { request_id: request.request_id, env_id: request.service, app_id: account, uin: account }
}

fn multi_value(headers: &HeaderMap) -> BTreeMap<&str, Vec<Cow<'_, str>>> {
    headers.keys().map(|name| (name.as_str(), headers.get_all(name).iter().map(text).collect())).collect()
}

/// An object with a numeric `statusCode` is an integration response, `headers` or not: the published examples leave
/// them out at times.
pub(super) fn decode(result: Bytes) -> Result<ResponseParts, BadResponse> {
    match Returned::of(&result) {
        Returned::Object(object) => match &object.status_code {
            Some(code @ Value::Number(_)) => status(code).and_then(|status| object.respond(status, Charset::Appended)),
            _ => Ok(plain(JSON, result)),
        },
        Returned::Json => Ok(value(result)),
        Returned::Other => Ok(other(result)),
    }
}

/// What a function that returns this value meant: languages other than JavaScript return strings as JSON.
fn value(result: Bytes) -> ResponseParts {
    match result.trim_ascii() {
        b"null" => ResponseParts { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Bytes::new() },
        [b'[', ..] | b"true" | b"false" => plain(JSON, result),
        number_or_string => match serde_json::from_slice::<String>(number_or_string) {
            Ok(text) => plain(TEXT, text.into()),
            Err(_) => plain(TEXT, result),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Request, ok, response};
    use crate::config::PayloadFormat::Cloudbase;

    #[test]
    fn a_request_is_an_integration_request() {
        let request = Request::new()
            .header("content-type", "application/octet-stream")
            .header("x-a", "1")
            .header("x-a", "2")
            .query("a=1")
            .body(b"\x00\x01");
        let expected = concat!(
            r#"{"path":"/caf%C3%A9/a%20b","httpMethod":"POST","#,
            r#""headers":{"content-type":"application/octet-stream","x-a":"1,2"},"#,
            r#""multiValueHeaders":{"content-type":["application/octet-stream"],"x-a":["1","2"]},"#,
            r#""queryStringParameters":{"a":"1"},"#,
            r#""requestContext":{"requestId":"req-1","envId":"demo","appId":123456,"uin":123456},"#,
            r#""body":"AAE=","isBase64Encoded":true}"#,
        );
        assert_eq!(request.encode(Cloudbase), expected);
    }

    #[test]
    fn a_request_with_nothing_has_every_field_all_the_same() {
        let expected = concat!(
            r#"{"path":"/caf%C3%A9/a%20b","httpMethod":"POST","headers":{},"multiValueHeaders":{},"#,
            r#""queryStringParameters":{},"requestContext":{"requestId":"req-1","envId":"demo","appId":123456,"#,
            r#""uin":123456},"body":"","isBase64Encoded":false}"#,
        );
        assert_eq!(Request::new().encode(Cloudbase), expected);
    }

    #[test]
    fn strings_and_numbers_are_text() {
        let text = "text/plain; charset=utf-8";
        assert_eq!(response(Cloudbase, b"hello gateway"), ok(200, text, "hello gateway"));
        assert_eq!(response(Cloudbase, br#""hello\ngateway""#), ok(200, text, "hello\ngateway"));
        assert_eq!(response(Cloudbase, b"42"), ok(200, text, "42"));
        assert_eq!(response(Cloudbase, b"-1.5e3"), ok(200, text, "-1.5e3"));
        assert_eq!(response(Cloudbase, b""), ok(200, text, ""));
    }

    #[test]
    fn objects_and_lists_are_json() {
        for json in [r#"{"foo":"bar"}"#, "[1,2]", "true", r#"{"statusCode":"200"}"#, r#"{"path":"/","headers":{}}"#] {
            let expected = ok(200, "application/json; charset=utf-8", json);
            assert_eq!(response(Cloudbase, json.as_bytes()), expected);
        }
    }

    #[test]
    fn nothing_is_no_content() {
        assert_eq!(response(Cloudbase, b"null"), ok(204, "", ""));
    }

    #[test]
    fn texts_of_integration_responses_are_told_to_be_utf_8() {
        for (given, sent) in [
            ("text/html", "text/html; charset=utf-8"),
            ("application/javascript", "application/javascript; charset=utf-8"),
            ("text/html; Charset=GBK", "text/html; Charset=GBK"),
            ("image/png", "image/png"),
        ] {
            let result =
                format!(r#"{{"statusCode":200,"headers":{{"content-type":"{given}"}},"body":"<h1>Hello</h1>"}}"#);
            assert_eq!(response(Cloudbase, result.as_bytes()), ok(200, sent, "<h1>Hello</h1>"));
        }
    }

    #[test]
    fn the_content_type_of_a_base64_body_is_left_alone() {
        let result =
            br#"{"isBase64Encoded":true,"statusCode":200,"headers":{"content-type":"text/html"},"body":"aGk="}"#;
        assert_eq!(response(Cloudbase, result), ok(200, "text/html", "hi"));
    }

    #[test]
    fn an_integration_response_may_leave_the_headers_out() {
        let result = br#"{"statusCode":404,"body":"none"}"#;
        assert_eq!(response(Cloudbase, result), ok(404, "text/plain; charset=utf-8", "none"));
    }
}
