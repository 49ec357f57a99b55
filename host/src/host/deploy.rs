//! A configuration becomes revisions: each component is read, made ready, checked against what is asked of it, and tried.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use tokio::runtime::Handle;

use super::FunctionHost;
use crate::{
    catalog::{Choice, FunctionRoutes, LATEST, Revision, TriggerEntry},
    component::{ComponentError, ComponentFile, Kind, Ready, SharedFile, SnapshotRefused},
    config::{Config, FunctionConfig},
    control::Declared,
    instance::{CallError, ConcurrentInstance, Instance, Policy},
};

/// Time that a component may take to instantiate when it is tried at deploy.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a function was not deployed.
#[derive(Debug, thiserror::Error)]
#[error("function '{function}' ({}): {reason}", .file.display())]
pub struct DeployError {
    /// The function's name.
    pub function: String,
    /// Its component's file.
    pub file: PathBuf,
    /// What is wrong.
    pub reason: DeployReason,
}

/// What is wrong with a function.
#[derive(Debug, thiserror::Error)]
pub enum DeployReason {
    /// The file cannot be read.
    #[error("cannot be read: {0}. Build it (`wisp build`), or correct `component`")]
    Unreadable(Arc<std::io::Error>),
    /// The component is not served.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// A trial instance does not start.
    #[error("{0}")]
    Trial(CallError),
    /// A snapshot is wanted, and cannot be had.
    #[error(transparent)]
    Snapshot(SnapshotRefused),
    /// The configuration asks for what the component cannot do.
    #[error("{0}")]
    Unfit(String),
    /// There is no room to try it.
    #[error("{0}")]
    Full(String),
}

/// What a deploy is doing, for those who wait for it.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// Compiles a component that was never seen before: seconds for JavaScript and Python.
    Compiling {
        /// The function.
        function: &'a str,
        /// Bytes of the component.
        size: usize,
    },
    /// A function is ready.
    Ready {
        /// The function.
        function: &'a str,
    },
}

/// Where a revision comes from.
pub(crate) struct Origin {
    pub(crate) qualifier: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) source_digest: [u8; 32],
    pub(crate) code_checksum: Arc<str>,
}

impl Origin {
    pub(crate) fn declared(source_digest: [u8; 32]) -> Self {
        Self { qualifier: LATEST.into(), version: LATEST.into(), source_digest, code_checksum: "".into() }
    }
}

