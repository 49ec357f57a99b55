//! Instances: reuse, cold starts, caps and the wait at them, the floor, hooks, and redeployment.

use std::{collections::HashSet, time::Duration};

use support::{TestHost, eventually};
use wisp::{
    catalog::Target,
    invoke::{Invocation, InvokeError},
};

async fn start(settings: &str) -> TestHost {
    TestHost::start(&function("f", settings)).await
}

fn function(name: &str, settings: &str) -> String {
    format!("[functions.{name}]\ncomponent = \"{{misbehave}}\"\n{settings}\n")
}

/// Invokes `f` within this process: several of these in one `join!` are begun in the order in which they are written. The
/// first has to sleep if the others are to wait: a short call is over before the next begins.
async fn begin(host: &TestHost, event: &'static str) -> Result<String, InvokeError> {
    let target = Target { service: None, function: "f", qualifier: "" };
    let (result, _) = host.host.invoke_event(target, Invocation::new(), event.into()).await?;
    Ok(String::from_utf8(result.to_vec()).unwrap())
}

async fn instance_of(host: &TestHost, function: &str) -> String {
    host.invoke(function, "instance-id").await.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_instance_takes_the_next_call() {
    let host = start("max_instances = 1").await;
    for count in 1..=3 {
        assert_eq!(host.invoke("f", "count").await.text(), count.to_string());
    }
    assert_eq!(host.describe("f").await["coldStarts"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_all_instances_busy_starts_another() {
    let host = start("").await;
    let (slept, other) = tokio::join!(host.invoke("f", "sleep:1000"), async {
        host.busy("f").await;
        instance_of(&host, "f").await
    });
    assert_ne!(slept.header("x-fc-instance-id"), other);
    assert_eq!(host.live("f").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_cap_callers_wait_and_are_served_in_their_order() {
    let host = start("max_instances = 1").await;
    let call = || begin(&host, "count");
    let (first, second, third, fourth) = tokio::join!(begin(&host, "sleep:100"), call(), call(), call());
    let answers = [first, second, third, fourth].map(Result::unwrap);
    assert_eq!(answers, ["slept", "2", "3", "4"]);
    assert_eq!(host.describe("f").await["coldStarts"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_is_told_to_try_again() {
    let toml =
        format!("[server]\nqueue_timeout = \"100 ms\"\n{}[functions.f.http]\n", function("f", "max_instances = 1"));
    let host = TestHost::start(&toml).await;
    let (_, (invoked, requested, new_form)) = tokio::join!(host.invoke("f", "sleep:2000"), async {
        host.busy("f").await;
        let path = "/2023-03-30/functions/f/invocations";
        let new_form = support::client::send(host.api, "POST", path, &[], Vec::new());
        tokio::join!(host.invoke("f", "echo"), host.get("f", "/echo"), new_form)
    });
    assert_eq!((invoked.status, invoked.error_code().as_str()), (429, "ResourceExhausted"));
    assert_eq!(invoked.header("retry-after"), "1");
    let message = invoked.json()["ErrorMessage"].as_str().unwrap().to_owned();
    assert!(message.contains("`max_instances`") && message.contains("`server.queue_timeout`"), "{message}");
    assert_eq!((requested.status, requested.header("x-fc-error-type")), (429, "FcCommonError"));
    assert_eq!((new_form.status, new_form.json()["Code"].as_str()), (429, Some("ResourceExhausted")));
    assert_eq!(host.count("f", "throttled").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_may_wait() {
    let host = TestHost::start(&format!("[server]\nqueue_length = 1\n{}", function("f", "max_instances = 1"))).await;
    let (first, second, third) = tokio::join!(begin(&host, "sleep:100"), begin(&host, "count"), begin(&host, "count"));
    assert_eq!((first.unwrap(), second.unwrap()), ("slept".into(), "2".into()));
    let refused = third.unwrap_err().to_string();
    assert!(refused.contains("1 invocations wait already (`server.queue_length`)"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_given_up_waiting_takes_no_place_in_the_queue() {
    let server = "[server]\nqueue_length = 1\nqueue_timeout = \"100 ms\"\n";
    let host = TestHost::start(&format!("{server}{}", function("f", "max_instances = 1"))).await;
    let (_, refused) = tokio::join!(host.invoke("f", "sleep:2000"), async {
        host.busy("f").await;
        begin(&host, "echo").await.unwrap_err();
        begin(&host, "echo").await.unwrap_err().to_string()
    });
    assert!(refused.contains("`server.queue_timeout`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_idle_for_too_long_ends() {
    let host = start("idle_timeout = \"300 ms\"").await;
    let first = instance_of(&host, "f").await;
    eventually("it ended", || async { host.live("f").await == 0 }).await;
    assert_ne!(instance_of(&host, "f").await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_is_kept_and_filled_up_after_a_trap() {
    let host = start("min_instances = 2\nidle_timeout = \"100 ms\"").await;
    let idle = |count: u64| {
        let host = &host;
        move || async move { host.describe("f").await["instances"]["idle"] == count }
    };
    eventually("both are ready", idle(2)).await;
    host.invoke("f", "trap").await;
    eventually("the lost one is replaced", idle(2)).await;
    assert_eq!(host.describe("f").await["coldStarts"], 3);
    // A burst goes beyond the floor; what is above it expires.
    tokio::join!(host.invoke("f", "sleep:500"), host.invoke("f", "sleep:500"), host.invoke("f", "sleep:500"));
    eventually("the third one expired", || async { host.live("f").await == 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_replaced_after_so_many_requests() {
    let host = start("max_requests_per_instance = 2\nmax_instances = 1").await;
    let mut counts = Vec::new();
    for _ in 0..5 {
        counts.push(host.invoke("f", "count").await.text());
    }
    assert_eq!(counts, ["1", "2", "1", "2", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_isolation_by_request_no_instance_is_used_twice() {
    let host = start("isolation = \"request\"\nmax_instances = 1").await;
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let answer = host.invoke("f", "count").await;
        assert_eq!(answer.text(), "1");
        assert!(seen.insert(answer.header("x-fc-instance-id").to_owned()));
    }
    eventually("the last one is gone", || async { host.live("f").await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pre_freeze_runs_after_a_call_that_no_other_follows() {
    let host = start("max_instances = 1").await;
    for count in 0..3 {
        assert_eq!(host.invoke("f", "freeze-count").await.text(), count.to_string());
    }
    host.logs("f", "pre-freeze ran").await;
    // They wait for each other: nothing is frozen between them.
    let call = || begin(&host, "freeze-count");
    let (_, one, other) = tokio::join!(begin(&host, "sleep:50"), call(), call());
    assert_eq!(one.unwrap(), other.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_an_instance_in_its_pre_freeze_hook_rather_than_starting_another() {
    let host = start("").await;
    for count in 1..=20 {
        assert_eq!(host.invoke("f", "count").await.text(), count.to_string());
    }
    assert_eq!(host.live("f").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pre_stop_runs_before_an_idle_instance_ends() {
    let host = start("idle_timeout = \"100 ms\"").await;
    host.invoke("f", "echo").await;
    host.logs("f", "pre-stop ran").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pre_stop_runs_when_a_new_version_replaces_an_instance() {
    let host = start("").await;
    host.invoke("f", "echo").await;
    host.deploy(&function("f", "timeout = \"4 s\"")).await.unwrap();
    host.logs("f", "pre-stop ran").await;
    eventually("the old instance is gone", || async { host.host.live_instances() == 0 }).await;
}

/// What was logged until the host had stopped.
async fn log_until_stopped(host: TestHost) -> Vec<String> {
    let mut lines = host.host.follow_logs();
    host.stop().await;
    std::iter::from_fn(|| lines.try_recv()).map(|line| line.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pre_stop_runs_when_the_host_stops() {
    let host = start("").await;
    host.invoke("f", "echo").await;
    let log = log_until_stopped(host).await;
    assert_eq!(log.iter().filter(|line| *line == "pre-stop ran").count(), 1, "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pre_stop_does_not_run_after_a_trap() {
    let host = start("").await;
    host.invoke("f", "trap").await;
    let log = log_until_stopped(host).await;
    assert!(!log.iter().any(|line| line == "pre-stop ran"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_http_components_are_told_of_their_end_if_they_want() {
    for component in ["{wasi-http-02}", "{wasi-http-03}"] {
        let settings = "pre_stop = true\nidle_timeout = \"100 ms\"\n[functions.f.http]";
        let host = TestHost::start(&format!("[functions.f]\ncomponent = \"{component}\"\n{settings}\n")).await;
        assert_eq!(host.get("f", "/").await.status, 200);
        host.logs("f", "pre-stop ran").await;
        eventually("it ended", || async { host.live("f").await == 0 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_is_told_of_its_freezing_if_it_wants() {
    let settings = "pre_freeze = true\n[functions.f.http]";
    let host = TestHost::start(&format!("[functions.f]\ncomponent = \"{{wasi-http-02}}\"\n{settings}\n")).await;
    assert_eq!(host.get("f", "/").await.status, 200);
    host.logs("f", "pre-freeze ran").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_changes_nothing() {
    let host = start("environment = { PRE_FREEZE = \"fail\", PRE_STOP = \"fail\" }\nmax_instances = 1").await;
    assert_eq!(host.invoke("f", "count").await.text(), "1");
    assert_eq!(host.invoke("f", "count").await.text(), "2");
    host.logs("f", "FC PreFreeze failed").await;
    let log = log_until_stopped(host).await;
    assert!(log.iter().any(|line| line.contains("FC PreStop failed")), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_never_ends_is_stopped() {
    let settings = "environment = { PRE_FREEZE = \"spin\" }\nhook_timeout = \"200 ms\"\nmax_instances = 1";
    let host = start(settings).await;
    let (first, second) = (instance_of(&host, "f").await, instance_of(&host, "f").await);
    assert_ne!(first, second);
    let host = start("environment = { PRE_STOP = \"spin\" }\nhook_timeout = \"200 ms\"").await;
    host.invoke("f", "echo").await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), host.stop()).await;
    assert!(stopped.is_ok(), "the host waits for a hook that never ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_ends_an_idle_instance_of_another_function() {
    let toml = format!("[server]\nmax_instances = 1\n{}{}", function("f", ""), function("g", ""));
    let host = TestHost::start(&toml).await;
    assert_eq!(host.invoke("f", "echo").await.text(), "echo");
    assert_eq!(host.invoke("g", "echo").await.text(), "echo");
    assert_eq!((host.live("f").await, host.live("g").await), (0, 1));
    assert_eq!(host.invoke("f", "echo").await.text(), "echo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_host_serves_who_waits_as_soon_as_another_function_is_idle() {
    let toml = format!("[server]\nmax_instances = 1\n{}{}", function("f", ""), function("g", ""));
    let host = TestHost::start(&toml).await;
    let (slept, waited) = tokio::join!(host.invoke("f", "sleep:500"), async {
        host.busy("f").await;
        host.invoke("g", "echo").await
    });
    assert_eq!((slept.text(), waited.text()), ("slept".into(), "echo".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_instances_are_all_busy_says_so() {
    let server = "[server]\nmax_instances = 1\nqueue_timeout = \"100 ms\"\n";
    let host = TestHost::start(&format!("{server}{}{}", function("f", ""), function("g", ""))).await;
    let (_, refused) = tokio::join!(host.invoke("f", "sleep:1500"), async {
        host.busy("f").await;
        host.invoke("g", "echo").await
    });
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "ResourceExhausted"));
    assert!(refused.json()["ErrorMessage"].as_str().unwrap().contains("`server.max_instances`"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_drops_no_request_and_the_next_one_runs_on_the_new_version() {
    let host = start("environment = { VERSION = \"old\" }").await;
    let (slept, version) = tokio::join!(host.invoke("f", "sleep:1000"), async {
        host.busy("f").await;
        host.deploy(&function("f", "environment = { VERSION = \"new\" }")).await.unwrap();
        host.invoke("f", "env:VERSION").await.text()
    });
    assert_eq!((slept.text(), version), ("slept".into(), "new".into()));
    eventually("the old instance is gone", || async { host.host.live_instances() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_leaves_the_instances_of_unchanged_functions_alone() {
    let f_settings = "max_instances = 1";
    let host = TestHost::start(&format!("{}{}", function("f", f_settings), function("g", ""))).await;
    let (f, g) = (instance_of(&host, "f").await, instance_of(&host, "g").await);
    host.deploy(&format!("{}{}", function("f", f_settings), function("g", "timeout = \"4 s\""))).await.unwrap();
    assert_eq!(instance_of(&host, "f").await, f);
    assert_ne!(instance_of(&host, "g").await, g);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_a_deploy_leaves_out_is_gone() {
    let host = TestHost::start(&format!("{}{}", function("f", ""), function("g", ""))).await;
    host.invoke("g", "echo").await;
    host.deploy(&function("f", "")).await.unwrap();
    assert_eq!(host.invoke("g", "echo").await.error_code(), "FunctionNotFound");
    eventually("its instance is gone", || async { host.host.live_instances() == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_drops_nobody_who_waits() {
    let host = start("max_instances = 1").await;
    let deploy = async {
        host.busy("f").await;
        host.deploy(&function("f", "max_instances = 1\ntimeout = \"4 s\"")).await.unwrap();
        host.invoke("f", "echo").await.text()
    };
    let (slept, waited, fresh) = tokio::join!(begin(&host, "sleep:1000"), begin(&host, "echo"), deploy);
    assert_eq!([slept.unwrap(), waited.unwrap(), fresh], ["slept", "echo", "echo"]);
}
