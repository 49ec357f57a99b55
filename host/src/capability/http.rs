//! Outbound HTTP of guests: `wasi:http/outgoing-handler` and `wasi:http/client`, to the hosts of `allowed_outbound` only.
//!
//! A name is resolved once, here; the addresses are checked and one of them is connected to. Resolving again inside the
//! client would let a name point elsewhere between the check and the use.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderName, Uri, uri::Scheme};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::outbound::{NameVerdict, OutboundPolicy};

/// What a guest's own timeouts default to. Its deadline ends it earlier in any case.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

type Connection = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Connection), Error>;

/// Sends what the policy of the function allows.
pub(crate) struct OutboundHttp {
    policy: Arc<OutboundPolicy>,
    /// Set at each attempt; then none succeeds.
    attempts: Option<Arc<AtomicBool>>,
}

impl OutboundHttp {
    pub(crate) fn new(policy: Arc<OutboundPolicy>, attempts: Option<Arc<AtomicBool>>) -> Self {
        Self { policy, attempts }
    }
}

impl WasiHttpHooks for OutboundHttp {
    /// As wasmtime decides by itself, which makes a closure on the heap for each header.
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_consumed: Connection,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if let Some(attempts) = &self.attempts {
            attempts.store(true, Relaxed);
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        let policy = self.policy.clone();
        Box::new(async move { send(&policy, request, options.unwrap_or_default()).await })
    }
}

async fn send(policy: &OutboundPolicy, mut request: http::Request<WasiBody>, options: RequestOptions) -> Sent {
    let destination = Destination::of(request.uri())?;
    let address = destination.resolve(policy).await?;
    let tls = policy.tls();
    let connect = timeout(options.connect_timeout.unwrap_or(DEFAULT_TIMEOUT), destination.connect(address, &tls));
    let stream = connect.await.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection needs a task of its own: the guest may be busy elsewhere while bytes arrive. It ends with its guest,
    // because dropping the sender and the body ends the connection.
    let connection = tokio::spawn(connection);
    *request.uri_mut() = origin_form(request.uri());
    let first_byte = options.first_byte_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let response =
        timeout(first_byte, sender.send_request(request)).await.map_err(|_| Error::ConnectionReadTimeout)??;
    let between_bytes = options.between_bytes_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let finished: Connection = Box::new(async move {
        match connection.await {
            Ok(result) => result.map_err(Error::from),
            Err(_) => Err(Error::ConnectionTerminated),
        }
    });
    Ok((paced(response, between_bytes), finished))
}

/// The path and query alone, as HTTP/1.1 wants it of a client that speaks to the origin.
fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()))
}

struct Destination {
    host: String,
    port: u16,
    tls: bool,
}

impl Destination {
    fn of(uri: &Uri) -> Result<Self, Error> {
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        let tls = uri.scheme() != Some(&Scheme::HTTP);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { host, port, tls })
    }

    /// The first address of the host that the policy allows.
    async fn resolve(&self, policy: &OutboundPolicy) -> Result<SocketAddr, Error> {
        if let Ok(ip) = self.host.parse() {
            let address = SocketAddr::new(ip, self.port);
            return if policy.allows_address(address) { Ok(address) } else { Err(self.refused()) };
        }
        // A name that no rule has with this port is not looked up: a look-up is a message to the outside as well.
        if policy.allows_name_port(&self.host, self.port) == NameVerdict::Refused {
            return Err(self.refused());
        }
        let addresses: Vec<_> =
            tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(no_such_name)?.collect();
        let allowed = addresses.into_iter().find(|address| policy.allows_resolved(&self.host, *address));
        allowed.ok_or_else(|| self.refused())
    }

    fn refused(&self) -> Error {
        tracing::debug!(host = self.host, port = self.port, "outbound request refused: not in allowed_outbound");
        Error::HttpRequestDenied
    }

    async fn connect(&self, address: SocketAddr, tls: &TlsConnector) -> Result<Box<dyn Stream>, Error> {
        let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            _ => Error::Connect(error),
        })?;
        let _ = stream.set_nodelay(true);
        if !self.tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(self.host.clone())?;
        Ok(Box::new(tls.connect(name, stream).await.map_err(Error::Tls)?))
    }
}

fn no_such_name(_: io::Error) -> Error {
    Error::DnsError { rcode: Some("name does not resolve".into()), info_code: None }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A response whose body fails when no bytes come for too long.
fn paced(response: http::Response<hyper::body::Incoming>, between_bytes: Duration) -> http::Response<WasiBody> {
    response.map(|incoming| {
        let frames = futures_util::stream::unfold(incoming, move |mut incoming| async move {
            match timeout(between_bytes, incoming.frame()).await {
                Ok(frame) => Some((frame?.map_err(Error::from), incoming)),
                Err(_) => Some((Err(Error::ConnectionReadTimeout), incoming)),
            }
        });
        http_body_util::StreamBody::new(frames).boxed_unsync()
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_server_that_does_not_speak_tls_is_a_tls_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { drop(listener.accept().await) });
        let destination = Destination { host: "localhost".into(), port: address.port(), tls: true };
        let error = destination.connect(address, &super::super::tls::connector(&[])).await.err().unwrap();
        assert!(matches!(error, Error::Tls(_)), "{error}");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn what_no_rule_names_is_refused_before_it_is_looked_up() {
        let policy = OutboundPolicy::parse(&["example.com:443".into()]).unwrap();
        for uri in ["https://other.invalid/", "http://example.com/", "http://127.0.0.1:443/", "https://[::1]/"] {
            let destination = Destination::of(&uri.parse().unwrap()).unwrap();
            let refused = destination.resolve(&policy).await.unwrap_err();
            assert!(matches!(refused, Error::HttpRequestDenied), "{uri}: {refused}");
        }
    }
}
