use std::{fs, net::SocketAddr, path::Path, time::Duration};

use http::Method;

use super::{Config, ConfigError, load, parse, parse_with};
use crate::config::{
    AccessScope, AsyncConfig, BuildConfig, Environment, Evaluate, HandlerType, InitializationFailure, Isolation,
    Language, PayloadFormat,
};

mod access_key;
mod domain;
mod include;
mod wrong;

fn config(text: &str) -> Config {
    parse(text, Path::new("/srv/wisp.toml")).unwrap_or_else(|error| panic!("{error}"))
}

/// What is reported for `text`, one problem a line.
fn wrong(text: &str) -> String {
    parse(text, Path::new("wisp.toml")).unwrap_err().to_string()
}

/// What is reported for a function that is fine but for `lines`.
fn wrong_function(lines: &str) -> String {
    wrong(&format!("[functions.hello]\ncomponent = \"hello.wasm\"\n{lines}\n"))
}

#[test]
fn an_empty_file_is_a_host_of_defaults() {
    let Config { server, limits, events, access_keys, functions, sources, triggers, domains, warnings, files } =
        config("");
    assert!(warnings.is_empty());
    assert!(access_keys.is_empty());
    assert_eq!(files.len(), 1);
    assert_eq!(server.listen, SocketAddr::from(([127, 0, 0, 1], 9000)));
    assert_eq!(server.api_listen, SocketAddr::from(([127, 0, 0, 1], 9001)));
    assert_eq!(server.data_dir, Path::new("/srv/.wisp"));
    assert_eq!(server.artifact_cache, 4 << 30);
    assert_eq!(server.mapped_code, 2 << 30);
    assert!(server.trusted_proxies.is_empty());
    assert_eq!(server.grace_period, Duration::from_secs(30));
    assert_eq!(server.max_instances.get(), 1000);
    assert_eq!(server.max_connections.get(), 10_000);
    assert_eq!(server.queue_timeout, Duration::from_secs(10));
    assert_eq!(server.queue_length, 1000);
    assert_eq!(server.busy_poll, None);
    assert_eq!((&*server.account_id, &*server.region), ("000000000000", "local"));
    assert_eq!((limits.request_headers, limits.request_target), (4 << 10, 4 << 10));
    assert_eq!((limits.sync_body, limits.async_body), (16 << 20, 128 << 10));
    assert_eq!((limits.response_headers, limits.response_body), (4 << 10, 16 << 20));
    assert_eq!((limits.log, limits.resources, limits.table_elements), (256 << 10, 1024, 200_000));
    assert_eq!((events.function_queue_length, events.queue_length, events.queue_size), (10_000, 100_000, 1 << 30));
    assert_eq!((events.function_concurrency.get(), events.concurrency.get()), (32, 128));
    assert_eq!((events.retention, events.dead_letters), (Duration::from_secs(7 * 86_400), 10_000));
    assert!(functions.is_empty());
    assert!(sources.is_empty() && triggers.is_empty());
    assert!(domains.is_empty());
}

#[test]
fn asynchronous_invocations_have_a_table_of_their_own() {
    let functions = config(
        "[functions.f]\ncomponent = \"f.wasm\"\n[functions.f.async]\nmax_retry_attempts = 0\nmax_event_age = \"5 min\"\n\
         on_success = \"shop/audit\"\non_failure = \"https://example.com/failed\"\nstateful = true\n",
    )
    .functions;
    let settings = &functions[0].asynchronous;
    assert_eq!((settings.max_retry_attempts, settings.max_event_age), (0, Duration::from_secs(300)));
    assert_eq!(settings.on_success.as_ref().unwrap().to_string(), "shop/audit");
    assert_eq!(settings.on_failure.as_ref().unwrap().to_string(), "https://example.com/failed");
    assert!(settings.stateful);
    assert_eq!(config("[functions.f]\ncomponent = \"f.wasm\"\n").functions[0].asynchronous, AsyncConfig::default());
}

