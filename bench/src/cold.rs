//! Cold starts and density, by `wisp bench` itself.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::wisp;

/// Functions whose cold starts are measured: the configuration, the function, what it is called in the results.
const FUNCTIONS: [(&str, &str, &str); 4] = [
    ("wisp.toml", "rust", "Rust"),
    ("wisp.toml", "js", "JavaScript"),
    ("wisp.toml", "python", "Python"),
    ("snapshot.toml", "js-snapshot", "JavaScript, initializer of 100 ms, snapshot"),
];

/// A function's cold start.
#[derive(Debug)]
pub(crate) struct Cold {
    pub(crate) name: &'static str,
    /// Or why there are none.
    pub(crate) medians: Result<Medians, String>,
}

/// Medians of a cold start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Medians {
    /// Instantiation, initializer and first call.
    pub(crate) instance: Duration,
    /// Request to response over HTTP with no instance alive.
    pub(crate) request: Duration,
    /// All from the files, which are in the page cache.
    pub(crate) cached: Duration,
    /// All from the files, which are dropped from the page cache.
    pub(crate) dropped: Option<Duration>,
}

/// Many functions on one host.
#[derive(Debug)]
pub(crate) struct Density {
    pub(crate) functions: u64,
    /// Start of a host with all of them.
    pub(crate) start: Duration,
    /// Median of a warm request with one function deployed, and with all of them.
    pub(crate) warm: (Duration, Duration),
    /// Bytes that a deployed function takes.
    pub(crate) function_memory: f64,
    pub(crate) instances: u64,
    /// Bytes that an idle instance takes.
    pub(crate) instance_memory: f64,
}

/// Starts each function many times.
pub(crate) fn measure(quick: bool) -> anyhow::Result<Vec<Cold>> {
    let runs = if quick { ["5", "2"] } else { ["300", "20"] };
    let one = |(config, function, name): (&str, &str, &'static str)| {
        let report = bench(&["cold", function, "--config", config, "--runs", runs[0], "--cold-runs", runs[1]]);
        let medians = report.and_then(|report| medians(&report)).map_err(|error| format!("{error:#}"));
        Cold { name, medians }
    };
    let all: Vec<_> = FUNCTIONS.into_iter().map(one).collect();
    if all.iter().all(|cold| cold.medians.is_err()) {
        bail!("no cold start could be measured: {all:?}");
    }
    Ok(all)
}

fn medians(report: &Value) -> anyhow::Result<Medians> {
    let sections = &report["subjects"][0]["sections"];
    let median = |title: &str, row: &str| median_of(sections, title, row);
    let (instance, all) = ("instance: instantiate to first answer", "all: file to first answer");
    Ok(Medians {
        instance: median("files in the page cache", instance)?,
        request: median("request to response over HTTP, no instance alive", "request to response")?,
        cached: median("files in the page cache", all)?,
        dropped: median("files dropped from the page cache", all).ok(),
    })
}

fn median_of(sections: &Value, title: &str, row: &str) -> anyhow::Result<Duration> {
    let of =
        |values: &Value, key: &str, wanted: &str| values.as_array()?.iter().find(|value| value[key] == wanted).cloned();
    let section = of(sections, "title", title).with_context(|| format!("`wisp bench` has no '{title}'"))?;
    let found = of(&section["rows"], "name", row).and_then(|row| row["p50_ns"].as_u64());
    let note = section["note"].as_str().unwrap_or_default();
    Ok(Duration::from_nanos(found.with_context(|| format!("'{title}' has no '{row}': {note}"))?))
}

/// Deploys the Rust function a thousand times, and starts a thousand instances.
pub(crate) fn density(quick: bool) -> anyhow::Result<Density> {
    let count = if quick { 20 } else { 1000_u64 };
    let number = count.to_string();
    let report = bench(&["density", "rust", "--functions", &number, "--instances", &number])?;
    let sections = &report["subjects"][0]["sections"];
    let figure = |section: usize, name: &str| {
        let figures = sections[section]["figures"].as_array();
        let found = figures.and_then(|figures| figures.iter().find(|figure| figure["name"] == name));
        found.and_then(|figure| figure["value"].as_f64()).with_context(|| format!("`wisp bench` has no '{name}'"))
    };
    let warm = "warm request, function after function";
    let many = format!("{count} functions deployed");
    Ok(Density {
        functions: count,
        start: Duration::from_secs_f64(figure(1, "start")?),
        warm: (median_of(sections, "1 function deployed", warm)?, median_of(sections, &many, warm)?),
        function_memory: figure(1, "memory of a deployed function")?,
        instances: sections[2]["rows"][0]["count"].as_u64().unwrap_or_default(),
        instance_memory: figure(2, "memory of an idle instance")?,
    })
}

fn bench(arguments: &[&str]) -> anyhow::Result<Value> {
    let output = wisp::command().arg("bench").args(arguments).arg("--json").stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
