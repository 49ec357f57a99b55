//! A component whose initializer has run: its instances start where that left off.
//!
//! The way: `key` says whether there is one already ▸ the component is instrumented and compiled ▸ an instance runs the
//! initializer, without network ▸ what it holds of the host is let go of, by whoever in the guest can (`park`, `libc`,
//! `adapter`), and the rest refuses the snapshot (`held`) ▸ wasmtime-wizer writes a component with its state ▸ that is
//! compiled, which finds all functions compiled already (`engine.rs`).

use std::{
    sync::{Arc, Weak},
    time::{Instant, SystemTime},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use wasmtime_wizer::{ComponentContext, Wizer};

use super::{
    ArtifactCache, ComponentError, Entry, Inspection, Kind, Known, Loader, Ready, adapt, hex, inspect, mismatch,
    state::InstanceState,
};
use crate::{
    engine::EngineKind,
    instance::{Call, CallError, Instance, Policy, Usage, explain_refused},
    invoke::{RequestId, epoch_ms, marked_log},
};

mod adapter;
mod held;
mod key;
mod libc;
mod refusal;

pub use refusal::SnapshotRefused;

use held::Forgetful;

/// How the one run of an initializer went whose state all instances start with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialized {
    /// SHA-256 of the component with the state, in hex.
    pub digest: String,
    /// The request id that the initializer was given; its log lines carry it.
    pub request_id: String,
    /// When it ran, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// What the initializer wrote, between its marker lines.
pub(crate) struct InitializerLog {
    pub(crate) request_id: RequestId,
    pub(crate) text: Vec<u8>,
    pub(crate) dropped: u64,
    /// The last lines that it wrote itself.
    tail: String,
}

/// Lines that stand in the message of a refusal.
const TAIL: usize = 20;

/// What became of it, and the initializer's log if it ran.
pub(crate) struct Attempt {
    pub(crate) outcome: Result<Arc<Ready>, SnapshotRefused>,
    pub(crate) log: Option<InitializerLog>,
}

/// The component to take a snapshot of.
struct Subject<'a> {
    bytes: &'a [u8],
    digest: String,
    inspection: Inspection,
    kind: Kind,
}

/// Whether a snapshot of a component could be taken, as far as can be said without running it.
///
/// # Errors
/// What stands in the way, and the way out.
pub fn examine(component: &[u8]) -> Result<(), SnapshotRefused> {
    let bytes = adapt::to_component(component)?;
    let subject = Subject::of(&bytes)?;
    subject.has_something_to_run(true)?;
    Wizer::new().instrument_component(&bytes).map(drop).map_err(|error| refusal::code(&error))
}

impl Loader {
    /// The component as its initializer leaves it, under a policy without network: from the store, or made now, which runs
    /// the initializer on `runtime`. Blocking. `compiling` is called if it comes to that.
    pub(crate) fn initialized(
        &self,
        bytes: &[u8],
        policy: &Policy,
        runtime: &Handle,
        compiling: impl FnOnce(),
    ) -> Attempt {
        let mut log = None;
        let outcome = self.find_or_initialize(bytes, policy, |subject, key| {
            self.initialize(subject, key, policy, runtime, compiling, &mut log)
        });
        let outcome = outcome.map_err(|error| error.with_log(log.as_ref().map_or("", |log| &log.tail)));
        Attempt { outcome, log }
    }

    /// Whether there is a snapshot of a component, named by its digest, as far as can be said without loading it.
    pub(crate) fn has_snapshot(&self, component: &str, policy: &Policy) -> bool {
        self.0.cache.note(&key::of(component, policy)).is_some()
    }

