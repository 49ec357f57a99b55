//! What the attributes' code calls. No part of the crate's interface.

#![allow(missing_docs, reason = "not for people")]

use crate::{
    Error, bindings,
    http::{FromBody, IntoResponse, Request, packed},
    panics,
};

pub use crate::{
    bindings::imports::wisp::function::types::{Context as WitContext, Failure, PackedHttpResponse as WitResponse},
    http::packed::Incoming,
    reactor::block_on,
};

macro_rules! interfaces {
    ($($name:ident),+) => {
        $(pub mod $name {
            pub use super::bindings::$name::*;
            pub use super::bindings::$name::exports::wisp::function::$name::Guest;
        })+
    };
}

interfaces!(after_restore, event_handler, initializer, packed_http_handler, pre_freeze, pre_stop);

/// Where an exported function stands in the sources.
#[derive(Debug)]
pub struct Place {
    pub function: &'static str,
    pub file: &'static str,
    pub line: u32,
}

impl Place {
    /// Runs one call of the host.
    ///
    /// # Errors
    /// The function's own, with this place in its stack trace.
    pub fn run<T>(&self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Failure> {
        panics::install_hook();
        let result = call();
        panics::flush();
        result.map_err(|error| error.into_failure(&format!("{} ({}:{})", self.function, self.file, self.line)))
    }
}

/// A request as the host passes it, its context before it.
pub fn open(head: Vec<u8>, body: Vec<u8>) -> Incoming {
    Incoming::new(head, body)
}

/// The inner error is an answer: the request's body is not what the function takes.
pub fn read_request<B: FromBody>(request: Incoming) -> Result<Result<Request<B>, crate::http::Response>, Error> {
    let (head, body) = packed::read(request)?.into_parts();
    Ok(match B::from_body(body) {
        Ok(body) => Ok(Request::from_parts(head, body)),
        Err(reason) => Err(crate::http::bad_request(&reason)),
    })
}

/// # Errors
/// The answer cannot be made, such as one of a value that has no JSON.
pub fn write_response(response: impl IntoResponse) -> Result<WitResponse, Error> {
    response.into_response().map(packed::write)
}

/// Chooses by type. The methods of `Tag<T>` are found before those of `&Tag<T>`, so that an impl for a single type goes
/// before the one for all types with a trait, although they overlap.
pub mod tags {
    use std::{convert::Infallible, error::Error as StdError, marker::PhantomData};

    use serde_core::{Serialize, de::DeserializeOwned};

    use crate::{Error, error::short_name, payload};

    #[derive(Debug)]
    pub struct Tag<T>(PhantomData<T>);

    impl<T> Tag<T> {
        pub const NEW: Self = Self(PhantomData);

        pub fn of(_: &T) -> Self {
            Self::NEW
        }
    }

    /// Events that are no JSON.
    pub trait ReadRaw<T> {
        fn read(&self, event: Vec<u8>) -> Result<T, Error>;
    }

    impl ReadRaw<Vec<u8>> for Tag<Vec<u8>> {
        fn read(&self, event: Vec<u8>) -> Result<Vec<u8>, Error> {
            Ok(event)
        }
    }

    impl ReadRaw<String> for Tag<String> {
        fn read(&self, event: Vec<u8>) -> Result<String, Error> {
            payload::read_text(event)
        }
    }

    impl ReadRaw<()> for Tag<()> {
        fn read(&self, _: Vec<u8>) -> Result<(), Error> {
            Ok(())
        }
    }

    /// Events that are JSON.
    pub trait ReadJson<T> {
        fn read(&self, event: Vec<u8>) -> Result<T, Error>;
    }

    impl<T: DeserializeOwned> ReadJson<T> for &Tag<T> {
        fn read(&self, event: Vec<u8>) -> Result<T, Error> {
            payload::read_json(&event)
        }
    }

