//! What the tests of sources with brokers share: a host as a process with two functions, and who tells what they got.
//!
//! `f` does as its event says: an event `fetch:http://…/x` of a topic in its STREAM form asks the recorder for `/x`, one at
//! a time, so that what the recorder saw is what arrived, in order. `g` posts its event to the recorder, one at a time as
//! well: so forms that are documents are seen byte for byte.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use support::{EVENT, HostProcess, MISBEHAVE, Recorder, client};

/// How long anything may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration of a host, and what its functions get.
pub(super) struct Scene {
    directory: tempfile::TempDir,
    pub(super) recorder: Recorder,
}

impl Scene {
    /// A scene with a source `s` and one trigger of it; `function` is `f` or `g`.
    pub(super) async fn new(source: &str, function: &str, trigger: &str) -> Self {
        let scene = Self { directory: tempfile::tempdir().unwrap(), recorder: Recorder::start().await };
        let address = scene.recorder.address;
        let (misbehave, event) = (MISBEHAVE.display(), EVENT.display());
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n\
             [sources.s]\n{source}\n\
             [functions.f]\ncomponent = \"{misbehave}\"\nmax_instances = 1\nallowed_outbound = [\"{address}\"]\n\
             [functions.g]\ncomponent = \"{misbehave}\"\nmax_instances = 1\nallowed_outbound = [\"{address}\"]\n\
             environment = {{ TELL = \"http://{address}/record\" }}\n\
             [functions.other]\ncomponent = \"{event}\"\n\
             [functions.{function}.triggers.t]\nsource = \"s\"\n{trigger}\n"
        );
        fs::write(scene.config(), text).unwrap();
        scene
    }

    /// The file.
    pub(super) fn config(&self) -> PathBuf {
        self.directory.path().join("wisp.toml")
    }

    /// Starts a host on what the one before it left.
    pub(super) fn host(&self) -> HostProcess {
        HostProcess::start(&self.config())
    }

    /// An event of `f` that asks the recorder for a path.
    pub(super) fn event(&self, path: &str) -> String {
        format!("fetch:{}", self.recorder.url(path))
    }

    /// Waits until `f` has asked for all of these paths; they came in this order, each once.
    pub(super) async fn arrive_in_order(&self, paths: &[String]) {
        self.arrive(paths).await;
        let came: Vec<_> = self.recorder.paths();
        let expected: Vec<_> = paths.iter().map(|path| format!("/{path}")).collect();
        assert_eq!(came, expected);
    }

    /// Waits until `f` has asked for all of these paths, however often.
    pub(super) async fn arrive(&self, paths: &[String]) {
        self.until("all events arrive", || paths.iter().all(|path| self.recorder.count(&format!("/{path}")) > 0)).await;
    }

    /// Waits until `g` got so many events, and returns them in their order.
    pub(super) async fn payloads(&self, count: usize) -> Vec<Vec<u8>> {
        self.until(&format!("{count} events arrive"), || self.records().len() >= count).await;
        self.records()
    }

    /// What `g` got so far, but for posts that a kill of the host cut off.
    pub(super) fn records(&self) -> Vec<Vec<u8>> {
        let seen = self.recorder.seen().into_iter().filter(|seen| seen.path == "/record" && !seen.body.is_empty());
        seen.map(|seen| seen.body.to_vec()).collect()
    }

    /// Waits for a condition.
    pub(super) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{what} in vain; came: {:?}\n{log}", self.recorder.paths());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a condition that has to be asked for.
    pub(super) async fn until_async<F: Future<Output = bool>>(&self, what: &str, condition: impl Fn() -> F) {
        let deadline = Instant::now() + PATIENCE;
        while !condition().await {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{what} in vain; came: {:?}\n{log}", self.recorder.paths());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the trigger's source listens.
    pub(super) async fn connected(&self, host: &HostProcess) {
        self.until_async("the source listens", || async { state(host).await == "running" }).await;
    }

    /// Waits until the trigger's source has noticed that its broker is away.
    pub(super) async fn disconnected(&self, host: &HostProcess) {
        self.until_async("the source is away", || async { state(host).await == "failed" }).await;
    }

    /// Lets the trigger rest.
    pub(super) async fn pause(&self, host: &HostProcess) {
        assert_eq!(client::send(host.api, "POST", "/wisp/triggers/t/pause", &[], Vec::new()).await.status, 200);
        self.until_async("the trigger rests", || async { state(host).await == "paused" }).await;
    }

    /// Lets it go on.
    pub(super) async fn resume(&self, host: &HostProcess) {
        assert_eq!(client::send(host.api, "POST", "/wisp/triggers/t/resume", &[], Vec::new()).await.status, 200);
    }

    /// Nothing comes for a while but what has come.
    pub(super) async fn stays_at(&self, count: usize) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(self.recorder.seen().len(), count);
    }

    /// Waits until the log has a text.
    pub(super) async fn logged(&self, text: &str) {
        let file = self.directory.path().join("log");
        self.until(text, || fs::read_to_string(&file).unwrap_or_default().contains(text)).await;
    }
}

/// Names of events: `e0`, `e1`, …
pub(super) fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("e{number}")).collect()
}

async fn state(host: &HostProcess) -> String {
    let trigger = client::send(host.api, "GET", "/wisp/triggers/t", &[], Vec::new()).await.json();
    trigger["state"].as_str().unwrap_or_default().to_owned()
}
