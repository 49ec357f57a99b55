//! Services and functions: made, changed, listed, invoked, removed, and still there after a restart.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_made_and_invoked_and_reads_back_with_its_defaults() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    let service = ok(api.post("/services", json!({ "serviceName": "svc", "description": "d", "other": 1 })).await);
    assert_eq!((&service["description"], &service["internetAccess"]), (&json!("d"), &json!(true)));
    assert_eq!(service["tracingConfig"], json!({ "type": null, "params": null }));
    let answer = api.post("/services/svc/functions", function("f", "one")).await;
    let etag = answer.header("etag").to_owned();
    let made = ok(answer);
    assert_eq!((&made["memorySize"], &made["timeout"], &made["codeSize"].is_u64()), (&json!(128), &json!(3), &true));
    let read = api.get("/services/svc/functions/f").await;
    assert_eq!(read.header("etag"), etag);
    assert_eq!(ok(read), made);
    assert_eq!(api.says("svc", "f", "env:VALUE").await, "one");
    assert_eq!(api.says("svc", "f", "env:FC_QUALIFIER").await, "LATEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_was_acknowledged_is_there_after_a_restart_with_its_code() {
    let host = TestHost::start("").await;
    deployed(&fc2(&host), "kept").await;
    let before = ok(fc2(&host).get("/services/svc/functions/f").await);
    let host = host.restart("").await;
    let api = fc2(&host);
    assert_eq!(ok(api.get("/services/svc/functions/f").await), before);
    assert_eq!(api.says("svc", "f", "env:VALUE").await, "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_it_names_and_takes_effect_at_once() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    let etag = api.get("/services/svc/functions/f").await.header("etag").to_owned();
    let changed = json!({ "timeout": "20", "environmentVariables": { "VALUE": "two" } });
    assert_eq!(ok(api.put("/services/svc/functions/f", changed).await)["timeout"], 20);
    assert_eq!(api.says("svc", "f", "env:VALUE").await, "two");
    let stale = [("if-match", etag.as_str())];
    let answer =
        client::send(host.api, "PUT", "/2016-08-15/services/svc/functions/f", &stale, b"{\"timeout\":1}".to_vec())
            .await;
    refused(&answer, 412, "PreconditionFailed");
    assert_eq!(ok(api.put("/services/svc/functions/f", json!({ "code": code(&EVENT) })).await)["timeout"], 20);
    assert_eq!(api.says("svc", "f", "hello").await, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_call_ends_on_the_code_that_it_began_with() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    let (slow, ()) = tokio::join!(api.says("svc", "f", "sleep:1500"), async {
        host.busy("f").await;
        ok(api.put("/services/svc/functions/f", json!({ "environmentVariables": { "VALUE": "two" } })).await);
        assert_eq!(api.says("svc", "f", "env:VALUE").await, "two");
    });
    assert_eq!(slow, "slept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_refused_with_the_reason_and_changes_nothing() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    let nonsense = json!({ "zipFile": BASE64_STANDARD.encode("no zip") });
    let cases = [
        (json!({ "code": nonsense }), "is no zip file"),
        (json!({ "code": { "zipFile": "%" } }), "not base64"),
        (json!({ "code": { "ossBucketName": "bucket", "ossObjectName": "o" } }), "no object storage"),
        (json!({ "memorySize": 100 }), "multiple of 64"),
        (json!({ "timeout": 0 }), "Timeout is set to an invalid value"),
        (json!({ "runtime": 1 }), "Runtime is set to an invalid value"),
        (json!({ "runtime": "cobol" }), "Runtime is set to an invalid value"),
        (json!({ "environmentVariables": { "FC_X": "1" } }), "reserved"),
        (json!({ "environmentVariables": { "A": 1 } }), "EnvironmentVariables"),
    ];
    for (change, reason) in cases {
        let message = refused(&api.put("/services/svc/functions/f", change).await, 400, "InvalidArgument");
        assert!(message.contains(reason), "{message}");
    }
    assert_eq!(api.says("svc", "f", "env:VALUE").await, "one");
    let wrong = [("x-fc-code-checksum", "1")];
    let body = json!({ "code": code(&EVENT) }).to_string().into_bytes();
    let answer = client::send(host.api, "PUT", "/2016-08-15/services/svc/functions/f", &wrong, body).await;
    assert!(refused(&answer, 400, "InvalidArgument").contains("CRC-64"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_missing_taken_or_wrong_have_the_codes_of_the_service() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    let missing = refused(&api.get("/services/none").await, 404, "ServiceNotFound");
    assert_eq!(missing, "service 'none' does not exist");
    deployed(&api, "one").await;
    refused(&api.post("/services", json!({ "serviceName": "svc" })).await, 409, "ServiceAlreadyExists");
    refused(&api.post("/services/svc/functions", function("f", "")).await, 409, "FunctionAlreadyExists");
    let missing = refused(&api.get("/services/svc/functions/none").await, 404, "FunctionNotFound");
    assert_eq!(missing, "function 'none' does not exist in service 'svc'");
    for name in ["", "1st", "with space", "-x"] {
        refused(&api.post("/services", json!({ "serviceName": name })).await, 400, "InvalidArgument");
    }
    refused(&api.post("/nothing", json!({})).await, 400, "PathNotSupported");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_by_name_and_come_in_parts() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    for name in ["b1", "a", "b2", "c", "b3"] {
        ok(api.post("/services", json!({ "serviceName": name })).await);
    }
    let all = ok(api.get("/services").await);
    assert_eq!(names(&all["services"], "serviceName"), ["a", "b1", "b2", "b3", "c"]);
    assert_eq!(all.get("nextToken"), None);
    let first = ok(api.get("/services?prefix=b&limit=2").await);
    assert_eq!(names(&first["services"], "serviceName"), ["b1", "b2"]);
    let token = first["nextToken"].as_str().unwrap();
    let second = ok(api.get(&format!("/services?prefix=b&limit=2&nextToken={token}")).await);
    assert_eq!(names(&second["services"], "serviceName"), ["b3"]);
    let from = ok(api.get("/services?startKey=b3").await);
    assert_eq!(names(&from["services"], "serviceName"), ["b3", "c"]);
    refused(&api.get("/services?limit=101").await, 400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_that_still_holds_something() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    refused(&api.delete("/services/svc").await, 409, "ServiceNotEmpty");
    let trigger = json!({ "triggerName": "t", "triggerType": "http",
        "triggerConfig": { "authType": "anonymous", "methods": ["GET"] } });
    ok(api.post("/services/svc/functions/f/triggers", trigger).await);
    refused(&api.delete("/services/svc/functions/f").await, 409, "FunctionNotEmpty");
    gone(&api.delete("/services/svc/functions/f/triggers/t").await);
    gone(&api.delete("/services/svc/functions/f").await);
    refused(&api.delete("/services/svc/functions/f").await, 404, "FunctionNotFound");
    gone(&api.delete("/services/svc").await);
    refused(&api.get("/services/svc").await, 404, "ServiceNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_functions_are_listed_and_cannot_be_changed() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{misbehave}\"\n[functions.f.http]\n").await;
    let api = fc2(&host);
    assert_eq!(names(&ok(api.get("/services").await)["services"], "serviceName"), ["default"]);
    assert_eq!(ok(api.get("/services/default/functions/f").await)["functionName"], "f");
    let triggers = ok(api.get("/services/default/functions/f/triggers").await);
    assert_eq!(names(&triggers["triggers"], "triggerType"), ["http"]);
    for answer in [
        api.put("/services/default/functions/f", json!({ "timeout": 5 })).await,
        api.delete("/services/default/functions/f").await,
        api.put("/services/default", json!({ "description": "x" })).await,
        api.post("/services/default/functions", function("g", "")).await,
    ] {
        assert!(refused(&answer, 403, "AccessDenied").contains("wisp.toml"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_that_was_sent_is_given_back() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    let function = ok(api.get("/services/svc/functions/f").await);
    let code = ok(api.get("/services/svc/functions/f/code").await);
    assert_eq!(code["checksum"], function["codeChecksum"]);
    let url = code["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", host.api)).unwrap();
    let sent = client::send(host.api, "GET", path, &[], Vec::new()).await;
    assert_eq!(sent.body, std::fs::read(&*MISBEHAVE).unwrap());
    let forged = path.replace("Expires=", "Expires=1");
    assert_eq!(client::send(host.api, "GET", &forged, &[], Vec::new()).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_api_2023_are_scopes_of_their_own() {
    let host = TestHost::start("").await;
    deployed(&fc2(&host), "two").await;
    let api = fc3(&host);
    let made = ok(api.post("/functions", function("f", "three")).await);
    assert_eq!(made["functionArn"], "acs:fc:local:000000000000:functions/f");
    assert_eq!((&made["state"], &made["lastUpdateStatus"]), (&json!("Active"), &json!("Successful")));
    let invoked =
        client::send(host.api, "POST", "/2023-03-30/functions/f/invocations", &[], b"env:VALUE".to_vec()).await;
    assert_eq!(invoked.text(), "three");
    assert_eq!(fc2(&host).says("svc", "f", "env:VALUE").await, "two");
    let all = ok(api.get("/functions").await);
    assert_eq!(names(&all["functions"], "functionName"), ["f", "svc$f"]);
    let missing = api.get("/functions/none").await;
    assert_eq!((missing.status, missing.json()["Code"].as_str().unwrap()), (404, "FunctionNotFound"));
    assert_eq!(missing.json()["RequestId"], missing.header("x-fc-request-id"));
    assert_eq!(
        ok(api.post("/functions/f/invoke/disable", json!({ "reason": "tired" })).await),
        json!({ "success": true })
    );
    let refused = client::send(host.api, "POST", "/2023-03-30/functions/f/invocations", &[], b"x".to_vec()).await;
    assert_eq!(refused.status, 403);
    ok(api.post("/functions/f/invoke/enable", Value::Null).await);
    gone(&api.delete("/functions/f").await);
    assert_eq!(fc2(&host).says("svc", "f", "env:VALUE").await, "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_kept_found_and_removed() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    for name in ["a", "b"] {
        ok(api.post("/services", json!({ "serviceName": name })).await);
    }
    let tag = json!({ "resourceArn": "services/a", "tags": { "env": "prod", "team": "x" } });
    ok(api.post("/tag", tag).await);
    let tags = ok(api.get("/tag?resourceArn=acs:fc:local:1:services/a").await);
    assert_eq!(tags["resourceArn"], "acs:fc:local:000000000000:services/a");
    assert_eq!(tags["tags"], json!({ "env": "prod", "team": "x" }));
    assert_eq!(names(&ok(api.get("/services?tag_env=prod").await)["services"], "serviceName"), ["a"]);
    ok(host.api("DELETE", "/2016-08-15/tag", json!({ "resourceArn": "services/a", "tagKeys": ["env"] })).await);
    assert_eq!(ok(api.get("/tag?resourceArn=services/a").await)["tags"], json!({ "team": "x" }));
    refused(
        &api.post("/tag", json!({ "resourceArn": "services/none", "tags": { "a": "b" } })).await,
        404,
        "ServiceNotFound",
    );
}
