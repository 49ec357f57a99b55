//! The functions under load: one HTTP handler in each language, warm, and one with a fresh instance per request.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use wisp::{
    component::source,
    config,
    host::FunctionHost,
    server::{self, Listeners},
};

use crate::Arm;

/// Names of the arms, their functions, and what each is built from.
const FUNCTIONS: [(&str, &str, &str, &str); 4] = [
    ("wisp, Rust, warm", "rust", "rust-hello", ""),
    ("wisp, Rust, fresh instance per request", "fresh", "rust-hello", "isolation = \"request\""),
    ("wisp, JavaScript, warm", "js", "js-hello", ""),
    ("wisp, Python, warm", "python", "python-hello", ""),
];

/// A host that serves them.
pub(crate) struct Functions {
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

/// Builds what is missing, and serves all on a free port.
pub(crate) async fn start() -> anyhow::Result<Functions> {
    let directory = tempfile::tempdir()?;
    let config = config::parse(&toml()?, &directory.path().join("wisp.toml"))?;
    let host = FunctionHost::new(config.server.clone(), config.limits.clone())?;
    host.deploy(&config, |progress| eprintln!("{progress:?}")).await.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let listeners = Listeners::bind(host.server()).await?;
    let address = listeners.trigger_address();
    tokio::spawn(server::serve(host, listeners, std::future::pending()));
    Ok(Functions { address, _directory: directory })
}

impl Functions {
    pub(crate) fn arms(&self) -> Vec<Arm> {
        let arm = |name, function| Arm::new(name, self.address, format!("/2016-08-15/proxy/default/{function}/"));
        let mut arms: Vec<_> = FUNCTIONS.iter().map(|(name, function, _, _)| arm(*name, function)).collect();
        arms.push(arm("", &"rust").with_headers("wisp, Rust, warm, 20 headers", 20));
        arms.push(arm("", &"js").with_headers("wisp, JavaScript, warm, 20 headers", 20));
        arms.push(arm("", &"python").with_headers("wisp, Python, warm, 20 headers", 20));
        arms
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn toml() -> anyhow::Result<String> {
    let data = root().join("target/bench");
    let mut toml = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\napi_listen = \"127.0.0.1:0\"\ndata_dir = \"{}\"\n",
        data.join("data").display()
    );
    for (_, function, guest, settings) in FUNCTIONS {
        let component = built(guest, &data.join(guest).with_extension("wasm"))?;
        toml += &format!(
            "[functions.{function}]\ncomponent = \"{}\"\nmemory = \"256 MB\"\n{settings}\n[functions.{function}.http]\n",
            component.display()
        );
    }
    Ok(toml)
}

fn built(guest: &str, component: &Path) -> anyhow::Result<PathBuf> {
    let source = root().join("bench/guests").join(guest);
    let plan = source::Plan {
        source: &source,
        language: source::detect(&source),
        command: None,
        world: Some("http-function"),
        loading: None,
        component,
        cache_dir: &root().join(".wisp"),
    };
    if source::is_stale(&plan) {
        source::build(&plan, &mut |line| eprintln!("{line}"))?;
    }
    Ok(component.to_owned())
}
