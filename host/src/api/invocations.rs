//! Event invokes: bytes in, bytes out, with the `x-fc-*` headers of "InvokeFunction".

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header, request};
use http_body::Body;

use super::{ResponseBody, asynchronous, signature::Caller, whole};
use crate::{
    catalog::Target,
    host::FunctionHost,
    invoke::{Failed, Invocation, InvokeError, Report, RequestId},
    platform_error::{ErrorForm, PlatformError},
    trigger::http::{BodyError, header_text, read_body},
};

/// Bytes of log that a caller gets back.
const LOG_TAIL: usize = 4 << 10;

/// Whether the caller waits for the answer.
pub(crate) const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-fc-invocation-type");

/// The headers that scripts in a browser may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Date,x-fc-request-id,x-fc-error-type,x-fc-code-checksum,x-fc-invocation-duration,x-fc-max-memory-usage,x-fc-log-result,\
     x-fc-invocation-code-version",
);

/// What is invoked, as the path has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address<'a> {
    pub(super) service: Option<&'a str>,
    pub(super) function: &'a str,
    pub(super) qualifier: &'a str,
}

pub(super) async fn invoke<B>(
    host: &FunctionHost,
    address: Address<'_>,
    (head, body): (request::Parts, B),
    caller: Option<&Caller>,
    id: RequestId,
    form: ErrorForm,
) -> Result<Response<ResponseBody>, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    if is_asynchronous(&head.headers)? {
        let Address { service, function, qualifier } = address;
        let target = Target { service, function, qualifier };
        return asynchronous::submit(host, target, (&head, body), caller, id, form).await;
    }
    let mut invocation = Invocation::new();
    invocation.id = id;
    invocation.wants_log = wants_log(&head.headers)?;
    invocation.trace_parent = header_text(&head.headers, "traceparent");
    let event = read_body(&head, body, host.limits().sync_body).await?;
    if let Some(caller) = caller {
        caller.check_body(&event)?;
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (service, function) = (address.service.map(decoded), decoded(address.function));
    let target = Target { service: service.as_deref(), function: &function, qualifier: address.qualifier };
    let revision = host.catalog().resolve(&target)?.revision.clone();
    let version = Version { number: revision.version.clone(), checksum: revision.code_checksum.clone() };
    let version = &version;
    match host.invoke_revision(revision, invocation, event).await {
        Ok((result, report)) => Ok(answer(result, &report, version, None)),
        Err(InvokeError::BadResponse { message, report }) => {
            let error = PlatformError::bad_response(message);
            let body = error.response(form, &id).into_body();
            let mut response = answer(body, &report, version, Some("UnhandledInvocationError"));
            *response.status_mut() = error.status;
            Ok(response)
        }
        Err(error) => match PlatformError::from_invoke(error) {
            Ok(error) => Err(error),
            Err(failed) => Ok(failure(*failed, version)),
        },
    }
}

/// Which version ran.
struct Version {
    number: Arc<str>,
    checksum: Arc<str>,
}

/// What `x-fc-invocation-type` says.
pub(crate) fn is_asynchronous(headers: &HeaderMap) -> Result<bool, PlatformError> {
    match headers.get(&INVOCATION_TYPE).map(HeaderValue::as_bytes) {
        None | Some(b"Sync") => Ok(false),
        Some(b"Async") => Ok(true),
        Some(other) => Err(PlatformError::invalid_argument(format!(
            "InvocationType is set to an invalid value (allowed: Sync | Async, actual: '{}')",
            String::from_utf8_lossy(other)
        ))),
    }
}

fn wants_log(headers: &HeaderMap) -> Result<bool, PlatformError> {
    match headers.get("x-fc-log-type").map(HeaderValue::as_bytes) {
        None | Some(b"None" | b"") => Ok(false),
        Some(b"Tail") => Ok(true),
        // The message is the real service's.
        Some(other) => Err(PlatformError::invalid_argument(format!(
            "LogType is set to an invalid value (allowed: Tail | None, actual: '{}')",
            String::from_utf8_lossy(other)
        ))),
    }
}

/// A failed function is a successful invoke: 200, and the error in a header and the body.
fn failure(failed: Failed, version: &Version) -> Response<ResponseBody> {
    let mut response = answer(failed.error.document.into(), &failed.report, version, Some(failed.error.error_type));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn answer(body: Bytes, report: &Report, version: &Version, error_type: Option<&'static str>) -> Response<ResponseBody> {
    let mut response = Response::new(whole(body));
    let headers = response.headers_mut();
    // Never JSON: the Node.js client parses whatever is labelled so .
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    let usage = report.usage;
    let mut insert = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    insert("x-fc-invocation-duration", &usage.duration.as_millis().to_string());
    insert("x-fc-max-memory-usage", &format!("{:.2}", usage.memory_mb()));
    insert("x-fc-invocation-service-version", &version.number);
    insert("x-fc-invocation-code-version", &version.number);
    if !version.checksum.is_empty() {
        insert("x-fc-code-checksum", &version.checksum);
    }
    if !report.instance_id.is_empty() {
        insert("x-fc-instance-id", &report.instance_id);
    }
    if let Some(error_type) = error_type {
        insert("x-fc-error-type", error_type);
    }
    if !report.log.is_empty() {
        insert("x-fc-log-result", &BASE64_STANDARD.encode(tail(&report.log)));
    }
    response
}

/// The end of a log, from the beginning of a character on.
fn tail(log: &[u8]) -> &[u8] {
    let from = log.len().saturating_sub(LOG_TAIL);
    let tail = log.get(from..).unwrap_or_default();
    let continuation = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    tail.get(continuation..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_does_not_begin_inside_a_character() {
        let log = "é".repeat(LOG_TAIL);
        let odd = [log.as_bytes(), b"x"].concat();
        assert!(std::str::from_utf8(tail(&odd)).is_ok());
        assert!(tail(&odd).len() <= LOG_TAIL);
        assert_eq!(tail(b"short"), b"short");
    }
}
