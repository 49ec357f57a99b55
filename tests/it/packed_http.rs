//! Functions that take their requests packed: what they are told beside the request, and answers that no guest should give.

use serde_json::Value;
use support::{
    Answer, TestHost,
    client::{Raw, send},
};

const FUNCTION: &str = "[functions.f]\ncomponent = \"{packed}\"\n[functions.f.http]\n";

/// The answer to a function that gives these bytes as its headers.
async fn answer_with(host: &TestHost, headers: &[u8]) -> Answer {
    host.request("POST", "f", "/raw", &[], headers.to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_with_both_forms_is_called_by_the_packed_one() {
    let host = TestHost::start(FUNCTION).await;
    let echoed = host.request("POST", "f", "/echo", &[], b"\xff\x00body".to_vec()).await;
    assert_eq!((echoed.status, &echoed.body[..]), (200, &b"\xff\x00body"[..]));
    let long = vec![b'l'; 3 << 20];
    assert_eq!(host.request("POST", "f", "/echo", &[], long.clone()).await.body, long);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_is_part_of_the_head() {
    let host = TestHost::start(&FUNCTION.replace("[functions.f.http]", "timeout = \"60 s\"\n[functions.f.http]")).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = host.request("GET", "f", "/context", &[("traceparent", parent)], "").await;
    let context: Value = traced.json();
    assert_eq!(context[0], traced.header("x-fc-request-id"));
    assert_eq!(context[2], parent);
    let deadline: u128 = context[1].as_str().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!((now..=now + 60_000).contains(&deadline), "{deadline} at {now}");
    assert_eq!(host.get("f", "/context").await.json()[2], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_has_no_way_to_become_another_header() {
    let host = TestHost::start(FUNCTION).await;
    for (headers, named) in [
        (&b"x-a\xff1\xffx-b"[..], "3 texts"),
        (b"x-a", "1 texts"),
        (b"x-a\xff1\n\xffx-b\xff2", "'x-a'"),
        (b"x-a\xffa\r\nset-cookie: b=1", "'x-a'"),
        (b"x-a\xff\0", "'x-a'"),
        (b"x-a\xffcaf\xe9", "'x-a'"),
        (b"x-\xe9\xffv", "header name"),
        (b"x a\xffv", "\"x a\""),
        (b"\xff", "\"\""),
        (b"x-a\xff1\xff", "3 texts"),
        (b"x-a\xff1\xff\xff", "\"\""),
    ] {
        let answer = answer_with(&host, headers).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "BadResponse"), "{headers:?}");
        assert!(answer.text().replace('\\', "").contains(named), "{headers:?}: {answer:?}");
        assert!(!answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("x-b"), "{answer:?}");
    }
    assert_eq!(host.get("f", "/echo").await.status, 200, "the instance lives on");
    assert_eq!(host.count("f", "crash").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_may_be_empty_and_need_not_be_ascii() {
    let host = TestHost::start(FUNCTION).await;
    let answer =
        answer_with(&host, b"x-empty\xff\xffx-utf\xffcaf\xc3\xa9\xffx-two\xff1\xffX-Two\xff2\xffserver\xffmine").await;
    assert_eq!((answer.status, answer.header("x-empty")), (200, ""));
    assert_eq!(answer.headers["x-utf"].as_bytes(), "café".as_bytes());
    assert_eq!(answer.headers.get_all("x-two").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert!(!answer.headers.contains_key("server"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_headers_than_are_allowed_are_a_bad_response() {
    let host = TestHost::start(FUNCTION).await;
    let long = answer_with(&host, &[b"x-long\xff", &[b'v'; 5 << 10][..]].concat()).await;
    assert_eq!((long.status, long.error_code().as_str()), (502, "BadResponse"));
    assert!(long.text().contains("over the limit of 4096"), "{long:?}");
    let roomy = TestHost::start(&format!("[limits]\nresponse_headers = \"1 MB\"\n{FUNCTION}")).await;
    assert_eq!(roomy.get("f", "/pairs:50").await.headers.get_all("x").iter().count(), 50);
    // More than a map of headers can hold.
    let many = roomy.get("f", "/pairs:40000").await;
    assert_eq!((many.status, many.error_code().as_str()), (502, "BadResponse"));
    assert!(many.text().contains("too many headers"), "{many:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_ends_are_those_of_every_function() {
    let host = TestHost::start(FUNCTION).await;
    let failed = host.get("f", "/fail").await;
    assert_eq!((failed.status, failed.header("x-fc-error-type")), (502, "HandledInvocationError"));
    assert_eq!(failed.json()["errorMessage"], "as told");
    let crashed = host.get("f", "/trap").await;
    assert_eq!((crashed.status, crashed.header("x-fc-error-type")), (502, "UnhandledInvocationError"));
    assert_eq!(host.get("f", "/echo").await.status, 200);
    let invoked = send(host.api, "POST", "/2016-08-15/services/default/functions/f/invocations", &[], Vec::new()).await;
    assert_eq!(invoked.status, 400, "it takes no events: {invoked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_instance_for_each_request_is_called_alike() {
    let toml = FUNCTION.replace("[functions.f.http]", "isolation = \"request\"\n[functions.f.http]");
    let host = TestHost::start(&toml).await;
    for _ in 0..3 {
        assert_eq!(host.request("POST", "f", "/echo", &[], "again").await.text(), "again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_parts_of_a_query_are_no_queries_and_undecodable_ones_are_replaced() {
    let host = TestHost::start(FUNCTION).await;
    let mut client = Raw::connect(host.trigger).await;
    let target = "/2016-08-15/proxy/default/f/request?&&a=%FF&";
    client.write(format!("GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")).await;
    let answer = client.read_to_end().await;
    assert!(answer.contains("\"queries\":[[\"a\",\"\u{fffd}\"]]"), "{answer}");
}
