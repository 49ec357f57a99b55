//! What the host calls.

use std::cell::Cell;

use rquickjs::{ArrayBuffer, Ctx};

use crate::{
    bindings::{
        self,
        exports::wisp::function::{
            after_restore, boot, event_handler, initializer,
            loader::{self, Description, HandlerKinds, Source},
            packed_http_handler, pre_freeze, pre_stop,
        },
        wisp::function::types::{Context, Failure, FailureKind, PackedHttpResponse},
    },
    calls::{self, Functions, Outcome},
    engine, files, internal, native, preview1,
    request::{self, Request},
    zone,
};

struct Runtime;

bindings::export!(Runtime with_types_in bindings);

thread_local! {
    /// Set when a snapshot may be taken: the next call is the first one of an instance.
    static PARKED: Cell<bool> = const { Cell::new(false) };
}

impl event_handler::Guest for Runtime {
    fn handle(event: Vec<u8>, context: Context) -> Result<Vec<u8>, Failure> {
        resume()?;
        match calls::run(|ctx, functions| {
            let handle = functions.event.clone().restore(ctx)?;
            let event = ArrayBuffer::new(ctx.clone(), event)?;
            handle.call((event, context.request_id, context.retry_count, context.trace_parent))
        }) {
            Outcome::Bytes(bytes) => Ok(bytes),
            Outcome::Text(text) => Ok(text.into_bytes()),
            Outcome::Response { body, .. } => Ok(body),
            Outcome::Nothing => Ok(Vec::new()),
            Outcome::Failure(failure) => Err(failure),
        }
    }
}

impl packed_http_handler::Guest for Runtime {
    fn handle(head: Vec<u8>, body: Vec<u8>) -> Result<PackedHttpResponse, Failure> {
        resume()?;
        request::set_current(Some(Request::new(head)));
        let outcome = calls::run(|ctx, functions| {
            let body = if body.is_empty() { None } else { Some(ArrayBuffer::new(ctx.clone(), body)?.into_value()) };
            request::with_current(|request| {
                let texts = [request.method(), request.path(), request.url(), request.id(), request.trace_parent()];
                match engine::request(ctx, body.as_ref(), texts)? {
                    Some(is_pending) => Ok(Some(is_pending)),
                    // Servers, and sources that are not loaded yet.
                    None => engine::call(ctx, &functions.http.clone().restore(ctx)?, texts, body).map(Some),
                }
            })
        });
        request::set_current(None);
        let (status_code, headers, body) = match outcome {
            Outcome::Response { status, headers, body } => (status, headers, body),
            Outcome::Failure(failure) => return Err(failure),
            Outcome::Bytes(body) => (200, Vec::new(), body),
            Outcome::Text(text) => (200, Vec::new(), text.into_bytes()),
            Outcome::Nothing => (200, Vec::new(), Vec::new()),
        };
        Ok(PackedHttpResponse { status_code, headers, body })
    }
}

impl initializer::Guest for Runtime {
    fn initialize(context: Context) -> Result<(), Failure> {
        hook("initializer", context)
    }
}

impl pre_freeze::Guest for Runtime {
    fn pre_freeze(context: Context) -> Result<(), Failure> {
        hook("preFreeze", context)
    }
}

impl pre_stop::Guest for Runtime {
    fn pre_stop(context: Context) -> Result<(), Failure> {
        hook("preStop", context)
    }
}

impl after_restore::Guest for Runtime {
    fn after_restore(context: Context) -> Result<(), Failure> {
        hook("afterRestore", context)
    }
}

fn hook(name: &'static str, context: Context) -> Result<(), Failure> {
    resume()?;
    ended(calls::run(|ctx, functions| {
        let run = functions.hook.clone().restore(ctx)?;
        run.call((name, context.request_id, context.trace_parent))
    }))
}

impl loader::Guest for Runtime {
    fn load(source: Source) -> Result<Description, Failure> {
        calls::limit_stack();
        resume()?;
        let mut warnings = files::take(&source.directory, &source.translated);
        let outcome = calls::run(|ctx, functions| {
            let load = functions.load.clone().restore(ctx)?;
            load.call((native::source_object(ctx, &source)?,))
        });
        let Outcome::Text(text) = outcome else {
            return Err(match outcome {
                Outcome::Failure(failure) => failure,
                _ => internal_failure("the sources were loaded without a description"),
            });
        };
        let mut description = native::description(&text).map_err(|error| internal_failure(&error))?;
        description.warnings.append(&mut warnings);
        Ok(description)
    }

    fn park() -> Result<(), Failure> {
        let_go()?;
        calls::use_up_fragments();
        if !calls::settle_heap() {
            return Err(internal_failure("there is no memory left for a snapshot"));
        }
        Ok(())
    }
}

impl boot::Guest for Runtime {
    /// The engine and its modules start with the first call of JavaScript, whatever that is.
    fn boot() -> Result<(), Failure> {
        calls::limit_stack();
        let_go()
    }
}

fn let_go() -> Result<(), Failure> {
    ended(calls::run(|ctx, functions| functions.park.clone().restore(ctx)?.call(())))?;
    calls::collect_garbage();
    let mut open = preview1::open_files();
    if wstd::runtime::open_pollables() > 0 {
        open.push("an operation of the host that has not ended".to_owned());
    }
    if let Some(first) = open.first() {
        return Err(still_open(first));
    }
    native::note_environment();
    preview1::park();
    PARKED.set(true);
    Ok(())
}

fn still_open(what: &str) -> Failure {
    let message = format!(
        "{what} is still open after the top level of the sources has run, and cannot become part of the component: open it in \
         the initializer or in the handler, or close it"
    );
    Failure {
        kind: FailureKind::Unhandled,
        document: serde_json::json!({ "errorMessage": message, "errorType": "OpenAtBuild" }).to_string(),
    }
}

/// Before the first call in an instance: what differs from instance to instance is read anew.
fn resume() -> Result<(), Failure> {
    if !PARKED.replace(false) {
        return Ok(());
    }
    internal::reseed();
    let changes = native::changed_variables();
    // Also where the sources have put an object of their own in place of `process.env`.
    if let Some([_, zone]) = changes.as_chunks().0.iter().find(|[name, _]| name.as_deref() == Some("TZ")) {
        zone::renew_local(zone.as_deref());
    }
    ended(calls::run(|ctx: &Ctx<'_>, functions: &Functions| functions.resume.clone().restore(ctx)?.call((changes,))))
}

fn ended(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Failure(failure) => Err(failure),
        _ => Ok(()),
    }
}

fn internal_failure(message: &str) -> Failure {
    Failure {
        kind: FailureKind::Unhandled,
        document: serde_json::json!({ "errorMessage": message, "errorType": "RuntimeError" }).to_string(),
    }
}

pub(crate) fn kinds(event: bool, http: bool) -> HandlerKinds {
    let mut kinds = HandlerKinds::empty();
    kinds.set(HandlerKinds::EVENT, event);
    kinds.set(HandlerKinds::HTTP, http);
    kinds
}
