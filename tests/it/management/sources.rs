//! Code packages with sources: built where that is allowed, refused where it is not.

use std::io::{Cursor, Write as _};

use support::project::TEST_RUNTIME;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

fn zipped(files: &[(&str, &str)]) -> Value {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    json!({ "zipFile": BASE64_STANDARD.encode(bytes) })
}

fn sources(name: &str, index: &str) -> Value {
    let manifest = r#"{ "dependencies": { "left-pad": "1" } }"#;
    json!({ "functionName": name, "runtime": "nodejs20", "handler": "index.handler",
        "code": zipped(&[("index.js", index), ("package.json", manifest)]) })
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_built_here_and_the_packages_they_name_are_not_fetched() {
    let host = TestHost::start_building("", vec![TEST_RUNTIME.clone()]).await;
    let api = fc2(&host);
    ok(api.post("/services", json!({ "serviceName": "svc" })).await);
    ok(api.post("/services/svc/functions", sources("f", "answer hi")).await);
    assert_eq!(api.says("svc", "f", "").await, "hi");
    let answer = api.post("/services/svc/functions", sources("g", "answer x\ntop throw 2 5 it-went-wrong")).await;
    let message = refused(&answer, 400, "InvalidArgument");
    assert!(message.contains("it-went-wrong") && message.contains("index.js"), "{message}");
    assert!(message.contains("left-pad") && message.contains("`node_modules`"), "{message}");
    assert!(!message.contains("/data/code/"), "paths are the package's own: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_builds_no_sources_says_so_and_what_to_send() {
    let host = TestHost::start_building("[server]\nbuild_sources = false\n", vec![TEST_RUNTIME.clone()]).await;
    let api = fc2(&host);
    ok(api.post("/services", json!({ "serviceName": "svc" })).await);
    let answer = api.post("/services/svc/functions", sources("f", "answer hi")).await;
    let message = refused(&answer, 400, "InvalidArgument");
    assert!(message.contains("`server.build_sources`") && message.contains("`wisp build`"), "{message}");
}
