//! Errors of functions, and the document that the caller reads of them.

use std::{fmt, panic::Location};

use serde_json::json;

use crate::bindings::imports::wisp::function::types::{Failure, FailureKind};

/// Why an invocation failed.
///
/// Every `std::error::Error` becomes one by `?`, which remembers the line that it stands on. Such an error is
/// *unhandled*: the function did not expect it. An error that a function reports on purpose is *handled*, and says so:
///
/// ```
/// use wisp_sdk::Error;
///
/// #[wisp_sdk::event_handler]
/// fn double(text: &str) -> Result<i64, Error> {
///     if text.is_empty() {
///         return Err(Error::handled("NoNumber", "send a number"));
///     }
///     let number: i64 = text.parse()?;
///     Ok(2 * number)
/// }
/// # assert!(double("").unwrap_err().is_handled());
/// # assert!(!double("two").unwrap_err().is_handled());
/// ```
///
/// The caller reads a document of JSON, and in the header `x-fc-error-type` which of both it was:
///
/// ```json
/// {
///     "errorMessage": "invalid digit found in string",
///     "errorType": "ParseIntError",
///     "stackTrace": [
///         "ParseIntError: invalid digit found in string",
///         "    at src/lib.rs:8:23",
///         "    at double (src/lib.rs:3)"
///     ]
/// }
/// ```
///
/// The causes of an error, as its `source` tells them, follow in the stack trace.
///
/// It is no `std::error::Error` itself, since all of those become one.
pub struct Error {
    handled: bool,
    error_type: String,
    message: String,
    trace: Vec<String>,
    place: Option<&'static Location<'static>>,
}

impl Error {
    /// An error that the function reports on purpose: `HandledInvocationError`.
    #[track_caller]
    pub fn handled(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(true, error_type.into(), message.into(), Some(Location::caller()))
    }

    /// An error that should not have been: `UnhandledInvocationError`.
    #[track_caller]
    pub fn unhandled(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(false, error_type.into(), message.into(), Some(Location::caller()))
    }

    /// Makes the error one that the function reports on purpose.
    ///
    /// ```
    /// use wisp_sdk::Error;
    ///
    /// let error = "two".parse::<u8>().map_err(|error| Error::from(error).into_handled()).unwrap_err();
    /// assert!(error.is_handled());
    /// ```
    #[must_use]
    pub fn into_handled(self) -> Self {
        Self { handled: true, ..self }
    }

    /// Whether the function reports the error on purpose.
    pub fn is_handled(&self) -> bool {
        self.handled
    }

    /// What kind of error it is, for programs: the name of the Rust type unless the function chose another.
    pub fn error_type(&self) -> &str {
        &self.error_type
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn new(handled: bool, error_type: String, message: String, place: Option<&'static Location<'static>>) -> Self {
        Self { handled, error_type, message, trace: Vec::new(), place }
    }

    /// An error within the SDK: the line of it would tell the author nothing.
    pub(crate) fn internal<E: std::error::Error + 'static>(error: E) -> Self {
        Self::of(&short_name(std::any::type_name::<E>()), &error, None)
    }

    /// The caller sent what the function does not take.
    pub(crate) fn invalid_event(message: String) -> Self {
        Self::new(true, "InvalidEvent".to_owned(), message, None)
    }

    pub(crate) fn of(
        error_type: &str,
        error: &(dyn std::error::Error + 'static),
        place: Option<&'static Location<'static>>,
    ) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source());
        let trace = causes.map(|cause| format!("caused by: {cause}")).collect();
        Self { trace, ..Self::new(false, error_type.to_owned(), error.to_string(), place) }
    }

    /// As the host takes it. `handler` is the last line of the stack trace before the causes.
    pub(crate) fn into_failure(self, handler: &str) -> Failure {
        let kind = if self.handled { FailureKind::Handled } else { FailureKind::Unhandled };
        let mut trace = vec![format!("{}: {}", self.error_type, self.message)];
        trace.extend(self.place.map(|place| format!("    at {place}")));
        trace.push(format!("    at {handler}"));
        trace.extend(self.trace);
        let document = json!({ "errorMessage": self.message, "errorType": self.error_type, "stackTrace": trace });
        Failure { kind, document: document.to_string() }
    }
}

/// `type_name` without the paths, of the type and of its parameters.
pub(crate) fn short_name(type_name: &str) -> String {
    let mut name = String::new();
    for part in type_name.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
        name.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    name
}

impl<E: std::error::Error + 'static> From<E> for Error {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::of(&short_name(std::any::type_name::<E>()), &error, Some(Location::caller()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.error_type, self.message)?;
        if let Some(place) = self.place {
            write!(formatter, "\n    at {place}")?;
        }
        self.trace.iter().try_for_each(|line| write!(formatter, "\n{line}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Result<u8, Error> {
        Ok(text.parse::<u8>()?)
    }

    fn document(error: Error) -> (FailureKind, Value) {
        let failure = error.into_failure("handler (src/lib.rs:1)");
        (failure.kind, serde_json::from_str(&failure.document).unwrap())
    }

    #[test]
    fn an_error_names_its_type_and_the_line_of_the_question_mark() {
        let (kind, document) = document(parse("x").unwrap_err());
        assert_eq!(kind, FailureKind::Unhandled);
        assert_eq!(document["errorMessage"], "invalid digit found in string");
        assert_eq!(document["errorType"], "ParseIntError");
        let trace: Vec<&str> = document["stackTrace"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(trace[0], "ParseIntError: invalid digit found in string");
        let line = include_str!("error.rs").lines().position(|line| line.contains("Ok(text.parse")).unwrap() + 1;
        assert!(trace[1].starts_with("    at ") && trace[1].contains(&format!("error.rs:{line}:")), "{trace:?}");
        assert_eq!(trace[2], "    at handler (src/lib.rs:1)");
    }

    #[test]
    fn causes_follow_in_the_stack_trace() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("no port")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let (_, document) = document(Outer("x".parse::<u8>().unwrap_err()).into());
        assert_eq!(document["errorMessage"], "no port");
        assert_eq!(document["stackTrace"][3], "caused by: invalid digit found in string");
    }

    #[test]
    fn names_of_types_lose_their_paths() {
        assert_eq!(short_name("core::num::error::ParseIntError"), "ParseIntError");
        assert_eq!(short_name("alloc::boxed::Box<dyn core::error::Error>"), "Box<dyn Error>");
        assert_eq!(short_name("a::E<b::C, &d::F>"), "E<C, &F>");
    }

    #[test]
    fn a_handled_error_is_reported_as_one() {
        let (kind, document) = document(Error::handled("NoName", "send a name"));
        assert_eq!((kind, &document["errorType"]), (FailureKind::Handled, &"NoName".into()));
        assert_eq!(document["stackTrace"].as_array().unwrap().len(), 3);
    }
}
