//! A running host: the catalog in force, and what it takes to put another in its place.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use tokio::runtime::Handle;

use crate::{
    admission::Admission,
    api::signature::AccessKeys,
    capability::{environment::Identity, files::ScratchRoot, outbound::OutboundPolicy},
    catalog::{Catalog, Choice, FunctionRoutes, LATEST, Revision, Target, TriggerEntry},
    component::{
        ArtifactCache, ComponentError, ComponentFile, Kind, Loader, Ready, SharedFile, SnapshotRefused,
        runtime::Runtimes,
    },
    config::{AccessKeyConfig, Config, FunctionConfig, Limits, ServerConfig},
    control::{CodeStore, Declared, Tables, View},
    delivery::Delivery,
    engine::Engines,
    instance::{CallError, ConcurrentInstance, Instance, Policy},
    invoke::{self, Invocation, InvokeError, Lease, Report},
    pool::{Pool, Queueing},
    store::Store,
    telemetry::{Counters, FunctionLog, LogFeed, LogFollower},
    trigger::source::Triggers,
};

mod snapshot;

/// How often idle instances are looked at.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);

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

/// Functions, their instances, and the way in. A cheap handle.
#[derive(Clone)]
pub struct FunctionHost(Arc<Shared>);

/// A host that may be gone.
#[derive(Clone)]
pub(crate) struct WeakHost(Weak<Shared>);

impl WeakHost {
    /// `None` once the host is gone.
    pub(crate) fn upgrade(&self) -> Option<FunctionHost> {
        self.0.upgrade().map(FunctionHost)
    }
}

/// Service and name of a function.
type FunctionKey = (Arc<str>, Arc<str>);

struct Shared {
    server: ServerConfig,
    limits: Arc<Limits>,
    loader: Loader,
    /// Set if functions may be served before their code is compiled.
    runtimes: OnceLock<Runtimes>,
    admission: Admission,
    scratch: Arc<ScratchRoot>,
    catalog: ArcSwap<Catalog>,
    feed: LogFeed,
    /// The log and the counters of every function, by service and name.
    telemetry: parking_lot::Mutex<HashMap<FunctionKey, (FunctionLog, Arc<Counters>)>>,
    /// Where HTTP triggers are really served, once they are: the configured port may be 0.
    trigger_address: OnceLock<SocketAddr>,
    /// Asynchronous invocations, once they are started: a host that makes one call has none.
    delivery: OnceLock<Delivery>,
    /// What brings events from outside, once it is started.
    triggers: OnceLock<Triggers>,
    api_address: OnceLock<SocketAddr>,
    /// What is in force. One deploy or change at a time.
    tables: tokio::sync::Mutex<Tables>,
    view: ArcSwap<View>,
    /// Once the catalog is open: see [`FunctionHost::open_catalog`].
    store: OnceLock<Store>,
    code: CodeStore,
    /// Who may ask the API; nobody has to sign anything until some are set.
    access_keys: OnceLock<AccessKeys>,
}

impl FunctionHost {
    /// A host without functions, and the task that looks after its idle instances. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the data directory cannot be used, or no engine be made.
    pub fn new(server: ServerConfig, limits: Limits) -> anyhow::Result<Self> {
        let engines = Engines::new(server.max_instances)?;
        let cache = ArtifactCache::open(&server.data_dir.join("artifacts"), server.artifact_cache)?;
        let scratch = Arc::new(ScratchRoot::new(&server.data_dir.join("scratch"))?);
        let limits = Arc::new(limits);
        let shared = Arc::new(Shared {
            loader: loader(engines, cache, server.mapped_code)?,
            runtimes: OnceLock::new(),
            admission: Admission::new(server.max_instances.get()),
            limits: limits.clone(),
            scratch,
            catalog: ArcSwap::default(),
            feed: LogFeed::new(),
            telemetry: parking_lot::Mutex::default(),
            trigger_address: OnceLock::new(),
            delivery: OnceLock::new(),
            triggers: OnceLock::new(),
            api_address: OnceLock::new(),
            tables: tokio::sync::Mutex::default(),
            view: ArcSwap::default(),
            store: OnceLock::new(),
            access_keys: OnceLock::new(),
            code: CodeStore::new(&server, limits),
            server,
        });
        tokio::spawn(expire(Arc::downgrade(&shared)));
        Ok(Self(shared))
    }

    /// From now on, code packages with sources are built by these runtimes, if the configuration allows it
    /// (`server.build_sources`).
    pub fn build_packages_with(&self, runtimes: Runtimes) {
        self.0.code.build_with(runtimes);
    }

    /// A handle that does not keep the host alive.
    pub(crate) fn downgrade(&self) -> WeakHost {
        WeakHost(Arc::downgrade(&self.0))
    }

    /// The settings of the host as a whole.
    pub fn server(&self) -> &ServerConfig {
        &self.0.server
    }

    /// Where HTTP triggers are served.
    pub fn trigger_address(&self) -> SocketAddr {
        self.0.trigger_address.get().copied().unwrap_or(self.0.server.listen)
    }

