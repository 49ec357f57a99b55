use std::{fs, net::SocketAddr, path::Path, time::Duration};

use http::Method;

use super::{Config, ConfigError, load, parse, parse_with};
use crate::config::{
    AccessScope, AsyncConfig, BuildConfig, Environment, Evaluate, HandlerType, InitializationFailure, Isolation,
    Language, PayloadFormat,
};

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

#[test]
fn every_problem_is_reported_at_once_with_its_line() {
    let report = wrong(
        r#"[server]
listen = "localhost"
prot = 80

[functions.hello]
component = "hello.wasm"
memroy = "128 MB"
timeout = 3
isolation = "shared"

[functions.hello.http]
methods = ["GET", "TRACE"]

[domains."example.com"]
routes = [
    { path = "a", function = "hello" },
    { path = "/b", function = "helo" },
]
"#,
    );
    let expected = r#"wisp.toml:2: `listen` in [server]: "localhost" is not an address and a port, such as "127.0.0.1:9000"
wisp.toml:3: unknown key `prot` in [server]
wisp.toml:7: unknown key `memroy` in [functions.hello]; did you mean `memory`?
wisp.toml:8: `timeout` in [functions.hello]: 3 has no unit; write ms, s, min, h or d after it, such as "3 s"
wisp.toml:9: `isolation` in [functions.hello]: "shared" is none of "instance", "request"
wisp.toml:12: `methods` in [functions.hello.http]: "TRACE" is none of HEAD, POST, PUT, GET, DELETE, PATCH, OPTIONS
wisp.toml:16: `path` in [domains."example.com".routes]: "a" does not start with `/`
wisp.toml:17: route `/b`: no function helo in service default; did you mean `hello`?"#;
    assert_eq!(report, expected);
}

