//! A request on its way in: its limits, its body, and the record that guests receive (CONTRACTS §3.2).

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, header, request};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ipnet::IpNet;
use wasmtime_wasi_http::{Error, WasiBody};

use super::BodyError;
use crate::{
    config::Limits,
    instance::{Call, PackedHead, abi},
    platform_error::PlatformError,
};

/// A part of a path without its percent-encoding; what is not UTF-8 then has replacement characters.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    // Hardly any has one, and decoding looks through the text twice to find that out.
    if text.contains('%') {
        percent_encoding::percent_decode_str(text).decode_utf8_lossy()
    } else {
        Cow::Borrowed(text)
    }
}

/// Where the path inside the function begins within the request's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InsidePath(pub(super) usize);

impl InsidePath {
    /// Percent-encoded, starting with `/`.
    pub(super) fn raw(self, head: &request::Parts) -> &str {
        let inside = head.uri.path().get(self.0..).unwrap_or_default();
        if inside.is_empty() { "/" } else { inside }
    }

    /// What stands before it on the default address; empty on a domain.
    fn base(self, head: &request::Parts) -> &str {
        head.uri.path().get(..self.0).unwrap_or_default()
    }
}

/// How long a client may pause within a body.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// Checks the limits that need no body.
pub(super) fn check_limits(head: &request::Parts, limits: &Limits) -> Result<(), PlatformError> {
    let headers: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers > limits.request_headers {
        return Err(PlatformError::invalid_argument(format!(
            "the request headers are {headers} bytes long, over the limit of {}",
            limits.request_headers
        )));
    }
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.request_target {
        return Err(PlatformError::invalid_argument(format!(
            "path and query are {target} bytes long, over the limit of {}",
            limits.request_target
        )));
    }
    Ok(())
}

fn too_long(limit: usize) -> PlatformError {
    PlatformError::invalid_argument(format!("the request body is longer than the limit of {limit} bytes"))
}

fn check_content_length(head: &request::Parts, limit: usize) -> Result<(), PlatformError> {
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > limit as u64 => Err(too_long(limit)),
        _ => Ok(()),
    }
}

/// Reads a body to its end, as long as it is within the limit: what is longer is refused before it is read.
pub(crate) async fn read_body<B>(head: &request::Parts, body: B, limit: usize) -> Result<Bytes, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    check_content_length(head, limit)?;
    // Boxed: a request without a body would carry its size.
    Box::pin(read_to_end(body, limit)).await
}

async fn read_to_end<B>(body: B, limit: usize) -> Result<Bytes, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>>,
{
    let mut body = std::pin::pin!(Limited::new(body, limit));
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    while let Some(frame) = next_frame(body.as_mut()).await? {
        match frame.map(http_body::Frame::into_data) {
            // Most bodies come in one piece, which is not copied.
            Ok(Ok(piece)) if first.is_empty() => first = piece,
            Ok(Ok(piece)) => {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&piece);
            }
            // Trailers.
            Ok(Err(_)) => {}
            Err(error) if error.is::<LengthLimitError>() => return Err(too_long(limit)),
            Err(error) => {
                return Err(PlatformError::invalid_argument(format!("the request body broke off: {error}")));
            }
        }
    }
    Ok(if rest.is_empty() { first } else { rest.into() })
}

/// The next piece of a body, if it comes in time: a client that stops sending must not hold its connection for ever.
async fn next_frame<B: Body>(
    mut body: std::pin::Pin<&mut B>,
) -> Result<Option<Result<http_body::Frame<B::Data>, B::Error>>, PlatformError> {
    tokio::time::timeout(BODY_PAUSE, body.frame()).await.map_err(|_| {
        let seconds = BODY_PAUSE.as_secs();
        PlatformError::invalid_argument(format!("the request body stopped coming for {seconds} s"))
    })
}

/// The client's address: the peer's, or what trusted proxies say it is.
///
/// Each proxy appends the address that it saw, so the last one that is not itself a trusted proxy's is the client's. What
/// stands further left anybody may have written.
pub(crate) fn client_ip(headers: &HeaderMap, peer: SocketAddr, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.ip().to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let lists: Vec<_> = headers.get_all("x-forwarded-for").iter().filter_map(|list| list.to_str().ok()).collect();
    for hop in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { return client };
        client = ip.to_canonical();
        if !is_trusted(client, trusted) {
            return client;
        }
    }
    client
}

/// Whether an address is a trusted proxy's.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Whether a guest is not shown a request header: CONTRACTS §3.2.
fn is_ignored(name: &HeaderName) -> bool {
    name == header::CONNECTION || name.as_str() == "keep-alive" || name.as_str().starts_with("x-fc-")
}

/// Takes the ignored headers out.
pub(super) fn strip_ignored(headers: &mut HeaderMap) {
    let ignored: Vec<_> = headers.keys().filter(|name| is_ignored(name)).cloned().collect();
    for name in ignored {
        headers.remove(name);
    }
}

/// The texts of a request record; the record itself borrows them.
pub(super) struct RequestTexts<'a> {
    head: &'a request::Parts,
    path: Cow<'a, str>,
    url: &'a str,
    queries: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The values of headers that are not UTF-8, decoded, in their order: hardly ever any.
    decoded: Vec<String>,
    client_ip: Cow<'a, str>,
}

impl<'a> RequestTexts<'a> {
    pub(super) fn new(head: &'a request::Parts, inside: InsidePath, client_ip: Cow<'a, str>) -> Self {
        let query = head.uri.query().unwrap_or_default();
        Self {
            head,
            path: decoded(inside.raw(head)),
            url: head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
            queries: form_urlencoded::parse(query.as_bytes()).collect(),
            decoded: shown_headers(head).filter_map(|(_, value)| latin_1(value)).collect(),
            client_ip,
        }
    }

