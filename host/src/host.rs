//! A running host: the catalog in force, what makes a revision of a function, and the way in.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;

use crate::{
    admission::Admission,
    api::signature::AccessKeys,
    capability::{environment::Identity, files::ScratchRoot, outbound::OutboundPolicy},
    catalog::{Catalog, LATEST, Revision, Target},
    component::{ArtifactCache, Loader, Ready, runtime::Runtimes},
    config::{AccessKeyConfig, FunctionConfig, Limits, ServerConfig},
    control::{CodeStore, Tables, View},
    delivery::Delivery,
    engine::Engines,
    instance::Policy,
    invoke::{self, Invocation, InvokeError, Lease, Report},
    pool::{Pool, Queueing},
    store::Store,
    telemetry::{Counters, FunctionLog, LogFeed, LogFollower},
    trigger::source::Triggers,
};

mod deploy;
mod snapshot;

pub(crate) use deploy::Origin;
pub use deploy::{DeployError, DeployReason, Progress};

/// How often idle instances are looked at.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(250);

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

fn loader(engines: Engines, cache: ArtifactCache, mapped_code: u64) -> anyhow::Result<Loader> {
    let loader = Loader::new(engines, cache)?;
    loader.map_at_most(mapped_code);
    Ok(loader)
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
