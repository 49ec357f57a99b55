//! Integration responses, by which a function sets status, headers and body, and results that are none.

use base64::{
    DecodeError, Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::ResponseParts;

/// What is wrong with a function's result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// The format takes integration responses only.
    #[error("the function's result is not a JSON object with a `statusCode`")]
    NoStatus,
    /// No status that a response can have.
    #[error("the `statusCode` of the function's result is {0}, not a number from 200 to 599")]
    Status(String),
    /// Headers in another form than names with values.
    #[error("the `headers` of the function's result are not an object")]
    Headers,
    /// What HTTP does not take for a name, such as one with a line break.
    #[error("the function's result has a header named {0:?}")]
    HeaderName(String),
    /// What HTTP does not take for a value, such as one with a line break, or an object.
    #[error(
        "the function's result has a header {0:?} whose value is neither a text without control characters nor a list of such"
    )]
    HeaderValue(String),
    /// More than a map of headers holds, some ten thousand.
    #[error("the function's result has too many headers")]
    TooManyHeaders,
    /// `isBase64Encoded` with something that is not.
    #[error("the `body` of the function's result is not base64: {0}")]
    Base64(DecodeError),
    /// `isBase64Encoded` with a body that is not even text.
    #[error("the `body` of the function's result is not text, though `isBase64Encoded` is true")]
    Base64Type,
    /// `isBase64Encoded` that is neither true nor false.
    #[error("the `isBase64Encoded` of the function's result is neither true nor false")]
    Base64Flag,
}

/// A result, by its form.
pub(super) enum Returned {
    /// An object; whether it is an integration response is the format's to say.
    Object(Integration),
    /// Any other JSON.
    Json,
    /// No JSON.
    Other,
}

/// The keys that make a response of an object; others are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Integration {
    pub(super) status_code: Option<Value>,
    headers: Option<Value>,
    body: Option<Value>,
    is_base64_encoded: Option<Value>,
}

/// Whether texts are told to be UTF-8 where the function did not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    AsGiven,
    Appended,
}

/// Node's decoder asks for no padding, so functions get away without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Returned {
    pub(super) fn of(result: &[u8]) -> Self {
        // A struct would be read from a JSON list as well.
        if result.trim_ascii_start().starts_with(b"{") {
            serde_json::from_slice(result).map_or(Self::Other, Self::Object)
        } else {
            serde_json::from_slice::<IgnoredAny>(result).map_or(Self::Other, |_| Self::Json)
        }
    }
}

impl Integration {
    /// The response with this status.
    pub(super) fn respond(self, status: StatusCode, charset: Charset) -> Result<ResponseParts, BadResponse> {
        let mut headers = headers(self.headers)?;
        let body = match (self.body.unwrap_or_default(), flag(self.is_base64_encoded)?) {
            (Value::Null, _) => Bytes::new(),
            (Value::String(text), true) => BASE64.decode(text).map_err(BadResponse::Base64)?.into(),
            (_, true) => return Err(BadResponse::Base64Type),
            (body, false) => text_body(body, &mut headers, charset)?,
        };
        Ok(ResponseParts { status, headers, body })
    }
}

/// The status that a number is.
pub(super) fn status(number: &Value) -> Result<StatusCode, BadResponse> {
    // Languages with one kind of number may write 200.0.
    let code = number.as_f64().filter(|code| (200.0..600.0).contains(code) && code.fract() == 0.0);
    let status = code.and_then(|code| StatusCode::from_u16(code as u16).ok());
    status.ok_or_else(|| BadResponse::Status(number.to_string()))
}

/// A response of 200 with this content type.
pub(super) fn plain(content_type: &'static str, body: Bytes) -> ResponseParts {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    ResponseParts { status: StatusCode::OK, headers, body }
}

/// A response of 200 for what is no JSON.
pub(super) fn other(body: Bytes) -> ResponseParts {
    let text = std::str::from_utf8(&body).is_ok();
    plain(if text { "text/plain; charset=utf-8" } else { "application/octet-stream" }, body)
}

