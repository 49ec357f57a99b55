//! Code packages to download: a link that holds for ten minutes, signed with a key of this process.

use std::{
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Response, header};
use sha2::Sha256;

use super::{ResponseBody, call::Call, query_value, whole};
use crate::{component::hex, control::FunctionRecord, host::FunctionHost, platform_error::PlatformError};

/// The path that links lead to; the package's digest follows.
pub(super) const PREFIX: &str = "/wisp/code/";

/// Seconds that a link holds.
const VALID: u64 = 600;

/// Two version-4 UUIDs: 244 random bits of the system's generator. Links of another process do not hold.
static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut key = [0; 32];
    let parts = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()];
    key.copy_from_slice(parts.as_flattened());
    key
});

/// Where the package of a function is had, and its checksum.
pub(super) fn link(
    host: &FunctionHost,
    call: &Call,
    name: &str,
    function: &FunctionRecord,
) -> Result<(String, String), PlatformError> {
    let Some(code) = function.code.as_ref().filter(|code| !code.digest.is_empty()) else {
        return Err(PlatformError::not_found(
            "FunctionNotFound",
            format!("function '{name}' has no code package: it is declared in wisp.toml, or a container image"),
        ));
    };
    let expires = now() + VALID;
    // As the caller knows this host, which may be behind a proxy. One official client leaves the port out.
    let is_proxied = call.header("x-forwarded-proto").is_some() || call.header("x-forwarded-for").is_some();
    let authority = match call.header("host").filter(|host| !host.is_empty()) {
        None => host.api_address().to_string(),
        Some(known) if is_proxied || has_port(known) => known.to_owned(),
        Some(known) => format!("{known}:{}", host.api_address().port()),
    };
    let signature = hex(&mac(&code.digest, expires).finalize().into_bytes());
    let scheme = if call.header("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let url = format!("{scheme}://{authority}{PREFIX}{}?Expires={expires}&Signature={signature}", code.digest);
    Ok((url, code.checksum.clone()))
}

fn has_port(authority: &str) -> bool {
    authority.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()))
}

/// The package that a link leads to.
pub(super) async fn serve(
    host: &FunctionHost,
    digest: &str,
    query: Option<&str>,
) -> Result<Response<ResponseBody>, PlatformError> {
    let expires = query_value(query, "Expires").and_then(|text| text.parse().ok()).unwrap_or(0);
    let signature = query_value(query, "Signature").unwrap_or_default();
    let is_ours = mac(digest, expires).verify_slice(&unhex(&signature)).is_ok();
    if !is_ours || expires < now() {
        return Err(PlatformError::access_denied(
            "the link to the code package does not hold any more; get another one",
        ));
    }
    let package = tokio::fs::read(host.code().package(digest))
        .await
        .map_err(|_| PlatformError::not_found("FunctionNotFound", "the code package is gone".to_owned()))?;
    let mut response = Response::new(whole(Bytes::from(package)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    Ok(response)
}

fn mac(digest: &str, expires: u64) -> Hmac<Sha256> {
    let mut mac: Hmac<Sha256> = Hmac::new(&to_block(*KEY).into());
    mac.update(digest.as_bytes());
    mac.update(&expires.to_be_bytes());
    mac
}

/// A key is a block of SHA-256, filled up with zeros.
fn to_block(key: [u8; 32]) -> [u8; 64] {
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = from);
    block
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
