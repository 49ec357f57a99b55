//! Bodies of requests and responses, whole and in memory.

use std::{any::type_name, fmt, ops::Deref, string::FromUtf8Error};

use serde_core::de::DeserializeOwned;

use crate::error::short_name;

/// The body of a request or of a response: its bytes.
///
/// ```
/// use wisp_sdk::http::Body;
///
/// let body = Body::from("[1, 2]");
/// assert_eq!(body.len(), 6);
/// assert_eq!(body.json::<Vec<u8>>().unwrap(), [1, 2]);
/// assert_eq!(body.into_text().unwrap(), "[1, 2]");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body(Vec<u8>);

/// A value that travels as JSON: as the body of a [`Request`](super::Request), or as an answer.
///
/// ```
/// use wisp_sdk::http::{Json, Request};
///
/// #[wisp_sdk::http_handler]
/// fn sum(request: Request<Json<Vec<u32>>>) -> Json<u32> {
///     let Json(numbers) = request.body();
///     Json(numbers.iter().sum())
/// }
/// # assert_eq!(sum(Request::new(Json(vec![1, 2]))), Json(3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// What a function may take as a request's body.
#[diagnostic::on_unimplemented(
    message = "a request's body cannot be read as `{Self}`",
    note = "a request has a `Body`, a `Vec<u8>`, a `String`, nothing (`()`), or a `Json<T>`"
)]
pub trait FromBody: Sized {
    /// Reads a body.
    ///
    /// # Errors
    /// Why it cannot be read, for the client, who is answered with 400.
    fn from_body(body: Body) -> Result<Self, String>;
}

impl Body {
    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The body as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn into_text(self) -> Result<String, FromUtf8Error> {
        String::from_utf8(self.0)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// It is none, or none of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

impl FromBody for Body {
    fn from_body(body: Self) -> Result<Self, String> {
        Ok(body)
    }
}

impl FromBody for Vec<u8> {
    fn from_body(body: Body) -> Result<Self, String> {
        Ok(body.0)
    }
}

impl FromBody for String {
    fn from_body(body: Body) -> Result<Self, String> {
        body.into_text().map_err(|error| format!("the body is not UTF-8: {}", error.utf8_error()))
    }
}

impl FromBody for () {
    fn from_body(_: Body) -> Result<Self, String> {
        Ok(())
    }
}

impl<T: DeserializeOwned> FromBody for Json<T> {
    fn from_body(body: Body) -> Result<Self, String> {
        let name = || short_name(type_name::<T>());
        body.json().map(Self).map_err(|error| format!("the body is no JSON of a {}: {error}", name()))
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// A body may be megabytes: its length tells more than its bytes.
impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Body({} bytes)", self.0.len())
    }
}