#[test]
fn wrong_lines_of_a_function_say_what_to_write() {
    for (lines, message) in [
        ("handler = 3", "`handler` in [functions.hello]: invalid type: integer `3`, expected a string"),
        (
            "pre_stop = \"yes\"",
            "`pre_stop` in [functions.hello]: \"yes\" is no handler; give one such as \"index.pre_stop\"",
        ),
        (
            "handler_type = \"rpc\"",
            "`handler_type` in [functions.hello]: \"rpc\" is none of \"event\", \"http\", \"either\"",
        ),
        ("http = true", "`http` in [functions.hello]: expected a table, found boolean"),
        ("component_ = 1", "unknown key `component_` in [functions.hello]; did you mean `component`?"),
        (
            "memory = 128",
            "`memory` in [functions.hello]: 128 has no unit; write B, KB, MB or GB after it, such as \"128 MB\"",
        ),
        (
            "memory = true",
            "`memory` in [functions.hello]: invalid type: boolean `true`, expected a number with a unit, such as \"128 MB\"",
        ),
        ("memory = \"512 KB\"", "`memory` in [functions.hello]: 512 KB is out of range; give 1 MB to 4 GB"),
        ("memory = \"8 GB\"", "`memory` in [functions.hello]: 8 GB is out of range; give 1 MB to 4 GB"),
        (
            "timeout = \"3 m\"",
            "`timeout` in [functions.hello]: \"3 m\" has the unit \"m\"; the units are ms, s, min, h or d",
        ),
        ("timeout = \"500 ms\"", "`timeout` in [functions.hello]: 500 ms is out of range; give 1 s to 1 d"),
        ("timeout = \"2 d\"", "`timeout` in [functions.hello]: 2 d is out of range; give 1 s to 1 d"),
        (
            "initialization_timeout = \"301 s\"",
            "`initialization_timeout` in [functions.hello]: 301 s is out of range; give 1 s to 5 min",
        ),
        ("hook_timeout = \"91 s\"", "`hook_timeout` in [functions.hello]: 91 s is out of range; give 1 ms to 90 s"),
        (
            "initialization_failure = \"ignore\"",
            "`initialization_failure` in [functions.hello]: \"ignore\" is none of \"retry\", \"replace\"",
        ),
        ("instance_concurrency = 0", "`instance_concurrency` in [functions.hello]: 0 is out of range; give 1 to 200"),
        (
            "instance_concurrency = 201",
            "`instance_concurrency` in [functions.hello]: 201 is out of range; give 1 to 200",
        ),
        ("max_instances = -1", "`max_instances` in [functions.hello]: -1 is out of range; give 1 to 1000000"),
        (
            "max_requests_per_instance = 0",
            "`max_requests_per_instance` in [functions.hello]: 0 is out of range; give 1 to 4294967295",
        ),
        (
            "service = \"1st\"",
            "`service` in [functions.hello]: \"1st\" is no name; give 1 to 128 letters, digits, `_` and `-` that start with a letter or `_`",
        ),
        (
            "handler = \"索引\"",
            "`handler` in [functions.hello]: \"索引\" cannot be sent in a header; give at most 128 printable ASCII characters",
        ),
        ("code_dir = \"\"", "`code_dir` in [functions.hello]: is empty; give a path, or leave the key out"),
        (
            "allowed_outbound = [\"a.net\"]",
            "`allowed_outbound` in [functions.hello]: \"a.net\" has no port; give one, such as \"a.net:443\", or \"a.net:*\" for all",
        ),
        (
            "http = { methods = [] }",
            "`methods` in [functions.hello.http]: is empty; give some, or leave the key out for all",
        ),
        (
            "http = { payload_format = \"fc\" }",
            "`payload_format` in [functions.hello.http]: \"fc\" is none of \"fc3\", \"cloudbase\", \"api-gateway\"",
        ),
        ("http = { port = 1 }", "unknown key `port` in [functions.hello.http]"),
        (
            "build = { language = \"go\" }",
            "`language` in [functions.hello.build]: \"go\" is none of \"rust\", \"javascript\", \"python\"",
        ),
        (
            "environment = { A = 1 }",
            "`A` in [functions.hello.environment]: invalid type: integer `1`, expected a string",
        ),
        (
            "environment = { _A = \"\" }",
            "`_A` in [functions.hello.environment]: is no name of a variable; give letters, digits and `_` that start with a letter",
        ),
        (
            "environment = { FC_REGION = \"\" }",
            "`FC_REGION` in [functions.hello.environment]: is set by wisp itself; take another name",
        ),
        (
            "environment = { accessKeyID = \"\" }",
            "`accessKeyID` in [functions.hello.environment]: is set by wisp itself; take another name",
        ),
        (
            "environment = { A = \"a\\u0000b\" }",
            "`A` in [functions.hello.environment]: has a zero byte in its value, which no environment can hold",
        ),
    ] {
        assert_eq!(wrong_function(lines), format!("wisp.toml:3: {message}"), "{lines}");
    }
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    assert_eq!(
        wrong_function("max_instances = 2\nmin_instances = 5"),
        "wisp.toml:4: `min_instances` in [functions.hello]: 5 is more than `max_instances`, which is 2; lower the one or \
         raise the other"
    );
    assert_eq!(
        wrong_function("isolation = \"request\"\ninstance_concurrency = 2"),
        "wisp.toml:4: `instance_concurrency` in [functions.hello]: 2 contradicts `isolation = \"request\"`, which is one \
         at a time; remove one"
    );
}

#[test]
fn the_environment_is_bounded_as_a_whole() {
    let four_kb = |extra: usize| wrong_function(&format!("environment.A = \"{}\"\nx = 1", "a".repeat(4095 + extra)));
    assert!(!four_kb(0).contains("together"));
    assert!(
        four_kb(1)
            .contains("[functions.hello.environment]: names and values have 4097 bytes together; 4096 is the most")
    );
}

