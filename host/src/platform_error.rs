//! Errors of the platform as callers read them: a status, a code of CONTRACTS §5.2 and a message. One place turns every
//! failed invocation into one.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    api::signature::SignatureError,
    catalog::ResolveError,
    control::{self, ErrorKind},
    delivery::{EventsError, SubmitError},
    invoke::{InvokeError, RequestId},
    trigger::source::{ReceiveError, TriggerError},
};

/// Seconds after which a throttled caller may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A refusal of the platform, not of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlatformError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// What a 405 is told in `Allow`.
    allow: Option<HeaderValue>,
}

/// How an API writes its errors: CONTRACTS §1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorForm {
    /// `{"ErrorCode", "ErrorMessage"}`: 2016-08-15 and HTTP triggers.
    Fc2,
    /// `{"Code", "Message", "RequestId"}`: 2023-03-30.
    Fc3,
}

impl PlatformError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), allow: None }
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    }

    pub(crate) fn bad_response(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "BadResponse", message)
    }

    pub(crate) fn path_not_supported(method: &http::Method, path: &str) -> Self {
        let message = format!("'{method}' against '{path}' is not supported");
        Self::new(StatusCode::BAD_REQUEST, "PathNotSupported", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
    }

    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// The same error of a field that is inside another.
    pub(crate) fn inside(self, outer: &str) -> Self {
        Self { message: format!("{outer}.{}", self.message), ..self }
    }

    pub(crate) fn domain_not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "DomainNameNotFound", message)
    }

    pub(crate) fn event_not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "EventNotFound", message)
    }

    pub(crate) fn trigger_not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "TriggerNotFound", message)
    }

    /// `allowed` are the methods that would have been taken.
    pub(crate) fn method_not_allowed(message: impl Into<String>, allowed: &[http::Method]) -> Self {
        let allowed: Vec<_> = allowed.iter().map(http::Method::as_str).collect();
        let allow = HeaderValue::from_str(&allowed.join(", ")).ok();
        Self { allow, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message) }
    }

    pub(crate) fn response(&self, form: ErrorForm, id: &RequestId) -> Response<Bytes> {
        let body = match form {
            ErrorForm::Fc2 => json!({ "ErrorCode": self.code, "ErrorMessage": self.message }),
            ErrorForm::Fc3 => json!({ "Code": self.code, "Message": self.message, "RequestId": id.as_str() }),
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(allow) = &self.allow {
            headers.insert(header::ALLOW, allow.clone());
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl From<control::Error> for PlatformError {
    fn from(error: control::Error) -> Self {
        let status = match error.kind {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Precondition => StatusCode::PRECONDITION_FAILED,
            ErrorKind::Exhausted => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.code, error.message)
    }
}

impl From<SignatureError> for PlatformError {
    fn from(error: SignatureError) -> Self {
        Self::new(error.status(), error.code(), error.to_string())
    }
}

impl From<EventsError> for PlatformError {
    fn from(error: EventsError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", error.to_string())
    }
}

impl From<SubmitError> for PlatformError {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Resolve(error) => error.into(),
            SubmitError::Events(error) => error.into(),
            SubmitError::Unfit(_) => Self::invalid_argument(message),
            SubmitError::Full(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, "ResourceExhausted", message),
            SubmitError::Duplicate { .. } => {
                Self::new(StatusCode::CONFLICT, "StatefulAsyncInvocationAlreadyExists", message)
            }
        }
    }
}

impl From<ReceiveError> for PlatformError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Events(error) => error.into(),
            ReceiveError::Full(..) => Self::new(StatusCode::TOO_MANY_REQUESTS, "ResourceExhausted", error.to_string()),
        }
    }
}

impl From<TriggerError> for PlatformError {
    fn from(error: TriggerError) -> Self {
        let message = error.to_string();
        match error {
            TriggerError::NotFound { .. } => Self::trigger_not_found(message),
            TriggerError::Ambiguous(..) | TriggerError::Unfit(_) => Self::invalid_argument(message),
            TriggerError::Events(error) => error.into(),
            TriggerError::Submit(error) => error.into(),
        }
    }
}

impl From<ResolveError> for PlatformError {
    fn from(error: ResolveError) -> Self {
        let code = match &error {
            ResolveError::Unavailable { .. } => return Self::internal(error.to_string()),
            ResolveError::Disabled { .. } => return Self::access_denied(error.to_string()),
            ResolveError::ServiceNotFound(_) => "ServiceNotFound",
            ResolveError::FunctionNotFoundInService { .. } | ResolveError::FunctionNotFound(_) => "FunctionNotFound",
            ResolveError::VersionNotFound { .. } => "VersionNotFound",
            ResolveError::AliasNotFound { .. } => "AliasNotFound",
        };
        Self::new(StatusCode::NOT_FOUND, code, error.to_string())
    }
}

impl PlatformError {
    /// The platform's part of a failed invocation; `Err` gives the function's own part back.
    pub(crate) fn from_invoke(error: InvokeError) -> Result<Self, Box<crate::invoke::Failed>> {
        match error {
            InvokeError::Resolve(error) => Ok(error.into()),
            InvokeError::Exhausted(message) => {
                Ok(Self::new(StatusCode::TOO_MANY_REQUESTS, "ResourceExhausted", message))
            }
            InvokeError::BadResponse { message, .. } => Ok(Self::bad_response(message)),
            InvokeError::Unsupported(message) => Ok(Self::invalid_argument(message)),
            InvokeError::Function(failed) => Err(failed),
        }
    }
}
