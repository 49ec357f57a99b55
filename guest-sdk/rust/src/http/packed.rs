//! Between the packed texts that cross the component's boundary and the types of the `http` crate.
//!
//! What a request is made of are slices of the head; only names of headers that the `http` crate does not know are copied.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Body, Origin, Request, Response};
use crate::{Context, Error, bindings::imports::wisp::function::types::PackedHttpResponse, text::Text};

/// Stands between each two texts; no UTF-8 text has it.
const SEPARATOR: u8 = 0xff;

/// Bytes of a common header, by which room for all of them is guessed.
const HEADER: usize = 32;

/// What a path has in it beside letters and digits as it is: RFC 3986's `pchar`, and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// A request as the host hands it over, behind its context. Neither is looked into before the function takes it.
#[derive(Debug)]
pub struct Incoming {
    head: Bytes,
    body: Vec<u8>,
}

/// Texts of the context: the request id, the deadline, the `traceparent`.
const CONTEXT: usize = 3;

/// The texts of a head that were not read yet.
#[derive(Debug)]
struct Texts {
    head: Bytes,
    /// Where the next one starts; `None` behind the last.
    next: Option<usize>,
}

/// What the host passed is not what its contract says.
#[derive(Debug)]
struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the host's request is not what wisp:function/packed-http-handler says")
    }
}

impl std::error::Error for Malformed {}

impl Texts {
    fn range(&mut self) -> Option<Range<usize>> {
        let start = self.next?;
        let length = memchr::memchr(SEPARATOR, self.head.get(start..)?);
        self.next = length.map(|length| start + length + 1);
        Some(start..length.map_or(self.head.len(), |length| start + length))
    }

    fn bytes(&mut self) -> Option<Bytes> {
        self.range().map(|range| self.head.slice(range))
    }

    fn text(&mut self) -> Option<Text> {
        Text::new(self.bytes()?)
    }

    fn number(&mut self) -> Option<u64> {
        self.text()?.as_str().parse().ok()
    }

    fn left(&self) -> usize {
        self.next.map_or(0, |next| self.head.len() - next)
    }
}

impl Incoming {
    pub(crate) fn new(head: Vec<u8>, body: Vec<u8>) -> Self {
        Self { head: head.into(), body }
    }

    /// The context of the invocation.
    pub fn context(&self) -> Context {
        let mut texts = Texts { head: self.head.clone(), next: Some(0) };
        let (request_id, deadline_ms, trace_parent) = (texts.text(), texts.number(), texts.text());
        let trace_parent = trace_parent.filter(|text| !text.as_str().is_empty());
        Context::of_request(request_id.unwrap_or_default(), deadline_ms.unwrap_or_default(), trace_parent)
    }
}

pub(crate) fn read(incoming: Incoming) -> Result<Request, Error> {
    convert(incoming).ok_or_else(|| Error::internal(Malformed))
}

fn convert(incoming: Incoming) -> Option<Request> {
    let Incoming { head, body } = incoming;
    let mut texts = Texts { head, next: Some(0) };
    for _ in 0..CONTEXT {
        texts.range()?;
    }
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::from_bytes(texts.bytes()?.as_ref()).ok()?;
    let (path, url, client_ip) = (texts.text()?, texts.text()?, texts.text()?);
    *request.uri_mut() = uri(&path, &url).ok()?;
    // The queries are in the url as well, from which they are read when somebody asks.
    for _ in 0..texts.number()? {
        let (_name, _value) = (texts.range()?, texts.range()?);
    }
    let headers = request.headers_mut();
    headers.reserve(texts.left() / HEADER + 1);
    while let Some(name) = texts.range() {
        let name = HeaderName::from_bytes(texts.head.get(name)?).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(texts.bytes()?).ok()?);
    }
    request.extensions_mut().insert(Origin { url, client_ip });
    Some(request)
}

/// The path inside the function is told decoded, the query only as part of the url.
fn uri(path: &Text, url: &Text) -> Result<Uri, http::Error> {
    let (raw, query) = url.as_str().split_at(url.as_str().find('?').unwrap_or(url.as_str().len()));
    let encoded = Cow::from(utf8_percent_encode(path.as_str(), PATH));
    if encoded.starts_with('/') && raw.ends_with(&*encoded) {
        // The url's own end is it.
        return Ok(Uri::from_maybe_shared(url.bytes().slice(raw.len() - encoded.len()..))?);
    }
    let slash = if encoded.starts_with('/') { "" } else { "/" };
    Ok(Uri::try_from([slash, &*encoded, query].concat())?)
}