    /// Pairs of texts, for [`Self::record`] to borrow.
    pub(super) fn query_pairs(&self) -> Vec<(&str, &str)> {
        self.queries.iter().map(|(name, value)| (&**name, &**value)).collect()
    }

    /// See [`Self::query_pairs`].
    pub(super) fn header_pairs(&self) -> Vec<(&str, &str)> {
        let mut decoded = self.decoded.iter();
        let mut pairs = Vec::with_capacity(self.head.headers.len() + 1);
        pairs.extend(shown_headers(self.head).map(|(name, value)| {
            let value = std::str::from_utf8(value).ok().or_else(|| decoded.next().map(String::as_str));
            (name, value.unwrap_or_default())
        }));
        pairs
    }

    /// The record as it crosses into the guest.
    pub(super) fn record<'b>(
        &'b self,
        (queries, headers): (abi::Pairs<'b>, abi::Pairs<'b>),
        body: &'b [u8],
    ) -> abi::HttpRequest<'b> {
        abi::HttpRequest {
            method: self.head.method.as_str(),
            path: &self.path,
            url: self.url,
            queries,
            headers,
            client_ip: &self.client_ip,
            body,
        }
    }
}

/// The head of a request as `wisp:function/packed-http-handler` takes it.
pub(super) fn packed(call: &Call<'_>, head: &request::Parts, inside: InsidePath, client_ip: &str) -> PackedHead {
    let query = head.uri.query().unwrap_or_default();
    let url = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    // The url stands twice, in the path and the queries once more; each header has two separators. A host name of HTTP/2 or
    // decoded bytes may exceed that: then the buffer grows.
    let headers: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    let mut packed = PackedHead::new(call, 64 + 2 * url.len() + headers);
    for text in [head.method.as_str(), &decoded(inside.raw(head)), url, client_ip] {
        packed.push(text);
    }
    packed.push_number(form_urlencoded::parse(query.as_bytes()).count() as u64);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        packed.push(&name);
        packed.push(&value);
    }
    for (name, value) in shown_headers(head) {
        packed.push(name);
        packed.push_bytes(value);
    }
    packed
}

fn shown_headers(head: &request::Parts) -> impl Iterator<Item = (&str, &[u8])> {
    // HTTP/2 has no Host header; guests look for one.
    let host = head.uri.authority().filter(|_| !head.headers.contains_key(header::HOST));
    let host = host.map(|host| ("host", host.as_str().as_bytes()));
    let shown = head.headers.iter().filter(|(name, _)| !is_ignored(name));
    host.into_iter().chain(shown.map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// What is not UTF-8, as Latin-1, which every byte has a character in; none if it is.
fn latin_1(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// The request for a `wasi:http` component: its own path, without the ignored headers, its body as it comes.
pub(super) fn streamed<B>(
    mut head: request::Parts,
    inside: InsidePath,
    body: B,
    limits: &Limits,
) -> Result<Request<WasiBody>, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    check_content_length(&head, limits.sync_body)?;
    strip_ignored(&mut head.headers);
    let limit = limits.sync_body;
    // HTTP/2 has no Host header; guests look for one.
    if !head.headers.contains_key(header::HOST)
        && let Some(Ok(host)) = head.uri.authority().map(|authority| authority.as_str().parse())
    {
        head.headers.insert(header::HOST, host);
    }
    head.headers.insert("x-fc-control-path", http::HeaderValue::from_static("/http-invoke"));
    let base = inside.base(&head);
    if !base.is_empty()
        && let Ok(base) = format!("{base}/").parse()
    {
        head.headers.insert("x-fc-base-path", base);
    }
    head.uri = inside_uri(inside.raw(&head), head.uri.query())?;
    let body = Limited::new(body, limit).map_err(move |error| {
        if error.is::<LengthLimitError>() {
            Error::HttpRequestBodySize(Some(limit as u64))
        } else {
            Error::InternalError(Some(format!("the request body broke off: {error}")))
        }
    });
    Ok(Request::from_parts(head, body.boxed_unsync()))
}

fn inside_uri(raw_path: &str, query: Option<&str>) -> Result<http::Uri, PlatformError> {
    let text = query.map_or_else(|| raw_path.to_owned(), |query| format!("{raw_path}?{query}"));
    text.parse().map_err(|_| PlatformError::invalid_argument(format!("'{text}' is no path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_ip(&headers, peer.parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn a_forwarded_address_is_believed_of_trusted_proxies_only() {
        assert_eq!(ip("203.0.113.9:1", &["198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(ip("203.0.113.9:1", &["198.51.100.1"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(ip("10.0.0.1:1", &["198.51.100.1"], &["10.0.0.0/8"]), "198.51.100.1");
    }

    #[test]
    fn what_the_client_itself_wrote_before_the_proxies_is_not_believed() {
        let forwarded = ["1.1.1.1, 198.51.100.1", "10.0.0.7"];
        assert_eq!(ip("10.0.0.1:1", &forwarded, &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(ip("10.0.0.1:1", &["1.1.1.1, nonsense"], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn a_value_that_is_not_utf8_is_read_as_latin_1() {
        let head = Request::get("/").header("x-first", "caf\u{e9}").body(()).unwrap().into_parts().0;
        let mut head = head;
        head.headers.insert("x-second", http::HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let texts = RequestTexts::new(&head, InsidePath(0), "127.0.0.1".into());
        assert_eq!(texts.header_pairs(), [("x-first", "café"), ("x-second", "café")]);
    }
}
