//! What a function may answer with.

use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_core::Serialize;

use super::{Body, Json, Response};
use crate::{Error, payload};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What an HTTP handler may return, alone or in a `Result`.
///
/// | type | status | content type |
/// |---|---|---|
/// | [`Response`] of a body that a [`Body`] can be made from | its own | its own |
/// | `String`, `&str` | 200 | `text/plain; charset=utf-8` |
/// | `Vec<u8>` | 200 | `application/octet-stream` |
/// | [`Json`] | 200 | `application/json` |
/// | [`StatusCode`] | itself | none: the body is empty |
/// | `()` | 204 | none |
/// | a pair of a [`StatusCode`] and one of these | the first | as of the second |
#[diagnostic::on_unimplemented(
    message = "an HTTP handler cannot answer with `{Self}`",
    note = "return a `Response`, a `String`, a `&str`, a `Vec<u8>`, a `Json<T>`, a `StatusCode`, or a pair of a \
            `StatusCode` and one of these"
)]
pub trait IntoResponse {
    /// Makes the response.
    ///
    /// # Errors
    /// There is none of this value, such as of one without JSON.
    fn into_response(self) -> Result<Response, Error>;
}

impl<B: Into<Body>> IntoResponse for http::Response<B> {
    fn into_response(self) -> Result<Response, Error> {
        Ok(self.map(Into::into))
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Result<Response, Error> {
        Ok(typed(TEXT, self.into()))
    }
}

impl IntoResponse for &str {
    fn into_response(self) -> Result<Response, Error> {
        Ok(typed(TEXT, self.into()))
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Result<Response, Error> {
        Ok(typed(BYTES, self.into()))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Result<Response, Error> {
        Ok(typed(JSON, payload::write_json(&self.0)?.into()))
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Result<Response, Error> {
        (self, Response::new(Body::default())).into_response()
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Result<Response, Error> {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<R: IntoResponse> IntoResponse for (StatusCode, R) {
    fn into_response(self) -> Result<Response, Error> {
        let mut response = self.1.into_response()?;
        *response.status_mut() = self.0;
        Ok(response)
    }
}

fn typed(content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The answer to a request that the function does not take.
pub(crate) fn bad_request(reason: &str) -> Response {
    let document = serde_json::json!({ "errorMessage": reason }).to_string();
    let mut response = typed(JSON, document.into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: impl IntoResponse) -> (u16, String, String) {
        let response = value.into_response().unwrap();
        let content_type = response.headers().get(CONTENT_TYPE).map(|it| it.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        (status, content_type.unwrap_or_default(), response.into_body().into_text().unwrap())
    }

    #[test]
    fn each_kind_of_answer_has_its_status_and_content_type() {
        assert_eq!(answer("a"), (200, "text/plain; charset=utf-8".into(), "a".into()));
        assert_eq!(answer(Json([1])), (200, "application/json".into(), "[1]".into()));
        assert_eq!(answer(vec![b'a']), (200, "application/octet-stream".into(), "a".into()));
        assert_eq!(answer(()), (204, String::new(), String::new()));
        assert_eq!(answer((StatusCode::CREATED, Json(1))), (201, "application/json".into(), "1".into()));
        assert_eq!(answer(Response::builder().status(302).body("x").unwrap()), (302, String::new(), "x".into()));
    }
}
