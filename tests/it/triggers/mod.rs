//! Triggers: what happens at their sources becomes an event of their functions, whatever happens to the host or the source
//! in between.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use support::{Answer, HostProcess, Recorder, TestHost, client};

mod brokers;
mod bucket;
mod http_sources;
mod mqtt;
mod nats;
mod postgres;
mod redis;
mod removed;
mod timer;

/// The machine may be slow, and the clock of a timer is real.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a condition holds.
pub(crate) async fn in_time<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "it did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A function that fails on whatever it gets and has no second chance: its events stay, with their payloads, as dead
/// letters.
pub(crate) const KEEPER: &str = "[functions.f]\ncomponent = \"{event}\"\nasync = { max_retry_attempts = 0 }\n";

/// The events that a trigger has brought, as JSON, oldest first: those of a function that fails.
pub(crate) async fn payloads(api: SocketAddr, trigger: &str) -> Vec<Value> {
    texts(api, trigger).await.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// The same as texts.
pub(crate) async fn texts(api: SocketAddr, trigger: &str) -> Vec<String> {
    let answer = client::send(api, "GET", "/wisp/events?dead=true&limit=1000", &[], Vec::new()).await.json();
    let mut ids: Vec<String> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["trigger"] == trigger)
        .map(|event| event["requestId"].as_str().unwrap().to_owned())
        .collect();
    ids.reverse();
    let mut texts = Vec::new();
    for id in ids {
        let event = client::send(api, "GET", &format!("/wisp/events/{id}"), &[], Vec::new()).await.json();
        texts.push(event["payload"].as_str().unwrap().to_owned());
    }
    texts
}

/// How a trigger is.
pub(crate) async fn described(api: SocketAddr, trigger: &str) -> Value {
    client::send(api, "GET", &format!("/wisp/triggers/{trigger}"), &[], Vec::new()).await.json()
}

pub(crate) async fn has_state(api: SocketAddr, trigger: &str, state: &str) {
    in_time(&format!("{trigger} is {state}"), || async { described(api, trigger).await["state"] == state }).await;
}

pub(crate) async fn post(api: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    client::send(api, "POST", path, headers, body.as_bytes().to_vec()).await
}

/// The component of `misbehave` as the API takes it.
pub(crate) fn zip() -> String {
    BASE64_STANDARD.encode(fs::read(&*support::MISBEHAVE).unwrap())
}

/// A `wisp.toml` for the real binary.
pub(crate) fn written(directory: &Path, toml: &str) -> PathBuf {
    let file = directory.join("wisp.toml");
    let server = "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n";
    let text = format!("{server}{toml}").replace("{event}", &support::MISBEHAVE.display().to_string());
    fs::write(&file, text).unwrap();
    file
}

/// The keeper in a host of this process: `misbehave` fails on events that are no orders for it.
pub(crate) fn keeper(triggers: &str) -> String {
    KEEPER.replace("{event}", "{misbehave}") + triggers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_trigger_rests_until_it_is_resumed_also_over_a_restart() {
    let toml = keeper("[functions.f.triggers.t]\ntype = \"timer\"\ncron_expression = \"@every 1s\"\n");
    let host = TestHost::start(&toml).await;
    in_time("it fires", || async { described(host.api, "t").await["delivered"].as_u64() > Some(0) }).await;
    let paused = post(host.api, "/wisp/triggers/f/t/pause", &[], "").await;
    assert_eq!(paused.json()["paused"], "default/f/t");
    has_state(host.api, "t", "paused").await;
    let host = host.restart(&toml).await;
    has_state(host.api, "t", "paused").await;
    // Fired by hand, it fires all the same.
    assert_eq!(post(host.api, "/wisp/triggers/t/fire", &[], "").await.status, 200);
    assert_eq!(described(host.api, "t").await["delivered"], 1);
    assert_eq!(post(host.api, "/wisp/triggers/default/f/t/resume", &[], "").await.status, 200);
    in_time("it fires again", || async { described(host.api, "t").await["delivered"].as_u64() > Some(1) }).await;
    assert_eq!(post(host.api, "/wisp/triggers/none/pause", &[], "").await.error_code(), "TriggerNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_the_source_and_loses_nothing() {
    let recorder = Recorder::start().await;
    let toml = format!(
        "[events]\nfunction_queue_length = 1\n[sources.s]\ntype = \"topic\"\n[functions.f]\ncomponent = \"{{misbehave}}\"\n\
         allowed_outbound = [\"{}\"]\ntimeout = \"60 s\"\nmax_instances = 1\n[functions.f.triggers.t]\ntype = \"mns_topic\"\n\
         source = \"s\"\n",
        recorder.address
    );
    let host = TestHost::start(&toml).await;
    has_state(host.api, "t", "running").await;
    assert_eq!(post(host.api, "/topics/s/messages", &[], &recorder.held()).await.status, 201);
    for name in ["a", "b", "c"] {
        let message = format!("fetch:{}", recorder.url(name));
        assert_eq!(post(host.api, "/topics/s/messages", &[], &message).await.status, 201);
    }
    has_state(host.api, "t", "held").await;
    recorder.release();
    in_time("all were called", || async { recorder.seen().len() == 4 }).await;
    assert_eq!(recorder.paths(), ["/held", "/a", "/b", "/c"]);
    in_time("it is free again", || async { described(host.api, "t").await["state"] == "running" }).await;
    assert_eq!(described(host.api, "t").await["delivered"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_of_the_api_takes_the_source_that_its_arn_names() {
    let directory = tempfile::tempdir().unwrap();
    let toml = format!("[sources.uploads]\ntype = \"bucket\"\npath = \"{}\"\n", directory.path().display());
    let host = TestHost::start(&toml).await;
    let api = |method: &'static str, path: &'static str, body: Value| host.api(method, path, body);
    let zip = zip();
    let code = serde_json::json!({ "zipFile": zip });
    assert!(api("POST", "/2016-08-15/services", serde_json::json!({ "serviceName": "s" })).await.status < 300);
    let function = serde_json::json!({ "functionName": "g", "runtime": "custom", "handler": "x", "code": code });
    let made = api("POST", "/2016-08-15/services/s/functions", function).await;
    assert!(made.status < 300, "{made:?}");
    for (name, bucket) in [("here", "uploads"), ("elsewhere", "other")] {
        let trigger = serde_json::json!({ "triggerName": name, "triggerType": "oss",
            "sourceArn": format!("acs:oss:local:000000000000:{bucket}"),
            "triggerConfig": { "events": ["oss:ObjectCreated:*"], "filter": { "key": { "prefix": "", "suffix": "" } } } });
        let made = api("POST", "/2016-08-15/services/s/functions/g/triggers", trigger).await;
        assert!(made.status < 300, "{made:?}");
    }
    has_state(host.api, "here", "running").await;
    let elsewhere = described(host.api, "elsewhere").await;
    assert_eq!(elsewhere["state"], "unbound");
    assert!(elsewhere["reason"].as_str().unwrap().contains("no source 'other' in wisp.toml"), "{elsewhere}");
    fs::write(directory.path().join("x"), "x").unwrap();
    in_time("it is delivered", || async { described(host.api, "here").await["delivered"] == 1 }).await;
    assert_eq!(api("DELETE", "/2016-08-15/services/s/functions/g/triggers/here", Value::Null).await.status, 204);
    in_time("it is gone", || async { described(host.api, "here").await["ErrorCode"] == "TriggerNotFound" }).await;
}