fn flag(value: Option<Value>) -> Result<bool, BadResponse> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        // Some of the platforms' own pages quote it.
        Some(Value::String(text)) if text == "true" => Ok(true),
        Some(Value::String(text)) if text == "false" => Ok(false),
        Some(_) => Err(BadResponse::Base64Flag),
    }
}

fn text_body(body: Value, headers: &mut HeaderMap, charset: Charset) -> Result<Bytes, BadResponse> {
    let (body, usual) = match body {
        Value::String(text) => (text, "text/plain; charset=utf-8"),
        other => (other.to_string(), "application/json"),
    };
    if !headers.contains_key(CONTENT_TYPE) {
        headers.try_insert(CONTENT_TYPE, HeaderValue::from_static(usual)).map_err(|_| BadResponse::TooManyHeaders)?;
    }
    if charset == Charset::Appended {
        append_charset(headers);
    }
    Ok(body.into())
}

fn append_charset(headers: &mut HeaderMap) {
    let Some(content_type) = headers.get_mut(CONTENT_TYPE) else { return };
    let Ok(given) = content_type.to_str() else { return };
    let lacks_charset = !given.to_ascii_lowercase().contains("charset=");
    if lacks_charset && super::request::is_textual(given) {
        let appended = HeaderValue::try_from(format!("{given}; charset=utf-8"));
        *content_type = appended.unwrap_or_else(|_| content_type.clone());
    }
}

fn headers(value: Option<Value>) -> Result<HeaderMap, BadResponse> {
    match value {
        None | Some(Value::Null) => Ok(HeaderMap::new()),
        Some(Value::Object(fields)) => fields_to_headers(fields),
        Some(_) => Err(BadResponse::Headers),
    }
}

fn fields_to_headers(fields: Map<String, Value>) -> Result<HeaderMap, BadResponse> {
    let mut headers = HeaderMap::new();
    for (key, value) in fields {
        let name = HeaderName::try_from(&key).map_err(|_| BadResponse::HeaderName(key))?;
        let values = if let Value::Array(values) = value { values } else { vec![value] };
        for value in values {
            let value = header_value(value).ok_or_else(|| BadResponse::HeaderValue(name.to_string()))?;
            // The plain `append` panics where a map is full, and the guest says how many there are.
            headers.try_append(&name, value).map_err(|_| BadResponse::TooManyHeaders)?;
        }
    }
    Ok(headers)
}

