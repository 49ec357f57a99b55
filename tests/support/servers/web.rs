//! Servers of HTTP and HTTPS in the test's own process, for functions that call out.

use std::{convert::Infallible, path::Path, sync::Arc};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A server that is gone when it is dropped.
pub struct Web {
    port: u16,
    serving: JoinHandle<()>,
}

/// A certificate for `localhost`, signed by itself, and its key.
pub struct Certificate {
    pem: String,
    acceptor: TlsAcceptor,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Panics
    /// If there is no randomness.
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        Self { pem: made.cert.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// Writes the certificate to a file, for whoever is to trust it.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, &self.pem).unwrap();
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

impl Web {
    /// Answers every request with what it was: `{"method", "path", "body", "x"}`, the last from `x-test`.
    pub async fn http() -> Self {
        Self::serve(|stream| async { drop(answer_all(stream, echo).await) }).await
    }

    /// `/echo` says what it was sent, `/redirect` leads there, `/large` is 300,000 bytes; there is nothing else.
    pub async fn https(certificate: &Certificate) -> Self {
        let acceptor = certificate.acceptor.clone();
        Self::serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    drop(answer_all(stream, page).await);
                }
            }
        })
        .await
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn serve<F: Future<Output = ()> + Send + 'static>(
        connected: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connected(stream));
            }
        });
        Self { port, serving }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A request with its whole body.
type Whole = Request<Bytes>;

async fn answer_all<S>(stream: S, answer: fn(&Whole) -> Response<Full<Bytes>>) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| async move {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok::<_, Infallible>(answer(&Request::from_parts(head, body)))
    });
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
}

fn header<'a>(request: &'a Whole, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

fn json_answer(document: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn echo(request: &Whole) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query().map(ToString::to_string);
    let body = String::from_utf8_lossy(request.body());
    json_answer(&json!({
        "method": request.method().as_str(), "path": path, "body": body, "x": header(request, "x-test"),
    }))
}

fn page(request: &Whole) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (_, "/echo") => json_answer(&json!({
            "method": request.method().as_str(),
            "body": String::from_utf8_lossy(request.body()),
            "header": header(request, "x-given"),
        })),
        (&Method::GET, "/redirect") => {
            let redirect = Response::builder().status(StatusCode::FOUND).header(header::LOCATION, "/echo");
            redirect.body(Full::default()).unwrap()
        }
        (_, "/large") => Response::new(Full::new(Bytes::from(vec![b'x'; 300_000]))),
        _ => Response::builder().status(StatusCode::NOT_FOUND).body(Full::default()).unwrap(),
    }
}
