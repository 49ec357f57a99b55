//! Alibaba Cloud API Gateway in front of an event function.

use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::{
    BadResponse, RequestParts, ResponseParts,
    integration::{Charset, Returned, status},
    request::{Fields, body, joined_headers, joined_queries},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    path: &'a str,
    http_method: &'a str,
    headers: Fields<'a>,
    query_parameters: Fields<'a>,
    /// Empty: a path of wisp's routes has no named parts.
    path_parameters: Fields<'a>,
    body: Cow<'a, str>,
    is_base64_encoded: bool,
}

pub(super) fn encode(request: &RequestParts<'_>) -> Vec<u8> {
    let (body, is_base64_encoded) = body(request);
    let event = Event {
        path: request.raw_path,
        http_method: request.method.as_str(),
        headers: joined_headers(request.headers),
        query_parameters: joined_queries(request.query),
        path_parameters: Fields::new(),
        body,
        is_base64_encoded,
    };
    // Texts in structs: nothing that JSON could not hold.
    serde_json::to_vec(&event).unwrap_or_default()
}

/// The gateway takes integration responses only, with a status that is a number or the text of one.
pub(super) fn decode(result: &[u8]) -> Result<ResponseParts, BadResponse> {
    let Returned::Object(object) = Returned::of(result) else { return Err(BadResponse::NoStatus) };
    let status = gateway_status(object.status_code.as_ref())?;
    object.respond(status, Charset::AsGiven)
}

fn gateway_status(code: Option<&Value>) -> Result<StatusCode, BadResponse> {
    match code {
        None | Some(Value::Null) => Err(BadResponse::NoStatus),
        Some(Value::String(text)) => {
            let number = text.parse::<u16>().map_err(|_| BadResponse::Status(format!("{text:?}")))?;
            status(&number.into())
        }
        Some(code) => status(code),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Request, ok, response};
    use crate::config::PayloadFormat::ApiGateway;

    #[test]
    fn a_request_is_a_gateway_event() {
        let request = Request::new().header("content-type", "application/json").query("a=1&a=2").body(b"{\"x\":1}");
        let expected = concat!(
            r#"{"path":"/caf%C3%A9/a%20b","httpMethod":"POST","headers":{"content-type":"application/json"},"#,
            r#""queryParameters":{"a":"1,2"},"pathParameters":{},"body":"{\"x\":1}","isBase64Encoded":false}"#,
        );
        assert_eq!(request.encode(ApiGateway), expected);
    }

    #[test]
    fn a_status_is_a_number_or_the_text_of_one() {
        for code in ["201", r#""201""#] {
            let result = format!(r#"{{"isBase64Encoded":"false","statusCode":{code},"headers":{{}},"body":"hi"}}"#);
            assert_eq!(response(ApiGateway, result.as_bytes()), ok(201, "text/plain; charset=utf-8", "hi"));
        }
    }

    #[test]
    fn a_body_may_be_an_object_or_base64() {
        let object = br#"{"isBase64Encoded":false,"statusCode":200,"headers":{},"body":{"a":1}}"#;
        assert_eq!(response(ApiGateway, object), ok(200, "application/json", r#"{"a":1}"#));
        let base64 = br#"{"isBase64Encoded":"true","statusCode":"200","headers":{},"body":"aGk="}"#;
        assert_eq!(response(ApiGateway, base64), ok(200, "", "hi"));
    }

    #[test]
    fn anything_else_is_refused() {
        let none = "the function's result is not a JSON object with a `statusCode`";
        for result in ["hello", "", "[200]", "7", r#"{"body":"hi"}"#, r#"{"statusCode":null}"#] {
            assert_eq!(response(ApiGateway, result.as_bytes()), Err(none.to_owned()), "{result}");
        }
        for (code, shown) in [(r#""ok""#, r#""ok""#), ("true", "true"), (r#""700""#, "700")] {
            let message = format!("the `statusCode` of the function's result is {shown}, not a number from 200 to 599");
            assert_eq!(response(ApiGateway, format!(r#"{{"statusCode":{code}}}"#).as_bytes()), Err(message));
        }
    }
}