fn header_value(value: Value) -> Option<HeaderValue> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    // Bytes rather than a string: file names beyond ASCII are common, and what could end the line is refused in both.
    HeaderValue::try_from(text.into_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::PayloadFormat, trigger::payload::decode};

    fn decoded(result: &str) -> Result<ResponseParts, BadResponse> {
        decode(PayloadFormat::Fc3, Bytes::copy_from_slice(result.as_bytes()))
    }

    #[test]
    fn status_and_headers_are_copied() {
        let parts =
            decoded(r#"{"statusCode":201,"headers":{"X-A":"1","x-b":2,"Content-Type":"text/html"},"body":"hi"}"#);
        let parts = parts.unwrap();
        assert_eq!(parts.status, StatusCode::CREATED);
        assert_eq!(parts.headers["x-a"], "1");
        assert_eq!(parts.headers["x-b"], "2");
        assert_eq!(parts.headers["content-type"], "text/html");
        assert_eq!(parts.body, "hi");
    }

    #[test]
    fn a_list_of_values_is_a_repeated_header() {
        let parts = decoded(r#"{"statusCode":200,"headers":{"set-cookie":["a=1","b=2"]}}"#).unwrap();
        assert_eq!(parts.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    }

    #[test]
    fn header_values_beyond_ascii_are_sent_as_utf_8() {
        let parts = decoded(r#"{"statusCode":200,"headers":{"x-name":"你好"}}"#).unwrap();
        assert_eq!(parts.headers["x-name"].as_bytes(), "你好".as_bytes());
    }

    #[test]
    fn base64_bodies_are_decoded_with_and_without_padding() {
        for body in ["/+8=", "/+8"] {
            let parts = decoded(&format!(r#"{{"statusCode":200,"isBase64Encoded":true,"body":"{body}"}}"#)).unwrap();
            assert_eq!(parts.body, &[0xff, 0xef][..]);
            assert!(parts.headers.is_empty());
        }
    }

    #[test]
    fn a_body_without_a_content_type_gets_one() {
        for (body, content_type, text) in [
            (r#""hi""#, "text/plain; charset=utf-8", "hi"),
            (r#"{"a":[1]}"#, "application/json", r#"{"a":[1]}"#),
            ("7", "application/json", "7"),
        ] {
            let parts = decoded(&format!(r#"{{"statusCode":200,"body":{body}}}"#)).unwrap();
            assert_eq!(
                (parts.headers["content-type"].to_str().unwrap(), &parts.body[..]),
                (content_type, text.as_bytes())
            );
        }
    }

    #[test]
    fn no_body_is_an_empty_one() {
        for rest in ["", r#","body":null"#, r#","headers":null,"isBase64Encoded":null"#] {
            let parts = decoded(&format!(r#"{{"statusCode":204{rest}}}"#)).unwrap();
            assert_eq!((parts.status, parts.headers.len(), parts.body.len()), (StatusCode::NO_CONTENT, 0, 0));
        }
    }

    #[test]
    fn a_status_may_be_written_as_a_float() {
        assert_eq!(decoded(r#"{"statusCode":404.0}"#).unwrap().status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn headers_without_end_are_refused() {
        let headers: Vec<String> = (0..40_000).map(|n| format!("\"x-{n}\":\"\"")).collect();
        let result = format!(r#"{{"statusCode":200,"headers":{{{}}}}}"#, headers.join(","));
        assert_eq!(decoded(&result), Err(BadResponse::TooManyHeaders));
    }

    #[test]
    fn results_that_http_cannot_carry_are_refused() {
        for (result, message) in [
            (r#"{"statusCode":99}"#, "the `statusCode` of the function's result is 99, not a number from 200 to 599"),
            (r#"{"statusCode":101}"#, "the `statusCode` of the function's result is 101, not a number from 200 to 599"),
            (r#"{"statusCode":600}"#, "the `statusCode` of the function's result is 600, not a number from 200 to 599"),
            (
                r#"{"statusCode":200.5}"#,
                "the `statusCode` of the function's result is 200.5, not a number from 200 to 599",
            ),
            (
                r#"{"statusCode":-200}"#,
                "the `statusCode` of the function's result is -200, not a number from 200 to 599",
            ),
            (r#"{"statusCode":200,"headers":[]}"#, "the `headers` of the function's result are not an object"),
            (r#"{"statusCode":200,"headers":{"a b":"1"}}"#, "the function's result has a header named \"a b\""),
            (r#"{"statusCode":200,"headers":{"":"1"}}"#, "the function's result has a header named \"\""),
            (
                r#"{"statusCode":200,"headers":{"a\r\nb: c":"1"}}"#,
                "the function's result has a header named \"a\\r\\nb: c\"",
            ),
            (
                r#"{"statusCode":200,"headers":{"a":"1\r\nset-cookie: x"}}"#,
                "the function's result has a header \"a\" whose value is neither a text without control characters nor a list of such",
            ),
            (
                r#"{"statusCode":200,"headers":{"a":["1","2\n3"]}}"#,
                "the function's result has a header \"a\" whose value is neither a text without control characters nor a list of such",
            ),
            (
                r#"{"statusCode":200,"headers":{"a":{}}}"#,
                "the function's result has a header \"a\" whose value is neither a text without control characters nor a list of such",
            ),
            (
                r#"{"statusCode":200,"isBase64Encoded":true,"body":"a*b="}"#,
                "the `body` of the function's result is not base64: Invalid symbol 42, offset 1.",
            ),
            (
                r#"{"statusCode":200,"isBase64Encoded":true,"body":{}}"#,
                "the `body` of the function's result is not text, though `isBase64Encoded` is true",
            ),
            (
                r#"{"statusCode":200,"isBase64Encoded":1}"#,
                "the `isBase64Encoded` of the function's result is neither true nor false",
            ),
        ] {
            assert_eq!(decoded(result).unwrap_err().to_string(), message, "{result}");
        }
    }
}
