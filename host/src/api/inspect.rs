//! What a host says about itself and its functions: for `wisp list`, `wisp doctor`, and Prometheus.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value, json};

use super::{ResponseBody, whole};
use crate::{
    bench::machine::Usage,
    catalog::{FunctionRoutes, Revision},
    engine::Allocation,
    host::FunctionHost,
    trigger::http::{FUNCTION_PROXY_PREFIX, PROXY_PREFIX},
};

pub(super) fn functions(host: &FunctionHost) -> Response<ResponseBody> {
    let catalog = host.catalog();
    let functions: Vec<_> = catalog.functions().into_iter().map(|function| describe(host, &function)).collect();
    json_response(&Value::from(functions))
}

/// A function of the catalog: service, name, routes.
type Listed<'a> = (&'a str, &'a str, &'a FunctionRoutes);

fn describe(host: &FunctionHost, (service, name, routes): &Listed<'_>) -> Value {
    let mut qualifiers: Vec<_> = routes.qualified.keys().map(|qualifier| &**qualifier).collect();
    qualifiers.sort_unstable();
    let head = routes.latest.as_ref().map(|choice| &choice.main);
    let methods = routes.trigger.iter().flat_map(|trigger| &trigger.config.methods).map(|method| method.as_str());
    let mut shown = json!({
        "service": service,
        "name": name,
        "qualifiers": qualifiers,
        "http": routes.trigger.is_some(),
        "methods": methods.collect::<Vec<_>>(),
        "urls": urls(host, service, name, routes),
        "error": head.and_then(|head| head.as_ref().err()),
    });
    let revision = head.and_then(|head| head.as_ref().ok()).or_else(|| routes.revisions().next());
    if let (Value::Object(shown), Some(revision)) = (&mut shown, revision)
        && let Value::Object(running) = running(revision, routes)
    {
        shown.extend(running);
    }
    shown
}

/// What is known of a function that runs: instances are those of all its qualifiers.
fn running(revision: &Revision, routes: &FunctionRoutes) -> Value {
    let function = &revision.function;
    let (live, idle) = routes
        .revisions()
        .map(|revision| revision.pool.instances())
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let invocations: Map<_, _> =
        revision.counters.read().map(|(outcome, count)| (outcome.label().to_owned(), count.into())).collect();
    json!({
        "kind": revision.ready.kind,
        "component": function.component,
        "digest": revision.ready.digest,
        "initialized": revision.ready.initialized,
        "memoryMb": function.memory >> 20,
        "timeoutSeconds": function.timeout.as_secs_f64(),
        "instances": { "live": live, "idle": idle },
        "waiting": routes.revisions().map(|revision| revision.pool.waiting()).sum::<usize>(),
        "coldStarts": routes.revisions().map(|revision| revision.pool.cold_starts()).sum::<u64>(),
        "invocations": invocations,
        "loadMs": revision.load_time.as_secs_f64() * 1000.0,
        "created": crate::telemetry::timestamp(revision.created),
    })
}

fn urls(host: &FunctionHost, service: &str, name: &str, routes: &FunctionRoutes) -> Vec<String> {
    if routes.trigger.is_none() {
        return Vec::new();
    }
    let (listen, port) = (host.trigger_address(), host.trigger_address().port());
    if service.is_empty() {
        return vec![
            format!("http://{listen}{FUNCTION_PROXY_PREFIX}{name}/"),
            format!("http://{name}.localhost:{port}/"),
        ];
    }
    vec![
        format!("http://{listen}{PROXY_PREFIX}{service}/{name}/"),
        format!("http://{name}.{service}.localhost:{port}/"),
    ]
}

pub(super) fn host(host: &FunctionHost) -> Response<ResponseBody> {
    let allocation = match host.loader().engines().allocation() {
        Allocation::Pool(slots) => format!("pool of {slots}"),
        Allocation::OnDemand => "on demand".to_owned(),
    };
    let cache = host.loader().cache();
    json_response(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "listen": host.trigger_address().to_string(),
        "apiListen": host.server().api_listen.to_string(),
        "liveInstances": host.live_instances(),
        "maxInstances": host.server().max_instances,
        "allocation": allocation,
        "artifacts": { "directory": cache.directory(), "bytes": cache.size(), "capacity": cache.capacity() },
    }))
}