#[test]
fn wrong_files_say_what_to_write() {
    for (text, message) in [
        (
            "[functions.hello]",
            "wisp.toml:1: `component` in [functions.hello]: is missing; give a .wasm file, or how to make it in hello.build",
        ),
        (
            "[functions.1st]\ncomponent = \"a\"",
            "wisp.toml:1: [functions.1st]: \"1st\" is no name; give 1 to 64 letters, digits, `_` and `-` that start with a letter or `_`",
        ),
        ("functions = 3", "wisp.toml:1: `functions`: expected a table, found integer"),
        ("[function.hello]", "wisp.toml:1: unknown key `function`; did you mean `functions`?"),
        (
            "[limits]\npreset = \"old\"",
            "wisp.toml:2: `preset` in [limits]: \"old\" is none of \"classic\", \"current\"",
        ),
        (
            "[limits]\nsync_body = \"0 B\"",
            "wisp.toml:2: `sync_body` in [limits]: 0 B is out of range; give 1 B to 4 GB",
        ),
        (
            "[server]\napi_listen = \"0.0.0.0:9001\"",
            "wisp.toml:2: `api_listen` in [server]: 0.0.0.0:9001 can be reached from other machines, but no access keys are configured; add [[access_keys]], or give a loopback address such as \"127.0.0.1:9001\"",
        ),
        (
            "[server]\napi_listen = \"127.0.0.1:9000\"",
            "wisp.toml:2: `api_listen` in [server]: 127.0.0.1:9000 is taken by `listen`, which is 127.0.0.1:9000; give another port",
        ),
        (
            "[server]\nlisten = \"0.0.0.0:9001\"",
            "wisp.toml:1: `api_listen` in [server]: 127.0.0.1:9001 is taken by `listen`, which is 0.0.0.0:9001; give another port",
        ),
        (
            "[server]\ntrusted_proxies = [\"proxy\"]",
            "wisp.toml:2: `trusted_proxies` in [server]: \"proxy\" is no network, such as \"10.0.0.0/8\", and no address",
        ),
        ("[domains.\"a.net\"]", "wisp.toml:1: `routes` in [domains.\"a.net\"]: is missing; give a list of tables"),
        (
            "[domains.\"a.net\"]\nroutes = []",
            "wisp.toml:2: `routes` in [domains.\"a.net\"]: is empty; give at least one table",
        ),
        (
            "[domains.\"a.net\"]\nroutes = 3",
            "wisp.toml:2: `routes` in [domains.\"a.net\"]: expected a list of tables, found integer",
        ),
        ("a = ", "wisp.toml:1: not TOML: string values must be quoted, expected literal string"),
        ("[server]\n[server]", "wisp.toml:2: not TOML: duplicate key"),
    ] {
        assert_eq!(wrong(text), message, "{text}");
    }
}

#[test]
fn ports_of_the_systems_choice_do_not_collide() {
    config("[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n");
}

/// What is reported for one domain, beside two functions of which one has a trigger.
fn wrong_domain(name: &str, routes: &str) -> String {
    let functions = "functions.web = { component = \"a\", http = {} }\nfunctions.job = { component = \"a\" }\n";
    wrong(&format!("{functions}[domains.{name:?}]\nroutes = [{routes}]\n"))
}

