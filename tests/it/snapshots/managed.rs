//! Snapshots of functions that the API made: `snapshot` among their attributes.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::*;

const SERVICE: &str = "/2016-08-15/services/svc";

fn function(order: &str, unique: &str) -> Value {
    json!({
        "functionName": "f",
        "runtime": "custom",
        "handler": "index.handler",
        "initializer": "index.initializer",
        "snapshot": true,
        "code": { "zipFile": BASE64_STANDARD.encode(fs::read(&*MISBEHAVE).unwrap()) },
        "environmentVariables": { "INIT": order, "UNIQUE": unique },
    })
}

async fn ok(host: &TestHost, method: &str, path: &str, body: Value) -> Value {
    let answer = host.api(method, path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn says(host: &TestHost, qualified: &str, event: &str) -> String {
    let path = format!("/2016-08-15/services/{qualified}/functions/f/invocations");
    let answer = client::send(host.api, "POST", &path, &[], event.as_bytes().to_vec()).await;
    assert_eq!((answer.status, answer.header("x-fc-error-type")), (200, ""), "{}", answer.text());
    answer.text()
}

async fn runs(host: &TestHost) -> usize {
    lines_with(&host.log("f").await, "FC Initialize Start")
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_aliases_and_a_rollback_share_what_one_run_left() {
    let (host, unique) = (TestHost::start("").await, unique());
    ok(&host, "POST", "/2016-08-15/services", json!({ "serviceName": "svc" })).await;
    ok(&host, "POST", &format!("{SERVICE}/functions"), function("print:one", &unique)).await;
    ok(&host, "POST", &format!("{SERVICE}/versions"), json!({})).await;
    ok(&host, "POST", &format!("{SERVICE}/aliases"), json!({ "aliasName": "prod", "versionId": "1" })).await;
    for qualified in ["svc", "svc.1", "svc.prod"] {
        assert_eq!(says(&host, qualified, "init-count").await, "1");
    }
    assert_eq!(says(&host, "svc.prod", "context").await.matches("\"qualifier\":\"prod\"").count(), 1);
    assert_eq!(runs(&host).await, 1);

    let changed = json!({ "environmentVariables": { "INIT": "print:two", "UNIQUE": unique } });
    assert_eq!(ok(&host, "PUT", &format!("{SERVICE}/functions/f"), changed).await["snapshot"], true);
    ok(&host, "POST", &format!("{SERVICE}/versions"), json!({})).await;
    ok(&host, "PUT", &format!("{SERVICE}/aliases/prod"), json!({ "versionId": "2" })).await;
    assert_eq!(says(&host, "svc.prod", "env:INIT").await, "print:two");
    assert_eq!(runs(&host).await, 2);

    ok(&host, "PUT", &format!("{SERVICE}/aliases/prod"), json!({ "versionId": "1" })).await;
    assert_eq!(says(&host, "svc.prod", "env:INIT").await, "print:one");
    assert_eq!(says(&host, "svc.prod", "init-count").await, "1");
    assert_eq!(runs(&host).await, 2, "the rollback ran nothing");

    let host = host.restart("").await;
    for qualified in ["svc", "svc.1", "svc.2", "svc.prod"] {
        assert_eq!(says(&host, qualified, "init-count").await, "1");
    }
    assert_eq!(runs(&host).await, 0, "nor did another start");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_have_one_is_not_stored() {
    let host = TestHost::start("").await;
    ok(&host, "POST", "/2016-08-15/services", json!({ "serviceName": "svc" })).await;
    let refused = host.api("POST", &format!("{SERVICE}/functions"), function("open-many:1", &unique())).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "InvalidArgument"));
    let message = refused.json()["ErrorMessage"].as_str().unwrap().to_owned();
    assert!(message.contains("it still holds a wait for the host (`pollable`)"), "{message}");
    assert_eq!(host.api("GET", &format!("{SERVICE}/functions/f"), Value::Null).await.status, 404);
}