    fn find_or_initialize(
        &self,
        bytes: &[u8],
        policy: &Policy,
        initialize: impl FnOnce(&Subject<'_>, &str) -> Result<Ready, SnapshotRefused>,
    ) -> Result<Arc<Ready>, SnapshotRefused> {
        let bytes = adapt::to_component(bytes)?;
        let subject = Subject::of(&bytes)?;
        subject.has_something_to_run(policy.identity.function.initializer.is_some())?;
        let key = key::of(&subject.digest, policy);
        let shared = self.0.initialized.lock().get(&key).and_then(Weak::upgrade);
        if let Some(ready) = shared {
            return Ok(ready);
        }
        // One at a time, over all processes: who waited finds it made.
        let _lock = self.0.cache.lock(&key)?;
        let ready = match self.stored(&subject, &key)? {
            Some(ready) => ready,
            None => initialize(&subject, &key)?,
        };
        let ready = Arc::new(ready);
        let mut known = self.0.initialized.lock();
        known.retain(|_, ready| ready.strong_count() > 0);
        // Whoever was quicker has the one that all share.
        let first = known.get(&key).and_then(Weak::upgrade);
        Ok(first.unwrap_or_else(|| {
            known.insert(key, Arc::downgrade(&ready));
            ready
        }))
    }

    /// The snapshot of an earlier run, if all of it is whole.
    fn stored(&self, subject: &Subject<'_>, key: &str) -> Result<Option<Ready>, ComponentError> {
        let Some(note) = self.0.cache.note(key) else { return Ok(None) };
        let Ok(initialized) = serde_json::from_slice::<Initialized>(&note) else { return Ok(None) };
        let engine = self.0.engines.get(EngineKind::Sequential).map_err(ComponentError::Engine)?;
        if let Some(component) = self.0.cache.compiled(engine, &initialized.digest, &mut |_| {})? {
            return self.ready_from(subject, &component, initialized).map(Some);
        }
        // Compiled for another wasmtime, damaged, or removed to make room: the component itself may still be there.
        let Some(bytes) = self.0.cache.snapshot(&initialized.digest) else { return Ok(None) };
        self.compiled_snapshot(subject, &bytes, initialized).map(Some)
    }

    fn compiled_snapshot(
        &self,
        subject: &Subject<'_>,
        bytes: &[u8],
        initialized: Initialized,
    ) -> Result<Ready, ComponentError> {
        let component = self.compiled(&self.0.cache, &initialized.digest, bytes, || {})?;
        self.ready_from(subject, &component, initialized)
    }

    fn ready_from(
        &self,
        subject: &Subject<'_>,
        component: &wasmtime::component::Component,
        initialized: Initialized,
    ) -> Result<Ready, ComponentError> {
        let known = Known::new(subject.digest.clone(), subject.kind, subject.inspection.declaration.clone());
        self.linked(known, component, Some(initialized))
    }

    fn initialize(
        &self,
        subject: &Subject<'_>,
        key: &str,
        policy: &Policy,
        runtime: &Handle,
        compiling: impl FnOnce(),
        log: &mut Option<InitializerLog>,
    ) -> Result<Ready, SnapshotRefused> {
        let with_reset = libc::with_reset(subject.bytes)?;
        let bytes = with_reset.as_deref().unwrap_or(subject.bytes);
        let mut wizer = Wizer::new();
        wizer.keep_init_func(true);
        let (context, instrumented) = wizer.instrument_component(bytes).map_err(|error| refusal::code(&error))?;
        let ready = self.instrumented(subject, &instrumented, compiling)?;
        let id = RequestId::new();
        let bench = Bench { wizer, context, ready, policy, bytes, id };
        let made = runtime.block_on(bench.run(log))?;
        let initialized = Initialized {
            digest: hex(&Sha256::digest(&made.component)),
            request_id: id.as_str().to_owned(),
            at_ms: made.at_ms,
            took_us: u64::try_from(made.usage.duration.as_micros()).unwrap_or(u64::MAX),
        };
        let ready = self.compiled_snapshot(subject, &made.component, initialized.clone())?;
        self.0.cache.keep_snapshot(&initialized.digest, &made.component)?;
        // The note goes last: what it names is there.
        let note = serde_json::to_vec(&initialized).map_err(std::io::Error::from)?;
        self.0.cache.keep_note(key, &note)?;
        Ok(ready)
    }

    /// The instrumented component, compiled for this one run.
    fn instrumented(
        &self,
        subject: &Subject<'_>,
        instrumented: &[u8],
        compiling: impl FnOnce(),
    ) -> Result<Ready, ComponentError> {
        let digest = format!("{}-instrumented", subject.digest);
        compiling();
        let engines = &self.0.engines;
        let engine = engines.get(EngineKind::Sequential).map_err(ComponentError::Engine)?.clone();
        let compiler = engines.incremental().map_err(ComponentError::Engine)?;
        let component = ArtifactCache::compiled_for_now(&engine, compiler, instrumented)?;
        let declaration = subject.inspection.declaration.clone();
        let pre = self.instance_pre(&component)?;
        let entry = Entry::new(subject.kind, pre, declaration.as_ref()).map_err(mismatch)?;
        Ok(Ready::lasting(digest, subject.kind, declaration, entry, engine))
    }
}

impl<'a> Subject<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, ComponentError> {
        let inspection = inspect::inspect_component(bytes)?;
        let kind = inspection.served_kind()?;
        Ok(Self { bytes, digest: hex(&Sha256::digest(bytes)), inspection, kind })
    }

    /// `is_configured`: whether the function names an initializer.
    fn has_something_to_run(&self, is_configured: bool) -> Result<(), SnapshotRefused> {
        let is_exported = match &self.inspection.declaration {
            Some(declared) => declared.initializer,
            None => self.inspection.exports_interface("initializer"),
        };
        match self.kind {
            Kind::Function if is_exported => Ok(()),
            Kind::WasiHttp02 if is_configured => Ok(()),
            Kind::Function | Kind::WasiHttp02 => Err(refusal::no_initializer(self.kind)),
            Kind::WasiHttp03 | Kind::Command => Err(refusal::kind(self.kind)),
        }
    }
}

