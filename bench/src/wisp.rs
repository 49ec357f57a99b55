//! wisp with the functions of `bench/wisp.toml`.

use std::process::{Command, Stdio};

use crate::{
    paths,
    process::{self, Server},
};

/// Names of the arms, their functions, and the headers of their requests.
pub(crate) const ARMS: [(&str, &str, usize); 10] = [
    ("wisp, Rust, warm", "rust", 0),
    ("wisp, Rust, warm, 20 headers", "rust", 20),
    ("wisp, Rust, fresh instance per request", "rust-fresh", 0),
    ("wisp, wasi:http, warm", "wasi", 0),
    ("wisp, wasi:http, fresh instance per request", "wasi-fresh", 0),
    ("wisp, JavaScript, warm", "js", 0),
    ("wisp, JavaScript, warm, 20 headers", "js", 20),
    ("wisp, Python, warm", "python", 0),
    ("wisp, Python, warm, 20 headers", "python", 20),
    ("wisp, Flask, warm", "flask", 0),
];

/// Builds what is missing, and serves all.
pub(crate) fn start() -> anyhow::Result<Server> {
    process::run(command().arg("build"))?;
    let (address, api) = (process::free_address()?, process::free_address()?);
    let mut serve = command();
    serve.args(["serve", "--listen", &address.to_string(), "--api-listen", &api.to_string()]).stderr(Stdio::null());
    Server::start(&mut serve, address)
}

/// wisp, in the directory of its configuration.
pub(crate) fn command() -> Command {
    let mut command = Command::new(paths::wisp());
    command.current_dir(paths::root().join("bench"));
    for variable in ["WISP_CONFIG", "WISP_LISTEN", "WISP_API_LISTEN", "WISP_SERVER"] {
        command.env_remove(variable);
    }
    command
}
