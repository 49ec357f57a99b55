//! What functions that take events get: a request becomes an event and a result a response, and what a source of events
//! brings becomes the event of its trigger's type (`occurrence`).
//!
//! Each format is a pair of pure functions in a file of its own; what formats share is in `request` and `integration`.

use std::{net::IpAddr, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};

use crate::config::PayloadFormat;

mod api_gateway;
mod cloud_event;
mod cloudbase;
pub(crate) mod datahub;
mod fc3;
mod integration;
pub(crate) mod mns;
mod occurrence;
mod oss;
mod request;
pub(crate) mod sls;
pub(crate) mod tablestore;
mod timer;

pub(crate) use cloud_event::CloudEvent;
pub use integration::BadResponse;
pub(crate) use mns::Message;
pub(crate) use occurrence::{About, Occurrence};
pub(crate) use oss::ObjectChange;

/// A request as the trigger has it before it is an event.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path inside the function, percent-encoded, with its leading `/`.
    pub raw_path: &'a str,
    /// What follows the `?`, percent-encoded.
    pub query: Option<&'a str>,
    /// The headers, without those that functions do not see.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// Who sent the request.
    pub client_ip: IpAddr,
    /// The protocol it came by.
    pub version: Version,
    /// The invocation's id.
    pub request_id: &'a str,
    /// The account that the function belongs to.
    pub account_id: &'a str,
    /// The host that was asked, without a port.
    pub domain: &'a str,
    /// When the request came.
    pub received: SystemTime,
    /// The service of the function.
    pub service: &'a str,
    /// The function.
    pub function: &'a str,
}

/// A response as the trigger sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseParts {
    /// 200 to 599.
    pub status: StatusCode,
    /// As the function gave them, those included that no function may set.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// The event, a JSON document, that `request` is in `format`.
///
/// The body is text if its content type is textual (`text/*`, JSON, XML, JavaScript, form) or absent and it is valid
/// UTF-8; else it is base64 and the event says so.
pub fn encode(format: PayloadFormat, request: &RequestParts<'_>) -> Vec<u8> {
    match format {
        PayloadFormat::Fc3 => fc3::encode(request),
        PayloadFormat::Cloudbase => cloudbase::encode(request),
        PayloadFormat::ApiGateway => api_gateway::encode(request),
    }
}

/// The response that a function's `result` is in `format`.
///
/// JSON with a numeric `statusCode` is an integration response: it sets status, headers and body, and without a
/// `content-type` a text body is `text/plain` and any other JSON value `application/json`. How the formats take other
/// results:
///
/// | result | `fc3` | `cloudbase` | `api-gateway` |
/// |---|---|---|---|
/// | JSON object, list, boolean | as it is, `application/json` | as it is, `application/json; charset=utf-8` | error |
/// | JSON number, string | as it is, `application/json` | its text, `text/plain; charset=utf-8` | error |
/// | `null` | as it is, `application/json` | 204 | error |
/// | other text | as it is, `text/plain; charset=utf-8` | the same | error |
/// | other bytes | as they are, `application/octet-stream` | the same | error |
pub fn decode(format: PayloadFormat, result: Bytes) -> Result<ResponseParts, BadResponse> {
    match format {
        PayloadFormat::Fc3 => fc3::decode(result),
        PayloadFormat::Cloudbase => cloudbase::decode(result),
        PayloadFormat::ApiGateway => api_gateway::decode(&result),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        time::{Duration, UNIX_EPOCH},
    };

    use super::*;

    /// A request as the tests of the formats change it.
    pub(super) struct Request {
        pub(super) query: Option<&'static str>,
        pub(super) headers: HeaderMap,
        pub(super) body: &'static [u8],
    }

    impl Request {
        pub(super) fn new() -> Self {
            Self { query: None, headers: HeaderMap::new(), body: b"" }
        }

        pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
            self.headers.append(name, value.parse().unwrap());
            self
        }

        pub(super) fn query(self, query: &'static str) -> Self {
            Self { query: Some(query), ..self }
        }

        pub(super) fn body(self, body: &'static [u8]) -> Self {
            Self { body, ..self }
        }

        pub(super) fn encode(&self, format: PayloadFormat) -> String {
            let parts = RequestParts {
                method: &Method::POST,
                raw_path: "/caf%C3%A9/a%20b",
                query: self.query,
                headers: &self.headers,
                body: self.body,
                client_ip: Ipv4Addr::new(203, 0, 113, 9).into(),
                version: Version::HTTP_11,
                request_id: "req-1",
                account_id: "123456",
                domain: "hello.demo.localhost",
                received: UNIX_EPOCH + Duration::from_millis(1_693_896_071_895),
                service: "demo",
                function: "hello",
            };
            String::from_utf8(encode(format, &parts)).unwrap()
        }
    }

    /// Status, content type and body of the response that `result` is; what is wrong with it otherwise.
    pub(super) fn response(format: PayloadFormat, result: &[u8]) -> Result<(u16, String, String), String> {
        let parts = decode(format, Bytes::copy_from_slice(result)).map_err(|error| error.to_string())?;
        let content_type = parts.headers.get(http::header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap());
        let body = String::from_utf8_lossy(&parts.body).into_owned();
        Ok((parts.status.as_u16(), content_type.to_owned(), body))
    }

    pub(super) fn ok(status: u16, content_type: &str, body: &str) -> Result<(u16, String, String), String> {
        Ok((status, content_type.to_owned(), body.to_owned()))
    }
}
