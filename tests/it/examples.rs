//! The examples: built from source by the tools of their languages, and called as a user would.

use support::{TestHost, example};

/// A host with one example, under the name of its folder.
async fn start(name: &'static str, settings: &str) -> TestHost {
    // A build takes seconds, and must not hold the runtime's threads up.
    let component = tokio::task::spawn_blocking(move || example(name)).await.unwrap();
    let component = component.display();
    TestHost::start(&format!("[functions.{name}]\ncomponent = \"{component}\"\nmemory = \"64 MB\"\n{settings}")).await
}

async fn with_http(name: &'static str) -> TestHost {
    start(name, &format!("[functions.{name}.http]")).await
}

/// Two calls of an event function come from one instance, whose initializer ran once; a bad event is a handled error.
async fn event_example(name: &'static str, event: &str, expected: &[&str], bad: &str) {
    let host = start(name, "max_instances = 1").await;
    let first = host.invoke(name, event).await;
    assert_eq!((first.status, first.header("x-fc-error-type")), (200, ""), "{first:?}");
    for text in expected {
        assert!(first.text().contains(text), "{text}: {}", first.text());
    }
    let second = host.invoke(name, event).await.json();
    assert_eq!(second["initializedAt"], first.json()["initializedAt"]);
    assert_eq!((&first.json()["calls"], &second["calls"]), (&1.into(), &2.into()));
    let refused = host.invoke(name, bad).await;
    assert_eq!((refused.status, refused.header("x-fc-error-type")), (200, "HandledInvocationError"), "{refused:?}");
    assert!(!refused.error_message().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_event_example_counts_words() {
    event_example("rust-event", "the dog and the other dog", &["dog", "2"], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_event_example_prices_an_order() {
    let order = r#"{"currency": "USD", "items": [{"sku": "pen", "price": 1.5, "quantity": 4}]}"#;
    event_example("js-event", order, &["\"total\":6"], "no order").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_event_example_sums_up_a_table() {
    event_example("python-event", "city,people\nHamburg,10\nBremen,20\n", &["people", "15"], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_http_example_follows_links() {
    let host = with_http("rust-http").await;
    let link = host.get("rust-http", "/rust").await;
    assert_eq!((link.status, link.header("location")), (302, "https://www.rust-lang.org/"));
    assert_eq!(host.request("PUT", "rust-http", "/new", &[], "https://example.com/").await.status, 201);
    assert_eq!(host.get("rust-http", "/new").await.header("location"), "https://example.com/");
    assert_eq!(host.get("rust-http", "/none").await.status, 404);
    assert_eq!(host.request("POST", "rust-http", "/new", &[], "").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_http_example_keeps_a_list() {
    let host = with_http("js-http").await;
    let list = host.get("js-http", "/todos?done=false").await;
    assert_eq!(list.json()["todos"].as_array().unwrap().len(), 2, "the initializer made two");
    let json = [("content-type", "application/json")];
    let made = host.request("POST", "js-http", "/todos", &json, r#"{"title": "test"}"#).await;
    assert_eq!((made.status, &made.json()["title"]), (201, &"test".into()));
    assert_eq!(host.request("POST", "js-http", "/todos", &json, "{}").await.status, 400);
    assert_eq!(host.get("js-http", "/nothing").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_http_example_reports_temperatures() {
    let host = with_http("python-http").await;
    let report = host.get("python-http", "/?format=json").await;
    assert_eq!(report.status, 200);
    assert!(report.text().contains("harbour"), "{}", report.text());
    assert!(host.get("python-http", "/").await.text().contains("<table>"));
    assert_eq!(host.get("python-http", "/nothing").await.status, 404);
    assert_eq!(host.request("PUT", "python-http", "/", &[], "").await.status, 405);
}
