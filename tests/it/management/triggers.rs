//! Triggers and custom domains.

use super::*;

fn http(name: &str, auth: &str) -> Value {
    json!({ "triggerName": name, "triggerType": "http", "sourceArn": null, "invocationRole": null, "qualifier": null,
        "triggerConfig": { "authType": auth, "methods": ["GET", "POST"] } })
}

fn timer(name: &str) -> Value {
    json!({ "triggerName": name, "triggerType": "timer",
        "triggerConfig": { "cronExpression": "@every 4m", "enable": true, "payload": "p" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_trigger_opens_the_function_and_its_end_closes_it() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    let call = |path: &'static str| host.send("GET", path, &[], "");
    assert_eq!(call("/2016-08-15/proxy/svc/f/env:VALUE").await.error_code(), "TriggerNotFound");
    let made = ok(api.post("/services/svc/functions/f/triggers", http("t", "anonymous")).await);
    assert_eq!(made["triggerConfig"]["authType"], "anonymous");
    assert_eq!(made["sourceArn"], Value::Null);
    assert_eq!(made["urlInternet"], format!("http://{}/2016-08-15/proxy/svc/f/", host.trigger));
    assert_eq!(call("/2016-08-15/proxy/svc/f/env:VALUE").await.text(), "one");
    let get_only = json!({ "triggerConfig": { "authType": "anonymous", "methods": ["POST"] } });
    ok(api.put("/services/svc/functions/f/triggers/t", get_only).await);
    assert_eq!(call("/2016-08-15/proxy/svc/f/env:VALUE").await.status, 405);
    let closed =
        json!({ "triggerConfig": { "authType": "anonymous", "methods": ["GET"], "disableURLInternet": true } });
    ok(api.put("/services/svc/functions/f/triggers/t", closed).await);
    assert_eq!(call("/2016-08-15/proxy/svc/f/env:VALUE").await.status, 403);
    gone(&api.delete("/services/svc/functions/f/triggers/t").await);
    assert_eq!(call("/2016-08-15/proxy/svc/f/env:VALUE").await.error_code(), "TriggerNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_leads_to_the_version_that_the_path_names() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    ok(api.post("/services/svc/functions/f/triggers", http("t", "anonymous")).await);
    ok(api.post("/services/svc/versions", json!({})).await);
    ok(api.put("/services/svc/functions/f", json!({ "environmentVariables": { "VALUE": "head" } })).await);
    assert_eq!(host.send("GET", "/2016-08-15/proxy/svc.1/f/env:VALUE", &[], "").await.text(), "one");
    assert_eq!(host.send("GET", "/2016-08-15/proxy/svc/f/env:VALUE", &[], "").await.text(), "head");
    ok(api.put("/services/svc/functions/f/triggers/t", json!({ "qualifier": "1" })).await);
    assert_eq!(host.send("GET", "/2016-08-15/proxy/svc/f/env:VALUE", &[], "").await.error_code(), "TriggerNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_has_one_http_trigger_and_none_beside_it() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    let path = "/services/svc/functions/f/triggers";
    ok(api.post(path, http("t", "anonymous")).await);
    refused(&api.post(path, http("t", "anonymous")).await, 409, "TriggerAlreadyExists");
    refused(&api.post(path, http("u", "anonymous")).await, 400, "InvalidArgument");
    refused(&api.post(path, timer("u")).await, 400, "InvalidArgument");
    gone(&api.delete(&format!("{path}/t")).await);
    for name in ["b", "a"] {
        ok(api.post(path, timer(name)).await);
    }
    refused(&api.post(path, http("t", "anonymous")).await, 400, "InvalidArgument");
    assert_eq!(names(&ok(api.get(path).await)["triggers"], "triggerName"), ["a", "b"]);
    refused(&api.get(&format!("{path}/none")).await, 404, "TriggerNotFound");
    refused(&api.delete(&format!("{path}/none")).await, 404, "TriggerNotFound");
    let bad = json!({ "triggerName": "c", "triggerType": "timer", "triggerConfig": { "cronExpression": "often" } });
    refused(&api.post(path, bad).await, 400, "InvalidArgument");
    let bad = json!({ "triggerName": "c", "triggerType": "carrier-pigeon", "triggerConfig": {} });
    refused(&api.post(path, bad).await, 400, "InvalidArgument");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_a_trigger_is_a_text_in_api_2023() {
    let host = TestHost::start("").await;
    let api = fc3(&host);
    ok(api.post("/functions", function("f", "three")).await);
    let config = json!({ "authType": "anonymous", "methods": ["GET"] }).to_string();
    let trigger = json!({ "triggerName": "t", "triggerType": "http", "triggerConfig": config });
    let made = ok(api.post("/functions/f/triggers", trigger).await);
    let config: Value = serde_json::from_str(made["triggerConfig"].as_str().unwrap()).unwrap();
    assert_eq!(config["disableURLInternet"], false);
    let url = made["httpTrigger"]["urlInternet"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", host.trigger)).unwrap();
    assert_eq!(host.send("GET", &format!("{path}env:VALUE"), &[], "").await.text(), "three");
    let by_name = host.send("GET", "/env:VALUE", &[("host", "f.localhost:9000")], "").await;
    assert_eq!(by_name.text(), "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_leads_to_functions_with_http_triggers_by_its_routes() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    deployed(&api, "one").await;
    ok(api.post("/services/svc/versions", json!({})).await);
    ok(api.post("/services/svc/aliases", json!({ "aliasName": "prod", "versionId": "1" })).await);
    ok(api.put("/services/svc/functions/f", json!({ "environmentVariables": { "VALUE": "head" } })).await);
    let route = |path: &str, qualifier: &str| {
        json!({ "path": path, "serviceName": "svc", "functionName": "f",
        "qualifier": qualifier, "methods": ["GET"],
        "rewriteConfig": { "wildcardRules": [{ "match": "^/old/*", "replacement": "/$1" }] } })
    };
    let domain = json!({ "domainName": "shop.example.com", "protocol": "HTTP",
        "routeConfig": { "routes": [route("/*", "LATEST"), route("/old/*", "prod")] } });
    assert!(
        refused(&api.post("/custom-domains", domain.clone()).await, 400, "InvalidArgument").contains("HTTP trigger")
    );
    ok(api.post("/services/svc/functions/f/triggers", http("t", "anonymous")).await);
    let made = ok(api.post("/custom-domains", domain.clone()).await);
    assert_eq!((&made["accountId"], &made["apiVersion"]), (&json!("000000000000"), &json!("2016-08-15")));
    refused(&api.post("/custom-domains", domain).await, 409, "DomainNameAlreadyExists");
    let get = |path: &'static str| host.send("GET", path, &[("host", "shop.example.com")], "");
    assert_eq!(get("/env:VALUE").await.text(), "head");
    assert_eq!(get("/old/env:VALUE").await.text(), "one");
    assert_eq!(names(&ok(api.get("/custom-domains").await)["customDomains"], "domainName"), ["shop.example.com"]);
    let moved = json!({ "routeConfig": { "routes": [route("/only", "LATEST")] } });
    ok(api.put("/custom-domains/shop.example.com", moved).await);
    assert_eq!(get("/env:VALUE").await.status, 404);
    gone(&api.delete("/custom-domains/shop.example.com").await);
    refused(&api.get("/custom-domains/shop.example.com").await, 404, "DomainNameNotFound");
}
