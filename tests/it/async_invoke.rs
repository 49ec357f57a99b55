//! Asynchronous invocations: accepted once they are durable, called at least once, repeated, delayed, stopped, in order,
//! fairly, and after a restart.

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Answer, Recorder, TestHost, client, eventually};
use tokio::net::TcpStream;
use wisp::delivery::{StatefulKey, Status, StopError};

const ASYNC: (&str, &str) = ("x-fc-invocation-type", "Async");
const ID: &str = "x-fc-stateful-async-invocation-id";

/// A function that may tell the recorder that it was called, by `fetch:URL`.
fn function(name: &str, recorder: &Recorder, settings: &str) -> String {
    format!(
        "[functions.{name}]\ncomponent = \"{{misbehave}}\"\nallowed_outbound = [\"{}\"]\n{settings}\n",
        recorder.address
    )
}

async fn submit(host: &TestHost, function: &str, event: &str, headers: &[(&str, &str)]) -> Answer {
    host.invoke_with(function, event, &[&[ASYNC], headers].concat()).await
}

/// Submits an event that must be accepted; returns its request id.
async fn accepted(host: &TestHost, function: &str, event: &str, headers: &[(&str, &str)]) -> String {
    let answer = submit(host, function, event, headers).await;
    assert_eq!((answer.status, answer.text()), (202, String::new()), "{answer:?}");
    assert_eq!(answer.header("content-type"), "");
    answer.header("x-fc-request-id").to_owned()
}

pub(crate) async fn event(host: &TestHost, request_id: &str) -> Value {
    client::send(host.api, "GET", &format!("/wisp/events/{request_id}"), &[], Vec::new()).await.json()
}

pub(crate) async fn has_status(host: &TestHost, request_id: &str, status: &str) {
    let what = format!("the event is {status}");
    eventually(&what, || async { event(host, request_id).await["status"] == status }).await;
}

