//! One language runtime, instrumented and compiled, on a thread of its own that loads one function's sources after the
//! other. The instrumentation borrows the runtime's bytes: both live on the thread's stack, for as long as anybody asks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use wasmtime::{
    Store,
    component::{ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc},
    error::Context as _,
};
use wasmtime_wizer::{ComponentContext, Wizer};

use super::abi::{self, BOOT, LOADER};
use crate::{
    component::{ComponentError, Loader, adapt, artifact::ArtifactCache, state::InstanceState},
    engine::behind,
    instance::{CallError, Guest, Policy, abi::HookResults, timed},
};

/// Time for all of a build inside the runtime: the top level of the sources runs in it.
pub(super) const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// A handle; the thread ends with its last one.
pub(super) struct Worker {
    name: String,
    orders: mpsc::Sender<Order>,
    pre: InstancePre<Guest>,
    cpu_gate: Arc<Semaphore>,
}

/// Whether somebody waits for a runtime to be ready.
pub(super) enum Pace<F> {
    /// Somebody does, and is told if it has to be compiled.
    Awaited(F),
    /// Nobody does: its compilation gives way to all else.
    Behind,
}

/// What the thread is to do.
enum Order {
    Load(Job),
    Boot(Policy, mpsc::Sender<wasmtime::Result<Vec<u8>>>),
}

/// Sources to load.
pub(super) struct Job {
    pub(super) source: Arc<abi::Source>,
    pub(super) policy: Policy,
    /// Set when the guest tries to reach the network.
    pub(super) network_attempts: Arc<AtomicBool>,
    pub(super) answer: mpsc::Sender<Attempt>,
}

/// What became of a [`Job`], and what the guest wrote meanwhile.
pub(super) struct Attempt {
    pub(super) outcome: Outcome,
    pub(super) log: Vec<u8>,
}

pub(super) enum Outcome {
    /// Loaded; the component holds the state.
    Loaded(Box<abi::Description>, Vec<u8>),
    /// The sources may be right, but the state that they leave cannot be part of a component, for this reason.
    Unfit(String),
    /// The sources are wrong.
    Failed(CallError),
    /// The runtime is.
    Broken(wasmtime::Error),
}

impl Worker {
    /// Instruments and compiles a runtime, or finds it compiled.
    pub(super) fn start(
        bytes: Vec<u8>,
        name: &str,
        loader: &Loader,
        cache: &ArtifactCache,
        pace: Pace<impl FnOnce()>,
    ) -> Result<Self, ComponentError> {
        let bytes = adapt::to_component(&bytes)?.into_owned();
        let (orders, incoming) = mpsc::channel();
        let (instrumented, made) = mpsc::channel();
        let thread = thread::Builder::new().name("wisp-runtime".into());
        thread.spawn(move || work(&bytes, &instrumented, &incoming))?;
        let broken = |error| ComponentError::Mismatch(format!("no snapshot can be made of it: {error}"));
        let gone = || ComponentError::Mismatch("its thread ended".into());
        let (component, context) = made.recv().map_err(|_| gone())?.map_err(broken)?;
        let digest = format!("{name}-instrumented");
        // The thread above does not give way: builds will wait for it.
        let compiled = match pace {
            Pace::Awaited(compiling) => loader.compiled(cache, &digest, &component, compiling),
            Pace::Behind => {
                behind(|| loader.compiled(cache, &digest, &component, || {})).map_err(ComponentError::Engine)?
            }
        }?;
        let pre = loader.instance_pre(&compiled)?;
        context.send(pre.clone()).map_err(|_| gone())?;
        Ok(Self { name: name.to_owned(), orders, pre, cpu_gate: loader.engines().cpu_gate() })
    }

    /// Loads sources and waits for the outcome: blocking.
    pub(super) fn load(
        &self,
        source: Arc<abi::Source>,
        policy: Policy,
        network_attempts: Arc<AtomicBool>,
    ) -> Option<Attempt> {
        let (answer, outcome) = mpsc::channel();
        self.orders.send(Order::Load(Job { source, policy, network_attempts, answer })).ok()?;
        outcome.recv().ok()
    }

