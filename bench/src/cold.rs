//! Cold starts, by `wisp bench cold`.

use std::time::Duration;

use crate::{
    arms::one_line,
    wisp::{self, Report},
};

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

/// Starts each function many times.
pub(crate) fn measure(quick: bool) -> Vec<Cold> {
    let runs = if quick { ["5", "2"] } else { ["300", "20"] };
    let one = |(config, function, name): (&str, &str, &'static str)| {
        let report = wisp::bench(&["cold", function, "--config", config, "--runs", runs[0], "--cold-runs", runs[1]]);
        let medians = report.and_then(|report| medians(&report)).map_err(|error| one_line(&error));
        Cold { name, medians }
    };
    FUNCTIONS.into_iter().map(one).collect()
}

fn medians(report: &Report) -> anyhow::Result<Medians> {
    let (instance, all) = ("instance: instantiate to first answer", "all: file to first answer");
    Ok(Medians {
        instance: report.median("files in the page cache", instance)?,
        request: report.median("request to response over HTTP, no instance alive", "request to response")?,
        cached: report.median("files in the page cache", all)?,
        dropped: report.median("files dropped from the page cache", all).ok(),
    })
}
