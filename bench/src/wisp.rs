//! wisp with the functions of `bench/wisp.toml`.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

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

/// Runs `wisp bench` with one subject.
pub(crate) fn bench(arguments: &[&str]) -> anyhow::Result<Report> {
    let output = process::output(command().arg("bench").args(arguments).arg("--json"))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    Ok(Report(report["subjects"][0]["sections"].clone()))
}

/// What `wisp bench` said of its one subject.
pub(crate) struct Report(Value);

impl Report {
    fn section(&self, title: &str) -> anyhow::Result<&Value> {
        named(&self.0, "title", title).with_context(|| format!("`wisp bench` has no '{title}'"))
    }

    fn row(&self, title: &str, row: &str) -> anyhow::Result<&Value> {
        let section = self.section(title)?;
        let note = section["note"].as_str().unwrap_or_default();
        named(&section["rows"], "name", row).with_context(|| format!("'{title}' has no '{row}': {note}"))
    }

    /// A quantile of a row, such as `p50`.
    pub(crate) fn quantile(&self, title: &str, row: &str, quantile: &str) -> anyhow::Result<Duration> {
        let found = self.row(title, row)?[format!("{quantile}_ns")].as_u64();
        Ok(Duration::from_nanos(found.with_context(|| format!("'{title}' has no {quantile} of '{row}'"))?))
    }

    pub(crate) fn median(&self, title: &str, row: &str) -> anyhow::Result<Duration> {
        self.quantile(title, row, "p50")
    }

    pub(crate) fn figure(&self, title: &str, name: &str) -> anyhow::Result<f64> {
        let section = self.section(title)?;
        let note = section["note"].as_str().unwrap_or_default();
        let figure = named(&section["figures"], "name", name).and_then(|figure| figure["value"].as_f64());
        figure.with_context(|| format!("'{title}' has no '{name}': {note}"))
    }
}

fn named<'a>(values: &'a Value, key: &str, wanted: &str) -> Option<&'a Value> {
    values.as_array()?.iter().find(|value| value[key] == wanted)
}
