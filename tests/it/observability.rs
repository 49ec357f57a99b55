//! What a host tells about itself: functions, counters, metrics and logs.

use serde_json::json;
use support::{
    TestHost,
    client::{Raw, send},
    eventually,
};

const FUNCTION: &str = "[functions.f]\ncomponent = \"{misbehave}\"\ntimeout = \"1 s\"\n[functions.f.http]\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_invocation_is_counted_once_by_its_outcome() {
    let host = TestHost::start(&FUNCTION.replace("timeout", "max_instances = 1\ntimeout")).await;
    for event in ["echo", "sleep:1", "handled:x", "trap", "spin", "unhandled:y"] {
        host.invoke("f", event).await;
    }
    for path in ["/echo", "/handled:x", "/exit:1", "/status:99"] {
        host.get("f", path).await;
    }
    assert_eq!(
        host.describe("f").await["invocations"],
        json!({ "ok": 4, "function_error": 3, "timeout": 1, "crash": 2, "throttled": 0, "cancelled": 0 })
    );
    let metrics = send(host.api, "GET", "/metrics", &[], Vec::new()).await.text();
    let labels = "service=\"default\",function=\"f\"";
    for sample in [
        format!("wisp_invocations_total{{{labels},outcome=\"ok\"}} 4"),
        format!("wisp_invocations_total{{{labels},outcome=\"crash\"}} 2"),
        format!("wisp_cold_starts_total{{{labels}}} 4"),
        format!("wisp_invocations_waiting{{{labels}}} 0"),
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streamed_answers_are_counted_once_with_and_without_a_body() {
    for component in ["{wasi-http-02}", "{wasi-http-03}"] {
        let host = TestHost::start(&format!("[functions.f]\ncomponent = \"{component}\"\n[functions.f.http]\n")).await;
        host.get("f", "/").await;
        host.get("f", "/stream/3").await;
        host.get("f", "/status/204").await;
        host.request("HEAD", "f", "/", &[], "").await;
        let counted = || async {
            let invocations = host.describe("f").await["invocations"].clone();
            invocations.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>() == 4
        };
        eventually("all four are counted", counted).await;
        assert_eq!(host.count("f", "ok").await, 4, "{component}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_initializer_counts_as_its_invocation() {
    let toml = "[functions.f]\ncomponent = \"{misbehave}\"\nenvironment = { INIT = \"fail-times:1\" }\n";
    let host = TestHost::start(toml).await;
    host.invoke("f", "echo").await;
    host.invoke("f", "echo").await;
    assert_eq!((host.count("f", "function_error").await, host.count("f", "ok").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_described() {
    let host = TestHost::start(FUNCTION).await;
    host.invoke("f", "echo").await;
    eventually("the instance is idle", || async { host.describe("f").await["instances"]["idle"] == 1 }).await;
    let metrics = send(host.api, "GET", "/metrics", &[], Vec::new()).await.text();
    let idle = "wisp_instances{service=\"default\",function=\"f\",state=\"idle\"} 1";
    assert!(metrics.lines().any(|line| line == idle), "{metrics}");
    let function = host.describe("f").await;
    assert_eq!((&function["service"], &function["kind"]), (&json!("default"), &json!("function")));
    assert_eq!((&function["memoryMb"], &function["timeoutSeconds"]), (&json!(128), &json!(1.0)));
    assert_eq!(function["instances"], json!({ "live": 1, "idle": 1 }));
    assert_eq!(function["coldStarts"], 1);
    assert_eq!(function["digest"].as_str().unwrap().len(), 64);
    let url = format!("http://{}/2016-08-15/proxy/default/f/", host.trigger);
    assert_eq!(function["urls"][0], url);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_described() {
    let host = TestHost::start(FUNCTION).await;
    host.invoke("f", "echo").await;
    let described = send(host.api, "GET", "/wisp/host", &[], Vec::new()).await.json();
    assert_eq!((&described["listen"], &described["liveInstances"]), (&json!(host.trigger.to_string()), &json!(1)));
    assert!(described["artifacts"]["bytes"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_and_log_outlive_a_deploy() {
    let host = TestHost::start(FUNCTION).await;
    host.invoke("f", "print:before").await;
    host.deploy(&FUNCTION.replace("1 s", "2 s")).await.unwrap();
    host.invoke("f", "print:after").await;
    assert_eq!(host.count("f", "ok").await, 2);
    host.logs("f", "before").await;
    host.logs("f", "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_the_log_sees_lines_with_their_request_ids_as_they_come() {
    let host = TestHost::start(&format!("{FUNCTION}[functions.g]\ncomponent = \"{{misbehave}}\"\n")).await;
    host.invoke("f", "print:kept").await;
    let mut follower = Raw::connect(host.api).await;
    follower.write("GET /wisp/logs?function=f&follow=true HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let kept = follower.read_until("\"text\":\"kept\"").await;
    assert!(kept.contains("application/x-ndjson"), "{kept}");
    host.invoke("g", "print:another function's").await;
    let answer = host.invoke("f", "print:fresh").await;
    let fresh = follower.read_until("\"text\":\"fresh\"").await;
    assert!(!fresh.contains("another function's"), "{fresh}");
    let line = fresh.lines().find(|line| line.contains("\"fresh\"")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["function"], &line["service"]), (&json!("f"), &json!("default")));
    assert_eq!(line["requestId"], answer.header("x-fc-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_log_is_had_by_a_number_of_lines() {
    let host = TestHost::start(FUNCTION).await;
    host.invoke("f", "print:one").await;
    host.invoke("f", "print:two").await;
    let tail = send(host.api, "GET", "/wisp/logs?tail=3", &[], Vec::new()).await;
    assert_eq!(tail.text().lines().count(), 3);
    let wrong = send(host.api, "GET", "/wisp/logs?tail=many", &[], Vec::new()).await;
    assert_eq!((wrong.status, wrong.error_code().as_str()), (400, "InvalidArgument"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_guests_write_to_both_outputs_is_logged() {
    let host = TestHost::start(FUNCTION).await;
    host.invoke("f", "print:to stdout").await;
    host.invoke("f", "eprint:to stderr").await;
    let log = host.log("f").await;
    assert!(log.contains(&"to stdout".to_owned()) && log.contains(&"to stderr".to_owned()), "{log:?}");
}
