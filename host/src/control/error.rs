//! Why a change is not made, or a thing not found: the codes are those of Function Compute's error code page where it has
//! one.

use crate::{
    catalog::ScopeId,
    component::{ComponentError, package::PackageError},
    host::DeployReason,
    store::StoreError,
};

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
    /// There is no room for it now.
    Exhausted,
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

    pub(crate) fn exhausted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Exhausted, "ResourceExhausted", message)
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

impl From<PackageError> for Error {
    fn from(error: PackageError) -> Self {
        if error.is_senders() { Self::invalid(error.to_string()) } else { Self::internal(error.to_string()) }
    }
}

/// A component that cannot be served: the sender's to mend, unless the host has failed.
impl From<ComponentError> for Error {
    fn from(error: ComponentError) -> Self {
        match error {
            ComponentError::Cache(error) => Self::internal(format!("the compiled code cannot be stored: {error}")),
            ComponentError::Engine(_) => Self::internal(error.to_string()),
            _ => Self::invalid(format!("the component of the code package cannot be served: {error}")),
        }
    }
}

/// A function that does not start.
impl From<DeployReason> for Error {
    fn from(reason: DeployReason) -> Self {
        match reason {
            DeployReason::Full(reason) => {
                Self::exhausted(format!("the function cannot be tried out: {reason}; try again later"))
            }
            DeployReason::Component(error) => error.into(),
            _ => Self::invalid(format!("the function does not start: {reason}")),
        }
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What the system says when a disk is full.
    fn full_disk() -> io::Error {
        io::Error::from_raw_os_error(28)
    }

    #[test]
    fn a_full_disk_is_the_hosts_failure_and_is_named() {
        let unpacked = Error::from(PackageError::from(full_disk()));
        let compiled = Error::from(ComponentError::from(full_disk()));
        for error in [unpacked, compiled] {
            assert_eq!((error.kind, error.code), (ErrorKind::Internal, "InternalServerError"));
            assert!(error.message.contains("No space left on device"), "{error}");
        }
    }

    #[test]
    fn a_component_that_cannot_be_served_is_the_senders_to_mend() {
        let error = Error::from(ComponentError::NoHandler("nothing".into()));
        assert_eq!((error.kind, error.code), (ErrorKind::Invalid, "InvalidArgument"));
    }
}
