//! The HTTP trigger: how it is reached, what the function is shown, and what the client receives.

use serde_json::{Value, json};
use support::{
    Answer, TestHost,
    client::{Raw, send, send_http2},
};

/// One instance, so that a call waits for the pre-freeze hook of the last one rather than starting another.
const FUNCTION: &str = "[functions.f]\ncomponent = \"{misbehave}\"\nmax_instances = 1\n[functions.f.http]\n";
const PATH: &str = "/2016-08-15/proxy/default/f";

/// The same function, once with a guest for each form of the handler: requests as records, and packed.
fn in_both_forms() -> [String; 2] {
    ["{misbehave}", "{packed}"].map(|guest| FUNCTION.replace("{misbehave}", guest))
}

/// Lets the function answer what the order says.
async fn reply(host: &TestHost, order: Value) -> Answer {
    host.request("POST", "f", "/reply", &[], order.to_string()).await
}

/// The request as the function is shown it.
async fn shown(host: &TestHost, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Value {
    host.request(method, "f", target, headers, body).await.json()
}

fn values<'a>(shown: &'a Value, name: &str) -> Vec<&'a str> {
    let pairs = shown["headers"].as_array().unwrap().iter();
    pairs.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_is_shown_the_request_as_it_was_sent() {
    for function in in_both_forms() {
        let host = TestHost::start(&function).await;
        let target = "/request:%E4%B8%AD%20a?b=%20c&a=1&a=2&d";
        let shown = shown(&host, "PUT", target, &[("x-two", "1"), ("x-two", "2")], "the body").await;
        assert_eq!(shown["method"], "PUT");
        assert_eq!(shown["path"], "/request:中 a");
        assert_eq!(shown["url"], format!("{PATH}{target}"));
        assert_eq!(shown["queries"], json!([["b", " c"], ["a", "1"], ["a", "2"], ["d", ""]]));
        assert_eq!(values(&shown, "x-two"), ["1", "2"]);
        assert_eq!(shown["body"], "the body");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_connection_and_of_the_platform_are_not_shown() {
    for function in in_both_forms() {
        let host = TestHost::start(&function).await;
        let headers = [("connection", "close"), ("keep-alive", "timeout=5"), ("x-fc-status", "1"), ("x-fcother", "2")];
        let shown = shown(&host, "GET", "/request", &headers, "").await;
        for ignored in ["connection", "keep-alive", "x-fc-status"] {
            assert!(values(&shown, ignored).is_empty(), "{shown}");
        }
        assert_eq!(values(&shown, "x-fcother"), ["2"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_value_that_is_not_utf_8_is_shown_as_latin_1() {
    for function in in_both_forms() {
        let host = TestHost::start(&function).await;
        let mut client = Raw::connect(host.trigger).await;
        client.write(format!("GET {PATH}/request HTTP/1.1\r\nhost: h\r\nconnection: close\r\n")).await;
        client.write(b"x-latin: caf\xe9\r\nx-utf: caf\xc3\xa9\r\n\r\n").await;
        let answer = client.read_to_end().await;
        assert!(answer.contains(r#"["x-latin","café"]"#) && answer.contains(r#"["x-utf","café"]"#), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_is_the_clients_if_the_proxy_is_trusted() {
    for function in in_both_forms() {
        let forwarded = [("x-forwarded-for", "203.0.113.7, 127.0.0.9")];
        let host = TestHost::start(&function).await;
        assert_eq!(shown(&host, "GET", "/request", &forwarded, "").await["clientIp"], "127.0.0.1");
        let trusting = TestHost::start(&format!("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n{function}")).await;
        assert_eq!(shown(&trusting, "GET", "/request", &forwarded, "").await["clientIp"], "203.0.113.7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_methods_are_taken_and_no_other() {
    let host = TestHost::start(FUNCTION).await;
    for method in ["HEAD", "POST", "PUT", "GET", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(host.request(method, "f", "/echo", &[], "").await.status, 200, "{method}");
    }
    for method in ["TRACE", "PROPFIND"] {
        let answer = host.request(method, "f", "/echo", &[], "").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (405, "MethodNotAllowed"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_the_trigger_does_not_list_is_refused() {
    let host = TestHost::start(&format!("{FUNCTION}methods = [\"GET\", \"PUT\"]\n")).await;
    assert_eq!(host.get("f", "/echo").await.status, 200);
    let answer = host.request("POST", "f", "/echo", &[], "").await;
    assert_eq!((answer.status, answer.header("x-fc-error-type")), (405, "FcCommonError"));
    assert!(answer.text().contains("takes GET, PUT, not POST"), "{answer:?}");
}

/// What comes back on one connection that stays open until the last of these requests is answered.
async fn on_one_connection(host: &TestHost, requests: &[&str]) -> String {
    let mut client = Raw::connect(host.trigger).await;
    let (last, first) = requests.split_last().unwrap();
    for request in first {
        client.write(format!("{request} HTTP/1.1\r\nhost: h\r\n\r\n")).await;
    }
    client.write(format!("{last} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await;
    client.read_to_end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_takes_many_requests_also_before_their_answers() {
    let host = TestHost::start(FUNCTION).await;
    let mut client = Raw::connect(host.trigger).await;
    for count in 1..=2 {
        client.write(format!("GET {PATH}/count HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        client.read_until(&format!("\r\n\r\n{count}")).await;
    }
    let get = format!("GET {PATH}/count");
    let answers = on_one_connection(&host, &[&get, &get, &get]).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert!(answers.ends_with("\r\n\r\n5"), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_head_says_how_long_the_body_would_be_and_has_none() {
    let host = TestHost::start(FUNCTION).await;
    let answers = on_one_connection(&host, &[&format!("HEAD {PATH}/big:7"), &format!("GET {PATH}/count")]).await;
    assert!(answers.contains("content-length: 7\r\n") && !answers.contains("bbb"), "{answers}");
    assert!(answers.ends_with("\r\n\r\n2"), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_head_of_a_guest_that_leaves_the_body_out_itself_says_no_length() {
    let host = TestHost::start(FUNCTION).await;
    let answers = on_one_connection(&host, &[&format!("HEAD {PATH}/big:0"), &format!("GET {PATH}/big:0")]).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert_eq!(answers.matches("content-length: 0\r\n").count(), 1, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_204_and_304_have_no_body() {
    let host = TestHost::start(FUNCTION).await;
    for status in [204, 304] {
        let mut client = Raw::connect(host.trigger).await;
        let order = json!({ "status": status, "body": "forbidden" }).to_string();
        let head = format!("POST {PATH}/reply HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", order.len());
        client.write(format!("{head}{order}")).await;
        client.write(format!("GET {PATH}/echo HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await;
        let answers = client.read_to_end().await;
        assert!(answers.starts_with(&format!("HTTP/1.1 {status}")), "{answers}");
        assert!(answers.contains("HTTP/1.1 200 OK") && !answers.contains("forbidden"), "{answers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_on_the_same_port() {
    let host = TestHost::start(FUNCTION).await;
    let target = format!("{PATH}/request?a=1");
    let answer = send_http2(host.trigger, "POST", "example.org:81", &target, b"by two".to_vec()).await;
    let shown = answer.json();
    assert_eq!((&shown["url"], &shown["body"]), (&json!(target), &json!("by two")));
    assert_eq!(values(&shown, "host"), ["example.org:81"]);
    assert_eq!(answer.header("x-fc-request-id").len(), 36);
    assert_eq!(host.get("f", "/count").await.text(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_has_a_name_below_localhost() {
    let toml = "[functions.Big]\nservice = \"shop\"\ncomponent = \"{misbehave}\"\n[functions.Big.http]\n";
    let host = TestHost::start(toml).await;
    for name in ["Big.shop.localhost", "Big.shop.localhost:9000"] {
        let shown = host.send("GET", "/request:/a?b=1", &[("host", name)], "").await.json();
        assert_eq!((&shown["path"], &shown["url"]), (&json!("/request:/a"), &json!("/request:/a?b=1")));
    }
    let answer = host.send("GET", "/echo", &[("host", "other.shop.localhost")], "").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (404, "FunctionNotFound"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_leads_to_the_exact_route_first_then_to_the_longest_prefix() {
    let functions: String = ["all", "below", "exact", "posts"]
        .map(|name| format!("[functions.{name}]\ncomponent = \"{{event}}\"\n[functions.{name}.http]\n"))
        .concat();
    let toml = format!(
        r#"{functions}
        [domains."shop.example.com"]
        routes = [
            {{ path = "/*", function = "all" }},
            {{ path = "/context/*", function = "below", qualifier = "LATEST" }},
            {{ path = "/context/exact", function = "exact", methods = ["GET"] }},
            {{ path = "/context/exact", function = "posts", methods = ["POST"] }},
        ]"#
    );
    let host = TestHost::start(&toml).await;
    let calls = async |method: &str, path: &str| {
        let before = counts(&host).await;
        let answer = host.send(method, path, &[("host", "Shop.Example.com:8080")], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let after = counts(&host).await;
        let called = before.iter().zip(&after).find(|(before, after)| before != after);
        (called.unwrap().0.0.clone(), answer.json()["rawPath"].as_str().unwrap().to_owned())
    };
    for (method, path, function) in [
        ("GET", "/", "all"),
        ("GET", "/context", "all"),
        ("GET", "/context/other/x", "below"),
        ("GET", "/context/exact/", "below"),
        ("GET", "/context/exact", "exact"),
        ("POST", "/context/exact", "posts"),
        ("PUT", "/context/exact", "below"),
    ] {
        assert_eq!(calls(method, path).await, (function.to_owned(), path.to_owned()), "{method} {path}");
    }
}

/// How often each function was called.
async fn counts(host: &TestHost) -> Vec<(String, u64)> {
    let functions = send(host.api, "GET", "/wisp/functions", &[], Vec::new()).await.json();
    let count = |it: &Value| (it["name"].as_str().unwrap().to_owned(), it["invocations"]["ok"].as_u64().unwrap());
    functions.as_array().unwrap().iter().map(count).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_without_a_fitting_route_says_so() {
    let routes = "[{ path = \"/only\", function = \"f\", methods = [\"GET\"] }, { path = \"/v\", function = \"f\", qualifier = \"7\" }]";
    let host = TestHost::start(&format!("{FUNCTION}[domains.\"shop.example.com\"]\nroutes = {routes}\n")).await;
    let ask = |method: &'static str, path: &'static str| host.send(method, path, &[("host", "shop.example.com")], "");
    let no_route = ask("GET", "/other").await;
    assert_eq!((no_route.status, no_route.error_code().as_str()), (404, "DomainNameNotFound"));
    assert!(no_route.text().contains("has no route for path '/other'"), "{no_route:?}");
    assert_eq!(ask("PUT", "/only").await.status, 405);
    assert_eq!(ask("GET", "/v").await.error_code(), "VersionNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_nowhere_says_how_functions_are_reached() {
    let host = TestHost::start(&format!("{FUNCTION}[functions.silent]\ncomponent = \"{{misbehave}}\"\n")).await;
    for (path, status, code) in [
        ("/", 404, "DomainNameNotFound"),
        ("/2016-08-15/proxy/none/f/", 404, "ServiceNotFound"),
        ("/2016-08-15/proxy/default/none/", 404, "FunctionNotFound"),
        ("/2016-08-15/proxy/default.3/f/", 404, "VersionNotFound"),
        ("/2016-08-15/proxy/default.prod/f/", 404, "AliasNotFound"),
        ("/2016-08-15/proxy/default/silent/", 404, "TriggerNotFound"),
        ("/2016-08-15/proxy/default", 400, "InvalidArgument"),
    ] {
        let answer = host.send("GET", path, &[("host", "unknown.example")], "").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (status, code), "{path}");
        assert_eq!(answer.header("x-fc-request-id").len(), 36);
        assert_eq!(answer.header("x-fc-error-type"), "FcCommonError");
    }
    let unknown = host.send("GET", "/", &[("host", "unknown.example")], "").await;
    let message = unknown.json()["ErrorMessage"].as_str().unwrap().to_owned();
    assert!(message.starts_with("domain name 'unknown.example' does not exist"), "{message}");
    assert!(message.contains("/2016-08-15/proxy/<service>/<function>/<path>"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_function_answers_under_its_qualifier_and_on_the_api_listener() {
    let host = TestHost::start(FUNCTION).await;
    let path = "/2016-08-15/proxy/default.LATEST/f/echo";
    assert_eq!(host.send("POST", path, &[], "qualified").await.text(), "qualified");
    assert_eq!(send(host.api, "POST", &format!("{PATH}/echo"), &[], b"by api".to_vec()).await.text(), "by api");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_sets_status_and_headers_but_not_those_of_the_connection() {
    for function in in_both_forms() {
        let host = TestHost::start(&function).await;
        let headers = json!([
            ["Content-Type", "text/css"],
            ["set-cookie", "a=1"],
            ["Set-Cookie", "b=2"],
            ["connection", "close"],
            ["content-length", "999"],
            ["date", "never"],
            ["keep-alive", "x"],
            ["server", "mine"],
            ["upgrade", "h2c"],
            ["x-fc-request-id", "mine"],
            ["x-fc-status", "404"],
        ]);
        let answer = reply(&host, json!({ "status": 418, "headers": headers, "body": "short" })).await;
        assert_eq!((answer.status, answer.text(), answer.header("content-type")), (418, "short".into(), "text/css"));
        let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        for ignored in ["connection", "keep-alive", "server", "upgrade", "x-fc-status"] {
            assert!(!answer.headers.contains_key(ignored), "{ignored}: {answer:?}");
        }
        assert_eq!(answer.header("content-length"), "5");
        assert_ne!(answer.header("date"), "never");
        assert_eq!(answer.header("x-fc-request-id").len(), 36);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_a_bad_response_that_names_it() {
    for function in in_both_forms() {
        let host = TestHost::start(&function).await;
        for (order, named) in [
            (json!({ "status": 99 }), "99"),
            (json!({ "status": 101 }), "101"),
            (json!({ "status": 600 }), "600"),
            (json!({ "headers": [["bad name", "v"]] }), "bad name"),
            (json!({ "headers": [["x-split", "a\r\nset-cookie: b=1"]] }), "x-split"),
        ] {
            let answer = reply(&host, order).await;
            assert_eq!((answer.status, answer.error_code().as_str()), (502, "BadResponse"));
            assert!(answer.text().contains(named), "{answer:?}");
            assert_eq!(answer.header("x-fc-error-type"), "UnhandledInvocationError");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_function_is_a_bad_gateway_with_its_own_document() {
    let host = TestHost::start(FUNCTION).await;
    let document = r#"{"errorMessage":"oops","errorType":"Error"}"#;
    for (behaviour, error_type) in [("handled", "HandledInvocationError"), ("unhandled", "UnhandledInvocationError")] {
        let path = format!("/{behaviour}:{}", document.replace('"', "%22").replace('{', "%7B").replace('}', "%7D"));
        let answer = host.get("f", &path).await;
        assert_eq!((answer.status, answer.text()), (502, document.into()));
        assert_eq!(answer.header("x-fc-error-type"), error_type);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-fc-request-id").len(), 36);
    }
    let crashed = host.get("f", "/trap").await;
    assert_eq!((crashed.status, crashed.header("x-fc-error-type")), (502, "UnhandledInvocationError"));
    assert!(crashed.error_message().starts_with("Process exited unexpectedly"), "{crashed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_holds_no_instance() {
    let host = TestHost::start(FUNCTION).await;
    let length = 10 << 20;
    let piece = vec![b'u'; length / 4];
    let mut client = Raw::connect(host.trigger).await;
    let head = format!("POST {PATH}/echo HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    client.write(head).await;
    for count in 1..=4 {
        client.write(&piece).await;
        if count < 4 {
            assert_eq!(host.get("f", "/count").await.text(), count.to_string());
        }
    }
    let answer = client.read_to_end().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert_eq!(body.len(), length);
}

const STREAMING: [&str; 2] = ["{wasi-http-02}", "{wasi-http-03}"];

/// Function `f`, a `wasi:http` component.
async fn streaming(component: &str, limits: &str) -> TestHost {
    let function = format!("[functions.f]\ncomponent = \"{component}\"\n[functions.f.http]\n");
    TestHost::start(&format!("[limits]\n{limits}\n{function}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways_at_once() {
    for component in STREAMING {
        let host = streaming(component, "").await;
        let mut client = Raw::connect(host.trigger).await;
        client.write(format!("POST {PATH}/echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")).await;
        for number in 1..=3 {
            let chunk = format!("chunk number {number}");
            client.write(format!("{:x}\r\n{chunk}\r\n", chunk.len())).await;
            client.read_until(&chunk).await;
        }
        client.write("0\r\n\r\n").await;
        client.read_until("0\r\n\r\n").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_pass_through_without_being_read() {
    let host = streaming("{wasi-http-03}", "").await;
    let answer = host.request("POST", "f", "/pipe", &[], vec![b'p'; 1 << 20]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 1 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_arrives_piece_by_piece() {
    for component in STREAMING {
        let host = streaming(component, "").await;
        let mut client = Raw::connect(host.trigger).await;
        client.write(format!("GET {PATH}/stream/20 HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        let first = client.read_until("chunk 0\n").await;
        assert!(!first.contains("chunk 19\n"), "{first}");
        client.read_until("chunk 19\n").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_upload_is_cut_off_at_the_limit() {
    for component in STREAMING {
        let host = streaming(component, "sync_body = \"64 KB\"").await;
        let answer = host.request("POST", "f", "/echo", &[], vec![b'b'; 70_000]).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "InvalidArgument"));
        let mut client = Raw::connect(host.trigger).await;
        client
            .write(format!(
                "POST {PATH}/echo HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            ))
            .await;
        let chunk = format!("4000\r\n{}\r\n", "b".repeat(0x4000));
        for _ in 0..40 {
            if !client.try_write(&chunk).await {
                break;
            }
        }
        let _ = client.try_write("0\r\n\r\n").await;
        let answer = client.read_to_end().await;
        assert!(answer.matches('b').count() <= (64 << 10) + 100, "{}", answer.len());
        assert_eq!(host.get("f", "/").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_sees_its_own_path_and_the_common_headers() {
    for component in STREAMING {
        let settings = "handler = \"index.handler\"\nmemory = \"64 MB\"\ntimeout = \"5 s\"\nlog_project = \"p\"";
        let function = format!("[functions.f]\ncomponent = \"{component}\"\n{settings}\n[functions.f.http]\n");
        let server = "[server]\naccount_id = \"123456\"\nregion = \"cn-test\"\n";
        let host = TestHost::start(&format!("{server}{function}")).await;
        let sent = [("x-fc-function-name", "forged"), ("x-own", "1"), ("host", "example.org")];
        let answer = host.request("GET", "f", "/headers?q=1", &sent, "").await;
        let request_id = format!("x-fc-request-id: {}", answer.header("x-fc-request-id"));
        let headers = answer.text();
        for expected in [
            "x-own: 1",
            "x-fc-function-name: f",
            "x-fc-function-handler: index.handler",
            "x-fc-function-memory: 64",
            "x-fc-function-timeout: 5",
            "x-fc-service-name: default",
            "x-fc-service-logproject: p",
            "x-fc-qualifier: LATEST",
            "x-fc-account-id: 123456",
            "x-fc-region: cn-test",
            "x-fc-control-path: /http-invoke",
            "x-fc-base-path: /2016-08-15/proxy/default/f/",
            &request_id,
        ] {
            assert!(headers.lines().any(|line| line == expected), "{expected} is not in\n{headers}");
        }
        assert!(!headers.contains("forged"), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_that_gives_no_answer_is_a_bad_gateway() {
    let host = streaming("{wasi-http-02}", "").await;
    let silent = host.get("f", "/silent").await;
    assert_eq!((silent.status, silent.error_code().as_str()), (502, "BadResponse"));
    let trapped = host.get("f", "/trap").await;
    assert_eq!((trapped.status, trapped.header("x-fc-error-type")), (502, "UnhandledInvocationError"));
    assert!(trapped.error_message().starts_with("Process exited unexpectedly"), "{trapped:?}");
    assert_eq!(host.get("f", "/status/404").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_breaks_off_is_not_taken_for_a_whole_one() {
    for component in STREAMING {
        let host = streaming(component, "").await;
        let mut client = Raw::connect(host.trigger).await;
        client.write(format!("GET {PATH}/broken HTTP/1.1\r\nhost: h\r\n\r\n")).await;
        let answer = client.read_to_end().await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{component}: {answer}");
        assert_eq!(host.get("f", "/").await.status, 200);
        assert_eq!(host.count("f", "crash").await, 1, "{component}");
    }
}
