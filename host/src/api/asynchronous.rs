//! Asynchronous invokes: accepted with 202 once they are durable ("Asynchronous invocation", "Task deduplication" and
//! "Delayed invocation" of Function Compute).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request::Parts};
use http_body::Body;

use super::{ResponseBody, signature::Caller, whole};
use crate::{
    catalog::Target,
    delivery::{Delivery, NewEvent},
    host::FunctionHost,
    invoke::RequestId,
    platform_error::{ErrorForm, PlatformError},
    trigger::http::{BodyError, header_text, read_body},
};

/// The caller's own id, in either API's words.
const INVOCATION_ID: HeaderName = HeaderName::from_static("x-fc-stateful-async-invocation-id");
const TASK_ID: HeaderName = HeaderName::from_static("x-fc-async-task-id");

/// The longest delay, in seconds.
const LONGEST_DELAY: u64 = 3600;

pub(super) async fn submit<B>(
    host: &FunctionHost,
    target: Target<'_>,
    (head, body): (&Parts, B),
    caller: Option<&Caller>,
    id: RequestId,
    form: ErrorForm,
) -> Result<Response<ResponseBody>, PlatformError>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    let mut new = new_event(&head.headers, id)?;
    new.payload = read_body(head, body, host.limits().async_body).await?;
    if let Some(caller) = caller {
        caller.check_body(&new.payload)?;
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (service, function) = (target.service.map(decoded), decoded(target.function));
    let target = Target { service: service.as_deref(), function: &function, qualifier: target.qualifier };
    enqueue(host, target, new, form).await
}

/// An event as the headers of its request describe it, without its payload.
///
/// # Errors
/// If a header has a value that it may not have.
pub(crate) fn new_event(headers: &HeaderMap, id: RequestId) -> Result<NewEvent, PlatformError> {
    check_log_type(headers)?;
    Ok(NewEvent {
        request_id: id,
        delay: delay(headers)?,
        invocation_id: invocation_id(headers)?,
        stateful: stateful(headers)?,
        trace_parent: header_text(headers, "traceparent"),
        payload: Bytes::new(),
        trigger: None,
        depth: 0,
    })
}

/// Answers once the event is durable.
pub(crate) async fn enqueue(
    host: &FunctionHost,
    target: Target<'_>,
    new: NewEvent,
    form: ErrorForm,
) -> Result<Response<ResponseBody>, PlatformError> {
    let invocation_id = delivery(host)?.submit(target, new).await?;
    Ok(accepted(invocation_id, form))
}

/// The asynchronous invocations of this host.
pub(super) fn delivery(host: &FunctionHost) -> Result<&Delivery, PlatformError> {
    host.delivery().ok_or_else(|| PlatformError::invalid_argument("this host has no asynchronous invocations"))
}

/// No body, and no type of one: the Node.js client would parse it.
fn accepted(invocation_id: Option<String>, form: ErrorForm) -> Response<ResponseBody> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    if let Some(id) = invocation_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        let name = if form == ErrorForm::Fc3 { TASK_ID } else { INVOCATION_ID };
        response.headers_mut().insert(name, id);
    }
    response
}

fn delay(headers: &HeaderMap) -> Result<Duration, PlatformError> {
    let Some(value) = headers.get("x-fc-async-delay") else { return Ok(Duration::ZERO) };
    let seconds = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    seconds.filter(|seconds| *seconds <= LONGEST_DELAY).map(Duration::from_secs).ok_or_else(|| {
        PlatformError::invalid_argument(format!(
            "AsyncDelay is set to an invalid value (allowed: 0 to {LONGEST_DELAY} seconds, actual: '{}')",
            String::from_utf8_lossy(value.as_bytes())
        ))
    })
}

fn invocation_id(headers: &HeaderMap) -> Result<Option<String>, PlatformError> {
    let Some(value) = headers.get(INVOCATION_ID).or_else(|| headers.get(TASK_ID)) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if starts && text.len() <= 128 && text.bytes().all(fits) {
        return Ok(Some(text.to_owned()));
    }
    Err(PlatformError::invalid_argument(format!(
        "StatefulAsyncInvocationID is set to an invalid value (allowed: 1 to 128 letters, digits, '_' and '-' that start with \
         a letter or '_', actual: '{}')",
        String::from_utf8_lossy(value.as_bytes())
    )))
}

fn stateful(headers: &HeaderMap) -> Result<bool, PlatformError> {
    match headers.get("x-fc-stateful-async-invocation-enable").map(HeaderValue::as_bytes) {
        None | Some(b"false" | b"") => Ok(false),
        Some(b"true") => Ok(true),
        Some(other) => Err(PlatformError::invalid_argument(format!(
            "StatefulAsyncInvocationEnable is set to an invalid value (allowed: true | false, actual: '{}')",
            String::from_utf8_lossy(other)
        ))),
    }
}

/// The message is the real service's: nobody could be given the log.
fn check_log_type(headers: &HeaderMap) -> Result<(), PlatformError> {
    match headers.get("x-fc-log-type").map(HeaderValue::as_bytes) {
        None | Some(b"None" | b"") => Ok(()),
        Some(other) => Err(PlatformError::invalid_argument(format!(
            "LogType is set to an invalid value (allowed: None, actual: '{}')",
            String::from_utf8_lossy(other)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_delay_is_whole_seconds_up_to_an_hour() {
        let delay = |value| delay(&headers("x-fc-async-delay", value)).ok();
        assert_eq!(delay("0"), Some(Duration::ZERO));
        assert_eq!(delay("3600"), Some(Duration::from_secs(3600)));
        assert_eq!([delay("3601"), delay("-1"), delay("1.5"), delay("")], [None; 4]);
    }

    #[test]
    fn an_invocation_id_has_function_computes_form_under_either_name() {
        let id = |value| invocation_id(&headers("x-fc-async-task-id", value)).ok().flatten();
        assert_eq!(id("_job-1"), Some("_job-1".to_owned()));
        assert_eq!([id("1job"), id("a b"), id("")], [None, None, None]);
        assert!(invocation_id(&headers("x-fc-stateful-async-invocation-id", "a")).is_ok_and(|id| id.is_some()));
        assert!(invocation_id(&HeaderMap::new()).is_ok_and(|id| id.is_none()));
    }

    #[test]
    fn the_log_cannot_be_asked_for() {
        let error = check_log_type(&headers("x-fc-log-type", "Tail")).unwrap_err();
        assert_eq!(error.message, "LogType is set to an invalid value (allowed: None, actual: 'Tail')");
        assert!(check_log_type(&headers("x-fc-log-type", "None")).is_ok());
    }
}
