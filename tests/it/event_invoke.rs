//! Event invokes: bytes in, bytes out, and the headers of CONTRACTS §1.

use support::{TestHost, client};

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
async fn every_answer_says_what_the_call_took_and_where_it_ran() {
    let host = TestHost::start(FUNCTION).await;
    let answer = host.invoke("f", "instance-id").await;
    assert_eq!(answer.header("x-fc-request-id").len(), 36);
    assert_eq!(answer.header("x-fc-instance-id"), answer.text());
    assert!(answer.header("x-fc-invocation-duration").parse::<u64>().is_ok());
    assert!(answer.header("x-fc-max-memory-usage").parse::<f64>().unwrap() > 0.5);
    assert_eq!(answer.header("x-fc-error-type"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_2023_api_needs_no_service() {
    let host = TestHost::start(FUNCTION).await;
    let path = "/2023-03-30/functions/f/invocations?qualifier=LATEST";
    let answer = client::send(host.api, "POST", path, &[], b"echo".to_vec()).await;
    assert_eq!((answer.status, answer.text()), (200, "echo".into()));
}
