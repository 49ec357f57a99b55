//! HTTP requests to where the function's configuration allows.
//!
//! ```no_run
//! use wisp_sdk::{Error, client};
//!
//! #[wisp_sdk::event_handler]
//! async fn fetch(url: String) -> Result<String, Error> {
//!     let response = client::get(&url).await?;
//!     println!("{} {url}", response.status());
//!     Ok(response.into_body().into_text()?)
//! }
//! ```
//!
//! Requests and responses are whole: their bodies are in memory. TLS is the host's, so that no certificate has to be in
//! the function.

use std::{
    fmt,
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::CONTENT_LENGTH};

use crate::{
    bindings::imports::wasi::http::{
        outgoing_handler::handle,
        types::{ErrorCode, Fields, IncomingResponse, OutgoingBody, OutgoingRequest, RequestOptions, Scheme},
    },
    http::{Body, Request, Response},
    reactor::Source,
    streams::{Input, Output},
    time::nanoseconds,
};

/// How much of a response's body is read unless a [`Client`] is told otherwise.
pub const DEFAULT_MAX_BODY: usize = 16 << 20;

/// Sends requests, within limits of its own.
#[derive(Clone, Debug)]
pub struct Client {
    connect_timeout: Option<Duration>,
    first_byte_timeout: Option<Duration>,
    between_bytes_timeout: Option<Duration>,
    max_body: usize,
}

/// Why there is no response.
#[derive(Debug)]
pub struct Error {
    request: String,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    /// The request itself cannot be sent.
    Invalid(String),
    /// What the host says.
    Host(ErrorCode),
    /// The response's body broke off.
    Broken(io::Error),
    /// The response's body is longer than this.
    TooLong(usize),
}

/// Sends a GET request.
///
/// # Errors
/// See [`Client::send`].
pub async fn get(uri: &str) -> Result<Response, Error> {
    let invalid = |error| Error { request: format!("GET {uri}"), reason: Reason::Invalid(format!("{error}")) };
    let request = Request::get(uri).body(()).map_err(invalid)?;
    send(request).await
}

