//! What is wrong with functions, files and ports is said with its line and the way out.

use super::*;

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
