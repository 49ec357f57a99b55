//! Queues, topics and brokers as destinations of asynchronous invocations.
//!
//! `f` returns its event, and its destination is the source `s`; a trigger of `s` calls `g`, whose destination is the
//! recorder: so what the recorder saw is what `g` got.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::{Value, json};
use support::{
    EVENT, HostProcess, Recorder, TestHost, client,
    servers::{Mosquitto, Nats, Redis},
};

use crate::triggers::{described, has_state, in_time};

const ASYNC: &[(&str, &str)] = &[("x-fc-invocation-type", "Async")];

struct Scene {
    directory: tempfile::TempDir,
    recorder: Recorder,
}

impl Scene {
    async fn new(source: &str, destination: &str, trigger: &str) -> Self {
        let scene = Self { directory: tempfile::tempdir().unwrap(), recorder: Recorder::start().await };
        let (event, recorder) = (EVENT.display(), scene.recorder.url("record"));
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n[sources.s]\n{source}\n\
             [functions.f]\ncomponent = \"{event}\"\n[functions.f.async]\non_success = \"{destination}\"\n\
             [functions.g]\ncomponent = \"{event}\"\n[functions.g.async]\non_success = \"{recorder}\"\n\
             [functions.g.triggers.t]\nsource = \"s\"\n{trigger}\n"
        );
        fs::write(scene.config(), text).unwrap();
        scene
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("wisp.toml")
    }

    fn host(&self) -> HostProcess {
        HostProcess::start(&self.config())
    }

    /// The events that `g` got, by the ids of their requests: one that came twice is told once.
    fn got(&self) -> Vec<String> {
        let records = self.recorder.seen().into_iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
        let got: BTreeMap<String, String> = records
            .map(|record| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (text(&record["requestContext"]["requestId"]), text(&record["requestPayload"]))
            })
            .collect();
        got.into_values().collect()
    }

    /// Waits for the records of all of these events of `f`, and returns them by those.
    async fn records(&self, of: fn(&str) -> Value, events: &[String]) -> BTreeMap<String, Vec<Value>> {
        let records = || {
            let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for event in self.got() {
                let record = of(&event);
                records.entry(record["requestPayload"].as_str().unwrap().to_owned()).or_default().push(record);
            }
            records
        };
        let wanted: BTreeSet<_> = events.iter().collect();
        in_time("all records arrive", || async { records().keys().collect::<BTreeSet<_>>() == wanted }).await;
        records()
    }
}

fn events(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("event {number}")).collect()
}