impl FunctionHost {
    /// Puts the functions and domains of a configuration in force, in one step. A function that did not change keeps its
    /// instances; what runs on a replaced one ends there.
    ///
    /// # Errors
    /// All functions that cannot be served; then nothing changes.
    pub async fn deploy(
        &self,
        config: &Config,
        progress: impl Fn(Progress<'_>) + Send + Sync + 'static,
    ) -> Result<(), Vec<DeployError>> {
        let mut tables = self.0.tables.lock().await;
        let progress = Arc::new(progress);
        let (mut revisions, mut errors) = (Vec::new(), Vec::new());
        // Functions of one component share its file, which goes from memory with the last of them.
        let mut files: HashMap<&PathBuf, SharedFile> = HashMap::new();
        // Side by side, in the order of the configuration: most of it is reading, hashing and mapping.
        let made: Vec<BoxFuture<'_, _>> = config
            .functions
            .iter()
            .map(|function| {
                let file = files.entry(&function.component).or_default().clone();
                let (function, progress) = (Arc::new(function.clone()), progress.clone());
                async move { (function.clone(), self.revision(function, file, progress).await) }.boxed()
            })
            .collect();
        drop(files);
        // One more than work at it: trying an instance is this task's own part.
        let mut made = futures_util::stream::iter(made).buffered(parallelism() + 1);
        while let Some((function, revision)) = made.next().await {
            match revision {
                Ok(revision) => {
                    progress(Progress::Ready { function: &function.name });
                    revisions.push(revision);
                }
                Err(reason) => errors.push(DeployError {
                    function: function.name.to_string(),
                    file: function.component.clone(),
                    reason,
                }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        tables.declared = Arc::new(declared(revisions));
        tables.declared_domains = config.domains.clone();
        tables.declared_triggers = config.triggers.clone().into();
        tables.sources = Arc::new(config.sources.clone());
        self.put_in_force(&tables);
        Ok(())
    }

    async fn revision(
        &self,
        function: Arc<FunctionConfig>,
        file: SharedFile,
        progress: Arc<impl Fn(Progress<'_>) + Send + Sync + 'static>,
    ) -> Result<Arc<Revision>, DeployReason> {
        let began = Instant::now();
        let file = file.read(&function.component).await.map_err(DeployReason::Unreadable)?;
        let source_digest = *file.digest();
        if let Some(unchanged) = self.unchanged(&function, &source_digest) {
            return Ok(unchanged);
        }
        let ready = self.load(&function, file, progress).await?;
        fits(&function, &ready)?;
        // What stands in for a component was tried when the component was built, and takes long to start.
        if !ready.interim {
            self.try_out(&function, &ready).await?;
        }
        Ok(Arc::new(self.assemble(function, ready, Origin::declared(source_digest), began.elapsed())?))
    }

    fn unchanged(&self, function: &FunctionConfig, source_digest: &[u8; 32]) -> Option<Arc<Revision>> {
        let catalog = self.0.catalog.load();
        let same = catalog.revisions().iter().find(|revision| {
            *revision.qualifier == *LATEST
                && *revision.function == *function
                && revision.source_digest == *source_digest
        });
        same.filter(|same| !self.is_outdated(same)).cloned()
    }

    /// A component that is ready: with the state of its initializer if the function says so, or its runtime in its place for
    /// the time being.
    async fn load(
        &self,
        function: &Arc<FunctionConfig>,
        file: Arc<ComponentFile>,
        progress: Arc<impl Fn(Progress<'_>) + Send + Sync + 'static>,
    ) -> Result<Arc<Ready>, DeployReason> {
        let (host, function, runtime) = (self.clone(), function.clone(), Handle::current());
        let load = tokio::task::spawn_blocking(move || {
            let compiling = || progress(Progress::Compiling { function: &function.name, size: file.bytes().len() });
            if let Some(interim) = host.interim(&function, &file)? {
                return Ok(Arc::new(interim));
            }
            if function.snapshot {
                return host.initialized_here(&function, &file, &runtime, compiling);
            }
            Ok(host.0.loader.load_file(&file, compiling)?)
        });
        load.await.map_err(unloaded)?
    }

    /// What stands in for a component that is not ready yet, if functions may be served by it.
    fn interim(&self, function: &Arc<FunctionConfig>, file: &ComponentFile) -> Result<Option<Ready>, DeployReason> {
        let Some(interim) = self.0.runtimes.get().and_then(|runtimes| runtimes.interim(file)) else { return Ok(None) };
        let has_snapshot =
            function.snapshot && self.0.loader.has_snapshot(&interim.digest, &self.snapshot_policy(function.clone())?);
        Ok((!has_snapshot).then_some(interim))
    }

    /// Starts one instance and lets it go. It takes a place like any other: on a full host it waits for one as requests do.
    pub(crate) async fn try_out(&self, function: &Arc<FunctionConfig>, ready: &Ready) -> Result<(), DeployReason> {
        let policy = self.policy(function.clone(), &Origin::declared([0; 32]))?;
        let queueing = self.queueing();
        let _permit = queueing.admit(Instant::now() + queueing.timeout).await.map_err(DeployReason::Full)?;
        try_out(ready, &policy).await.map_err(DeployReason::Trial)
    }
}

pub(super) fn unloaded(error: tokio::task::JoinError) -> DeployReason {
    DeployReason::Unfit(format!("the loader failed: {error}"))
}

/// Components that are made ready at once.
fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The table of the configuration's functions.
fn declared(revisions: Vec<Arc<Revision>>) -> Declared {
    let mut declared = Declared::new();
    for revision in revisions {
        let function = revision.function.clone();
        let trigger = function.http.clone().map(|config| TriggerEntry { qualifier: None, config });
        let latest = Some(Choice::only(Ok(revision)));
        let routes = FunctionRoutes { latest, trigger, ..FunctionRoutes::default() };
        declared.entry(function.service.to_string()).or_default().insert(function.name.clone(), routes);
    }
    declared
}

/// What the configuration asks for and the component cannot do.
fn fits(function: &FunctionConfig, ready: &Ready) -> Result<(), DeployReason> {
    if function.instance_concurrency.get() > 1 && ready.kind != Kind::WasiHttp03 {
        return Err(DeployReason::Unfit(format!(
            "`instance_concurrency` is {}, but a component of kind {} handles one invocation at a time: set it to 1, and let \
             `max_instances` do the rest",
            function.instance_concurrency,
            ready.kind.describe()
        )));
    }
    if function.pre_freeze && ready.kind == Kind::WasiHttp03 {
        return Err(DeployReason::Unfit(
            "`pre_freeze` is set, but a component of WASI 0.3 serves several invocations at once and is never frozen"
                .into(),
        ));
    }
    if function.initializer.is_some() && ready.kind == Kind::Command {
        return Err(DeployReason::Unfit("`initializer` is set, but a command runs anew for every event".into()));
    }
    Ok(())
}

/// Starts one instance and lets it go: what cannot start, or has exports of another type, is found now.
async fn try_out(ready: &Ready, policy: &Policy) -> Result<(), CallError> {
    let deadline = Instant::now() + TRIAL_TIMEOUT;
    match ready.kind {
        Kind::WasiHttp03 => ConcurrentInstance::start(ready, policy, deadline).await.map(drop),
        Kind::Function | Kind::WasiHttp02 | Kind::Command => Instance::start(ready, policy, deadline).await.map(drop),
    }
}
