//! The yardstick: hyper alone, with the settings that wisp's own server has, and the answer that wisp gives for its Rust
//! function: the same headers, among them the id of the request, made by the same means (`alike` checks it).

use std::{
    convert::Infallible,
    env,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    thread,
};

use ::wisp::invoke::RequestId;
use http::{HeaderName, HeaderValue, Response, header};
use http_body_util::Full;
use hyper::{body::Bytes, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

use crate::process::{self, Server};

/// What this program is called with to be the server.
pub(crate) const MODE: &str = "--native";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-fc-request-id");

/// Starts this program as the server.
pub(crate) fn start() -> anyhow::Result<Server> {
    let address = process::free_address()?;
    Server::start(Command::new(env::current_exe()?).arg(MODE).arg(address.port().to_string()), address)
}

/// Serves until it is ended.
pub(crate) fn serve(port: u16) -> anyhow::Result<()> {
    let cores = thread::available_parallelism()?.get();
    // As `wisp serve` has: see the gate of `engine.rs`.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores + 1).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        // On a worker, where wisp's acceptors are.
        Ok(tokio::spawn(accept(listener)).await?)
    })
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // A load that ends in the middle of a request is no failure.
            let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer<B>(_request: http::Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"hello, world\n")));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(id) = HeaderValue::from_str(RequestId::new().as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    Ok(response)
}
