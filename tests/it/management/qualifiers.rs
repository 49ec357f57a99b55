//! Versions and aliases, wherever a qualifier can stand.

use super::*;

/// Version 1 says "one", version 2 says "two", the head says "head"; `prod` is version 1.
async fn published(api: &Api<'_>) {
    deployed(api, "one").await;
    let value = |value: &str| json!({ "environmentVariables": { "VALUE": value } });
    assert_eq!(ok(api.post("/services/svc/versions", json!({ "description": "first" })).await)["versionId"], "1");
    ok(api.put("/services/svc/functions/f", value("two")).await);
    assert_eq!(ok(api.post("/services/svc/versions", json!({})).await)["versionId"], "2");
    ok(api.put("/services/svc/functions/f", value("head")).await);
    ok(api.post("/services/svc/aliases", json!({ "aliasName": "prod", "versionId": "1" })).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_qualifier_leads_to_its_own_copy_and_tells_the_function_so() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    for (qualified, value, qualifier) in [
        ("svc", "head", "LATEST"),
        ("svc.LATEST", "head", "LATEST"),
        ("svc.1", "one", "1"),
        ("svc.prod", "one", "prod"),
    ] {
        assert_eq!(api.says(qualified, "f", "env:VALUE").await, value);
        assert_eq!(api.says(qualified, "f", "env:FC_QUALIFIER").await, qualifier);
    }
    let answer =
        client::send(host.api, "POST", "/2016-08-15/services/svc.prod/functions/f/invocations", &[], b"echo".to_vec())
            .await;
    assert_eq!(answer.header("x-fc-invocation-service-version"), "1");
    assert_eq!(ok(api.get("/services/svc.2/functions/f").await)["environmentVariables"]["VALUE"], "two");
    let missing = api.get("/services/svc.9/functions/f").await;
    assert_eq!(refused(&missing, 404, "VersionNotFound"), "version '9' of service 'svc' does not exist");
    refused(&api.get("/services/svc.none/functions/f").await, 404, "AliasNotFound");
    let host = host.restart("").await;
    assert_eq!(fc2(&host).says("svc.prod", "f", "env:VALUE").await, "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_an_alias_moves_what_it_leads_to_and_a_version_in_use_stays() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    assert!(refused(&api.delete("/services/svc/versions/1").await, 409, "VersionInUse").contains("'prod'"));
    ok(api.put("/services/svc/aliases/prod", json!({ "versionId": "2" })).await);
    assert_eq!(api.says("svc.prod", "f", "env:VALUE").await, "two");
    gone(&api.delete("/services/svc/versions/1").await);
    refused(&api.get("/services/svc.1/functions/f").await, 404, "VersionNotFound");
    gone(&api.delete("/services/svc/functions/f").await);
    assert_eq!(api.says("svc.prod", "f", "env:VALUE").await, "two");
    refused(&api.delete("/services/svc").await, 409, "ServiceNotEmpty");
    gone(&api.delete("/services/svc/aliases/prod").await);
    gone(&api.delete("/services/svc/versions/2").await);
    gone(&api.delete("/services/svc").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weighted_alias_splits_as_it_says() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    let weighted = json!({ "additionalVersionWeight": { "2": 0.25 } });
    assert_eq!(ok(api.put("/services/svc/aliases/prod", weighted).await)["additionalVersionWeight"]["2"], 0.25);
    let (calls, mut other) = (400, 0);
    for _ in 0..calls {
        other += i32::from(api.says("svc.prod", "f", "env:VALUE").await == "two");
    }
    // Six standard deviations of a binomial distribution about 100.
    assert!((48..=152).contains(&other), "{other} of {calls}");
    for bad in [json!({ "2": 1.5 }), json!({ "9": 0.5 }), json!({ "1": 0.5 }), json!({ "1": 0.1, "2": 0.1 })] {
        let answer = api.put("/services/svc/aliases/prod", json!({ "additionalVersionWeight": bad })).await;
        assert!([400, 404].contains(&answer.status), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_newest_first_or_the_other_way_round_and_numbers_are_not_used_again() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    let newest = ok(api.get("/services/svc/versions").await);
    assert_eq!(names(&newest["versions"], "versionId"), ["2", "1"]);
    let oldest = ok(api.get("/services/svc/versions?direction=FORWARD&limit=1").await);
    assert_eq!(names(&oldest["versions"], "versionId"), ["1"]);
    gone(&api.delete("/services/svc/versions/2").await);
    assert_eq!(ok(api.post("/services/svc/versions", json!({})).await)["versionId"], "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_api_2023_have_versions_and_aliases_too() {
    let host = TestHost::start("").await;
    let api = fc3(&host);
    ok(api.post("/functions", function("f", "one")).await);
    assert_eq!(ok(api.post("/functions/f/versions", json!({ "description": "d" })).await)["versionId"], "1");
    ok(api.put("/functions/f", json!({ "environmentVariables": { "VALUE": "head" } })).await);
    ok(api.post("/functions/f/aliases", json!({ "aliasName": "prod", "versionId": "1" })).await);
    for (qualifier, value) in [("LATEST", "head"), ("1", "one"), ("prod", "one")] {
        let path = format!("/2023-03-30/functions/f/invocations?qualifier={qualifier}");
        assert_eq!(client::send(host.api, "POST", &path, &[], b"env:VALUE".to_vec()).await.text(), value);
    }
    assert_eq!(ok(api.get("/functions/f?qualifier=prod").await)["environmentVariables"]["VALUE"], "one");
    let missing = api.get("/functions/f?qualifier=none").await;
    assert_eq!(missing.json()["Code"], "AliasNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_kept_for_a_qualifier_and_let_go() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    let path = "/services/svc.prod/functions/f/provision-config";
    let put = ok(api.put(path, json!({ "target": 2 })).await);
    assert_eq!(put["resource"], "000000000000#svc#prod#f");
    support::eventually("two are kept", || async { ok(api.get(path).await)["current"] == 2 }).await;
    let instances = ok(api.get("/services/svc.prod/functions/f/instances").await);
    assert_eq!(instances["instances"].as_array().unwrap().len(), 2);
    let listed = ok(api.get("/provision-configs?serviceName=svc&qualifier=prod").await);
    assert_eq!(names(&listed["provisionConfigs"], "resource"), ["000000000000#svc#prod#f"]);
    ok(api.put(path, json!({ "target": 0 })).await);
    support::eventually("none is kept", || async { ok(api.get(path).await)["current"] == 0 }).await;
    let action = |name: &str| {
        json!({ "name": name, "target": 1, "scheduleExpression": "cron(0 0 8 * * *)",
        "startTime": "2026-01-01T00:00:00Z", "endTime": "2027-01-01T00:00:00Z" })
    };
    let twice = json!({ "target": 0, "scheduledActions": [action("x"), action("x")] });
    let message = refused(&api.put(path, twice).await, 400, "InvalidArgument");
    assert_eq!(message, "Duplicate action name 'x' in ScheduledActions is not allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_concurrency_of_a_function_is_that_of_all_its_qualifiers_together() {
    let host = TestHost::start("[server]\nqueue_timeout = \"100 ms\"\n").await;
    let api = fc3(&host);
    ok(api.post("/functions", function("f", "one")).await);
    ok(api.post("/functions/f/versions", json!({})).await);
    ok(api.put("/functions/f/concurrency", json!({ "reservedConcurrency": 1 })).await);
    let call = |qualifier: &str, event: &str| {
        let path = format!("/2023-03-30/functions/f/invocations?qualifier={qualifier}");
        let (api, event) = (host.api, event.as_bytes().to_vec());
        async move { client::send(api, "POST", &path, &[], event).await }
    };
    let (slow, ()) = tokio::join!(call("1", "sleep:2000"), async {
        host.busy("f").await;
        support::eventually("another qualifier is refused", || async {
            let answer = call("LATEST", "echo").await;
            answer.status == 429 && answer.text().contains("reserved concurrency")
        })
        .await;
    });
    assert_eq!(slow.status, 200);
    // The instance of version 1 is idle now, and goes for one of the head.
    assert_eq!(call("LATEST", "env:VALUE").await.text(), "one");
    gone(&api.delete("/functions/f/concurrency").await);
    let (slow, ()) = tokio::join!(call("1", "sleep:1000"), async {
        assert_eq!(call("LATEST", "env:VALUE").await.text(), "one");
    });
    assert_eq!(slow.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_on_demand_config_caps_the_instances_of_a_qualifier() {
    let host = TestHost::start("[server]\nqueue_timeout = \"50 ms\"\n").await;
    let api = fc2(&host);
    published(&api).await;
    let path = "/services/svc.prod/functions/f/on-demand-config";
    refused(&api.get(path).await, 404, "OnDemandConfigNotFound");
    ok(api.put(path, json!({ "maximumInstanceCount": 1 })).await);
    let second = || {
        client::send(host.api, "POST", "/2016-08-15/services/svc.prod/functions/f/invocations", &[], b"echo".to_vec())
    };
    let (slow, ()) = tokio::join!(api.says("svc.prod", "f", "sleep:2000"), async {
        host.busy("f").await;
        assert_eq!(second().await.status, 429, "the second is refused");
    });
    assert_eq!(slow, "slept");
    gone(&api.delete(path).await);
}
