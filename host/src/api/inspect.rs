//! What a host says about itself and its functions: for `wisp list`, `wisp doctor`, and Prometheus.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use serde_json::{Map, Value, json};

use super::{ResponseBody, whole};
use crate::{catalog::Revision, engine::Allocation, host::FunctionHost, trigger::http::PROXY_PREFIX};

pub(super) fn functions(host: &FunctionHost) -> Response<ResponseBody> {
    let catalog = host.catalog();
    let functions: Vec<_> = catalog.revisions().into_iter().map(|revision| describe(host, revision)).collect();
    json_response(&Value::from(functions))
}

fn describe(host: &FunctionHost, revision: &Revision) -> Value {
    let function = &revision.function;
    let (live, idle) = revision.pool.instances();
    let invocations: Map<_, _> =
        revision.counters.read().map(|(outcome, count)| (outcome.label().to_owned(), count.into())).collect();
    let methods = function.http.iter().flat_map(|http| &http.methods).map(|method| method.as_str());
    json!({
        "service": &*function.service,
        "name": &*function.name,
        "kind": revision.ready.kind,
        "component": function.component,
        "digest": revision.ready.digest,
        "memoryMb": function.memory >> 20,
        "timeoutSeconds": function.timeout.as_secs_f64(),
        "instances": { "live": live, "idle": idle },
        "coldStarts": revision.pool.cold_starts(),
        "invocations": invocations,
        "loadMs": revision.load_time.as_secs_f64() * 1000.0,
        "created": crate::telemetry::timestamp(revision.created),
        "http": function.http.is_some(),
        "methods": methods.collect::<Vec<_>>(),
        "urls": urls(host, revision),
    })
}

fn urls(host: &FunctionHost, revision: &Revision) -> Vec<String> {
    let function = &revision.function;
    if function.http.is_none() {
        return Vec::new();
    }
    let (listen, port) = (host.trigger_address(), host.trigger_address().port());
    vec![
        format!("http://{listen}{PROXY_PREFIX}{}/{}/", function.service, function.name),
        format!("http://{}.{}.localhost:{port}/", function.name, function.service),
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

fn json_response(value: &Value) -> Response<ResponseBody> {
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
    let revisions = catalog.revisions();
    let mut text = String::new();
    family(&mut text, "wisp_invocations_total", "counter", "Invocations by outcome.");
    for revision in &revisions {
        for (outcome, count) in revision.counters.read() {
            sample(&mut text, "wisp_invocations_total", revision, &format!(",outcome=\"{}\"", outcome.label()), count);
        }
    }
    family(&mut text, "wisp_cold_starts_total", "counter", "Instances started.");
    for revision in &revisions {
        sample(&mut text, "wisp_cold_starts_total", revision, "", revision.pool.cold_starts());
    }
    family(&mut text, "wisp_instances", "gauge", "Instances alive by state.");
    for revision in &revisions {
        let (live, idle) = revision.pool.instances();
        sample(&mut text, "wisp_instances", revision, ",state=\"idle\"", idle as u64);
        sample(&mut text, "wisp_instances", revision, ",state=\"busy\"", live.saturating_sub(idle) as u64);
    }
    respond(text, "text/plain; version=0.0.4")
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Names of services and functions need no escaping: they are letters, digits, `_` and `-`.
fn sample(text: &mut String, name: &str, revision: &Revision, labels: &str, value: u64) {
    let (service, function) = (&revision.function.service, &revision.function.name);
    let _ = writeln!(text, "{name}{{service=\"{service}\",function=\"{function}\"{labels}}} {value}");
}