async fn submit(host: &HostProcess, events: &[String]) {
    for event in events {
        let path = "/2016-08-15/services/default/functions/f/invocations";
        let answer = client::send(host.api, "POST", path, ASYNC, event.as_bytes().to_vec()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

/// What is not delivered, and why.
async fn pending(host: &HostProcess) -> Vec<String> {
    let answer = client::send(host.api, "GET", "/wisp/events?function=f&limit=1000", &[], Vec::new()).await.json();
    let events = answer["events"].as_array().unwrap().iter();
    let pending = events.filter(|event| event["destinationStatus"] == "Pending");
    pending.map(|event| event["destinationError"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The record in the event of a queue.
fn of_queue(event: &str) -> Value {
    let event: Value = serde_json::from_str(event).unwrap();
    serde_json::from_str(event["data"]["messageBody"].as_str().unwrap()).unwrap()
}

/// The record as a topic streams it.
fn of_topic(event: &str) -> Value {
    serde_json::from_str(event).unwrap()
}

const QUEUE: &str = "type = \"eventbridge\"";
const TOPIC: &str = "type = \"mns_topic\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_one_message_of_an_embedded_queue_though_the_host_is_killed() {
    let scene = Scene::new("type = \"queue\"", "acs:mns:cn-shanghai:1:/queues/s/messages", QUEUE).await;
    let all = events(0..60);
    for part in all.chunks(20) {
        let before = scene.recorder.seen().len();
        let mut host = scene.host();
        submit(&host, part).await;
        in_time("some arrive", || async { scene.recorder.seen().len() > before }).await;
        host.kill();
    }
    let host = scene.host();
    let records = scene.records(of_queue, &all).await;
    in_time("nothing is left", || async {
        let metrics = client::send(host.api, "GET", "/metrics", &[], Vec::new()).await.text();
        ["wisp_events_queued 0", "wisp_events_running 0"].iter().all(|line| metrics.lines().any(|it| it == *line))
    })
    .await;
    for (event, records) in scene.records(of_queue, &all).await {
        assert_eq!(records.len(), 1, "{event} became several messages: {records:?}");
    }
    let record = &records["event 0"][0];
    assert_eq!(
        record["requestContext"]["functionArn"],
        "acs:fc:local:000000000000:services/default.LATEST/functions/f"
    );
    assert_eq!(record["requestContext"]["condition"], "");
    assert_eq!(record["responseContext"], json!({ "statusCode": 200, "functionError": "" }));
    assert_eq!(record["responsePayload"], "event 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_a_message_for_every_trigger_of_an_embedded_topic() {
    let scene = Scene::new(
        "type = \"topic\"",
        "topic:s",
        &format!("{TOPIC}\n[functions.g.triggers.u]\nsource = \"s\"\n{TOPIC}"),
    )
    .await;
    let host = scene.host();
    submit(&host, &events(0..3)).await;
    in_time("both triggers tell", || async { scene.got().len() == 6 }).await;
    let records = scene.records(of_topic, &events(0..3)).await;
    assert!(records.values().all(|records| records.len() == 2), "{records:?}");
    in_time("nothing is left", || async { pending(&host).await.is_empty() }).await;
}

fn in_process(queue: &str, asynchronous: &str, rest: &str) -> String {
    format!(
        "[sources.s]\ntype = \"queue\"\n{queue}\n[functions.f]\ncomponent = \"{{event}}\"\n\
         async = {{ on_success = \"queue:s\"{asynchronous} }}\n[functions.g]\ncomponent = \"{{event}}\"\n{rest}"
    )
}

const READER: &str = "[functions.g.triggers.t]\nsource = \"s\"\ntype = \"eventbridge\"\n";

async fn listed(host: &TestHost) -> Vec<Value> {
    let answer = client::send(host.api, "GET", "/wisp/events?function=f", &[], Vec::new()).await.json();
    answer["events"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_records_until_there_is_room() {
    let host = TestHost::start(&in_process("max_messages = 2", "", "")).await;
    for number in 0..5 {
        assert_eq!(host.invoke_with("f", number.to_string(), ASYNC).await.status, 202);
    }
    in_time("the rest is held", || async {
        let held = listed(&host).await;
        held.len() == 3 && held.iter().all(|event| event["destinationStatus"] == "Pending")
    })
    .await;
    in_time("it is said why", || async {
        listed(&host).await.iter().all(|event| {
            event["destinationError"].as_str().is_some_and(|error| error.contains("2 messages wait at source 's'"))
        })
    })
    .await;
    assert_eq!(host.count("f", "ok").await, 5);
    host.deploy(&in_process("max_messages = 2", "", READER)).await.unwrap();
    in_time("all arrive", || async { host.count("g", "ok").await == 5 && listed(&host).await.is_empty() }).await;
    assert_eq!(host.count("f", "ok").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_held_for_too_long_is_a_dead_letter_that_can_be_redriven() {
    let age = ", max_event_age = \"1 s\"";
    let host = TestHost::start(&in_process("max_messages = 1", age, "")).await;
    for number in 0..2 {
        assert_eq!(host.invoke_with("f", number.to_string(), ASYNC).await.status, 202);
    }
    in_time("one is dead", || async { listed(&host).await.iter().any(|event| event["dead"] == true) }).await;
    let dead = &listed(&host).await[0];
    assert_eq!((&dead["status"], &dead["destinationStatus"]), (&"Succeeded".into(), &"Failed".into()));
    assert!(dead["destinationError"].as_str().unwrap().contains("max_messages"), "{dead}");
    host.deploy(&in_process("max_messages = 1", age, READER)).await.unwrap();
    in_time("the other arrives", || async { host.count("g", "ok").await == 1 }).await;
    let redrive = format!("/wisp/events/{}/redrive", dead["requestId"].as_str().unwrap());
    client::send(host.api, "POST", &redrive, &[], Vec::new()).await;
    in_time("it arrives as well", || async { host.count("g", "ok").await == 2 && listed(&host).await.is_empty() })
        .await;
    assert_eq!(host.count("f", "ok").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_its_own_queue_calls_comes_to_an_end() {
    let host = TestHost::start(
        "[sources.s]\ntype = \"queue\"\n[functions.f]\ncomponent = \"{event}\"\nasync = { on_success = \"queue:s\" }\n\
         [functions.f.triggers.t]\nsource = \"s\"\ntype = \"eventbridge\"\n",
    )
    .await;
    assert_eq!(host.invoke_with("f", "{}", ASYNC).await.status, 202);
    in_time("the chain ends", || async { listed(&host).await.iter().any(|event| event["dead"] == true) }).await;
    let last = &listed(&host).await[0];
    assert!(last["destinationError"].as_str().unwrap().contains("led to one another"), "{last}");
    assert_eq!(host.count("f", "ok").await, 17);
}

/// What is submitted while the broker is down arrives when it is back, also if the host is killed meanwhile.
async fn outlives_its_broker(scene: &Scene, of: fn(&str) -> Value, server: &mut support::servers::Server) {
    let mut host = scene.host();
    has_state(host.api, "t", "running").await;
    submit(&host, &events(0..3)).await;
    scene.records(of, &events(0..3)).await;
    server.stop();
    submit(&host, &events(3..6)).await;
    in_time("they are held, with the reason", || async {
        let pending = pending(&host).await;
        pending.len() == 3 && pending.iter().all(|error| !error.is_empty())
    })
    .await;
    host.kill();
    let host = scene.host();
    submit(&host, &events(6..9)).await;
    server.resume();
    scene.records(of, &events(0..9)).await;
    in_time("nothing is left", || async { pending(&host).await.is_empty() }).await;
    assert_eq!(described(host.api, "t").await["state"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_reach_a_redis_stream_that_was_away() {
    let mut redis = Redis::start();
    let source = format!("type = \"redis\"\nurl = \"{}\"\nstream = \"records\"", redis.url());
    let scene = Scene::new(&source, "queue:s", TOPIC).await;
    outlives_its_broker(&scene, of_topic, redis.server()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_reach_a_stream_of_jetstream_that_was_away() {
    let mut nats = Nats::start();
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = async_nats::jetstream::stream::Config {
        name: "RECORDS".into(),
        subjects: vec!["records.>".into()],
        ..Default::default()
    };
    context.create_stream(stream).await.unwrap();
    let source =
        format!("type = \"jetstream\"\nurl = \"{}\"\nstream = \"RECORDS\"\nsubject = \"records.f\"", nats.url());
    let scene = Scene::new(&source, "queue:s", TOPIC).await;
    outlives_its_broker(&scene, of_topic, nats.server()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_reach_an_mqtt_topic_whose_broker_was_away() {
    let mut mosquitto = Mosquitto::start();
    let source = format!("type = \"mqtt\"\nurl = \"{}\"\ntopic = \"records/f\"", mosquitto.url());
    let scene = Scene::new(&source, "topic:s", TOPIC).await;
    outlives_its_broker(&scene, of_topic, mosquitto.server()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_reach_whoever_listens_to_a_nats_subject() {
    let nats = Nats::start();
    let source = format!("type = \"nats\"\nurl = \"{}\"\nsubject = \"records.f\"", nats.url());
    let scene = Scene::new(&source, "topic:s", TOPIC).await;
    let host = scene.host();
    has_state(host.api, "t", "running").await;
    submit(&host, &events(0..5)).await;
    scene.records(of_topic, &events(0..5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_an_event_reaches_the_queue_without_it() {
    let scene = Scene::new("type = \"queue\"", "queue:s", QUEUE).await;
    let host = scene.host();
    let long = "x".repeat(100 << 10);
    submit(&host, std::slice::from_ref(&long)).await;
    let records = scene.records(of_queue, std::slice::from_ref(&long)).await;
    let record = &records[&long][0];
    assert_eq!((&record["responsePayload"], &record["responsePayloadOmittedBytes"]), (&"".into(), &long.len().into()));
}
