//! Requests and responses, as those of the `http` crate.
//!
//! ```
//! use wisp_sdk::{
//!     Error,
//!     http::{Request, RequestExt as _, Response, StatusCode},
//! };
//!
//! #[wisp_sdk::http_handler]
//! fn serve(request: Request) -> Result<Response, Error> {
//!     let answer = match request.path().as_str() {
//!         "/" => Response::builder().header("content-type", "text/html").body("<h1>hello</h1>".into())?,
//!         _ => Response::builder().status(StatusCode::NOT_FOUND).body("nothing here".into())?,
//!     };
//!     Ok(answer)
//! }
//! # assert_eq!(serve(Request::new("".into())).unwrap().status(), 200);
//! ```

use std::net::IpAddr;

use crate::text::Text;

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

mod body;
pub(crate) mod packed;
mod response;

pub use body::{Body, FromBody, Json};
pub use response::IntoResponse;
pub(crate) use response::bad_request;

/// An HTTP request. A function may take it with any body that is [`FromBody`]; a request whose body is none is
/// answered with 400, and the function is not called.
///
/// Its URI is the path inside the function and the query, both percent-encoded: what stood before the path, on an
/// address that has a prefix, is in [`RequestExt::original_url`] alone.
pub type Request<B = Body> = http::Request<B>;

/// An HTTP response.
pub type Response<B = Body> = http::Response<B>;

/// What a request that reached a function knows beside what every `http::Request` does.
///
/// For a request that a test made, all of it is told from the URI; such a request has no client.
pub trait RequestExt {
    /// The path inside the function, percent-decoded; what is not UTF-8 in it is replaced.
    fn path(&self) -> String;

    /// The first value of a query parameter, decoded. A name without `=` has an empty value.
    fn query(&self, name: &str) -> Option<String>;

    /// All query parameters, decoded, in their order.
    fn queries(&self) -> Vec<(String, String)>;

    /// A header's value, if there is one and it is visible ASCII; the first, if there are several.
    fn header(&self, name: &str) -> Option<&str>;

    /// The address of the client.
    fn client_ip(&self) -> Option<IpAddr>;

    /// The request target as the client sent it, with the address' prefix.
    fn original_url(&self) -> String;
}

/// What a request carries from the host beside what the `http` crate knows.
#[derive(Clone, Debug)]
struct Origin {
    url: Text,
    client_ip: Text,
}

impl<B> RequestExt for http::Request<B> {
    fn path(&self) -> String {
        percent_encoding::percent_decode_str(self.uri().path()).decode_utf8_lossy().into_owned()
    }

    fn query(&self, name: &str) -> Option<String> {
        parameters(self.uri()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    fn queries(&self) -> Vec<(String, String)> {
        parameters(self.uri()).map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    fn client_ip(&self) -> Option<IpAddr> {
        self.extensions().get::<Origin>()?.client_ip.as_str().parse().ok()
    }

    fn original_url(&self) -> String {
        match self.extensions().get::<Origin>() {
            Some(origin) => origin.url.as_str().to_owned(),
            None => self.uri().to_string(),
        }
    }
}

fn parameters(uri: &Uri) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_in_order_and_decoded() {
        let request = Request::builder().uri("/a%20b?x=1&y&x=%C3%BC+2").body(()).unwrap();
        assert_eq!(request.path(), "/a b");
        assert_eq!(request.query("x").as_deref(), Some("1"));
        assert_eq!(request.query("y").as_deref(), Some(""));
        assert_eq!(request.query("z"), None);
        assert_eq!(request.queries().last(), Some(&("x".to_owned(), "ü 2".to_owned())));
        assert_eq!(request.client_ip(), None);
    }
}