pub(super) fn json_response(value: &Value) -> Response<ResponseBody> {
    respond(format!("{value:#}\n"), "application/json")
}

fn respond(body: String, content_type: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(whole(Bytes::from(body)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The text exposition of Prometheus.
pub(super) fn metrics(host: &FunctionHost) -> Response<ResponseBody> {
    let catalog = host.catalog();
    let functions = catalog.functions();
    let mut text = String::new();
    family(&mut text, "wisp_invocations_total", "counter", "Invocations by outcome.");
    for (function, revision) in functions.iter().filter_map(|function| Some((function, function.2.revisions().next()?)))
    {
        // All qualifiers of a function count together.
        for (outcome, count) in revision.counters.read() {
            sample(&mut text, "wisp_invocations_total", function, &format!(",outcome=\"{}\"", outcome.label()), count);
        }
    }
    family(&mut text, "wisp_cold_starts_total", "counter", "Instances started.");
    for function in &functions {
        let starts = function.2.revisions().map(|revision| revision.pool.cold_starts()).sum();
        sample(&mut text, "wisp_cold_starts_total", function, "", starts);
    }
    family(
        &mut text,
        "wisp_initialized_by_snapshot",
        "gauge",
        "Whether instances start with the state that the initializer left at deploy.",
    );
    for function in &functions {
        let restored = function.2.revisions().any(|revision| revision.ready.initialized.is_some());
        sample(&mut text, "wisp_initialized_by_snapshot", function, "", restored.into());
    }
    family(&mut text, "wisp_instances", "gauge", "Instances alive by state.");
    for function in &functions {
        let instances = function.2.revisions().map(|revision| revision.pool.instances());
        let (live, idle) = instances.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        sample(&mut text, "wisp_instances", function, ",state=\"idle\"", idle as u64);
        sample(&mut text, "wisp_instances", function, ",state=\"busy\"", live.saturating_sub(idle) as u64);
    }
    family(&mut text, "wisp_invocations_waiting", "gauge", "Invocations that wait for an instance.");
    for function in &functions {
        let waiting = function.2.revisions().map(|revision| revision.pool.waiting()).sum::<usize>();
        sample(&mut text, "wisp_invocations_waiting", function, "", waiting as u64);
    }
    family(&mut text, "wisp_instance_memory_bytes", "gauge", "Linear memory of idle instances.");
    for function in &functions {
        let memory = function.2.revisions().map(|revision| revision.pool.idle_memory()).sum::<usize>();
        sample(&mut text, "wisp_instance_memory_bytes", function, ",state=\"idle\"", memory as u64);
    }
    write_code_metrics(&mut text, host);
    if let Some(delivery) = host.delivery() {
        delivery.write_metrics(&mut text);
    }
    if let Some(triggers) = host.triggers() {
        triggers.write_metrics(&mut text);
    }
    respond(text, "text/plain; version=0.0.4")
}

/// What all functions take together: compiled code, and the process.
fn write_code_metrics(text: &mut String, host: &FunctionHost) {
    let (code, usage) = (host.loader().mapped_code(), Usage::read());
    let samples = [
        ("wisp_code_components", "gauge", "Components whose compiled code is mapped.", code.components as u64),
        ("wisp_code_mapped_bytes", "gauge", "Compiled code that is mapped.", code.bytes),
        ("wisp_code_unmapped_components", "gauge", "Components whose code was unmapped.", code.unmapped as u64),
        ("wisp_code_returns_total", "counter", "Unmapped code that was mapped again.", code.returns),
        ("wisp_resident_memory_bytes", "gauge", "Memory of this process.", usage.resident),
        ("wisp_anonymous_memory_bytes", "gauge", "Memory of this process that no file backs.", usage.anonymous),
    ];
    for (name, kind, help, value) in samples {
        family(text, name, kind, help);
        let _ = writeln!(text, "{name} {value}");
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Names of services and functions need no escaping: they are letters, digits, `_` and `-`.
fn sample(text: &mut String, name: &str, (service, function, _): &Listed<'_>, labels: &str, value: u64) {
    let _ = writeln!(text, "{name}{{service=\"{service}\",function=\"{function}\"{labels}}} {value}");
}
