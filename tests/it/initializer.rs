//! The initializer: when it runs, when it runs again, and against which clock.

use support::{TestHost, eventually};

/// Function `f`, whose initializer does as told.
async fn start(order: &str, settings: &str) -> TestHost {
    // One instance, so that a call waits for the pre-freeze hook of the last one rather than starting another.
    let function = format!("[functions.f]\ncomponent = \"{{misbehave}}\"\nmax_instances = 1\n{settings}\n");
    TestHost::start(&format!("{function}environment = {{ INIT = \"{order}\" }}\n[functions.f.http]\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_once_in_an_instance_before_the_first_call() {
    let host = start("ok", "").await;
    for _ in 0..3 {
        assert_eq!(host.invoke("f", "init-count").await.text(), "1");
    }
    assert_eq!(host.get("f", "/init-count").await.text(), "1");
    assert_eq!(host.invoke("f", "count").await.text(), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_wait_for_one_instance_find_it_initialized_once() {
    let host = start("sleep:200", "").await;
    let call = || host.invoke("f", "init-count");
    let answers = tokio::join!(call(), call(), call(), call());
    for answer in <[_; 4]>::from(answers) {
        assert_eq!(answer.text(), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_one_runs_again_in_the_same_instance_until_it_succeeds() {
    let host = start("fail-times:2", "").await;
    let first = host.invoke("f", "init-count").await;
    assert_eq!((first.status, first.header("x-fc-error-type")), (200, "HandledInvocationError"));
    assert_eq!(first.error_message(), "failure 1");
    let second = host.invoke("f", "init-count").await;
    assert_eq!(second.error_message(), "failure 2");
    let third = host.invoke("f", "init-count").await;
    assert_eq!(third.text(), "3");
    assert_eq!(host.invoke("f", "init-count").await.text(), "3");
    for answer in [&second, &third] {
        assert_eq!(answer.header("x-fc-instance-id"), first.header("x-fc-instance-id"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hook_runs_in_an_instance_that_is_not_initialized() {
    let host = start("fail-times:1", "").await;
    assert_eq!(host.invoke("f", "freeze-count").await.error_message(), "failure 1");
    assert_eq!(host.invoke("f", "freeze-count").await.text(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_replace_a_failed_one_ends_its_instance() {
    let host = start("fail", "initialization_failure = \"replace\"").await;
    let first = host.invoke("f", "echo").await;
    assert_eq!((first.status, first.header("x-fc-error-type")), (200, "InitializationError"));
    assert_eq!(first.error_message(), "the initializer fails as told");
    let second = host.invoke("f", "echo").await;
    assert_ne!(second.header("x-fc-instance-id"), first.header("x-fc-instance-id"));
    eventually("both instances are gone", || async { host.live("f").await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_take_longer_than_a_call() {
    let host = start("sleep:1500", "initialization_timeout = \"10 s\"\ntimeout = \"1 s\"").await;
    let answer = host.invoke("f", "init-count").await;
    assert_eq!((answer.header("x-fc-error-type"), answer.text()), ("", "1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_take_longer_than_it() {
    let host = start("ok", "initialization_timeout = \"1 s\"\ntimeout = \"10 s\"").await;
    assert_eq!(host.invoke("f", "sleep:1200").await.text(), "slept");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_too_long_is_stopped_and_its_instance_is_lost() {
    for order in ["spin", "never"] {
        let host = start(order, "initialization_timeout = \"1 s\"\ntimeout = \"60 s\"").await;
        let first = host.invoke("f", "echo").await;
        assert_eq!(first.header("x-fc-error-type"), "UnhandledInvocationError");
        assert!(first.error_message().starts_with("Function timed out after 1 seconds"), "{first:?}");
        let second = host.invoke("f", "echo").await;
        assert_ne!(second.header("x-fc-instance-id"), first.header("x-fc-instance-id"));
        eventually("no instance is left", || async { host.live("f").await == 0 }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_traps_loses_its_instance() {
    let host = start("trap", "").await;
    let first = host.invoke("f", "echo").await;
    assert_eq!(first.header("x-fc-error-type"), "UnhandledInvocationError");
    assert!(first.error_message().starts_with("Process exited unexpectedly"), "{first:?}");
    let second = host.invoke("f", "echo").await;
    assert_ne!(second.header("x-fc-instance-id"), first.header("x-fc-instance-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_failure_reaches_an_http_client_as_502() {
    let host = start("fail", "").await;
    let answer = host.get("f", "/echo").await;
    assert_eq!((answer.status, answer.header("x-fc-error-type")), (502, "HandledInvocationError"));
    assert_eq!(answer.error_message(), "the initializer fails as told");
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_instances_are_initialized_before_anybody_calls() {
    let host = start("print:initializing", "min_instances = 1").await;
    host.logs("f", "initializing").await;
    eventually("it is idle", || async { host.describe("f").await["instances"]["idle"] == 1 }).await;
    assert_eq!(host.invoke("f", "init-count").await.text(), "1");
    assert_eq!(host.describe("f").await["coldStarts"], 1);
}

/// Function `f`, a `wasi:http` component.
async fn start_http(component: &str, settings: &str) -> TestHost {
    TestHost::start(&format!("[functions.f]\ncomponent = \"{component}\"\n{settings}\n[functions.f.http]\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_is_initialized_by_a_request_if_it_is_configured() {
    for component in ["{wasi-http-02}", "{wasi-http-03}"] {
        let host = start_http(component, "initializer = \"index.initializer\"").await;
        assert_eq!(host.get("f", "/initialized").await.text(), "1");
        assert_eq!(host.get("f", "/initialized").await.text(), "1");
        let host = start_http(component, "").await;
        assert_eq!(host.get("f", "/initialized").await.text(), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_serves_several_at_once_is_initialized_once_before_all_of_them() {
    let settings = "initializer = \"i\"\ninstance_concurrency = 8\nmax_instances = 1";
    let host = start_http("{wasi-http-03}", settings).await;
    let call = || host.get("f", "/initialized");
    let answers = tokio::join!(call(), call(), call(), call());
    for answer in <[_; 4]>::from(answers) {
        assert_eq!(answer.text(), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_that_answers_404_is_asked_again() {
    let settings = "initializer = \"i\"\nenvironment = { INIT = \"fail-times:1\" }";
    let host = start_http("{wasi-http-02}", settings).await;
    let failed = host.get("f", "/").await;
    assert_eq!((failed.status, failed.error_message()), (502, "the initializer fails as told".into()));
    assert_eq!(host.get("f", "/initialized").await.text(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_that_answers_500_is_replaced() {
    let host = start_http("{wasi-http-02}", "initializer = \"i\"\nenvironment = { INIT = \"broken\" }").await;
    let first = host.invoke("f", "echo").await;
    assert_eq!(first.header("x-fc-error-type"), "UnhandledInvocationError");
    let second = host.invoke("f", "echo").await;
    assert_ne!(second.header("x-fc-instance-id"), first.header("x-fc-instance-id"));
}
