//! Instances that serve several requests at once, and those that do not.

use support::{TestHost, eventually};

fn function(settings: &str) -> String {
    format!("[functions.c]\ncomponent = \"{{wasi-http-03}}\"\nmax_instances = 1\n{settings}\n[functions.c.http]\n")
}

async fn start(settings: &str) -> TestHost {
    TestHost::start(&function(settings)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_serves_as_many_requests_at_once_as_it_may() {
    let host = start("instance_concurrency = 3").await;
    let call = || host.get("c", "/sleep/700");
    let answers = tokio::join!(call(), call(), call(), call(), call());
    for answer in <[_; 5]>::from(answers) {
        assert_eq!((answer.status, answer.text()), (200, "slept".into()));
    }
    assert_eq!(host.get("c", "/concurrent").await.text(), "3");
    assert_eq!(host.describe("c").await["coldStarts"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_come_one_at_a_time_unless_it_is_configured_otherwise() {
    let host = start("").await;
    tokio::join!(host.get("c", "/sleep/200"), host.get("c", "/sleep/200"), host.get("c", "/sleep/200"));
    assert_eq!(host.get("c", "/concurrent").await.text(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn components_that_cannot_are_refused_with_the_reason() {
    for component in ["{misbehave}", "{wasi-http-02}", "{command}"] {
        let toml = format!("[functions.c]\ncomponent = \"{component}\"\ninstance_concurrency = 2\n");
        let errors = TestHost::try_start(&toml).await.err().unwrap();
        let error = errors[0].to_string();
        assert!(error.contains("`instance_concurrency` is 2") && error.contains("one invocation at a time"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_of_one_request_leaves_the_others_alone() {
    let host = start("instance_concurrency = 8\ntimeout = \"1 s\"").await;
    let (late, one, other) =
        tokio::join!(host.get("c", "/sleep/60000"), host.get("c", "/sleep/300"), host.get("c", "/sleep/600"));
    assert_eq!((late.status, late.header("x-fc-error-type")), (502, "UnhandledInvocationError"));
    assert!(late.error_message().starts_with("Function timed out after 1 seconds"), "{late:?}");
    assert_eq!((one.text(), other.text()), ("slept".into(), "slept".into()));
    assert_eq!(host.count("c", "timeout").await, 1);
    assert_eq!(host.get("c", "/count").await.text(), "1", "the instance was replaced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_spins_is_stopped_and_the_next_one_served() {
    let host = start("instance_concurrency = 8\ntimeout = \"1 s\"").await;
    let spun = host.get("c", "/spin").await;
    assert!(spun.error_message().starts_with("Function timed out after 1 seconds"), "{spun:?}");
    assert_eq!(host.get("c", "/count").await.text(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_ends_the_instance_and_the_next_request_has_another() {
    let host = start("instance_concurrency = 8").await;
    assert_eq!(host.get("c", "/").await.status, 200);
    let trapped = host.get("c", "/trap").await;
    assert_eq!((trapped.status, trapped.header("x-fc-error-type")), (502, "UnhandledInvocationError"));
    assert!(trapped.error_message().starts_with("Process exited unexpectedly"), "{trapped:?}");
    assert_eq!(host.get("c", "/count").await.text(), "1");
    assert_eq!(host.count("c", "crash").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_reaches_everybody_in_the_instance() {
    let host = start("instance_concurrency = 8").await;
    let (waiting, trapped) = tokio::join!(host.get("c", "/sleep/60000"), async {
        host.busy("c").await;
        host.get("c", "/trap").await
    });
    assert_eq!((waiting.status, trapped.status), (502, 502));
    assert_eq!(host.get("c", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_between_requests_makes_room_for_another_instance() {
    let host = start("").await;
    assert_eq!(host.get("c", "/late-trap").await.text(), "answered");
    eventually("the instance is gone", || async { host.live("c").await == 0 }).await;
    assert_eq!(host.get("c", "/count").await.text(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_component_returns_is_a_bad_response() {
    let host = start("").await;
    let answer = host.get("c", "/error").await;
    assert_eq!((answer.status, answer.error_code()), (502, "BadResponse".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_the_instance_to_the_others() {
    let host = start("instance_concurrency = 8\ntimeout = \"60 s\"").await;
    let mut client = support::client::Raw::connect(host.trigger).await;
    client.write("GET /2016-08-15/proxy/default/c/sleep/50000 HTTP/1.1\r\nhost: h\r\n\r\n").await;
    host.busy("c").await;
    drop(client);
    eventually("it is counted", || async { host.count("c", "cancelled").await == 1 }).await;
    assert_eq!(host.get("c", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_serves_several_at_once_is_replaced_after_so_many_requests() {
    for (settings, expected) in
        [("max_requests_per_instance = 2", ["1", "2", "1", "2"]), ("isolation = \"request\"", ["1", "1", "1", "1"])]
    {
        let host = start(settings).await;
        let mut counts = Vec::new();
        for _ in 0..4 {
            counts.push(host.get("c", "/count").await.text());
        }
        assert_eq!(counts, expected, "{settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_floor_is_kept_of_instances_that_serve_several_at_once_too() {
    let host =
        start("initializer = \"i\"\nmin_instances = 1\ninstance_concurrency = 8\nidle_timeout = \"100 ms\"").await;
    eventually("it is ready", || async { host.describe("c").await["instances"]["idle"] == 1 }).await;
    assert_eq!(host.get("c", "/initialized").await.text(), "1");
    assert_eq!(host.describe("c").await["coldStarts"], 1);
    host.get("c", "/trap").await;
    eventually("it is replaced", || async { host.describe("c").await["instances"]["idle"] == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_instances_hold_no_share_of_the_processor() {
    // More of them than there are permits, each called again after a tick in which it did nothing.
    let count = std::thread::available_parallelism().unwrap().get() + 2;
    let functions = (0..count)
        .map(|number| format!("[functions.f{number}]\ncomponent = \"{{wasi-http-03}}\"\n[functions.f{number}.http]\n"));
    let host = TestHost::start(&functions.collect::<String>()).await;
    for _ in 0..2 {
        for number in 0..count {
            assert_eq!(host.get(&format!("f{number}"), "/count").await.status, 200, "function {number}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
