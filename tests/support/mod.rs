//! The test bench: a real host on ports of its own, guests built from source, and clients.
//!
//! A test reads as a sentence: `TestHost::start("[functions.f] …").await`, then `host.invoke("f", "echo").await`. What a
//! test starts goes when its `TestHost` is dropped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test bench fails by panicking")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::JoinHandle};
use wisp::{
    component::source,
    config::{self, Language},
    delivery,
    host::{DeployError, FunctionHost},
    server::{self, Listeners},
    trigger,
};

pub mod client;
pub mod process;
pub mod project;
pub mod recorder;
pub mod sdk;
pub mod servers;

pub use client::Answer;
pub use process::{HostProcess, UpProcess};
pub use project::Project;
pub use recorder::Recorder;

/// The `wisp` that was built with these tests. `cargo build --workspace` makes it: with the features of the whole
/// workspace, so that it is not compiled a second time.
///
/// # Panics
/// If it is not there.
pub fn binary() -> PathBuf {
    let binary = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("wisp");
    assert!(binary.is_file(), "there is no {}: `cargo build --release --workspace` makes it", binary.display());
    binary
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where built guests and their compiled code are kept between runs.
pub fn cache() -> PathBuf {
    root().join("target/test-guests")
}

/// The component of a test guest (`tests/guests/<name>`), built if its sources changed.
pub fn guest(name: &str) -> PathBuf {
    build(&root().join("tests/guests").join(name), Language::Rust, "", &cache().join(format!("{name}.wasm")))
}

/// The component of an example (`examples/<name>`), built by the recipe of its own `wisp.toml`.
pub fn example(name: &str) -> PathBuf {
    let config = config::load(&root().join("examples").join(name).join("wisp.toml")).unwrap();
    let build_config = config.functions[0].build.as_ref().unwrap();
    let language = source::detect(&build_config.source).unwrap();
    build(
        &build_config.source,
        language,
        build_config.world.as_deref().unwrap_or_default(),
        &cache().join(format!("example-{name}.wasm")),
    )
}

fn build(source: &Path, language: Language, world: &str, component: &Path) -> PathBuf {
    fs::create_dir_all(cache()).unwrap();
    // One build at a time, over all test processes: they share the guests' target directory.
    let lock = fs::File::create(cache().join("lock")).unwrap();
    lock.lock().unwrap();
    let plan = source::Plan {
        source,
        data: &[],
        language: Some(language),
        command: None,
        world: Some(world),
        loading: None,
        component,
        cache_dir: &root().join(".wisp"),
    };
    if source::is_stale(&plan) {
        let mut lines = Vec::new();
        let built = source::build(&plan, &mut |line| lines.push(line.to_owned()));
        built.unwrap_or_else(|error| panic!("{error}\n{}", lines.join("\n")));
    }
    component.to_owned()
}

/// The guest that does as it is told, built once a process.
pub static MISBEHAVE: LazyLock<PathBuf> = LazyLock::new(|| guest("misbehave"));
/// A guest that takes its requests packed.
pub static PACKED: LazyLock<PathBuf> = LazyLock::new(|| guest("packed"));
/// A guest with an event handler alone.
pub static EVENT: LazyLock<PathBuf> = LazyLock::new(|| guest("event"));
/// A `wasi:http` 0.2 component.
pub static WASI_HTTP_02: LazyLock<PathBuf> = LazyLock::new(|| guest("wasi-http-p2"));
/// A `wasi:http` 0.3 component.
pub static WASI_HTTP_03: LazyLock<PathBuf> = LazyLock::new(|| guest("wasi-http-p3"));
/// A `wasi:cli/run` component.
pub static COMMAND: LazyLock<PathBuf> = LazyLock::new(|| guest("command"));

/// A host with its listeners, in this process, on ports of its own.
pub struct TestHost {
    /// The host itself.
    pub host: FunctionHost,
    /// Where HTTP triggers are served.
    pub trigger: SocketAddr,
    /// Where the API is served.
    pub api: SocketAddr,
    /// Where custom domains are served by HTTPS, if they are.
    pub tls: Option<SocketAddr>,
    directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

impl TestHost {
    /// Starts a host with the functions of a `wisp.toml`. In it, `{misbehave}`, `{packed}`, `{event}`,
    /// `{wasi-http-02}`, `{wasi-http-03}` and `{command}` stand for the guests' files.
    pub async fn start(toml: &str) -> Self {
        Self::try_start(toml).await.unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    /// As `start`; the errors are those of the functions.
    pub async fn try_start(toml: &str) -> Result<Self, Vec<DeployError>> {
        Self::start_in(tempfile::tempdir().unwrap(), toml).await
    }

    /// As `start`, with the events that another host left in `events`.
    pub async fn start_on(toml: &str, events: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = parsed(toml, directory.path());
        let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
        let started = Self::serve_on(host, directory, &config, events).await;
        started.unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    /// As `start`; code packages with sources are built by the runtimes in these directories.
    pub async fn start_building(toml: &str, runtimes: Vec<PathBuf>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = parsed(toml, directory.path());
        let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
        host.build_packages_with(project::runtimes_in(host.loader().clone(), runtimes));
        Self::serve(host, directory, &config).await.unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    async fn start_in(directory: tempfile::TempDir, toml: &str) -> Result<Self, Vec<DeployError>> {
        let config = parsed(toml, directory.path());
        let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
        Self::serve(host, directory, &config).await
    }

    /// Starts a host with the functions of a project, which are built. `toml` stands in the project's directory.
    pub async fn start_project(project: &Project, toml: &str) -> Self {
        let config = project.config(toml);
        tokio::task::block_in_place(|| Project::compile(&config));
        let host = FunctionHost::new(config.server.clone(), config.limits.clone()).unwrap();
        let started = Self::serve(host, tempfile::tempdir().unwrap(), &config).await;
        started.unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    /// Serves the functions of a configuration with a host that is there already.
    pub async fn serve(
        host: FunctionHost,
        directory: tempfile::TempDir,
        config: &config::Config,
    ) -> Result<Self, Vec<DeployError>> {
        let events = directory.path().to_owned();
        Self::serve_on(host, directory, config, &events).await
    }

    async fn serve_on(
        host: FunctionHost,
        directory: tempfile::TempDir,
        config: &config::Config,
        events: &Path,
    ) -> Result<Self, Vec<DeployError>> {
        host.set_access_keys(&config.access_keys);
        host.open_catalog().await.unwrap();
        host.deploy(config, |_| {}).await?;
        delivery::start(&host, &config.events, events).unwrap();
        trigger::start(&host).unwrap();
        let listeners = Listeners::bind(host.server()).await.unwrap();
        let (trigger, api, tls) = (listeners.trigger_address(), listeners.api_address(), listeners.tls_address());
        let (stop, stopped) = oneshot::channel();
        let serving = host.clone();
        let served = tokio::spawn(async move {
            server::serve(serving, listeners, async { drop(stopped.await) }).await;
        });
        Ok(Self { host, trigger, api, tls, directory, stop: Some(stop), served: Some(served) })
    }

    /// Stops the host, and starts another in its directory.
    pub async fn restart(mut self, toml: &str) -> Self {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.await.unwrap();
        }
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap());
        drop(self);
        // The task that looks after the catalog lets go of it at its next turn.
        let lock = fs::File::open(directory.path().join("data/catalog.lock")).unwrap();
        eventually("the catalog is closed", || async { lock.try_lock().is_ok() }).await;
        lock.unlock().unwrap();
        Self::start_in(directory, toml).await.unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    /// Sends a request with a JSON body to the API.
    pub async fn api(&self, method: &str, path: &str, body: serde_json::Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        client::send(self.api, method, path, &[], body).await
    }

    /// Puts another `wisp.toml` in force.
    pub async fn deploy(&self, toml: &str) -> Result<(), Vec<DeployError>> {
        self.host.deploy(&parsed(toml, self.directory.path()), |_| {}).await
    }

    /// A directory of this host's own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Tells the server to stop, as a signal does, and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.await.unwrap();
        }
    }

    /// Tells the server to stop; [`Self::stop`] waits for it.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Invokes a function of the default service with an event.
    pub async fn invoke(&self, function: &str, event: impl Into<Vec<u8>>) -> Answer {
        self.invoke_with(function, event, &[]).await
    }

    /// Invokes with request headers.
    pub async fn invoke_with(&self, function: &str, event: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Answer {
        let path = format!("/2016-08-15/services/default/functions/{function}/invocations");
        client::send(self.api, "POST", &path, headers, event.into()).await
    }

    /// Calls a function's HTTP trigger by the default path.
    pub async fn get(&self, function: &str, path: &str) -> Answer {
        self.request("GET", function, path, &[], Vec::new()).await
    }

    /// Calls a function's HTTP trigger by the default path.
    pub async fn request(
        &self,
        method: &str,
        function: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let path = format!("/2016-08-15/proxy/default/{function}{path}");
        client::send(self.trigger, method, &path, headers, body.into()).await
    }

    /// Sends a request for any path to the trigger listener.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        client::send(self.trigger, method, path, headers, body.into()).await
    }

    /// What `GET /wisp/functions` says about a function.
    pub async fn describe(&self, function: &str) -> serde_json::Value {
        let functions = client::send(self.api, "GET", "/wisp/functions", &[], Vec::new()).await.json();
        functions.as_array().unwrap().iter().find(|it| it["name"] == function).cloned().unwrap()
    }

    /// How many instances of a function are alive.
    pub async fn live(&self, function: &str) -> u64 {
        self.describe(function).await["instances"]["live"].as_u64().unwrap()
    }

    /// How many invocations of a function ended in an outcome.
    pub async fn count(&self, function: &str, outcome: &str) -> u64 {
        self.describe(function).await["invocations"][outcome].as_u64().unwrap()
    }

    /// Waits until an instance of a function is at work.
    pub async fn busy(&self, function: &str) {
        let is_busy = || async {
            let instances = &self.describe(function).await["instances"];
            instances["live"].as_u64() > instances["idle"].as_u64()
        };
        eventually("an instance is at work", is_busy).await;
    }

    /// Waits until so many callers wait for an instance of a function.
    pub async fn waiting(&self, function: &str, callers: u64) {
        let are_waiting = || async { self.describe(function).await["waiting"] == callers };
        eventually(&format!("{callers} wait for an instance"), are_waiting).await;
    }

    /// Waits until the log of a function has a line with `text`.
    pub async fn logs(&self, function: &str, text: &str) {
        let has = || async { self.log(function).await.iter().any(|line| line.contains(text)) };
        eventually(&format!("{text:?} is in the log"), has).await;
    }

    /// The kept log lines of a function.
    pub async fn log(&self, function: &str) -> Vec<String> {
        let path = format!("/wisp/logs?function={function}");
        let lines = client::send(self.api, "GET", &path, &[], Vec::new()).await.text();
        let texts = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        texts.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.abort();
        }
    }
}

/// The checked configuration of a test: ports of its own, compiled code shared by all tests.
fn parsed(toml: &str, directory: &Path) -> config::Config {
    parsed_with(toml, directory, &directory.join("data"))
}

/// As `parsed`, with the data directory elsewhere: guests see what lies among their sources.
fn parsed_with(toml: &str, directory: &Path, data: &Path) -> config::Config {
    let mut toml = toml.to_owned();
    for (name, file) in [
        ("{misbehave}", &MISBEHAVE),
        ("{packed}", &PACKED),
        ("{event}", &EVENT),
        ("{wasi-http-02}", &WASI_HTTP_02),
        ("{wasi-http-03}", &WASI_HTTP_03),
        ("{command}", &COMMAND),
    ] {
        if toml.contains(name) {
            toml = toml.replace(name, &file.display().to_string());
        }
    }
    if !toml.contains("[server]") {
        toml = format!("[server]\n{toml}");
    }
    let mut server = "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\n".to_owned();
    if !toml.contains("data_dir") {
        // The catalog is each host's own, compiled code is all tests'.
        let artifacts = cache().join("data/artifacts");
        fs::create_dir_all(&artifacts).unwrap();
        fs::create_dir_all(data).unwrap();
        let _ = std::os::unix::fs::symlink(artifacts, data.join("artifacts"));
        server += &format!("data_dir = \"{}\"\n", data.display());
    }
    let toml = toml.replacen("[server]", &server, 1);
    config::parse(&toml, &directory.join("wisp.toml")).unwrap_or_else(|error| panic!("{error}\n{toml}"))
}

/// Waits until a condition holds; panics with `what` if it does not within ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "it did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
