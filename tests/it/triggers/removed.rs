//! Triggers that are removed leave nothing at their brokers, whether wisp runs at that moment or not.

use std::{fs, path::Path};

use ::redis::{AsyncCommands as _, streams::StreamInfoGroupsReply};
use async_nats::jetstream;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use support::{
    EVENT, HostProcess, TestHost, client,
    servers::{Mosquitto, Nats, Postgres, Redis},
};
use tokio_postgres::NoTls;

use super::{described, has_state, in_time, post};

const FUNCTION: &str = "[functions.f]\ncomponent = \"{event}\"\n";

fn with_trigger(source: &str, kind: &str) -> String {
    format!("[sources.s]\n{source}\n{FUNCTION}[functions.f.triggers.t]\nsource = \"s\"\ntype = \"{kind}\"\n")
}

/// What consumers of the trigger are called at a broker.
fn consumer() -> String {
    let digest = Sha256::digest("default/f/t");
    format!("wisp_f_t_{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

async fn removed(host: &TestHost) -> Vec<Value> {
    let answer = client::send(host.api, "GET", "/wisp/triggers", &[], Vec::new()).await.json();
    answer["triggers"].as_array().unwrap().clone()
}

/// Something is there while the trigger is, and gone once the trigger and its source are removed.
async fn goes_with_its_trigger<F: Future<Output = bool>>(source: &str, kind: &str, is_there: impl Fn() -> F) {
    let host = TestHost::start(&with_trigger(source, kind)).await;
    has_state(host.api, "t", "running").await;
    assert!(is_there().await);
    host.deploy(FUNCTION).await.unwrap();
    in_time("it is gone", || async { !is_there().await }).await;
    in_time("nothing is left to tell", || async { removed(&host).await.is_empty() }).await;
}

async fn groups(redis: &Redis) -> usize {
    let mut connection = ::redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let groups: StreamInfoGroupsReply = connection.xinfo_groups("orders").await.unwrap();
    groups.groups.iter().filter(|group| group.name == consumer()).count()
}

fn of_redis(redis: &Redis) -> String {
    format!("type = \"redis\"\nurl = \"{}\"\nstream = \"orders\"", redis.url())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_redis_goes_with_its_trigger() {
    let redis = Redis::start();
    goes_with_its_trigger(&of_redis(&redis), "datahub", || async { groups(&redis).await == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_of_jetstream_goes_with_its_trigger() {
    let nats = Nats::start();
    let context = jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let config =
        jetstream::stream::Config { name: "ORDERS".into(), subjects: vec!["orders".into()], ..Default::default() };
    let stream = context.create_stream(config).await.unwrap();
    let source = format!("type = \"jetstream\"\nurl = \"{}\"\nstream = \"ORDERS\"", nats.url());
    goes_with_its_trigger(&source, "mns_topic", || async { stream.consumer_info(consumer()).await.is_ok() }).await;
}

/// Whether the broker keeps a session of the trigger's name. Asking takes the name over for a moment.
async fn has_session(mosquitto: &Mosquitto) -> bool {
    let mut options = MqttOptions::new(consumer(), "127.0.0.1", mosquitto.port());
    options.set_clean_session(false);
    let (_client, mut events) = AsyncClient::new(options, 1);
    loop {
        if let Event::Incoming(Packet::ConnAck(answer)) = events.poll().await.unwrap() {
            return answer.session_present;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_mqtt_goes_with_its_trigger() {
    let mosquitto = Mosquitto::start();
    let source = format!("type = \"mqtt\"\nurl = \"{}\"\ntopic = \"orders\"", mosquitto.url());
    let host = TestHost::start(&with_trigger(&source, "mns_topic")).await;
    has_state(host.api, "t", "running").await;
    host.deploy(FUNCTION).await.unwrap();
    in_time("it is ended", || async { !has_session(&mosquitto).await }).await;
    // Asking has begun another, so one that is there is seen.
    assert!(has_session(&mosquitto).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replication_slot_goes_with_its_trigger() {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE TABLE orders (id bigint PRIMARY KEY)").await.unwrap();
    let source = format!("type = \"postgres\"\nurl = \"{}\"\ntable = \"orders\"\ntls = false", postgres.url());
    let slot = || async {
        let name = consumer();
        let query = "SELECT FROM pg_replication_slots WHERE slot_name = $1";
        client.query_opt(query, &[&name]).await.unwrap().is_some()
    };
    goes_with_its_trigger(&source, "tablestore", slot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_is_asked_again_to_remove_what_a_trigger_had() {
    let mut redis = Redis::start();
    let host = TestHost::start(&with_trigger(&of_redis(&redis), "datahub")).await;
    has_state(host.api, "t", "running").await;
    redis.server().stop();
    host.deploy(FUNCTION).await.unwrap();
    in_time("it is said what is left, and why", || async {
        let left = removed(&host).await;
        left.iter().any(|it| it["state"] == "removed" && it["reason"].as_str().unwrap().contains("cannot connect to"))
    })
    .await;
    redis.server().resume();
    in_time("it is gone", || async { groups(&redis).await == 0 && removed(&host).await.is_empty() }).await;
}

fn write(file: &Path, text: &str) {
    let text = text.replace("{event}", &EVENT.display().to_string());
    fs::write(file, format!("[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n{text}")).unwrap();
}

async fn listed(host: &HostProcess) -> Vec<Value> {
    let answer = client::send(host.api, "GET", "/wisp/triggers", &[], Vec::new()).await.json();
    answer["triggers"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_while_wisp_does_not_run_is_found_at_the_next_start() {
    let redis = Redis::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wisp.toml");
    let source = of_redis(&redis);
    write(&file, &with_trigger(&source, "datahub"));
    let mut host = HostProcess::start(&file);
    has_state(host.api, "t", "running").await;
    assert_eq!(post(host.api, "/wisp/triggers/t/pause", &[], "").await.status, 200);
    host.kill();

    write(&file, &format!("[sources.s]\n{source}\n{FUNCTION}"));
    let mut host = HostProcess::start(&file);
    in_time("the group is gone", || async { groups(&redis).await == 0 && listed(&host).await.is_empty() }).await;
    host.kill();

    // What wisp remembered is gone as well: it begins anew, and is not paused.
    write(&file, &with_trigger(&source, "datahub"));
    let mut host = HostProcess::start(&file);
    has_state(host.api, "t", "running").await;
    assert_eq!(groups(&redis).await, 1);
    host.kill();

    // Nobody knows the way any more.
    write(&file, FUNCTION);
    let mut host = HostProcess::start(&file);
    in_time("it is told", || async { listed(&host).await.len() == 1 }).await;
    let left = &listed(&host).await[0];
    assert_eq!((&left["state"], &left["name"], &left["type"]), (&"removed".into(), &"t".into(), &"datahub".into()));
    let reason = left["reason"].as_str().unwrap();
    assert!(reason.contains(&consumer()) && reason.contains("no source of wisp.toml leads there"), "{reason}");
    assert!(fs::read_to_string(directory.path().join("log")).unwrap().contains("wisp trigger forget default/f/t"));
    assert_eq!(post(host.api, "/wisp/triggers/f/t/forget", &[], "").await.status, 200);
    assert!(listed(&host).await.is_empty());
    assert_eq!(post(host.api, "/wisp/triggers/f/t/forget", &[], "").await.status, 404);
    host.kill();
    let host = HostProcess::start(&file);
    has_no_trigger(&host).await;
    assert_eq!(groups(&redis).await, 1);
}

async fn has_no_trigger(host: &HostProcess) {
    assert_eq!(described(host.api, "t").await["ErrorCode"], "TriggerNotFound");
    assert!(listed(host).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_is_there_cannot_be_forgotten() {
    let host = TestHost::start(&with_trigger("type = \"topic\"", "mns_topic")).await;
    has_state(host.api, "t", "running").await;
    let answer = post(host.api, "/wisp/triggers/t/forget", &[], "").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("is there"), "{answer:?}");
}
