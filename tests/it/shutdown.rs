//! Stopping: what runs is finished within the grace period, and nothing new is begun.

use std::time::Duration;

use support::{TestHost, client::Raw, eventually};
use tokio::{net::TcpStream, time::timeout};

const FUNCTION: &str = "[functions.f]\ncomponent = \"{misbehave}\"\ntimeout = \"600 s\"\n[functions.f.http]\n";

/// A request that runs when this returns.
async fn running(host: &TestHost, behaviour: &str) -> Raw {
    let mut client = Raw::connect(host.trigger).await;
    client.write(format!("GET /2016-08-15/proxy/default/f/{behaviour} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
    host.busy("f").await;
    client
}

async fn assert_stops(host: TestHost) {
    assert!(timeout(Duration::from_secs(30), host.stop()).await.is_ok(), "the host does not stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_request_is_finished_and_new_connections_are_refused() {
    let mut host = TestHost::start(FUNCTION).await;
    let mut client = running(&host, "sleep:2000").await;
    let (trigger, api) = (host.trigger, host.api);
    host.begin_stop();
    for address in [trigger, api] {
        eventually("connections are refused", || async { TcpStream::connect(address).await.is_err() }).await;
    }
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("slept"), "{answer}");
    let function_host = host.host.clone();
    assert_stops(host).await;
    assert_eq!(function_host.live_instances(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_an_instance_is_served_as_well() {
    let function = FUNCTION.replace("[functions.f.http]", "max_instances = 1\n[functions.f.http]");
    let mut host = TestHost::start(&function).await;
    let mut first = running(&host, "sleep:1500").await;
    let mut second = running(&host, "count").await;
    host.waiting("f", 1).await;
    host.begin_stop();
    assert!(first.read_to_end().await.ends_with("slept"));
    assert!(second.read_to_end().await.ends_with("\r\n\r\n2"));
    assert_stops(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_wait_for_another_request_are_closed() {
    let mut host = TestHost::start(FUNCTION).await;
    let mut client = Raw::connect(host.trigger).await;
    client.write("GET /2016-08-15/proxy/default/f/echo HTTP/1.1\r\nhost: h\r\n\r\n").await;
    client.read_until("\r\n\r\n").await;
    host.begin_stop();
    client.read_to_end().await;
    assert_stops(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_longer_than_the_grace_period_does_not_hold_the_host() {
    for behaviour in ["sleep:500000", "spin"] {
        let host = TestHost::start(&format!("[server]\ngrace_period = \"300 ms\"\n{FUNCTION}")).await;
        let _client = running(&host, behaviour).await;
        assert_stops(host).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_host_stops_at_once() {
    let host = TestHost::start(&format!("[server]\ngrace_period = \"1 h\"\n{FUNCTION}")).await;
    host.invoke("f", "echo").await;
    assert_stops(host).await;
}
