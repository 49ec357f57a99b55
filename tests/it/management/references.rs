//! Nothing is deleted that something else leads to, and nothing is left that leads nowhere.

use super::*;

const TRIGGERS: &str = "/services/svc/functions/f/triggers";

fn http(name: &str, qualifier: Value) -> Value {
    json!({ "triggerName": name, "triggerType": "http", "qualifier": qualifier,
        "triggerConfig": { "authType": "anonymous", "methods": ["GET"] } })
}

fn domain(qualifier: &str) -> Value {
    let route = json!({ "path": "/*", "serviceName": "svc", "functionName": "f", "qualifier": qualifier });
    json!({ "domainName": "shop.example.com", "protocol": "HTTP", "routeConfig": { "routes": [route] } })
}

/// Service `svc` with function `f`, version 1, and alias `prod` for it.
async fn published(api: &Api<'_>) {
    deployed(api, "one").await;
    ok(api.post("/services/svc/versions", json!({})).await);
    ok(api.post("/services/svc/aliases", json!({ "aliasName": "prod", "versionId": "1" })).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_a_trigger_names_stays_until_the_trigger_goes() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    ok(api.post(TRIGGERS, http("web", json!("prod"))).await);
    let message = refused(&api.delete("/services/svc/aliases/prod").await, 409, "AliasInUse");
    assert!(message.contains("trigger 'web' of function 'f'"), "{message}");
    assert_eq!(host.send("GET", "/2016-08-15/proxy/svc.prod/f/env:VALUE", &[], "").await.text(), "one");
    gone(&api.delete(&format!("{TRIGGERS}/web")).await);
    gone(&api.delete("/services/svc/aliases/prod").await);
    ok(api.post(TRIGGERS, http("web", json!("1"))).await);
    refused(&api.delete("/services/svc/versions/1").await, 409, "VersionInUse");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_and_a_trigger_that_a_domain_needs_stay_until_the_route_goes() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    ok(api.post(TRIGGERS, http("web", Value::Null)).await);
    ok(api.post("/custom-domains", domain("prod")).await);
    let message = refused(&api.delete("/services/svc/aliases/prod").await, 409, "AliasInUse");
    assert!(message.contains("route '/*' of custom domain 'shop.example.com'"), "{message}");
    let message = refused(&api.delete(&format!("{TRIGGERS}/web")).await, 409, "TriggerInUse");
    assert!(message.contains("custom domain 'shop.example.com'"), "{message}");
    refused(&api.delete("/services/svc/functions/f").await, 409, "FunctionNotEmpty");
    let at_domain = || host.send("GET", "/env:VALUE", &[("host", "shop.example.com")], "");
    assert_eq!(at_domain().await.text(), "one");
    ok(api.put("/custom-domains/shop.example.com", json!({ "routeConfig": { "routes": [] } })).await);
    gone(&api.delete("/services/svc/aliases/prod").await);
    gone(&api.delete(&format!("{TRIGGERS}/web")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_instances_are_kept_for_stays_until_they_are_let_go_of() {
    let host = TestHost::start("").await;
    let api = fc2(&host);
    published(&api).await;
    let config = "/services/svc.prod/functions/f/provision-config";
    ok(api.put(config, json!({ "target": 1 })).await);
    let message = refused(&api.delete("/services/svc/aliases/prod").await, 409, "ProvisionConfigExist");
    assert!(message.contains("function 'f' are kept for qualifier 'prod'"), "{message}");
    // The version keeps its copy of the function, and the alias what is kept of it.
    gone(&api.delete("/services/svc/functions/f").await);
    assert_eq!(ok(api.get(config).await)["target"], 1);
    support::eventually("one is kept", || async { ok(api.get(config).await)["current"] == 1 }).await;
    ok(api.put(config, json!({ "target": 0 })).await);
    gone(&api.delete("/services/svc/aliases/prod").await);
    assert_eq!(ok(api.get("/provision-configs").await)["provisionConfigs"], json!([]), "its settings go with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_api_2023_with_kept_instances_or_a_domain_stays() {
    let host = TestHost::start("").await;
    let api = fc3(&host);
    ok(api.post("/functions", function("f", "three")).await);
    let config = json!({ "authType": "anonymous", "methods": ["GET"] }).to_string();
    let trigger = json!({ "triggerName": "web", "triggerType": "http", "triggerConfig": config });
    ok(api.post("/functions/f/triggers", trigger).await);
    let route = json!({ "path": "/*", "functionName": "f" });
    ok(api
        .post("/custom-domains", json!({ "domainName": "f.example.com", "routeConfig": { "routes": [route] } }))
        .await);
    let code = |answer: Answer| (answer.status, answer.json()["Code"].as_str().unwrap().to_owned());
    assert_eq!(code(api.delete("/functions/f/triggers/web").await), (409, "TriggerInUse".into()));
    gone(&api.delete("/custom-domains/f.example.com").await);
    gone(&api.delete("/functions/f/triggers/web").await);
    ok(api.put("/functions/f/scaling-config?qualifier=LATEST", json!({ "minInstances": 1 })).await);
    assert_eq!(code(api.delete("/functions/f").await), (409, "ResidentScalingConfigExists".into()));
    gone(&api.delete("/functions/f/scaling-config?qualifier=LATEST").await);
    gone(&api.delete("/functions/f").await);
}
