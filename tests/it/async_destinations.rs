//! Destinations of asynchronous invocations, and what no destination takes.

use serde_json::{Value, json};
use support::{Recorder, TestHost, client, eventually};

use crate::async_invoke::{event, has_status};

const ASYNC: &[(&str, &str)] = &[("x-fc-invocation-type", "Async")];

async fn submit(host: &TestHost, function: &str, event: &str) -> String {
    let answer = host.invoke_with(function, event, ASYNC).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.header("x-fc-request-id").to_owned()
}

async fn listed(host: &TestHost, query: &str) -> Vec<Value> {
    let answer = client::send(host.api, "GET", &format!("/wisp/events?{query}"), &[], Vec::new()).await.json();
    answer["events"].as_array().unwrap().clone()
}

async fn change(host: &TestHost, method: &str, path: &str) -> Value {
    client::send(host.api, method, &format!("/wisp/events{path}"), &[], Vec::new()).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_learns_of_an_event_that_failed_as_often_as_it_may() {
    let host = TestHost::start(
        "[functions.f]\ncomponent = \"{misbehave}\"\n[functions.f.async]\nmax_retry_attempts = 1\non_failure = \"audit\"\n\
         [functions.audit]\ncomponent = \"{event}\"\n[functions.audit.async]\nstateful = true\n",
    )
    .await;
    let id = submit(&host, "f", "handled:{\"errorMessage\":\"no\"}").await;
    eventually("the record is an event", || async {
        !listed(&host, "function=audit&status=Succeeded").await.is_empty()
    })
    .await;
    let record_id = listed(&host, "function=audit").await[0]["requestId"].as_str().unwrap().to_owned();
    let record: Value = serde_json::from_str(event(&host, &record_id).await["payload"].as_str().unwrap()).unwrap();
    assert_eq!(
        record["requestContext"],
        json!({
            "requestId": id,
            "functionArn": "acs:fc:local:000000000000:services/default.LATEST/functions/f",
            "condition": "HandledInvocationError",
            "approximateInvokeCount": 2,
        })
    );
    assert_eq!(record["responseContext"], json!({ "statusCode": 200, "functionError": "HandledInvocationError" }));
    assert_eq!(record["requestPayload"], "handled:{\"errorMessage\":\"no\"}");
    assert_eq!(record["responsePayload"], "{\"errorMessage\":\"no\"}");
    assert!(listed(&host, "dead=true").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_learns_of_an_event_that_succeeded() {
    let recorder = Recorder::start().await;
    let host = TestHost::start(&format!(
        "[functions.f]\ncomponent = \"{{misbehave}}\"\n[functions.f.async]\non_success = \"{}\"\n",
        recorder.url("done?key=1")
    ))
    .await;
    recorder.answer_with(503);
    let id = submit(&host, "f", "count").await;
    recorder.until("/done?key=1").await;
    recorder.answer_with(204);
    eventually("it is forgotten", || async { event(&host, &id).await["ErrorCode"] == "EventNotFound" }).await;
    let seen = recorder.seen();
    assert!(seen.len() > 1 && seen.iter().all(|seen| seen.request_id == id), "{seen:?}");
    let record: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!((&record["responsePayload"], &record["requestContext"]["condition"]), (&"1".into(), &"".into()));
    assert_eq!(host.count("f", "ok").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_a_dead_letter_until_it_is_redriven_or_purged() {
    let host = TestHost::start(
        "[functions.f]\ncomponent = \"{misbehave}\"\n[functions.f.async]\nmax_retry_attempts = 0\n\
         [functions.g]\ncomponent = \"{misbehave}\"\n[functions.g.async]\nmax_retry_attempts = 0\n",
    )
    .await;
    let id = submit(&host, "f", "trap").await;
    submit(&host, "g", "trap").await;
    eventually("both are dead", || async { listed(&host, "dead=true").await.len() == 2 }).await;
    let dead = event(&host, &id).await;
    assert_eq!((&dead["status"], &dead["error"]), (&"Failed".into(), &"UnhandledInvocationError".into()));
    assert_eq!((&dead["payload"], &dead["calls"]), (&"trap".into(), &1.into()));

    // As the command line writes it.
    let encoded = id.replace('-', "%2D");
    assert_eq!(change(&host, "POST", &format!("/{encoded}/redrive")).await, json!({ "redriven": 1 }));
    eventually("it is called again", || async { event(&host, &id).await["calls"] == 2 }).await;
    eventually("it is dead again", || async { event(&host, &id).await["dead"] == true }).await;
    assert_eq!(change(&host, "DELETE", "?function=f").await, json!({ "purged": 1 }));
    assert_eq!(change(&host, "DELETE", &format!("/{id}")).await["ErrorCode"], "EventNotFound");
    assert_eq!(listed(&host, "dead=true").await.len(), 1);
    assert_eq!(change(&host, "POST", "/redrive").await, json!({ "redriven": 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_refused_is_redriven_without_calling_the_function_again() {
    let recorder = Recorder::start().await;
    let host = TestHost::start(&format!(
        "[functions.f]\ncomponent = \"{{misbehave}}\"\n[functions.f.async]\non_success = \"{}\"\nstateful = true\n",
        recorder.url("record")
    ))
    .await;
    recorder.answer_with(410);
    let id = submit(&host, "f", "count").await;
    eventually("it is dead", || async { event(&host, &id).await["dead"] == true }).await;
    let dead = event(&host, &id).await;
    assert_eq!((&dead["status"], &dead["destinationStatus"]), (&"Succeeded".into(), &"Failed".into()));
    assert!(dead["destinationError"].as_str().unwrap().contains("410"), "{dead}");
    recorder.answer_with(200);
    change(&host, "POST", &format!("/{id}/redrive")).await;
    eventually("it is delivered", || async { event(&host, &id).await["destinationStatus"] == "Succeeded" }).await;
    assert_eq!((recorder.count("/record"), host.count("f", "ok").await), (2, 1));
    let record: Value = serde_json::from_slice(&recorder.seen()[1].body).unwrap();
    assert_eq!((&record["requestPayload"], &record["responsePayload"]), (&"count".into(), &"1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_are_each_others_destinations_come_to_an_end() {
    let host = TestHost::start(
        "[functions.f]\ncomponent = \"{event}\"\n[functions.f.async]\non_success = \"default/f\"\nstateful = true\n",
    )
    .await;
    submit(&host, "f", "{}").await;
    eventually("the chain ends", || async { listed(&host, "dead=true").await.len() == 1 }).await;
    assert_eq!(listed(&host, "function=f").await.len(), 17);
    let last = &listed(&host, "dead=true").await[0];
    assert!(last["destinationError"].as_str().unwrap().contains("led to one another"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_function_that_is_gone_is_given_up() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{misbehave}\"\n").await;
    // Longer than a deploy takes on a busy machine.
    let answer = host.invoke_with("f", "count", &[ASYNC[0], ("x-fc-async-delay", "5")]).await;
    let id = answer.header("x-fc-request-id").to_owned();
    host.deploy("[functions.g]\ncomponent = \"{event}\"\n").await.unwrap();
    has_status(&host, &id, "Invalid").await;
    let event = event(&host, &id).await;
    assert_eq!((&event["dead"], &event["calls"]), (&true.into(), &0.into()));
    assert!(event["response"].as_str().unwrap().contains("does not exist"), "{event}");
}
