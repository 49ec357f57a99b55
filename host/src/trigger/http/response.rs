//! A function's answer on its way out: which headers it may set (CONTRACTS §3.2), and the limits of §5.1.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{
    config::Limits,
    instance::{abi, packed_texts},
    invoke::LeasedBody,
    platform_error::PlatformError,
    trigger::payload::ResponseParts,
};

/// Whether a function's response header is left out. Transfer coding and trailers are the connection's business; the rest
/// is CONTRACTS §3.2.
fn is_ignored(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::CONTENT_LENGTH
            | header::DATE
            | header::SERVER
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || name.as_str() == "keep-alive"
        || name.as_str().starts_with("x-fc-")
}

/// Headers that a function may give, whatever the limit of their bytes: a map holds 24,576, and panics if the host's own,
/// such as the request id, come on top of that.
const MOST_HEADERS: usize = 20_000;

/// The answer of `wisp:function/http-handler`.
pub(super) fn from_record(answer: abi::HttpResponse, limits: &Limits) -> Result<Response<Bytes>, PlatformError> {
    let status = status(answer.status_code)?;
    let mut headers = Headers::with_room_for(answer.headers.len())?;
    for (name, value) in answer.headers {
        headers.add(name.as_bytes(), Bytes::from(value))?;
    }
    finish(status, headers.0, answer.body.into(), limits)
}

/// The answer of `wisp:function/packed-http-handler`.
pub(super) fn from_packed(answer: abi::PackedHttpResponse, limits: &Limits) -> Result<Response<Bytes>, PlatformError> {
    let status = status(answer.status_code)?;
    let packed = Bytes::from(answer.headers);
    let count = packed_texts(&packed).count();
    if !count.is_multiple_of(2) {
        return Err(PlatformError::bad_response(format!(
            "the function's response headers are {count} texts: each name needs a value"
        )));
    }
    let mut headers = Headers::with_room_for(count / 2)?;
    let mut texts = packed_texts(&packed);
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        // A record's values are UTF-8 as well, because they are texts.
        std::str::from_utf8(value).map_err(|_| invalid_value(name))?;
        headers.add(name, packed.slice_ref(value))?;
    }
    finish(status, headers.0, answer.body.into(), limits)
}

/// The headers of an answer, added one by one.
struct Headers(HeaderMap);

impl Headers {
    fn with_room_for(count: usize) -> Result<Self, PlatformError> {
        if count > MOST_HEADERS {
            return Err(too_many());
        }
        // One more: the request id comes to it.
        HeaderMap::try_with_capacity(count + 1).map(Self).map_err(|_| too_many())
    }

    /// Adds one, unless functions may not set it. The guest's text becomes the value: nothing is copied.
    fn add(&mut self, name: &[u8], value: Bytes) -> Result<(), PlatformError> {
        let name = HeaderName::from_bytes(name).map_err(|_| {
            let name = String::from_utf8_lossy(name);
            PlatformError::bad_response(format!("the function's response header name {name:?} is invalid"))
        })?;
        if is_ignored(&name) {
            return Ok(());
        }
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| invalid_value(name.as_str().as_bytes()))?;
        self.0.try_append(name, value).map(drop).map_err(|_| too_many())
    }
}

fn invalid_value(name: &[u8]) -> PlatformError {
    let name = String::from_utf8_lossy(name);
    PlatformError::bad_response(format!("the value of the function's response header '{name}' is invalid"))
}

fn too_many() -> PlatformError {
    PlatformError::bad_response("the function's response has too many headers")
}

/// The answer of an event handler, decoded.
pub(super) fn from_parts(parts: ResponseParts, limits: &Limits) -> Result<Response<Bytes>, PlatformError> {
    let mut headers = parts.headers;
    strip(&mut headers);
    finish(parts.status, headers, parts.body, limits)
}

/// The answer of a `wasi:http` component; its body has no limit, because nothing of it is kept.
pub(super) fn streamed(
    mut response: Response<LeasedBody>,
    limits: &Limits,
) -> Result<Response<LeasedBody>, PlatformError> {
    strip(response.headers_mut());
    check_headers(response.headers(), limits)?;
    Ok(response)
}

fn strip(headers: &mut HeaderMap) {
    let ignored: Vec<_> = headers.keys().filter(|name| is_ignored(name)).cloned().collect();
    for name in ignored {
        headers.remove(name);
    }
}

fn status(code: u16) -> Result<StatusCode, PlatformError> {
    let valid = StatusCode::from_u16(code).ok().filter(|status| (200..600).contains(&status.as_u16()));
    valid.ok_or_else(|| {
        PlatformError::bad_response(format!("the function's status code {code} is not within 200 to 599"))
    })
}

fn finish(
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    limits: &Limits,
) -> Result<Response<Bytes>, PlatformError> {
    check_headers(&headers, limits)?;
    if body.len() > limits.response_body {
        return Err(PlatformError::bad_response(format!(
            "the function's response body is {} bytes long, over the limit of {}",
            body.len(),
            limits.response_body
        )));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn check_headers(headers: &HeaderMap, limits: &Limits) -> Result<(), PlatformError> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size <= limits.response_headers {
        return Ok(());
    }
    Err(PlatformError::bad_response(format!(
        "the function's response headers are {size} bytes long, over the limit of {}",
        limits.response_headers
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(status_code: u16, headers: &[(&str, &str)]) -> abi::HttpResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        abi::HttpResponse { status_code, headers, body: b"body".to_vec() }
    }

    fn sent(answer: abi::HttpResponse) -> Result<Response<Bytes>, String> {
        let config = crate::config::parse("", std::path::Path::new("wisp.toml")).unwrap();
        from_record(answer, &config.limits).map_err(|error| error.message)
    }

    #[test]
    fn ignored_headers_are_left_out_and_repeated_ones_kept() {
        let response = sent(record(
            201,
            &[
                ("Connection", "close"),
                ("X-Fc-Status", "1"),
                ("Content-Length", "9"),
                ("Set-Cookie", "a"),
                ("set-cookie", "b"),
            ],
        ))
        .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers().len(), 2);
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_name() {
        assert!(sent(record(99, &[])).unwrap_err().contains("status code 99"));
        assert!(sent(record(101, &[])).unwrap_err().contains("status code 101"));
        assert!(sent(record(200, &[("bad name", "v")])).unwrap_err().contains("\"bad name\""));
        assert!(sent(record(200, &[("x-split", "a\r\nset-cookie: b")])).unwrap_err().contains("'x-split'"));
    }

    #[test]
    fn too_many_header_bytes_are_refused() {
        let long = "v".repeat(5 << 10);
        assert!(sent(record(200, &[("x-long", &long)])).unwrap_err().contains("over the limit of 4096"));
    }
}