#[test]
fn a_destination_may_be_a_source_that_is_there_and_takes_messages() {
    let sources = "[sources.jobs]\ntype = \"queue\"\n[sources.news]\ntype = \"topic\"\n\
        [sources.dir]\ntype = \"bucket\"\npath = \".\"\n\
        [sources.any]\ntype = \"nats\"\nurl = \"nats://h\"\nsubject = \"a.*\"\n\
        [sources.one]\ntype = \"jetstream\"\nurl = \"nats://h\"\nstream = \"S\"\nsubject = \"a\"\n\
        [sources.all]\ntype = \"jetstream\"\nurl = \"nats://h\"\nstream = \"S\"\n";
    let with = |destination: &str| {
        format!("{sources}[functions.f]\ncomponent = \"f.wasm\"\n[functions.f.async]\non_success = \"{destination}\"\n")
    };
    for destination in ["queue:jobs", "topic:news", "acs:mns:::/queues/jobs/messages", "queue:one", "topic:one"] {
        let given = config(&with(destination)).functions[0].asynchronous.on_success.as_ref().unwrap().to_string();
        assert_eq!(given, destination);
    }
    for (destination, reason) in [
        (
            "queue:job",
            "there is no source \"job\"; there is all, any, dir, jobs, news, one; add [sources.job]; did you mean `jobs`?",
        ),
        ("queue:news", "source news is a topic; give \"topic:news\""),
        ("queue:dir", "source dir is of the type \"bucket\", to which nothing is sent"),
        ("topic:any", "source any has the subject \"a.*\", which stands for several"),
        ("queue:all", "source all has no `subject`"),
    ] {
        let told = wrong(&with(destination));
        assert!(told.contains(reason) && told.contains("function f: `on_success`: "), "{told}");
    }
}

#[test]
fn wrong_settings_of_asynchronous_invocations_are_named() {
    let table = |line: &str| wrong_function(&format!("[functions.hello.async]\n{line}"));
    assert!(table("max_retry_attempts = 9").contains("9 is out of range; give 0 to 8"));
    assert!(table("max_event_age = \"8 d\"").contains("give 1 s to 7 d"));
    assert!(table("on_failure = \"acs:eventbridge:cn-shanghai:1:eventbus/b\"").contains("give a function"));
    assert!(table("on_faliure = \"f\"").contains("unknown key `on_faliure`"), "{}", table("on_faliure = \"f\""));
    assert!(wrong("[events]\nfunction_concurrency = 9\nconcurrency = 8\n").contains("more than `concurrency`"));
}

#[test]
fn a_function_needs_no_more_than_its_component() {
    let functions = config("[functions.hello]\ncomponent = \"hello.wasm\"\n").functions;
    let [hello] = &functions[..] else { panic!("{functions:?}") };
    assert_eq!((&*hello.service, &*hello.name, &*hello.handler), ("default", "hello", ""));
    assert_eq!(hello.component, Path::new("/srv/hello.wasm"));
    assert_eq!((&hello.build, &hello.initializer, &hello.code_dir), (&None, &None, &None));
    assert_eq!(hello.timeout, Duration::from_secs(3));
    assert_eq!(hello.initialization_timeout, Duration::from_secs(3));
    assert_eq!(hello.hook_timeout, Duration::from_secs(3));
    assert_eq!(hello.initialization_failure, InitializationFailure::Retry);
    assert!(!hello.pre_freeze && !hello.pre_stop);
    assert_eq!((hello.memory, hello.scratch), (128 << 20, 512 << 20));
    assert_eq!((hello.min_instances, hello.max_instances.get(), hello.instance_concurrency.get()), (0, 100, 1));
    assert_eq!(hello.idle_timeout, Duration::from_secs(60));
    assert_eq!(hello.max_requests_per_instance, None);
    assert_eq!(hello.isolation, Isolation::Instance);
    assert!(hello.environment.is_empty() && hello.allowed_outbound.is_empty());
    assert!(hello.http.is_none());
}

