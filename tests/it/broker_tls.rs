//! Brokers that speak TLS: what is sent to them and what comes from them goes through, and a certificate of nobody known is
//! refused with the way out.

use std::sync::Arc;

use support::{
    HostProcess,
    servers::{Certificate, Mosquitto, Nats, Postgres, Redis},
};
use tokio_postgres::NoTls;

use crate::{
    async_sources::{Scene, TOPIC, events, of_topic, submit},
    triggers::{described, has_state, in_time},
};

/// Records go to the broker and come back; without the certificate nothing does.
async fn goes_through(source: &str, certificate: &Certificate) {
    let trusting = format!("{source}\nca_file = \"{}\"", certificate.file().display());
    let scene = Scene::new(&trusting, "topic:s", TOPIC).await;
    let host = scene.host();
    has_state(host.api, "t", "running").await;
    submit(&host, &events(0..3)).await;
    scene.records(of_topic, &events(0..3)).await;
    drop(host);
    let scene = Scene::new(source, "topic:s", TOPIC).await;
    is_refused(&scene.host()).await;
}

/// A certificate that nobody vouches for.
async fn is_refused(host: &HostProcess) {
    has_state(host.api, "t", "failed").await;
    let reason = described(host.api, "t").await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("localhost") && reason.contains("UnknownIssuer"), "{reason}");
    assert!(reason.contains("give the certificates that vouch for it in `ca_file`"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis() {
    let certificate = Certificate::default();
    let redis = Redis::secure(&certificate);
    let source = format!("type = \"redis\"\nurl = \"rediss://localhost:{}\"\nstream = \"records\"", redis.port());
    goes_through(&source, &certificate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats() {
    let certificate = Certificate::default();
    let nats = Nats::secure(&certificate);
    let source = format!("type = \"nats\"\nurl = \"tls://localhost:{}\"\nsubject = \"records\"", nats.port());
    goes_through(&source, &certificate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jetstream() {
    let certificate = Certificate::default();
    let nats = Nats::secure(&certificate);
    let url = format!("tls://localhost:{}", nats.port());
    let client = async_nats::ConnectOptions::new().add_root_certificates(certificate.file()).connect(&url).await;
    let stream = async_nats::jetstream::stream::Config {
        name: "RECORDS".into(),
        subjects: vec!["records".into()],
        ..Default::default()
    };
    async_nats::jetstream::new(client.unwrap()).create_stream(stream).await.unwrap();
    let source = format!("type = \"jetstream\"\nurl = \"{url}\"\nstream = \"RECORDS\"\nsubject = \"records\"");
    goes_through(&source, &certificate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mqtt() {
    let certificate = Certificate::default();
    let mosquitto = Mosquitto::secure(&certificate);
    let source = format!("type = \"mqtt\"\nurl = \"mqtts://localhost:{}\"\ntopic = \"records\"", mosquitto.port());
    goes_through(&source, &certificate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    let certificate = Arc::new(Certificate::default());
    let same = certificate.clone();
    let postgres = tokio::task::spawn_blocking(move || Postgres::secure(&same)).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE TABLE orders (id bigint PRIMARY KEY)").await.unwrap();
    let url = format!("postgres://wisp:wisp@localhost:{}/wisp", postgres.port());
    let source = format!("type = \"postgres\"\nurl = \"{url}\"\ntable = \"orders\"\npoll_interval = \"50ms\"");
    let trigger = "type = \"tablestore\"";
    // The destination of `f` is not of interest here.
    let scene = Scene::new(&source, "g", trigger).await;
    is_refused(&scene.host()).await;

    let trusting = format!("{source}\nca_file = \"{}\"", certificate.file().display());
    let scene = Scene::new(&trusting, "g", trigger).await;
    let host = scene.host();
    has_state(host.api, "t", "running").await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
    assert_eq!(client.query_one(encrypted, &[]).await.unwrap().get::<_, i64>(0), 1);
    client.batch_execute("INSERT INTO orders VALUES (7)").await.unwrap();
    in_time("the change arrives", || async { scene.arrived() == 1 }).await;
}