    /// Where the API is served.
    pub(crate) fn api_address(&self) -> SocketAddr {
        self.0.api_address.get().copied().unwrap_or(self.0.server.api_listen)
    }

    pub(crate) fn set_api_address(&self, address: SocketAddr) {
        let _ = self.0.api_address.set(address);
    }

    pub(crate) fn set_trigger_address(&self, address: SocketAddr) {
        // Set once, by the one server of a host.
        let _ = self.0.trigger_address.set(address);
    }

    /// Asynchronous invocations, if this host has them.
    pub fn delivery(&self) -> Option<&Delivery> {
        self.0.delivery.get()
    }

    /// Gives the host its asynchronous invocations; `false` if it has them already.
    pub(crate) fn set_delivery(&self, delivery: Delivery) -> bool {
        self.0.delivery.set(delivery).is_ok()
    }

    /// What brings events from outside, if this host has it.
    pub(crate) fn triggers(&self) -> Option<&Triggers> {
        self.0.triggers.get()
    }

    /// Gives the host its triggers; `false` if it has them already.
    pub(crate) fn set_triggers(&self, triggers: Triggers) -> bool {
        self.0.triggers.set(triggers).is_ok()
    }

    /// What requests and responses may not exceed.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Makes components ready.
    pub fn loader(&self) -> &Loader {
        &self.0.loader
    }

    /// From now on, a function whose component these runtimes have made is served at once by its runtime, which loads the
    /// sources in each instance; [`Self::compile_interim`] puts the component in its place. For development: such instances
    /// start as slowly as the sources load.
    pub fn serve_before_compiled(&self, runtimes: Runtimes) {
        // Set once, by the one command that watches sources.
        let _ = self.0.runtimes.set(runtimes);
    }

    /// Compiles what is served by its runtime for the time being, so that the next deploy replaces it: blocking, for
    /// seconds. `false` if there was nothing to compile.
    pub fn compile_interim(&self) -> bool {
        let revisions: Vec<_> = self.catalog().revisions().to_vec();
        let interim = revisions.iter().filter(|revision| revision.ready.interim);
        interim.filter(|revision| self.compile(revision)).count() > 0
    }

    /// The functions in force at this moment.
    pub fn catalog(&self) -> Guard<Arc<Catalog>> {
        self.0.catalog.load()
    }

    /// Instances alive, over all functions.
    pub fn live_instances(&self) -> usize {
        self.0.admission.live()
    }

    /// Log lines of all functions as they come.
    pub fn follow_logs(&self) -> LogFollower {
        self.0.feed.follow()
    }

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

    /// Makes a table of all there is, and resolves by it from now on.
    pub(crate) fn put_in_force(&self, tables: &Tables) {
        let catalog = tables.catalog();
        let functions: HashSet<_> =
            catalog.functions().into_iter().map(|(service, name, _)| (Arc::from(service), Arc::from(name))).collect();
        self.0.telemetry.lock().retain(|key, _| functions.contains(key));
        self.0.view.store(Arc::new(tables.view()));
        self.swap(catalog);
        if let Some(triggers) = self.triggers() {
            triggers.changed();
        }
    }

    /// What the APIs read.
    pub(crate) fn view(&self) -> Arc<View> {
        self.0.view.load_full()
    }

    pub(crate) fn tables(&self) -> &tokio::sync::Mutex<Tables> {
        &self.0.tables
    }

    pub(crate) fn store(&self) -> Option<&Store> {
        self.0.store.get()
    }

    pub(crate) fn set_store(&self, store: Store) {
        // Set once, by whoever opens the catalog.
        let _ = self.0.store.set(store);
    }

    /// Demands signatures by these keys from now on; it can be said once.
    pub fn set_access_keys(&self, keys: &[AccessKeyConfig]) {
        let _ = self.0.access_keys.set(AccessKeys::new(keys));
    }

    pub(crate) fn access_keys(&self) -> &AccessKeys {
        self.0.access_keys.get_or_init(AccessKeys::default)
    }

    pub(crate) fn code(&self) -> &CodeStore {
        &self.0.code
    }

