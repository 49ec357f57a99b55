//! Event functions behind an HTTP trigger: requests as events and results as responses, in each payload format.

use serde_json::{Value, json};
use support::{Answer, TestHost};

const FORMATS: [&str; 3] = ["fc3", "cloudbase", "api-gateway"];

/// Function `f` returns the event as the body of an integration response, function `r` the body of the request.
async fn start(format: &str) -> TestHost {
    let server = "[server]\naccount_id = \"123456\"\n";
    let function = |name: &str, settings: &str| {
        format!(
            "[functions.{name}]\nservice = \"shop\"\ncomponent = \"{{event}}\"\n{settings}\n\
             [functions.{name}.http]\npayload_format = \"{format}\"\n"
        )
    };
    let (f, r) = (
        function("f", "environment = { RETURN = \"response\" }"),
        function("r", "environment = { RETURN = \"body\" }"),
    );
    TestHost::start(&format!("{server}{f}{r}")).await
}

const TARGET: &str = "/a%20b/%E4%B8%AD?x=1&y=%26&x=2";

async fn request(host: &TestHost, body: impl Into<Vec<u8>>, content_type: &str) -> Answer {
    let headers = [
        ("host", "f.shop.localhost"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("x-fc-own", "no"),
        ("content-type", content_type),
    ];
    host.send("POST", TARGET, &headers, body).await
}

/// The response to a result of the function.
async fn returned(host: &TestHost, result: impl Into<Vec<u8>>) -> Answer {
    host.send("POST", "/", &[("host", "r.shop.localhost"), ("content-type", "text/plain")], result).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fc3_events_have_a_path_parameters_and_a_context() {
    let host = start("fc3").await;
    let answer = request(&host, "the body", "text/plain").await;
    let event = answer.json();
    assert_eq!((&event["version"], &event["rawPath"]), (&json!("v1"), &json!("/a%20b/%E4%B8%AD")));
    assert_eq!(event["queryParameters"], json!({ "x": "1,2", "y": "&" }));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("the body"), &json!(false)));
    assert_eq!((&event["headers"]["X-Two"], &event["headers"]["X-Fc-Own"]), (&json!("1,2"), &Value::Null));
    let context = &event["requestContext"];
    assert_eq!((&context["accountId"], &context["domainName"]), (&json!("123456"), &json!("f.shop.localhost")));
    assert_eq!(context["domainPrefix"], "f");
    assert_eq!(context["requestId"], answer.header("x-fc-request-id"));
    let http = &context["http"];
    assert_eq!((&http["method"], &http["path"]), (&json!("POST"), &json!("/a b/中")));
    assert_eq!((&http["protocol"], &http["sourceIp"]), (&json!("HTTP/1.1"), &json!("127.0.0.1")));
    assert!(context["timeEpoch"].as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000_000);
    assert!(context["time"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudbase_events_have_multi_value_headers_and_an_environment() {
    let host = start("cloudbase").await;
    let answer = request(&host, "{}", "application/json").await;
    let event = answer.json();
    assert_eq!((&event["path"], &event["httpMethod"]), (&json!("/a%20b/%E4%B8%AD"), &json!("POST")));
    assert_eq!((&event["headers"]["x-two"], &event["headers"]["x-fc-own"]), (&json!("1,2"), &Value::Null));
    assert_eq!(event["multiValueHeaders"]["x-two"], json!(["1", "2"]));
    assert_eq!(event["queryStringParameters"], json!({ "x": "1,2", "y": "&" }));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
    let id = answer.header("x-fc-request-id");
    assert_eq!(event["requestContext"], json!({ "requestId": id, "envId": "shop", "appId": 123_456, "uin": 123_456 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn api_gateway_events_have_query_and_path_parameters() {
    let event = request(&start("api-gateway").await, "the body", "text/plain").await.json();
    assert_eq!((&event["path"], &event["httpMethod"]), (&json!("/a%20b/%E4%B8%AD"), &json!("POST")));
    assert_eq!((&event["headers"]["x-two"], &event["headers"]["x-fc-own"]), (&json!("1,2"), &Value::Null));
    assert_eq!(event["queryParameters"], json!({ "x": "1,2", "y": "&" }));
    assert_eq!(event["pathParameters"], json!({}));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("the body"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_body_comes_as_base64() {
    for format in FORMATS {
        let host = start(format).await;
        for (body, content_type) in [(&b"\xff\x00"[..], "text/plain"), (b"\xff\x00", "image/png")] {
            let event = request(&host, body, content_type).await.json();
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wA="), &json!(true)), "{format}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_response_sets_status_headers_and_body() {
    let result = json!({
        "statusCode": 201,
        "headers": { "content-type": "text/css", "set-cookie": ["a=1", "b=2"], "x-fc-own": "no", "x-own": "yes" },
        "body": "made",
        "isBase64Encoded": false,
    });
    for format in FORMATS {
        let answer = returned(&start(format).await, result.to_string()).await;
        assert_eq!((answer.status, answer.text(), answer.header("x-own")), (201, "made".into(), "yes"), "{format}");
        assert!(answer.header("content-type").starts_with("text/css"), "{format}");
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2, "{format}");
        assert!(!answer.headers.contains_key("x-fc-own"), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base64_body_is_decoded() {
    let result = json!({ "statusCode": 200, "headers": {}, "body": "/wA=", "isBase64Encoded": true }).to_string();
    for format in FORMATS {
        let answer = returned(&start(format).await, result.clone()).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"\xff\x00"[..]), "{format}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fc3_takes_other_results_as_they_are() {
    let host = start("fc3").await;
    for (result, content_type) in
        [("hello", "text/plain; charset=utf-8"), (r#"{"foo":"bar"}"#, "application/json"), ("7", "application/json")]
    {
        let answer = returned(&host, result).await;
        assert_eq!((answer.status, answer.text()), (200, result.to_owned()));
        assert_eq!(answer.header("content-type"), content_type);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudbase_takes_strings_and_numbers_as_text_and_objects_as_json() {
    let host = start("cloudbase").await;
    let (text, json) = ("text/plain; charset=utf-8", "application/json; charset=utf-8");
    for (result, body, content_type) in [
        ("hello", "hello", text),
        (r#""quoted""#, "quoted", text),
        ("42", "42", text),
        (r#"{"foo":"bar"}"#, r#"{"foo":"bar"}"#, json),
        (
            r#"{"statusCode":200,"body":"<p>","headers":{"content-type":"text/html"}}"#,
            "<p>",
            "text/html; charset=utf-8",
        ),
    ] {
        let answer = returned(&host, result).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, body), "{result}");
        assert_eq!(answer.header("content-type"), content_type, "{result}");
    }
    let nothing = returned(&host, "null").await;
    assert_eq!((nothing.status, nothing.body.len()), (204, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_integration_response_is_a_bad_response_of_the_gateway() {
    let host = start("api-gateway").await;
    for result in ["hello", "{}", "7", r#"{"statusCode":"many"}"#] {
        let answer = returned(&host, result).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "BadResponse"), "{result}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_behind_a_trigger_gets_the_event_and_its_output_is_the_response() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{command}\"\n[functions.f.http]\n").await;
    let answer = host.request("POST", "f", "/path", &[("content-type", "text/plain")], "x").await;
    // It returns the event in capitals.
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; charset=utf-8"));
    let event = answer.text();
    assert!(event.starts_with(r#"{"VERSION":"V1","RAWPATH":"/PATH","BODY":"X","#), "{event}");
}
