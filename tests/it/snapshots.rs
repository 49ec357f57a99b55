//! `snapshot = true`: the initializer runs once, at deploy, and every instance starts with the state that it left.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use support::{MISBEHAVE, TestHost, client};

mod languages;
mod managed;
mod sources;

/// Differs from run to run: compiled code and snapshots are kept for all tests, and a snapshot that is found runs nothing.
fn unique() -> String {
    format!("{:?}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

/// Function `f` with a snapshot after an initializer that does as told; each request has an instance of its own.
fn toml(order: &str, settings: &str) -> String {
    format!(
        "[functions.f]\ncomponent = \"{{misbehave}}\"\nsnapshot = true\nisolation = \"request\"\n{settings}\n\
         environment = {{ INIT = \"{order}\", UNIQUE = \"{}\" }}\n[functions.f.http]\n",
        unique()
    )
}

async fn start(order: &str, settings: &str) -> TestHost {
    TestHost::start(&toml(order, settings)).await
}

/// Why `f` is not deployed.
async fn refusal(order: &str, settings: &str) -> String {
    refusal_of(&toml(order, settings)).await
}

async fn refusal_of(toml: &str) -> String {
    let errors = TestHost::try_start(toml).await.err().expect("a refusal");
    let text = errors[0].to_string();
    assert!(text.starts_with("function 'f' ("), "{text}");
    text.split_once("): ").unwrap().1.to_owned()
}

fn refused(reason: &str) -> String {
    format!("no snapshot can be taken after its initializer (`snapshot`): {reason}")
}

async fn initialized(host: &TestHost) -> Value {
    host.describe("f").await["initialized"].clone()
}

fn lines_with(log: &[String], text: &str) -> usize {
    log.iter().filter(|line| line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_starts_initialized_and_the_initializer_ran_once() {
    let host = start("print:the initializer runs", "").await;
    let mut instances = Vec::new();
    for _ in 0..3 {
        let answer = host.invoke("f", "init-count").await;
        assert_eq!((answer.header("x-fc-error-type"), answer.text()), ("", "1".into()));
        instances.push(answer.header("x-fc-instance-id").to_owned());
    }
    instances.sort();
    instances.dedup();
    assert_eq!(instances.len(), 3, "each request had an instance of its own");
    assert_eq!(host.describe("f").await["coldStarts"], 3);
    let log = host.log("f").await;
    assert_eq!(lines_with(&log, "the initializer runs"), 1, "{log:?}");
    assert_eq!(lines_with(&log, "FC Initialize Start"), 1, "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_says_when_the_initializer_ran_and_its_log_carries_that_request_id() {
    let host = start("print:the initializer runs", "").await;
    let described = initialized(&host).await;
    let id = described["requestId"].as_str().unwrap();
    let lines = client::send(host.api, "GET", "/wisp/logs?function=f", &[], Vec::new()).await.text();
    let written = lines.lines().find(|line| line.contains("the initializer runs"));
    assert!(written.is_some_and(|line| line.contains(id)), "{lines}");
    let at = Duration::from_millis(described["atMs"].as_u64().unwrap());
    assert!(SystemTime::now().duration_since(UNIX_EPOCH + at).unwrap() < Duration::from_secs(600));
    let metrics = client::send(host.api, "GET", "/metrics", &[], Vec::new()).await.text();
    assert!(metrics.contains("wisp_initialized_by_snapshot{service=\"default\",function=\"f\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_a_snapshot_says_so() {
    let host = TestHost::start("[functions.f]\ncomponent = \"{misbehave}\"\n").await;
    assert_eq!(initialized(&host).await, Value::Null);
    assert_eq!(host.invoke("f", "restore-count").await.text(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_has_none_of_the_initializers_time() {
    let host = start("sleep:400", "").await;
    let took = initialized(&host).await["tookUs"].as_u64().unwrap();
    assert!(took >= 400_000, "{took} µs");
    assert_eq!(host.invoke("f", "init-count").await.text(), "1");
    assert_eq!(lines_with(&host.log("f").await, "FC Initialize Start"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_instances_are_not_initialized_again() {
    let kept = toml("ok", "min_instances = 2").replace("isolation = \"request\"\n", "");
    let host = TestHost::start(&kept).await;
    support::eventually("both are idle", || async { host.describe("f").await["instances"]["idle"] == 2 }).await;
    assert_eq!(host.invoke("f", "init-count").await.text(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_one_snapshot_draw_different_numbers() {
    let host = start("random", "").await;
    let (first, second) = (host.invoke("f", "random").await.text(), host.invoke("f", "random").await.text());
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clocks_are_right_in_every_instance() {
    let host = start("ok", "").await;
    let ago = async || host.invoke("f", "initialized-ago").await.text().parse::<u64>().unwrap();
    let first = ago().await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let second = ago().await;
    // The guest's clock does not begin anew: what it measures from the initializer on goes on growing.
    assert!(second >= first + 30, "{first} then {second} ms");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let guest: u128 = host.invoke("f", "now").await.text().parse().unwrap();
    assert!(guest.abs_diff(now) < 60_000, "{guest} is not {now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_and_directories_work_although_the_initializer_used_them() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data.txt"), "data").unwrap();
    let settings = format!("code_dir = \"{}\"", directory.path().display());
    for order in ["print:hello", "read:/code/data.txt"] {
        let host = start(order, &settings).await;
        host.invoke("f", "print:from the handler").await;
        host.invoke("f", "eprint:from the handler too").await;
        host.logs("f", "from the handler too").await;
        assert_eq!(lines_with(&host.log("f").await, "from the handler"), 2);
        assert_eq!(host.invoke("f", "read:/code/data.txt").await.text(), "data");
        assert_eq!(host.invoke("f", "write:/tmp/file:10").await.text(), "10");
        assert_eq!(host.invoke("f", "list:/tmp").await.text(), "", "each has a directory of its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hook_after_a_restore_runs_in_every_instance_and_not_before_the_snapshot() {
    let host = start("print:the initializer runs", "").await;
    for _ in 0..2 {
        assert_eq!(host.invoke("f", "restore-count").await.text(), "1");
    }
    let log = host.log("f").await;
    let at = |text: &str| log.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("the initializer runs") < at("after-restore ran"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_snapshot_holds_refuses_the_deploy() {
    let open_later = "Take out `snapshot`, or open it in the after-restore hook, which runs in each instance";
    let connect_later = "Take out `snapshot`, or connect in the after-restore hook, which runs in each instance";
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data.txt"), "data").unwrap();
    let code = format!("code_dir = \"{}\"", directory.path().display());
    let cases = [
        (
            "open-many:2",
            "",
            format!("after the initializer it still holds 2 × a wait for the host (`pollable`), which no other instance has. {open_later}"),
        ),
        (
            "keep-open:/code/data.txt",
            &*code,
            format!("after the initializer it still holds a file, which no other instance has. {open_later}"),
        ),
        (
            "write:/tmp/file:10",
            "",
            "the initializer left files in /tmp, which is empty in each instance. Take out `snapshot`, keep it in memory, or \
             write it in the after-restore hook"
                .to_owned(),
        ),
        (
            // It goes on without: what it made of the refusal would be in every instance.
            "connect:127.0.0.1:9",
            "allowed_outbound = [\"127.0.0.1:9\"]",
            format!("the initializer tried to reach the network, which a deploy does not give it. {connect_later}"),
        ),
        (
            "fetch:http://example.com/",
            "allowed_outbound = [\"*:80\"]",
            format!("the initializer tried to reach the network, which a deploy does not give it. {connect_later}"),
        ),
        (
            "fail",
            "",
            "the initializer failed: the initializer fails as told. Correct it, or take out `snapshot`: then it is tried again \
             in each instance"
                .to_owned(),
        ),
        (
            "spin",
            "initialization_timeout = \"1 s\"",
            "the initializer did not come to an end within 1 s (`initialization_timeout`). Give it more time, or take out \
             `snapshot`"
                .to_owned(),
        ),
        (
            "exit:3",
            "",
            "the initializer exited with code 1. Take out `snapshot`: then it runs in each instance".to_owned(),
        ),
    ];
    for (order, settings, reason) in cases {
        assert_eq!(refusal(order, settings).await, refused(&reason), "INIT={order}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_initializer_wrote_stands_in_the_refusal() {
    let text = refusal("panic:no table of rates", "").await;
    assert!(text.starts_with(&refused("the initializer failed: no table of rates. ")), "{text}");
    assert!(text.contains("\nThe initializer wrote:\n"), "{text}");
    assert!(text.contains("panicked at"), "{text}");
    let text = refusal("grow", "memory = \"4 MB\"").await;
    assert!(text.contains("over the function's `memory`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_without_a_moment_for_it_are_refused() {
    let of = async |component: &str, settings: &str| {
        refusal_of(&format!("[functions.f]\ncomponent = \"{component}\"\nsnapshot = true\n{settings}")).await
    };
    assert_eq!(
        of("{wasi-http-03}", "initializer = \"i\"\n").await,
        refused(
            "a component of kind wasi:http 0.3 (handler) serves several invocations at once, so there is no moment at which \
             its state is whole. Take out `snapshot`"
        )
    );
    assert_eq!(
        of("{command}", "").await,
        refused(
            "a component of kind command (wasi:cli/run) runs anew for every event and has no initializer. Take out `snapshot`"
        )
    );
    assert_eq!(
        of("{event}", "").await,
        refused("it has no initializer. Take out `snapshot`, or move what takes time into an initializer")
    );
    assert_eq!(
        of("{wasi-http-02}", "").await,
        refused(
            "no initializer is configured. Take out `snapshot`, or set `initializer`: `POST /initialize` is then called once"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_function_can_be_deployed_without() {
    let with = toml("open-many:2", "");
    refusal_of(&with).await;
    let host = TestHost::start(&with.replace("snapshot = true", "snapshot = false")).await;
    assert_eq!(host.invoke("f", "init-count").await.text(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_http_component_is_asked_to_initialize_once() {
    let host = TestHost::start(&format!(
        "[functions.f]\ncomponent = \"{{wasi-http-02}}\"\nsnapshot = true\ninitializer = \"i\"\nisolation = \"request\"\n\
         environment = {{ UNIQUE = \"{}\" }}\n[functions.f.http]\n",
        unique()
    ))
    .await;
    for _ in 0..2 {
        assert_eq!(host.get("f", "/initialized").await.text(), "1");
        // The first request of each instance.
        assert_eq!(host.get("f", "/count").await.text(), "2");
    }
    assert_eq!(lines_with(&host.log("f").await, "FC Initialize Start"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn compiling_the_snapshot_repeats_nothing_that_was_compiled_for_its_run() {
    let data = tempfile::tempdir().unwrap();
    let host = start_on(data.path(), "ok", "").await;
    let counts = host.host.loader().engines().compiled_functions();
    assert!(counts.compiled > 100, "{counts:?}");
    // The instrumented component has a function more for each memory and global; all others are found.
    assert!(counts.found > counts.compiled * 4 / 5, "{counts:?}");
}

/// A host that keeps all that it makes in `data`.
async fn start_on(data: &Path, order: &str, settings: &str) -> TestHost {
    let server = format!("[server]\ndata_dir = \"{}\"\n", data.display());
    TestHost::start(&format!(
        "{server}[functions.f]\ncomponent = \"{{misbehave}}\"\nsnapshot = true\n{settings}\nenvironment = {{ INIT = \
         \"{order}\" }}\n"
    ))
    .await
}

async fn request_id(host: &TestHost) -> String {
    initialized(host).await["requestId"].as_str().unwrap().to_owned()
}

/// Starts a host, and stops it; which run of the initializer its instances started from.
async fn run_of(data: &Path, order: &str, settings: &str) -> String {
    let host = start_on(data, order, settings).await;
    assert_eq!(host.invoke("f", "init-count").await.text(), "1");
    let id = request_id(&host).await;
    host.stop().await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn another_start_runs_nothing_and_another_environment_runs_it_anew() {
    let data = tempfile::tempdir().unwrap();
    let first = run_of(data.path(), "print:hello", "").await;
    let host = start_on(data.path(), "print:hello", "").await;
    assert_eq!(request_id(&host).await, first);
    assert_eq!(lines_with(&host.log("f").await, "hello"), 0, "nothing ran");
    host.stop().await;
    assert_ne!(run_of(data.path(), "print:hallo", "").await, first);
    assert_ne!(run_of(data.path(), "print:hello", "memory = \"64 MB\"").await, first);
    // What the initializer cannot see makes no other snapshot.
    assert_eq!(run_of(data.path(), "print:hello", "max_instances = 7").await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_initializer_can_read_belongs_to_the_snapshot() {
    let (data, code) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = code.path().join("rates.json");
    fs::write(&file, "{}").unwrap();
    let settings = format!("code_dir = \"{}\"", code.path().display());
    let first = run_of(data.path(), "read:/code/rates.json", &settings).await;
    assert_eq!(run_of(data.path(), "read:/code/rates.json", &settings).await, first);
    fs::write(&file, "{ \"USD\": 1.17 }").unwrap();
    assert_ne!(run_of(data.path(), "read:/code/rates.json", &settings).await, first);
}

/// Files of the artifact cache by their extension.
fn files(data: &Path, extension: &str) -> Vec<PathBuf> {
    let directories = fs::read_dir(data.join("artifacts")).unwrap().flatten().map(|entry| entry.path());
    let files = directories.filter(|path| path.is_dir()).flat_map(|path| fs::read_dir(path).unwrap().flatten());
    files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|it| it == extension)).collect()
}

/// Turns the middle byte of each. A new file: the code of the old one may still be mapped.
fn damage(files: &[PathBuf]) {
    assert!(!files.is_empty());
    for file in files {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::remove_file(file).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_made_anew() {
    let data = tempfile::tempdir().unwrap();
    let first = run_of(data.path(), "ok", "").await;
    damage(&files(data.path(), "cwasm"));
    assert_eq!(run_of(data.path(), "ok", "").await, first, "compiled anew from the component with the state");
    damage(&files(data.path(), "cwasm"));
    damage(&files(data.path(), "wasm"));
    let second = run_of(data.path(), "ok", "").await;
    assert_ne!(second, first, "nothing of it was left: the initializer ran once more");
    damage(&files(data.path(), "json"));
    assert_ne!(run_of(data.path(), "ok", "").await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_refused_leaves_what_is_served() {
    let good = toml("ok", "");
    let host = TestHost::start(&good).await;
    let errors = host.deploy(&toml("fail", "")).await.unwrap_err();
    assert!(errors[0].to_string().contains("the initializer fails as told"), "{}", errors[0]);
    assert_eq!(host.invoke("f", "init-count").await.text(), "1");
    host.deploy(&good).await.unwrap();
    assert_eq!(lines_with(&host.log("f").await, "FC Initialize Start"), 2, "the third deploy found the first's");
}
