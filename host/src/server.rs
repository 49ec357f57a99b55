//! Listeners and connections: a permit before each accept, HTTP/1.1 and HTTP/2 on one port, by TLS on another, drain on
//! stop.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

use crate::{
    activity::Activity,
    api,
    busy_poll::{BusyPoll, ConnectionRequests, Requests},
    config::ServerConfig,
    host::FunctionHost,
    tls,
    trigger::{self, http::Client},
    unread::RequestBody,
};

/// Connections that the system holds for a listener until they are accepted.
const BACKLOG: u32 = 1024;

/// How often a connection is looked at. One that has begun no request since the last look, and runs none, is let go: it is
/// idle, or its client sends the head of a request byte by byte.
const QUIET_INTERVAL: Duration = Duration::from_secs(30);

/// First and longest pause after a failed accept: the process is out of descriptors, or the system of memory.
const ACCEPT_BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Streams of one HTTP/2 connection: each may hold an instance.
const MAX_STREAMS: u32 = 256;

/// The bound listeners.
pub struct Listeners {
    trigger: TcpListener,
    api: TcpListener,
    /// Custom domains by HTTPS, if that is served.
    tls: Option<TcpListener>,
}

/// What a listener serves.
#[derive(Clone, Copy, Debug)]
enum Plane {
    Trigger,
    /// Triggers again, by TLS.
    SecureTrigger,
    Api,
}

impl Listeners {
    /// Binds the addresses of the configuration; port 0 takes a free one.
    ///
    /// # Errors
    /// If an address is taken or not this machine's.
    pub async fn bind(server: &ServerConfig) -> anyhow::Result<Self> {
        Ok(Self {
            trigger: bind(server.listen, "listen")?,
            api: bind(server.api_listen, "api_listen")?,
            tls: server.tls_listen.map(|address| bind(address, "tls_listen")).transpose()?,
        })
    }

    /// Where custom domains are served by HTTPS, if they are.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().map(address)
    }

    /// Where HTTP triggers are served.
    pub fn trigger_address(&self) -> SocketAddr {
        address(&self.trigger)
    }

    /// Where the API is served.
    pub fn api_address(&self) -> SocketAddr {
        address(&self.api)
    }
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)))
}

fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let bound = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().with_context(|| {
        format!("cannot listen on {address}: is another wisp running? Stop it, or choose another `server.{key}` (or give `--{}`)", key.replace('_', "-"))
    })
}

/// Serves until `stop`, then stops accepting, finishes what runs within the grace period, and runs pre-stop hooks.
pub async fn serve(host: FunctionHost, listeners: Listeners, stop: impl Future<Output = ()> + Send) {
    host.set_trigger_address(listeners.trigger_address());
    host.set_api_address(listeners.api_address());
    let (stopping, _) = watch::channel(());
    let secure = listeners.tls.map(|listener| (listener, Plane::SecureTrigger));
    let listeners = [(listeners.trigger, Plane::Trigger), (listeners.api, Plane::Api)].into_iter().chain(secure);
    let polling = BusyPoll::start(host.server().busy_poll, host.loader().engines());
    let requests = polling.as_ref().map(BusyPoll::requests).unwrap_or_default();
    let connections: Vec<_> = listeners
        .map(|(listener, plane)| {
            let acceptor =
                Acceptor { host: host.clone(), plane, requests: requests.clone(), stopping: stopping.subscribe() };
            tokio::spawn(acceptor.accept(listener))
        })
        .collect();
    stop.await;
    let deadline = Instant::now() + host.server().grace_period;
    // Dropping the sender is the signal: each acceptor closes its listener and waits for its connections.
    drop(stopping);
    for acceptor in connections {
        let left = deadline.saturating_duration_since(Instant::now());
        if timeout(left, acceptor).await.is_err() {
            tracing::warn!("connections were still open at the end of the grace period");
        }
    }
    if let Some(triggers) = host.triggers() {
        triggers.drain(deadline).await;
    }
    // Before the functions go: an event would find none, and be given up.
    if let Some(delivery) = host.delivery() {
        delivery.drain(deadline).await;
    }
    host.stop(deadline.saturating_duration_since(Instant::now())).await;
}

