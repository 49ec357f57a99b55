//! Why a change is not made, or a thing not found: the codes are those of Function Compute's error code page where it has
//! one.

use crate::{catalog::ScopeId, store::StoreError};

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// What was asked for makes no sense.
    Invalid,
    /// It may not be done here.
    Forbidden,
    /// It is not there.
    NotFound,
    /// It is in the way of something that is there.
    Conflict,
    /// It is not what the caller thought it was.
    Precondition,
    /// The host failed.
    Internal,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Error {
    pub(crate) kind: ErrorKind,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, "InvalidArgument", message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, code, message)
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, code, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "InternalServerError", message)
    }

    /// A function that the configuration owns.
    pub(crate) fn declared(what: &str) -> Self {
        Self::new(
            ErrorKind::Forbidden,
            "AccessDenied",
            format!("{what} is declared in wisp.toml and can only be changed there"),
        )
    }

    pub(crate) fn scope_not_found(id: &ScopeId) -> Self {
        let code = match id {
            ScopeId::Service(_) => "ServiceNotFound",
            ScopeId::Function(_) => "FunctionNotFound",
        };
        Self::not_found(code, format!("{id} does not exist"))
    }

    pub(crate) fn function_not_found(id: &ScopeId, function: &str) -> Self {
        let message = match id {
            ScopeId::Service(service) => format!("function '{function}' does not exist in service '{service}'"),
            ScopeId::Function(_) => format!("function '{function}' does not exist"),
        };
        Self::not_found("FunctionNotFound", message)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Conflict(_) => Self::conflict("ConcurrentUpdateError", format!("{error}; try again")),
            StoreError::Failed(_) => Self::internal(error.to_string()),
        }
    }
}
