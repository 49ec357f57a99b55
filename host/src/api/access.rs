//! Who may ask the API for what. Without access keys anybody may, which is why such a host listens on loopback only.

use std::net::SocketAddr;

use http::{Method, request};
use jiff::Timestamp;

use super::{
    download,
    signature::{Caller, Resource, SignedRequest},
};
use crate::{config::Access, host::FunctionHost, platform_error::PlatformError};

/// Who signed a request to the API; `None`: nobody needs to.
///
/// # Errors
/// If the signature is missing or wrong, or its key may not do what is asked.
pub(super) fn check(
    host: &FunctionHost,
    head: &request::Parts,
    peer: SocketAddr,
) -> Result<Option<Caller>, PlatformError> {
    let path = head.uri.path();
    let is_open = path.starts_with(download::PREFIX) || (path == "/metrics" && peer.ip().is_loopback());
    if host.access_keys().is_empty() || is_open {
        return Ok(None);
    }
    let caller = verified(host, head, Resource::Api)?;
    permitted(&caller, asked(&head.method, path))?;
    Ok(Some(caller))
}

/// Who signed a request to an HTTP trigger.
///
/// # Errors
/// See [`check`]; and if the host has no keys, because then nobody could have signed.
pub(crate) fn check_trigger(host: &FunctionHost, head: &request::Parts) -> Result<Caller, PlatformError> {
    if host.access_keys().is_empty() {
        return Err(PlatformError::access_denied(
            "the HTTP trigger has authType 'function', but this host has no access keys: add [[access_keys]] to its \
             configuration, or set authType to 'anonymous'",
        ));
    }
    let caller = verified(host, head, Resource::HttpTrigger)?;
    permitted(&caller, Access::Invoke)?;
    Ok(caller)
}

fn verified(host: &FunctionHost, head: &request::Parts, resource: Resource) -> Result<Caller, PlatformError> {
    let request = SignedRequest { method: &head.method, uri: &head.uri, headers: &head.headers };
    Ok(host.access_keys().verify(&request, resource, Timestamp::now())?)
}

fn asked(method: &Method, path: &str) -> Access {
    let is_sent = ["/topics/", "/queues/", "/sources/"].iter().any(|place| path.starts_with(place));
    if is_sent || path.ends_with("/invocations") && *method == Method::POST {
        Access::Invoke
    } else if *method == Method::GET || *method == Method::HEAD {
        Access::Read
    } else {
        Access::Write
    }
}

fn permitted(caller: &Caller, access: Access) -> Result<(), PlatformError> {
    if caller.scope.permits(access) {
        return Ok(());
    }
    let wanted = match access {
        Access::Read => "read",
        Access::Invoke => "invoke functions",
        Access::Write => "change anything",
    };
    Err(PlatformError::access_denied(format!(
        "access key '{}' has the scope '{}' and may not {wanted}",
        caller.access_key, caller.scope
    )))
}
