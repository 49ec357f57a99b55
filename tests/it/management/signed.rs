//! A host with access keys takes signed requests only.

use support::client;
use wisp::{
    config::Secret,
    signature::{Credentials, Resource, sign},
};

use super::*;

const KEYS: &str = r#"
[[access_keys]]
id = "admin-key"
secret = "secret-of-an-admin"
[[access_keys]]
id = "caller-key"
secret = "secret-of-a-caller"
scope = "invoke"
[[access_keys]]
id = "reader-key"
secret = "secret-of-a-reader"
scope = "read-only"
"#;

/// Sends a request that is signed by a key; none: unsigned.
async fn send(host: &TestHost, key: Option<(&str, &str)>, method: &str, path: &str, body: &[u8]) -> Answer {
    let mut headers = http::HeaderMap::new();
    if let Some((id, secret)) = key {
        let credentials = Credentials { id: id.into(), secret: Secret::new(secret), security_token: None };
        let resource = if path.contains("/proxy/") { Resource::HttpTrigger } else { Resource::Api };
        let (method, uri) = (method.parse().unwrap(), path.parse().unwrap());
        sign(&credentials, &method, &uri, &mut headers, resource, jiff::Timestamp::now()).unwrap();
    }
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let address = if path.contains("/proxy/") { host.trigger } else { host.api };
    client::send(address, method, path, &headers, body.to_vec()).await
}

const ADMIN: Option<(&str, &str)> = Some(("admin-key", "secret-of-an-admin"));
const CALLER: Option<(&str, &str)> = Some(("caller-key", "secret-of-a-caller"));
const READER: Option<(&str, &str)> = Some(("reader-key", "secret-of-a-reader"));

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_and_wrongly_signed_requests_are_refused_in_the_words_of_the_service() {
    let host = TestHost::start(KEYS).await;
    let path = "/2016-08-15/services";
    assert_eq!(send(&host, ADMIN, "GET", path, b"").await.status, 200);
    refused(&send(&host, None, "GET", path, b"").await, 400, "MissingRequiredHeader");
    let unknown = Some(("invalidAccessKeyID", "whatever it may be"));
    let message = refused(&send(&host, unknown, "GET", path, b"").await, 403, "InvalidAccessKeyID");
    assert_eq!(message, "invalid access key ID 'invalidAccessKeyID'");
    let wrong = Some(("admin-key", "another-secret"));
    refused(&send(&host, wrong, "GET", path, b"").await, 403, "SignatureNotMatch");
    assert_eq!(send(&host, None, "GET", "/wisp/functions", b"").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_do_what_its_scope_says() {
    let host = TestHost::start(&format!("{KEYS}[functions.f]\ncomponent = \"{{misbehave}}\"\n")).await;
    let (list, invoke) = ("/2016-08-15/services", "/2016-08-15/services/default/functions/f/invocations");
    let create = br#"{"serviceName":"s"}"#;
    for (key, read, call, write) in [(ADMIN, 200, 200, 200), (CALLER, 403, 200, 403), (READER, 200, 403, 403)] {
        assert_eq!(send(&host, key, "GET", list, b"").await.status, read);
        assert_eq!(send(&host, key, "POST", invoke, b"echo").await.status, call);
        assert_eq!(send(&host, key, "POST", list, create).await.status, write);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_with_function_auth_takes_signed_requests_only() {
    let toml = format!("{KEYS}[functions.f]\ncomponent = \"{{misbehave}}\"\n[functions.f.http]\nauth = \"function\"\n");
    let host = TestHost::start(&toml).await;
    let path = "/2016-08-15/proxy/default/f/echo?b=2&a=1";
    assert_eq!(send(&host, CALLER, "GET", path, b"").await.status, 200);
    assert_eq!(send(&host, READER, "GET", path, b"").await.status, 403);
    refused(&send(&host, None, "GET", path, b"").await, 400, "MissingRequiredHeader");
    let host = TestHost::start(&toml.replace(KEYS, "")).await;
    let answer = send(&host, CALLER, "GET", path, b"").await;
    assert!(refused(&answer, 403, "AccessDenied").contains("access_keys"));
}

/// Whatever listens on loopback may be scraped; nothing else is open.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_to_this_machine() {
    let host = TestHost::start(KEYS).await;
    assert_eq!(send(&host, None, "GET", "/metrics", b"").await.status, 200);
}
