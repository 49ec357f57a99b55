//! A worker stays awake under load, and no longer than that.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use support::{HostProcess, MISBEHAVE, client::Raw, eventually};

/// Clients, and requests that each sends without waiting for an answer, so that they follow one another at once.
const CLIENTS: usize = 4;
const REQUESTS: usize = 500;

/// How long the host is watched. A worker that stays awake takes all of it.
const WATCHED: Duration = Duration::from_millis(300);

fn start(directory: &Path) -> HostProcess {
    let config = directory.join("wisp.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\nbusy_poll = true\n[functions.f]\n\
         component = \"{}\"\n",
        MISBEHAVE.display()
    );
    fs::write(&config, text).unwrap();
    HostProcess::start(&config)
}

async fn load(api: SocketAddr) {
    let mut client = Raw::connect(api).await;
    let path = "/2016-08-15/services/default/functions/f/invocations";
    let request = |connection| {
        format!("POST {path} HTTP/1.1\r\nhost: h\r\nconnection: {connection}\r\ncontent-length: 4\r\n\r\necho")
    };
    client.write(request("keep-alive").repeat(REQUESTS - 1) + &request("close")).await;
    let answers = client.read_to_end().await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), REQUESTS, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_sleeps_again_once_no_more_requests_come() {
    let directory = tempfile::tempdir().unwrap();
    let host = start(directory.path());
    for _ in 0..3 {
        let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(load(host.api))).collect();
        for client in clients {
            client.await.unwrap();
        }
        eventually("the host sleeps", async || {
            let before = host.processor_time();
            tokio::time::sleep(WATCHED).await;
            host.processor_time() - before < WATCHED / 3
        })
        .await;
    }
}
