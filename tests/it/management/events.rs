//! async-invoke-config and stateful asynchronous invocations, by both APIs.

use support::eventually;

use super::*;

const ASYNC: (&str, &str) = ("x-fc-invocation-type", "Async");

async fn submit(host: &TestHost, path: &str, headers: &[(&str, &str)], event: &str) -> Answer {
    client::send(host.api, "POST", path, &[&[ASYNC], headers].concat(), event.as_bytes().to_vec()).await
}

/// A service `svc` with a function `f` that does as it is told.
async fn with_service(host: &TestHost) {
    ok(fc2(host).post("/services", json!({ "serviceName": "svc" })).await);
    let body = json!({
        "functionName": "f", "runtime": "custom", "handler": "h", "timeout": 600, "memorySize": 128,
        "code": code(&MISBEHAVE),
    });
    ok(fc2(host).post("/services/svc/functions", body).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_async_invoke_config_says_how_often_a_call_is_repeated_and_that_its_state_is_kept() {
    let host = TestHost::start("").await;
    with_service(&host).await;
    let config = json!({ "maxAsyncRetryAttempts": 1, "statefulInvocation": true });
    ok(fc2(&host).put("/services/svc/functions/f/async-invoke-config", config).await);
    let invoke = "/2016-08-15/services/svc/functions/f/invocations";
    let answer = submit(&host, invoke, &[], "handled:{\"errorMessage\":\"no\"}").await;
    let id = answer.header("x-fc-stateful-async-invocation-id").to_owned();
    assert_eq!((answer.status, id.as_str()), (202, answer.header("x-fc-request-id")));

    let path = format!("/services/svc/functions/f/stateful-async-invocations/{id}");
    let get = || async { ok(fc2(&host).get(&path).await) };
    eventually("it has failed", || async { get().await["status"] == "Failed" }).await;
    let invocation = get().await;
    assert_eq!(invocation["alreadyRetriedTimes"], 1);
    assert_eq!(invocation["invocationErrorMessage"], "no");
    assert_eq!(invocation["invocationPayload"], "handled:{\"errorMessage\":\"no\"}");
    assert!(invocation["endTime"].as_u64() >= invocation["startedTime"].as_u64());
    refused(&fc2(&host).put(&path, Value::Null).await, 400, "InvalidArgument");
    let missing = "/services/svc/functions/f/stateful-async-invocations/nobody";
    refused(&fc2(&host).get(missing).await, 404, "StatefulAsyncInvocationNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn stateful_invocations_are_listed_by_what_is_asked_for_and_no_list_is_none() {
    let host = TestHost::start("").await;
    with_service(&host).await;
    let list = |query: &str| {
        let path = format!("/services/svc/functions/f/stateful-async-invocations{query}");
        let host = &host;
        async move { ok(fc2(host).get(&path).await) }
    };
    assert_eq!(list("").await, json!({}));
    let invoke = "/2016-08-15/services/svc/functions/f/invocations";
    for id in ["a-1", "a-2", "b-1"] {
        let answer = submit(&host, invoke, &[("x-fc-stateful-async-invocation-id", id)], "count").await;
        assert_eq!(answer.status, 202);
    }
    eventually("all have succeeded", || async {
        list("?status=Succeeded").await["invocations"].as_array().is_some_and(|all| all.len() == 3)
    })
    .await;
    let ids = |page: &Value| -> Vec<String> {
        page["invocations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["invocationId"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = list("?limit=2&sortOrderByTime=asc").await;
    assert_eq!(ids(&first), ["a-1", "a-2"]);
    let next = first["nextToken"].as_str().unwrap();
    assert_eq!(ids(&list(&format!("?limit=2&sortOrderByTime=asc&nextToken={next}")).await), ["b-1"]);
    assert_eq!(ids(&list("?invocationIdPrefix=a-").await), ["a-2", "a-1"]);
    assert_eq!(list("").await["invocations"][0].get("invocationPayload"), None);
    assert_eq!(list("?includePayload=true").await["invocations"][0]["invocationPayload"], "count");
    assert_eq!(list("?status=Failed").await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_api_2023_03_30_is_stopped_while_it_runs() {
    let host = TestHost::start("").await;
    let body = json!({
        "functionName": "g", "runtime": "custom", "handler": "h", "timeout": 600, "memorySize": 128,
        "code": code(&MISBEHAVE),
    });
    ok(fc3(&host).post("/functions", body).await);
    ok(fc3(&host).put("/functions/g/async-invoke-config", json!({ "asyncTask": true })).await);
    let answer = submit(&host, "/2023-03-30/functions/g/invocations", &[("x-fc-async-task-id", "job")], "never").await;
    assert_eq!((answer.status, answer.header("x-fc-async-task-id")), (202, "job"));
    let get = || async { ok(fc3(&host).get("/functions/g/async-tasks/job").await) };
    eventually("it runs", || async { get().await["status"] == "Running" }).await;
    gone(&fc3(&host).put("/functions/g/async-tasks/job/stop", Value::Null).await);
    let task = get().await;
    assert_eq!((&task["status"], &task["taskId"]), (&"Stopped".into(), &"job".into()));
    assert_eq!(task["functionArn"], "acs:fc:local:000000000000:functions/g");
    let listed = ok(fc3(&host).get("/functions/g/async-tasks").await);
    assert_eq!(listed["tasks"].as_array().unwrap().len(), 1);
    let again = fc3(&host).put("/functions/g/async-tasks/job/stop", Value::Null).await;
    assert_eq!((again.status, again.json()["Code"].as_str()), (400, Some("InvalidArgument")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_wisp_has_not_is_kept_and_its_records_become_dead_letters() {
    let host = TestHost::start("").await;
    with_service(&host).await;
    let mns = "acs:mns:cn-shanghai:1:/queues/q/messages";
    let config = json!({
        "maxAsyncRetryAttempts": 0, "destinationConfig": { "onFailure": { "destination": mns } },
    });
    ok(fc2(&host).put("/services/svc/functions/f/async-invoke-config", config).await);
    let answer = submit(&host, "/2016-08-15/services/svc/functions/f/invocations", &[], "trap").await;
    let path = format!("/wisp/events/{}", answer.header("x-fc-request-id"));
    let event = || async { host.api("GET", &path, Value::Null).await.json() };
    eventually("it is dead", || async { event().await["dead"] == true }).await;
    let event = event().await;
    assert_eq!((&event["destination"], &event["destinationStatus"]), (&mns.into(), &"Failed".into()));
    let reason = event["destinationError"].as_str().unwrap();
    assert_eq!(reason, "there is no source 'q' in wisp.toml; add [sources.q]");
}