/// Sends a request.
///
/// # Errors
/// See [`Client::send`].
pub async fn send<B: Into<Body>>(request: Request<B>) -> Result<Response, Error> {
    Client::new().send(request).await
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client whose time is the invocation's.
    pub const fn new() -> Self {
        Self {
            connect_timeout: None,
            first_byte_timeout: None,
            between_bytes_timeout: None,
            max_body: DEFAULT_MAX_BODY,
        }
    }

    /// How long connecting may take.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How long the server may think.
    #[must_use]
    pub const fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = Some(timeout);
        self
    }

    /// How long the server may pause within its answer.
    #[must_use]
    pub const fn between_bytes_timeout(mut self, timeout: Duration) -> Self {
        self.between_bytes_timeout = Some(timeout);
        self
    }

    /// How long a response's body may be, in bytes.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sends a request, and waits for all of its response, whatever its status. Redirects are not followed.
    ///
    /// The request's URI is absolute. `host` and the headers of the connection are the host's to set, and a request that
    /// has them is refused; `content-length` is added.
    ///
    /// # Errors
    /// The request cannot be sent as it is, the function may not reach the server ([`Error::is_denied`]), the server
    /// cannot be reached, is too slow ([`Error::is_timeout`]), or answers too much.
    pub async fn send<B: Into<Body>>(&self, request: Request<B>) -> Result<Response, Error> {
        let name = format!("{} {}", request.method(), without_query(request.uri()));
        self.exchange(request.map(Into::into)).await.map_err(|reason| Error { request: name, reason })
    }

    async fn exchange(&self, request: Request) -> Result<Response, Reason> {
        let options = self.options();
        let (head, body) = request.into_parts();
        let outgoing = OutgoingRequest::new(fields(head.headers, &head.method, &body)?);
        set_target(&outgoing, &head.method, &head.uri)?;
        let outgoing_body = outgoing.body().map_err(|()| Reason::Invalid("it has no body".into()))?;
        let response = handle(outgoing, Some(options))?;
        let source = Source::new(response.subscribe());
        // Both at once, because a server may answer without having read all, and then reads no more. How the writing
        // ended is told by the answer, or by its absence. What is not written stays alive until the answer is read:
        // its end would be the end of the whole exchange.
        let mut writing = pin!(write(outgoing_body, &body));
        let mut written = false;
        poll_fn(|context| {
            written = written || writing.as_mut().poll(context).is_ready();
            source.poll_ready(context)
        })
        .await;
        match response.get() {
            Some(Ok(result)) => self.read(&result?).await,
            // Neither can be: it is ready, and asked for once.
            Some(Err(())) | None => Err(Reason::Invalid("its response is not there".into())),
        }
    }

    fn options(&self) -> RequestOptions {
        let options = RequestOptions::new();
        // A host that has no such option has no such timeout: the invocation's deadline is still there.
        let _ = options.set_connect_timeout(self.connect_timeout.map(nanoseconds));
        let _ = options.set_first_byte_timeout(self.first_byte_timeout.map(nanoseconds));
        let _ = options.set_between_bytes_timeout(self.between_bytes_timeout.map(nanoseconds));
        options
    }

    async fn read(&self, incoming: &IncomingResponse) -> Result<Response, Reason> {
        let unreadable = |what: &str| Reason::Broken(io::Error::new(io::ErrorKind::InvalidData, what));
        let mut response = Response::new(Body::default());
        *response.status_mut() =
            http::StatusCode::from_u16(incoming.status()).map_err(|_| unreadable("the status is none"))?;
        for (name, value) in incoming.headers().entries() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unreadable("a header's name is none"))?;
            let value = HeaderValue::from_bytes(&value).map_err(|_| unreadable("a header's value is none"))?;
            response.headers_mut().append(name, value);
        }
        let body = incoming.consume().map_err(|()| unreadable("the body was read before"))?;
        let stream = body.stream().map_err(|()| unreadable("the body was read before"))?;
        // A local of its own, so that it is dropped before the body that it belongs to.
        let mut input = Input::new(stream);
        *response.body_mut() = self.read_body(&mut input).await?.into();
        Ok(response)
    }

    async fn read_body(&self, input: &mut Input) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::new();
        loop {
            // One byte more than may be: so a longer body is told from one that just fits.
            let limit = self.max_body.saturating_add(1).saturating_sub(bytes.len());
            let chunk = poll_fn(|context| input.poll_chunk(context, limit)).await.map_err(Reason::Broken)?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&chunk);
            if bytes.len() > self.max_body {
                return Err(Reason::TooLong(self.max_body));
            }
        }
    }
}

/// Queries carry keys and names of people: they stay out of errors, which end in logs.
fn without_query(uri: &Uri) -> String {
    let text = uri.to_string();
    text.split('?').next().unwrap_or_default().to_owned()
}

fn fields(mut headers: HeaderMap, method: &Method, body: &Body) -> Result<Fields, Reason> {
    let has_body = !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(method);
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let list: Vec<(String, Vec<u8>)> =
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    Fields::from_list(&list).map_err(|_| {
        // The host does not say which one it refuses.
        let refused = list.iter().find(|entry| Fields::from_list(std::slice::from_ref(entry)).is_err());
        let name = refused.map_or("?", |(name, _)| name);
        Reason::Invalid(format!("a function may not set the header {name:?}"))
    })
}

