//! The examples with brokers, as they stand in `examples/`: their own scripts start the brokers.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::LazyLock,
};

use redis::AsyncCommands as _;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use support::{TestHost, root, servers::free_port};

use crate::{
    source_examples::{Example, example_in},
    triggers::has_state,
};

/// An example whose broker runs until this is dropped.
struct Scene {
    example: Example,
    script: &'static str,
    port: (&'static str, u16),
}

impl Scene {
    /// Starts the broker by its script, and a host with the example; `port` is the script's variable, and its default.
    async fn start(name: &str, script: &'static str, (variable, default): (&'static str, &str)) -> (Self, TestHost) {
        let port = free_port();
        let (from, to) = (format!("127.0.0.1:{default}"), format!("127.0.0.1:{port}"));
        let example = example_in(name, &[(&from, &to)]);
        // A server that refuses to run as root runs as a user of its own, who must come to its files here.
        fs::set_permissions(example.project.path(), Permissions::from_mode(0o755)).unwrap();
        let scene = Self { example, script, port: (variable, port) };
        scene.run(&["start"]);
        let host = scene.example.host().await;
        (scene, host)
    }

    /// Runs the script, and returns once it has ended.
    fn run(&self, arguments: &[&str]) {
        let directory = self.example.project.path();
        let mut script = Command::new("sh");
        // The place of `scripts/install-brokers`, which the script looks for beside the examples.
        script.arg(directory.join(self.script)).args(arguments).env("PATH", &*PATH);
        script.env(self.port.0, self.port.1.to_string());
        script.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = script.status().unwrap();
        assert!(status.success(), "{} {arguments:?}: {status}", self.script);
    }
}

static PATH: LazyLock<String> = LazyLock::new(|| {
    format!("{}:{}", env::var("PATH").unwrap_or_default(), root().join("examples/.brokers/bin").display())
});

impl Drop for Scene {
    fn drop(&mut self) {
        self.run(&["stop"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_come_by_jetstream() {
    let (scene, host) = Scene::start("js-jetstream", "nats", ("NATS_PORT", "4223")).await;
    scene.run(&["publish", "{\"order\": 7}"]);
    host.logs("js-jetstream", "order 7 of orders.new, published at 20").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_tell_their_state_by_mqtt() {
    let (scene, host) = Scene::start("js-mqtt", "mosquitto", ("MQTT_PORT", "1884")).await;
    has_state(host.api, "states", "running").await;
    let (client, mut events) = AsyncClient::new(MqttOptions::new("lamp", "127.0.0.1", scene.port.1), 4);
    client.publish("devices/lamp/state", QoS::AtLeastOnce, false, "{\"celsius\": 71}").await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))) {}
    host.logs("js-mqtt", "a device has 71 degrees").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_come_by_a_redis_stream() {
    let (scene, host) = Scene::start("js-redis-stream", "redis", ("REDIS_PORT", "6380")).await;
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", scene.port.1)).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: String = connection.xadd("clicks", "*", &[("page", "/home"), ("visitor", "7")]).await.unwrap();
    host.logs("js-redis-stream", "clicks: {\"/home\":1}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_that_runs_low_comes_from_a_table_of_postgresql() {
    let (scene, host) = Scene::start("python-postgres", "postgres", ("POSTGRES_PORT", "5433")).await;
    has_state(host.api, "stock", "running").await;
    scene.run(&["sql", "INSERT INTO stock VALUES ('pen', 2), ('book', 40)"]);
    scene.run(&["sql", "UPDATE stock SET pieces = 3 WHERE product = 'book'"]);
    host.logs("python-postgres", "only a few left: pen").await;
    host.logs("python-postgres", "only a few left: book").await;
}
