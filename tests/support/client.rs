//! Clients: one request with a whole answer, and raw connections for what no well-behaved client does.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longer than any answer takes: a call that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("no answer in a minute")
}

/// A whole response.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `errorMessage` of an error document.
    pub fn error_message(&self) -> String {
        self.json()["errorMessage"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// `ErrorCode` of a platform error.
    pub fn error_code(&self) -> String {
        self.json()["ErrorCode"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> http::Request<Full<Bytes>> {
    let mut builder = http::Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        builder = builder.header("host", address.to_string());
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(Bytes::from(body))).unwrap()
}

/// Sends one request on a connection of its own, by HTTP/1.1.
pub async fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = request(address, method, path, headers, body);
    let answer = in_time(async { whole(sender.send_request(request).await.unwrap()).await }).await;
    drop(sender);
    connection.abort();
    answer
}

/// Sends one request to a server that may die meanwhile: the status, if an answer came.
pub async fn try_send(address: SocketAddr, method: &str, path: &str, body: Vec<u8>) -> Option<u16> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let sent = in_time(sender.send_request(request(address, method, path, &[], body))).await;
    connection.abort();
    sent.ok().map(|response| response.status().as_u16())
}

/// Sends one request by HTTP/2 with prior knowledge.
pub async fn send_http2(address: SocketAddr, method: &str, authority: &str, path: &str, body: Vec<u8>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{authority}{path}");
    let request = http::Request::builder().method(method).uri(uri).body(Full::new(Bytes::from(body))).unwrap();
    let answer = in_time(async { whole(sender.send_request(request).await.unwrap()).await }).await;
    drop(sender);
    connection.abort();
    answer
}

async fn whole(response: http::Response<hyper::body::Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

/// A connection that speaks bytes.
pub struct Raw(TcpStream);

impl Raw {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends bytes as they are.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `text` has come, and returns everything up to it and after it that came with it.
    pub async fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&read).contains(text) {
            let count = in_time(self.0.read(&mut chunk)).await.unwrap();
            assert!(count > 0, "closed before {text:?}: {}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Sends bytes, unless the other side has closed.
    pub async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads to the end of the connection.
    pub async fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        // A reset after the answer is an end as well.
        let _ = in_time(self.0.read_to_end(&mut read)).await;
        String::from_utf8_lossy(&read).into_owned()
    }
}
