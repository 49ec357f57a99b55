//! Event invokes: bytes in, bytes out, and the headers of CONTRACTS §1.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use support::{Answer, TestHost, client};

const FUNCTION: &str = "[functions.f]\ncomponent = \"{misbehave}\"\nmemory = \"64 MB\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_back_as_they_went() {
    let host = TestHost::start(FUNCTION).await;
    let event = [b"echo\0".as_slice(), &[0xff, 0x00, 0x80]].concat();
    let answer = host.invoke("f", event.clone()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, event);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_may_be_empty() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{event}\"\n").await;
    let answer = host.invoke("f", "").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_the_call_took_and_where_it_ran() {
    let host = TestHost::start(FUNCTION).await;
    let answer = host.invoke("f", "instance-id").await;
    assert_eq!(answer.header("x-fc-request-id").len(), 36);
    assert_eq!(answer.header("x-fc-instance-id"), answer.text());
    assert!(answer.header("x-fc-invocation-duration").parse::<u64>().is_ok());
    assert!(answer.header("x-fc-max-memory-usage").parse::<f64>().unwrap() > 0.5);
    assert_eq!(answer.header("x-fc-invocation-service-version"), "LATEST");
    assert_eq!(answer.header("x-fc-invocation-code-version"), "LATEST");
    let exposed = answer.header("access-control-expose-headers");
    assert!(exposed.starts_with("Date,x-fc-request-id,x-fc-error-type,"), "{exposed}");
    assert_eq!(answer.header("x-fc-error-type"), "");
    assert_eq!(answer.header("x-fc-log-result"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_2023_api_needs_no_service() {
    let host = TestHost::start(&format!("{FUNCTION}[functions.g]\nservice = \"s\"\ncomponent = \"{{event}}\"\n")).await;
    for path in ["/2023-03-30/functions/f/invocations?qualifier=LATEST", "/2023-03-30/functions/g/invocations"] {
        let answer = client::send(host.api, "POST", path, &[], b"echo".to_vec()).await;
        assert_eq!((answer.status, answer.text()), (200, "echo".into()), "{path}");
    }
}

/// The decoded `x-fc-log-result`.
async fn tail(host: &TestHost, event: &str) -> String {
    let answer = host.invoke_with("f", event, &[("x-fc-log-type", "Tail")]).await;
    String::from_utf8(BASE64_STANDARD.decode(answer.header("x-fc-log-result")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_gets_the_log_of_its_call_between_marker_lines() {
    let host = TestHost::start(FUNCTION).await;
    let answer = host.invoke_with("f", "print:the line", &[("x-fc-log-type", "Tail")]).await;
    let id = answer.header("x-fc-request-id");
    let log = BASE64_STANDARD.decode(answer.header("x-fc-log-result")).unwrap();
    let log = String::from_utf8(log).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| !line.starts_with("pre-freeze")).collect();
    assert_eq!(lines[0], format!("FC Invoke Start RequestId: {id}"));
    assert_eq!(lines[1], "the line");
    assert_eq!(lines[2], format!("FC Invoke End RequestId: {id}"));
    assert!(lines[3].starts_with("Duration: ") && lines[3].contains(" ms, Billed Duration: "), "{log}");
    assert!(lines[3].contains(" ms, Memory Size: 64 MB, Max Memory Used: "), "{log}");
    assert_eq!(lines.len(), 4);
    assert!(!tail(&host, "echo").await.contains("the line"), "it belongs to another call");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_marker_tells_how_a_call_failed() {
    let host = TestHost::start(FUNCTION).await;
    for (event, ending) in [
        ("handled:x", ", Error: Handled function error\n"),
        ("unhandled:x", ", Error: Unhandled function error\n"),
        ("trap", ", Error: Unhandled function error\n"),
    ] {
        let log = tail(&host, event).await;
        assert!(log.contains(ending), "{event}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_that_comes_back_is_its_last_4_kb() {
    let host = TestHost::start(FUNCTION).await;
    let log = tail(&host, "flood-stdout:10000").await;
    assert_eq!(log.len(), 4096);
    assert!(log.contains("Billed Duration"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_log_type_is_refused_in_the_services_own_words() {
    let host = TestHost::start(FUNCTION).await;
    let answer = host.invoke_with("f", "echo", &[("x-fc-log-type", "Invalid")]).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "InvalidArgument"));
    let message = "LogType is set to an invalid value (allowed: Tail | None, actual: 'Invalid')";
    assert_eq!(answer.json()["ErrorMessage"], message);
    assert_eq!(host.invoke_with("f", "echo", &[("x-fc-log-type", "None")]).await.text(), "echo");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_invocation_type_is_one_of_two_words() {
    let host = TestHost::start(FUNCTION).await;
    let wrong = host.invoke_with("f", "echo", &[("x-fc-invocation-type", "Later")]).await;
    assert!(wrong.text().contains("actual: 'Later'"), "{wrong:?}");
    assert_eq!(host.invoke_with("f", "echo", &[("x-fc-invocation-type", "Sync")]).await.text(), "echo");
}

fn assert_failed(answer: &Answer, error_type: &str, document: &str) {
    assert_eq!((answer.status, answer.header("x-fc-error-type")), (200, error_type));
    assert_eq!((answer.text().as_str(), answer.header("content-type")), (document, "application/json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_a_200_with_its_type_and_its_document() {
    let host = TestHost::start(&format!("{FUNCTION}max_instances = 1\n")).await;
    let document = r#"{"errorMessage":"oops","errorType":"Error","stackTrace":["a","b"]}"#;
    assert_failed(&host.invoke("f", format!("handled:{document}")).await, "HandledInvocationError", document);
    assert_failed(&host.invoke("f", format!("unhandled:{document}")).await, "UnhandledInvocationError", document);
    let text = host.invoke("f", "handled:This is a handled error").await;
    assert_failed(&text, "HandledInvocationError", r#"{"errorMessage":"This is a handled error"}"#);
    assert_eq!(host.invoke("f", "count").await.text(), "4", "the instance survives");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_named_in_the_form_of_the_api() {
    let host = TestHost::start(FUNCTION).await;
    for (path, code, message) in [
        ("services/none/functions/f", "ServiceNotFound", "service 'none' does not exist"),
        ("services/default/functions/g", "FunctionNotFound", "function 'g' does not exist in service 'default'"),
        ("services/default.7/functions/f", "VersionNotFound", "version '7' of service 'default' does not exist"),
        ("services/default.prod/functions/f", "AliasNotFound", "alias 'prod' of service 'default' does not exist"),
    ] {
        let answer = client::send(host.api, "POST", &format!("/2016-08-15/{path}/invocations"), &[], Vec::new()).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json(), serde_json::json!({ "ErrorCode": code, "ErrorMessage": message }));
        assert_eq!((answer.header("x-fc-request-id").len(), answer.header("content-type")), (36, "application/json"));
    }
    for (path, code, message) in [
        ("g/invocations", "FunctionNotFound", "function 'g' does not exist"),
        ("f/invocations?qualifier=7", "VersionNotFound", "version '7' of function 'f' does not exist"),
        ("f/invocations?qualifier=prod", "AliasNotFound", "alias 'prod' of function 'f' does not exist"),
    ] {
        let answer = client::send(host.api, "POST", &format!("/2023-03-30/functions/{path}"), &[], Vec::new()).await;
        assert_eq!(answer.status, 404, "{path}");
        let id = answer.header("x-fc-request-id");
        assert_eq!(answer.json(), serde_json::json!({ "Code": code, "Message": message, "RequestId": id }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_the_api_does_not_have_is_refused() {
    let host = TestHost::start(FUNCTION).await;
    for (method, path) in [("GET", "/"), ("GET", "/2016-08-15/services/default/functions/f/invocations")] {
        let answer = client::send(host.api, method, path, &[], Vec::new()).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "PathNotSupported"), "{path}");
        assert_eq!(answer.json()["ErrorMessage"], format!("'{method}' against '{path}' is not supported"));
        assert_eq!(answer.header("x-fc-request-id").len(), 36);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_takes_events_by_a_post_to_invoke() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{wasi-http-02}\"\n").await;
    let answer = host.invoke("f", "the event").await;
    assert_eq!((answer.status, answer.text(), answer.header("x-fc-error-type")), (200, "THE EVENT".into(), ""));
    let failed = host.invoke("f", "fail").await;
    assert_failed(&failed, "UnhandledInvocationError", r#"{"errorMessage":"FAIL"}"#);
    assert_eq!(failed.header("x-fc-instance-id"), answer.header("x-fc-instance-id"));

    let host = TestHost::start("[functions.f]\ncomponent = \"{wasi-http-03}\"\n").await;
    let answer = host.invoke("f", "the event").await;
    assert_eq!((answer.status, answer.text(), answer.header("x-fc-error-type")), (200, "the event".into(), ""));
    assert_eq!(answer.header("x-fc-instance-id").len(), 36);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_event_in_the_environment_and_its_result_on_standard_output() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{command}\"\ntimeout = \"1 s\"\n").await;
    for event in ["the event", "another one"] {
        assert_eq!(host.invoke("f", event).await.text(), event.to_uppercase());
    }
    assert!(tail(&host, "stderr").await.contains("written to stderr\n"));
    let failed = host.invoke("f", "fail").await;
    assert_eq!((failed.status, failed.header("x-fc-error-type")), (200, "UnhandledInvocationError"));
    assert!(failed.error_message().starts_with("Process exited unexpectedly"), "{failed:?}");
    let spun = host.invoke("f", "spin").await;
    assert!(spun.error_message().starts_with("Function timed out after 1 seconds"), "{spun:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_environment_can_hold_is_refused_by_a_command() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{command}\"\n").await;
    for event in [b"\xff".as_slice(), b"a\0b"] {
        let answer = host.invoke("f", event).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "InvalidArgument"));
        assert!(answer.text().contains("FC_CUSTOM_CONTAINER_EVENT"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_module_is_served_as_the_component_that_it_becomes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("module.wasm");
    let module = "(module (memory (export \"memory\") 1) (func (export \"_start\")))";
    std::fs::write(&path, wat::parse_str(module).unwrap()).unwrap();
    let host = TestHost::start(&format!("[functions.f]\ncomponent = \"{}\"\n", path.display())).await;
    let answer = host.invoke("f", "").await;
    assert_eq!((answer.status, answer.header("x-fc-error-type"), answer.body.len()), (200, "", 0));
}