pub(crate) fn write(response: Response) -> PackedHttpResponse {
    let (head, body) = response.into_parts();
    PackedHttpResponse { status_code: head.status.as_u16(), headers: pack(&head.headers), body: body.into_bytes() }
}

fn pack(headers: &HeaderMap) -> Vec<u8> {
    let size = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    let mut packed = Vec::with_capacity(size);
    for (name, value) in headers {
        if !packed.is_empty() {
            packed.push(SEPARATOR);
        }
        packed.extend_from_slice(name.as_str().as_bytes());
        packed.push(SEPARATOR);
        push_value(&mut packed, value.as_bytes());
    }
    packed
}

/// Values that are not UTF-8 are read as Latin-1, as the host does.
fn push_value(packed: &mut Vec<u8>, value: &[u8]) {
    if std::str::from_utf8(value).is_ok() {
        return packed.extend_from_slice(value);
    }
    let mut encoded = [0; 2];
    for byte in value {
        packed.extend_from_slice(char::from(*byte).encode_utf8(&mut encoded).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::RequestExt as _;

    /// A head with two queries and two headers.
    fn head(path: &str, url: &str) -> Vec<u8> {
        let texts = ["id", "1", "", "PUT", path, url, "::1", "2", "q", "1 2", "r", "", "x-a", "1", "x-a", "ü"];
        texts.map(str::as_bytes).join(&SEPARATOR)
    }

    fn request(path: &str, url: &str) -> Request {
        read(Incoming::new(head(path, url), b"body".into())).unwrap()
    }

    #[test]
    fn a_request_has_the_path_inside_the_function_and_the_query() {
        let request = request("/a b/ü?", "/2016-08-15/proxy/s/f/a%20b/%C3%BC%3F?q=1%202&r");
        assert_eq!(request.uri(), "/a%20b/%C3%BC%3F?q=1%202&r");
        assert_eq!((request.path(), request.query("q")), ("/a b/ü?".into(), Some("1 2".into())));
        assert_eq!(request.original_url(), "/2016-08-15/proxy/s/f/a%20b/%C3%BC%3F?q=1%202&r");
        assert_eq!(request.client_ip(), Some(std::net::Ipv6Addr::LOCALHOST.into()));
        assert_eq!((request.method(), &request.body()[..]), (&Method::PUT, &b"body"[..]));
    }

    #[test]
    fn a_path_that_needs_no_encoding_is_the_urls_own() {
        for (path, url, expected) in [
            ("/", "/2016-08-15/proxy/s/f/", "/"),
            ("/", "/2016-08-15/proxy/s/f", "/"),
            ("/", "/2016-08-15/proxy/s/f?q=/a", "/?q=/a"),
            ("/a/b.c", "/2016-08-15/proxy/s/f/a/b.c?", "/a/b.c?"),
            ("/a%20b", "/s/f/a%2520b", "/a%2520b"),
            ("/a b", "/a%20b", "/a%20b"),
            ("/a", "/%61", "/a"),
        ] {
            assert_eq!(request(path, url).uri(), expected, "{url}");
        }
    }

    #[test]
    fn the_context_stands_before_the_request() {
        let context = Incoming::new(head("/", "/"), Vec::new()).context();
        assert_eq!((context.request_id(), context.trace_parent(), context.retry_count()), ("id", None, 0));
        assert_eq!(context.remaining(), std::time::Duration::ZERO);
        let traced = [&b"id"[..], b"1", b"00-1"].join(&SEPARATOR);
        assert_eq!(Incoming::new(traced, Vec::new()).context().trace_parent(), Some("00-1"));
    }

    #[test]
    fn repeated_headers_and_those_that_are_not_ascii_cross_both_ways() {
        let mut response = Response::new(Body::default());
        *response.headers_mut() = request("/", "/").headers().clone();
        response.headers_mut().append("x-a", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let texts: Vec<_> = ["x-a", "1", "x-a", "ü", "x-a", "café"].map(str::as_bytes).to_vec();
        assert_eq!(write(response).headers, texts.join(&SEPARATOR));
        assert_eq!(write(Response::new(Body::default())).headers, b"");
    }

    #[test]
    fn half_a_request_is_refused() {
        let whole = head("/", "/");
        let cuts = whole.iter().enumerate().filter(|(_, byte)| **byte == SEPARATOR);
        for (cut, _) in cuts.step_by(2).skip(1) {
            let message = read(Incoming::new(whole[..cut].to_vec(), Vec::new())).unwrap_err().to_string();
            assert!(message.contains("packed-http-handler"), "{cut}: {message}");
        }
    }
}