fn set_target(request: &OutgoingRequest, method: &Method, uri: &Uri) -> Result<(), Reason> {
    use crate::bindings::imports::wasi::http::types::Method as WasiMethod;
    let refused = |what: &'static str| move |()| Reason::Invalid(format!("the host does not take its {what}"));
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(Reason::Invalid("its address must start with http:// or https://".into()));
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.into()),
    };
    // `other` is for all methods: the host tells the well-known ones by their names.
    request.set_method(&WasiMethod::Other(method.to_string())).map_err(refused("method"))?;
    request.set_scheme(Some(&scheme)).map_err(refused("scheme"))?;
    request.set_authority(Some(authority.as_str())).map_err(refused("server's name"))?;
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    request.set_path_with_query(Some(path)).map_err(refused("path"))
}

async fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Reason> {
    if let (false, Ok(stream)) = (bytes.is_empty(), body.write()) {
        let mut output = Output::new(stream);
        let mut left = bytes;
        while !left.is_empty() {
            let written = poll_fn(|context| output.poll_write(context, left)).await.map_err(Reason::Broken)?;
            left = left.get(written..).unwrap_or_default();
        }
        poll_fn(|context| output.poll_flush(context)).await.map_err(Reason::Broken)?;
    }
    Ok(OutgoingBody::finish(body, None)?)
}

impl Error {
    /// The function may not reach the server: its configuration does not allow it.
    pub fn is_denied(&self) -> bool {
        use ErrorCode::{DestinationIpProhibited, HttpRequestDenied};
        matches!(self.reason, Reason::Host(HttpRequestDenied | DestinationIpProhibited))
    }

    /// The server was too slow.
    pub fn is_timeout(&self) -> bool {
        use ErrorCode::{
            ConnectionReadTimeout, ConnectionTimeout, ConnectionWriteTimeout, DnsTimeout, HttpResponseTimeout,
        };
        matches!(
            self.reason,
            Reason::Host(
                ConnectionReadTimeout | ConnectionTimeout | ConnectionWriteTimeout | DnsTimeout | HttpResponseTimeout
            )
        )
    }
}

impl From<ErrorCode> for Reason {
    fn from(code: ErrorCode) -> Self {
        Self::Host(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.request)?;
        match &self.reason {
            Reason::Invalid(reason) => formatter.write_str(reason),
            Reason::Host(code) => describe(code, formatter),
            Reason::Broken(error) => write!(formatter, "the answer broke off: {error}"),
            Reason::TooLong(limit) => write!(formatter, "the answer is longer than {limit} bytes"),
        }
    }
}

fn describe(code: &ErrorCode, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    formatter.write_str(match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            "the function may not: see `allowed_outbound` in its configuration"
        }
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => "there is no such server",
        ErrorCode::DestinationUnavailable | ErrorCode::DestinationIpUnroutable => "the server cannot be reached",
        ErrorCode::ConnectionRefused => "connection refused",
        ErrorCode::ConnectionTerminated => "the server closed the connection",
        ErrorCode::TlsCertificateError => "the server's certificate is not valid",
        ErrorCode::ConnectionTimeout | ErrorCode::DnsTimeout => "connecting took too long",
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => "the server did not answer in time",
        ErrorCode::InternalError(Some(reason)) => reason,
        code => return write!(formatter, "{code:?}"),
    })
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Reason::Broken(error) = &self.reason { Some(error) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: ErrorCode) -> Error {
        Error { request: "GET http://db/".into(), reason: Reason::Host(code) }
    }

    #[test]
    fn errors_name_the_request_and_the_reason() {
        let denied = error(ErrorCode::HttpRequestDenied);
        assert!(denied.is_denied() && !denied.is_timeout());
        assert!(denied.to_string().starts_with("GET http://db/: the function may not"), "{denied}");
        assert_eq!(error(ErrorCode::ConnectionRefused).to_string(), "GET http://db/: connection refused");
        assert!(error(ErrorCode::ConnectionTimeout).is_timeout());
    }

    #[test]
    fn queries_stay_out_of_errors() {
        assert_eq!(without_query(&Uri::from_static("http://db/x?key=secret")), "http://db/x");
    }
}