#[test]
fn sources_beside_the_file_are_built_if_nothing_is_said() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("index.mjs"), "").unwrap();
    let path = directory.path().join("wisp.toml");
    let hello = parse("[functions.hello]\n", &path).unwrap().functions.remove(0);
    assert_eq!(hello.component, directory.path().join("hello.wasm"));
    assert_eq!(hello.build.unwrap().source, directory.path());
    assert_eq!(hello.code_dir.as_deref(), Some(directory.path()), "the runtime may read the sources late");
    let built = parse("[functions.hello.build]\nworld = \"event-function\"\n", &path).unwrap().functions.remove(0);
    assert_eq!(built.code_dir, None, "what componentize-js makes stands alone");
}

#[test]
fn the_file_of_the_handler_tells_the_language_before_a_package_json_does() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["package.json", "api.py"] {
        fs::write(directory.path().join(file), "{}").unwrap();
    }
    let path = directory.path().join("wisp.toml");
    let language = |toml: &str| parse(toml, &path).unwrap().functions.remove(0).build.unwrap().language;
    assert_eq!(language("[functions.f]\nhandler = \"api.handler\"\n"), Some(Language::Python));
    assert_eq!(language("[functions.f]\nhandler = \"api.handler\"\n[functions.f.build]\n"), Some(Language::Python));
    assert_eq!(language("[functions.f]\nhandler = \"index.handler\"\n"), None, "by the usual files");
}

#[test]
fn trusted_certificates_are_read_from_pem() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wisp.toml");
    let toml = "[server]\ntrusted_certificates = \"ca.pem\"\n";
    let problem = || parse(toml, &path).unwrap_err().to_string();
    assert!(problem().contains("ca.pem: "), "{}", problem());
    fs::write(directory.path().join("ca.pem"), "none\n").unwrap();
    assert!(problem().contains("it holds no certificate; give a file with certificates in PEM"), "{}", problem());
    let certificate = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
    fs::write(directory.path().join("ca.pem"), certificate.repeat(2)).unwrap();
    let trusted = parse(toml, &path).unwrap().server.trusted_certificates;
    assert_eq!(trusted.iter().map(|it| it.to_vec()).collect::<Vec<_>>(), [[1, 2, 3], [1, 2, 3]]);
}