    /// What was given to [`Self::start`].
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the runtime has a start of its own.
    pub(super) fn can_boot(&self) -> bool {
        self.pre.component().get_export_index(None, BOOT).is_some()
    }

    /// The runtime as its own start leaves it: blocking.
    pub(super) fn boot(&self, policy: Policy) -> Option<wasmtime::Result<Vec<u8>>> {
        let (answer, booted) = mpsc::channel();
        self.orders.send(Order::Boot(policy, answer)).ok()?;
        booted.recv().ok()
    }

    pub(super) fn cpu_gate(&self) -> Arc<Semaphore> {
        self.cpu_gate.clone()
    }

    /// The runtime, to instantiate it.
    pub(super) fn pre(&self) -> &InstancePre<Guest> {
        &self.pre
    }
}

/// The instrumented component, and where to send it once it is compiled.
type Instrumented = Result<(Vec<u8>, mpsc::Sender<InstancePre<Guest>>), String>;

fn work(bytes: &[u8], instrumented: &mpsc::Sender<Instrumented>, orders: &mpsc::Receiver<Order>) {
    let mut wizer = Wizer::new();
    wizer.keep_init_func(true);
    let (context, component) = match wizer.instrument_component(bytes) {
        Ok(made) => made,
        Err(error) => return drop(instrumented.send(Err(format!("{error:#}")))),
    };
    let (sender, compiled) = mpsc::channel();
    if instrumented.send(Ok((component, sender))).is_err() {
        return;
    }
    let Ok(pre) = compiled.recv() else { return };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "no sources can be loaded"),
    };
    let bench = Bench { wizer, context, pre };
    for order in orders {
        match order {
            Order::Load(job) => {
                let attempt = runtime.block_on(bench.attempt(&job));
                let _ = job.answer.send(attempt);
            }
            Order::Boot(policy, answer) => drop(answer.send(runtime.block_on(bench.boot(&policy)))),
        }
    }
}

struct Bench<'a> {
    wizer: Wizer,
    context: ComponentContext<'a>,
    pre: InstancePre<Guest>,
}

