//! Many functions and many idle instances on one host, by `wisp bench density`.

use std::time::Duration;

use crate::{
    arms::one_line,
    wisp::{self, Report},
};

/// Functions of the largest host.
pub(crate) const FUNCTIONS: u64 = 1000;

/// Idle instances of the largest host.
pub(crate) const INSTANCES: u64 = 10_000;

/// Rows of the report: requests to an instance that is there, and to those of all functions in turn.
const WARM: &str = "warm request, always the same function";
const IN_TURN: &str = "warm request, function after function";

/// What both are compared with, asked in turns with them.
const ALONE: &str = "the same to a host with 1 function, in turns";

/// Hosts of growing size; of each part, or why it is not measured.
#[derive(Debug)]
pub(crate) struct Density {
    pub(crate) hosts: Vec<(String, Result<Functions, String>)>,
    pub(crate) idle: Vec<(String, Result<Instances, String>)>,
}

/// A host with functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Functions {
    /// From the start of the process to its first answer.
    pub(crate) start: Duration,
    /// Median and 99th percentile of a warm request to one of them.
    pub(crate) warm: (Duration, Duration),
    /// Median of a warm request to a host with one function, asked in turns with those; there is none beside itself.
    pub(crate) alone: Option<Duration>,
    /// Median of a warm request to each in turn: code and data of the others fill the processor's caches.
    pub(crate) in_turn: Duration,
    /// Bytes that each function takes before it is called; there is none of a host with one.
    pub(crate) memory: Option<f64>,
}

/// A host with idle instances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instances {
    /// Bytes of each.
    pub(crate) memory: f64,
    /// Median and 99th percentile of a warm request beside them.
    pub(crate) warm: (Duration, Duration),
    /// Median of a warm request to a host with one function, asked in turns with those.
    pub(crate) alone: Duration,
}

impl Density {
    /// The host of this name.
    pub(crate) fn host(&self, name: &str) -> Option<Functions> {
        self.hosts.iter().find(|(host, _)| host == name)?.1.as_ref().ok().copied()
    }

    /// The host with this many idle instances.
    pub(crate) fn idle(&self, count: u64) -> Option<Instances> {
        self.idle.iter().find(|(host, _)| *host == idle(count))?.1.as_ref().ok().copied()
    }
}

/// The host with so many functions of as many components.
pub(crate) fn deployed(count: u64) -> String {
    if count == 1 { "1 function deployed".to_owned() } else { format!("{count} functions deployed") }
}

/// The host with so many functions of one component.
pub(crate) fn of_one(count: u64) -> String {
    format!("{count} functions of one component")
}

/// The host with so many functions in its catalog.
pub(crate) fn stored(count: u64) -> String {
    format!("{count} functions stored through the API")
}

fn idle(count: u64) -> String {
    format!("{count} idle instances")
}

/// Measures hosts with the Rust function.
pub(crate) fn measure(quick: bool) -> Density {
    let (functions, instances) = if quick { (FUNCTIONS / 50, INSTANCES / 500) } else { (FUNCTIONS, INSTANCES) };
    let [number, most] = [functions, instances].map(|count| count.to_string());
    let report = wisp::bench(&["density", "rust", "--functions", &number, "--instances", &most]);
    let report = report.map_err(|error| one_line(&error));
    let mut hosts: Vec<_> = [1, 10, 100].into_iter().filter(|count| *count < functions).map(deployed).collect();
    hosts.extend([deployed(functions), of_one(functions), stored(functions)]);
    let idle: Vec<_> = [1000].into_iter().filter(|count| *count < instances).chain([instances]).map(idle).collect();
    Density {
        hosts: hosts.into_iter().map(|host| with(host, &report, functions_of)).collect(),
        idle: idle.into_iter().map(|host| with(host, &report, instances_of)).collect(),
    }
}

/// What a report has of a host.
fn with<T>(
    host: String,
    report: &Result<Report, String>,
    read: fn(&Report, &str) -> anyhow::Result<T>,
) -> (String, Result<T, String>) {
    let report = report.as_ref().map_err(String::clone);
    let read = report.and_then(|report| read(report, &host).map_err(|error| one_line(&error)));
    (host, read)
}

fn functions_of(report: &Report, host: &str) -> anyhow::Result<Functions> {
    Ok(Functions {
        start: Duration::from_secs_f64(report.figure(host, "start")?),
        warm: (report.median(host, WARM)?, report.quantile(host, WARM, "p99")?),
        alone: report.median(host, ALONE).ok(),
        in_turn: report.median(host, IN_TURN)?,
        memory: report.figure(host, "memory of a deployed function").ok(),
    })
}

fn instances_of(report: &Report, host: &str) -> anyhow::Result<Instances> {
    let warm = "warm request beside the idle ones";
    Ok(Instances {
        memory: report.figure(host, "memory of an idle instance")?,
        warm: (report.median(host, warm)?, report.quantile(host, warm, "p99")?),
        alone: report.median(host, ALONE)?,
    })
}
