//! A `wasi:http/handler@0.3` guest: asynchronous, so that one instance answers several requests at once.

use std::sync::atomic::{AtomicU32, Ordering};

use exports::wasi::http::handler::Guest;
use wasi::{
    clocks::monotonic_clock,
    http::types::{ErrorCode, Fields, Request, Response},
};
use wit_bindgen::{StreamReader, StreamResult, StreamWriter, spawn_local};

wit_bindgen::generate!({ path: "wit", world: "service", generate_all });
export!(Service);

struct Service;

static CALLS: AtomicU32 = AtomicU32::new(0);
static INITIALIZED: AtomicU32 = AtomicU32::new(0);
static RUNNING: AtomicU32 = AtomicU32::new(0);
/// The most requests that ever ran at once in this instance.
static MOST_RUNNING: AtomicU32 = AtomicU32::new(0);

impl Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let _running = Running::new();
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let (_, argument) = path.rsplit_once('/').unwrap_or_default();
        let number = || argument.parse::<u64>().unwrap_or(0);
        match path {
            "/" => Ok(text("hello from wasi:http 0.3")),
            "/echo" => Ok(echo(request)),
            "/pipe" => Ok(pipe(request)),
            "/headers" => Ok(text(&headers(&request))),
            "/count" => Ok(text(&CALLS.load(Ordering::Relaxed).to_string())),
            "/concurrent" => Ok(text(&MOST_RUNNING.load(Ordering::Relaxed).to_string())),
            "/initialized" => Ok(text(&INITIALIZED.load(Ordering::Relaxed).to_string())),

            // The lifecycle of a custom runtime; events come to /invoke, and go back as they are.
            "/initialize" => {
                // Long enough for others to come meanwhile.
                monotonic_clock::wait_for(100_000_000).await;
                INITIALIZED.fetch_add(1, Ordering::Relaxed);
                Ok(text(""))
            }
            "/invoke" => Ok(echo(request)),
            "/pre-stop" => {
                println!("pre-stop ran");
                Ok(text(""))
            }

            "/error" => Err(ErrorCode::InternalError(Some("failing as told".into()))),
            "/trap" => core::arch::wasm32::unreachable(),
            "/spin" => loop {
                std::hint::spin_loop();
            },
            // Answers the head and one chunk, then traps.
            "/broken" => {
                let (mut output, body) = wit_stream::new();
                spawn_local(async move {
                    output.write_all(b"the beginning".to_vec()).await;
                    core::arch::wasm32::unreachable();
                });
                Ok(response(body))
            }
            // Answers, then traps where nobody waits for an answer.
            "/late-trap" => {
                spawn_local(async {
                    monotonic_clock::wait_for(50_000_000).await;
                    core::arch::wasm32::unreachable();
                });
                Ok(text("answered"))
            }
            // `/sleep/MS`: waits, and lets others run.
            path if path.starts_with("/sleep/") => {
                monotonic_clock::wait_for(number() * 1_000_000).await;
                Ok(text("slept"))
            }
            // `/stream/N`: N chunks, a moment apart.
            path if path.starts_with("/stream/") => Ok(stream(number())),
            // `/status/N`.
            path if path.starts_with("/status/") => Ok(with_status(number() as u16)),
            _ => Ok(with_status(404)),
        }
    }
}

/// One request between its start and its answer.
struct Running;

impl Running {
    fn new() -> Self {
        let running = RUNNING.fetch_add(1, Ordering::Relaxed) + 1;
        MOST_RUNNING.fetch_max(running, Ordering::Relaxed);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends each piece of the request's body back as soon as it came, through the guest's own memory.
fn echo(request: Request) -> Response {
    let mut input = body_of(request);
    let (mut output, body) = wit_stream::new();
    spawn_local(async move {
        loop {
            let (result, piece) = input.read(Vec::with_capacity(1 << 16)).await;
            // What could not be written comes back: the client went.
            if !piece.is_empty() && !output.write_all(piece).await.is_empty() {
                return;
            }
            if result == StreamResult::Dropped {
                return;
            }
        }
    });
    response(body)
}

/// Hands the request's body over as the response's: the bytes never enter the guest.
fn pipe(request: Request) -> Response {
    response(body_of(request))
}

fn stream(chunks: u64) -> Response {
    let (mut output, body) = wit_stream::new();
    spawn_local(async move {
        for chunk in 0..chunks {
            if !output.write_all(format!("chunk {chunk}\n").into_bytes()).await.is_empty() {
                return;
            }
            monotonic_clock::wait_for(20_000_000).await;
        }
    });
    response(body)
}

fn text(text: &str) -> Response {
    let (output, body) = wit_stream::new();
    spawn_local(write(output, text.as_bytes().to_vec()));
    response(body)
}

async fn write(mut output: StreamWriter<u8>, bytes: Vec<u8>) {
    let _unwritten = output.write_all(bytes).await;
}

fn with_status(status: u16) -> Response {
    let response = text("");
    response.set_status_code(status).expect("a valid status");
    response
}

fn headers(request: &Request) -> String {
    let line = |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    request.get_headers().copy_all().into_iter().map(line).collect()
}

fn body_of(request: Request) -> StreamReader<u8> {
    // Dropping the writer says that the body was taken well.
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, _trailers) = Request::consume_body(request, taken);
    body
}

/// A response without trailers.
fn response(body: StreamReader<u8>) -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(body), trailers);
    response
}
