//! One measured host, and what it is to serve.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use serde::{Deserialize, Serialize};
use wisp::{
    bench::{density::hold, machine::Usage},
    delivery,
    engine::Allocation,
    host::FunctionHost,
    trigger,
};

use super::{
    super::{
        process::{Process, serve_until_end},
        served,
    },
    crowd::{self, Crowd, Making, SERVICE},
};
use crate::cli::Failure;

/// What a host is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// Which of the subjects on the command line.
    pub(super) subject: usize,
    /// Where the crowd is.
    pub(super) directory: PathBuf,
    pub(super) making: Making,
    pub(super) functions: u32,
    /// Idle instances of the first function.
    pub(super) instances: u32,
}

/// What a host says when it serves.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    authority: String,
    held: Held,
}

/// Instances that were started and called, and are idle now.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) count: u64,
    /// What the start of each took, in nanoseconds.
    pub(super) starts_ns: Vec<u64>,
    /// Why there are not more.
    pub(super) obstacle: Option<String>,
    /// Memory before the first and after the last.
    pub(super) before: Usage,
    pub(super) after: Usage,
    /// Of the instance pool.
    pub(super) slots: Option<u64>,
}

impl Task {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Service, unless it has none, and name of each function.
    pub(super) fn names(&self) -> impl Iterator<Item = (Option<String>, String)> + use<> {
        let is_stored = self.making == Making::Stored;
        (0..self.functions).map(move |number| ((!is_stored).then(|| SERVICE.to_owned()), crowd::name(number)))
    }
}

/// A host that serves; it ends when this is dropped.
pub(super) struct Host {
    process: Process,
    /// Host and port of its HTTP triggers.
    pub(super) authority: String,
    pub(super) held: Held,
}

impl Host {
    /// Starts a host with this task.
    pub(super) fn start(task: &Task) -> anyhow::Result<Self> {
        let what = format!("a host with {} functions", task.functions);
        let (process, said) = Process::start(&["--host", &serde_json::to_string(task)?], &what)?;
        let Said { authority, held } = said;
        Ok(Self { process, authority, held })
    }

    /// When its process was started.
    pub(super) fn began(&self) -> Instant {
        self.process.began
    }

    /// Its memory now.
    pub(super) fn usage(&self) -> Usage {
        Usage::of(self.process.id())
    }

    /// Ends it, and waits for that.
    pub(super) fn stop(self) {}
}

/// Serves a crowd until the standard input ends.
pub(super) async fn serve(task: &Task, crowd: &Crowd) -> Result<ExitCode, Failure> {
    let config = crowd.config(task.making, task.functions);
    let host = served::empty(&config)?;
    host.open_catalog().await?;
    served::deploy(&host, &config).await?;
    delivery::start(&host, &config.events, &config.server.data_dir)?;
    trigger::start(&host)?;
    let held = held(&host, task).await?;
    let served = served::serve(&host).await?;
    serve_until_end(&Said { authority: served.authority, held }).await
}

async fn held(host: &FunctionHost, task: &Task) -> anyhow::Result<Held> {
    let before = Usage::read_with_mappings();
    let wanted = usize::try_from(task.instances)?;
    let held = match task.making {
        Making::Different if wanted > 0 => Some(hold(host, SERVICE, &crowd::name(0), wanted).await?),
        Making::Different | Making::Same | Making::Stored => None,
    };
    let after = Usage::read_with_mappings();
    let slots = match host.loader().engines().allocation() {
        Allocation::Pool(slots) => u64::try_from(slots).ok(),
        Allocation::OnDemand => None,
    };
    let (starts, obstacle) = held.map(|held| (held.starts.clone(), held.obstacle.clone())).unwrap_or_default();
    let starts_ns = starts.iter().map(|start| u64::try_from(start.as_nanos())).collect::<Result<Vec<_>, _>>()?;
    Ok(Held { count: u64::try_from(starts_ns.len())?, starts_ns, obstacle, before, after, slots })
}