async fn metric(host: &TestHost, name: &str) -> u64 {
    let text = client::send(host.api, "GET", "/metrics", &[], Vec::new()).await.text();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_accepted_called_and_forgotten() {
    let recorder = Recorder::start().await;
    let host = TestHost::start(&function("f", &recorder, "")).await;
    let id = accepted(&host, "f", &format!("fetch:{}", recorder.url("one")), &[]).await;
    recorder.until("/one").await;
    eventually("it is forgotten", || async { event(&host, &id).await["ErrorCode"] == "EventNotFound" }).await;
    assert_eq!(recorder.count("/one"), 1);
    assert_eq!(metric(&host, "wisp_events_accepted_total").await, 1);
    assert_eq!(metric(&host, "wisp_events_queued").await + metric(&host, "wisp_events_dead").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_apis_take_events_and_name_the_task_in_their_own_words() {
    let recorder = Recorder::start().await;
    let host = TestHost::start(&function("f", &recorder, "")).await;
    let answer = submit(&host, "f", "count", &[(ID, "job-1")]).await;
    assert_eq!((answer.status, answer.header(ID)), (202, "job-1"));
    let path = "/2023-03-30/functions/f/invocations";
    let headers = [ASYNC, ("x-fc-async-task-id", "job-2")];
    let answer = client::send(host.api, "POST", path, &headers, b"count".to_vec()).await;
    assert_eq!((answer.status, answer.header("x-fc-async-task-id")), (202, "job-2"));
    let enabled = submit(&host, "f", "count", &[("x-fc-stateful-async-invocation-enable", "true")]).await;
    assert_eq!(enabled.header(ID), enabled.header("x-fc-request-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_accepted_is_refused_before_anything_is_kept() {
    let recorder = Recorder::start().await;
    let wasi = "[functions.w]\ncomponent = \"{wasi-http-02}\"\n";
    let host = TestHost::start(&format!("{}{wasi}", function("f", &recorder, ""))).await;
    let refused = |answer: Answer| (answer.status, answer.error_code());
    assert_eq!(refused(submit(&host, "nobody", "count", &[]).await), (404, "FunctionNotFound".into()));
    let large = "x".repeat((128 << 10) + 1);
    assert_eq!(refused(submit(&host, "f", &large, &[]).await), (400, "InvalidArgument".into()));
    for header in [("x-fc-log-type", "Tail"), ("x-fc-async-delay", "3601"), (ID, "1 bad id")] {
        assert_eq!(
            refused(submit(&host, "f", "count", &[header]).await),
            (400, "InvalidArgument".into()),
            "{header:?}"
        );
    }
    accepted(&host, "f", &"e".repeat(128 << 10), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_repeated_until_it_succeeds_and_the_guest_is_told_how_often() {
    let recorder = Recorder::start().await;
    let settings = "[functions.f.environment]\nINIT = \"fail-times:2\"\n";
    let host = TestHost::start(&function("f", &recorder, settings)).await;
    let id = accepted(&host, "f", "context", &[(ID, "job")]).await;
    has_status(&host, &id, "Succeeded").await;
    let event = event(&host, &id).await;
    let context: Value = serde_json::from_str(event["response"].as_str().unwrap()).unwrap();
    assert_eq!((&context["retryCount"], &context["requestId"]), (&2.into(), &id.as_str().into()));
    assert_eq!(event["calls"], 3);
    let statuses: Vec<_> =
        event["history"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["Enqueued", "Retrying", "Retrying", "Dequeued", "Running", "Succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_function_is_throttled_waits_and_has_lost_no_attempt() {
    let recorder = Recorder::start().await;
    let settings = "timeout = \"60 s\"\nmax_instances = 1\n[functions.f.async]\nmax_retry_attempts = 0\n";
    let toml = format!("[server]\nqueue_timeout = \"10 ms\"\n{}", function("f", &recorder, settings));
    let host = TestHost::start(&toml).await;
    let running = host.invoke("f", recorder.held());
    let id = async {
        host.busy("f").await;
        let id = accepted(&host, "f", "context", &[(ID, "job")]).await;
        eventually("it is throttled", || async { metric(&host, "wisp_events_throttled_total").await > 0 }).await;
        recorder.release();
        id
    };
    let (answer, id) = tokio::join!(running, id);
    assert_eq!(answer.status, 200, "{answer:?}");
    has_status(&host, &id, "Succeeded").await;
    let event = event(&host, &id).await;
    assert_eq!(event["calls"], 1, "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_event_is_not_called_before_its_time() {
    let recorder = Recorder::start().await;
    let host = TestHost::start(&function("f", &recorder, "")).await;
    let began = Instant::now();
    accepted(&host, "f", &format!("fetch:{}", recorder.url("late")), &[("x-fc-async-delay", "1")]).await;
    accepted(&host, "f", &format!("fetch:{}", recorder.url("now")), &[]).await;
    recorder.until("/late").await;
    assert_eq!(recorder.paths(), ["/now", "/late"]);
    assert!(recorder.seen()[1].at - began >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_taken_once_even_after_the_invocation_has_ended() {
    let recorder = Recorder::start().await;
    let host = TestHost::start(&function("f", &recorder, "")).await;
    let event = format!("fetch:{}", recorder.url("once"));
    let id = accepted(&host, "f", &event, &[(ID, "job")]).await;
    let again = submit(&host, "f", &event, &[(ID, "job")]).await;
    assert_eq!((again.status, again.error_code()), (409, "StatefulAsyncInvocationAlreadyExists".into()));
    has_status(&host, &id, "Succeeded").await;
    assert_eq!(submit(&host, "f", &event, &[(ID, "job")]).await.status, 409);
    assert_eq!(recorder.count("/once"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_invocation_is_stopped_while_it_waits_and_while_it_runs() {
    let recorder = Recorder::start().await;
    let host = TestHost::start(&function("f", &recorder, "timeout = \"600 s\"\n")).await;
    let delivery = host.host.delivery().unwrap().clone();
    let key = |id| StatefulKey { service: "default", function: "f", id };
    let running = accepted(&host, "f", "never", &[(ID, "running")]).await;
    let waiting = accepted(&host, "f", "never", &[(ID, "waiting"), ("x-fc-async-delay", "600")]).await;
    has_status(&host, &running, "Running").await;
    assert_eq!(host.live("f").await, 1);
    for id in ["waiting", "running"] {
        delivery.stop(key(id)).await.unwrap();
        assert_eq!(delivery.stop(key(id)).await, Err(StopError::Finished(Status::Stopped)));
    }
    assert_eq!(delivery.stop(key("nobody")).await, Err(StopError::NotFound));
    for id in [running, waiting] {
        assert_eq!(event(&host, &id).await["status"], "Stopped");
    }
    eventually("its instance goes", || async { host.live("f").await == 0 }).await;
    assert_eq!(host.count("f", "cancelled").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_keeps_its_order_and_holds_no_other_up() {
    let recorder = Recorder::start().await;
    let one = "timeout = \"60 s\"\nmax_instances = 1\n";
    let host = TestHost::start(&(function("slow", &recorder, one) + &function("quick", &recorder, one))).await;
    accepted(&host, "slow", &recorder.held(), &[]).await;
    recorder.until("/held").await;
    for number in 0..10 {
        accepted(&host, "slow", &format!("fetch:{}", recorder.url(&format!("slow-{number}"))), &[]).await;
    }
    accepted(&host, "quick", &format!("fetch:{}", recorder.url("quick")), &[]).await;
    recorder.until("/quick").await;
    recorder.release();
    recorder.until("/slow-9").await;
    let first = ["/held", "/quick"].map(str::to_owned);
    let expected: Vec<_> = first.into_iter().chain((0..10).map(|it| format!("/slow-{it}"))).collect();
    assert_eq!(recorder.paths(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_takes_again_when_there_is_room() {
    let recorder = Recorder::start().await;
    let settings = "timeout = \"60 s\"\nmax_instances = 1\n";
    let toml = format!("[events]\nfunction_queue_length = 2\n{}", function("f", &recorder, settings));
    let host = TestHost::start(&toml).await;
    for _ in 0..2 {
        accepted(&host, "f", &recorder.held(), &[]).await;
    }
    let refused = submit(&host, "f", "count", &[]).await;
    assert_eq!((refused.status, refused.error_code()), (429, "ResourceExhausted".into()));
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.text().contains("`events.function_queue_length`"), "{}", refused.text());
    recorder.release();
    eventually("there is room", || async { submit(&host, "f", "count", &[]).await.status == 202 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_done_at_a_stop_is_done_after_the_next_start() {
    let recorder = Recorder::start().await;
    let toml = format!(
        "[server]\ngrace_period = \"100 ms\"\n{}",
        function("f", &recorder, "timeout = \"60 s\"\nmax_instances = 1\n")
    );
    let host = TestHost::start(&toml).await;
    let cut_off = accepted(&host, "f", &recorder.held(), &[(ID, "cut-off")]).await;
    accepted(&host, "f", &format!("fetch:{}", recorder.url("next")), &[]).await;
    accepted(&host, "f", &format!("fetch:{}", recorder.url("later")), &[("x-fc-async-delay", "1")]).await;
    has_status(&host, &cut_off, "Running").await;
    recorder.until("/held").await;
    let host = host.restart(&toml).await;
    recorder.release();
    recorder.until("/next").await;
    recorder.until("/later").await;
    has_status(&host, &cut_off, "Succeeded").await;
    assert_eq!(event(&host, &cut_off).await["calls"], 2);
    let mut paths = recorder.paths();
    paths.sort();
    assert_eq!(paths, ["/held", "/held", "/later", "/next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_events_that_run() {
    let recorder = Recorder::start().await;
    let toml = function("f", &recorder, "timeout = \"60 s\"\n");
    let mut host = TestHost::start(&toml).await;
    let id = accepted(&host, "f", &recorder.held(), &[(ID, "job")]).await;
    has_status(&host, &id, "Running").await;
    recorder.until("/held").await;
    host.begin_stop();
    let api = host.api;
    eventually("connections are refused", || async { TcpStream::connect(api).await.is_err() }).await;
    recorder.release();
    let host = host.restart(&toml).await;
    let event = event(&host, &id).await;
    assert_eq!((&event["status"], &event["calls"]), (&"Succeeded".into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_trigger_takes_requests_for_later_as_events() {
    let toml = "[functions.f]\ncomponent = \"{event}\"\n[functions.f.http]\nmethods = [\"POST\"]\n\
                [functions.web]\ncomponent = \"{misbehave}\"\n[functions.web.http]\n";
    let host = TestHost::start(toml).await;
    let headers = [ASYNC, (ID, "order-1")];
    let answer = host.request("POST", "f", "/orders?a=1", &headers, "the body").await;
    assert_eq!((answer.status, answer.text(), answer.header(ID)), (202, String::new(), "order-1"), "{answer:?}");
    let path = "/2016-08-15/services/default/functions/f/stateful-async-invocations/order-1";
    let read = || client::send(host.api, "GET", path, &[], Vec::new());
    eventually("it is handled", || async { read().await.json()["status"] == "Succeeded" }).await;
    let invocation = read().await.json();
    assert_eq!(invocation["requestId"], answer.header("x-fc-request-id"));
    let event: Value = serde_json::from_str(invocation["returnPayload"].as_str().unwrap()).unwrap();
    assert_eq!((&event["rawPath"], &event["queryParameters"]["a"]), (&"/orders".into(), &"1".into()));
    assert_eq!((&event["body"], &event["requestContext"]["http"]["method"]), (&"the body".into(), &"POST".into()));
    assert_eq!(event["requestContext"]["requestId"], answer.header("x-fc-request-id"));
    // The trigger's own rules hold all the same, and so do those of asynchronous invocations.
    assert_eq!(host.request("PUT", "f", "/", &[ASYNC], "").await.status, 405);
    let wrong = host.request("POST", "f", "/", &[("x-fc-invocation-type", "Later")], "").await;
    assert_eq!((wrong.status, wrong.error_code().as_str()), (400, "InvalidArgument"));
    let long = host.request("POST", "f", "/", &[ASYNC], vec![b'x'; (128 << 10) + 1]).await;
    assert_eq!((long.status, long.error_code().as_str()), (400, "InvalidArgument"));
    let answered = host.request("POST", "web", "/echo", &[ASYNC], "").await;
    assert_eq!(answered.status, 400);
    assert!(answered.text().contains("event handler"), "{}", answered.text());
}
