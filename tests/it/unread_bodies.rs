//! A request that is refused before its body is read: its client still sends, and is answered all the same.

use std::net::SocketAddr;

use support::{TestHost, client::Raw};

/// More than the sockets of both sides hold, so that a client cannot be done before the server reads.
const BODY: usize = 24 << 20;

const KEYS: &str = "[[access_keys]]\nid = \"admin-key\"\nsecret = \"secret-of-an-admin\"\n";

async fn start() -> TestHost {
    let function = "[functions.f]\ncomponent = \"{misbehave}\"\n[functions.f.http]\nmethods = [\"GET\", \"POST\"]\n";
    TestHost::start(&format!("{KEYS}{function}[functions.silent]\ncomponent = \"{{misbehave}}\"\n")).await
}

/// Sends a whole request, head and body, before it reads a byte of the answer; then the answer's status line, and that of
/// a second request on the same connection.
async fn both_answers(address: SocketAddr, target: &str, headers: &str) -> (String, String) {
    let mut client = Raw::connect(address).await;
    let head = format!("{target} HTTP/1.1\r\nhost: h\r\n{headers}content-length: {BODY}\r\n\r\n");
    client.write(head).await;
    client.write(vec![b'x'; BODY]).await;
    let first = client.read_until("\"}").await;
    client.write("GET /nowhere HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let status_line = |answer: String| answer.lines().next().unwrap_or_default().to_owned();
    (status_line(first), status_line(client.read_until("\"}").await))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_long_body_hears_why_the_api_refuses_it() {
    let host = start().await;
    let unknown = "date: Sat, 21 Nov 2026 07:00:00 GMT\r\nauthorization: FC nobody:c2lnbmF0dXJl\r\n";
    for (target, headers, status) in [
        ("POST /2016-08-15/services", "", "HTTP/1.1 400"),
        ("POST /2016-08-15/services", unknown, "HTTP/1.1 403"),
        ("PUT /2023-03-30/functions/f", unknown, "HTTP/1.1 403"),
        ("POST /no/such/operation", "", "HTTP/1.1 400"),
    ] {
        let (first, second) = both_answers(host.api, target, headers).await;
        assert!(first.starts_with(status), "{target}: {first}");
        assert!(second.starts_with("HTTP/1.1 400"), "{target}: the connection goes on: {second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_long_body_hears_why_an_http_trigger_refuses_it() {
    let host = start().await;
    for (target, status) in [
        ("PUT /2016-08-15/proxy/default/f/echo", "HTTP/1.1 405"),
        ("POST /2016-08-15/proxy/default/silent/echo", "HTTP/1.1 404"),
        ("POST /2016-08-15/proxy/default/missing/", "HTTP/1.1 404"),
        // Over the limit, which is 16 MB.
        ("POST /2016-08-15/proxy/default/f/echo", "HTTP/1.1 400"),
    ] {
        let (first, second) = both_answers(host.trigger, target, "").await;
        assert!(first.starts_with(status), "{target}: {first}");
        assert!(second.starts_with("HTTP/1.1 4"), "{target}: the connection goes on: {second}");
    }
}
