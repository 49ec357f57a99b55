//! "FC id:signature": HMAC-SHA256 in base64 over method, MD5, type, date, `x-fc-` headers and resource ("signature
//! authentication" of FC 2.0's developer reference).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser, tz::TimeZone};
use percent_encoding::percent_decode_str;

use super::{
    AccessKeys, Caller, Resource, SignatureError, SignedRequest, caller, check_clock, check_token, is_signature, mac,
};
use crate::config::{AccessKeyConfig, Secret};

const SECURITY_TOKEN: &str = "x-fc-security-token";
const FC_DATE: &str = "x-fc-date";

/// What a presigned URL has in its query.
const EXPIRES: &str = "x-fc-expires";
const KEY_ID: &str = "x-fc-access-key-id";
const SIGNATURE: &str = "x-fc-signature";

const RFC_1123: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Verifies `Authorization: FC {claim}`.
pub(super) fn verify_header(
    keys: &AccessKeys,
    claim: &str,
    request: &SignedRequest<'_>,
    resource: Resource,
    now: Timestamp,
) -> Result<Caller, SignatureError> {
    let (id, signature) = claim.trim().split_once(':').ok_or(SignatureError::Malformed)?;
    let date = date(request)?;
    let key = keys.find(id)?;
    let texts = texts(request, resource, date.as_bytes(), pairs(request.uri));
    check_signature(key, &texts, signature)?;
    check_clock(parse_date(date)?, now)?;
    check_token(key, request.text(SECURITY_TOKEN))?;
    Ok(caller(key, None))
}

/// Verifies a presigned URL: its end stands in the place of the date, and all of the query but the signature is signed.
pub(super) fn verify_url(
    keys: &AccessKeys,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<Caller, SignatureError> {
    let mut pairs = pairs(request.uri);
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let Some(signature) = find(SIGNATURE) else { return Err(SignatureError::MissingHeader("Authorization")) };
    let (Some(id), Some(expires)) = (find(KEY_ID), find(EXPIRES)) else { return Err(SignatureError::Malformed) };
    let token = find(SECURITY_TOKEN);
    let end = parse_expires(&expires)?;
    let key = keys.find(&id)?;
    pairs.retain(|(name, _)| name != SIGNATURE);
    check_signature(key, &texts(request, Resource::HttpTrigger, expires.as_bytes(), pairs), &signature)?;
    if end < now {
        return Err(SignatureError::Expired(end));
    }
    check_token(key, token.as_deref().or(request.text(SECURITY_TOKEN)))?;
    Ok(caller(key, None))
}

fn check_signature(key: &AccessKeyConfig, texts: &[Vec<u8>], signature: &str) -> Result<(), SignatureError> {
    let signature = BASE64_STANDARD.decode(signature).map_err(|_| SignatureError::Mismatch)?;
    if is_signature(&key.secret, texts, &signature) { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Browsers let no script set `Date`; `x-fc-date` is for them.
fn date<'a>(request: &SignedRequest<'a>) -> Result<&'a str, SignatureError> {
    let date = request.text(header::DATE.as_str()).or_else(|| request.text(FC_DATE));
    date.filter(|date| !date.is_empty()).ok_or(SignatureError::MissingHeader("Date"))
}

fn parse_date(date: &str) -> Result<Timestamp, SignatureError> {
    DateTimeParser::new().parse_timestamp(date).map_err(|_| SignatureError::InvalidTime {
        name: "Date",
        expected: "'Mon, 02 Jan 2006 15:04:05 GMT'",
        actual: date.to_owned(),
    })
}

fn parse_expires(expires: &str) -> Result<Timestamp, SignatureError> {
    expires.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(|| {
        SignatureError::InvalidTime {
            name: EXPIRES,
            expected: "seconds since 1970 such as '1583339600'",
            actual: expires.to_owned(),
        }
    })
}

/// Everything that the client may have signed: the unescaped path; or, if that differs, the path as it was sent, because
/// the Node.js client signs what it was given.
fn texts(request: &SignedRequest<'_>, resource: Resource, date: &[u8], query: Vec<(String, String)>) -> Vec<Vec<u8>> {
    let sent = request.uri.path();
    let unescaped: Vec<u8> = percent_decode_str(sent).collect();
    let mut paths = vec![unescaped];
    if paths[0] != sent.as_bytes() {
        paths.push(sent.as_bytes().to_owned());
    }
    let query = match resource {
        Resource::Api => None,
        Resource::HttpTrigger => Some(query_lines(query, request.uri)),
    };
    paths.iter().map(|path| text(request, date, path, query.as_deref())).collect()
}

/// The text that is signed.
fn text(request: &SignedRequest<'_>, date: &[u8], path: &[u8], query: Option<&str>) -> Vec<u8> {
    let mut text = Vec::new();
    let lines = [
        request.method.as_str().as_bytes(),
        request.header("content-md5"),
        request.header(header::CONTENT_TYPE.as_str()),
        date,
    ];
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    write_headers(&mut text, request.headers);
    text.extend_from_slice(path);
    if let Some(query) = query {
        text.push(b'\n');
        text.extend_from_slice(query.as_bytes());
    }
    text
}

fn write_headers(text: &mut Vec<u8>, headers: &HeaderMap) {
    let mut names: Vec<&HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("x-fc-")).collect();
    names.sort_unstable_by_key(|name| name.as_str());
    for name in names {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(&values.join(&b","[..]));
        text.push(b'\n');
    }
}

