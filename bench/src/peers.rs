//! The servers that wisp is compared with: `make bench` installs them below `target/bench/peers`.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
};

use ::wisp::{component::to_component, engine::WASMTIME_VERSION};

use crate::{
    paths,
    process::{self, Server},
};

/// The name of an arm, and how its server is started.
pub(crate) type Peer = (&'static str, fn() -> anyhow::Result<Server>);

/// Each that is not installed is a row without figures.
pub(crate) const ALL: [Peer; 4] = [
    ("wasmtime serve, wasi:http", wasmtime),
    ("Node http", node),
    ("gunicorn, WSGI", wsgi),
    ("gunicorn, Flask", flask),
];

/// The component of the arm "wisp, wasi:http", compiled before, with the pooling allocator.
fn wasmtime() -> anyhow::Result<Server> {
    let data = paths::data();
    let (component, compiled) = (data.join("wasi-hello.component.wasm"), data.join("wasi-hello.cwasm"));
    // Where cargo makes a core module, wisp adapts it; wasmtime is given what wisp makes of it.
    fs::write(&component, &*to_component(&fs::read(data.join("wasi-hello.wasm"))?)?)?;
    process::run(Command::new(wasmtime_binary()).arg("compile").arg("-o").arg(&compiled).arg(&component))?;
    let address = process::free_address()?;
    let mut serve = Command::new(wasmtime_binary());
    serve.args(["serve", "-Scli", "-Opooling-allocator=y", "--allow-precompiled", "--addr", &address.to_string()]);
    Server::start(serve.arg(compiled).stderr(Stdio::null()), address)
}

fn wasmtime_binary() -> std::path::PathBuf {
    paths::peers().join(format!("wasmtime-{WASMTIME_VERSION}/bin/wasmtime"))
}

/// One process, as Node is run without more ado.
fn node() -> anyhow::Result<Server> {
    let address = process::free_address()?;
    let script = paths::root().join("bench/peers/server.mjs");
    Server::start(Command::new("node").arg(script).arg(address.port().to_string()), address)
}

fn wsgi() -> anyhow::Result<Server> {
    gunicorn("python-hello", "app:handler")
}

fn flask() -> anyhow::Result<Server> {
    gunicorn("flask-hello", "app:app")
}

/// As many workers as there are cores; threads, because the default workers close the connection after each answer.
fn gunicorn(guest: &str, application: &str) -> anyhow::Result<Server> {
    let address = process::free_address()?;
    let workers = thread::available_parallelism()?.to_string();
    let mut serve = Command::new(paths::peers().join("venv/bin/gunicorn"));
    serve.args(["--workers", &workers, "--worker-class", "gthread", "--threads", "32", "--keep-alive", "600"]);
    serve.args(["--log-level", "critical", "--bind", &address.to_string(), application]);
    Server::start(serve.current_dir(paths::root().join("bench/guests").join(guest)).stderr(Stdio::null()), address)
}

/// What was compared, with versions.
pub(crate) fn versions() -> Vec<(&'static str, String)> {
    let python = paths::peers().join("venv/bin/python");
    let of_packages = "import importlib.metadata as m; print(m.version('gunicorn'), m.version('flask'))";
    vec![
        ("wisp", process::ask(crate::wisp::command().arg("--version"))),
        ("wasmtime", process::ask(Command::new(wasmtime_binary()).arg("--version"))),
        ("Node", process::ask(Command::new("node").arg("--version"))),
        ("Python", process::ask(Command::new(&python).arg("--version"))),
        ("gunicorn and Flask", process::ask(Command::new(&python).args(["-c", of_packages]))),
    ]
}