    /// What a function returned, if that is a `Result`.
    pub trait SplitResult<T, E> {
        fn split(&self, outcome: Result<T, E>) -> Result<T, E>;
    }

    impl<T, E> SplitResult<T, E> for Tag<Result<T, E>> {
        fn split(&self, outcome: Result<T, E>) -> Result<T, E> {
            outcome
        }
    }

    /// What a function returned, if that is no `Result`.
    pub trait SplitPlain<T> {
        fn split(&self, outcome: T) -> Result<T, Infallible>;
    }

    impl<T> SplitPlain<T> for &Tag<T> {
        fn split(&self, outcome: T) -> Result<T, Infallible> {
            Ok(outcome)
        }
    }

    /// Results that are no JSON.
    pub trait WriteRaw<T> {
        fn write(&self, value: T) -> Result<Vec<u8>, Error>;
    }

    impl WriteRaw<Vec<u8>> for Tag<Vec<u8>> {
        fn write(&self, value: Vec<u8>) -> Result<Vec<u8>, Error> {
            Ok(value)
        }
    }

    impl WriteRaw<String> for Tag<String> {
        fn write(&self, value: String) -> Result<Vec<u8>, Error> {
            Ok(value.into_bytes())
        }
    }

    impl<'a> WriteRaw<&'a str> for Tag<&'a str> {
        fn write(&self, value: &'a str) -> Result<Vec<u8>, Error> {
            Ok(value.as_bytes().to_vec())
        }
    }

    impl<'a> WriteRaw<&'a [u8]> for Tag<&'a [u8]> {
        fn write(&self, value: &'a [u8]) -> Result<Vec<u8>, Error> {
            Ok(value.to_vec())
        }
    }

    impl WriteRaw<()> for Tag<()> {
        fn write(&self, (): ()) -> Result<Vec<u8>, Error> {
            Ok(Vec::new())
        }
    }

    /// Results that are JSON.
    pub trait WriteJson<T> {
        fn write(&self, value: T) -> Result<Vec<u8>, Error>;
    }

    impl<T: Serialize> WriteJson<T> for &Tag<T> {
        fn write(&self, value: T) -> Result<Vec<u8>, Error> {
            payload::write_json(&value)
        }
    }

    /// Errors that no conversion to a `Box<dyn Error>` takes, or that lose by it.
    pub trait FailAsItIs<E> {
        fn fail(&self, error: E) -> Error;
    }

    impl FailAsItIs<Error> for Tag<Error> {
        fn fail(&self, error: Error) -> Error {
            error
        }
    }

    impl FailAsItIs<Box<dyn StdError + Send + Sync>> for Tag<Box<dyn StdError + Send + Sync>> {
        fn fail(&self, error: Box<dyn StdError + Send + Sync>) -> Error {
            Error::of("Error", &*error, None)
        }
    }

    impl FailAsItIs<Box<dyn StdError>> for Tag<Box<dyn StdError>> {
        fn fail(&self, error: Box<dyn StdError>) -> Error {
            Error::of("Error", &*error, None)
        }
    }

    /// A text has no type worth telling.
    impl FailAsItIs<String> for Tag<String> {
        fn fail(&self, error: String) -> Error {
            Error::of("Error", &*Box::<dyn StdError>::from(error), None)
        }
    }

    impl<'a> FailAsItIs<&'a str> for Tag<&'a str> {
        fn fail(&self, error: &'a str) -> Error {
            Error::of("Error", &*Box::<dyn StdError>::from(error), None)
        }
    }

    /// All other errors: those of the standard library's trait, and `anyhow::Error`.
    pub trait FailByBox<E> {
        fn fail(&self, error: E) -> Error;
    }

    impl<E: Into<Box<dyn StdError>>> FailByBox<E> for &Tag<E> {
        fn fail(&self, error: E) -> Error {
            Error::of(&short_name(std::any::type_name::<E>()), &*error.into(), None)
        }
    }
}
