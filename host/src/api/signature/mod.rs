//! Signatures of requests: "FC id:signature" of API 2016-08-15, in a header or in a presigned URL, and
//! ACS3-HMAC-SHA256 of API 2023-03-30. Pure: no sockets, no clock of its own.
//!
//! The way of a request: [`AccessKeys::verify`] tells the scheme ▸ `fc` or `acs3` parses what the client claims ▸ the
//! key is looked up ▸ the canonical text is made again from the request ▸ the signatures are compared in constant time ▸
//! the clock and the security token are checked. [`Caller`] is who it was.
//!
//! A client's own signature, for the command line, is made by [`sign`].

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, Uri, header};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::config::{AccessKeyConfig, AccessScope, Secret};

mod acs3;
mod error;
mod fc;

#[cfg(test)]
mod tests;

pub use error::SignatureError;
pub use fc::{Credentials, sign};

/// How far the clocks of client and server may be apart: "signature authentication" of FC's developer reference.
const CLOCK_SKEW: Duration = Duration::from_secs(15 * 60);

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Path and query as the client sent them.
    pub uri: &'a Uri,
    /// All of its headers.
    pub headers: &'a HeaderMap,
}

impl<'a> SignedRequest<'a> {
    /// The headers and the head of `request`.
    pub fn new<B>(request: &'a http::Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }

    /// The bytes of a header; empty if there is none.
    fn header(&self, name: &str) -> &'a [u8] {
        self.headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default()
    }

    /// A header as text; `None` if there is none, or one that no time and no token is written in.
    fn text(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a request asks for, which decides how much of it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// An operation of the API. Of the 2016-08-15 form the path alone is signed; presigned URLs are for triggers only.
    Api,
    /// An HTTP trigger, at whatever address. The query is signed too; the ACS3 form may leave the body out, as the
    /// documented recipe for triggers does.
    HttpTrigger,
}

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the access key.
    pub access_key: Arc<str>,
    /// What the key may do.
    pub scope: AccessScope,
    /// The SHA-256 that the body must have; `None`: the body is not signed.
    body: Option<[u8; 32]>,
}

impl Caller {
    /// Whether the body is signed, so that it must be whole before anybody reads it.
    pub fn signs_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether `body`, the whole of it, is what was signed.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`].
    pub fn check_body(&self, body: &[u8]) -> Result<(), SignatureError> {
        match self.body {
            Some(signed) if signed != <[u8; 32]>::from(Sha256::digest(body)) => Err(SignatureError::Mismatch),
            _ => Ok(()),
        }
    }
}

/// The access keys of a host, by id.
#[derive(Clone, Debug, Default)]
pub struct AccessKeys(BTreeMap<Arc<str>, AccessKeyConfig>);

impl AccessKeys {
    /// The keys of a configuration.
    pub fn new(keys: &[AccessKeyConfig]) -> Self {
        Self(keys.iter().map(|key| (Arc::clone(&key.id), key.clone())).collect())
    }

    /// Whether there are none, so that nobody could sign anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who signed `request`, at the time `now`. The body comes later: [`Caller::check_body`].
    ///
    /// # Errors
    /// See [`SignatureError`]; each says its status and code.
    pub fn verify(
        &self,
        request: &SignedRequest<'_>,
        resource: Resource,
        now: Timestamp,
    ) -> Result<Caller, SignatureError> {
        match request.headers.get(header::AUTHORIZATION) {
            Some(value) => {
                let claim = value.to_str().map_err(|_| SignatureError::Malformed)?;
                match claim.split_once(' ') {
                    Some(("FC", claim)) => fc::verify_header(self, claim, request, resource, now),
                    Some((acs3::ALGORITHM, claim)) => acs3::verify(self, claim, request, resource, now),
                    _ => Err(SignatureError::Malformed),
                }
            }
            None if resource == Resource::HttpTrigger => fc::verify_url(self, request, now),
            None => Err(SignatureError::MissingHeader("Authorization")),
        }
    }

    fn find(&self, id: &str) -> Result<&AccessKeyConfig, SignatureError> {
        self.0.get(id).ok_or_else(|| SignatureError::UnknownAccessKey(id.to_owned()))
    }
}

fn caller(key: &AccessKeyConfig, body: Option<[u8; 32]>) -> Caller {
    Caller { access_key: Arc::clone(&key.id), scope: key.scope, body }
}

/// Whether `signature` is that of one of `texts`. Which of them, and how much of it, takes the same time.
fn is_signature(secret: &Secret, texts: &[Vec<u8>], signature: &[u8]) -> bool {
    texts.iter().fold(false, |found, text| mac(secret, text).verify_slice(signature).is_ok() | found)
}

fn mac(secret: &Secret, text: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("a key of any length");
    mac.update(text);
    mac
}

/// A key that came with a security token is worth nothing without it, and no other token goes with a key.
fn check_token(key: &AccessKeyConfig, token: Option<&str>) -> Result<(), SignatureError> {
    // The documented recipe for triggers sends an empty header when there is no token.
    let token = token.filter(|token| !token.is_empty());
    match (&key.security_token, token) {
        (None, None) => Ok(()),
        (Some(expected), Some(given)) if same(expected.expose(), given) => Ok(()),
        _ => Err(SignatureError::InvalidSecurityToken),
    }
}

/// Compares by digests, so that how much of two texts is equal cannot be timed.
fn same(a: &str, b: &str) -> bool {
    Sha256::digest(a) == Sha256::digest(b)
}

fn check_clock(time: Timestamp, now: Timestamp) -> Result<(), SignatureError> {
    match time.duration_since(now).unsigned_abs() {
        apart if apart <= CLOCK_SKEW => Ok(()),
        _ => Err(SignatureError::ClockSkew { time, now }),
    }
}
