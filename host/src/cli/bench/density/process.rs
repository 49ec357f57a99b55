//! One measured host: this program, started once more with what it is to serve, and ended with its standard input.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use wisp::{
    bench::{density::hold, machine::Usage},
    delivery,
    engine::Allocation,
    host::FunctionHost,
    trigger,
};

use super::{
    super::served,
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
    child: Child,
    /// When its process was started.
    pub(super) began: Instant,
    /// Host and port of its HTTP triggers.
    pub(super) authority: String,
    pub(super) held: Held,
}

impl Host {
    /// Starts this program once more with the same arguments, and the task.
    pub(super) fn start(task: &Task) -> anyhow::Result<Self> {
        let mut host = Command::new(env::current_exe().context("this program cannot be started once more")?);
        host.args(env::args_os().skip(1)).arg("--host").arg(serde_json::to_string(task)?);
        host.stdin(Stdio::piped()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut child = host.spawn().context("a host cannot be started")?;
        let mut line = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said).read_line(&mut line)?;
        }
        if line.is_empty() {
            bail!("a host with {} functions does not start: {}", task.functions, child.wait()?);
        }
        let Said { authority, held } = serde_json::from_str(&line)?;
        Ok(Self { child, began, authority, held })
    }

    /// Its memory now.
    pub(super) fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// Ends it, and waits for that.
    pub(super) fn stop(self) {}
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // There is nothing in it that would have to be put away.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves a crowd until the standard input ends, which it also does when whoever measures is killed.
pub(super) async fn serve(task: &Task, crowd: &Crowd) -> Result<ExitCode, Failure> {
    let config = crowd.config(task.making, task.functions);
    let host = served::empty(&config)?;
    host.open_catalog().await?;
    served::deploy(&host, &config).await?;
    delivery::start(&host, &config.events, &config.server.data_dir)?;
    trigger::start(&host)?;
    let held = held(&host, task).await?;
    let served = served::serve(&host).await?;
    let said = serde_json::to_string(&Said { authority: served.authority, held })?;
    writeln!(std::io::stdout(), "{said}")?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.map_err(anyhow::Error::from)??;
    Ok(ExitCode::SUCCESS)
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
