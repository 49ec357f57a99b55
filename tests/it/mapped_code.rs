//! Compiled code that no instance runs is unmapped when there is more than may be mapped, and comes back.

use std::fs;

use support::{TestHost, client::send, eventually};

/// Two functions of two components, neither of which may stay mapped without an instance.
const FUNCTIONS: &str = "[server]\nmapped_code = \"1 KB\"\n\
                         [functions.f]\ncomponent = \"{misbehave}\"\nidle_timeout = \"1 s\"\n[functions.f.http]\n\
                         [functions.g]\ncomponent = \"{wasi-http-02}\"\nidle_timeout = \"1 s\"\n[functions.g.http]\n\
                         [functions.h]\ncomponent = \"{wasi-http-03}\"\nidle_timeout = \"1 s\"\n[functions.h.http]\n";

/// The value of a metric without labels.
async fn metric(host: &TestHost, name: &str) -> u64 {
    let metrics = send(host.api, "GET", "/metrics", &[], Vec::new()).await.text();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not in\n{metrics}")).parse().unwrap()
}

async fn is_unmapped(host: &TestHost) -> bool {
    metric(host, "wisp_code_unmapped_components").await == 3
}

#[tokio::test(flavor = "multi_thread")]
async fn code_without_instances_goes_and_comes_back_with_the_next_call() {
    let host = TestHost::start(FUNCTIONS).await;
    eventually("nothing is mapped", || is_unmapped(&host)).await;
    for _ in 0..2 {
        let before = metric(&host, "wisp_code_returns_total").await;
        assert_eq!(host.get("f", "/echo").await.status, 200);
        assert_eq!(host.get("g", "/").await.status, 200);
        assert_eq!(host.get("h", "/").await.status, 200);
        assert_eq!(metric(&host, "wisp_code_returns_total").await, before + 3);
        // A warm call needs nothing from the disk: its instance keeps the code.
        assert_eq!(host.get("f", "/echo").await.status, 200);
        assert_eq!(metric(&host, "wisp_code_returns_total").await, before + 3);
        assert!(metric(&host, "wisp_code_mapped_bytes").await > 1024);
        eventually("instances expire, and their code goes", || is_unmapped(&host)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_bring_code_back_once() {
    let host = TestHost::start(FUNCTIONS).await;
    eventually("nothing is mapped", || is_unmapped(&host)).await;
    let before = metric(&host, "wisp_code_returns_total").await;
    let call = || host.get("f", "/echo");
    let (a, b, c, d) = tokio::join!(call(), call(), call(), call());
    assert_eq!([a, b, c, d].map(|answer| answer.status), [200; 4]);
    assert_eq!(metric(&host, "wisp_code_returns_total").await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_was_removed_behind_the_host_fails_the_call_and_not_the_host() {
    let data = tempfile::tempdir().unwrap();
    let toml = FUNCTIONS.replacen("[server]", &format!("[server]\ndata_dir = \"{}\"", data.path().display()), 1);
    let host = TestHost::start(&toml).await;
    eventually("nothing is mapped", || is_unmapped(&host)).await;
    fs::remove_dir_all(data.path().join("artifacts")).unwrap();
    let text = host.invoke("f", "echo").await.text();
    assert!(text.contains("exited unexpectedly"), "{text}");
}
