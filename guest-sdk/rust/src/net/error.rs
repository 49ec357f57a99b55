//! What WASI's error codes mean.

use std::{fmt, io};

use crate::bindings::imports::wasi::sockets::network::ErrorCode;

/// What was being done, and how WASI says that it failed.
#[derive(Debug)]
struct Failed {
    action: String,
    code: ErrorCode,
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.code {
            ErrorCode::AccessDenied => "the function may not: see `allowed_outbound` in its configuration",
            ErrorCode::NameUnresolvable => "there is no such name",
            ErrorCode::TemporaryResolverFailure => "the name service does not answer: try again later",
            ErrorCode::PermanentResolverFailure => "the name service failed",
            code => return write!(formatter, "{}: {}", self.action, code.name().replace('-', " ")),
        };
        write!(formatter, "{}: {reason}", self.action)
    }
}

impl std::error::Error for Failed {}

pub(super) fn failed(action: String, code: ErrorCode) -> io::Error {
    let kind = match code {
        ErrorCode::AccessDenied => io::ErrorKind::PermissionDenied,
        ErrorCode::NotSupported => io::ErrorKind::Unsupported,
        ErrorCode::InvalidArgument => io::ErrorKind::InvalidInput,
        ErrorCode::OutOfMemory => io::ErrorKind::OutOfMemory,
        ErrorCode::Timeout => io::ErrorKind::TimedOut,
        ErrorCode::RemoteUnreachable => io::ErrorKind::HostUnreachable,
        ErrorCode::ConnectionRefused => io::ErrorKind::ConnectionRefused,
        ErrorCode::ConnectionReset => io::ErrorKind::ConnectionReset,
        ErrorCode::ConnectionAborted => io::ErrorKind::ConnectionAborted,
        ErrorCode::InvalidState => io::ErrorKind::NotConnected,
        ErrorCode::NameUnresolvable => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, Failed { action, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_tried_and_where_the_permission_is_written() {
        let error = failed("connecting to db:3306".into(), ErrorCode::AccessDenied);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().starts_with("connecting to db:3306: the function may not"), "{error}");
        let error = failed("connecting to db:3306".into(), ErrorCode::ConnectionRefused);
        assert_eq!(error.to_string(), "connecting to db:3306: connection refused");
    }
}