/// An instrumented component and what its one instance is given.
struct Bench<'a> {
    wizer: Wizer,
    context: ComponentContext<'a>,
    ready: Ready,
    policy: &'a Policy,
    /// What was instrumented.
    bytes: &'a [u8],
    id: RequestId,
}

struct Made {
    component: Vec<u8>,
    at_ms: u64,
    usage: Usage,
}

impl Bench<'_> {
    async fn run(&self, log: &mut Option<InitializerLog>) -> Result<Made, SnapshotRefused> {
        let function = &self.policy.identity.function;
        let timeout = function.initialization_timeout;
        let (began, now) = (Instant::now(), SystemTime::now());
        let deadline = began + timeout;
        let started = Instance::start_instrumented(&self.ready, self.policy, deadline).await;
        let (mut instance, raw) = started.map_err(|error| refusal::start(&error))?;
        let call = Call {
            request_id: self.id.as_str(),
            deadline,
            deadline_ms: epoch_ms(now + timeout),
            retry_count: 0,
            trace_parent: None,
        };
        let result = instance.initialize(&call).await;
        let usage = Usage { duration: began.elapsed(), memory: instance.memory() };
        *log = Some(self.log(&mut instance, &result, usage));
        let result = result.map_err(|error| explained(&mut instance, error));
        refusal::initializer(result, self.policy)?;
        let forgetful = self.let_go(&mut instance, &raw, deadline).await?;
        refusal::held(instance.held(|table| held::describe(table, forgetful)), instance.has_scratch_files())?;
        let component = self.read(&mut instance, &raw, forgetful).await?;
        Ok(Made { component, at_ms: epoch_ms(now), usage })
    }

    fn log(&self, instance: &mut Instance, result: &Result<(), CallError>, usage: Usage) -> InitializerLog {
        let (bytes, dropped) = instance.take_log();
        let ending = result.as_ref().err().map(|_| "Unhandled function error");
        let memory = self.policy.identity.function.memory;
        InitializerLog {
            request_id: self.id,
            text: marked_log(self.id.as_str(), "Initialize", &bytes, ending, usage, memory),
            dropped,
            tail: tail(&bytes),
        }
    }

    /// Has the guest let go of what it can open again.
    async fn let_go(
        &self,
        instance: &mut Instance,
        raw: &wasmtime::component::Instance,
        deadline: Instant,
    ) -> Result<Forgetful, SnapshotRefused> {
        // Of components with a declaration, and of no others: those are language runtimes.
        if self.ready.declaration.is_some() {
            instance.park(raw, deadline).await.map_err(|error| refusal::park(&error))?;
        }
        if instance.has_export(raw, libc::RESET) {
            let reset = instance.call_bare(raw, libc::RESET, deadline).await;
            reset.map_err(|error| refusal::park(&error))?;
        }
        Ok(if adapter::is_in(self.bytes)? { Forgetful::Adapter } else { Forgetful::Nobody })
    }

    async fn read(
        &self,
        instance: &mut Instance,
        raw: &wasmtime::component::Instance,
        forgetful: Forgetful,
    ) -> Result<Vec<u8>, SnapshotRefused> {
        let mut state = InstanceState::new(instance.store(), raw);
        let snapshot = self.wizer.snapshot_component(&self.context, &mut state).await;
        // An empty read, which only a failure brings, must not be taken for a snapshot.
        let snapshot = snapshot.and_then(|snapshot| state.check(snapshot)).map_err(|error| refusal::code(&error))?;
        Ok(match forgetful {
            Forgetful::Adapter => adapter::as_new(&snapshot, self.bytes)?,
            Forgetful::Nobody => snapshot,
        })
    }
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Why the instance ended is what the refusal says.
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("wisp: the instance ended")).collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}

/// A trap with the limit that it came from.
fn explained(instance: &mut Instance, error: CallError) -> CallError {
    match (error, instance.take_refused()) {
        (CallError::Trapped(reason), Some(refused)) => {
            CallError::Trapped(format!("{reason} ({})", explain_refused(refused)))
        }
        (error, _) => error,
    }
}
