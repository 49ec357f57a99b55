//! NATS: subjects and JetStream, against a real server.

use async_nats::{HeaderMap, jetstream};
use serde_json::Value;
use support::servers::Nats;

use super::brokers::{Scene, names};

const STREAM: &str = "ORDERS";

async fn jetstream(nats: &Nats) -> jetstream::Context {
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let config =
        jetstream::stream::Config { name: STREAM.into(), subjects: vec!["orders.>".into()], ..Default::default() };
    context.get_or_create_stream(config).await.unwrap();
    context
}

/// Publishes, and waits until the server has it.
async fn publish(context: &jetstream::Context, scene: &Scene, names: &[String]) {
    for name in names {
        let published = context.publish("orders.new", scene.event(name).into()).await.unwrap();
        published.await.unwrap();
    }
}

fn source(nats: &Nats) -> String {
    let url = nats.url();
    format!("type = \"jetstream\"\nurl = \"{url}\"\nstream = \"{STREAM}\"\nack_wait = \"2s\"")
}

const TOPIC: &str = "type = \"mns_topic\"";

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_subject_arrive_in_order() {
    let nats = Nats::start();
    let source = format!("type = \"nats\"\nurl = \"{}\"\nsubject = \"orders.*\"", nats.url());
    let scene = Scene::new(&source, "f", TOPIC).await;
    let host = scene.host();
    scene.connected(&host).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    for name in names(0..20) {
        client.publish("orders.new", scene.event(&name).into()).await.unwrap();
    }
    client.flush().await.unwrap();
    scene.arrive_in_order(&names(0..20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_heard_again_after_the_server_was_away() {
    let mut nats = Nats::start();
    let source = format!("type = \"nats\"\nurl = \"{}\"\nsubject = \"orders.*\"", nats.url());
    let scene = Scene::new(&source, "f", TOPIC).await;
    let host = scene.host();
    scene.connected(&host).await;
    nats.server().stop();
    scene.disconnected(&host).await;
    nats.server().resume();
    scene.connected(&host).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    client.publish("orders.new", scene.event("e0").into()).await.unwrap();
    client.flush().await.unwrap();
    scene.arrive_in_order(&names(0..1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_stream_arrive_though_the_server_is_stopped_and_started() {
    let mut nats = Nats::start();
    let context = jetstream(&nats).await;
    let scene = Scene::new(&source(&nats), "f", TOPIC).await;
    let host = scene.host();
    publish(&context, &scene, &names(0..10)).await;
    scene.arrive(&names(0..3)).await;
    nats.server().stop();
    scene.disconnected(&host).await;
    nats.server().resume();
    publish(&jetstream(&nats).await, &scene, &names(10..20)).await;
    scene.arrive(&names(0..20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_of_a_stream_is_lost_with_the_host() {
    let nats = Nats::start();
    let context = jetstream(&nats).await;
    let scene = Scene::new(&source(&nats), "f", TOPIC).await;
    let mut host = scene.host();
    publish(&context, &scene, &names(0..20)).await;
    scene.arrive(&names(0..1)).await;
    host.kill();
    publish(&context, &scene, &names(20..30)).await;
    let _host = scene.host();
    scene.arrive(&names(0..30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_disturbs_no_other_function() {
    let mut nats = Nats::start();
    let context = jetstream(&nats).await;
    let scene = Scene::new(&source(&nats), "f", TOPIC).await;
    publish(&context, &scene, &names(0..5)).await;
    nats.server().stop();
    let host = scene.host();
    scene.disconnected(&host).await;
    assert_eq!(host.invoke("other", "hello").await.text(), "hello");
    nats.server().resume();
    scene.arrive_in_order(&names(0..5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_trigger_gets_what_waited_once_it_is_resumed() {
    let nats = Nats::start();
    let context = jetstream(&nats).await;
    let scene = Scene::new(&source(&nats), "f", TOPIC).await;
    let host = scene.host();
    publish(&context, &scene, &names(0..3)).await;
    scene.arrive_in_order(&names(0..3)).await;
    scene.pause(&host).await;
    publish(&context, &scene, &names(3..6)).await;
    scene.stays_at(3).await;
    scene.resume(&host).await;
    scene.arrive_in_order(&names(0..6)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_form_has_the_headers_as_attributes() {
    let nats = Nats::start();
    let context = jetstream(&nats).await;
    let trigger = "type = \"mns_topic\"\nnotify_content_format = \"JSON\"";
    let scene = Scene::new(&source(&nats), "g", trigger).await;
    let _host = scene.host();
    let mut headers = HeaderMap::new();
    headers.insert("key", "value");
    let published = context.publish_with_headers("orders.new", headers, "hello topic".into()).await.unwrap();
    published.await.unwrap();
    let document: Value = serde_json::from_slice(&scene.payloads(1).await[0]).unwrap();
    assert_eq!(document["key"], "value");
    assert_eq!(document["Message"], "hello topic");
    assert_eq!(document["MessageMD5"], "D6206122A430035E4EC1463CDD704B59");
    assert_eq!(document["TopicName"], "orders.new");
    assert_eq!(document["SubscriptionName"], "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_delivered_in_batches() {
    let nats = Nats::start();
    let context = jetstream(&nats).await;
    let source = format!("{}\nbatch_records = 4\nbatch_window = \"30s\"", source(&nats));
    let scene = Scene::new(&source, "g", "type = \"datahub\"").await;
    for number in 0..8 {
        context.publish("orders.new", format!("m{number}").into()).await.unwrap().await.unwrap();
    }
    let _host = scene.host();
    let payloads = scene.payloads(2).await;
    let batches = payloads.iter().map(|payload| {
        let event: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(event["eventSourceARN"], "/projects/s/topics/orders.new");
        let records = event["records"].as_array().unwrap().clone();
        let pair = |record: &Value| format!("{} {}", record["eventId"], record["data"]).replace('"', "");
        records.iter().map(pair).collect::<Vec<_>>()
    });
    let expected = [["0:1 m0", "0:2 m1", "0:3 m2", "0:4 m3"], ["0:5 m4", "0:6 m5", "0:7 m6", "0:8 m7"]];
    assert_eq!(batches.collect::<Vec<_>>(), expected);
}
