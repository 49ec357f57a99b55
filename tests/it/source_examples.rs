//! The examples that language runtimes build from plain sources, as they stand in `examples/`, through the real host.

use std::{fs, path::Path};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use support::{Project, TestHost, project, root, servers::MariaDb};

/// A host with the functions of one example.
async fn example(name: &str) -> TestHost {
    example_with(name, &[]).await
}

/// As `example`; in its configuration, each first text stands as the second.
async fn example_with(name: &str, changes: &[(&str, &str)]) -> TestHost {
    example_in(name, changes).host().await
}

/// An example that is built.
pub(crate) struct Example {
    pub(crate) project: Project,
    toml: String,
}

impl Example {
    /// A host with its functions.
    pub(crate) async fn host(&self) -> TestHost {
        TestHost::start_project(&self.project, &self.toml).await
    }
}

/// Copies one example to a directory of its own, and builds it there.
pub(crate) fn example_in(name: &str, changes: &[(&str, &str)]) -> Example {
    let directories = ["guest-sdk/js/runtime", "guest-sdk/python/runtime"].map(|place| root().join(place));
    let project = Project::with(project::runtimes_in(Project::loader(), directories.to_vec()), &[]);
    let directory = root().join("examples").join(name);
    for file in fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            project.write(path.file_name().unwrap().to_str().unwrap(), fs::read(&path).unwrap());
        }
    }
    project.install_packages();
    let mut toml = fs::read_to_string(directory.join("wisp.toml")).unwrap();
    for (from, to) in changes {
        assert!(toml.contains(from), "{from:?} is not in {toml}");
        toml = toml.replace(from, to);
    }
    for built in project.build_all(&toml) {
        assert!(built.warnings.is_empty(), "{:?}", built.warnings);
    }
    Example { project, toml }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_greets_whoever_asks() {
    let host = example("js-server").await;
    let answer = host.get("js-server", "/").await;
    assert_eq!((answer.status, &*answer.text()), (200, "你好"));
    assert_eq!(answer.header("content-type"), "text/plain;charset=utf-8");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counter_counts_from_what_its_initializer_set() {
    let host = example("js-counter").await;
    assert_eq!(host.invoke("js-counter", "").await.json()["calls"], 1);
    assert_eq!(host.invoke("js-counter", r#"{"step": 4}"#).await.json()["calls"], 5);
    host.logs("js-counter", "hello world").await;
    let refused = host.invoke("js-counter", r#"{"step": "far"}"#).await;
    assert_eq!(refused.header("x-fc-error-type"), "HandledInvocationError");
    assert_eq!(refused.error_message(), "step is \"far\": give a whole number");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_detail_page_says_what_it_was_asked() {
    let host = example("js-http-detail").await;
    let answer = host.request("POST", "js-http-detail", "/a?b=c&b=d", &[("x-color", "red")], "body").await;
    let text = answer.text();
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    for line in
        ["x-color:red", "path: /a\n", "queries: b=c,d", "method: POST\n", "clientIP: 127.0.0.1\n", "body: body\n"]
    {
        assert!(text.contains(line), "{line:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_cloudbase_result_becomes_a_response() {
    let host = example("js-cloudbase").await;
    let forms = [
        ("js-cloudbase-text", "text/plain; charset=utf-8", "hello gateway"),
        ("js-cloudbase-object", "application/json; charset=utf-8", r#"{"foo":"bar"}"#),
        ("js-cloudbase-html", "text/html; charset=utf-8", "<h1>Hello</h1>"),
        ("js-cloudbase-script", "application/javascript; charset=utf-8", r#"console.log("Hello!")"#),
    ];
    for (function, content_type, body) in forms {
        let answer = host.get(function, "/").await;
        assert_eq!((answer.header("content-type"), &*answer.text()), (content_type, body), "{function}");
    }
    let image = host.get("js-cloudbase-image", "/").await;
    assert_eq!(image.header("content-type"), "image/png");
    assert!(image.body.starts_with(b"\x89PNG\r\n"));
    let echo = host.get("js-cloudbase", "/hello?x=1").await.json();
    assert_eq!(
        (&echo["event"]["path"], &echo["event"]["queryStringParameters"]),
        (&json!("/hello"), &json!({ "x": "1" }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_believes_signed_bodies_only() {
    let host = example("ts-webhook").await;
    let body = r#"{"action":"opened"}"#;
    let mut mac = Hmac::<Sha256>::new_from_slice(b"change me").unwrap();
    mac.update(body.as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("sha256={digest}");
    let post = async |signature: &str, body: &'static str| {
        let answer = host.request("POST", "ts-webhook", "/", &[("x-hub-signature-256", signature)], body).await;
        (answer.status, answer.json())
    };
    assert_eq!(post(&signature, body).await, (202, json!({ "accepted": "opened" })));
    let (status, refused): (u16, Value) = post(&signature, r#"{"action":"closed"}"#).await;
    assert_eq!(status, 401);
    assert!(refused["error"].as_str().unwrap().contains("does not fit the body"));
    assert_eq!(post("", body).await.0, 401);
    host.logs("ts-webhook", "took opened").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_express_application_takes_events_and_requests() {
    let host = example("js-express").await;
    assert_eq!(host.invoke("js-express", r#"{"a": 1}"#).await.text(), "Hello FunctionCompute, event function\n");
    host.logs("js-express", "{ a: 1 }").await;
    host.logs("js-express", "FC Initialize End").await;
    let json = [("content-type", "application/json")];
    let answer = host.request("POST", "js-express", "/initialize", &json, "{}").await;
    assert_eq!((answer.status, &*answer.text()), (200, "Hello FunctionCompute, /initialize\n"));
    assert_eq!(host.get("js-express", "/none").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flask_application_remembers_its_guests() {
    let host = example("python-flask").await;
    let json = [("content-type", "application/json")];
    let made = host.request("POST", "python-flask", "/guests", &json, r#"{"name": " Ada <3 "}"#).await;
    assert_eq!((made.status, made.json()), (201, json!({ "count": 1 })));
    assert_eq!(host.get("python-flask", "/guests").await.json(), json!({ "guests": ["Ada <3"] }));
    let page = host.get("python-flask", "/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("<li>Ada &lt;3</li>"), "{}", page.text());
    assert_eq!(host.request("POST", "python-flask", "/guests", &json, "{}").await.status, 400);
    host.logs("python-flask", "[WARNING] Ada <3 came").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guest_book_keeps_its_guests_in_a_database() {
    let database = tokio::task::spawn_blocking(MariaDb::start).await.unwrap();
    let port = database.port().to_string();
    let changes = [("3307", &*port), ("\"guest\"", "\"wisp\""), ("\"book\"", "\"wisp\""), ("\"guests\"", "\"wisp\"")];
    let host = example_with("js-guest-book", &changes).await;
    assert_eq!(host.get("js-guest-book", "/").await.json(), json!([]));
    let made = host.request("POST", "js-guest-book", "/", &[], r#"{"name": "Ada 你好"}"#).await;
    assert_eq!((made.status, made.json()), (201, json!({ "id": 1, "name": "Ada 你好" })));
    assert_eq!(host.get("js-guest-book", "/").await.json(), json!([{ "id": 1, "name": "Ada 你好" }]));
    assert_eq!(host.request("POST", "js-guest-book", "/", &[], "Ada").await.status, 400);
    host.logs("js-guest-book", "the guest book is open").await;
}

#[test]
fn code_of_the_documents_that_wisp_comes_from_is_not_changed() {
    // Whoever edits these files finds here that they are as published.
    let digest = |file: &str| {
        use sha2::Digest as _;
        let bytes = fs::read(root().join("examples").join(Path::new(file))).unwrap();
        let digest = Sha256::digest(&bytes);
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(digest("js-server/server.mjs"), "8f3008e3");
    assert_eq!(digest("js-express/index.js"), "15dd0e68");
}