/// The query unescaped.
fn pairs(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

/// One line a parameter, sorted as whole lines.
fn query_lines(pairs: Vec<(String, String)>, uri: &Uri) -> String {
    let mut lines: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| match value.is_empty() && is_bare(uri, &key) {
            true => key,
            false => format!("{key}={value}"),
        })
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Whether a parameter was sent without `=`.
fn is_bare(uri: &Uri, key: &str) -> bool {
    let mut parts = uri.query().unwrap_or_default().split('&').filter(|part| !part.contains('='));
    parts.any(|part| form_urlencoded::parse(part.as_bytes()).any(|(name, _)| name == key))
}

/// An access key as its owner has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The id, which is sent.
    pub id: String,
    /// The secret, which is not.
    pub secret: Secret,
    /// The token of a key that is lent for a time; sent with each request.
    pub security_token: Option<Secret>,
}

/// Signs a request by API 2016-08-15: sets `date`, `authorization` and, if there is one, the security token. Headers
/// whose names start with `x-fc-`, `content-type` and `content-md5` are signed as they are now.
///
/// # Errors
/// The id or the token holds what no header can.
pub fn sign(
    credentials: &Credentials,
    method: &Method,
    uri: &Uri,
    headers: &mut HeaderMap,
    resource: Resource,
    now: Timestamp,
) -> Result<(), header::InvalidHeaderValue> {
    let date = now.to_zoned(TimeZone::UTC).strftime(RFC_1123).to_string();
    headers.insert(header::DATE, HeaderValue::from_str(&date)?);
    if let Some(token) = &credentials.security_token {
        headers.insert(SECURITY_TOKEN, HeaderValue::from_str(token.expose())?);
    }
    let request = SignedRequest { method, uri, headers };
    let text = texts(&request, resource, date.as_bytes(), pairs(uri)).swap_remove(0);
    let signature = BASE64_STANDARD.encode(mac_bytes(&credentials.secret, &text));
    let value = HeaderValue::from_str(&format!("FC {}:{signature}", credentials.id))?;
    headers.insert(header::AUTHORIZATION, value);
    Ok(())
}

fn mac_bytes(secret: &Secret, text: &[u8]) -> [u8; 32] {
    use hmac::Mac as _;
    mac(secret, text).finalize().into_bytes().into()
}
