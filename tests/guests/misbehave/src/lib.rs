//! A guest that does as it is told, above all what no guest should: the event's text, or the path of the request, names
//! the behaviour; a colon separates its arguments. `INIT` in the environment says what the initializer does.
//!
//! `behaviour` has the list; `network` and `files` what reaches outside.

use std::{
    cell::RefCell,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use exports::wisp::function::{after_restore, event_handler, http_handler, initializer, pre_freeze, pre_stop};
use serde_json::{Value, json};
use wisp::function::{
    environment,
    types::{Context, Failure, FailureKind, HttpRequest, HttpResponse},
};

mod behaviour;
mod files;
mod network;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package wisp:guests;
        world misbehave {
            include wisp:function/function@1.0.0;
            include wisp:function/wasi-imports@1.0.0;
            export wisp:function/after-restore@1.0.0;
        }
    ",
    world: "wisp:guests/misbehave",
    generate_all,
});
export!(Misbehave);

struct Misbehave;

/// What this instance did so far.
#[derive(Default)]
struct Counters {
    calls: AtomicU32,
    /// Runs of the initializer, failed ones included.
    initialized: AtomicU32,
    frozen: AtomicU32,
    restored: AtomicU32,
}

/// When the initializer first ran.
static INITIALIZED_AT: OnceLock<Instant> = OnceLock::new();

static COUNTERS: Counters = Counters {
    calls: AtomicU32::new(0),
    initialized: AtomicU32::new(0),
    frozen: AtomicU32::new(0),
    restored: AtomicU32::new(0),
};

impl event_handler::Guest for Misbehave {
    /// With a URL in `TELL`, each event is posted there as it is, and does nothing else.
    fn handle(event: Vec<u8>, context: Context) -> Result<Vec<u8>, Failure> {
        COUNTERS.calls.fetch_add(1, Ordering::Relaxed);
        if let Ok(url) = std::env::var("TELL") {
            return network::post(&url, &event).map(|_| event).map_err(|error| handled(&error));
        }
        match std::str::from_utf8(&event) {
            Ok(text) if !text.starts_with("echo") => behaviour::run(text, &context),
            _ => Ok(event),
        }
    }
}

impl http_handler::Guest for Misbehave {
    fn handle(request: HttpRequest, context: Context) -> Result<HttpResponse, Failure> {
        COUNTERS.calls.fetch_add(1, Ordering::Relaxed);
        let text = request.path.strip_prefix('/').unwrap_or(&request.path);
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "echo" => Ok(ok(request.body)),
            // The request as it reached the guest.
            "request" => Ok(ok(describe(&request).to_string().into_bytes())),
            // `status:CODE`.
            "status" => Ok(HttpResponse { status_code: behaviour::number(argument)? as u16, ..ok(Vec::new()) }),
            // `headers:N`: N bytes of header names and values.
            "headers" => Ok(HttpResponse { headers: headers(behaviour::number(argument)?), ..ok(Vec::new()) }),
            // Answers what the body says: `{"status": 200, "headers": [["name", "value"]], "body": "text"}`.
            "reply" => reply(&request.body),
            _ => behaviour::run(text, &context).map(ok),
        }
    }
}

impl initializer::Guest for Misbehave {
    /// `INIT` is `ok` (the default), `fail`, `fail-times:N` (N failures, then success), `panic`, or any behaviour of the
    /// handlers, such as `spin`, `sleep:MS` and `trap`.
    fn initialize(context: Context) -> Result<(), Failure> {
        INITIALIZED_AT.get_or_init(Instant::now);
        let runs = COUNTERS.initialized.fetch_add(1, Ordering::Relaxed) + 1;
        let order = std::env::var("INIT").unwrap_or_default();
        let (name, argument) = order.split_once(':').unwrap_or((&order, ""));
        match name {
            "" | "ok" => Ok(()),
            "fail" => Err(handled("the initializer fails as told")),
            "fail-times" if runs <= behaviour::number(argument)? as u32 => Err(handled(&format!("failure {runs}"))),
            "fail-times" => Ok(()),
            _ => behaviour::run(&order, &context).map(drop),
        }
    }
}

impl after_restore::Guest for Misbehave {
    fn after_restore(_context: Context) -> Result<(), Failure> {
        COUNTERS.restored.fetch_add(1, Ordering::Relaxed);
        println!("after-restore ran");
        hook("AFTER_RESTORE")
    }
}

impl pre_freeze::Guest for Misbehave {
    fn pre_freeze(_context: Context) -> Result<(), Failure> {
        COUNTERS.frozen.fetch_add(1, Ordering::Relaxed);
        println!("pre-freeze ran");
        hook("PRE_FREEZE")
    }
}

impl pre_stop::Guest for Misbehave {
    fn pre_stop(_context: Context) -> Result<(), Failure> {
        println!("pre-stop ran");
        hook("PRE_STOP")
    }
}

/// A hook fails or spins if the environment says so.
fn hook(variable: &str) -> Result<(), Failure> {
    match std::env::var(variable).as_deref() {
        Ok("fail") => Err(handled("the hook fails as told")),
        Ok("spin") => behaviour::spin(),
        _ => Ok(()),
    }
}

fn ok(body: Vec<u8>) -> HttpResponse {
    HttpResponse { status_code: 200, headers: Vec::new(), body }
}

fn describe(request: &HttpRequest) -> Value {
    json!({
        "method": request.method,
        "path": request.path,
        "url": request.url,
        "queries": request.queries,
        "headers": request.headers,
        "clientIp": request.client_ip,
        "body": String::from_utf8_lossy(&request.body),
    })
}

fn headers(bytes: usize) -> Vec<(String, String)> {
    let name = "x-filler";
    vec![(name.into(), "v".repeat(bytes.saturating_sub(name.len())))]
}

fn reply(body: &[u8]) -> Result<HttpResponse, Failure> {
    let order: Value = serde_json::from_slice(body).map_err(|error| handled(&error.to_string()))?;
    Ok(HttpResponse {
        status_code: order["status"].as_u64().unwrap_or(200) as u16,
        headers: serde_json::from_value(order["headers"].clone()).unwrap_or_default(),
        body: order["body"].as_str().unwrap_or_default().into(),
    })
}

fn handled(message: &str) -> Failure {
    let document = json!({ "errorType": "Misbehaviour", "errorMessage": message }).to_string();
    Failure { kind: FailureKind::Handled, document }
}
