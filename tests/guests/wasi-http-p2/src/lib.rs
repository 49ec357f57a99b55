//! A `wasi:http/incoming-handler@0.2` guest: streams both ways, and takes Function Compute's lifecycle requests.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use wasi::{
    http::types::{Fields, IncomingBody, Method, OutgoingBody, OutgoingResponse},
    io::streams::{InputStream, OutputStream, StreamError},
};

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package wisp:guests;
        world incoming {
            include wisp:function/wasi-imports@1.0.0;
            export wasi:http/incoming-handler@0.2.12;
        }
    ",
    world: "wisp:guests/incoming",
    generate_all,
});
export!(Incoming);

struct Incoming;

static CALLS: AtomicU32 = AtomicU32::new(0);
static INITIALIZED: AtomicU32 = AtomicU32::new(0);

impl Guest for Incoming {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let (_, argument) = path.rsplit_once('/').unwrap_or_default();
        let number = || argument.parse().unwrap_or(0);
        match (request.method(), path) {
            (_, "/") => answer(out, 200, "hello from wasi:http 0.2"),
            (_, "/echo") => echo(&request, out),
            (_, "/headers") => answer(out, 200, &headers(&request)),
            (_, "/count") => answer(out, 200, &CALLS.load(Ordering::Relaxed).to_string()),
            (_, "/initialized") => answer(out, 200, &INITIALIZED.load(Ordering::Relaxed).to_string()),

            // The lifecycle of a custom runtime: POST /initialize, GET /pre-freeze, GET /pre-stop; events come to /invoke.
            (Method::Post, "/initialize") => initialize(out),
            (Method::Post, "/invoke") => invoke(&request, out),
            (Method::Get, "/pre-freeze" | "/pre-stop") => {
                println!("{} ran", argument);
                answer(out, 200, "");
            }

            (_, "/trap") => core::arch::wasm32::unreachable(),
            (_, "/spin") => loop {
                std::hint::spin_loop();
            },
            (_, "/never") => std::thread::sleep(Duration::from_secs(3600)),
            // Returns without an answer.
            (_, "/silent") => drop(out),
            // Answers the head and one chunk, then traps.
            (_, "/broken") => broken(out),
            // `/stream/N`: N chunks, a moment apart.
            (_, path) if path.starts_with("/stream/") => stream(out, number()),
            // `/header/N`: a response header of N bytes.
            (_, path) if path.starts_with("/header/") => {
                let filler = Fields::from_list(&[("x-filler".into(), vec![b'v'; number() as usize])]);
                answer_with(out, 200, &filler.expect("a valid header"), b"");
            }
            // `/status/N`.
            (_, path) if path.starts_with("/status/") => answer(out, number() as u16, ""),
            _ => answer(out, 404, "no such path"),
        }
    }
}

/// Sends each piece of the request's body back as soon as it came.
fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let incoming = request.consume().expect("nobody took the body before");
    let body = start(out, 200, &Fields::new());
    {
        let input = incoming.stream().expect("nobody took the stream before");
        let output = body.write().expect("nobody took the stream before");
        while copy(&input, &output).is_ok() {}
    }
    finish(body);
}

fn copy(input: &InputStream, output: &OutputStream) -> Result<(), StreamError> {
    let piece = input.blocking_read(1 << 16)?;
    write(output, &piece)
}

fn stream(out: ResponseOutparam, chunks: u32) {
    let body = start(out, 200, &Fields::new());
    {
        let output = body.write().expect("nobody took the stream before");
        for chunk in 0..chunks {
            if write(&output, format!("chunk {chunk}\n").as_bytes()).is_err() {
                // The client went.
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    finish(body);
}

fn broken(out: ResponseOutparam) {
    let body = start(out, 200, &Fields::new());
    let output = body.write().expect("nobody took the stream before");
    let _ = write(&output, b"the beginning");
    core::arch::wasm32::unreachable();
}

/// `INIT` in the environment: with `fail-times:N` the first N requests are answered with 404, which asks for another try;
/// with `broken` all of them with 500, which asks for another instance.
fn initialize(out: ResponseOutparam) {
    let runs = INITIALIZED.fetch_add(1, Ordering::Relaxed) + 1;
    let order = std::env::var("INIT").unwrap_or_default();
    let failures = order.strip_prefix("fail-times:").and_then(|it| it.parse().ok()).unwrap_or(0);
    match order.as_str() {
        "broken" => answer(out, 500, "the initializer is broken"),
        _ if runs <= failures => answer(out, 404, "the initializer fails as told"),
        _ => answer(out, 200, ""),
    }
}

/// The event in capitals; `x-fc-status` tells success from failure, as a custom runtime does.
fn invoke(request: &IncomingRequest, out: ResponseOutparam) {
    let event = read(request);
    let status: &[u8] = if event == b"fail" { b"404" } else { b"200" };
    let headers = Fields::from_list(&[("x-fc-status".into(), status.into())]).expect("a valid header");
    answer_with(out, 200, &headers, &event.to_ascii_uppercase());
}

fn headers(request: &IncomingRequest) -> String {
    let line = |(name, value): (String, Vec<u8>)| format!("{name}: {}\n", String::from_utf8_lossy(&value));
    request.headers().entries().into_iter().map(line).collect()
}

fn read(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("nobody took the body before");
    let mut bytes = Vec::new();
    {
        let stream = body.stream().expect("nobody took the stream before");
        while let Ok(piece) = stream.blocking_read(1 << 16) {
            bytes.extend(piece);
        }
    }
    drop(IncomingBody::finish(body));
    bytes
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    answer_with(out, status, &Fields::new(), text.as_bytes());
}

fn answer_with(out: ResponseOutparam, status: u16, headers: &Fields, bytes: &[u8]) {
    let body = start(out, status, headers);
    let written = write(&body.write().expect("nobody took the stream before"), bytes);
    if written.is_ok() {
        finish(body);
    }
}

/// Sends the head; the body follows.
fn start(out: ResponseOutparam, status: u16, headers: &Fields) -> OutgoingBody {
    let response = OutgoingResponse::new(headers.clone());
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("nobody took the body before");
    ResponseOutparam::set(out, Ok(response));
    body
}

/// A write may be 4096 bytes long at most.
fn write(output: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    bytes.chunks(4096).try_for_each(|piece| output.blocking_write_and_flush(piece))
}

fn finish(body: OutgoingBody) {
    // Fails if the client went, which is its right.
    let _ = OutgoingBody::finish(body, None);
}
