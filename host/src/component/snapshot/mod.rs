//! A component whose initializer has run: its instances start where that left off.
//!
//! The way: `key` says whether there is one already ▸ the component is instrumented and compiled ▸ an instance runs the
//! initializer, without network ▸ what it holds of the host is let go of, by whoever in the guest can (`park`, `libc`,
//! `adapter`), and the rest refuses the snapshot (`held`) ▸ wasmtime-wizer writes a component with its state ▸ that is
//! compiled, which finds all functions compiled already (`engine.rs`).

use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use wasmtime_wizer::Wizer;

use super::{
    ArtifactCache, ComponentError, ComponentFile, Entry, Inspection, Kind, Known, LoadStep, Loader, Ready, adapt, hex,
    inspect, mismatch, share,
};
use crate::{engine::EngineKind, instance::Policy, invoke::RequestId};

mod adapter;
mod held;
mod key;
mod libc;
mod refusal;
mod run;

pub use refusal::SnapshotRefused;

pub(crate) use run::InitializerLog;
use run::Run;

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
        file: &ComponentFile,
        policy: &Policy,
        runtime: &Handle,
        compiling: impl FnOnce(),
    ) -> Attempt {
        let mut log = None;
        let outcome = self.find_or_initialize(file, policy, |subject, key| {
            self.initialize(subject, key, policy, runtime, compiling, &mut log)
        });
        let outcome = outcome.map_err(|error| error.with_log(log.as_ref().map_or("", |log| &log.tail)));
        Attempt { outcome, log }
    }

    /// Whether there is a snapshot of a component, named by its digest, as far as can be said without loading it.
    pub(crate) fn has_snapshot(&self, component: &str, policy: &Policy) -> bool {
        self.0.cache.note(&key::of(component, policy)).is_some()
    }

    /// The snapshot that was made of a component, if there is one. Blocking.
    ///
    /// # Errors
    /// If the cache cannot be read, or the snapshot not be linked.
    pub(crate) fn found_snapshot(&self, of: &Ready, policy: &Policy) -> Result<Option<Arc<Ready>>, ComponentError> {
        self.remembered(&Known::new(of.digest.clone(), of.kind, of.declaration.clone()), policy)
    }

    /// The same, whatever is in use, and `passed` is told the end of each step: for measurements.
    pub(crate) fn load_snapshot_watched(
        &self,
        file: &ComponentFile,
        policy: &Policy,
        passed: &mut dyn FnMut(LoadStep),
    ) -> Result<Option<Ready>, ComponentError> {
        let Some(known) = self.0.cache.known(&file.name()) else { return Ok(None) };
        let key = key::of(&known.digest, policy);
        passed(LoadStep::Check);
        self.stored(&known, &key, passed)
    }

    fn find_or_initialize(
        &self,
        file: &ComponentFile,
        policy: &Policy,
        initialize: impl FnOnce(&Subject<'_>, &str) -> Result<Ready, SnapshotRefused>,
    ) -> Result<Arc<Ready>, SnapshotRefused> {
        if let Some(known) = self.0.cache.known(&file.name())
            && let Some(ready) = self.remembered(&known, policy)?
        {
            return Ok(ready);
        }
        let bytes = adapt::to_component(file.bytes())?;
        let subject = Subject::of(&bytes)?;
        subject.has_something_to_run(policy.identity.function.initializer.is_some())?;
        let known = subject.known();
        self.0.cache.note_down(&file.name(), &known);
        let key = key::of(&subject.digest, policy);
        // One at a time, over all processes: who waited finds it made.
        let _lock = self.0.cache.lock(&key)?;
        match self.remembered(&known, policy)? {
            Some(ready) => Ok(ready),
            None => Ok(share(&self.0.initialized, key.clone(), Arc::new(initialize(&subject, &key)?))),
        }
    }

    /// The snapshot of a component about which nothing has to be found out, if it is in use or all of it is in the cache.
    fn remembered(&self, known: &Known, policy: &Policy) -> Result<Option<Arc<Ready>>, ComponentError> {
        let key = key::of(&known.digest, policy);
        let in_use = self.0.initialized.lock().get(&key).and_then(Weak::upgrade);
        if in_use.is_some() {
            return Ok(in_use);
        }
        let stored = self.stored(known, &key, &mut |_| {})?;
        Ok(stored.map(|ready| share(&self.0.initialized, key, Arc::new(ready))))
    }

    /// The snapshot of an earlier run, if all of it is whole.
    fn stored(
        &self,
        known: &Known,
        key: &str,
        passed: &mut dyn FnMut(LoadStep),
    ) -> Result<Option<Ready>, ComponentError> {
        let Some(note) = self.0.cache.note(key) else { return Ok(None) };
        let Ok(initialized) = serde_json::from_slice::<Initialized>(&note) else { return Ok(None) };
        let engine = self.0.engines.get(EngineKind::Sequential).map_err(ComponentError::Engine)?;
        if let Some(component) = self.0.cache.compiled(engine, &initialized.digest, passed)? {
            let ready = self.linked(known.clone(), &component, Some(initialized))?;
            passed(LoadStep::Link);
            return Ok(Some(ready));
        }
        // Compiled for another wasmtime, damaged, or removed to make room: the component itself may still be there.
        let Some(bytes) = self.0.cache.snapshot(&initialized.digest) else { return Ok(None) };
        self.compiled_snapshot(known.clone(), &bytes, initialized).map(Some)
    }

    fn compiled_snapshot(&self, known: Known, bytes: &[u8], initialized: Initialized) -> Result<Ready, ComponentError> {
        let component = self.compiled(&self.0.cache, &initialized.digest, bytes, || {})?;
        self.linked(known, &component, Some(initialized))
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
        let run = Run { wizer, context, ready, policy, bytes, id };
        let made = runtime.block_on(run.make(log))?;
        let initialized = Initialized {
            digest: hex(&Sha256::digest(&made.component)),
            request_id: id.as_str().to_owned(),
            at_ms: made.at_ms,
            took_us: u64::try_from(made.usage.duration.as_micros()).unwrap_or(u64::MAX),
        };
        let ready = self.compiled_snapshot(subject.known(), &made.component, initialized.clone())?;
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
        self.0.functions.write(engines);
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

    /// What another start need not find out again.
    fn known(&self) -> Known {
        Known::new(self.digest.clone(), self.kind, self.inspection.declaration.clone())
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
