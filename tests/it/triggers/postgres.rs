//! Changes of a PostgreSQL table, against a real server.

use support::servers::Postgres;
use tokio_postgres::{Client, NoTls};

use super::brokers::Scene;

async fn connect(postgres: &Postgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn execute(postgres: &Postgres, sql: &str) {
    connect(postgres).await.batch_execute(sql).await.unwrap();
}

/// A server with a table of orders, and another.
async fn with_table() -> Postgres {
    let postgres = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let sql = "CREATE TABLE orders (id bigint PRIMARY KEY, note text, paid boolean, price double precision, picture bytea);\
               CREATE TABLE others (id bigint PRIMARY KEY)";
    execute(&postgres, sql).await;
    postgres
}

fn source(postgres: &Postgres) -> String {
    let url = postgres.url();
    format!("type = \"postgres\"\nurl = \"{url}\"\ntable = \"orders\"\ntls = false\npoll_interval = \"50ms\"")
}

/// The records of all events, in the diagnostic notation of CBOR, without their times.
fn records(scene: &Scene) -> Vec<String> {
    let events = scene.records();
    let texts = events.iter().map(|payload| minicbor::display(payload).to_string());
    texts
        .flat_map(|text| {
            let (_, records) = text.split_once("\"Records\": [").unwrap();
            records.split("{\"Type\": \"").filter(|it| it.contains("Row\"")).map(without_times).collect::<Vec<_>>()
        })
        .collect()
}

fn without_times(record: &str) -> String {
    record.split("\"Timestamp\": ").map(|it| it.trim_start_matches(|it: char| it.is_ascii_digit())).collect()
}

/// Waits for records of so many rows; returns what happened to which.
async fn rows(scene: &Scene, count: usize) -> Vec<String> {
    scene.until(&format!("{count} changes arrive"), || records(scene).len() >= count).await;
    let short = |record: &String| {
        let (kind, rest) = record.split_once('"').unwrap();
        let key = rest.split("\"Value\": ").nth(1).unwrap();
        format!("{kind} {}", key.chars().take_while(char::is_ascii_digit).collect::<String>())
    };
    records(scene).iter().map(short).collect()
}

fn puts(ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|id| format!("PutRow {id}")).collect()
}

const TABLE: &str = "type = \"tablestore\"";

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_table_arrive_as_records() {
    let postgres = with_table().await;
    let scene = Scene::new(&source(&postgres), "g", TABLE).await;
    let host = scene.host();
    scene.connected(&host).await;
    let sql = "INSERT INTO orders VALUES (1, 'hello', true, 1.5, '\\x01ff'); INSERT INTO others VALUES (7);\
               UPDATE orders SET note = NULL, paid = false; UPDATE orders SET id = 2; DELETE FROM orders";
    execute(&postgres, sql).await;
    assert_eq!(rows(&scene, 5).await, ["PutRow 1", "UpdateRow 1", "DeleteRow 1", "PutRow 2", "DeleteRow 2"]);
    let first = &records(&scene)[0];
    for part in
        ["\"ColumnName\": \"id\", \"Value\": 1}", "\"note\", \"Value\": \"hello\"", "\"Value\": true", "h'01 ff'"]
    {
        assert!(scene_text(&scene).contains(part), "{part} is not in {first}");
    }
    assert!(scene_text(&scene).contains("\"DeleteAllVersions\", \"ColumnName\": \"note\""));
}

fn scene_text(scene: &Scene) -> String {
    scene.records().iter().map(|payload| minicbor::display(payload).to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_arrive_in_order_though_the_server_is_stopped_and_started() {
    let mut postgres = with_table().await;
    let scene = Scene::new(&source(&postgres), "g", TABLE).await;
    let host = scene.host();
    scene.connected(&host).await;
    execute(&postgres, "INSERT INTO orders SELECT generate_series(0, 9)").await;
    assert_eq!(rows(&scene, 10).await, puts(0..10));
    stop(&mut postgres);
    scene.disconnected(&host).await;
    tokio::task::block_in_place(|| postgres.server().resume());
    execute(&postgres, "INSERT INTO orders SELECT generate_series(10, 19)").await;
    scene.until("all changes arrive", || puts(0..20).iter().all(|put| short(&scene).contains(put))).await;
}

fn short(scene: &Scene) -> Vec<String> {
    records(scene)
        .iter()
        .map(|record| {
            let key = record.split("\"Value\": ").nth(1).unwrap();
            format!("PutRow {}", key.chars().take_while(char::is_ascii_digit).collect::<String>())
        })
        .collect()
}

/// Told to stop politely, it would wait for its clients to leave.
fn stop(postgres: &mut Postgres) {
    let file = postgres.server().directory().join("data/postmaster.pid");
    let pid = std::fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    tokio::task::block_in_place(|| postgres.server().stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_lost_with_the_host() {
    let postgres = with_table().await;
    let scene = Scene::new(&format!("{}\nbatch_records = 2", source(&postgres)), "g", TABLE).await;
    let mut host = scene.host();
    scene.connected(&host).await;
    for id in 0..10 {
        execute(&postgres, &format!("INSERT INTO orders VALUES ({id})")).await;
    }
    rows(&scene, 1).await;
    host.kill();
    execute(&postgres, "INSERT INTO orders SELECT generate_series(10, 19)").await;
    let _host = scene.host();
    scene.until("all changes arrive", || puts(0..20).iter().all(|put| short(&scene).contains(put))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_disturbs_no_other_function() {
    let mut postgres = with_table().await;
    let scene = Scene::new(&source(&postgres), "g", TABLE).await;
    stop(&mut postgres);
    let host = scene.host();
    scene.disconnected(&host).await;
    assert_eq!(host.invoke("other", "hello").await.text(), "hello");
    tokio::task::block_in_place(|| postgres.server().resume());
    scene.connected(&host).await;
    execute(&postgres, "INSERT INTO orders VALUES (1)").await;
    assert_eq!(rows(&scene, 1).await, ["PutRow 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_trigger_gets_what_waited_once_it_is_resumed() {
    let postgres = with_table().await;
    let scene = Scene::new(&source(&postgres), "g", TABLE).await;
    let host = scene.host();
    scene.connected(&host).await;
    scene.pause(&host).await;
    execute(&postgres, "INSERT INTO orders SELECT generate_series(0, 2)").await;
    scene.stays_at(0).await;
    scene.resume(&host).await;
    assert_eq!(rows(&scene, 3).await, puts(0..3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_key_is_said_to_have_none() {
    let postgres = with_table().await;
    execute(&postgres, "ALTER TABLE orders DROP CONSTRAINT orders_pkey").await;
    let scene = Scene::new(&source(&postgres), "g", TABLE).await;
    let host = scene.host();
    scene.disconnected(&host).await;
    scene.logged("the table 'public.orders' has no primary key").await;
}
