//! Between the records that cross the component's boundary and the types of the `http` crate.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Body, Origin, Request, Response};
use crate::{
    Error,
    bindings::imports::wisp::function::types::{HttpRequest, HttpResponse},
};

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

pub(crate) fn read(record: HttpRequest) -> Result<Request, Error> {
    convert(record).map_err(Error::internal)
}

fn convert(record: HttpRequest) -> Result<Request, http::Error> {
    let mut request = Request::new(Body::from(record.body));
    *request.method_mut() = Method::from_bytes(record.method.as_bytes())?;
    *request.uri_mut() = uri(&record.path, &record.url)?;
    let headers = request.headers_mut();
    headers.reserve(record.headers.len());
    for (name, value) in record.headers {
        headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_maybe_shared(value.into_bytes())?);
    }
    let client_ip = record.client_ip.parse().ok();
    request.extensions_mut().insert(Origin { url: record.url, client_ip });
    Ok(request)
}

/// The path inside the function is told decoded, the query only as part of the url.
fn uri(path: &str, url: &str) -> Result<Uri, http::Error> {
    let mut target = utf8_percent_encode(path, PATH).to_string();
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    if let Some((_, query)) = url.split_once('?') {
        target.push('?');
        target.push_str(query);
    }
    Ok(Uri::try_from(target)?)
}

pub(crate) fn write(response: Response) -> HttpResponse {
    let (head, body) = response.into_parts();
    HttpResponse { status_code: head.status.as_u16(), headers: header_list(&head.headers), body: body.into_bytes() }
}

fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Values that are not UTF-8 are read as Latin-1, as the host does.
fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::RequestExt as _;

    fn record(path: &str, url: &str) -> HttpRequest {
        HttpRequest {
            method: "PUT".into(),
            path: path.into(),
            url: url.into(),
            queries: Vec::new(),
            headers: vec![("x-a".into(), "1".into()), ("x-a".into(), "ü".into())],
            client_ip: "::1".into(),
            body: b"body".into(),
        }
    }

    #[test]
    fn a_request_has_the_path_inside_the_function_and_the_query() {
        let request = read(record("/a b/ü?", "/2016-08-15/proxy/s/f/a%20b/%C3%BC%3F?q=1%202")).unwrap();
        assert_eq!(request.uri(), "/a%20b/%C3%BC%3F?q=1%202");
        assert_eq!((request.path(), request.query("q")), ("/a b/ü?".into(), Some("1 2".into())));
        assert_eq!(request.original_url(), "/2016-08-15/proxy/s/f/a%20b/%C3%BC%3F?q=1%202");
        assert_eq!(request.client_ip(), Some(std::net::Ipv6Addr::LOCALHOST.into()));
        assert_eq!((request.method(), &request.body()[..]), (&Method::PUT, &b"body"[..]));
    }

    #[test]
    fn repeated_headers_and_those_that_are_not_ascii_cross_both_ways() {
        let request = read(record("/", "/")).unwrap();
        let mut response = Response::new(Body::default());
        *response.headers_mut() = request.headers().clone();
        let answer = write(response);
        assert_eq!(answer.headers, [("x-a".to_owned(), "1".to_owned()), ("x-a".to_owned(), "ü".to_owned())]);
    }
}