impl Bench<'_> {
    async fn attempt(&self, job: &Job) -> Attempt {
        let mut store = Guest::store(self.pre.engine(), &job.policy, "build".into());
        let deadline = Instant::now() + LOAD_TIMEOUT;
        let outcome = self.load(&mut store, job, deadline).await.unwrap_or_else(|outcome| outcome);
        let (log, _) = store.data().capture().take();
        Attempt { outcome, log }
    }

    async fn load(&self, store: &mut Store<Guest>, job: &Job, deadline: Instant) -> Result<Outcome, Outcome> {
        let began = Instant::now();
        let instance = timed(store, deadline, async |store| self.pre.instantiate_async(store).await);
        let instance = instance.await.map_err(Outcome::Failed)?;
        let load = loader_function::<abi::LoadParams<'_>, abi::LoadResults>(store, &instance, "load");
        let load = load.map_err(Outcome::Broken)?;
        let source = &*job.source;
        let loaded = timed(store, deadline, async |store| load.call_async(store, (source,)).await).await;
        let load = began.elapsed();
        let description = match loaded {
            Ok((Ok(description),)) => description,
            Ok((Err(failure),)) => return Err(refusal(job, CallError::from_failure(failure))),
            Err(error) => return Err(Outcome::Failed(super::explained(store, error))),
        };
        if store.data().files.has_scratch_files() {
            return Err(Outcome::Unfit("it leaves files in /tmp, which is empty in each instance".into()));
        }
        self.park(store, &instance, deadline).await?;
        let park = began.elapsed();
        let mut state = InstanceState::new(store, &instance);
        // An empty read, which only a failure brings, must not be taken for a snapshot.
        let snapshot = self.wizer.snapshot_component(&self.context, &mut state).await.map_err(Outcome::Broken)?;
        let component = state.check(snapshot).map_err(Outcome::Broken)?;
        let read = began.elapsed();
        tracing::debug!(?load, ?park, ?read, bytes = component.len(), "sources are loaded");
        Ok(Outcome::Loaded(Box::new(description), component))
    }

    async fn boot(&self, policy: &Policy) -> wasmtime::Result<Vec<u8>> {
        let began = Instant::now();
        let mut store = Guest::store(self.pre.engine(), policy, "boot".into());
        let start = async |store: &mut Store<Guest>| {
            let instance = self.pre.instantiate_async(&mut *store).await?;
            let boot = runtime_function::<(), HookResults>(store, &instance, BOOT, "boot")?;
            let (started,) = boot.call_async(store, ()).await?;
            started.map_err(|failure| wasmtime::Error::new(CallError::from_failure(failure)))?;
            Ok(instance)
        };
        let instance = timed(&mut store, began + LOAD_TIMEOUT, start).await?;
        let mut state = InstanceState::new(&mut store, &instance);
        let snapshot = self.wizer.snapshot_component(&self.context, &mut state).await?;
        let bytes = state.check(snapshot)?;
        tracing::debug!(took = ?began.elapsed(), bytes = bytes.len(), "a language runtime has started");
        Ok(bytes)
    }

    async fn park(&self, store: &mut Store<Guest>, instance: &Instance, deadline: Instant) -> Result<(), Outcome> {
        let park = loader_function::<(), abi::ParkResults>(store, instance, "park").map_err(Outcome::Broken)?;
        match timed(store, deadline, async |store| park.call_async(store, ()).await).await {
            Ok((Ok(()),)) => Ok(()),
            Ok((Err(failure),)) => Err(Outcome::Unfit(message_of(&CallError::from_failure(failure)))),
            Err(error) => Err(Outcome::Unfit(error.to_string())),
        }
    }
}

/// `errorType` of what no snapshot holds.
const NOT_IN_SNAPSHOT: &str = "NotInSnapshot";

/// A runtime says by a handled failure, or by the error's type, that the sources want what no snapshot holds. One that
/// does not know why its guest was refused the network says it by whatever the guest made of the refusal.
fn refusal(job: &Job, error: CallError) -> Outcome {
    match &error {
        CallError::Failed { handled, document } if *handled || document.contains(NOT_IN_SNAPSHOT) => {
            Outcome::Unfit(message_of(&error))
        }
        CallError::Failed { document, .. }
            if job.network_attempts.load(Relaxed) && !document.contains("SyntaxError") =>
        {
            Outcome::Unfit(format!("it wants the network ({})", message_of(&error)))
        }
        _ => Outcome::Failed(error),
    }
}

/// `errorMessage` of the error document.
fn message_of(error: &CallError) -> String {
    let CallError::Failed { document, .. } = error else { return error.to_string() };
    let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    document["errorMessage"].as_str().map_or_else(|| error.to_string(), str::to_owned)
}

pub(super) fn loader_function<P, R>(
    store: &mut Store<Guest>,
    instance: &Instance,
    name: &str,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    runtime_function(store, instance, LOADER, name)
}

/// A function that only language runtimes export.
pub(super) fn runtime_function<P, R>(
    store: &mut Store<Guest>,
    instance: &Instance,
    interface: &str,
    name: &str,
) -> wasmtime::Result<TypedFunc<P, R>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let missing = || wasmtime::Error::msg(format!("the language runtime has no {interface}#{name}"));
    let (_, index) = instance.get_export(&mut *store, None, interface).ok_or_else(missing)?;
    let (_, function) = instance.get_export(&mut *store, Some(&index), name).ok_or_else(missing)?;
    instance.get_typed_func(store, function).with_context(|| {
        format!("the language runtime's {interface}#{name} has another type: it belongs to another wisp")
    })
}
