use std::{fs, path::Path, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::config::{Config, InitializationFailure, Language};

/// A directory with a deployment file and sources beside it.
struct Place(TempDir);

impl Place {
    fn new(files: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        Self(directory)
    }

    fn project(&self, text: &str) -> Project {
        let look_up = |name: &str| (name == "GREETING").then(|| "hello".to_owned());
        Project::parse(text, &self.file(), Environment::new(&look_up)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn config(&self, text: &str) -> Config {
        self.project(text).into_config(&self.file(), Environment::empty()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("s.yaml")
    }
}

/// What is reported for a text.
fn wrong(text: &str) -> String {
    Project::parse(text, Path::new("s.yaml"), Environment::empty()).unwrap_err().to_string()
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.line.unwrap_or_default(), problem.message)).collect()
}

const FUN: &str = "\
ROSTemplateFormatVersion: '2015-09-01'
Transform: 'Aliyun::Serverless-2018-04-03'
Resources:
  demo:
    Type: 'Aliyun::Serverless::Service'
    Properties:
      Description: 'a service'
      InternetAccess: false
      LogConfig: { Project: p, Logstore: l }
    hello:
      Type: 'Aliyun::Serverless::Function'
      Properties:
        Handler: index.handler
        Initializer: index.initializer
        InitializationTimeout: 5
        Runtime: nodejs8
        CodeUri: './code'
        MemorySize: 256
        Timeout: '10'
        CAPort: 9000
        EnvironmentVariables: { GREETING: '${GREETING}', PORT: 80, DEBUG: true }
        InstanceLifecycleConfig: { PreStop: { Handler: index.stop, Timeout: 7 } }
        AsyncConfiguration: { Destination: { OnFailure: 'acs:mns:::/queues/q/messages' }, MaxAsyncRetryAttempts: 1 }
      Events:
        http-test:
          Type: HTTP
          Properties: { AuthType: ANONYMOUS, Methods: ['GET', 'POST'] }
        tick:
          Type: Timer
          Properties: { CronExpression: '0 0 8 * * *', Payload: 'awesome-fc', Enable: true }
  example.com:
    Type: 'Aliyun::Serverless::CustomDomain'
    Properties:
      Protocol: HTTP
      RouteConfig: { Routes: { '/a/*': { ServiceName: demo, FunctionName: hello } } }
";

#[test]
fn a_template_of_fun_says_what_the_api_would_be_told() {
    let project = Place::new(&[]).project(FUN);
    assert_eq!(lines(&project.warnings), Vec::<String>::new());
    assert_eq!(
        serde_json::to_value(&project.services).unwrap(),
        json!({"demo": {"description": "a service", "internetAccess": false, "logConfig": {"project": "p", "logstore": "l"}}})
    );
    let [hello] = project.functions.as_slice() else { panic!("{project:?}") };
    assert_eq!((hello.service.as_deref(), &*hello.name, hello.line), (Some("demo"), "hello", 10));
    assert_eq!(
        Json::Object(hello.attributes.clone()),
        json!({
            "handler": "index.handler", "initializer": "index.initializer", "initializationTimeout": 5,
            "runtime": "nodejs8", "memorySize": 256, "timeout": 10, "caPort": 9000,
            "environmentVariables": {"GREETING": "hello", "PORT": "80", "DEBUG": "true"},
            "instanceLifecycleConfig": {"preStop": {"handler": "index.stop", "timeout": 7}},
        })
    );
    assert_eq!(
        hello.async_config.clone().map(Json::Object),
        Some(json!({
            "destinationConfig": {"onFailure": {"destination": "acs:mns:::/queues/q/messages"}},
            "maxAsyncRetryAttempts": 1,
        }))
    );
    let triggers: Vec<_> = hello
        .triggers
        .iter()
        .map(|trigger| (trigger.name.as_str(), trigger.kind.as_str(), Json::Object(trigger.attributes.clone())))
        .collect();
    assert_eq!(
        triggers,
        [
            ("http-test", "http", json!({"triggerConfig": {"authType": "anonymous", "methods": ["GET", "POST"]}})),
            (
                "tick",
                "timer",
                json!({"triggerConfig": {"cronExpression": "0 0 8 * * *", "payload": "awesome-fc", "enable": true}})
            ),
        ]
    );
    assert_eq!(
        Json::Object(project.domains["example.com"].attributes.clone()),
        json!({
            "protocol": "HTTP",
            "routeConfig": {"routes": [{"path": "/a/*", "serviceName": "demo", "functionName": "hello"}]},
        })
    );
}

#[test]
fn a_template_of_fun_is_served_like_a_wisp_toml() {
    let place = Place::new(&["code/index.js"]);
    let config = place.config(FUN);
    let [hello] = config.functions.as_slice() else { panic!("{config:?}") };
    assert_eq!((&*hello.service, &*hello.name, &*hello.handler), ("demo", "hello", "index.handler"));
    assert_eq!(hello.initializer.as_deref(), Some("index.initializer"));
    assert_eq!((hello.timeout, hello.initialization_timeout), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!((hello.memory, hello.hook_timeout), (256 << 20, Duration::from_secs(7)));
    assert_eq!(hello.initialization_failure, InitializationFailure::Retry);
    assert_eq!(hello.environment["GREETING"], "hello");
    assert!(hello.pre_stop && hello.allowed_outbound.is_empty());
    assert_eq!((&*hello.log_project, &*hello.log_store), ("p", "l"));
    let build = hello.build.as_ref().unwrap();
    assert_eq!((build.language, &build.source), (Some(Language::JavaScript), &place.0.path().join("code")));
    assert_eq!(hello.http.as_ref().unwrap().methods, [http::Method::GET, http::Method::POST]);
    assert_eq!((hello.asynchronous.max_retry_attempts, &hello.asynchronous.on_failure), (1, &None));
    assert_eq!(hello.pre_stop_handler.as_deref(), Some("index.stop"));
    assert_eq!(config.domains["example.com"].routes[0].path, "/a/*");
    assert_eq!(
        lines(&config.warnings),
        [
            "10: destination acs:mns:::/queues/q/messages of function hello is left out: a template has no sources; give them in \
             wisp.toml, and deploy the template to that host",
            "28: trigger tick of function hello has no effect here: the function has an HTTP trigger, beside which no other stands",
        ]
    );
    assert_eq!(config.files.len(), 1);
}

const FC: &str = "\
edition: 1.0.0
name: app
access: default
vars:
  region: cn-hangzhou
  service: { name: svc, internetAccess: true }
services:
  demo:
    component: devsapp/fc
    props:
      region: ${vars.region}
      service: ${vars.service}
      function:
        name: f
        runtime: python3
        codeUri: ./code
        handler: main.handler
        memorySize: 128
        timeout: 60
        environmentVariables: { GREETING: '${env(GREETING)} world', OTHER: \"${env('NOT_SET', 'default')}\" }
        asyncConfiguration: { maxAsyncRetryAttempts: 3, statefulInvocation: true }
      triggers:
        - name: httpTrigger
          type: http
          config: { authType: function, methods: [GET] }
      customDomains:
        - domainName: auto
          protocol: HTTP
          routeConfigs:
            - { path: '/*', serviceName: svc, functionName: f }
        - domainName: example.com
          protocol: HTTP
          routeConfigs:
            - { path: '/*', serviceName: '${demo.props.service.name}', functionName: '${this.props.function.name}' }
";

#[test]
fn the_first_edition_of_serverless_devs_is_read() {
    let place = Place::new(&["code/main.py"]);
    let project = place.project(FC);
    assert_eq!(
        lines(&project.warnings),
        ["27: domain `auto` is left out: wisp gives away no domains; name one of your own"]
    );
    let [function] = project.functions.as_slice() else { panic!("{project:?}") };
    assert_eq!(function.service.as_deref(), Some("svc"));
    let environment = &function.attributes["environmentVariables"];
    assert_eq!(environment, &json!({"GREETING": "hello world", "OTHER": "default"}));
    assert_eq!(function.async_config.as_ref().unwrap()["statefulInvocation"], json!(true));
    assert_eq!(
        project.domains["example.com"].attributes["routeConfig"]["routes"],
        json!([{"path": "/*", "serviceName": "svc", "functionName": "f"}])
    );
    let config = place.config(FC);
    let [function] = config.functions.as_slice() else { panic!("{config:?}") };
    assert_eq!((&*function.service, function.timeout), ("svc", Duration::from_secs(60)));
    assert_eq!(function.allowed_outbound, ["*:*"]);
    assert!(config.domains.contains_key("example.com"));
}

const FC3: &str = "\
edition: 3.0.0
name: hello-world-app
access: default
vars: { region: cn-hangzhou }
resources:
  hello_world:
    component: fc3
    actions: { pre-deploy: [{ run: npm install, path: ./code }] }
    props:
      region: ${vars.region}
      functionName: my-function-1
      runtime: nodejs20
      code: ./code
      handler: index.handler
      memorySize: 128
      cpu: 0.35
      timeout: 30
      vpcConfig: auto
      instanceLifecycleConfig: { initializer: { handler: index.init, timeout: 10 } }
      asyncInvokeConfig: { asyncTask: false, maxAsyncRetryAttempts: 3 }
      provisionConfig: { defaultTarget: 1 }
      triggers:
        - { triggerName: httpTrigger, triggerType: http, triggerConfig: { authType: anonymous, methods: [GET, POST] } }
  domain:
    component: fc3-domain
    props:
      region: '${vars.region}'
      domainName: example.com
      protocol: HTTP
      routeConfig:
        routes: [{ path: /a, functionName: '${resources.hello_world.props.functionName}', methods: [GET] }]
";

#[test]
fn the_third_edition_of_serverless_devs_is_read() {
    let place = Place::new(&["code/index.mjs"]);
    let project = place.project(FC3);
    assert_eq!(
        lines(&project.warnings),
        [
            "8: `actions` of resource hello_world is not done: wisp runs no actions of Serverless Devs; run them before",
            "18: `vpcConfig` of `props` of resource hello_world has no effect: wisp is in no virtual network",
        ]
    );
    let [function] = project.functions.as_slice() else { panic!("{project:?}") };
    assert_eq!((&function.service, &*function.name), (&None, "my-function-1"));
    assert_eq!(function.attributes["cpu"], json!(0.35));
    assert_eq!(function.provision_config.as_ref().unwrap()["defaultTarget"], json!(1));
    assert!(project.domains["example.com"].without_services);
    let config = place.config(FC3);
    let [function] = config.functions.as_slice() else { panic!("{config:?}") };
    assert_eq!((&*function.service, function.initializer.as_deref()), ("default", Some("index.init")));
    assert_eq!(function.initialization_timeout, Duration::from_secs(10));
    assert_eq!(function.initialization_failure, InitializationFailure::Replace);
    assert_eq!(config.domains["example.com"].routes[0].path, "/a");
}

#[test]
fn unknown_and_unserved_parts_are_named_with_their_lines() {
    let project = Place::new(&[]).project(
        "ROSTemplateFormatVersion: '2015-09-01'\nResources:\n  table:\n    Type: 'Aliyun::Serverless::TableStore'\n  demo:\n    \
         Type: 'Aliyun::Serverless::Service'\n    Properties:\n      VpcConfig: { VpcId: v }\n      Descripton: typo\n    \
         f:\n      Type: 'Aliyun::Serverless::Function'\n      Properties:\n        Handler: index.handler\n        \
         Runtime: nodejs8\n        CodeUri: oss://bucket/key\n        MemorySise: 1\n      Events:\n        o: { Type: RDS, \
         Properties: { BucketName: b } }\n",
    );
    assert_eq!(
        lines(&project.warnings),
        [
            "3: resource table is left out: wisp makes no TableStore",
            "8: `VpcConfig` of `Properties` of resource demo has no effect: wisp is in no virtual network",
            "9: `Descripton` of `Properties` of resource demo is unknown to wisp and has no effect; did you mean \
             `Description`?",
            "15: the code of `Properties` of function f is in a bucket, where wisp does not reach",
            "16: `MemorySise` of `Properties` of function f is unknown to wisp and has no effect; did you mean `MemorySize`?",
            "18: trigger o is left out: wisp has no source of events of the type RDS",
        ]
    );
}

#[test]
fn values_of_the_wrong_kind_are_errors_with_their_lines() {
    let problems = wrong(
        "edition: 3.0.0\nresources:\n  f:\n    component: fc3\n    props:\n      functionName: [f]\n      timeout: soon\n      \
         internetAccess: maybe\n      triggers: none\n",
    );
    assert_eq!(
        problems,
        "s.yaml:6: `functionName` of `props` of resource f: expected a text, found a list\n\
         s.yaml:7: `timeout` of `props` of resource f: expected a number, found a text\n\
         s.yaml:8: `internetAccess` of `props` of resource f: expected true or false, found a text\n\
         s.yaml:9: `triggers` of `props` of resource f: expected a list, found a text"
    );
    assert!(wrong("a: [1, 2\n").starts_with("s.yaml:"), "{}", wrong("a: [1, 2\n"));
    assert!(wrong("a: [1, 2\n").contains("not YAML"));
    assert!(wrong("a: 1\n").contains("is neither a template of Fun"));
}

#[test]
fn variables_that_lead_nowhere_are_errors_that_name_them() {
    let with =
        |value: &str| wrong(&format!("edition: 3.0.0\nvars:\n  a: ${{vars.b}}\n  b: ${{vars.a}}\nname: {value}\n"));
    assert!(with("x").contains("s.yaml:3: `${vars.a}` leads to itself") || with("x").contains("leads to itself"));
    let plain = |value: &str| wrong(&format!("edition: 3.0.0\nname: {value}\n"));
    assert_eq!(plain("${vars.x}"), "s.yaml:2: `${vars.x}` leads nowhere: there is no `vars.x`");
    assert_eq!(plain("${env.X}"), "s.yaml:2: `${env.X}` is not set: the environment has no variable X");
    assert!(plain("${resources.a.output.url}").contains("is what the deployment of a answers"));
    assert!(plain("${whatever}").contains("is no variable that wisp knows"));
    assert!(plain("\"${json('x')}\"").contains("calls json, which wisp does not know"));
    assert!(plain("\"${file('missing')}\"").contains("cannot be read"));
}

#[test]
fn parameters_of_fun_have_their_defaults() {
    let project = Place::new(&[]).project(
        "ROSTemplateFormatVersion: '2015-09-01'\nParameters: { Size: { Type: Number, Default: 512 } }\nResources:\n  demo:\n    \
         Type: 'Aliyun::Serverless::Service'\n    f:\n      Type: 'Aliyun::Serverless::Function'\n      Properties: { Handler: \
         a.b, Runtime: custom, CodeUri: ./, MemorySize: { Ref: Size } }\n",
    );
    assert_eq!(project.functions[0].attributes["memorySize"], json!(512));
    let problems =
        wrong("ROSTemplateFormatVersion: '2015-09-01'\nResources:\n  a: { Ref: Nothing }\n  b: { 'Fn::Sub': x }\n");
    assert!(problems.contains("s.yaml:3: there is neither a parameter nor a resource Nothing"), "{problems}");
    assert!(problems.contains("s.yaml:4: wisp does not know the function `Fn::Sub`"), "{problems}");
}

#[test]
fn what_the_host_finds_wrong_is_told_by_the_lines_of_the_file() {
    let place = Place::new(&["code/index.js"]);
    let text = FC3.replace("timeout: 30", "timeout: 100000").replace("index.mjs", "index.js");
    let error = place.project(&text).into_config(Path::new("s.yaml"), Environment::empty()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "s.yaml:17: `timeout` of function my-function-1: 100000 s is out of range; give 1 s to 1 d"
    );
}

#[test]
fn functions_that_cannot_be_served_are_left_out_with_the_reason() {
    let place = Place::new(&["java/a.jar", "js/index.js"]);
    let function = |name: &str, runtime: &str, code: &str| {
        format!(
            "  {name}:\n    component: fc3\n    props: {{ functionName: {name}, runtime: {runtime}, handler: index.handler, code: \
             {code} }}\n"
        )
    };
    let text = format!(
        "edition: 3.0.0\nresources:\n{}{}{}",
        function("a", "java11", "./java"),
        function("b", "nodejs20", "./js"),
        function("c", "nodejs20", "./missing")
    );
    let config = place.config(&text);
    assert_eq!(config.functions.len(), 1);
    let warnings = lines(&config.warnings);
    assert!(
        warnings[0].starts_with("5: function a is left out: the runtime 'java11' is none that wisp has"),
        "{warnings:?}"
    );
    assert!(warnings[1].starts_with("11: function c is left out: its code at"), "{warnings:?}");
    let nothing = format!("edition: 3.0.0\nresources:\n{}", function("a", "java11", "./java"));
    let error = place.project(&nothing).into_config(&place.file(), Environment::empty()).unwrap_err().to_string();
    assert!(error.contains("has no function that wisp can serve") && error.contains("java11"), "{error}");
}

#[test]
fn triggers_that_want_signatures_have_the_key_of_the_environment() {
    let place = Place::new(&["code/main.py"]);
    let warnings = lines(&place.config(FC).warnings);
    let refuses = |it: &String| it.contains("trigger httpTrigger of function f refuses everybody");
    assert!(warnings.iter().any(refuses), "{warnings:?}");
    let look_up = |name: &str| match name {
        "WISP_ACCESS_KEY_ID" => Some("me".to_owned()),
        "WISP_ACCESS_KEY_SECRET" => Some("0123456789abcdef".to_owned()),
        _ => None,
    };
    let config = place.project(FC).into_config(&place.file(), Environment::new(&look_up)).unwrap();
    assert_eq!((&*config.access_keys[0].id, config.access_keys[0].secret.expose()), ("me", "0123456789abcdef"));
    assert_eq!(config.functions[0].http.as_ref().unwrap().auth, crate::config::TriggerAuth::Function);
    assert!(!lines(&config.warnings).iter().any(refuses));
}

#[test]
fn timers_of_a_template_fire_and_other_triggers_name_their_sources() {
    let text = "edition: 3.0.0\nname: a\naccess: d\nresources:\n  f:\n    component: fc3\n    props:\n      functionName: f\n      \
                runtime: nodejs18\n      handler: index.handler\n      code: ./code\n      triggers:\n        - triggerName: tick\n          \
                triggerType: timer\n          triggerConfig: { cronExpression: '@every 5m', enable: true, payload: p }\n        - \
                triggerName: up\n          triggerType: oss\n          sourceArn: acs:oss:r:a:uploads\n          triggerConfig: \
                { events: ['oss:ObjectCreated:*'], filter: { key: { prefix: a/, suffix: '' } } }\n";
    let place = Place::new(&["code/index.js"]);
    fs::write(place.0.path().join("s.yaml"), text).unwrap();
    let config = crate::config::load(&place.0.path().join("s.yaml")).unwrap();
    let [tick] = config.triggers.as_slice() else { panic!("{config:?}") };
    assert_eq!((&*tick.name, tick.settings.kind(), tick.enabled), ("tick", "timer", true));
    let warnings = lines(&config.warnings);
    assert!(warnings[0].contains("trigger up of function f has no effect here"), "{warnings:?}");
}
