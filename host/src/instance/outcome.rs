//! How a call into a guest ended.

use std::time::Duration;

use serde_json::json;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use super::{
    abi::{Failure, FailureKind},
    panic,
};

/// A call that gave no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The function says so itself; the instance lives on.
    #[error("{document}")]
    Failed {
        /// Whether the function reported the error on purpose.
        handled: bool,
        /// A JSON object: CONTRACTS §3.3.
        document: String,
    },
    /// The deadline passed.
    #[error("timed out")]
    TimedOut,
    /// The guest ended itself with this code.
    #[error("exited with code {0}")]
    Exited(i32),
    /// The guest trapped, or was refused what it cannot do without.
    #[error("{0}")]
    Trapped(String),
    /// A Rust guest panicked, and then trapped or exited.
    #[error("{document}")]
    Panicked {
        /// A JSON object: the message and the place, as the guest wrote them.
        document: String,
    },
    /// The guest has no answer for this kind of call.
    #[error("{0}")]
    Unsupported(String),
    /// The guest's answer cannot be sent on.
    #[error("{0}")]
    BadResponse(String),
}

impl CallError {
    /// Whether the instance may serve another call.
    pub(crate) fn instance_survives(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Unsupported(_))
    }

    pub(crate) fn from_failure(failure: Failure) -> Self {
        Self::Failed { handled: failure.kind == FailureKind::Handled, document: document(failure.document) }
    }

    /// The same error, said by the guest's own words if those were a panic's. A panic of a Rust guest leaves no code running
    /// that could make an error document; its last line says what happened.
    pub(crate) fn explained_by(self, log: &str) -> Self {
        match self {
            Self::Exited(_) | Self::Trapped(_) => {
                panic::document(log).map_or(self, |document| Self::Panicked { document })
            }
            other => other,
        }
    }

    /// What wasmtime's error means.
    pub(crate) fn from_engine(error: &wasmtime::Error) -> Self {
        if let Some(own) = error.downcast_ref::<Self>() {
            return own.clone();
        }
        if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
            return Self::Exited(*code);
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Self::TimedOut,
            Some(trap) => Self::Trapped(trap.to_string()),
            None => Self::Trapped(format!("{error:#}")),
        }
    }
}

/// An error document as callers receive it: a JSON object as it is, any other text as its `errorMessage`.
fn document(text: String) -> String {
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => text,
        _ => json!({ "errorMessage": text }).to_string(),
    }
}

/// What a call took, for the error documents and the response headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Wall time of the call.
    pub duration: Duration,
    /// Highest memory of the instance, in bytes.
    pub memory: usize,
}

impl Usage {
    /// Memory in MB with two places, as `x-fc-max-memory-usage` gives it.
    pub fn memory_mb(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
        let bytes = self.memory as f64;
        bytes / f64::from(1 << 20)
    }
}

/// What the caller of a failed function reads: `x-fc-error-type` and the error document of CONTRACTS §3.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// `HandledInvocationError`, `UnhandledInvocationError` or `InitializationError`.
    pub error_type: &'static str,
    /// A JSON object.
    pub document: String,
}

impl FunctionError {
    /// The error of a call that was given `timeout` and used `usage`.
    pub fn new(error: &CallError, timeout: Duration, usage: Usage) -> Self {
        let (error_type, document) = match error {
            CallError::Failed { handled: true, document } => ("HandledInvocationError", document.clone()),
            CallError::Failed { handled: false, document } => ("UnhandledInvocationError", document.clone()),
            CallError::TimedOut => ("UnhandledInvocationError", timed_out(timeout, usage)),
            CallError::Panicked { document } => ("UnhandledInvocationError", document.clone()),
            CallError::Exited(_) | CallError::Trapped(_) => ("UnhandledInvocationError", ended(usage)),
            CallError::Unsupported(message) | CallError::BadResponse(message) => {
                ("UnhandledInvocationError", json!({ "errorMessage": message }).to_string())
            }
        };
        Self { error_type, document }
    }
}

fn timed_out(timeout: Duration, usage: Usage) -> String {
    let seconds = timeout.as_secs_f64();
    let message = format!("Function timed out after {seconds} seconds (maxMemoryUsage: {:.2}MB)", usage.memory_mb());
    json!({ "errorMessage": message }).to_string()
}

fn ended(usage: Usage) -> String {
    let (duration, memory) = (usage.duration.as_millis(), usage.memory_mb());
    let message = format!(
        "Process exited unexpectedly before completing request (duration: {duration}ms, maxMemoryUsage: {memory:.2}MB)"
    );
    json!({ "errorMessage": message }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> Usage {
        Usage { duration: Duration::from_millis(6), memory: 49 << 20 }
    }

    fn failed(kind: FailureKind, text: &str) -> FunctionError {
        let error = CallError::from_failure(Failure { kind, document: text.into() });
        FunctionError::new(&error, Duration::from_secs(3), usage())
    }

    #[test]
    fn a_document_reaches_the_caller_as_it_is() {
        let document = r#"{"errorMessage":"oops","errorType":"Error","stackTrace":["a"]}"#;
        assert_eq!(
            failed(FailureKind::Unhandled, document),
            FunctionError { error_type: "UnhandledInvocationError", document: document.into() }
        );
    }

    #[test]
    fn a_text_that_is_no_object_becomes_the_message() {
        let error = failed(FailureKind::Handled, "[1]");
        assert_eq!(error.error_type, "HandledInvocationError");
        assert_eq!(error.document, r#"{"errorMessage":"[1]"}"#);
    }

    #[test]
    fn a_timeout_and_an_exit_read_as_function_compute_writes_them() {
        let document = |error| FunctionError::new(&error, Duration::from_secs(3), usage()).document;
        assert_eq!(
            document(CallError::TimedOut),
            r#"{"errorMessage":"Function timed out after 3 seconds (maxMemoryUsage: 49.00MB)"}"#
        );
        assert_eq!(
            document(CallError::Exited(1)),
            r#"{"errorMessage":"Process exited unexpectedly before completing request (duration: 6ms, maxMemoryUsage: 49.00MB)"}"#
        );
    }
}
