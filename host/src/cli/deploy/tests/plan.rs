use std::path::Path;

use wisp::config::Environment;

use super::*;
use crate::cli::deploy::render;

const FILE: &str = "\
edition: 3.0.0
resources:
  a:
    component: fc
    props:
      service: { name: svc, description: d }
      function:
        name: f
        runtime: nodejs20
        codeUri: ./code
        handler: index.handler
        memorySize: 256
        environmentVariables: { A: '1' }
        asyncConfiguration: { maxAsyncRetryAttempts: 1 }
      triggers: [{ name: t, type: http, config: { authType: anonymous, methods: [GET, POST] } }]
      customDomains: [{ domainName: example.com, protocol: HTTP, routeConfigs: [{ path: '/*', serviceName: svc, functionName: f }] }]
  b:
    component: fc3
    props:
      functionName: g
      runtime: python3.10
      code: ./code
      handler: main.handler
      provisionConfig: { defaultTarget: 2 }
      triggers: [{ triggerName: t, triggerType: http, triggerConfig: { authType: function, methods: [GET] } }]
";

fn project() -> Project {
    Project::parse(FILE, Path::new("s.yaml"), Environment::empty()).unwrap()
}

fn packages() -> Packages {
    let function =
        |service: Option<&str>, name: &str| FunctionName { service: service.map(str::to_owned), name: name.to_owned() };
    Packages::from([(function(Some("svc"), "f"), b"first".to_vec()), (function(None, "g"), b"second".to_vec())])
}

fn steps(current: &Current) -> Vec<Step> {
    plan(&project(), &packages(), current).unwrap()
}

/// What the server answers once all steps of an empty host are done: what it was sent, and what it adds.
fn after_all(steps: &[Step]) -> Current {
    let document = |step: &Step| {
        let mut document = step.request.as_ref().unwrap().body.clone();
        let fields = document.as_object_mut().unwrap();
        if let Some(code) = fields.remove("code") {
            fields.insert("codeChecksum".to_owned(), code["checksum"].clone());
        }
        fields.insert("createdTime".to_owned(), json!("2026-11-21T00:00:00Z"));
        (step.resource.clone(), document)
    };
    steps.iter().map(document).collect()
}

fn shown(steps: &[Step]) -> Vec<String> {
    let text = anstream::adapter::strip_str(&render::plan(steps)).to_string();
    text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn on_an_empty_host_everything_is_created_owners_first() {
    let steps = steps(&Current::new());
    assert_eq!(
        shown(&steps),
        [
            "create service svc",
            "create function svc/f",
            "create function g",
            "create trigger svc/f/t",
            "create async config svc/f",
            "create trigger g/t",
            "create provision config g",
            "create domain example.com",
        ]
    );
    let request = |index: usize| steps[index].request.clone().unwrap();
    assert_eq!((request(0).method, request(0).path.as_str()), (Method::POST, "/2016-08-15/services"));
    assert_eq!(request(0).body, json!({"serviceName": "svc", "description": "d"}));
    assert_eq!(request(1).path, "/2016-08-15/services/svc/functions");
    assert_eq!(request(1).body["code"]["zipFile"], json!("Zmlyc3Q="));
    assert_eq!(request(2).path, "/2023-03-30/functions");
    assert_eq!(request(3).body["triggerConfig"], json!({"authType": "anonymous", "methods": ["GET", "POST"]}));
    assert_eq!((request(4).method, request(4).body), (Method::PUT, json!({"maxAsyncRetryAttempts": 1})));
    assert_eq!(request(5).body["triggerConfig"], json!("{\"authType\":\"function\",\"methods\":[\"GET\"]}"));
    assert_eq!(request(6).body, json!({"target": 2}));
    assert_eq!(request(7).body["domainName"], json!("example.com"));
}

#[test]
fn a_second_deploy_keeps_everything() {
    let current = after_all(&steps(&Current::new()));
    let again = steps(&current);
    assert!(again.iter().all(|step| step.action == Action::Keep && step.request.is_none()), "{:?}", shown(&again));
}

#[test]
fn what_the_server_says_in_other_words_is_no_change() {
    let mut current = after_all(&steps(&Current::new()));
    let trigger = Resource::Trigger { function: FunctionName::parse("g"), name: "t".to_owned() };
    current.get_mut(&trigger).unwrap()["triggerConfig"] =
        json!("{\"methods\": [\"GET\"], \"authType\": \"function\", \"disableURLInternet\": false}");
    let function = current.get_mut(&Resource::Function(FunctionName::parse("svc/f"))).unwrap();
    function["memorySize"] = json!(256.0);
    function["layers"] = json!(null);
    let trigger = Resource::Trigger { function: FunctionName::parse("svc/f"), name: "t".to_owned() };
    current.get_mut(&trigger).unwrap()["triggerConfig"]["methods"] = json!(["POST", "GET"]);
    assert!(steps(&current).iter().all(|step| step.action == Action::Keep), "{:?}", shown(&steps(&current)));
}

#[test]
fn only_what_differs_is_sent() {
    let mut current = after_all(&steps(&Current::new()));
    let function = Resource::Function(FunctionName::parse("svc/f"));
    let there = current.get_mut(&function).unwrap();
    there["memorySize"] = json!(128);
    there["environmentVariables"] = json!({"A": "1", "OLD": "x"});
    there["codeChecksum"] = json!("1");
    let steps = steps(&current);
    let step = steps.iter().find(|step| step.resource == function).unwrap();
    let request = step.request.clone().unwrap();
    assert_eq!((request.method, request.path.as_str()), (Method::PUT, "/2016-08-15/services/svc/functions/f"));
    let sent: Vec<&str> = request.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(sent, ["code", "environmentVariables", "memorySize"]);
    assert_eq!(
        shown(&steps)[1],
        "update function svc/f environmentVariables {\"A\":\"1\",\"OLD\":\"x\"} → {\"A\":\"1\"}, memorySize 128 → 256, code"
    );
}

#[test]
fn a_trigger_does_not_change_its_type() {
    let mut current = after_all(&steps(&Current::new()));
    let trigger = Resource::Trigger { function: FunctionName::parse("svc/f"), name: "t".to_owned() };
    current.get_mut(&trigger).unwrap()["triggerType"] = json!("timer");
    let error = plan(&project(), &packages(), &current).unwrap_err().to_string();
    assert!(error.contains("`wisp remove trigger svc/f/t` removes it"), "{error}");
}

#[test]
fn programs_get_the_plan_as_a_document() {
    let document = render::json(&steps(&Current::new()), false);
    assert_eq!(document["done"], json!(false));
    assert_eq!(document["steps"][0], json!({"action": "create", "kind": "service", "name": "svc", "changes": []}));
}

#[test]
fn an_http_trigger_stands_alone() {
    let text = FILE.replace(
        "triggers: [{ name: t, type: http, ",
        "triggers: [{ name: u, type: timer, config: {} }, { name: t, type: http, ",
    );
    let project = Project::parse(&text, Path::new("s.yaml"), Environment::empty()).unwrap();
    let error = plan(&project, &packages(), &Current::new()).unwrap_err().to_string();
    assert!(error.starts_with("function f has an HTTP trigger and others"), "{error}");
}
