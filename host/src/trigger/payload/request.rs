//! The pieces of an event that formats have in common.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};

use super::RequestParts;

/// Names and values in a fixed order, so that the same request is always the same event.
pub(super) type Fields<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// The body as text or base64, and which of them it is.
pub(super) fn body<'a>(request: &RequestParts<'a>) -> (Cow<'a, str>, bool) {
    let content_type = request.headers.get(header::CONTENT_TYPE).map(text);
    match std::str::from_utf8(request.body) {
        Ok(body) if content_type.is_none_or(|media_type| is_textual(&media_type)) => (body.into(), false),
        _ => (STANDARD.encode(request.body).into(), true),
    }
}

/// Whether bodies of this media type are meant to be read as text.
pub(super) fn is_textual(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let textual = ["json", "xml", "javascript", "x-javascript", "x-www-form-urlencoded"];
    kind == "text" || subtype.ends_with("+json") || subtype.ends_with("+xml") || textual.contains(&subtype)
}

/// Every header with its values joined by commas.
pub(super) fn joined_headers(headers: &HeaderMap) -> Fields<'_> {
    headers.keys().map(|name| (Cow::Borrowed(name.as_str()), joined(headers, name))).collect()
}

/// The values of one header; several of `cookie`, as HTTP/2 sends them, are one list with semicolons.
fn joined<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Cow<'a, str> {
    let separator = if *name == header::COOKIE { "; " } else { "," };
    join(headers.get_all(name).iter().map(text), separator)
}

/// The query's parameters, decoded, with repeated ones joined by commas.
pub(super) fn joined_queries(query: Option<&str>) -> Fields<'_> {
    let mut fields = Fields::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match fields.get_mut(&name) {
            Some(values) => *values = format!("{values},{value}").into(),
            None => drop(fields.insert(name, value)),
        }
    }
    fields
}

fn join<'a>(mut values: impl Iterator<Item = Cow<'a, str>>, separator: &str) -> Cow<'a, str> {
    let first = values.next().unwrap_or_default();
    values.fold(first, |joined, value| format!("{joined}{separator}{value}").into())
}

/// A header's value as JSON can hold it: what is not UTF-8 is replaced.
pub(super) fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textual_media_types_are_known_by_their_essence() {
        for textual in [
            "text/html",
            "TEXT/PLAIN; charset=utf-8",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "application/xml",
            "application/javascript",
            "application/x-www-form-urlencoded",
        ] {
            assert!(is_textual(textual), "{textual}");
        }
        for binary in ["image/png", "application/octet-stream", "multipart/form-data; boundary=text/", "json", ""] {
            assert!(!is_textual(binary), "{binary}");
        }
    }

    #[test]
    fn repeated_parameters_are_joined_and_decoded() {
        let fields = joined_queries(Some("b=%E4%BD%A0&a=1&a=x+y&c&a="));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(fields, [("a", "1,x y,"), ("b", "你"), ("c", "")]);
    }

    #[test]
    fn cookies_are_joined_as_one_cookie_header() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=1"));
        headers.append("cookie", HeaderValue::from_static("b=2"));
        assert_eq!(joined_headers(&headers)["cookie"], "a=1; b=2");
    }
}