struct Acceptor {
    host: FunctionHost,
    plane: Plane,
    requests: Requests,
    stopping: watch::Receiver<()>,
}

impl Acceptor {
    async fn accept(mut self, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(self.host.server().max_connections.get()));
        let graceful = GracefulShutdown::new();
        let (mut pause, longest) = ACCEPT_BACKOFF;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stopping.changed() => break,
                // The permit comes first: a connection that cannot be served is left in the system's queue.
                accepted = accept_permitted(&permits, &listener) => accepted,
            };
            match accepted {
                Ok((permit, stream, peer)) => {
                    pause = ACCEPT_BACKOFF.0;
                    let _ = stream.set_nodelay(true);
                    let (host, requests) = (self.host.clone(), self.requests.of_connection());
                    let connection = Connection { host, plane: self.plane, requests, peer };
                    let watcher = graceful.watcher();
                    match self.plane {
                        Plane::Trigger | Plane::Api => {
                            let serving = connection.serve(watcher, stream);
                            tokio::spawn(async move {
                                serving.await;
                                drop(permit);
                            });
                        }
                        // The handshake is the connection's own business: whoever is slow at it keeps nobody waiting.
                        Plane::SecureTrigger => drop(tokio::spawn(async move {
                            connection.serve_tls(watcher, stream).await;
                            drop(permit);
                        })),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
        drop(listener);
        graceful.shutdown().await;
    }
}

/// One connection and whom it is of.
struct Connection {
    host: FunctionHost,
    plane: Plane,
    requests: ConnectionRequests,
    peer: SocketAddr,
}

impl Connection {
    /// Serves HTTP on a stream. The future is large, and is made where it is spawned.
    fn serve<S>(self, watcher: Watcher, stream: S) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { host, plane, requests, peer } = self;
        let activity = Activity::default();
        let begun = activity.clone();
        // Handles of the connection's own: the host's count of handles would be written by every core at every request.
        let shared = Arc::new((host, Client::new(peer, matches!(plane, Plane::SecureTrigger))));
        let service = service_fn(move |request| {
            requests.arrived();
            let (shared, running, request) = (shared.clone(), begun.begin(), RequestBody::of(request));
            async move {
                let (host, client) = &*shared;
                let response = match plane {
                    Plane::Trigger | Plane::SecureTrigger => {
                        trigger::http::handle(host, client, request).await.map(api::ResponseBody::Left)
                    }
                    Plane::Api => Box::pin(api::handle(host, peer, request)).await,
                };
                Ok::<_, std::convert::Infallible>(response.map(|body| running.with(body)))
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // A timer for each head would cost more than all the rest of a small request's parsing: see `attend`.
        builder.http1().header_read_timeout(None);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
        let connection = builder.serve_connection(TokioIo::new(activity.watch(stream)), service).into_owned();
        attend(watcher.watch(connection), activity, peer)
    }

    async fn serve_tls(self, watcher: Watcher, stream: TcpStream) {
        match tls::accept(&self.host, stream).await {
            Ok(stream) => self.serve(watcher, stream).await,
            Err(error) => tracing::debug!(peer = %self.peer, %error, "a TLS handshake failed"),
        }
    }
}

/// Drives a connection to its end, or until it has been quiet for too long.
async fn attend<E: std::fmt::Display>(
    connection: impl Future<Output = Result<(), E>>,
    activity: Activity,
    peer: SocketAddr,
) {
    let mut connection = std::pin::pin!(connection);
    let mut seen = 0;
    loop {
        match timeout(QUIET_INTERVAL, connection.as_mut()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "a connection ended with an error"),
            Err(_) if activity.is_quiet_since(&mut seen) => {
                return tracing::debug!(%peer, "a quiet connection is let go");
            }
            Err(_) => {}
        }
    }
}

async fn accept_permitted(
    permits: &Arc<Semaphore>,
    listener: &TcpListener,
) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((permit, stream, peer))
}
