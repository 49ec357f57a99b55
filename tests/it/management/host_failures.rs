//! A change that fails for the host's own reasons says so: it is not the caller's to mend.

use super::*;

const SMALL: &str = "[server]\nmax_instances = 1\nqueue_timeout = \"100 ms\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_host_a_function_cannot_be_tried_out_and_its_creator_may_try_again() {
    let host = TestHost::start(SMALL).await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    let second = || api.post("/services/svc/functions", function("g", "two"));
    let (slow, ()) = tokio::join!(api.says("svc", "f", "sleep:2000"), async {
        host.busy("f").await;
        let answer = second().await;
        let message = refused(&answer, 429, "ResourceExhausted");
        assert!(message.contains("`server.max_instances`"), "{message}");
        assert_eq!(answer.header("retry-after"), "1");
    });
    assert_eq!(slow, "slept");
    // The one instance is idle now, and makes room.
    ok(second().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_written_is_the_hosts_failure_and_is_named() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    ok(api.post("/services", json!({ "serviceName": "svc" })).await);
    // Where packages are to lie there is a file.
    std::fs::write(host.directory().join("data/code"), "").unwrap();
    let answer = api.post("/services/svc/functions", function("f", "one")).await;
    let message = refused(&answer, 500, "InternalServerError");
    assert!(message.contains("the code package cannot be stored"), "{message}");
    std::fs::remove_file(host.directory().join("data/code")).unwrap();
    ok(api.post("/services/svc/functions", function("f", "one")).await);
}