#[test]
fn every_key_is_read() {
    let config = config(
        r#"
        [server]
        listen = "0.0.0.0:80"
        api_listen = "[::1]:9002"
        data_dir = "/var/lib/wisp"
        artifact_cache = "1 GB"
        trusted_proxies = ["10.0.0.0/8", "192.0.2.1"]
        grace_period = "5 s"
        max_instances = 10
        max_connections = 20
        queue_timeout = "0 s"
        queue_length = 0
        busy_poll = false
        account_id = "1234"
        region = "cn-hangzhou"

        [limits]
        preset = "current"
        request_target = "8 KB"
        async_body = "256 KB"
        resources = 99
        table_elements = 100

        [functions.hello]
        service = "demo"
        handler = "index.handler"
        initializer = "index.initializer"
        timeout = "10 min"
        initialization_timeout = "5 min"
        initialization_failure = "replace"
        pre_freeze = true
        pre_stop = "index.preStop"
        after_restore = "index.afterRestore"
        handler_type = "http"
        hook_timeout = "90 s"
        memory = "64 MB"
        scratch = "0 B"
        code_dir = "code"
        instance_concurrency = 200
        min_instances = 2
        max_instances = 2
        idle_timeout = "1 h"
        max_requests_per_instance = 1000
        isolation = "instance"
        allowed_outbound = ["example.com:443", "10.0.0.0/8:5432"]
        log_project = "project"
        log_store = "store"
        [functions.hello.build]
        source = "src"
        language = "rust"
        command = "make"
        world = "http-function"
        evaluate = "start"
        [functions.hello.http]
        methods = ["GET", "POST"]
        payload_format = "api-gateway"
        [functions.hello.environment]
        GREETING = "hi"

        [domains."API.example.com"]
        routes = [
            { path = "/a", service = "demo", function = "hello" },
            { path = "/*", service = "demo", function = "hello", qualifier = "prod", methods = ["GET"] },
        ]
        "#,
    );
    assert_eq!(config.server.trusted_proxies, ["10.0.0.0/8", "192.0.2.1/32"].map(|net| net.parse().unwrap()));
    assert_eq!(config.server.data_dir, Path::new("/var/lib/wisp"));
    assert_eq!(config.server.queue_timeout, Duration::ZERO);
    assert_eq!(config.server.busy_poll, Some(false));
    assert_eq!((config.limits.request_headers, config.limits.sync_body), (8 << 10, 32 << 20));
    assert_eq!((config.limits.request_target, config.limits.async_body), (8 << 10, 256 << 10));
    let hello = &config.functions[0];
    let build = BuildConfig {
        source: "/srv/src".into(),
        language: Some(Language::Rust),
        command: Some("make".to_owned()),
        world: Some("http-function".to_owned()),
        evaluate: Evaluate::Start,
    };
    assert_eq!(hello.build, Some(build));
    assert_eq!(hello.component, Path::new("/srv/src/hello.wasm"));
    assert_eq!(hello.initializer.as_deref(), Some("index.initializer"));
    assert!(hello.pre_freeze && hello.pre_stop);
    assert_eq!((hello.pre_freeze_handler.as_deref(), hello.pre_stop_handler.as_deref()), (None, Some("index.preStop")));
    assert_eq!(hello.after_restore.as_deref(), Some("index.afterRestore"));
    assert_eq!(hello.handler_type, Some(HandlerType::Http));
    assert_eq!(hello.code_dir.as_deref(), Some(Path::new("/srv/code")));
    assert_eq!(hello.initialization_failure, InitializationFailure::Replace);
    assert_eq!(hello.max_requests_per_instance.map(u32::from), Some(1000));
    assert_eq!(hello.environment["GREETING"], "hi");
    assert_eq!(hello.allowed_outbound, ["example.com:443", "10.0.0.0/8:5432"]);
    let http = hello.http.as_ref().unwrap();
    assert_eq!(http.methods, [Method::GET, Method::POST]);
    assert_eq!(http.payload_format, PayloadFormat::ApiGateway);
    let [exact, prefix] = &config.domains["api.example.com"].routes[..] else { panic!("{:?}", config.domains) };
    assert_eq!((&*exact.path, &*exact.qualifier, &exact.methods[..]), ("/a", "LATEST", &[][..]));
    assert_eq!((&*prefix.path, &*prefix.qualifier, &prefix.methods[..]), ("/*", "prod", &[Method::GET][..]));
}

#[test]
fn an_empty_http_table_is_a_trigger_for_all_methods() {
    let functions = config("[functions.hello]\ncomponent = \"a.wasm\"\nhttp = {}\n").functions;
    let http = functions[0].http.as_ref().unwrap();
    assert_eq!((http.methods.len(), http.payload_format), (7, PayloadFormat::Fc3));
}

#[test]
fn a_function_may_be_named_only_to_be_built() {
    let config = parse("[functions.hello.build]\n", Path::new("wisp.toml")).unwrap();
    assert_eq!(config.functions[0].component, Path::new("./hello.wasm"));
}

#[test]
fn functions_are_ordered_by_service_and_name() {
    let config = config(
        "[functions.b]\ncomponent = \"b\"\nservice = \"x\"\n[functions.c]\ncomponent = \"c\"\nservice = \"a\"\n\
         [functions.a]\ncomponent = \"a\"\nservice = \"x\"\n",
    );
    let names: Vec<_> = config.functions.iter().map(|function| (&*function.service, &*function.name)).collect();
    assert_eq!(names, [("a", "c"), ("x", "a"), ("x", "b")]);
}
