//! A host with a thousand functions starts from what is compiled, and all of them answer.

use std::{
    fmt::Write as _,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use support::{EVENT, TestHost, client};
use wisp::{
    bench::density::{precompile, write_copies},
    component::{ArtifactCache, Loader},
    engine::Engines,
};

/// Declared functions.
const DECLARED: usize = 1000;

/// Those of them with a component of their own; the others are of one component.
const DIFFERENT: usize = 200;

/// Functions that the API stores.
const STORED: usize = 20;

/// Every so many functions one is asked.
const STEP: usize = 37;

fn cache(data: &Path) -> ArtifactCache {
    ArtifactCache::open(&data.join("artifacts"), u64::MAX).unwrap()
}

/// Compiles all copies, as an earlier deploy would have; they have their functions in common.
fn compile(copies: &[PathBuf], data: &Path) {
    let loader = Loader::new(Engines::new(NonZeroUsize::MIN).unwrap(), cache(data)).unwrap();
    for copy in copies {
        precompile(&loader, &fs::read(copy).unwrap()).unwrap();
    }
}

fn configuration(copies: &[PathBuf]) -> String {
    let mut toml = "[server]\nartifact_cache = \"100 GB\"\n".to_owned();
    for number in 0..DECLARED {
        let component = copies.get(number).unwrap_or(&copies[0]);
        writeln!(toml, "[functions.f{number}]\ncomponent = {component:?}").unwrap();
    }
    toml
}

async fn store(host: &TestHost, number: usize, component: &Path) {
    let code = json!({ "zipFile": BASE64_STANDARD.encode(fs::read(component).unwrap()) });
    let name = format!("s{number}");
    let function = json!({ "functionName": name, "runtime": "custom", "handler": "index.handler", "code": code });
    let stored = host.api("POST", "/2023-03-30/functions", function).await;
    assert_eq!(stored.status, 200, "{}", stored.text());
}

async fn assert_all_answer(host: &TestHost) {
    for number in (0..DECLARED).step_by(STEP) {
        let name = format!("f{number}");
        assert_eq!(host.invoke(&name, name.as_str()).await.text(), name);
    }
    for number in 0..STORED {
        let path = format!("/2023-03-30/functions/s{number}/invocations");
        let answer = client::send(host.api, "POST", &path, &[], number.to_string().into_bytes()).await;
        assert_eq!((answer.status, answer.text()), (200, number.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_functions_start_from_what_is_compiled_and_answer() {
    let directory = tempfile::tempdir().unwrap();
    let copies = write_copies(&fs::read(&*EVENT).unwrap(), DIFFERENT, directory.path()).unwrap();
    let empty = TestHost::start("").await;
    let data = empty.directory().join("data");
    // A cache of its own: that of all tests is not to hold a thousand copies.
    fs::remove_file(data.join("artifacts")).unwrap();
    tokio::task::block_in_place(|| compile(&copies, &data));
    let (toml, compiled) = (configuration(&copies), cache(&data).size());

    let host = empty.restart(&toml).await;
    assert_eq!(host.host.catalog().revisions().len(), DECLARED);
    for (number, copy) in copies.iter().take(STORED).enumerate() {
        store(&host, number, copy).await;
    }
    // Functions of one component share its code, whoever made them.
    let code = host.host.loader().mapped_code();
    assert_eq!(code.components + code.unmapped, copies.len());
    assert_all_answer(&host).await;

    let host = host.restart(&toml).await;
    assert_eq!(host.host.catalog().revisions().len(), DECLARED + STORED);
    assert_all_answer(&host).await;
    assert_eq!(cache(&data).size(), compiled, "nothing was compiled");
    host.stop().await;
}
