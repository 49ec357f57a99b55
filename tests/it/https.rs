//! Custom domains by HTTPS: certificates by the name that a client asks for, and the protocols that a domain takes.

use std::{net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use support::{Answer, TestHost};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

const LISTEN: &str = "[server]\ntls_listen = \"127.0.0.1:0\"\n";
const FUNCTION: &str =
    "[functions.f]\ncomponent = \"{misbehave}\"\nenvironment = { VALUE = \"hello\" }\n[functions.f.http]\n";

/// A certificate for a name, signed by itself, and its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

fn pair(name: &str) -> Pair {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    Pair { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

fn domain(name: &str, protocol: &str, pair: &Pair) -> Value {
    json!({
        "domainName": name, "protocol": protocol,
        "routeConfig": { "routes": [{ "path": "/*", "serviceName": "default", "functionName": "f" }] },
        "certConfig": { "certName": "own", "certificate": pair.certificate, "privateKey": pair.key },
    })
}

async fn create(host: &TestHost, domain: Value) -> Answer {
    host.api("POST", "/2016-08-15/custom-domains", domain).await
}

/// A client that trusts one certificate and offers these protocols.
async fn connect(
    address: SocketAddr,
    name: &str,
    trusted: &Pair,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.certificate.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

/// Status and body of one request by HTTP/1.1 on a stream.
async fn get(stream: TlsStream<TcpStream>, host: &str, path: &str) -> (u16, String) {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(path).header("host", host).body(Empty::<Bytes>::new()).unwrap();
    let answer = whole(sender.send_request(request).await.unwrap()).await;
    connection.abort();
    answer
}

async fn whole(response: http::Response<hyper::body::Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_domain_is_served_with_its_own_certificate_as_soon_as_it_is_made() {
    let host = TestHost::start(&format!("{LISTEN}{FUNCTION}")).await;
    let address = host.tls.unwrap();
    let (a, b) = (pair("a.example.com"), pair("b.example.com"));
    for (name, pair) in [("a.example.com", &a), ("b.example.com", &b)] {
        let made = create(&host, domain(name, "HTTP,HTTPS", pair)).await;
        assert_eq!(made.status, 200, "{}", made.text());
        assert_eq!(made.json()["certConfig"]["privateKey"], "", "a key goes in and never comes out");
        assert_eq!(made.json()["certConfig"]["certificate"], pair.certificate);
        let stream = connect(address, name, pair, &[]).await.unwrap();
        assert_eq!(get(stream, name, "/env:VALUE").await, ok("hello"));
    }
    // Whoever trusts another certificate, or asks for a name that nobody has, gets no connection.
    assert!(connect(address, "a.example.com", &b, &[]).await.is_err());
    let error = connect(address, "c.example.com", &a, &[]).await.unwrap_err().to_string();
    assert!(error.contains("alert"), "{error}");
    let gone = host.api("DELETE", "/2016-08-15/custom-domains/a.example.com", Value::Null).await;
    assert_eq!(gone.status, 204);
    assert!(connect(address, "a.example.com", &a, &[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_chooses_http_2_by_alpn() {
    let host = TestHost::start(&format!("{LISTEN}{FUNCTION}")).await;
    let pair = pair("a.example.com");
    assert_eq!(create(&host, domain("a.example.com", "HTTPS", &pair)).await.status, 200);
    let stream = connect(host.tls.unwrap(), "a.example.com", &pair, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = "https://a.example.com/env:VALUE";
    let request = http::Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(whole(sender.send_request(request).await.unwrap()).await, ok("hello"));
    connection.abort();
    let stream = connect(host.tls.unwrap(), "a.example.com", &pair, &[b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_asked_by_the_protocols_that_it_takes() {
    let proxies = format!("{LISTEN}trusted_proxies = [\"127.0.0.1\"]\n");
    for server in [LISTEN, &proxies] {
        let host = TestHost::start(&format!("{server}{FUNCTION}")).await;
        let (secure, plain) = (pair("secure.example.com"), pair("plain.example.com"));
        assert_eq!(create(&host, domain("secure.example.com", "HTTPS", &secure)).await.status, 200);
        assert_eq!(create(&host, domain("plain.example.com", "HTTP", &plain)).await.status, 200);
        let headers = [("host", "secure.example.com")];
        let answer = host.send("GET", "/env:VALUE", &headers, "").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "AccessDenied"));
        assert!(answer.text().contains("https://secure.example.com/env:VALUE"), "{}", answer.text());
        let proxied = [headers[0], ("x-forwarded-proto", "https")];
        let expected = if server == LISTEN { 403 } else { 200 };
        assert_eq!(host.send("GET", "/env:VALUE", &proxied, "").await.status, expected);
        // A domain for HTTP alone shows no certificate, and is not reached through the connection of another.
        assert!(connect(host.tls.unwrap(), "plain.example.com", &plain, &[]).await.is_err());
        let stream = connect(host.tls.unwrap(), "secure.example.com", &secure, &[]).await.unwrap();
        assert_eq!(get(stream, "plain.example.com", "/env:VALUE").await.0, 403);
        assert_eq!(host.send("GET", "/env:VALUE", &[("host", "plain.example.com")], "").await.text(), "hello");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_by_https_is_refused_when_it_is_made() {
    let host = TestHost::start(&format!("{LISTEN}{FUNCTION}")).await;
    let (own, other) = (pair("a.example.com"), pair("a.example.com"));
    let with = |certificate: &str, key: &str| {
        domain("a.example.com", "HTTPS", &Pair { certificate: certificate.to_owned(), key: key.to_owned() })
    };
    let mut late = with(&own.certificate, &own.key);
    late["tlsConfig"] = json!({ "minVersion": "TLSv1.0", "maxVersion": "TLSv1.1" });
    for (domain, reason) in [
        (with("nonsense", &own.key), "the certificate cannot be read as PEM"),
        (with(&own.certificate, "nonsense"), "the private key cannot be read as PEM"),
        (with(&own.certificate, &other.key), "the certificate and the private key cannot be used"),
        (with(&own.certificate, ""), "are given together"),
        (with("", ""), "CertConfig is required for protocol 'HTTPS'"),
        (late, "TLSv1.2 | TLSv1.3"),
    ] {
        let answer = create(&host, domain).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "InvalidArgument"), "{}", answer.text());
        assert!(answer.text().contains(reason), "{}", answer.text());
        assert!(!answer.text().contains(own.key.lines().nth(1).unwrap()), "an error never tells the key");
    }
    let plain = TestHost::start(FUNCTION).await;
    let answer = create(&plain, domain("a.example.com", "HTTPS", &own)).await;
    assert!(answer.text().contains("server.tls_listen"), "{}", answer.text());
    assert_eq!(create(&plain, domain("a.example.com", "HTTP,HTTPS", &own)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_configuration_is_served_and_its_files_are_read_once() {
    let files = tempfile::tempdir().unwrap();
    let pair = pair("a.example.com");
    let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&certificate, &pair.certificate).unwrap();
    std::fs::write(&key, &pair.key).unwrap();
    let domain = format!(
        "[domains.\"a.example.com\"]\nprotocol = \"https\"\ncertificate = \"{}\"\nprivate_key = \"{}\"\nroutes = [{{ path = \
         \"/*\", function = \"f\" }}]\n",
        certificate.display(),
        key.display()
    );
    let host = TestHost::start(&format!("{LISTEN}{FUNCTION}{domain}")).await;
    std::fs::remove_file(&key).unwrap();
    let stream = connect(host.tls.unwrap(), "a.example.com", &pair, &[]).await.unwrap();
    assert_eq!(get(stream, "a.example.com", "/env:VALUE").await, ok("hello"));
    assert_eq!(host.send("GET", "/env:VALUE", &[("host", "a.example.com")], "").await.status, 403);
}
