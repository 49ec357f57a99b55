//! Posts a record to a URL.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::offer::Refusal;

/// From the look-up of the name to the head of the answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Posts a record; `Ok` if the answer's status is 2xx. Redirections are not followed: a destination is what was configured.
pub(super) async fn post(url: &Uri, request_id: &str, record: Bytes) -> Result<(), Refusal> {
    let status = timeout(PATIENCE, send(url, request_id, record)).await;
    let status = status.unwrap_or_else(|_| Err(format!("{url} gave no answer within {} s", PATIENCE.as_secs())));
    judge(status.map_err(Refusal::Temporary)?, url)
}

fn judge(status: StatusCode, url: &Uri) -> Result<(), Refusal> {
    let message = || format!("{url} answered {status}");
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Refusal::Temporary(message()))
        }
        status if status.is_client_error() || status.is_redirection() => Err(Refusal::Permanent(message())),
        _ => Err(Refusal::Temporary(message())),
    }
}

async fn send(url: &Uri, request_id: &str, record: Bytes) -> Result<StatusCode, String> {
    let stream = connect(url).await?;
    let failed = |error: hyper::Error| format!("{url} broke off: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, url.authority().map_or("", |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("wisp/", env!("CARGO_PKG_VERSION")))
        // A record may come twice: this tells.
        .header("x-fc-request-id", request_id)
        .body(Full::new(record))
        .map_err(|error| format!("{url}: {error}"))?;
    // A task of its own: were the connection waited for beside the answer, its end could hide an answer that came with it.
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await;
    // The answer's body is not read.
    connection.abort();
    response.map(|response| response.status()).map_err(failed)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(url: &Uri) -> Result<Box<dyn Stream>, String> {
    let secure = url.scheme() == Some(&Scheme::HTTPS);
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|error| format!("no connection to {host}:{port}: {error}"))?;
    let _ = stream.set_nodelay(true);
    if !secure {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.clone()).map_err(|error| format!("{host}: {error}"))?;
    let stream = TLS.connect(name, stream).await.map_err(|error| format!("no TLS with {host}:{port}: {error}"))?;
    Ok(Box::new(stream))
}

/// It holds the root certificates and no secret.
static TLS: LazyLock<TlsConnector> = LazyLock::new(|| {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers one connection and returns what was sent.
    async fn answering(answer: &'static str) -> (Uri, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?query=1", listener.local_addr().unwrap()).parse().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"record") {
                assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(read).unwrap()
        });
        (url, server)
    }

    #[tokio::test]
    async fn a_record_is_posted_and_a_2xx_takes_it() {
        let (url, server) = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        post(&url, "id-1", Bytes::from_static(b"record")).await.unwrap();
        let request = server.await.unwrap();
        assert!(request.starts_with("POST /path?query=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("x-fc-request-id: id-1\r\n") && request.contains("application/json"), "{request}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_or_in_trouble_is_asked_again_and_one_that_refuses_is_not() {
        let gone: Uri = "http://127.0.0.1:1/".parse().unwrap();
        assert!(
            matches!(post(&gone, "", Bytes::new()).await, Err(Refusal::Temporary(text)) if text.contains("127.0.0.1:1"))
        );
        let (url, _server) = answering("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").await;
        assert!(matches!(post(&url, "", Bytes::from_static(b"record")).await, Err(Refusal::Temporary(_))));
        let (url, _server) = answering("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n").await;
        assert!(matches!(post(&url, "", Bytes::from_static(b"record")).await, Err(Refusal::Permanent(_))));
        let (url, _server) = answering("HTTP/1.1 410 Gone\r\n\r\n").await;
        assert!(matches!(post(&url, "", Bytes::from_static(b"record")).await, Err(Refusal::Permanent(_))));
    }
}
