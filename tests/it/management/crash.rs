//! `kill -9` at any moment: what was acknowledged is there, and nothing is half there.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::*;

/// A `wisp serve` of its own process.
struct Process {
    child: Child,
    api: SocketAddr,
}

impl Process {
    fn start(binary: &Path, directory: &Path) -> Self {
        let mut child = Command::new(binary)
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"])
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addresses: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, api: addresses["apiListen"].as_str().unwrap().parse().unwrap() }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        client::send(self.api, method, path, &[], body.to_string().into_bytes()).await
    }

    /// The names of all functions of `svc`, page after page.
    async fn functions(&self) -> Vec<String> {
        let (mut found, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("/2016-08-15/services/svc/functions?limit=100&nextToken={next}");
            let page = client::send(self.api, "GET", &path, &[], vec![]).await.json();
            found.extend(names(&page["functions"], "functionName").into_iter().map(String::from));
            match page["nextToken"].as_str() {
                Some(token) if !token.is_empty() => next = token.to_owned(),
                _ => return found,
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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
    let (binary, directory) = (support::binary(), tempfile::tempdir().unwrap());
    std::fs::write(directory.path().join("wisp.toml"), "").unwrap();
    let process = Process::start(&binary, directory.path());
    assert_eq!(process.send("POST", "/2016-08-15/services", json!({ "serviceName": "svc" })).await.status, 200);
    let mut expected = Vec::new();
    let mut process = Some(process);
    for round in 0..3 {
        let running = process.take().unwrap();
        let creating = tokio::spawn(create_until_killed(running.api, round));
        // Any moment will do: this one is another each time.
        tokio::time::sleep(Duration::from_millis(700 + 310 * round as u64)).await;
        running.kill();
        expected.extend(creating.await.unwrap());
        process = Some(Process::start(&binary, directory.path()));
    }
    let process = process.unwrap();
    assert!(!expected.is_empty());
    let listed = process.functions().await;
    for name in &expected {
        assert!(listed.contains(name), "{name} was acknowledged and is gone");
    }
    // One that was not acknowledged may be there; then it is there as a whole.
    for name in &listed {
        let path = format!("/2016-08-15/services/svc/functions/{name}/invocations");
        let answer = client::send(process.api, "POST", &path, &[], b"env:VALUE".to_vec()).await;
        assert_eq!(answer.text(), *name);
    }
    process.kill();
}
