//! `kill -9` at any moment: what was acknowledged is there, and nothing is half there.

use std::{net::SocketAddr, time::Duration};

use support::HostProcess;

use super::*;

async fn send(host: &HostProcess, method: &str, path: &str, body: Value) -> Answer {
    client::send(host.api, method, path, &[], body.to_string().into_bytes()).await
}

/// The names of all functions of `svc`, page after page.
async fn functions(host: &HostProcess) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let path = format!("/2016-08-15/services/svc/functions?limit=100&nextToken={next}");
        let page = client::send(host.api, "GET", &path, &[], vec![]).await.json();
        found.extend(names(&page["functions"], "functionName").into_iter().map(String::from));
        match page["nextToken"].as_str() {
            Some(token) if !token.is_empty() => next = token.to_owned(),
            _ => return found,
        }
    }
}

/// Makes functions one after the other until the host dies; the names of those that were acknowledged.
async fn create_until_killed(api: SocketAddr, round: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let name = format!("f{round}-{number}");
        let body = function(&name, &name).to_string().into_bytes();
        let request = async { client::try_send(api, "POST", "/2016-08-15/services/svc/functions", body).await };
        match request.await {
            Some(200) => acknowledged.push(name),
            Some(status) => panic!("{status}"),
            None => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill_and_nothing_is_half_there() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("wisp.toml");
    std::fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n").unwrap();
    let mut host = HostProcess::start(&config);
    assert_eq!(send(&host, "POST", "/2016-08-15/services", json!({ "serviceName": "svc" })).await.status, 200);
    let mut expected = Vec::new();
    for round in 0..3 {
        let creating = tokio::spawn(create_until_killed(host.api, round));
        // Any moment will do: this one is another each time.
        tokio::time::sleep(Duration::from_millis(700 + 310 * round as u64)).await;
        host.kill();
        expected.extend(creating.await.unwrap());
        host = HostProcess::start(&config);
    }
    assert!(!expected.is_empty());
    let listed = functions(&host).await;
    for name in &expected {
        assert!(listed.contains(name), "{name} was acknowledged and is gone");
    }
    // One that was not acknowledged may be there; then it is there as a whole.
    for name in &listed {
        let path = format!("/2016-08-15/services/svc/functions/{name}/invocations");
        let answer = client::send(host.api, "POST", &path, &[], b"env:VALUE".to_vec()).await;
        assert_eq!(answer.text(), *name);
    }
}