    fn swap(&self, next: Catalog) {
        let next = Arc::new(next);
        let previous = self.0.catalog.swap(next.clone());
        let kept: HashSet<_> = next.revisions().iter().map(Arc::as_ptr).collect();
        for revision in next.revisions() {
            revision.pool.replenish();
        }
        for revision in previous.revisions() {
            if !kept.contains(&Arc::as_ptr(revision)) {
                revision.pool.retire();
            }
        }
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

    /// A revision with a pool of its own; log and counters are those that the function has already.
    pub(crate) fn assemble(
        &self,
        function: Arc<FunctionConfig>,
        ready: Arc<Ready>,
        origin: Origin,
        load_time: Duration,
    ) -> Result<Revision, DeployReason> {
        let policy = self.policy(function.clone(), &origin)?;
        let (log, counters) = self.telemetry(&function);
        let pool = Pool::new(ready.clone(), policy, log.clone(), self.queueing());
        Ok(Revision {
            function,
            ready,
            pool,
            log,
            counters,
            qualifier: origin.qualifier,
            version: origin.version,
            source_digest: origin.source_digest,
            code_checksum: origin.code_checksum,
            created: SystemTime::now(),
            load_time,
        })
    }

    /// They outlive a revision: they are the function's.
    fn telemetry(&self, function: &FunctionConfig) -> (FunctionLog, Arc<Counters>) {
        let key = (function.service.clone(), function.name.clone());
        let mut all = self.0.telemetry.lock();
        let (log, counters) = all.entry(key).or_insert_with(|| {
            let log = FunctionLog::new(function.service.clone(), function.name.clone(), self.0.feed.clone());
            (log, Arc::default())
        });
        (log.clone(), counters.clone())
    }

    pub(crate) fn policy(&self, function: Arc<FunctionConfig>, origin: &Origin) -> Result<Policy, DeployReason> {
        let outbound = OutboundPolicy::parse(&function.allowed_outbound)
            .map_err(|errors| DeployReason::Unfit(errors.join("; ")))?;
        Ok(Policy {
            identity: Arc::new(Identity::new(&self.0.server, function, &origin.qualifier, &origin.version)),
            outbound: Arc::new(outbound.trusting(&self.0.server.trusted_certificates)),
            limits: self.0.limits.clone(),
            scratch: self.0.scratch.clone(),
            data_dir: self.0.server.data_dir.as_path().into(),
            cpu_gate: self.0.loader.engines().cpu_gate(),
            network_attempts: None,
        })
    }

    fn queueing(&self) -> Queueing {
        let host = Arc::downgrade(&self.0);
        Queueing {
            admission: self.0.admission.clone(),
            timeout: self.0.server.queue_timeout,
            length: self.0.server.queue_length,
            evict: Arc::new(move || host.upgrade().is_some_and(|shared| shared.evict_oldest())),
        }
    }

    /// How many invocations of a function's head could run at once; 0 if there is no such function.
    pub(crate) fn most_concurrent(&self, service: &str, function: &str) -> usize {
        let target = Target { service: (!service.is_empty()).then_some(service), function, qualifier: LATEST };
        let catalog = self.catalog();
        let function = catalog.resolve(&target).map(|found| found.revision.function.clone());
        function.map_or(0, |function| function.max_instances.get().saturating_mul(function.instance_concurrency.get()))
    }

    /// Leases an instance of a revision: see [`invoke::lease`].
    pub(crate) fn lease(
        &self,
        revision: Arc<Revision>,
        invocation: Invocation,
    ) -> impl Future<Output = Result<Lease, InvokeError>> + Send + use<> {
        invoke::lease(revision, invocation)
    }

    /// Resolves a target and hands an event to it.
    ///
    /// # Errors
    /// See [`InvokeError`].
    pub async fn invoke_event(
        &self,
        target: Target<'_>,
        invocation: Invocation,
        event: Bytes,
    ) -> Result<(Bytes, Report), InvokeError> {
        let revision = self.catalog().resolve(&target)?.revision.clone();
        self.invoke_revision(revision, invocation, event).await
    }

    /// Hands an event to a revision.
    pub(crate) async fn invoke_revision(
        &self,
        revision: Arc<Revision>,
        invocation: Invocation,
        event: Bytes,
    ) -> Result<(Bytes, Report), InvokeError> {
        if !revision.ready.handles_events() {
            return Err(InvokeError::Unsupported(format!(
                "function '{}' exports no event handler: call it through its HTTP trigger",
                revision.function.name
            )));
        }
        self.lease(revision, invocation).await?.call_event(event).await
    }

    /// Ends all idle instances with their pre-stop hooks, and waits until no instance is left, or for `grace` at most.
    pub async fn stop(&self, grace: Duration) {
        self.swap(Catalog::default());
        let deadline = Instant::now() + grace;
        while self.live_instances() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn unloaded(error: tokio::task::JoinError) -> DeployReason {
    DeployReason::Unfit(format!("the loader failed: {error}"))
}

/// Components that are made ready at once.
fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn loader(engines: Engines, cache: ArtifactCache, mapped_code: u64) -> anyhow::Result<Loader> {
    let loader = Loader::new(engines, cache)?;
    loader.map_at_most(mapped_code);
    Ok(loader)
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

impl Shared {
    /// Ends the instance that is idle longest, of whatever function.
    fn evict_oldest(&self) -> bool {
        let catalog = self.catalog.load();
        let oldest =
            catalog.revisions().iter().filter_map(|revision| Some((revision.pool.idle_since()?, &revision.pool)));
        oldest.min_by_key(|(since, _)| *since).is_some_and(|(_, pool)| pool.evict())
    }
}

/// Lets idle instances expire, for as long as the host is there.
async fn expire(host: Weak<Shared>) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        interval.tick().await;
        let Some(host) = host.upgrade() else { return };
        let now = Instant::now();
        for revision in host.catalog.load().revisions() {
            revision.pool.expire(now);
        }
        host.loader.unmap_unused();
    }
}
