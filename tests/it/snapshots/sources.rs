//! Snapshots of sources that a language runtime has loaded: with the test runtime, which tells what was done in it.

use support::{Project, project};
use wisp::host::FunctionHost;

use super::*;

const FUNCTION: &str =
    "[functions.f]\nsnapshot = true\nisolation = \"request\"\n[functions.f.build]\n[functions.f.http]\n";

/// Another text each time, so that no earlier run has left its snapshot.
fn source(commands: &str) -> Project {
    Project::new(&[("index.js", &format!("answer {} {{state}}\n{commands}", unique()))])
}

/// What was done in the instance that answers.
async fn history(host: &TestHost) -> String {
    host.invoke("f", "").await.text().split_once(' ').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_is_parked_after_the_initializer_and_told_of_every_restore() {
    let project = source("hooks initializer after-restore");
    project.build(FUNCTION).unwrap();
    let host = TestHost::start_project(&project, FUNCTION).await;
    for _ in 0..2 {
        assert_eq!(history(&host).await, "load evaluate park initialize park restore call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_without_an_initializer_have_nothing_to_take_a_snapshot_of() {
    let project = source("");
    project.build(FUNCTION).unwrap();
    let config = project.config(FUNCTION);
    let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
    let errors = host.deploy(&config, |_| {}).await.unwrap_err();
    let reason = "it has no initializer. Take out `snapshot`, or move what takes time into an initializer";
    assert!(errors[0].to_string().ends_with(&refused(reason)), "{}", errors[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_served_by_their_runtime_until_the_snapshot_is_there() {
    let project = source("hooks initializer");
    let config = project.config(FUNCTION);
    let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
    let runtimes = project::runtimes(host.loader().clone(), &project::TEST_RUNTIME);
    host.serve_before_compiled(runtimes.clone());
    let text = fs::read_to_string(project.path().join("index.js")).unwrap();
    let project = Project::with(runtimes, &[("index.js", &text)]);
    project.build(FUNCTION).unwrap();
    let config = project.config(FUNCTION);
    let host = TestHost::serve(host, tempfile::tempdir().unwrap(), &config).await.ok().unwrap();
    assert_eq!(history(&host).await, "load evaluate initialize call");
    assert_eq!(initialized(&host).await, Value::Null);
    let making = host.host.clone();
    assert!(tokio::task::spawn_blocking(move || making.compile_interim()).await.unwrap());
    host.host.deploy(&config, |_| {}).await.unwrap();
    assert_eq!(history(&host).await, "load evaluate park initialize park call");
    assert!(initialized(&host).await["requestId"].is_string());
    assert!(!host.host.compile_interim(), "nothing is left to make");
}