#[test]
fn wrong_domains_say_what_to_write() {
    let labels = "is no domain name; its labels have 1 to 63 letters, digits and inner `-`, and no port follows";
    let top = "ends in no top-level domain; addresses are served without a domain";
    for (name, reason) in [
        ("a.net:80", labels),
        ("-a.net", labels),
        ("a..net", labels),
        ("*.a.net", labels),
        ("a.net.", labels),
        ("127.0.0.1", top),
        ("a.n", top),
    ] {
        let expected = format!("wisp.toml:3: [domains.{name:?}]: {name:?} {reason}");
        assert_eq!(wrong_domain(name, r#"{ path = "/", function = "web" }"#), expected);
    }
}

#[test]
fn wrong_routes_say_what_to_write() {
    for (route, message) in [
        (r#"{ path = "/" }"#, "`function` in [domains.\"a.net\".routes]: is missing"),
        (r#"{ function = "web" }"#, "`path` in [domains.\"a.net\".routes]: is missing"),
        (
            r#"{ path = "/a*", function = "web" }"#,
            "`path` in [domains.\"a.net\".routes]: \"/a*\" has a `*` that is not a last segment of its own, as in `/a/*`",
        ),
        (
            r#"{ path = "/*/a", function = "web" }"#,
            "`path` in [domains.\"a.net\".routes]: \"/*/a\" has a `*` that is not a last segment of its own, as in `/a/*`",
        ),
        (
            r#"{ path = "/a?b", function = "web" }"#,
            "`path` in [domains.\"a.net\".routes]: \"/a?b\" is more than a path of at most 2048 characters; leave query and fragment out",
        ),
        (
            r#"{ path = "/", function = "job" }"#,
            "route `/`: function job has no HTTP trigger; add [functions.job.http]",
        ),
        (r#"{ path = "/", function = "web", service = "x" }"#, "route `/`: no function web in service x"),
        (
            r#"{ path = "/", function = "web", qualifier = "a b" }"#,
            "`qualifier` in [domains.\"a.net\".routes]: \"a b\" is no name; give 1 to 128 letters, digits, `_` and `-` that start with a letter or `_`",
        ),
        (
            r#"{ path = "/", function = "web", methods = ["get"] }"#,
            "`methods` in [domains.\"a.net\".routes]: \"get\" is none of HEAD, POST, PUT, GET, DELETE, PATCH, OPTIONS",
        ),
        (
            r#"{ path = "/", function = "web", metods = ["GET"] }"#,
            "unknown key `metods` in [domains.\"a.net\".routes]; did you mean `methods`?",
        ),
        (
            r#"{ path = "/", function = "web" }, { path = "/", function = "web", methods = ["GET"] }"#,
            "`routes` in [domains.\"a.net\"]: `/` is routed twice for the same method; remove one",
        ),
        ("3", "`routes` in [domains.\"a.net\"]: expected a table, found integer"),
    ] {
        assert_eq!(wrong_domain("a.net", route), format!("wisp.toml:4: {message}"), "{route}");
    }
}

#[test]
fn one_path_may_have_a_route_for_each_method() {
    config(
        "functions.web = { component = \"a\", http = {} }\n[domains.\"a.net\"]\nroutes = [{ path = \"/\", function = \
         \"web\", methods = [\"GET\"] }, { path = \"/\", function = \"web\", methods = [\"PUT\"], qualifier = \"7\" }]\n",
    );
}

/// A directory with these files, and what comes of loading its `wisp.toml`.
fn load_from(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Config, ConfigError>) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let config = load(&directory.path().join("wisp.toml"));
    (directory, config)
}

/// What is reported for these files, without their directory.
fn wrong_files(files: &[(&str, &str)]) -> String {
    let (directory, config) = load_from(files);
    config.unwrap_err().to_string().replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn included_files_bring_functions_with_paths_of_their_own() {
    let (directory, config) = load_from(&[
        (
            "wisp.toml",
            "include = [\"a/wisp.toml\"]\n[domains.\"a.net\"]\nroutes = [{ path = \"/\", function = \"inner\" }]",
        ),
        ("a/wisp.toml", "include = [\"../b.toml\"]\n[functions.inner]\ncomponent = \"inner.wasm\"\nhttp = {}"),
        ("b.toml", "[functions.outer.build]\nsource = \"src\"\n"),
    ]);
    let functions = config.unwrap().functions;
    assert_eq!(functions[0].component, directory.path().join("a/inner.wasm"));
    assert_eq!(functions[1].component, directory.path().join("a/../src/outer.wasm"));
}

#[test]
fn problems_of_all_files_are_reported_together() {
    let report = wrong_files(&[
        ("wisp.toml", "include = [\"a.toml\", \"none.toml\", \"broken.toml\"]\nx = 1"),
        ("a.toml", "[server]\nlisten = \"127.0.0.1:80\"\n[functions.f]\ntimeout = 1"),
        ("broken.toml", "\n[functions"),
    ]);
    let expected = "\
a.toml:1: `server`: belongs in the file that wisp is started with
a.toml:3: `component` in [functions.f]: is missing; give a .wasm file, or how to make it in f.build
a.toml:4: `timeout` in [functions.f]: 1 has no unit; write ms, s, min, h or d after it, such as \"1 s\"
broken.toml:2: not TOML: unclosed table, expected `]`
wisp.toml:1: `include`: \"none.toml\" cannot be read: No such file or directory (os error 2)
wisp.toml:2: unknown key `x`";
    assert_eq!(report, expected);
}

#[test]
fn what_two_files_define_is_refused() {
    let function = "[functions.f]\ncomponent = \"f\"\nhttp = {}\n";
    let domain = |name: &str| format!("[domains.{name:?}]\nroutes = [{{ path = \"/\", function = \"f\" }}]\n");
    let report = wrong_files(&[
        ("wisp.toml", &format!("include = [\"a.toml\"]\n{function}{}", domain("a.net"))),
        ("a.toml", &format!("{function}{}", domain("A.NET"))),
    ]);
    assert!(report.contains("a.toml:1: function f of service default is defined at "), "{report}");
    assert!(report.contains("a.toml:4: domain a.net is defined at "), "{report}");
    assert!(report.ends_with("wisp.toml:5 already; rename or remove one of them"), "{report}");
}

#[test]
fn one_name_may_stand_in_two_services() {
    let function = |service: &str| format!("[functions.f]\ncomponent = \"f\"\nservice = \"{service}\"\n");
    let (_directory, config) =
        load_from(&[("wisp.toml", &format!("include = [\"a.toml\"]\n{}", function("x"))), ("a.toml", &function("y"))]);
    assert_eq!(config.unwrap().functions.len(), 2);
}

#[test]
fn files_that_include_each_other_are_refused() {
    let report = wrong_files(&[("wisp.toml", "include = [\"a.toml\"]"), ("a.toml", "include = [\"./wisp.toml\"]")]);
    assert_eq!(
        report,
        "a.toml:1: `include`: \"./wisp.toml\" is read already; every file is included once, and none includes itself"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_eq!(wrong_files(&[]), "wisp.toml: cannot be read: No such file or directory (os error 2)");
}

const KEY: &str = "[[access_keys]]\nid = \"admin\"\nsecret = \"0123456789abcdef\"\n";

#[test]
fn an_access_key_may_do_everything_unless_it_says_less() {
    let text = format!("{KEY}[[access_keys]]\nid = \"ci\"\nsecret = \"0123456789abcdef\"\nscope = \"invoke\"\n");
    let keys = config(&text).access_keys;
    let scopes: Vec<_> = keys.iter().map(|key| (&*key.id, key.scope)).collect();
    assert_eq!(scopes, [("admin", AccessScope::Admin), ("ci", AccessScope::Invoke)]);
    assert_eq!(keys[0].secret.expose(), "0123456789abcdef");
    assert_eq!(keys[0].security_token, None);
}

#[test]
fn a_secret_is_never_shown() {
    let text = format!("{KEY}security_token = \"fedcba9876543210\"\n");
    let shown = format!("{:?}", config(&text).access_keys);
    assert!(shown.contains("***") && !shown.contains("0123456789abcdef") && !shown.contains("fedcba"), "{shown}");
}

#[test]
fn a_secret_may_stand_in_a_file_or_in_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("key"), "from-the-file-0123\n").unwrap();
    let text =
        "[[access_keys]]\nid = \"a\"\nsecret_file = \"key\"\n[[access_keys]]\nid = \"b\"\nsecret_env = \"KEY\"\n";
    let look_up = |name: &str| (name == "KEY").then(|| "from-the-environment".to_owned());
    let config = parse_with(text, &directory.path().join("wisp.toml"), Environment::new(&look_up)).unwrap();
    let secrets: Vec<_> = config.access_keys.iter().map(|key| key.secret.expose()).collect();
    assert_eq!(secrets, ["from-the-file-0123", "from-the-environment"]);
}

#[test]
fn an_unusable_access_key_is_reported_without_its_secret() {
    let problems = wrong(
        "[[access_keys]]\nid = \"a:b\"\nsecret = \"short\"\nscope = \"root\"\n[[access_keys]]\nsecret_file = \
         \"nowhere\"\n[[access_keys]]\nid = \"c\"\nsecret = \"0123456789abcdef\"\nsecret_env = \"KEY\"\n\
         [[access_keys]]\nid = \"d\"\n",
    );
    assert_eq!(
        problems,
        "wisp.toml:2: `id` in [access_keys]: \"a:b\" is no id; give 1 to 128 printable ASCII characters without space, \
         `:`, `,` and `=`\n\
         wisp.toml:3: `secret` in [access_keys]: has less than 16 characters; `openssl rand -hex 20` makes one that \
         nobody guesses\n\
         wisp.toml:4: `scope` in [access_keys]: \"root\" is none of \"admin\", \"invoke\", \"read-only\"\n\
         wisp.toml:5: `id` in [access_keys]: is missing\n\
         wisp.toml:6: `secret_file` in [access_keys]: nowhere cannot be read: No such file or directory (os error 2)\n\
         wisp.toml:9: `secret` in [access_keys]: is given more than once; keep one of `secret`, `secret_file` and \
         `secret_env`\n\
         wisp.toml:10: `secret_env` in [access_keys]: the environment of wisp has no variable KEY; set it\n\
         wisp.toml:11: `secret` in [access_keys]: is missing; give `secret`, `secret_file` or `secret_env`"
    );
}

#[test]
fn an_access_key_is_defined_once() {
    let problems = wrong(&format!("{KEY}{KEY}"));
    assert_eq!(
        problems,
        "wisp.toml:4: access key \"admin\" is defined at wisp.toml:1 already; rename or remove one of them"
    );
}

#[test]
fn with_access_keys_the_api_may_be_reached_from_other_machines() {
    let text = format!("{KEY}[server]\napi_listen = \"0.0.0.0:9001\"\n");
    assert_eq!(config(&text).server.api_listen.port(), 9001);
}

#[test]
fn what_is_wrong_with_the_https_of_a_domain_is_named() {
    let domain = |lines: &str| {
        let route = "routes = [{ path = \"/*\", function = \"f\" }]";
        wrong(&format!("[functions.f]\ncomponent = \"f.wasm\"\nhttp = {{}}\n[domains.\"a.net\"]\n{route}\n{lines}\n"))
    };
    for (lines, reason) in [
        ("protocol = \"https\"", "`protocol` in [domains.\"a.net\"]: is \"https\", but there is no certificate"),
        (
            "protocol = \"ftp\"",
            "`protocol` in [domains.\"a.net\"]: \"ftp\" is none of \"http\", \"https\", \"http,https\"",
        ),
        ("certificate = \"Cargo.toml\"", "`certificate` in [domains.\"a.net\"]: is given without `private_key`"),
        ("private_key = \"Cargo.toml\"", "`private_key` in [domains.\"a.net\"]: is given without `certificate`"),
        ("certificate = \"none.pem\"\nprivate_key = \"none.pem\"", "none.pem cannot be read"),
        ("certificate = \"Cargo.toml\"\nprivate_key = \"Cargo.toml\"", "the certificate cannot be read as PEM"),
    ] {
        let said = domain(lines);
        assert!(said.contains(reason), "{lines}: {said}");
    }
    let taken = wrong("[server]\ntls_listen = \"0.0.0.0:9001\"\n");
    assert!(taken.contains("`tls_listen` in [server]: 0.0.0.0:9001 is taken by `api_listen`"), "{taken}");
    assert_eq!(config("").server.tls_listen, None);
}
