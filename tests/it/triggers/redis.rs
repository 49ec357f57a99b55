//! Redis streams, against a real server.

use redis::aio::MultiplexedConnection;
use serde_json::Value;
use support::servers::Redis;

use super::brokers::{Scene, names};

async fn connect(redis: &Redis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Adds entries of one field.
async fn add(redis: &Redis, values: &[String]) {
    let mut connection = connect(redis).await;
    for value in values {
        let mut add = redis::cmd("XADD");
        add.arg("orders").arg("*").arg("data").arg(value);
        let _: String = add.query_async(&mut connection).await.unwrap();
    }
}

/// How many entries were read and not acknowledged.
async fn pending(redis: &Redis) -> u64 {
    let mut info = redis::cmd("XINFO");
    info.arg("GROUPS").arg("orders");
    let groups: redis::streams::StreamInfoGroupsReply = info.query_async(&mut connect(redis).await).await.unwrap();
    groups.groups.iter().map(|group| group.pending as u64).sum()
}

fn source(redis: &Redis) -> String {
    format!("type = \"redis\"\nurl = \"{}\"\nstream = \"orders\"", redis.url())
}

/// The blobs of all events of a stream, in order.
async fn blobs(scene: &Scene, count: usize) -> Vec<String> {
    let blobs = || scene.records().iter().flat_map(|payload| blobs_of(payload)).collect::<Vec<_>>();
    scene.until(&format!("{count} records arrive"), || blobs().len() >= count).await;
    blobs()
}

fn blobs_of(payload: &[u8]) -> Vec<String> {
    let event: Value = serde_json::from_slice(payload).unwrap();
    let records = event["records"].as_array().unwrap().clone();
    records.iter().map(|record| record["data"].as_str().unwrap().to_owned()).collect()
}

const STREAM: &str = "type = \"datahub\"";

#[tokio::test(flavor = "multi_thread")]
async fn entries_arrive_in_order_though_the_server_is_stopped_and_started() {
    let mut redis = Redis::start();
    let scene = Scene::new(&source(&redis), "g", STREAM).await;
    let host = scene.host();
    add(&redis, &names(0..10)).await;
    assert_eq!(blobs(&scene, 10).await, names(0..10));
    redis.server().stop();
    scene.disconnected(&host).await;
    redis.server().resume();
    add(&redis, &names(10..20)).await;
    assert_eq!(blobs(&scene, 20).await, names(0..20));
    scene.until_async("all is acknowledged", || async { pending(&redis).await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_is_lost_with_the_host() {
    let redis = Redis::start();
    let scene = Scene::new(&format!("{}\nbatch_records = 2", source(&redis)), "g", STREAM).await;
    let mut host = scene.host();
    add(&redis, &names(0..20)).await;
    blobs(&scene, 2).await;
    host.kill();
    add(&redis, &names(20..30)).await;
    let _host = scene.host();
    let came = || scene.records().iter().flat_map(|payload| blobs_of(payload)).collect::<Vec<_>>();
    scene.until("every entry arrives", || names(0..30).iter().all(|name| came().contains(name))).await;
    scene.until_async("all is acknowledged", || async { pending(&redis).await == 0 }).await;
}

/// Makes a consumer that reads entries and is never heard of again.
async fn read_and_go(redis: &Redis, count: usize) {
    let mut connection = connect(redis).await;
    let mut info = redis::cmd("XINFO");
    let info = info.arg("GROUPS").arg("orders");
    let groups: redis::streams::StreamInfoGroupsReply = info.query_async(&mut connection).await.unwrap();
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP")
        .arg(&groups.groups[0].name)
        .arg("gone")
        .arg("COUNT")
        .arg(count)
        .arg("STREAMS")
        .arg("orders")
        .arg(">");
    let _: redis::Value = read.query_async(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_consumer_left_is_taken_over() {
    let redis = Redis::start();
    let scene = Scene::new(&format!("{}\nclaim_after = \"1s\"", source(&redis)), "g", STREAM).await;
    let mut host = scene.host();
    scene.connected(&host).await;
    host.kill();
    add(&redis, &names(0..3)).await;
    read_and_go(&redis, 2).await;
    assert_eq!(pending(&redis).await, 2);
    let _host = scene.host();
    let mut came = blobs(&scene, 3).await;
    came.sort();
    assert_eq!(came, names(0..3));
    scene.until_async("all is acknowledged", || async { pending(&redis).await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_trigger_says_where_new_entries_are() {
    let redis = Redis::start();
    let source = format!("{}\nbatch_records = 3\nbatch_window = \"30s\"", source(&redis));
    let scene = Scene::new(&source, "g", "type = \"log\"\nfunction_parameter = { key = \"value\" }").await;
    let _host = scene.host();
    add(&redis, &names(0..3)).await;
    let event: Value = serde_json::from_slice(&scene.payloads(1).await[0]).unwrap();
    assert_eq!(event["parameter"]["key"], "value");
    assert_eq!(event["source"]["endpoint"], redis.url());
    assert_eq!(
        (event["source"]["projectName"].as_str(), event["source"]["logstoreName"].as_str()),
        (Some("s"), Some("orders"))
    );

    // What a function does with the cursors.
    let cursor = |name: &str| {
        let text = event["source"][name].as_str().unwrap();
        String::from_utf8(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap()).unwrap()
    };
    let mut range = redis::cmd("XRANGE");
    range.arg("orders").arg(cursor("beginCursor")).arg(format!("({}", cursor("endCursor")));
    let entries: Vec<(String, Vec<(String, String)>)> = range.query_async(&mut connect(&redis).await).await.unwrap();
    let values: Vec<_> = entries.into_iter().map(|(_, fields)| fields[0].1.clone()).collect();
    assert_eq!(values, names(0..3));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_several_fields_are_tuples() {
    let redis = Redis::start();
    let scene = Scene::new(&source(&redis), "g", STREAM).await;
    let mut add = redis::cmd("XADD");
    add.arg("orders").arg("7-1").arg("b").arg("col1's value").arg("a").arg("col2's value");
    let _: String = add.query_async(&mut connect(&redis).await).await.unwrap();
    let _host = scene.host();
    let expected = concat!(
        r#"{"eventSource":"acs:datahub","eventName":"acs:datahub:putRecord","eventSourceARN":"/projects/s/topics/orders","#,
        r#""region":"local","records":[{"eventId":"0:7-1","systemTime":7,"data":"[\"col1's value\",\"col2's value\"]"}]}"#,
    );
    assert_eq!(String::from_utf8(scene.payloads(1).await[0].clone()).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_disturbs_no_other_function() {
    let mut redis = Redis::start();
    let scene = Scene::new(&source(&redis), "g", STREAM).await;
    add(&redis, &names(0..3)).await;
    redis.server().stop();
    let host = scene.host();
    scene.disconnected(&host).await;
    assert_eq!(host.invoke("other", "hello").await.text(), "hello");
    redis.server().resume();
    assert_eq!(blobs(&scene, 3).await, names(0..3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_trigger_gets_what_waited_once_it_is_resumed() {
    let redis = Redis::start();
    let scene = Scene::new(&source(&redis), "g", STREAM).await;
    let host = scene.host();
    scene.connected(&host).await;
    scene.pause(&host).await;
    add(&redis, &names(0..3)).await;
    scene.stays_at(0).await;
    scene.resume(&host).await;
    assert_eq!(blobs(&scene, 3).await, names(0..3));
}
