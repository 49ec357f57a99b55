//! ACS3-HMAC-SHA256: HMAC-SHA256 in hex over the digest of a canonical request ("signature mechanism V3" of Alibaba
//! Cloud's OpenAPI reference).
//!
//! The client names the headers that it signed. Those that matter must be among them.

use std::{borrow::Cow, collections::BTreeSet};

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::{
    AccessKeys, Caller, Resource, SignatureError, SignedRequest, caller, check_clock, check_token, is_signature,
};

/// The word before the claim.
pub(super) const ALGORITHM: &str = "ACS3-HMAC-SHA256";

const DATE: &str = "x-acs-date";
const CONTENT: &str = "x-acs-content-sha256";
const SECURITY_TOKEN: &str = "x-acs-security-token";

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `Credential=…,SignedHeaders=…,Signature=…`
struct Claim<'a> {
    id: &'a str,
    /// Names in lower case, sorted.
    signed_headers: BTreeSet<String>,
    signature: [u8; 32],
}

impl<'a> Claim<'a> {
    fn parse(text: &'a str) -> Result<Self, SignatureError> {
        let part = |name: &str| {
            let parts = text.split(',').filter_map(|part| part.trim().split_once('='));
            parts.filter(|(key, _)| *key == name).map(|(_, value)| value).next().ok_or(SignatureError::Malformed)
        };
        Ok(Self {
            id: part("Credential")?,
            signed_headers: part("SignedHeaders")?.split(';').map(str::to_ascii_lowercase).collect(),
            signature: from_hex(part("Signature")?).ok_or(SignatureError::Mismatch)?,
        })
    }

    /// A header that is read but not signed could be another one than the client sent. The documented recipe for
    /// triggers leaves the host out.
    fn check_signed(&self, headers: &HeaderMap, resource: Resource) -> Result<(), SignatureError> {
        let read = headers.keys().map(header::HeaderName::as_str).filter(|name| name.starts_with("x-acs-"));
        let host = (resource == Resource::Api).then_some(header::HOST.as_str());
        match read.chain(host).find(|name| !self.signed_headers.contains(*name)) {
            Some(unsigned) => Err(SignatureError::Unsigned(unsigned.to_owned())),
            None => Ok(()),
        }
    }
}

/// Verifies `Authorization: ACS3-HMAC-SHA256 {claim}`.
pub(super) fn verify(
    keys: &AccessKeys,
    claim: &str,
    request: &SignedRequest<'_>,
    resource: Resource,
    now: Timestamp,
) -> Result<Caller, SignatureError> {
    let claim = Claim::parse(claim)?;
    let date = request.text(DATE).ok_or(SignatureError::MissingHeader(DATE))?;
    claim.check_signed(request.headers, resource)?;
    let content = request.text(CONTENT);
    // The documented recipe for triggers signs an empty text in the place of the body's digest.
    if content.is_none() && resource == Resource::Api {
        return Err(SignatureError::MissingHeader(CONTENT));
    }
    let key = keys.find(claim.id)?;
    if !is_signature(&key.secret, &texts(request, &claim, content.unwrap_or_default()), &claim.signature) {
        return Err(SignatureError::Mismatch);
    }
    check_clock(parse_date(date)?, now)?;
    check_token(key, request.text(SECURITY_TOKEN))?;
    let body = content.map(|content| from_hex(content).ok_or(SignatureError::Mismatch)).transpose()?;
    Ok(caller(key, body))
}

fn parse_date(date: &str) -> Result<Timestamp, SignatureError> {
    date.parse().map_err(|_| SignatureError::InvalidTime {
        name: DATE,
        expected: "'2006-01-02T15:04:05Z'",
        actual: date.to_owned(),
    })
}

/// Everything that the client may have signed: the specification escapes the names of parameters, the official clients
/// sign them as they are.
fn texts(request: &SignedRequest<'_>, claim: &Claim<'_>, content: &str) -> Vec<Vec<u8>> {
    let mut queries = vec![canonical_query(request, |name| Cow::Borrowed(name))];
    let escaped = canonical_query(request, |name| utf8_percent_encode(name, RESERVED).into());
    if escaped != queries[0] {
        queries.push(escaped);
    }
    queries.iter().map(|query| text(request, claim, query, content)).collect()
}

/// The text that is signed.
fn text(request: &SignedRequest<'_>, claim: &Claim<'_>, query: &str, content: &str) -> Vec<u8> {
    let path = request.uri.path().replace('+', "%20").replace('*', "%2A").replace("%7E", "~");
    let mut canonical = format!("{}\n{path}\n{query}\n", request.method).into_bytes();
    for name in &claim.signed_headers {
        write_header(&mut canonical, name, request);
    }
    let names: Vec<&str> = claim.signed_headers.iter().map(String::as_str).collect();
    canonical.extend_from_slice(format!("\n{}\n{content}", names.join(";")).as_bytes());
    format!("{ALGORITHM}\n{}", hex(&Sha256::digest(&canonical))).into_bytes()
}

fn write_header(canonical: &mut Vec<u8>, name: &str, request: &SignedRequest<'_>) {
    let mut values: Vec<&[u8]> =
        request.headers.get_all(name).iter().map(|value: &HeaderValue| value.as_bytes().trim_ascii()).collect();
    // HTTP/2 has the host in the target.
    if let (true, "host", Some(authority)) = (values.is_empty(), name, request.uri.authority()) {
        values.push(authority.as_str().as_bytes());
    }
    values.sort_unstable();
    canonical.extend_from_slice(name.as_bytes());
    canonical.push(b':');
    canonical.extend_from_slice(&values.join(&b","[..]));
    canonical.push(b'\n');
}

fn canonical_query(request: &SignedRequest<'_>, name: impl Fn(&str) -> Cow<'_, str>) -> String {
    let query = request.uri.query().unwrap_or_default();
    let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let escaped =
        |(key, value): &(Cow<'_, str>, Cow<'_, str>)| format!("{}={}", name(key), utf8_percent_encode(value, RESERVED));
    pairs.iter().map(escaped).collect::<Vec<_>>().join("&")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly 32 bytes.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
