//! An HTTP server that remembers what it was asked: the other end of webhooks, and of guests that tell they were called.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// One request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The path with its query.
    pub path: String,
    /// The `x-fc-request-id` header; empty if there was none.
    pub request_id: String,
    /// The body.
    pub body: Bytes,
    /// When it came.
    pub at: Instant,
    /// What was set by `generation` at that moment.
    pub generation: usize,
}

#[derive(Default)]
struct State {
    /// Whether [`HELD`] is answered.
    released: watch::Sender<bool>,
    seen: Vec<Seen>,
    status: u16,
    generation: usize,
    /// Connections that are open.
    open: usize,
}

/// What asks only whether everything before it was taken in. Not remembered.
const LAST: &str = "/last";

/// The path that is answered when the test says so: who asks for it is busy until then.
const HELD: &str = "/held";

/// Runs until it is dropped.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Recorder {
    /// Answers everything with 200.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { status: 200, ..State::default() }));
        let server = tokio::spawn(serve(listener, state.clone()));
        Self { address, state, server }
    }

    /// The URL of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The event that keeps the guest `misbehave` busy until [`Self::release`]; it is seen as `/held`.
    pub fn held(&self) -> String {
        format!("fetch:http://{}{HELD}", self.address)
    }

    /// Lets everybody go who is held, now and from now on.
    pub fn release(&self) {
        self.state.lock().unwrap().released.send_replace(true);
    }

    /// Answers with another status from now on.
    pub fn answer_with(&self, status: u16) {
        self.state.lock().unwrap().status = status;
    }

    /// Marks what comes from now on.
    pub fn set_generation(&self, generation: usize) {
        self.state.lock().unwrap().generation = generation;
    }

    /// Returns once everything is taken in that was sent by those who are gone: what they sent last may still lie in sockets.
    ///
    /// # Panics
    /// If it is asked by itself no more.
    pub async fn caught_up(&self) {
        // Connections are accepted in their order.
        super::client::send(self.address, "GET", LAST, &[], Vec::new()).await;
        super::eventually("nobody is connected", || async { self.state.lock().unwrap().open == 0 }).await;
    }

    /// Everything that came so far, in its order.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// The paths that came so far, in their order.
    pub fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }

    /// How often a path came.
    pub fn count(&self, path: &str) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|seen| seen.path == path).count()
    }

    /// Waits until a path has come.
    pub async fn until(&self, path: &str) {
        super::eventually(&format!("{path} is asked for"), || async { self.count(path) > 0 }).await;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = state.clone();
        state.lock().unwrap().open += 1;
        tokio::spawn(async move {
            let service = service_fn(|request| record(request, state.clone()));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
            state.lock().unwrap().open -= 1;
        });
    }
}

async fn record(
    request: Request<hyper::body::Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = Instant::now();
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let request_id = request.headers().get("x-fc-request-id").map(|id| id.to_str().unwrap().to_owned());
    // A host that is killed breaks off: what it asked came all the same.
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let is_held = path == HELD;
    let (status, mut released) = {
        let mut state = state.lock().unwrap();
        let generation = state.generation;
        if path != LAST {
            state.seen.push(Seen { path, request_id: request_id.unwrap_or_default(), body, at, generation });
        }
        (state.status, state.released.subscribe())
    };
    if is_held {
        // The sender lives as long as the state, which is kept here.
        let _ = released.wait_for(|released| *released).await;
    }
    let mut response = Response::new(Full::new(Bytes::from_static(b"seen")));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}
